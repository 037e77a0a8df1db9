package cmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/grlscaler/grlscaler/configs"
	"github.com/grlscaler/grlscaler/sim/calibrate"
	"github.com/grlscaler/grlscaler/sim/trace"
	"github.com/grlscaler/grlscaler/sim/validate"
)

// calibration is what one call of calibrate does.
type calibration struct {
	app     string
	traces  []string
	out     string
	replace bool
	fill    bool
	engine  engineFlag
	folds   int
	opt     calibrate.Options
}

func newCalibrate(w *world) *cobra.Command {
	c := calibration{}
	cmd := &cobra.Command{
		Use:   "calibrate",
		Short: "Fit an application's numbers to recordings",
		Long: `Fit the numbers of an application file to recordings: CPU per visit and of idle replicas, waits, their
spread, start-up and warm-up, each with a standard error. What the recordings do not identify keeps its value and
is listed, with the reason and with what to record instead. docs/calibration.md has the method.

The fitted file is the application file with these numbers changed where they stand, and a note on each line.
A directory that is no recording stands for all those below it. Groups for --fit:

  cpu            CPU per visit (cpu_ms, wake_ms) and of an idle replica (base_cpu_m)
  wait           non-CPU wait per visit (wait_ms)
  spread         coefficients of variation (cv, wait_cv)
  startup-cpu    CPU until a replica can answer (startup.cpu_ms)
  startup-delay  what a start takes beyond that (startup.fixed_s, jitter_s), as the recorded platform had it
  warmup         CPU of cold replicas (warmup.factor, warmup.calls)`,
		Example: `  grlscaler calibrate --app online_boutique --trace testdata/recordings -o fitted.yaml
  grlscaler calibrate --app shop.yaml --trace monday,tuesday --speed-only -o fitted.yaml
  grlscaler calibrate --trace testdata/recordings/grid --folds 5`,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.do(cmd.Context(), w) },
	}
	f := cmd.Flags()
	f.StringVar(&c.app, "app", "online_boutique", "application to start from: a built-in name or the path of a .yaml file")
	f.StringSliceVar(&c.traces, "trace", nil, "directories of recordings, or of directories of recordings")
	f.StringVarP(&c.out, "out", "o", "", "file to write the fitted application to; without it the numbers are only printed")
	f.BoolVar(&c.replace, "replace", false, "replace a file that is there and differs")
	f.StringSliceVar(&c.opt.Fit, "fit", calibrate.Groups, "groups of numbers to fit, see above")
	f.BoolVar(&c.opt.SpeedOnly, "speed-only", false, "keep the application's proportions and fit speed_factor alone: for a few intervals, or another machine")
	f.Float64Var(&c.opt.MaxSE, "max-se", calibrate.DefaultMaxSE, "largest standard error, relative to its number, of a number that counts as identified")
	c.engine.register(f)
	c.engine.name = "des"
	f.Lookup("engine").DefValue = c.engine.name
	f.IntVar(&c.opt.Replications, "runs", calibrate.DefaultReplications, "runs of every recording in each round, with different random numbers")
	f.IntVar(&c.opt.Rounds, "rounds", calibrate.DefaultRounds, "rounds of simulation and regression at most")
	f.Uint64Var(&c.opt.Seed, "seed", 1, "names the random numbers of the runs")
	f.IntVar(&c.folds, "folds", 0, "instead of one fit, fit to all but one of so many parts of the recordings in turn and print how far the fits are from the parts that they have not seen")
	registerFill(f, &c.fill)
	f.IntVar(&c.opt.Workers, "workers", 0, "recordings at once; 0 = one for each core. The result does not depend on it")
	return cmd
}

