package sim

import (
	"math"
	"strings"
	"testing"

	"github.com/grlscaler/grlscaler/sim/rng"
	"github.com/grlscaler/grlscaler/sim/theory"
)

// queueApp has workers of one service with exponential work of 100 ms that take it from one queue.
func queueApp(t *testing.T, balancing string) *App {
	t.Helper()
	return testApp(t, ", timeout_ms: 3600000", testService("w", "balancing: "+balancing+", workers: 1, grace_s: 5, startup: {fixed_s: 1}, replicas: {min: 0, max: 50}", "{name: get, cpu_ms: 100, dist: exponential}"))
}

// Replicas of one worker each at one queue are M/M/c: Erlang's formula gives the time in the system. 4 % are three standard errors
// of 100,000 requests that come in clumps of the busy periods.
func TestDESSharedQueueIsMMC(t *testing.T) {
	d := newDES(t, queueApp(t, SharedQueue), []int{4})
	const rate, seconds = 30, 3600
	random := rng.New(7, "arrivals")
	var at []float64
	for now := 0.0; ; at = append(at, now) {
		if now += random.ExpFloat64() * 1000 / rate; now >= seconds*1000 {
			break
		}
	}
	c := newTally(d)
	sum, n := 0.0, 0.0
	for s := range seconds {
		k := 0
		for k < len(at) && at[k] < float64(s+1)*1000 {
			k++
		}
		play(d, 1, at[:k]...)
		at = at[k:]
		if d.st.Window > 0 {
			c.add(&d.st)
			v := &d.st.Services[0]
			sum, n = sum+v.MeanMs*v.ServedRPS*float64(d.st.Window), n+v.ServedRPS*float64(d.st.Window)
		}
	}
	want := 1000 * theory.MMC{Lambda: rate, Mu: 10, Servers: 4}.MeanSojourn()
	within(t, "mean time in the system, ms", sum/n, want, 0.04*want)
	if c.failed > 0 || c.overflow[0] > 0 {
		t.Errorf("%v failed, %v overflowed", c.failed, c.overflow[0])
	}
}

// New replicas help with what already waits, and one that goes takes none of it away; under another balancing what waits stays where it
// was sent. 200 requests of 100 ms at once: 20 s of one worker, 5 s of four.
func TestDESSharedQueueDrainsWithReplicas(t *testing.T) {
	drained := func(balancing string) int {
		d := newDES(t, queueApp(t, balancing), []int{2})
		steadily(d, 1, 200, nil)
		d.Scale(ScaleRequest{Replicas: 8, Pool: AnyPool})
		steadily(d, 2, 0, nil)
		d.Scale(ScaleRequest{Replicas: 7, Pool: AnyPool})
		for s := 1; ; s++ {
			if steadily(d, 1, 0, nil); d.stats[0].inside == 0 {
				for k := range d.visits {
					if d.visits[k].state != visitFree {
						t.Errorf("%s: visit %d is left", balancing, k)
					}
				}
				return s
			}
		}
	}
	if s := drained(SharedQueue); s > 4 {
		t.Errorf("one queue: drained after %d s more", s)
	}
	if s := drained("round_robin"); s < 5 {
		t.Errorf("a queue for each replica: drained after %d s more, as if the new ones had helped", s)
	}
}

// Without replicas a queue keeps what comes in both engines, as a broker does.
func TestQueueWaitsForItsFirstReplica(t *testing.T) {
	app := queueApp(t, SharedQueue)
	fluid, err := NewFluid(app, FluidOptions{FitVisits: 1e4})
	if err != nil {
		t.Fatal(err)
	}
	for name, e := range map[string]Engine{"fluid": fluid, "des": newDES(t, app, []int{1})} {
		if err := e.Reset(1, []int{1}); err != nil {
			t.Fatal(err)
		}
		e.Scale(ScaleRequest{Replicas: 0, Pool: AnyPool})
		failed, most := 0.0, 0.0
		for at := range 240 {
			rps := 5.0
			if at >= 60 {
				rps = 0
			}
			if at == 60 {
				e.Scale(ScaleRequest{Replicas: 4, Pool: AnyPool})
			}
			e.Step(TickLoad{RPS: []float64{rps}, Arrivals: []float64{rps}})
			if st := e.State(); st.Window > 0 {
				failed += st.Endpoints[0].Failed
				most = max(most, st.Services[0].Backlog)
			}
		}
		if last := e.State().Services[0].Backlog; failed > 5 || most < 250 || most > 310 || last > 1e-6 {
			t.Errorf("%s: %v failed, %v waited at most, %v at the end; want none, about 300, none", name, failed, most, last)
		}
	}
}

// What waits in a queue gives up in its own time, and is gone then.
func TestDESSharedQueueTimeout(t *testing.T) {
	app := testApp(t, ", timeout_ms: 2500", testService("w", "balancing: shared_queue, workers: 1", "{name: get, cpu_ms: 1000, dist: deterministic}"))
	d := newDES(t, app, []int{1})
	steadily(d, 1, 10, nil)
	c := newTally(d)
	steadily(d, 9, 0, c.add)
	if math.Abs(c.failed-8) > 1 || d.stats[0].inside != 0 || d.stats[0].queue.size != 0 {
		t.Errorf("%v of 10 failed, %d are inside; want about 8 and none", c.failed, d.stats[0].inside)
	}
}

func TestSharedQueueNeedsWorkers(t *testing.T) {
	for _, more := range []string{"", "workers: 2, max_visits: 3"} {
		text := "format: 1\nname: test\nservices:\n" + testService("w", strings.Trim("balancing: shared_queue, "+more, ", "), "{name: get, cpu_ms: 1}") +
			"endpoints:\n  - {name: get, op: w.get, weight: 1, slo_ms: 100}\npools:\n  - {name: p, nodes: 1, cpu_m: 4000, mem_mib: 4000}\n"
		if _, err := DecodeApp(strings.NewReader(text), "test.yaml"); err == nil || !strings.Contains(err.Error(), "balancing: shared_queue needs workers") {
			t.Errorf("%q: %v", more, err)
		}
	}
}
