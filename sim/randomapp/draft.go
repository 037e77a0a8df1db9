package randomapp

import (
	"fmt"
	"math"
	"strings"

	"github.com/grlscaler/grlscaler/sim/rng"
)

// Draft is the call graph of an application in the making: services with operations, each reached from the entry, and what a request
// of the load mix does there.
type Draft struct {
	R         *rng.Stream
	Services  []Service // callers before callees
	Endpoints []float64 // weight; endpoint e enters at operation e of the first service
}

// Service is one service of a draft.
type Service struct {
	Depth         int // of the longest chain of first callers
	Ops           []Op
	Cores         int
	BaseM         float64 // CPU of an idle replica, millicores
	Visits, CPUMs float64 // per request of the mix

	// What whoever sizes the application chooses.
	LimitM            float64 // CPU limit of a replica, millicores
	Replicas, Workers int
}

// Op is one operation.
type Op struct {
	CPUMs, WaitMs  float64
	Dist, WaitDist string // keys of the file
	Parallel       bool
	Calls          []Call
	Visits         float64 // per request of the mix
}

// Call is one call of an operation.
type Call struct {
	Service, Op int
	Mean        float64
}

const (
	maxDepth  = 6
	maxVisits = 120 // visits per request: more would only cost time
)

// NewDraft draws services with 1 to 3 operations of 0.1 to 20 ms of CPU, half of them with waits of 0.2 to 20 ms, coefficients of
// variation up to 1.5, sequential and parallel calls with fractional mean counts, up to 6 deep. False if a request of the mix makes
// too many visits, or next to none at a service.
func NewDraft(r *rng.Stream, services, endpoints int) (*Draft, bool) {
	d := &Draft{R: r, Services: make([]Service, services), Endpoints: make([]float64, endpoints)}
	for e := range d.Endpoints {
		d.Endpoints[e] = 0.3 + 0.7*r.Float64() // none so rare that it has no percentiles
	}
	for i := range d.Services {
		d.service(i)
	}
	for i := 1; i < len(d.Services); i++ {
		d.callers(i)
	}
	return d, d.count()
}

func (d *Draft) service(i int) {
	s := &d.Services[i]
	s.Cores = 1
	if d.R.Float64() < 0.25 {
		s.Cores = 2
	}
	if d.R.Float64() < 0.5 {
		s.BaseM = math.Round(20 * d.R.Float64())
	}
	n := 1 + d.R.IntN(3)
	if i == 0 {
		n = len(d.Endpoints)
	}
	typical := d.LogUniform(0.2, 10) // operations of one service resemble each other
	for range n {
		op := Op{CPUMs: Round(typical * d.LogUniform(0.5, 2)), Parallel: d.R.Float64() < 0.25}
		op.Dist = d.dist("")
		if d.R.Float64() < 0.5 {
			op.WaitMs, op.WaitDist = Round(d.LogUniform(0.2, 20)), d.dist("wait_")
		}
		s.Ops = append(s.Ops, op)
	}
}

// dist draws a distribution with a coefficient of variation of 0 to 1.5.
func (d *Draft) dist(prefix string) string {
	cv := Round(0.05 + 1.45*d.R.Float64())
	switch d.R.IntN(6) {
	case 0:
		return fmt.Sprintf("%sdist: deterministic", prefix)
	case 1:
		return fmt.Sprintf("%sdist: exponential", prefix)
	case 2, 3:
		return fmt.Sprintf("%sdist: gamma, %scv: %v", prefix, prefix, cv)
	default:
		return fmt.Sprintf("%sdist: lognormal, %scv: %v", prefix, prefix, cv)
	}
}

// callers makes operations of earlier services call service i: each of its operations is reached.
func (d *Draft) callers(i int) {
	s := &d.Services[i]
	parent := d.R.IntN(i)
	for d.Services[parent].Depth >= maxDepth-1 {
		parent = d.R.IntN(i)
	}
	s.Depth = d.Services[parent].Depth + 1
	for o := range s.Ops {
		from := parent
		// Some operations have their callers elsewhere, but never below: depth stays what it is.
		if d.R.Float64() < 0.3 {
			if other := d.R.IntN(i); d.Services[other].Depth < s.Depth {
				from = other
			}
		}
		ops := d.Services[from].Ops
		first := d.R.IntN(len(ops))
		for k := range ops {
			if k == first || d.R.Float64() < 0.3 {
				ops[k].Calls = append(ops[k].Calls, Call{i, o, d.meanCalls()})
			}
		}
	}
}

// meanCalls draws a mean count: mostly one call, often a fraction, at times several.
func (d *Draft) meanCalls() float64 {
	switch x := d.R.Float64(); {
	case x < 0.45:
		return 1
	case x < 0.7:
		return Round(0.1 + 0.85*d.R.Float64())
	case x < 0.9:
		return Round(1 + 2*d.R.Float64())
	default:
		return float64(2 + d.R.IntN(4))
	}
}

// count computes visits and CPU per request of the mix; false if there are too many visits, or a service has next to none.
func (d *Draft) count() bool {
	total := 0.0
	for _, w := range d.Endpoints {
		total += w
	}
	for e, w := range d.Endpoints {
		d.Services[0].Ops[e].Visits = w / total
	}
	all := 0.0
	for i := range d.Services { // callers come before callees
		s := &d.Services[i]
		for o := range s.Ops {
			op := &s.Ops[o]
			s.Visits += op.Visits
			s.CPUMs += op.Visits * op.CPUMs
			for _, c := range op.Calls {
				d.Services[c.Service].Ops[c.Op].Visits += op.Visits * c.Mean
			}
		}
		if s.Visits < 0.02 {
			return false
		}
		all += s.Visits
	}
	return all <= maxVisits
}

// Limited tells whether the CPU limit is below all cores.
func (s *Service) Limited() bool { return s.LimitM < 1000*float64(s.Cores) }

// Need is how busy a request/s keeps one replica.
func (s *Service) Need() float64 { return s.CPUMs / s.Capacity() }

// Capacity is the CPU ms/s that one replica has for visits.
func (s *Service) Capacity() float64 {
	return min(s.LimitM-s.BaseM, 1000*float64(s.Cores))
}

// LogUniform draws from lo to hi, every octave as likely.
func (d *Draft) LogUniform(lo, hi float64) float64 {
	return lo * math.Pow(hi/lo, d.R.Float64())
}

// Round keeps three digits, so that files are readable.
func Round(x float64) float64 {
	scale := math.Pow(10, 2-math.Floor(math.Log10(x)))
	return math.Round(x*scale) / scale
}

// CallsYAML is the value of an operation's key calls.
func (o *Op) CallsYAML() string {
	out := make([]string, len(o.Calls))
	for i, c := range o.Calls {
		out[i] = fmt.Sprintf("{op: s%d.o%d, mean: %v}", c.Service, c.Op, c.Mean)
	}
	return "[" + strings.Join(out, ", ") + "]"
}
