package cmd

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/grlscaler/grlscaler/benchmark"
	"github.com/grlscaler/grlscaler/benchmark/tune"
	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/hpa"
)

func newTune(w *world) *cobra.Command {
	c := &cobra.Command{
		Use:     "tune",
		Short:   "Search the settings of an autoscaler",
		Long:    "Search the settings of an autoscaler on a load, and write them as manifests.",
		Example: `  grlscaler tune hpa --scenario rushsale --trials 200 --objective 'slo<=1'`,
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newTuneHPA(w))
	return c
}

// hpaTuning is one call of tune hpa.
type hpaTuning struct {
	benchmarkRun
	count     int // of seeds
	objective string
	options   tune.Options
}

// firstTuningSeed names the load that is searched on; what is found is shown on that of the benchmark's seeds.
const firstTuningSeed = 1

func newTuneHPA(w *world) *cobra.Command {
	t := hpaTuning{}
	c := &cobra.Command{
		Use:   "hpa",
		Short: "Search HorizontalPodAutoscalers: targets, minima, windows, policies",
		Long: `Search HorizontalPodAutoscalers on scenarios or recordings: CPU targets, minimum replicas, stabilisation
windows and scaling policies, the same for all services or, with --per-service, of their own. Prints the
Pareto front of SLO violations against cost, and how the best by the objective does on loads of other
seeds beside the settings that people start from. Writes under the results directory

  hpa.yaml         the best, autoscaling/v2, ready to apply
  front/NN.yaml    each of the front, the cheapest first
  candidates.csv   everything that was tried

The result depends on the seed, not on the number of workers. An interrupted search goes on where it stopped
when it is started again.

Objectives:
  caf      lowest cost amplification: missing CPU counts five times (docs/metrics.md)
  slo<=X   cheapest with at most X % of the requests late or failed`,
		Example: `  grlscaler tune hpa --scenario rushsale --trials 200
  grlscaler tune hpa --trace my-recording --objective 'slo<=1' --per-service -o tuned`,
		RunE: func(c *cobra.Command, _ []string) error { return t.do(c.Context(), w) },
	}
	f := c.Flags()
	t.load.register(f, defaultScenarios)
	f.IntVar(&t.options.Trials, "trials", 200, "candidates to try")
	f.StringVar(&t.objective, "objective", "caf", "what is best: caf, or slo<=X with X in percent")
	f.BoolVar(&t.options.PerService, "per-service", false, "settings of its own for each service")
	f.IntVar(&t.count, "seeds", 3, "loads of each scenario to try a candidate on")
	f.Uint64Var(&t.options.Seed, "seed", 1, "names the search's random numbers")
	f.StringVar(&t.app, "app", "online_boutique", "application: a built-in name or the path of a .yaml file")
	t.engine.register(f)
	f.StringVarP(&t.out, "out", "o", "", "results directory (default results/tune-<hash>)")
	f.IntVar(&t.workers, "workers", 0, "runs at once; 0 = one for each core. The result does not depend on it")
	return c
}

func (t *hpaTuning) do(ctx context.Context, w *world) (err error) {
	if t.options.Trials < 1 || t.options.Trials > tune.MostTrials {
		return usagef("--trials %d: must be from 1 to %d", t.options.Trials, tune.MostTrials)
	}
	if t.count < 1 || t.count > 1000 {
		return usagef("--seeds %d: must be from 1 to 1000", t.count)
	}
	if t.options.Objective, err = tune.ParseObjective(t.objective); err != nil {
		return usagef("--%w", err)
	}
	engine, err := t.engine.kind()
	if err != nil {
		return err
	}
	app, err := loadApp(t.app)
	if err != nil {
		return err
	}
	plan := enginePlan(app, engine)
	plan.Seeds = seedsFrom(firstTuningSeed, t.count)
	if plan.Sources, err = t.load.sources(app, sim.ReplayOptions{}); err != nil {
		return err
	}
	if t.out == "" {
		shown := plan // any controller: the hash is of the loads
		shown.Controllers = []benchmark.ControllerSpec{{Name: fmt.Sprint(t.options.Objective, t.options.PerService, t.options.Seed)}}
		t.out = filepath.Join("results", "tune-"+shown.Hash())
	}
	if err := t.checkOut(); err != nil {
		return err
	}
	found, err := t.search(ctx, w, plan)
	if err != nil {
		return err
	}
	if err := t.write(app.App, found); err != nil {
		return err
	}
	if err := t.print(w.stdout, found); err != nil {
		return err
	}
	if err := t.compare(ctx, w, plan, found); err != nil {
		return err
	}
	printAppWarnings(w.stdout, app)
	printSourceWarnings(w.stdout, plan.Sources)
	fmt.Fprintf(w.stderr, "wrote %s\n", filepath.Join(t.out, "hpa.yaml"))
	return nil
}

func seedsFrom(first, n int) []uint64 {
	var seeds []uint64
	for i := range n {
		seeds = append(seeds, uint64(first+i))
	}
	return seeds
}

func (t *hpaTuning) search(ctx context.Context, w *world, plan benchmark.Plan) (*tune.Result, error) {
	progress := reporter{w: w}
	var err error
	if t.options.Run.Store, err = benchmark.OpenStore(filepath.Join(t.out, "trials")); err != nil {
		return nil, err
	}
	t.options.Run.Workers = t.workers
	t.options.Tell = func(done int, best *tune.Candidate) {
		progress.line(done == t.options.Trials, "%d of %d candidates, best: CAF %.3f, %.2f %% violations, %s", done, t.options.Trials, best.Score.CAF,
			100*best.Score.SLOViolation, best.Describe())
	}
	found, err := tune.Search(ctx, plan, t.options)
	progress.end()
	if errors.Is(err, context.Canceled) {
		return nil, withHint(err, "finished runs are kept in %s; run the same command again to go on", t.out)
	}
	return found, err
}

