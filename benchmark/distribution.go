package benchmark

import (
	"cmp"
	"math"
	"slices"

	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/rng"
)

// distributionPoints is the number of quantiles that stand for a latency distribution: ten beyond the 99th
// percentile.
const distributionPoints = 1000

// Distribution is a run's latency distribution, condensed to quantiles of equal weight, so that the percentiles
// of several runs together can be found: percentiles cannot be averaged. A zero Weight means no requests.
type Distribution struct {
	Weight float64   `json:"weight"` // requests completed
	Ms     []float64 `json:"ms"`     // the (k+1/2)/n quantiles for k = 0 .. n-1, ascending
}

// NewDistribution condenses a histogram. Values are rounded to whole microseconds, which shows in the histogram's
// lowest buckets alone.
func NewDistribution(h *sim.Histogram) Distribution {
	if h.Count() <= 0 {
		return Distribution{}
	}
	d := Distribution{Weight: h.Count(), Ms: make([]float64, distributionPoints)}
	for k := range d.Ms {
		d.Ms[k] = roundTo(h.QuantileMs((float64(k)+0.5)/distributionPoints), 1000)
	}
	return d
}

// valid tells whether this is what NewDistribution gives: read from a file it may be anything.
func (d *Distribution) valid() bool {
	if d.Weight == 0 {
		return len(d.Ms) == 0
	}
	if !(d.Weight > 0) || math.IsInf(d.Weight, 0) || len(d.Ms) != distributionPoints || d.Ms[0] < 0 {
		return false
	}
	return slices.IsSorted(d.Ms) && !slices.ContainsFunc(d.Ms, func(ms float64) bool { return math.IsNaN(ms) || math.IsInf(ms, 0) })
}

// pooledPoint is one quantile of one run.
type pooledPoint struct {
	ms, weight float64
	run        int
}

// pool is the latency distribution of several runs together.
type pool struct {
	points  []pooledPoint // ascending in ms
	weights []float64     // [run] all tasks in a row
	counts  []int         // [task] number of its runs
}

// newPool merges tasks[t][run].
func newPool(tasks [][]*Distribution) *pool {
	p := &pool{counts: make([]int, len(tasks))}
	for t, runs := range tasks {
		p.counts[t] = len(runs)
		for _, d := range runs {
			for _, ms := range d.Ms {
				p.points = append(p.points, pooledPoint{ms, d.Weight / float64(len(d.Ms)), len(p.weights)})
			}
			p.weights = append(p.weights, d.Weight)
		}
	}
	slices.SortStableFunc(p.points, func(a, b pooledPoint) int { return cmp.Compare(a.ms, b.ms) })
	return p
}

// percentiles writes the latencies below which the shares ps (ascending) of all requests lie into dst. The
// requests of run r count times[r]-fold. Zeros if there are no requests.
func (p *pool) percentiles(ps, dst, times []float64) {
	total := 0.0
	for r, w := range p.weights {
		total += w * times[r]
	}
	clear(dst)
	k, acc := 0, 0.0
	for i := range p.points {
		q := &p.points[i]
		acc += q.weight * times[q.run]
		for k < len(ps) && total > 0 && acc >= ps[k]*total*(1-1e-9) {
			dst[k] = q.ms
			k++
		}
	}
}

// all counts every run once.
func (p *pool) all() []float64 {
	times := make([]float64, len(p.weights))
	for r := range times {
		times[r] = 1
	}
	return times
}

// poolReps is the number of bootstrap samples behind the interval of a pooled percentile. Each of them goes
// through all points; an end moves by about 2 % of the width.
const poolReps = 1000

// bootstrap returns the bootstrap intervals of the pooled percentiles ps: whole runs are redrawn within
// their task, as in [Bootstrap], and less is cut from the ends (expandedTail).
func (p *pool) bootstrap(ps []float64, reps int, s *rng.Stream) []Interval {
	out := make([]Interval, len(ps))
	if len(p.points) == 0 || slices.Min(p.counts) < 2 {
		return out
	}
	times := make([]float64, len(p.weights))
	values := make([][]float64, len(ps))
	dst := make([]float64, len(ps))
	for range reps {
		clear(times)
		first := 0
		for _, n := range p.counts {
			for range n {
				times[first+s.IntN(n)]++
			}
			first += n
		}
		p.percentiles(ps, dst, times)
		for k, v := range dst {
			values[k] = append(values[k], v)
		}
	}
	for k := range values {
		out[k] = percentileInterval(values[k], expandedTail(p.counts))
	}
	return out
}
