package sim

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// MetricSource is a set of places that metrics come from. What comes from one place fails together.
type MetricSource uint8

const (
	// ResourceMetrics are CPU and memory of pods and nodes: metrics-server.
	ResourceMetrics MetricSource = 1 << iota
	// RequestMetrics are rates, latencies, errors and backlogs, of services, calls and the entry: a mesh or exporters, read
	// through Prometheus.
	RequestMetrics
)

// MetricFault is a time in which metrics are lost or false. It is in the pipeline, so it is the same for every controller: an HPA gets
// no samples or an error, KEDA an error, and whoever keeps to the numbers of a view, as policies do, sees those of the last good scrape.
type MetricFault struct {
	From, To time.Duration // from the start of the episode, warm-up included: scrapes in [From, To)
	Sources  MetricSource
	Services []int // of these services; nil for all of them, the entry and the nodes
	// Lost: there is nothing. Otherwise what is read is Factor times the truth, 0 for an exporter that says 0.
	Lost   bool
	Factor float64
}

// MaxFaultFactor bounds MetricFault.Factor; a mistake in units is a factor of 1000 or 1e6.
const MaxFaultFactor = 1e6

// Validate reports every mistake at once.
func (f *MetricFault) Validate(app *App) error {
	var errs []error
	bad := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("metric fault: "+format, args...))
		}
	}
	bad(f.From >= 0 && f.To > f.From, "from %v to %v: must end after it begins, at 0 or later", f.From, f.To)
	bad(f.Sources != 0 && f.Sources&^(ResourceMetrics|RequestMetrics) == 0, "sources %b: of ResourceMetrics and RequestMetrics, at least one", f.Sources)
	bad(f.Factor >= 0 && f.Factor <= MaxFaultFactor, "factor %v: must be from 0 to %g", f.Factor, MaxFaultFactor)
	bad(!f.Lost || f.Factor == 0, "factor %v of what is lost", f.Factor)
	for _, s := range f.Services {
		bad(s >= 0 && s < len(app.Services), "service %d of %d", s, len(app.Services))
	}
	return errors.Join(errs...)
}

// faultPlan says what is wrong with the present scrape.
type faultPlan struct {
	faults []MetricFault
	origin time.Duration // of the episode, where the engine's clock began
	any    bool          // something is wrong now
	now    []faultNow    // by service; the last is for what is not about one service
}

type faultNow struct {
	lost                MetricSource
	resources, requests float64 // factors
}

func newFaultPlan(app *App) faultPlan { return faultPlan{now: make([]faultNow, len(app.Services)+1)} }

// SetFaults says when metrics fail; origin is the time of the episode at which the run begins. The slice belongs to the pipeline until
// the next call.
func (m *Metrics) SetFaults(faults []MetricFault, origin time.Duration) {
	m.faults.faults, m.faults.origin, m.faults.any = faults, origin, false
}

// at works out what is wrong with a scrape at the engine's time now.
func (p *faultPlan) at(now time.Duration) {
	p.any = false
	now += p.origin
	for i := range p.faults {
		f := &p.faults[i]
		if now < f.From || now >= f.To {
			continue
		}
		if !p.any {
			for s := range p.now {
				p.now[s] = faultNow{resources: 1, requests: 1}
			}
			p.any = true
		}
		for s := range p.now {
			if f.Services == nil || slices.Contains(f.Services, s) {
				p.now[s].add(f)
			}
		}
	}
}

func (n *faultNow) add(f *MetricFault) {
	if f.Lost {
		n.lost |= f.Sources
		return
	}
	if f.Sources&ResourceMetrics != 0 {
		n.resources *= f.Factor
	}
	if f.Sources&RequestMetrics != 0 {
		n.requests *= f.Factor
	}
}

// service puts what is wrong into what a scrape found of a service. What is lost stays as it was in the scrape before; nil is none.
func (p *faultPlan) service(s int, x *serviceScrape, before *scrape) {
	n := &p.now[s]
	x.cpu, x.mem, x.throttled = x.cpu*n.resources, x.mem*n.resources, min(x.throttled*n.resources, 1)
	x.rps, x.mean, x.p95, x.backlog = x.rps*n.requests, x.mean*n.requests, x.p95*n.requests, x.backlog*n.requests
	x.errorRate = min(x.errorRate*n.requests, 1)
	x.lost = n.lost
	var last serviceScrape
	if before != nil {
		last = before.services[s]
	}
	if n.lost&ResourceMetrics != 0 {
		x.cpu, x.mem, x.throttled = last.cpu, last.mem, last.throttled
	}
	if n.lost&RequestMetrics != 0 {
		x.rps, x.mean, x.p95, x.backlog, x.errorRate = last.rps, last.mean, last.p95, last.backlog, last.errorRate
	}
}

// cluster does the same for nodes, the entry, and the calls to services that lost their metrics; to holds each call's callee.
func (p *faultPlan) cluster(sc, before *scrape, to []int) {
	n := &p.now[len(p.now)-1]
	c := &sc.cluster
	c.Lost = n.lost
	c.CPUUtilisation = min(c.CPUUtilisation*n.resources, 1)
	c.EntryRPS, c.SLOViolation = c.EntryRPS*n.requests, min(c.SLOViolation*n.requests, 1)
	for i := range sc.nodeCPU {
		sc.nodeCPU[i] *= n.resources
	}
	for e := range sc.entry {
		sc.entry[e] *= n.requests
	}
	var last ClusterView
	if before != nil {
		last = before.cluster
	}
	if n.lost&ResourceMetrics != 0 {
		c.CPUUtilisation = last.CPUUtilisation
		clear(sc.nodeCPU)
		if before != nil {
			copy(sc.nodeCPU, before.nodeCPU)
		}
	}
	if n.lost&RequestMetrics != 0 {
		c.EntryRPS, c.SLOViolation = last.EntryRPS, last.SLOViolation
		clear(sc.entry)
		if before != nil {
			copy(sc.entry, before.entry)
		}
	}
	for i, s := range to {
		if p.now[s].lost&RequestMetrics == 0 {
			continue
		}
		sc.edges[i] = EdgeView{}
		if before != nil {
			sc.edges[i] = before.edges[i]
		}
	}
}
