package calibrate

import (
	"math"
	"testing"

	"github.com/grlscaler/grlscaler/sim/rng"
)

// Two coefficients from three exact equations, and one that would be negative: b = (2, 0) minimises
// (2-b1)^2 + (1-b1-b2)^2 + ... over b >= 0 (solved by hand from the normal equation of b1 alone).
func TestNNLS(t *testing.T) {
	one := []float64{1, 1, 1}
	b, ok := nnls([][]float64{{1, 0}, {0, 1}, {1, 1}}, []float64{2, 3, 5}, one)
	if !ok || math.Abs(b[0]-2) > 1e-12 || math.Abs(b[1]-3) > 1e-12 {
		t.Errorf("b = %v, want 2, 3", b)
	}
	// y = (1, -1): the free solution is (1, -2); with b2 >= 0, b1 = (1*1 + 1*(-1)) / 2 = 0.
	b, ok = nnls([][]float64{{1, 0}, {1, 1}}, []float64{1, -1}, one[:2])
	if !ok || b[0] > 1e-12 || b[1] != 0 {
		t.Errorf("b = %v, want 0, 0", b)
	}
	// y = (3, 1): the free solution is (3, -2); with b2 >= 0, b1 = (3 + 1) / 2.
	b, ok = nnls([][]float64{{1, 0}, {1, 1}}, []float64{3, 1}, one[:2])
	if !ok || math.Abs(b[0]-2) > 1e-12 || b[1] != 0 {
		t.Errorf("b = %v, want 2, 0", b)
	}
}

// The optimality conditions of Karush, Kuhn and Tucker hold at every solution: no free coefficient has a gradient, no
// bound one a gradient that would raise it.
func TestNNLSIsOptimal(t *testing.T) {
	s := rng.New(1, "nnls")
	for range 200 {
		n, k := 3+s.IntN(20), 1+s.IntN(3)
		x, y, w := make([][]float64, n), make([]float64, n), make([]float64, n)
		for i := range x {
			x[i] = make([]float64, k)
			for j := range x[i] {
				x[i][j] = s.NormFloat64()
			}
			y[i], w[i] = s.NormFloat64(), s.ExpFloat64()
		}
		b, ok := nnls(x, y, w)
		if !ok {
			t.Fatal("not solved")
		}
		for j := range b {
			g := 0.0
			for i := range y {
				g += w[i] * x[i][j] * (y[i] - dot(x[i], b))
			}
			if b[j] < 0 || (b[j] > 0 && math.Abs(g) > 1e-9) || (b[j] == 0 && g > 1e-6) {
				t.Fatalf("b = %v, gradient %d = %v", b, j, g)
			}
		}
	}
}

// The interval of 2 standard errors (t with 17 degrees of freedom: 93.8 %) covers the truth as often as it says,
// with variances that the model does not know: 600 coefficients, so the share is within 0.938 +- 0.035 (3.5 sigma).
// The larger of two errors leans to the safe side.
func TestStandardErrorsCover(t *testing.T) {
	s := rng.New(2, "coverage")
	covered, total := 0, 0
	for range 300 {
		p := problem{}
		for range 19 {
			a, b := 1+9*s.Float64(), 10*s.Float64()
			mean := 2*a + 0.5*b
			p.x = append(p.x, []float64{a, b})
			p.y = append(p.y, mean*(1+0.05*s.NormFloat64()*(0.5+b/10)))
			p.noise = append(p.noise, 1e-4)
			p.scale = append(p.scale, mean)
		}
		fit, ok := p.solve()
		if !ok {
			t.Fatal("not solved")
		}
		for j, truth := range []float64{2, 0.5} {
			total++
			if math.Abs(fit.b[j]-truth) <= 2*fit.se[j] {
				covered++
			}
		}
	}
	if share := float64(covered) / float64(total); share < 0.9 || share > 0.98 {
		t.Errorf("2 standard errors cover %.3f of %d, want about 0.94", share, total)
	}
}

// Without scatter beyond the known noise tau is 0 and the errors are those of the variance model:
// mean of n values of variance v: sqrt(v/n).
func TestKnownNoise(t *testing.T) {
	p := problem{x: [][]float64{{1}, {1}, {1}, {1}}, y: []float64{3, 3, 3, 3}, noise: []float64{4, 4, 4, 4}, scale: []float64{3, 3, 3, 3}}
	fit, ok := p.solve()
	if !ok || math.Abs(fit.b[0]-3) > 1e-12 || math.Abs(fit.se[0]-1) > 1e-12 || fit.tau != 0 {
		t.Errorf("%+v", fit)
	}
}

func TestCollinearColumns(t *testing.T) {
	p := problem{x: [][]float64{{1, 2}, {2, 4}, {3, 6}, {5, 10}}, y: []float64{3, 6, 9, 15}, noise: make([]float64, 4), scale: []float64{1, 1, 1, 1}}
	for i := range p.noise {
		p.noise[i] = 1
	}
	if fit, ok := p.solve(); ok && fit.condition < 1e6 {
		t.Errorf("columns in proportion were solved with condition %v", fit.condition)
	}
	// Orthogonal columns: 1.
	if c := condition([][]float64{{1, 0}, {0, 7}}, []float64{1, 1}); math.Abs(c-1) > 1e-12 {
		t.Errorf("condition %v, want 1", c)
	}
	// Two unit columns at an angle: singular values sqrt(1 +- cos); cos = 0.6: sqrt(1.6/0.4) = 2.
	if c := condition([][]float64{{1, 0.6}, {0, 0.8}}, []float64{1, 1}); math.Abs(c-2) > 1e-12 {
		t.Errorf("condition %v, want 2", c)
	}
}
