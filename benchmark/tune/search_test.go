package tune

import (
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/grlscaler/grlscaler/benchmark"
	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/hpa"
	"github.com/grlscaler/grlscaler/sim/rng"
	"github.com/grlscaler/grlscaler/sim/simtest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// stepPlan is a chain of services whose load doubles twice and comes back.
func stepPlan(t testing.TB) benchmark.Plan {
	t.Helper()
	app := simtest.Chain(t)
	src, err := sim.NewScenarioSource(&sim.Scenario{
		Name: "steps", Unit: "capacity", LengthS: 600, WarmupS: 60, NoiseMax: 0.05, NoiseTau: 30,
		Phases: []sim.Phase{{Level: 0.1, End: 0.1}, {StartS: 120, Level: 0.4, End: 0.4}, {StartS: 360, Level: 0.15, End: 0.15}},
	}, app)
	if err != nil {
		t.Fatal(err)
	}
	return benchmark.Plan{App: app, Version: "test", Seeds: []uint64{1, 2}, Sources: []benchmark.SourceSpec{{Source: src, Hash: "steps"}},
		Engine: benchmark.EngineSpec{Name: "fluid", New: func() (sim.Engine, error) { return sim.NewFluid(app, sim.FluidOptions{FitVisits: 1e5}) }}}
}

func find(t testing.TB, o Options) *Result {
	t.Helper()
	r, err := Search(t.Context(), stepPlan(t), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

var ignoreShared = cmp.Comparer(func(a, b Candidate) bool { return cmp.Equal(a.Params, b.Params) && a.Score == b.Score })

// The search is worth its trials: it ends with something better than any setting that people start from, and than as many random
// ones without selection find by half of the trials.
func TestSearchBeatsWhereItStarts(t *testing.T) {
	for _, perService := range []bool{false, true} {
		o := Options{Trials: 120, Seed: 3, PerService: perService}
		r := find(t, o)
		if len(r.All) != o.Trials {
			t.Fatalf("%d candidates, want %d", len(r.All), o.Trials)
		}
		start := o.Objective.Best(r.All[:len(startTargets)])
		half := o.Objective.Best(r.All[:2*generation])
		if !(r.Best.Score.CAF < 0.97*start.Score.CAF) || !(r.Best.Score.CAF < half.Score.CAF) {
			t.Errorf("per service %t: CAF %.4f after %d trials, %.4f where it started, %.4f of random ones", perService, r.Best.Score.CAF, o.Trials, start.Score.CAF, half.Score.CAF)
		}
	}
}

// The result depends on the seed alone, however many workers there are and whether it was interrupted.
func TestSearchRepeats(t *testing.T) {
	o := Options{Trials: 60, Seed: 1, PerService: true, Objective: Objective{Bounded: true, MostViolation: 0.02}}
	o.Run.Workers = 1
	want := find(t, o)
	o.Run.Workers = 3
	if diff := cmp.Diff(want.All, find(t, o).All, ignoreShared); diff != "" {
		t.Errorf("three workers instead of one (-one +three):\n%s", diff)
	}
	store, err := benchmark.OpenStore(filepath.Join(t.TempDir(), "trials"))
	if err != nil {
		t.Fatal(err)
	}
	o.Run.Store = store
	ctx, cancel := context.WithCancel(t.Context())
	o.Tell = func(done int, _ *Candidate) {
		if done >= 40 {
			cancel()
		}
	}
	if _, err := Search(ctx, stepPlan(t), o); !errors.Is(err, context.Canceled) {
		t.Fatalf("an interrupted search ends with %v", err)
	}
	reused := 0
	o.Tell, o.Run.Progress = nil, countReused{&reused}
	if diff := cmp.Diff(want.All, find(t, o).All, ignoreShared); diff != "" {
		t.Errorf("interrupted (-at once +interrupted):\n%s", diff)
	}
	if reused < 40*2 {
		t.Errorf("only %d finished runs were used again", reused)
	}
	o.Seed, o.Run = 2, benchmark.Options{}
	if cmp.Equal(want.All, find(t, o).All, ignoreShared) {
		t.Error("another seed tries the same candidates")
	}
}

type countReused struct{ n *int }

func (c countReused) Begin(_, reused int)  { *c.n += reused }
func (c countReused) Done(benchmark.Trial) {}

// Everything that is drawn or bred is an HPA that Kubernetes accepts, within the service's bounds, and no candidate comes twice.
func TestCandidatesAreValid(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := bounds{minReplicas: int32(rapid.IntRange(1, 3).Draw(t, "min")), mostPercent: int32(rapid.IntRange(11, 400).Draw(t, "most"))}
		b.maxReplicas = b.minReplicas + int32(rapid.IntRange(0, 20).Draw(t, "above"))
		r := rng.New(rapid.Uint64().Draw(t, "seed"), "test")
		p := b.draw(r)
		for range rapid.IntRange(0, 20).Draw(t, "mutations") {
			p = b.mutate(p, r)
		}
		if p.CPUPercent < leastPercent || p.CPUPercent > b.mostPercent || p.MinReplicas < b.minReplicas || p.MinReplicas > b.maxReplicas {
			t.Fatalf("%v is out of bounds %+v", p, b)
		}
		if _, err := hpa.New(p.Spec("x", int(b.maxReplicas)), hpa.DefaultConfig()); err != nil {
			t.Fatalf("%v: %v", p, err)
		}
	})
	seen := map[string]bool{}
	for _, c := range find(t, Options{Trials: 60, PerService: true, Seed: 5}).All {
		if seen[c.key()] {
			t.Errorf("%s was tried twice", c.Describe())
		}
		seen[c.key()] = true
	}
}

// A candidate of Kubernetes' defaults scales as the set of the same target does.
func TestControllerIsTheHPA(t *testing.T) {
	plan := stepPlan(t)
	var c Candidate
	for i := range plan.App.Services {
		b := boundsOf(&plan.App.Services[i])
		c.Params = append(c.Params, b.defaults(60))
	}
	plan.Controllers = []benchmark.ControllerSpec{Controller("tuned", &c),
		{Name: "set", Kind: benchmark.KindAutoscaler, New: func() (sim.Controller, error) { return sim.NewHPASet(hpa.Set{CPUPercent: 60}) }}}
	res, err := benchmark.Run(t.Context(), &plan, benchmark.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(res.Rows); i += 2 {
		if diff := cmp.Diff(res.Rows[i+1].Metrics, res.Rows[i].Metrics); diff != "" {
			t.Errorf("seed %d (-set +tuned):\n%s", res.Rows[i].Seed, diff)
		}
	}
}

func TestManifest(t *testing.T) {
	app := simtest.Chain(t)
	plain := bounds{minReplicas: 1, maxReplicas: 5, mostPercent: 200}
	c := Candidate{}
	for range app.Services {
		c.Params = append(c.Params, plain.defaults(60))
	}
	last := &c.Params[len(c.Params)-1]
	last.Up = Rules{WindowS: 30, Policy: Policy{hpa.PercentPolicy, 900, 15}}
	last.Down = Rules{WindowS: unset, Policy: Policy{hpa.PodsPolicy, 1, 60}}
	c.Params[0].Down = Rules{WindowS: 0}
	got, err := Manifest(app, &c, "For the test.")
	if err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "hpa.yaml")
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("manifest (-want +got):\n%s", diff)
	}
	if _, err := Manifest(app, &Candidate{}); err == nil || !strings.Contains(err.Error(), "settings for the") {
		t.Errorf("a candidate of another application gives %v", err)
	}
}

// frugal takes a replica away from whatever its controller asks for.
type frugal struct{ sim.Controller }

func (f frugal) WatchesPods() bool { return true }

func (f frugal) Decide(v *sim.View, dst []sim.ScaleRequest) ([]sim.ScaleRequest, error) {
	dst, err := f.Controller.Decide(v, dst)
	for i := range dst {
		dst[i].Replicas = max(dst[i].Replicas-1, 1)
	}
	return dst, err
}

// What a candidate meets besides counts: the same candidates come to less with a replica less.
func TestSearchAround(t *testing.T) {
	o := Options{Trials: 7, Seed: 1}
	alone := find(t, o)
	o.Around = func(c sim.Controller) sim.Controller { return frugal{c} }
	for i, c := range find(t, o).All {
		if before := alone.All[i]; !cmp.Equal(before.Params, c.Params) || c.Score.Replicas >= before.Score.Replicas {
			t.Errorf("candidate %d: %+v, alone %+v", i, c.Score, before.Score)
		}
	}
}
