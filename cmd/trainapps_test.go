package cmd

import (
	"testing"

	"github.com/grlscaler/grlscaler/sim"
)

// With a budget, the environments that measure it are in the application and the metrics as they are; the others vary as before.
func TestMeasuredWorlds(t *testing.T) {
	cfg, err := loadPolicyConfig("mlp_ppo")
	if err != nil {
		t.Fatal(err)
	}
	worlds := make([]sim.EnvWorld, cfg.Env.Variation.Apps+1)
	for i := range worlds {
		worlds[i].App = &sim.App{}
	}
	if got := measuredWorlds(worlds, cfg); len(got) != len(worlds) {
		t.Errorf("%d worlds without a budget, want %d", len(got), len(worlds))
	}
	cfg.PPO.Budget.Violations = 0.01
	got := measuredWorlds(worlds, cfg)
	if len(got) != cfg.Env.NumEnvs || cfg.GreedyEnvs() != cfg.Env.NumEnvs/2 {
		t.Fatalf("%d worlds, %d measure", len(got), cfg.GreedyEnvs())
	}
	for i, w := range got {
		measures := i < cfg.GreedyEnvs()
		want := worlds[i%len(worlds)].App
		if measures {
			want = worlds[0].App
		}
		if w.App != want || w.Exact != measures {
			t.Errorf("environment %d: application %p, exact %v", i, w.App, w.Exact)
		}
	}
}
