package calibrate

import (
	"math"

	"github.com/grlscaler/grlscaler/sim/trace"
)

// stallRow is the latency of a service under throttling in one block. CPU alone hardly tells the floor of a visit's cost from
// its wake-ups: a busy replica saves wake-ups until its CPU fits the limit, whatever the floor is. Latency does tell: the
// floor decides how near to saturation the replica is. The row's equation is linear in the logarithm around the engine's
// numbers,
//
//	ln(own time recorded / simulated) = all (a changes as b does) and floor (a changes alone) elasticities x changes
type stallRow struct {
	gap        float64 // ln(recorded / simulated)
	all, floor float64 // d ln(own time) / d ln(a = b), and / d ln(a)
	visits     []float64
	noise      float64
}

// Blocks whose latency is used: throttled, but not so near saturation that it depends on how long the load lasted.
const (
	throttledFrom = 0.05
	saturated     = 0.95 // utilisation of the limit
	alwaysStalled = 0.99 // share of periods
	leastFactor   = 0.02 // keeps elasticities finite
	// mostElastic bounds what the scatter of a simulated latency can make of an elasticity.
	mostElastic = 15.0
)

// stallRows collects a service's rows.
func (m *model) stallRows(d *cpuData, all []*observed, sims []simulated, cur *numbers, replications int) []stallRow {
	s := d.service
	alone := m.aloneMs(cur)
	var quiet, rest []stallRow
	for i, o := range all {
		for k := range o.blocks {
			b, x := &o.blocks[k], &sims[i][k]
			v := &b.services[s]
			if !b.calm || !v.steady || !(v.throttled >= throttledFrom) || v.throttled >= alwaysStalled || !(v.cpu <= saturated*o.limits[s]*v.replicas) || !trace.Has(v.mean) {
				continue
			}
			visits := 0.0
			weight := make([]float64, len(d.ops))
			for j, op := range d.ops {
				weight[j] = b.visits[op]
				visits += b.visits[op]
			}
			own, below := v.mean, 0.0
			for j, op := range d.ops {
				r, q := m.callsMs(op, b, x, alone)
				own -= weight[j] / visits * r
				below += weight[j] / visits * q
			}
			now, dearer, slower := x.services[s].mean-below, x.dearer[s].mean-m.below(d, b, x, x.dearer, alone), x.slower[s].mean-m.below(d, b, x, x.slower, alone)
			if !(own > 0) || !(now > 0) || !(dearer > 0) || !(slower > 0) {
				continue
			}
			h := math.Log1p(probeStep)
			row := stallRow{gap: math.Log(own / now), all: elastic(math.Log(dearer/now) / h), floor: elastic(math.Log(slower/now) / h), visits: weight, noise: x.services[s].scatter}
			if o.Meta.Contended {
				rest = append(rest, row)
			} else {
				quiet = append(quiet, row)
			}
		}
	}
	if len(quiet) == 0 {
		quiet = rest
	}
	shareNoise(quiet, replications)
	return quiet
}

// unknownScatter is the variance of a minute's mean latency under throttling, relative, where runs do not show it.
const unknownScatter = 0.15 * 0.15

// shareNoise gives all rows at least the mean variance between runs: few runs do not show that of one row. Stalls come in
// rows, so it is many times that of as many independent visits. The engine's mean is over replications runs.
func shareNoise(rows []stallRow, replications int) {
	mean := 0.0
	for i := range rows {
		mean += rows[i].noise / float64(len(rows))
	}
	if !(mean > 0) { // one run shows none
		mean = unknownScatter
	}
	for i := range rows {
		if !(rows[i].noise > mean) {
			rows[i].noise = mean
		}
		rows[i].noise *= 1 + 1/float64(replications)
	}
}

// below is the time that visits of a service wait for calls, on average, in a probe.
func (m *model) below(d *cpuData, b *block, x *simulatedBlock, probe simProbe, alone []float64) float64 {
	y := *x
	y.services = probe
	sum, visits := 0.0, 0.0
	for _, op := range d.ops {
		_, q := m.callsMs(op, b, &y, alone)
		sum += b.visits[op] * q
		visits += b.visits[op]
	}
	return sum / visits
}

// elastic keeps an elasticity within reason: more CPU never makes visits faster.
func elastic(e float64) float64 { return math.Min(math.Max(e, 0), mostElastic) }

// stallEquation is a row in terms of a shape's columns, and its right side.
func (d *cpuData) stallEquation(r *stallRow, shape *cpuShape) (x []float64, y float64) {
	y = r.gap
	if shape.base {
		x = append(x, 0)
	}
	total := 0.0
	for j := range d.ops {
		total += r.visits[j] * d.floor[j] * d.nowA[j]
	}
	wake := math.Max(r.all-r.floor, 0)
	if d.noWake && !shape.wake {
		wake = 0
	}
	for _, group := range shape.groups {
		share := 0.0
		for _, j := range group {
			share += ratio(r.visits[j]*d.floor[j]*d.nowA[j], total)
		}
		slope := r.floor * share / d.nowA[group[0]]
		if !shape.wake { // b = a
			slope += wake * share / d.nowB
		}
		x = append(x, slope)
	}
	if shape.wake {
		x = append(x, wake/d.nowB)
	}
	return x, y + r.floor + wake
}

// ratio is a/b, 0 where b is 0.
func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}
