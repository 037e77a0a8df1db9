package sim

import (
	"math"
	"slices"
	"testing"
)

// poissonPMF is P(X = k) for a mean.
func poissonPMF(mean float64, k int) float64 {
	g, _ := math.Lgamma(float64(k) + 1)
	return math.Exp(float64(k)*math.Log(mean) - mean - g)
}

// Every count's frequency against its probability: chi-square over the counts expected at least 20 times. With df
// degrees of freedom, chi-square has mean df and standard deviation sqrt(2 df); 6 of those above the mean are exceeded
// with a probability below 1e-6 for the df here. Means on the grid of tables, between, below it and above it.
func TestArrivalsArePoisson(t *testing.T) {
	const n = 200_000
	a := newArrivals(1)
	for _, mean := range []float64{0.01, 0.2, 0.25, 0.9, 3, 3.3, 17.249, 60.5, 255.99, 300} {
		a.reset(1)
		seen := map[int]float64{}
		for range n {
			seen[int(a.draw(0, mean))]++
		}
		chi, df, covered := 0.0, 0.0, 0.0
		for k := range int(mean+20*math.Sqrt(mean)) + 20 {
			want := n * poissonPMF(mean, k)
			if want < 20 {
				continue
			}
			chi += (seen[k] - want) * (seen[k] - want) / want
			df++
			covered += seen[k]
		}
		if df -= 1; chi > df+6*math.Sqrt(2*max(df, 1)) {
			t.Errorf("mean %v: chi-square %.1f with %v degrees of freedom", mean, chi, df)
		}
		if covered < 0.99*n {
			t.Errorf("mean %v: only %v of %d counts are where the probability is", mean, covered, n)
		}
	}
}

// A table's cells add up to the distribution it was made from, to rounding.
func TestPoissonTablesAreExact(t *testing.T) {
	for _, n := range []int{0, 1, 2, 3, 4, 7, 40, 401, maxAliasMean*gridPerUnit - 1} {
		table := poissonTable(n)
		got := make([]float64, len(table.cells))
		for i, c := range table.cells {
			keep := float64(c>>16) / aliasOne
			got[i] += keep / table.size
			got[c&0xffff] += (1 - keep) / table.size
		}
		for i, p := range got {
			want := 1.0 // mean 0: always 0
			if n > 0 {
				want = poissonPMF(float64(n)/gridPerUnit, table.low+i)
			}
			if math.Abs(p-want) > 1e-13 {
				t.Errorf("table %d: P(%d) = %v, want %v", n, table.low+i, p, want)
			}
		}
	}
}

func TestArrivalsOfNothing(t *testing.T) {
	a := newArrivals(1)
	for _, mean := range []float64{0, -1, math.NaN()} {
		if got := a.draw(0, mean); got != 0 {
			t.Errorf("mean %v: %v arrivals", mean, got)
		}
	}
}

// A cached mean of one endpoint must not leak into another, nor into another run.
func TestArrivalsDependOnSeedAlone(t *testing.T) {
	draw := func(a *arrivals) (out []float64) {
		for i := range 50 {
			out = append(out, a.draw(0, 3.7), a.draw(1, float64(i)))
		}
		return out
	}
	a, b := newArrivals(2), newArrivals(2)
	a.reset(1)
	first := draw(a)
	a.reset(1)
	b.draw(0, 99)
	b.reset(1)
	for name, other := range map[string][]float64{"again": draw(a), "after other means": draw(b)} {
		for i := range first {
			if first[i] != other[i] {
				t.Fatalf("%s: draw %d is %v, was %v", name, i, other[i], first[i])
			}
		}
	}
	if n := testing.AllocsPerRun(100, func() { a.draw(0, 3.7); a.draw(1, 5) }); n != 0 {
		t.Errorf("a draw allocates %v times", n)
	}
}

// TestDrawnArrivalsAreThoseOfARun: what is drawn once is what a run draws, and another seed's are not taken for it.
func TestDrawnArrivalsAreThoseOfARun(t *testing.T) {
	app := onlineBoutique(t)
	var ep Episode
	if err := scenarioSource(t, app, "peak").Episode(1, &ep); err != nil {
		t.Fatal(err)
	}
	offered := func(seed uint64) []float64 {
		s, err := NewSession(app, &counts{n: len(app.Endpoints), st: State{Services: make([]ServiceState, len(app.Services)), Endpoints: make([]EndpointState, len(app.Endpoints))}}, MetricsConfig{}, DefaultRewardConfig())
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Start(seed, &ep, 0, nil); err != nil {
			t.Fatal(err)
		}
		for range 20 {
			s.Advance()
		}
		return s.engine.(*counts).seen
	}
	one, two := offered(1), offered(2)
	ep.Arrivals = DrawArrivals(app, &ep, 1)
	if !slices.Equal(offered(1), one) {
		t.Error("other requests arrive when they were drawn before")
	}
	if !slices.Equal(offered(2), two) || slices.Equal(one, two) {
		t.Error("another seed meets the same requests")
	}
	for i := range ep.RPS {
		ep.RPS[i] = 1e6
	}
	if DrawArrivals(app, &ep, 1) != nil {
		t.Error("a million requests in a tick were counted in 16 bits")
	}
}

// counts is an engine that notes arrivals.
type counts struct {
	Engine
	n    int
	st   State
	seen []float64
}

func (c *counts) Reset(uint64, []int) error { return nil }
func (c *counts) State() *State             { return &c.st }
func (c *counts) Happen(*Event)             {}
func (c *counts) Step(l TickLoad) {
	c.st.At += Tick
	c.seen = append(c.seen, l.Arrivals[:c.n]...)
}
