package sim

// visit is one call of one operation, from its arrival at a replica to its answer. Slots are used again; gen tells
// those who hold a slot's number whether it is still the same visit.
type visit struct {
	gen     uint32
	state   visitState
	second  bool // of a parallel operation: its calls are answered
	op      int32
	replica int32
	parent  int32 // -1 for a request
	call    int32 // index into the caller's calls; of a request, the endpoint
	attempt int32 // how often the call was tried before
	child   int32 // first of its calls in progress, linked by next and prev
	next    int32 // among the calls of its caller
	prev    int32
	ahead   int32 // in the queue for a worker
	behind  int32

	at      int32 // index of the current call
	left    int32 // how often it is still to be made
	pending int32 // calls in progress
	made    int32 // calls made anew so far
	counts  uint64
	random  uint64 // where its generator starts
	chunkMs float64
	arrived float64 // at the replica
	called  float64 // when it began to wait for calls
	callMs  float64 // how long it has waited for them
	started float64 // of a request: when the client first sent it
}

type visitState uint8

const (
	visitFree    visitState = iota
	visitQueued             // waits for a worker
	visitWaiting            // uses no CPU
	visitRunning            // has a chunk on the replica
	visitCalling            // waits for its calls
)

// visitList is a first-come-first-served queue of visits.
type visitList struct {
	first, last int32
	size        int32
}

// step is something to go on with once the present event is dealt with. A list of them stands in for recursion,
// which long chains of calls that fail at once could make very deep.
type step struct {
	what    stepKind
	visit   int32
	gen     uint32
	call    int32
	attempt int32
	started float64
	random  uint64 // where the generator of the visit to be made starts
}

type stepKind uint8

const (
	beginVisit  stepKind = iota // it has got a worker
	resumeVisit                 // a call was answered, or could be done without
	retryCall                   // make call again
	sendRequest                 // a client sends a request to endpoint call
)

// settle carries out what is to be gone on with.
func (d *DES) settle() {
	for k := 0; k < len(d.steps); k++ { // grows meanwhile
		d.carryOut(d.steps[k])
	}
	d.steps = d.steps[:0]
}

func (d *DES) carryOut(s step) {
	if s.what == sendRequest {
		d.sendRequest(int(s.call), s.attempt, s.started, s.random)
		return
	}
	if d.visits[s.visit].gen != s.gen { // cancelled meanwhile
		return
	}
	switch s.what {
	case beginVisit:
		d.begin(s.visit)
	case resumeVisit:
		d.resume(s.visit)
	case retryCall:
		d.makeCall(s.visit, s.call, s.attempt, s.random)
	}
}

// sendRequest lets a client send a request.
func (d *DES) sendRequest(endpoint int, attempt int32, started float64, random uint64) {
	ep := &d.app.Endpoints[endpoint]
	if attempt == 0 && ep.RetryBudget > 0 {
		d.endpoints[endpoint].budget.fresh(d.now)
	}
	i := d.arrive(int32(ep.Op), -1, int32(endpoint), attempt, random)
	if i < 0 {
		d.requestFailed(endpoint, attempt, started, random)
		return
	}
	d.visits[i].started = started
	d.watch(i, d.endpointClass[endpoint])
}

// makeCall lets visit p make its call. random is where the generator of the visit that this makes starts.
func (d *DES) makeCall(p, call, attempt int32, random uint64) {
	c := &d.ops[d.visits[p].op].calls[call]
	if attempt == 0 && c.budget >= 0 {
		d.replicas[d.visits[p].replica].budgets[c.budget].fresh(d.now)
	}
	i := d.arrive(c.op, p, call, attempt, random)
	if i < 0 {
		d.answered(p, call, attempt, random, false)
		return
	}
	d.watch(i, c.class)
}

