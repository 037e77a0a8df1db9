package sim

import "math"

// A fluid latency is a mean and a profile: the logarithms (log2m) of its quantiles over the mean, at fixed probabilities, each a
// linear function of what the mean is made of. The weights are fitted to the request-level engine (response.go), so that
// the shape may be anything that it shows: narrow while idle, two-humped where some requests meet a stall.

// profileLevels are the probabilities of the tabulated quantiles.
var profileLevels = [...]float64{0.02, 0.1, 0.25, 0.4, 0.5, 0.6, 0.7, 0.8, 0.875, 0.925, 0.95, 0.975, 0.99, 0.995, 0.999}

const (
	nLevels  = 15
	levelP95 = 10
)

// The tail beyond the last level falls as it did from the last but two levels: by lastDecade in the logarithm over
// their distance, and is nothing where it is below 1e-12.
var (
	lastTail   = 1 - profileLevels[nLevels-1]
	lastDecade = math.Log((1 - profileLevels[nLevels-3]) / lastTail)
	tailEnd    = math.Log(lastTail / 1e-12)
)

// lowestSpread is how far (log2m) below the lowest tabulated quantile the least latency is taken to be.
const lowestSpread = 0.4

// features describe what a mean latency is made of.
type features [nFeatures]float64

const nFeatures = 5

// featuresOf describes a latency of which bareMs would be left on an idle system.
func featuresOf(d *duration, bareMs float64) (f features) {
	describeFeatures(d.mean-d.delay, d.stall, bareMs, &f)
	return f
}

// describeFeatures is featuresOf without a copy; mean is that without the delay.
func describeFeatures(mean, stall, bareMs float64, f *features) {
	if !(mean > 0) || !(bareMs > 0) {
		*f = features{1}
		return
	}
	grown, stalled := log2m(mean/bareMs), stall/mean
	f[0], f[1], f[2], f[3], f[4] = 1, grown, stalled, stalled*stalled, grown*grown
}

func (f *features) dot(w *features) float64 {
	return f[0]*w[0] + f[1]*w[1] + f[2]*w[2] + f[3]*w[3] + f[4]*w[4]
}

// within bounds features by those that the weights were fitted to.
func (f *features) within(lo, hi *features) {
	for i := range f {
		if f[i] < lo[i] {
			f[i] = lo[i]
		}
		if f[i] > hi[i] {
			f[i] = hi[i]
		}
	}
}

// latency is the distribution of an endpoint's latency: delayMs + meanMs e^(profile).
type latency struct {
	meanMs  float64 // without the delay
	delayMs float64
	f       features
	w       *[nLevels]features
}

func (l *latency) total() float64 { return l.meanMs + l.delayMs }

// logQuantile is the logarithm of quantile i over the mean, never below those of lower levels.
func (l *latency) logQuantile(i int) float64 { return l.f.dot(&l.w[i]) }

// p95 is the 95th percentile in ms.
func (l *latency) p95() float64 {
	if !(l.meanMs > 0) {
		return l.delayMs
	}
	return l.delayMs + l.meanMs*exp2m(l.logQuantile(levelP95))
}

// tailAbove is P(latency > ms), straight in the logarithm of the latency between the levels; the tail beyond the last
// goes on as a power of the latency.
func (l *latency) tailAbove(ms float64) float64 {
	if !(l.meanMs > 0) {
		if l.delayMs > ms {
			return 1
		}
		return 0
	}
	if ms <= l.delayMs {
		return 1
	}
	y := log2m((ms - l.delayMs) / l.meanMs)
	// The levels around y. They rise but for the noise of the fit. Mostly y is beyond the last.
	lo, hi := -1, nLevels
	if l.logQuantile(nLevels-1) <= y && l.logQuantile(nLevels-2) <= y {
		lo = nLevels - 1
	}
	for hi-lo > 1 {
		if mid := (lo + hi) / 2; l.logQuantile(mid) <= y {
			lo = mid
		} else {
			hi = mid
		}
	}
	switch {
	case lo < 0:
		// From the lowest level down to certainty.
		q := l.logQuantile(0)
		return 1 - profileLevels[0]*max(0, 1-(q-y)/lowestSpread)
	case hi == nLevels:
		return tailPast(y, l.logQuantile(nLevels-3), l.logQuantile(nLevels-1))
	}
	a, b := l.logQuantile(lo), l.logQuantile(hi)
	f := 1.0
	if b > a {
		f = min(max((y-a)/(b-a), 0), 1)
	}
	return 1 - (profileLevels[lo] + f*(profileLevels[hi]-profileLevels[lo]))
}

// addTo spreads weight over the buckets of h.
func (l *latency) addTo(h *Histogram, weight float64) {
	if weight <= 0 {
		return
	}
	if !(l.meanMs > 0) {
		h.Add(l.delayMs, weight)
		return
	}
	sum := h.sum + weight*l.total()
	var logs [nLevels]float64
	for i := range logs {
		logs[i] = l.logQuantile(i)
	}
	at := newSpreading(l.delayMs + l.meanMs*exp2m(logs[0]-lowestSpread))
	below := 0.0
	for i, p := range profileLevels {
		at.upTo(h, l.delayMs+l.meanMs*exp2m(logs[i]), weight*(p-below))
		below = p
	}
	// The last thousandth: up to what one in 100,000 exceeds.
	last := at.edge
	x := last
	for _, p := range [...]float64{0.9997, 0.99997} { // what the first has not reached is too low for the second as well
		for l.tailBeyond(x, &logs) > 1-p && x < 100*last {
			x *= 1.05
		}
		at.upTo(h, x, weight*(p-below))
		below = p
	}
	h.Add(at.edge, weight*(1-below))
	h.sum = sum // exactly the mean, whatever the buckets
}

// tailBeyond is tailAbove where all quantiles are known; mostly ms lies beyond the last.
func (l *latency) tailBeyond(ms float64, logs *[nLevels]float64) float64 {
	if ms <= l.delayMs {
		return 1
	}
	y := log2m((ms - l.delayMs) / l.meanMs)
	b := logs[nLevels-1]
	if !(b <= y && logs[nLevels-2] <= y) {
		return l.tailAbove(ms)
	}
	return tailPast(y, logs[nLevels-3], b)
}

// tailPast is the tail at y beyond the last level, whose logarithm is b; a is that of the last but two.
func tailPast(y, a, b float64) float64 {
	x, span := lastDecade*(y-b), max(b-a, 1e-3)
	if x > tailEnd*span {
		return 0
	}
	return lastTail * powers.expNeg(x/span)
}