// check refuses what cannot work before anything is read.
func (c *calibration) check() error {
	switch {
	case len(c.traces) == 0:
		return usagef("--trace is missing; name directories of recordings")
	case !(c.opt.MaxSE > 0) || c.opt.MaxSE > 1:
		return usagef("--max-se %v: must be above 0 and at most 1", c.opt.MaxSE)
	case c.opt.Replications < 1 || c.opt.Replications > 1000:
		return usagef("--runs %d: must be from 1 to 1000", c.opt.Replications)
	case c.opt.Rounds < 1 || c.opt.Rounds > 100:
		return usagef("--rounds %d: must be from 1 to 100", c.opt.Rounds)
	case c.folds < 0 || c.folds == 1 || c.folds > 1000:
		return usagef("--folds %d: must be from 2 to 1000", c.folds)
	case c.folds > 0 && c.out != "":
		return usagef("--folds makes several fits, none of which can be written; leave out --out")
	}
	for _, g := range c.opt.Fit {
		if !slices.Contains(calibrate.Groups, g) {
			return usagef("--fit %s: unknown group; some of %s", g, strings.Join(calibrate.Groups, ", "))
		}
	}
	engine, err := c.engine.kind()
	if err != nil {
		return err
	}
	c.opt.Engine = engine.make
	if c.opt.Workers < 1 {
		c.opt.Workers = runtime.GOMAXPROCS(0)
	}
	return nil
}

func (c *calibration) do(ctx context.Context, w *world) error {
	if err := c.check(); err != nil {
		return err
	}
	file, err := configs.Read(configs.Apps, c.app)
	if err != nil {
		return err
	}
	app, err := loadApp(c.app)
	if err != nil {
		return err
	}
	recs, err := validate.ReadAll(trace.ReadOptions{Fill: c.fill, App: recordingOf(app.App)}, c.traces...)
	if err != nil {
		return err
	}
	src := calibrate.Source{Name: file.Name, Data: file.Data}
	if c.folds > 0 {
		return interrupted(c.crossValidate(ctx, w, src, recs))
	}
	progress := reporter{w: w}
	c.opt.Progress = func(round, rounds int) {
		progress.line(round == rounds, "round %d of at most %d", round, rounds)
	}
	result, err := calibrate.Fit(ctx, src, recs, c.opt)
	progress.end()
	if err != nil {
		return interrupted(err)
	}
	if err := printCalibration(w.stdout, result); err != nil {
		return err
	}
	fmt.Fprintf(w.stdout, "Application %s (%s), %s, engine %s, version %s.\n", app.Name, app.hash, plural(len(recs), "recording", "recordings"), c.engine.name, version())
	return c.write(w, result.Text)
}

// interrupted says how to go on after Ctrl-C.
func interrupted(err error) error {
	if errors.Is(err, context.Canceled) {
		return withHint(err, "nothing was written; run the same command again")
	}
	return err
}

// write writes the fitted file, unless it is there already.
func (c *calibration) write(w *world, text []byte) error {
	if c.out == "" {
		return nil
	}
	old, err := os.ReadFile(c.out)
	switch {
	case err == nil && bytes.Equal(old, text):
		fmt.Fprintf(w.stderr, "%s is as it was\n", c.out)
		return nil
	case err == nil && !c.replace:
		return fmt.Errorf("%s is there already and differs; name another file with --out, or replace it with --replace", c.out)
	case err != nil && !errors.Is(err, os.ErrNotExist):
		return withHint(err, "name another file with --out")
	}
	if err := replaceFile(filepath.Clean(c.out), text); err != nil {
		return withHint(err, "name another file with --out")
	}
	fmt.Fprintf(w.stderr, "wrote %s\n", c.out)
	return nil
}

// crossValidate prints the errors of predictions for recordings that a fit has not seen.
func (c *calibration) crossValidate(ctx context.Context, w *world, src calibrate.Source, recs []validate.Named) error {
	progress := reporter{w: w}
	fold := 0
	c.opt.Progress = func(round, rounds int) {
		if round == 1 {
			fold++
		}
		progress.line(false, "fold %d of %d, round %d of at most %d", fold, c.folds, round, rounds)
	}
	cv, err := calibrate.CrossValidate(ctx, src, recs, nil, c.folds, c.opt, validate.Options{Engine: c.opt.Engine})
	progress.end()
	if err != nil {
		return err
	}
	table := validate.AimsTable([]validate.Set{{Name: "out of sample", Rows: cv.Rows}})
	table.Title = fmt.Sprintf("Predictions for recordings that were not fitted, %d folds", len(cv.Fits))
	return printTable(w.stdout, &table)
}
