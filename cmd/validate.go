package cmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/grlscaler/grlscaler/sim/trace"
	"github.com/grlscaler/grlscaler/sim/validate"
)

// validation is what one call of validate does.
type validation struct {
	app     string
	traces  []string
	engine  engineFlag
	seeds   int
	plot    string
	out     string
	fill    bool
	startUp bool
	workers int
}

func newValidate(w *world) *cobra.Command {
	var v validation
	c := &cobra.Command{
		Use:   "validate",
		Short: "Replay recordings and print how far the simulator is off",
		Long: `Replay recordings with their own load, replicas and CPU limits, and print recorded against predicted CPU,
latency, throttling and errors, by endpoint and service, with median and 90th-percentile errors; the load at
which p95 leaves the SLO, start-up times and the drain of backlogs where the recordings show them.

A directory that is no recording stands for all those below it. The application is usually one that
calibrate has fitted to other recordings.`,
		Example: `  grlscaler validate --trace testdata/recordings/grid --engine des
  grlscaler validate --app fitted.yaml --trace testdata/recordings/t6_step_official_limits --plot t6.svg`,
		RunE: func(c *cobra.Command, _ []string) error { return v.do(c.Context(), w) },
	}
	f := c.Flags()
	f.StringVar(&v.app, "app", "online_boutique", "application: a built-in name or the path of a .yaml file")
	f.StringSliceVar(&v.traces, "trace", nil, "directories of recordings, or of directories of recordings")
	v.engine.register(f)
	f.IntVar(&v.seeds, "seeds", validate.DefaultSeeds, "runs with different random numbers that are taken together")
	f.StringVar(&v.plot, "plot", "", "file to draw recorded and predicted numbers to (SVG)")
	f.StringVar(&v.out, "out", "", "directory to write the tables (summary.md) and every number (rows.csv) to")
	registerFill(f, &v.fill)
	f.BoolVar(&v.startUp, "startup", false, "let replicas start by the CPU that they need, from when they were created, instead of forcing the recorded ready ones")
	f.IntVar(&v.workers, "workers", 0, "recordings at once; 0 = one for each core. The result does not depend on it")
	return c
}

func (v *validation) do(ctx context.Context, w *world) error {
	if len(v.traces) == 0 {
		return usagef("--trace is missing; name directories of recordings")
	}
	if v.seeds < 1 || v.seeds > 10_000 {
		return usagef("--seeds %d: must be from 1 to 10000", v.seeds)
	}
	engine, err := v.engine.kind()
	if err != nil {
		return err
	}
	app, err := loadApp(v.app)
	if err != nil {
		return err
	}
	recs, err := validate.ReadAll(trace.ReadOptions{Fill: v.fill, App: recordingOf(app.App)}, v.traces...)
	if err != nil {
		return err
	}
	workers := v.workers
	if workers < 1 {
		workers = runtime.GOMAXPROCS(0)
	}
	opt := validate.Options{Engine: engine.make, Seeds: v.seeds, StartUp: v.startUp}
	progress, done := reporter{w: w, quiet: len(recs) < 3}, 0
	results, err := validate.CompareAll(ctx, app.App, recs, opt, workers, func(name string) {
		done++
		progress.line(done == len(recs), "recording %d of %d: %s", done, len(recs), name)
	})
	progress.end()
	if err != nil {
		if errors.Is(err, context.Canceled) {
			return withHint(err, "nothing was written; run the same command again")
		}
		return err
	}
	tables, err := v.tables(app, recs, results, opt)
	if err != nil {
		return err
	}
	if err := v.print(w, app, engine, results, tables); err != nil {
		return err
	}
	return v.write(w, results, tables)
}

