package benchmark

import (
	"math"
	"testing"

	"github.com/grlscaler/grlscaler/sim"
	"pgregory.net/rapid"
)

// drawScript makes a random run of 1 to 4 services.
func drawScript(t *rapid.T) *script {
	n := rapid.IntRange(1, 4).Draw(t, "services")
	app := testApp(n, 200)
	for s := range app.Services {
		app.Services[s].CPURequestMillis = rapid.Float64Range(10, 500).Draw(t, "request")
	}
	app.Pools = []sim.Pool{{PricePerCoreHour: 0.03}, {PricePerCoreHour: 0.08}}
	sc := &script{app: app, nodes: []sim.NodeState{{PricePerCoreHour: 0.03}, {Pool: 1, PricePerCoreHour: 0.08}}}
	for range n {
		sc.placed = append(sc.placed, rapid.IntRange(0, 1).Draw(t, "node"))
	}
	pods := rapid.SliceOfN(rapid.IntRange(0, 6), n, n)
	for range rapid.IntRange(1, 8).Draw(t, "phases") {
		offered := rapid.Float64Range(0, 50).Draw(t, "offered")
		failed := offered * rapid.Float64Range(0, 0.5).Draw(t, "failed")
		late := (offered - failed) * rapid.Float64Range(0, 1).Draw(t, "late")
		tick := scriptTick{
			ready: pods.Draw(t, "ready"), needed: pods.Draw(t, "needed"), starting: pods.Draw(t, "starting"), terminating: pods.Draw(t, "terminating"),
			used:      rapid.SliceOfN(rapid.Float64Range(0, 2000), n, n).Draw(t, "used"),
			endpoints: []scriptEndpoint{{offered: offered, failed: failed, late: late, ms: rapid.Float64Range(1, 400).Draw(t, "ms")}},
		}
		sc.ticks = append(sc.ticks, constant(sim.WindowTicks*rapid.IntRange(1, 5).Draw(t, "windows"), tick)...)
	}
	return sc
}

func TestMetricsAreBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := drawScript(t).metrics()
		for _, key := range []string{"slo_violate_pct", "slack_pct", "windows_violate_pct", "error_pct", "theta_u_pct", "tau_u_pct", "tau_o_pct", "instability_pct"} {
			if v := ColumnByKey(key).Of(&m); !(v >= 0 && v <= 100+1e-9) {
				t.Fatalf("%s = %g, want 0 to 100", key, v)
			}
		}
		if m.TauU+m.TauO > 1+1e-12 || m.LagOpen > m.LagCount || m.ErrorRate > m.SLOViolation+1e-12 {
			t.Fatalf("contradictory metrics %+v", m)
		}
		for i := range Columns {
			c := &Columns[i]
			v := *c.of(&m)
			undefined := math.IsNaN(m.CAF) && (c.Key == "caf" || c.Key == "over_pct" || c.Key == "under_pct")
			if (math.IsNaN(v) || math.IsInf(v, 0)) && !undefined {
				t.Fatalf("%s = %g", c.Key, v)
			}
		}
		if math.IsNaN(m.CAF) {
			return
		}
		if m.CAF < 1-1e-12 || m.UnderShare > 1+1e-12 {
			t.Fatalf("CAF = %.15g, U = %g: want CAF at least 1 and U at most 1", m.CAF, m.UnderShare)
		}
		if want := 1 + m.OverShare + (Kappa-1)*m.UnderShare; math.Abs(m.CAF-want) > 1e-9*want {
			t.Fatalf("CAF = %.15g, 1 + O + (κ-1) U = %.15g", m.CAF, want)
		}
	})
}

// TestRemovingSupplyNeverLowersCAF: where demand is not exceeded, each replica less raises CAF by κ-1 times its
// share of demand.
func TestRemovingSupplyNeverLowersCAF(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sc := drawScript(t)
		for i := range sc.ticks {
			sc.ticks[i].starting, sc.ticks[i].terminating = nil, nil
			ready := make([]int, len(sc.ticks[i].ready))
			for s := range ready {
				ready[s] = min(sc.ticks[i].ready[s], sc.ticks[i].needed[s])
			}
			sc.ticks[i].ready = ready
		}
		full := sc.metrics().CAF
		for i := range sc.ticks {
			ready := make([]int, len(sc.ticks[i].ready))
			for s, r := range sc.ticks[i].ready {
				ready[s] = r / 3
			}
			sc.ticks[i].ready = ready
		}
		if starved := sc.metrics().CAF; starved < full-1e-9 {
			t.Fatalf("CAF fell from %g to %g with fewer replicas", full, starved)
		}
	})
}

func TestOrderOfServicesDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sc := drawScript(t)
		n := len(sc.app.Services)
		order := rapid.Permutation(indices(n)).Draw(t, "order")
		app := *sc.app
		app.Services = permute(sc.app.Services, order)
		other := &script{app: &app, nodes: sc.nodes, placed: permute(sc.placed, order)}
		for _, tick := range sc.ticks {
			tick.ready, tick.needed, tick.used = permute(tick.ready, order), permute(tick.needed, order), permute(tick.used, order)
			tick.starting, tick.terminating = permute(tick.starting, order), permute(tick.terminating, order)
			other.ticks = append(other.ticks, tick)
		}
		sameMetrics(t, sc.metrics(), other.metrics(), nil)
	})
}

func TestPriceScaleMattersForCostAlone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sc := drawScript(t)
		factor := rapid.Float64Range(0.01, 100).Draw(t, "factor")
		app := *sc.app
		app.Pools = []sim.Pool{{PricePerCoreHour: 0.03 * factor}, {PricePerCoreHour: 0.08 * factor}}
		other := &script{app: &app, placed: sc.placed, ticks: sc.ticks, nodes: []sim.NodeState{{PricePerCoreHour: 0.03 * factor}, {Pool: 1, PricePerCoreHour: 0.08 * factor}}}
		sameMetrics(t, sc.metrics(), other.metrics(), map[string]float64{"cost": factor})
	})
}

// sameMetrics compares all columns; scaled names those that may differ by a factor.
func sameMetrics(t *rapid.T, a, b Metrics, scaled map[string]float64) {
	for i := range Columns {
		c := &Columns[i]
		x, y := c.Of(&a), c.Of(&b)
		if f, ok := scaled[c.Key]; ok {
			x *= f
		}
		if math.Abs(x-y) > 1e-9*(1+math.Abs(x)) || math.IsNaN(x) != math.IsNaN(y) {
			t.Fatalf("%s: %.15g and %.15g", c.Key, x, y)
		}
	}
}

func indices(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

func permute[T any](x []T, order []int) []T {
	if x == nil {
		return nil
	}
	out := make([]T, len(x))
	for i, j := range order {
		out[i] = x[j]
	}
	return out
}
