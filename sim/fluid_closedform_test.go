package sim_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/simtest"
	"github.com/grlscaler/grlscaler/sim/theory"
)

// What the fluid engine computes analytically is within 1e-9 of the closed form. What it takes from fits to the
// request-level engine (congestion, stalls, tails) is compared with that engine instead (package fidelity).

// formulas is a fluid engine that has nothing fitted.
func formulas(tb testing.TB, app *sim.App) sim.Engine {
	sim.UseNeutralResponse(app)
	return simtest.NewFluid(tb, app)
}

// within fails unless got is within 1e-9 of want, relative to it or, near 0, absolute.
func within(t *testing.T, what string, got, want float64) {
	t.Helper()
	if !(math.Abs(got-want) <= 1e-9*(1+math.Abs(want))) {
		t.Errorf("%s: %.12g, want %.12g", what, got, want)
	}
}

// capacityCase is a service whose capacity follows from its file by arithmetic.
type capacityCase struct {
	name     string
	queue    simtest.Queue
	speed    float64
	capacity float64 // visits/s
}

var capacityCases = []capacityCase{
	{"one core", simtest.Queue{Ops: []string{"{name: get, cpu_ms: 8, dist: exponential}"}}, 1, 125},
	{"two cores of twice the speed", simtest.Queue{Cores: 2, Ops: []string{"{name: get, cpu_ms: 8, dist: exponential}"}}, 2, 500},
	{"three replicas", simtest.Queue{Replicas: 3, Ops: []string{"{name: get, cpu_ms: 10, dist: exponential}"}}, 1, 300},
	{"a quota", simtest.Queue{LimitM: 350, Ops: []string{"{name: get, cpu_ms: 7, dist: exponential}"}}, 1, 50},
	{"a quota on fast nodes", simtest.Queue{LimitM: 350, Replicas: 2, Ops: []string{"{name: get, cpu_ms: 7, dist: exponential}"}}, 1.5, 150},
	{"wake-ups cost nothing to who is never idle", simtest.Queue{LimitM: 350, Ops: []string{"{name: get, cpu_ms: 7, dist: exponential, wake_ms: 3}"}}, 1, 50},
}

// offer runs windows of a constant load, arrivals just as expected, and returns the state of the single service.
func offer(engine sim.Engine, windows int, rps float64) *sim.ServiceState {
	load := sim.TickLoad{RPS: []float64{rps}, Arrivals: []float64{rps}}
	for range windows * sim.WindowTicks {
		engine.Step(load)
	}
	return &engine.State().Services[0]
}

// In overload the backlog is (λ - μ)t and the rest is served; afterwards it falls by μ - λ, and is gone after the time that theory
// says. Work is exponential: other work leaves a different number of requests partly done (TestCrowdGrowth).
func TestFluidOverloadGrowsAndDrains(t *testing.T) {
	for _, tc := range capacityCases {
		t.Run(tc.name, func(t *testing.T) {
			tc.queue.Name = "web"
			engine := formulas(t, simtest.QueueApp(t, tc.speed, []simtest.Queue{tc.queue}, "web.get"))
			if err := engine.Reset(1, nil); err != nil {
				t.Fatal(err)
			}
			up, down := theory.Overload{Lambda: 1.7 * tc.capacity, Mu: tc.capacity}, theory.Overload{Lambda: 0.4 * tc.capacity, Mu: tc.capacity}
			const overload = 12 // windows
			for k := range overload {
				v := offer(engine, 1, up.Lambda)
				within(t, fmt.Sprintf("backlog after %d windows", k+1), v.Backlog, up.Growth()*float64(k+1)*windowS)
				within(t, "served", v.ServedRPS, tc.capacity)
			}
			backlog := up.Growth() * overload * windowS
			drains := down.DrainTime(backlog)
			for k := 1; float64(k)*windowS < drains; k++ {
				v := offer(engine, 1, down.Lambda)
				within(t, fmt.Sprintf("backlog %d windows later", k), v.Backlog, backlog+down.Growth()*float64(k)*windowS)
				within(t, "served", v.ServedRPS, tc.capacity)
			}
			v := offer(engine, 1, down.Lambda)
			within(t, fmt.Sprintf("backlog a window after %.1f s", drains), v.Backlog, 0)
			v = offer(engine, 1, down.Lambda)
			within(t, "served when it is gone", v.ServedRPS, down.Lambda)
		})
	}
}

// The CPU used is what visits need, and the base: the utilisation law.
func TestFluidUtilisationLaw(t *testing.T) {
	for _, tc := range capacityCases {
		if tc.queue.Ops[0][len(tc.queue.Ops[0])-len("wake_ms: 3}"):] == "wake_ms: 3}" {
			continue // how often they find it idle is not arithmetic
		}
		tc.queue.Name = "web"
		engine := formulas(t, simtest.QueueApp(t, tc.speed, []simtest.Queue{tc.queue}, "web.get"))
		for _, rho := range []float64{0.1, 0.5, 0.9} {
			if err := engine.Reset(1, nil); err != nil {
				t.Fatal(err)
			}
			limit := tc.queue.LimitM
			if limit == 0 {
				limit = 1000 * float64(max(tc.queue.Cores, 1))
			}
			v := offer(engine, 2, rho*tc.capacity)
			within(t, tc.name+": CPU", v.CPUUsedMillis, rho*limit*float64(max(tc.queue.Replicas, 1)))
			within(t, tc.name+": served", v.ServedRPS, rho*tc.capacity)
		}
	}
}

