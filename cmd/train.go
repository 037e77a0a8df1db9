package cmd

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/grlscaler/grlscaler/benchmark"
	"github.com/grlscaler/grlscaler/configs"
	"github.com/grlscaler/grlscaler/rl"
	"github.com/grlscaler/grlscaler/sim"
)

// trainingWindow is how much of a recording one training episode takes.
const trainingWindow = 15 * 60 * sim.Tick

func newTrain(w *world) *cobra.Command {
	var cfgWord, app, out, traceDir string
	var steps int
	var seed uint64
	var scenarios, sets []string
	var traceScale float64
	var fill bool
	var resume, printConfig, printName bool
	var budget string
	c := &cobra.Command{
		Use:   "train",
		Short: "Train a policy in the simulator",
		Long: `Train a policy and write it to the output directory: policy.safetensors (weights, normaliser and
configuration), progress.csv (the learning curve), the same for TensorBoard, and a checkpoint. Ctrl-C saves and
says how to go on; a resumed training writes the same bytes as one that was never stopped.`,
		Example: `  grlscaler train --cfg gat_ppo
  grlscaler train --cfg mlp_ppo --steps 200000 --seed 7 --scenario rushsale --out runs/rush
  grlscaler train --cfg gat_ppo --set ppo.learning_rate=1e-4 --set encoder.heads=2
  grlscaler train --cfg mlp_ppo --slo-budget 1%
  grlscaler train --cfg gat_ppo --trace testdata/recordings/h_rushsale --trace-scale 8
  grlscaler train --cfg gat_ppo --resume`,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := loadPolicyConfig(cfgWord)
			if err != nil {
				return err
			}
			f := c.Flags()
			if f.Changed("steps") {
				cfg.TotalSteps = steps
			}
			if f.Changed("seed") {
				cfg.Seed = seed
			}
			if f.Changed("app") {
				trainOn(cfg, app)
			}
			if f.Changed("scenario") {
				cfg.Env.Scenarios, cfg.Env.Trace = scenarios, ""
			}
			if f.Changed("trace") {
				cfg.Env.Trace = traceDir
			}
			if f.Changed("trace-scale") {
				cfg.Env.TraceScale = traceScale
			}
			if f.Changed("fill") {
				cfg.Env.TraceFill = fill
			}
			if f.Changed("slo-budget") {
				if err := setBudget(cfg, budget); err != nil {
					return err
				}
			}
			if cfg, err = cfg.ApplySet(sets); err != nil {
				return usageError{err}
			}
			if err := cfg.Validate(); err != nil {
				return usageError{err}
			}
			if f.Changed("scenario") && cfg.Env.GymRows() != "" {
				return usagef("--scenario: env.gym_hpa.rows takes the place of a load; leave one of them out")
			}
			if printConfig {
				_, err := w.stdout.Write(cfg.YAML())
				return err
			}
			job, err := newTraining(cfg)
			if err != nil {
				return err
			}
			if printName {
				fmt.Fprintln(w.stdout, job.dirName())
				return nil
			}
			if out == "" {
				out = filepath.Join("checkpoints", job.dirName())
			}
			for _, p := range job.parts {
				printAppWarnings(w.stderr, p.app)
				printSourceWarnings(w.stderr, p.sources)
			}
			result, err := job.train(c.Context(), w, out, resume, nil)
			if err != nil {
				return err
			}
			fmt.Fprintf(w.stdout, "policy: %s\n%d steps, mean episode reward of the last 100 episodes %.3f\n", result.Policy, result.Steps, result.Reward)
			return nil
		},
	}
	f := c.Flags()
	f.StringVar(&cfgWord, "cfg", "", "configuration: "+strings.Join(configs.Names(configs.Policies), ", ")+", or the path of a .yaml file (required)")
	f.IntVar(&steps, "steps", 0, "environment steps (default: the configuration's)")
	f.Uint64Var(&seed, "seed", 1, "seed of everything random")
	f.StringVar(&app, "app", "online_boutique", "application: a built-in name or the path of a .yaml file (default: the configuration's)")
	f.StringSliceVar(&scenarios, "scenario", nil, "scenarios to train on (default: the configuration's)")
	f.StringVar(&traceDir, "trace", "", "train on windows of this recording instead of scenarios")
	f.Float64Var(&traceScale, "trace-scale", 1, "multiply the recording's rates")
	registerFill(f, &fill)
	f.StringVar(&budget, "slo-budget", "", "share of requests that may be late or failed, such as 1%: learn the least cost within it")
	f.StringVar(&out, "out", "", "output directory (default checkpoints/<cfg>-<hash>)")
	f.BoolVar(&resume, "resume", false, "go on from the checkpoint in the output directory")
	f.StringArrayVar(&sets, "set", nil, "change one key of the configuration: key=value, dots between levels; may be repeated")
	f.BoolVar(&printName, "print-name", false, "print the training's name, which tells configuration, application and load apart, and end")
	f.BoolVar(&printConfig, "print-config", false, "print the resulting configuration and end")
	return c
}

