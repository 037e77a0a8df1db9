package sim

import (
	"math"
	"sync"
)

// sloShare is the share of requests that may be slower than the SLO: an SLO is met at p95.
const sloShare = 0.05

// maxPlannedUtil is the utilisation that no service of the demand may reach, wake-ups included. Nearer to saturation a queue takes
// minutes to come to its steady state, a per cent more load than expected, as chance makes, is overload, and the fluid engine, which
// plans, is rough (docs/fidelity.md).
const maxPlannedUtil = 0.9

// Planner finds the demand curve: the cheapest replicas, between each service's bounds, with which every
// endpoint's SLO holds in steady state, by the stationary latency of the fluid engine at nominal quotas with
// warm replicas that spread evenly over nodes of the first pool. It is not safe for concurrent use.
type Planner struct {
	app       *App
	base      []serviceCapacity
	load      []serviceLoad
	perf      []servicePerf
	ops       []duration
	endpoints []duration
	x         *response
	price     []float64 // CPU request of one replica, what it costs
	rates     []float64
	least     []int   // of each service, what the load in question takes at least: carry
	bareMs    float64 // of all requests of a second on an idle system
	bunch     bunching
	nodes     float64 // of the first pool's size that have the CPU of all pools
	planned   [][]*planned
	loads     int // that setRates has noted
}

// planned is a service with some number of replicas, which one load is asked about many times over.
type planned struct {
	solver solver
	alone  servicePerf // under the load in question, while nothing is held up elsewhere
	load   int         // number of that load, 0 before the first
}

// NewPlanner makes a planner for app.
func NewPlanner(app *App) *Planner {
	nS := len(app.Services)
	p := &Planner{app: app, base: make([]serviceCapacity, nS), load: make([]serviceLoad, nS), perf: make([]servicePerf, nS),
		ops: make([]duration, len(app.Ops)), endpoints: make([]duration, len(app.Endpoints)), x: app.response(0), price: make([]float64, nS), rates: make([]float64, len(app.Endpoints)), least: make([]int, nS), bunch: newBunching(nS),
		planned: make([][]*planned, nS)}
	for i := range app.Pools {
		p.nodes += float64(app.Pools[i].Most()) * app.Pools[i].CPUMillis / app.Pools[0].CPUMillis
	}
	for s := range app.Services {
		svc := &app.Services[s]
		p.base[s] = newCapacity(app, s, 1, svc.CPULimitMillis, app.Pools[0].SpeedFactor, new(stallSheet))
		p.price[s] = svc.CPURequestMillis
	}
	return p
}

// setRates notes the load that excess will be asked about.
func (p *Planner) setRates(rps []float64) {
	clear(p.load)
	nS := len(p.load)
	g := &p.app.graph
	for e, r := range rps {
		row := e * nS
		addOffered(p.load, g.svcVisit[row:row+nS], g.svcCPU[row:row+nS], g.svcWake[row:row+nS], r)
	}
	copy(p.rates, rps)
	p.bareMs = p.x.bareMs(rps)
	p.loads++
}

// with is service s with so many replicas.
func (p *Planner) with(s, replicas int) *planned {
	for replicas >= len(p.planned[s]) {
		p.planned[s] = append(p.planned[s], nil)
	}
	at := p.planned[s][replicas]
	if at == nil {
		at = new(planned)
		p.base[s].setReplicas(float64(replicas), p.app.graph.batch[s])
		at.solver.prepare(&p.base[s], &p.x.services[s])
		p.planned[s][replicas] = at
	}
	if at.load != p.loads {
		at.load = p.loads
		at.solver.solve(&p.load[s], &at.alone, 0)
	}
	return at
}

// excess tells how far the SLOs are missed with these replicas: 0 when all are met; else the sum over
// endpoints of the late share above 5 %, plus the overload of saturated services.
func (p *Planner) excess(replicas []int) float64 {
	if over := p.solve(replicas); over > 0 {
		return over
	}
	over := 0.0
	for e, d := range p.endpoints {
		if p.rates[e] <= 0 {
			continue
		}
		m := p.x.endpoints[e].latencyOf(d)
		if late := m.tailAbove(p.app.Endpoints[e].SLOMs); late > sloShare {
			over += late - sloShare
		}
	}
	return over
}

// solve finds the steady state with these replicas and returns the overload of saturated services. Where there is none, endpoints
// holds what requests take.
func (p *Planner) solve(replicas []int) float64 {
	over, used := 0.0, 0.0
	clear(p.bunch.of)
	for step := range bunchingSteps {
		for s := range p.perf {
			if at := p.with(s, replicas[s]); step == 0 {
				p.perf[s] = at.alone
			} else {
				at.solver.solve(&p.load[s], &p.perf[s], p.bunch.of[s])
			}
		}
		if p.bunch.update(p.load, p.perf, p.bareMs) < bunchingMoves {
			break
		}
	}
	for s := range p.perf {
		c := &p.base[s]
		if q := &p.perf[s]; max(q.overload, q.util) >= maxPlannedUtil {
			over += 10 * (1 + q.overload)
		}
		used += float64(replicas[s]) * (c.baseMillis + p.perf[s].util*c.usableMillis())
	}
	if over > 0 {
		return over
	}
	stretch := nodeStretch(used/p.nodes, p.app.Pools[0].CPUMillis)
	for s := range p.perf {
		p.perf[s].scale *= stretch
	}
	composeTimes(p.app, p.x, &p.app.graph.tree, p.perf, p.ops, p.endpoints, nil)
	return 0
}

