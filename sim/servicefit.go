package sim

import (
	"math"
	"slices"
)

// This file fits the factors of each service to what the request-level engine said at the operating points (responsefit.go).

// fitServices fits each service's factors to what its visits took.
func (f *fitter) fitServices() {
	f.fitBunching()
	for s := range f.app.Services {
		x := &f.x.services[s]
		f.fitIdle(s, x)
		f.fitStalls(s, x)
		f.fitThrottled(s, x)
		f.fitCongestion(s, x)
		f.fitShares(s)
	}
}

// fitIdle searches the power with which idle chunks become rare, how much of what sleeps should spare they do, and how much
// requests that are held up elsewhere make of it.
func (f *fitter) fitIdle(s int, x *serviceResponse) {
	best := math.Inf(1)
	sparing, bunched := []float64{1}, []float64{0}
	if f.app.Services[s].SleepMs > 0 {
		sparing = []float64{0, 0.5, 1}
	}
	if f.wakes(s) {
		bunched = []float64{0, 0.07, 0.15, 0.25, 0.4, 0.7}
	}
	for _, spares := range sparing {
		for _, bunch := range bunched {
			for k := 0.4; k <= 16; k *= 1.2 {
				for slope := -0.6; slope <= 3; slope += 0.6 {
					loss := 0.0
					for i := range f.points {
						if q := &f.points[i].services[s]; q.chunks >= 20 {
							idle, _ := q.idleShare(spares, bunch, k, slope)
							loss += (idle - q.idle) * (idle - q.idle)
						}
					}
					if loss < best*(1-1e-9) {
						best, x.idlePower, x.spares, x.bunched = loss, [2]float64{k, slope}, spares, bunch
					}
				}
			}
		}
	}
	for i := range f.points {
		q := &f.points[i].services[s]
		_, q.strain = q.idleShare(x.spares, x.bunched, x.idlePower[0], x.idlePower[1])
	}
}

// idleShare is the share of wake-ups that a service pays at a point, and the strain of those that have no room.
func (q *fitService) idleShare(spares, bunched, k, slope float64) (idle, strain float64) {
	c := &q.capacity
	paid := c.paid(spares)
	_, idle, strain = utilisation(q.floor, q.wake*paid, c.usableMillis()/(1000*c.cores), k+slope*c.logReplicas, 1+bunched*q.bunching)
	return idle * paid, strain
}

// wakes tells whether a service has a wake-up cost.
func (f *fitter) wakes(s int) bool {
	return slices.ContainsFunc(f.app.graph.opsOf[s], func(o int) bool { return f.app.Ops[o].WakeMs > 0 })
}

// fitBunching notes how much requests are held up elsewhere at each point: what visits took there beyond their work and waits.
func (f *fitter) fitBunching() {
	for i := range f.points {
		p := &f.points[i]
		b := newBunching(len(p.services))
		bare, total := f.x.bareMs(p.rps), 0.0
		for s := range p.services {
			q := &p.services[s]
			if q.load.visits <= 0 {
				continue
			}
			least := (q.load.cpuMs+q.load.wakeMs*q.idle)/q.capacity.speed/q.load.visits + f.waitMs(s, p)
			b.delayed[s] = max(0, q.ownMs-least) * q.load.visits
			total += b.delayed[s]
		}
		for s := range p.services {
			p.services[s].bunching = min(ratio(total-b.delayed[s], bare), mostBunched)
		}
	}
}

// fitStalls finds the visits in a quota by search, and the factor on stalls at each by least squares.
func (f *fitter) fitStalls(s int, x *serviceResponse) {
	best := math.Inf(1)
	for _, wakes := range f.wakeShares(s) {
		for _, strain := range f.strains(s) {
			for visits := 0.1; visits <= 10; visits *= 1.15 {
				best = f.tryStalls(s, x, visits, wakes, strain, best)
			}
		}
	}
}

// wakeShares are the shares of wake-ups to try: without a wake-up cost they make no difference.
func (f *fitter) wakeShares(s int) []float64 {
	if f.wakes(s) {
		return []float64{0, 0.15, 0.3, 0.4, 0.5, 0.6, 0.7, 0.85, 1}
	}
	return []float64{1}
}

// strains are the factors on strain to try; without strain at any point they make no difference.
func (f *fitter) strains(s int) []float64 {
	for i := range f.points {
		if f.points[i].services[s].strain > 0 {
			return []float64{0, 0.25, 0.5, 0.75, 1, 1.5, 2}
		}
	}
	return []float64{0}
}

