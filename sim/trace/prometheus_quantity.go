package trace

import (
	"slices"
	"strings"
)

// part is what the answer to a query says of a name in a table.
type part uint8

const (
	partRPS part = iota
	partFailures
	partErrorRate
	partP50
	partP95
	partP99
	partMean
	partLatencySum
	partLatencyCount
	partReplicas
	partReady
	partCPU
	partMem
	partThrottled
	partThrottledPeriods
	partPeriods
	partRx
	partTx
	partCPULimit
	partCPURequest
	partCPUThere
	partMemThere
	partsCount
)

// joining is how the series of one name become one, and the values of several steps one interval's.
type joining uint8

const (
	joinSum     joining = iota // series are added; the mean over the interval
	joinLast                   // series are added; the interval's last sample
	joinWhole                  // one series for each name; a percentile cannot be joined with another
	joinWeight                 // one series for each name; the mean over the requests of the interval
	joinMean                   // one series for each name; the mean over the interval
	joinReplica                // containers of a pod are added; the last pod's number is that of every replica
)

// Quantity is something that a query to Prometheus can ask for, in the unit of the usual exporters. Answers are named after it.
type Quantity struct {
	Name    string
	Unit    string
	Meaning string // what it becomes in a recording
	Counter bool   // it only rises, and rates are made from it

	table *table
	part  part
	join  joining
	scale float64 // our unit over Unit
}

// requestQuantities are those of tables with requests. full = with everything that an endpoint and a service have.
func requestQuantities(prefix, calls string, t *table, full bool) []Quantity {
	q := []Quantity{
		{prefix + "_rps", "1/s", "`rps`: rate of " + calls, false, t, partRPS, joinSum, 1},
		{prefix + "_requests_total", "count", "`rps`, from a counter of " + calls, true, t, partRPS, joinSum, 1},
		{prefix + "_error_rate", "fraction", "`error_rate`", false, t, partErrorRate, joinWeight, 1},
		{prefix + "_failures_per_s", "1/s", "`error_rate`: failures over " + calls, false, t, partFailures, joinSum, 1},
		{prefix + "_failures_total", "count", "`error_rate`, from a counter of failures", true, t, partFailures, joinSum, 1},
	}
	percentiles := []struct {
		name string
		part part
	}{{"p50", partP50}, {"p95", partP95}, {"p99", partP99}}
	for _, p := range percentiles {
		if full || p.part == partP95 {
			q = append(q,
				Quantity{prefix + "_" + p.name + "_ms", "ms", "`" + p.name + "_ms`, from `histogram_quantile`", false, t, p.part, joinWhole, 1},
				Quantity{prefix + "_" + p.name + "_s", "s", "the same in seconds", false, t, p.part, joinWhole, 1000})
		}
	}
	if !full {
		return q
	}
	return append(q,
		Quantity{prefix + "_mean_ms", "ms", "`mean_ms`", false, t, partMean, joinWeight, 1},
		Quantity{prefix + "_mean_s", "s", "the same in seconds", false, t, partMean, joinWeight, 1000},
		Quantity{prefix + "_latency_ms_sum", "ms", "`mean_ms`: this counter over `" + prefix + "_latency_count`", true, t, partLatencySum, joinSum, 1},
		Quantity{prefix + "_latency_s_sum", "s", "the same in seconds", true, t, partLatencySum, joinSum, 1000},
		Quantity{prefix + "_latency_count", "count", "counter of the requests in `" + prefix + "_latency_ms_sum`", true, t, partLatencyCount, joinSum, 1},
	)
}

