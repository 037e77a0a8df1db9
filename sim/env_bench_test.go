package sim

import (
	"fmt"
	"testing"

	"github.com/grlscaler/grlscaler/sim/rng"
)

func newFluidEngine(app *App) func() (Engine, error) {
	return func() (Engine, error) { return NewFluid(app, FluidOptions{}) }
}

// testEnv is one environment on scenario peak of Online Boutique, with room for its arrays.
type testEnv struct {
	*VecEnv
	obs, final            *Obs
	actions               []int32
	rewards               []float32
	terminated, truncated []bool
	random                *rng.Stream
}

func newTestEnv(tb testing.TB, app *App, cfg EnvConfig, source LoadSource, n int) *testEnv {
	tb.Helper()
	v, err := NewVecEnv(app, cfg, source, n, newFluidEngine(app))
	if err != nil {
		tb.Fatal(err)
	}
	return begun(tb, v)
}

// begun resets environments and makes room for their arrays.
func begun(tb testing.TB, v *VecEnv) *testEnv {
	tb.Helper()
	n := v.NumEnvs()
	e := &testEnv{VecEnv: v, obs: NewObs(v.Spec(), n), final: NewObs(v.Spec(), n), actions: make([]int32, n*len(v.Spec().Action.NVec)),
		rewards: make([]float32, n), terminated: make([]bool, n), truncated: make([]bool, n), random: rng.New(1, "actions")}
	if err := v.Reset(1, e.obs); err != nil {
		tb.Fatal(err)
	}
	return e
}

// randomStep takes random allowed actions.
func (e *testEnv) randomStep(tb testing.TB) {
	spec := e.Spec()
	parts, width := len(spec.Action.NVec), spec.MaskWidth()
	for i := range e.NumEnvs() {
		RandomAction(spec, e.obs.Mask[i*width:(i+1)*width], e.random, e.actions[i*parts:(i+1)*parts])
	}
	e.step(tb)
}

func (e *testEnv) step(tb testing.TB) {
	if err := e.Step(e.actions, e.obs, e.final, e.rewards, e.terminated, e.truncated); err != nil {
		tb.Fatal(err)
	}
}

// idle sets the actions that leave everything as it is.
func (e *testEnv) idle(cfg EnvConfig) {
	spec := e.Spec()
	one := 0
	for i, q := range cfg.Action.QuotaSteps {
		if q == 1 {
			one = i
		}
	}
	parts := len(spec.Action.NVec) / spec.Services
	for i := range e.actions {
		switch i % parts {
		case 0:
			e.actions[i] = int32(cfg.Action.MaxDelta)
		case 1:
			e.actions[i] = int32(one)
		default:
			e.actions[i] = 0
		}
	}
}

// BenchmarkEnvStep is one environment step: one control interval of the engine, metrics, observation, mask, reward.
func BenchmarkEnvStep(b *testing.B) {
	app := onlineBoutique(b)
	src := scenarioSource(b, app, "peak")
	for _, random := range []bool{false, true} {
		name := map[bool]string{false: "idle", true: "random"}[random]
		b.Run(fmt.Sprintf("services=%d/actions=%s", len(app.Services), name), func(b *testing.B) {
			cfg := DefaultEnvConfig()
			cfg.Workers, cfg.Initial = 1, InitialApp
			e := newTestEnv(b, app, cfg, src, 1)
			e.idle(cfg)
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				if random {
					e.randomStep(b)
				} else {
					e.step(b)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "intervals/s")
		})
	}
}

// BenchmarkEnvParts is what a step costs apart from the engine.
func BenchmarkEnvParts(b *testing.B) {
	app := onlineBoutique(b)
	src := scenarioSource(b, app, "peak")
	cfg := DefaultEnvConfig()
	cfg.Workers = 1
	e := newTestEnv(b, app, cfg, src, 1)
	for range 5 {
		e.randomStep(b)
	}
	s := e.envs[0].session
	task := e.envs[0].task.(*clusterTask)
	row := e.obs.Row(e.Spec(), 0)
	b.Run("part=engine", func(b *testing.B) {
		load := TickLoad{RPS: s.ep.RPS[:len(app.Endpoints)], Arrivals: s.ep.RPS[:len(app.Endpoints)]}
		for range b.N {
			for range TicksPerInterval {
				s.engine.Step(load)
			}
		}
	})
	b.Run("part=arrivals", func(b *testing.B) {
		for range b.N {
			for range TicksPerInterval {
				for e, rps := range s.ep.RPS[:len(app.Endpoints)] {
					s.arrivals.draw(e, rps)
				}
			}
		}
	})
	b.Run("part=metrics+reward", func(b *testing.B) {
		st := s.engine.State()
		needed := s.ep.Needed[:len(app.Services)]
		for range b.N {
			for t := range TicksPerInterval {
				st.Window = 0
				if t%WindowTicks == 0 {
					st.Window = WindowTicks
				}
				s.metrics.Tick(st)
				s.meter.Tick(st, needed)
			}
			s.meter.Take()
		}
	})
	b.Run("part=view", func(b *testing.B) {
		for range b.N {
			s.View()
		}
	})
	b.Run("part=observation", func(b *testing.B) {
		for range b.N {
			task.observer.Observe(task.view, 1, &row)
		}
	})
	b.Run("part=mask", func(b *testing.B) {
		for range b.N {
			task.actions.Mask(task.view, row.Mask)
		}
	})
}

// BenchmarkRunController is one episode of 1500 s under a controller, as a benchmark runs it.
func BenchmarkRunController(b *testing.B) {
	app := onlineBoutique(b)
	src := scenarioSource(b, app, "rushsale")
	var ep Episode
	if err := src.Episode(1, &ep); err != nil {
		b.Fatal(err)
	}
	for _, c := range []Controller{&Static{}, &Oracle{}, newHPASet(b, "cpu-60")} {
		b.Run("controller="+c.Name(), func(b *testing.B) {
			engine, err := NewFluid(app, FluidOptions{})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for range b.N {
				if err := RunController(app, engine, &ep, c, 1, MetricsConfig{}, nil); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N*ep.Ticks)/b.Elapsed().Seconds(), "sim-s/s")
		})
	}
}
