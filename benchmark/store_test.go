package benchmark

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/grlscaler/grlscaler/sim"
)

func TestStoredTrialsOfAnotherPlanAreNotReused(t *testing.T) {
	changes := map[string]struct {
		change func(p *Plan)
		reused int
	}{
		"nothing":            {func(*Plan) {}, 18},
		"another version":    {func(p *Plan) { p.Version = "other" }, 0},
		"another engine":     {func(p *Plan) { p.Engine.Hash = "other" }, 0},
		"another app":        {func(p *Plan) { p.AppHash = "other" }, 0},
		"another controller": {func(p *Plan) { p.Controllers[1].Hash = "other" }, 12},
		"another load":       {func(p *Plan) { p.Sources[0].Hash = "other" }, 9},
		"other metrics":      {func(p *Plan) { p.Metrics = sim.DefaultMetricsConfig(); p.Metrics.Noise = 0.1 }, 0},
		"one seed more":      {func(p *Plan) { p.Seeds = append(p.Seeds, 4) }, 18},
		"steps of all seeds": {func(p *Plan) { p.StepSeeds = p.Seeds }, 6},
		"other order":        {func(p *Plan) { slices.Reverse(p.Controllers) }, 18},
	}
	store := openStore(t)
	if _, err := Run(t.Context(), realPlan(t), Options{Store: store}); err != nil {
		t.Fatal(err)
	}
	for name, c := range changes {
		t.Run(name, func(t *testing.T) {
			// A copy, so that one change does not fill the store for the next.
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(store.dir)); err != nil {
				t.Fatal(err)
			}
			p, progress := realPlan(t), &counter{}
			c.change(p)
			if _, err := Run(t.Context(), p, Options{Store: &Store{dir: dir}, Progress: progress}); err != nil {
				t.Fatal(err)
			}
			if progress.reused != c.reused {
				t.Errorf("%d trials reused, want %d", progress.reused, c.reused)
			}
		})
	}
}

func TestDamagedStoredTrialIsRunAgain(t *testing.T) {
	p, store := realPlan(t), openStore(t)
	if _, err := Run(t.Context(), p, Options{Store: store, Only: []int{0, 1}}); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(store.path(p.key(0)))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(store.path(p.key(0)), data[:len(data)/2], 0o644); err != nil {
		t.Fatal(err)
	}
	progress := &counter{}
	if _, err := Run(t.Context(), p, Options{Store: store, Only: []int{0, 1}, Progress: progress}); err != nil {
		t.Fatal(err)
	}
	if progress.reused != 1 || !slices.Equal(progress.done, []int{0}) {
		t.Errorf("%d reused, run %v; want trial 0 to run again", progress.reused, progress.done)
	}
	pools := strings.Replace(string(data), `"pools":[{`, `"pools":[{"held":1},{`, 1)
	if err := os.WriteFile(store.path(p.key(0)), []byte(pools), 0o644); err != nil {
		t.Fatal(err)
	}
	progress = &counter{}
	if _, err := Run(t.Context(), p, Options{Store: store, Only: []int{0, 1}, Progress: progress}); err != nil || progress.reused != 1 {
		t.Errorf("a pool more than there are: %d reused, %v", progress.reused, err)
	}
	newer := strings.Replace(string(data), `"format":3`, `"format":99`, 1)
	if err := os.WriteFile(store.path(p.key(0)), []byte(newer), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), p, Options{Store: store}); err == nil || !strings.Contains(err.Error(), "format 99") {
		t.Errorf("a stored trial of a newer format: error %v", err)
	}
}

// A stored trial is reused only if its numbers are those that a trial can have, and then as they were stored.
func FuzzStoredTrial(f *testing.F) {
	p, store := realPlan(f), openStore(f)
	if _, err := Run(f.Context(), p, Options{Store: store, Only: []int{0}}); err != nil {
		f.Fatal(err)
	}
	good, err := os.ReadFile(store.path(p.key(0)))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(strings.Replace(string(good), `"weight":`, `"weight":-`, 1)))
	f.Add([]byte(`{"format":3,"metrics":{"caf":"NaN"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(store.path(p.key(0)), data, 0o644); err != nil {
			t.Fatal(err)
		}
		row, ok, err := store.load(p.key(0), p.Trial(0), p.App.Pools, false)
		if err != nil || !ok {
			return
		}
		if err := row.check(); err != nil {
			t.Fatal(err)
		}
		if !row.Latency.valid() {
			t.Fatalf("%+v", row.Latency)
		}
		for i := range row.Pools {
			if !row.Pools[i].valid() {
				t.Fatalf("%+v", row.Pools)
			}
		}
	})
}
