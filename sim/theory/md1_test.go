package theory

import (
	"math"
	"math/big"
	"testing"
)

// erlangMD1 is Erlang's own formula (1909) for P(W <= t), an alternating sum, in 400-bit arithmetic:
// (1 - ρ) sum over k = 0..⌊t/D⌋ of (-y)^k/k! e^y with y = λ(t - kD).
func erlangMD1(lambda, d, x float64) float64 {
	number := func(f float64) *big.Float { return new(big.Float).SetPrec(400).SetFloat64(f) }
	sum := number(0)
	for k := 0; float64(k)*d <= x; k++ {
		y := number(d)
		y.Mul(y, number(float64(-k))).Add(y, number(x)).Mul(y, number(lambda))
		term := number(1) // e^y by its series
		exp := number(1)
		for j := 1; j < 1000; j++ {
			term.Mul(term, y).Quo(term, number(float64(j)))
			exp.Add(exp, term)
		}
		for j := 1; j <= k; j++ {
			exp.Mul(exp, y).Quo(exp, number(float64(-j)))
		}
		sum.Add(sum, exp)
	}
	f, _ := sum.Float64()
	return (1 - lambda*d) * f
}

func TestMD1AgainstErlangsFormula(t *testing.T) {
	for _, rho := range []float64{0.1, 0.5, 0.8, 0.95} {
		q := MD1{Lambda: rho / 2, Service: 2}
		for _, x := range []float64{0, 0.3, 1.9, 2, 2.1, 5, 8.4, 13, 25, 47.7} {
			near(t, "P(W <= t)", q.WaitCDF(x), erlangMD1(q.Lambda, q.Service, x), 1e-11)
		}
	}
}

func TestMD1MeanIsThatOfItsDistribution(t *testing.T) {
	for _, rho := range []float64{0.2, 0.6, 0.85} {
		q := MD1{Lambda: rho, Service: 1}
		near(t, "mean wait", integral(func(x float64) float64 { return 1 - q.WaitCDF(x) }, 0, 120, 120), q.MeanWait(), 1e-10)
		near(t, "textbook", q.MeanWait(), rho/(2*(1-rho)), 1e-14)
		for _, p := range []float64{0.9, 0.99, 0.999} {
			near(t, "P(W <= its quantile)", q.WaitCDF(q.WaitQuantile(p)), p, 1e-10)
			near(t, "P(T <= its quantile)", q.SojournCDF(q.SojournQuantile(p)), p, 1e-10)
		}
	}
	if got := (MD1{0.5, 1}).WaitQuantile(0.4); got != 0 {
		t.Errorf("half of the customers do not wait; the quantile of 40 %% is %v", got)
	}
	if got := (MD1{0.5, 1}).SojournCDF(0.99); got != 0 {
		t.Errorf("P(T <= 0.99) = %v though every service takes 1", got)
	}
}

// The balance equations of an Erlang-k service, k large, tend to those of a deterministic one with an error of 1/k;
// extrapolated from k and 2k.
func TestMD1NumbersAgainstErlangStages(t *testing.T) {
	const rho, room = 0.7, 60
	empty := func(k int) (one, two float64) {
		p := chain{1 + room*k, func(s int, add func(int, float64)) { // s = stages of work left
			if s+k < 1+room*k {
				add(s+k, rho)
			}
			if s > 0 {
				add(s-1, float64(k))
			}
		}}.stationary(t)
		for s := 1; s <= k; s++ {
			one += p[s]
			two += p[s+k]
		}
		return one, two
	}
	a1, a2 := empty(16)
	b1, b2 := empty(32)
	p := MD1{rho, 1}.numbers(2)
	near(t, "P(N = 0)", p[0], 0.3, 1e-15)
	near(t, "P(N = 1)", p[1], 2*b1-a1, 2e-4)
	near(t, "P(N = 2)", p[2], 2*b2-a2, 2e-4)
	near(t, "P(N = 1), textbook", p[1], 0.3*(math.Exp(rho)-1), 1e-14)
}
