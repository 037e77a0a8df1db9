package sim

import "math"

// Histogram counts latencies in buckets that grow by 2 %, from 0.05 ms to about 20 minutes, so that any
// percentile is right within 1 %. Weights may be fractions: the fluid engine adds probability mass.
// The zero value is empty and ready for use.
type Histogram struct {
	total, sum float64
	first, end int // all counts are in [first, end); nothing was added while end is 0
	counts     [histBuckets]float64
}

const (
	histMinMs   = 0.05
	histGrowth  = 1.02
	histBuckets = 860 // 0.05 ms * 1.02^860 = 1.25e6 ms
)

var (
	histLogGrowth = math.Log(histGrowth)
	histLogMin    = math.Log(histMinMs)
	histEdges     = newHistEdges()
	histCells     = newHistCells()
)

func newHistEdges() *[histBuckets]float64 {
	var t [histBuckets]float64
	for i := range t {
		t[i] = histMinMs * math.Exp(float64(i)*histLogGrowth)
	}
	return &t
}

// Numbers are sorted into cells by their exponent and first bits of the mantissa. A cell is narrower than a bucket, so that the
// bucket of a number is that of its cell's lower end or the next one.
const (
	cellBits  = 6 // 1 + 1/64 < 1.02
	cellShift = 52 - cellBits
)

var (
	firstCell = int(math.Float64bits(histMinMs) >> cellShift)
	lastCell  = int(math.Float64bits(histMinMs*math.Pow(histGrowth, histBuckets-1)) >> cellShift)
)

// newHistCells gives the bucket of each cell's lower end.
func newHistCells() []int16 {
	t := make([]int16, lastCell-firstCell+1)
	bucket := 0
	for i := range t {
		lower := math.Float64frombits(uint64(firstCell+i) << cellShift)
		for bucket < histBuckets-1 && lower >= histEdges[bucket] {
			bucket++
		}
		t[i] = int16(bucket)
	}
	return t
}

// bucketOf returns the index of the bucket that holds ms: the first whose upper edge is above.
func bucketOf(ms float64) int {
	if !(ms > histMinMs) {
		return 0
	}
	cell := int(math.Float64bits(ms)>>cellShift) - firstCell
	if cell >= len(histCells) {
		return histBuckets - 1
	}
	i := int(histCells[cell])
	if ms >= histEdges[i] && i < histBuckets-1 {
		i++
	}
	return i
}

// histEdge returns the upper edge of bucket i in ms.
func histEdge(i int) float64 { return histEdges[i] }

// reach makes room for counts in buckets from to last.
func (h *Histogram) reach(from, last int) {
	if h.end == 0 {
		h.first, h.end = from, last+1
		return
	}
	if from < h.first {
		h.first = from
	}
	if last >= h.end {
		h.end = last + 1
	}
}

// Add counts weight requests of latency ms.
func (h *Histogram) Add(ms, weight float64) {
	i := bucketOf(ms)
	h.reach(i, i)
	h.counts[i] += weight
	h.total += weight
	h.sum += ms * weight
}

// spread adds weight evenly over the logarithms of the latencies from lo to hi.
func (h *Histogram) spread(lo, hi, weight float64) {
	i, last := bucketOf(lo), bucketOf(hi)
	h.reach(min(i, last), last)
	h.total += weight
	h.sum += weight * (lo + hi) / 2
	if i >= last || !(lo > 0) {
		h.counts[last] += weight
		return
	}
	h.spreadOver(i, last, logs.of(lo), logs.of(hi), weight)
}

// spreadOver adds weight evenly over logarithms from the one in bucket i to the other in bucket last, which lies above it.
func (h *Histogram) spreadOver(i, last int, from, end, weight float64) {
	per := weight / (end - from)
	to := histLogMin + float64(i)*histLogGrowth
	if to < from { // where a logarithm is next to an edge
		to = from
	}
	h.counts[i] += per * (to - from)
	whole := per * histLogGrowth
	left := end - to
	between := h.counts[i+1 : last]
	for k := range between {
		between[k] += whole
		left -= histLogGrowth
	}
	h.counts[last] += per * max(left, 0)
}

