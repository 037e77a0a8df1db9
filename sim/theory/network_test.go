package theory

import (
	"math"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"
)

// For rates that all differ, P(sum > t) = sum over i of exp(-r(i)t) prod over j≠i of r(j)/(r(j) - r(i)).
func TestHypoexponentialAgainstPartialFractions(t *testing.T) {
	for _, h := range []Hypoexponential{{2}, {1, 3}, {5, 0.5, 2}, {1, 2, 3, 4}, {0.01, 100}} {
		for _, x := range []float64{0.01, 0.3, 1, 4, 20} {
			beyond := 0.0
			for i := range h {
				term := math.Exp(-h[i] * x)
				for j := range h {
					if j != i {
						term *= h[j] / (h[j] - h[i])
					}
				}
				beyond += term
			}
			near(t, "P(sum <= t)", h.CDF(x), 1-beyond, 1e-11)
		}
		near(t, "P(sum <= its quantile)", h.CDF(h.Quantile(0.95)), 0.95, 1e-10)
	}
}

func TestHypoexponentialWithEqualRates(t *testing.T) {
	for _, x := range []float64{0.05, 1, 3, 9} {
		near(t, "five equal rates", Hypoexponential{2, 2, 2, 2, 2}.CDF(x), distuv.Gamma{Alpha: 5, Beta: 2}.CDF(x), 1e-12)
		near(t, "nearly equal", Hypoexponential{2, 2 + 1e-9, 2 - 1e-9}.CDF(x), distuv.Gamma{Alpha: 3, Beta: 2}.CDF(x), 1e-8)
		// Two equal and one other, by integrating over the other.
		want := integral(func(s float64) float64 { return distuv.Gamma{Alpha: 2, Beta: 2}.CDF(x-s) * 0.7 * math.Exp(-0.7*s) }, 0, x, 10)
		near(t, "two equal and one other", Hypoexponential{2, 0.7, 2}.CDF(x), want, 1e-11)
	}
	h := Hypoexponential{1, 4, 4}
	near(t, "mean", h.Mean(), 1.5, 1e-15)
	near(t, "variance", h.Variance(), 1+2.0/16, 1e-15)
	near(t, "mean of the distribution", integral(func(x float64) float64 { return 1 - h.CDF(x) }, 0, 60, 60), 1.5, 1e-9)
	near(t, "tandem", Tandem(3, 4, 5, 7).Mean(), 1+0.5+0.25, 1e-15)
}

// Two stations; of those that leave the second, 30 % go back to the first and 20 % to the second: balance equations
// over (n1, n2).
func TestJacksonAgainstBalanceEquations(t *testing.T) {
	const room = 120
	net := Jackson{External: []float64{0.4, 0.1}, Routing: [][]float64{{0, 1}, {0.3, 0.2}}, Mu: []float64{1.2, 0.9}, Servers: []int{1, 2}}
	p := chain{room * room, func(s int, add func(int, float64)) {
		n1, n2 := s/room, s%room
		if n1+1 < room {
			add(s+room, 0.4)
		}
		if n2+1 < room {
			add(s+1, 0.1)
		}
		if n1 > 0 && n2+1 < room {
			add(s-room+1, 1.2)
		}
		if n2 > 0 {
			rate := 0.9 * float64(min(n2, 2))
			if n1+1 < room {
				add(s-1+room, 0.3*rate)
			}
			add(s-1, 0.5*rate)
		}
	}}.stationary(t)
	stations, err := net.Stations()
	if err != nil {
		t.Fatal(err)
	}
	first := mean(p, func(s int) float64 { return float64(s / room) })
	second := mean(p, func(s int) float64 { return float64(s % room) })
	near(t, "first station", stations[0].MeanNumber(), first, 1e-6)
	near(t, "second station", stations[1].MeanNumber(), second, 1e-6)
	sojourn, err := net.MeanSojourn()
	if err != nil {
		t.Fatal(err)
	}
	near(t, "sojourn", sojourn, (first+second)/0.5, 1e-6)
}

// A tree: everybody visits station 0, then 30 % station 1 and 70 % station 2, and half of these station 3.
func TestJacksonTreeRates(t *testing.T) {
	net := Jackson{External: []float64{2, 0, 0, 0}, Routing: [][]float64{{0, 0.3, 0.7, 0}, {0, 0, 0, 0}, {0, 0, 0, 0.5}, {0, 0, 0, 0}},
		Mu: []float64{3, 1, 2, 1}, Servers: []int{1, 1, 1, 1}}
	rates, err := net.Rates()
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []float64{2, 0.6, 1.4, 0.7} {
		near(t, "rate", rates[i], want, 1e-15)
	}
	sojourn, err := net.MeanSojourn()
	if err != nil {
		t.Fatal(err)
	}
	near(t, "sojourn", sojourn, 1+0.3/0.4+0.7/0.6+0.35/0.3, 1e-14)
	net.Routing[1][0], net.Routing[3][0], net.Routing[2] = 1, 1, []float64{0, 0, 0, 1}
	if _, err := net.MeanSojourn(); err == nil {
		t.Error("a network that nobody leaves was solved")
	}
}

// Both queues get every request and serve in order, so the requests that are not complete number max(n1, n2); with
// Little's law the balance equations over (n1, n2) give their mean time.
func TestForkJoinAgainstBalanceEquations(t *testing.T) {
	const room = 130
	for _, rho := range []float64{0.1, 0.4, 0.7} {
		p := chain{room * room, func(s int, add func(int, float64)) {
			n1, n2 := s/room, s%room
			if n1+1 < room && n2+1 < room {
				add(s+room+1, rho)
			}
			if n1 > 0 {
				add(s-room, 1)
			}
			if n2 > 0 {
				add(s-1, 1)
			}
		}}.stationary(t)
		want := mean(p, func(s int) float64 { return float64(max(s/room, s%room)) }) / rho
		near(t, "sojourn", ForkJoin2{rho, 1}.MeanSojourn(), want, 1e-6)
	}
}
