package theory

import "testing"

// Balance equations with exponential times, and with work of two phases, of which a customer at work is in the first or
// the second: (n at work, m of them in the second).
func TestClosedAgainstBalanceEquations(t *testing.T) {
	for _, c := range []Closed{{1, 3, 2, 1}, {4, 20, 10, 1}, {6, 5, 10, 3}, {2, 1, 4, 5}} {
		rate := func(n int) float64 { // of each customer at work
			return min(1, float64(c.Cores)/float64(max(n, 1)))
		}
		p := chain{c.Customers + 1, func(n int, add func(int, float64)) {
			if n < c.Customers {
				add(n+1, float64(c.Customers-n)/c.Think)
			}
			if n > 0 {
				add(n-1, float64(n)*rate(n)/c.Mean)
			}
		}}.stationary(t)
		for n, x := range c.Numbers() {
			near(t, "P(n)", x, p[n], 1e-12)
		}
		// Work of a first phase of mean 0.3 and, for 40 % of it, a second one that makes the mean what it is.
		first := 0.3 * c.Mean
		second := (c.Mean - first) / 0.4
		size := c.Customers + 1
		two := chain{size * size, func(s int, add func(int, float64)) {
			a, b := s/size, s%size // in the first and second phase
			n := a + b
			if n > c.Customers {
				add(0, 1) // not reached
				return
			}
			if n < c.Customers {
				add(s+size, float64(c.Customers-n)/c.Think)
			}
			if a > 0 {
				out := float64(a) * rate(n) / first
				add(s-size, 0.6*out)
				add(s-size+1, 0.4*out)
			}
			if b > 0 {
				add(s-1, float64(b)*rate(n)/second)
			}
		}}.stationary(t)
		done := mean(two, func(s int) float64 {
			a, b := s/size, s%size
			if a+b > c.Customers {
				return 0
			}
			return rate(a+b) * (0.6*float64(a)/first + float64(b)/second)
		})
		near(t, "throughput", c.Throughput(), done, 1e-9)
	}
	near(t, "no time in between", Closed{7, 0, 2, 3}.Throughput(), 1.5, 1e-15)
	near(t, "one customer", Closed{1, 3, 2, 1}.Throughput(), 0.2, 1e-15)
}