// spreading adds stretches of weight that follow each other, each as spread would: the end of one is the beginning of the next.
type spreading struct {
	edge   float64 // so far, the highest
	bucket int     // that holds it
	log    float64 // its logarithm
}

func newSpreading(ms float64) spreading { return spreading{ms, bucketOf(ms), logs.of(ms)} }

// upTo adds weight from the edge to hi. What spread does to the histogram's sum is left to the caller.
func (x *spreading) upTo(h *Histogram, hi, weight float64) {
	if !(hi >= x.edge) || !(x.edge > 0) { // one of the first, or noise of the fit
		h.spread(x.edge, hi, weight)
		if hi > x.edge {
			*x = newSpreading(hi)
		}
		return
	}
	i, last, end := x.bucket, bucketOf(hi), logs.of(hi)
	h.reach(i, last)
	h.total += weight
	if i == last {
		h.counts[last] += weight
	} else {
		h.spreadOver(i, last, x.log, end, weight)
	}
	*x = spreading{hi, last, end}
}

// Merge adds the counts of o.
func (h *Histogram) Merge(o *Histogram) { h.mergeScaled(o, 1) }

// mergeScaled adds so many times the counts of o.
func (h *Histogram) mergeScaled(o *Histogram, weight float64) {
	h.total += weight * o.total
	h.sum += weight * o.sum
	if o.end == 0 {
		return
	}
	h.reach(o.first, o.end-1)
	to, from := h.counts[o.first:o.end], o.counts[o.first:o.end]
	for i := range to {
		to[i] += weight * from[i]
	}
}

// Reset empties the histogram.
func (h *Histogram) Reset() {
	clear(h.counts[h.first:h.end])
	h.total, h.sum, h.first, h.end = 0, 0, 0, 0
}

// Count is the weight of all that was added.
func (h *Histogram) Count() float64 { return h.total }

// MeanMs is the mean latency, 0 if nothing was added.
func (h *Histogram) MeanMs() float64 {
	if h.total <= 0 {
		return 0
	}
	return h.sum / h.total
}

// CountBelow is the weight of the latencies up to ms: exact where ms is the edge of a bucket, interpolated within it like
// QuantileMs elsewhere.
func (h *Histogram) CountBelow(ms float64) float64 {
	k := bucketOf(ms)
	acc := 0.0
	for _, c := range h.counts[:k] {
		acc += c
	}
	if k == 0 {
		return acc + h.counts[0]*max(0, min(1, ms/histMinMs))
	}
	return acc + h.counts[k]*max(0, min(1, math.Log(ms/histEdge(k-1))/histLogGrowth))
}

// BucketEdgeMs is the edge of a bucket that is nearest to ms.
func BucketEdgeMs(ms float64) float64 {
	k := bucketOf(ms)
	if k > 0 && ms/histEdge(k-1) < histEdge(k)/ms {
		k--
	}
	return histEdge(k)
}

// QuantileAbove tells whether QuantileMs(p) is above ms, mostly at a glance.
func (h *Histogram) QuantileAbove(p, ms float64) bool {
	if h.endsBelow(ms) {
		return false
	}
	return h.QuantileMs(p) > ms
}

// QuantileMs returns the latency below which share p of the requests lie, interpolated within the bucket on a
// logarithmic scale; 0 if nothing was added.
func (h *Histogram) QuantileMs(p float64) float64 {
	if h.total <= 0 {
		return 0
	}
	want, acc := p*h.total, 0.0
	for i := h.first; i < h.end; i++ {
		c := h.counts[i]
		if c > 0 && acc+c >= want {
			if i == 0 {
				return histMinMs
			}
			return histEdge(i-1) * math.Exp(histLogGrowth*(want-acc)/c)
		}
		acc += c
	}
	return histEdge(h.end - 1) // by rounding
}
