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
	window  int // of the demand curve that needed is of, or an equal one
	counted bool
	settled bool // the next tick, of the same pods and need, adds the same
	run     int  // ticks not yet added
	fresh   int  // of these, those not yet in Accumulator.pending

	services  []serviceTick
	pools     []poolTick // [service*pools+pool]
	lastReady []int      // ready replicas at the end of the previous tick, -1 before the first
	ofWindow  int        // ticks of which inWindow is the sum, 0 for none
	inWindow  []float64  // [service] allocated in so many ticks of a window
}

// serviceTick is the part of one service.
type serviceTick struct {
	replicas, held, priced, allocated float64 // allocated at its weight
	balance                           balanceTick
}

// poolTick is its part in one pool.
type poolTick struct{ supply, needed, missing, held float64 }

func newTickSums(services, pools int) tickSums {
	x := tickSums{services: make([]serviceTick, services), pools: make([]poolTick, services*pools), lastReady: make([]int, services), inWindow: make([]float64, services)}
	for s := range x.lastReady {
		x.lastReady[s] = -1
	}
	return x
}

// hold tells whether a tick adds what the one before did.
func (x *tickSums) hold(t *sim.TickRecord) bool {
	v := t.State.Version()
	if v == 0 || v != x.version || !x.settled || t.Counted != x.counted || t.Window != x.window && !slices.Equal(t.Needed, x.needed) {
		return false
	}
	x.window = t.Window
	return true
}

// work finds what a tick adds.
func (a *Accumulator) work(t *sim.TickRecord) {
	x := &a.tick
	x.version, x.counted, x.settled, x.ofWindow = t.State.Version(), t.Counted, true, 0
	x.needed, x.window = append(x.needed[:0], t.Needed...), t.Window
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
		a.balance.last(s, supply, demand)
		for p := range a.pools {
			there := a.places[s*len(a.pools)+p]
			x.pools[s*len(a.pools)+p] = poolTick{there * supply, there * demand, there * max(demand-supply, 0), there * held}
		}
	}
}

// allocate adds the ticks counted so far to what is allocated in the present window.
func (a *Accumulator) allocate() {
	x := &a.tick
	n := x.fresh
	x.fresh = 0
	if n == 0 {
		return
	}
	if a.anyPending || n != x.ofWindow {
		for s := range x.services {
			sum := a.pending[s]
			for range n {
				sum += x.services[s].allocated
			}
			a.pending[s] = sum
		}
		x.ofWindow = 0
		if !a.anyPending {
			x.ofWindow = n
			copy(x.inWindow, a.pending)
		}
	} else {
		copy(a.pending, x.inWindow)
	}
	a.anyPending = true
}

// flush adds the ticks counted so far.
func (a *Accumulator) flush() {
	a.allocate()
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
		a.balance.add(s, &x.services[s].balance, n)
	}
	pools := len(a.pools)
	for p := range a.pools {
		u := &a.pools[p]
		supply, needed, missing, held := u.Supply, u.Needed, u.Missing, u.Held
		for range n {
			for i := p; i < len(x.pools); i += pools {
				v := &x.pools[i]
				supply += v.supply
				needed += v.needed
				missing += v.missing
				held += v.held
			}
		}
		u.Supply, u.Needed, u.Missing, u.Held = supply, needed, missing, held
	}
}
