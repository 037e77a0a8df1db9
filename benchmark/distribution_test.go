package benchmark

import (
	"math"
	"testing"

	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/rng"
)

// logNormal fills a histogram with n latencies around medianMs.
func logNormal(s *rng.Stream, n int, medianMs float64) *sim.Histogram {
	h := &sim.Histogram{}
	for range n {
		h.Add(medianMs*math.Exp(0.6*s.NormFloat64()), 1)
	}
	return h
}

// TestPooledPercentilesAreThoseOfTheMergedHistogram: a busy fast run and a slow one with a tenth of its requests.
// The mean of their percentiles would be far off.
func TestPooledPercentilesAreThoseOfTheMergedHistogram(t *testing.T) {
	s := rng.New(1, "test")
	a, b := logNormal(s, 50000, 20), logNormal(s, 5000, 300)
	da, db := NewDistribution(a), NewDistribution(b)
	p := newPool([][]*Distribution{{&da}, {&db}})
	ps := []float64{0.1, 0.5, 0.9, 0.95, 0.99, 0.999}
	got := make([]float64, len(ps))
	p.percentiles(ps, got, p.all())
	var merged sim.Histogram
	merged.Merge(a)
	merged.Merge(b)
	for k, share := range ps {
		// Half a bucket is 1 %, a step between quantiles of a run at the 99.9th percentile another few.
		if want := merged.QuantileMs(share); math.Abs(got[k]/want-1) > 0.04 {
			t.Errorf("percentile %g: %g, merged histogram has %g", 100*share, got[k], want)
		}
	}
	if average := (a.QuantileMs(0.95) + b.QuantileMs(0.95)) / 2; math.Abs(average/merged.QuantileMs(0.95)-1) < 0.3 {
		t.Error("the example does not tell pooling from averaging")
	}
}

func TestPoolOfNothing(t *testing.T) {
	empty := NewDistribution(&sim.Histogram{})
	p := newPool([][]*Distribution{{&empty, &empty}})
	got := []float64{7}
	p.percentiles([]float64{0.5}, got, p.all())
	if got[0] != 0 || p.bootstrap([]float64{0.5}, 100, rng.New(1, "test"))[0].Valid {
		t.Errorf("percentile %g of no requests, want 0 without an interval", got[0])
	}
	if newPool(nil).bootstrap([]float64{0.5}, 100, rng.New(1, "test"))[0].Valid {
		t.Error("an interval from no runs")
	}
}

// TestPooledIntervals: equal runs have an interval of no width, one run has none, and with two different runs the
// ends are what two draws of one of them give.
func TestPooledIntervals(t *testing.T) {
	s := rng.New(2, "test")
	fast, slow := NewDistribution(logNormal(s, 10000, 20)), NewDistribution(logNormal(s, 10000, 80))
	at := func(d ...*Distribution) float64 {
		v := make([]float64, 1)
		p := newPool([][]*Distribution{d})
		p.percentiles([]float64{0.95}, v, p.all())
		return v[0]
	}
	bootstrap := func(d ...*Distribution) Interval {
		return newPool([][]*Distribution{d}).bootstrap([]float64{0.95}, 1000, rng.New(3, "test"))[0]
	}
	if got, want := bootstrap(&fast, &fast), at(&fast); got != (Interval{want, want, true}) {
		t.Errorf("equal runs: %+v, want no width at %g", got, want)
	}
	if got := bootstrap(&fast); got.Valid {
		t.Errorf("one run: %+v, want none", got)
	}
	if got := bootstrap(&fast, &slow); got != (Interval{at(&fast), at(&slow), true}) {
		t.Errorf("two runs: %+v, want [%g, %g]", got, at(&fast), at(&slow))
	}
}
