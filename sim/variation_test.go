package sim

import (
	"math"
	"slices"
	"testing"
	"time"
)

// A varied application has the same shape and other numbers, the same for the same seed; with a deviation of 0 it is the application.
func TestVary(t *testing.T) {
	app := onlineBoutique(t)
	fifth := VariationConfig{Times: 0.2}
	same, one, again, two := app.Vary(VariationConfig{}, 1), app.Vary(fifth, 1), app.Vary(fifth, 1), app.Vary(fifth, 2)
	if !slices.Equal(same.graph.svcCPU, app.graph.svcCPU) || !slices.EqualFunc(same.Services, app.Services, func(a, b Service) bool { return a == b }) {
		t.Error("a deviation of 0 changes numbers")
	}
	if !slices.Equal(one.graph.svcCPU, again.graph.svcCPU) || slices.Equal(one.graph.svcCPU, two.graph.svcCPU) {
		t.Error("the seed does not decide")
	}
	if !slices.Equal(one.Edges, app.Edges) || one.NumNodes() != app.NumNodes() || !slices.Equal(one.EndpointNames(), app.EndpointNames()) {
		t.Error("another shape")
	}
	strict := app.Vary(VariationConfig{SLOs: 0.2}, 1)
	if sameSLO := func(a, b Endpoint) bool { return a.SLOMs == b.SLOMs }; !slices.EqualFunc(one.Endpoints, app.Endpoints, sameSLO) || slices.EqualFunc(strict.Endpoints, app.Endpoints, sameSLO) || !slices.Equal(strict.graph.svcCPU, app.graph.svcCPU) {
		t.Error("SLOs vary with times, or do not vary by their own deviation, or times vary with them")
	}
	// 11 services and two seeds: log factors of start-up CPU have twice the deviation.
	sum, n := 0.0, 0.0
	for seed := range uint64(40) {
		v := app.Vary(fifth, seed)
		for s := range v.Services {
			x := math.Log(v.Services[s].StartupCPUMs / app.Services[s].StartupCPUMs)
			sum, n = sum+x*x, n+1
		}
	}
	if sd := math.Sqrt(sum / n); sd < 0.36 || sd > 0.44 {
		t.Errorf("deviation of start-up CPU %.3f, want 0.4", sd)
	}
	if len(app.Edges) == 0 || app.Ops[0].CPUMs == one.Ops[0].CPUMs {
		t.Error("nothing varied, or the original changed")
	}
	if table := NewDemandTable(one, []float64{1, 0, 0, 0, 0, 0, 0}[:len(one.Endpoints)]); len(table.At(50)) != len(app.Services) {
		t.Error("no demand curve")
	}
}

// Environment i is in world i mod (apps+1) and, where metrics vary, sees later and worse ones; those of the file's application stay.
func TestVariedEnv(t *testing.T) {
	app := oneApp(t)
	other := app.Vary(VariationConfig{Times: 0.2}, 1)
	cfg := DefaultEnvConfig()
	cfg.Variation = VariationConfig{Apps: 1, Times: 0.2, Metrics: true}
	world := func(a *App) EnvWorld {
		return EnvWorld{App: a, Source: constantSource{constantEpisode(a, 600, 10)}, NewEngine: newFluidEngine(a)}
	}
	v, err := NewVariedEnv(cfg, 6, []EnvWorld{world(app), world(other)})
	if err != nil {
		t.Fatal(err)
	}
	worse := 0
	for i, e := range v.envs {
		if want := []*App{app, other}[i%2]; e.app != want {
			t.Errorf("environment %d is of another application", i)
		}
		m := e.session.metrics.cfg
		if i%2 == 0 && m != cfg.Metrics {
			t.Errorf("environment %d of the file's application sees %+v", i, m)
		}
		if i%2 == 1 && m.Lag <= 15*time.Second && m.Noise > 0 && m.Noise <= variedNoise && m.DropOut > 0 && m.DropOut <= variedDropOut {
			worse++
		}
	}
	if worse != 3 {
		t.Errorf("%d of 3 environments see worse metrics", worse)
	}
}

// The mean of an episode's violations is its share of violating requests.
func TestViolations(t *testing.T) {
	app := onlineBoutique(t)
	cfg := DefaultEnvConfig()
	cfg.Initial, cfg.Action.QuotaSteps = InitialNeeded, []float64{1}
	e := newTestEnv(t, app, cfg, scenarioSource(t, app, "rushsale"), 1)
	share, sum, steps := make([]float32, 1), 0.0, 0
	offered, bad := 0.0, 0.0
	e.envs[0].session.SetRecorder(&violationRecorder{&offered, &bad})
	for done := false; !done; done = e.truncated[0] {
		e.idle(cfg)
		e.step(t)
		e.Violations(share)
		sum, steps = sum+float64(share[0]), steps+1
	}
	// Arrivals are random, and the shares are relative to what the load offers on average.
	if want := bad / offered; !(want > 0.5) || math.Abs(sum/float64(steps)-want) > 0.02*want {
		t.Errorf("mean violation %.4f, share of requests %.4f", sum/float64(steps), want)
	}
}

type violationRecorder struct{ offered, bad *float64 }

func (r *violationRecorder) RecordDecision(*DecisionRecord) {}
func (r *violationRecorder) RecordInterval(*IntervalRecord) {}
func (r *violationRecorder) RecordTick(x *TickRecord) {
	if !x.Counted || x.State.Window == 0 {
		return
	}
	for i := range x.State.Endpoints {
		*r.offered += x.State.Endpoints[i].Offered
		*r.bad += x.State.Endpoints[i].Late + x.State.Endpoints[i].Failed
	}
}
