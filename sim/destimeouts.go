package sim

// deadlines is the queue of those who wait with the same patience: first come, first to give up. One timer stands for
// all of them, at the head's deadline or before; who has been answered meanwhile is passed over.
type deadlines struct {
	patienceMs  float64
	ring        []timer // circular, a power of two long
	first, size int
	armed       bool // its timer is set
}

// watch notes until when the caller of visit i waits for it.
func (d *DES) watch(i int32, class int32) {
	if class < 0 {
		return
	}
	q := &d.classes[class]
	for q.size > 0 && d.visits[q.head().visit].gen != q.head().gen { // or the queue would hold all of the last patienceMs
		q.pop()
	}
	if q.size == len(q.ring) && q.size >= 2*(len(d.visits)-len(d.freeVisits)) {
		d.sweep(q)
	}
	at := d.now + q.patienceMs
	q.push(timer{at, i, d.visits[i].gen})
	if !q.armed {
		q.armed = true
		d.timers.push(timer{at, deadlineTimer, uint32(class)})
	}
}

// giveUp ends the visits of a queue of deadlines that are still there at theirs.
func (d *DES) giveUp(class uint32) {
	q := &d.classes[class]
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
	q.armed = q.size > 0
	if q.armed {
		d.timers.push(timer{q.head().at, deadlineTimer, class})
	}
}

// sweep takes out those who have been answered behind one who still waits, rather than to let the queue grow for them.
func (d *DES) sweep(q *deadlines) {
	n := q.size
	q.size = 0
	for i := range n {
		t := q.ring[(q.first+i)&(len(q.ring)-1)]
		if d.visits[t.visit].gen == t.gen {
			q.ring[(q.first+q.size)&(len(q.ring)-1)] = t // never ahead of what is read
			q.size++
		}
	}
}

func (q *deadlines) push(t timer) {
	if q.size == len(q.ring) {
		longer := make([]timer, max(16, 2*len(q.ring)))
		for i := range q.size {
			longer[i] = q.ring[(q.first+i)&(len(q.ring)-1)]
		}
		q.ring, q.first = longer, 0
	}
	q.ring[(q.first+q.size)&(len(q.ring)-1)] = t
	q.size++
}

func (q *deadlines) head() *timer { return &q.ring[q.first] }

func (q *deadlines) pop() {
	q.first = (q.first + 1) & (len(q.ring) - 1)
	q.size--
}
