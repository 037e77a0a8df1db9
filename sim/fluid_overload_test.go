package sim_test

import (
	"fmt"
	"testing"

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
