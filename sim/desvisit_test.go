package sim

import (
	"math"
	"math/rand/v2"
	"testing"
)

// One request alone, all times fixed. CPU of an operation is split evenly between its calls; a second call of the same kind
// follows the first, and those of the next kind follow those.
func TestDESOneRequest(t *testing.T) {
	leaves := []string{testService("b", "", "{name: get, cpu_ms: 4, wait_ms: 3}"), testService("c", "", "{name: get, wait_ms: 20}")}
	for _, tc := range []struct {
		name, op string
		a, own   float64 // time of a visit of a, and the part that is its own
		b, c     float64 // visits
		cpu      float64 // of a, in ms
	}{
		{"leaf", "{name: get, cpu_ms: 5, wait_ms: 2}", 7, 7, 0, 0, 5},
		{"sequential", "{name: get, cpu_ms: 6, wait_ms: 2, calls: [{op: b.get, mean: 3}, {op: c.get, mean: 2}]}", 8 + 3*7 + 2*20, 8, 3, 2, 6},
		// Parallel: 3 ms, then three visits of b share its CPU: 3 ms of wait, 12 ms of work, all done together after 15 ms; c takes 20; 3 ms.
		{"parallel", "{name: get, cpu_ms: 6, parallel: true, calls: [{op: b.get, mean: 3}, {op: c.get, mean: 2}]}", 6 + 20, 6, 3, 2, 6},
		{"parallel, the leaf without workers is slower", "{name: get, cpu_ms: 6, parallel: true, calls: [{op: b.get, mean: 6}, {op: c.get}]}", 6 + 27, 6, 6, 1, 6},
		{"no CPU at all", "{name: get, calls: [{op: b.get}]}", 7, 0, 1, 0, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			app := testApp(t, "", append([]string{testService("a", "", tc.op)}, leaves...)...)
			d := newDES(t, app, nil)
			play(d, 5, 100)
			a := &d.st.Services[0]
			within(t, "time of a visit", a.MeanMs, tc.a, 1e-9)
			within(t, "time of the request", d.st.Endpoints[0].MeanMs, tc.a, 1e-9)
			within(t, "own time", a.OwnMs, tc.own, 1e-9)
			within(t, "CPU", a.CPUUsedMillis*5, tc.cpu, 1e-9)
			for s, want := range []float64{1, tc.b, tc.c} {
				within(t, "visits", d.st.Services[s].ServedRPS*5, want, 1e-9)
				within(t, "arrivals", d.st.Services[s].ArrivalRPS*5, want, 1e-9)
			}
		})
	}
}

// Whole mean counts are exact for every request. A fraction is a draw for each visit: of n visits with mean 2.3, the number of calls is
// binomial, 2n + B(n, 0.3); bounds are 4 standard errors (false alarm 6e-5 each; the seed is fixed).
func TestDESCountsOfCalls(t *testing.T) {
	for _, parallel := range []string{"false", "true"} {
		app := testApp(t, "", testService("a", "", "{name: get, cpu_ms: 0.01, parallel: "+parallel+", calls: [{op: b.get, mean: 2}, {op: c.get, mean: 2.3}, {op: d.get, mean: 0.05}]}"),
			testService("b", "", "{name: get, cpu_ms: 0.01}"), testService("c", "", "{name: get, cpu_ms: 0.01}"), testService("d", "", "{name: get, cpu_ms: 0.01, calls: [{op: c.get, mean: 0.5}]}"))
		d := newDES(t, app, nil)
		c := newTally(d)
		steadily(d, 100, 500, c.add)
		steadily(d, 5, 0, c.add)
		const n = 50_000
		if c.served[0] != n || c.arrived[1] != 2*n || c.served[1] != 2*n {
			t.Errorf("%v visits of a, %v of b; want %d and twice that", c.served[0], c.served[1], n)
		}
		within(t, "visits of d", c.served[3], 0.05*n, 4*math.Sqrt(n*0.05*0.95))
		within(t, "visits of c", c.served[2], 2.3*n+0.5*c.served[3], 4*math.Sqrt(n*0.3*0.7+c.served[3]*0.25))
		if c.failed != 0 || c.latency.Count() != n {
			t.Errorf("%v failed, %v latencies", c.failed, c.latency.Count())
		}
	}
}

// A visit's CPU does not depend on how many calls it happens to make: its draw is split over them.
func TestDESChunksShareTheDraw(t *testing.T) {
	app := testApp(t, "", testService("a", "", "{name: get, cpu_ms: 6, calls: [{op: b.get, mean: 1.5}]}"), testService("b", "", "{name: get, wait_ms: 1}"))
	d := newDES(t, app, nil)
	steadily(d, 5, 20, nil)
	v := &d.st.Services[0]
	within(t, "CPU", v.CPUUsedMillis, v.ServedRPS*6, 6) // one visit may be under way
}

