package sim

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/grlscaler/grlscaler/sim/rng"
)

// randomApp makes a chain-like application of n services with random costs, quotas and calls.
func randomApp(tb testing.TB, seed uint64, n int) *App {
	tb.Helper()
	r := rng.New(seed, "random-app")
	var b strings.Builder
	b.WriteString("format: 1\nname: random\nservices:\n")
	for s := range n {
		quota := []float64{100, 200, 300, 500}[r.IntN(4)]
		fmt.Fprintf(&b, "  - name: s%d\n    cpu_request_m: %v\n    cpu_limit_m: %v\n    mem_request_mib: 10\n    mem_limit_mib: 10\n    replicas: {min: 1, max: 5}\n    operations:\n", s, quota/2, quota)
		fmt.Fprintf(&b, "      - name: x\n        cpu_ms: %.3f\n        wake_ms: %.3f\n        cv: %.2f\n        wait_ms: %.2f\n", 0.5+3*r.Float64(), r.Float64(), r.Float64(), 3*r.Float64())
		if s+1 < n {
			b.WriteString("        calls:\n")
			for c := s + 1; c < n; c++ {
				if c == s+1 || r.Float64() < 0.4 {
					fmt.Fprintf(&b, "          - {op: s%d.x, mean: %.2f}\n", c, 0.3+2*r.Float64())
				}
			}
		}
	}
	b.WriteString("endpoints:\n  - {name: e, op: s0.x, weight: 1, slo_ms: 150}\npools:\n  - {name: p, nodes: 4, cpu_m: 8000, mem_mib: 16000, price_per_core_hour: 0.04}\n")
	app, err := DecodeApp(strings.NewReader(b.String()), "random.yaml")
	if err != nil {
		tb.Fatal(err)
	}
	// A rough response is as good as any for what is tested here.
	app.graph.lazy.once.Do(func() { app.graph.lazy.value = fitResponse(app, 1.5e5) })
	return app
}

func priceOf(app *App, replicas []int) float64 {
	sum := 0.0
	for s, k := range replicas {
		sum += float64(k) * app.Services[s].CPURequestMillis
	}
	return sum
}

// bruteForce tries every combination and returns the lowest price, +Inf if none is feasible.
func bruteForce(p *Planner, app *App, rps []float64) float64 {
	replicas := make([]int, len(app.Services))
	best := math.Inf(1)
	var try func(s int)
	try = func(s int) {
		if s == len(replicas) {
			if price := priceOf(app, replicas); price < best && p.Feasible(rps, replicas) {
				best = price
			}
			return
		}
		for k := app.Services[s].MinReplicas; k <= app.Services[s].MaxReplicas; k++ {
			replicas[s] = k
			try(s + 1)
		}
	}
	try(0)
	return best
}

func TestDemandEqualsBruteForce(t *testing.T) {
	cases, feasible, seeds := 0, 0, uint64(60)
	if RaceEnabled {
		seeds = 12
	}
	for seed := range seeds {
		n := 1 + int(seed%4)
		app := randomApp(t, seed, n)
		p := NewPlanner(app)
		capacity := p.Capacity([]float64{1})
		for _, share := range []float64{0.1, 0.35, 0.6, 0.85, 0.99, 1.1} {
			rps := []float64{share * capacity}
			out := make([]int, n)
			ok := p.Needed(rps, out)
			want := bruteForce(p, app, rps)
			cases++
			if ok != !math.IsInf(want, 1) {
				t.Errorf("seed %d, %.0f %%: feasible %v, brute force %v", seed, 100*share, ok, want)
				continue
			}
			if !ok {
				continue
			}
			feasible++
			if !p.Feasible(rps, out) {
				t.Errorf("seed %d, %.0f %%: %v does not meet the SLO", seed, 100*share, out)
			}
			if got := priceOf(app, out); got != want {
				t.Errorf("seed %d, %.0f %%: %v costs %v, the cheapest %v", seed, 100*share, out, got, want)
			}
		}
	}
	if feasible < cases/2 {
		t.Errorf("only %d of %d cases were feasible; the test says little", feasible, cases)
	}
}

// The price of the demand never falls as the load rises.
func TestDemandIsMonotone(t *testing.T) {
	app := onlineBoutique(t)
	mix := mixOf(app, 1)
	table := NewDemandTable(app, mix)
	capacity := NewPlanner(app).Capacity(mix)
	last := 0.0
	for total := 1.0; total < capacity; total *= 1.07 {
		price := priceOf(app, table.At(total))
		if price < last {
			t.Errorf("at %.0f requests/s the demand costs %v, less than %v before", total, price, last)
		}
		last = price
	}
	for s, k := range table.At(2 * capacity) {
		if k != app.Services[s].MaxReplicas {
			t.Errorf("beyond capacity service %d needs %d, want its maximum", s, k)
		}
	}
}

// The shipped scenarios' highest load needs 60 to 80 % of what the largest replicas can serve.
func TestScenarioPeaksFitTheCapacity(t *testing.T) {
	app := onlineBoutique(t)
	capacity := NewPlanner(app).Capacity(mixOf(app, 1))
	for _, name := range []string{"peak", "rushsale", "fluctuating"} {
		src := scenarioSource(t, app, name)
		if share := src.PeakRPS() / capacity; share < 0.6 || share > 0.8 {
			t.Errorf("%s peaks at %.0f %% of capacity", name, 100*share)
		}
	}
}

func BenchmarkPlannerNeeded(b *testing.B) {
	app := onlineBoutique(b)
	p := NewPlanner(app)
	rps := mixOf(app, 300)
	out := make([]int, len(app.Services))
	b.ReportAllocs()
	for b.Loop() {
		p.Needed(rps, out)
	}
}
