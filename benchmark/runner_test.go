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
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/simtest"
)

// realPlan compares fixed sizes and the oracle with the fluid engine on short scenarios of a small application.
func realPlan(t testing.TB) *Plan {
	t.Helper()
	app := simtest.Chain(t)
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

func openStore(t testing.TB) *Store {
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
	sum := summarise(t, res)
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
	if want := []string{"config.yaml", "decisions.csv.gz", "profiles.csv", "report.html", "runs.csv", "sensitivity.csv", "steps.csv.gz", "summary.csv", "summary.md"}; len(one) != len(want) {
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
	sum := summarise(t, res)
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

// atTime scales the only service at one moment.
type atTime struct {
	sim.Static
	at       time.Duration
	replicas int
}

func (c *atTime) Reset(*sim.App, uint64) error { return nil }
func (c *atTime) Decide(v *sim.View, dst []sim.ScaleRequest) ([]sim.ScaleRequest, error) {
	if v.At == c.at {
		dst = append(dst, sim.ScaleRequest{Replicas: c.replicas, Pool: sim.AnyPool})
	}
	return dst, nil
}

// TestLagWithTheEngine: the load rises at 60 s of the counted part; replicas asked for then, or later, are ready 20 s
// after that, so the lag is 20 s and the delay.
func TestLagWithTheEngine(t *testing.T) {
	app := simtest.One(t)
	source := simtest.NewSteps(t, app, 240, 60, simtest.At(0, 5), simtest.At(120, 30))
	needed := simtest.Episode(t, source, 1).Needed
	before, after := float64(needed[0]), float64(needed[len(needed)-1])
	p := &Plan{
		App: app, Engine: EngineSpec{Name: "fluid", New: func() (sim.Engine, error) { return sim.NewFluid(app, sim.FluidOptions{}) }},
		Sources: []SourceSpec{{Source: source}}, Seeds: []uint64{1},
	}
	for _, delay := range []time.Duration{-30, 0, 15, 60} {
		c := &atTime{at: 120*time.Second + delay*time.Second, replicas: int(after)}
		p.Controllers = append(p.Controllers, ControllerSpec{Name: fmt.Sprint(int(delay)), Kind: KindAutoscaler, New: func() (sim.Controller, error) { return c, nil }})
	}
	res, err := Run(t.Context(), p, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i, lag := range []float64{0, 20, 35, 80} {
		m := &res.Rows[i].Metrics
		near(t, "LagMeanS of "+res.Rows[i].Controller, m.LagMeanS, lag)
		near(t, "TauU", m.TauU, lag/180)
		near(t, "UnderShare", m.UnderShare, lag*(after-before)/(60*before+120*after))
		near(t, "ScaleActions", m.ScaleActions, 1)
		near(t, "LagOpen", m.LagOpen, 0)
	}
	// Asked for 30 s early and ready 20 s later: over-provisioned for 10 s, allocated for 30.
	early := &res.Rows[0].Metrics
	near(t, "OverShare", early.OverShare, 10*(after-before)/(60*before+120*after))
	near(t, "Replicas", early.Replicas, (30*before+150*after)/180)
}

// TestEpisodesAreLetGo: the load of a source and seed is kept while one of its trials is to come.
func TestEpisodesAreLetGo(t *testing.T) {
	e := newEpisodes(realPlan(t), []int{0, 2, 3})
	for _, step := range []struct{ trial, left int }{{0, 2}, {3, 1}, {2, 0}} {
		ep, release, err := e.take(step.trial)
		if err != nil || ep.Ticks == 0 {
			t.Fatalf("trial %d: %+v, %v", step.trial, ep, err)
		}
		release()
		if len(e.by) != step.left {
			t.Errorf("%d episodes kept after trial %d, want %d", len(e.by), step.trial, step.left)
		}
	}
}

// watcher is a controller that asks for pods, and for the episode.
type watcher struct {
	sim.Static
	watches bool
	ep      *sim.Episode
}

func (w *watcher) WatchesPods() bool          { return w.watches }
func (w *watcher) SetEpisode(ep *sim.Episode) { w.ep = ep }

func TestInterruptibleShowsWhatTheControllerAsksFor(t *testing.T) {
	ep := &sim.Episode{}
	w := &watcher{watches: true}
	c := interruptible{w, t.Context(), 0}
	if c.SetEpisode(ep); !c.WatchesPods() || w.ep != ep {
		t.Error("the controller's wishes are hidden")
	}
	if w.watches = false; c.WatchesPods() || (interruptible{&sim.Static{}, t.Context(), 0}).WatchesPods() {
		t.Error("pods are watched for a controller that does not ask for them")
	}
}

// What the request-level engine refuses to bound its memory comes out in rows and as a warning, also from the store.
func TestOverflowIsNeverSilent(t *testing.T) {
	p := realPlan(t)
	p.Engine = EngineSpec{Name: "des", New: func() (sim.Engine, error) { return sim.NewDES(p.App, sim.DESOptions{MaxVisits: 20}) }}
	p.Seeds, p.Sources = p.Seeds[:1], p.Sources[:1]
	store := openStore(t)
	for _, from := range []string{"run", "store"} {
		res, err := Run(t.Context(), p, Options{Store: store})
		if err != nil {
			t.Fatal(err)
		}
		small, large := res.Rows[0].Overflow, res.Rows[1].Overflow
		if small <= 0 || large >= small {
			t.Errorf("%s: %v visits were refused with one replica of everything, %v with three", from, small, large)
		}
		if w := strings.Join(summarise(t, res).Warnings, "\n"); !strings.Contains(w, "were refused to bound memory") || !strings.Contains(w, "most under small on step with seed 1") {
			t.Errorf("%s: warnings %q", from, w)
		}
	}
}
