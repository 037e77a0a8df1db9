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

	intensity   []float64 // [endpoint] mean intensity over the last window
	arrivalRate []float64 // [endpoint] arrivals/s in the last window
	solvers     []solver  // [service]
	// settled tells that the last window was stationary, without a backlog: while intensities and capacity stay the same
	// its solution holds, and only what follows from arrivals is counted anew.
	settled bool
	// roomy tells that no workers bind at that solution.
	roomy bool

	load      []serviceLoad
	perf      []servicePerf
	ops       []duration // [op] time of one visit, calls included
	opVisits  []float64  // [op] visits/s offered
	entering  []float64  // [op] visits/s from outside
	outflow   []float64  // [op] visits/s that have had their own work, in an overloaded window
	share     []float64  // [service] its outflow over what came
	held      []int      // services whose share is not 1
	backlog   []float64  // [op] visits waiting
	backlogMs []float64  // [service] CPU ms that its backlog stands for
	servedCPU []float64  // [service] CPU of a ready pod over the last window
	holdMs    []float64  // [service] how long a visit holds a worker but for its work and backlogs below it (room)
	workMs    []float64  // [service] and its work, on a core of its own
	anyWaits  bool
	stations  []float64 // scratch of closedRPS
	ages      []crowdAge
	passing   []float64 // [service] visits/s that its workers complete, over the last windows
	crowd     []float64 // [service] requests in the backlog for each one's worth of work
	endpoints []duration
	own       []float64      // [op] time of one visit in its own service
	answers   []endpointPerf // [endpoint]
	failShare []float64      // [endpoint] share of requests that fail
	completed []float64      // [endpoint] requests completed in the last window
	units     []unitLatency  // [endpoint]

	// The waits of now, and what follows from them.
	tree    callTree
	waitMs  []float64 // [op] time of a visit without work, calls included
	timeCV  []float64 // [op] coefficient of variation of a visit on an idle system, calls included
	slowed  bool
	kept    []float64 // [service] share of its visits that are made although some above it are refused
	strands []float64 // [endpoint] requests that ended with a pod in the last window

	mix     []mixCell       // [service*endpoints+endpoint]
	pooled  []int           // services with a limit of workers
	traits  []serviceTraits // [service]
	nodeUse []nodeUse       // [node] sums over services
	spread  spread
	bunch   bunching

	nodeStretch []float64 // [node] how much longer work takes beside other pods
	nodeSteps   []*[stretchTable + 1]float64
	stretched   uint64 // version of the pods for which services' were found
}

// mixCell is what one request of an endpoint asks of a service.
type mixCell struct{ visits, cpuMs, wakeMs float64 }

// endpointPerf is how requests of an endpoint fare in a stationary window.
type endpointPerf struct {
	sloMs, timeoutMs float64 // of the endpoint

	meanMs, p95Ms float64
	late          float64 // share of the completed ones above the SLO
	gone          float64 // share that its clients have given up
}

var _ Engine = (*Fluid)(nil)

// FluidOptions configures a [Fluid]. The zero value is the default.
type FluidOptions struct {
	// FitVisits is how many visits the request-level engine simulates to find out how the application departs from the
	// formulas. More take longer and give smaller errors; 0 means 2 million, about a second. What the first engine
	// or [Planner] of an application has found holds for all.
	FitVisits float64
}

