package cmd

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

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
	c.AddCommand(newTraceImport(w), newTraceInspect(w), newTraceValidate(w))
	return c
}

func newTraceImport(w *world) *cobra.Command {
	var opt trace.ImportOptions
	var out, start string
	var replace bool
	names := make([]string, 0, 4)
	for _, i := range trace.Importers() {
		names = append(names, i.Name)
	}
	c := &cobra.Command{
		Use:   "import SOURCE",
		Short: "Turn another format into a recording",
		Long:  "Turn another format into a recording. Formats:\n\n" + importerHelp(),
		Example: `  grlscaler trace import --from csv rates.csv -o black-friday
  grlscaler trace import --from gym-hpa --kbit-per-request 8 v1_dataset.csv -o gym
  grlscaler trace import --from recorded --point h_rushsale raw/ -o h_rushsale
  grlscaler trace import --from recorded --point 'g*' --interval 60s raw/ -o grid`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if opt.From == "" {
				return usagef("--from is missing; one of %s", strings.Join(names, ", "))
			}
			if !slices.Contains(names, opt.From) {
				return usagef("--from %s: unknown format; one of %s", opt.From, strings.Join(names, ", "))
			}
			if out == "" {
				return usagef("--out is missing; name the directory to write")
			}
			if start != "" {
				t, err := time.Parse(time.RFC3339, start)
				if err != nil {
					return usagef("--start %q: not a time like 2025-11-28T08:00:00Z", start)
				}
				opt.Start = t
			}
			write := trace.WriteOptions{Replace: replace}
			if opt.From == "recorded" && strings.ContainsAny(opt.Point, "*?[") {
				return importMany(w, args[0], out, opt, write)
			}
			rec, err := trace.Import(args[0], opt)
			if err != nil {
				return err
			}
			if err := trace.Write(out, rec, write); err != nil {
				return err
			}
			printWarnings(w.stdout, rec)
			return printSummary(w.stdout, trace.Inspect(rec))
		},
	}
	f := c.Flags()
	f.StringVar(&opt.From, "from", "", "format of the source: "+strings.Join(names, ", "))
	f.StringVarP(&out, "out", "o", "", "directory to write")
	f.BoolVar(&replace, "replace", false, "replace a recording that is already there")
	f.StringVar(&opt.Application, "app", "", "application of the recording (default: the format's)")
	f.DurationVar(&opt.Interval, "interval", 0, "time between rows (default: as in the source)")
	f.StringVar(&start, "start", "", "time of the first row, RFC 3339 (default: as in the source)")
	f.StringVar(&opt.Source, "source", "", "where the data come from, for meta.yaml")
	f.StringVar(&opt.Licence, "licence", "", "their licence, for meta.yaml")
	f.BoolVar(&opt.AllowGaps, "allow-gaps", false, "accept missing rows, and leave them missing")
	f.BoolVar(&opt.Fill, "fill", false, "bridge missing rows and values with the value before them; the notes of the recording say how many")
	f.StringVar(&opt.RateColumn, "rate-column", "", "csv: name of the column with the total rate")
	f.Float64Var(&opt.KbitPerRequest, "kbit-per-request", 0, "gym-hpa: traffic received per request, to estimate rates")
	f.StringVar(&opt.TrafficUnit, "traffic-unit", "", "gym-hpa: unit of the traffic columns, kbit/s (default) or kB/s")
	f.StringVar(&opt.Point, "point", "", "recorded: name of the run, or a pattern such as g* for one recording each below --out")
	f.BoolVar(&opt.WarmUp, "warm-up", false, "recorded: keep the warm-up before the run")
	return c
}

// importMany makes one recording below out of each run whose name matches the pattern opt.Point.
func importMany(w *world, src, out string, opt trace.ImportOptions, write trace.WriteOptions) error {
	names, err := trace.MatchRecorded(os.DirFS(src), opt.Point)
	if err != nil {
		return fmt.Errorf("importing %s: %w", src, err)
	}
	for _, name := range names {
		opt.Point = name
		rec, err := trace.Import(src, opt)
		if err != nil {
			return err
		}
		dir := filepath.Join(out, name)
		if err := trace.Write(dir, rec, write); err != nil {
			return err
		}
		fmt.Fprintf(w.stdout, "%s: %v in steps of %v\n", dir, rec.Duration(), rec.Meta.Interval)
		printWarnings(w.stdout, rec)
	}
	return nil
}

func importerHelp() string {
	var b strings.Builder
	for _, i := range trace.Importers() {
		fmt.Fprintf(&b, "  %-9s %s (%s)\n", i.Name, i.Summary, i.Source)
	}
	return b.String()
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
