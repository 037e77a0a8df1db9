package simtest

import (
	"fmt"
	"math"
	"testing"

	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/rng"
)

// TestEngine checks what every engine must do on both applications, under a random load and random scaling that fills
// nodes and saturates services, and random changes of single pods: advance a tick at a time; end windows as [sim.State] says, with ready replicas and
// quotas constant in each; keep pods, nodes and placement in agreement; clamp what Scale asks for and report what it
// did; complete what was offered; give the same numbers from the same seed, also after Reset.
func TestEngine(t *testing.T, newEngine func(t *testing.T, app *sim.App) sim.Engine) {
	for _, app := range []*sim.App{One(t), Chain(t)} {
		t.Run(app.Name, func(t *testing.T) {
			engine := newEngine(t, app)
			first := newEngineRun(t, app, engine, 1).run(600)
			exhaust(t, app, engine)
			again := newEngineRun(t, app, engine, 1).run(600)
			for i := range first {
				if first[i] != again[i] {
					t.Fatalf("after Reset, with the same seed, tick %d differs:\nwas %s\nis  %s", i+1, first[i], again[i])
				}
			}
			if err := engine.Reset(1, make([]int, len(app.Services)+1)); err == nil {
				t.Error("Reset took replicas of another application")
			}
			testScale(t, app, engine)
			testCompletes(t, app, engine)
		})
	}
}

// exhaust leaves an engine with large quotas, full nodes, a backlog, rolling updates on their way and slow operations.
func exhaust(t *testing.T, app *sim.App, engine sim.Engine) {
	t.Helper()
	r := newEngineRun(t, app, engine, 2)
	for s := range app.Services {
		svc := &app.Services[s]
		engine.Scale(sim.ScaleRequest{Service: s, Replicas: svc.MaxReplicas, QuotaMillis: 4 * svc.CPULimitMillis, Pool: sim.AnyPool})
	}
	for e := range r.load.RPS {
		r.load.RPS[e], r.load.Arrivals[e] = 1000, 1000
	}
	for range 120 {
		engine.Step(r.load)
	}
	for s := range app.Services {
		engine.Happen(&sim.Event{Kind: sim.RolloutEvent, Service: s, Surge: 0.25})
	}
	for o := range app.Ops {
		engine.Happen(&sim.Event{Kind: sim.SlowEvent, Op: o, Factor: 10})
	}
	for tick := 121; tick <= 123; tick++ {
		engine.Step(r.load)
		r.checkNodes(tick, engine.State())
	}
}

// engineRun drives an engine at random.
type engineRun struct {
	t           *testing.T
	app         *sim.App
	engine      sim.Engine
	random      *rng.Stream
	load        sim.TickLoad
	sinceWindow int
	before      []sim.ServiceState
}

func newEngineRun(t *testing.T, app *sim.App, engine sim.Engine, seed uint64) *engineRun {
	t.Helper()
	if err := engine.Reset(seed, nil); err != nil {
		t.Fatal(err)
	}
	n := len(app.Endpoints)
	return &engineRun{t: t, app: app, engine: engine, random: rng.New(seed, "engine-test"),
		load: sim.TickLoad{RPS: make([]float64, n), Arrivals: make([]float64, n)}, before: make([]sim.ServiceState, len(app.Services))}
}

// run steps and returns each tick's state as text.
func (r *engineRun) run(ticks int) []string {
	r.t.Helper()
	var out []string
	for tick := 1; tick <= ticks; tick++ {
		if tick%60 == 1 { // another level every minute, from nothing to far too much
			rps := math.Pow(10, 3*r.random.Float64()) - 1
			for e := range r.load.RPS {
				r.load.RPS[e] = rps * r.app.Endpoints[e].Weight
			}
		}
		for e, rps := range r.load.RPS {
			r.load.Arrivals[e] = r.random.Poisson(rps)
		}
		if tick%15 == 1 {
			r.scale()
		}
		if tick%45 == 8 {
			r.changePods()
		}
		copy(r.before, r.engine.State().Services)
		r.engine.Step(r.load)
		r.check(tick)
		st := r.engine.State()
		out = append(out, fmt.Sprintf("%+v", *st))
	}
	return out
}

