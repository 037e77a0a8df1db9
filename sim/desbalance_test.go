package sim

import (
	"fmt"
	"math"
	"testing"
	"time"
)

// balanced is an application of one service and one caller of it, under a way of balancing.
func balanced(t *testing.T, balancing string, workers int) *App {
	t.Helper()
	return testApp(t, "", testService("a", "", "{name: get, cpu_ms: 0.01, calls: [{op: b.get}]}"),
		testService("b", fmt.Sprintf("balancing: %s, workers: %d, grace_s: 2, startup: {fixed_s: 1}", balancing, workers), "{name: get, cpu_ms: 1, cv: 1}"))
}

// servedBy is how many visits each ready replica of service s has served since the last call.
func servedBy(d *DES, s int, before map[uint64]float64) []float64 {
	var out []float64
	for _, k := range d.stats[s].ready {
		r := &d.replicas[k]
		served := r.served
		if math.IsInf(served, 1) {
			panic("replicas that were there at the start count no visits")
		}
		out = append(out, served-before[r.number])
		before[r.number] = served
	}
	return out
}

// countFromZero makes the replicas that Reset made count their visits, as new ones do.
func countFromZero(d *DES) {
	for i := range d.replicas {
		d.replicas[i].served = 0
	}
}

func TestDESRoundRobinIsExact(t *testing.T) {
	d := newDES(t, balanced(t, "round_robin", 0), []int{1, 5})
	countFromZero(d)
	before := map[uint64]float64{}
	steadily(d, 20, 100, nil)
	steadily(d, 1, 0, nil)
	for k, n := range servedBy(d, 1, before) {
		if n != 400 {
			t.Errorf("replica %d served %v visits of 2000, want a fifth", k, n)
		}
	}
	// A new replica has its turn as soon as it is ready; one that goes has none from then on.
	d.Scale(ScaleRequest{Service: 1, Replicas: 6, Pool: AnyPool})
	steadily(d, 5, 0, nil)
	steadily(d, 6, 100, nil)
	steadily(d, 1, 0, nil)
	for k, n := range servedBy(d, 1, before) {
		if n != 100 {
			t.Errorf("replica %d of 6 served %v visits of 600", k, n)
		}
	}
	d.Scale(ScaleRequest{Service: 1, Replicas: 4, Pool: AnyPool})
	steadily(d, 1, 100, nil)
	steadily(d, 1, 0, nil)
	for k, n := range servedBy(d, 1, before) {
		if n != 25 {
			t.Errorf("replica %d of 4 served %v visits of 100", k, n)
		}
	}
}

// Random: each replica's count of n visits over k replicas is binomial; bounds are 4 standard errors.
func TestDESRandomBalancing(t *testing.T) {
	d := newDES(t, balanced(t, "random", 0), []int{1, 5})
	countFromZero(d)
	steadily(d, 100, 200, nil)
	steadily(d, 1, 0, nil)
	counts := servedBy(d, 1, map[uint64]float64{})
	equal := 0
	for k, n := range counts {
		within(t, fmt.Sprintf("visits of replica %d", k), n, 4000, 4*math.Sqrt(20000*0.2*0.8))
		if n == 4000 {
			equal++
		}
	}
	if equal == len(counts) {
		t.Error("random balancing is exact")
	}
}

// Least outstanding: where one replica is ten times as slow, it gets what it can do and no more; round robin would give it a share that it
// cannot serve.
func TestDESLeastOutstandingAvoidsTheSlowReplica(t *testing.T) {
	served := func(balancing string) (slow, fast float64, backlog float64) {
		d := newDES(t, balanced(t, balancing, 1), []int{1, 2})
		countFromZero(d)
		d.replicas[d.stats[1].ready[0]].speed = 0.1 // 100 visits/s instead of 1000
		steadily(d, 60, 600, nil)
		n := servedBy(d, 1, map[uint64]float64{})
		return n[0], n[1], d.st.Services[1].Backlog
	}
	slow, fast, backlog := served("least_outstanding")
	if slow+fast < 35_900 || slow > 6000+50 || backlog > 50 {
		t.Errorf("the slow replica served %v, the fast one %v, %v wait", slow, fast, backlog)
	}
	slow, fast, backlog = served("round_robin")
	if slow > 0.35*fast || backlog < 5000 { // it is offered 300/s for 60 s, serves 100/s; those that wait 30 s give up
		t.Errorf("round robin: the slow replica served %v, the fast one %v, %v wait", slow, fast, backlog)
	}
	// Alike and idle, they take turns.
	d := newDES(t, balanced(t, "least_outstanding", 0), []int{1, 4})
	countFromZero(d)
	play(d, 5, 0, 100, 200, 300, 400, 500, 600, 700)
	for k, n := range servedBy(d, 1, map[uint64]float64{}) {
		if n != 2 {
			t.Errorf("idle replica %d served %v of 8", k, n)
		}
	}
}

