package sim

import "math"

// This file holds the fluid engine's model of one service: how much CPU its visits cost, how long a visit
// takes and how often a replica is stalled by its CFS quota. docs/fluid.md derives it and names the data.
//
// The recorded services behave in three ways that a plain queue at rate limit/cost would miss:
//
//   - A replica runs at core speed until its quota for the 100 ms period is used up, then stalls to the
//     period's end. So latency is near the bare service time at low load, and grows through stalls.
//   - CPU per visit falls when a replica is busy: fewer wake-ups. c(u) = c_min + w (1 - u^6) fits the
//     recordings: flat up to a utilisation of about 0.8, then falling to c_min at saturation.
//   - Calls come in trains (a page makes 9-20 calls in a row), so periods overflow more often than a
//     Poisson stream of the same rate would make them.

const (
	cfsPeriodMs = 100 // CFS bandwidth period, Kubernetes' default

	// wakeExponent k in c(u) = c_min + w (1 - u^k); 6 fits frontend, currency and catalogue of the recordings.
	wakeExponent = 6

	// The share of throttled periods is f = u^(stallBase + stallPerVisit n), n = independent visits that one
	// period's quota holds. Recorded: n = 1.6 (frontend, 60 m) exponent 3; n = 6 (catalogue x2, 60 m) 4.9;
	// n = 9 (x3) 6.5.
	stallBase     = 2.5
	stallPerVisit = 0.4

	// maxStationaryUtil bounds the stationary formulas, which diverge at 1; beyond it the backlog is explicit.
	maxStationaryUtil = 0.98
	maxCoreUtil       = 0.95

	// negligibleExponent: a share below e^-16 (a delay of some nanoseconds) is taken as 0, which spares the hot path an exponential.
	negligibleExponent = 16

	// stallEase keeps stalls finite at saturation, where the formula diverges and the recordings do not
	// (frontend, 200 m: 45-50 ms at a utilisation of 0.98; the formula without it gives 100).
	stallEase = 0.08
)

// serviceLoad is what a service is asked to do per second.
type serviceLoad struct {
	visits float64 // visits/s
	cpuMs  float64 // CPU ms/s on busy, warm replicas of speed 1
	wakeMs float64 // extra CPU ms/s if every visit found its replica idle
}

// serviceCapacity is what its ready replicas can do.
type serviceCapacity struct {
	replicas    float64
	quotaMillis float64 // CPU limit of one replica
	baseMillis  float64 // CPU that an idle replica uses
	speed       float64 // work per CPU-second
	cold        float64 // CPU per visit relative to warm replicas, averaged over replicas
	share       float64 // share of its quota that a replica can get on its node, 1 unless the node is full
	burst       float64 // visits that come in a row
}

// servicePerf is how the service performs under that load.
type servicePerf struct {
	util     float64 // CPU used / limit of the ready replicas, 0..1
	overload float64 // work offered / work possible; above 1 a backlog grows
	idle     float64 // share of the wake-up cost that is paid: 1 - u^6
	scale    float64 // milliseconds of time per CPU ms of a visit: cold factor, speed and processor sharing
	stalled  float64 // f, share of periods (and of visits) that meet a stall
	stallMs  float64 // mean length of a stall as a visit meets it
	delayMs  float64 // wait in an explicit backlog
}

// solve computes the stationary performance.
func (p *servicePerf) solve(l serviceLoad, c *serviceCapacity) {
	perReplica := (c.quotaMillis - c.baseMillis) * c.share * c.speed // CPU ms/s of useful work
	capacity := c.replicas * perReplica
	if !(capacity > 0) {
		*p = servicePerf{util: 1, overload: math.Inf(1), scale: c.cold / c.speed, stalled: 1, stallMs: cfsPeriodMs}
		if l.cpuMs+l.wakeMs <= 0 {
			p.util, p.overload, p.stalled, p.stallMs, p.idle = 0, 0, 0, 0, 1
		}
		return
	}
	// u = floor + wake (1 - u^6): the right side falls in u, so there is one root; it lies left of floor+wake,
	// where Newton's method on a concave function converges monotonically.
	perUnit := c.cold / capacity
	floor, wake := l.cpuMs*perUnit, l.wakeMs*perUnit
	p.overload = floor
	u := 1.0
	if floor < 1 {
		u = min(1, floor+wake)
		for range 4 {
			u2 := u * u
			u5 := u2 * u2 * u
			step := (u - floor - wake*(1-u5*u)) / (1 + wakeExponent*wake*u5)
			u -= step
			if step < 1e-7 {
				break // the next step would be below 1e-12
			}
		}
	}
	p.util = u
	u3 := u * u * u
	p.idle = 1 - u3*u3

	// Processor sharing at core speed: a visit of S ms takes S/(1-rho) (M/G/1-PS), rho the share of one core
	// that a replica keeps busy with useful work.
	rho := min(u*(c.quotaMillis-c.baseMillis)*c.share/1000, maxCoreUtil)
	p.scale = c.cold / (c.speed * (1 - rho))

	p.stalled, p.stallMs = 0, 0
	if u < 0.05 || l.visits <= 0 {
		return
	}
	// n: trains of visits that fit into one period's quota. With the CPU per visit u capacity/visits, a quota of
	// capacity/replicas T and trains of max(1, burst/replicas) visits that meet the same replica:
	n := l.visits * (cfsPeriodMs / 1000.0) / (u * max(c.replicas, c.burst))
	k := stallBase + stallPerVisit*n
	if k*(1-u) > negligibleExponent { // ln u <= u - 1
		return
	}
	p.stalled = powers.of(u, k) // f = u^k
	// Stalled visits wait as in processor sharing slowed to the quota, taken at the floor cost, plus a part of
	// the period while the replica is idle: (c_min/q)/(1 + ease - lambda c_min/q) + (1-u) T/4, where
	// c_min/q = 1000 u replicas/visits * c_min/c(u) ms.
	us := min(u, maxStationaryUtil)
	floorShare := costFloorShare(floor, wake, us)
	p.stallMs = 1000*u*c.replicas*floorShare/(l.visits*(1+stallEase-us*floorShare)) + (1-u)*cfsPeriodMs/4
}

