package sim

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func newObserver(app *App) *Observer { return NewObserver(app, NewActions(app, DefaultActionConfig())) }

// One service by hand: web of app one: 2 of 1 to 10 replicas ready, 1 starting, 2 pending, at half the quota (100 m, request
// 50 m). It used 120 m at 12 visits/s (8 before) of 10 CPU-ms: all ten replicas at 200 m carry 200 visits/s.
func TestServiceFeaturesByHand(t *testing.T) {
	app := oneApp(t)
	v := NewView(app)
	v.Services[0] = ServiceView{Spec: 5, Ready: 2, Starting: 1, Pending: 2, QuotaMillis: 100, RequestMillis: 50,
		CPUUsedMillis: 120, MemMiB: 96, RPS: 12, PrevRPS: 8, P95Ms: 127, ErrorRate: 0.1, Throttled: 0.2}
	v.Nodes[0] = NodeView{CPUMillis: 2000, MemMiB: 4096, FreeCPUMillis: 500, FreeMemMiB: 1024, SpeedFactor: 1, PricePerCoreHour: 0.04}
	v.Placed[0], v.Placed[1] = 2, 1
	v.Cluster = ClusterView{CPUUtilisation: 0.3, SLOViolation: 0.05, EntryRPS: 15, EntryPrevRPS: 4, EntryBefore: [EntryHistory]float64{7, 3, 1}, EntryPeak: 31, SinceLastAction: 75 * time.Second}
	v.Entry[0] = 60
	o := newObserver(app)
	obs := NewObs(o.Spec(), 1)
	o.Observe(v, 0.5, obs)
	want := map[string]float64{
		"cpu_utilisation": 120. / 200, "mem_utilisation": 96. / 128, "p95": 0.7, // lg(128)/10
		"stateful": 0, "efficiency": 120. / 150, "ready": 0.2, "starting": 0.1, "pending": 0.2,
		"load": 12 * 10. / 2000, "load_change": 4. / 21, "error_rate": 0.1, "quota": -0.5, "throttled": 0.2,
		"position": 4. / 9, "replica_step": 0.1, "request": 0.05,
		// 60 requests/s at the entry are 600 m: 6 replicas at the present 100 m. The rate goes from 4 to 15, so next to 26.
		"announced": 0.6, "announced_busy": 6. / 5, "announced_gap": (6 - 5) / 4., "announced_trend": (6*26./15 - 5) / 4,
	}
	if len(want) != len(ServiceFeatures) || len(obs.Services) != len(ServiceFeatures) {
		t.Fatalf("%d features expected, %d named, %d given", len(want), len(ServiceFeatures), len(obs.Services))
	}
	for i, name := range ServiceFeatures {
		if got := float64(obs.Services[i]); math.Abs(got-want[name]) > 1e-6 {
			t.Errorf("%s: %v, want %v", name, got, want[name])
		}
	}
	for i, want := range []float32{0.25, 0.25, 1, 1} {
		if obs.Nodes[i] != want {
			t.Errorf("%s: %v, want %v", NodeFeatures[i], obs.Nodes[i], want)
		}
	}
	for i, want := range []float64{0.3, 0.05, 0.4, 11. / 20, 0.3, 0.2, 0.1, 0.5, 0.25, 0.5} {
		if math.Abs(float64(obs.Scalars[i])-want) > 1e-6 {
			t.Errorf("%s: %v, want %v", ScalarFeatures[i], obs.Scalars[i], want)
		}
	}
	if obs.RunsOn[0] != 2 || obs.RunsOn[1] != 1 {
		t.Errorf("pods on nodes: %v, want 2 and 1", obs.RunsOn)
	}
}

// lg is log2 at powers of two, within 0.087 of it between, and rises.
func TestLg(t *testing.T) {
	last := math.Inf(-1)
	for x := 0.01; x < 5000; x *= 1.03 {
		got := lg(x)
		if d := math.Log2(x) - got; d < -1e-12 || d > 0.0861 || got <= last {
			t.Errorf("lg(%v) = %v after %v; log2 is %v", x, got, last, math.Log2(x))
		}
		last = got
	}
	for e := -3; e < 12; e++ {
		if got := lg(math.Ldexp(1, e)); got != float64(e) {
			t.Errorf("lg(2^%d) = %v", e, got)
		}
	}
}

