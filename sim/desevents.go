package sim

// timer is an event at a fixed time: the end of a visit's wait, the deadline at the head of a queue of deadlines, or
// the beginning of a pod's start-up work. Negative visits tell them apart (DES.fire).
type timer struct {
	at    float64 // ms
	visit int32
	gen   uint32
}

// timerHeap is a 4-ary heap of timers: flatter than a binary one, so that a sift touches fewer cache lines.
type timerHeap []timer

func (h *timerHeap) push(t timer) {
	*h = append(*h, t)
	q := *h
	i := len(q) - 1
	for i > 0 {
		parent := (i - 1) / 4
		if q[parent].at <= t.at {
			break
		}
		q[i] = q[parent]
		i = parent
	}
	q[i] = t
}

// pop removes the earliest timer. The heap is not empty.
func (h *timerHeap) pop() timer {
	q := *h
	first := q[0]
	n := len(q) - 1
	last := q[n]
	*h = q[:n]
	q = q[:n]
	i := 0
	for {
		child := 4*i + 1
		if child >= n {
			break
		}
		least := child
		for k := child + 1; k < min(child+4, n); k++ {
			if q[k].at < q[least].at {
				least = k
			}
		}
		if q[least].at >= last.at {
			break
		}
		q[i] = q[least]
		i = least
	}
	if n > 0 {
		q[i] = last
	}
	return first
}

// replicaHeap orders the replicas that have something to do by the time of their next event. Each replica knows its
// place, so that a change of plan moves it without a search.
type replicaHeap []replicaEvent

type replicaEvent struct {
	at      float64
	replica int32
}

// plan puts replica i at time at, wherever it was.
func (d *DES) plan(i int32, at float64) {
	r := &d.replicas[i]
	k := int(r.place)
	if k < 0 {
		k = len(d.busy)
		d.busy = append(d.busy, replicaEvent{})
	} else if at >= d.busy[k].at {
		d.siftDown(k, replicaEvent{at, i})
		return
	}
	d.siftUp(k, replicaEvent{at, i})
}

// unplan takes replica i out.
func (d *DES) unplan(i int32) {
	r := &d.replicas[i]
	k := int(r.place)
	if k < 0 {
		return
	}
	r.place = -1
	n := len(d.busy) - 1
	last := d.busy[n]
	d.busy = d.busy[:n]
	if k == n {
		return
	}
	if k > 0 && last.at < d.busy[(k-1)/2].at {
		d.siftUp(k, last)
	} else {
		d.siftDown(k, last)
	}
}

func (d *DES) siftUp(k int, e replicaEvent) {
	q := d.busy
	for k > 0 {
		parent := (k - 1) / 2
		if q[parent].at <= e.at {
			break
		}
		q[k] = q[parent]
		d.replicas[q[k].replica].place = int32(k)
		k = parent
	}
	q[k] = e
	d.replicas[e.replica].place = int32(k)
}

func (d *DES) siftDown(k int, e replicaEvent) {
	q := d.busy
	for {
		child := 2*k + 1
		if child >= len(q) {
			break
		}
		if child+1 < len(q) && q[child+1].at < q[child].at {
			child++
		}
		if q[child].at >= e.at {
			break
		}
		q[k] = q[child]
		d.replicas[q[k].replica].place = int32(k)
		k = child
	}
	q[k] = e
	d.replicas[e.replica].place = int32(k)
}

// staleTimer notes that a timer has lost its visit. Once they are the better part, the heap is made anew without them.
func (d *DES) staleTimer() {
	d.stale++
	if d.stale < 1024 || 2*d.stale < len(d.timers) {
		return
	}
	all := d.timers
	d.timers, d.stale = all[:0], 0
	for _, t := range all { // what is read is never behind what is written
		if t.visit < 0 || d.visits[t.visit].gen == t.gen {
			d.timers.push(t)
		}
	}
}
