package sim

import (
	"math"

	"gonum.org/v1/gonum/mathext"
)

// queue carries work through a window in which some service is overloaded or still has a backlog.
//
// Services are taken callers first. Each can complete its capacity; what it does not complete waits and is
// mixed evenly with the next window's arrivals, and only what it completes goes on to its callees: upstream
// saturation throttles downstream load. Waiting work older than its timeout is given up: for each visit given
// up one request fails, unless the call is optional, and the work done upstream for it is lost.
func (f *Fluid) queue(dt float64) {
	in := f.opVisits // visits/s that reach each operation
	clear(in)
	perTick := 1 / float64(f.ticks)
	for e, sum := range f.rps {
		in[f.app.Endpoints[e].Op] += sum * perTick
	}
	f.anyWaits = false
	for _, s := range f.g.order {
		f.queueService(s, in, dt)
	}
	// Failures by endpoint: a service's given-up visits, split by who visits it.
	for s := range f.st.Services {
		v := &f.st.Services[s]
		if v.FailedRPS <= 0 {
			continue
		}
		total := 0.0
		for e := range f.rps {
			total += f.rps[e] * perTick * f.g.required[e*len(f.perf)+s]
		}
		if total <= 0 {
			continue
		}
		for e := range f.rps {
			if visits := f.g.required[e*len(f.perf)+s]; visits > 0 {
				// v.FailedRPS * share of e's visits, per request of e; a request fails once.
				f.failShare[e] = min(1, f.failShare[e]+v.FailedRPS*visits/total)
			}
		}
	}
}

// queueService serves one service for dt seconds.
func (f *Fluid) queueService(s int, in []float64, dt float64) {
	v, p, c := &f.st.Services[s], &f.perf[s], &f.cl.capacity[s]
	ops := f.g.opsOf[s]
	offeredBefore := f.load[s].visits
	var l serviceLoad
	waitingMs, waiting := 0.0, 0.0
	for _, o := range ops {
		op := &f.app.Ops[o]
		l.visits += in[o]
		l.cpuMs += in[o] * op.CPUMs
		l.wakeMs += in[o] * op.WakeMs
		waiting += f.backlog[o]
		waitingMs += f.backlog[o] * op.CPUMs
	}
	f.load[s] = l
	f.solvers[s].solve(&l, p)
	v.ServedRPS, v.FailedRPS, v.ErrorRate = 0, 0, 0
	// Useful CPU per second, at the cost of busy replicas when there is a backlog.
	capacity := c.replicas * c.usableMillis() * c.speed / c.cold
	needMs := l.cpuMs*dt + waitingMs
	ratio := 1.0
	if needMs > capacity*dt {
		ratio = capacity * dt / needMs
	}
	rate := math.Inf(1) // visits/s that the workers allow
	if f.app.Services[s].Workers > 0 {
		rate = f.workerRPS(s)
		if n := l.visits*dt + waiting; n > 0 {
			rate = min(rate, n*f.room(s, in, dt)/dt)
			if rate*dt < n*ratio {
				ratio = rate * dt / n
			}
		}
	}
	served, left, leftMs := 0.0, 0.0, 0.0
	for _, o := range ops {
		total := in[o]*dt + f.backlog[o]
		f.backlog[o] = total * (1 - ratio)
		served += total * ratio
		left += f.backlog[o]
		leftMs += f.backlog[o] * f.app.Ops[o].CPUMs
		for k := range f.app.Ops[o].Calls {
			call := &f.app.Ops[o].Calls[k]
			in[call.Op] += total * ratio / dt * call.Mean
		}
	}
	if left < 1e-9*(1+l.visits) {
		for _, o := range ops {
			f.backlog[o] = 0
		}
		left, leftMs = 0, 0
	}
	if math.IsInf(rate, 1) {
		f.loseCrowd(s, l, capacity, dt, &left, &leftMs)
	}
	f.giveUp(s, capacity, rate, dt, &left, &leftMs)
	f.backlogMs[s] = leftMs
	f.anyWaits = f.anyWaits || left > 0
	if left > 0 || waiting > 0 {
		p.util = 1
		if needMs < capacity*dt {
			p.util = min(1, max(p.util, needMs/(capacity*dt)))
		}
		// FIFO: an arrival waits for what is before it; on average over the window half of begin and end.
		// A request that makes several visits one after another meets it once, a part at each.
		p.delayMs = waitMs((waitingMs+leftMs)/2, (waiting+left)/2, capacity, rate) / f.g.rounds[s]
	}
	v.Backlog = left
	if math.IsInf(rate, 1) { // in order of arrival where workers bind
		v.Backlog *= f.crowding(s, l.cpuMs/max(capacity, 1e-9), waiting > 0) * f.x.services[s].crowd / f.g.rounds[s]
	}
	v.ServedRPS = served / dt
	// Metrics show what arrived, scaled by how much of the offered load got past the callers.
	if offeredBefore > 1e-9 {
		v.ArrivalRPS *= l.visits / offeredBefore
	} else {
		v.ArrivalRPS = l.visits
	}
	if l.visits > 0 {
		v.ErrorRate = min(1, v.FailedRPS/l.visits)
	}
}

