package calibrate

import (
	"fmt"
	"math"
	"time"

	"github.com/grlscaler/grlscaler/sim/trace"
)

// coldRow is one interval in which some replicas of a service were cold. Their CPU beyond that of warm ones is
//
//	excess = warm (factor - 1) e^(-visits / calls),   warm = what their visits cost a warm replica
type coldRow struct {
	excess, warm, scale float64
	from, to            float64 // visits that a cold replica had served before and after the interval
}

// decay is the mean of e^(-visits / calls) over the interval.
func (r *coldRow) decay(calls float64) float64 {
	a, b := r.from/calls, r.to/calls
	if b-a < 1e-9 {
		return math.Exp(-a)
	}
	return (math.Exp(-a) - math.Exp(-b)) / (b - a)
}

// coldRows follows the replicas of each start to the recording's end or the next change.
func (m *model) coldRows(s int, all []*observed, sims []simulated, cur *numbers) []coldRow {
	var rows []coldRow
	for _, x := range startsOf(all, s) {
		o := x.recording
		if o.load == nil {
			continue
		}
		old, seconds := o.rows[x.from-1][s].replicas, o.Meta.Interval.Seconds()
		// In the interval in which they began to serve they did so for half of it on average.
		served := 0.0
		if r := &o.rows[x.to][s]; r.rps > 0 {
			served = r.rps * seconds / r.replicas / 2
		}
		for k := x.to + 1; k < len(o.rows); k++ {
			r := &o.rows[k][s]
			if r.replicas != old+x.count || r.ready != r.replicas || !trace.Has(r.cpu) || !trace.Has(r.rps) {
				break
			}
			cost := m.visitCost(s, o, k, cur, idleAt(s, all, sims, o, k)) * r.rps // CPU of all visits, warm, m
			to := served + r.rps*seconds/r.replicas
			rows = append(rows, coldRow{excess: r.cpu - r.replicas*cur.base[s] - cost, warm: cost * x.count / r.replicas, scale: r.cpu, from: served, to: to})
			served = to
		}
	}
	return rows
}

// idleAt is the share of wake-ups that the engine's visits of a service pay in an interval; over all recordings where the
// interval was not simulated.
func idleAt(s int, all []*observed, sims []simulated, o *observed, k int) float64 {
	sum, n := 0.0, 0.0
	for i := range sims {
		for j := range sims[i] {
			v := &sims[i][j].services[s]
			if !(v.visits > 0) {
				continue
			}
			if at := time.Duration(k) * o.Meta.Interval; all[i] == o && o.blocks[j].at <= at && at < o.blocks[j].at+o.length {
				return v.idle
			}
			sum += v.visits * v.idle
			n += v.visits
		}
	}
	if n == 0 {
		return 1
	}
	return sum / n
}

// visitCost is the mean CPU of a visit of a service in an interval, ms.
func (m *model) visitCost(s int, o *observed, k int, cur *numbers, idle float64) float64 {
	rps := o.load.At(min(int(float64(k)*o.Meta.Interval.Seconds()), o.load.Ticks()-1))
	cost, visits := 0.0, 0.0
	for _, op := range m.opsOf(s) {
		for e, r := range rps {
			v := r * m.visits[e][op]
			visits += v
			cost += v * (cur.cpu[op] + idle*cur.wake[op]) / cur.speed
		}
	}
	if visits == 0 {
		return 0
	}
	return cost / visits
}

// Bounds of warmup.calls that are tried.
const (
	fewestCalls = 20
	mostCalls   = 1e6
)

// fitWarmup fits the warm-up of a service whose application says that it has one.
func (m *model) fitWarmup(s int, all []*observed, sims []simulated, cur *numbers, opt *Options, l *ledger) {
	if m.warmFactor[s] <= 1 || m.warmCalls[s] <= 0 {
		return
	}
	key := m.app.Services[s].Name + " warmup"
	rows := m.coldRows(s, all, sims, cur)
	const fewest = 6
	if len(rows) < fewest {
		l.keep(key, fmt.Sprintf("%d intervals with cold replicas are too few", len(rows)), "record starts and the minutes after them, with cpu_m and rps")
		return
	}
	factor := func(calls float64) (b float64, loss float64) {
		num, den := 0.0, 0.0
		for i := range rows {
			x := rows[i].warm * rows[i].decay(calls) / rows[i].scale
			num += x * rows[i].excess / rows[i].scale
			den += x * x
		}
		if den == 0 {
			return 0, math.Inf(1)
		}
		b = math.Max(num/den, 0)
		for i := range rows {
			loss += square((rows[i].excess - b*rows[i].warm*rows[i].decay(calls)) / rows[i].scale)
		}
		return b, loss
	}
	best, least := 0.0, math.Inf(1)
	for calls := float64(fewestCalls); calls <= mostCalls; calls *= 1.01 {
		if _, loss := factor(calls); loss < least {
			best, least = calls, loss
		}
	}
	b, _ := factor(best)
	// Standard errors: the same, linearised in both numbers.
	p := problem{}
	const step = 1e-3
	for i := range rows {
		r := &rows[i]
		now := r.warm * r.decay(best)
		slope := b * r.warm * (r.decay(best*(1+step)) - r.decay(best)) / step // by ln(calls)
		p.x = append(p.x, []float64{now, slope})
		p.y = append(p.y, r.excess+slope)
		p.noise, p.scale = append(p.noise, square(roundOff*r.scale)), append(p.scale, r.scale)
	}
	fit, ok := p.solve()
	if !ok || fit.condition > maxCondition || !(fit.se[0] <= opt.MaxSE*b) || !(fit.se[1] <= opt.MaxSE) || best > mostCalls/2 {
		l.keep(key, fmt.Sprintf("its %d cold intervals do not show both how dear cold visits are and how fast that ends", len(rows)), "record starts, and what follows until the CPU per visit no longer falls")
		return
	}
	cur.warmFactor[s], cur.warmCalls[s] = 1+b, best
	l.service(s, fieldWarmFactor, m.warmFactor[s], estimate{1 + b, fit.se[0]}, len(rows))
	l.service(s, fieldWarmCalls, m.warmCalls[s], estimate{best, best * fit.se[1]}, len(rows))
}