// arrive brings a visit of op to a replica: it gets a worker, waits for one, or is refused (-1).
func (d *DES) arrive(op, parent, call, attempt int32, random uint64) int32 {
	s := d.ops[op].service
	if d.stats[s].balancing == balanceQueue {
		return d.join(op, parent, call, attempt, random)
	}
	st := &d.stats[s]
	st.arrived++
	svc := &d.app.Services[s]
	k := d.choose(s, parent, random)
	if k >= 0 && st.inside >= d.maxInside {
		st.overflow++
		k = -1
	}
	if k < 0 || d.replicas[k].refuses || svc.MaxVisits > 0 && int(d.replicas[k].inside) >= svc.MaxVisits {
		st.failed++
		st.refused++
		return -1
	}
	i := d.newVisit()
	v := &d.visits[i]
	v.op, v.parent, v.call, v.attempt, v.random = op, parent, call, attempt, random
	r := &d.replicas[k]
	r.inside++
	st.move(d.now, 1)
	v.replica, v.arrived = k, d.now
	if parent >= 0 {
		d.adopt(parent, i)
	}
	if svc.Workers > 0 && int(r.working) >= svc.Workers {
		v.state = visitQueued
		d.enqueue(&r.queue, i)
		return i
	}
	r.working++
	v.state = visitCalling // until begin, which settle calls at once
	d.steps = append(d.steps, step{what: beginVisit, visit: i, gen: v.gen})
	return i
}

// begin starts a visit that has a worker: its draws, its wait, its first chunk.
func (d *DES) begin(i int32) {
	v := &d.visits[i]
	op := &d.ops[v.op]
	d.source.state = v.random
	work, chunks := 0.0, float64(op.chunks)
	if op.cpu.mean > 0 {
		work = op.cpu.draw(d.random)
	}
	if op.fractional {
		v.counts = d.source.Uint64()
		chunks = op.drawnChunks(v.counts)
	}
	wait := 0.0
	if op.wait.mean > 0 {
		wait = op.wait.draw(d.random) * op.slow
	}
	r := &d.replicas[v.replica]
	v.chunkMs = work / chunks
	if r.cold {
		v.chunkMs *= coldFactor(&d.app.Services[op.service], r.served)
	}
	v.at, v.left = -1, 0
	if wait > 0 {
		v.state = visitWaiting
		d.timers.push(timer{d.now + wait, i, v.gen})
		return
	}
	d.compute(i)
}

// compute gives the replica the next chunk of a visit, or goes on where there is nothing to compute.
func (d *DES) compute(i int32) {
	v := &d.visits[i]
	op := &d.ops[v.op]
	r := &d.replicas[v.replica]
	work := v.chunkMs
	idle := d.asleep(r)
	if op.wakeMs > 0 && idle > 0 {
		wake := op.wakeMs * idle
		if r.cold {
			wake *= coldFactor(&d.app.Services[op.service], r.served)
		}
		work += wake
	}
	if work <= 0 {
		d.proceed(i)
		return
	}
	st := &d.stats[op.service]
	st.chunks++
	st.idle += idle
	v.state = visitRunning
	d.sync(r)
	d.addChunk(r, work, i, v.gen)
	d.replan(v.replica)
}

// chunkDone goes on with a visit whose chunk has just left replica k's heap.
func (d *DES) chunkDone(k, i int32) {
	d.replan(k)
	d.proceed(i)
	d.settle()
}

// proceed makes a visit's next call or calls, or answers it.
func (d *DES) proceed(i int32) {
	v := &d.visits[i]
	op := &d.ops[v.op]
	if len(op.calls) == 0 {
		d.complete(i)
		return
	}
	if op.parallel {
		if v.second {
			d.complete(i)
			return
		}
		d.callAll(i)
		return
	}
	for v.left == 0 {
		v.at++
		if int(v.at) == len(op.calls) {
			d.complete(i)
			return
		}
		v.left = op.calls[v.at].drawn(v.counts, v.at)
	}
	v.left--
	v.pending = 1
	v.state, v.called = visitCalling, d.now
	d.makeCall(i, v.at, 0, v.nextRandom())
}

// callAll makes all calls of a parallel operation.
func (d *DES) callAll(i int32) {
	v := &d.visits[i]
	op := &d.ops[v.op]
	v.state, v.second, v.called = visitCalling, true, d.now
	total := int32(0)
	for k := range op.calls {
		total += op.calls[k].drawn(v.counts, int32(k))
	}
	v.pending = total
	if total == 0 {
		d.compute(i)
		return
	}
	gen, counts := v.gen, v.counts
	for k := range op.calls {
		for range op.calls[k].drawn(counts, int32(k)) {
			d.makeCall(i, int32(k), 0, d.visits[i].nextRandom())
			if d.visits[i].gen != gen { // a refused call has failed it
				return
			}
		}
	}
}

