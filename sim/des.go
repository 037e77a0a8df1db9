package sim

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/grlscaler/grlscaler/sim/rng"
)

// DES is the request-level engine: every request walks the call tree, every visit is served by one replica. It is what
// the fluid engine is tested against, and is itself held to the closed forms of queueing theory.
//
// docs/des.md says what is simulated and how. The files: desarrivals.go (clients), desvisit.go (the life of a visit),
// desreplica.go (processor sharing under a CFS quota), desbalance.go (which replica), desretry.go, destimeouts.go,
// desrandom.go (generators and distributions), desevents.go (event queues), desstate.go (pods and windows).
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
	opCallMs      []float64 // of that, in its calls
	opOwnMs       []float64 // and in its own service
	retries       []step    // that wait for their turn
	freeRetries   []uint32
	clients       []connection
	stale         int // timers whose visit is gone

	source   *splitMix // of the visit that draws
	random   *rand.Rand
	when     *rng.Stream // times of arrivals within a tick
	requests *rng.Stream // where the generators of requests start
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

const defaultMaxVisits = 50_000

type desNode struct {
	cores    float64 // that idle pods leave
	busy     float64 // that replicas would use
	share    float64 // of a core that each busy one gets
	replicas []int32
}

type desOp struct {
	service    int32
	cpu, wait  sampler
	slow       float64 // factor on the wait
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
	cancelled                                  float64 // visits whose callers gave up: neither served nor failed
	inside                                     int
	insideMs, since                            float64 // integral of inside over time, up to since
	ready                                      []int32
	turn                                       uint32
	made, nameHash                             uint64 // replicas since Reset; names their streams
	balancing                                  balancing
	queue                                      visitList // of those that wait for any replica's worker (balanceQueue)
}

type desEndpoint struct {
	visits                float64 // of one request, mean
	offered, failed, late float64
	latency               Histogram
	budget                retryBudget
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
		return nil, fmt.Errorf("des engine: MaxVisits is %d; it must be at least 0", opt.MaxVisits)
	}
	d := &DES{app: app, maxInside: opt.MaxVisits, source: &splitMix{}, when: rng.New(0, "des-arrival-times"), requests: rng.New(0, "des-requests")}
	if d.maxInside == 0 {
		d.maxInside = defaultMaxVisits
	}
	d.random = rand.New(d.source)
	d.cl = newCluster(app, &d.st)
	d.nodes = make([]desNode, len(d.st.Nodes))
	d.stats = make([]desService, len(app.Services))
	for s := range d.stats {
		d.stats[s].balancing = balancings[app.Services[s].Balancing]
		d.stats[s].nameHash = rng.Derive(0, app.Services[s].Name)
	}
	d.opServed, d.opCallMs, d.opOwnMs = make([]float64, len(app.Ops)), make([]float64, len(app.Ops)), make([]float64, len(app.Ops))
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
		*x = desOp{service: int32(op.Service), cpu: newSampler(op.CPUMs, op.CV, op.Dist), wait: newSampler(op.WaitMs, op.WaitCV, op.WaitDist), slow: 1, parallel: op.Parallel && len(op.Calls) > 0}
		x.chunks = op.chunks()
		for _, c := range op.Calls {
			whole, fraction := math.Modf(c.Mean)
			call := desCall{op: int32(c.Op), whole: int32(whole), fraction: fraction, class: class(c.TimeoutMs), optional: c.Optional, retries: int32(c.Retries), budget: -1, retryBudget: c.RetryBudget}
			if c.RetryBudget > 0 {
				call.budget = budgets[op.Service]
				budgets[op.Service]++
			}
			x.calls = append(x.calls, call)
			x.fractional = x.fractional || fraction > 0
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
	d.when.Reseed(seed, "des-arrival-times")
	d.requests.Reseed(seed, "des-requests")
	for o := range d.ops {
		d.ops[o].slow = 1
	}
	d.timers, d.busy, d.steps = d.timers[:0], d.busy[:0], d.steps[:0]
	d.visits, d.freeVisits = d.visits[:0], d.freeVisits[:0]
	d.retries, d.freeRetries, d.stale = d.retries[:0], d.freeRetries[:0], 0
	for k := range d.classes {
		d.classes[k].first, d.classes[k].size, d.classes[k].armed = 0, 0, false
	}
	d.freeReplicas = d.freeReplicas[:0]
	for i := len(d.replicas) - 1; i >= 0; i-- {
		d.replicas[i].inUse = false
		d.freeReplicas = append(d.freeReplicas, int32(i))
	}
	for n := range d.nodes {
		d.nodes[n] = desNode{share: 1, replicas: d.nodes[n].replicas[:0]}
	}
	for s := range d.stats {
		x := &d.stats[s]
		x.clear()
		x.inside, x.turn, x.chunks, x.idle, x.insideMs, x.since, x.made = 0, 0, 0, 0, 0, 0, 0
		x.reported = [2]float64{}
		x.queue = visitList{first: -1, last: -1}
	}
	for e := range d.endpoints {
		d.endpoints[e] = desEndpoint{visits: d.endpoints[e].visits}
	}
	clear(d.carry)
	clear(d.opServed)
	clear(d.opCallMs)
	clear(d.opOwnMs)
	clear(d.clients)
	d.reconcile()
	return nil
}

