package sim

import (
	"errors"
	"math"
	"time"
)

// Fluid is the analytic engine: flows of requests instead of requests. In each window (5 s) it propagates the
// offered intensity along the call graph, solves every service's stationary performance (queueing.go),
// composes latencies along the call tree, and carries backlog of overloaded services over to the next window.
//
// What it leaves out is listed in docs/fluid.md.
type Fluid struct {
	app *App
	g   *compiled
	x   *response
	cl  *cluster
	st  State

	ticks   int       // ticks in the open window
	rps     []float64 // [endpoint] sum of intensities over the open window
	arrived []float64 // [endpoint] arrivals in the open window

	load      []serviceLoad
	perf      []servicePerf
	ops       []duration // [op] time of one visit, calls included
	opVisits  []float64  // [op] visits/s offered
	backlog   []float64  // [op] visits waiting
	backlogMs []float64  // [service] CPU ms that its backlog stands for
	podCPU    []float64  // [service] CPU of a ready pod over the last window
	holdMs    []float64  // [service] how long a visit holds a worker but for backlogs below it (room)
	anyWaits  bool
	ages      []crowdAge
	crowd     []float64 // [service] requests in the backlog for each one's worth of work
	endpoints []duration
	failShare []float64 // [endpoint] share of requests that fail
	completed []float64 // [endpoint] requests completed in the last window
}

var _ Engine = (*Fluid)(nil)

// FluidOptions configures a [Fluid]. The zero value is the default.
type FluidOptions struct {
	// FitVisits is how many visits the request-level engine simulates to find out how the application departs from the
	// formulas. More take longer and give smaller errors; 0 means 1.2 million, about half a second. What the first engine
	// or [Planner] of an application has found holds for all.
	FitVisits float64
}

// NewFluid makes an engine for app. Reset it before use.
func NewFluid(app *App, opt FluidOptions) (*Fluid, error) {
	if app == nil || len(app.graph.order) == 0 {
		return nil, errors.New("fluid engine: the application is not compiled; read it with DecodeApp")
	}
	f := &Fluid{app: app, g: &app.graph, x: app.response(opt.FitVisits)}
	f.cl = newCluster(app, &f.st)
	nE, nO, nS := len(app.Endpoints), len(app.Ops), len(app.Services)
	f.rps, f.arrived = make([]float64, nE), make([]float64, nE)
	f.endpoints, f.failShare, f.completed = make([]duration, nE), make([]float64, nE), make([]float64, nE)
	f.load, f.perf = make([]serviceLoad, nS), make([]servicePerf, nS)
	f.crowd, f.ages = make([]float64, nS), make([]crowdAge, nS)
	for s := range f.ages {
		f.ages[s].windows = make([]agedWindow, 0, maxAges)
	}
	f.backlogMs, f.holdMs, f.podCPU = make([]float64, nS), make([]float64, nS), make([]float64, nS)
	f.ops, f.opVisits, f.backlog = make([]duration, nO), make([]float64, nO), make([]float64, nO)
	return f, nil
}

// State returns the truth at the present time.
func (f *Fluid) State() *State { return &f.st }

// Reset puts the engine to time 0.
func (f *Fluid) Reset(seed uint64, replicas []int) error {
	if err := f.cl.reset(seed, replicas); err != nil {
		return err
	}
	f.ticks = 0
	clear(f.rps)
	clear(f.arrived)
	clear(f.backlog)
	clear(f.backlogMs)
	clear(f.holdMs)
	clear(f.podCPU)
	clear(f.completed)
	f.anyWaits = false
	for s := range f.crowd {
		f.crowd[s] = 1
		f.ages[s].windows, f.ages[s].served, f.ages[s].endS = f.ages[s].windows[:0], 0, 0
	}
	return nil
}

