package trace

import (
	"fmt"
	"slices"
	"time"
)

// locustSpans are what the rows of one name say of the time between them.
type locustSpans struct{ requests, failures, latency []span }

// spans turns the rows of a name into rates from row to row: of requests, of failures, and of milliseconds of latency.
func (l *locustImport) spans(s *locustSeries, resets *int) locustSpans {
	var out locustSpans
	var before locustRow // all counts 0
	known := false       // whether the row before is known
	if i, _ := slices.BinarySearch(l.times, s.rows[0].at); i > 0 && l.cols[lcCount] >= 0 {
		// Locust lists a name from its first request on: until the time before, it had none.
		known = true
		before.at = l.times[i-1]
		zero := span{l.times[0], before.at, 0}
		out.requests, out.failures, out.latency = append(out.requests, zero), append(out.failures, zero), append(out.latency, zero)
	}
	sum := func(r *locustRow) float64 { return r.values[lcMean] * r.values[lcCount] }
	for i := range s.rows {
		now := s.rows[i]
		if l.cols[lcCount] < 0 { // averages of the ten seconds before
			from := max(now.at-l.step, l.times[0])
			if i > 0 {
				from = max(from, s.rows[i-1].at)
			}
			if from < now.at {
				out.requests = append(out.requests, span{from, now.at, now.values[lcRate]})
				out.failures = append(out.failures, span{from, now.at, now.values[lcFailRate]})
			}
			continue
		}
		if known && now.at-before.at <= max(3*l.step, l.iv.length) {
			if now.values[lcCount] < before.values[lcCount] {
				*resets++
				before.values = [len(before.values)]float64{}
			}
			perSecond := 1000 / float64(now.at-before.at)
			rate := func(a, b float64) span { return span{before.at, now.at, max(0, a-b) * perSecond} }
			out.requests = append(out.requests, rate(now.values[lcCount], before.values[lcCount]))
			if Has(now.values[lcFailed]) && Has(before.values[lcFailed]) {
				out.failures = append(out.failures, rate(now.values[lcFailed], before.values[lcFailed]))
			}
			if Has(sum(&now)) && Has(sum(&before)) {
				out.latency = append(out.latency, rate(sum(&now), sum(&before)))
			}
		}
		known = Has(now.values[lcCount])
		before = now
	}
	return out
}

// sliding reports whether percentiles are of the last seconds rather than of everything since the start: then the maximum falls at some
// time.
func (l *locustImport) sliding() bool {
	for _, s := range l.series {
		most := 0.0
		for i := range s.rows {
			v := s.rows[i].values[lcP100]
			if v > 0 && v < most {
				return true
			}
			if Has(v) {
				most = max(most, v)
			}
		}
	}
	return false
}

// rows fills the table of endpoints.
func (l *locustImport) rows(rec *Recording) {
	percentiles := l.notePercentiles()
	resets, falling := 0, 0
	type columns struct{ rps, failed, latency, p50, p95, p99 []float64 }
	byName := map[string]*columns{}
	joined := map[string]int{}
	for i, s := range l.series {
		spans := l.spans(s, &resets)
		c := &columns{}
		c.rps, c.failed, c.latency = l.means(spans.requests), l.means(spans.failures), l.means(spans.latency)
		c.p50, c.p95, c.p99 = l.percentile(s, lcP50, percentiles), l.percentile(s, lcP95, percentiles), l.percentile(s, lcP99, percentiles)
		name := l.names[i]
		joined[name]++
		if old := byName[name]; old != nil { // --rename gave two of them one name
			addColumn(c.rps, old.rps)
			addColumn(c.failed, old.failed)
			addColumn(c.latency, old.latency)
			fillNoValue(c.p50)
			fillNoValue(c.p95)
			fillNoValue(c.p99)
		}
		byName[name] = c
	}
	missing, firstMissing := 0, 0
	names := sortedKeys(byName)
	for k := range l.iv.n {
		some := false
		for _, name := range names {
			some = some || Has(byName[name].rps[k])
		}
		if !some {
			if missing == 0 {
				firstMissing = k
			}
			missing++
			continue
		}
		for _, name := range names {
			c := byName[name]
			row := EndpointRow{At: time.Duration(k) * rec.Meta.Interval, Endpoint: name, RPS: round(c.rps[k], 6), P50Ms: c.p50[k], P95Ms: c.p95[k], P99Ms: c.p99[k], ErrorRate: NoValue(), MeanMs: NoValue()}
			if c.rps[k] > 0 {
				row.ErrorRate = round(min(1, c.failed[k]/c.rps[k]), 6)
				row.MeanMs = round(c.latency[k]/c.rps[k], 3)
			} else {
				row.P50Ms, row.P95Ms, row.P99Ms = NoValue(), NoValue(), NoValue()
			}
			if row.P50Ms > row.P95Ms || row.P95Ms > row.P99Ms {
				row.P50Ms, row.P95Ms, row.P99Ms = NoValue(), NoValue(), NoValue()
				falling++
			}
			rec.Endpoints = append(rec.Endpoints, row)
		}
	}
	for _, name := range names {
		if n := joined[name]; n > 1 {
			l.notes = append(l.notes, fmt.Sprintf("%s is %d names of the file together, of which percentiles cannot be joined.", name, n))
		}
	}
	l.noteRows(&rec.Meta, resets, falling, missing, l.iv.start(firstMissing))
}

