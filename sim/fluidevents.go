package sim

import (
	"math"
	"slices"
)

// This file holds what the fluid engine makes of events, of removed pods, and of work that pods have beside their visits.

// Happen lets an event happen.
func (f *Fluid) Happen(e *Event) {
	switch e.Kind {
	case RolloutEvent:
		f.cl.startRollout(e.Service, e.Surge, e.Unavailable)
		f.strand()
	case SlowEvent:
		f.slowed = true
		for i := range f.tree.ops {
			if op := &f.tree.ops[i]; op.op == e.Op {
				op.waitMs = f.app.Ops[e.Op].WaitMs * e.Factor
			}
		}
		f.followWaits()
		f.settled = false
	}
	if f.ticks == 0 { // between windows: the next one starts with it
		f.cl.changed = false
	}
}

// takeWaits begins with the application's waits, in copies of all that follows from them.
func (f *Fluid) takeWaits(x *response) {
	own := *x
	own.endpoints = slices.Clone(x.endpoints)
	f.x, f.tree = &own, f.g.tree
	f.tree.ops = slices.Clone(f.g.tree.ops)
	f.waitMs, f.timeCV = slices.Clone(f.g.waitMs), make([]float64, len(f.app.Ops))
	f.followTimes()
}

// resetWaits goes back to the application's waits.
func (f *Fluid) resetWaits() {
	copy(f.tree.ops, f.g.tree.ops)
	copy(f.waitMs, f.g.waitMs)
	f.followTimes()
	copy(f.x.endpoints, f.app.response(0).endpoints)
	f.slowed = false
}

// followWaits works out what follows from changed waits. The response is that of the application as it was: requests take as many
// times what they take on an idle system, with the same shape around it, as they did before.
func (f *Fluid) followWaits() {
	for i := range f.tree.ops { // callees first
		op := &f.tree.ops[i]
		sum := op.waitMs
		for _, c := range f.app.Ops[op.op].Calls {
			sum += c.Mean * f.waitMs[c.Op]
		}
		f.waitMs[op.op] = sum
	}
	f.followTimes()
	bare := make([]servicePerf, len(f.app.Services))
	for s := range bare {
		bare[s] = servicePerf{idle: 1, scale: 1}
	}
	ops, endpoints := make([]duration, len(f.app.Ops)), make([]duration, len(f.app.Endpoints))
	composeTimes(f.app, f.x, &f.tree, bare, ops, endpoints, nil)
	for e := range endpoints {
		f.x.endpoints[e].bareMs = endpoints[e].mean
	}
}

// followTimes finds how much the times of visits vary on an idle system.
func (f *Fluid) followTimes() {
	mean, variance := make([]float64, len(f.app.Ops)), make([]float64, len(f.app.Ops))
	for i := range f.tree.ops { // callees first
		t := &f.tree.ops[i]
		op := &f.app.Ops[t.op]
		m, v := t.cpuMs+t.wakeMs+t.waitMs, square(op.CPUMs*op.CV)+square(t.waitMs*op.WaitCV)
		longest := -1
		for k, c := range op.Calls {
			if t.parallel {
				if longest < 0 || mean[c.Op] > mean[op.Calls[longest].Op] {
					longest = k
				}
				continue
			}
			m += c.Mean * mean[c.Op]
			v += c.Mean * variance[c.Op]
		}
		if longest >= 0 {
			m += mean[op.Calls[longest].Op]
			v += variance[op.Calls[longest].Op]
		}
		mean[t.op], variance[t.op] = m, v
		f.timeCV[t.op] = ratio(math.Sqrt(v), m)
	}
}

func square(x float64) float64 { return x * x }

// refuse takes off the load what removed pods refuse that are still sent to, and what those visits would have caused below.
func (f *Fluid) refuse() {
	nE, nO, nS := len(f.intensity), len(f.app.Ops), len(f.load)
	for s := range f.kept {
		f.kept[s] = 1
	}
	for s, r := range f.cl.refused {
		if r == 0 {
			continue
		}
		for _, d := range f.g.below[s] {
			via := 0.0 // visits there that this service causes
			for _, o := range f.g.opsOf[s] {
				for e, rps := range f.intensity {
					via += rps * f.g.visits[e*nO+o] * f.g.belowVisits[o*nS+d]
				}
			}
			all := 0.0
			for e, rps := range f.intensity {
				all += rps * f.mix[d*nE+e].visits
			}
			f.kept[d] *= 1 - r*min(ratio(via, all), 1)
		}
	}
	for s := range f.load {
		l, share := &f.load[s], f.kept[s]*(1-f.cl.refused[s])
		l.visits *= share
		l.cpuMs *= share
		l.wakeMs *= share
	}
}

