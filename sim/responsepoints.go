package sim

import (
	"math"
	"slices"

	"github.com/grlscaler/grlscaler/sim/rng"
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
