package benchmark

import (
	"time"

	"github.com/grlscaler/grlscaler/sim"
)

// script is a run written by hand: what State says in each tick, without an engine behind it. Every window ends
// at a multiple of sim.WindowTicks.
type script struct {
	app    *sim.App
	warmup int // ticks
	ticks  []scriptTick
	// reward of every control interval
	reward float64
	// actions[t] are the controller's at the start of tick t (a multiple of TicksPerInterval).
	actions map[int][]scriptAction
	// placed[s] is the node that service s runs on; nil is node 0.
	placed []int
	nodes  []sim.NodeState
}

// scriptTick says what held during a tick: pods leave at its start and become ready at its end.
type scriptTick struct {
	ready, needed []int
	starting      []int     // nil: none
	terminating   []int     // nil: none
	used          []float64 // CPU used in millicores, read at the end of a window; nil: none
	requestMillis []float64 // nil: nominal
	overflow      []float64 // of a window that ends with the tick; nil: none
	endpoints     []scriptEndpoint
}

// scriptEndpoint is the traffic of one tick; the window has it WindowTicks-fold.
type scriptEndpoint struct {
	offered, failed, late float64
	ms                    float64 // latency of all completed requests
}

type scriptAction struct {
	req sim.ScaleRequest
	res sim.ScaleResult
	was sim.ServiceView
}

// testApp has n services of 100 millicores each, one endpoint per SLO, one free pool.
func testApp(n int, slos ...float64) *sim.App {
	app := &sim.App{Name: "test", Pools: []sim.Pool{{Name: "p", Nodes: 1, PricePerCoreHour: 0}}}
	for range n {
		app.Services = append(app.Services, sim.Service{Name: string(rune('a' + len(app.Services))), CPURequestMillis: 100, CPULimitMillis: 200, MinReplicas: 1, MaxReplicas: 100})
	}
	for _, slo := range slos {
		app.Endpoints = append(app.Endpoints, sim.Endpoint{Name: string(rune('A' + len(app.Endpoints))), SLOMs: slo})
	}
	return app
}

// scriptEngine gives the latencies of the window that has just ended.
type scriptEngine struct{ add func(h []sim.Histogram) }

func (scriptEngine) Reset(uint64, []int) error                  { panic("not stepped") }
func (scriptEngine) Step(sim.TickLoad)                          { panic("not stepped") }
func (scriptEngine) Scale(sim.ScaleRequest) sim.ScaleResult     { panic("not stepped") }
func (scriptEngine) Happen(*sim.Event)                          { panic("not stepped") }
func (scriptEngine) State() *sim.State                          { panic("not stepped") }
func (e scriptEngine) AddLatencies(perEndpoint []sim.Histogram) { e.add(perEndpoint) }

// play sends the script to a recorder, in the order that a run keeps.
func (sc *script) play(rec sim.Recorder) {
	nodes := sc.nodes
	if nodes == nil {
		nodes = []sim.NodeState{{}}
	}
	st := &sim.State{Services: make([]sim.ServiceState, len(sc.app.Services)), Endpoints: make([]sim.EndpointState, len(sc.app.Endpoints)), Nodes: nodes,
		Placed: make([]int, len(sc.app.Services)*len(nodes))}
	begin := 0
	for t := range sc.ticks {
		if t%sim.TicksPerInterval == 0 {
			begin = t
			sc.decide(rec, t)
		}
		sc.setState(st, t)
		rec.RecordTick(&sim.TickRecord{Tick: t, At: st.At, Counted: t >= sc.warmup, Window: t / sim.WindowTicks, Needed: sc.ticks[t].needed, State: st,
			Engine: scriptEngine{func(h []sim.Histogram) {
				for e := range h {
					if v := st.Endpoints[e]; v.Offered > v.Failed {
						h[e].Add(v.MeanMs, v.Offered-v.Failed)
					}
				}
			}}})
		if (t+1)%sim.TicksPerInterval == 0 || t+1 == len(sc.ticks) {
			rec.RecordInterval(&sim.IntervalRecord{From: time.Duration(begin) * time.Second, To: st.At, Counted: begin >= sc.warmup, Reward: sc.reward})
		}
	}
}

func (sc *script) decide(rec sim.Recorder, t int) {
	d := &sim.DecisionRecord{At: time.Duration(t) * time.Second, Counted: t >= sc.warmup, View: &sim.View{Services: make([]sim.ServiceView, len(sc.app.Services))}}
	for _, a := range sc.actions[t] {
		d.Requests = append(d.Requests, a.req)
		d.Results = append(d.Results, a.res)
		d.View.Services[a.req.Service] = a.was
	}
	rec.RecordDecision(d)
}

func (sc *script) setState(st *sim.State, t int) {
	tick := &sc.ticks[t]
	st.At, st.Window = time.Duration(t+1)*time.Second, 0
	clear(st.Placed)
	for s := range st.Services {
		v := sim.ServiceState{Ready: tick.ready[s], Spec: tick.ready[s], RequestMillis: sc.app.Services[s].CPURequestMillis, QuotaMillis: sc.app.Services[s].CPULimitMillis}
		if tick.requestMillis != nil {
			v.RequestMillis = tick.requestMillis[s]
		}
		if tick.starting != nil {
			v.Starting = tick.starting[s]
		}
		if t+1 < len(sc.ticks) {
			if more := sc.ticks[t+1].ready[s] - v.Ready; more > 0 { // ready at the end of this tick
				v.Ready += more
				v.Starting = max(v.Starting-more, 0)
			}
		}
		if tick.terminating != nil {
			v.Terminating = tick.terminating[s]
		}
		if tick.overflow != nil {
			v.Overflow = tick.overflow[s]
		}
		if tick.used != nil {
			v.CPUUsedMillis = tick.used[s]
		}
		node := 0
		if sc.placed != nil {
			node = sc.placed[s]
		}
		st.Placed[s*len(st.Nodes)+node] = v.Ready + v.Starting + v.Terminating
		st.Services[s] = v
	}
	if (t+1)%sim.WindowTicks == 0 {
		st.Window = sim.WindowTicks
	}
	for e := range tick.endpoints {
		v := tick.endpoints[e]
		st.Endpoints[e] = sim.EndpointState{Offered: sim.WindowTicks * v.offered, Failed: sim.WindowTicks * v.failed, Late: sim.WindowTicks * v.late, MeanMs: v.ms}
	}
}

// metrics plays the script to an accumulator.
func (sc *script) metrics() Metrics {
	a := NewAccumulator(sc.app)
	sc.play(a)
	return a.Metrics()
}

// constant repeats one tick.
func constant(n int, tick scriptTick) []scriptTick {
	out := make([]scriptTick, n)
	for i := range out {
		out[i] = tick
	}
	return out
}
