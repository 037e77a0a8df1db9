package sim

import "math"

// solver is the stationary model of one service with everything worked out that does not depend on the load.
type solver struct {
	replicas, quotaMillis, speed, cold, share, stretch, busy float64 // of the capacity that it was made for

	able        bool    // there is some capacity
	limited     bool    // a quota binds
	usable      float64 // CPU that one replica has for visits, m
	perReplica  float64 // 1 / replicas, 0 without any
	perUnit     float64 // utilisation per CPU ms/s
	paid        float64 // share of wake-ups that sleeps do not spare
	core        float64 // share of its cores that a replica may use
	cores       float64
	scale       float64 // ms per CPU ms of a visit that nothing delays
	idlePower   float64
	wakes       float64
	strain      float64
	bunched     float64
	trained     int
	periodShare float64 // visits that a period's quota holds, those in a row as one: periodShare · visits/s / utilisation
	throttled   float64
	perBatch    float64
	stall       [2]float64 // factor on stalls a + b u
	congestion  [2]float64 // factor on the delay by others a + b u
	sheet       *stallSheet
	besideMs    float64 // stall that a visit meets because of other work that some replicas have
}

// madeFor tells whether nothing has changed since prepare.
func (v *solver) madeFor(c *serviceCapacity) bool {
	return v.replicas == c.replicas && v.quotaMillis == c.quotaMillis && v.speed == c.speed && v.cold == c.cold && v.share == c.share && v.stretch == c.stretch && v.busy == c.busy && v.sheet == c.sheet
}

// prepare makes v the solver of a service with capacity c and response x.
func (v *solver) prepare(c *serviceCapacity, x *serviceResponse) {
	*v = solver{
		replicas: c.replicas, quotaMillis: c.quotaMillis, speed: c.speed, cold: c.cold, share: c.share, stretch: c.stretch, busy: c.busy, sheet: c.sheet,
		limited: c.limited(), usable: c.usableMillis(), cores: c.cores, scale: c.cold / c.speed * c.stretch, wakes: x.wakes, strain: x.strain, bunched: x.bunched, trained: int(min(c.replicas, mostTrained)), perBatch: c.perBatch,
		idlePower:  max(x.idlePower[0]+x.idlePower[1]*c.logReplicas, 0.3),
		stall:      x.stall.along(c.logReplicas),
		congestion: x.congestion.along(c.logReplicas),
		throttled:  1,
		paid:       c.paid(x.spares),
	}
	if x.throttled > 0 {
		v.throttled = x.throttled
	}
	if c.replicas > 0 {
		v.perReplica = 1 / c.replicas
	}
	capacity := c.replicas * v.usable * c.speed // CPU ms/s of useful work
	if v.able = capacity > 0; !v.able {
		return
	}
	v.perUnit = c.cold / capacity
	v.core = v.usable / (1000 * c.cores)
	if v.busy > 0 {
		v.besideWork()
	}
	if v.limited {
		c.sheet.set(v.core)
		// With u C/visits CPU for each visit, C the capacity, and C T/replicas of quota.
		v.periodShare = cfsPeriodMs / 1000.0 / c.replicas * c.perBatch * x.visits
	}
}

// besideWork accounts for work on one core that some replicas always have. On a single core visits share it with one customer more,
// and take twice as long (M/G/1-PS with a permanent customer: 2 S/(1-rho)). It spends a quota q below a core in each period: work
// then goes on for q of the time only, and a visit that comes in the rest waits for half of that rest.
func (v *solver) besideWork() {
	slower, q := 1.0, v.usable/1000
	if v.cores == 1 {
		slower = 2
	}
	if v.limited && q < 1 {
		slower /= q
		v.besideMs = v.busy * (1 - q) * (1 - q) * cfsPeriodMs / 2
	}
	v.scale *= 1 + v.busy*(slower-1)
}

// overload is the work offered over the work possible; above 1 a backlog grows.
func (v *solver) overload(l *serviceLoad) float64 {
	switch {
	case v.able:
		return l.cpuMs * v.perUnit
	case l.cpuMs+l.wakeMs > 0:
		return math.Inf(1)
	}
	return 0
}

// solve computes the stationary performance under a load, of which requests are held up elsewhere by so much ([bunching]).
func (v *solver) solve(l *serviceLoad, p *servicePerf, bunching float64) {
	if !v.able {
		*p = servicePerf{util: 1, replicas: v.trained, overload: math.Inf(1), scale: v.scale, lone: v.scale, stalled: 1, stallMs: cfsPeriodMs}
		if l.cpuMs+l.wakeMs <= 0 {
			p.util, p.overload, p.stalled, p.stallMs, p.idle = 0, 0, 0, 0, 1
		}
		return
	}
	floor := l.cpuMs * v.perUnit
	util, idle, strain := utilisation(floor, l.wakeMs*v.perUnit*v.paid, v.core, v.idlePower, 1+v.bunched*bunching)
	idle *= v.paid
	p.replicas = v.trained
	p.util, p.overload, p.idle, p.scale, p.lone, p.stalled, p.stallMs, p.delayMs = util, floor, idle, v.scale, v.scale, 0, 0, 0
	if util <= 0 || l.visits <= 0 {
		return
	}
	u := pressure(util, floor, v.wakes, strain*v.strain)
	rho := u * v.core
	if rho > maxCoreUtil {
		rho = maxCoreUtil
	}
	congestion := rho / (1 - rho)
	if v.cores != 1 {
		congestion = congestionAt(rho, v.cores)
	}
	if v.limited {
		s := v.sheet.at(u, v.periodShare*l.visits/util)
		congestion *= s.congestion
		if p.stalled = min(s.throttled, 1); v.throttled != 1 {
			p.stalled = powers.of(max(p.stalled, 0), v.throttled)
		}
		p.stallMs = s.stallMs*v.perBatch*positive(v.stall[0]+v.stall[1]*u) + v.besideMs
	}
	p.scale *= 1 + congestion*positive(v.congestion[0]+v.congestion[1]*u)
}

// solve computes the stationary performance of a capacity that is asked about once.
func (p *servicePerf) solve(l serviceLoad, c *serviceCapacity, x *serviceResponse, bunching float64) {
	var v solver
	v.prepare(c, x)
	v.solve(&l, p, bunching)
}
