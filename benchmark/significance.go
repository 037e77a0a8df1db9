package benchmark

import (
	"cmp"
	"math"
	"slices"

	"github.com/grlscaler/grlscaler/sim/rng"
)

const (
	// leastClaimSeeds is the number of seeds from which a p-value is given.
	leastClaimSeeds = 4
	// exactFlips is the number of runs up to which all changes of signs are tried.
	exactFlips = 14
	// drawnFlips is the number of changes that are drawn beyond.
	drawnFlips = 20_000
)

// SignFlip is the two-sided p-value of the paired randomisation test (Fisher 1935): if neither of two controllers is better, a
// difference of theirs on common random numbers might as well have the other sign; p is the share of the changes of signs after which the mean
// over the tasks is at least as far from 0. Up to 14 runs all are tried; beyond, 20,000 are drawn, and that with no change counts as one more.
// 1 without differences.
func SignFlip(diff [][]float64, s *rng.Stream) float64 {
	var x []float64 // each run's part of the mean
	for _, runs := range diff {
		for _, v := range runs {
			x = append(x, v/float64(len(runs)*len(diff)))
		}
	}
	sum := 0.0
	for _, v := range x {
		sum += v
	}
	bound := math.Abs(sum) * (1 - 1e-12) // sums in another order round differently
	far := 0
	if len(x) <= exactFlips {
		for signs := range 1 << len(x) {
			if flipped(x, uint64(signs)) >= bound {
				far++
			}
		}
		return float64(far) / float64(int(1)<<len(x))
	}
	for range drawnFlips {
		total := 0.0
		for i := 0; i < len(x); i += 64 {
			total += flippedSum(x[i:min(i+64, len(x))], s.Uint64())
		}
		if math.Abs(total) >= bound {
			far++
		}
	}
	return float64(far+1) / (drawnFlips + 1)
}

func flipped(x []float64, signs uint64) float64 { return math.Abs(flippedSum(x, signs)) }

// flippedSum adds x up, the sign of x[i] changed where bit i is set.
func flippedSum(x []float64, signs uint64) float64 {
	sum := 0.0
	for i, v := range x {
		if signs>>i&1 == 1 {
			v = -v
		}
		sum += v
	}
	return sum
}

// Holm corrects p-values for being several (Holm 1979): the smallest times their number, the next times one less, and so on, none below
// the one before nor above 1. Values that are NaN are no test and stay so.
func Holm(p []float64) []float64 {
	out := slices.Clone(p)
	var order []int
	for i, v := range p {
		if !math.IsNaN(v) {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(p[i], p[j]) })
	largest := 0.0
	for k, i := range order {
		largest = max(largest, min(1, p[i]*float64(len(order)-k)))
		out[i] = largest
	}
	return out
}
