package sim

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/grlscaler/grlscaler/sim/rng"
)

// turmoilApp has everything that makes visits end otherwise than served: timeouts, optional calls, retries, refusals, pods that are killed.
func turmoilApp(t *testing.T) *App {
	t.Helper()
	return testAppOn(t, ", timeout_ms: 400, retries: 1, retry_budget: 0.3", "{name: p, nodes: 2, cpu_m: 3000, mem_mib: 64000, price_per_core_hour: 1}",
		testService("a", "workers: 6, cpu_limit_m: 500, startup: {fixed_s: 1, jitter_s: 1, cpu_ms: 50}, grace_s: 0, max_visits: 40",
			"{name: get, cpu_ms: 2, wake_ms: 1, cv: 1, parallel: true, calls: [{op: b.get, mean: 1.7, timeout_ms: 80, retries: 2}, {op: c.get, timeout_ms: 60, optional: true}]}"),
		testService("b", "cpu_limit_m: 700, cores: 2, balancing: least_outstanding, grace_s: 1, base_cpu_m: 20, warmup: {calls: 100, factor: 3}",
			"{name: get, cpu_ms: 4, dist: exponential, wait_ms: 5, wait_cv: 2, calls: [{op: d.get, mean: 0.5, timeout_ms: 30, retries: 1, retry_budget: 0.1}]}"),
		testService("c", "balancing: random, workers: 2, cpu_limit_m: 300, grace_s: 1", "{name: get, cpu_ms: 3, cv: 1.5}"),
		testService("d", "balancing: per_connection, cpu_limit_m: 400, grace_s: 1", "{name: get, cpu_ms: 2, cv: 0.5, dist: gamma, wait_ms: 10, wait_dist: exponential}"))
}

// turmoil runs an engine through loads from nothing to far too much and random scaling, and calls window after each.
func turmoil(d *DES, seed uint64, ticks int, window func(st *State)) {
	random := rng.New(seed, "turmoil")
	rps := 0.0
	for i := range ticks {
		if i%10 == 0 {
			rps = math.Round(math.Pow(10, 3*random.Float64())) - 1
		}
		if i%4 == 0 {
			s := random.IntN(len(d.stats))
			req := ScaleRequest{Service: s, Replicas: 1 + random.IntN(5), Pool: AnyPool}
			if random.IntN(3) == 0 {
				req.QuotaMillis = d.app.Services[s].CPULimitMillis * (0.5 + 2*random.Float64())
			}
			d.Scale(req)
		}
		steadily(d, 1, random.Poisson(rps), window)
	}
}

func statesOf(d *DES, seed uint64, ticks int) []byte {
	var b bytes.Buffer
	h := make([]Histogram, len(d.endpoints))
	turmoil(d, seed, ticks, func(st *State) {
		d.AddLatencies(h)
		fmt.Fprintf(&b, "%+v\n%v %v\n", *st, h[0].Count(), h[0].MeanMs())
	})
	fmt.Fprintf(&b, "%v", d.Pods(nil))
	return b.Bytes()
}

// The same seed gives the same bytes: after Reset in an engine that has done other things, and in another engine. Another seed does not.
func TestDESSameSeedSameBytes(t *testing.T) {
	app := turmoilApp(t)
	d := newDES(t, app, nil)
	first := statesOf(d, 5, 120)
	if err := d.Reset(2, []int{4, 4, 4, 4}); err != nil {
		t.Fatal(err)
	}
	if other := statesOf(d, 6, 77); bytes.Equal(first, other) {
		t.Error("another seed gave the same bytes")
	}
	if err := d.Reset(1, nil); err != nil {
		t.Fatal(err)
	}
	if again := statesOf(d, 5, 120); !bytes.Equal(first, again) {
		t.Error("after Reset the same seed gives other bytes")
	}
	if fresh := statesOf(newDES(t, app, nil), 5, 120); !bytes.Equal(first, fresh) {
		t.Error("another engine gives other bytes from the same seed")
	}
	if err := d.Reset(2, nil); err != nil {
		t.Fatal(err)
	}
	if other := statesOf(d, 5, 120); bytes.Equal(first, other) {
		t.Error("the engine's seed does not matter")
	}
}

