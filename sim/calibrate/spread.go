package calibrate

import (
	"fmt"
	"math"
)

// Spread is fitted where a visit's time is its own work and wait, and nothing queues much.
const (
	hardlyBusy     = 0.5 // utilisation of the limit
	mostSpread     = 5.0 // no coefficient of variation is made larger
	fewestForP95   = 100 // visits; the 95th percentile of fewer is chance
	spreadOfSample = 1.77
)

// fitSpread fits one factor k for cv and wait_cv of all operations of a service that calls nothing. The recorded p50 and p95
// give the log-normal's sigma = ln(p95/p50) / 1.645 and with it the coefficient of variation C of a visit's time; k is what
// gives the mixture of its operations, each CPU + wait, that C:
//
//	sum of shares (k^2 (cv^2 cpu^2 + wait_cv^2 wait^2) + mean^2) = (C^2 + 1) (mean of all)^2
//
// The sampling variance of sigma from n visits is 1.77 sigma^2 / n (order statistics of the normal distribution).
func (m *model) fitSpread(s int, all []*observed, sims []simulated, cur *numbers, opt *Options, l *ledger) {
	ops := m.opsOf(s)
	key := m.app.Services[s].Name + " cv, wait_cv"
	for _, o := range ops {
		if len(m.app.Ops[o].Calls) > 0 {
			l.keep(key, "its visits call others, whose spread is in theirs", "fit it on a recording of this service alone, without calls")
			return
		}
	}
	rows, why := m.spreadRows(s, ops, all, sims, cur)
	if len(rows.y) == 0 {
		l.keep(key, why, "record p50_ms and p95_ms of the service at a low load")
		return
	}
	fit, ok := rows.solve()
	if !ok || len(rows.y) < 2 || !(fit.se[0] <= opt.MaxSE*fit.b[0]) || fit.b[0] <= 0 {
		l.keep(key, fmt.Sprintf("its standard error is above %.0f %% over %d intervals", 100*opt.MaxSE, len(rows.y)), "record more visits, at a low load")
		return
	}
	for _, o := range ops {
		for _, x := range []struct {
			field    string
			was, now *float64
		}{{fieldCV, &m.cv[o], &cur.cv[o]}, {fieldWaitCV, &m.waitCV[o], &cur.waitCV[o]}} {
			if *x.was <= 0 {
				continue
			}
			k := math.Min(fit.b[0], mostSpread / *x.was)
			*x.now = k * *x.was
			l.op(o, x.field, *x.was, estimate{*x.now, fit.se[0] * *x.was}, len(rows.y), len(ops) > 1)
		}
	}
}

// spreadRows is a problem whose only coefficient is k.
func (m *model) spreadRows(s int, ops []int, all []*observed, sims []simulated, cur *numbers) (p problem, why string) {
	p.known = true
	why = "no recording has its 50th and 95th percentiles"
	var rest problem
	for i, o := range all {
		for k := range o.blocks {
			b, x := &o.blocks[k], &sims[i][k]
			v := &b.services[s]
			if !(v.p50 > 0) || !(v.p95 > v.p50) {
				continue
			}
			if ok, reason := m.usable(o, b, x, s); !ok {
				why = reason
				continue
			}
			visits, mean, second, spread := 0.0, 0.0, 0.0, 0.0
			for _, op := range ops {
				cpu := (cur.cpu[op] + x.services[s].idle*cur.wake[op]) / cur.speed
				t := cpu + cur.wait[op]
				visits += b.visits[op]
				mean += b.visits[op] * t
				second += b.visits[op] * t * t
				spread += b.visits[op] * (square(m.cv[op]*cpu) + square(m.waitCV[op]*cur.wait[op]))
			}
			n := visits * b.seconds
			switch {
			case n < fewestForP95:
				why = fmt.Sprintf("fewer than %d visits in an interval", fewestForP95)
				continue
			case v.cpu > hardlyBusy*o.limits[s]*v.replicas:
				why = "its CPU is busy in all intervals"
				continue
			case spread <= 0:
				why = "the application has no spread to scale (cv and wait_cv are 0)"
				continue
			}
			mean, second, spread = mean/visits, second/visits, spread/visits
			sigma := math.Log(v.p95/v.p50) / z95
			k2 := (math.Exp(sigma*sigma)*mean*mean - second) / spread
			factor := math.Sqrt(math.Max(k2, 0))
			q := &p
			if o.Meta.Contended {
				q = &rest
			}
			q.x, q.y = append(q.x, []float64{1}), append(q.y, factor)
			q.noise, q.scale = append(q.noise, spreadOfSample/n*factor*factor), append(q.scale, math.Max(factor, 0.1))
		}
	}
	if len(p.y) == 0 {
		rest.known = true
		p = rest
	}
	return p, why
}