// Scale carries out one request.
func (f *Fluid) Scale(req ScaleRequest) ScaleResult {
	var r ScaleResult
	if req.QuotaMillis > 0 {
		r.QuotaChanged = f.cl.setQuota(req.Service, req.QuotaMillis)
	}
	if req.Replicas != KeepReplicas {
		r.Added, r.Removed = f.cl.scale(req.Service, req.Replicas, req.Pool)
	}
	if r.QuotaChanged || r.Removed > 0 {
		f.cl.placePending()
		f.cl.nextEvent()
	}
	if f.ticks == 0 { // between windows: the next one starts with the new replicas
		f.cl.changed = false
	}
	return r
}

// Step advances one tick. Pods that become ready at its end close the window early.
func (f *Fluid) Step(load TickLoad) {
	for e, r := range load.RPS {
		f.rps[e] += r
		f.arrived[e] += load.Arrivals[e]
	}
	f.ticks++
	f.st.At += Tick
	f.st.Window = 0
	due := f.st.At >= f.cl.events
	if f.st.At%(WindowTicks*Tick) == 0 || due || f.cl.changed {
		f.closeWindow()
	}
	if due {
		f.cl.advance()
		f.cl.changed = false
	}
}

// closeWindow computes flows and latencies of the window that ends now.
func (f *Fluid) closeWindow() {
	st := &f.st
	st.Window = f.ticks
	dt := float64(f.ticks) * Tick.Seconds()
	f.offered(dt)
	overloaded := f.anyWaits
	for s := range f.perf {
		p := &f.perf[s]
		p.solve(f.load[s], &f.cl.capacity[s], &f.x.services[s])
		p.delayMs = 0
		overloaded = overloaded || p.overload >= 1 || f.workersBind(s)
	}
	clear(f.failShare)
	if overloaded {
		f.queue(dt)
	} else {
		for s := range st.Services {
			v := &st.Services[s]
			v.ServedRPS, v.FailedRPS, v.Backlog, v.ErrorRate = v.ArrivalRPS, 0, 0, 0
		}
	}
	composeTimes(f.app, f.x, f.perf, f.ops, f.endpoints)
	f.usage(dt)
	f.report(dt)
	f.ticks = 0
	clear(f.rps)
	clear(f.arrived)
	f.cl.changed = false
}

// offered fills load with what the window's intensity asks of each service, and ArrivalRPS with what the
// requests that really arrived ask. The formulas need the former (they hold the Poisson scatter already);
// metrics and usage show the latter.
func (f *Fluid) offered(dt float64) {
	clear(f.load)
	nS := len(f.load)
	services := f.st.Services
	for s := range services {
		services[s].ArrivalRPS = 0
	}
	perTick := 1 / float64(f.ticks)
	for e, sum := range f.rps {
		r, a := sum*perTick, f.arrived[e]/dt
		if r == 0 && a == 0 {
			continue
		}
		row := e * nS
		addOffered(f.load, f.g.svcVisit[row:row+nS], f.g.svcCPU[row:row+nS], f.g.svcWake[row:row+nS], r)
		for s, v := range f.g.svcVisit[row : row+nS] {
			services[s].ArrivalRPS += a * v
		}
	}
}

func addOffered(load []serviceLoad, visits, cpu, wake []float64, rps float64) {
	visits, cpu, wake = visits[:len(load)], cpu[:len(load)], wake[:len(load)]
	for s := range load {
		l := &load[s]
		l.visits += rps * visits[s]
		l.cpuMs += rps * cpu[s]
		l.wakeMs += rps * wake[s]
	}
}

// workersBind tells whether the workers of a service, rather than its CPU, limit what it can do: each holds a
// worker for its whole latency, calls included (Little's law, with the last window's latency).
func (f *Fluid) workersBind(s int) bool {
	w := f.app.Services[s].Workers
	return w > 0 && f.load[s].visits > f.workerRPS(s)
}

func (f *Fluid) workerRPS(s int) float64 {
	c := &f.cl.capacity[s]
	if !(f.holdMs[s] > 0) {
		return math.Inf(1)
	}
	return c.replicas * float64(f.app.Services[s].Workers) * 1000 / f.holdMs[s]
}

