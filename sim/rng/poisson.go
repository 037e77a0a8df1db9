package rng

import "math"

// Poisson draws a Poisson count with the given mean; 0 for a mean of 0 or less.
//
// Below a mean of 10 it multiplies uniforms (Knuth, TAOCP vol. 2, 3.4.1, algorithm Q); from 10 on it uses
// Hörmann's transformed rejection PTRS ("The transformed rejection method for generating Poisson random
// variables", Insurance: Mathematics and Economics 12, 1993), exact and constant in cost.
func (s *Stream) Poisson(mean float64) float64 {
	switch {
	case !(mean > 0):
		return 0
	case mean < 10:
		limit, product, n := math.Exp(-mean), s.Float64(), 0.0
		for product > limit {
			n++
			product *= s.Float64()
		}
		return n
	}
	b := 0.931 + 2.53*math.Sqrt(mean)
	a := -0.059 + 0.02483*b
	invAlpha := 1.1239 + 1.1328/(b-3.4)
	vr := 0.9277 - 3.6224/(b-2)
	for {
		u := s.Float64() - 0.5
		v := s.Float64()
		us := 0.5 - math.Abs(u)
		k := math.Floor((2*a/us+b)*u + mean + 0.43)
		if us >= 0.07 && v <= vr {
			return k
		}
		if k < 0 || (us < 0.013 && v > us) {
			continue
		}
		logGamma, _ := math.Lgamma(k + 1)
		if math.Log(v*invAlpha/(a/(us*us)+b)) <= k*math.Log(mean)-mean-logGamma {
			return k
		}
	}
}