// Quantities lists what can be imported from Prometheus, in the order of the tables. docs/import.md shows this list.
func Quantities() []Quantity {
	const toKbit = 8.0 / 1000
	const toMiB = 1.0 / (1 << 20)
	s, n := &servicesTable, &nodesTable
	return slices.Concat(
		requestQuantities("endpoint", "requests", &endpointsTable, true),
		requestQuantities("service", "requests received", s, true),
		[]Quantity{
			{"service_replicas", "count", "`replicas`: pods wanted and there", false, s, partReplicas, joinLast, 1},
			{"service_ready", "count", "`ready`", false, s, partReady, joinLast, 1},
			{"service_cpu_cores", "cores", "`cpu_m`: CPU used", false, s, partCPU, joinSum, 1000},
			{"service_cpu_seconds_total", "s", "`cpu_m`, from a counter", true, s, partCPU, joinSum, 1000},
			{"service_memory_bytes", "bytes", "`mem_mib`: memory used (the working set)", false, s, partMem, joinSum, toMiB},
			{"service_throttled", "fraction", "`throttled`", false, s, partThrottled, joinMean, 1},
			{"service_throttled_periods_per_s", "1/s", "`throttled`: this over `service_periods_per_s`", false, s, partThrottledPeriods, joinSum, 1},
			{"service_periods_per_s", "1/s", "CFS periods", false, s, partPeriods, joinSum, 1},
			{"service_throttled_periods_total", "count", "`throttled`, from a counter", true, s, partThrottledPeriods, joinSum, 1},
			{"service_periods_total", "count", "counter of CFS periods", true, s, partPeriods, joinSum, 1},
			{"service_rx_bytes_per_s", "bytes/s", "`rx_kbps`", false, s, partRx, joinSum, toKbit},
			{"service_rx_bytes_total", "bytes", "`rx_kbps`, from a counter", true, s, partRx, joinSum, toKbit},
			{"service_tx_bytes_per_s", "bytes/s", "`tx_kbps`", false, s, partTx, joinSum, toKbit},
			{"service_tx_bytes_total", "bytes", "`tx_kbps`, from a counter", true, s, partTx, joinSum, toKbit},
			{"service_cpu_limit_cores", "cores", "`cpu_limit_m` of meta.yaml: CPU limit of one replica", false, s, partCPULimit, joinReplica, 1000},
			{"service_cpu_request_cores", "cores", "a note in meta.yaml: CPU request of one replica", false, s, partCPURequest, joinReplica, 1000},
		},
		requestQuantities("edge", "calls", &edgesTable, false),
		[]Quantity{
			{"node_cpu_cores", "cores", "`cpu_m`: allocatable CPU", false, n, partCPUThere, joinLast, 1000},
			{"node_memory_bytes", "bytes", "`mem_mib`: allocatable memory", false, n, partMemThere, joinLast, toMiB},
			{"node_cpu_used_cores", "cores", "`cpu_used_m`", false, n, partCPU, joinSum, 1000},
			{"node_cpu_seconds_total", "s", "`cpu_used_m`, from a counter", true, n, partCPU, joinSum, 1000},
			{"node_memory_used_bytes", "bytes", "`mem_used_mib`", false, n, partMem, joinSum, toMiB},
		},
	)
}

// Table is the table of the recording that the quantity is of.
func (q *Quantity) Table() string { return q.table.name }

// findQuantity finds a quantity by its name.
func findQuantity(name string) (*Quantity, bool) {
	all := Quantities()
	i := slices.IndexFunc(all, func(q Quantity) bool { return q.Name == name })
	if i < 0 {
		return nil, false
	}
	return &all[i], true
}

// nearQuantity is the cure for an unknown name of an answer.
func nearQuantity(name string) string {
	var names []string
	for _, q := range Quantities() {
		names = append(names, q.Name)
	}
	if n := nearest(name, names); n != "" {
		return "did you mean " + n + "?"
	}
	return "name it after what it holds, such as endpoint_rps or service_cpu_cores: docs/import.md lists the names"
}

// rawCounter reports whether the name of a metric is that of a counter: the suffixes of the exposition formats. A rate made in PromQL
// has no name.
func rawCounter(metric string) bool {
	for _, suffix := range []string{"_total", "_count", "_sum", "_bucket"} {
		if strings.HasSuffix(metric, suffix) {
			return true
		}
	}
	return false
}
