package validate

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/trace"
)

// Crossing is the load at which the p95 of all requests leaves a bound, in runs that differ in load alone, and what the simulator
// says of it.
type Crossing struct {
	From, To   string  // recordings below and above the bound
	Bottleneck string  // the service with the highest recorded utilisation above it
	Replicas   int     // of the bottleneck
	BoundMs    float64 // p95 of all requests
	// RecordedRPS is interpolated between the two recordings: log p95 straight in the rate.
	RecordedRPS float64
	// PredictedRPS is where the simulator crosses the bound with the recorded replicas; at the ends of the searched range
	// (a quarter of RecordedRPS to four times it) it does not cross within.
	PredictedRPS float64
	// PredictedReplicas is how many replicas of the bottleneck the simulator needs at RecordedRPS, at most Replicas+3.
	PredictedReplicas int
}

// Crossings finds, among recordings with one interval, those with the same limits and replicas whose p95 lies on both
// sides of a bound, and asks the simulator for the load at that bound and the replicas at that load.
func Crossings(app *sim.App, recs []Named, boundsMs []float64, opt Options) ([]Crossing, error) {
	var out []Crossing
	for _, family := range families(app, recs) {
		for _, bound := range boundsMs {
			for i := 1; i < len(family); i++ {
				lo, hi := family[i-1], family[i]
				if lo.p95 > bound || hi.p95 <= bound {
					continue
				}
				c, err := crossing(app, lo, hi, bound, opt)
				if err != nil {
					return nil, err
				}
				out = append(out, c)
				break // the lowest load that crosses
			}
		}
	}
	return out, nil
}

// steadyPoint is a recording of one interval.
type steadyPoint struct {
	rec      Named
	rps, p95 float64
}

// families groups recordings by limits and replicas, each sorted by load.
func families(app *sim.App, recs []Named) [][]steadyPoint {
	byKey := map[string][]steadyPoint{}
	for _, rec := range recs {
		if len(rec.Services) == 0 || rec.Services[len(rec.Services)-1].At > 0 {
			continue
		}
		p := steadyPoint{rec: rec}
		for i := range rec.Endpoints {
			if e := &rec.Endpoints[i]; e.Endpoint != trace.TotalEndpoint {
				p.rps += e.RPS
			}
		}
		var key strings.Builder
		for i := range rec.Services {
			r := &rec.Services[i]
			fmt.Fprintf(&key, "%s %v %v\n", r.Service, r.Ready, rec.Meta.CPULimitMillis[r.Service])
			if r.Service == app.Services[app.Entry].Name {
				p.p95 = r.P95Ms
			}
		}
		if p.p95 > 0 && p.rps > 0 {
			byKey[key.String()] = append(byKey[key.String()], p)
		}
	}
	var out [][]steadyPoint
	for _, key := range slices.Sorted(mapKeys(byKey)) {
		out = append(out, repeatsMerged(byKey[key]))
	}
	slices.SortStableFunc(out, func(a, b []steadyPoint) int { return cmp.Compare(a[0].rec.Name, b[0].rec.Name) })
	return out
}

func mapKeys[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// repeatsMerged sorts points by load and takes those with nearly the same load as one with the geometric mean of their p95.
func repeatsMerged(points []steadyPoint) []steadyPoint {
	slices.SortStableFunc(points, func(a, b steadyPoint) int { return cmp.Compare(a.rps, b.rps) })
	var out []steadyPoint
	for i := 0; i < len(points); {
		logs, n := 0.0, 0
		p := points[i]
		for ; i < len(points) && points[i].rps < 1.01*p.rps; i++ {
			logs += math.Log(points[i].p95)
			n++
		}
		p.p95 = math.Exp(logs / float64(n))
		out = append(out, p)
	}
	return out
}

func crossing(app *sim.App, lo, hi steadyPoint, bound float64, opt Options) (Crossing, error) {
	x := math.Log(bound/lo.p95) / math.Log(hi.p95/lo.p95)
	c := Crossing{From: lo.rec.Name, To: hi.rec.Name, BoundMs: bound, RecordedRPS: lo.rps + x*(hi.rps-lo.rps)}
	busiest := 0.0
	for i := range hi.rec.Services {
		r := &hi.rec.Services[i]
		if u := r.CPUMillis / (r.Ready * hi.rec.Meta.CPULimitMillis[r.Service]); u > busiest {
			busiest, c.Bottleneck, c.Replicas = u, r.Service, int(r.Ready)
		}
	}
	p95 := func(rps float64, replicas int) (float64, error) {
		return steadyP95(app, synthetic(lo.rec.Recording, rps/lo.rps, c.Bottleneck, replicas), opt)
	}
	a, b := c.RecordedRPS/4, c.RecordedRPS*4
	for range 8 { // to 1 % of the rate
		mid := math.Sqrt(a * b)
		v, err := p95(mid, c.Replicas)
		if err != nil {
			return c, err
		}
		if v > bound {
			b = mid
		} else {
			a = mid
		}
	}
	c.PredictedRPS = math.Sqrt(a * b)
	for c.PredictedReplicas = 1; c.PredictedReplicas < c.Replicas+3; c.PredictedReplicas++ {
		v, err := p95(c.RecordedRPS, c.PredictedReplicas)
		if err != nil {
			return c, err
		}
		if v <= bound {
			break
		}
	}
	return c, nil
}

// synthetic is rec with all rates multiplied, and another number of replicas of one service.
func synthetic(rec *trace.Recording, factor float64, service string, replicas int) *trace.Recording {
	r := *rec
	r.Endpoints, r.Services = slices.Clone(rec.Endpoints), slices.Clone(rec.Services)
	for i := range r.Endpoints {
		r.Endpoints[i].RPS *= factor
	}
	for i := range r.Services {
		if s := &r.Services[i]; s.Service == service {
			s.Ready, s.Replicas = float64(replicas), float64(replicas)
		}
	}
	return &r
}

// steadyP95 is the p95 of all requests over the recording's only interval.
func steadyP95(app *sim.App, rec *trace.Recording, opt Options) (float64, error) {
	p, err := Replay(app, rec, opt)
	if err != nil {
		return 0, err
	}
	if v := p.Intervals[0].All; trace.Has(v.P95Ms) && v.ErrorRate < 0.05 {
		return v.P95Ms, nil
	}
	return math.Inf(1), nil // nothing came through, or more failed than may be late
}
