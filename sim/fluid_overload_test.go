package sim_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/simtest"
	"github.com/grlscaler/grlscaler/sim/theory"
)

// With processor sharing the backlog of gamma work is made of visits partly done, and grows as theory says for such work;
// first come first served it grows as λ - μ whatever the work.
func TestFluidBacklogOfWork(t *testing.T) {
	for _, tc := range []struct {
		cv, limitM, lambda float64
		workers            int
	}{{0.5, 1000, 150, 0}, {1.4, 1000, 300, 0}, {1, 1000, 180, 0}, {0.3, 400, 60, 0}, {0.5, 1000, 150, 1}, {1.4, 400, 70, 1}} {
		web := simtest.Queue{Name: "web", Workers: tc.workers, LimitM: tc.limitM, Ops: []string{fmt.Sprintf("{name: get, cpu_ms: 10, dist: gamma, cv: %v}", tc.cv)}}
		engine := formulas(t, simtest.QueueApp(t, 1, []simtest.Queue{web}, "web.get"))
		if err := engine.Reset(1, nil); err != nil {
			t.Fatal(err)
		}
		mu := tc.limitM / 10
		growth := theory.Overload{Lambda: tc.lambda, Mu: mu}.Growth()
		if tc.workers == 0 {
			growth = theory.SharedOverload{Lambda: tc.lambda, Mean: 1 / mu, CV: tc.cv}.Growth()
		}
		for k := range 10 {
			v := offer(engine, 1, tc.lambda)
			within(t, fmt.Sprintf("%+v: backlog after %d windows", tc, k+1), v.Backlog, growth*float64(k+1)*windowS)
			within(t, fmt.Sprintf("%+v: served", tc), v.ServedRPS, mu)
		}
	}
}

// A replica whose workers are all busy completes what a closed network of as many customers does, and no more waits for it
// than it leaves.
func TestFluidSaturatedWorkers(t *testing.T) {
	for _, tc := range []theory.Closed{
		{Customers: 1, Think: 0.03, Mean: 0.01, Cores: 1}, {Customers: 4, Think: 0.02, Mean: 0.01, Cores: 1}, {Customers: 16, Think: 0.05, Mean: 0.01, Cores: 2},
		{Customers: 3, Think: 0.03, Mean: 0.01, Cores: 4}, {Customers: 5, Think: 0, Mean: 0.01, Cores: 2}, {Customers: 40, Think: 2, Mean: 0.01, Cores: 1},
	} {
		web := simtest.Queue{Name: "web", Workers: tc.Customers, Cores: tc.Cores, Replicas: 2, Ops: []string{fmt.Sprintf("{name: get, cpu_ms: %v, cv: 0.7, wait_ms: %v, wait_dist: exponential}", 1000*tc.Mean, 1000*tc.Think)}}
		engine := formulas(t, simtest.QueueApp(t, 1, []simtest.Queue{web}, "web.get"))
		if err := engine.Reset(1, nil); err != nil {
			t.Fatal(err)
		}
		rate := 2 * tc.Throughput()
		offer(engine, 1, 1.5*rate) // how long visits take is known after the first window
		before := engine.State().Services[0].Backlog
		for k := range 10 {
			v := offer(engine, 1, 1.5*rate)
			within(t, fmt.Sprintf("%+v: served", tc), v.ServedRPS, rate)
			within(t, fmt.Sprintf("%+v: backlog", tc), v.Backlog, before+0.5*rate*float64(k+1)*windowS)
		}
	}
}

// What calls one service after another calls the second as often as the first answers, while it is overloaded and while it
// drains; what calls both at once calls them as often as requests come.
func TestFluidCallsInOrder(t *testing.T) {
	for _, parallel := range []bool{false, true} {
		app := simtest.QueueApp(t, 1, []simtest.Queue{
			simtest.Gate("front", parallel, "{op: first.get}", "{op: second.get}"),
			{Name: "second", Ops: []string{"{name: get, cpu_ms: 1, dist: exponential}"}},
			{Name: "first", Ops: []string{"{name: get, cpu_ms: 10, dist: exponential}"}}, // below the second in the file, before it in time
		}, "front.get")
		engine := formulas(t, app)
		if err := engine.Reset(1, nil); err != nil {
			t.Fatal(err)
		}
		second := &engine.State().Services[1]
		for _, phase := range []struct {
			windows        int
			rps, inOrder   float64
			backlogOfFirst float64
		}{{1, 80, 80, 0}, {6, 150, 100, 1500}, {1, 50, 100, 1250}, {4, 50, 100, 250}, {1, 50, 100, 0}, {1, 50, 50, 0}} {
			offer(engine, phase.windows, phase.rps)
			want := phase.inOrder
			if parallel {
				want = phase.rps
			}
			within(t, fmt.Sprintf("parallel %v, %v: served by the second", parallel, phase), second.ServedRPS, want)
			within(t, fmt.Sprintf("parallel %v, %v: arrived there", parallel, phase), second.ArrivalRPS, want)
			within(t, fmt.Sprintf("parallel %v, %v: backlog", parallel, phase), engine.State().Services[2].Backlog, phase.backlogOfFirst)
		}
	}
}

// Callers with limited workers hold what waits, however many services are between them and what is short of CPU: no more of their
// visits than they have workers stand there.
func TestFluidWorkersHold(t *testing.T) {
	const workers = 8
	app := simtest.QueueApp(t, 1, []simtest.Queue{
		{Name: "front", Workers: workers, Ops: []string{"{name: get, calls: [{op: middle.get}]}"}},
		simtest.Gate("middle", false, "{op: leaf.get}"),
		{Name: "leaf", Ops: []string{"{name: get, cpu_ms: 10}"}},
	}, "front.get")
	for name, engine := range map[string]sim.Engine{"fluid": formulas(t, app), "des": simtest.NewDES(t, app)} {
		if err := engine.Reset(1, nil); err != nil {
			t.Fatal(err)
		}
		for range 12 {
			offer(engine, 1, 150)
			v := engine.State().Services
			if v[1].Backlog+v[2].Backlog > workers+1e-9 {
				t.Errorf("%s: %.1f visits wait below %d workers", name, v[1].Backlog+v[2].Backlog, workers)
			}
		}
		if got := engine.State().Services[0].Backlog; got < 50*60*0.9 || got > 50*60*1.1 {
			t.Errorf("%s: %.0f visits wait for workers after 60 s, want about %d", name, got, 50*60)
		}
	}
}

// In order of arrival, who comes back waits again: the crowd of an overload is that of the request-level engine.
func TestFluidRounds(t *testing.T) {
	const mu, lambda, seconds = 25.0, 50.0, 60
	app := simtest.QueueApp(t, 1, []simtest.Queue{
		simtest.Gate("front", false, "{op: web.get, mean: 4}"),
		{Name: "web", Workers: 1, Ops: []string{"{name: get, cpu_ms: 10}"}},
	}, "front.get")
	want := lambda
	for range 1000 { // a = lambda (1 - (1 + a/(4 mu))^-4)
		want = lambda * (1 - math.Pow(1+want/(4*mu), -4))
	}
	for name, engine := range map[string]sim.Engine{"fluid": formulas(t, app), "des": simtest.NewDES(t, app)} {
		if err := engine.Reset(1, nil); err != nil {
			t.Fatal(err)
		}
		offer(engine, seconds/5, lambda)
		if got := engine.State().Services[1].Backlog / seconds; math.Abs(got/want-1) > 0.05 {
			t.Errorf("%s: the backlog grows by %.1f visits a second, want %.1f", name, got, want)
		}
	}
}