// scale asks for anything, sensible or not, for one service.
func (r *engineRun) scale() {
	s := r.random.IntN(len(r.app.Services))
	svc := &r.app.Services[s]
	req := sim.ScaleRequest{Service: s, Replicas: r.random.IntN(svc.MaxReplicas+4) - 1, Pool: r.random.IntN(len(r.app.Pools)+1) - 1}
	if r.random.IntN(2) == 0 {
		req.QuotaMillis = svc.CPULimitMillis * (0.25 + 3.75*r.random.Float64())
	}
	was, limits := r.engine.State().Services[s], map[int64]float64{}
	for _, p := range r.engine.(sim.PodLister).Pods(nil) {
		limits[p.ID] = p.LimitMillis
	}
	result := r.engine.Scale(req)
	is, changed := r.engine.State().Services[s], false
	for _, p := range r.engine.(sim.PodLister).Pods(nil) {
		before, there := limits[p.ID]
		changed = changed || there && p.LimitMillis != before
		if result.QuotaChanged && p.Service == s && p.LimitMillis != req.QuotaMillis {
			r.t.Fatalf("%+v: %+v, but a pod has %+v", req, result, p)
		}
	}
	if req.Replicas != sim.KeepReplicas && is.Spec != min(max(req.Replicas, svc.MinReplicas), svc.MaxReplicas) {
		r.t.Fatalf("%+v: %d replicas are wanted now", req, is.Spec)
	}
	if result.Added-result.Removed != is.Spec-was.Spec || changed && !result.QuotaChanged || result.QuotaChanged && is.QuotaMillis != req.QuotaMillis {
		r.t.Fatalf("%+v: %+v, but the state went from %+v to %+v", req, result, was, is)
	}
}

// changePods gives new pods of one service other resources, some of its pods the same in place, and evicts some.
func (r *engineRun) changePods() {
	lister := r.engine.(sim.PodLister)
	s := r.random.IntN(len(r.app.Services))
	svc := &r.app.Services[s]
	factor := func() float64 { return 0.5 + 1.5*r.random.Float64() }
	changes := &sim.PodChanges{Template: sim.PodResources{
		RequestMillis: svc.CPURequestMillis * factor(), LimitMillis: 2 * svc.CPULimitMillis * factor(), MemRequestMiB: svc.MemRequestMiB * factor(), MemLimitMiB: 2 * svc.MemLimitMiB * factor(),
	}}
	before := map[int64]sim.PodInfo{}
	for _, p := range lister.Pods(nil) {
		before[p.ID] = p
		if p.Service != s {
			continue
		}
		if draw := r.random.IntN(3); draw == 0 {
			changes.Resize = append(changes.Resize, p.ID)
		} else if draw == 1 {
			changes.Evict = append(changes.Evict, p.ID)
		}
	}
	result := r.engine.Scale(sim.ScaleRequest{Service: s, Replicas: sim.KeepReplicas, Pool: sim.AnyPool, Pods: changes})
	gone, resized, made := 0, 0, 0
	for _, p := range lister.Pods(nil) {
		was, known := before[p.ID]
		switch {
		case !known:
			if made++; p.PodResources != changes.Template {
				r.t.Fatalf("a pod made after %+v has %+v", changes, p)
			}
		case p.Phase == sim.PodTerminating && was.Phase != sim.PodTerminating:
			gone++
		case p.PodResources != was.PodResources:
			if resized++; p.PodResources != changes.Template {
				r.t.Fatalf("a pod resized by %+v has %+v", changes, p)
			}
		}
		delete(before, p.ID)
	}
	gone += len(before) // those that were on no node
	if gone != result.Evicted || made != result.Evicted || resized > result.Resized || result.Added+result.Removed != 0 {
		r.t.Fatalf("%+v: %+v, but %d pods went, %d were made and %d resized", changes, result, gone, made, resized)
	}
}

