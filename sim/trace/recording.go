package trace

import (
	"math"
	"slices"
	"time"
)

// Format is the number of the newest format that this package reads, and the one that it writes.
const Format = 1

// AnyApplication is the application of a recording that is only a shape of load, such as an imported "t,rps".
const AnyApplication = "any"

// TotalEndpoint is the endpoint whose rate is that of all endpoints together. A recording may have it alone
// (the rate by endpoint is not known) or beside the endpoints (then its percentiles are those of all requests).
const TotalEndpoint = "all"

// NoValue is what a number is that the source does not have: NaN. Test for it with [Has], never with ==.
func NoValue() float64 { return math.NaN() }

// Has reports whether v is a number and not [NoValue].
func Has(v float64) bool { return v == v }

// Recording is what was observed of one application over some time. Rows are ordered by time; the order of
// the rows of one time is free and kept. A table that is nil or empty is not part of the recording.
type Recording struct {
	Meta      Meta
	Endpoints []EndpointRow
	Services  []ServiceRow
	Edges     []EdgeRow
	Nodes     []NodeRow
	// Warnings are what was found when it was read that a user of it should know. They are not written.
	Warnings []Finding
}

// Meta says what a recording is.
type Meta struct {
	Application string        // name of the application file, or AnyApplication
	Interval    time.Duration // time between rows; a row covers [At, At+Interval)
	Start       time.Time     // wall-clock time of At = 0; zero = not known
	Source      string        // who recorded it, how, and where it was published; this and the other texts are one line each
	Licence     string        // SPDX identifier, or in words
	// CPULimitMillis is the CPU limit of one replica of each service during the recording, where known.
	// A replay needs no limit; comparing recorded CPU and latency with simulated ones does.
	CPULimitMillis map[string]float64
	// Contended says that other work competed with what was recorded for the same CPUs, so that its latency is
	// in part theirs.
	Contended bool
	// Gaps says that rows are known to be missing, so that readers accept it.
	Gaps bool
	// Notes are what a user of the numbers must know, one sentence or two each. Importers state their assumptions here.
	Notes []string
}

// EndpointRow is one endpoint over one interval, as its clients saw it. Numbers may be [NoValue].
type EndpointRow struct {
	At        time.Duration // start of the interval, since the recording's start
	Endpoint  string
	RPS       float64 // requests that started, per second
	P50Ms     float64 // percentiles of the latency of those requests
	P95Ms     float64
	P99Ms     float64
	ErrorRate float64 // share of those requests that failed, 0..1
	MeanMs    float64 // mean of the latency of those requests
}

// ServiceRow is one service over one interval, all its replicas together. Numbers may be [NoValue].
type ServiceRow struct {
	At        time.Duration // start of the interval, since the recording's start
	Service   string
	Replicas  float64 // pods wanted and there, ready or starting, at the last sample of the interval
	Ready     float64 // those of them that serve
	CPUMillis float64 // CPU used by all replicas, mean over the interval, millicores
	MemMiB    float64 // memory used by all replicas, mean over the interval
	RPS       float64 // requests received, per second
	P50Ms     float64 // percentiles of the latency as its callers saw it
	P95Ms     float64
	P99Ms     float64
	ErrorRate float64 // share of requests that failed, 0..1
	RxKbps    float64 // network traffic received and sent by all replicas, kbit/s
	TxKbps    float64
	Throttled float64 // share of CFS periods in which a replica's quota was used up, 0..1
	MeanMs    float64 // mean latency as its callers saw it
}

// EdgeRow is the calls of one service to another over one interval. Numbers may be [NoValue].
type EdgeRow struct {
	At        time.Duration // start of the interval, since the recording's start
	Src, Dst  string        // calling and called service
	RPS       float64       // calls per second
	P95Ms     float64       // 95th percentile of the latency as the caller saw it
	ErrorRate float64       // share of calls that failed, 0..1
}

// NodeRow is one node of the cluster over one interval. Numbers may be [NoValue].
type NodeRow struct {
	At            time.Duration // start of the interval, since the recording's start
	Node          string
	Pool          string  // node pool; may be empty
	CPUMillis     float64 // allocatable CPU, millicores
	MemMiB        float64 // allocatable memory
	CPUUsedMillis float64 // used, mean over the interval
	MemUsedMiB    float64
}

// Duration is the time that the recording covers: from 0 to the end of the last row's interval.
func (r *Recording) Duration() time.Duration {
	var end time.Duration
	if n := len(r.Endpoints); n > 0 {
		end = max(end, r.Endpoints[n-1].At+r.Meta.Interval)
	}
	if n := len(r.Services); n > 0 {
		end = max(end, r.Services[n-1].At+r.Meta.Interval)
	}
	if n := len(r.Edges); n > 0 {
		end = max(end, r.Edges[n-1].At+r.Meta.Interval)
	}
	if n := len(r.Nodes); n > 0 {
		end = max(end, r.Nodes[n-1].At+r.Meta.Interval)
	}
	return end
}

// EndpointNames lists the endpoints in order of first appearance, [TotalEndpoint] left out.
func (r *Recording) EndpointNames() []string {
	names := distinct(r.Endpoints, func(e *EndpointRow) string { return e.Endpoint })
	return slices.DeleteFunc(names, func(n string) bool { return n == TotalEndpoint })
}

// ServiceNames lists the services in order of first appearance.
func (r *Recording) ServiceNames() []string {
	return distinct(r.Services, func(s *ServiceRow) string { return s.Service })
}

// distinct lists the names of rows in order of first appearance.
func distinct[R any](rows []R, name func(*R) string) []string {
	var names []string
	seen := map[string]bool{}
	for i := range rows {
		if n := name(&rows[i]); !seen[n] {
			seen[n] = true
			names = append(names, n)
		}
	}
	return names
}
