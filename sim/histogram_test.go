package sim

import (
	"math"
	"testing"
)

// At the edges of buckets counts are exact; between them QuantileMs and CountBelow are each other's inverse.
func TestHistogramCountBelow(t *testing.T) {
	var h Histogram
	values := []float64{0.01, 0.3, 0.31, 4, 5.5, 80, 80.1, 900, 2e6}
	for _, x := range values {
		h.Add(x, 2)
	}
	for _, near := range []float64{0.02, 0.305, 1, 5, 7, 80, 100, 1e4} {
		edge := BucketEdgeMs(near)
		if near >= histMinMs && math.Abs(math.Log(edge/near)) > 0.5001*histLogGrowth {
			t.Errorf("the edge nearest to %v ms is said to be %v", near, edge)
		}
		want := 0.0
		for _, x := range values {
			if x <= edge {
				want += 2
			}
		}
		if got := h.CountBelow(edge); math.Abs(got-want) > 1e-6 {
			t.Errorf("%v of the weight is up to %v ms, want %v", got, edge, want)
		}
	}
	for _, p := range []float64{0.2, 0.5, 0.7} {
		if got := h.CountBelow(h.QuantileMs(p)) / h.Count(); math.Abs(got-p) > 1e-9 {
			t.Errorf("share %v lies below its quantile, want %v", got, p)
		}
	}
	if got := h.CountBelow(1e9); got != h.Count() {
		t.Errorf("%v of %v are below the end of time", got, h.Count())
	}
	if got := h.CountBelow(0); got != 0 {
		t.Errorf("%v are below 0", got)
	}
}