// tryStalls keeps the factors if they leave less than the best so far.
func (f *fitter) tryStalls(s int, x *serviceResponse, visits, wakes, strain, best float64) float64 {
	fit := newPlaneFit()
	for i := range f.points {
		q := &f.points[i].services[s]
		if !q.capacity.limited() || q.visits < 20 || q.util <= 0 {
			continue
		}
		c := &q.capacity
		u := pressure(q.util, q.floor, wakes, strain*q.strain)
		n := cfsPeriodMs / 1000.0 * q.load.visits / (q.util * c.replicas)
		c.sheet.set(c.usableMillis() / (1000 * c.cores))
		t := c.sheet.at(u, n*c.perBatch*visits)
		fit.add(u, c.logReplicas, t.stallMs*c.perBatch, q.stallMs, math.Sqrt(q.visits)*(1.05-u)/q.ownMs)
	}
	w, loss := fit.solve()
	// The farther from what the formulas say, the less likely.
	if log := math.Log(visits); loss+1e-3*fit.scale*log*log < best {
		loss += 1e-3 * fit.scale * log * log
		best = loss
		x.visits, x.stall, x.wakes, x.strain = visits, w, wakes, strain
	}
	return best
}

// fitThrottled searches the power that gives the shares of throttled periods: where all of them are throttled all stay so.
func (f *fitter) fitThrottled(s int, x *serviceResponse) {
	best := math.Inf(1)
	for power := 0.2; power < 6; power *= 1.1 {
		loss := 0.0
		for i := range f.points {
			q := &f.points[i].services[s]
			if c := &q.capacity; c.limited() && q.visits >= 20 && q.util > 0 {
				n := cfsPeriodMs / 1000.0 * q.load.visits / (q.util * c.replicas)
				c.sheet.set(c.usableMillis() / (1000 * c.cores))
				t := c.sheet.at(pressure(q.util, q.floor, x.wakes, x.strain*q.strain), n*c.perBatch*x.visits)
				miss := q.throttled - math.Pow(min(t.throttled, 1), power)
				loss += miss * miss
			}
		}
		if loss < best {
			best, x.throttled = loss, power
		}
	}
}

// fitCongestion fits the factor on the delay by others, stalls apart.
func (f *fitter) fitCongestion(s int, x *serviceResponse) {
	fit := newPlaneFit()
	for i := range f.points {
		p := &f.points[i]
		q := &p.services[s]
		if q.visits < 20 || q.util <= 0 {
			continue
		}
		c := &q.capacity
		u := pressure(q.util, q.floor, x.wakes, x.strain*q.strain)
		core := c.usableMillis() / (1000 * c.cores)
		expected := congestionAt(min(u*core, maxCoreUtil), c.cores)
		if c.limited() {
			n := cfsPeriodMs / 1000.0 * q.load.visits / (q.util * c.replicas)
			c.sheet.set(core)
			expected *= c.sheet.at(u, n*c.perBatch*x.visits).congestion
		}
		work := q.cpuMs
		fit.add(u, c.logReplicas, expected*work, q.ownMs-f.waitMs(s, p)-work-q.stallMs, math.Sqrt(q.visits)*(1.05-u)/q.ownMs)
	}
	x.congestion, _ = fit.solve()
}

// fitShares finds how the visits of a service's operations share its stalls, drawn lightly to what is expected before anything is
// measured.
func (f *fitter) fitShares(s int) {
	ops := f.app.graph.opsOf[s]
	if len(ops) < 2 {
		return
	}
	for _, o := range ops {
		op := &f.app.Ops[o]
		xy, xx := 0.0, 0.0
		for i := range f.points {
			p := &f.points[i]
			q := &p.services[s]
			if p.visits[o] < 20 || q.util <= 0 || q.stallMs <= 0 || q.cpuMs <= 0 {
				continue
			}
			// What others delay a visit is shared by work.
			delayed := max(0, q.ownMs-f.waitMs(s, p)-q.stallMs) / q.cpuMs
			own := op.WaitMs + (op.CPUMs+op.WakeMs*q.idle)/q.capacity.speed*delayed
			w := p.visits[o] * (1.05 - q.util) * (1.05 - q.util) / (p.ownMs[o] * p.ownMs[o])
			xy += w * q.stallMs * (p.ownMs[o] - own)
			xx += w * q.stallMs * q.stallMs
		}
		const light = 0.01
		f.x.shares[o] = min(max((xy+light*xx*f.x.shares[o])/((1+light)*xx), 0), mostShare)
		if !(xx > 0) {
			f.x.shares[o] = f.app.graph.stallShare[o]
		}
	}
}

// mostShare bounds the stalls of one operation's visits, relative to the mean of its service's.
const mostShare = 20

// waitMs is the mean non-CPU wait of a service's visits at a point.
func (f *fitter) waitMs(s int, p *fitPoint) float64 {
	sum, visits := 0.0, 0.0
	nO := len(f.app.Ops)
	for o := range f.app.Ops {
		if f.app.Ops[o].Service != s {
			continue
		}
		for e, rps := range p.rps {
			n := rps * f.app.graph.visits[e*nO+o]
			visits += n
			sum += n * f.app.Ops[o].WaitMs
		}
	}
	return ratio(sum, visits)
}
