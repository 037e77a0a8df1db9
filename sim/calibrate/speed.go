package calibrate

import (
	"fmt"
	"math"

	"github.com/grlscaler/grlscaler/sim/trace"
)

// fitSpeed fits the one number that all CPU is divided by: for each block,
//
//	sum of services (cpu - replicas base) = k sum of services visits (cpu_ms + idle wake_ms),   speed_factor = 1 / k
//
// The application's proportions are taken as right, so that a recording of a few intervals is enough. Its standard error is
// the larger of that over blocks and of that over services (delete-one jackknife): they show how right the
// proportions are.
func (m *model) fitSpeed(all []*observed, sims []simulated, before, cur *numbers, opt *Options, l *ledger) {
	solve := func(without int) (estimate, int, bool) {
		p := problem{known: true}
		for i, o := range all {
			for k := range o.blocks {
				y, x, noise := 0.0, 0.0, 0.0
				for s := range m.app.Services {
					v, sim := &o.blocks[k].services[s], &sims[i][k]
					if s == without || !v.steady || !trace.Has(v.cpu) || !trace.Has(v.replicas) {
						continue
					}
					cost, idle := 0.0, 1.0
					if sim.services[s].visits > 0 {
						idle = sim.services[s].idle
					}
					for _, op := range m.opsOf(s) {
						visits := o.blocks[k].visits[op]
						cost += visits * (m.cpu[op] + idle*m.wake[op]) / m.speed
						noise += visits * square(m.cv[op]*m.cpu[op]/m.speed) / o.blocks[k].seconds
					}
					// The engine's CPU, linearised as in cpuData.
					x += sim.damping[s] * cost
					y += v.cpu - m.expectedCPU(s, &o.blocks[k], sim, before) + sim.damping[s]*cost*m.speed/before.speed
					noise += square(roundOff * v.cpu)
				}
				if x > 0 {
					p.x, p.y, p.noise, p.scale = append(p.x, []float64{x}), append(p.y, y), append(p.noise, noise), append(p.scale, x)
				}
			}
		}
		fit, ok := p.solve()
		if !ok || !(fit.b[0] > 0) {
			return estimate{}, len(p.y), false
		}
		return estimate{fit.b[0], fit.se[0]}, len(p.y), true
	}
	e, n, ok := solve(-1)
	if !ok {
		l.keep(fieldSpeed, "no recording has CPU in an interval with visits and without starts and ends of replicas", "record services.csv with cpu_m and replicas, and endpoints.csv with rps")
		return
	}
	var without []float64
	for s := range m.app.Services {
		if f, _, ok := solve(s); ok {
			without = append(without, f.value)
		}
	}
	e.se = math.Max(e.se, jackknife(without))
	// speed_factor = 1/k: the error of 1/k is that of k over k^2.
	speed := estimate{1 / e.value, e.se / square(e.value)}
	if !(speed.se <= opt.MaxSE*speed.value) {
		l.keep(fieldSpeed, fmt.Sprintf("its standard error is %.2g, with an estimate of %.2g", speed.se, speed.value), "record more or longer intervals, or check the application's proportions")
		return
	}
	cur.speed = m.speed * speed.value
	l.fitted = append(l.fitted, Fitted{Key: fieldSpeed, Was: m.speed, Value: m.speed * speed.value, SE: m.speed * speed.se, Intervals: n, op: -1, service: -1, field: fieldSpeed})
}

// jackknife is the standard error from the estimates without each of n groups (Efron, The Jackknife, 1982, chapter 3).
func jackknife(without []float64) float64 {
	n := float64(len(without))
	if n < 2 {
		return 0
	}
	mean, sum := 0.0, 0.0
	for _, v := range without {
		mean += v / n
	}
	for _, v := range without {
		sum += square(v - mean)
	}
	return math.Sqrt((n - 1) / n * sum)
}
