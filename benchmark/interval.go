package benchmark

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/grlscaler/grlscaler/sim/rng"
)

// LeastBootstrapRuns is the number of runs of a task from which intervals are bootstrapped. Fewer runs cannot be redrawn into
// enough different samples: an interval is Student's then (docs/metrics.md has both coverages).
const LeastBootstrapRuns = 8

// Measured is a statistic with its standard error and the degrees of freedom of that (Welch-Satterthwaite).
type Measured struct{ Value, StdErr, Freedom float64 }

// A Measure condenses the scores of several tasks, tasks[t][run], as a [Statistic] does, and says how far off that may be. It
// may keep buffers and must not keep or change the scores.
type Measure func(tasks [][]float64) Measured

// MeasureMean is [MeanOfTasks]: its variance is the mean of s²/n over the tasks, over their number.
func MeasureMean(tasks [][]float64) Measured {
	var sum stratified
	for _, runs := range tasks {
		m, square := deviations(runs, math.Inf(-1), math.Inf(1))
		n := float64(len(runs))
		sum.add(m, square/(n-1)/n, n-1)
	}
	return sum.over(float64(len(tasks)))
}

// MeasureIQM is [IQM]. Its variance is that of the winsorised scores (those that are cut off moved to the last that is not, by the
// pooled order) over the share that is left, within each task (Tukey and McLaughlin 1963, for one task).
func MeasureIQM() Measure {
	var all []float64
	return func(tasks [][]float64) Measured {
		all = all[:0]
		for _, runs := range tasks {
			all = append(all, runs...)
		}
		slices.Sort(all)
		cut := len(all) / 4
		low, high := all[cut], all[len(all)-1-cut]
		left := float64(len(all) - 2*cut)
		var sum stratified
		for _, runs := range tasks {
			_, square := deviations(runs, low, high)
			n := float64(len(runs))
			sum.add(0, square/(n-1)*n, n-1)
		}
		m := sum.over(left)
		m.Value = Mean(all[cut : len(all)-cut])
		m.Freedom = math.Max(m.Freedom*left/float64(len(all)), 1)
		return m
	}
}

// deviations returns the mean of scores moved into [low, high], and the sum of their squared deviations from it.
func deviations(runs []float64, low, high float64) (mean, square float64) {
	for _, v := range runs {
		mean += min(max(v, low), high)
	}
	mean /= float64(len(runs))
	for _, v := range runs {
		d := min(max(v, low), high) - mean
		square += d * d
	}
	return mean, square
}

// stratified adds up independent parts.
type stratified struct{ value, variance, freedom float64 }

func (s *stratified) add(value, variance, freedom float64) {
	s.value += value
	s.variance += variance
	s.freedom += variance * variance / freedom
}

// over is the sum divided by n.
func (s *stratified) over(n float64) Measured {
	return Measured{s.value / n, math.Sqrt(s.variance) / n, s.variance * s.variance / s.freedom}
}

// Studentized returns the stratified bootstrap interval of a measure at level [Confidence], studentised: the runs of each task are
// redrawn with replacement within the task, and what is compared is the distance from the value in standard errors of the redrawn
// runs (Efron 1979; Hall 1988). From ten runs the ends of the plain percentile interval hold the truth in 87 to 90 % of cases, these in
// 94 to 96 %. With fewer runs than [LeastBootstrapRuns] in a task, or where too many redrawn samples are constant or hardly vary, it is Student's interval with the
// degrees of freedom of Welch and Satterthwaite.
//
// There is none when a task has fewer than two runs. Scores that are not finite, no repetitions and a nil stream are errors.
func Studentized(tasks [][]float64, measure Measure, reps int, s *rng.Stream) (Interval, error) {
	if err := checkBootstrap(tasks, reps, s); err != nil {
		return Interval{}, err
	}
	counts, redrawn := make([]int, len(tasks)), make([][]float64, len(tasks))
	for t, runs := range tasks {
		redrawn[t], counts[t] = make([]float64, len(runs)), len(runs)
	}
	return studentized(counts, reps, s, func(draw [][]int) Measured {
		for t, runs := range tasks {
			for i, k := range draw[t] {
				redrawn[t][i] = runs[k]
			}
		}
		return measure(redrawn)
	}), nil
}

// checkBootstrap refuses what no interval can be made of.
func checkBootstrap(tasks [][]float64, reps int, s *rng.Stream) error {
	if s == nil {
		return errors.New("bootstrap: no random stream; give one made by rng.New")
	}
	if reps < 1 {
		return fmt.Errorf("bootstrap: %d repetitions; at least 1 is needed", reps)
	}
	for t, runs := range tasks {
		for _, v := range runs {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return fmt.Errorf("bootstrap: a score of task %d is %g; scores must be finite", t, v)
			}
		}
	}
	return nil
}

// mostStretch is by how much an end of a bootstrap may be farther away than Student's. Beyond it the redrawn runs that lack an outlier, and
// seem to hardly vary, decide alone.
const mostStretch = 4.0

// noSpread is the standard error, relative to the value or to that of all runs, below which it is rounding.
const noSpread = 1e-9

