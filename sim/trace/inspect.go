package trace

import (
	"fmt"
	"slices"
	"time"
)

// Summary is what a recording holds, for people. Numbers that the recording cannot give are [NoValue].
type Summary struct {
	Meta     Meta
	Duration time.Duration
	Tables   []TableSummary
	// Total is all endpoints together; Endpoints lists each, Total's own rows left out.
	Total     EndpointSummary
	Endpoints []EndpointSummary
	Services  []ServiceSummary
	// Missing says in sentences what the recording lacks and what therefore cannot be done with it.
	Missing []string
	// Replayable says whether it has request rates.
	Replayable bool
}

// TableSummary is the size of one table.
type TableSummary struct {
	Name string
	Rows int
}

// EndpointSummary is one endpoint over the whole recording.
type EndpointSummary struct {
	Name             string
	MeanRPS, MaxRPS  float64       // mean and largest rate of an interval
	MaxAt            time.Duration // start of the first interval with the largest rate
	Requests         float64       // rate times time
	ErrorRate        float64       // share of the requests of intervals with a known error rate
	WorstP95Ms       float64       // largest p95 of an interval; the p95 over all cannot be had from percentiles
	WorstP95At       time.Duration
	intervals        int
	failed, answered float64
}

// ServiceSummary is one service over the whole recording.
type ServiceSummary struct {
	Name                     string
	MinReplicas, MaxReplicas float64
	MeanCPUMillis            float64
	MaxCPUMillis             float64 // largest mean of an interval
	MeanMemMiB               float64
	MeanRPS                  float64
	MeanThrottled            float64 // mean over the intervals, not weighted
	CPULimitMillis           float64 // of one replica
}

// Inspect sums up a recording.
func Inspect(rec *Recording) *Summary {
	s := &Summary{Meta: rec.Meta, Duration: rec.Duration()}
	for _, t := range tables {
		if n := rowsOf(rec, t).len(); n > 0 {
			s.Tables = append(s.Tables, TableSummary{t.name, n})
		}
	}
	s.inspectEndpoints(rec)
	s.inspectServices(rec)
	s.findMissing(rec)
	return s
}

func (s *Summary) inspectEndpoints(rec *Recording) {
	named := rec.EndpointNames()
	for _, name := range named {
		s.Endpoints = append(s.Endpoints, newEndpointSummary(name))
	}
	s.Total = newEndpointSummary(TotalEndpoint)
	interval := rec.Meta.Interval
	var at time.Duration
	var rate float64
	have := false
	flush := func() { // a time's endpoints together are one interval of the total, if all of them are known
		if have && Has(rate) {
			s.Total.addRate(at, rate, interval)
		}
		rate, have = 0, false
	}
	for i := range rec.Endpoints {
		row := &rec.Endpoints[i]
		if row.At != at {
			flush()
			at = row.At
		}
		if k := slices.Index(named, row.Endpoint); k >= 0 {
			s.Endpoints[k].add(row, interval)
			rate, have = rate+row.RPS, true
			if Has(row.RPS) {
				s.Total.addErrors(row, interval)
			}
			continue
		}
		if len(named) == 0 { // only the total is known
			s.Total.add(row, interval)
		} else {
			s.Total.addLatency(row)
		}
	}
	flush()
}

func newEndpointSummary(name string) EndpointSummary {
	no := NoValue()
	return EndpointSummary{Name: name, MeanRPS: no, MaxRPS: no, ErrorRate: no, WorstP95Ms: no}
}

func (e *EndpointSummary) add(row *EndpointRow, interval time.Duration) {
	if Has(row.RPS) {
		e.addRate(row.At, row.RPS, interval)
		e.addErrors(row, interval)
	}
	e.addLatency(row)
}

func (e *EndpointSummary) addRate(at time.Duration, rps float64, interval time.Duration) {
	e.intervals++
	e.Requests += rps * interval.Seconds()
	e.MeanRPS = e.Requests / (float64(e.intervals) * interval.Seconds())
	if !(rps <= e.MaxRPS) {
		e.MaxRPS, e.MaxAt = rps, at
	}
}

func (e *EndpointSummary) addErrors(row *EndpointRow, interval time.Duration) {
	if Has(row.ErrorRate) {
		n := row.RPS * interval.Seconds()
		e.answered += n
		e.failed += n * row.ErrorRate
		if e.answered > 0 {
			e.ErrorRate = e.failed / e.answered
		}
	}
}

