package simtest

import (
	"fmt"
	"math"
	"strings"

	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/rng"
)

// Family is a kind of random application.
type Family int

const (
	// Free applications have no quota that binds: every limit is all the cores of its replica.
	Free Family = iota
	// Throttled applications have limits of 50 to 1500 m below the cores of their replicas at most services, the busiest
	// one among them; one period's quota holds 1 to 50 visits.
	Throttled
)

// Families lists them all.
var Families = []Family{Free, Throttled}

func (f Family) String() string { return [...]string{"free", "throttled"}[f] }

// RandomApp is an application drawn at random, and a steady load for it.
type RandomApp struct {
	Seed   uint64
	Family Family
	App    *sim.App
	YAML   string    // the application file that App was read from
	RPS    []float64 // load of each endpoint
	// Utilisation of the busiest service under that load: CPU ms/s that visits ask for over what its replicas may use,
	// the quota left by the base CPU or all cores, whichever is less.
	Utilisation  float64
	Busiest      int     // that service
	VisitsPerSec float64 // of all services together
	PeriodVisits float64 // mean visits that a period's quota of the busiest service holds; 0 without a quota
}

// NewRandomApp draws application number seed of a family: 3 to 30 services up to 6 deep, 1 to 4 endpoints, sequential and
// parallel calls with fractional mean counts, 0.1 to 20 ms of CPU per visit and waits of 0.2 to 20 ms with coefficients of
// variation up to 1.5, 1 to 8 replicas of 1 or 2 cores, most without a limit of workers. Nodes are ample and replicas
// warm. The load makes the busiest service 0.05 to 0.9 busy, evenly spread over seeds. The same seed gives the same
// application.
func NewRandomApp(family Family, seed uint64) (*RandomApp, error) {
	for try := range 1000 {
		d := appDraft{r: rng.New(seed, "random-app", int(family), try), family: family}
		// Utilisations fill the range evenly whatever the number of seeds: the golden ratio's multiples, modulo 1.
		_, u := math.Modf(float64(seed+1) * (math.Sqrt(5) - 1) / 2)
		if !d.draw(0.05 + 0.85*u) {
			continue
		}
		text := d.yaml(fmt.Sprintf("%s-%d", family, seed))
		app, err := sim.DecodeApp(strings.NewReader(text), fmt.Sprintf("%s-%d.yaml", family, seed))
		if err != nil {
			return nil, fmt.Errorf("random application %d: %w", seed, err)
		}
		out := &RandomApp{Seed: seed, Family: family, App: app, YAML: text, RPS: make([]float64, len(app.Endpoints))}
		for e := range out.RPS {
			out.RPS[e] = d.rps * app.Endpoints[e].Weight
		}
		out.Utilisation, out.Busiest = d.busiest()
		for _, s := range d.services {
			out.VisitsPerSec += d.rps * s.visits
		}
		if s := &d.services[out.Busiest]; s.limited() {
			out.PeriodVisits = (s.limitM - s.baseM) / 10 / (s.cpuMs / s.visits)
		}
		return out, nil
	}
	return nil, fmt.Errorf("random application %d: no draw fits the bounds", seed)
}

// appDraft is an application in the making.
type appDraft struct {
	r         *rng.Stream
	family    Family
	services  []serviceDraft // callers before callees
	endpoints []float64      // weight; endpoint e enters at operation e of the first service
	rps       float64
}

type serviceDraft struct {
	depth         int
	ops           []opDraft
	cores         int
	workers       int
	replicas      int
	limitM, baseM float64
	visits, cpuMs float64 // per request of the mix
}

type opDraft struct {
	cpuMs, waitMs  float64
	dist, waitDist string // keys of the file
	parallel       bool
	calls          []callDraft
	visits         float64 // per request of the mix
}

type callDraft struct {
	service, op int
	mean        float64
}

const (
	maxDepth        = 6
	maxVisits       = 120 // visits per request: more would only cost time
	maxReplicas     = 8
	maxPeriodVisits = 50
)

// draw fills the draft; false if what came out does not fit the bounds.
func (d *appDraft) draw(utilisation float64) bool {
	d.services = make([]serviceDraft, 3+d.r.IntN(28))
	d.endpoints = make([]float64, 1+d.r.IntN(4))
	for e := range d.endpoints {
		d.endpoints[e] = 0.3 + 0.7*d.r.Float64() // none so rare that it has no percentiles
	}
	for i := range d.services {
		d.service(i)
	}
	for i := 1; i < len(d.services); i++ {
		d.callers(i)
	}
	return d.count() && d.size(utilisation)
}

