package calibrate

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/trace"
	"github.com/grlscaler/grlscaler/sim/validate"
)

// observed is what one recording says, in the order of the application's services and endpoints.
type observed struct {
	validate.Named
	limits []float64      // [service] CPU limit of a replica, the application's where the recording has none
	rows   [][]serviceRow // [interval][service] as recorded
	blocks []block        // stretches of some intervals that regressions use
	load   *trace.Load    // by tick; nil without a load
	length time.Duration  // of a block
	notes  []string       // assumptions
}

// serviceRow is one service in one interval. Numbers may be trace.NoValue.
type serviceRow struct {
	replicas, ready, cpu, rps, throttled float64
	latency
	steady bool // nothing started, ended or warmed up in the interval, nor ended or began to start just before or after
}

// latency is of visits or requests, as recorded.
type latency struct{ mean, p50, p95 float64 }

// block is a stretch of time over which everything is averaged: a whole number of intervals and of the engine's windows.
type block struct {
	at        time.Duration
	seconds   float64
	rps       []float64 // [endpoint]
	endpoints []latency // only where the block is one interval: percentiles and means of several do not add up
	services  []serviceRow
	visits    []float64 // [op] visits/s, see countBlockVisits
	calm      bool      // all services are steady: latencies of those above tell of themselves
}

// Blocks are at least this long, so that work that reaches over a block's end hardly counts.
const (
	minBlock = 10 * time.Second
	maxBlock = 5 * time.Minute
)

// observe puts a recording into the application's terms.
func (m *model) observe(rec validate.Named) (*observed, error) {
	if a := rec.Meta.Application; a != m.app.Name && a != trace.AnyApplication {
		return nil, fmt.Errorf("recording %q is of application %s, not %s; calibrate the application that was recorded", rec.Name, a, m.app.Name)
	}
	o := &observed{Named: rec}
	if len(rec.Services) == 0 {
		return nil, fmt.Errorf("recording %q has no services table, so there is no CPU or latency to fit; record services.csv", rec.Name)
	}
	index := map[string]int{}
	var names []string
	for s := range m.app.Services {
		index[m.app.Services[s].Name] = s
		names = append(names, m.app.Services[s].Name)
	}
	for _, name := range rec.ServiceNames() {
		if _, ok := index[name]; !ok {
			return nil, fmt.Errorf("recording %q: application %s has no service %q; it has %s", rec.Name, m.app.Name, name, strings.Join(names, ", "))
		}
	}
	m.setLimits(o, names)
	n := int(rec.Services[len(rec.Services)-1].At/rec.Meta.Interval) + 1
	o.rows = make([][]serviceRow, n)
	for k := range o.rows {
		o.rows[k] = make([]serviceRow, len(names))
		for s := range o.rows[k] {
			no := trace.NoValue()
			o.rows[k][s] = serviceRow{no, no, no, no, no, latency{no, no, no}, false}
		}
	}
	for i := range rec.Services {
		r := &rec.Services[i]
		o.rows[r.At/rec.Meta.Interval][index[r.Service]] = serviceRow{
			replicas: r.Replicas, ready: r.Ready, cpu: r.CPUMillis, rps: r.RPS, throttled: r.Throttled, latency: latency{r.MeanMs, r.P50Ms, r.P95Ms},
		}
	}
	for s := range names {
		m.markSteady(o, s)
	}
	if err := m.cutBlocks(o); err != nil {
		return nil, err
	}
	return o, nil
}

func (m *model) setLimits(o *observed, names []string) {
	var unknown []string
	for s, name := range names {
		limit, ok := o.Meta.CPULimitMillis[name]
		if !ok {
			limit = m.app.Services[s].CPULimitMillis
			unknown = append(unknown, name)
		}
		o.limits = append(o.limits, limit)
	}
	switch {
	case len(unknown) == len(names):
		o.notes = append(o.notes, fmt.Sprintf("recording %q does not say the CPU limits; those of the application are taken", o.Name))
	case len(unknown) > 0:
		o.notes = append(o.notes, fmt.Sprintf("recording %q does not say the CPU limits of %s; those of the application are taken", o.Name, strings.Join(unknown, ", ")))
	}
}

