package theory

import (
	"math"
	"testing"

	"gonum.org/v1/gonum/integrate/quad"
)

// The formulas are compared with truth that was found another way: balance equations of Markov chains solved by
// iteration, numeric integration, brute-force simulation, and numbers from tables.

// near fails unless got is within relative + absolute tolerance tol of want.
func near(t *testing.T, what string, got, want, tol float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tol*(1+math.Abs(want))) {
		t.Errorf("%s: %.12g, want %.12g within %.1g", what, got, want, tol)
	}
}

// chain is a Markov chain on states 0..n-1: rates calls add for each transition out of a state.
type chain struct {
	n     int
	rates func(state int, add func(to int, rate float64))
}

// stationary solves the balance equations by Gauss-Seidel sweeps until nothing moves.
func (c chain) stationary(t *testing.T) []float64 {
	t.Helper()
	type arc struct {
		from int
		rate float64
	}
	in, out := make([][]arc, c.n), make([]float64, c.n)
	for s := range c.n {
		c.rates(s, func(to int, rate float64) {
			if rate > 0 && to != s {
				in[to] = append(in[to], arc{s, rate})
				out[s] += rate
			}
		})
	}
	p := make([]float64, c.n)
	for i := range p {
		p[i] = 1 / float64(c.n)
	}
	for range 200_000 {
		moved, sum := 0.0, 0.0
		for s := range p {
			flow := 0.0
			for _, a := range in[s] {
				flow += p[a.from] * a.rate
			}
			next := flow / out[s]
			moved += math.Abs(next - p[s])
			p[s] = next
			sum += next
		}
		for s := range p {
			p[s] /= sum
		}
		if moved < 1e-14*sum {
			return p
		}
	}
	t.Fatal("the balance equations did not converge")
	return nil
}

// mean is the mean of f over a distribution.
func mean(p []float64, f func(state int) float64) float64 {
	sum := 0.0
	for s, x := range p {
		sum += x * f(s)
	}
	return sum
}

// transient is the distribution at a time, by uniformisation from the given start.
func (c chain) transient(start int, time float64) []float64 {
	fastest := 0.0
	for s := range c.n {
		sum := 0.0
		c.rates(s, func(_ int, rate float64) { sum += rate })
		fastest = max(fastest, sum)
	}
	p, out := make([]float64, c.n), make([]float64, c.n)
	p[start] = 1
	next := make([]float64, c.n)
	m := fastest * time
	for k := 0; k < int(m+12*math.Sqrt(m)+50); k++ {
		lg, _ := math.Lgamma(float64(k + 1))
		w := math.Exp(float64(k)*math.Log(m) - m - lg)
		for s := range p {
			out[s] += w * p[s]
			next[s] = p[s]
		}
		for s := range p {
			c.rates(s, func(to int, rate float64) {
				next[to] += p[s] * rate / fastest
				next[s] -= p[s] * rate / fastest
			})
		}
		p, next = next, p
	}
	return out
}

// integral is that of f from a to b, by Gauss-Legendre quadrature over pieces.
func integral(f func(float64) float64, a, b float64, pieces int) float64 {
	sum, width := 0.0, (b-a)/float64(pieces)
	for i := range pieces {
		lo := a + float64(i)*width
		sum += quad.Fixed(f, lo, lo+width, 20, quad.Legendre{}, 0)
	}
	return sum
}