// workerRate is how many visits per ms w workers complete that are never without one: each holds its visit for a time z
// without work and for work d, for which all of them share cores. The formulas for a replica that anybody may enter know
// nothing of w. So this is a closed network of w customers: with n of them at work, weights
// p(n) = p(n-1) (w-n+1) d / (z min(n, cores)), whatever the distributions (Kelly, Reversibility and Stochastic Networks,
// 1979, section 3.3), and min(n, cores)/d done per ms. The sums are kept relative to the last weight.
//
// For many workers it is mean value analysis in Schweitzer's form: an arriving one finds (w-1)/w of what there is, so
// R = d (1 + (w-1)/w Q), Q = X R, X = w/(z + R), a quadratic equation for the rate X, in which k cores count as one of
// d/k and a time d (k-1)/k without sharing (Seidmann et al., Performance Evaluation 7, 1987).
func workerRate(w int, z, d, cores float64) float64 {
	if w > maxWorkerSteps {
		z += d * (cores - 1) / cores
		d /= cores
		b := z + float64(w)*d
		return 2 * float64(w) / (b + math.Sqrt(max(0, b*b-4*float64(w-1)*d*z)))
	}
	if !(d > 0) {
		return float64(w) / z
	}
	sum, working := 1.0, 0.0
	for n := 1; n <= w; n++ {
		at := min(float64(n), cores)
		inverse := z * at / (d * float64(w-n+1))
		sum = sum*inverse + 1
		working = working*inverse + at
	}
	return working / (sum * d)
}

// maxWorkerSteps bounds the steps of workerRate.
const maxWorkerSteps = 64

// callersHold is how many visits the workers of a service's callers can wait for at once: no more stand in its queue.
// Without bound if a caller has no limit, or clients call.
func (f *Fluid) callersHold(s int) float64 {
	if s == f.app.Entry {
		return math.Inf(1)
	}
	sum := 0.0
	for _, k := range f.g.callers[s] {
		w := f.app.Services[k].Workers
		if w == 0 {
			return math.Inf(1)
		}
		sum += float64(w) * f.cl.capacity[k].replicas
	}
	return sum
}

// room is the share of the visits that a service with limited workers could complete in dt seconds which its callees
// have room for: what they can do in that time, and what their callers' workers can still wait for.
func (f *Fluid) room(s int, in []float64, dt float64) float64 {
	share := 1.0
	for _, c := range f.g.callees[s] {
		limit := f.callersHold(c)
		if math.IsInf(limit, 1) {
			continue
		}
		inflow, work := 0.0, 0.0 // visits and CPU ms
		for _, o := range f.g.opsOf[s] {
			total := in[o]*dt + f.backlog[o]
			for k := range f.app.Ops[o].Calls {
				if call := &f.app.Ops[o].Calls[k]; f.app.Ops[call.Op].Service == c {
					inflow += total * call.Mean
					work += total * call.Mean * f.app.Ops[call.Op].CPUMs
				}
			}
		}
		waiting := 0.0
		for _, o := range f.g.opsOf[c] {
			waiting += f.backlog[o]
		}
		if inflow <= 0 || work <= 0 {
			continue
		}
		q := &f.cl.capacity[c]
		done := q.replicas * q.usableMillis() * q.speed / q.cold * dt * inflow / work
		share = min(share, max(0, done+limit*f.g.rounds[c]-waiting)/inflow)
	}
	return share
}

// crowding is how many requests stand in a backlog for each one's worth of work in it. Processor sharing serves all alike, so
// that the backlog of a growing overload is made of requests partly done. At an offered load of rho times the capacity
// their number grows as a t, and a request that came at s has by t received ln(t/s)/a of service; so with S the work of
// one, of mean 1: a = rho (1 - E[e^(-a S)]), against rho - 1 in order of arrival (Jean-Marie and Robert, "On the transient
// behavior of the processor sharing queue", Queueing Systems 17, 1994). S is taken for a gamma variable; exponential
// work gives a = rho - 1. While the backlog drains the crowd stays as it was.
func (f *Fluid) crowding(s int, rho float64, waited bool) float64 {
	switch {
	case rho > 1.02:
		f.crowd[s] = crowdGrowth(rho, f.g.workCV2[s])
	case !waited:
		f.crowd[s] = 1
	}
	return f.crowd[s]
}

