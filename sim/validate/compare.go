package validate

import (
	"fmt"
	"time"

	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/trace"
)

// Class says what the recorded system was up to on the way of a request or visit.
type Class uint8

// The classes. A row belongs to the worst that any service on its path was in during the interval.
const (
	// Unthrottled: no service used its quota up in more than ThrottledFrom of the CFS periods.
	Unthrottled Class = iota
	// Throttled: one did.
	Throttled
	// Saturated: one used more than SaturatedUtilisation of its limit, or was throttled in SaturatedThrottling of the periods
	// or more, so that it had work waiting at nearly every period's end. Such an interval has no steady state to compare:
	// latency depends on how long the load has lasted.
	Saturated
)

// Bounds of the classes.
const (
	ThrottledFrom        = 0.05
	SaturatedUtilisation = 0.95
	SaturatedThrottling  = 0.99
)

func (c Class) String() string { return [...]string{"not throttled", "throttled", "saturated"}[c] }

// Classes lists the classes in order.
var Classes = []Class{Unthrottled, Throttled, Saturated}

// Kind says what a row is about.
type Kind uint8

// The kinds of rows.
const (
	AllRequests Kind = iota // all requests, as their clients saw them
	OfEndpoint              // requests of one endpoint
	OfService               // visits of one service, as their callers saw them
)

func (k Kind) String() string { return [...]string{"all requests", "endpoint", "service"}[k] }

// Row is one endpoint or service over one interval of a recording.
type Row struct {
	Recording string
	Contended bool // other work shared the recorded machine
	At        time.Duration
	Kind      Kind
	Name      string
	Class     Class // of its path: for latency and errors
	OwnClass  Class // of the service alone: for CPU and throttling
	// Count is how many requests or visits were recorded.
	Count               float64
	Recorded, Predicted Values
}

// Result is a recording and what an engine made of it.
type Result struct {
	Recording string
	Contended bool
	Interval  time.Duration
	Rows      []Row // by interval; in each all requests, endpoints, services
	Notes     []string
	// Comparable is false where the intervals are no multiples of the engine's window, so that percentiles and means
	// over an interval do not exist in the simulation; Rows is then empty.
	Comparable bool
}

// Compare replays rec, called name, and sets recorded and predicted numbers side by side.
func Compare(app *sim.App, name string, rec *trace.Recording, opt Options) (*Result, error) {
	res := &Result{Recording: name, Contended: rec.Meta.Contended, Interval: rec.Meta.Interval}
	if rec.Meta.Interval%sim.WindowDuration != 0 {
		res.Notes = []string{fmt.Sprintf("not compared by interval: %v is no multiple of the engine's window of %v", rec.Meta.Interval, sim.WindowDuration)}
		return res, nil
	}
	p, err := Replay(app, rec, opt)
	if err != nil {
		return nil, fmt.Errorf("recording %s: %w", name, err)
	}
	res.Comparable, res.Notes = true, p.Notes
	c := newComparison(app, rec, len(p.Intervals))
	for k := range p.Intervals {
		res.Rows = c.rows(res.Rows, k, &p.Intervals[k])
	}
	for i := range res.Rows {
		res.Rows[i].Recording, res.Rows[i].Contended = name, rec.Meta.Contended
	}
	return res, nil
}

// comparison is a recording's numbers by interval.
type comparison struct {
	app       *sim.App
	interval  time.Duration
	services  [][]*trace.ServiceRow  // [interval][service], nil where there is none
	endpoints [][]*trace.EndpointRow // [interval][endpoint]
	all       []*trace.EndpointRow   // [interval]
	limits    []float64              // [service] millicores
	pathOf    [][]bool               // [service][service] itself and those that its visits reach
	opPath    [][]bool               // [endpoint][service]
}

func newComparison(app *sim.App, rec *trace.Recording, steps int) *comparison {
	c := &comparison{app: app, interval: rec.Meta.Interval, all: make([]*trace.EndpointRow, steps)}
	for range steps {
		c.services = append(c.services, make([]*trace.ServiceRow, len(app.Services)))
		c.endpoints = append(c.endpoints, make([]*trace.EndpointRow, len(app.Endpoints)))
	}
	for i := range rec.Services {
		row := &rec.Services[i]
		if k := int(row.At / rec.Meta.Interval); k < steps {
			c.services[k][app.ServiceIndex(row.Service)] = row
		}
	}
	index := map[string]int{}
	for e, name := range app.EndpointNames() {
		index[name] = e
	}
	for i := range rec.Endpoints {
		row := &rec.Endpoints[i]
		k := int(row.At / rec.Meta.Interval)
		if k >= steps {
			continue
		}
		if e, ok := index[row.Endpoint]; ok {
			c.endpoints[k][e] = row
		} else if row.Endpoint == trace.TotalEndpoint {
			c.all[k] = row
		}
	}
	for s := range app.Services {
		limit, ok := rec.Meta.CPULimitMillis[app.Services[s].Name]
		if !ok {
			limit = trace.NoValue()
		}
		c.limits = append(c.limits, limit)
	}
	c.findPaths()
	return c
}

