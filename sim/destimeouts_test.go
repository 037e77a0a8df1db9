package sim

import (
	"bytes"
	"fmt"
	"testing"
)

// A call that takes longer than its timeout fails the caller at the timeout, or costs it that time where it is optional; what is under
// way below stops: 30 ms of CPU of b, of which c uses the last 10 it is given.
func TestDESTimeoutsCancelWorkBelow(t *testing.T) {
	for _, tc := range []struct {
		name, call, endpoint string
		latency              float64 // of the request, if it succeeds
		failed               float64
		cpuA, cpuB, cpuC     float64 // ms
	}{
		{"in time", "timeout_ms: 200", "", 2 + 20 + 100, 0, 2, 20, 100},
		{"call", "timeout_ms: 50", "", 0, 1, 1, 10, 40},
		{"optional call", "timeout_ms: 50, optional: true", "", 52, 0, 2, 10, 40},
		{"client", "timeout_ms: 200", ", timeout_ms: 100", 0, 1, 1, 10, 89},
		{"client, with an optional call", "optional: true", ", timeout_ms: 100", 0, 1, 1, 10, 89},
	} {
		t.Run(tc.name, func(t *testing.T) {
			app := testApp(t, tc.endpoint, testService("a", "", "{name: get, cpu_ms: 2, calls: [{op: b.get, "+tc.call+"}]}"),
				testService("b", "", "{name: get, cpu_ms: 20, calls: [{op: c.get}]}"), testService("c", "", "{name: get, cpu_ms: 100}"))
			d := newDES(t, app, nil)
			play(d, 5, 10)
			e := d.st.Endpoints[0]
			within(t, "latency", e.MeanMs, tc.latency, 1e-9)
			within(t, "failed", e.Failed, tc.failed, 0)
			for s, want := range []float64{tc.cpuA, tc.cpuB, tc.cpuC} {
				within(t, "CPU ms of "+app.Services[s].Name, d.st.Services[s].CPUUsedMillis*5, want, 1e-9)
			}
			if n := d.inside(); n != 0 {
				t.Errorf("%d visits are still inside", n)
			}
		})
	}
}

// inside is the number of visits in the system, counted where they are.
func (d *DES) inside() int {
	n := 0
	for i := range d.visits {
		if d.visits[i].state != visitFree {
			n++
		}
	}
	return n
}

// A visit may be cancelled wherever it is: waiting for a worker, in its own wait, between begin and its first chunk, running, calling. Its
// worker goes to the next at once.
func TestDESCancelledWhereverItIs(t *testing.T) {
	// 90 ms of wait and 20 of CPU, one worker, 100 ms of patience: the first is cancelled while running, its worker free at 100 ms; the second, which
	// came at 50, waits from 100 on and is cancelled in its wait at 150; the third, of 149, ends at 259 but had time until 249.
	app := testApp(t, "", testService("a", "", "{name: get, calls: [{op: b.get, timeout_ms: 100, optional: true}]}"), testService("b", "workers: 1", "{name: get, wait_ms: 90, cpu_ms: 20}"))
	d := newDES(t, app, nil)
	play(d, 5, 0, 50, 149)
	b := &d.st.Services[1]
	if b.ServedRPS != 0 || b.FailedRPS*5 != 3 {
		t.Errorf("served %v, failed %v; want none and 3", b.ServedRPS*5, b.FailedRPS*5)
	}
	within(t, "CPU ms", b.CPUUsedMillis*5, 10+0+9, 1e-9)
	within(t, "latency", d.st.Endpoints[0].MeanMs, 100, 1e-9)
	r := &d.replicas[d.stats[1].ready[0]]
	if r.inside != 0 || r.working != 0 || r.queue.size != 0 || len(r.run) != 0 || d.inside() != 0 {
		t.Errorf("left over: %+v", *r)
	}
}

// One parallel call that fails ends the visit, and with it the others.
func TestDESParallelCallsFailTogether(t *testing.T) {
	app := testApp(t, "", testService("a", "", "{name: get, cpu_ms: 2, parallel: true, calls: [{op: b.get}, {op: c.get, timeout_ms: 30}]}"),
		testService("b", "", "{name: get, cpu_ms: 80}"), testService("c", "", "{name: get, wait_ms: 50, cpu_ms: 1}"))
	d := newDES(t, app, nil)
	play(d, 5, 10)
	within(t, "CPU ms of b", d.st.Services[1].CPUUsedMillis*5, 30, 1e-9)
	within(t, "CPU ms of c", d.st.Services[2].CPUUsedMillis*5, 0, 0)
	within(t, "failed", d.st.Endpoints[0].Failed, 1, 0)
	// Neither served nor failed.
	if b := d.st.Services[1]; b.ServedRPS != 0 || b.FailedRPS != 0 || b.ArrivalRPS*5 != 1 {
		t.Errorf("%+v", b)
	}
}