// usage computes CPU and memory of services and nodes, and how much of their quotas pods on full nodes get.
func (f *Fluid) usage(dt float64) {
	st := &f.st
	for n := range st.Nodes {
		st.Nodes[n].CPUUsedMillis, st.Nodes[n].MemUsedMiB = 0, 0
	}
	for s := range st.Services {
		v, p, svc, c := &st.Services[s], &f.perf[s], &f.app.Services[s], &f.cl.capacity[s]
		// The stationary utilisation, shifted by what really arrived (or got through) against the intensity.
		util := p.util
		if offered := f.load[s].visits; offered > 0 && v.ServedRPS < offered*1e6 {
			util = min(1, util*v.ServedRPS/offered)
			if p.overload >= 1 || f.backlogMs[s] > 0 {
				util = max(util, min(1, p.util))
			}
		}
		perPod := svc.BaseCPUMillis + util*c.usableMillis()
		v.CPUUsedMillis = c.replicas*perPod + float64(v.Terminating)*svc.BaseCPUMillis
		v.MemMiB = svc.MemBaseMiB
		if c.replicas > 0 {
			v.MemMiB = min(svc.MemLimitMiB, v.MemMiB+svc.MemPerRPSMiB*v.ServedRPS/c.replicas)
			f.cl.warm(s, v.ServedRPS*dt/c.replicas)
		}
		f.podCPU[s] = perPod
		f.onNodes(s, perPod)
	}
	f.contention()
}

// onNodes adds the CPU and memory of a service's pods to their nodes, and to the service the CPU of those that start.
func (f *Fluid) onNodes(s int, perPod float64) {
	st := &f.st
	v := &st.Services[s]
	if v.Starting+v.Terminating == 0 { // all pods on nodes are alike
		for n, k := range st.Placed[s*len(st.Nodes) : (s+1)*len(st.Nodes)] {
			if k > 0 {
				st.Nodes[n].CPUUsedMillis += float64(k) * perPod
				st.Nodes[n].MemUsedMiB += float64(k) * v.MemMiB
			}
		}
		return
	}
	for i := range f.cl.pods[s] {
		pod := &f.cl.pods[s][i]
		if pod.phase == PodPending {
			continue
		}
		cpu := f.usedBy(s, pod)
		if pod.phase == PodStarting {
			v.CPUUsedMillis += cpu
		}
		n := &st.Nodes[pod.node]
		n.CPUUsedMillis += cpu
		n.MemUsedMiB += v.MemMiB
	}
}

// usedBy is the CPU that a pod used over the last window.
func (f *Fluid) usedBy(s int, p *pod) float64 {
	svc := &f.app.Services[s]
	switch p.phase {
	case PodReady:
		return f.podCPU[s]
	case PodStarting:
		return min(f.st.Services[s].QuotaMillis, svc.StartupCPUMs/max(p.eventAt-p.startedAt, Tick).Seconds())
	case PodTerminating:
		return svc.BaseCPUMillis
	}
	return 0
}

// contention cuts the share of their quotas that pods get where a node's pods want more CPU than it has.
// It acts on the next window. A service's share is the mean over its ready replicas.
func (f *Fluid) contention() {
	full := false
	for n := range f.st.Nodes {
		if f.st.Nodes[n].CPUUsedMillis > f.st.Nodes[n].CPUMillis {
			full = true
		}
	}
	for s := range f.cl.capacity {
		c := &f.cl.capacity[s]
		if !full {
			// Recover slowly, or the share would flip between 1 and its value from window to window.
			c.share = min(1, c.share*1.05)
			continue
		}
		sum := 0.0
		for i := range f.cl.pods[s] {
			if pod := &f.cl.pods[s][i]; pod.phase == PodReady {
				n := &f.st.Nodes[pod.node]
				sum += min(1, n.CPUMillis/max(n.CPUUsedMillis, 1e-9))
			}
		}
		if c.replicas > 0 {
			c.share = max(0.05, c.share*sum/c.replicas)
		}
	}
}