// setBudget makes a configuration learn the least cost within a share of violating requests, 1% or 0.01.
func setBudget(cfg *rl.Config, word string) error {
	if cfg.PPO == nil {
		return usagef("--slo-budget: only the algorithm ppo keeps a budget; %s is %s", cfg.Name, cfg.Algorithm)
	}
	number, percent := strings.CutSuffix(word, "%")
	share, err := strconv.ParseFloat(number, 64)
	if percent {
		share /= 100
	}
	if err != nil || !(share > 0 && share <= 0.5) {
		return usagef("--slo-budget %s: must be a share of requests above 0 and at most 50%%, such as 1%% or 0.01", word)
	}
	cfg.PPO.Budget.Violations = share
	cfg.Env.Reward.SLOViolation = 0 // the multiplier takes its place
	// From random replicas every episode begins with violations that nobody can avoid; the budget is for the others.
	cfg.Env.Initial = sim.InitialNeeded
	// And it is for the application as its file has it.
	cfg.Env.Variation.Apps, cfg.Env.Variation.Metrics = 0, false
	cfg.PPO.EntropyCoef = 0
	return nil
}

// loadPolicyConfig reads a built-in policy configuration or the file at a path.
func loadPolicyConfig(word string) (*rl.Config, error) {
	if word == "" {
		return nil, usagef("--cfg is missing; one of %s, or the path of a .yaml file", strings.Join(configs.Names(configs.Policies), ", "))
	}
	f, err := configs.Read(configs.Policies, word)
	if err != nil {
		return nil, usageError{fmt.Errorf("--cfg %s: %w", word, err)}
	}
	return rl.DecodeConfig(f.Reader(), f.Name)
}

// training is a configuration with the application and the load that it names, or with those that are drawn for it.
type training struct {
	cfg   *rl.Config
	parts []trainingPart // empty where applications are still to be drawn

	shipped *configs.Trained // the policy that comes with the program, where it is of this training
}

func newTraining(cfg *rl.Config) (*training, error) {
	t := &training{cfg: cfg}
	if cfg.Env.App == sim.AppRandom {
		return t, nil
	}
	app, err := loadApp(cfg.Env.App)
	if err != nil {
		return nil, err
	}
	part, err := newTrainingPart(cfg, app)
	if err != nil {
		return nil, err
	}
	t.parts = append(t.parts, *part)
	return t, nil
}

// dirName names the training by all that its result depends on: configuration, application, load. What is drawn follows from
// the configuration.
func (t *training) dirName() string {
	var b strings.Builder
	b.WriteString(t.cfg.Hash())
	for _, p := range t.parts {
		b.WriteString(p.app.hash)
		for _, s := range p.sources {
			b.WriteString(s.Source.Name() + s.Hash)
		}
		if p.rows != nil {
			b.WriteString(p.rows.Hash())
		}
	}
	return t.cfg.Name + "-" + hashOf([]byte(b.String()))[:10]
}

// train trains into dir, from its checkpoint if resume is set. gate, unless nil, serialises progress lines.
func (t *training) train(ctx context.Context, w *world, dir string, resume bool, gate *sync.Mutex) (*rl.Result, error) {
	parts := t.parts
	if len(parts) == 0 {
		var err error
		if parts, err = drawParts(ctx, w, t.cfg, gate); err != nil {
			return nil, err
		}
	}
	var envs []sim.VectorEnv
	for i := range parts {
		env, err := parts[i].environments(t.cfg)
		if err != nil {
			return nil, err
		}
		envs = append(envs, env)
	}
	result, err := rl.TrainGroups(ctx, t.cfg, envs, rl.Options{
		Dir: dir, Resume: resume, Clock: w.now, Progress: &trainProgress{r: reporter{w: w}, gate: gate},
	})
	if errors.Is(err, rl.ErrInterrupted) {
		return nil, withHint(fmt.Errorf("%w (%w)", context.Canceled, err), "saved in %s; the same command with --resume goes on", dir)
	}
	return result, err
}

// trainProgress prints a line of speed, reward and time left.
type trainProgress struct {
	r    reporter
	gate *sync.Mutex
}

// Update shows how far the training is.
func (p *trainProgress) Update(st rl.Status) { p.print(false, st, "") }

