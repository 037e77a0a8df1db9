package calibrate

import (
	"fmt"
	"math"

	"github.com/grlscaler/grlscaler/sim/trace"
)

// A service's waits are fitted where its latency is little else: nothing throttles, and the CPU is not busy.
const (
	unthrottled = 0.02  // share of periods, recorded
	unstalled   = 0.005 // and simulated: choosing by what was recorded alone would choose recordings that were lucky
	notBusy     = 0.7   // utilisation of the limit
	smallWait   = 0.05  // of the service's own time; see identified
)

// waitRow is one equation for waits: own time recorded less own time simulated, waits left out, is a sum of waits.
type waitRow struct {
	y, own, noise float64
	x             []float64 // [op of the service] weight of its wait
	contended     bool
}

// usable tells whether a service's latency in a block shows its waits, and why not.
func (m *model) usable(o *observed, b *block, x *simulatedBlock, s int) (ok bool, why string) {
	v := &b.services[s]
	limit := o.limits[s]
	switch {
	case !v.steady || !b.calm:
		return false, "replicas start, end or warm up in all intervals"
	case !trace.Has(v.throttled) && limit < 1000*float64(m.app.Services[s].Cores):
		return false, "throttling was not recorded"
	case v.throttled > unthrottled || x.services[s].throttled > unstalled:
		return false, "it is throttled in all intervals"
	case v.cpu > notBusy*limit*v.replicas:
		return false, fmt.Sprintf("its CPU is busy in all intervals (above %.0f %% of the limit)", 100*notBusy)
	}
	return true, ""
}

// waitRows collects a service's equations. Of a service that clients call there is one for each endpoint, of others one
// for all visits, because recordings give latency by service.
func (m *model) waitRows(s int, all []*observed, sims []simulated, cur *numbers, replications int) (rows []waitRow, why string) {
	ops := m.opsOf(s)
	alone := m.aloneMs(cur)
	why = "no recording has its mean latency"
	for i, o := range all {
		for k := range o.blocks {
			b, x := &o.blocks[k], &sims[i][k]
			add := func(own, ownSim, n, cv float64, weight []float64) {
				y, scale := own-ownSim, 0.0
				for j, op := range ops {
					y += weight[j] * cur.wait[op]
					scale += weight[j] * (cur.wait[op] + (cur.cpu[op]+cur.wake[op])/cur.speed)
				}
				rows = append(rows, waitRow{y: y, own: math.Max(scale, 0.01), noise: square(cv*own)/n*(1+1/float64(replications)) + square(0.0005), x: weight, contended: o.Meta.Contended})
			}
			ok, reason := m.usable(o, b, x, s)
			if !ok {
				if len(rows) == 0 && trace.Has(b.services[s].mean) {
					why = reason
				}
				continue
			}
			if s == m.app.Entry && m.entryRows(b, x, alone, ops, add) {
				continue
			}
			v, w := &b.services[s], &x.services[s]
			visits := 0.0
			for _, op := range ops {
				visits += b.visits[op]
			}
			if !trace.Has(v.mean) || !(visits > 0) || !(w.mean > 0) {
				continue
			}
			weight := make([]float64, len(ops))
			below, belowSim := 0.0, 0.0
			for j, op := range ops {
				weight[j] = b.visits[op] / visits
				r, q := m.callsMs(op, b, x, alone)
				below += weight[j] * r
				belowSim += weight[j] * q
			}
			add(v.mean-below, w.mean-belowSim, visits*b.seconds, v.variation(), weight)
		}
	}
	return quietest(rows), why
}

// entryRows adds one equation for each endpoint whose mean latency was recorded; false if there is none.
func (m *model) entryRows(b *block, x *simulatedBlock, alone []float64, ops []int, add func(own, ownSim, n, cv float64, weight []float64)) bool {
	any := false
	for e := range m.app.Endpoints {
		l, n := b.endpoints[e], b.rps[e]*b.seconds
		if !trace.Has(l.mean) || !(n > 0) || !(x.endpoints[e].mean > 0) {
			continue
		}
		any = true
		weight := make([]float64, len(ops))
		for j, op := range ops {
			if op == m.app.Endpoints[e].Op {
				weight[j] = 1
			}
		}
		below, belowSim := m.callsMs(m.app.Endpoints[e].Op, b, x, alone)
		add(l.mean-below, x.endpoints[e].mean-belowSim, n, l.variation(), weight)
	}
	return any
}

// quietest leaves out rows of recordings beside other work if there are others.
func quietest(rows []waitRow) []waitRow {
	var quiet []waitRow
	for _, r := range rows {
		if !r.contended {
			quiet = append(quiet, r)
		}
	}
	if len(quiet) > 0 {
		return quiet
	}
	return rows
}