// P95Ms writes the p95 of each endpoint in steady state at intensities rps with these replicas; false if they cannot carry the load.
func (p *Planner) P95Ms(rps []float64, replicas []int, dst []float64) bool {
	p.setRates(rps)
	if p.solve(replicas) > 0 {
		return false
	}
	for e, d := range p.endpoints {
		m := p.x.endpoints[e].latencyOf(d)
		dst[e] = m.p95()
	}
	return true
}

// Feasible tells whether every SLO holds in steady state at intensities rps with these replicas.
func (p *Planner) Feasible(rps []float64, replicas []int) bool {
	p.setRates(rps)
	return p.excess(replicas) == 0
}

// Needed writes the demand at intensities rps into out, one count per service, and tells whether it meets all
// SLOs. Where even the largest replicas do not, out holds each service's maximum.
//
// It starts from the least that can carry the load, adds the replica that lessens the excess most per price
// until there is none (greedy marginal allocation), then takes away and exchanges replicas while that is cheaper.
func (p *Planner) Needed(rps []float64, out []int) bool {
	p.setRates(rps)
	for s := range out {
		out[s] = p.app.Services[s].MaxReplicas
	}
	if p.excess(out) > 0 {
		return false
	}
	for s := range out {
		p.least[s] = p.carry(s)
		out[s] = p.least[s]
	}
	for excess := p.excess(out); excess > 0; {
		best, bestGain, bestExcess := -1, math.Inf(-1), 0.0
		for s := range out {
			if out[s] == p.app.Services[s].MaxReplicas {
				continue
			}
			out[s]++
			e := p.excess(out)
			out[s]--
			if gain := (excess - e) / p.price[s]; gain > bestGain {
				best, bestGain, bestExcess = s, gain, e
			}
		}
		if best < 0 {
			break
		}
		out[best]++
		excess = bestExcess
	}
	for p.trim(out) || p.exchange(out) {
	}
	return true
}

// carry is the least number of replicas of s whose floor cost fits their capacity.
func (p *Planner) carry(s int) int {
	svc, c := &p.app.Services[s], &p.base[s]
	perReplica := c.usableMillis() * c.speed
	n := math.Ceil(p.load[s].cpuMs / (perReplica * maxPlannedUtil))
	return max(svc.MinReplicas, int(min(n, float64(svc.MaxReplicas))))
}

// trim takes away the dearest replica that is not needed.
func (p *Planner) trim(out []int) bool {
	best := -1
	for s := range out {
		if out[s] == p.least[s] || (best >= 0 && p.price[s] <= p.price[best]) {
			continue
		}
		out[s]--
		if p.excess(out) == 0 {
			best = s
		}
		out[s]++
	}
	if best < 0 {
		return false
	}
	out[best]--
	return true
}

// exchange looks for up to four replicas of one service that can go when one or two of another come, at a
// lower price.
func (p *Planner) exchange(out []int) bool {
	for a := range out {
		for da := 1; da <= 4 && out[a]-da >= p.least[a]; da++ {
			out[a] -= da
			for b := range out {
				for db := 1; db <= 2 && b != a && out[b]+db <= p.app.Services[b].MaxReplicas; db++ {
					if float64(db)*p.price[b] >= float64(da)*p.price[a] {
						continue
					}
					out[b] += db
					if p.excess(out) == 0 {
						return true
					}
					out[b] -= db
				}
			}
			out[a] += da
		}
	}
	return false
}

// Capacity is the highest total rate at which the largest replicas still meet every SLO under the given mix
// (one weight per endpoint), found by bisection to 0.1 %; 0 if no rate does.
func (p *Planner) Capacity(mix []float64) float64 {
	largest := make([]int, len(p.app.Services))
	for s := range largest {
		largest[s] = p.app.Services[s].MaxReplicas
	}
	rps := make([]float64, len(mix))
	ok := func(total float64) bool {
		for e := range mix {
			rps[e] = total * mix[e]
		}
		return p.Feasible(rps, largest)
	}
	lo, hi := 0.0, 1.0
	for ok(hi) && hi < 1e9 {
		lo, hi = hi, hi*2
	}
	for range 60 {
		if hi-lo <= 1e-3*hi {
			break
		}
		if mid := (lo + hi) / 2; ok(mid) {
			lo = mid
		} else {
			hi = mid
		}
	}
	return lo
}

// DemandTable is the demand curve of one load mix over the total rate, on a grid of 1 % steps that rounds the
// load up. It is filled as it is asked and may be shared by any number of goroutines.
type DemandTable struct {
	app     *App
	mix     []float64
	mu      sync.Mutex
	planner *Planner
	rps     []float64
	rows    [][]int
}

const (
	demandGridLow  = 0.01                // requests/s
	demandGridStep = 0.00995033085316809 // ln 1.01
)

// NewDemandTable makes an empty table for a mix: one weight per endpoint, adding up to 1.
func NewDemandTable(app *App, mix []float64) *DemandTable {
	return &DemandTable{app: app, mix: mix, planner: NewPlanner(app), rps: make([]float64, len(mix))}
}

// At returns the replicas that a total rate needs, one count per service. The caller must not change them.
func (d *DemandTable) At(total float64) []int {
	i := 0
	if total > demandGridLow {
		i = int(math.Ceil(math.Log(total/demandGridLow)/demandGridStep - 1e-9))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if i >= len(d.rows) {
		d.rows = append(d.rows, make([][]int, i+1-len(d.rows))...)
	}
	if d.rows[i] == nil {
		row := make([]int, len(d.app.Services))
		level := demandGridLow * math.Exp(float64(i)*demandGridStep)
		for e := range d.rps {
			d.rps[e] = level * d.mix[e]
		}
		d.planner.Needed(d.rps, row)
		d.rows[i] = row
	}
	return d.rows[i]
}
