package trace

import "math"

// span is a value over a stretch of time: after from, up to and including to, in ms since some moment.
type span struct {
	from, to int64
	v        float64
}

// intervals are stretches of equal length that follow each other, the first from origin on.
type intervals struct {
	origin, length int64 // ms
	n              int
}

// start is where interval k begins, and the one before it ends.
func (iv *intervals) start(k int) int64 { return iv.origin + int64(k)*iv.length }

// last is the interval that holds the end of a span: times at an interval's end belong to it. It may be out of range.
func (iv *intervals) last(to int64) int { return int(floorDiv(to-iv.origin-1, iv.length)) }

// each calls f for the intervals that a span touches, with the ms of it that lie within.
func (iv *intervals) each(s span, f func(k int, ms float64)) {
	first := max(0, int(floorDiv(s.from-iv.origin, iv.length)))
	for k := first; k < iv.n && iv.start(k) < s.to; k++ {
		if ms := min(s.to, iv.start(k+1)) - max(s.from, iv.start(k)); ms > 0 {
			f(k, float64(ms))
		}
	}
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// tooSparse reports whether intervals are so many more than the samples to be put on them that a time must be wrong: they would take all
// the memory.
func tooSparse(intervals int64, samples int) bool { return intervals > 1000+100*int64(samples) }

// leastCovered is the share of an interval that must be known: with less, its mean would be that of another time.
const leastCovered = 0.5

// totals add up values over the intervals that they overlap, each weighted by its part inside.
type totals struct {
	iv      *intervals
	sum     []float64 // of value times ms, of all series
	covered []float64 // ms that are known of the series of which most is known
	series  []float64 // ms that are known of the present series
}

func newTotals(iv *intervals) *totals {
	return &totals{iv: iv, sum: make([]float64, iv.n), covered: make([]float64, iv.n), series: make([]float64, iv.n)}
}

// add adds a series. Where another one is known and this one is not, it counts as 0: a pod that is not there uses nothing.
func (t *totals) add(spans []span) {
	clear(t.series)
	for _, s := range spans {
		t.iv.each(s, func(k int, ms float64) {
			t.sum[k] += s.v * ms
			t.series[k] += ms
		})
	}
	for k, ms := range t.series {
		t.covered[k] = max(t.covered[k], ms)
	}
}

// means is the mean of each interval, NoValue where too little of it is known. partial counts those of which not all is.
func (t *totals) means() (out []float64, partial int) {
	out = make([]float64, t.iv.n)
	for k := range out {
		known := t.covered[k] / float64(t.iv.length)
		switch {
		case !(known >= leastCovered):
			out[k] = NoValue()
			continue
		case known < 1-stepTolerance:
			partial++
		}
		out[k] = t.sum[k] / t.covered[k]
	}
	return out, partial
}

// stepTolerance is how far the distance between samples may be from the usual one: scrapes jitter.
const stepTolerance = 0.02

// lasts is the last value of each interval, series added: those with a sample within one and a half steps of the last one.
func lasts(iv *intervals, series [][]span, step int64) []float64 {
	latest := make([]int64, iv.n)
	for _, spans := range series {
		for _, s := range spans {
			if k := iv.last(s.to); k >= 0 && k < iv.n {
				latest[k] = max(latest[k], s.to)
			}
		}
	}
	out := make([]float64, iv.n)
	fillNoValue(out)
	own := make([]float64, iv.n)
	for _, spans := range series {
		fillNoValue(own)
		for _, s := range spans { // in order of time: the last one stays
			if k := iv.last(s.to); k >= 0 && k < iv.n && 2*(latest[k]-s.to) < 3*step {
				own[k] = s.v
			}
		}
		for k, v := range own {
			switch {
			case !Has(v):
			case Has(out[k]):
				out[k] += v
			default:
				out[k] = v
			}
		}
	}
	return out
}

// wholes is the value that covers most of each interval, and at least half: for values that cannot be averaged.
func wholes(iv *intervals, spans []span) []float64 {
	out := make([]float64, iv.n)
	fillNoValue(out)
	most := make([]float64, iv.n)
	for _, s := range spans {
		iv.each(s, func(k int, ms float64) {
			if ms > most[k] && ms >= leastCovered*float64(iv.length) {
				most[k], out[k] = ms, s.v
			}
		})
	}
	return out
}

// weighted is the mean of each interval over what weight counts, such as requests. Where a weight is not known time is the weight, and
// byTime counts those intervals; where nothing was counted there is no value.
func weighted(iv *intervals, spans []span, weight map[int64]float64) (out []float64, byTime int) {
	type mix struct{ sum, weight, plain, ms float64 }
	all := make([]mix, iv.n)
	for _, s := range spans {
		w, ok := weight[s.to]
		if !ok {
			w = math.NaN()
		}
		iv.each(s, func(k int, ms float64) {
			m := &all[k]
			m.sum += s.v * w * ms
			m.weight += w * ms
			m.plain += s.v * ms
			m.ms += ms
		})
	}
	out = make([]float64, iv.n)
	for k, m := range all {
		switch {
		case !(m.ms >= leastCovered*float64(iv.length)):
			out[k] = NoValue()
		case Has(m.weight):
			out[k] = m.sum / m.weight // 0/0 is NoValue
		default:
			out[k] = m.plain / m.ms
			byTime++
		}
	}
	return out, byTime
}
