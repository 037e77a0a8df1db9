package sim

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/grlscaler/grlscaler/sim/rng"
)

// BenchmarkInterval measures one control interval of the simulator itself: 15 ticks of the engine with metrics and
// reward terms, then the view, the observation and the mask. Under load=steady the intensities never change; under
// load=noisy the total is another one in each window of 5 s and the mix stays, as in the scenarios; under load=mixed
// each endpoint has a course of its own. BenchmarkEnvStep adds what an environment does on top: exact Poisson draws for
// every tick and endpoint, and new episodes.
func BenchmarkInterval(b *testing.B) {
	for _, services := range []int{11, 200} {
		var bench *intervalBench
		for _, load := range []string{"steady", "noisy", "mixed"} {
			b.Run(fmt.Sprintf("engine=fluid/services=%d/load=%s", services, load), func(b *testing.B) {
				if bench == nil {
					bench = newIntervalBench(b, services)
				}
				bench.reset(b, load)
				b.ReportAllocs()
				b.ResetTimer()
				for range b.N {
					bench.interval()
				}
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "intervals/s")
			})
		}
	}
}

// TestIntervalAllocatesNothing holds what BenchmarkInterval runs to no allocation.
func TestIntervalAllocatesNothing(t *testing.T) {
	for _, services := range []int{11, 200} {
		bench := newIntervalBench(t, services)
		for _, load := range []string{"steady", "noisy", "mixed"} {
			bench.reset(t, load)
			if n := testing.AllocsPerRun(50, bench.interval); n != 0 {
				t.Errorf("%d services, load %s: an interval allocates %v times", services, load, n)
			}
			if bench.reward == 0 {
				t.Errorf("%d services, load %s: no reward was computed", services, load)
			}
		}
	}
}

// intervalBench is a simulator without an environment around it.
type intervalBench struct {
	app      *App
	replicas []int
	engine   *Fluid
	metrics  *Metrics
	meter    *RewardMeter
	cfg      RewardConfig
	observer *Observer
	view     *View
	obs      *Obs
	loads    [][]float64 // intensities of successive windows
	tick     int
	reward   float64
}

func newIntervalBench(tb testing.TB, services int) *intervalBench {
	tb.Helper()
	x := &intervalBench{cfg: DefaultRewardConfig()}
	if services == 11 {
		x.app = onlineBoutique(tb)
		x.replicas = make([]int, services)
		if !NewPlanner(x.app).Needed(mixOf(x.app, 230), x.replicas) { // the most that reset draws
			tb.Fatal("the load is beyond capacity")
		}
	} else {
		x.app = wideApp(tb, services)
		x.replicas = x.app.InitialReplicas()
	}
	x.engine = steady(tb, x.app, x.replicas, mixOf(x.app, 200), 0)
	x.metrics, x.meter = NewMetrics(x.app, DefaultMetricsConfig()), NewRewardMeter(x.app, x.cfg)
	x.observer = NewObserver(x.app, NewActions(x.app, DefaultActionConfig()))
	x.view, x.obs = NewView(x.app), NewObs(x.observer.Spec(), 1)
	return x
}

// reset starts a run. The load is within 15 % of 200 requests/s, 1021 windows long and then the same again.
func (x *intervalBench) reset(tb testing.TB, load string) {
	tb.Helper()
	if err := x.engine.Reset(1, x.replicas); err != nil {
		tb.Fatal(err)
	}
	x.metrics.Reset(1)
	x.meter.Reset(x.engine.State())
	x.loads, x.tick, x.reward = x.loads[:0], 0, 0
	random := rng.New(1, "interval-bench")
	for range 1021 {
		rps := mixOf(x.app, 200)
		factor := 1 + 0.3*(random.Float64()-0.5)
		for e := range rps {
			switch load {
			case "noisy":
				rps[e] *= factor
			case "mixed":
				rps[e] *= 1 + 0.3*(random.Float64()-0.5)
			}
		}
		x.loads = append(x.loads, rps)
	}
	x.interval()
	if load == "steady" {
		for s, v := range x.engine.State().Services {
			if v.Backlog > 0 {
				tb.Fatalf("%s has a backlog at the steady load", x.app.Services[s].Name)
			}
		}
	}
}

func (x *intervalBench) interval() {
	for range TicksPerInterval {
		rps := x.loads[x.tick/WindowTicks%len(x.loads)]
		x.tick++
		x.engine.Step(TickLoad{rps, rps})
		x.metrics.Tick(x.engine.State())
		x.meter.Tick(x.engine.State(), x.replicas)
	}
	x.reward += x.cfg.Of(x.meter.Take())
	x.metrics.View(x.engine.State(), x.view)
	x.observer.Observe(x.view, 1, x.obs)
}

// wideApp is a random tree of services, one or two operations each, that one request walks through about half of. All but the entry
// are called by one service at least; quotas bind for two thirds of them.
func wideApp(tb testing.TB, services int) *App {
	tb.Helper()
	random := rng.New(7, "wide-app")
	calls := make([][2][]string, services)
	visits := make([][2]float64, services) // per request of the mix; callers come before callees
	visits[0] = [2]float64{0.6, 0.4}
	for s := 1; s < services; s++ {
		for o := range 2 {
			from, op := random.IntN(s), random.IntN(2)
			mean := 0.3 + 0.6*random.Float64()
			calls[from][op] = append(calls[from][op], fmt.Sprintf("{op: s%d.o%d, mean: %.2f}", s, o, mean))
			visits[s][o] = visits[from][op] * mean
		}
	}
	var y strings.Builder
	millis := 0.0
	fmt.Fprintf(&y, "format: 1\nname: wide\nservices:\n")
	for s := range services {
		replicas := 1 + random.IntN(4)
		cpu := 200 * (visits[s][0]*0.8 + visits[s][1]*1.1) / float64(replicas) // m per replica at 200 requests/s
		limit := max(60, math.Ceil(cpu*(1.3+2*random.Float64())))
		if random.IntN(3) == 0 {
			limit = 2000
		}
		limit = min(limit, 2000)
		millis += 8 * limit
		fmt.Fprintf(&y, "  - {name: s%d, cpu_request_m: %v, cpu_limit_m: %v, mem_request_mib: 64, mem_limit_mib: 128, cores: 2, replicas: {min: 1, max: 8, initial: %d}, startup: {fixed_s: 5}, operations: [", s, limit/2, limit, replicas)
		fmt.Fprintf(&y, "{name: o0, cpu_ms: 0.6, wake_ms: 0.2, calls: [%s]}, ", strings.Join(calls[s][0], ", "))
		fmt.Fprintf(&y, "{name: o1, cpu_ms: 0.8, wake_ms: 0.3, parallel: %v, calls: [%s]}]}\n", s%5 == 0, strings.Join(calls[s][1], ", "))
	}
	fmt.Fprintf(&y, "endpoints:\n  - {name: read, op: s0.o0, weight: 0.6, slo_ms: 500}\n  - {name: write, op: s0.o1, weight: 0.4, slo_ms: 500}\n")
	fmt.Fprintf(&y, "pools:\n  - {name: general, nodes: %d, cpu_m: 32000, mem_mib: 128000, price_per_core_hour: 0.04}\n", 2+int(millis/32000))
	app, err := DecodeApp(strings.NewReader(y.String()), "wide.yaml")
	if err != nil {
		tb.Fatal(err)
	}
	return app
}
