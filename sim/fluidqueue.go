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
	clear(f.entering)
	perTick := 1 / float64(f.ticks)
	for e, sum := range f.rps {
		f.entering[f.app.Endpoints[e].Op] += sum * perTick
	}
	f.anyWaits, f.held = false, f.held[:0]
	clear(f.outflow)
	for _, s := range f.g.flowOrder {
		for _, o := range f.g.opsOf[s] {
			f.opVisits[o] = f.inflow(o)
		}
		f.queueService(s, f.opVisits, dt)
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
	refused := 0.0 // by removed pods
	if r := f.cl.refused[s]; r > 0 {
		for _, o := range ops {
			if !f.g.optional[o] {
				refused += in[o] * r
			}
			in[o] *= 1 - r
		}
	}
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
	f.solvers[s].solve(&l, p, f.bunch.of[s])
	v.ServedRPS, v.FailedRPS, v.ErrorRate = 0, refused, 0
	// Useful CPU per second, at the cost of busy replicas when there is a backlog.
	capacity := c.replicas * c.usableMillis() * c.speed / c.cold
	needMs := l.cpuMs*dt + waitingMs
	ratio := 1.0
	if needMs > capacity*dt {
		ratio = capacity * dt / needMs
	}
	rate, bound := math.Inf(1), false // visits/s that the workers allow; they, not CPU, are what lacks
	if f.app.Services[s].Workers > 0 {
		rate = f.workersAllow(s, l.visits+waiting/dt)
		if n := l.visits*dt + waiting; n > 0 {
			rate = min(rate, n*f.room(s, in, dt)/dt)
			if rate*dt < n*ratio {
				ratio, bound = rate*dt/n, true
			}
		}
	}
	f.noteOutflow(s, in, ratio, dt)
	served, left, leftMs := 0.0, 0.0, 0.0
	for _, o := range ops {
		total := in[o]*dt + f.backlog[o]
		f.backlog[o] = total * (1 - ratio)
		served += total * ratio
		left += f.backlog[o]
		leftMs += f.backlog[o] * f.app.Ops[o].CPUMs
	}
	queued := f.app.Services[s].Balancing == SharedQueue
	noneReady := c.replicas <= 0 && !queued // a Kubernetes Service without ready endpoints refuses connections
	if noneReady {
		v.FailedRPS += left / dt
	}
	if noneReady || left < 1e-9*(1+l.visits) {
		for _, o := range ops {
			f.backlog[o] = 0
		}
		left, leftMs = 0, 0
	}
	rho, cv2, fitted := l.cpuMs/max(capacity, 1e-9), f.g.workCV2[s], f.x.services[s].crowd
	if !math.IsInf(rate, 1) { // in order of arrival where workers bind, but a request comes back for each of its rounds
		rho, cv2, fitted = max(rho, l.visits/max(rate, 1e-9)), 1/f.g.rounds[s], 1
	}
	f.crowding(s, rho, cv2, waiting > 0)
	if !math.IsInf(rate, 1) {
		// What one window lets through may be next to nothing, where those before let more than there was room for.
		if f.passing[s] > 0 && waiting > 0 {
			f.passing[s] += damping * (served/dt - f.passing[s])
		} else {
			f.passing[s] = served / dt
		}
		rate = max(f.passing[s], 1e-9)
	}
	switch {
	case c.replicas <= 0 && queued: // how long they have waited shows once somebody serves them
	case !math.IsInf(rate, 1) || !f.loseCrowd(s, l, capacity, dt, &left, &leftMs):
		f.giveUp(s, capacity, rate, dt, &left, &leftMs)
	}
	f.backlogMs[s] = leftMs
	f.anyWaits = f.anyWaits || left > 0
	if left > 0 || waiting > 0 {
		if offered := l.visits * dt; !bound && needMs >= capacity*dt || offered <= 0 {
			p.util = 1
		} else { // workers wait for calls, or a backlog ends: CPU does what is served
			p.util = min(1, p.util*served/offered)
		}
		// FIFO: an arrival waits for what is before it; on average over the window half of begin and end.
		// A request that makes several visits one after another meets it once, a part at each.
		p.delayMs = waitMs((waitingMs+leftMs)/2, (waiting+left)/2, capacity, rate) / f.g.rounds[s]
	}
	v.Backlog = left * f.crowd[s] * fitted / f.g.rounds[s]
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

// crowding finds how many requests stand in a backlog for each one's worth of work in it. Processor sharing serves all alike,
// so that the backlog of a growing overload is made of requests partly done. At an offered load of rho times the capacity
// their number grows as a t, and a request that came at s has by t received ln(t/s)/a of service; so with S the work of
// one, of mean 1: a = rho (1 - E[e^(-a S)]), against rho - 1 in order of arrival (Jean-Marie and Robert, "On the transient
// behavior of the processor sharing queue", Queueing Systems 17, 1994). S is taken for a gamma variable; exponential
// work gives a = rho - 1. While the backlog drains the crowd stays as it was.
//
// In order of arrival a request that comes back R times for another visit waits each time: each round takes it from s to
// s (1 + a/R), so that a = rho (1 - (1 + a/R)^-R). This is the same with a gamma variable of squared coefficient of
// variation 1/R.
func (f *Fluid) crowding(s int, rho, cv2 float64, waited bool) {
	switch {
	case rho > 1.02:
		f.crowd[s] = crowdGrowth(rho, cv2)
	case !waited:
		f.crowd[s] = 1
	}
}

// crowdGrowth is a/(rho-1) for work of mean 1 and this squared coefficient of variation, rho > 1.
func crowdGrowth(rho, cv2 float64) float64 {
	cv2 = max(cv2, 0.02)
	a := rho // the right side is concave in a: Newton's steps come down to the root without passing it
	for range 50 {
		left := math.Pow(1+a*cv2, -1/cv2)
		next := a - (a-rho*(1-left))/(1-rho*left/(1+a*cv2))
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
	crowd   float64 // requests inside at the end
}

type agedWindow struct {
	endS     float64
	served   [3]float64 // at the window's beginning, middle and end
	arrivals float64
}

// maxAges bounds what a service remembers: two minutes of windows of one tick.
const maxAges = 120

// clear forgets.
func (a *crowdAge) clear() { a.windows, a.served, a.endS, a.crowd = a.windows[:0], 0, 0, 1 }

// advance adds a window of dt seconds in which rate requests could be completed a second, all inside sharing it, and after
// which so many are inside: their number changes evenly, so each receives the integral of rate over it.
func (a *crowdAge) advance(dt, rate, crowd, arrivals float64) {
	share := func(until float64) float64 { // from the window's beginning
		if n := a.crowd + until*(crowd-a.crowd); math.Abs(n-a.crowd) > 1e-6*a.crowd {
			return until * dt * rate * math.Log(n/a.crowd) / (n - a.crowd)
		}
		return until * dt * rate / a.crowd
	}
	w := agedWindow{endS: a.endS + dt, arrivals: arrivals}
	w.served = [3]float64{a.served, a.served + share(0.5), a.served + share(1)}
	a.endS, a.served, a.crowd = w.endS, w.served[2], crowd
	if len(a.windows) == maxAges {
		a.windows = a.windows[:copy(a.windows, a.windows[1:])]
	}
	a.windows = append(a.windows, w)
}

// loseCrowd drops the requests of a backlog that have been in it for as long as their callers wait and are not done.
// Processor sharing gives each of N requests the N-th part of the capacity; who came a patience ago has since received x
// and is still there with probability P(S > x), S the work of one, taken for a gamma variable of mean 1.
//
// It does nothing, and tells so, where nothing comes or where windows cannot show so little patience.
func (f *Fluid) loseCrowd(s int, l serviceLoad, capacity, dt float64, left, leftMs *float64) bool {
	a := &f.ages[s]
	patience := f.g.patienceMs[s] / 1000
	if *left <= 0 || l.visits <= 0 || l.cpuMs <= 0 || patience < 2*dt {
		a.clear()
		return false
	}
	visits := f.g.batch[s]
	a.advance(dt, capacity/(l.cpuMs/l.visits*visits), max(*left/visits*f.crowd[s], 1), l.visits/visits)
	if a.endS < patience {
		return true
	}
	i := 0
	for i < len(a.windows)-1 && a.windows[i].endS < a.endS-patience-1e-9 {
		i++
	}
	w := &a.windows[i]
	shape := 1 / max(f.g.workCV2[s], 0.02)
	there, unserved := 0.0, 0.0 // P(S > x) and E[(S-x)+], averaged by Simpson's rule over the window in which they came
	for k, weight := range [3]float64{1. / 6, 4. / 6, 1. / 6} {
		x := max(0, a.windows[len(a.windows)-1].served[k]-w.served[k])
		p := mathext.GammaIncRegComp(shape, shape*x)
		there += weight * p
		unserved += weight * max(0, mathext.GammaIncRegComp(shape+1, shape*x)-x*p)
	}
	lost := w.arrivals * dt
	gone := min(lost*unserved*visits / *left, 1)
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
	return true
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