// report writes endpoints' counts and services' latencies into the state.
func (f *Fluid) report(dt float64) {
	st := &f.st
	for e := range st.Endpoints {
		l, ep := f.x.endpoints[e].latencyOf(f.endpoints[e]), &st.Endpoints[e]
		offered := f.arrived[e]
		failed := offered * f.failShare[e]
		// What has waited longer than its client does has failed.
		late := l.tailAbove(f.app.Endpoints[e].SLOMs)
		if l.total() > 0.1*f.app.Endpoints[e].TimeoutMs {
			gone := l.tailAbove(f.app.Endpoints[e].TimeoutMs)
			failed += (offered - failed) * gone
			if gone < 1 {
				late = max(0, (late-gone)/(1-gone))
			}
		}
		f.completed[e] = offered - failed
		*ep = EndpointState{Offered: offered, Failed: failed, Late: f.completed[e] * late, MeanMs: l.total(), P95Ms: l.p95()}
	}
	for s := range st.Services {
		v, p := &st.Services[s], &f.perf[s]
		v.Throttled, v.WakeShare = p.stalled, p.idle
		all, own, visited := f.visitOf(s)
		if !visited {
			v.MeanMs, v.OwnMs, v.StallMs, v.P95Ms, f.holdMs[s] = 0, 0, 0, 0, 0
			continue
		}
		v.MeanMs, v.OwnMs, v.StallMs = all.mean, own, p.stallMs
		v.P95Ms = visitP95(all, own, p)
		f.holdMs[s] = all.mean - all.delay
	}
}

// visitP95 is about the 95th percentile of a visit of which only means are known: as if what is left when stalls and
// backlog are taken off had the p95 of an Erlang-3 time, 2.1 times its mean, and stalls, which few visits meet, were
// exponential where they are met.
func visitP95(all duration, own float64, p *servicePerf) float64 {
	const erlang3 = 2.1
	smooth := max(0, all.mean-all.stall-all.delay)
	met := min(1, max(p.stalled, all.stall/cfsPeriodMs))
	p95 := erlang3 * smooth
	if met > 0.05 && all.stall > 0 {
		p95 = max(p95, smooth+all.stall/met*math.Ln2*log2m(met*20))
	}
	return p95 + all.delay
}

// visitOf is the time of a visit of service s, over all its operations as they are visited, and its own part.
func (f *Fluid) visitOf(s int) (all duration, own float64, visited bool) {
	ops, p := f.g.opsOf[s], &f.perf[s]
	if len(ops) == 1 {
		o := ops[0]
		return f.ops[o], visitTime(&f.app.Ops[o], f.g.workShare[o], p).mean, f.load[s].visits > 0
	}
	weight := 0.0
	nO := len(f.ops)
	for _, o := range ops {
		w := 0.0
		for e, sum := range f.rps {
			w += sum * f.g.visits[e*nO+o]
		}
		weight += w
		all.add(w, f.ops[o])
		own += w * visitTime(&f.app.Ops[o], f.g.workShare[o], p).mean
	}
	if weight <= 0 {
		return duration{}, 0, false
	}
	return duration{all.mean / weight, all.stall / weight, all.delay / weight}, own / weight, true
}

// AddLatencies adds the completed requests of the last window.
func (f *Fluid) AddLatencies(perEndpoint []Histogram) {
	for e := range perEndpoint {
		l := f.x.endpoints[e].latencyOf(f.endpoints[e])
		l.addTo(&perEndpoint[e], f.completed[e])
	}
}

// Pods appends all pods to dst, by service and in order of creation.
func (f *Fluid) Pods(dst []PodInfo) []PodInfo {
	for s := range f.cl.pods {
		for i := range f.cl.pods[s] {
			p := &f.cl.pods[s][i]
			dst = append(dst, PodInfo{ID: p.id, Service: s, Node: p.node, Phase: p.phase, CreatedAt: p.createdAt,
				StartedAt: p.startedAt, ReadyChangedAt: p.readyChanged, CPUUsedMillis: f.usedBy(s, p)})
		}
	}
	return dst
}

// WindowDuration is the length of a full window.
const WindowDuration = time.Duration(WindowTicks) * Tick