// NewFluid makes an engine for app. Reset it before use.
func NewFluid(app *App, opt FluidOptions) (*Fluid, error) {
	if app == nil || len(app.graph.order) == 0 {
		return nil, errors.New("fluid engine: the application is not compiled; read it with DecodeApp")
	}
	f := &Fluid{app: app, g: &app.graph}
	f.takeWaits(app.response(opt.FitVisits))
	f.cl = newCluster(app, &f.st)
	nE, nO, nS := len(app.Endpoints), len(app.Ops), len(app.Services)
	f.rps, f.arrived = make([]float64, nE), make([]float64, nE)
	f.intensity, f.arrivalRate = make([]float64, nE), make([]float64, nE)
	f.endpoints, f.answers = make([]duration, nE), make([]endpointPerf, nE)
	f.failShare, f.completed = make([]float64, nE), make([]float64, nE)
	f.units, f.kept, f.strands = make([]unitLatency, nE), make([]float64, nS), make([]float64, nE)
	f.load, f.perf, f.solvers = make([]serviceLoad, nS), make([]servicePerf, nS), make([]solver, nS)
	f.bunch = newBunching(nS)
	f.crowd, f.ages, f.passing = make([]float64, nS), make([]crowdAge, nS), make([]float64, nS)
	for s := range f.ages {
		f.ages[s].windows = make([]agedWindow, 0, maxAges)
	}
	f.backlogMs, f.holdMs, f.workMs, f.servedCPU = make([]float64, nS), make([]float64, nS), make([]float64, nS), make([]float64, nS)
	f.ops, f.own, f.opVisits, f.backlog = make([]duration, nO), make([]float64, nO), make([]float64, nO), make([]float64, nO)
	f.stations = make([]float64, 0, nS)
	f.entering, f.outflow, f.share, f.held = make([]float64, nO), make([]float64, nO), make([]float64, nS), make([]int, 0, nS)
	f.mix, f.traits = make([]mixCell, nS*nE), make([]serviceTraits, nS)
	for s := range app.Services {
		svc := &app.Services[s]
		f.traits[s] = serviceTraits{svc.BaseCPUMillis, svc.MemBaseMiB, svc.MemPerRPSMiB, svc.WarmupFactor > 1, svc.WarmupCPUMs > 0}
		if svc.Workers > 0 {
			f.pooled = append(f.pooled, s)
		}
		for e := range nE {
			i := e*nS + s
			f.mix[s*nE+e] = mixCell{f.g.svcVisit[i], f.g.svcCPU[i], f.g.svcWake[i]}
		}
	}
	for e := range app.Endpoints {
		f.answers[e] = endpointPerf{sloMs: app.Endpoints[e].SLOMs, timeoutMs: app.Endpoints[e].TimeoutMs}
	}
	f.nodeUse, f.nodeStretch = make([]nodeUse, len(f.st.Nodes)), make([]float64, len(f.st.Nodes))
	for n := range f.st.Nodes {
		pool := f.st.Nodes[n].Pool
		if n > 0 && pool == f.st.Nodes[n-1].Pool {
			f.nodeSteps = append(f.nodeSteps, f.nodeSteps[n-1])
			continue
		}
		f.nodeSteps = append(f.nodeSteps, nodeSteps(app.Pools[pool].CPUMillis))
	}
	f.spread.from = make([]int, nS+1)
	f.spread.cells = make([]nodePods, 0, nS*len(f.st.Nodes))
	return f, nil
}

// State returns the truth at the present time.
func (f *Fluid) State() *State { return &f.st }

// Reset puts the engine to time 0.
func (f *Fluid) Reset(seed uint64, replicas []int) error {
	if err := f.cl.reset(seed, replicas); err != nil {
		return err
	}
	f.ticks, f.settled, f.spread.version, f.stretched = 0, false, 0, 0
	for n := range f.nodeStretch {
		f.nodeStretch[n] = 1
	}
	clear(f.rps)
	clear(f.arrived)
	clear(f.backlog)
	clear(f.backlogMs)
	clear(f.holdMs)
	clear(f.passing)
	clear(f.bunch.of)
	clear(f.opVisits)
	clear(f.workMs)
	clear(f.servedCPU)
	clear(f.completed)
	clear(f.strands)
	f.anyWaits = false
	if f.slowed {
		f.resetWaits()
	}
	for s := range f.crowd {
		f.crowd[s] = 1
		f.ages[s].clear()
	}
	return nil
}

// Scale carries out one request.
func (f *Fluid) Scale(req ScaleRequest) ScaleResult {
	r := f.cl.apply(req)
	if r.Removed+r.Evicted > 0 {
		f.strand()
	}
	if f.ticks == 0 { // between windows: the next one starts with the new replicas
		f.cl.changed = false
	}
	return r
}

// Step advances one tick. Pods that become ready at its end close the window early.
func (f *Fluid) Step(load TickLoad) {
	rps := f.rps
	intensities, arrivals, arrived := load.RPS[:len(rps)], load.Arrivals[:len(rps)], f.arrived[:len(rps)]
	for e := range rps {
		rps[e] += intensities[e]
		arrived[e] += arrivals[e]
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
		f.strand()
		f.cl.changed = false
	}
}

// closeWindow computes flows and latencies of the window that ends now.
func (f *Fluid) closeWindow() {
	f.st.Window = f.ticks
	dt := float64(f.ticks) * Tick.Seconds()
	same := f.rates(dt)
	same = f.prepare() && same
	if same && f.settled && f.hasRoom() {
		f.arrivals()
		f.pass()
	} else {
		f.solve(dt)
	}
	f.usage(dt)
	if f.cl.anyLost {
		f.loseStranded(dt)
	}
	f.count()
	f.ticks = 0
	clear(f.rps)
	clear(f.arrived)
	f.cl.changed = false
}

// rates notes the window's intensities and arrivals, and tells whether the intensities are those of the window before.
func (f *Fluid) rates(dt float64) bool {
	same := true
	perTick, perSecond := 1/float64(f.ticks), 1/dt
	for e, sum := range f.rps {
		r := sum * perTick
		same = same && r == f.intensity[e]
		f.intensity[e], f.arrivalRate[e] = r, f.arrived[e]*perSecond
	}
	return same
}

// prepare brings the solvers up to date and tells whether they were.
func (f *Fluid) prepare() bool {
	same := true
	for s := range f.solvers {
		if v, c := &f.solvers[s], &f.cl.capacity[s]; !v.madeFor(c) {
			v.prepare(c, &f.x.services[s])
			same = false
		}
	}
	return same
}