// Scale carries out one request.
func (d *DES) Scale(req ScaleRequest) ScaleResult {
	r := d.cl.apply(req)
	if r != (ScaleResult{}) {
		d.reconcile()
	}
	if d.ticks == 0 { // between windows: the next one starts with the new replicas
		d.cl.changed = false
	}
	return r
}

// Happen lets an event happen.
func (d *DES) Happen(e *Event) {
	switch e.Kind {
	case RolloutEvent:
		d.cl.startRollout(e.Service, e.Surge, e.Unavailable)
		d.reconcile()
	case SlowEvent: // visits that wait already go on as they began
		d.ops[e.Op].slow = e.Factor
	}
	if d.ticks == 0 { // between windows: the next one starts with it
		d.cl.changed = false
	}
}

// Step advances one tick. Pods that become ready at its end close the window early.
func (d *DES) Step(load TickLoad) {
	d.drawArrivals(load)
	d.tick()
}

// tick runs one tick with the arrivals that are drawn.
func (d *DES) tick() {
	if d.ticks == 0 {
		for e := range d.endpoints {
			d.endpoints[e].latency.Reset()
		}
	}
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

// run carries out all events up to time end, those of that very time too.
func (d *DES) run(end float64) {
	const (
		none = iota
		request
		timed
		ofReplica
	)
	k := 0
	for {
		// The earliest of the three queues; among equals in this order.
		at, kind := end, none
		if k < len(d.arrivals) && d.arrivals[k].at <= at {
			at, kind = d.arrivals[k].at, request
		}
		if len(d.timers) > 0 && (d.timers[0].at < at || kind == none && d.timers[0].at == at) {
			at, kind = d.timers[0].at, timed
		}
		if len(d.busy) > 0 && (d.busy[0].at < at || kind == none && d.busy[0].at == at) {
			at, kind = d.busy[0].at, ofReplica
		}
		d.now = at
		switch kind {
		case none:
			return
		case request:
			d.sendRequest(int(d.arrivals[k].endpoint), 0, at, d.requests.Uint64())
			d.settle()
			k++
		case timed:
			d.fire(d.timers.pop())
		case ofReplica:
			d.replicaEvent(d.busy[0].replica)
		}
	}
}

// fire carries out a timer.
func (d *DES) fire(t timer) {
	switch t.visit {
	case deadlineTimer:
		d.giveUp(t.gen)
	case startTimer:
		i := int32(t.gen)
		// An earlier pod of this slot may have left its timer.
		if r := &d.replicas[i]; r.inUse && r.startup && r.startsAt == t.at && len(r.run) == 0 {
			d.sync(r)
			d.addChunk(r, d.app.Services[r.service].StartupCPUMs, startupWork, 0)
			d.replan(i)
		}
	case retryTimer:
		s := d.retries[t.gen]
		d.freeRetries = append(d.freeRetries, t.gen)
		d.carryOut(s)
	default:
		if d.visits[t.visit].gen == t.gen {
			d.compute(t.visit)
		} else {
			d.stale--
		}
	}
	d.settle()
}
