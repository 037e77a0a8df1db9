package theory

import "math"

// ForkJoin2 is a request stream of rate Lambda, Poisson, of which each request is one task at each of two servers
// at once and ends with the later one. The servers are exponential with rate Mu, first come first served.
type ForkJoin2 struct {
	Lambda float64
	Mu     float64
}

// MeanSojourn is (12 - ρ)/8 · 1/(μ - λ), exact for two servers (Nelson and Tantawi, "Approximate analysis of fork/join
// synchronization in parallel queues", IEEE Transactions on Computers 37, 1988, equation 6, after Flatto and Hahn 1984).
func (f ForkJoin2) MeanSojourn() float64 {
	rho := f.Lambda / f.Mu
	if !(rho < 1) {
		return math.Inf(1)
	}
	return (12 - rho) / 8 / (f.Mu - f.Lambda)
}
