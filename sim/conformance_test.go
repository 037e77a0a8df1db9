package sim_test

import (
	"testing"

	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/rng"
	"github.com/grlscaler/grlscaler/sim/simtest"
)

func TestStaticConforms(t *testing.T) {
	simtest.TestController(t, func(*testing.T) sim.Controller { return &sim.Static{} })
}

func TestOracleControllerConforms(t *testing.T) {
	simtest.TestController(t, func(*testing.T) sim.Controller { return &sim.Oracle{} })
}

// A random agent in every action mode. It draws from a stream that Reset does not know, so each run gets a fresh one.
func TestAgentConforms(t *testing.T) {
	for _, mode := range []string{sim.ActionJoint, sim.ActionSelect} {
		t.Run(mode, func(t *testing.T) {
			simtest.TestController(t, func(t *testing.T) sim.Controller { return &randomAgent{mode: mode} })
		})
	}
}

// randomAgent takes random allowed actions from a stream that its seed names.
type randomAgent struct {
	*sim.Agent
	mode   string
	random *rng.Stream
}

func (r *randomAgent) Name() string { return "random" }

func (r *randomAgent) Reset(app *sim.App, seed uint64) error {
	r.random = rng.New(seed, "random-agent")
	cfg := sim.DefaultEnvConfig()
	cfg.Action.Mode = r.mode
	cfg.Action.DecisionsPerInterval = 1 // so that no service is asked for twice
	var err error
	r.Agent, err = sim.NewAgent("random", app, cfg, func(obs *sim.Obs, action []int32) error {
		simtest.RandomAction(r.Spec(), obs.Mask, r.random, action)
		return nil
	})
	return err
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
		{"late", func(c *sim.EnvConfig) { c.Metrics.Lag = 40e9 }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			app := simtest.Chain(t)
			source := simtest.NewSteps(t, app, 600, 60, simtest.At(0, 10), simtest.At(120, 60), simtest.At(360, 10))
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
