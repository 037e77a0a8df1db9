package sim

import "math"

// This file carries flows from callers to callees within an overloaded window.

// compileFlow finds the order in which flows are computed: callers before callees and, where that leaves a choice, what a
// caller calls first with all below it before what it calls next. It also finds what is below each operation.
func (a *App) compileFlow() {
	g := &a.graph
	nO, nS := len(a.Ops), len(a.Services)
	edges := make([][]int, nS) // callees, those called last first
	for s := range edges {
		for i := len(g.opsOf[s]) - 1; i >= 0; i-- {
			calls := a.Ops[g.opsOf[s][i]].Calls
			for k := len(calls) - 1; k >= 0; k-- {
				edges[s] = append(edges[s], a.Ops[calls[k].Op].Service)
			}
		}
	}
	g.flowOrder = topological(nS, func(n int) []int { return edges[n] }, a.Entry)
	g.waitMs = make([]float64, nO)
	g.below, g.belowVisits, g.belowCPU = make([][]int, nS), make([]float64, nO*nS), make([]float64, nO*nS)
	for i := nO - 1; i >= 0; i-- {
		o := g.opOrder[i]
		g.waitMs[o] = a.Ops[o].WaitMs
		for _, c := range a.Ops[o].Calls {
			to := &a.Ops[c.Op]
			g.waitMs[o] += c.Mean * g.waitMs[c.Op]
			for s := range nS {
				g.belowVisits[o*nS+s] += c.Mean * g.belowVisits[c.Op*nS+s]
				g.belowCPU[o*nS+s] += c.Mean * g.belowCPU[c.Op*nS+s]
			}
			g.belowVisits[o*nS+to.Service] += c.Mean
			g.belowCPU[o*nS+to.Service] += c.Mean * to.CPUMs
		}
	}
	g.callsOf, g.before = make([][]callOf, nO), nil
	for o := range a.Ops {
		visits := make([]float64, nS) // of the calls so far
		for _, c := range a.Ops[o].Calls {
			g.callsOf[c.Op] = append(g.callsOf[c.Op], callOf{o, len(g.before) / nS, c.Mean})
			for _, v := range visits {
				g.before = append(g.before, min(1, v))
			}
			if a.Ops[o].Parallel || c.Optional && c.TimeoutMs > 0 { // nothing waits for it, or not for long
				continue
			}
			visits[a.Ops[c.Op].Service] += c.Mean
			for s := range nS {
				visits[s] += c.Mean * g.belowVisits[c.Op*nS+s]
			}
		}
	}
	for s := range nS {
		for d := range nS {
			for _, o := range g.opsOf[s] {
				if d != s && g.belowVisits[o*nS+d] > 0 {
					g.below[s] = append(g.below[s], d)
					break
				}
			}
		}
	}
}

// callOf is one call of an operation: the caller, and in compiled.before its row.
type callOf struct {
	caller, row int
	mean        float64
}

// inflow is the visits/s that reach an operation: of its endpoints, and what its callers complete of their own work.
func (f *Fluid) inflow(o int) float64 {
	sum := f.entering[o]
	for i := range f.g.callsOf[o] {
		c := &f.g.callsOf[o][i]
		if flow := f.outflow[c.caller]; flow > 0 {
			sum += flow * c.mean * f.gate(c)
		}
	}
	return sum
}

// gate is the share of the visits to a caller that come to one of its calls: those that stand in the calls before it do not,
// and those that stood there and no longer do come now. A service holds back visits once, however often they come there.
func (f *Fluid) gate(c *callOf) float64 {
	g := 1.0
	before := f.g.before[c.row*len(f.load):]
	for _, d := range f.held {
		g *= 1 + before[d]*(f.share[d]-1)
	}
	return g
}

// maxShare bounds how many times as much leaves a service as comes, while it drains.
const maxShare = 20

// noteOutflow notes what a service completed of its operations in a window.
func (f *Fluid) noteOutflow(s int, in []float64, ratio, dt float64) {
	came, left := 0.0, 0.0
	for _, o := range f.g.opsOf[s] {
		f.outflow[o] = (in[o] + f.backlog[o]/dt) * ratio
		came += in[o]
		left += f.outflow[o]
	}
	if came > 0 && math.Abs(left-came) > 1e-9*came {
		f.share[s] = min(left/came, maxShare)
		f.held = append(f.held, s)
	}
}

