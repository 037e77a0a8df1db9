package theory

import "math"

// quantile returns the smallest t with cdf(t) >= p, found by doubling from scale and then halving until the bracket is as
// narrow as float64 allows. cdf must not fall and must reach p.
func quantile(cdf func(float64) float64, p, scale float64) float64 {
	if cdf(0) >= p {
		return 0
	}
	if !(p < 1) {
		return math.Inf(1)
	}
	lo, hi := 0.0, scale
	for cdf(hi) < p {
		lo, hi = hi, 2*hi
		if math.IsInf(hi, 1) {
			return hi
		}
	}
	for range 200 {
		mid := lo + (hi-lo)/2
		if mid <= lo || mid >= hi {
			break
		}
		if cdf(mid) < p {
			lo = mid
		} else {
			hi = mid
		}
	}
	return hi
}

// Little is the mean number of customers in a place that rate of them per unit of time enter, and where each stays
// for a mean time (Little, "A proof for the queuing formula L = λW", Operations Research 9, 1961).
func Little(rate, time float64) float64 { return rate * time }
