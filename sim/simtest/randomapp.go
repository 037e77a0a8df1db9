package simtest

import (
	"fmt"
	"math"
	"strings"

	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/randomapp"
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
		d := appDraft{family: family}
		// Utilisations fill the range evenly whatever the number of seeds: the golden ratio's multiples, modulo 1.
		_, u := math.Modf(float64(seed+1) * (math.Sqrt(5) - 1) / 2)
		if !d.draw(rng.New(seed, "random-app", int(family), try), 0.05+0.85*u) {
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
		for _, s := range d.Services {
			out.VisitsPerSec += d.rps * s.Visits
		}
		if s := &d.Services[out.Busiest]; s.Limited() {
			out.PeriodVisits = (s.LimitM - s.BaseM) / 10 / (s.CPUMs / s.Visits)
		}
		return out, nil
	}
	return nil, fmt.Errorf("random application %d: no draw fits the bounds", seed)
}

// appDraft is an application in the making.
type appDraft struct {
	*randomapp.Draft
	family Family
	rps    float64
}

const (
	maxReplicas     = 8
	maxPeriodVisits = 50
)

// draw fills the draft; false if what came out does not fit the bounds.
func (d *appDraft) draw(r *rng.Stream, utilisation float64) bool {
	services := 3 + r.IntN(28)
	endpoints := 1 + r.IntN(4)
	var ok bool
	if d.Draft, ok = randomapp.NewDraft(r, services, endpoints); !ok {
		return false
	}
	return d.size(utilisation)
}

// size draws limits and replicas, and the load that makes the busiest service as busy as wanted.
func (d *appDraft) size(utilisation float64) bool {
	most := 0.0 // CPU ms per request that the neediest service asks for, over what one of its replicas may use
	for i := range d.Services {
		s := &d.Services[i]
		s.LimitM = 1000 * float64(s.Cores)
		if d.family == Throttled && (i == 0 || d.R.Float64() < 0.6) {
			n := d.LogUniform(1, maxPeriodVisits)
			limit := s.BaseM + 10*n*s.CPUMs/s.Visits // m: n visits in 100 ms
			s.LimitM = math.Round(min(max(limit, 50+s.BaseM), 0.9*s.LimitM, 1500))
		}
		most = max(most, s.Need())
	}
	// The busiest is one that can be without another needing more than the most replicas: any such, or the neediest.
	busiest, replicas := -1, 0
	any := d.R.Float64() < 0.5
	for _, i := range d.R.Perm(len(d.Services)) {
		s := &d.Services[i]
		k := most / s.Need()
		if !s.Limited() && d.family == Throttled || k >= maxReplicas {
			continue
		}
		if busiest < 0 || !any && s.Need() > d.Services[busiest].Need() {
			busiest, replicas = i, 1+d.R.IntN(int(maxReplicas/k))
		}
	}
	if busiest < 0 {
		return false
	}
	d.rps = utilisation * float64(replicas) / d.Services[busiest].Need()
	for i := range d.Services {
		s := &d.Services[i]
		wanted := utilisation * (0.15 + 0.85*d.R.Float64())
		s.Replicas = max(1, min(maxReplicas, int(math.Ceil(d.rps*s.Need()/wanted))))
		if i == busiest {
			s.Replicas = replicas
		}
		if d.R.Float64() < 0.1 {
			// Workers rarely bind: at least four times what is at work when nothing waits.
			s.Workers = 8 + int(4*d.rps*s.Visits*d.bareMs(i)/1000/float64(s.Replicas))
		}
	}
	got, _ := d.busiest()
	return got < utilisation*(1+1e-9) && d.rps >= 0.5
}

func (d *appDraft) busiest() (utilisation float64, service int) {
	for i := range d.Services {
		s := &d.Services[i]
		if u := d.rps * s.Need() / float64(s.Replicas); u > utilisation {
			utilisation, service = u, i
		}
	}
	return utilisation, service
}

// bareMs is about how long a visit of service i takes when nothing waits anywhere, its longest operation with all its
// calls one after another.
func (d *appDraft) bareMs(i int) float64 {
	longest := 0.0
	for _, op := range d.Services[i].Ops {
		ms := op.CPUMs + op.WaitMs
		for _, c := range op.Calls {
			ms += c.Mean * d.bareMs(c.Service)
		}
		longest = max(longest, ms)
	}
	return longest
}

// yaml writes the application file.
func (d *appDraft) yaml(name string) string {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	p("format: 1\nname: %s\nservices:", name)
	millis := 0.0
	for i := range d.Services {
		s := &d.Services[i]
		millis += float64(s.Replicas) * s.LimitM
		p("  - name: s%d", i)
		p("    cpu_request_m: %v\n    cpu_limit_m: %v\n    mem_request_mib: 64\n    mem_limit_mib: 128", s.LimitM, s.LimitM)
		p("    replicas: {min: 1, max: %d, initial: %d}\n    startup: {fixed_s: 5}", maxReplicas, s.Replicas)
		p("    cores: %d\n    base_cpu_m: %v\n    workers: %d\n    operations:", s.Cores, s.BaseM, s.Workers)
		for o := range s.Ops {
			op := &s.Ops[o]
			wait := ""
			if op.WaitMs > 0 {
				wait = fmt.Sprintf(", wait_ms: %v, %s", op.WaitMs, op.WaitDist)
			}
			p("      - {name: o%d, cpu_ms: %v, %s%s, parallel: %v, calls: %s}", o, op.CPUMs, op.Dist, wait, op.Parallel, op.CallsYAML())
		}
	}
	p("endpoints:")
	for e, w := range d.Endpoints {
		p("  - {name: e%d, op: s0.o%d, weight: %v, slo_ms: 1000}", e, e, w)
	}
	// Nodes hold twice what is requested, so that none is ever full.
	p("pools:\n  - {name: general, nodes: %d, cpu_m: 64000, mem_mib: 1e6, price_per_core_hour: 0.04}", 2+int(2*millis/64000))
	return b.String()
}