// Whatever the metrics say, NaN and infinities included, observations are finite and bounded.
func TestObservationsAreFinite(t *testing.T) {
	app := chainApp(t)
	o := newObserver(app)
	obs := NewObs(o.Spec(), 1)
	rapid.Check(t, func(t *rapid.T) {
		wild := func() float64 {
			return rapid.SampledFrom([]float64{0, -1, 1, 1e-300, 1e300, math.NaN(), math.Inf(1), math.Inf(-1), 37}).Draw(t, "number")
		}
		v := NewView(app)
		for s := range v.Services {
			x := &v.Services[s]
			*x = ServiceView{Spec: 1, Ready: 1, QuotaMillis: 100, RequestMillis: 100, CPUUsedMillis: wild(), MemMiB: wild(), RPS: wild(), PrevRPS: wild(),
				P95Ms: wild(), ErrorRate: wild(), Throttled: wild()}
		}
		for n := range v.Nodes {
			v.Nodes[n] = NodeView{CPUMillis: 1000, MemMiB: 1000, FreeCPUMillis: wild(), FreeMemMiB: wild(), SpeedFactor: wild(), PricePerCoreHour: wild()}
		}
		for e := range v.Edges {
			v.Edges[e] = EdgeView{RPS: wild(), P95Ms: wild(), ErrorRate: wild()}
		}
		v.Cluster = ClusterView{CPUUtilisation: wild(), SLOViolation: wild(), EntryRPS: wild(), EntryPrevRPS: wild(), EntryBefore: [EntryHistory]float64{wild(), wild(), wild()}, EntryPeak: wild()}
		for e := range v.Entry {
			v.Entry[e] = wild()
		}
		o.Observe(v, 1, obs)
		for _, a := range [][]float32{obs.Services, obs.Nodes, obs.Edges, obs.RunsOn, obs.Scalars} {
			for i, x := range a {
				if !(math.Abs(float64(x)) <= 4) {
					t.Fatalf("number %d is %v", i, x)
				}
			}
		}
	})
}

func TestObservationAllocatesNothing(t *testing.T) {
	for _, mode := range []string{ActionJoint, ActionSelect} {
		app := chainApp(t)
		cfg := DefaultActionConfig()
		cfg.Mode = mode
		o := NewObserver(app, NewActions(app, cfg))
		obs, v := NewObs(o.Spec(), 1), NewView(app)
		if n := testing.AllocsPerRun(100, func() { o.Observe(v, 1, obs) }); n != 0 {
			t.Errorf("%s: %v allocations", mode, n)
		}
	}
}

// Hidden features are 0 in every row, and nothing else changes.
func TestHiddenFeatures(t *testing.T) {
	app := onlineBoutique(t)
	cfg := DefaultEnvConfig()
	cfg.Hide = []string{"services.announced", "edges.rate", "scalars.decisions_left"}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	actions := NewActions(app, cfg.Action)
	plain, hiding := NewObserver(app, actions), NewObserver(app, actions).hiding(cfg.Hide)
	v := NewView(app)
	for e := range v.Entry {
		v.Entry[e] = 50
	}
	for s := range v.Services {
		v.Services[s].QuotaMillis, v.Services[s].Spec, v.Services[s].Ready = 100, 1, 1
	}
	for e := range v.Edges {
		v.Edges[e].RPS = 10
	}
	want, got := NewObs(plain.Spec(), 1), NewObs(plain.Spec(), 1)
	plain.Observe(v, 1, want)
	hiding.Observe(v, 1, got)
	hidden := 0
	for g := range featureGroups {
		group := &featureGroups[g]
		a, b := group.of(want), group.of(got)
		for i := range a {
			name := group.name + "." + group.features[i%len(group.features)]
			if slices.Contains(cfg.Hide, name) {
				if hidden++; b[i] != 0 || a[i] == 0 {
					t.Errorf("%s: %v, shown %v", name, b[i], a[i])
				}
			} else if a[i] != b[i] {
				t.Errorf("%s: %v, shown %v", name, b[i], a[i])
			}
		}
	}
	if want := len(app.Services) + len(app.Edges) + 1; hidden != want {
		t.Errorf("%d numbers hidden, want %d", hidden, want)
	}
	cfg.Hide = []string{"services.colour"}
	if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), `hide[0]: unknown feature "services.colour"`) {
		t.Errorf("%v", err)
	}
}
