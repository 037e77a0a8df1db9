package cmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/grlscaler/grlscaler/benchmark"
	"github.com/grlscaler/grlscaler/benchmark/tune"
	"github.com/grlscaler/grlscaler/configs"
	"github.com/grlscaler/grlscaler/internal/learningcurve"
	"github.com/grlscaler/grlscaler/rl"
	"github.com/grlscaler/grlscaler/sim"
)

// benchmarkRun is what simulate and benchmark do alike: a plan, its trials, its tables.
type benchmarkRun struct {
	app         string
	engine      engineFlag
	controllers []string
	serve       []string
	kubernetes  kubernetesFlag
	load        loadFlags
	seeds       []uint64
	out         string
	workers     int
	tuned       *tuned                           // searches HPAs, nil where the command does not
	check       func(plan *benchmark.Plan) error // a last look at the plan, nil for none
}

// firstBenchmarkSeed keeps the benchmark's load away from what policies are trained on: training episodes have
// seeds derived by name from the training seed.
const firstBenchmarkSeed = 1001

// firstHeadlineSeed keeps the headline away from what configurations were chosen by, which is the benchmark's.
const firstHeadlineSeed = 2001

func newBenchmark(w *world) *cobra.Command {
	run := benchmarkRun{controllers: []string{}}
	var cfgs []string
	var seeds, steps int
	var checkpoints, suiteName string
	var incidentNames []string
	var trials int
	c := &cobra.Command{
		Use:   "benchmark",
		Short: "Compare policies and autoscalers on the same load, with intervals",
		Long: `Train the policies that neither come with the program nor have a checkpoint, run every controller
on every load and seed with the same arrivals, and print SLO_violate%, Slack%, Scaling Lag and CAF
(mean and 95 % interval), by scenario and overall. Tables, runs, steps and report.html are written under the results directory. An interrupted
benchmark goes on where it stopped when it is started again.

` + controllerHelp + `
  hpa:tuned               HPAs searched for each scenario on other seeds, with the lowest CAF, kept beside the policies;
                          hpa:tuned-slo-X: the cheapest with at most X % violations; -all behind it: one for all
` + headlineHelp,
		Example: `  grlscaler benchmark --seeds 3
  grlscaler benchmark --seeds 10 --cfgs gat_ppo --controllers hpa:cpu-60,oracle --scenarios rushsale
  grlscaler benchmark --trace my-recording --cfgs ""
  grlscaler benchmark --controllers hpa:tuned,hpa:cpu-60,oracle --scenarios rushsale --seeds 10
  grlscaler benchmark --suite headline
  grlscaler benchmark --suite incidents --incidents blip,slow-dependency --controllers policy:gat_ppo,hpa:cpu-50`,
		RunE: func(c *cobra.Command, _ []string) error {
			if seeds < 1 || seeds > 10_000 {
				return usagef("--seeds %d: must be from 1 to 10000", seeds)
			}
			if trials < 0 || trials > tune.MostTrials {
				return usagef("--tune-trials %d: must be from 0 to %d", trials, tune.MostTrials)
			}
			run.tuned = &tuned{w: w, dir: checkpoints, trials: trials, workers: run.workers}
			if suiteName == "headline" {
				if err := headlineDefaults(&run, c.Flags(), &seeds); err != nil {
					return err
				}
			}
			run.seeds = seedsFrom(firstBenchmarkSeed, seeds)
			if suiteName == "headline" {
				run.seeds = seedsFrom(firstHeadlineSeed, seeds)
			}
			switch suiteName {
			case "", "headline":
			case "incidents":
				engine, err := run.engine.kind()
				if err != nil {
					return err
				}
				if !c.Flags().Changed("tune-trials") {
					trials = incidentTrials
				}
				if run.out == "" {
					run.out = filepath.Join("results", "incidents")
				}
				if err := run.checkOut(); err != nil {
					return err
				}
				s := suite{names: incidentNames, engine: engine, seeds: run.seeds, workers: run.workers, trials: trials, out: run.out}
				if c.Flags().Changed("controllers") {
					s.words = run.controllers
				}
				return s.do(c.Context(), w)
			default:
				return usagef("--suite %s: unknown; one of headline, incidents", suiteName)
			}
			policies := func() ([]benchmark.ControllerSpec, error) {
				return trainedPolicies(c.Context(), w, run.app, cfgs, checkpoints, steps)
			}
			if suiteName == "headline" {
				run.check = func(plan *benchmark.Plan) error { return checkHeldOut(&run, plan, cfgs) }
			}
			return run.do(c, w, policies)
		},
	}
	f := c.Flags()
	f.IntVar(&seeds, "seeds", 3, "number of seeds; with 3 or fewer no significance is claimed")
	f.StringSliceVar(&cfgs, "cfgs", []string{"mlp_ppo", "gat_ppo", "gcn_ppo", "gat_sac"}, "policies: built-in configurations ("+strings.Join(configs.Names(configs.Policies), ", ")+") or paths of .yaml files; \"\" for none")
	f.StringSliceVar(&run.controllers, "controllers", append(append([]string{}, hpaSet...), "static", "oracle"), "controllers beside the policies")
	run.load.registerPlural(f, defaultScenarios)
	f.StringVar(&run.app, "app", "online_boutique", "application: a built-in name or the path of a .yaml file")
	run.engine.register(f)
	registerServe(f, &run.serve)
	run.kubernetes.register(f)
	f.IntVar(&steps, "steps", 0, "training steps of each policy; 0 = as its configuration says")
	f.StringVar(&checkpoints, "checkpoints", "checkpoints", "directory of trained policies, <cfg>-<hash> each")
	f.StringVar(&suiteName, "suite", "", "run a suite instead: headline, the protocol of published comparisons; incidents, what goes wrong with autoscaling in production")
	f.StringSliceVar(&incidentNames, "incidents", nil, "of that suite, these: "+strings.Join(configs.Names(configs.Incidents), ", ")+", or paths of .yaml files (default all)")
	f.IntVar(&trials, "tune-trials", 200, fmt.Sprintf("candidates to search each tuned HPA among (of suite incidents %d; 0 for none)", incidentTrials))
	f.StringVar(&run.out, "out", "", "results directory ")
	f.Lookup("out").Usage = "results directory (default results/<plan's hash>; of the suite results/incidents)"
	f.IntVar(&run.workers, "workers", 0, "runs at once; 0 = one for each core. The result does not depend on it")
	return c
}