// A cold replica, whose visits cost many times as much at first, gets less until it is warm.
func TestDESLeastOutstandingAvoidsTheColdReplica(t *testing.T) {
	app := testApp(t, "", testService("a", "", "{name: get, cpu_ms: 0.01, calls: [{op: b.get}]}"),
		testService("b", "balancing: least_outstanding, startup: {fixed_s: 1}, warmup: {calls: 500, factor: 8}", "{name: get, cpu_ms: 2, cv: 1}"))
	d := newDES(t, app, []int{1, 2})
	for _, k := range d.stats[1].ready {
		d.replicas[k].served = 1e6 // warm
	}
	d.Scale(ScaleRequest{Service: 1, Replicas: 3, Pool: AnyPool})
	steadily(d, 1, 0, nil)
	before := map[uint64]float64{}
	servedBy(d, 1, before)
	steadily(d, 2, 600, nil)
	n := servedBy(d, 1, before)
	if len(n) != 3 || n[2] > 0.6*n[0] || n[2] == 0 {
		t.Errorf("served by the two warm replicas and the cold one: %v", n)
	}
	steadily(d, 60, 600, nil)
	servedBy(d, 1, before)
	steadily(d, 20, 600, nil)
	if n = servedBy(d, 1, before); n[2] < 0.9*n[0] {
		t.Errorf("once it is warm: %v", n)
	}
}

// Per connection: each replica of the caller stays with the replica that it connected to. A new replica gets nothing, until the callers
// connect anew because theirs goes; a caller that starts later connects to any.
func TestDESPerConnection(t *testing.T) {
	app := balanced(t, "per_connection", 0)
	app.Services[0].StartupFixed = time.Second
	d := newDES(t, app, []int{4, 2})
	countFromZero(d)
	before := map[uint64]float64{}
	steadily(d, 5, 400, nil)
	steadily(d, 1, 0, nil)
	for k, n := range servedBy(d, 1, before) {
		if math.Mod(n, 500) != 0 { // whole callers, 500 visits each
			t.Errorf("replica %d served %v visits", k, n)
		}
	}
	d.Scale(ScaleRequest{Service: 1, Replicas: 10, Pool: AnyPool})
	steadily(d, 2, 0, nil)
	steadily(d, 5, 400, nil)
	steadily(d, 1, 0, nil)
	n := servedBy(d, 1, before)
	if len(n) != 10 {
		t.Fatalf("%d replicas", len(n))
	}
	for k := 2; k < 10; k++ {
		if n[k] != 0 {
			t.Errorf("new replica %d served %v visits without a new connection", k, n[k])
		}
	}
	// Sixteen new callers connect to replicas of their own choice: of ten, one to three would be a coincidence of 5e-8.
	d.Scale(ScaleRequest{Service: 0, Replicas: 20, Pool: AnyPool})
	steadily(d, 2, 0, nil)
	steadily(d, 5, 400, nil)
	steadily(d, 1, 0, nil)
	used := 0
	for _, x := range servedBy(d, 1, before) {
		if x > 0 {
			used++
		}
	}
	if used < 4 {
		t.Errorf("the connections of 20 callers lead to %d of 10 replicas", used)
	}
	// When replicas go, their callers connect to what is left at once, and no request fails.
	d.Scale(ScaleRequest{Service: 1, Replicas: 1, Pool: AnyPool})
	c := newTally(d)
	steadily(d, 5, 400, c.add)
	steadily(d, 5, 0, c.add)
	if c.failed != 0 {
		t.Errorf("%v requests failed", c.failed)
	}
	if n := servedBy(d, 1, before); len(n) != 1 || n[0] != 2000 {
		t.Errorf("served by the one that is left: %v", n)
	}
}

// Requests reach a per-connection entry over 128 connections of clients, each used by one request in 128.
func TestDESPerConnectionAtTheEntry(t *testing.T) {
	app := testApp(t, "", testService("a", "balancing: per_connection, startup: {fixed_s: 1}", "{name: get, cpu_ms: 0.1}"))
	d := newDES(t, app, []int{4})
	countFromZero(d)
	before := map[uint64]float64{}
	steadily(d, 20, 500, nil)
	// 128 connections over 4 replicas: 32 each, standard deviation sqrt(128·3/16) = 4.9; 4 of them, and 4 of 10,000 requests.
	for k, n := range servedBy(d, 0, before) {
		within(t, fmt.Sprintf("requests of replica %d", k), n/10_000, 0.25, 4*4.9/128+4*math.Sqrt(0.25*0.75/10_000))
	}
	d.Scale(ScaleRequest{Service: 0, Replicas: 8, Pool: AnyPool})
	steadily(d, 2, 500, nil)
	servedBy(d, 0, before)
	steadily(d, 5, 500, nil)
	for k, n := range servedBy(d, 0, before) {
		if k >= 4 && n != 0 {
			t.Errorf("new replica %d got %v requests over connections that were there before it", k, n)
		}
	}
}
