package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/grlscaler/grlscaler/benchmark"
	"github.com/grlscaler/grlscaler/benchmark/tune"
	"github.com/grlscaler/grlscaler/sim"
)

// whatIf is one call of whatif.
type whatIf struct {
	benchmarkRun
	trace     string
	scale     float64
	fill      bool
	objective string
	details   int
	calibrate bool
	seed      uint64
}

func newWhatIf(w *world) *cobra.Command {
	x := whatIf{}
	c := &cobra.Command{
		Use:   "whatif",
		Short: "Rank autoscalers on your recording: what would each have done, and what would it have cost?",
		Long: `Run candidates on a recording and rank them: SLO violations, slack, lag and cost amplification, money per month,
replicas, and for the best the worst ten minutes with the reason for them. Says where the recording gives no ground
for an answer. Candidates are controllers:

` + controllerHelp + `

Objectives:
  caf      lowest cost amplification: missing CPU counts five times (docs/metrics.md)
  slo<=X   cheapest with at most X % of the requests late or failed`,
		Example: `  grlscaler whatif --trace black-friday --candidates today.yaml,hpa:cpu-50,hpa:cpu-70
  grlscaler whatif --trace black-friday --candidates ./manifests/,policy:gat.safetensors --objective 'slo<=0.5'`,
		RunE: func(c *cobra.Command, _ []string) error { return x.do(c.Context(), w) },
	}
	f := c.Flags()
	f.StringVar(&x.trace, "trace", "", "directory of the recording")
	f.StringSliceVar(&x.controllers, "candidates", hpaSet[:4], "controllers to rank, see above")
	registerServe(f, &x.serve)
	x.kubernetes.register(f)
	f.StringVar(&x.objective, "objective", "caf", "what is best: caf, or slo<=X with X in percent")
	f.StringVar(&x.app, "app", "online_boutique", "application: a built-in name or the path of a .yaml file, as calibrate writes it")
	x.engine.register(f)
	f.Float64Var(&x.scale, "trace-scale", 1, "multiply the rates of the recording")
	registerFill(f, &x.fill)
	f.BoolVar(&x.calibrate, "calibrate", false, "fit the application to the recording first, as grlscaler calibrate does")
	f.IntVar(&x.details, "details", 3, "candidates to show in detail: the worst ten minutes and why")
	f.Uint64Var(&x.seed, "seed", 1, "names the random numbers: arrivals, start-up times, noise")
	f.StringVarP(&x.out, "out", "o", "", "results directory (default results/whatif-<hash>)")
	f.IntVar(&x.workers, "workers", 0, "runs at once; 0 = one for each core. The result does not depend on it")
	return c
}

func (x *whatIf) do(ctx context.Context, w *world) error {
	objective, err := tune.ParseObjective(x.objective)
	switch {
	case err != nil:
		return usagef("--%w", err)
	case x.trace == "":
		return usagef("--trace is missing; name the directory of a recording")
	case x.details < 0 || x.details > 100:
		return usagef("--details %d: must be from 0 to 100", x.details)
	case len(x.controllers) == 0:
		return usagef("--candidates is empty; name at least one controller")
	case !(x.scale > 0) || x.scale > 1e6:
		return usagef("--trace-scale %v: must be above 0 and at most 1e6", x.scale)
	}
	engine, err := x.engine.kind()
	if err != nil {
		return err
	}
	app, err := loadApp(x.app)
	if err != nil {
		return err
	}
	if x.calibrate {
		if app, err = x.calibrated(ctx, w, engine); err != nil {
			return err
		}
	}
	found, err := x.readManifests(app)
	if err != nil {
		return err
	}
	plan := enginePlan(app, engine)
	plan.Seeds, plan.StepSeeds = []uint64{x.seed}, []uint64{}
	rec, err := readTrace(x.trace, app, x.fill)
	if err != nil {
		return err
	}
	source, err := traceSource(x.trace, rec, app, x.fill, sim.ReplayOptions{Scale: x.scale})
	if err != nil {
		return err
	}
	plan.Sources = []benchmark.SourceSpec{*source}
	if plan.Controllers, err = controllerSpecs(x.controllers, app, found); err != nil {
		return err
	}
	if err := plan.Validate(); err != nil {
		return usageError{err}
	}
	if x.out == "" {
		x.out = filepath.Join("results", "whatif-"+plan.Hash())
	}
	if err := x.checkOut(); err != nil {
		return err
	}
	res, err := x.run(ctx, w, &plan, nil)
	if err != nil {
		return err
	}
	summary, err := benchmark.Summarise(res)
	if err != nil {
		return err
	}
	info := benchmark.Info{Tag: filepath.Base(x.out), Command: "grlscaler " + strings.Join(w.args, " "), Settings: app.settings(), Curves: learningCurves(plan.Controllers)}
	if err := benchmark.WriteReport(x.out, summary, info); err != nil {
		return err
	}
	ranked := rank(&plan, res.Rows, objective)
	if err := x.print(w.stdout, app, ranked, objective); err != nil {
		return err
	}
	if err := x.explain(ctx, w, app, plan, ranked); err != nil {
		return err
	}
	if err := x.grounds(w.stdout, app, rec, ranked); err != nil {
		return err
	}
	printAppWarnings(w.stdout, app)
	printSourceWarnings(w.stdout, plan.Sources)
	fmt.Fprintf(w.stdout, "Application %s (%s), engine %s, seed %d, version %s.\n", app.Name, app.hash, engine.name, x.seed, version())
	fmt.Fprintf(w.stderr, "results: %s\n", x.out)
	return nil
}

