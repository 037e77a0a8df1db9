package sim

import "math"

// desReplica is one pod as requests meet it: a processor-sharing CPU of some cores under a CFS quota.
//
// All n runnable chunks of work progress alike, each at min(1, cores/n) of a core, so one number, the work v that each
// has been given since the replica was last idle, stands for all: a chunk of work w that comes at v ends at v + w.
// A change of n, of the node's load, or a stall changes the speed of v and nothing else.
type desReplica struct {
	service int32
	node    int32
	gen     uint32 // of this slot, so that timers of an earlier pod are known
	number  uint64 // names its streams: the service's name and how many replicas that has had before
	phase   PodPhase
	inUse   bool
	seen    bool // while pods are compared with replicas

	cores float64
	speed float64 // work per CPU ms
	cold  bool    // CPU per visit is above that of a warm replica

	v    float64 // ms of work given to each runnable chunk
	last float64 // time that v, cpuMs and budget belong to
	rate float64 // of v, work ms per ms
	use  float64 // cores in use
	want float64 // cores that it would use on a free node
	run  []chunk // heap by end
	dead int     // chunks in it whose visits are gone

	idleFrom float64 // when run last became empty

	queue    visitList // for a worker
	inside   int32     // visits taken in, waiting ones included
	working  int32     // visits that hold a worker
	startup  bool      // its start-up work is not yet done
	startsAt float64   // when that begins
	balanced bool      // visits are sent to it
	refuses  bool      // and it takes none
	besides  bool      // it has work beside its visits

	quota     float64 // CPU ms in a period, +Inf without a limit
	budget    float64 // left of it
	periodEnd float64
	stalled   bool

	place int32 // in DES.busy, -1 if it has nothing to do
	next  uint8 // what its event there is

	cpuMs     float64 // used since the window began
	stallMs   float64 // that its chunks have stood still in stalls, since the window began
	usedM     float64 // millicores over the last window
	served    float64 // visits, ever: how warm it is
	periods   float64 // CFS periods in which it ran, since the window began
	throttled float64 // of these, those in which it stalled

	budgets []retryBudget // by call that has one
	pinned  []connection  // by service, where any balances by connection
}

// chunk is a stretch of CPU work between two calls of a visit.
type chunk struct {
	end   float64 // v at which it is done
	visit int32   // startupWork for the start of the pod itself
	gen   uint32  // of the visit's slot
}

// Work that belongs to no visit.
const (
	startupWork = -1 - iota
	besideWork  // Service.WarmupCPUMs
)

// What a replica's next event is.
const (
	chunkEnds uint8 = iota
	quotaSpent
	periodEnds
)

// sync brings a replica to the present time.
func (d *DES) sync(r *desReplica) {
	dt := d.now - r.last
	if dt <= 0 {
		return
	}
	r.last = d.now
	if r.use > 0 {
		r.v += r.rate * dt
		used := r.use * dt
		r.cpuMs += used
		r.budget -= used
	} else if r.stalled {
		r.stallMs += dt * r.runnable()
	}
}

// runnable is the number of visits that have a chunk here.
func (r *desReplica) runnable() float64 {
	n := len(r.run) - r.dead
	if r.besides {
		n--
	}
	return float64(n)
}

// addChunk gives a synced replica work to do. The caller replans.
func (d *DES) addChunk(r *desReplica, work float64, visit int32, gen uint32) {
	if len(r.run) == 0 {
		r.v = 0
		if d.now >= r.periodEnd {
			d.newPeriod(r)
		}
	}
	r.push(chunk{r.v + work, visit, gen})
}

func (r *desReplica) push(c chunk) {
	h := append(r.run, chunk{})
	i := len(h) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if h[parent].end <= c.end {
			break
		}
		h[i] = h[parent]
		i = parent
	}
	h[i] = c
	r.run = h
}

// asleep is the share of the wake-up cost that work pays which comes to a replica now: none while others run.
func (d *DES) asleep(r *desReplica) float64 {
	if len(r.run) > 0 || d.now <= r.idleFrom {
		return 0
	}
	if s := d.app.Services[r.service].SleepMs; s > 0 && r.idleFrom >= 0 {
		return -math.Expm1((r.idleFrom - d.now) / s)
	}
	return 1
}