func (r *engineRun) check(tick int) {
	r.t.Helper()
	st := r.engine.State()
	if st.At != sim.Tick*(st.At/sim.Tick) || int(st.At/sim.Tick) != tick {
		r.t.Fatalf("after %d steps it is %v", tick, st.At)
	}
	r.sinceWindow++
	if st.Window != 0 && st.Window != r.sinceWindow || st.Window == 0 && tick%sim.WindowTicks == 0 {
		r.t.Fatalf("tick %d: a window of %d ticks, %d after the last", tick, st.Window, r.sinceWindow)
	}
	if st.Window > 0 {
		r.sinceWindow = 0
	}
	for s := range st.Services {
		x := &st.Services[s]
		if x.Ready+x.Starting+x.Pending != x.Spec || min(x.Ready, x.Starting, x.Pending, x.Terminating) < 0 {
			r.t.Fatalf("tick %d: pods of %s: %+v", tick, r.app.Services[s].Name, *x)
		}
		if st.Window == 0 && (x.Ready != r.before[s].Ready || x.QuotaMillis != r.before[s].QuotaMillis) {
			r.t.Fatalf("tick %d: %s changed within a window", tick, r.app.Services[s].Name)
		}
	}
	r.checkNodes(tick, st)
	if st.Window > 0 {
		r.checkFlows(tick, st)
	}
}

func (r *engineRun) checkNodes(tick int, st *sim.State) {
	r.t.Helper()
	cpuOn, memOn, podsOn := make([]float64, len(st.Nodes)), make([]float64, len(st.Nodes)), make([]int, len(st.Nodes))
	held := make([]sim.PodResources, len(st.Services)) // by pods that are ready or starting
	for _, p := range r.engine.(sim.PodLister).Pods(nil) {
		if p.Phase == sim.PodPending {
			continue
		}
		cpuOn[p.Node] += p.RequestMillis
		memOn[p.Node] += p.MemRequestMiB
		podsOn[p.Node]++
		if p.Phase != sim.PodTerminating {
			held[p.Service].RequestMillis += p.RequestMillis
			held[p.Service].MemRequestMiB += p.MemRequestMiB
		}
	}
	for s := range st.Services {
		x := &st.Services[s]
		if n := float64(x.Ready + x.Starting); n > 0 && (math.Abs(n*x.RequestMillis-held[s].RequestMillis) > 1e-6 || math.Abs(n*x.MemRequestMiB-held[s].MemRequestMiB) > 1e-6) {
			r.t.Fatalf("tick %d: pods of %s request %+v, it says %+v", tick, r.app.Services[s].Name, held[s], *x)
		}
	}
	for n := range st.Nodes {
		node := &st.Nodes[n]
		cpu, mem, pods := cpuOn[n], memOn[n], podsOn[n]
		if math.Abs(cpu-node.CPURequestedM) > 1e-6 || math.Abs(mem-node.MemRequestedMiB) > 1e-6 || pods != node.Pods {
			r.t.Fatalf("tick %d: node %d holds %v m, %v MiB, %d pods, says %+v", tick, n, cpu, mem, pods, *node)
		}
		if node.CPURequestedM > node.CPUMillis*(1+1e-9) || node.MemRequestedMiB > node.MemMiB {
			r.t.Fatalf("tick %d: node %d is overfull: %+v", tick, n, *node)
		}
	}
	for s := range st.Services {
		placed := 0
		for _, k := range st.Placed[s*len(st.Nodes) : (s+1)*len(st.Nodes)] {
			placed += k
		}
		if x := &st.Services[s]; placed != x.Ready+x.Starting+x.Terminating {
			r.t.Fatalf("tick %d: %d pods of %s are on nodes: %+v", tick, placed, r.app.Services[s].Name, *x)
		}
	}
}

