package sim

import "math"

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
		if n := l.visits*dt + waiting; n > 0 && rate*dt < n*ratio {
			ratio = rate * dt / n
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
	f.giveUp(s, capacity, rate, dt, &left, &leftMs)
	f.backlogMs[s] = leftMs
	f.anyWaits = f.anyWaits || left > 0
	if left > 0 || waiting > 0 {
		p.util = 1
		if needMs < capacity*dt {
			p.util = min(1, max(p.util, needMs/(capacity*dt)))
		}
		// FIFO: an arrival waits for what is before it; on average over the window half of begin and end.
		p.delayMs = waitMs((waitingMs+leftMs)/2, (waiting+left)/2, capacity, rate)
	}
	v.Backlog = left
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