// findPaths finds the services that visits and requests reach.
func (c *comparison) findPaths() {
	reach := make([][]bool, len(c.app.Ops)) // [op][service]
	var visit func(o int) []bool
	visit = func(o int) []bool {
		if reach[o] != nil {
			return reach[o]
		}
		set := make([]bool, len(c.app.Services))
		set[c.app.Ops[o].Service] = true
		for _, call := range c.app.Ops[o].Calls {
			for s, in := range visit(call.Op) {
				set[s] = set[s] || in
			}
		}
		reach[o] = set
		return set
	}
	c.pathOf = make([][]bool, len(c.app.Services))
	for s := range c.pathOf {
		c.pathOf[s] = make([]bool, len(c.app.Services))
		c.pathOf[s][s] = true
	}
	for o := range c.app.Ops {
		for s, in := range visit(o) {
			p := c.pathOf[c.app.Ops[o].Service]
			p[s] = p[s] || in
		}
	}
	for e := range c.app.Endpoints {
		c.opPath = append(c.opPath, visit(c.app.Endpoints[e].Op))
	}
}

// own is the class of one service in interval k. What was not recorded does not throttle.
func (c *comparison) own(k, s int) Class {
	row := c.services[k][s]
	if row == nil {
		return Unthrottled
	}
	ready := row.Ready
	if !trace.Has(ready) {
		ready = row.Replicas
	}
	if row.Throttled >= SaturatedThrottling || row.CPUMillis > SaturatedUtilisation*c.limits[s]*ready {
		return Saturated
	}
	if row.Throttled >= ThrottledFrom {
		return Throttled
	}
	return Unthrottled
}

// worst is the class of a path in interval k.
func (c *comparison) worst(k int, path []bool) Class {
	class := Unthrottled
	for s, in := range path {
		if in {
			class = max(class, c.own(k, s))
		}
	}
	return class
}

// rows appends the rows of interval k.
func (c *comparison) rows(dst []Row, k int, p *Interval) []Row {
	at, first := time.Duration(k)*c.interval, len(dst)
	entry := c.services[k][c.app.Entry]
	if all := c.all[k]; all != nil || entry != nil {
		row := Row{At: at, Kind: AllRequests, Name: trace.TotalEndpoint, Class: c.worst(k, c.pathOf[c.app.Entry]), Predicted: p.All}
		if all != nil {
			row.Recorded = endpointValues(all)
		} else { // every request is one visit of the entry service
			row.Recorded = serviceValues(entry)
			row.Recorded.Throttled = trace.NoValue()
		}
		row.Recorded.CPUMillis, row.Predicted.CPUMillis = c.totalCPU(k, p)
		row.OwnClass = row.Class
		dst = append(dst, row)
	}
	for e, row := range c.endpoints[k] {
		if row != nil {
			dst = append(dst, Row{At: at, Kind: OfEndpoint, Name: row.Endpoint, Class: c.worst(k, c.opPath[e]), Recorded: endpointValues(row), Predicted: p.Endpoints[e]})
		}
	}
	for s, row := range c.services[k] {
		if row == nil {
			continue
		}
		r := Row{At: at, Kind: OfService, Name: row.Service, Class: c.worst(k, c.pathOf[s]), OwnClass: c.own(k, s), Recorded: serviceValues(row), Predicted: p.Services[s]}
		if s == c.app.Entry { // its latency is that of all requests, which have a row
			no := trace.NoValue()
			r.Recorded.MeanMs, r.Recorded.P50Ms, r.Recorded.P95Ms, r.Recorded.P99Ms, r.Recorded.ErrorRate = no, no, no, no, no
		}
		dst = append(dst, r)
	}
	for i := range dst[first:] {
		r := &dst[first+i]
		r.Count = r.Recorded.RPS * c.interval.Seconds()
	}
	return dst
}

// totalCPU is that of all services together, where it is known of each.
func (c *comparison) totalCPU(k int, p *Interval) (recorded, predicted float64) {
	for s, row := range c.services[k] {
		if row == nil {
			return trace.NoValue(), trace.NoValue()
		}
		recorded += row.CPUMillis
		predicted += p.Services[s].CPUMillis
	}
	return recorded, predicted
}

func endpointValues(r *trace.EndpointRow) Values {
	no := trace.NoValue()
	return Values{RPS: r.RPS, CPUMillis: no, MeanMs: r.MeanMs, P50Ms: r.P50Ms, P95Ms: r.P95Ms, P99Ms: r.P99Ms, Throttled: no, ErrorRate: r.ErrorRate}
}

func serviceValues(r *trace.ServiceRow) Values {
	return Values{RPS: r.RPS, CPUMillis: r.CPUMillis, MeanMs: r.MeanMs, P50Ms: r.P50Ms, P95Ms: r.P95Ms, P99Ms: r.P99Ms, Throttled: r.Throttled, ErrorRate: r.ErrorRate}
}
