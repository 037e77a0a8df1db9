package sim

import (
	"math"

	"github.com/grlscaler/grlscaler/sim/rng"
)

// fitResponse runs the request-level engine on an application at many operating points, drawn over loads, mixes and
// replicas, and fits the response by linear least squares, each weighted with what it matters for the latency and drawn
// lightly to the neutral response. All random numbers follow from constants.
func fitResponse(app *App, visits float64) *response {
	f := newFitter(app)
	f.measure(visits)
	f.fitServices()
	f.fitTrains()
	f.fitParallel()
	f.fitEndpoints()
	f.fitCrowds()
	return f.x
}

const (
	fitPoints     = 64
	fitSeed       = 20260811
	mixSpread     = 0.3
	maxFitPeriods = 1_000_000 // CFS periods of all replicas at one point, where visits take so long that there are few
	maxFitRPS     = 1e9
)

const (
	crowdRuns     = 8
	crowdOverload = 1.5
	crowdRequests = 300     // that pile up in a run
	crowdVisits   = 200_000 // that half a run may take
)

// fitCrowds measures how many visits pile up at an overloaded service, against what its work alone would say: how many
// of a request's visits wait at once depends on the tree above. Services that are never the bottleneck get the mean of
// the others.
func (f *fitter) fitCrowds() {
	nS := len(f.app.Services)
	sum, runs := make([]float64, nS), make([]float64, nS)
	all, n := 0.0, 0.0
	for k := range crowdRuns {
		replicas, rps := f.draw(k, 1, mixSpread*float64(k/2)/(crowdRuns/2))
		s, ratio := f.overload(uint64(fitPoints+k), replicas, rps)
		if s < 0 || !(ratio > 0) {
			continue
		}
		ratio = min(max(ratio, 0.25), 4)
		sum[s] += math.Log(ratio)
		runs[s]++
		all += math.Log(ratio)
		n++
	}
	for s := range f.x.services {
		switch {
		case runs[s] > 0:
			f.x.services[s].crowd = math.Exp(sum[s] / runs[s])
		case n > 0:
			f.x.services[s].crowd = math.Exp(all / n)
		}
	}
}

// overload runs the engine from empty at one and a half times what the busiest service can do, and returns that service
// and the visits that wait there over those that the formulas expect; -1 if workers or nothing bind.
func (f *fitter) overload(seed uint64, replicas []int, rps []float64) (service int, ratio float64) {
	app, g, d := f.app, &f.app.graph, f.engine
	nS := len(app.Services)
	service = -1
	busiest := 0.0
	for s := range nS {
		c := f.capacity(s, float64(replicas[s]))
		work := 0.0
		for e, r := range rps {
			work += r * g.svcCPU[e*nS+s]
		}
		if u := work / (c.replicas * c.usableMillis() * c.speed); u > busiest {
			service, busiest = s, u
		}
	}
	if service < 0 || app.Services[service].Workers > 0 {
		return -1, 0
	}
	visits, total := 0.0, 0.0
	for e := range rps {
		rps[e] *= crowdOverload / busiest
		visits += rps[e] * g.svcVisit[e*nS+service]
		total += rps[e]
	}
	if err := d.Reset(rng.Derive(fitSeed, "response-fit", int(seed)), replicas); err != nil {
		panic("sim: " + err.Error())
	}
	// The first half is left out: what comes must first get there.
	seconds := min(max(crowdRequests/((1-1/crowdOverload)*total), 1), 10)
	d.feed(rps, seconds*1000, crowdVisits)
	before := d.waiting(service)
	if !d.feed(rps, 2*seconds*1000, crowdVisits) {
		return -1, 0 // too many visits for what it would tell
	}
	waiting := d.waiting(service) - before
	expected := visits * (1 - 1/crowdOverload) * seconds / g.rounds[service] * crowdGrowth(crowdOverload, g.workCV2[service])
	return service, waiting / expected
}

// waiting is how many visits wait at a service for CPU or a worker.
func (d *DES) waiting(s int) float64 {
	n := 0.0
	for _, k := range d.stats[s].ready {
		r := &d.replicas[k]
		n += float64(r.queue.size) + max(0, float64(len(r.run))-r.cores)
	}
	return n
}

