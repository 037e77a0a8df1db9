package sim

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"

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

// fitPoint is what the request-level engine said at one operating point.
type fitPoint struct {
	rps       []float64
	services  []fitService
	parallel  []float64 // [op] time that a visit waits for its calls
	visits    []float64 // [op] number
	ownMs     []float64 // [op] time of a visit in its own service
	endpoints []fitEndpoint
	perf      []servicePerf
}

type fitService struct {
	load            serviceLoad
	capacity        serviceCapacity
	visits          float64 // number
	util            float64 // of usable CPU
	ownMs, stallMs  float64
	cpuMs           float64 // of a visit
	idle, throttled float64
	floor, wake     float64 // utilisation without wake-ups, and what those would add that all find the replica idle
	bunching        float64 // see there
	strain          float64 // of wake-ups that have no room, see utilisation
	chunks          float64
}

type fitEndpoint struct {
	requests float64
	meanMs   float64
	level    [nLevels]float64 // ms
}

type fitter struct {
	app    *App
	engine *DES
	x      *response
	points []fitPoint
	random *rng.Stream
	sheets []stallSheet // by service
}

// newFitter makes an engine for the application on one node without bounds: what full nodes do is not its own doing.
func newFitter(app *App) *fitter {
	ample := *app
	ample.Pools = []Pool{{Name: "ample", Nodes: 1, CPUMillis: 1e12, MemMiB: 1e12, SpeedFactor: app.Pools[0].SpeedFactor, PricePerCoreHour: 1}}
	d, err := NewDES(&ample, DESOptions{})
	if err != nil {
		panic("sim: " + err.Error()) // the application is compiled
	}
	return &fitter{app: app, engine: d, x: neutralResponse(app), sheets: make([]stallSheet, len(app.Services)), random: rng.New(fitSeed, "response-fit")}
}

// measure runs all operating points.
func (f *fitter) measure(visits float64) {
	weight := 0.0
	for k := range fitPoints {
		weight += 1 / (1.05 - f.target(k))
	}
	for k := range fitPoints {
		u := f.target(k)
		replicas, rps := f.draw(k, u, mixSpread)
		f.points = append(f.points, f.run(uint64(k), replicas, rps, visits/weight/(1.05-u)))
	}
}

// target is the utilisation of the busiest service at point k: evenly from 0.05 to 0.97.
func (f *fitter) target(k int) float64 { return 0.05 + 0.92*(float64(k)+0.5)/fitPoints }

// draw chooses replicas and load: at three points of eight those that the application starts with, at the others what a rate drawn
// between the least and the most replicas needs; the mix departs from the default one by about the spread.
func (f *fitter) draw(k int, u, spread float64) (replicas []int, rps []float64) {
	app, g := f.app, &f.app.graph
	nS := len(app.Services)
	rps = make([]float64, len(app.Endpoints))
	total := 0.0
	for e := range rps {
		rps[e] = app.Endpoints[e].Weight * math.Exp(spread*f.random.NormFloat64())
		total += rps[e]
	}
	need := make([]float64, nS) // replicas at full use for one request/s
	for e := range rps {
		rps[e] /= total
		for s := range nS {
			c := f.capacity(s, 1)
			need[s] += rps[e] * (g.svcCPU[e*nS+s] + 0.05*g.svcWake[e*nS+s]) / (c.usableMillis() * c.speed)
		}
	}
	replicas = app.InitialReplicas()
	if k%8 > 2 && slices.Max(need) > 0 {
		lo, hi := math.Inf(1), math.Inf(1)
		for s, n := range need {
			if n > 0 {
				lo = min(lo, float64(max(1, app.Services[s].MinReplicas))*u/n)
				hi = min(hi, float64(max(1, app.Services[s].MaxReplicas))*u/n)
			}
		}
		rate := lo * math.Pow(hi/lo, f.random.Float64())
		for s := range replicas {
			if need[s] == 0 { // nobody calls it, so nothing may depend on it
				continue
			}
			svc := &app.Services[s]
			at := u * (0.3 + 0.7*f.random.Float64())
			if k%4 == 3 { // all busy alike, as whoever plans for a load would have it
				at = u
			}
			replicas[s] = min(max(int(math.Ceil(rate*need[s]/at)), svc.MinReplicas, 1), svc.MaxReplicas)
		}
	}
	busiest := 0.0
	for s, n := range need {
		busiest = max(busiest, n/float64(replicas[s]))
	}
	// Where next to nothing needs CPU there is no load to speak of: any will do.
	for e := range rps {
		rps[e] *= min(u/max(busiest, 1e-12), maxFitRPS)
	}
	return replicas, rps
}

func (f *fitter) capacity(s int, replicas float64) serviceCapacity {
	svc := &f.app.Services[s]
	return newCapacity(f.app, s, replicas, svc.CPULimitMillis, f.app.Pools[0].SpeedFactor, &f.sheets[s])
}