// studentized draws counts[t] run numbers below counts[t] for each task, as resample does.
func studentized(counts []int, reps int, s *rng.Stream, stat func(draw [][]int) Measured) Interval {
	if len(counts) == 0 || slices.Min(counts) < 2 {
		return Interval{}
	}
	draw := make([][]int, len(counts))
	for t, n := range counts {
		draw[t] = make([]int, n)
		for i := range draw[t] {
			draw[t][i] = i
		}
	}
	own := stat(draw)
	if !(own.StdErr > noSpread*math.Abs(own.Value)) {
		return Interval{own.Value, own.Value, true}
	}
	const tail = (1 - Confidence) / 2
	student := studentQuantile(1-tail, own.Freedom)
	if slices.Min(counts) >= LeastBootstrapRuns {
		distances := make([]float64, reps)
		for r := range distances {
			for t, n := range counts {
				for i := range draw[t] {
					draw[t][i] = s.IntN(n)
				}
			}
			distances[r] = own.distance(stat(draw))
		}
		slices.Sort(distances)
		low, high := Quantile(distances, tail), Quantile(distances, 1-tail)
		if math.Max(-low, high) <= mostStretch*student { // false also for NaN
			return Interval{own.Value - high*own.StdErr, own.Value - low*own.StdErr, true}
		}
	}
	half := own.StdErr * student
	return Interval{own.Value - half, own.Value + half, true}
}

// distance is that of redrawn runs, in their own standard errors: infinite where they are all alike and elsewhere.
func (m *Measured) distance(redrawn Measured) float64 {
	d := redrawn.Value - m.Value
	switch {
	case redrawn.StdErr > noSpread*m.StdErr:
		return d / redrawn.StdErr
	case math.Abs(d) > noSpread*m.StdErr:
		return math.Copysign(math.Inf(1), d)
	}
	return 0
}

func studentQuantile(p, freedom float64) float64 {
	return distuv.StudentsT{Sigma: 1, Nu: freedom}.Quantile(p)
}

// expandedTail is what is cut from each end of bootstrap values of a statistic whose standard error is not known: less than
// (1 - Confidence)/2, so that for a mean the interval would be as wide as Student's (Hesterberg 2015, "What Teachers Should Know About the
// Bootstrap", section 4.3).
func expandedTail(counts []int) float64 {
	n := float64(slices.Min(counts))
	q := studentQuantile((1+Confidence)/2, (n-1)*float64(len(counts)))
	return distuv.UnitNormal.CDF(-q * math.Sqrt(n/(n-1)))
}

// ratio returns mean(a)/mean(b) of pairs of runs, and its interval: to first order its error is that of the mean of a - ratio b over mean(b).
// There is none where b's mean is not above 0, or the runs do not pair.
func ratio(a, b [][]float64, reps int, s *rng.Stream) (value float64, iv Interval, runs int) {
	if len(a) == 0 || len(a) != len(b) {
		return math.NaN(), Interval{}, 0
	}
	counts, left := make([]int, len(a)), make([][]float64, len(a))
	for t := range a {
		if len(a[t]) != len(b[t]) {
			return math.NaN(), Interval{}, 0
		}
		counts[t], left[t] = len(a[t]), make([]float64, len(a[t]))
		runs += len(a[t])
	}
	if !(MeanOfTasks(b) > 0) {
		return math.NaN(), Interval{}, runs
	}
	iv = studentized(counts, reps, s, func(draw [][]int) Measured {
		x, y := 0.0, 0.0
		for t := range draw {
			for _, k := range draw[t] {
				x += a[t][k] / float64(len(draw[t]))
				y += b[t][k] / float64(len(draw[t]))
			}
		}
		if !(y > 0) { // redrawn to nothing: as far off as can be
			return Measured{Value: math.Inf(1)}
		}
		for t := range draw {
			for i, k := range draw[t] {
				left[t][i] = a[t][k] - x/y*b[t][k]
			}
		}
		m := MeasureMean(left)
		n := float64(len(draw))
		return Measured{x / y, m.StdErr * n / y, m.Freedom}
	})
	return MeanOfTasks(a) / MeanOfTasks(b), iv, runs
}

// deltaInterval is the interval of [CliffsDeltaOfTasks]: the score interval of the Mann-Whitney statistic, Newcombe 2006 ("Confidence
// intervals for an effect size measure based on the Mann-Whitney statistic. Part 2", method 5), variances averaged over the tasks. It has a width
// when every run is above every other, too. It takes runs as independent; those on common random numbers move together, and it
// is wider than need be for them.
func deltaInterval(a, b [][]float64) Interval {
	if len(a) == 0 || len(a) != len(b) {
		return Interval{}
	}
	for t := range a {
		if len(a[t]) < 2 || len(b[t]) < 2 {
			return Interval{}
		}
	}
	tasks := float64(len(a))
	variance := func(p float64) float64 {
		sum := 0.0
		for t := range a {
			n, m := float64(len(a[t])), float64(len(b[t]))
			more := (n+m)/2 - 1
			sum += p * (1 - p) * (1 + more*(1-p)/(2-p) + more*p/(1+p)) / (n * m)
		}
		return sum / (tasks * tasks)
	}
	z := distuv.UnitNormal.Quantile((1 + Confidence) / 2)
	p := ProbabilityOfImprovement(a, b)
	end := func(out float64) float64 { // the last p on the way out that is not rejected
		in := p
		for range 60 {
			if mid := (in + out) / 2; math.Abs(mid-p) <= z*math.Sqrt(variance(mid)) {
				in = mid
			} else {
				out = mid
			}
		}
		return in
	}
	return Interval{2*end(0) - 1, 2*end(1) - 1, true}
}

// wilson is the interval of a share of n (Wilson 1927).
func wilson(share float64, n int) Interval {
	if n < 2 {
		return Interval{}
	}
	z := distuv.UnitNormal.Quantile((1 + Confidence) / 2)
	k := z * z / float64(n)
	centre := (share + k/2) / (1 + k)
	half := z / (1 + k) * math.Sqrt(share*(1-share)/float64(n)+k/float64(4*n))
	return Interval{max(centre-half, 0), min(centre+half, 1), true}
}
