package sim

import (
	"strings"
	"testing"
)

// sizes is the capacity of everything in an engine that grows.
func (d *DES) sizes() map[string]int {
	out := map[string]int{"visits": cap(d.visits), "freeVisits": cap(d.freeVisits), "timers": cap(d.timers), "steps": cap(d.steps), "retries": cap(d.retries), "busy": cap(d.busy), "arrivals": cap(d.arrivals)}
	for k := range d.classes {
		out["deadlines"] += len(d.classes[k].ring)
	}
	for i := range d.replicas {
		out["chunks"] += cap(d.replicas[i].run)
	}
	return out
}

// A hundred times the load that it can do fills a service to MaxVisits and no further; what is refused for that is reported. Memory follows
// MaxVisits (capacities grow by doubling), whether visits compete for the CPU, wait for a worker, wait for calls, give up and try
// again, and stays what it is. When the load is gone all is as before.
func TestDESOverloadIsBounded(t *testing.T) {
	const most = 2000
	for _, tc := range []struct{ name, endpoint, a, op, b, bOp string }{
		{"processor sharing", "", "", "{name: get, cpu_ms: 10}", "", "{name: get, cpu_ms: 1}"},
		{"workers", "", "workers: 4", "{name: get, cpu_ms: 10}", "", "{name: get, cpu_ms: 1}"},
		{"quota", "", "cpu_limit_m: 100", "{name: get, cpu_ms: 1}", "", "{name: get, cpu_ms: 1}"},
		{"below", "", "", "{name: get, calls: [{op: b.get}]}", "workers: 1", "{name: get, cpu_ms: 10}"},
		{"parallel calls below", "", "", "{name: get, parallel: true, calls: [{op: b.get, mean: 50}]}", "", "{name: get, cpu_ms: 0.2}"},
		{"retries", ", timeout_ms: 500, retries: 100", "workers: 2", "{name: get, cpu_ms: 10}", "", "{name: get, cpu_ms: 1}"},
		{"retries of calls", "", "", "{name: get, calls: [{op: b.get, timeout_ms: 100, retries: 100}]}", "max_visits: 10", "{name: get, cpu_ms: 10}"},
		{"long waits cut short", ", timeout_ms: 300", "", "{name: get, wait_ms: 1e7}", "", "{name: get, cpu_ms: 1}"},
		{"long chunks cut short", "", "", "{name: get, parallel: true, calls: [{op: b.long, timeout_ms: 100, optional: true}, {op: b.get}]}", "", "{name: get, cpu_ms: 1}, {name: long, cpu_ms: 1e6}"},
		{"long patience", ", timeout_ms: 1e9", "", "{name: get, cpu_ms: 10}", "", "{name: get, cpu_ms: 1}"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			app := testApp(t, tc.endpoint, testService("a", tc.a, tc.op), testService("b", tc.b, tc.bOp))
			d, err := NewDES(app, DESOptions{MaxVisits: most})
			if err != nil {
				t.Fatal(err)
			}
			if err := d.Reset(1, nil); err != nil {
				t.Fatal(err)
			}
			c := newTally(d)
			window := func(st *State) {
				c.add(st)
				for s := range d.stats {
					if d.stats[s].inside > most {
						t.Errorf("%d visits inside %s", d.stats[s].inside, app.Services[s].Name)
					}
				}
			}
			steadily(d, 35, 10_000, window) // longer than the clients' patience of 30 s
			early := d.sizes()
			steadily(d, 25, 10_000, window)
			for what, n := range d.sizes() {
				// Two services; a timer for each wait, try and class; twice as many stale ones; doubling.
				bound := 16 * most
				if what == "arrivals" {
					bound = 2 * 10_000
				}
				if n > bound || n > early[what]*3/2+64 {
					t.Errorf("room for %d %s, %d before, for at most %d visits of each service", n, what, early[what], most)
				}
			}
			if c.overflow[0]+c.overflow[1] == 0 {
				t.Error("nothing is said to be refused")
			}
			if c.visitsFailed[0] < c.overflow[0] && tc.name != "retries" {
				t.Errorf("%v visits refused, %v failed", c.overflow[0], c.visitsFailed[0])
			}
			if strings.HasPrefix(tc.endpoint, ", timeout_ms: 1e9") {
				return // it takes long to drain
			}
			steadily(d, 100, 0, nil)
			if n := d.inside(); n != 0 || len(d.retries) != len(d.freeRetries) {
				t.Errorf("%d visits inside, %d of %d retries wait, long after the load has gone", n, len(d.retries)-len(d.freeRetries), len(d.retries))
			}
		})
	}
}

// max_visits is a replica's own bound: what it refuses fails, and is no overflow.
func TestDESMaxVisitsOfAReplica(t *testing.T) {
	app := work(t, "max_visits: 3, workers: 1", "{name: get, cpu_ms: 10}")
	d := newDES(t, app, []int{2})
	play(d, 5, 1, 1, 1, 1, 1, 1, 1, 1) // four for each replica
	v, e := &d.st.Services[0], d.st.Endpoints[0]
	if v.RefusedRPS*5 != 2 || v.FailedRPS*5 != 2 || v.ServedRPS*5 != 6 || v.Overflow != 0 || e.Failed != 2 {
		t.Errorf("%+v\n%+v", *v, e)
	}
}

// More than maxTickArrivals are refused at the door, and counted as visits that failed there.
func TestDESRefusesAtTheDoor(t *testing.T) {
	app := work(t, "max_visits: 1", "{name: get, wait_ms: 1000}")
	d := newDES(t, app, nil)
	steadily(d, 1, 3*maxTickArrivals, nil)
	steadily(d, 4, 0, nil)
	v, e := &d.st.Services[0], d.st.Endpoints[0]
	if e.Offered != 3*maxTickArrivals || e.Failed != e.Offered-1 || v.Overflow != 2*maxTickArrivals || v.ArrivalRPS*5 != e.Offered || v.FailedRPS*5 != e.Failed {
		t.Errorf("%+v\n%+v", e, *v)
	}
}

// Once everything has grown to what the load needs, a tick allocates nothing: visits, chunks, timers, deadlines and retries use
// their slots again.
func TestDESAllocatesNothing(t *testing.T) {
	for _, tc := range []struct {
		name string
		app  *App
		n    []float64 // requests per tick: much, then what is measured
	}{
		{"online boutique", onlineBoutique(t), []float64{60, 40}},
		{"turmoil", turmoilApp(t), []float64{400, 200}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			replicas := make([]int, len(tc.app.Services))
			for s := range replicas {
				replicas[s] = 3
			}
			d := newDES(t, tc.app, replicas)
			steadily(d, 60, tc.n[0], nil)
			steadily(d, 60, tc.n[1], nil)
			load := TickLoad{make([]float64, len(d.endpoints)), make([]float64, len(d.endpoints))}
			load.Arrivals[0] = tc.n[1]
			if n := testing.AllocsPerRun(100, func() { d.Step(load) }); n != 0 {
				t.Errorf("a tick allocates %v times", n)
			}
		})
	}
}