// Every visit that arrived was served, failed, was cancelled, or is inside; every request completed, failed, or is inside.
func TestDESConservation(t *testing.T) {
	for seed := range uint64(6) {
		app := turmoilApp(t)
		d := newDES(t, app, nil)
		n := len(d.stats)
		ended, arrived := make([]float64, n), make([]float64, n)
		kinds := map[string]float64{}
		offered, done := 0.0, 0.0
		check := func(st *State) {
			w := float64(st.Window)
			inside := make([]float64, n)
			requests := 0.0
			for i := range d.visits {
				if v := &d.visits[i]; v.state != visitFree {
					inside[d.ops[v.op].service]++
					if v.parent < 0 {
						requests++
					}
				}
			}
			for s := range st.Services {
				v := &st.Services[s]
				arrived[s] += v.ArrivalRPS * w
				ended[s] += (v.ServedRPS + v.FailedRPS + v.CancelledRPS) * w
				kinds["served"] += v.ServedRPS * w
				kinds["failed"] += v.FailedRPS * w
				kinds["refused"] += v.RefusedRPS * w
				kinds["cancelled"] += v.CancelledRPS * w
				if inside[s] != float64(d.stats[s].inside) {
					t.Fatalf("seed %d at %v: %v visits of service %d, %d counted", seed, st.At, inside[s], s, d.stats[s].inside)
				}
				if math.Abs(arrived[s]-ended[s]-inside[s]) > 1e-6 {
					t.Fatalf("seed %d at %v: service %d: %v arrived, %v ended, %v inside", seed, st.At, s, arrived[s], ended[s], inside[s])
				}
			}
			working, queued := make([]int32, len(d.replicas)), make([]int32, len(d.replicas))
			for i := range d.visits {
				switch v := &d.visits[i]; v.state {
				case visitFree:
				case visitQueued:
					queued[v.replica]++
				default:
					working[v.replica]++
				}
			}
			for i := range d.replicas {
				r := &d.replicas[i]
				if r.inUse && (r.working != working[i] || r.queue.size != queued[i] || r.inside != working[i]+queued[i]) {
					t.Fatalf("seed %d at %v: replica %d has %d visits at work and %d in its queue: %+v", seed, st.At, i, working[i], queued[i], *r)
				}
				if w := app.Services[r.service].Workers; w > 0 && (int(r.working) > w || r.queue.size > 0 && int(r.working) < w) {
					t.Fatalf("seed %d at %v: replica %d of %d workers: %+v", seed, st.At, i, w, *r)
				}
			}
			waiting := 0.0 // requests whose client is about to try again
			for i, s := range d.retries {
				if s.what == sendRequest && !slices.Contains(d.freeRetries, uint32(i)) {
					waiting++
				}
			}
			e := &st.Endpoints[0]
			offered += e.Offered
			done += e.Failed + d.endpoints[0].latency.Count()
			if offered != done+requests+waiting {
				t.Fatalf("seed %d at %v: %v requests offered, %v ended, %v inside, %v between tries", seed, st.At, offered, done, requests, waiting)
			}
			checkFinite(t, st)
		}
		turmoil(d, seed, 200, check)
		steadily(d, 100, 0, check)
		if d.inside() != 0 {
			t.Errorf("seed %d: %d visits are inside after 100 s without load", seed, d.inside())
		}
		for _, k := range []string{"served", "failed", "refused", "cancelled"} {
			if kinds[k] == 0 {
				t.Errorf("seed %d: no visit was %s; the test tests less than it says", seed, k)
			}
		}
	}
}