// write writes the manifests and the list of candidates.
func (t *hpaTuning) write(app *sim.App, found *tune.Result) error {
	file := func(name string, c *tune.Candidate, what string) error {
		text, err := tune.Manifest(app, c, what, fmt.Sprintf("SLO_violate %.3f %%, CAF %.4f, mean replicas %.2f on the load of the search.", 100*c.Score.SLOViolation, c.Score.CAF, c.Score.Replicas),
			fmt.Sprintf("Application %s, objective %s, version %s.", app.Name, t.options.Objective, version()))
		if err != nil {
			return err
		}
		return withHint(replaceFile(filepath.Join(t.out, name), text), "name another directory with --out")
	}
	if err := file("hpa.yaml", &found.Best, fmt.Sprintf("The best of %s.", plural(len(found.All), "candidate", "candidates"))); err != nil {
		return err
	}
	if err := t.clearFront(); err != nil {
		return err
	}
	for i := range found.Front {
		what := fmt.Sprintf("Number %d of %d of the front of SLO violations against cost, the cheapest first.", i+1, len(found.Front))
		if err := file(filepath.Join("front", fmt.Sprintf("%02d.yaml", i+1)), &found.Front[i], what); err != nil {
			return err
		}
	}
	list, err := candidatesCSV(app, found)
	if err != nil {
		return err
	}
	return withHint(replaceFile(filepath.Join(t.out, "candidates.csv"), list), "name another directory with --out")
}

// candidatesCSV has a row for each candidate, in the order of the search, with a column of settings for each service.
func candidatesCSV(app *sim.App, found *tune.Result) ([]byte, error) {
	var b bytes.Buffer
	out := csv.NewWriter(&b)
	header := []string{"candidate", "slo_violate_pct", "cost", "caf", "replicas"}
	rows := [][]string{append(header, serviceNames(app)...)}
	fixed := func(v float64) string { return strconv.FormatFloat(v, 'f', 6, 64) }
	for i := range found.All {
		c := &found.All[i]
		row := []string{strconv.Itoa(i + 1), fixed(100 * c.Score.SLOViolation), fixed(c.Score.Cost), fixed(c.Score.CAF), fixed(c.Score.Replicas)}
		for _, p := range c.Params {
			row = append(row, p.String())
		}
		rows = append(rows, row)
	}
	err := out.WriteAll(rows)
	return b.Bytes(), err
}

// mostShown bounds the rows of the front that are printed: a terminal's height.
const mostShown = 20

// print shows the front, thinned out if it is long, and the best.
func (t *hpaTuning) print(out io.Writer, found *tune.Result) error {
	front := found.Front
	shown := min(len(front), mostShown)
	fmt.Fprintf(out, "Pareto front of SLO violations against cost: %d of %s\n", len(front), plural(len(found.All), "candidate", "candidates"))
	table := newTable(out, "front", "SLO_violate%", "cost", "CAF", "replicas", "settings")
	row := func(name string, c *tune.Candidate) error {
		return table.Append(name, fmt.Sprintf("%.3f", 100*c.Score.SLOViolation), fmt.Sprintf("%.4f", c.Score.Cost), fmt.Sprintf("%.3f", c.Score.CAF), fmt.Sprintf("%.1f", c.Score.Replicas), c.Describe())
	}
	for i := range shown {
		at := i
		if shown > 1 {
			at = i * (len(front) - 1) / (shown - 1)
		}
		if err := row(strconv.Itoa(at+1), &front[at]); err != nil {
			return err
		}
	}
	if err := row("best", &found.Best); err != nil {
		return err
	}
	if err := table.Render(); err != nil {
		return err
	}
	fmt.Fprintf(out, "Best by %s: %s.\n", t.options.Objective, found.Best.Describe())
	if o := t.options.Objective; !o.Meets(&found.Best.Score) {
		fmt.Fprintf(out, "No candidate keeps to %s; the best has the fewest violations, %.3f %%. More replicas may be needed than the services' bounds allow.\n", o, 100*found.Best.Score.SLOViolation)
	}
	_, err := fmt.Fprintln(out)
	return err
}

// compare shows the best beside what people start from, on loads that the search has not seen.
func (t *hpaTuning) compare(ctx context.Context, w *world, plan benchmark.Plan, found *tune.Result) error {
	plan.Seeds = seedsFrom(firstBenchmarkSeed, t.count)
	plan.StepSeeds = nil
	app := &loadedApp{App: plan.App, hash: plan.AppHash, rules: hpa.DefaultConfig()}
	others, err := controllerSpecs([]string{"hpa:cpu-50", "hpa:cpu-80", "static", "oracle"}, app, nil)
	if err != nil {
		return err
	}
	plan.Controllers = slices.Concat([]benchmark.ControllerSpec{tune.Controller("hpa:tuned", &found.Best)}, others)
	res, err := benchmark.Run(ctx, &plan, benchmark.Options{Workers: t.workers, Store: t.options.Run.Store})
	if err != nil {
		return err
	}
	summary, err := benchmark.Summarise(res)
	if err != nil {
		return err
	}
	fmt.Fprintf(w.stdout, "On %s that the search has not seen:\n\n", plural(t.count, "load of each source", "loads of each source"))
	return benchmark.WriteTables(w.stdout, summary, benchmark.Info{Tag: filepath.Base(t.out), Command: "grlscaler " + strings.Join(w.args, " ")})
}

// clearFront removes the manifests of an earlier search.
func (t *hpaTuning) clearFront() error {
	dir := filepath.Join(t.out, "front")
	old, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		return err
	}
	for _, path := range old {
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	return os.MkdirAll(dir, 0o777)
}