// Each distribution has its mean and coefficient of variation, and its shape: the share below the mean and below half of it.
// 400,000 draws: bounds are 5 standard errors of the mean and of the shares, and 2 % for the coefficient of variation, whose own
// error needs the fourth moment.
func TestDESDistributions(t *testing.T) {
	phi := func(x float64) float64 { return 0.5 * math.Erfc(-x/math.Sqrt2) }
	logNormal := func(cv float64) func(float64) float64 {
		v := math.Log1p(cv * cv)
		return func(x float64) float64 { return phi((math.Log(x) + v/2) / math.Sqrt(v)) }
	}
	// Gamma of shape 4 (Erlang): P(X <= x) = 1 - e^-4x (1 + 4x + (4x)^2/2 + (4x)^3/6) for mean 1.
	erlang4 := func(x float64) float64 { y := 4 * x; return 1 - math.Exp(-y)*(1+y+y*y/2+y*y*y/6) }
	// Gamma of shape 1/2, mean 1: a chi-squared of one degree of freedom, P = erf(sqrt(x/2)).
	gammaHalf := func(x float64) float64 { return math.Erf(math.Sqrt(x / 2)) }
	for _, tc := range []struct {
		name string
		dist Dist
		cv   float64
		cdf  func(float64) float64 // for mean 1
	}{
		{"exponential", Exponential, 1, func(x float64) float64 { return 1 - math.Exp(-x) }},
		{"Erlang-4", Gamma, 0.5, erlang4},
		{"gamma of shape 1/2", Gamma, math.Sqrt2, gammaHalf},
		{"gamma of shape 1", Gamma, 1, func(x float64) float64 { return 1 - math.Exp(-x) }},
		{"log-normal", LogNormal, 0.5, logNormal(0.5)},
		{"log-normal, the default", "", 1.5, logNormal(1.5)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			const n, mean = 400_000, 3.0
			s := newSampler(mean, tc.cv, tc.dist)
			source := &splitMix{state: 9}
			r := rand.New(source)
			sum, square, belowMean, belowHalf := 0.0, 0.0, 0.0, 0.0
			for range n {
				x := s.draw(r)
				if !(x >= 0) || math.IsInf(x, 0) {
					t.Fatalf("drew %v", x)
				}
				sum += x
				square += x * x
				if x <= mean {
					belowMean++
				}
				if x <= mean/2 {
					belowHalf++
				}
			}
			m := sum / n
			within(t, "mean", m, mean, 5*mean*tc.cv/math.Sqrt(n))
			within(t, "coefficient of variation", math.Sqrt(square/n-m*m)/m, tc.cv, 0.02*tc.cv)
			for x, got := range map[float64]float64{1: belowMean / n, 0.5: belowHalf / n} {
				p := tc.cdf(x)
				within(t, "share below", got, p, 5*math.Sqrt(p*(1-p)/n))
			}
		})
	}
	for _, s := range []sampler{newSampler(3, 0, LogNormal), newSampler(3, 0, Deterministic), newSampler(0, 2, Gamma)} {
		if got := s.draw(rand.New(&splitMix{})); got != s.mean {
			t.Errorf("drew %v of a fixed %v", got, s.mean)
		}
	}
}

// An operation's distribution is that of its visits, CPU and wait each their own.
func TestDESVisitsDrawFromTheirDistributions(t *testing.T) {
	app := work(t, "cpu_limit_m: 64000, cores: 64", "{name: get, cpu_ms: 2, dist: exponential, wait_ms: 8, wait_dist: gamma, wait_cv: 0.5}")
	d := newDES(t, app, nil)
	c := newTally(d)
	steadily(d, 100, 500, c.add)
	const n = 50_000
	// No two chunks compete for a core, so latency = exponential(2) + Erlang-4 of mean 8: variance 4 + 16.
	within(t, "mean latency", c.latency.MeanMs(), 10, 5*math.Sqrt(20/float64(n)))
	// An exponential stage of mean 2 more makes an Erlang-5 of mean 10: p95 18.3. A histogram bucket is 2 % wide.
	within(t, "p95", c.latency.QuantileMs(0.95), erlang5P95(), 0.25)
}

// erlang5P95 is the 95th percentile of the sum of five exponentials of mean 2.
func erlang5P95() float64 {
	lo, hi := 0.0, 100.0
	for range 60 {
		x := (lo + hi) / 2
		y, term, sum := x/2, 1.0, 1.0
		for k := 1; k < 5; k++ {
			term *= y / float64(k)
			sum += term
		}
		if 1-math.Exp(-y)*sum < 0.95 {
			lo = x
		} else {
			hi = x
		}
	}
	return lo
}
