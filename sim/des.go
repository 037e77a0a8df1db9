package sim

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/grlscaler/grlscaler/sim/rng"
)

// DES is the request-level engine: every request walks the call tree, every visit is served by one replica. It is what
// the fluid engine is tested against, and is itself held to the closed forms of queueing theory.
//
// docs/des.md says what is simulated and how. The files: desvisit.go (the life of a visit), desreplica.go (processor
// sharing under a CFS quota), desbalance.go (replicas, connections, retries), desevents.go (event queues).
type DES struct {
	app *App
	cl  *cluster
	st  State

	now    float64 // ms
	ticks  int     // in the open window
	seed   uint64
	timers timerHeap
	busy   replicaHeap
	steps  []step

	replicas     []desReplica
	freeReplicas []int32
	nodes        []desNode
	ops          []desOp
	stats        []desService
	endpoints    []desEndpoint
	maxInside    int

	visits     []visit
	freeVisits []int32

	classes       []deadlines
	endpointClass []int32
	opServed      []float64 // since Reset: visits of each operation, and how long they waited for calls
	opCallMs      []float64
	retries       []step // that wait for their turn
	freeRetries   []uint32
	clients       []connection

	source   *splitMix // of the request that draws
	random   *rand.Rand
	balance  *rng.Stream // connections, back-offs
	when     *rng.Stream // times of arrivals within a tick
	requests *rng.Stream // generators of requests
	arrivals []arrival
	collect  []Histogram // [service] of CollectVisits
	carry    []float64   // [endpoint] fraction of an arrival left over
}

var (
	_ Engine    = (*DES)(nil)
	_ PodLister = (*DES)(nil)
)

// DESOptions configures a [DES]. The zero value is the default.
type DESOptions struct {
	// MaxVisits bounds the visits that a service holds, waiting ones included, over all its replicas; it refuses
	// others, and State counts them as Overflow. It bounds the memory of an overload. 0 means 50,000.
	MaxVisits int
}

const (
	defaultMaxVisits = 50_000
	// maxTickArrivals and maxTickVisits bound the requests that are let in in one tick, and the visits that they make without
	// retries; others are refused at the door.
	maxTickArrivals = 500_000
	maxTickVisits   = 5_000_000
)

type desNode struct {
	cores, busy float64
	share       float64 // of a core that each busy core gets
	replicas    []int32
}

type desOp struct {
	service    int32
	cpu, wait  sampler
	wakeMs     float64 // of one chunk that finds the replica idle
	chunks     float64 // mean number
	parallel   bool
	fractional bool // the number of calls is drawn
	calls      []desCall
}

type desCall struct {
	op          int32
	whole       int32
	fraction    float64
	class       int32 // of its timeout, -1 without
	optional    bool
	retries     int32
	budget      int32 // index into desReplica.budgets, -1 without
	retryBudget float64
}

// drawn is the number of calls that a visit with these random bits makes of its k-th call.
func (c *desCall) drawn(counts uint64, k int32) int32 {
	if c.fraction > 0 && unitOf(mix64(counts+uint64(k)*0x9e3779b97f4a7c15)) < c.fraction {
		return c.whole + 1
	}
	return c.whole
}

func (o *desOp) drawnChunks(counts uint64) float64 {
	if o.parallel {
		return o.chunks
	}
	n := int32(1)
	for k := range o.calls {
		n += o.calls[k].drawn(counts, int32(k))
	}
	return float64(n)
}

type desService struct {
	arrived, served, failed, refused, overflow float64 // visits since the window began
	sumMs, ownMs                               float64
	chunks, idle                               float64    // since Reset: chunks begun, and those that found the replica idle, each with the share of WakeMs that it paid
	reported                                   [2]float64 // chunks and idle when the last window ended
	latency                                    visitHistogram
	inside                                     int
	ready                                      []int32
	turn                                       uint32
	balancing                                  balancing
}

type desEndpoint struct {
	visits                       float64 // of one request, mean
	offered, failed, late, sumMs float64
	latency                      Histogram
	budget                       retryBudget
}

type arrival struct {
	at       float64
	endpoint int32
}

// Kinds of timers that belong to no visit; their gen is an index.
const (
	deadlineTimer = -1 - iota // of d.classes
	startTimer                // of d.replicas: begin the start-up work
	retryTimer                // of d.retries
)

