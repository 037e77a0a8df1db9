package sim

import (
	"math"
	"slices"
)

// maxTickArrivals and maxTickVisits bound the requests that are let in in one tick, and the visits that they make without
// retries; others are refused at the door.
const (
	maxTickArrivals = 500_000
	maxTickVisits   = 5_000_000
)

type arrival struct {
	at       float64
	endpoint int32
}

// drawArrivals draws the times of a tick's arrivals: given their number, those of a Poisson process are uniform.
func (d *DES) drawArrivals(load TickLoad) {
	d.arrivals = d.arrivals[:0]
	total, visits := 0.0, 0.0
	for e, n := range load.Arrivals {
		total += bounded(n)
		visits += bounded(n) * d.endpoints[e].visits
	}
	keep := min(1, maxTickArrivals/max(total, 1), maxTickVisits/max(visits, 1))
	door := &d.stats[d.app.Entry]
	for e, n := range load.Arrivals {
		n = bounded(n)
		x := &d.endpoints[e]
		d.carry[e] += n * keep
		whole := math.Floor(d.carry[e] + 1e-9)
		d.carry[e] -= whole
		refused := n - n*keep
		x.offered += whole + refused
		x.failed += refused
		door.arrived += refused
		door.failed += refused
		door.refused += refused
		door.overflow += refused
		for range int(whole) {
			d.arrivals = append(d.arrivals, arrival{d.now + d.when.Float64()*1000*Tick.Seconds(), int32(e)})
		}
	}
	d.sortArrivals()
}

func (d *DES) sortArrivals() {
	slices.SortFunc(d.arrivals, func(a, b arrival) int {
		switch {
		case a.at < b.at:
			return -1
		case a.at > b.at:
			return 1
		}
		return int(a.endpoint - b.endpoint)
	})
}

// bounded makes a number of arrivals one that can be counted with, whatever a caller gives.
func bounded(n float64) float64 {
	if !(n > 0) { // NaN too
		return 0
	}
	return min(n, 1e15)
}
