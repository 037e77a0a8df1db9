package sim

// This file holds the balancing "shared_queue": workers that take visits from one queue, as consumers of a message broker do. What waits
// belongs to no replica, so a new one helps with all of it, one that ends leaves nothing behind, and without any it waits.

// noReplica is the replica of a visit that waits in its service's queue.
const noReplica = -1

// join brings a visit of op to the queue of its service, from where a free worker takes it at once; -1 if there are too many.
func (d *DES) join(op, parent, call, attempt int32, random uint64) int32 {
	s := d.ops[op].service
	st := &d.stats[s]
	st.arrived++
	if st.inside >= d.maxInside {
		st.overflow++
		st.failed++
		st.refused++
		return -1
	}
	i := d.newVisit()
	v := &d.visits[i]
	v.op, v.parent, v.call, v.attempt, v.random = op, parent, call, attempt, random
	v.replica, v.state, v.arrived = noReplica, visitQueued, d.now
	st.move(d.now, 1)
	if parent >= 0 {
		d.adopt(parent, i)
	}
	d.enqueue(&st.queue, i)
	if k := d.freeWorker(s); k != noReplica {
		d.pull(k)
	}
	return i
}

// freeWorker finds the ready replica with the fewest visits at work among those with a free worker, ties in turn; noReplica if all
// are at work.
func (d *DES) freeWorker(s int32) int32 {
	st, workers := &d.stats[s], int32(min(d.app.Services[s].Workers, maxCount))
	n := uint32(len(st.ready))
	best := int32(noReplica)
	st.turn++
	for k := range n {
		i := st.ready[(st.turn+k)%n]
		if w := d.replicas[i].working; w < workers && (best < 0 || w < d.replicas[best].working) {
			best = i
		}
	}
	return best
}

// pull lets a replica's free workers take what waits in its service's queue.
func (d *DES) pull(i int32) {
	r := &d.replicas[i]
	st := &d.stats[r.service]
	for st.queue.size > 0 && r.phase == PodReady && int(r.working) < d.app.Services[r.service].Workers {
		n := st.queue.first
		d.unqueue(&st.queue, n)
		v := &d.visits[n]
		v.replica, v.state = i, visitCalling // until begin, which settle calls at once
		r.inside++
		r.working++
		d.steps = append(d.steps, step{what: beginVisit, visit: n, gen: v.gen})
	}
}

// drop takes a visit out that waits in its service's queue.
func (d *DES) drop(i int32) {
	v := &d.visits[i]
	st := &d.stats[d.ops[v.op].service]
	d.unqueue(&st.queue, i)
	st.move(d.now, -1)
	if v.parent >= 0 {
		d.orphan(v.parent, i)
	}
	d.free(i)
}
