package sim

import (
	"fmt"
	"math"
	"testing"
)

// work is an application of one service with fixed CPU times.
func work(t *testing.T, more, operation string) *App {
	t.Helper()
	return testApp(t, "", testService("a", more, operation))
}

// One request of 30 ms of CPU at 10 ms per period of 100 ms. It comes o ms into a period. Until o = 90 it gets 10 ms of this
// period and of the next and ends after 10 ms of the third: at 210, 210-o after it came. Later it gets but 100-o < 10
// of this period, so that o-90 are left for the fourth: 300+o-90 in all, after 210. Two periods end throttled in the
// first case, the third just fits; three of four in the second, whose last needs less.
func TestDESQuotaStallsToThePeriodsEnd(t *testing.T) {
	app := work(t, "cpu_limit_m: 100", "{name: get, cpu_ms: 30}")
	d := newDES(t, app, nil)
	phase := phaseOf(d, 0)
	for _, tc := range []struct{ o, want, throttled float64 }{
		{0.001, 209.999, 2.0 / 3}, {20, 190, 2.0 / 3}, {89, 121, 2.0 / 3}, {91, 210, 2.0 / 4}, {99, 210, 2.0 / 4},
	} {
		t.Run(fmt.Sprint(tc.o), func(t *testing.T) {
			if err := d.Reset(1, nil); err != nil {
				t.Fatal(err)
			}
			play(d, 5, 300+phase+tc.o)
			within(t, "latency", d.st.Endpoints[0].MeanMs, tc.want, 1e-6)
			within(t, "share of throttled periods", d.st.Services[0].Throttled, tc.throttled, 1e-12)
			within(t, "CPU ms", d.st.Services[0].CPUUsedMillis*5, 30, 1e-6)
		})
	}
}

// The quota is spent faster on more cores: at 50 ms per period, two requests of 60 ms get 25 ms each of the first period and of
// the second and end after 10 ms of the third.
func TestDESQuotaOnTwoCores(t *testing.T) {
	app := work(t, "cpu_limit_m: 500, cores: 2", "{name: get, cpu_ms: 60}")
	d := newDES(t, app, nil)
	at := 300 + phaseOf(d, 0)
	play(d, 5, at, at)
	within(t, "mean latency", d.st.Endpoints[0].MeanMs, 210, 1e-6)
	// One alone uses one core: 50 ms, stall, 10 ms.
	if err := d.Reset(1, nil); err != nil {
		t.Fatal(err)
	}
	play(d, 5, at)
	within(t, "latency of one", d.st.Endpoints[0].MeanMs, 110, 1e-6)
}

// What idle pods use comes out of the quota: 100 m less 40 m are 6 ms per period.
func TestDESBaseCPUComesOutOfTheQuota(t *testing.T) {
	app := work(t, "cpu_limit_m: 100, base_cpu_m: 40", "{name: get, cpu_ms: 15}")
	d := newDES(t, app, nil)
	play(d, 5, 300+phaseOf(d, 0))
	within(t, "latency", d.st.Endpoints[0].MeanMs, 203, 1e-6)
	within(t, "CPU", d.st.Services[0].CPUUsedMillis, 15.0/5+40, 1e-6)
}

// Processor sharing over cores: requests beyond them share evenly.
func TestDESProcessorSharing(t *testing.T) {
	for _, tc := range []struct {
		name, more, op string
		at             []float64
		sum            float64 // of latencies
	}{
		{"three of 20 ms on two cores run at 2/3", "cpu_limit_m: 2000, cores: 2", "{name: get, cpu_ms: 20}", []float64{5, 5, 5}, 3 * 30},
		{"two of 20 ms on two cores", "cpu_limit_m: 2000, cores: 2", "{name: get, cpu_ms: 20}", []float64{5, 5}, 2 * 20},
		// The first has 10 ms done when the second comes; they share for 20 ms; the second has 10 ms left.
		{"the second comes half-way", "", "{name: get, cpu_ms: 20}", []float64{5, 15}, 30 + 30},
		{"one worker: first come, first served", "workers: 1", "{name: get, cpu_ms: 20}", []float64{5, 15}, 20 + 30},
		{"a worker is held while waiting", "workers: 1", "{name: get, cpu_ms: 20, wait_ms: 50}", []float64{5, 5}, 70 + 140},
		{"waits overlap without workers", "", "{name: get, cpu_ms: 20, wait_ms: 50}", []float64{5, 25}, 70 + 70},
		{"one worker per core", "cpu_limit_m: 2000, cores: 2, workers: 2", "{name: get, cpu_ms: 20}", []float64{5, 5, 5}, 20 + 20 + 40},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := newDES(t, work(t, tc.more, tc.op), nil)
			play(d, 5, tc.at...)
			e := d.st.Endpoints[0]
			within(t, "sum of latencies", e.MeanMs*e.Offered, tc.sum, 1e-6)
			if e.Offered != float64(len(tc.at)) || e.Failed != 0 {
				t.Errorf("%+v", e)
			}
			if d.st.Services[0].Throttled != 0 {
				t.Error("throttled without a quota")
			}
		})
	}
}