// do runs the plan and prints its tables. more adds controllers in front of those named.
func (b *benchmarkRun) do(c *cobra.Command, w *world, more func() ([]benchmark.ControllerSpec, error)) error {
	engine, err := b.engine.kind()
	if err != nil {
		return err
	}
	app, err := loadApp(b.app)
	if err != nil {
		return err
	}
	found, err := b.readManifests(app)
	if err != nil {
		return err
	}
	plan := enginePlan(app, engine)
	plan.Seeds = b.seeds
	if plan.Sources, err = b.load.sources(app, sim.ReplayOptions{}); err != nil {
		return err
	}
	if err := b.checkOut(); err != nil {
		return err
	}
	if b.check != nil {
		if err := b.check(&plan); err != nil {
			return err
		}
	}
	named, err := b.named(c.Context(), app, found, plan.Sources)
	if err != nil {
		return err
	}
	if more != nil {
		if plan.Controllers, err = more(); err != nil {
			return err
		}
	}
	plan.Controllers = append(plan.Controllers, named...)
	if err := plan.Validate(); err != nil {
		return usageError{err}
	}
	if b.out == "" && more != nil {
		b.out = filepath.Join("results", plan.Hash())
	}
	return b.measure(c.Context(), w, app, &plan)
}

// named makes the controllers that have a word, those first that cost nothing to find wrong.
func (b *benchmarkRun) named(ctx context.Context, app *loadedApp, found map[string]*manifests, sources []benchmark.SourceSpec) ([]benchmark.ControllerSpec, error) {
	out := make([]benchmark.ControllerSpec, len(b.controllers))
	for _, searched := range []bool{false, true} {
		for i, word := range b.controllers {
			if isTuned(word) != searched {
				continue
			}
			var spec *benchmark.ControllerSpec
			var err error
			switch {
			case !searched:
				spec, err = controllerSpec(word, app, found)
			case b.tuned == nil || b.tuned.trials == 0:
				err = usagef("--controller %s: it is searched by grlscaler benchmark, with --tune-trials above 0; elsewhere name the manifests that grlscaler tune hpa writes", word)
			default:
				spec, err = b.tuned.spec(ctx, word, app, sources)
			}
			if err != nil {
				return nil, err
			}
			out[i] = *spec
		}
	}
	return out, nil
}

