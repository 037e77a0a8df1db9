// Package randomapp draws applications at random: call graphs, and from them whole applications with limits, start-up times and SLOs
// that a real one could have. Policies that shall act on applications that they have never seen are trained on them; tests draw
// graphs from here too (sim/simtest).
//
// It knows no load: that is drawn by a sim.Family for each application.
package randomapp

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/rng"
)

// tries bounds how many drafts are thrown away before an error; large graphs need some tens.
const tries = 5000

// New draws application number i of a seed with so many services and returns it with the text of its file, which decodes to the same
// application. The visits of application 0 take 0.04 to 8 ms of CPU, those of others less by their [pace], a period's quota holds at least two of them, and limits let those services
// that the load is felt at carry about the same at their largest, each within a factor of about two, as whoever provisions a system
// tries to; the others have more than enough. SLOs are 2.5 to 10 times the p95 of an idle system of the largest size, at least 20 ms.
//
// The fluid engine's response is measured on the way, which takes about a tenth of a second for each service.
func New(seed uint64, i, services int) (*sim.App, []byte, error) {
	return draw(fmt.Sprintf("random-%d-%d", seed, i), services, narrow(pace(i)), func(try int) *rng.Stream { return rng.New(seed, "application", i, services, try) })
}

// NewWide is New for applications of the other kind that is common: one to three services, in this order, with up to 120 replicas each
// on large nodes, visits of up to 20 ms and SLOs up to 30 times what an idle system needs.
func NewWide(seed uint64, i int) (*sim.App, []byte, error) {
	services := 1 + i%3
	return draw(fmt.Sprintf("wide-%d-%d", seed, i), services, wide, func(try int) *rng.Stream { return rng.New(seed, "wide-application", i, try) })
}

// kind is what sets one kind of application apart from another.
type kind struct {
	paceLow, paceHigh  float64 // factor on all times
	leastMax, mostMax  int     // largest replicas of a service
	logMax             bool    // every octave of them is as likely
	sloHigh            float64 // loosest SLO, in p95s of an idle system
	nodeMilli, nodeMiB float64
}

// narrow has times of one pace.
func narrow(pace float64) kind {
	return kind{paceLow: pace, paceHigh: pace, leastMax: 4, mostMax: 10, sloHigh: 10, nodeMilli: 3900, nodeMiB: 14000}
}

var wide = kind{paceLow: 0.1, paceHigh: 2.5, leastMax: 10, mostMax: 120, logMax: true, sloHigh: 30, nodeMilli: 31800, nodeMiB: 120000}

func draw(name string, services int, k kind, stream func(try int) *rng.Stream) (*sim.App, []byte, error) {
	for try := range tries {
		r := stream(try)
		d, ok := NewDraft(r, services, 1+r.IntN(5))
		if !ok {
			continue
		}
		a := provision(d, k)
		app, err := sim.DecodeApp(strings.NewReader(a.yaml(name)), name+".yaml")
		if err != nil {
			return nil, nil, fmt.Errorf("random application %s: %w", name, err)
		}
		if !a.promise(app) {
			continue
		}
		for e := range app.Endpoints {
			app.Endpoints[e].SLOMs = a.sloMs[e]
		}
		return app, []byte(a.yaml(name)), nil
	}
	return nil, nil, fmt.Errorf("random application %s: no draw of %d services fits the bounds", name, services)
}

// application is a draft with all that its file says beside the graph.
type application struct {
	*Draft
	kind  kind
	given []resources
	sloMs []float64
}

// resources are what a service is given.
type resources struct {
	requestM, memMiB    float64
	max                 int
	fixedS, jitterS     float64 // start-up
	startMs             float64 // CPU of it
	graceS              int
	wake                float64 // of an operation's CPU, what it costs more on an idle replica
	stateful            bool
	sleepMs, memBaseMiB float64
}

// Bounds of the resources; Online Boutique's official manifests have limits of 125 to 300 m, requests of 50 to 100 % of them, probes
// that start after 0 to 20 s and come every 5 or 10 s.
const (
	leastLimitM, mostLimitM = 50, 2000
	slowestMs               = 300 // p95 of an endpoint on an idle system
	provisionSD             = 0.5 // of the logarithms of limits around what the common load asks for
)

