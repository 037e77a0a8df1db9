package sim

import (
	"math"
	"math/rand/v2"
)

// Every visit has a generator of its own. It starts from a number that follows from that of its caller's and from how many
// calls the caller has made before, so the service times and call counts of a request are the same whatever else happens
// in the system: controllers that are compared on one seed meet not only the same arrivals but the same work.

// nextRandom is where the generator of a visit's next call starts. The multiplier is none that a generator's own numbers
// step by, so the two never meet.
func (v *visit) nextRandom() uint64 {
	v.made++
	return mix64(v.random + uint64(v.made)*0xd1342543de82ef95)
}

// retryRandom is where the generator of another try starts: it draws anew.
func retryRandom(random uint64) uint64 { return mix64(random + 1) }

// What a visit's number is used for beside its generator. A draw for one purpose leaves the others as they are.
const (
	forReplica    = 0x2545f4914f6cdd1d
	forConnection = 0x9fb21c651e98df25
	forBackoff    = 0xda942042e4dd58b5
)

// drawFor draws from [0, 1) for one purpose.
func drawFor(random, purpose uint64) float64 { return unitOf(mix64(random ^ purpose)) }

// splitMix is the SplitMix64 generator (Steele, Lea and Flood, "Fast splittable pseudorandom number generators",
// OOPSLA 2014): 64 bits of state, every seed as good as another.
type splitMix struct{ state uint64 }

// Uint64 implements rand.Source.
func (s *splitMix) Uint64() uint64 {
	s.state += 0x9e3779b97f4a7c15
	return mix64(s.state)
}

func mix64(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// unitOf maps 64 random bits to [0, 1).
func unitOf(x uint64) float64 { return float64(x>>11) * (1.0 / (1 << 53)) }

// sampler draws from one distribution.
type sampler struct {
	dist Dist
	mean float64
	a, b float64 // log-normal: mu, sigma; gamma: shape, scale
}

func newSampler(mean, cv float64, dist Dist) sampler {
	s := sampler{dist: dist, mean: mean}
	if cv == 0 || mean == 0 {
		s.dist = Deterministic
	}
	switch s.dist {
	case LogNormal, "":
		s.dist = LogNormal
		v := math.Log1p(cv * cv)
		s.a, s.b = math.Log(mean)-v/2, math.Sqrt(v)
	case Gamma:
		s.a = 1 / (cv * cv)
		s.b = mean / s.a
	}
	return s
}

func (s *sampler) draw(r *rand.Rand) float64 {
	switch s.dist {
	case LogNormal:
		return math.Exp(s.a + s.b*r.NormFloat64())
	case Exponential:
		return s.mean * r.ExpFloat64()
	case Gamma:
		return s.b * gammaVariate(r, s.a)
	}
	return s.mean
}

// gammaVariate draws from the gamma distribution of scale 1 (Marsaglia and Tsang, "A simple method for generating gamma
// variables", ACM TOMS 26(3), 2000); a shape below 1 is lifted by one and the result scaled by U^(1/shape).
func gammaVariate(r *rand.Rand, shape float64) float64 {
	lift := 1.0
	if shape < 1 {
		lift = math.Pow(1-r.Float64(), 1/shape)
		shape++
	}
	d := shape - 1.0/3
	c := 1 / math.Sqrt(9*d)
	for {
		x := r.NormFloat64()
		v := 1 + c*x
		if v <= 0 {
			continue
		}
		v = v * v * v
		u := 1 - r.Float64()
		if math.Log(u) < x*x/2+d-d*v+d*math.Log(v) {
			return d * v * lift
		}
	}
}
