package benchmark

import (
	"slices"

	"github.com/grlscaler/grlscaler/sim"
)

// tickSums is what a tick adds to an [Accumulator]. Pods and need seldom change from one tick to the next, so it is worked out where they
// do, and the ticks after that are counted and added together. Sums are in the order of single ticks: no digit of a result
// depends on where runs of alike ticks begin and end.
type tickSums struct {
	version uint64 // State.Version of the pods that it is about
	needed  []int
	counted bool
	settled bool // the next tick, of the same pods and need, adds the same
	run     int  // ticks not yet added

	services  []serviceTick
	pools     []PoolUse // [service*pools+pool]
	lastReady []int     // ready replicas at the end of the previous tick, -1 before the first
}

// serviceTick is the part of one service.
type serviceTick struct {
	replicas, held, priced, allocated float64 // allocated at its weight
	balance                           balanceTick
}

func newTickSums(services, pools int) tickSums {
	x := tickSums{services: make([]serviceTick, services), pools: make([]PoolUse, services*pools), lastReady: make([]int, services)}
	for s := range x.lastReady {
		x.lastReady[s] = -1
	}
	return x
}

// hold tells whether a tick adds what the one before did.
func (x *tickSums) hold(t *sim.TickRecord) bool {
	v := t.State.Version()
	return v != 0 && v == x.version && x.settled && t.Counted == x.counted && slices.Equal(t.Needed, x.needed)
}

// work finds what a tick adds.
func (a *Accumulator) work(t *sim.TickRecord) {
	x := &a.tick
	x.version, x.counted, x.settled = t.State.Version(), t.Counted, true
	x.needed = append(x.needed[:0], t.Needed...)
	for s := range t.State.Services {
		v, svc := &t.State.Services[s], &a.app.Services[s]
		if !a.onePrice {
			a.updatePrice(t.State, s)
		}
		if len(a.pools) > 1 {
			a.updatePlaces(t.State, s)
		}
		// The state is that of the tick's end. Pods are removed at the start of a tick and become ready at its
		// end, so what served throughout is the smaller of the two counts.
		ready := v.Ready
		if last := x.lastReady[s]; last >= 0 && last != ready {
			ready = min(ready, last)
			x.settled = false
		}
		x.lastReady[s] = v.Ready
		if !t.Counted {
			continue
		}
		weight := a.weight(s)
		allocated := float64(v.Ready+v.Starting) * v.RequestMillis
		held := allocated + float64(v.Terminating)*v.RequestMillis
		supply, demand := float64(ready)*v.RequestMillis, float64(t.Needed[s])*svc.CPURequestMillis
		x.services[s] = serviceTick{
			replicas: float64(v.Ready + v.Starting), held: held, priced: a.prices[s] * held, allocated: weight * allocated,
			balance: newBalanceTick(supply, demand, weight, svc.CPURequestMillis),
		}
		for p := range a.pools {
			there := a.places[s*len(a.pools)+p]
			x.pools[s*len(a.pools)+p] = PoolUse{Supply: there * supply, Needed: there * demand, Missing: there * max(demand-supply, 0), Held: there * held}
		}
	}
}

// flush adds the ticks counted so far.
func (a *Accumulator) flush() {
	x := &a.tick
	n := x.run
	if n == 0 {
		return
	}
	x.run = 0
	replicas, cores, priced, allocated := a.replicas, a.cores, a.priced, a.allocated
	for range n {
		for s := range x.services {
			v := &x.services[s]
			replicas += v.replicas
			cores += v.held
			priced += v.priced
			allocated += v.allocated
		}
	}
	a.replicas, a.cores, a.priced, a.allocated = replicas, cores, priced, allocated
	for s := range x.services {
		v := &x.services[s]
		pending := a.pending[s]
		for range n {
			pending += v.allocated
		}
		a.pending[s] = pending
		a.balance.add(s, &v.balance, n)
	}
	for p := range a.pools {
		u := a.pools[p]
		for range n {
			for i := p; i < len(x.pools); i += len(a.pools) {
				v := &x.pools[i]
				u.Supply += v.Supply
				u.Needed += v.Needed
				u.Missing += v.Missing
				u.Held += v.Held
			}
		}
		a.pools[p] = u
	}
}
