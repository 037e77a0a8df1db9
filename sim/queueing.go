package sim

import "math"

// This file holds the fluid engine's model of one service: how much CPU its visits cost, how long a visit takes and how
// often a replica is stalled by its CFS quota. docs/fluid.md derives it. Its structure is analytic; the factors of
// [serviceResponse] are fitted to the request-level engine once for each application (response.go).

const cfsPeriodMs = 100 // CFS bandwidth period, Kubernetes' default

const (
	// maxStationaryUtil bounds the stationary formulas, which diverge at 1; beyond it the backlog is explicit.
	maxStationaryUtil = 0.99
	maxCoreUtil       = 0.97
)

// serviceLoad is what a service is asked to do per second.
type serviceLoad struct {
	visits float64 // visits/s
	cpuMs  float64 // CPU ms/s on busy, warm replicas of speed 1
	wakeMs float64 // extra CPU ms/s if every chunk found its replica idle
}

// serviceCapacity is what its ready replicas can do.
type serviceCapacity struct {
	replicas    float64
	logReplicas float64     // ln replicas, 0 for none
	cores       float64     // that one replica can use at once
	quotaMillis float64     // CPU limit of one replica
	baseMillis  float64     // CPU that an idle replica uses
	speed       float64     // work per CPU-second
	cold        float64     // CPU per visit relative to warm replicas, averaged over replicas
	stretch     float64     // how much longer work takes because other pods of the node run too, 1 on an idle one
	busy        float64     // share of the replicas that have work beside their visits (Service.WarmupCPUMs)
	share       float64     // share of its quota that a replica can get on its node, 1 unless the node is full
	perBatch    float64     // 1 over the visits that count as one where they come in a row (batchOf)
	sparedBy    []float64   // by replicas less 1, see compileSleep; nothing without SleepMs
	spared      float64     // of it, that of these replicas
	sheet       *stallSheet // of its quota, filled when needed
}

// newCapacity is that of ready, warm replicas of service s.
func newCapacity(app *App, s int, replicas, quotaMillis, speed float64, sheet *stallSheet) serviceCapacity {
	svc := &app.Services[s]
	c := serviceCapacity{replicas: replicas, cores: float64(svc.Cores), quotaMillis: quotaMillis, baseMillis: svc.BaseCPUMillis, speed: speed, cold: 1, share: 1, stretch: 1, sheet: sheet, sparedBy: app.graph.spared[s]}
	c.setReplicas(replicas, app.graph.batch[s])
	return c
}

func (c *serviceCapacity) setReplicas(n, batch float64) {
	c.replicas = n
	c.logReplicas = math.Log(max(n, 1))
	c.perBatch = 1 / batchOf(batch, n)
	if k := len(c.sparedBy); k > 0 {
		c.spared = c.sparedBy[min(max(int(n), 1), k)-1]
	}
}

// paid is the share of wake-ups that sleeps do not spare; spares is how much of what they should they do.
func (c *serviceCapacity) paid(spares float64) float64 { return max(0, 1-spares*c.spared) }

// limited tells whether the quota is less than the cores.
func (c *serviceCapacity) limited() bool { return c.quotaMillis < 1000*c.cores }

// usableMillis is the CPU that one replica has for visits.
func (c *serviceCapacity) usableMillis() float64 {
	if c.limited() {
		return (c.quotaMillis - c.baseMillis) * c.share
	}
	return 1000 * c.cores * c.share
}

// batchOf is how many of a request's visits one replica meets in a row: those that it makes of the service, spread over
// the replicas.
func batchOf(visitsPerRequest, replicas float64) float64 {
	return max(1, visitsPerRequest/max(replicas, 1))
}

// servicePerf is how the service performs under that load.
type servicePerf struct {
	util     float64 // CPU used / usable CPU of the ready replicas, 0..1
	overload float64 // work offered / work possible; above 1 a backlog grows
	idle     float64 // share of the wake-up cost that is paid
	scale    float64 // milliseconds of time per CPU ms of a visit: cold factor, speed and congestion
	replicas int     // at most mostTrained
	lone     float64 // the same without congestion
	stalled  float64 // share of CFS periods that end in a stall
	stallMs  float64 // that a visit spends in stalls
	delayMs  float64 // wait in an explicit backlog
}

// pressure is the utilisation that queues follow. A busy replica needs only the floor cost, so near saturation, where
// chunks rarely find it idle, queues grow as if there were few wake-ups (as with an exceptional first service of a busy
// period: Welch, Operations Research 12, 1964); wakes is the share of them that counts. Where there is no room for as many
// wake-ups as there would be, queues must grow until chunks find the replica idle so rarely that the work fits: they go the
// faster towards saturation the more wake-ups have to go, which strain is the logarithm of.
func pressure(util, floor, wakes, strain float64) float64 {
	u := floor
	if util > floor {
		u += wakes * (util - floor)
	}
	if strain > 0 {
		u = 1 - (1-u)*powers.expNeg(strain)
	}
	if u > maxStationaryUtil {
		return maxStationaryUtil
	}
	return u
}