// room is the share of the visits that a service with limited workers could complete in dt seconds which what is below it has
// room for: what that can do in the time, and what the workers can still wait for.
func (f *Fluid) room(s int, in []float64, dt float64) float64 {
	share := 1.0
	nS := len(f.load)
	workers := float64(f.app.Services[s].Workers) * f.cl.capacity[s].replicas
	for _, d := range f.g.below[s] {
		visits, inflow, work := 0.0, 0.0, 0.0 // here, and there: visits and CPU ms
		for _, o := range f.g.opsOf[s] {
			total := in[o]*dt + f.backlog[o]
			visits += total
			inflow += total * f.g.belowVisits[o*nS+d]
			work += total * f.g.belowCPU[o*nS+d]
		}
		if inflow <= 0 || work <= 0 {
			continue
		}
		waiting := 0.0
		for _, o := range f.g.opsOf[d] {
			waiting += f.backlog[o]
		}
		q := &f.cl.capacity[d]
		done := q.replicas * q.usableMillis() * q.speed / q.cold * dt * inflow / work
		if f.app.Services[d].Workers > 0 {
			done = min(done, f.workersAllow(d, done/dt)*dt)
		}
		ours := 1.0 // part of the visits there that this service causes
		if all := f.load[d].visits * dt; all > inflow {
			ours = inflow / all
		}
		hold := workers * max(1, inflow/visits) / f.crowd[d]
		share = min(share, max(0, ours*(done-waiting)+hold)/inflow)
	}
	return share
}

// closedRPS is how many visits/s the workers of a service complete that are never without one, with what is below it as stations of
// a closed network, in which no more than the workers' visits can stand. How long visits hold their workers as the last
// window shows it comes from queues without such a bound: near saturation they grow far beyond it.
//
// It is mean value analysis in Schweitzer's form, as in workerRate: a station of k cores that others leave, at which a visit
// has work d, counts as one core with work d/k and a time d (k-1)/k without sharing (Seidmann et al., Performance Evaluation
// 7, 1987); of w customers an arriving one finds (w-1)/w of what there is, so that at a rate X a visit takes d/(1 - X d (w-1)/w)
// there. All times together are w/X.
func (f *Fluid) closedRPS(s int) float64 {
	nS := len(f.load)
	workers := float64(f.app.Services[s].Workers) * f.cl.capacity[s].replicas
	visits, z := 0.0, 0.0
	for _, o := range f.g.opsOf[s] {
		visits += f.opVisits[o]
		z += f.opVisits[o] * f.waitMs[o]
	}
	if visits <= 0 {
		return 0
	}
	z /= visits
	stations := f.stations[:0]
	add := func(d int, workMs, others float64) {
		q := &f.cl.capacity[d]
		capacity := q.replicas * q.usableMillis() * q.speed / q.cold // CPU ms per second
		if shared := 1000 * workMs / max(capacity-others, 0.01*capacity); shared > 0 {
			stations = append(stations, shared)
			z += max(0, workMs*q.cold/q.speed-shared)
		}
	}
	add(s, f.load[s].cpuMs/max(f.load[s].visits, 1e-9), 0)
	for _, d := range f.g.below[s] {
		work := 0.0
		for _, o := range f.g.opsOf[s] {
			work += f.opVisits[o] * f.g.belowCPU[o*nS+d]
		}
		add(d, work/visits, max(0, f.load[d].cpuMs-work))
	}
	f.stations = stations[:0]
	longest := 0.0
	for _, d := range stations {
		longest = max(longest, d)
	}
	if longest == 0 {
		return workers / max(z, 1e-9) * 1000
	}
	lo, hi := 0.0, 1/longest // visits per ms
	for range 40 {
		x := (lo + hi) / 2
		sum := z
		for _, d := range stations {
			sum += d / (1 - x*d*(workers-1)/workers)
		}
		if x*sum < workers {
			lo = x
		} else {
			hi = x
		}
	}
	return 1000 * lo
}