func (r *engineRun) checkFlows(tick int, st *sim.State) {
	r.t.Helper()
	for e := range st.Endpoints {
		x := &st.Endpoints[e]
		for _, f := range []float64{x.Offered, x.Failed, x.Late, x.MeanMs, x.P95Ms} {
			if !(f >= 0) || math.IsInf(f, 0) {
				r.t.Fatalf("tick %d: endpoint %d: %+v", tick, e, *x)
			}
		}
	}
	for s := range st.Services {
		x := &st.Services[s]
		for _, f := range []float64{x.ArrivalRPS, x.ServedRPS, x.FailedRPS, x.CPUUsedMillis, x.Backlog, x.MemMiB, x.Throttled, x.MeanMs, x.P95Ms, x.ErrorRate} {
			if !(f >= 0) || math.IsInf(f, 0) {
				r.t.Fatalf("tick %d: %s: %+v", tick, r.app.Services[s].Name, *x)
			}
		}
		if x.Throttled > 1+1e-9 || x.ErrorRate > 1+1e-9 {
			r.t.Fatalf("tick %d: %s: shares above 1: %+v", tick, r.app.Services[s].Name, *x)
		}
	}
}

// testScale: a request that changes nothing reports nothing, and a new pod is Ready within the longest start-up time.
func testScale(t *testing.T, app *sim.App, engine sim.Engine) {
	t.Helper()
	if err := engine.Reset(1, nil); err != nil {
		t.Fatal(err)
	}
	st := engine.State()
	svc := &app.Services[0]
	same := sim.ScaleRequest{Service: 0, Replicas: st.Services[0].Spec, QuotaMillis: st.Services[0].QuotaMillis, Pool: sim.AnyPool}
	if got := engine.Scale(same); got != (sim.ScaleResult{}) {
		t.Errorf("asking for what is there: %+v", got)
	}
	if got := engine.Scale(sim.ScaleRequest{Service: 0, Replicas: svc.InitialReplicas + 1, Pool: sim.AnyPool}); got.Added != 1 {
		t.Errorf("one more replica: %+v", got)
	}
	none := sim.TickLoad{RPS: make([]float64, len(app.Endpoints)), Arrivals: make([]float64, len(app.Endpoints))}
	longest := int((svc.StartupTime()+svc.StartupJitter)/sim.Tick) + 2
	for tick := 1; engine.State().Services[0].Ready <= svc.InitialReplicas; tick++ {
		if tick > longest {
			t.Fatalf("the new replica of %s is not ready after %d s", svc.Name, tick)
		}
		engine.Step(none)
	}
	if at := engine.State().At; at < svc.StartupFixed {
		t.Errorf("the new replica of %s is ready after %v, the fixed part alone takes %v", svc.Name, at, svc.StartupFixed)
	}
}

// testCompletes: well below saturation everything that is offered completes, and each completion has one latency.
func testCompletes(t *testing.T, app *sim.App, engine sim.Engine) {
	t.Helper()
	if err := engine.Reset(1, nil); err != nil {
		t.Fatal(err)
	}
	load := sim.TickLoad{RPS: make([]float64, len(app.Endpoints)), Arrivals: make([]float64, len(app.Endpoints))}
	latencies := make([]sim.Histogram, len(app.Endpoints))
	offered := make([]float64, len(app.Endpoints))
	for range 300 {
		for e := range load.RPS {
			load.RPS[e], load.Arrivals[e] = 4, 4
		}
		engine.Step(load)
		if engine.State().Window > 0 {
			engine.AddLatencies(latencies)
			for e := range offered {
				offered[e] += engine.State().Endpoints[e].Offered
			}
		}
	}
	for e := range offered {
		if offered[e] != 1200 {
			t.Errorf("endpoint %d: %v requests counted, 1200 offered", e, offered[e])
		}
		// What is on its way at the end may be missing: a few requests at such a load.
		if got := latencies[e].Count(); got > 1200*(1+1e-9) || got < 1200-20 {
			t.Errorf("endpoint %d: %v latencies of 1200 requests", e, got)
		}
	}
}