// Common random numbers: whatever replicas, quotas, workers and balancing, the requests of one seed make the same calls and need the
// same CPU. So the totals agree to the rounding, though latencies differ by far.
func TestDESCommonRandomNumbers(t *testing.T) {
	read := func(more string) *App {
		return testApp(t, ", timeout_ms: 1e9", testService("a", more, "{name: get, cpu_ms: 1, cv: 1, calls: [{op: b.get, mean: 1.5}, {op: c.get}]}"),
			testService("b", more, "{name: get, cpu_ms: 2, cv: 1, parallel: true, calls: [{op: c.get, mean: 2.5}]}"), testService("c", more, "{name: get, cpu_ms: 1, dist: gamma, cv: 0.5, wait_ms: 3, wait_cv: 1}"))
	}
	type totals struct{ visits, cpu [3]float64 }
	run := func(more string, replicas []int) (totals, float64) {
		d := newDES(t, read(more), replicas)
		var out totals
		var h Histogram
		window := func(st *State) {
			for s := range st.Services {
				out.visits[s] += st.Services[s].ServedRPS * float64(st.Window)
				out.cpu[s] += st.Services[s].CPUUsedMillis * float64(st.Window)
			}
			d.AddLatencies([]Histogram{{}})
			h.Merge(&d.endpoints[0].latency)
		}
		steadily(d, 20, 50, window)
		steadily(d, 200, 0, window)
		return out, h.MeanMs()
	}
	want, fast := run("", []int{10, 10, 10})
	for _, tc := range []struct {
		more     string
		replicas []int
	}{
		{"", []int{1, 1, 1}},
		{"cpu_limit_m: 250", []int{1, 2, 2}},
		{"balancing: random", []int{2, 3, 4}},
		{"balancing: least_outstanding", []int{2, 3, 4}},
		{"balancing: per_connection", []int{2, 3, 4}},
		{"workers: 1", []int{30, 20, 20}},
	} {
		got, mean := run(tc.more, tc.replicas)
		for s := range 3 {
			if got.visits[s] != want.visits[s] || math.Abs(got.cpu[s]/want.cpu[s]-1) > 1e-9 {
				t.Errorf("%q, %v replicas: service %d had %v visits and %v ms of CPU, with ten replicas %v and %v", tc.more, tc.replicas, s, got.visits[s], got.cpu[s], want.visits[s], want.cpu[s])
			}
		}
		if mean == fast {
			t.Errorf("%q, %v replicas: the same latency as with ten replicas", tc.more, tc.replicas)
		}
	}
}

// Endpoints of one seed meet the same arrival times whatever the replicas.
func TestDESArrivalsOfATick(t *testing.T) {
	app := work(t, "", "{name: get, cpu_ms: 0.001}")
	times := func(replicas int) []arrival {
		d := newDES(t, app, []int{replicas})
		var all []arrival
		for range 30 {
			steadily(d, 1, 1000, nil)
			all = append(all, d.arrivals...)
		}
		return all
	}
	a, b := times(1), times(7)
	sum, last := 0.0, 0.0
	for i := range a {
		if a[i] != b[i] {
			t.Fatalf("arrival %d at %v and %v", i, a[i], b[i])
		}
		if a[i].at < last || a[i].at < float64(i/1000*1000) || a[i].at > float64(i/1000*1000+1000) {
			t.Fatalf("arrival %d at %v, after one at %v", i, a[i].at, last)
		}
		last = a[i].at
		sum += a[i].at - float64(i/1000*1000)
	}
	// Uniform in the tick: 30,000 times of standard deviation 288.7 ms; 4 standard errors.
	within(t, "mean time in the tick", sum/30_000, 500, 4*288.7/math.Sqrt(30_000))
	// Fractions of arrivals add up.
	d := newDES(t, app, nil)
	offered := 0.0
	steadily(d, 100, 0.3, func(st *State) { offered += st.Endpoints[0].Offered })
	within(t, "requests of 0.3 in each of 100 ticks", offered, 30, 1e-9)
	// What no load can be is none, or as much as can be.
	steadily(d, 5, math.NaN(), nil)
	steadily(d, 5, -4, nil)
	within(t, "requests of NaN and of less than nothing", d.st.Endpoints[0].Offered, 0, 0)
	steadily(d, 1, math.Inf(1), nil)
	steadily(d, 4, 0, nil)
	if e := d.st.Endpoints[0]; !(e.Offered > 1e9) || math.IsInf(e.Offered, 0) || e.Failed < 0.999*e.Offered || !(d.st.Services[0].Overflow > 1e9) {
		t.Errorf("infinite load: %+v, overflow %v", e, d.st.Services[0].Overflow)
	}
	checkFinite(t, &d.st)
}