// run measures one point: a fifth of the visits to warm up, then the rest.
func (f *fitter) run(seed uint64, replicas []int, rps []float64, visits float64) fitPoint {
	d, nS, nO := f.engine, len(f.app.Services), len(f.app.Ops)
	p := fitPoint{rps: rps, services: make([]fitService, nS), parallel: make([]float64, nO), visits: make([]float64, nO), ownMs: make([]float64, nO), endpoints: make([]fitEndpoint, len(rps)), perf: make([]servicePerf, nS)}
	if err := d.Reset(rng.Derive(fitSeed, "response-fit", int(seed)), replicas); err != nil {
		panic("sim: " + err.Error())
	}
	perSecond := 0.0
	for e := range rps {
		for o := range nO {
			perSecond += rps[e] * f.app.graph.visits[e*nO+o]
		}
	}
	// At least two seconds, twenty periods, where that takes no more than six times the visits.
	pods := 0
	for _, n := range replicas {
		pods += n
	}
	spanMs := min(visits/perSecond*1000, maxFitPeriods*cfsPeriodMs/float64(pods))
	d.feed(rps, d.now+max(0.2*spanMs, min(1000, 2*spanMs)), 3*visits)
	d.ticks = 1
	d.closeWindow()
	d.clearRun()
	from := d.now
	d.feed(rps, from+max(spanMs, min(2000, 4*spanMs)), 6*visits)
	dt := (d.now - from) / 1000
	for s := range nS {
		f.read(&p, s, dt)
	}
	for o := range nO {
		p.parallel[o], p.visits[o], p.ownMs[o] = ratio(d.opCallMs[o], d.opServed[o]), d.opServed[o], ratio(d.opOwnMs[o], d.opServed[o])
	}
	for e := range rps {
		h := &d.endpoints[e].latency
		p.endpoints[e] = fitEndpoint{requests: h.Count(), meanMs: h.MeanMs()}
		for i, level := range profileLevels {
			p.endpoints[e].level[i] = h.QuantileMs(level)
		}
		p.rps[e] = d.endpoints[e].offered / dt
	}
	return p
}

// read takes a service's sums of a run.
func (f *fitter) read(p *fitPoint, s int, dt float64) {
	d, st, x := f.engine, &f.engine.stats[s], &p.services[s]
	ready := float64(len(st.ready))
	x.capacity = f.capacity(s, ready)
	cpu, stall, periods, throttled := 0.0, 0.0, 0.0, 0.0
	for _, k := range st.ready {
		r := &d.replicas[k]
		d.sync(r)
		cpu += r.cpuMs
		stall += r.stallMs
		periods += r.periods
		throttled += r.throttled
	}
	x.visits = st.served
	x.ownMs, x.stallMs = ratio(st.ownMs, st.served), ratio(stall, st.served)
	x.cpuMs = ratio(cpu, st.served)
	x.util = ratio(cpu/dt, ready*x.capacity.usableMillis())
	x.idle, x.throttled = ratio(st.idle, st.chunks), min(1, ratio(throttled, periods))
	x.chunks = st.chunks
	for o := range f.app.Ops {
		if op := &f.app.Ops[o]; op.Service == s {
			n := d.opServed[o] / dt
			x.load.visits += n
			x.load.cpuMs += n * op.CPUMs
			x.load.wakeMs += n * op.WakeMs
		}
	}
	c := &x.capacity
	work := c.replicas * c.usableMillis() * c.speed
	x.floor, x.wake = ratio(x.load.cpuMs, work), ratio(x.load.wakeMs, work)
}

// predict computes the performance of all services at a point with the factors found so far.
func (f *fitter) predict(p *fitPoint, ops, endpoints []duration) {
	loads := make([]serviceLoad, len(p.services))
	bare := f.x.bareMs(p.rps)
	b := newBunching(len(p.services))
	for range bunchingSteps {
		for s := range p.services {
			q := &p.services[s]
			loads[s] = q.load
			p.perf[s].solve(q.load, &q.capacity, &f.x.services[s], b.of[s])
			p.perf[s].delayMs = 0
		}
		if b.update(loads, p.perf, bare) < bunchingMoves {
			break
		}
	}
	composeTimes(f.app, f.x, &f.app.graph.tree, p.perf, ops, endpoints, nil)
}

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

