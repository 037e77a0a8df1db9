package vpa

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// Buckets are the buckets of a histogram: the first is First wide and begins at 0, each further one is wider than the one
// before by the fraction Growth, and the last begins at Max or above and has no end.
type Buckets struct {
	First, Max, Growth float64
}

// The buckets of the real recommender (upstream AggregationsConfig).
var (
	CPUBuckets    = Buckets{First: 0.01, Max: 1000, Growth: 0.05} // cores
	MemoryBuckets = Buckets{First: 1e7, Max: 1e12, Growth: 0.05}  // bytes
)

// maxBuckets bounds the number of buckets, so that a tiny growth is an error and not a lack of memory. The real
// recommender has 176.
const maxBuckets = 100_000

// minBucketWeight is the weight below which a bucket counts as empty (upstream epsilon).
const minBucketWeight = 0.0001

// maxHalfLives is how many half-lives a sample may be younger than the reference time before the weights are
// renormalised (upstream maxDecayExponent). No weight is ever more than 2^100 times that of one sample, times their number.
const maxHalfLives = 100

// Histogram is a distribution that forgets: a sample weighs half as much as one that is a half-life younger. Only the ratio
// of weights counts, so the old ones are not touched; new ones weigh more and more, and now and then all are divided by
// the same power of two. Nothing but [NewHistogram] allocates.
type Histogram struct {
	first, ratio, logRatio float64
	starts                 []float64 // of each bucket
	weights                []float64
	total                  float64
	lowest, highest        int // the outermost buckets that are not empty; the last and 0 if all are

	halfLife  time.Duration
	started   bool
	reference time.Duration // a sample of that time has the weight it was given
}

// NewHistogram returns an empty histogram.
func NewHistogram(b Buckets, halfLife time.Duration) (*Histogram, error) {
	var errs []error
	for _, f := range []struct {
		name string
		v    float64
	}{{"first", b.First}, {"max", b.Max}, {"growth", b.Growth}} {
		if !(f.v > 0) || math.IsInf(f.v, 1) {
			errs = append(errs, fmt.Errorf("histogram: %s %v: must be a finite number above 0", f.name, f.v))
		}
	}
	if halfLife <= 0 {
		errs = append(errs, fmt.Errorf("histogram: half-life %v: must be above 0", halfLife))
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	h := &Histogram{first: b.First, ratio: 1 + b.Growth, logRatio: math.Log(1 + b.Growth), halfLife: halfLife}
	n := math.Ceil(h.position(b.Max)) + 1
	if !(n <= maxBuckets) {
		return nil, fmt.Errorf("histogram: first %v, max %v, growth %v: make %.0f buckets, must be at most %d; let it grow faster",
			b.First, b.Max, b.Growth, n, maxBuckets)
	}
	h.starts, h.weights = make([]float64, int(n)), make([]float64, int(n))
	for i := 1; i < len(h.starts); i++ {
		h.starts[i] = h.first * (math.Pow(h.ratio, float64(i)) - 1) / (h.ratio - 1)
	}
	h.Reset()
	return h, nil
}

// Reset forgets all samples.
func (h *Histogram) Reset() {
	clear(h.weights)
	h.total, h.lowest, h.highest, h.started = 0, len(h.weights)-1, 0, false
}

// Add adds a sample. A value that is not a number, and a weight that is not a finite number above 0, are ignored.
func (h *Histogram) Add(at time.Duration, value, weight float64) {
	if !usable(value, weight) {
		return
	}
	w, b := weight*h.decay(at), h.bucket(value)
	h.weights[b] += w
	h.total += w
	if h.weights[b] >= minBucketWeight {
		h.lowest, h.highest = min(h.lowest, b), max(h.highest, b)
	}
}

// Subtract takes out a sample that was added with the same arguments. What is left of its bucket is dropped if it is as
// good as nothing.
func (h *Histogram) Subtract(at time.Duration, value, weight float64) {
	if !usable(value, weight) {
		return
	}
	w, b := weight*h.decay(at), h.bucket(value)
	if w > h.weights[b]-minBucketWeight {
		w = h.weights[b]
	}
	h.weights[b] -= w
	h.total -= w
	h.shrink()
}

// Empty reports whether no sample is left that weighs anything.
func (h *Histogram) Empty() bool { return h.weights[h.lowest] < minBucketWeight }

// Percentile returns the end of the bucket in which the fraction p, 0 to 1, of all weight is reached, or the start of the
// last one, which has no end. There is no interpolation. An empty histogram's percentiles are 0.
func (h *Histogram) Percentile(p float64) float64 {
	if h.Empty() {
		return 0
	}
	b, sum, threshold := h.lowest, 0.0, p*h.total
	for ; b < h.highest; b++ {
		if sum += h.weights[b]; sum >= threshold {
			break
		}
	}
	return h.starts[min(b+1, len(h.starts)-1)]
}

func usable(value, weight float64) bool {
	return !math.IsNaN(value) && weight > 0 && !math.IsInf(weight, 1)
}

// position is the bucket of a value as a real number: bucket n begins at first * (ratio^n - 1) / (ratio - 1), solved for n.
func (h *Histogram) position(value float64) float64 {
	return math.Log(value*(h.ratio-1)/h.first+1) / h.logRatio
}

func (h *Histogram) bucket(value float64) int {
	if value < h.first {
		return 0
	}
	x, last := h.position(value), len(h.weights)-1
	if x >= float64(last) {
		return last
	}
	return int(x)
}

// decay is what a sample's weight is multiplied with, 2 for each half-life since the reference time. That is the time of
// the first sample, so that a history gives the same percentiles whenever it begins (upstream: midnight UTC next to it), and
// moves on by whole half-lives, so that renormalising is exact.
func (h *Histogram) decay(at time.Duration) float64 {
	if !h.started {
		h.started, h.reference = true, at
	}
	if n := int64((at - h.reference) / h.halfLife); n >= maxHalfLives {
		h.reference += time.Duration(n) * h.halfLife
		f := math.Ldexp(1, -int(min(n, math.MaxInt32)))
		for i := range h.weights {
			h.weights[i] *= f
		}
		h.total *= f
		h.shrink()
	}
	return math.Exp2(float64(at-h.reference) / float64(h.halfLife))
}

// shrink moves the outermost buckets inwards after weights have become less.
func (h *Histogram) shrink() {
	for h.lowest < len(h.weights)-1 && h.weights[h.lowest] < minBucketWeight {
		h.lowest++
	}
	for h.highest > 0 && h.weights[h.highest] < minBucketWeight {
		h.highest--
	}
}
