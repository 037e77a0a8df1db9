package cmd

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/grlscaler/grlscaler/sim/trace"
)

func newTrace(w *world) *cobra.Command {
	c := &cobra.Command{
		Use:   "trace",
		Short: "Import, inspect and validate recordings",
		Long: `A recording is a directory of CSV files with a meta.yaml (docs/recordings.md). Its load can be replayed
under any controller; its recorded replicas, CPU and latencies serve to check the simulator.`,
		Example: `  grlscaler trace inspect testdata/recordings/h_rushsale
  grlscaler trace import --from csv rates.csv -o my-recording`,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newTraceImport(w), newTraceQueries(w), newTraceInspect(w), newTraceValidate(w))
	return c
}

func newTraceInspect(w *world) *cobra.Command {
	var opt trace.ReadOptions
	c := &cobra.Command{
		Use:     "inspect DIR",
		Short:   "Say what a recording holds",
		Example: "  grlscaler trace inspect testdata/recordings/h_rushsale",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			rec, err := trace.ReadWith(args[0], opt)
			if err != nil {
				return err
			}
			printWarnings(w.stdout, rec)
			return printSummary(w.stdout, trace.Inspect(rec))
		},
	}
	registerFill(c.Flags(), &opt.Fill)
	return c
}

// printWarnings prints what was found when a recording was read or made.
func printWarnings(w io.Writer, rec *trace.Recording) {
	for i := range rec.Warnings {
		fmt.Fprintf(w, "warning: %v\n", &rec.Warnings[i])
	}
}

func newTraceValidate(w *world) *cobra.Command {
	var opt trace.ReadOptions
	var appWord string
	c := &cobra.Command{
		Use:   "validate DIR...",
		Short: "Check recordings and list every mistake",
		Long: `Check recordings and list every mistake. A directory that is no recording stands for all those below it.
With --app endpoints and services must be the application's; with --fill gaps are bridged first, as other commands do with
that flag.`,
		Example: `  grlscaler trace validate testdata/recordings
  grlscaler trace validate --app online_boutique testdata/recordings/h_rushsale`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if appWord != "" {
				app, err := loadApp(appWord)
				if err != nil {
					return err
				}
				printAppWarnings(w.stdout, app)
				opt.App = recordingOf(app.App)
			}
			dirs, err := trace.Find(args...)
			if err != nil {
				return err
			}
			bad := 0
			for _, dir := range dirs {
				report := trace.Validate(dir, opt)
				for i := range report.Findings {
					f := &report.Findings[i]
					fmt.Fprintf(w.stdout, "%s: %v: %v (%s)\n", dir, f.Severity, f, f.Code)
				}
				if more := report.Errors + report.Warnings - len(report.Findings); more > 0 {
					fmt.Fprintf(w.stdout, "%s: and %d more\n", dir, more)
				}
				if report.Errors > 0 {
					bad++
				} else {
					fmt.Fprintf(w.stdout, "%s: valid\n", dir)
				}
			}
			if bad > 0 {
				return errors.New(plural(bad, "recording is", "recordings are") + " not valid")
			}
			return nil
		},
	}
	c.Flags().StringVar(&appWord, "app", "", "application whose endpoints and services the recordings must be about: a built-in name or the path of a .yaml file")
	registerFill(c.Flags(), &opt.Fill)
	return c
}

// plural prints a count with the right form.
func plural(n int, one, many string) string {
	if n == 1 {
		return fmt.Sprintf("%d %s", n, one)
	}
	return fmt.Sprintf("%d %s", n, many)
}