func TestDESSpeed(t *testing.T) {
	app := testAppOn(t, "", "{name: p, nodes: 1, cpu_m: 4000, mem_mib: 4000, speed_factor: 2, price_per_core_hour: 1}",
		testService("a", "cpu_limit_m: 100", "{name: get, cpu_ms: 30}"))
	d := newDES(t, app, nil)
	// 30 ms of work are 15 ms on this node: 10 ms of the first period and 5 of the second.
	play(d, 5, 300+phaseOf(d, 0))
	within(t, "latency", d.st.Endpoints[0].MeanMs, 105, 1e-6)
	within(t, "CPU ms", d.st.Services[0].CPUUsedMillis*5, 15, 1e-6)
}

// Three chunks of 20, 20 and 40 ms on a node of two cores: each runs at 2/3, the first two end after 30 ms; 20 ms are left of the
// third, which then has a core.
func TestDESPodsShareAFullNode(t *testing.T) {
	services := []string{
		testService("a", "", "{name: get, parallel: true, calls: [{op: b.get}, {op: c.get}, {op: d.get}]}"),
		testService("b", "", "{name: get, cpu_ms: 20}"), testService("c", "", "{name: get, cpu_ms: 20}"), testService("d", "", "{name: get, cpu_ms: 40}"),
	}
	const node = "{name: p, nodes: 1, cpu_m: 2000, mem_mib: 4000, price_per_core_hour: 1}"
	d := newDES(t, testAppOn(t, "", node, services...), nil)
	play(d, 5, 5)
	for s, want := range []float64{50, 30, 30, 50} {
		within(t, "latency of "+d.app.Services[s].Name, d.st.Services[s].MeanMs, want, 1e-6)
	}
	within(t, "CPU ms of the node", d.st.Nodes[0].CPUUsedMillis*5, 80, 1e-6)
	// Idle pods use 500 m of it: three share 1.5 cores, so each has half of one; the rest of d runs at a core as before.
	services[1] = testService("b", "base_cpu_m: 500", "{name: get, cpu_ms: 20}")
	d = newDES(t, testAppOn(t, "", node, services...), nil)
	play(d, 5, 5)
	for s, want := range []float64{60, 40, 40, 60} {
		within(t, "beside idle pods, latency of "+d.app.Services[s].Name, d.st.Services[s].MeanMs, want, 1e-6)
	}
}

// A node never gives more than it has, and a pod under a quota gets it late rather than in full.
func TestDESFullNodeUnderLoad(t *testing.T) {
	app := testAppOn(t, "", "{name: p, nodes: 1, cpu_m: 1000, mem_mib: 4000, price_per_core_hour: 1}",
		testService("a", "cpu_limit_m: 600, base_cpu_m: 20", "{name: get, cpu_ms: 3, cv: 1, calls: [{op: b.get}]}"),
		testService("b", "cpu_limit_m: 900, cores: 2", "{name: get, cpu_ms: 6, cv: 1}"))
	d := newDES(t, app, []int{2, 2})
	full := false
	steadily(d, 60, 200, func(st *State) {
		used := st.Nodes[0].CPUUsedMillis
		full = full || used > 999
		if used > 1000+1e-6 {
			t.Errorf("the pods of a node of 1000 m use %v m", used)
		}
		within(t, "the node's use", used, st.Services[0].CPUUsedMillis+st.Services[1].CPUUsedMillis, 1e-6)
	})
	if !full {
		t.Error("1.8 cores of work left room on the node")
	}
}