func (e *EndpointSummary) addLatency(row *EndpointRow) {
	if Has(row.P95Ms) && !(row.P95Ms <= e.WorstP95Ms) {
		e.WorstP95Ms, e.WorstP95At = row.P95Ms, row.At
	}
}

// mean is a running mean of the numbers that there are.
type mean struct{ sum, n float64 }

func (m *mean) add(v float64) {
	if Has(v) {
		m.sum += v
		m.n++
	}
}

func (m *mean) value() float64 { return m.sum / m.n } // 0/0 is NaN, which is NoValue

func (s *Summary) inspectServices(rec *Recording) {
	names := rec.ServiceNames()
	index := make(map[string]int, len(names))
	type means struct{ cpu, mem, rps, throttled mean }
	all := make([]means, len(names))
	for i, name := range names {
		index[name] = i
		no := NoValue()
		limit, ok := rec.Meta.CPULimitMillis[name]
		if !ok {
			limit = no
		}
		s.Services = append(s.Services, ServiceSummary{Name: name, MinReplicas: no, MaxReplicas: no, MaxCPUMillis: no, CPULimitMillis: limit})
	}
	for i := range rec.Services {
		row := &rec.Services[i]
		k := index[row.Service]
		sum, m := &s.Services[k], &all[k]
		m.cpu.add(row.CPUMillis)
		m.mem.add(row.MemMiB)
		m.rps.add(row.RPS)
		m.throttled.add(row.Throttled)
		if Has(row.Replicas) && !(row.Replicas >= sum.MinReplicas) {
			sum.MinReplicas = row.Replicas
		}
		if Has(row.Replicas) && !(row.Replicas <= sum.MaxReplicas) {
			sum.MaxReplicas = row.Replicas
		}
		if Has(row.CPUMillis) && !(row.CPUMillis <= sum.MaxCPUMillis) {
			sum.MaxCPUMillis = row.CPUMillis
		}
	}
	for k := range all {
		sum := &s.Services[k]
		sum.MeanCPUMillis, sum.MeanMemMiB = all[k].cpu.value(), all[k].mem.value()
		sum.MeanRPS, sum.MeanThrottled = all[k].rps.value(), all[k].throttled.value()
	}
}

// findMissing fills Missing and Replayable.
func (s *Summary) findMissing(rec *Recording) {
	miss := func(format string, args ...any) { s.Missing = append(s.Missing, fmt.Sprintf(format, args...)) }
	s.Replayable = Has(s.Total.MeanRPS)
	switch {
	case !s.Replayable:
		miss("no request rates: the recording cannot be replayed")
	case len(s.Endpoints) == 0:
		miss("rates by endpoint: a replay spreads the total over the application's endpoint mix")
	}
	if n := countMissing(&endpointsTable, rec, 0); n > 0 && s.Replayable {
		miss("%d of %d request rates: a replay needs a window without them, or --fill", n, len(rec.Endpoints))
	}
	if len(rec.Endpoints) > 0 && countMissing(&endpointsTable, rec, 2) == len(rec.Endpoints) {
		miss("latency by endpoint: a replay cannot be compared with what was recorded")
	}
	switch cpu := countMissing(&servicesTable, rec, 2); {
	case len(rec.Services) == 0:
		miss("services: nothing to calibrate by")
	case cpu == len(rec.Services):
		miss("CPU by service: nothing to calibrate by")
	case len(rec.Meta.CPULimitMillis) == 0:
		miss("CPU limits (cpu_limit_m in meta.yaml): latency and throttling cannot be calibrated")
	}
	if len(rec.Edges) == 0 {
		miss("calls between services")
	}
	if len(rec.Nodes) == 0 {
		miss("nodes")
	}
	if rec.Meta.Start.IsZero() {
		miss("wall-clock start")
	}
	if rec.Meta.Source == "" {
		miss("source")
	}
	if rec.Meta.Licence == "" {
		miss("licence")
	}
}

// countMissing counts the rows of a table whose value v (position among the number columns) is not there.
func countMissing(t *table, rec *Recording, v int) int {
	rows := rowsOf(rec, t)
	var c cells
	n := 0
	for i := range rows.len() {
		rows.get(i, &c)
		if !Has(c.values[v]) {
			n++
		}
	}
	return n
}
