package theory

import (
	"math"
	"testing"

	"github.com/grlscaler/grlscaler/sim/rng"
	"gonum.org/v1/gonum/stat/distuv"
)

func TestTimesHaveTheirMoments(t *testing.T) {
	gamma := distuv.Gamma{Alpha: 4, Beta: 2} // mean 2, cv 1/2
	lognormal := distuv.LogNormal{Mu: math.Log(2) - math.Log(1.25)/2, Sigma: math.Sqrt(math.Log(1.25))}
	near(t, "gamma", GammaTime(2, 0.5).Second, integral(func(x float64) float64 { return x * x * gamma.Prob(x) }, 0, 60, 60), 1e-10)
	near(t, "log-normal", LogNormalTime(2, 0.5).Second, integral(func(x float64) float64 { return x * x * lognormal.Prob(x) }, 1e-9, 400, 2000), 1e-8)
	near(t, "exponential", ExponentialTime(3).Second, integral(func(x float64) float64 { return x * x * math.Exp(-x/3) / 3 }, 0, 150, 60), 1e-10)
	near(t, "deterministic", DeterministicTime(3).Second, 9, 0)
	// Two exponential times of mean 1 and 2: variances add up to 5.
	sum := ExponentialTime(1).Plus(ExponentialTime(2))
	near(t, "variance of a sum", sum.Variance(), 5, 1e-15)
	near(t, "second moment of a mixture", ExponentialTime(1).Or(0.25, DeterministicTime(2)).Second, 0.25*2+0.75*4, 1e-15)
}

// lindley simulates n customers of a single-server queue, one after another (Lindley 1952): the next wait is max(0,
// W + S - A). It returns the mean sojourn with its standard error from 100 batches, the first of which is left out.
func lindley(n int, seed uint64, lambda float64, service, first func(*rng.Stream) float64) (mean, se float64) {
	s := rng.New(seed, "lindley")
	const batches = 100
	var sums [batches]float64
	wait := 0.0
	for i := range n {
		draw := service
		if wait == 0 {
			draw = first
		}
		sojourn := wait + draw(s)
		sums[i*batches/n] += sojourn
		wait = max(0, sojourn-s.ExpFloat64()/lambda)
	}
	per := float64(n / batches)
	for _, x := range sums[1:] {
		mean += x / per / (batches - 1)
	}
	for _, x := range sums[1:] {
		se += (x/per - mean) * (x/per - mean) / (batches - 1) / (batches - 2)
	}
	return mean, math.Sqrt(se)
}

// Brute force agrees within 4 standard errors, which one comparison in 16 000 would miss by chance.
func TestMG1AgainstLindley(t *testing.T) {
	exponential := func(mean float64) func(*rng.Stream) float64 {
		return func(s *rng.Stream) float64 { return mean * s.ExpFloat64() }
	}
	erlang3 := func(s *rng.Stream) float64 { return (s.ExpFloat64() + s.ExpFloat64() + s.ExpFloat64()) / 3 }
	lognormal := func(s *rng.Stream) float64 {
		s2 := math.Log1p(0.64) // cv 0.8
		return math.Exp(math.Sqrt(s2)*s.NormFloat64() - s2/2)
	}
	one := func(*rng.Stream) float64 { return 1 }
	after := func(setup float64, draw func(*rng.Stream) float64) func(*rng.Stream) float64 {
		return func(s *rng.Stream) float64 { return setup + draw(s) }
	}
	withFirst := func(q MG1, first Time) MG1 { q.First = &first; return q }
	setUp := DeterministicTime(2.5)
	for i, tc := range []struct {
		name           string
		q              MG1
		service, first func(*rng.Stream) float64
	}{
		{"exponential", MG1{Lambda: 0.7, Service: ExponentialTime(1)}, exponential(1), exponential(1)},
		{"gamma", MG1{Lambda: 0.7, Service: GammaTime(1, 1/math.Sqrt(3))}, erlang3, erlang3},
		{"log-normal", MG1{Lambda: 0.6, Service: LogNormalTime(1, 0.8)}, lognormal, lognormal},
		{"deterministic", MG1{Lambda: 0.8, Service: DeterministicTime(1)}, one, one},
		{"exponential after a set-up", withFirst(MG1{Lambda: 0.6, Service: ExponentialTime(1)}, ExponentialTime(1).Plus(setUp)), exponential(1), after(2.5, exponential(1))},
		{"gamma after a set-up", withFirst(MG1{Lambda: 0.5, Service: GammaTime(1, 1/math.Sqrt(3))}, GammaTime(1, 1/math.Sqrt(3)).Plus(setUp)), erlang3, after(2.5, erlang3)},
		{"a short first service", withFirst(MG1{Lambda: 0.6, Service: ExponentialTime(1)}, DeterministicTime(0.2)), exponential(1), func(*rng.Stream) float64 { return 0.2 }},
	} {
		got, se := lindley(2_000_000, uint64(i), tc.q.Lambda, tc.service, tc.first)
		if want := tc.q.MeanSojourn(); math.Abs(got-want) > 4*se {
			t.Errorf("%s: mean sojourn by brute force %.5f ± %.5f, theory %.5f", tc.name, got, se, want)
		}
	}
}