// Waking up costs the first chunk of a busy period: alone, a request of two calls has three chunks, each of which finds the
// replica idle; two at once pay for one first chunk, and what follows depends on who is there.
func TestDESWakeCost(t *testing.T) {
	app := testApp(t, "", testService("a", "", "{name: get, cpu_ms: 3, wake_ms: 6, calls: [{op: b.get, mean: 2}]}"), testService("b", "", "{name: get, wait_ms: 10}"))
	d := newDES(t, app, nil)
	play(d, 5, 5)
	within(t, "CPU ms of three chunks that each wake the replica up", d.st.Services[0].CPUUsedMillis*5, 3+6, 1e-9)
	// Two: chunks of 1 ms, 3 for those that wake it up. The first runs from 5 to 9, the second's finds it and runs from 5.5 to 7.5.
	// So the second's next, at 17.5, wakes it up until 21.5, the first's at 19 finds it and ends at 21. At 31 the first's last wakes it up, and
	// is found at 31.5: three of six.
	if err := d.Reset(1, nil); err != nil {
		t.Fatal(err)
	}
	play(d, 5, 5, 5.5)
	within(t, "CPU ms of two", d.st.Services[0].CPUUsedMillis*5, 2*3+3*2, 1e-9)
	// A queue that never empties is one busy period, though the replica is without a chunk for an instant between two visits.
	app = work(t, "workers: 1", "{name: get, cpu_ms: 3, wake_ms: 6}")
	d = newDES(t, app, nil)
	play(d, 5, 5, 6, 7, 100)
	within(t, "CPU ms of four in two busy periods", d.st.Services[0].CPUUsedMillis*5, 4*3+2*6, 1e-9)
	// Nor is it when the visit before is cancelled, here after 10 ms.
	app = testApp(t, "", testService("a", "", "{name: get, parallel: true, calls: [{op: b.long, timeout_ms: 10, optional: true}, {op: b.get}]}"),
		testService("b", "workers: 1", "{name: get, cpu_ms: 3, wake_ms: 6}, {name: long, cpu_ms: 30}"))
	d = newDES(t, app, nil)
	play(d, 5, 5)
	within(t, "CPU ms of one that is cancelled and the next", d.st.Services[1].CPUUsedMillis*5, 10+3, 1e-9)
}

// A quota that changes in place: what was used stays used, and a stall ends where the new quota allows it.
func TestDESQuotaChangesInPlace(t *testing.T) {
	app := work(t, "cpu_limit_m: 100", "{name: get, cpu_ms: 60}")
	d := newDES(t, app, nil)
	phase := phaseOf(d, 0)
	at := 900 + phase
	if phase > 90 {
		t.Fatalf("phase %v: the request must have stalled by 1000 ms", phase)
	}
	play(d, 1, at) // 10 ms, then it stalls until 1000+phase
	if !d.replicas[0].stalled {
		t.Fatal("not stalled")
	}
	// At 1000 ms: 50 ms per period, 40 left of this one.
	if r := d.Scale(ScaleRequest{Service: 0, Replicas: KeepReplicas, QuotaMillis: 500}); !r.QuotaChanged {
		t.Fatal("not changed")
	}
	// It runs for 40 ms, stalls to the period's end, and needs 10 ms of the next; or the period ends before, and it runs on.
	want := 1000 + phase + 10 - at
	if phase <= 40 {
		want = 1000 + 50 - at
	}
	play(d, 1)
	within(t, "latency", d.st.Endpoints[0].MeanMs, want, 1e-6)
	// Down in the middle of a period by more than is left: a stall at once. Up to the whole core: no quota, no stall.
	if err := d.Reset(1, nil); err != nil {
		t.Fatal(err)
	}
	d.Scale(ScaleRequest{Service: 0, Replicas: KeepReplicas, QuotaMillis: 500})
	play(d, 1, 980)
	d.sync(&d.replicas[0])
	before := d.replicas[0].budget
	d.Scale(ScaleRequest{Service: 0, Replicas: KeepReplicas, QuotaMillis: 100})
	within(t, "what is left of the quota", d.replicas[0].budget, before-40, 1e-9)
	d.Scale(ScaleRequest{Service: 0, Replicas: KeepReplicas, QuotaMillis: 1000})
	if r := &d.replicas[0]; !math.IsInf(r.quota, 1) || r.stalled {
		t.Errorf("%+v", *r)
	}
	play(d, 1)
	within(t, "latency", d.st.Endpoints[0].MeanMs, 60, 1e-6)
}

// Each replica has periods of its own, spread over the 100 ms, that seed and pod alone decide.
func TestDESPhases(t *testing.T) {
	app := work(t, "cpu_limit_m: 100", "{name: get, cpu_ms: 1}")
	d := newDES(t, app, []int{50})
	sum, seen := 0.0, map[float64]bool{}
	for i := range d.replicas {
		p := phaseOf(d, i)
		sum += p
		seen[math.Round(p*1e6)] = true
	}
	// 50 uniform numbers: the mean is 50 +- 4 standard errors of 100/sqrt(12·50) = 4.1 (false alarm 6e-5; the seed is fixed).
	within(t, "mean phase", sum/50, 50, 16.4)
	if len(seen) < 50 {
		t.Errorf("%d different phases of 50 replicas", len(seen))
	}
}
