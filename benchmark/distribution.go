package benchmark

import (
	"cmp"
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

// pooledPoint is one quantile of one run.
type pooledPoint struct {
	ms, weight float64
	task, run  int
}

// pool is the latency distribution of several runs together.
type pool struct {
	points []pooledPoint // ascending in ms
	counts []int         // runs of each task
}

// newPool merges tasks[t][run].
func newPool(tasks [][]*Distribution) *pool {
	p := &pool{counts: make([]int, len(tasks))}
	for t, runs := range tasks {
		p.counts[t] = len(runs)
		for r, d := range runs {
			for _, ms := range d.Ms {
				p.points = append(p.points, pooledPoint{ms, d.Weight / float64(len(d.Ms)), t, r})
			}
		}
	}
	slices.SortStableFunc(p.points, func(a, b pooledPoint) int { return cmp.Compare(a.ms, b.ms) })
	return p
}

// percentiles writes the latencies below which the shares ps (ascending) of all requests lie into dst. The
// requests of run r of task t count times[t][r]-fold, nil once. Zeros if there are no requests.
func (p *pool) percentiles(ps, dst []float64, times [][]float64) {
	factor := func(q *pooledPoint) float64 {
		if times == nil {
			return 1
		}
		return times[q.task][q.run]
	}
	total := 0.0
	for i := range p.points {
		total += p.points[i].weight * factor(&p.points[i])
	}
	clear(dst)
	k, acc := 0, 0.0
	for i := range p.points {
		if k == len(ps) || total <= 0 {
			return
		}
		acc += p.points[i].weight * factor(&p.points[i])
		for k < len(ps) && acc >= ps[k]*total*(1-1e-12) {
			dst[k] = p.points[i].ms
			k++
		}
	}
}

// poolReps is the number of bootstrap samples behind the interval of a pooled percentile. Each of them goes
// through all points; an end moves by about 2 % of the width.
const poolReps = 1000

// bootstrap returns the percentile bootstrap intervals of the pooled percentiles ps: whole runs are redrawn within
// their task, as in [Bootstrap].
func (p *pool) bootstrap(ps []float64, s *rng.Stream) []Interval {
	out := make([]Interval, len(ps))
	times := make([][]float64, len(p.counts))
	for t, n := range p.counts {
		if n < 2 {
			return out
		}
		times[t] = make([]float64, n)
	}
	if len(p.points) == 0 {
		return out
	}
	values := make([][]float64, len(ps))
	dst := make([]float64, len(ps))
	for range poolReps {
		for t, n := range p.counts {
			clear(times[t])
			for range n {
				times[t][s.IntN(n)]++
			}
		}
		p.percentiles(ps, dst, times)
		for k, v := range dst {
			values[k] = append(values[k], v)
		}
	}
	for k := range values {
		out[k] = percentileInterval(values[k])
	}
	return out
}
