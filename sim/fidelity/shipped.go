package fidelity

import (
	"math"

	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/rng"
	"github.com/grlscaler/grlscaler/sim/simtest"
)

// NewLoad draws load number seed of an application: a mix of its endpoints that departs from the default one by about a third, a
// rate between what the least and the most replicas carry, and replicas for it with which the busiest service works at 5 to
// 90 % of what it can do at the cost of busy replicas and the others at 40 to 100 % of that, where whole replicas allow.
func NewLoad(app *sim.App, seed uint64) *simtest.RandomApp {
	r := rng.New(seed, "load")
	a := &simtest.RandomApp{Seed: seed, Family: simtest.Throttled, RPS: make([]float64, len(app.Endpoints)), Utilisation: 0.05 + 0.85*r.Float64()}
	total := 0.0
	for e := range a.RPS {
		a.RPS[e] = app.Endpoints[e].Weight * math.Exp(0.3*r.NormFloat64())
		total += a.RPS[e]
	}
	visits := make([]float64, len(app.Ops)) // for one request of the mix
	for e := range a.RPS {
		a.RPS[e] /= total
		addVisits(app, visits, app.Endpoints[e].Op, a.RPS[e])
	}
	need := make([]float64, len(app.Services)) // replicas in full use for one request/s
	all := 0.0
	for o, v := range visits {
		svc := &app.Services[app.Ops[o].Service]
		all += v
		need[app.Ops[o].Service] += v * app.Ops[o].CPUMs / (min(svc.CPULimitMillis-svc.BaseCPUMillis, 1000*float64(svc.Cores)) * app.Pools[0].SpeedFactor)
	}
	lo, hi := math.Inf(1), math.Inf(1)
	for s := range need {
		if need[s] > 0 {
			lo, hi = min(lo, float64(app.Services[s].MinReplicas)/need[s]), min(hi, float64(app.Services[s].MaxReplicas)/need[s])
		}
	}
	rate := a.Utilisation * lo * math.Pow(hi/lo, r.Float64())
	variant := *app // it shares the response
	variant.Services = append([]sim.Service(nil), app.Services...)
	busiest := 0.0
	for s := range need {
		svc := &variant.Services[s]
		at := a.Utilisation * (0.4 + 0.6*r.Float64())
		svc.InitialReplicas = min(max(int(math.Ceil(rate*need[s]/at)), svc.MinReplicas), svc.MaxReplicas)
		if u := need[s] / float64(svc.InitialReplicas); u > busiest {
			busiest, a.Busiest = u, s
		}
	}
	for e := range a.RPS {
		a.RPS[e] *= a.Utilisation / busiest
	}
	a.App, a.VisitsPerSec = &variant, all*a.Utilisation/busiest
	return a
}

// addVisits adds the mean visits that n visits of an operation cause.
func addVisits(app *sim.App, visits []float64, op int, n float64) {
	visits[op] += n
	for _, c := range app.Ops[op].Calls {
		addVisits(app, visits, c.Op, n*c.Mean)
	}
}