// fastest is how much quicker the quickest applications are than the slowest: caches and stores answer 20,000 requests/s where others
// answer some hundred.
const fastest = 1.0 / 50

// pace is a factor on all times of application number i. Paces fill their range evenly whatever the number of applications, by the golden
// ratio's multiples, modulo 1; that of number 0 is 1.
func pace(i int) float64 {
	_, u := math.Modf(float64(i) * (math.Sqrt(5) - 1) / 2)
	return math.Pow(fastest, u)
}

// provision gives the services their resources.
func provision(d *Draft, k kind) *application {
	pace := k.paceLow
	if k.paceHigh > pace {
		pace = d.LogUniform(k.paceLow, k.paceHigh)
	}
	a := &application{Draft: d, kind: k, given: make([]resources, len(d.Services)), sloMs: make([]float64, len(d.Endpoints))}
	pick := func(v ...float64) float64 { return v[d.R.IntN(len(v))] }
	for i := range a.given {
		s, x := &d.Services[i], &a.given[i]
		s.lighten(pace)
		s.BaseM = Round(d.LogUniform(0.2, 8))
		if k.logMax {
			x.max = int(d.LogUniform(float64(k.leastMax), float64(k.mostMax)+1))
		} else {
			x.max = k.leastMax + d.R.IntN(k.mostMax-k.leastMax+1)
		}
		if d.R.Float64() < 0.7 {
			x.wake, x.sleepMs = Round(0.05+1.15*d.R.Float64()), pick(0, 0.3)
		}
		x.memMiB, x.memBaseMiB = pick(64, 128, 256), Round(d.LogUniform(10, 40))
		x.fixedS, x.jitterS, x.startMs = Round(d.LogUniform(2, 25)), pick(0, 5, 10), Round(d.LogUniform(10, 1500))
		x.graceS = int(pick(5, 10, 30))
		x.stateful = i > 0 && d.R.Float64() < 0.1
	}
	rate := a.commonRate()
	for i := range a.given {
		s, x := &d.Services[i], &a.given[i]
		limit := s.BaseM + rate*s.CPUMs/float64(x.max)*math.Exp(provisionSD*d.R.NormFloat64())
		limit = min(max(limit, s.leastLimit()), s.mostLimit())
		s.LimitM = math.Ceil(limit/10) * 10
		x.requestM = math.Ceil(s.LimitM*(0.4+0.6*d.R.Float64())/10) * 10
	}
	return a
}

// lighten turns a draft's visits, made to be long, into those of quick services, and multiplies all times by pace.
func (s *Service) lighten(pace float64) {
	cpu, wait := 0.4*pace, 0.2*pace
	s.CPUMs *= cpu
	for o := range s.Ops {
		op := &s.Ops[o]
		op.CPUMs = Round(cpu * op.CPUMs)
		if op.WaitMs > 0 {
			op.WaitMs = Round(wait * op.WaitMs)
		}
	}
}

// leastLimit holds two visits of the longest operation in a period of 100 ms: 20 m for each ms.
func (s *Service) leastLimit() float64 {
	longest := 0.0
	for _, op := range s.Ops {
		longest = max(longest, op.CPUMs)
	}
	return max(leastLimitM, s.BaseM+20*longest)
}

func (s *Service) mostLimit() float64 { return min(mostLimitM, 1000*float64(s.Cores)) }

// commonRate draws the load that limits are made for: 40 to 80 % of the services could not carry it with their least limits, and all
// can with their largest.
func (a *application) commonRate() float64 {
	carried, most := make([]float64, len(a.given)), math.Inf(1)
	for i := range carried {
		s := &a.Services[i]
		perMilli := float64(a.given[i].max) / s.CPUMs
		carried[i] = (s.leastLimit() - s.BaseM) * perMilli
		most = min(most, (s.mostLimit()-s.BaseM)*perMilli)
	}
	slices.Sort(carried)
	return min(most, carried[int(float64(len(carried))*(0.4+0.4*a.R.Float64()))])
}