// nonNegative2 solves a 2x2 normal equation for weights of at least 0.
func nonNegative2(a [2][2]float64, b [2]float64) [2]float64 {
	ridge := 1e-6 * (a[0][0] + a[1][1])
	det := (a[0][0]+ridge)*(a[1][1]+ridge) - a[0][1]*a[0][1]
	if !(det > 0) {
		return [2]float64{1, 0}
	}
	w := [2]float64{(b[0]*(a[1][1]+ridge) - b[1]*a[0][1]) / det, (b[1]*(a[0][0]+ridge) - b[0]*a[0][1]) / det}
	switch {
	case w[0] < 0:
		return [2]float64{0, b[1] / a[1][1]}
	case w[1] < 0:
		return [2]float64{b[0] / a[0][0], 0}
	}
	return w
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

// Standard deviations of the weights of features that are expected before anything is measured: of a relative
// correction of the mean, and of the logarithm of a quantile over the mean.
var (
	meanPrior  = features{0.1, 0.3, 0.3, 0.3, 0.15}
	levelPrior = features{3, 1, 3, 3, 0.5}
)

// ridge is a linear least-squares fit over features with normal priors about 0.
type ridge struct {
	a *mat.SymDense
	b *mat.VecDense
}

func newRidge(prior features) *ridge {
	r := &ridge{mat.NewSymDense(nFeatures, nil), mat.NewVecDense(nFeatures, nil)}
	for i, sd := range prior {
		r.a.SetSym(i, i, 1/(sd*sd))
	}
	return r
}

// add takes in an observation of precision w.
func (r *ridge) add(x features, y, w float64) {
	for i := range x {
		for j := i; j < nFeatures; j++ {
			r.a.SetSym(i, j, r.a.At(i, j)+w*x[i]*x[j])
		}
		r.b.SetVec(i, r.b.AtVec(i)+w*x[i]*y)
	}
}

func (r *ridge) solve() (out features) {
	var c mat.Cholesky
	var v mat.VecDense
	if !c.Factorize(r.a) || c.SolveVecTo(&v, r.b) != nil {
		return out
	}
	for i := range out {
		out[i] = v.AtVec(i)
	}
	return out
}

// planeFit fits y = z (p0 + p1 u + p2 ln r), drawn lightly to y = z.
type planeFit struct {
	a     *mat.SymDense
	b     *mat.VecDense
	yy    float64
	scale float64 // sum of the squared weighted z
}

func newPlaneFit() *planeFit {
	return &planeFit{a: mat.NewSymDense(3, nil), b: mat.NewVecDense(3, nil)}
}

func (f *planeFit) add(u, logReplicas, z, y, w float64) {
	if math.IsNaN(w) || math.IsInf(w, 0) {
		return
	}
	x := [3]float64{w * z, w * z * u, w * z * logReplicas}
	r := w * (y - z)
	for i := range x {
		for j := i; j < 3; j++ {
			f.a.SetSym(i, j, f.a.At(i, j)+x[i]*x[j])
		}
		f.b.SetVec(i, f.b.AtVec(i)+x[i]*r)
	}
	f.yy += r * r
	f.scale += w * w * y * y
}

// solve returns the factors and what of the squared residuals is left.
func (f *planeFit) solve() (plane, float64) {
	lambda := 0.01*f.a.At(0, 0) + 1e-12
	for i := range 3 {
		f.a.SetSym(i, i, f.a.At(i, i)+lambda)
	}
	var c mat.Cholesky
	var v mat.VecDense
	if !c.Factorize(f.a) || c.SolveVecTo(&v, f.b) != nil {
		return plane{1}, f.yy
	}
	loss := f.yy - mat.Dot(&v, f.b)
	return plane{1 + v.AtVec(0), v.AtVec(1), v.AtVec(2)}, max(loss, 0)
}

// feed runs the engine under Poisson arrivals until time end, outside of ticks and windows, and tells whether it got there: it
// stops when so many visits have begun.
func (d *DES) feed(rps []float64, end, visits float64) bool {
	span := end - d.now
	slice := max(min(max(span/50, 1e-3), 200), span/1000)
	begun := d.begun()
	for d.now < end {
		if d.begun()-begun > visits {
			return false
		}
		to := min(d.now+slice, end)
		d.arrivals = d.arrivals[:0]
		for e, r := range rps {
			for t := d.now + d.when.ExpFloat64()/max(r, 1e-9)*1000; t < to && len(d.arrivals) < maxTickArrivals; t += d.when.ExpFloat64() / r * 1000 {
				d.arrivals = append(d.arrivals, arrival{t, int32(e)})
			}
		}
		d.sortArrivals()
		for _, a := range d.arrivals {
			d.endpoints[a.endpoint].offered++
		}
		d.run(to)
	}
	return true
}

// begun counts the visits that have arrived since the last window.
func (d *DES) begun() float64 {
	n := 0.0
	for s := range d.stats {
		n += d.stats[s].arrived
	}
	return n
}

// clearRun forgets what was counted since Reset.
func (d *DES) clearRun() {
	for s := range d.stats {
		d.stats[s].chunks, d.stats[s].idle, d.stats[s].reported = 0, 0, [2]float64{}
	}
	for e := range d.endpoints {
		d.endpoints[e].latency.Reset()
	}
	clear(d.opServed)
	clear(d.opCallMs)
	clear(d.opOwnMs)
}