// utilisation adds the wake-ups that are paid to the floor of the utilisation. A chunk pays if it finds nothing else to
// run, neither at work nor standing in a stall: idle = (1 - floor core)(1 - floor^k) / bunched, at most what leaves the utilisation
// below 1, since wake-ups become rarer until the work fits. strain is the logarithm of how many times fewer they are.
func utilisation(floor, wake, core, k, bunched float64) (u, idle, strain float64) {
	if floor >= 1 {
		return 1, 0, 0
	}
	idle = 1 - powers.of(floor, max(k, 0.3))
	if busy := floor * core; busy < 1 {
		idle *= 1 - busy
	} else {
		idle = 0
	}
	idle /= bunched
	room := fullUtil - floor
	if room < 0 {
		room = 0
	}
	if wake*idle > room {
		strain = math.Log(min(wake*idle/max(room, 1e-9), mostStrain))
		idle = room / wake
	}
	return floor + wake*idle, idle, strain
}

// mostStrain bounds how many times fewer wake-ups there are.
const mostStrain = 50

// fullUtil is where utilisation ends up on the brink of overload: stalls leave some quota unused for good.
const fullUtil = 0.998

// congestionAt is the mean delay of a visit by others on a replica without a quota, in units of its work: processor
// sharing over k cores, rho/(1-rho) for one (M/G/1-PS), in general C/(k(1-rho)) with Erlang's C, as the mean wait of
// M/M/k (processor sharing is insensitive to the distribution of work). On many cores nobody waits but near saturation.
func congestionAt(rho, k float64) float64 {
	switch {
	case k == 1:
		return rho / (1 - rho)
	case k == 2:
		return rho * rho / (1 - rho*rho)
	case k > maxErlangCores:
		// Sakasegawa, Ann. Inst. Statist. Math. 29, 1977; within 0.005.
		return math.Pow(rho, math.Sqrt(2*(k+1))-1) / (k * (1 - rho))
	case rho <= 0:
		return 0
	}
	inverse := 1.0 // of Erlang's B formula, by its recursion
	for i := 1.0; i <= k; i++ {
		inverse = 1 + i/(k*rho)*inverse
	}
	return 1 / ((1 + (inverse-1)*(1-rho)) * k * (1 - rho))
}

// maxErlangCores bounds the steps that congestionAt takes.
const maxErlangCores = 64

func positive(x float64) float64 {
	if x < 0.02 {
		return 0.02
	}
	return x
}

// powerTable gives u^k for u in [0, 1]: e^(k ln u) with both functions drawn straight between tabulated points, within
// 1e-3 of its value where u^k is above 1e-3.
type powerTable struct {
	log [1025]float64 // -ln u over u
	exp [2049]float64 // e^-x over x from 0 to expRange
}

const expRange = 64

var powers = newPowerTable()

func newPowerTable() *powerTable {
	var t powerTable
	for i := range t.log {
		t.log[i] = -math.Log(max(float64(i)/float64(len(t.log)-1), 1e-4))
	}
	for i := range t.exp {
		t.exp[i] = math.Exp(-float64(i) / float64(len(t.exp)-1) * expRange)
	}
	return &t
}

func (t *powerTable) of(u, k float64) float64 {
	x := u * float64(len(t.log)-1)
	i := min(int(x), len(t.log)-2)
	return t.expNeg(k * (t.log[i] + (x-float64(i))*(t.log[i+1]-t.log[i])))
}

// expNeg is e^-y for y of at least 0, at most 1.3e-4 of its value off below expRange and 0 from there on.
func (t *powerTable) expNeg(y float64) float64 {
	y *= float64(len(t.exp)-1) / expRange
	j := int(y)
	if j >= len(t.exp)-1 {
		return 0
	}
	return t.exp[j] + (y-float64(j))*(t.exp[j+1]-t.exp[j])
}

// duration is a mean time in ms, with what of it is spent in stalls and in explicit backlogs.
type duration struct{ mean, stall, delay float64 }

func (d *duration) add(k float64, x *duration) {
	d.mean += k * x.mean
	d.stall += k * x.stall
	d.delay += k * x.delay
}

// visitTime is the time that one visit of an operation spends in its own service, which meets so many times the mean stalls.
func visitTime(op *Operation, stallShare float64, p *servicePerf) duration {
	stall := p.stallMs * stallShare
	return duration{mean: (op.CPUMs+op.WakeMs*p.idle)*p.scale + op.WaitMs + stall + p.delayMs, stall: stall, delay: p.delayMs}
}

// noClip is how many times the mean a timeout must be to make no difference: e^-20 is 2e-9.
const noClip = 20

// clip bounds a time by the caller's patience: E[min(X, t)] of an exponential X is m (1 - e^(-t/m)).
func (d *duration) clip(timeoutMs float64) {
	if timeoutMs <= 0 || d.mean <= 0 {
		return
	}
	if timeoutMs > noClip*d.mean { // without a division in the common case
		return
	}
	r := timeoutMs / d.mean
	var f float64
	if r < 1 {
		f = 1 - math.Exp(-r)
	} else {
		f = 1 - powers.expNeg(r)
	}
	d.mean, d.stall, d.delay = d.mean*f, d.stall*f, d.delay*f
	if r < 1 { // who is mostly given up is no part of a stationary system
		d.stall, d.delay = 0, d.mean
	}
}

// parallelTime is how long calls at once take: between the longest of them and their sum, at weights that are fitted.
func parallelTime(op *Operation, ops []duration, w [2]float64) duration {
	var longest, sum duration
	for k := range op.Calls {
		c := &op.Calls[k]
		callee := ops[c.Op]
		callee.clip(c.TimeoutMs)
		if share := min(c.Mean, 1); callee.mean*share > longest.mean {
			longest = duration{callee.mean * share, callee.stall * share, callee.delay * share}
		}
		sum.add(c.Mean, &callee)
	}
	var d duration
	d.add(w[0], &longest)
	d.add(w[1], &sum)
	return d
}