func (d *appDraft) service(i int) {
	s := &d.services[i]
	s.cores = 1
	if d.r.Float64() < 0.25 {
		s.cores = 2
	}
	if d.r.Float64() < 0.5 {
		s.baseM = math.Round(20 * d.r.Float64())
	}
	n := 1 + d.r.IntN(3)
	if i == 0 {
		n = len(d.endpoints)
	}
	typical := d.logUniform(0.2, 10) // operations of one service resemble each other
	for range n {
		op := opDraft{cpuMs: round(typical * d.logUniform(0.5, 2)), parallel: d.r.Float64() < 0.25}
		op.dist = d.dist("")
		if d.r.Float64() < 0.5 {
			op.waitMs, op.waitDist = round(d.logUniform(0.2, 20)), d.dist("wait_")
		}
		s.ops = append(s.ops, op)
	}
}

// dist draws a distribution with a coefficient of variation of 0 to 1.5.
func (d *appDraft) dist(prefix string) string {
	cv := round(0.05 + 1.45*d.r.Float64())
	switch d.r.IntN(6) {
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
func (d *appDraft) callers(i int) {
	s := &d.services[i]
	parent := d.r.IntN(i)
	for d.services[parent].depth >= maxDepth-1 {
		parent = d.r.IntN(i)
	}
	s.depth = d.services[parent].depth + 1
	for o := range s.ops {
		from := parent
		// Some operations have their callers elsewhere, but never below: depth stays what it is.
		if d.r.Float64() < 0.3 {
			if other := d.r.IntN(i); d.services[other].depth < s.depth {
				from = other
			}
		}
		ops := d.services[from].ops
		first := d.r.IntN(len(ops))
		for k := range ops {
			if k == first || d.r.Float64() < 0.3 {
				ops[k].calls = append(ops[k].calls, callDraft{i, o, d.meanCalls()})
			}
		}
	}
}

// meanCalls draws a mean count: mostly one call, often a fraction, at times several.
func (d *appDraft) meanCalls() float64 {
	switch x := d.r.Float64(); {
	case x < 0.45:
		return 1
	case x < 0.7:
		return round(0.1 + 0.85*d.r.Float64())
	case x < 0.9:
		return round(1 + 2*d.r.Float64())
	default:
		return float64(2 + d.r.IntN(4))
	}
}

// count computes visits and CPU per request of the mix; false if there are too many visits, or a service has next to none.
func (d *appDraft) count() bool {
	total := 0.0
	for _, w := range d.endpoints {
		total += w
	}
	for e, w := range d.endpoints {
		d.services[0].ops[e].visits = w / total
	}
	all := 0.0
	for i := range d.services { // callers come before callees
		s := &d.services[i]
		for o := range s.ops {
			op := &s.ops[o]
			s.visits += op.visits
			s.cpuMs += op.visits * op.cpuMs
			for _, c := range op.calls {
				d.services[c.service].ops[c.op].visits += op.visits * c.mean
			}
		}
		if s.visits < 0.02 {
			return false
		}
		all += s.visits
	}
	return all <= maxVisits
}

// size draws limits and replicas, and the load that makes the busiest service as busy as wanted.
func (d *appDraft) size(utilisation float64) bool {
	most := 0.0 // CPU ms per request that the neediest service asks for, over what one of its replicas may use
	for i := range d.services {
		s := &d.services[i]
		s.limitM = 1000 * float64(s.cores)
		if d.family == Throttled && (i == 0 || d.r.Float64() < 0.6) {
			n := d.logUniform(1, maxPeriodVisits)
			limit := s.baseM + 10*n*s.cpuMs/s.visits // m: n visits in 100 ms
			s.limitM = math.Round(min(max(limit, 50+s.baseM), 0.9*s.limitM, 1500))
		}
		most = max(most, s.need())
	}
	// The busiest is one that can be without another needing more than the most replicas: any such, or the neediest.
	busiest, replicas := -1, 0
	any := d.r.Float64() < 0.5
	for _, i := range d.r.Perm(len(d.services)) {
		s := &d.services[i]
		k := most / s.need()
		if !s.limited() && d.family == Throttled || k >= maxReplicas {
			continue
		}
		if busiest < 0 || !any && s.need() > d.services[busiest].need() {
			busiest, replicas = i, 1+d.r.IntN(int(maxReplicas/k))
		}
	}
	if busiest < 0 {
		return false
	}
	d.rps = utilisation * float64(replicas) / d.services[busiest].need()
	for i := range d.services {
		s := &d.services[i]
		wanted := utilisation * (0.15 + 0.85*d.r.Float64())
		s.replicas = max(1, min(maxReplicas, int(math.Ceil(d.rps*s.need()/wanted))))
		if i == busiest {
			s.replicas = replicas
		}
		if d.r.Float64() < 0.1 {
			// Workers rarely bind: at least four times what is at work when nothing waits.
			s.workers = 8 + int(4*d.rps*s.visits*d.bareMs(i)/1000/float64(s.replicas))
		}
	}
	got, _ := d.busiest()
	return got < utilisation*(1+1e-9) && d.rps >= 0.5
}

func (s *serviceDraft) limited() bool { return s.limitM < 1000*float64(s.cores) }

// need is how busy a request/s keeps one replica.
func (s *serviceDraft) need() float64 { return s.cpuMs / s.capacity() }

// capacity is the CPU ms/s that one replica has for visits.
func (s *serviceDraft) capacity() float64 {
	return min(s.limitM-s.baseM, 1000*float64(s.cores))
}

func (d *appDraft) busiest() (utilisation float64, service int) {
	for i := range d.services {
		s := &d.services[i]
		if u := d.rps * s.need() / float64(s.replicas); u > utilisation {
			utilisation, service = u, i
		}
	}
	return utilisation, service
}

// bareMs is about how long a visit of service i takes when nothing waits anywhere, its longest operation with all its
// calls one after another.
func (d *appDraft) bareMs(i int) float64 {
	longest := 0.0
	for _, op := range d.services[i].ops {
		ms := op.cpuMs + op.waitMs
		for _, c := range op.calls {
			ms += c.mean * d.bareMs(c.service)
		}
		longest = max(longest, ms)
	}
	return longest
}

func (d *appDraft) logUniform(lo, hi float64) float64 {
	return lo * math.Pow(hi/lo, d.r.Float64())
}

// round keeps three digits, so that files are readable.
func round(x float64) float64 {
	scale := math.Pow(10, 2-math.Floor(math.Log10(x)))
	return math.Round(x*scale) / scale
}

// yaml writes the application file.
func (d *appDraft) yaml(name string) string {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	p("format: 1\nname: %s\nservices:", name)
	millis := 0.0
	for i := range d.services {
		s := &d.services[i]
		millis += float64(s.replicas) * s.limitM
		p("  - name: s%d", i)
		p("    cpu_request_m: %v\n    cpu_limit_m: %v\n    mem_request_mib: 64\n    mem_limit_mib: 128", s.limitM, s.limitM)
		p("    replicas: {min: 1, max: %d, initial: %d}\n    startup: {fixed_s: 5}", maxReplicas, s.replicas)
		p("    cores: %d\n    base_cpu_m: %v\n    workers: %d\n    operations:", s.cores, s.baseM, s.workers)
		for o := range s.ops {
			op := &s.ops[o]
			wait := ""
			if op.waitMs > 0 {
				wait = fmt.Sprintf(", wait_ms: %v, %s", op.waitMs, op.waitDist)
			}
			p("      - {name: o%d, cpu_ms: %v, %s%s, parallel: %v, calls: [%s]}", o, op.cpuMs, op.dist, wait, op.parallel, calls(op.calls))
		}
	}
	p("endpoints:")
	for e, w := range d.endpoints {
		p("  - {name: e%d, op: s0.o%d, weight: %v, slo_ms: 1000}", e, e, w)
	}
	// Nodes hold twice what is requested, so that none is ever full.
	p("pools:\n  - {name: general, nodes: %d, cpu_m: 64000, mem_mib: 1e6, price_per_core_hour: 0.04}", 2+int(2*millis/64000))
	return b.String()
}

func calls(list []callDraft) string {
	out := make([]string, len(list))
	for i, c := range list {
		out[i] = fmt.Sprintf("{op: s%d.o%d, mean: %v}", c.service, c.op, c.mean)
	}
	return strings.Join(out, ", ")
}
