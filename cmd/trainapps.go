package cmd

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"github.com/grlscaler/grlscaler/benchmark"
	"github.com/grlscaler/grlscaler/rl"
	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/hpa"
	"github.com/grlscaler/grlscaler/sim/randomapp"
	"github.com/grlscaler/grlscaler/sim/trace"
)

// trainOn puts an application into a configuration in place of whatever it had.
func trainOn(cfg *rl.Config, app string) {
	if cfg.Env.App = app; app != sim.AppRandom {
		cfg.Env.RandomApps = nil
	}
}

// trainingPart is one application and its load.
type trainingPart struct {
	app     *loadedApp
	sources []benchmark.SourceSpec
	rec     *trace.Recording // where the load is a recording
	rows    *sim.GymRows     // in place of sources: gym-hpa's recorded rows
}

func newTrainingPart(cfg *rl.Config, app *loadedApp) (*trainingPart, error) {
	t := &trainingPart{app: app}
	var err error
	if path := cfg.Env.GymRows(); path != "" {
		table, err := trace.ReadGymTable(path)
		if err != nil {
			return nil, err
		}
		t.rows, err = sim.NewGymRows(app.App, table)
		return t, err
	}
	if cfg.Env.Trace != "" {
		if t.rec, err = readTrace(cfg.Env.Trace, app, cfg.Env.TraceFill); err != nil {
			return nil, err
		}
	}
	t.sources, err = t.sourcesFor(cfg, app)
	return t, err
}

// sourcesFor is the load of the training for an application.
func (t *trainingPart) sourcesFor(cfg *rl.Config, app *loadedApp) (sources []benchmark.SourceSpec, err error) {
	env, add := &cfg.Env, func(src *benchmark.SourceSpec, e error) {
		if err = errors.Join(err, e); e == nil {
			sources = append(sources, *src)
		}
	}
	if t.rec != nil {
		add(traceSource(env.Trace, t.rec, app, env.TraceFill, sim.ReplayOptions{Scale: env.TraceScale, Window: trainingWindow}))
		return sources, err
	}
	for _, word := range env.Scenarios {
		add(loadScenario(word, app))
	}
	return sources, err
}

// environments makes those of the configuration.
func (t *trainingPart) environments(cfg *rl.Config) (sim.VectorEnv, error) {
	if t.rows != nil {
		return sim.NewGymRowsVecEnv(t.app.App, cfg.Env, t.rows, 0)
	}
	worlds, err := t.worlds(cfg)
	if err != nil {
		return nil, err
	}
	return sim.NewVariedEnv(cfg.Env, 0, worlds)
}

// worlds are the application and its variations, each with its load. The fast engine is fitted to every one of them, which takes about a
// second each, so they are made side by side.
func (t *trainingPart) worlds(cfg *rl.Config) ([]sim.EnvWorld, error) {
	v := cfg.Env.Variation
	n := min(v.Apps+1, cfg.Env.NumEnvs) // few environments cannot have them all
	worlds, errs := make([]sim.EnvWorld, n), make([]error, n)
	worlds[0] = sim.EnvWorld{App: t.app.App, Source: newMixture(t.sources), NewEngine: t.app.newEngine}
	var wg sync.WaitGroup
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i := 1; i < len(worlds); i++ {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			app := loadedApp{App: t.app.Vary(v, uint64(i))}
			sources, err := t.sourcesFor(cfg, &app)
			if err != nil {
				errs[i] = fmt.Errorf("env.variation: application %d: %w", i, err)
				return
			}
			worlds[i] = sim.EnvWorld{App: app.App, Source: newMixture(sources), NewEngine: app.newEngine}
		})
	}
	wg.Wait()
	return measuredWorlds(worlds, cfg), errors.Join(errs...)
}

// measuredWorlds puts the environments that measure a budget, if there is one, into the application and the metrics as they are.
func measuredWorlds(worlds []sim.EnvWorld, cfg *rl.Config) []sim.EnvWorld {
	greedy := cfg.GreedyEnvs()
	if greedy == 0 {
		return worlds
	}
	all := make([]sim.EnvWorld, cfg.Env.NumEnvs)
	for i := range all {
		if all[i] = worlds[i%len(worlds)]; i < greedy {
			all[i] = worlds[0]
			all[i].Exact = true
		}
	}
	return all
}

// drawParts draws the applications that a configuration asks for, on all cores: most of the time goes into measuring how each departs
// from the fluid engine's formulas. The result does not depend on the number of cores.
func drawParts(ctx context.Context, w *world, cfg *rl.Config, gate *sync.Mutex) ([]trainingPart, error) {
	n := cfg.Env.RandomApps.All()
	parts, errs := make([]trainingPart, n), make([]error, n)
	progress := drawProgress{r: reporter{w: w}, gate: gate, name: cfg.Name, total: n}
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	var wg sync.WaitGroup
	for i := n - 1; i >= 0; i-- { // the largest first, they take longest
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			if errs[i] = context.Cause(ctx); errs[i] != nil {
				return
			}
			part, err := drawPart(cfg, i)
			if err != nil {
				errs[i] = err
				return
			}
			parts[i] = *part
			progress.drawn(part.app.App)
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		if ctx.Err() != nil {
			return nil, withHint(context.Canceled, "nothing was trained yet")
		}
		return nil, err
	}
	return parts, nil
}

func drawApp(c *sim.RandomAppsConfig, i int) (*sim.App, []byte, error) {
	if i >= c.Count {
		return randomapp.NewWide(c.Seed, i-c.Count)
	}
	return randomapp.New(c.Seed, i, c.Services(i))
}

func drawPart(cfg *rl.Config, i int) (*trainingPart, error) {
	c := cfg.Env.RandomApps
	app, text, err := drawApp(c, i)
	if err != nil {
		return nil, fmt.Errorf("env.random_apps: %w", err)
	}
	return newTrainingPart(cfg, &loadedApp{App: app, hash: hashOf(text), rules: hpa.DefaultConfig()})
}

// drawProgress tells how many applications there are already.
type drawProgress struct {
	r     reporter
	gate  *sync.Mutex // of other progress; may be nil
	name  string
	mu    sync.Mutex
	done  int
	total int
}

func (p *drawProgress) drawn(app *sim.App) {
	if p.gate != nil {
		p.gate.Lock()
		defer p.gate.Unlock()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done++
	p.r.line(p.done == p.total, "%s: application %d of %d drawn, %d services", p.name, p.done, p.total, len(app.Services))
}