// coldShare is the extra CPU of a cold replica, over a warm one's, below which it counts as warm.
const coldShare = 0.02

// markSteady finds the intervals in which a service's CPU is that of its visits and of warm, idle replicas alone.
func (m *model) markSteady(o *observed, s int) {
	svc := &m.app.Services[s]
	warmAfter := 0.0 // visits per replica
	if extra := svc.WarmupFactor - 1; extra > coldShare && svc.WarmupCalls > 0 {
		warmAfter = svc.WarmupCalls * math.Log(extra/coldShare)
	}
	seconds := o.Meta.Interval.Seconds()
	served := math.Inf(1) // by the coldest replica; those that are there from the beginning count as warm
	for k := range o.rows {
		r := &o.rows[k][s]
		same := func(j int) bool {
			return j < 0 || j >= len(o.rows) || o.rows[j][s].replicas == r.replicas && settled(&o.rows[j][s])
		}
		if k > 0 && r.replicas > o.rows[k-1][s].replicas {
			served = 0
		}
		r.steady = settled(r) && same(k-1) && same(k+1) && served >= warmAfter
		if trace.Has(r.rps) && r.ready > 0 {
			served += r.rps * seconds / r.ready
		}
	}
}

// settled tells whether all replicas serve.
func settled(r *serviceRow) bool {
	return r.replicas > 0 && (!trace.Has(r.ready) || r.ready == r.replicas)
}

// cutBlocks averages intervals over blocks.
func (m *model) cutBlocks(o *observed) error {
	if len(o.Endpoints) == 0 {
		o.notes = append(o.notes, fmt.Sprintf("recording %q has no request rates (no endpoints table), so only start-ups are taken from it", o.Name))
		return nil
	}
	names := m.app.EndpointNames()
	weights := make([]float64, len(names))
	for e := range weights {
		weights[e] = m.app.Endpoints[e].Weight
	}
	load, err := trace.LoadFromRecording(o.Recording, names, trace.LoadOptions{Step: sim.Tick, Weights: weights})
	if err != nil {
		return fmt.Errorf("recording %q: %w", o.Name, err)
	}
	for _, w := range load.Warnings {
		o.notes = append(o.notes, fmt.Sprintf("recording %q: %s", o.Name, w))
	}
	if len(names) > 1 && o.onlyTotal() {
		o.notes = append(o.notes, fmt.Sprintf("recording %q has no rates by endpoint, only their total: the mix of %s (weight) was taken, and what operations of %s cost cannot be told apart; "+
			"import rates by route (docs/import.md)", o.Name, m.app.Name, m.app.Services[m.app.Entry].Name))
	}
	o.load = load
	window := sim.WindowTicks * sim.Tick
	o.length = o.Meta.Interval
	for o.length < minBlock || o.length%window != 0 {
		if o.length += o.Meta.Interval; o.length > maxBlock {
			o.notes = append(o.notes, fmt.Sprintf("recording %q: intervals of %v do not make up whole windows of %v; its CPU and latency are left out", o.Name, o.Meta.Interval, window))
			return nil
		}
	}
	per := int(o.length / o.Meta.Interval)
	latencies := m.endpointLatencies(o)
	for k := 0; k+per <= len(o.rows) && time.Duration(k+per)*o.Meta.Interval <= load.Duration(); k += per {
		b := block{at: time.Duration(k) * o.Meta.Interval, seconds: o.length.Seconds(), rps: make([]float64, len(names)), endpoints: make([]latency, len(names)), calm: true}
		ticks := int(o.length / sim.Tick)
		for t := range ticks {
			for e, r := range load.At(int(b.at/sim.Tick) + t) {
				b.rps[e] += r / float64(ticks)
			}
		}
		for e := range b.endpoints {
			b.endpoints[e] = latency{trace.NoValue(), trace.NoValue(), trace.NoValue()}
			if l, ok := latencies[k][e]; ok && per == 1 {
				b.endpoints[e] = l
			}
		}
		for s := range m.app.Services {
			b.services = append(b.services, average(o.rows[k:k+per], s))
			b.calm = b.calm && (b.services[s].steady || !trace.Has(b.services[s].replicas))
		}
		o.blocks = append(o.blocks, b)
	}
	return nil
}