// Done ends the line.
func (p *trainProgress) Done(st rl.Status, err error) {
	note := ", done in " + short(st.Elapsed)
	if err != nil {
		note = ", stopped"
	}
	p.print(true, st, note)
}

func (p *trainProgress) print(final bool, st rl.Status, note string) {
	if p.gate != nil {
		p.gate.Lock()
		defer p.gate.Unlock()
	}
	reward := "-"
	if !math.IsNaN(st.Reward) {
		reward = fmt.Sprintf("%.2f", st.Reward)
	}
	if note == "" && st.StepsPerSecond > 0 {
		note = ", " + short(st.ETA) + " left"
	}
	p.r.line(final, "%s: %d of %d steps, %.0f steps/s, reward %s%s", st.Name, st.Step, st.Total, st.StepsPerSecond, reward, note)
}

// trainedPolicies makes sure that every configuration has a policy for the application, training what is missing,
// as many at once as there are cores. One for random applications serves all.
func trainedPolicies(ctx context.Context, w *world, app string, cfgs []string, dir string, steps int) ([]benchmark.ControllerSpec, error) {
	jobs := make([]*training, 0, len(cfgs))
	for _, word := range cfgs {
		if word == "" {
			continue
		}
		cfg, err := loadPolicyConfig(word)
		if err != nil {
			return nil, err
		}
		if cfg.Env.App != sim.AppRandom {
			cfg.Env.App = app
		}
		if steps > 0 {
			cfg.TotalSteps = steps
		}
		if err := cfg.Validate(); err != nil {
			return nil, usageError{err}
		}
		job, err := newTraining(cfg)
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, job)
	}
	var missing []*training
	for _, job := range jobs {
		if err := job.findShipped(filepath.Join(dir, job.dirName())); err != nil {
			return nil, err
		}
		if job.shipped == nil {
			missing = append(missing, job)
			continue
		}
		fmt.Fprintf(w.stderr, "%s: using the policy that comes with the program (%s, version %s)\n", job.cfg.Name, job.shipped.Made.Command, job.shipped.Made.Version)
	}
	if err := trainMissing(ctx, w, missing, dir); err != nil {
		return nil, err
	}
	target, err := loadApp(app)
	if err != nil {
		return nil, err
	}
	var out []benchmark.ControllerSpec
	for _, job := range jobs {
		spec, err := job.spec(dir, target)
		if err != nil {
			return nil, err
		}
		out = append(out, *spec)
	}
	return out, nil
}

// findShipped looks for a policy of this very training among those that come with the program. One in the run's directory goes first.
func (t *training) findShipped(run string) error {
	if exists(filepath.Join(run, rl.PolicyFile)) {
		return nil
	}
	shipped, err := configs.TrainedPolicy(t.cfg.Name)
	if err != nil || shipped == nil || shipped.Made.Training != t.dirName() {
		return err
	}
	t.shipped = shipped
	return nil
}

// spec is the trained policy as a controller for an application.
func (t *training) spec(dir string, app *loadedApp) (*benchmark.ControllerSpec, error) {
	if t.shipped != nil {
		return shippedSpec(t.cfg.Name, t.shipped, app)
	}
	return policySpec(t.cfg.Name, filepath.Join(dir, t.dirName(), rl.PolicyFile), app)
}

// trainMissing trains the jobs that have no policy in dir yet, going on from checkpoints where there are some.
func trainMissing(ctx context.Context, w *world, jobs []*training, dir string) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var wg sync.WaitGroup
	var gate sync.Mutex
	errs := make([]error, len(jobs))
	slots := make(chan struct{}, max(1, runtime.GOMAXPROCS(0)))
	for i, job := range jobs {
		run := filepath.Join(dir, job.dirName())
		if exists(filepath.Join(run, rl.PolicyFile)) {
			fmt.Fprintf(w.stderr, "%s: using the policy in %s\n", job.cfg.Name, run)
			continue
		}
		resume := exists(filepath.Join(run, rl.CheckpointFile))
		fmt.Fprintf(w.stderr, "%s: training %d steps in %s\n", job.cfg.Name, job.cfg.TotalSteps, run)
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			plain := *w
			plain.terminal = false // several trainings take turns on the terminal
			if _, errs[i] = job.train(ctx, &plain, run, resume, &gate); errs[i] != nil {
				stop()
			}
		})
	}
	wg.Wait()
	// What ended because another failed is no failure of its own.
	var interrupted error
	for _, err := range errs {
		switch {
		case err == nil:
		case errors.Is(err, context.Canceled):
			interrupted = err
		default:
			return err
		}
	}
	if interrupted != nil {
		return withHint(context.Canceled, "trainings are saved in %s; run the same command again to go on", dir)
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
