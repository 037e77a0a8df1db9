package theory

import "math"

// Hypoexponential is the sum of independent exponential times with these rates, equal ones allowed.
//
// The sojourn through stations in series, each M/M/1 first come first served with rate μ(i) and Poisson arrivals at
// rate λ at the first, has the rates μ(i) - λ: what leaves is Poisson again (Burke, "The output of a queuing
// system", Operations Research 4, 1956) and the times at the stations are independent (Reich, "Waiting times when
// queues are in tandem", Annals of Mathematical Statistics 28, 1957).
type Hypoexponential []float64

// Tandem is the sojourn through M/M/1 stations in series.
func Tandem(lambda float64, mu ...float64) Hypoexponential {
	h := make(Hypoexponential, len(mu))
	for i := range mu {
		h[i] = mu[i] - lambda
	}
	return h
}

func (h Hypoexponential) positive() bool {
	for _, r := range h {
		if !(r > 0) {
			return false
		}
	}
	return true
}

// Mean is the sum of 1/rate.
func (h Hypoexponential) Mean() float64 {
	if !h.positive() {
		return math.Inf(1)
	}
	sum := 0.0
	for _, r := range h {
		sum += 1 / r
	}
	return sum
}

// Variance is the sum of 1/rate^2.
func (h Hypoexponential) Variance() float64 {
	if !h.positive() {
		return math.Inf(1)
	}
	sum := 0.0
	for _, r := range h {
		sum += 1 / (r * r)
	}
	return sum
}

// CDF is P(sum <= t). The textbook form, a sum of exponentials with alternating signs, fails for rates that are
// equal or nearly so. This is uniformisation (Jensen 1953): at the jumps of a Poisson stream of the largest rate r
// each stage is left with probability rate/r, so P(sum > t) = sum over k of Poisson(k; rt) P(not through after k
// jumps), all terms positive.
func (h Hypoexponential) CDF(t float64) float64 {
	if t <= 0 || !h.positive() {
		return 0
	}
	fastest := 0.0
	for _, r := range h {
		fastest = max(fastest, r)
	}
	at := make([]float64, len(h)) // probability of being in each stage after k jumps
	at[0] = 1
	mean := fastest * t
	last := int(mean + 10*math.Sqrt(mean) + 40) // what is left out is below 1e-16
	beyond := 0.0
	for k := 0; k <= last; k++ {
		left := 0.0
		for _, p := range at {
			left += p
		}
		logGamma, _ := math.Lgamma(float64(k + 1))
		beyond += left * math.Exp(float64(k)*math.Log(mean)-mean-logGamma)
		for i := len(at) - 1; i >= 0; i-- {
			at[i] *= 1 - h[i]/fastest
			if i > 0 {
				at[i] += at[i-1] * h[i-1] / fastest
			}
		}
	}
	return max(0, 1-beyond)
}

// Quantile is the time that share p of the sums do not exceed.
func (h Hypoexponential) Quantile(p float64) float64 {
	if !h.positive() {
		return math.Inf(1)
	}
	return quantile(h.CDF, p, h.Mean())
}