// readManifests reads the manifests among the controllers; the application takes over what their workloads say.
func (b *benchmarkRun) readManifests(app *loadedApp) (map[string]*manifests, error) {
	if err := b.kubernetes.apply(app); err != nil {
		return nil, err
	}
	serve, err := parseServe(b.serve)
	if err != nil {
		return nil, err
	}
	found, err := readManifests(b.controllers, app, serve)
	if err != nil {
		return nil, err
	}
	for _, word := range b.controllers {
		if m := found[word]; m != nil {
			for _, note := range m.notes {
				if !strings.HasPrefix(note, word) { // it names a file of it
					note = word + ": " + note
				}
				app.notes = append(app.notes, "Manifests: "+note)
			}
		}
	}
	return found, nil
}

// checkOut finds out before the work whether results can be written.
func (b *benchmarkRun) checkOut() error {
	if b.out == "" {
		return nil
	}
	if err := os.MkdirAll(b.out, 0o777); err != nil {
		return withHint(fmt.Errorf("results directory: %w", err), "name another with --out")
	}
	probe, err := os.CreateTemp(b.out, ".write-test-*")
	if err != nil {
		return withHint(fmt.Errorf("results directory: %w", err), "name another with --out")
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}

func (b *benchmarkRun) measure(ctx context.Context, w *world, app *loadedApp, plan *benchmark.Plan) error {
	opt := benchmark.Options{Workers: b.workers}
	progress := &trialProgress{r: reporter{w: w, quiet: plan.Len() < 20}}
	opt.Progress = progress
	var err error
	if b.out != "" {
		if opt.Store, err = benchmark.OpenStore(filepath.Join(b.out, "trials")); err != nil {
			return err
		}
	}
	res, err := benchmark.Run(ctx, plan, opt)
	progress.r.end()
	if err != nil {
		if errors.Is(err, context.Canceled) && b.out != "" {
			return withHint(err, "finished trials are kept in %s; run the same command again to go on", b.out)
		}
		return err
	}
	summary, err := benchmark.Summarise(res)
	if err != nil {
		return err
	}
	info := benchmark.Info{Tag: filepath.Base(b.out), Command: "grlscaler " + strings.Join(w.args, " "), Settings: app.settings(), Curves: learningCurves(plan.Controllers)}
	if b.tuned != nil {
		info.Notes = b.tuned.notes
	}
	if b.out != "" {
		if err := benchmark.WriteResults(b.out, summary, info); err != nil {
			return err
		}
		if b.tuned != nil {
			if err := b.tuned.write(b.out); err != nil {
				return err
			}
		}
	}
	if err := benchmark.WriteTables(w.stdout, summary, info); err != nil {
		return err
	}
	printAppWarnings(w.stdout, app)
	printSourceWarnings(w.stdout, plan.Sources)
	if b.out != "" {
		fmt.Fprintf(w.stderr, "results: %s\n", b.out)
	}
	return nil
}

// learningCurves reads how the policies among the controllers were trained. One that cannot be read is no error: the benchmark does
// not rest on it.
func learningCurves(controllers []benchmark.ControllerSpec) []benchmark.LearningCurve {
	var out []benchmark.LearningCurve
	for i := range controllers {
		c := &controllers[i]
		if c.Curve == nil {
			continue
		}
		curve := benchmark.LearningCurve{Controller: c.Name}
		columns := make([][]float64, 2)
		data, err := c.Curve()
		if err == nil {
			columns, err = learningcurve.Decode(data, "time/total_timesteps", "rollout/ep_rew_mean")
		}
		switch {
		case errors.Is(err, fs.ErrNotExist):
			curve.Missing = "no " + rl.ProgressFile + " lies beside the policy"
		case err != nil:
			curve.Missing = err.Error()
		case len(columns[0]) == 0:
			curve.Missing = "its " + rl.ProgressFile + " has no rows"
		default:
			curve.Steps, curve.Reward = columns[0], columns[1]
		}
		out = append(out, curve)
	}
	return out
}

// trialProgress counts finished trials.
type trialProgress struct {
	r     reporter
	total int
	done  int
}

func (p *trialProgress) Begin(trials, reused int) {
	p.total, p.done = trials, reused
	if reused > 0 {
		p.r.line(true, "%d of %d runs are there from before", reused, trials)
	}
}

func (p *trialProgress) Done(t benchmark.Trial) {
	p.done++
	p.r.line(p.done == p.total, "run %d of %d: %s on %s, seed %d", p.done, p.total, t.Controller, t.Scenario, t.Seed)
}