// tables are what is printed and written.
func (v *validation) tables(app *loadedApp, recs []validate.Named, results []*validate.Result, opt validate.Options) ([]validate.Table, error) {
	var tables []validate.Table
	var starts []validate.StartUp
	var drains []validate.Drain
	for i := range recs {
		starts = append(starts, validate.StartUps(app.App, recs[i])...)
		drains = append(drains, validate.Drains(recs[i], results[i])...)
	}
	rows := validate.All(results)
	if len(results) == 1 && len(rows) > 0 {
		tables = append(tables, validate.DetailTables(results[0])...)
	} else if len(rows) > 0 {
		tables = append(tables, validate.OverviewTable(results))
	}
	if len(rows) > 0 {
		tables = append(tables, validate.SummaryTable(rows))
	}
	crossings, err := validate.Crossings(app.App, recs, []float64{slo(app)}, opt)
	if err != nil {
		return nil, err
	}
	if len(crossings) > 0 {
		tables = append(tables, validate.CrossingTable(crossings))
	}
	if len(starts) > 0 {
		tables = append(tables, validate.StartUpTable(starts))
	}
	if len(drains) > 0 {
		tables = append(tables, validate.DrainTable(drains))
	}
	return tables, nil
}

// slo is the bound of the endpoint with the largest weight: that of all requests is between those of the endpoints.
func slo(app *loadedApp) float64 {
	best := &app.Endpoints[0]
	for e := range app.Endpoints {
		if app.Endpoints[e].Weight > best.Weight {
			best = &app.Endpoints[e]
		}
	}
	return best.SLOMs
}

func (v *validation) print(w *world, app *loadedApp, engine *engineKind, results []*validate.Result, tables []validate.Table) error {
	for i := range tables {
		if err := printTable(w.stdout, &tables[i]); err != nil {
			return err
		}
	}
	printAppWarnings(w.stdout, app)
	for _, res := range results {
		for _, note := range res.Notes {
			fmt.Fprintf(w.stdout, "%s: %s\n", res.Recording, note)
		}
	}
	_, err := fmt.Fprintf(w.stdout, "Application %s (%s), engine %s, %s, version %s.\n", app.Name, app.hash, engine.name, plural(v.seeds, "seed", "seeds"), version())
	return err
}

// printTable prints a table with its title above and its notes below.
func printTable(out io.Writer, t *validate.Table) error {
	fmt.Fprintln(out, t.Title)
	table := newTable(out, t.Header...)
	for _, row := range t.Rows {
		if err := table.Append(row); err != nil {
			return err
		}
	}
	if err := table.Render(); err != nil {
		return err
	}
	for _, note := range t.Notes {
		for _, line := range wrapped(note, lineWidth) {
			fmt.Fprintln(out, line)
		}
	}
	_, err := fmt.Fprintln(out)
	return err
}

// lineWidth is that of text below tables.
const lineWidth = 100

// wrapped breaks a text into lines of at most so many bytes, words kept whole.
func wrapped(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}

// replaceFile writes a file under a temporary name and renames it, so that it is never there in part.
func replaceFile(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".tmp-*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name()) // nothing is kept of a failure
	}
	return err
}

// write writes what --out and --plot ask for.
func (v *validation) write(w *world, results []*validate.Result, tables []validate.Table) error {
	if v.out != "" {
		if err := os.MkdirAll(v.out, 0o777); err != nil {
			return withHint(fmt.Errorf("results directory: %w", err), "name another with --out")
		}
		var csv, summary bytes.Buffer
		if err := validate.WriteCSV(&csv, validate.All(results)); err != nil {
			return err
		}
		for i := range tables {
			fmt.Fprintf(&summary, "## %s\n\n%s\n", tables[i].Title, tables[i].Markdown())
		}
		for name, data := range map[string][]byte{"rows.csv": csv.Bytes(), "summary.md": summary.Bytes()} {
			if err := replaceFile(filepath.Join(v.out, name), data); err != nil {
				return err
			}
		}
		fmt.Fprintf(w.stderr, "results: %s\n", v.out)
	}
	if v.plot == "" {
		return nil
	}
	var svg bytes.Buffer
	if err := validate.WritePlot(&svg, results); err != nil {
		return err
	}
	if err := replaceFile(v.plot, svg.Bytes()); err != nil {
		return withHint(err, "name another file with --plot")
	}
	fmt.Fprintf(w.stderr, "plot: %s\n", v.plot)
	return nil
}
