package benchmark

import (
	"fmt"
	"math"
	"slices"

	"github.com/grlscaler/grlscaler/sim/rng"
)

// BootstrapReps is the number of bootstrap samples behind a printed interval. From one stream to another an end
// of it then moves by about 1 % of its width.
const BootstrapReps = 5000

// Confidence is the level of every interval that is printed.
const Confidence = 0.95

// Interval is a confidence interval. Valid is false where there is none: one run says nothing about the spread.
type Interval struct {
	Low, High float64
	Valid     bool
}

// HalfWidth is half the length of the interval, 0 where there is none.
func (iv Interval) HalfWidth() float64 {
	if !iv.Valid {
		return 0
	}
	return (iv.High - iv.Low) / 2
}

// Mean is the arithmetic mean, 0 of nothing.
func Mean(x []float64) float64 {
	if len(x) == 0 {
		return 0
	}
	sum := 0.0
	for _, v := range x {
		sum += v
	}
	return sum / float64(len(x))
}

// Quantile returns the value below which share p of a sorted sample lies, linearly interpolated between the two
// neighbours of rank p(n-1) (type 7 of Hyndman and Fan 1996, numpy's default); 0 of nothing.
func Quantile(sorted []float64, p float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	at := p * float64(len(sorted)-1)
	i := min(int(at), len(sorted)-1)
	j := min(i+1, len(sorted)-1)
	return sorted[i] + (at-float64(i))*(sorted[j]-sorted[i])
}

// A Statistic condenses the scores of several tasks, tasks[t][run], into one number. It may keep buffers, so it
// belongs to one goroutine, and it must not keep or change the scores.
type Statistic func(tasks [][]float64) float64

// MeanOfTasks is the mean over the tasks of each task's mean: every task counts the same, however many of its
// runs are there.
func MeanOfTasks(tasks [][]float64) float64 {
	if len(tasks) == 0 {
		return 0
	}
	sum := 0.0
	for _, runs := range tasks {
		sum += Mean(runs)
	}
	return sum / float64(len(tasks))
}

// IQM returns the interquartile mean: the mean of what is left of all n scores, tasks pooled, when floor(n/4)
// are cut from each end (Agarwal et al. 2021, "Deep Reinforcement Learning at the Edge of the Statistical
// Precipice", section 4.2; whole scores, nothing is interpolated).
func IQM() Statistic {
	var all []float64
	return func(tasks [][]float64) float64 {
		all = all[:0]
		for _, runs := range tasks {
			all = append(all, runs...)
		}
		slices.Sort(all)
		cut := len(all) / 4
		return Mean(all[cut : len(all)-cut])
	}
}

// MedianOfTasks returns the median over the tasks of each task's mean.
func MedianOfTasks() Statistic {
	var means []float64
	return func(tasks [][]float64) float64 {
		means = means[:0]
		for _, runs := range tasks {
			means = append(means, Mean(runs))
		}
		slices.Sort(means)
		return Quantile(means, 0.5)
	}
}

// OptimalityGap is target - mean(min(score, target)): by how much the scores miss the target, those above it
// counting as just met (Agarwal et al. 2021).
func OptimalityGap(target float64) Statistic {
	return func(tasks [][]float64) float64 {
		sum, n := 0.0, 0
		for _, runs := range tasks {
			for _, v := range runs {
				sum += min(v, target)
			}
			n += len(runs)
		}
		if n == 0 {
			return 0
		}
		return target - sum/float64(n)
	}
}

// ShareAbove is the share of all scores above tau: one point of a performance profile.
func ShareAbove(tasks [][]float64, tau float64) float64 {
	above, n := 0, 0
	for _, runs := range tasks {
		for _, v := range runs {
			if v > tau {
				above++
			}
		}
		n += len(runs)
	}
	if n == 0 {
		return 0
	}
	return float64(above) / float64(n)
}