// promise chooses the SLOs: no better than the system can do when nothing waits. False if it is slow even then.
func (a *application) promise(app *sim.App) bool {
	largest, rps := make([]int, len(app.Services)), make([]float64, len(app.Endpoints))
	for s := range largest {
		largest[s] = app.Services[s].MaxReplicas
	}
	entry := &a.Services[0]
	for e := range rps { // a tenth of what the entry carries
		rps[e] = 0.1 * float64(a.given[0].max) / entry.Need() * app.Endpoints[e].Weight
	}
	p95 := make([]float64, len(rps))
	if !sim.NewPlanner(app).P95Ms(rps, largest, p95) {
		return false
	}
	for e, ms := range p95 {
		if a.sloMs[e] = Round(max(20, ms*a.LogUniform(2.5, a.kind.sloHigh))); ms > slowestMs {
			return false
		}
	}
	return true
}

// placeholderSLO stands in a file that is only read to choose the SLOs.
const placeholderSLO = 1000

// yaml writes the application file.
func (a *application) yaml(name string) string {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	p("# Drawn at random (package sim/randomapp), not a measured system.")
	p("format: 1\nname: %s\nservices:", name)
	cpu, mem := 0.0, 0.0
	for i := range a.given {
		s, x := &a.Services[i], &a.given[i]
		cpu, mem = cpu+float64(x.max)*x.requestM, mem+float64(x.max)*x.memMiB
		p("  - name: s%d", i)
		p("    cpu_request_m: %v\n    cpu_limit_m: %v\n    mem_request_mib: %v\n    mem_limit_mib: %v", x.requestM, s.LimitM, x.memMiB, 2*x.memMiB)
		p("    replicas: {min: 1, max: %d}\n    startup: {fixed_s: %v, jitter_s: %v, cpu_ms: %v}\n    grace_s: %d", x.max, x.fixedS, x.jitterS, x.startMs, x.graceS)
		p("    cores: %d\n    base_cpu_m: %v\n    mem_base_mib: %v", s.Cores, s.BaseM, x.memBaseMiB)
		if x.stateful {
			p("    stateful: true")
		}
		if x.sleepMs > 0 {
			p("    sleep_ms: %v", x.sleepMs)
		}
		p("    operations:")
		for o := range s.Ops {
			p("      - %s", s.Ops[o].yaml(o, x.wake))
		}
	}
	p("endpoints:")
	for e, w := range a.Endpoints {
		slo := a.sloMs[e]
		if slo == 0 {
			slo = placeholderSLO
		}
		p("  - {name: e%d, op: s0.o%d, weight: %v, slo_ms: %v}", e, e, Round(w), slo)
	}
	// Room for the largest replicas of everything and a tenth more.
	nodes := 1 + int(math.Ceil(1.1*max(cpu/a.kind.nodeMilli, mem/a.kind.nodeMiB)))
	p("pools:\n  - {name: general, nodes: %d, cpu_m: %v, mem_mib: %v, price_per_core_hour: 0.04}", nodes, a.kind.nodeMilli, a.kind.nodeMiB)
	return b.String()
}

// yaml is operation number o in a file.
func (o *Op) yaml(number int, wake float64) string {
	var b strings.Builder
	fmt.Fprintf(&b, "{name: o%d, cpu_ms: %v", number, o.CPUMs)
	if wake > 0 {
		fmt.Fprintf(&b, ", wake_ms: %v", Round(wake*o.CPUMs))
	}
	fmt.Fprintf(&b, ", %s", o.Dist)
	if o.WaitMs > 0 {
		fmt.Fprintf(&b, ", wait_ms: %v, %s", o.WaitMs, o.WaitDist)
	}
	if o.Parallel {
		b.WriteString(", parallel: true")
	}
	if len(o.Calls) > 0 {
		fmt.Fprintf(&b, ", calls: %s", o.CallsYAML())
	}
	return b.String() + "}"
}
