package sim

import (
	"math"
	"testing"
)

func TestMitchell(t *testing.T) {
	last := math.Inf(-1)
	for x := 1e-15; x < 1e15; x *= 1.0037 {
		y := log2m(x)
		if d := math.Abs(y - math.Log2(x)); d > 0.0861 {
			t.Fatalf("log2m(%v) = %v, off by %v", x, y, d)
		}
		if back := exp2m(y); math.Abs(back/x-1) > 1e-12 {
			t.Fatalf("exp2m(log2m(%v)) = %v", x, back)
		}
		if y <= last {
			t.Fatalf("log2m falls at %v", x)
		}
		last = y
	}
	for k := -40; k <= 40; k++ {
		if x := math.Ldexp(1, k); log2m(x) != float64(k) || exp2m(float64(k)) != x {
			t.Errorf("2^%d: %v, %v", k, log2m(x), exp2m(float64(k)))
		}
	}
	if exp2m(1e9) != math.Ldexp(1, 60) || exp2m(-1e9) != math.Ldexp(1, -60) {
		t.Error("exp2m is not bounded")
	}
}