// run runs a plan with a store in the results directory. What is known of its trials need not be found again.
func (x *whatIf) run(ctx context.Context, w *world, plan *benchmark.Plan, known []benchmark.Row) (*benchmark.Results, error) {
	store, err := benchmark.OpenStore(filepath.Join(x.out, "trials"))
	if err != nil {
		return nil, err
	}
	progress := &candidateProgress{r: reporter{w: w, quiet: plan.Len() < 3}}
	res, err := benchmark.Run(ctx, plan, benchmark.Options{Workers: x.workers, Store: store, Progress: progress, Known: known})
	progress.r.end()
	if err != nil {
		if errors.Is(err, context.Canceled) {
			return nil, withHint(err, "finished runs are kept in %s; run the same command again to go on", x.out)
		}
		return nil, err
	}
	return res, nil
}

// detail runs the one trial of a plan, of which all but the steps is known, and writes its results.
func (x *whatIf) detail(ctx context.Context, w *world, plan *benchmark.Plan, known *benchmark.Row, dir string) error {
	res, err := x.run(ctx, w, plan, []benchmark.Row{*known})
	if err != nil {
		return err
	}
	summary, err := benchmark.Summarise(res)
	if err != nil {
		return err
	}
	return benchmark.WriteResults(dir, summary, benchmark.Info{Tag: filepath.Base(dir), Command: "grlscaler " + strings.Join(w.args, " ")})
}

// candidateProgress counts finished candidates.
type candidateProgress struct {
	r           reporter
	total, done int
}

func (p *candidateProgress) Begin(trials, reused int) { p.total, p.done = trials, reused }

func (p *candidateProgress) Done(t benchmark.Trial) {
	p.done++
	p.r.line(p.done == p.total, "candidate %d of %d: %s", p.done, p.total, t.Controller)
}

// rankedRow is a candidate with what it came to, the best first.
type rankedRow struct {
	spec  benchmark.ControllerSpec
	row   *benchmark.Row
	score tune.Score
}

func rank(plan *benchmark.Plan, rows []benchmark.Row, objective tune.Objective) []rankedRow {
	free := tune.Free(plan.App)
	var out []rankedRow
	for i := range rows {
		m := &rows[i].Metrics
		r := rankedRow{spec: plan.Controllers[i], row: &rows[i], score: tune.Score{SLOViolation: m.SLOViolation, Cost: m.Cost, CAF: m.CAF, Replicas: m.Replicas}}
		if free {
			r.score.Cost = m.CoreHours
		}
		out = append(out, r)
	}
	slices.SortStableFunc(out, func(a, b rankedRow) int { return objective.Compare(&a.score, &b.score) })
	return out
}

// hoursPerMonth is a twelfth of 365.25 days.
const hoursPerMonth = 730.5

// print shows the ranking.
func (x *whatIf) print(out io.Writer, app *loadedApp, ranked []rankedRow, objective tune.Objective) error {
	free, money := tune.Free(app.App), "money/month"
	if free {
		money = "core h/month"
	}
	length := time.Duration(ranked[0].row.Seconds) * time.Second
	fmt.Fprintf(out, "%s on %s, %s, best by %s first\n", plural(len(ranked), "candidate", "candidates"), filepath.Base(filepath.Clean(x.trace)), length, objective)
	table := newTable(out, "", "candidate", "SLO_violate%", "Slack%", "Lag s", "CAF", money, "replicas", "p95 ms", "worst 10 min %")
	for i := range ranked {
		r := &ranked[i]
		m := &r.row.Metrics
		monthly := r.score.Cost * hoursPerMonth / (m.Seconds / 3600)
		if err := table.Append(strconv.Itoa(i+1), r.spec.Name, fmt.Sprintf("%.3f", 100*m.SLOViolation), fmt.Sprintf("%.1f", 100*m.Slack), fmt.Sprintf("%.1f", m.LagMeanS), number(m.CAF, 3),
			fmt.Sprintf("%.2f", monthly), fmt.Sprintf("%.1f", m.Replicas), fmt.Sprintf("%.0f", m.P95Ms), fmt.Sprintf("%.1f at %s", 100*r.row.Worst.Share(), r.row.Worst.At)); err != nil {
			return err
		}
	}
	if err := table.Render(); err != nil {
		return err
	}
	if best := &ranked[0]; !objective.Meets(&best.score) {
		fmt.Fprintf(out, "No candidate keeps to %s.\n", objective)
	}
	if !free {
		fmt.Fprintf(out, "Money: the CPU requests of all pods at the pools' price_per_core_hour, for %g hours.\n", hoursPerMonth)
	}
	_, err := fmt.Fprintln(out)
	return err
}