// failRefused counts what removed pods refuse in a window without overload.
func (f *Fluid) failRefused() {
	nS := len(f.load)
	for s, r := range f.cl.refused {
		v := &f.st.Services[s]
		v.ServedRPS, v.FailedRPS, v.ErrorRate = v.ArrivalRPS*(1-r), v.ArrivalRPS*r, r
		if r == 0 {
			continue
		}
		for e := range f.failShare {
			f.failShare[e] = 1 - (1-f.failShare[e])*math.Pow(1-r, f.g.required[e*nS+s])
		}
	}
}

// strand finds, for pods that have just been removed, how many requests they will not have answered when their grace is over. A pod
// that takes λ visits a second, each for a time X, has λ E[(X - g)+] inside that take longer than g more; X is taken for log-normal
// with the mean of the last window and the coefficient of variation on an idle system.
func (f *Fluid) strand() {
	for s := range f.cl.pods {
		if f.st.Services[s].Terminating == 0 {
			continue
		}
		svc := &f.app.Services[s]
		for i := range f.cl.pods[s] {
			p := &f.cl.pods[s][i]
			if p.phase != PodTerminating || p.stranded != unknown {
				continue
			}
			grace := svc.Grace
			if p.stage == serves {
				grace -= min(svc.PreStop, svc.RemovalLag)
			}
			p.stranded = f.strandedAfter(s, grace.Seconds()*1000)
		}
	}
}

// strandedAfter is how many visits a replica of service s has inside that take more than ms longer.
func (f *Fluid) strandedAfter(s int, ms float64) float64 {
	nE := len(f.intensity)
	visits, beyond := 0.0, 0.0
	for _, o := range f.g.opsOf[s] {
		rate := 0.0
		for e, r := range f.intensity {
			rate += r * f.g.byOp[o*nE+e]
		}
		visits += rate
		if !f.g.optional[o] {
			beyond += rate * excessOver(f.ops[o].mean, f.timeCV[o], ms)
		}
	}
	return f.st.Services[s].ServedRPS * f.solvers[s].perReplica * ratio(beyond, visits) / 1000
}

// excessOver is E[(X - t)+] of a log-normal X.
func excessOver(mean, cv, t float64) float64 {
	if mean <= 0 {
		return 0
	}
	sigma := math.Sqrt(math.Log1p(cv * cv))
	if sigma < 1e-6 || t <= 0 {
		return max(mean-t, 0)
	}
	d := (math.Log(mean/t) + sigma*sigma/2) / sigma
	return max(0, mean*normalCDF(d)-t*normalCDF(d-sigma))
}

func normalCDF(x float64) float64 { return math.Erfc(-x/math.Sqrt2) / 2 }

// loseStranded fails the requests of pods whose grace is over.
func (f *Fluid) loseStranded(dt float64) {
	nS := len(f.load)
	for s, lost := range f.cl.lost {
		if lost == 0 {
			continue
		}
		v := &f.st.Services[s]
		v.FailedRPS += lost / dt
		v.ErrorRate = min(1, ratio(v.FailedRPS, v.ServedRPS+v.FailedRPS))
		total := 0.0
		for e, r := range f.intensity {
			total += r * f.g.required[e*nS+s]
		}
		for e, r := range f.intensity {
			f.strands[e] += lost * ratio(r*f.g.required[e*nS+s], total)
		}
	}
	clear(f.cl.lost)
	f.cl.anyLost = false
}

// leastBeside is the part of a saturated replica that work beside its visits gets.
const leastBeside = 0.02

// workOn lets pods go on with the work that they have beside their visits (Service.WarmupCPUMs), for dt seconds at a utilisation of
// util by visits: it gets what they leave, one core at most. It returns the CPU used so.
func (f *Fluid) workOn(s int, util, dt float64) float64 {
	c := &f.cl.capacity[s]
	sum, busy := 0.0, 0.0
	for i := range f.cl.pods[s] {
		p := &f.cl.pods[s][i]
		p.warmupMillis = 0
		if p.warmupMs <= 0 || p.phase != PodReady && p.phase != PodTerminating {
			continue
		}
		free, speed := f.solvers[s].usable, f.st.Nodes[p.node].SpeedFactor
		if p.takesVisits() {
			free *= max(leastBeside, 1-util)
		}
		p.warmupMillis = min(free, 1000*c.share, p.warmupMs/(dt*speed))
		p.warmupMs -= p.warmupMillis * dt * speed
		if p.warmupMs < 1e-6 {
			p.warmupMs = 0
		} else if p.takesVisits() {
			busy++
		}
		sum += p.warmupMillis
	}
	if c.replicas > 0 {
		c.busy = busy / c.replicas
	}
	return sum
}