// Bootstrap returns the percentile bootstrap interval of a statistic at level [Confidence], stratified: the runs
// of each task are redrawn with replacement within the task, independently of the other tasks.
//
// There is no interval when a task has fewer than two runs. With few runs it is too narrow (three runs cannot be
// redrawn to show more than their own range), and with ten it still is: tables print [Studentized]. Scores
// that are not finite, no repetitions and a nil stream are errors.
func Bootstrap(tasks [][]float64, stat Statistic, reps int, s *rng.Stream) (Interval, error) {
	if err := checkBootstrap(tasks, reps, s); err != nil {
		return Interval{}, err
	}
	redrawn := make([][]float64, len(tasks))
	counts := make([]int, len(tasks))
	for t, runs := range tasks {
		redrawn[t], counts[t] = make([]float64, len(runs)), len(runs)
	}
	return resample(counts, reps, s, func(draw [][]int) float64 {
		for t, runs := range tasks {
			for i, k := range draw[t] {
				redrawn[t][i] = runs[k]
			}
		}
		return stat(redrawn)
	}), nil
}

// resample draws counts[t] run numbers below counts[t] for each task, reps times over, and returns the percentile
// interval of what stat makes of them. There is none if a task has fewer than two runs, or there is no task.
func resample(counts []int, reps int, s *rng.Stream, stat func(draw [][]int) float64) Interval {
	if len(counts) == 0 || slices.Min(counts) < 2 {
		return Interval{}
	}
	draw := make([][]int, len(counts))
	for t, n := range counts {
		draw[t] = make([]int, n)
	}
	values := make([]float64, reps)
	for r := range values {
		for t, n := range counts {
			for i := range draw[t] {
				draw[t][i] = s.IntN(n)
			}
		}
		values[r] = stat(draw)
	}
	return percentileInterval(values, (1-Confidence)/2)
}

// percentileInterval cuts a share of tail from each end of bootstrap values, which it sorts.
func percentileInterval(values []float64, tail float64) Interval {
	slices.Sort(values)
	return Interval{Low: Quantile(values, tail), High: Quantile(values, 1-tail), Valid: true}
}

// roundTo rounds x to whole 1/steps.
func roundTo(x, steps float64) float64 { return math.Round(x*steps) / steps }

// PairedDifferences returns a[t][i] - b[t][i]: the differences of runs that met the same random numbers. Both must
// hold the same runs in the same order.
func PairedDifferences(a, b [][]float64) ([][]float64, error) {
	if len(a) != len(b) {
		return nil, fmt.Errorf("paired differences: %d tasks against %d", len(a), len(b))
	}
	diff := make([][]float64, len(a))
	for t := range a {
		if len(a[t]) != len(b[t]) {
			return nil, fmt.Errorf("paired differences: task %d has %d runs against %d", t, len(a[t]), len(b[t]))
		}
		diff[t] = make([]float64, len(a[t]))
		for i := range a[t] {
			diff[t][i] = a[t][i] - b[t][i]
		}
	}
	return diff, nil
}

// Pairs counts the pairs (x from a, y from b) with x above, below and equal to y.
func Pairs(a, b []float64) (greater, less, equal int) {
	for _, x := range a {
		for _, y := range b {
			switch {
			case x > y:
				greater++
			case x < y:
				less++
			default:
				equal++
			}
		}
	}
	return greater, less, equal
}

// CliffsDelta is (#(x > y) - #(x < y)) / (n m) over all pairs of a run of a and a run of b (Cliff 1993): 1 when
// every x is above every y, 0 when neither tends to be. 0 when either is empty.
func CliffsDelta(a, b []float64) float64 {
	greater, less, equal := Pairs(a, b)
	if n := greater + less + equal; n > 0 {
		return float64(greater-less) / float64(n)
	}
	return 0
}

// CliffsDeltaOfTasks is the mean over the tasks of Cliff's delta within the task.
func CliffsDeltaOfTasks(a, b [][]float64) float64 {
	if len(a) == 0 || len(a) != len(b) {
		return 0
	}
	sum := 0.0
	for t := range a {
		sum += CliffsDelta(a[t], b[t])
	}
	return sum / float64(len(a))
}

// ProbabilityOfImprovement is P(x > y) + P(x = y)/2 for a run x of a and a run y of b, averaged over the tasks
// (Agarwal et al. 2021): (1 + delta)/2 with Cliff's delta.
func ProbabilityOfImprovement(a, b [][]float64) float64 {
	return (1 + CliffsDeltaOfTasks(a, b)) / 2
}