// onlyTotal tells whether rates are known for all endpoints together alone.
func (o *observed) onlyTotal() bool {
	return !slices.ContainsFunc(o.Endpoints, func(r trace.EndpointRow) bool { return r.Endpoint != trace.TotalEndpoint })
}

// endpointLatencies finds the recorded latencies by interval and endpoint.
func (m *model) endpointLatencies(o *observed) []map[int]latency {
	out := make([]map[int]latency, len(o.rows))
	for k := range out {
		out[k] = map[int]latency{}
	}
	names := m.app.EndpointNames()
	for i := range o.Endpoints {
		r := &o.Endpoints[i]
		k := int(r.At / o.Meta.Interval)
		if e := slices.Index(names, r.Endpoint); e >= 0 && k < len(out) {
			out[k][e] = latency{r.MeanMs, r.P50Ms, r.P95Ms}
		}
	}
	return out
}

// average is the mean of a service over some intervals; steady if each is and their replicas are the same.
func average(rows [][]serviceRow, s int) serviceRow {
	out := rows[0][s]
	if len(rows) == 1 {
		return out
	}
	n := float64(len(rows))
	out.cpu, out.rps, out.throttled, out.latency = 0, 0, 0, latency{0, trace.NoValue(), trace.NoValue()}
	for k := range rows {
		r := &rows[k][s]
		out.steady = out.steady && r.steady && r.replicas == out.replicas
		out.cpu += r.cpu / n
		out.rps += r.rps / n
		if trace.Has(r.throttled) { // no period ran: none was throttled
			out.throttled += r.throttled / n
		}
		if trace.Has(r.mean) || r.rps > 0 {
			out.mean += r.mean * r.rps
		}
	}
	out.mean /= out.rps * n
	return out
}

// countBlockVisits fills in visits: those that the endpoints' rates and the application's call counts give, times how the
// recorded rate of the service in this block differs from that, relative to how it does usually. So CPU per visit is per
// visit of the application, whatever its call counts are worth, and a block in which calls pile up or time out counts
// what really came. The usual factor is returned by service, NaN where rates were not recorded.
func (m *model) countBlockVisits(all []*observed) []float64 {
	expected := func(b *block, o int) (v float64) {
		for e, r := range b.rps {
			v += r * m.visits[e][o]
		}
		return v
	}
	usual := make([]float64, len(m.app.Services))
	for s := range usual {
		ops := m.opsOf(s)
		ratio := func(b *block) float64 {
			sum := 0.0
			for _, o := range ops {
				sum += expected(b, o)
			}
			if !(sum > 0) {
				return trace.NoValue()
			}
			return b.services[s].rps / sum
		}
		var ratios []float64
		for _, o := range all {
			for i := range o.blocks {
				if q := ratio(&o.blocks[i]); trace.Has(q) && o.blocks[i].services[s].steady {
					ratios = append(ratios, q)
				}
			}
		}
		usual[s] = median(ratios)
		for _, o := range all {
			for i := range o.blocks {
				b := &o.blocks[i]
				if b.visits == nil {
					b.visits = make([]float64, len(m.app.Ops))
				}
				scale := 1.0
				if q := ratio(b); trace.Has(q) && usual[s] > 0 {
					scale = q / usual[s]
				}
				for _, op := range ops {
					b.visits[op] = scale * expected(b, op)
				}
			}
		}
	}
	return usual
}

// median of some numbers; NaN without any. The order of v changes.
func median(v []float64) float64 {
	if len(v) == 0 {
		return math.NaN()
	}
	slices.Sort(v)
	n := len(v)
	return (v[(n-1)/2] + v[n/2]) / 2
}
