package sim

import (
	"math"
	"slices"
	"sync"
)

// response is how an application departs from the fluid engine's formulas, which take each service for itself and its
// visits for independent: calls come in rows, stalls of a caller let them loose at once, round robin evens them out. It
// is measured with the request-level engine, once for each application (responsefit.go), and does not change: the same
// application file has the same response.
type response struct {
	trains    [][]float64 // [replicas][call of the tree] see setTrains
	services  []serviceResponse
	shares    []float64    // [op] stalls that a visit meets relative to the mean visit of its service
	parallel  [][2]float64 // [op] weights of the longest call and of the sum of calls (parallelTime)
	endpoints []endpointResponse
}

// serviceResponse holds the factors of one service.
type serviceResponse struct {
	visits     float64    // factor on the visits that a period's quota holds: below 1 where visits come in bursts
	stall      plane      // factor on stalls
	congestion plane      // factor on the delay by others
	idlePower  [2]float64 // k = k0 + k1 ln replicas in idle = (1 - floor core)(1 - floor^k)
	bunched    float64    // how much rarer idle chunks become as requests are held up elsewhere
	spares     float64    // of the wake-ups that sleeps should spare, the part that they do
	throttled  float64    // power of the share of throttled periods
	crowd      float64    // factor on the visits that stand in a backlog (Fluid.crowding)
	wakes      float64    // share of wake-ups that queues follow (pressure)
	strain     float64    // factor on the strain of wake-ups that have no room
}

// plane is a factor that depends on the utilisation u and on ln replicas.
type plane [3]float64

// along is the factor at one number of replicas, a + b u.
func (p *plane) along(logReplicas float64) [2]float64 {
	return [2]float64{p[0] + p[2]*logReplicas, p[1]}
}

// endpointResponse turns the mean that the call tree gives into a distribution.
type endpointResponse struct {
	bareMs float64 // mean on an idle system
	mean   features
	w      [nLevels]features
	lo, hi features // between which they were fitted
}

// latencyOf is the distribution of a latency of which the call tree gives the mean.
func (x *endpointResponse) latencyOf(d duration) latency {
	var l latency
	x.describe(&d, &l)
	return l
}

// describe is latencyOf without a copy.
func (x *endpointResponse) describe(d *duration, l *latency) {
	mean := d.mean - d.delay
	if mean < 0 {
		mean = 0
	}
	describeFeatures(mean, d.stall, x.bareMs, &l.f)
	l.f.within(&x.lo, &x.hi)
	l.meanMs, l.delayMs, l.w = mean*correction(l.f.dot(&x.mean)), d.delay, &x.w
}

// correction keeps a correction of the mean near 1 where features lie beyond what it was fitted to.
func correction(x float64) float64 { return min(max(x, 0.7), 1.5) }

// lazyResponse measures a response when it is first needed. Applications are shared between goroutines.
type lazyResponse struct {
	once  sync.Once
	value *response
}

// response returns the application's response, which the first call measures with so many visits (0 = the default, some
// tenths of a second).
func (a *App) response(visits float64) *response {
	l := a.graph.lazy
	if visits <= 0 {
		visits = defaultFitVisits
	}
	l.once.Do(func() { l.value = fitResponse(a, visits) })
	return l.value
}

// neutralResponse takes the formulas as they are.
func neutralResponse(app *App) *response {
	x := &response{services: make([]serviceResponse, len(app.Services)), shares: slices.Clone(app.graph.stallShare), parallel: make([][2]float64, len(app.Ops)), endpoints: make([]endpointResponse, len(app.Endpoints))}
	for s := range x.services {
		x.services[s] = serviceResponse{visits: 1, stall: plane{1}, congestion: plane{1}, idlePower: [2]float64{2, 0}, throttled: 1, wakes: 1, crowd: 1, spares: 1}
	}
	for o := range x.parallel {
		x.parallel[o] = [2]float64{1, 0}
	}
	x.setTrains(app, 1)
	ops, endpoints := make([]duration, len(app.Ops)), make([]duration, len(app.Endpoints))
	bare := make([]servicePerf, len(app.Services))
	for s := range bare {
		bare[s] = servicePerf{idle: 1, scale: 1}
	}
	composeTimes(app, x, &app.graph.tree, bare, ops, endpoints, nil)
	for e := range x.endpoints {
		x.endpoints[e] = endpointResponse{bareMs: endpoints[e].mean, mean: features{1}}
	}
	return x
}

// bareMs is what the requests of a second take on an idle system.
func (x *response) bareMs(rps []float64) float64 {
	sum := 0.0
	for e, r := range rps {
		sum += r * x.endpoints[e].bareMs
	}
	return sum
}

// mostTrained is the largest number of replicas for which trains are worked out; more are as many.
const mostTrained = 16

// setTrains finds how many stalls, in units of the service's mean, the visits of each call meet that come one after another. Who has
// just stood in a replica's stall has a fresh quota before him: of n visits, n/r in a row come to each of r replicas and meet
// (n/r)^power times as many stalls as one. On average over the default mix each visit meets what it does.
func (x *response) setTrains(app *App, power float64) {
	flow := make([]float64, len(app.Ops)) // visits of each operation
	nO := len(app.Ops)
	for e := range app.Endpoints {
		for o := range flow {
			flow[o] += app.Endpoints[e].Weight * app.graph.visits[e*nO+o]
		}
	}
	x.trains = make([][]float64, mostTrained+1) // none for 0 replicas, of which nothing is asked
	for r := range x.trains {
		replicas := float64(max(r, 1))
		met := func(op *Operation, mean float64) float64 {
			if op.Parallel || mean <= replicas {
				return mean
			}
			return replicas * math.Pow(mean/replicas, power)
		}
		visits, stalls := make([]float64, len(app.Services)), make([]float64, len(app.Services))
		for o := range app.Ops {
			for _, c := range app.Ops[o].Calls {
				s := app.Ops[c.Op].Service
				visits[s] += flow[o] * c.Mean
				stalls[s] += flow[o] * met(&app.Ops[o], c.Mean)
			}
		}
		for i := range app.graph.tree.ops { // in the order of the tree's calls
			op := &app.Ops[app.graph.tree.ops[i].op]
			for _, c := range op.Calls {
				n := met(op, c.Mean)
				if s := app.Ops[c.Op].Service; stalls[s] > 0 {
					n *= visits[s] / stalls[s]
				}
				x.trains[r] = append(x.trains[r], n)
			}
		}
	}
}
