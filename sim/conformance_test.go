package sim_test

import (
	"os"
	"testing"

	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/hpa"
	"github.com/grlscaler/grlscaler/sim/simtest"
	"github.com/grlscaler/grlscaler/sim/trace"
)

func TestStaticConforms(t *testing.T) {
	simtest.TestController(t, func(*testing.T, *sim.App) sim.Controller { return &sim.Static{} })
}

func TestOracleControllerConforms(t *testing.T) {
	simtest.TestController(t, func(*testing.T, *sim.App) sim.Controller { return &sim.Oracle{} })
}

func TestRandomConforms(t *testing.T) {
	for _, tc := range []struct{ kind, mode string }{
		{sim.KindCluster, sim.ActionJoint}, {sim.KindCluster, sim.ActionSelect}, {sim.KindGymHPA, sim.ActionJoint},
	} {
		t.Run(tc.kind+"/"+tc.mode, func(t *testing.T) {
			cfg := sim.DefaultEnvConfig()
			cfg.Kind, cfg.Action.Mode = tc.kind, tc.mode
			simtest.TestController(t, func(t *testing.T, app *sim.App) sim.Controller {
				c, err := sim.NewRandom("random", app, cfg)
				if err != nil {
					t.Fatal(err)
				}
				return c
			})
		})
	}
}

func TestHPAConforms(t *testing.T) {
	simtest.TestController(t, func(t *testing.T, _ *sim.App) sim.Controller {
		c, err := sim.NewHPASet(hpa.Set{CPUPercent: 60})
		if err != nil {
			t.Fatal(err)
		}
		return c
	})
}

func TestVecEnvConforms(t *testing.T) {
	for _, tc := range []struct {
		name string
		set  func(*sim.EnvConfig)
	}{
		{"joint", func(*sim.EnvConfig) {}},
		{"select", func(c *sim.EnvConfig) { c.Action.Mode = sim.ActionSelect }},
		{"gym_hpa", func(c *sim.EnvConfig) { c.Kind, c.Reward.Name = sim.KindGymHPA, sim.RewardCost }},
		{"noisy", func(c *sim.EnvConfig) { c.Metrics.Noise, c.Metrics.DropOut = 0.2, 0.3 }},
		{"no warm-up", func(c *sim.EnvConfig) { c.WarmupIntervals = 0 }},
		{"late", func(c *sim.EnvConfig) { c.Metrics.Lag = 40e9 }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			app := simtest.Chain(t)
			source := simtest.NewSteps(t, app, 600, 60, simtest.At(0, 10), simtest.At(120, 150), simtest.At(360, 10))
			source.Spread = 0.5
			simtest.TestEnv(t, func(t *testing.T, workers int) sim.VectorEnv {
				cfg := sim.DefaultEnvConfig()
				cfg.Workers = workers
				tc.set(&cfg)
				env, err := sim.NewVecEnv(app, cfg, source, 3, func() (sim.Engine, error) { return simtest.NewFluid(t, app), nil })
				if err != nil {
					t.Fatal(err)
				}
				return env
			})
		})
	}
}

func TestGymRowsConform(t *testing.T) {
	table, err := trace.ReadGymTable("trace/testdata/gymhpa/online_boutique.csv")
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open("../configs/apps/online_boutique.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	app, err := sim.DecodeApp(f, "online_boutique.yaml")
	if err != nil {
		t.Fatal(err)
	}
	rows, err := sim.NewGymRows(app, table)
	if err != nil {
		t.Fatal(err)
	}
	simtest.TestEnv(t, func(t *testing.T, workers int) sim.VectorEnv {
		cfg := sim.DefaultEnvConfig()
		cfg.Kind, cfg.Reward.Name, cfg.Workers = sim.KindGymHPA, sim.RewardCost, workers
		env, err := sim.NewGymRowsVecEnv(app, cfg, rows, 3)
		if err != nil {
			t.Fatal(err)
		}
		return env
	})
}

func TestFluidConforms(t *testing.T) {
	simtest.TestEngine(t, func(t *testing.T, app *sim.App) sim.Engine { return simtest.NewFluid(t, app) })
}

func TestDESConforms(t *testing.T) {
	simtest.TestEngine(t, func(t *testing.T, app *sim.App) sim.Engine {
		d, err := sim.NewDES(app, sim.DESOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return d
	})
}
