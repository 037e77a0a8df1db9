package rl

import (
	"fmt"
	"math"

	"github.com/grlscaler/grlscaler/sim"
)

// RunningMeanStd follows the mean and the population variance of the columns of all rows seen so far.
//
// It starts at mean 0, variance 1 and a count of 1e-4, so that the first batch decides nearly alone, and merges
// batches by their counts (Chan, Golub and LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing
// Sample Variances", 1979; Stable-Baselines3's RunningMeanStd has the same start). Everything is float64.
type RunningMeanStd struct {
	Mean, Var []float64
	Count     float64
}

// NewRunningMeanStd returns the statistics of width columns before any row.
func NewRunningMeanStd(width int) *RunningMeanStd {
	r := &RunningMeanStd{Mean: make([]float64, width), Var: make([]float64, width), Count: 1e-4}
	for i := range r.Var {
		r.Var[i] = 1
	}
	return r
}

// Update adds a batch of rows, row-major. An empty batch changes nothing.
func (r *RunningMeanStd) Update(rows []float32) { updateMoments(r, rows) }

// UpdateFloat64 is [RunningMeanStd.Update] for float64 rows.
func (r *RunningMeanStd) UpdateFloat64(rows []float64) { updateMoments(r, rows) }

func updateMoments[T float32 | float64](r *RunningMeanStd, rows []T) {
	width := len(r.Mean)
	if width == 0 || len(rows) == 0 {
		return
	}
	if len(rows)%width != 0 {
		panic(fmt.Sprintf("rl: %d numbers are not rows of %d columns", len(rows), width))
	}
	n := float64(len(rows) / width)
	total := r.Count + n
	for c := range width {
		mean := 0.0
		for i := c; i < len(rows); i += width {
			mean += float64(rows[i])
		}
		mean /= n
		squares := 0.0 // sum of squared deviations of the batch from its own mean
		for i := c; i < len(rows); i += width {
			d := float64(rows[i]) - mean
			squares += d * d
		}
		delta := mean - r.Mean[c]
		r.Mean[c] += delta * n / total
		r.Var[c] = (r.Var[c]*r.Count + squares + delta*delta*r.Count*n/total) / total
	}
	r.Count = total
}

// Normalize replaces each number of rows by clip((x - mean)/sqrt(var + 1e-8), -clip, clip).
func (r *RunningMeanStd) Normalize(rows []float32, clip float64) {
	width := len(r.Mean)
	if width == 0 {
		return
	}
	for c := range width {
		mean, scale := r.Mean[c], 1/math.Sqrt(r.Var[c]+normEpsilon)
		for i := c; i < len(rows); i += width {
			rows[i] = float32(clamp((float64(rows[i])-mean)*scale, clip))
		}
	}
}

// normEpsilon keeps the division finite for a column that never varies.
const normEpsilon = 1e-8

func clamp(x, bound float64) float64 { return max(-bound, min(bound, x)) }

// ObsNormalizer normalises observations feature by feature. A feature's statistics are shared by all services
// (nodes, edges) of all environments, so that a policy keeps its meaning when services change places or the
// application has more of them. RunsOn holds pod counts, which weight edges, and stays as it is.
type ObsNormalizer struct {
	Services, Nodes, Edges, Scalars *RunningMeanStd
	Clip                            float64 // bound of a normalised number
}

// NewObsNormalizer returns the statistics before any observation.
func NewObsNormalizer(spec *sim.EnvSpec, clip float64) *ObsNormalizer {
	return &ObsNormalizer{
		Services: NewRunningMeanStd(spec.ServiceFeatures),
		Nodes:    NewRunningMeanStd(spec.NodeFeatures),
		Edges:    NewRunningMeanStd(spec.EdgeFeatures),
		Scalars:  NewRunningMeanStd(spec.Scalars),
		Clip:     clip,
	}
}

// Update adds a batch of raw observations to the statistics.
func (n *ObsNormalizer) Update(o *sim.Obs) {
	n.Services.Update(o.Services)
	n.Nodes.Update(o.Nodes)
	n.Edges.Update(o.Edges)
	n.Scalars.Update(o.Scalars)
}

// Normalize replaces a batch of raw observations by normalised ones, in place.
func (n *ObsNormalizer) Normalize(o *sim.Obs) {
	n.Services.Normalize(o.Services, n.Clip)
	n.Nodes.Normalize(o.Nodes, n.Clip)
	n.Edges.Normalize(o.Edges, n.Clip)
	n.Scalars.Normalize(o.Scalars, n.Clip)
}

// RewardNormalizer scales rewards by the standard deviation of the discounted return that each environment has
// collected so far in its episode. Rewards are not centred, which would change what is optimal.
type RewardNormalizer struct {
	Return *RunningMeanStd // of the discounted returns, one column
	Gamma  float64
	Clip   float64
	Sums   []float64 // discounted return of each environment's current episode
}

// NewRewardNormalizer returns the statistics of envs environments before any reward.
func NewRewardNormalizer(envs int, gamma, clip float64) *RewardNormalizer {
	return &RewardNormalizer{Return: NewRunningMeanStd(1), Gamma: gamma, Clip: clip, Sums: make([]float64, envs)}
}

// Update adds one reward of each environment to the statistics; done environments start a new sum.
func (n *RewardNormalizer) Update(rewards []float32, terminated, truncated []bool) {
	for e, r := range rewards {
		n.Sums[e] = n.Sums[e]*n.Gamma + float64(r)
	}
	n.Return.UpdateFloat64(n.Sums)
	for e := range rewards {
		if terminated[e] || truncated[e] {
			n.Sums[e] = 0
		}
	}
}

// Normalize replaces rewards by clip(r/sqrt(var + 1e-8), -Clip, Clip), in place.
func (n *RewardNormalizer) Normalize(rewards []float32) {
	scale := 1 / math.Sqrt(n.Return.Var[0]+normEpsilon)
	for i, r := range rewards {
		rewards[i] = float32(clamp(float64(r)*scale, n.Clip))
	}
}

// ExplainedVariance is 1 - Var(returns - values)/Var(returns): 1 for a perfect value function, 0 for one that
// is no better than a constant, NaN where the returns do not vary.
func ExplainedVariance(values, returns []float32) float64 {
	residual := func(i int) float64 { return float64(returns[i]) - float64(values[i]) }
	truth := func(i int) float64 { return float64(returns[i]) }
	variance := populationVariance(len(returns), truth)
	if variance == 0 {
		return math.NaN()
	}
	return 1 - populationVariance(len(returns), residual)/variance
}

func populationVariance(n int, at func(int) float64) float64 {
	mean := 0.0
	for i := range n {
		mean += at(i)
	}
	mean /= float64(n)
	sum := 0.0
	for i := range n {
		d := at(i) - mean
		sum += d * d
	}
	return sum / float64(n)
}