// solve finds the window's solution.
func (f *Fluid) solve(dt float64) {
	f.offered()
	if f.cl.refusing > 0 {
		f.refuse()
	}
	overloaded := f.anyWaits || f.anyWorkersBind()
	for s := range f.load {
		overloaded = overloaded || f.solvers[s].overload(&f.load[s]) >= 1
	}
	clear(f.failShare)
	f.arrivals()
	if overloaded {
		f.queue(dt)
	} else {
		bare := f.x.bareMs(f.intensity)
		for range bunchingSteps {
			for s := range f.perf {
				f.solvers[s].solve(&f.load[s], &f.perf[s], f.bunch.of[s])
			}
			if f.bunch.update(f.load, f.perf, bare) < bunchingMoves {
				break
			}
		}
		f.pass()
		if f.cl.refusing > 0 {
			f.failRefused()
		}
	}
	f.settled, f.roomy = !overloaded && f.cl.refusing == 0, false
	composeTimes(f.app, f.x, &f.tree, f.perf, f.ops, f.endpoints, f.own)
	f.answer()
	f.reportServices()
}

// pass lets everything through that arrives.
func (f *Fluid) pass() {
	for s := range f.st.Services {
		v := &f.st.Services[s]
		v.ServedRPS, v.FailedRPS, v.Backlog, v.ErrorRate = v.ArrivalRPS, 0, 0, 0
	}
}

// offered fills load with what the window's intensity asks of each service. The formulas need it, rather than what the
// requests that really arrived ask: they hold the Poisson scatter already.
func (f *Fluid) offered() {
	nE := len(f.intensity)
	for s := range f.load {
		var l serviceLoad
		cells := f.mix[s*nE : (s+1)*nE]
		for e, r := range f.intensity {
			c := &cells[e]
			l.visits += r * c.visits
			l.cpuMs += r * c.cpuMs
			l.wakeMs += r * c.wakeMs
		}
		f.load[s] = l
	}
}

// arrivals fills ArrivalRPS with what the requests that really arrived ask, which metrics and usage show.
func (f *Fluid) arrivals() {
	nE := len(f.arrivalRate)
	for s := range f.st.Services {
		visits := 0.0
		cells := f.mix[s*nE : (s+1)*nE]
		for e, a := range f.arrivalRate {
			visits += a * cells[e].visits
		}
		if f.cl.refusing > 0 {
			visits *= f.kept[s]
		}
		f.st.Services[s].ArrivalRPS = visits
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

// anyWorkersBind tells whether the workers of some service, rather than its CPU, limit what it can do: each holds a
// worker for its whole latency, calls included (Little's law, with the last window's latency).
func (f *Fluid) anyWorkersBind() bool {
	for _, s := range f.pooled {
		if v := f.load[s].visits; v > f.workersAllow(s, v) {
			return true
		}
	}
	return false
}

// hasRoom is whether no workers bind at the solution that is kept: looked at once, as nothing that it depends on changes while it is.
func (f *Fluid) hasRoom() bool {
	f.roomy = f.roomy || !f.anyWorkersBind()
	return f.roomy
}

// workerRPS is how many visits/s the workers of service s allow.
func (f *Fluid) workerRPS(s int) float64 {
	if !(f.holdMs[s]+f.workMs[s] > 0) {
		return math.Inf(1)
	}
	svc := &f.app.Services[s]
	return f.cl.capacity[s].replicas * 1000 * workerRate(svc.Workers, f.holdMs[s], f.workMs[s], float64(svc.Cores))
}

// workersAllow is how many visits/s the workers of service s allow, if that is less than are wanted.
func (f *Fluid) workersAllow(s int, wanted float64) float64 {
	rate := f.workerRPS(s)
	if rate < wanted && len(f.g.below[s]) > 0 {
		rate = max(rate, f.closedRPS(s))
	}
	return rate
}

// Pods appends all pods to dst, by service and in order of creation.
func (f *Fluid) Pods(dst []PodInfo) []PodInfo {
	for s := range f.cl.pods {
		for i := range f.cl.pods[s] {
			p := &f.cl.pods[s][i]
			dst = append(dst, PodInfo{ID: p.id, Service: s, Node: p.node, Phase: p.phase, CreatedAt: p.createdAt,
				StartedAt: p.startedAt, ReadyChangedAt: p.readyChanged, CPUUsedMillis: f.usedBy(s, p), PodResources: p.res})
		}
	}
	return dst
}

// podCPU appends what each pod used in the last window.
func (f *Fluid) podCPU(dst []float64) []float64 {
	for s := range f.cl.pods {
		alike := f.cl.capacity[s].cold <= 1+1e-9 && !f.traits[s].worksOn
		for i := range f.cl.pods[s] {
			p := &f.cl.pods[s][i]
			if alike && p.phase == PodReady {
				dst = append(dst, f.servedCPU[s])
				continue
			}
			dst = append(dst, f.usedBy(s, p))
		}
	}
	return dst
}

// WindowDuration is the length of a full window.
const WindowDuration = time.Duration(WindowTicks) * Tick