// crowdGrowth is a/(rho-1) for work of mean 1 and this squared coefficient of variation, rho > 1.
func crowdGrowth(rho, cv2 float64) float64 {
	cv2 = max(cv2, 0.02)
	a := rho
	for range 2000 {
		next := rho * (1 - math.Pow(1+a*cv2, -1/cv2))
		if math.Abs(next-a) < 1e-13*rho {
			break
		}
		a = next
	}
	return min(a/(rho-1), 5)
}

// crowdAge remembers, for each window of a backlog, how much service each request in it had received by then, in units of
// what one asks of the service, and at what rate requests came.
type crowdAge struct {
	windows []agedWindow
	served  float64
	endS    float64
}

type agedWindow struct{ endS, served, arrivals float64 }

// maxAges bounds what a service remembers: two minutes of windows of one tick.
const maxAges = 120

// loseCrowd drops the requests of a backlog that have been in it for as long as their callers wait and are not done.
// Processor sharing gives each of N requests the N-th part of the capacity; who came a patience ago has since received x
// and is still there with probability P(S > x), S the work of one, taken for a gamma variable of mean 1.
func (f *Fluid) loseCrowd(s int, l serviceLoad, capacity, dt float64, left, leftMs *float64) {
	a := &f.ages[s]
	if *left <= 0 || l.visits <= 0 || l.cpuMs <= 0 {
		a.windows, a.served, a.endS = a.windows[:0], 0, 0
		return
	}
	visits := f.g.batch[s]
	crowd := max(*left/visits*f.crowd[s], 1)
	a.endS += dt
	a.served += dt * capacity / (l.cpuMs / l.visits * visits) / crowd
	if len(a.windows) == maxAges {
		a.windows = a.windows[:copy(a.windows, a.windows[1:])]
	}
	a.windows = append(a.windows, agedWindow{a.endS, a.served, l.visits / visits})
	patience := f.g.patienceMs[s] / 1000
	if a.endS < patience || patience < 2*dt { // giveUp sees to impatience that windows cannot show
		return
	}
	i := 0
	for i < len(a.windows)-1 && a.windows[i].endS < a.endS-patience {
		i++
	}
	x := max(0, a.served-a.windows[i].served)
	shape := 1 / max(f.g.workCV2[s], 0.02)
	there := mathext.GammaIncRegComp(shape, shape*x)
	unserved := mathext.GammaIncRegComp(shape+1, shape*x) - x*there // E[(S-x)+]
	lost := a.windows[i].arrivals * dt
	gone := min(lost*max(unserved, 0)*visits / *left, 1)
	v := &f.st.Services[s]
	required := 0.0
	for _, o := range f.g.opsOf[s] {
		if !f.g.optional[o] {
			required += f.backlog[o]
		}
		f.backlog[o] *= 1 - gone
	}
	v.FailedRPS += lost * there / dt * required / *left
	*left *= 1 - gone
	*leftMs *= 1 - gone
}

// waitMs is how long work waits behind a backlog of CPU ms and visits.
func waitMs(cpuMs, visits, capacity, rate float64) float64 {
	wait := 0.0
	if cpuMs > 0 {
		wait = cpuMs / max(capacity, 1e-9) * 1000
	}
	if !math.IsInf(rate, 1) && visits > 0 {
		wait = max(wait, visits/max(rate, 1e-9)*1000)
	}
	return min(wait, maxDelayMs)
}

// maxDelayMs bounds delays where a service has no capacity at all.
const maxDelayMs = 600_000

// giveUp drops what would wait longer than the patience of the service's callers.
func (f *Fluid) giveUp(s int, capacity, rate, dt float64, left, leftMs *float64) {
	if *left <= 0 {
		return
	}
	wait := waitMs(*leftMs, *left, capacity, rate)
	patience := f.g.patienceMs[s]
	if wait <= patience {
		return
	}
	keep := patience / wait
	v := &f.st.Services[s]
	for _, o := range f.g.opsOf[s] {
		dropped := f.backlog[o] * (1 - keep)
		f.backlog[o] -= dropped
		if !f.g.optional[o] {
			v.FailedRPS += dropped / dt
		}
	}
	*left *= keep
	*leftMs *= keep
}
