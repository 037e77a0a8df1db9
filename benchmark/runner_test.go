package benchmark

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/grlscaler/grlscaler/sim"
)

// realPlan compares fixed sizes and the oracle with the fluid engine on a short scenario of the Redis application.
func realPlan(t *testing.T) *Plan {
	t.Helper()
	f, err := os.Open(filepath.Join("..", "configs", "apps", "redis.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	app, err := sim.DecodeApp(f, "redis.yaml")
	if err != nil {
		t.Fatal(err)
	}
	p := &Plan{
		App:         app,
		Engine:      EngineSpec{Name: "fluid", New: func() (sim.Engine, error) { return sim.NewFluid(app, sim.FluidOptions{}) }},
		Controllers: []ControllerSpec{static("small", app, 1), static("large", app, 3), {Name: "oracle", Kind: KindBound, New: func() (sim.Controller, error) { return &sim.Oracle{}, nil }}},
		Seeds:       []uint64{1, 2, 3},
		Version:     "test",
	}
	for _, sc := range []*sim.Scenario{
		{Name: "step", Unit: "capacity", LengthS: 120, WarmupS: 30, NoiseMax: 0.1, NoiseTau: 30, Phases: []sim.Phase{{Level: 0.1, End: 0.1}, {StartS: 60, Level: 0.6, End: 0.6}}},
		{Name: "ramp", Unit: "capacity", LengthS: 90, WarmupS: 30, NoiseTau: 30, Phases: []sim.Phase{{Level: 0.1, End: 0.5}}},
	} {
		src, err := sim.NewScenarioSource(sc, app)
		if err != nil {
			t.Fatal(err)
		}
		p.Sources = append(p.Sources, SourceSpec{Source: src, Hash: fmt.Sprintf("%+v", *sc)})
	}
	return p
}

// static is a fixed size of n replicas, as far as the bounds allow.
func static(name string, app *sim.App, n int) ControllerSpec {
	replicas := make([]int, len(app.Services))
	for s := range replicas {
		replicas[s] = min(max(n, app.Services[s].MinReplicas), app.Services[s].MaxReplicas)
	}
	return ControllerSpec{Name: name, Kind: KindStatic, Hash: fmt.Sprint(replicas), New: func() (sim.Controller, error) { return &sim.Static{Replicas: replicas}, nil }}
}

func openStore(t *testing.T) *Store {
	t.Helper()
	s, err := OpenStore(filepath.Join(t.TempDir(), "trials"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// files runs a plan and returns the bytes of every file of its results.
func files(t *testing.T, p *Plan, o Options) map[string]string {
	t.Helper()
	res, err := Run(t.Context(), p, o)
	if err != nil {
		t.Fatal(err)
	}
	return resultFiles(t, res)
}

func resultFiles(t *testing.T, res *Results) map[string]string {
	t.Helper()
	return resultFilesOf(t, res, Info{Tag: "test", Command: "grlscaler benchmark"})
}

func resultFilesOf(t *testing.T, res *Results, info Info) map[string]string {
	t.Helper()
	sum, err := Summarise(res)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "results")
	if err := WriteResults(dir, sum, info); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		out[e.Name()] = string(data)
	}
	return out
}

func TestResultDoesNotDependOnWorkers(t *testing.T) {
	one := files(t, realPlan(t), Options{Workers: 1})
	if want := []string{"config.yaml", "runs.csv", "steps.csv.gz", "summary.csv", "summary.md"}; len(one) != len(want) {
		t.Fatalf("files %v, want %v", one, want)
	}
	if lines := strings.Count(one["runs.csv"], "\n"); lines != 1+2*3*3 {
		t.Fatalf("runs.csv has %d lines, want a header and 18 trials:\n%s", lines, one["runs.csv"])
	}
	for _, workers := range []int{2, 7} {
		if diff := cmp.Diff(one, files(t, realPlan(t), Options{Workers: workers})); diff != "" {
			t.Errorf("%d workers against 1:\n%s", workers, diff)
		}
	}
}

// TestOrderOfControllersDoesNotMatter: a trial's numbers are its own, whatever ran before on the same engine.
func TestOrderOfControllersDoesNotMatter(t *testing.T) {
	p := realPlan(t)
	a, err := Run(t.Context(), p, Options{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	q := realPlan(t)
	slices.Reverse(q.Controllers)
	b, err := Run(t.Context(), q, Options{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	type id struct {
		controller, scenario string
		seed                 uint64
	}
	rows := map[id]Metrics{}
	for _, r := range a.Rows {
		rows[id{r.Controller, r.Scenario, r.Seed}] = r.Metrics
	}
	for _, r := range b.Rows {
		if rows[id{r.Controller, r.Scenario, r.Seed}] != r.Metrics {
			t.Errorf("%v differs when controllers run in another order", r.Trial)
		}
	}
}

func TestControllersMeetTheSameArrivals(t *testing.T) {
	res, err := Run(t.Context(), realPlan(t), Options{})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[float64]bool{}
	for i, r := range res.Rows {
		if first := res.Rows[i/3*3]; r.Requests != first.Requests || r.Requests == 0 {
			t.Errorf("%v was offered %g requests, %v %g", r.Trial, r.Requests, first.Trial, first.Requests)
		}
		seen[r.Requests] = true
	}
	if len(seen) != 6 {
		t.Errorf("%d different loads for 2 scenarios and 3 seeds", len(seen))
	}
}

// counter counts what Progress is told.
type counter struct {
	trials, reused int
	done           []int
	each           func(n int)
}

func (c *counter) Begin(trials, reused int) { c.trials, c.reused = trials, reused }
func (c *counter) Done(t Trial) {
	c.done = append(c.done, t.Index)
	if c.each != nil {
		c.each(len(c.done))
	}
}

func TestInterruptedRunContinues(t *testing.T) {
	whole := files(t, realPlan(t), Options{})
	store := openStore(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	progress := &counter{each: func(n int) {
		if n == 5 {
			cancel()
		}
	}}
	res, err := Run(ctx, realPlan(t), Options{Workers: 2, Store: store, Progress: progress})
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "trials to go") {
		t.Fatalf("error %v, want one that tells what is left and wraps context.Canceled", err)
	}
	if n := len(res.Rows); n < 5 || n > 8 {
		t.Fatalf("%d rows after stopping at 5 with 2 workers", n)
	}
	sum, err := Summarise(res)
	if err != nil {
		t.Fatal(err)
	}
	if len(sum.Warnings) == 0 || !strings.Contains(sum.Warnings[0], "are missing") {
		t.Errorf("warnings %q do not say that trials are missing", sum.Warnings)
	}
	again := &counter{}
	second, err := Run(t.Context(), realPlan(t), Options{Store: store, Progress: again})
	if err != nil {
		t.Fatal(err)
	}
	if again.reused != len(res.Rows) || again.reused+len(again.done) != 18 {
		t.Errorf("%d reused and %d run, want %d and the rest of 18", again.reused, len(again.done), len(res.Rows))
	}
	if diff := cmp.Diff(whole, resultFiles(t, second)); diff != "" {
		t.Errorf("continued against uninterrupted:\n%s", diff)
	}
}

// TestTrialsByIndex: three machines take every third trial, a fourth puts the table together.
func TestTrialsByIndex(t *testing.T) {
	whole := files(t, realPlan(t), Options{})
	store := openStore(t)
	for machine := range 3 {
		var only []int
		for i := machine; i < realPlan(t).Len(); i += 3 {
			only = append(only, i)
		}
		res, err := Run(t.Context(), realPlan(t), Options{Only: only, Store: store})
		if err != nil || len(res.Rows) != 6 || res.Asked != 6 {
			t.Fatalf("machine %d: %d rows, %v", machine, len(res.Rows), err)
		}
	}
	progress := &counter{}
	res, err := Run(t.Context(), realPlan(t), Options{Store: store, Progress: progress})
	if err != nil || progress.reused != 18 {
		t.Fatalf("%d of 18 reused, %v", progress.reused, err)
	}
	if diff := cmp.Diff(whole, resultFiles(t, res)); diff != "" {
		t.Errorf("by index against at once:\n%s", diff)
	}
	if _, err := Run(t.Context(), realPlan(t), Options{Only: []int{18}}); err == nil || !strings.Contains(err.Error(), "0 to 17") {
		t.Errorf("index 18 of 18: error %v", err)
	}
}

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
	newer := strings.Replace(string(data), `"format":1`, `"format":99`, 1)
	if err := os.WriteFile(store.path(p.key(0)), []byte(newer), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), p, Options{Store: store}); err == nil || !strings.Contains(err.Error(), "format 99") {
		t.Errorf("a stored trial of a newer format: error %v", err)
	}
}

// failing is a controller that fails at its third decision.
type failing struct {
	sim.Static
	closed *atomic.Int32
	left   int
}

func (f *failing) Reset(*sim.App, uint64) error { f.left = 3; return nil }
func (f *failing) Close() error                 { f.closed.Add(1); return nil }
func (f *failing) Decide(v *sim.View, dst []sim.ScaleRequest) ([]sim.ScaleRequest, error) {
	if f.left--; f.left == 0 {
		return nil, errors.New("no weights")
	}
	return f.Static.Decide(v, dst)
}

func TestFailedTrialIsNamed(t *testing.T) {
	p, store, closed := realPlan(t), openStore(t), &atomic.Int32{}
	p.Controllers = append(p.Controllers, ControllerSpec{Name: "broken", Kind: KindPolicy, New: func() (sim.Controller, error) { return &failing{closed: closed}, nil }})
	res, err := Run(t.Context(), p, Options{Workers: 1, Store: store})
	if err == nil || !strings.Contains(err.Error(), "trial 3 (broken on step, seed 1)") || !strings.Contains(err.Error(), "no weights") {
		t.Fatalf("error %v, want one that names the trial and the cause", err)
	}
	if len(res.Rows) < 3 || res.Rows[2].Index != 2 {
		t.Errorf("%d rows, want at least the three that had finished", len(res.Rows))
	}
	if closed.Load() != 1 {
		t.Errorf("the controller was closed %d times, want once", closed.Load())
	}
	p.Controllers[3].New = func() (sim.Controller, error) { return nil, errors.New("no such checkpoint") }
	if _, err := Run(t.Context(), p, Options{Store: store}); err == nil || !strings.Contains(err.Error(), "no such checkpoint") {
		t.Errorf("error %v, want that of the factory", err)
	}
}

func TestPlanIsValidated(t *testing.T) {
	p := realPlan(t)
	p.Controllers[1].Name, p.Controllers[2].Kind = "small", "magic"
	p.Seeds = []uint64{1, 1}
	p.StepSeeds = []uint64{9}
	_, err := Run(t.Context(), p, Options{})
	for _, want := range []string{`controller "small" is there twice`, `unknown kind "magic"`, `seed "1" is there twice`, "seed 9"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not say %q", err, want)
		}
	}
	if _, err := Run(t.Context(), &Plan{}, Options{}); err == nil || strings.Count(err.Error(), "\n") != 4 {
		t.Errorf("empty plan: error %v, want five lines", err)
	}
}

// TestStarvingCostsMoreThanEnough: with the real engine, one replica each violates where three do not, and the
// oracle has the lowest CAF.
func TestStarvingCostsMoreThanEnough(t *testing.T) {
	res, err := Run(t.Context(), realPlan(t), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(res.Rows); i += 3 {
		small, large, oracle := &res.Rows[i], &res.Rows[i+1], &res.Rows[i+2]
		if oracle.CAF > small.CAF+1e-9 || oracle.CAF > large.CAF+1e-9 {
			t.Errorf("%v: CAF of the oracle %g, small %g, large %g", small.Trial, oracle.CAF, small.CAF, large.CAF)
		}
		if small.Slack > large.Slack || small.Cost > large.Cost || small.SLOViolation < large.SLOViolation-1e-9 {
			t.Errorf("%v: small %+v, large %+v", small.Trial, small.Metrics, large.Metrics)
		}
	}
}