// fitTrains searches the power with which visits in a row meet stalls.
func (f *fitter) fitTrains() {
	ops, endpoints := make([]duration, len(f.app.Ops)), make([]duration, len(f.app.Endpoints))
	best, chosen := math.Inf(1), 1.0
	for _, power := range []float64{1, 0.85, 0.7, 0.55, 0.4, 0.25, 0.1} {
		f.x.setTrains(f.app, power)
		loss := 0.0
		for k := range f.points {
			p := &f.points[k]
			f.predict(p, ops, endpoints)
			for e := range endpoints {
				if m := p.endpoints[e].meanMs; m > 0 && endpoints[e].mean > 0 {
					log := math.Log(endpoints[e].mean / m)
					loss += log * log
				}
			}
		}
		if loss < best*(1-1e-9) {
			best, chosen = loss, power
		}
	}
	f.x.setTrains(f.app, chosen)
}

// fitParallel fits how long calls at once take, callees first.
func (f *fitter) fitParallel() {
	ops, endpoints := make([]duration, len(f.app.Ops)), make([]duration, len(f.app.Endpoints))
	order := f.app.graph.opOrder
	for i := len(order) - 1; i >= 0; i-- {
		o := order[i]
		op := &f.app.Ops[o]
		if !op.Parallel || len(op.Calls) == 0 {
			continue
		}
		var a [2][2]float64
		var b [2]float64
		for k := range f.points {
			p := &f.points[k]
			if !(p.parallel[o] > 0) {
				continue
			}
			f.predict(p, ops, endpoints)
			longest, sum := parallelTime(op, ops, [2]float64{1, 0}).mean, parallelTime(op, ops, [2]float64{0, 1}).mean
			w := p.steadiness() / (p.parallel[o] * p.parallel[o])
			a[0][0] += w * longest * longest
			a[0][1] += w * longest * sum
			a[1][1] += w * sum * sum
			b[0] += w * longest * p.parallel[o]
			b[1] += w * sum * p.parallel[o]
		}
		f.x.parallel[o] = nonNegative2(a, b)
	}
}

// fitEndpoints fits means and quantiles of requests.
func (f *fitter) fitEndpoints() {
	ops := make([]duration, len(f.app.Ops))
	endpoints := make([]duration, len(f.app.Endpoints))
	type row struct {
		x         features
		mean      float64
		effective float64 // independent requests
		measured  *fitEndpoint
	}
	rows := make([][]row, len(endpoints))
	for k := range f.points {
		p := &f.points[k]
		f.predict(p, ops, endpoints)
		for e := range endpoints {
			if p.endpoints[e].requests >= 20 && endpoints[e].mean > 0 {
				rows[e] = append(rows[e], row{featuresOf(&endpoints[e], f.x.endpoints[e].bareMs), endpoints[e].mean, p.endpoints[e].requests * p.steadiness(), &p.endpoints[e]})
			}
		}
	}
	for e := range endpoints {
		x := &f.x.endpoints[e]
		means := newRidge(meanPrior)
		var levels [nLevels]*ridge
		for i := range levels {
			levels[i] = newRidge(levelPrior)
		}
		x.lo, x.hi = features{1}, features{1}
		for k, r := range rows[e] {
			for i := range r.x {
				if k == 0 || r.x[i] < x.lo[i] {
					x.lo[i] = r.x[i]
				}
				if k == 0 || r.x[i] > x.hi[i] {
					x.hi[i] = r.x[i]
				}
			}
			means.add(r.x, r.measured.meanMs/r.mean-1, 1/(modelVariance+0.5/r.effective))
		}
		x.mean = means.solve()
		x.mean[0]++
		for _, r := range rows[e] {
			mean := r.mean * correction(r.x.dot(&x.mean))
			for i, p := range profileLevels {
				if q := r.measured.level[i]; q > 0 {
					// The variance of a quantile of n exponential times, relative to its square: p/((1-p) n ln^2(1-p)).
					spread := p / (1 - p) / max(math.Pow(math.Log(1-p), 2), 0.5)
					levels[i].add(r.x, log2m(q/mean), 1/(modelVariance+spread/r.effective))
				}
			}
		}
		for i := range levels {
			x.w[i] = levels[i].solve()
		}
	}
}

// steadiness is how much an observation of a point is worth against one of an idle system: near saturation successive
// visits tell nearly the same.
func (p *fitPoint) steadiness() float64 {
	u := 0.0
	for s := range p.services {
		q := &p.services[s]
		u = max(u, (q.floor+q.util)/2)
	}
	return max(1-u, 0.02) * max(1-u, 0.02)
}

// modelVariance is that of the logarithm of what a linear function of the features leaves unexplained.
const modelVariance = 0.02 * 0.02
