package cmd

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/grlscaler/grlscaler/benchmark"
	"github.com/grlscaler/grlscaler/configs"
)

// TestNothingIsTrainedOnWhatIsHeldOut: no shipped policy configuration and none of the default scenarios is what the headline holds out, nor a
// copy of it.
func TestNothingIsTrainedOnWhatIsHeldOut(t *testing.T) {
	app, err := loadApp("online_boutique")
	if err != nil {
		t.Fatal(err)
	}
	held := heldOutScenarios()
	if len(held) < 2 {
		t.Fatalf("held out: %v, want at least two shapes", held)
	}
	plan := &benchmark.Plan{}
	for _, name := range held {
		src, err := loadScenario(name, app)
		if err != nil {
			t.Fatal(err)
		}
		if src.Source.Name() != name {
			t.Errorf("scenario %s calls itself %s: its results would not be held out", name, src.Source.Name())
		}
		plan.Sources = append(plan.Sources, *src)
	}
	traces := []string{filepath.Join("..", headlineTrace)}
	for _, word := range configs.Names(configs.Policies) {
		cfg, err := loadPolicyConfig(word)
		if err != nil {
			t.Fatal(err)
		}
		if err := trainedOnHeldOut(word, &cfg.Env, plan, traces); err != nil {
			t.Error(err)
		}
		cfg.Env.Scenarios = append(cfg.Env.Scenarios, held[0])
		if err := trainedOnHeldOut(word, &cfg.Env, plan, traces); err == nil {
			t.Errorf("%s with %s is let through", word, held[0])
		}
		cfg.Env.Trace = traces[0]
		if err := trainedOnHeldOut(word, &cfg.Env, plan, traces); err == nil || !strings.Contains(err.Error(), "h_rushsale") {
			t.Errorf("%s on the recording: %v", word, err)
		}
	}
	for _, name := range defaultScenarios {
		if strings.HasPrefix(name, heldOutPrefix) {
			t.Errorf("%s is a default scenario and held out", name)
		}
	}
}