// powerTable gives u^k for u from 0.05 to 1 and a k of at most negligibleExponent/(1-u), within 1e-4 of its value: e^(k ln u)
// with both functions drawn straight between tabulated points. The fit that it serves is good to some percent.
type powerTable struct {
	log [1025]float64 // -ln u over u
	exp [2049]float64 // e^-x over x from 0 to expRange
}

const expRange = 64

var powers = newPowerTable()

func newPowerTable() *powerTable {
	var t powerTable
	for i := range t.log {
		t.log[i] = -math.Log(max(float64(i)/float64(len(t.log)-1), 1e-3))
	}
	for i := range t.exp {
		t.exp[i] = math.Exp(-float64(i) / float64(len(t.exp)-1) * expRange)
	}
	return &t
}

func (t *powerTable) of(u, k float64) float64 {
	x := u * float64(len(t.log)-1)
	i := min(int(x), len(t.log)-2)
	y := k * (t.log[i] + (x-float64(i))*(t.log[i+1]-t.log[i]))
	y *= float64(len(t.exp)-1) / expRange
	j := int(y)
	if j >= len(t.exp)-1 {
		return 0
	}
	return t.exp[j] + (y-float64(j))*(t.exp[j+1]-t.exp[j])
}

// costFloorShare is c_min / c(u).
func costFloorShare(floor, wake, u float64) float64 {
	if floor <= 0 {
		return 1
	}
	u3 := u * u * u
	return floor / (floor + wake*(1-u3*u3))
}

// moments are the mean and the variance of a time in ms.
type moments struct{ mean, variance float64 }

// visitMoments is the time that one visit of an operation spends in its own service.
func visitMoments(op *Operation, p *servicePerf) moments {
	cpu := (op.CPUMs + op.WakeMs*p.idle) * p.scale
	sd := cpu * op.CV
	wsd := op.WaitMs * op.WaitCV
	// A stall is met with probability f and is about exponential: E = f d, E2 = 2 f d^2.
	stall := p.stalled * p.stallMs
	return moments{
		mean:     cpu + op.WaitMs + stall + p.delayMs,
		variance: sd*sd + wsd*wsd + 2*stall*p.stallMs - stall*stall,
	}
}

// addCalls adds count calls of a callee, one after another, to m. A mean count with a fraction is the next lower
// or higher whole number of calls. With a timeout tau the caller waits E[min(X, tau)], taken for an exponential
// X of the same mean: m (1 - exp(-tau/m)).
func (m *moments) addCalls(c *Call, callee moments) {
	callee.clip(c.TimeoutMs)
	whole := math.Floor(c.Mean)
	fraction := c.Mean - whole
	m.mean += c.Mean * callee.mean
	m.variance += c.Mean*callee.variance + fraction*(1-fraction)*callee.mean*callee.mean
}

func (m *moments) clip(timeoutMs float64) {
	if timeoutMs <= 0 || m.mean <= 0 {
		return
	}
	// E[min(X,t)^2] = 2 m^2 (1 - e^-r (1 + r)) with r = t/m.
	r := timeoutMs / m.mean
	if r > 30 {
		return
	}
	e := math.Exp(-r)
	mean := m.mean * (1 - e)
	second := 2 * m.mean * m.mean * (1 - e*(1+r))
	m.mean, m.variance = mean, min(m.variance, max(0, second-mean*mean))
}

// maxOf is the maximum of two independent times, by Clark's formulas for normal variables
// ("The greatest of a finite set of random variables", Operations Research 9, 1961).
func maxOf(a, b moments) moments {
	theta := math.Sqrt(a.variance + b.variance)
	if theta < 1e-12 {
		return moments{max(a.mean, b.mean), 0}
	}
	x := (a.mean - b.mean) / theta
	density := math.Exp(-x*x/2) / math.Sqrt(2*math.Pi)
	below := 0.5 * math.Erfc(-x/math.Sqrt2)
	mean := a.mean*below + b.mean*(1-below) + theta*density
	second := (a.mean*a.mean+a.variance)*below + (b.mean*b.mean+b.variance)*(1-below) + (a.mean+b.mean)*theta*density
	return moments{mean, max(0, second-mean*mean)}
}
