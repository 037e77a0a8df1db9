package trace

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// This file turns what Prometheus said of intervals into the rows of a recording.

// perReplica takes the CPU limit or request of one replica from its pods' containers: the sum of a pod's, of the last pod seen.
func (p *promImport) perReplica(a *promAnswer) {
	changed := 0
	found := map[string]float64{}
	for _, name := range a.sortedNames() {
		sum, last := map[string]float64{}, map[string]int64{}
		differs := false
		for _, s := range a.names[name] {
			v := NoValue()
			for _, x := range s.samples {
				if Has(x.v) {
					differs = differs || Has(v) && v != x.v
					v, last[s.pod] = x.v, max(last[s.pod], x.at)
				}
			}
			if Has(v) {
				sum[s.pod] += v * a.scale
			}
		}
		best := ""
		for _, pod := range sortedKeys(sum) {
			differs = differs || best != "" && sum[pod] != sum[best]
			if best == "" || last[pod] > last[best] || last[pod] == last[best] && sum[pod] > sum[best] {
				best = pod
			}
		}
		if sum[best] > 0 {
			found[name.a] = round(sum[best], 3)
		}
		if differs {
			changed++
		}
	}
	a.notef(changed, "service whose pods had different ones: that of the last pod is used", "services whose pods had different ones: that of the last pod is used")
	if a.part == partCPULimit {
		p.rec.Meta.CPULimitMillis = found
		return
	}
	var words []string
	for _, name := range sortedKeys(found) {
		words = append(words, name+" "+short(found[name])+" m")
	}
	if len(words) > 0 {
		p.notes = append(p.notes, "CPU requests of one replica: "+strings.Join(words, ", ")+".")
	}
}

// derive makes error rates, mean latencies and shares of throttled periods from what they are the quotients of.
func (p *promImport) derive() {
	for _, t := range tables {
		if a := p.has(t, partFailures); a != nil {
			none, above := 0, 0
			for _, x := range p.parts[t] {
				if x[partRPS] == nil {
					continue
				}
				x[partErrorRate] = quotient(x[partFailures], x[partRPS], true, &none, &above)
			}
			a.notef(none, "time without a counter of failures was taken as without failures", "times without a counter of failures were taken as without failures")
			a.notef(above, "time with more failures than requests has an error rate of 1", "times with more failures than requests have an error rate of 1")
		}
		none, above := 0, 0
		for _, x := range p.parts[t] {
			if x[partLatencySum] != nil {
				x[partMean] = quotient(x[partLatencySum], x[partLatencyCount], false, &none, nil)
			}
			if x[partPeriods] != nil {
				x[partThrottled] = quotient(x[partThrottledPeriods], x[partPeriods], false, &none, &above)
			}
		}
		if a := p.has(t, partPeriods); a != nil {
			a.notef(above, "time with more throttled periods than periods has a share of 1", "times with more throttled periods than periods have a share of 1")
		}
	}
	p.joinAll()
}

// quotient divides. Where zero is set a numerator that is not known is 0, which none counts; above counts quotients over 1, which are
// set to 1, unless it is nil.
func quotient(a, b []float64, zero bool, none, above *int) []float64 {
	if b == nil || a == nil && !zero {
		return nil
	}
	out := make([]float64, len(b))
	for k := range out {
		out[k] = NoValue()
		n := NoValue()
		if a != nil {
			n = a[k]
		}
		if !(b[k] > 0) {
			continue
		}
		if !Has(n) && zero {
			n = 0
			*none++
		}
		out[k] = n / b[k]
		if above != nil && out[k] > 1 {
			if out[k] > 1+1e-9 {
				*above++
			}
			out[k] = 1
		}
	}
	return out
}

