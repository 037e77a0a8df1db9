package sim

import "math"

// Histogram counts latencies in buckets that grow by 2 %, from 0.05 ms to about 20 minutes, so that any
// percentile is right within 1 %. Weights may be fractions: the fluid engine adds probability mass.
// The zero value is empty and ready for use.
type Histogram struct {
	total, sum float64
	counts     [histBuckets]float64
}

const (
	histMinMs   = 0.05
	histGrowth  = 1.02
	histBuckets = 860 // 0.05 ms * 1.02^860 = 1.25e6 ms
)

var histLogGrowth = math.Log(histGrowth)

// bucketOf returns the index of the bucket that holds ms.
func bucketOf(ms float64) int {
	if !(ms > histMinMs) {
		return 0
	}
	return min(int(math.Log(ms/histMinMs)/histLogGrowth)+1, histBuckets-1)
}

// histEdge returns the upper edge of bucket i in ms.
func histEdge(i int) float64 { return histMinMs * math.Exp(float64(i)*histLogGrowth) }

// Add counts weight requests of latency ms.
func (h *Histogram) Add(ms, weight float64) {
	h.counts[bucketOf(ms)] += weight
	h.total += weight
	h.sum += ms * weight
}

// spread adds weight evenly over the logarithms of the latencies from lo to hi.
func (h *Histogram) spread(lo, hi, weight float64) {
	i, last := bucketOf(lo), bucketOf(hi)
	h.total += weight
	h.sum += weight * (lo + hi) / 2
	if i >= last || !(lo > 0) {
		h.counts[last] += weight
		return
	}
	from, per := math.Log(lo), weight/math.Log(hi/lo)
	for ; i < last; i++ {
		to := math.Log(histMinMs) + float64(i)*histLogGrowth
		h.counts[i] += per * (to - from)
		from = to
	}
	h.counts[last] += per * (math.Log(hi) - from)
}

// Merge adds the counts of o.
func (h *Histogram) Merge(o *Histogram) {
	h.total += o.total
	h.sum += o.sum
	for i, c := range o.counts {
		h.counts[i] += c
	}
}

// Reset empties the histogram.
func (h *Histogram) Reset() { *h = Histogram{} }

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

// QuantileMs returns the latency below which share p of the requests lie, interpolated within the bucket on a
// logarithmic scale; 0 if nothing was added.
func (h *Histogram) QuantileMs(p float64) float64 {
	if h.total <= 0 {
		return 0
	}
	want, acc := p*h.total, 0.0
	for i, c := range h.counts {
		if c > 0 && acc+c >= want {
			if i == 0 {
				return histMinMs
			}
			return histEdge(i-1) * math.Exp(histLogGrowth*(want-acc)/c)
		}
		acc += c
	}
	return histEdge(histBuckets - 1)
}