// addColumn adds b to a. What is not known of either is not known of their sum.
func addColumn(a, b []float64) {
	for k := range a {
		a[k] += b[k]
	}
}

// means puts rates on the intervals.
func (l *locustImport) means(spans []span) []float64 {
	t := newTotals(&l.iv)
	t.add(spans)
	out, _ := t.means()
	return out
}

// percentile is that of the last row in each interval; Locust writes 0 where it knows nothing.
func (l *locustImport) percentile(s *locustSeries, col int, use bool) []float64 {
	out := make([]float64, l.iv.n)
	fillNoValue(out)
	for i := range s.rows {
		if k := l.iv.last(s.rows[i].at); use && k >= 0 && k < l.iv.n {
			out[k] = NoValue()
			if v := s.rows[i].values[col]; v > 0 {
				out[k] = v
			}
		}
	}
	return out
}

// notePercentiles decides whether percentiles are used, and says why.
func (l *locustImport) notePercentiles() bool {
	window := locustWindow.Milliseconds()
	switch full := l.series[0].name != locustTotal || l.series[0].typ != ""; {
	case l.cols[lcP50] < 0 && l.cols[lcP95] < 0 && l.cols[lcP99] < 0:
		return false
	case !full || !l.sliding():
		l.notes = append(l.notes, "Percentiles were left out: in this file they are of all requests since the start, not of an interval.")
		return false
	case l.iv.length > 2*window:
		l.notes = append(l.notes, fmt.Sprintf("Percentiles were left out: Locust's are of the last %s s alone, and an interval is %s s.", seconds(window*1e6), seconds(l.iv.length*1e6)))
		return false
	}
	l.notes = append(l.notes, fmt.Sprintf("Percentiles are Locust's, of about %s s before the end of an interval, to two digits.", seconds(window*1e6)))
	return true
}

// noteRows says what was done.
func (l *locustImport) noteRows(m *Meta, resets, falling, missing int, first int64) {
	if l.cols[lcCount] >= 0 {
		l.notes = append(l.notes, "Rates are of requests that ended, from the differences of Total Request Count.")
	} else {
		l.notes = append(l.notes, "Rates are Locust's Requests/s, means of ten seconds that end two seconds before a row: the file has no Total Request Count.")
	}
	if resets > 0 {
		l.notes = append(l.notes, counted(resets, "time")+" a count fell and began again at 0 (--reset-stats).")
	}
	if falling > 0 {
		l.notes = append(l.notes, fmt.Sprintf("Percentiles of %s do not rise and were left out.", counted(falling, "row")))
	}
	if missing == 0 {
		return
	}
	m.Gaps = true
	if !l.opt.AllowGaps && !l.opt.Fill {
		l.out.errorf(CodeGap, l.file, 0, "", "fill them with --fill, or allow gaps with --allow-gaps", "has no rows for %s of %s s, the first at %s", counted(missing, "interval"), seconds(l.iv.length*1e6), stamp(first))
		return
	}
	l.notes = append(l.notes, counted(missing, "interval")+" without rows in the file.")
}