// joinAll gives the row `all` of endpoints the sum of the others' rates, if percentiles of all requests are known and their rate is not.
func (p *promImport) joinAll() {
	all := p.parts[&endpointsTable][rowName{a: TotalEndpoint}]
	if all == nil || all[partRPS] != nil || len(p.parts[&endpointsTable]) == 1 {
		return
	}
	sum := make([]float64, p.iv.n)
	for _, name := range p.names(&endpointsTable) { // in order: the last digits of a sum depend on it
		x := p.parts[&endpointsTable][name]
		switch {
		case x == all:
		case x[partRPS] == nil:
			fillNoValue(sum)
		default:
			addColumn(sum, x[partRPS])
		}
	}
	all[partRPS] = sum
	p.notes = append(p.notes, "The rate of all endpoints together is the sum of theirs.")
}

// known says at which intervals a table has any value.
func (p *promImport) known(t *table) (at []bool, first, last int) {
	at = make([]bool, p.iv.n)
	first, last = p.iv.n, -1
	for _, x := range p.parts[t] {
		for _, values := range x {
			for k, v := range values {
				if Has(v) {
					at[k] = true
					first, last = min(first, k), max(last, k)
				}
			}
		}
	}
	return at, first, last
}

// trim finds the intervals from which on, and to which, every table that must have rows all the time has some.
func (p *promImport) trim() {
	p.from, p.to = 0, p.iv.n
	for _, t := range []*table{&endpointsTable, &servicesTable, &nodesTable} {
		if _, first, last := p.known(t); last >= 0 {
			p.from, p.to = max(p.from, first), min(p.to, last+1)
		}
	}
	if p.from >= p.to {
		p.out.errorf(CodeGap, "", 0, "", "ask for all of the same range", "the answers have no time in common: those of one table end before those of another begin")
		return
	}
	if cut := p.from + p.iv.n - p.to; cut > 0 {
		p.notes = append(p.notes, fmt.Sprintf("%s at the beginning and %s at the end were left out, as not every table has values there.",
			counted(p.from, "interval"), counted(p.iv.n-p.to, "interval")))
	}
	if p.rec.Meta.Start.IsZero() {
		p.rec.Meta.Start = time.UnixMilli(p.iv.start(p.from)).UTC()
	}
}

// names lists the names of a table in order.
func (p *promImport) names(t *table) []rowName {
	a := promAnswer{names: map[rowName][]promSeries{}}
	for n := range p.parts[t] {
		a.names[n] = nil
	}
	return a.sortedNames()
}

// promDecimals are how many decimals are kept of what a table's columns hold.
var promDecimals = map[kind]int{kindCount: 0, kindRate: 6, kindMs: 3, kindMillis: 3, kindMiB: 3, kindKbps: 3, kindFraction: 6}

// partColumns are the columns of the tables in which the parts go.
var partColumns = map[*table]map[part]string{
	&endpointsTable: {partRPS: "rps", partP50: "p50_ms", partP95: "p95_ms", partP99: "p99_ms", partErrorRate: "error_rate", partMean: "mean_ms"},
	&servicesTable: {partRPS: "rps", partP50: "p50_ms", partP95: "p95_ms", partP99: "p99_ms", partErrorRate: "error_rate", partMean: "mean_ms",
		partReplicas: "replicas", partReady: "ready", partCPU: "cpu_m", partMem: "mem_mib", partRx: "rx_kbps", partTx: "tx_kbps", partThrottled: "throttled"},
	&edgesTable: {partRPS: "rps", partP95: "p95_ms", partErrorRate: "error_rate"},
	&nodesTable: {partCPUThere: "cpu_m", partMemThere: "mem_mib", partCPU: "cpu_used_m", partMem: "mem_used_mib"},
}