// Who gives up at 100 ms and tries again twice makes three tries. Those of a call fail; those of a request are cancelled when the
// client gives up, with all that is below.
func TestDESRetries(t *testing.T) {
	for _, tc := range []struct {
		name, call, endpoint string
		failed               float64 // visits of b
	}{
		{"of a request", "", ", timeout_ms: 100, retries: 2", 0},
		{"of a call", "timeout_ms: 100, retries: 2", "", 3},
	} {
		t.Run(tc.name, func(t *testing.T) {
			app := testApp(t, tc.endpoint, testService("a", "", "{name: get, calls: [{op: b.get, "+tc.call+"}]}"), testService("b", "", "{name: get, wait_ms: 500}"))
			d := newDES(t, app, nil)
			play(d, 5, 0)
			b := &d.st.Services[1]
			if b.ArrivalRPS*5 != 3 || b.FailedRPS*5 != tc.failed || b.ServedRPS != 0 {
				t.Errorf("%+v", *b)
			}
			if e := d.st.Endpoints[0]; e.Offered != 1 || e.Failed != 1 {
				t.Errorf("%+v", e)
			}
		})
	}
	// A retry that succeeds counts from the first try on: the first is refused, as one visit is there.
	app := testApp(t, "", testService("a", "", "{name: get, calls: [{op: b.get, retries: 100}]}"), testService("b", "max_visits: 1", "{name: get, wait_ms: 40}"))
	d := newDES(t, app, nil)
	play(d, 5, 0, 1)
	e := d.st.Endpoints[0]
	if e.Failed != 0 || e.MeanMs*2 < 40+79 || e.MeanMs*2 > 40+79+250 {
		t.Errorf("%+v, want 40 ms and 79 ms or up to a back-off more", e)
	}
	if b := d.st.Services[1]; b.RefusedRPS == 0 || b.FailedRPS != b.RefusedRPS || b.ServedRPS*5 != 2 {
		t.Errorf("%+v", b)
	}
}

// A budget of 0.2 lets at most one retry through for five calls made anew, over 10 s that fade.
func TestDESRetryBudget(t *testing.T) {
	for _, tc := range []struct{ name, call, endpoint string }{
		{"of calls", "timeout_ms: 50, retries: 3, retry_budget: 0.2", ""},
		{"of requests", "", ", timeout_ms: 100, retries: 3, retry_budget: 0.2"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			app := testApp(t, tc.endpoint, testService("a", "", "{name: get, calls: [{op: b.get, "+tc.call+"}]}"), testService("b", "", "{name: get, wait_ms: 500}"))
			d := newDES(t, app, nil)
			c := newTally(d)
			steadily(d, 100, 50, c.add)
			within(t, "tries of 5000 calls", c.arrived[1], 5000*1.2, 15)
			within(t, "failed requests", c.failed, 5000, 10)
		})
	}
	var b retryBudget
	for range 100 {
		b.fresh(0)
	}
	n := 0
	for b.take(1000, 0.2) {
		n++
	}
	if n != 18 { // 100 calls have faded to 90.5 after a second
		t.Errorf("%d retries of 100 calls a second ago", n)
	}
	if b.take(100_000, 0.2) {
		t.Error("a retry for calls of 100 s ago")
	}
}

// A retry storm. Of 100 visits/s that b can do, 70 are asked for; a spike of 10 s makes all of them slow. Three retries of each
// multiply the load by four, so b, which shares its CPU among more visits than can end in time, completes next to nothing, and stays
// so for good: the overload feeds on itself after what caused it has gone. With a budget of 10 % it is over in seconds.
func TestDESRetryStorm(t *testing.T) {
	run := func(budget string) (before, after float64, state []byte) {
		app := testApp(t, "", testService("a", "", "{name: get, cpu_ms: 0.1, calls: [{op: b.get, timeout_ms: 200, retries: 3"+budget+"}]}"),
			testService("b", "", "{name: get, cpu_ms: 10}"))
		d := newDES(t, app, nil)
		c := newTally(d)
		var states bytes.Buffer
		window := func(st *State) {
			c.add(st)
			fmt.Fprintf(&states, "%+v\n", *st)
		}
		steadily(d, 60, 70, window)
		before = c.failed / c.offered
		steadily(d, 10, 400, window)
		steadily(d, 60, 70, window)
		*c = *newTally(d)
		steadily(d, 60, 70, window)
		return before, c.failed / c.offered, states.Bytes()
	}
	before, after, first := run("")
	if before > 0.01 || after < 0.9 {
		t.Errorf("without a budget %v of the requests fail before the spike, %v a minute after it", before, after)
	}
	if _, _, again := run(""); !bytes.Equal(first, again) {
		t.Error("the storm is not reproducible")
	}
	before, after, _ = run(", retry_budget: 0.1")
	if before > 0.01 || after > 0.01 {
		t.Errorf("with a budget %v of the requests fail before the spike, %v a minute after it", before, after)
	}
}