// NewDES makes an engine for app. Reset it before use.
func NewDES(app *App, opt DESOptions) (*DES, error) {
	if app == nil || len(app.graph.order) == 0 {
		return nil, errors.New("des engine: the application is not compiled; read it with DecodeApp")
	}
	if opt.MaxVisits < 0 {
		return nil, errors.New("des engine: MaxVisits is negative")
	}
	d := &DES{app: app, maxInside: opt.MaxVisits, source: &splitMix{}, balance: rng.New(0, "des-balance"), when: rng.New(0, "des-arrival-times"), requests: rng.New(0, "des-requests")}
	if d.maxInside == 0 {
		d.maxInside = defaultMaxVisits
	}
	d.random = rand.New(d.source)
	d.cl = newCluster(app, &d.st)
	d.nodes = make([]desNode, len(d.st.Nodes))
	d.stats = make([]desService, len(app.Services))
	for s := range d.stats {
		d.stats[s].balancing = balancings[app.Services[s].Balancing]
	}
	d.opServed, d.opCallMs = make([]float64, len(app.Ops)), make([]float64, len(app.Ops))
	d.endpoints, d.carry = make([]desEndpoint, len(app.Endpoints)), make([]float64, len(app.Endpoints))
	d.clients = make([]connection, clientConnections)
	d.compile()
	return d, nil
}

// compile puts operations, timeouts and retry budgets into the form that the hot path reads.
func (d *DES) compile() {
	class := func(timeoutMs float64) int32 {
		if timeoutMs <= 0 {
			return -1
		}
		k := slices.IndexFunc(d.classes, func(q deadlines) bool { return q.patienceMs == timeoutMs })
		if k < 0 {
			k = len(d.classes)
			d.classes = append(d.classes, deadlines{patienceMs: timeoutMs})
		}
		return int32(k)
	}
	budgets := make([]int32, len(d.app.Services))
	d.ops = make([]desOp, len(d.app.Ops))
	for o := range d.ops {
		op, x := &d.app.Ops[o], &d.ops[o]
		*x = desOp{service: int32(op.Service), cpu: newSampler(op.CPUMs, op.CV, op.Dist), wait: newSampler(op.WaitMs, op.WaitCV, op.WaitDist), parallel: op.Parallel && len(op.Calls) > 0}
		x.chunks = 1
		for _, c := range op.Calls {
			whole, fraction := math.Modf(c.Mean)
			call := desCall{op: int32(c.Op), whole: int32(whole), fraction: fraction, class: class(c.TimeoutMs), optional: c.Optional, retries: int32(c.Retries), budget: -1, retryBudget: c.RetryBudget}
			if c.RetryBudget > 0 {
				call.budget = budgets[op.Service]
				budgets[op.Service]++
			}
			x.calls = append(x.calls, call)
			x.fractional = x.fractional || fraction > 0
			x.chunks += c.Mean
		}
		if x.parallel {
			x.chunks = 2
		}
		x.wakeMs = op.WakeMs / x.chunks
	}
	for e := range d.app.Endpoints {
		d.endpointClass = append(d.endpointClass, class(d.app.Endpoints[e].TimeoutMs))
		for _, v := range d.app.graph.visits[e*len(d.ops) : (e+1)*len(d.ops)] {
			d.endpoints[e].visits += v
		}
	}
}

// State returns the truth at the present time.
func (d *DES) State() *State { return &d.st }

// Reset puts the engine to time 0.
func (d *DES) Reset(seed uint64, replicas []int) error {
	if err := d.cl.reset(seed, replicas); err != nil {
		return err
	}
	d.seed, d.now, d.ticks = seed, 0, 0
	d.balance.Reseed(seed, "des-balance")
	d.when.Reseed(seed, "des-arrival-times")
	d.requests.Reseed(seed, "des-requests")
	d.timers, d.busy, d.steps = d.timers[:0], d.busy[:0], d.steps[:0]
	d.visits, d.freeVisits = d.visits[:0], d.freeVisits[:0]
	d.retries, d.freeRetries = d.retries[:0], d.freeRetries[:0]
	for k := range d.classes {
		d.classes[k].first, d.classes[k].size = 0, 0
	}
	d.freeReplicas = d.freeReplicas[:0]
	for i := len(d.replicas) - 1; i >= 0; i-- {
		d.replicas[i].inUse = false
		d.freeReplicas = append(d.freeReplicas, int32(i))
	}
	for n := range d.nodes {
		d.nodes[n] = desNode{cores: d.st.Nodes[n].CPUMillis / 1000, share: 1, replicas: d.nodes[n].replicas[:0]}
	}
	for s := range d.stats {
		x := &d.stats[s]
		x.clear()
		x.inside, x.turn, x.chunks, x.idle = 0, 0, 0, 0
		x.reported = [2]float64{}
	}
	for e := range d.endpoints {
		d.endpoints[e] = desEndpoint{visits: d.endpoints[e].visits}
	}
	clear(d.carry)
	clear(d.opServed)
	clear(d.opCallMs)
	clear(d.clients)
	d.reconcile()
	return nil
}

