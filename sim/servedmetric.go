package sim

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// Quantity is what the simulated cluster serves as a custom or external metric: what a service mesh, an exporter or a
// Prometheus adapter would have measured, over the last scrape window that is visible.
type Quantity string

// The quantities that are served.
const (
	RequestsPerSecond Quantity = "rps"             // requests/s that a service gets; of no service: at the entry
	RequestsPerPod    Quantity = "rps_per_replica" // the same over its ready replicas
	RequestsInFlight  Quantity = "in_flight"       // requests in a service: requests/s times mean latency (Little's law)
	MeanLatency       Quantity = "mean_ms"         // mean latency in ms
	P95Latency        Quantity = "p95_ms"          // 95th percentile of the latency in ms
	ErrorShare        Quantity = "error_rate"      // failed requests over all, 0..1
	CPUUsage          Quantity = "cpu_m"           // CPU that a service uses, in millicores
	Backlog           Quantity = "backlog"         // requests that wait in a service, beyond those that are being worked on
	SLOViolations     Quantity = "slo"             // share of entry requests late or failed, 0..1; of no service
)

// Quantities lists them.
var Quantities = []Quantity{RequestsPerSecond, RequestsPerPod, RequestsInFlight, MeanLatency, P95Latency, ErrorShare, CPUUsage, Backlog, SLOViolations}

// Entry is ServedMetric.Service for what is not about one service.
const Entry = -1

// ServedMetric is one metric from outside of the resource metrics pipeline.
type ServedMetric struct {
	Quantity Quantity
	Service  int           // index into App.Services, or Entry
	Factor   float64       // the metric in units of the quantity: 0.001 for latencies in seconds; 0 means 1
	Age      time.Duration // how much older than the scrape the value is; rounded up to whole decision intervals
}

// Validate checks it against an application.
func (m *ServedMetric) Validate(app *App) error {
	if !slices.Contains(Quantities, m.Quantity) {
		return fmt.Errorf("metric: %q is not served; one of %v", m.Quantity, Quantities)
	}
	ofEntry := m.Quantity == SLOViolations || m.Quantity == RequestsPerSecond
	switch {
	case m.Service == Entry && !ofEntry:
		return fmt.Errorf("metric: %s needs a service", m.Quantity)
	case m.Service != Entry && m.Quantity == SLOViolations:
		return fmt.Errorf("metric: %s is that of all requests and of no service", m.Quantity)
	case m.Service < Entry || m.Service >= len(app.Services):
		return fmt.Errorf("metric: service %d of %d", m.Service, len(app.Services))
	case math.IsNaN(m.Factor) || math.IsInf(m.Factor, 0) || m.Factor < 0:
		return fmt.Errorf("metric: factor %v: must be finite and at least 0", m.Factor)
	case m.Age < 0 || m.Age > MaxMetricAge:
		return fmt.Errorf("metric: age %v: must be from 0 to %v", m.Age, MaxMetricAge)
	}
	return nil
}

// MaxMetricAge bounds ServedMetric.Age.
const MaxMetricAge = time.Hour

// of is the value in a view, and whether there is one: nothing is there before the first scrape and while its source is lost.
func (m *ServedMetric) of(v *View) (float64, bool) {
	lost := v.Cluster.Lost
	if m.Service != Entry {
		lost = v.Services[m.Service].Lost
	}
	if !v.Scraped || lost&m.Quantity.source() != 0 {
		return 0, false
	}
	x := 0.0
	if m.Service == Entry {
		if x = v.Cluster.EntryRPS; m.Quantity == SLOViolations {
			x = v.Cluster.SLOViolation
		}
	} else {
		x = m.Quantity.of(&v.Services[m.Service])
	}
	if m.Factor != 0 {
		x *= m.Factor
	}
	return x, true
}

func (q Quantity) of(s *ServiceView) float64 {
	switch q {
	case RequestsPerSecond:
		return s.RPS
	case RequestsPerPod:
		return s.RPS / float64(max(s.Ready, 1))
	case RequestsInFlight:
		return s.RPS * s.MeanMs / 1000
	case MeanLatency:
		return s.MeanMs
	case P95Latency:
		return s.P95Ms
	case ErrorShare:
		return s.ErrorRate
	case Backlog:
		return s.Backlog
	}
	return s.CPUUsedMillis
}

func (q Quantity) source() MetricSource {
	if q == CPUUsage {
		return ResourceMetrics
	}
	return RequestMetrics
}

// metricReader reads a served metric at every decision and gives what it was Age ago.
type metricReader struct {
	metric ServedMetric
	ring   []metricReading // the latest is at next-1
	next   int
}

type metricReading struct {
	value float64
	ok    bool
}

func newMetricReader(m ServedMetric, interval time.Duration) metricReader {
	return metricReader{metric: m, ring: make([]metricReading, 1+(m.Age+interval-1)/interval)}
}

func (r *metricReader) reset() {
	clear(r.ring)
	r.next = 0
}

// read takes in a view, once for each decision. A value that is as old as the run is not there yet.
func (r *metricReader) read(v *View) (float64, bool) {
	x := &r.ring[r.next]
	x.value, x.ok = r.metric.of(v)
	r.next = (r.next + 1) % len(r.ring)
	old := &r.ring[r.next]
	return old.value, old.ok
}
