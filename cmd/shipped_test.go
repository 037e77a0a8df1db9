package cmd

import (
	"testing"

	"github.com/grlscaler/grlscaler/configs"
	"github.com/grlscaler/grlscaler/internal/learningcurve"
	"github.com/grlscaler/grlscaler/sim"
)

// Each published configuration for Online Boutique, and the one for applications never seen, comes with the policy that it trains, below 1 MiB. Where a configuration, the
// application or the load has changed since, the policy is another training's, and `make policies` is due.
func TestShippedPolicies(t *testing.T) {
	for _, name := range []string{"mlp_ppo", "gat_ppo", "gcn_ppo", "gat_sac", "gat_zero"} {
		t.Run(name, func(t *testing.T) {
			shipped, err := configs.TrainedPolicy(name)
			if err != nil || shipped == nil {
				t.Fatalf("shipped policy: %v (%v); run make policies", shipped, err)
			}
			cfg, err := loadPolicyConfig(name)
			if err != nil {
				t.Fatal(err)
			}
			job, err := newTraining(cfg)
			if err != nil {
				t.Fatal(err)
			}
			if shipped.Made.Training != job.dirName() || shipped.Made.Seed != cfg.Seed {
				t.Errorf("made by training %s, seed %d; the configuration is %s, seed %d: run make policies", shipped.Made.Training, shipped.Made.Seed, job.dirName(), cfg.Seed)
			}
			if len(shipped.Weights) >= 1<<20 {
				t.Errorf("%d bytes, at most 1 MiB may ship", len(shipped.Weights))
			}
			columns, err := learningcurve.Decode(shipped.Curve, "time/total_timesteps")
			if err != nil {
				t.Fatal(err)
			}
			if steps := columns[0][len(columns[0])-1]; steps < 0.98*float64(cfg.TotalSteps) { // the last row may come before the end
				t.Errorf("the learning curve ends after %v of %d steps", steps, cfg.TotalSteps)
			}
			app, err := loadApp("online_boutique") // gat_zero's own applications are drawn only for its training
			if err != nil {
				t.Fatal(err)
			}
			spec, err := shippedSpec(name, shipped, app)
			if err != nil {
				t.Fatal(err)
			}
			c, err := spec.New()
			if err != nil {
				t.Fatal(err)
			}
			defer c.(interface{ Close() error }).Close()
			if _, err := c.Decide(viewOf(t, app.App), nil); err != nil {
				t.Errorf("decision: %v", err)
			}
		})
	}
}

// viewOf is a view of an application at its initial replicas.
func viewOf(t *testing.T, app *sim.App) *sim.View {
	t.Helper()
	engine, err := sim.NewFluid(app, sim.FluidOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := engine.Reset(1, app.InitialReplicas()); err != nil {
		t.Fatal(err)
	}
	v := sim.NewView(app)
	sim.NewMetrics(app, sim.DefaultMetricsConfig()).View(engine.State(), v)
	return v
}