// callsMs is the time that a visit of an operation waits for its calls, one after another, recorded and simulated. Recordings
// give latency by service; operations of one service share it as their times without load do. A callee without a
// recorded latency counts with its simulated one, and parallel calls do not count: they overlap with each other.
func (m *model) callsMs(op int, b *block, x *simulatedBlock, alone []float64) (recorded, simulated float64) {
	if m.app.Ops[op].Parallel {
		return 0, 0
	}
	for _, c := range m.app.Ops[op].Calls {
		s := m.app.Ops[c.Op].Service
		mean, visits := 0.0, 0.0
		for _, o := range m.opsOf(s) {
			mean += b.visits[o] * alone[o]
			visits += b.visits[o]
		}
		if !(mean > 0) || !(x.services[s].mean >= 0) {
			continue
		}
		share := c.Mean * alone[c.Op] / (mean / visits)
		simulated += share * x.services[s].mean
		if r := b.services[s].mean; trace.Has(r) {
			recorded += share * r
		} else {
			recorded += share * x.services[s].mean
		}
	}
	return recorded, simulated
}

// aloneMs is the time of a visit of each operation without load, calls included.
func (m *model) aloneMs(cur *numbers) []float64 {
	alone := make([]float64, len(m.app.Ops))
	var time func(o int) float64
	time = func(o int) float64 {
		if alone[o] == 0 {
			alone[o] = (cur.cpu[o]+cur.wake[o])/cur.speed + cur.wait[o]
			for _, c := range m.app.Ops[o].Calls {
				alone[o] += c.Mean * time(c.Op)
			}
		}
		return alone[o]
	}
	for o := range alone {
		time(o)
	}
	return alone
}

// z95 is the 95th percentile of the standard normal distribution.
const z95 = 1.6448536269514722

// variation is the coefficient of variation of a latency: that of the log-normal distribution with the recorded p50 and p95;
// 1 where there are none.
func (l latency) variation() float64 {
	if !(l.p50 > 0) || !(l.p95 > l.p50) {
		return 1
	}
	sigma := math.Log(l.p95/l.p50) / z95
	return math.Sqrt(math.Expm1(sigma * sigma))
}

// fitWait fits a service's waits, changes cur and notes the results.
func (m *model) fitWait(s int, all []*observed, sims []simulated, before, cur *numbers, opt *Options, l *ledger) {
	ops := m.opsOf(s)
	key := m.app.Services[s].Name + " " + fieldWait
	rows, why := m.waitRows(s, all, sims, before, opt.Replications)
	if len(rows) == 0 {
		l.keep(key, why, "record mean_ms of the services and endpoints, and throttled, at a load with next to no throttling")
		return
	}
	unit := make([]float64, len(ops)) // the wait that a factor of 1 stands for
	total := 0.0
	for j, op := range ops {
		unit[j] = m.wait[op]
		total += unit[j]
	}
	if total == 0 {
		for j := range unit {
			unit[j] = 1
		}
	}
	fit, groups := fitWaitGroups(rows, unit, opt.MaxSE)
	if fit == nil {
		l.keep(key, fmt.Sprintf("its standard error is above %.0f %% over %d intervals and endpoints", 100*opt.MaxSE, len(rows)), "record longer, at a load with next to no throttling")
		return
	}
	for g, group := range groups {
		for _, j := range group {
			e := estimate{fit.b[g] * unit[j], fit.se[g] * unit[j]}
			cur.wait[ops[j]] = e.value
			if unit[j] > 0 {
				l.op(ops[j], fieldWait, m.wait[ops[j]], e, len(rows), len(group) > 1)
			}
		}
		if len(group) > 1 {
			l.keep(m.proportion(&cpuData{service: s, ops: ops}, group, fieldWait), "latency was recorded for them together, or too little for each alone; they keep the application's proportion",
				"record more requests of each")
		}
	}
}

// fitWaitGroups fits one factor for each operation where that is identified, one for the rest together; or one for all.
func fitWaitGroups(rows []waitRow, unit []float64, maxSE float64) (*solution, [][]int) {
	var each [][]int
	var every []int
	for j := range unit {
		every = append(every, j)
		each = append(each, []int{j})
	}
	solve := func(groups [][]int) (*solution, []bool) {
		p := problem{known: true}
		size := make([]float64, len(groups)) // mean own time of the rows that hold a group, over the group's column
		for _, r := range rows {
			x := make([]float64, len(groups))
			for g, group := range groups {
				for _, j := range group {
					x[g] += r.x[j] * unit[j]
				}
				if x[g] > 0 {
					size[g] = math.Max(size[g], r.own/x[g])
				}
			}
			p.x, p.y, p.noise, p.scale = append(p.x, x), append(p.y, r.y), append(p.noise, r.noise), append(p.scale, r.own)
		}
		s, ok := p.solve()
		if !ok || s.condition > maxCondition {
			return nil, make([]bool, len(groups))
		}
		good := make([]bool, len(groups))
		for g := range groups {
			good[g] = s.se[g] <= maxSE*s.b[g] || s.se[g] <= smallWait*size[g]
		}
		return &s, good
	}
	s, good := solve(each)
	if s != nil && len(unit) > 1 {
		var groups [][]int
		var rest []int
		for j, ok := range good {
			if ok {
				groups = append(groups, []int{j})
			} else {
				rest = append(rest, j)
			}
		}
		if len(rest) > 0 {
			groups = append(groups, rest)
		}
		if s, good = solve(groups); s != nil && all(good) {
			return s, groups
		}
	}
	if s, good = solve([][]int{every}); s != nil && all(good) {
		return s, [][]int{every}
	}
	return nil, nil
}

func all(v []bool) bool {
	for _, ok := range v {
		if !ok {
			return false
		}
	}
	return true
}