// Scale carries out one request.
func (d *DES) Scale(req ScaleRequest) ScaleResult {
	var r ScaleResult
	if req.QuotaMillis > 0 {
		r.QuotaChanged = d.cl.setQuota(req.Service, req.QuotaMillis)
	}
	if req.Replicas != KeepReplicas {
		r.Added, r.Removed = d.cl.scale(req.Service, req.Replicas, req.Pool)
	}
	if r.QuotaChanged || r.Removed > 0 {
		d.cl.placePending()
		d.cl.nextEvent()
	}
	if r != (ScaleResult{}) {
		d.reconcile()
	}
	if d.ticks == 0 { // between windows: the next one starts with the new replicas
		d.cl.changed = false
	}
	return r
}

// Step advances one tick. Pods that become ready at its end close the window early.
func (d *DES) Step(load TickLoad) {
	if d.ticks == 0 {
		for e := range d.endpoints {
			d.endpoints[e].latency.Reset()
		}
	}
	d.drawArrivals(load)
	d.ticks++
	d.st.At += Tick
	d.run(float64(d.st.At) / float64(time.Millisecond))
	d.st.Window = 0
	due := d.st.At >= d.cl.events
	if d.st.At%(WindowTicks*Tick) == 0 || due || d.cl.changed {
		d.closeWindow()
	}
	if due {
		d.awaitStartups()
		d.cl.advance()
		d.cl.changed = false
		d.reconcile()
	}
}

// run carries out all events up to time end.
func (d *DES) run(end float64) {
	k := 0
	for {
		// The earliest of the three queues; among equals in this order.
		at, kind := end, 0
		if k < len(d.arrivals) && d.arrivals[k].at < at {
			at, kind = d.arrivals[k].at, 1
		}
		if len(d.timers) > 0 && d.timers[0].at < at {
			at, kind = d.timers[0].at, 2
		}
		if len(d.busy) > 0 && d.busy[0].at < at {
			at, kind = d.busy[0].at, 3
		}
		d.now = at
		switch kind {
		case 1:
			d.sendRequest(int(d.arrivals[k].endpoint), 0, at, d.requests.Uint64())
			d.settle()
			k++
		case 2:
			d.fire(d.timers.pop())
		case 3:
			d.replicaEvent(d.busy[0].replica)
		default:
			return
		}
	}
}

// fire carries out a timer.
func (d *DES) fire(t timer) {
	switch t.visit {
	case deadlineTimer:
		d.giveUp(&d.classes[t.gen], t.gen)
	case startTimer:
		i := int32(t.gen)
		if r := &d.replicas[i]; r.inUse && r.phase == PodStarting && r.startup && len(r.run) == 0 {
			d.sync(r)
			d.addChunk(r, d.app.Services[r.service].StartupCPUMs, startupWork)
			d.replan(i)
		}
	case retryTimer:
		s := d.retries[t.gen]
		d.freeRetries = append(d.freeRetries, t.gen)
		d.carryOut(s)
	default:
		if v := &d.visits[t.visit]; v.gen == t.gen && v.state == visitWaiting {
			d.compute(t.visit)
		}
	}
	d.settle()
}

// giveUp ends the visits of a queue of deadlines that are still there at theirs.
func (d *DES) giveUp(q *deadlines, class uint32) {
	for q.size > 0 {
		t := *q.head()
		live := d.visits[t.visit].gen == t.gen
		if live && t.at > d.now {
			break
		}
		q.pop()
		if live {
			d.fail(t.visit)
		}
	}
	if q.size > 0 {
		d.timers.push(timer{q.head().at, deadlineTimer, class})
	}
}

// drawArrivals draws the times of a tick's arrivals: given their number, those of a Poisson process are uniform.
func (d *DES) drawArrivals(load TickLoad) {
	d.arrivals = d.arrivals[:0]
	total, visits := 0.0, 0.0
	for e, n := range load.Arrivals {
		total += n
		visits += n * d.endpoints[e].visits
	}
	keep := min(1, maxTickArrivals/max(total, 1), maxTickVisits/max(visits, 1))
	for e, n := range load.Arrivals {
		x := &d.endpoints[e]
		d.carry[e] += n * keep
		whole := math.Floor(d.carry[e] + 1e-9)
		d.carry[e] -= whole
		x.offered += whole + n*(1-keep)
		x.failed += n * (1 - keep)
		d.stats[d.app.Entry].overflow += n * (1 - keep)
		for range int(whole) {
			d.arrivals = append(d.arrivals, arrival{d.now + d.when.Float64()*1000*Tick.Seconds(), int32(e)})
		}
	}
	d.sortArrivals()
}

func (d *DES) sortArrivals() {
	slices.SortFunc(d.arrivals, func(a, b arrival) int {
		switch {
		case a.at < b.at:
			return -1
		case a.at > b.at:
			return 1
		}
		return int(a.endpoint - b.endpoint)
	})
}