// A server whose set-up is exponential with rate α adds 1/α to the sojourn of M/M/1 (Welch 1964; balance equations over
// the number of customers, server in set-up or at work).
func TestSetUpAgainstBalanceEquations(t *testing.T) {
	const lambda, mu, alpha, room = 0.6, 1.0, 0.4, 400
	p := chain{2 * (room + 1), func(s int, add func(int, float64)) { // s = 2n + (1 at work)
		n, work := s/2, s%2
		if n == 0 && work == 1 {
			add(0, 1) // not reached
			return
		}
		if n < room {
			add(s+2, lambda)
		}
		switch {
		case n == 0:
		case work == 0:
			add(s+1, alpha)
		case n == 1:
			add(0, mu)
		default:
			add(s-2, mu)
		}
	}}.stationary(t)
	first := ExponentialTime(1 / alpha).Plus(ExponentialTime(1 / mu))
	q := MG1{Lambda: lambda, Service: ExponentialTime(1 / mu), First: &first}
	near(t, "number", q.MeanNumber(), mean(p, func(s int) float64 { return float64(s / 2) }), 1e-9)
	near(t, "idle", q.ProbIdle(), p[0], 1e-9)
	near(t, "busy or in set-up", q.Utilisation(), 1-p[0], 1e-9)
	near(t, "textbook", q.MeanSojourn(), 1/(mu-lambda)+1/alpha, 1e-14)
	// Without a set-up, the formula is that of Pollaczek and Khinchine; of an exponential service, M/M/1.
	same := ExponentialTime(1 / mu)
	near(t, "no set-up", MG1{Lambda: lambda, Service: same, First: &same}.MeanSojourn(), MM1(lambda, mu).MeanSojourn(), 1e-14)
}

func TestRoundRobinAgainstBalanceEquations(t *testing.T) {
	for _, q := range []EM1{{0.7, 1, 1}, {1.5, 2, 1}, {3.2, 4, 1}, {9, 10, 1}} {
		const room = 200
		k := q.Stages
		p := chain{k * (room + 1), func(s int, add func(int, float64)) { // s = n k + stage of the next arrival
			n, stage := s/k, s%k
			switch {
			case stage < k-1:
				add(s+1, q.StageRate)
			case n < room:
				add((n+1)*k, q.StageRate)
			}
			if n > 0 {
				add(s-k, q.Mu)
			}
		}}.stationary(t)
		number := mean(p, func(s int) float64 { return float64(s / k) })
		near(t, "number", Little(q.StageRate/float64(k), q.MeanSojourn()), number, 1e-9)
		// Who arrives leaves the last stage and finds n: the time is Erlang with n+1 stages.
		arriving := 0.0
		for n := range room {
			arriving += p[n*k+k-1]
		}
		for _, x := range []float64{0.5, 2, 6} {
			want := 0.0
			for n := range room {
				want += p[n*k+k-1] / arriving * distuv.Gamma{Alpha: float64(n + 1), Beta: q.Mu}.CDF(x)
			}
			near(t, "P(T <= t)", q.SojournCDF(x), want, 1e-9)
		}
		near(t, "P(T <= its quantile)", q.SojournCDF(q.SojournQuantile(0.95)), 0.95, 1e-12)
	}
	near(t, "one stage is M/M/1", EM1{0.8, 1, 1}.MeanSojourn(), 5, 1e-12)
}
