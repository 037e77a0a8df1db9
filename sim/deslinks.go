package sim

// Slots and lists of visits.

// newVisit takes a free slot.
func (d *DES) newVisit() int32 {
	var i int32
	if n := len(d.freeVisits); n > 0 {
		i = d.freeVisits[n-1]
		d.freeVisits = d.freeVisits[:n-1]
	} else {
		i = int32(len(d.visits))
		d.visits = append(d.visits, visit{})
	}
	v := &d.visits[i]
	*v = visit{gen: v.gen + 1, child: -1, next: -1, prev: -1, ahead: -1, behind: -1, replica: -1}
	return i
}

// free gives a slot back. Whoever still holds its number finds another gen.
func (d *DES) free(i int32) {
	d.visits[i].state = visitFree
	d.visits[i].gen++
	d.freeVisits = append(d.freeVisits, i)
}

// adopt puts visit i first among the calls in progress of p.
func (d *DES) adopt(p, i int32) {
	parent := &d.visits[p]
	if parent.child >= 0 {
		d.visits[parent.child].prev = i
	}
	d.visits[i].next = parent.child
	parent.child = i
}

func (d *DES) orphan(p, i int32) {
	v := &d.visits[i]
	if v.prev >= 0 {
		d.visits[v.prev].next = v.next
	} else {
		d.visits[p].child = v.next
	}
	if v.next >= 0 {
		d.visits[v.next].prev = v.prev
	}
}

func (d *DES) enqueue(q *visitList, i int32) {
	v := &d.visits[i]
	v.behind = -1
	if q.size == 0 {
		v.ahead = -1
		q.first = i
	} else {
		v.ahead = q.last
		d.visits[q.last].behind = i
	}
	q.last = i
	q.size++
}

func (d *DES) unqueue(q *visitList, i int32) {
	v := &d.visits[i]
	if v.ahead >= 0 {
		d.visits[v.ahead].behind = v.behind
	} else {
		q.first = v.behind
	}
	if v.behind >= 0 {
		d.visits[v.behind].ahead = v.ahead
	} else {
		q.last = v.ahead
	}
	q.size--
}
