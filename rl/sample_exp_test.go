package rl

import (
	"math"
	"testing"
)

func TestExpNegative(t *testing.T) {
	worst := 0.0
	for x := 0.0; x > -699; x -= 0.00137 {
		worst = max(worst, math.Abs(expNegative(x)/math.Exp(x)-1))
	}
	if worst > 1e-11 {
		t.Errorf("off by %v of the value", worst)
	}
	for x, want := range map[float64]float64{0: 1, -701: 0, -1e8: 0, math.Inf(-1): 0} {
		if got := expNegative(x); got != want {
			t.Errorf("e^%v = %v", x, got)
		}
	}
}

func BenchmarkExpNegative(b *testing.B) {
	sum, x := 0.0, -3.0
	for b.Loop() {
		sum += expNegative(x)
		x = -3 - sum*1e-300
	}
}

func BenchmarkMathExp(b *testing.B) {
	sum, x := 0.0, -3.0
	for b.Loop() {
		sum += math.Exp(x)
		x = -3 - sum*1e-300
	}
}