// Without a quota, a visit takes what it takes with processor sharing: M/G/1-PS and M/G/c-PS, on average and by size, whatever
// the distribution.
func TestFluidProcessorSharing(t *testing.T) {
	for _, n := range []int{1, 2, 3, 8} {
		web := simtest.Queue{Name: "web", Cores: n, Ops: []string{
			"{name: small, cpu_ms: 2, dist: exponential}", "{name: large, cpu_ms: 15, cv: 1.2}", "{name: waits, cpu_ms: 5, dist: exponential, wait_ms: 30, wait_dist: exponential}",
		}}
		engine := formulas(t, simtest.QueueApp(t, 1.25, []simtest.Queue{web}, "web.small", "web.large", "web.waits"))
		for _, rho := range []float64{0.05, 0.3, 0.6, 0.9, 0.96} {
			if err := engine.Reset(1, nil); err != nil {
				t.Fatal(err)
			}
			// Half of the requests are small, a fifth large.
			mean := (0.5*2 + 0.2*15 + 0.3*5) / 1000 / 1.25
			q := theory.PS{Lambda: rho * float64(n) / mean, Mean: mean, Cores: n}
			rps := []float64{0.5 * q.Lambda, 0.2 * q.Lambda, 0.3 * q.Lambda}
			for range sim.WindowTicks {
				engine.Step(sim.TickLoad{RPS: rps, Arrivals: rps})
			}
			st := engine.State()
			what := fmt.Sprintf("%d cores, ρ %v: ", n, rho)
			within(t, what+"small", st.Endpoints[0].MeanMs, 1000*q.MeanSojournOf(2/1250.0))
			within(t, what+"large", st.Endpoints[1].MeanMs, 1000*q.MeanSojournOf(15/1250.0))
			within(t, what+"with a wait", st.Endpoints[2].MeanMs, 1000*q.MeanSojournOf(5/1250.0)+30)
			within(t, what+"own time", st.Services[0].OwnMs, 1000*q.MeanSojourn()+0.3*30)
		}
	}
}

// Services that share their cores and call each other are a network of symmetric queues, whose means add up (see drawNested).
func TestFluidNetworkOfSharedCores(t *testing.T) {
	engine := formulas(t, simtest.QueueApp(t, 1, []simtest.Queue{
		{Name: "front", Ops: []string{"{name: get, cpu_ms: 4, cv: 0.5, calls: [{op: mid.get, mean: 2}, {op: leaf.get, mean: 0.4}]}"}},
		{Name: "mid", Cores: 2, Ops: []string{"{name: get, cpu_ms: 6, dist: exponential, wait_ms: 3, wait_cv: 1, calls: [{op: leaf.get, mean: 1.5}]}"}},
		{Name: "leaf", Ops: []string{"{name: get, cpu_ms: 1, dist: exponential}"}},
	}, "front.get"))
	for _, lambda := range []float64{5, 60, 140} {
		if err := engine.Reset(1, nil); err != nil {
			t.Fatal(err)
		}
		offer(engine, 1, lambda)
		front := theory.PS{Lambda: lambda, Mean: 0.004, Cores: 1}.MeanSojourn()
		mid := theory.PS{Lambda: 2 * lambda, Mean: 0.006, Cores: 2}.MeanSojourn() + 0.003
		leaf := theory.PS{Lambda: 3.4 * lambda, Mean: 0.001, Cores: 1}.MeanSojourn()
		st := engine.State()
		within(t, "leaf", st.Services[2].MeanMs, 1000*leaf)
		within(t, "mid", st.Services[1].MeanMs, 1000*(mid+1.5*leaf))
		within(t, "front", st.Services[0].MeanMs, 1000*(front+2*(mid+1.5*leaf)+0.4*leaf))
		within(t, "request", st.Endpoints[0].MeanMs, 1000*(front+2*mid+3.4*leaf))
	}
}

// A caller with patience τ waits E[min(X, τ)] = m(1 - e^(-τ/m)) for a call that takes an exponential X of mean m on average; an optional call
// costs no more, and fails nobody.
func TestFluidPatience(t *testing.T) {
	engine := formulas(t, simtest.QueueApp(t, 1, []simtest.Queue{
		simtest.Gate("gate", false, "{op: slow.get, timeout_ms: 20, optional: true}"),
		{Name: "slow", Ops: []string{"{name: get, wait_ms: 30, wait_dist: exponential}"}},
	}, "gate.get"))
	if err := engine.Reset(1, nil); err != nil {
		t.Fatal(err)
	}
	offer(engine, 1, 10)
	within(t, "request", engine.State().Endpoints[0].MeanMs, 30*(1-math.Exp(-20.0/30)))
}