// resume goes on with a visit after one of its calls.
func (d *DES) resume(i int32) {
	v := &d.visits[i]
	if v.pending--; v.pending > 0 {
		return
	}
	v.callMs += d.now - v.called
	d.compute(i)
}

// answered tells visit p how a call ended. random is where the generator of the visit that the call made started.
func (d *DES) answered(p, call, attempt int32, random uint64, ok bool) {
	v := &d.visits[p]
	c := &d.ops[v.op].calls[call]
	if !ok && attempt < c.retries && (c.budget < 0 || d.replicas[v.replica].budgets[c.budget].take(d.now, c.retryBudget)) {
		retry := step{what: retryCall, visit: p, gen: v.gen, call: call, attempt: attempt + 1, random: random}
		if d.later(retry, d.ops[c.op].service) {
			return
		}
	}
	if !ok && !c.optional {
		d.fail(p)
		return
	}
	d.steps = append(d.steps, step{what: resumeVisit, visit: p, gen: v.gen})
}

// complete answers a visit.
func (d *DES) complete(i int32) {
	v := &d.visits[i]
	op := &d.ops[v.op]
	st := &d.stats[op.service]
	took := d.now - v.arrived
	st.served++
	st.sumMs += took
	st.ownMs += took - v.callMs
	d.opServed[v.op]++
	d.opCallMs[v.op] += v.callMs
	d.opOwnMs[v.op] += took - v.callMs
	st.latency.add(took)
	d.replicas[v.replica].served++
	p, call, attempt, random := v.parent, v.call, v.attempt, v.random
	if p < 0 {
		d.requestDone(int(call), d.now-v.started)
	}
	d.leave(i)
	if p >= 0 {
		d.answered(p, call, attempt, random, true)
	}
}

// fail ends a visit without an answer: its calls are cancelled, its caller is told.
func (d *DES) fail(i int32) {
	v := &d.visits[i]
	d.stats[d.ops[v.op].service].failed++
	p, call, attempt, started, random := v.parent, v.call, v.attempt, v.started, v.random
	d.remove(i)
	if p < 0 {
		d.requestFailed(int(call), attempt, started, random)
		return
	}
	d.answered(p, call, attempt, random, false)
}

// cancel ends a visit whose caller no longer waits for it.
func (d *DES) cancel(i int32) {
	d.stats[d.ops[d.visits[i].op].service].cancelled++
	d.remove(i)
}

// remove takes a visit out of the system, and all its calls.
func (d *DES) remove(i int32) {
	for d.visits[i].child >= 0 {
		d.cancel(d.visits[i].child)
	}
	v := &d.visits[i]
	k, state := v.replica, v.state
	if k == noReplica {
		d.drop(i)
		return
	}
	r := &d.replicas[k]
	switch state {
	case visitQueued:
		d.unqueue(&r.queue, i)
		r.working++ // leave gives back a worker that it never had
	case visitRunning:
		d.sync(r)
		r.dead++
	}
	d.leave(i)
	switch state { // now that what is left of it can be told from what is alive
	case visitWaiting:
		d.staleTimer()
	case visitRunning:
		d.replan(k)
	}
}

// leave takes a visit off its replica, hands its worker on, and frees the slot.
func (d *DES) leave(i int32) {
	v := &d.visits[i]
	r := &d.replicas[v.replica]
	d.stats[r.service].move(d.now, -1)
	r.inside--
	r.working--
	if r.queue.size > 0 && int(r.working) < d.app.Services[r.service].Workers {
		n := r.queue.first
		d.unqueue(&r.queue, n)
		r.working++
		d.visits[n].state = visitCalling
		d.steps = append(d.steps, step{what: beginVisit, visit: n, gen: d.visits[n].gen})
	}
	if d.stats[r.service].queue.size > 0 {
		d.pull(v.replica)
	}
	if v.parent >= 0 {
		d.orphan(v.parent, i)
	}
	d.free(i)
}
