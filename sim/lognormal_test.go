package sim

import (
	"math"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"
)

// exactLognormal is gonum's log-normal with given mean and variance/mean^2.
func exactLognormal(mean, k float64) distuv.LogNormal {
	s2 := math.Log1p(k)
	return distuv.LogNormal{Mu: math.Log(mean) - s2/2, Sigma: math.Sqrt(s2)}
}

func TestLognormalQuantileTable(t *testing.T) {
	for _, c := range []struct{ maxK, tolerance float64 }{{20, 1e-5}, {100, 1e-3}} {
		for k := 1e-8; k <= c.maxK; k *= 1.037 {
			want := exactLognormal(30, k).Quantile(0.95)
			got := tableP95.of(moments{30, k * 30 * 30})
			if math.Abs(got/want-1) > c.tolerance {
				t.Errorf("k = %.3g: p95 %v, want %v", k, got, want)
			}
		}
	}
	if got := tableP95.of(moments{30, 0}); got != 30 {
		t.Errorf("without variance the p95 is %v, want the mean", got)
	}
}

func TestLognormalTail(t *testing.T) {
	for k := 1e-6; k < 50; k *= 1.3 {
		for _, x := range []float64{5, 20, 29, 31, 60, 200, 1000} {
			want := exactLognormal(30, k).Survival(x)
			got := moments{30, k * 30 * 30}.tailAbove(x)
			if math.Abs(got-want) > 2e-7 {
				t.Errorf("k = %.3g: P(X > %v) = %v, want %v", k, x, got, want)
			}
		}
	}
}

// What is spread over a histogram's buckets has the same weight, mean and percentiles.
func TestLognormalIntoHistogram(t *testing.T) {
	for _, k := range []float64{0, 0.01, 0.5, 3} {
		var h Histogram
		m := moments{40, k * 1600}
		m.addTo(&h, 1000)
		if math.Abs(h.Count()-1000) > 1e-6 || math.Abs(h.MeanMs()-40) > 1e-9 {
			t.Errorf("k = %v: count %v, mean %v", k, h.Count(), h.MeanMs())
		}
		for _, p := range []float64{0.5, 0.95, 0.99} {
			want := 40.0
			if k > 0 {
				want = exactLognormal(40, k).Quantile(p)
			}
			if got := h.QuantileMs(p); math.Abs(got/want-1) > 0.02 {
				t.Errorf("k = %v: quantile %v is %v, want %v", k, p, got, want)
			}
		}
	}
}

// Clark's formulas are exact for normal variables: E[max] of two standard ones is 1/sqrt(pi), its variance
// 1 - 1/pi.
func TestMaxOfTwo(t *testing.T) {
	m := maxOf(moments{0, 1}, moments{0, 1})
	if math.Abs(m.mean-1/math.Sqrt(math.Pi)) > 1e-12 || math.Abs(m.variance-(1-1/math.Pi)) > 1e-12 {
		t.Errorf("%+v", m)
	}
	if m := maxOf(moments{5, 0}, moments{7, 0}); m != (moments{7, 0}) {
		t.Errorf("maximum of 5 and 7: %+v", m)
	}
}

func TestClipIsTheMeanOfACutExponential(t *testing.T) {
	m := moments{200, 200 * 200} // exponential
	m.clip(100)
	if want := 200 * (1 - math.Exp(-0.5)); math.Abs(m.mean-want) > 1e-9 {
		t.Errorf("mean %v, want %v", m.mean, want)
	}
	m = moments{1, 1}
	m.clip(100)
	if m != (moments{1, 1}) {
		t.Errorf("a far timeout changed %+v", m)
	}
}