// addRows fills the tables.
func (p *promImport) addRows() {
	if p.out.errors > 0 {
		return
	}
	falling, clamped := 0, 0
	for _, t := range tables {
		there, _, _ := p.known(t)
		to := rowsOf(p.rec, t)
		names := p.names(t)
		missing, firstMissing := 0, 0
		for k := p.from; k < p.to; k++ {
			if !there[k] {
				if len(names) > 0 && !t.sparse {
					if missing == 0 {
						firstMissing = k
					}
					missing++
				}
				continue
			}
			for _, name := range names {
				var c cells
				c.fill(int64(k-p.from)*p.iv.length*1e6, name.a, name.b)
				some := p.fillCells(t, name, k, &c)
				if !t.dense && !some {
					continue
				}
				falling += dropFalling(&c, &t.pairs)
				clamped += clampReady(&c, &t.pairs)
				to.add(&c)
			}
		}
		p.gap(t, missing, firstMissing)
	}
	if falling > 0 {
		p.notes = append(p.notes, fmt.Sprintf("Percentiles of %s do not rise and were left out.", counted(falling, "row")))
	}
	if clamped > 0 {
		p.notes = append(p.notes, fmt.Sprintf("ready was above replicas in %s, of pods that end, and was set to replicas.", counted(clamped, "row")))
	}
}

// fillCells puts the values of an interval into a row. some is whether the row says anything: calls were made, a node was there.
func (p *promImport) fillCells(t *table, name rowName, k int, c *cells) (some bool) {
	cols := t.values()
	for x, values := range p.parts[t][name] {
		col, ok := partColumns[t][part(x)]
		if !ok || values == nil || !Has(values[k]) {
			continue
		}
		i := slices.IndexFunc(cols, func(x column) bool { return x.name == col })
		c.values[i] = round(values[k], promDecimals[cols[i].kind])
		some = true
	}
	if t == &edgesTable {
		return c.values[0] > 0
	}
	return some
}

// dropFalling leaves out percentiles that do not rise, which queries of different windows or labels can give.
func dropFalling(c *cells, at *pairs) int {
	if at.p50 < 0 {
		return 0
	}
	a, b, d := c.values[at.p50], c.values[at.p95], c.values[at.p99]
	if !(a > b || b > d || a > d) {
		return 0
	}
	c.values[at.p50], c.values[at.p95], c.values[at.p99] = NoValue(), NoValue(), NoValue()
	return 1
}

// clampReady sets ready to replicas where it is above: while a Deployment shrinks its status may still count pods that end.
func clampReady(c *cells, at *pairs) int {
	if at.ready < 0 || !(c.values[at.ready] > c.values[at.replicas]) {
		return 0
	}
	c.values[at.ready] = c.values[at.replicas]
	return 1
}

// gap reports times at which a table has no rows.
func (p *promImport) gap(t *table, n, first int) {
	if n == 0 {
		return
	}
	p.rec.Meta.Gaps = true
	times := counted(n, "interval")
	if !p.opt.AllowGaps && !p.opt.Fill {
		p.out.errorf(CodeGap, "", 0, "", "give a longer interval, fill them with --fill, or allow gaps with --allow-gaps",
			"the answers have no values of %s in %s, the first at %s", t.name, times, stamp(p.iv.start(first)))
		return
	}
	p.notes = append(p.notes, fmt.Sprintf("%s of %s without any value in the answers.", times, t.name))
}

// note writes down what was done.
func (p *promImport) note() {
	steps := map[int64]bool{}
	for _, a := range p.answers {
		if a.sure {
			steps[a.step] = true
		}
	}
	text := fmt.Sprintf("Rows are every %s s", seconds(p.iv.length*1e6))
	if len(steps) > 1 {
		text += ", the longest of the answers' steps or as asked: rates, CPU and memory are means over the interval, replicas its last sample"
	}
	m := &p.rec.Meta
	m.Notes = append(m.Notes, text+"; a value at a time is that of the step that ends there.")
	for _, a := range p.answers {
		m.Notes = append(m.Notes, a.summary())
	}
	m.Notes = append(m.Notes, p.notes...)
	if p.has(&endpointsTable, partRPS) == nil {
		m.Notes = append(m.Notes, "No answer gives the rates of endpoints, so this recording cannot be replayed.")
	}
	if len(m.CPULimitMillis) == 0 {
		m.CPULimitMillis = nil
	}
}
