package sim

import "math"

// Logarithm and power of the hot path: Mitchell's (J. N. Mitchell, "Computer multiplication and division using binary
// logarithms", IRE Trans. Electronic Computers 11, 1962). log2m is log2 with the mantissa drawn straight, at most 0.086
// off, exp2m its exact inverse; both rise everywhere. What is fitted in the one and read with the other is as good as with
// true logarithms, for two instructions instead of a call.

// log2m is about log2 x, x > 0 and not subnormal.
func log2m(x float64) float64 {
	return float64(int64(math.Float64bits(x))-1023<<52) * (1.0 / (1 << 52))
}

// exp2m is about 2^y: exp2m(log2m(x)) = x. Beyond 2^-60 and 2^60 it stays there.
func exp2m(y float64) float64 {
	if y < -60 {
		y = -60
	}
	if y > 60 {
		y = 60
	}
	return math.Float64frombits(uint64(int64(y*(1<<52)) + 1023<<52))
}
