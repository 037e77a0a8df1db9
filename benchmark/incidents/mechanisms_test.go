package incidents

import (
	"testing"

	"github.com/grlscaler/grlscaler/sim"
)

func des(app *sim.App) (sim.Engine, error) { return sim.NewDES(app, sim.DESOptions{}) }

// hpaOn gives the HPA's outcome of an incident on one engine, after a change to it.
func hpaOn(t *testing.T, name string, engine func(*sim.App) (sim.Engine, error), change func(*sim.App)) Outcome {
	t.Helper()
	x := load(t, name)
	if change != nil {
		app := *x.App.Variant()
		change(&app)
		x.App = &app
	}
	o, err := Run(t.Context(), x, x.Controllers()[:1], Options{Seeds: []uint64{1, 2}, NewEngine: engine})
	if err != nil {
		t.Fatal(err)
	}
	return o[0]
}

var engines = []struct {
	name string
	make func(*sim.App) (sim.Engine, error)
}{{"fluid", fluid}, {"des", des}}

// Four pods are needed. Start-up at the limit does no harm, for an HPA leaves out pods that are not ready; CPU after that counts in full, and
// each pod that it brings adds to it.
func TestWarmUpRunsAway(t *testing.T) {
	for _, e := range engines {
		for _, tc := range []struct {
			name   string
			lo, hi float64 // anchors: 4, 36, 40
		}{{"jvm-step-0s", 4, 4}, {"jvm-step-60s", 30, 60}, {"jvm-step-180s", 40, 60}} {
			if o := hpaOn(t, tc.name, e.make, nil); o.Peak < tc.lo || o.Peak > tc.hi {
				t.Errorf("%s: %s: at most %v pods, want %v to %v", e.name, tc.name, o.Peak, tc.lo, tc.hi)
			}
		}
	}
}

// An update makes no load, and an HPA scales for it because of how its new pods start: without that it does not.
func TestDeployOvershoots(t *testing.T) {
	for _, e := range engines {
		for _, name := range []string{"deploy-at-peak", "deploy-at-peak-unavailable"} {
			if o := hpaOn(t, name, e.make, nil); o.Peak < 24 {
				t.Errorf("%s: %s: at most %v pods, want twice the 12 that are enough", e.name, name, o.Peak)
			}
			if o := hpaOn(t, name, e.make, func(a *sim.App) { a.Services[0].WarmupCPUMs = 0 }); o.Peak > 13 {
				t.Errorf("%s: %s: %v pods without a warm-up", e.name, name, o.Peak)
			}
		}
	}
}

// The HPA doubles once: pods without a node count as wanted and use nothing. With nodes it goes on to 18.
func TestNoRoomStops(t *testing.T) {
	for _, e := range engines {
		never, late := hpaOn(t, "no-room-never", e.make, nil), hpaOn(t, "no-room-late", e.make, nil)
		if never.Peak != 16 {
			t.Errorf("%s: %v pods wanted where no nodes come, want 16", e.name, never.Peak)
		}
		if late.Peak < 18 || late.Peak > 20 || late.Recover > never.Recover/2 {
			t.Errorf("%s: with nodes %v pods wanted, want 18 to 20; recovery after %v, %v without", e.name, late.Peak, late.Recover, never.Recover)
		}
	}
}

// While the dependency is slow callers use less CPU and lose pods, which are missing when it is well again. The bound holds them.
func TestCallersShrink(t *testing.T) {
	x := load(t, "slow-dependency")
	all := x.Controllers()
	for _, e := range engines {
		for _, c := range []Controller{all[0], all[2]} {
			watch := &watched{least: 1 << 30}
			controller, err := c.New()
			if err != nil {
				t.Fatal(err)
			}
			engine, err := e.make(x.App)
			if err != nil {
				t.Fatal(err)
			}
			var ep sim.Episode
			if err := x.Source.Episode(1, &ep); err != nil {
				t.Fatal(err)
			}
			if err := sim.RunController(x.App, engine, &ep, controller, 1, sim.DefaultMetricsConfig(), watch); err != nil {
				t.Fatal(err)
			}
			if c.Name == "hpa" && (watch.before < 9 || watch.least > watch.before*3/4) {
				t.Errorf("%s: the first caller has %d pods before and %d at least, want a quarter fewer", e.name, watch.before, watch.least)
			}
			if c.Name != "hpa" && watch.least < watch.before {
				t.Errorf("%s: the bound goes from %d to %d pods", e.name, watch.before, watch.least)
			}
		}
	}
}

// watched notes the pods of the first service just before the dependency gets slow, and the fewest that are wanted until it is well again.
type watched struct{ before, least int }

func (w *watched) RecordDecision(*sim.DecisionRecord) {}
func (w *watched) RecordInterval(*sim.IntervalRecord) {}
func (w *watched) RecordTick(t *sim.TickRecord) {
	at, spec := t.Tick-t.Episode.WarmupTicks, t.State.Services[0].Spec
	switch {
	case at == 299:
		w.before = spec
	case at >= 300 && at < 900:
		w.least = min(w.least, spec)
	}
}

// A removal costs: requests that balancers send to the pod, and those that it cannot end in time.
func TestChurnHasAPrice(t *testing.T) {
	for _, e := range engines {
		with := hpaOn(t, "costly-scale-down", e.make, nil)
		free := hpaOn(t, "costly-scale-down", e.make, func(a *sim.App) { a.Services[0].RemovalLag, a.Services[0].Grace = 0, 300e9 })
		if with.Violation < free.Violation+0.004 {
			t.Errorf("%s: %.4f of the requests violate, %.4f where removals are free", e.name, with.Violation, free.Violation)
		}
	}
}