// pop removes the chunk that ends first.
func (r *desReplica) pop() {
	n := len(r.run) - 1
	c := r.run[n]
	h := r.run[:n]
	r.run = h
	if n == 0 {
		return
	}
	i := 0
	for {
		child := 2*i + 1
		if child >= n {
			break
		}
		if child+1 < n && h[child+1].end < h[child].end {
			child++
		}
		if h[child].end >= c.end {
			break
		}
		h[i] = h[child]
		i = child
	}
	h[i] = c
}

// bury takes out the chunks of visits that are gone, as far as they come up; all of them once they are the better part.
// So a cancelled visit needs no search for its chunk.
func (d *DES) bury(r *desReplica) {
	switch {
	case r.dead == len(r.run):
		r.run, r.dead, r.idleFrom = r.run[:0], 0, d.now
	case r.dead >= 32 && 2*r.dead >= len(r.run):
		all := r.run
		r.run, r.dead = all[:0], 0
		for _, c := range all { // what is read is never behind what is written
			if d.lives(r, c) {
				r.push(c)
			}
		}
	}
	for r.dead > 0 && !d.lives(r, r.run[0]) {
		r.pop()
		r.dead--
	}
}

func (d *DES) lives(r *desReplica, c chunk) bool {
	switch c.visit {
	case startupWork:
		return r.startup
	case besideWork:
		return r.besides
	}
	return d.visits[c.visit].gen == c.gen
}

// newPeriod moves to the CFS period that holds the present time. What was left of the last quota is lost.
func (d *DES) newPeriod(r *desReplica) {
	if math.IsInf(r.quota, 1) {
		r.periodEnd = math.Inf(1)
		return
	}
	for r.periodEnd <= d.now {
		r.periodEnd += cfsPeriodMs * (math.Floor((d.now-r.periodEnd)/cfsPeriodMs) + 1)
	}
	r.budget = r.quota
	r.stalled = false
	r.periods++
}

// replan works out a synced replica's speed and its next event.
func (d *DES) replan(i int32) {
	r := &d.replicas[i]
	if r.dead > 0 {
		d.bury(r)
	}
	n := len(r.run) - r.dead
	want := 0.0
	if n > 0 && !r.stalled {
		want = min(float64(n), r.cores)
	}
	node := &d.nodes[r.node]
	if want != r.want {
		node.busy += want - r.want
		r.want = want
		if node.busy > node.cores || node.share < 1 {
			d.shareNode(node, i)
		}
	}
	if n == 0 {
		r.use, r.rate = 0, 0
		d.unplan(i)
		return
	}
	if r.stalled {
		r.use, r.rate, r.next = 0, 0, periodEnds
		d.plan(i, r.periodEnd)
		return
	}
	r.use = want * node.share
	r.rate = r.use / float64(n) * r.speed
	r.next = chunkEnds
	at := d.now + (r.run[0].end-r.v)/r.rate
	if r.periodEnd < at || d.now+r.budget/r.use < at {
		if at = d.now + r.budget/r.use; at < r.periodEnd {
			r.next = quotaSpent
		} else {
			at, r.next = r.periodEnd, periodEnds
		}
	}
	d.plan(i, max(at, d.now))
}

// shareNode sets the share of a core that each busy core of a node really gets, and replans the replicas there, except
// for the one that is being replanned already.
func (d *DES) shareNode(node *desNode, except int32) {
	share := 1.0
	if node.busy > node.cores {
		share = node.cores / node.busy
	}
	if share == node.share {
		return
	}
	node.share = share
	for _, k := range node.replicas {
		if r := &d.replicas[k]; k != except && r.want > 0 {
			d.sync(r)
			d.replan(k)
		}
	}
}

// replicaEvent carries out the next event of a replica.
func (d *DES) replicaEvent(i int32) {
	r := &d.replicas[i]
	d.sync(r)
	switch r.next {
	case quotaSpent:
		r.budget = 0
		r.stalled = true
		r.throttled++
		d.replan(i)
	case periodEnds:
		d.newPeriod(r)
		d.replan(i)
	default:
		c := r.run[0]
		r.v = c.end
		r.pop()
		if len(r.run) == 0 {
			r.idleFrom = d.now
		}
		if c.visit < 0 {
			if c.visit == startupWork {
				r.startup = false
			} else {
				r.besides = false
			}
			d.replan(i)
			return
		}
		d.chunkDone(i, c.visit)
	}
}
