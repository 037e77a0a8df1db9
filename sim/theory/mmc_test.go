package theory

import (
	"math"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"
)

func TestErlangTables(t *testing.T) {
	for _, tc := range []struct {
		erlangs float64
		servers int
		b       float64 // five digits of the usual tables of Erlang's B formula
	}{{1, 1, 0.5}, {1, 2, 0.2}, {5, 5, 0.28487}, {10, 10, 0.21458}, {0.5, 2, 0.07692}, {20, 30, 0.00846}} {
		if got := ErlangB(tc.erlangs, tc.servers); math.Abs(got-tc.b) > 5.1e-6 {
			t.Errorf("B(%v erlangs, %d) = %.6f, tables say %v", tc.erlangs, tc.servers, got, tc.b)
		}
	}
	// Two servers: C = 2ρ²/(1+ρ); one: C = ρ. Ten servers at 0.8: 0.409 (Erlang C tables).
	near(t, "C, one server", MM1(0.3, 1).ProbWait(), 0.3, 1e-15)
	near(t, "C, two servers", MMC{1.2, 1, 2}.ProbWait(), 2*0.36/1.6, 1e-14)
	near(t, "C, ten servers", MMC{8, 1, 10}.ProbWait(), 0.4092, 5e-5)
}

func TestMM1IsTheTextbook(t *testing.T) {
	q := MM1(3, 5)
	near(t, "sojourn", q.MeanSojourn(), 0.5, 1e-15)
	near(t, "wait", q.MeanWait(), 0.3, 1e-15)
	near(t, "number", q.MeanNumber(), 1.5, 1e-15)
	near(t, "median", q.SojournQuantile(0.5), math.Ln2/2, 1e-12)
	near(t, "p99", q.SojournQuantile(0.99), math.Log(100)/2, 1e-12)
	near(t, "wait of 90 %", q.WaitQuantile(0.9), math.Log(6)/2, 1e-12)
	if got := q.WaitQuantile(0.4); got != 0 {
		t.Errorf("40 %% of the customers do not wait; the quantile is %v", got)
	}
}

// An arrival that finds n >= c waits for n-c+1 departures, an Erlang time; so distributions follow from the balance
// equations of the number in the system.
func TestMMCAgainstItsBalanceEquations(t *testing.T) {
	for _, q := range []MMC{{0.7, 1, 1}, {1.4, 1, 2}, {2.1, 0.9, 3}, {0.5, 1, 4}, {20, 2.5, 10}} {
		n := 600
		p := chain{n, func(s int, add func(int, float64)) {
			if s+1 < n {
				add(s+1, q.Lambda)
			}
			if s > 0 {
				add(s-1, float64(min(s, q.Servers))*q.Mu)
			}
		}}.stationary(t)
		number := mean(p, func(s int) float64 { return float64(s) })
		near(t, "number", q.MeanNumber(), number, 1e-9)
		near(t, "sojourn", q.MeanSojourn(), number/q.Lambda, 1e-9)
		near(t, "share that waits", q.ProbWait(), mean(p, func(s int) float64 {
			if s >= q.Servers {
				return 1
			}
			return 0
		}), 1e-9)
		wait := func(x float64) float64 {
			return mean(p, func(s int) float64 {
				if s < q.Servers {
					return 1
				}
				return distuv.Gamma{Alpha: float64(s - q.Servers + 1), Beta: float64(q.Servers) * q.Mu}.CDF(x)
			})
		}
		for _, x := range []float64{0.1, 0.5, 1, 2, 5} {
			near(t, "P(W <= t)", q.WaitCDF(x), wait(x), 1e-9)
			// P(W + S <= x) is the integral of P(W <= x - s) over the density of the service.
			sojourn := integral(func(s float64) float64 { return wait(x-s) * q.Mu * math.Exp(-q.Mu*s) }, 0, x, 4)
			near(t, "P(T <= t)", q.SojournCDF(x), sojourn, 1e-9)
		}
		for _, share := range []float64{0.2, 0.5, 0.95, 0.99, 0.999} {
			near(t, "P(T <= its quantile)", q.SojournCDF(q.SojournQuantile(share)), share, 1e-12)
			if x := q.WaitQuantile(share); x > 0 {
				near(t, "P(W <= its quantile)", q.WaitCDF(x), share, 1e-12)
			}
		}
		near(t, "mean of the sojourn's distribution", integral(func(x float64) float64 { return 1 - q.SojournCDF(x) }, 0, 150/q.Mu, 400), q.MeanSojourn(), 1e-9)
	}
}

// With cμ - λ = μ both parts of the sojourn have the same rate, and the formula must pass through that point smoothly.
func TestMMCSojournWhereRatesMeet(t *testing.T) {
	at := MMC{1, 1, 2}.SojournCDF(1.3)
	near(t, "c = 2, λ = μ", at, 1-math.Exp(-1.3)*(1+1.3/3.0), 1e-14)
	near(t, "just beside", MMC{1 + 1e-9, 1, 2}.SojournCDF(1.3), at, 1e-8)
}

func TestUnstableQueuesHaveInfiniteMeans(t *testing.T) {
	for name, mean := range map[string]float64{
		"M/M/c": MMC{2, 1, 2}.MeanSojourn(), "M/D/1": MD1{1, 1}.MeanSojourn(), "M/G/1": MG1{Lambda: 2, Service: ExponentialTime(1)}.MeanSojourn(),
		"PS": PS{3, 1, 2}.MeanSojourn(), "E_k/M/1": EM1{4, 2, 1}.MeanSojourn(), "tandem": Tandem(2, 3, 2).Mean(), "fork-join": ForkJoin2{1, 1}.MeanSojourn(),
		"median of M/M/c": MMC{2, 1, 2}.SojournQuantile(0.5), "of a tandem": Tandem(2, 3, 1).Quantile(0.5), "of M/D/1": MD1{1, 1}.WaitQuantile(0.5),
		"p = 1": MM1(0.5, 1).SojournQuantile(1),
	} {
		if !math.IsInf(mean, 1) {
			t.Errorf("%s: %v, want +Inf", name, mean)
		}
	}
}
