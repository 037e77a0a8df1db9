package sim

import "testing"

// bothWays gathers latencies window by window and in a set, and compares them at the end of every interval.
type bothWays struct {
	t        *testing.T
	set      LatencySet
	plain    []Histogram
	of, from Histogram // all so far
	compared int
}

func (b *bothWays) RecordDecision(*DecisionRecord) {}

func (b *bothWays) RecordTick(r *TickRecord) {
	if r.State.Window > 0 {
		b.set.Add(r.Engine)
		r.Engine.AddLatencies(b.plain)
	}
}

func (b *bothWays) RecordInterval(*IntervalRecord) {
	for e := range b.plain {
		h := &b.plain[e]
		if b.set.Count(e) != h.Count() {
			b.t.Fatalf("endpoint %d: %v requests, want %v", e, b.set.Count(e), h.Count())
		}
		if b.compared%2 == 0 { // a question near the answer settles the set
			for _, ms := range []float64{5000, h.QuantileMs(0.95), h.QuantileMs(0.95) * 0.999} {
				if got, want := b.set.QuantileAbove(e, 0.95, ms), h.QuantileMs(0.95) > ms; got != want {
					b.t.Fatalf("endpoint %d: p95 above %v ms is %v, want %v", e, ms, got, want)
				}
			}
		}
		b.from.Merge(h)
		h.Reset()
		b.set.Drain(e, &b.of)
		if b.of != b.from {
			b.t.Fatalf("endpoint %d: the set has other latencies after %d intervals", e, b.compared)
		}
	}
	b.compared++
}

// TestLatencySetAddsAsWindowsDo: to the last bit, with replicas that change, and with overload.
func TestLatencySetAddsAsWindowsDo(t *testing.T) {
	app := onlineBoutique(t)
	var ep Episode
	if err := scenarioSource(t, app, "rushsale").Episode(1, &ep); err != nil {
		t.Fatal(err)
	}
	for _, c := range []Controller{newHPASet(t, "cpu-60"), &Static{}} {
		engine, err := NewFluid(app, FluidOptions{})
		if err != nil {
			t.Fatal(err)
		}
		b := &bothWays{t: t, set: NewLatencySet(len(app.Endpoints)), plain: make([]Histogram, len(app.Endpoints))}
		if err := RunController(app, engine, &ep, c, 1, MetricsConfig{}, b); err != nil {
			t.Fatal(err)
		}
		if b.compared < 100 || b.of.Count() == 0 {
			t.Errorf("%d intervals, %v requests", b.compared, b.of.Count())
		}
	}
}
