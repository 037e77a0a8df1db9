package calibrate

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/grlscaler/grlscaler/sim/trace"
)

// cpuData is what the recordings say of the CPU of one service: one row for each steady block,
//
//	cpu = replicas base + sum over operations of visits (a cpu_ms + b idle wake_ms)
//
// where base, a and b are sought. The idle share depends on them, so the engine's CPU is linearised around the numbers
// it was run with (Gauss-Newton): a step of the sum changes CPU by the step times the row's damping. Times are those of
// the application as it came, or 1 ms where it has none. Latency under throttling adds rows of its own: see stallRow.
type cpuData struct {
	service int
	ops     []int
	floor   []float64 // [op] CPU per visit that a = 1 stands for, ms of the reference platform
	wake    []float64 // [op] the same of b = 1; that of the floor where the application has no wake-up costs
	noWake  bool      // the application has no wake-up costs
	rows    []cpuRow
	stalls  []stallRow
	nowA    []float64 // [op] a of the engine's numbers
	nowB    float64   // b of the engine's numbers
}

type cpuRow struct {
	cpu, replicas float64
	damping, gap  float64   // gap = recorded CPU less the engine's
	at            float64   // the sum above at the engine's numbers
	visits        []float64 // [op]
	idle          float64   // share of the wake-ups that visits pay
	noise         float64   // variance of cpu that the scatter of CPU per visit makes
}

// roundOff and roundMillis are the precision with which recordings give CPU.
const (
	roundOff    = 0.002 // relative
	roundMillis = 0.2
	mostRatio   = 10 // recorded and expected CPU do not differ more in what scales their difference
)

func (m *model) cpuData(s int, all []*observed, sims []simulated, cur *numbers, replications int) *cpuData {
	d := &cpuData{service: s}
	total := 0.0
	for _, o := range m.opsOf(s) {
		visited := slices.ContainsFunc(all, func(x *observed) bool {
			return slices.ContainsFunc(x.blocks, func(b block) bool { return b.visits[o] > 0 })
		})
		if !visited {
			continue
		}
		d.ops = append(d.ops, o)
		d.floor = append(d.floor, m.cpu[o]/m.speed)
		d.wake = append(d.wake, m.wake[o]/m.speed)
		total += m.cpu[o]
	}
	if len(d.ops) == 0 {
		return d
	}
	if total == 0 {
		for i := range d.floor {
			d.floor[i] = 1
		}
	}
	if !slices.ContainsFunc(d.wake, func(w float64) bool { return w > 0 }) {
		d.noWake = true
		copy(d.wake, d.floor)
	}
	for j, o := range d.ops {
		d.nowA = append(d.nowA, math.Max(ratio(cur.cpu[o]/cur.speed, d.floor[j]), leastFactor))
		d.nowB = math.Max(d.nowB, ratio(cur.wake[o]/cur.speed, d.wake[j]))
	}
	d.nowB = math.Max(d.nowB, leastFactor)
	d.stalls = m.stallRows(d, all, sims, cur, replications)
	for i, x := range all {
		for k := range x.blocks {
			b := &x.blocks[k]
			v := &b.services[s]
			if !v.steady || !trace.Has(v.cpu) || !(v.cpu > 0) && b.visits[d.ops[0]] > 0 {
				continue
			}
			x := &sims[i][k]
			r := cpuRow{cpu: v.cpu, replicas: v.replicas, noise: square(roundOff*v.cpu) + square(roundMillis), damping: x.damping[s], idle: x.services[s].idle,
				at: v.replicas * cur.base[s]}
			if !(x.services[s].visits > 0) {
				r.idle = 1
			}
			for j, o := range d.ops {
				r.at += b.visits[o] * (cur.cpu[o] + r.idle*cur.wake[o]) / cur.speed
				r.visits = append(r.visits, b.visits[o])
				r.noise += b.visits[o] * square(m.cv[o]*d.floor[j]) / b.seconds * (1 + 1/float64(replications))
			}
			r.gap = v.cpu - m.expectedCPU(s, b, x, cur)
			d.rows = append(d.rows, r)
		}
	}
	return d
}

// expectedCPU is the engine's CPU of a service, for as many visits as were recorded.
func (m *model) expectedCPU(s int, b *block, x *simulatedBlock, cur *numbers) float64 {
	base := b.services[s].replicas * cur.base[s]
	if !(x.services[s].visits > 0) {
		return base
	}
	visits := 0.0
	for _, o := range m.opsOf(s) {
		visits += b.visits[o]
	}
	return base + (x.services[s].cpu-base)*visits/x.services[s].visits
}

// fitCPU fits a service's CPU, changes cur and notes the results.
func (m *model) fitCPU(s int, all []*observed, sims []simulated, before, cur *numbers, opt *Options, l *ledger) {
	d := m.cpuData(s, all, sims, before, opt.Replications)
	name := m.app.Services[s].Name
	if len(d.rows) == 0 || len(d.ops) == 0 {
		l.keep(name+" CPU per visit", "no recording has its CPU in an interval with visits and without starts and ends of replicas",
			"record services.csv with cpu_m and replicas, and endpoints.csv with rps")
		return
	}
	best, tried := d.best(m.base[s], opt.MaxSE)
	n := len(d.rows)
	if best == nil || len(best.groups) == 0 {
		reason, cure := fmt.Sprintf("%d interval(s) are too few", n), "record more or longer intervals, or fit the speed alone (--speed-only)"
		switch {
		case tried.se != nil && tried.tau > maxScatter:
			reason = fmt.Sprintf("it differs by %.0f %% between intervals for other reasons than load and idle replicas", 100*tried.tau)
			cure = "record warm replicas (some thousand visits after their start), without other work on the machine"
		case tried.se != nil && n > 2:
			reason = fmt.Sprintf("even one factor for all of it has a standard error above %.0f %% over %d intervals", 100*opt.MaxSE, n)
		}
		l.keep(name+" CPU per visit", reason, cure)
		if best == nil {
			return
		}
	}
	switch {
	case best.base:
		e := estimate{best.b[0], best.se[0]}
		cur.base[s] = e.value
		l.service(s, fieldBase, m.base[s], e, n)
	default:
		l.keep(m.serviceKey(s, fieldBase), d.whyBase(tried, opt.MaxSE), "record an interval with next to no load, or with more idle replicas")
	}
	for g, group := range best.groups {
		j := best.groupColumn(g)
		for _, i := range group {
			o := d.ops[i]
			file := d.floor[i] * m.speed
			e := estimate{best.b[j] * file, best.se[j] * file}
			cur.cpu[o] = e.value
			tied := len(group) > 1 && !best.alike
			l.op(o, fieldCPU, m.cpu[o], e, n, tied)
			if w := d.wake[i] * m.speed; !best.wake && m.wake[o] > 0 {
				e = estimate{best.b[j] * w, best.se[j] * w}
				cur.wake[o] = e.value
				l.op(o, fieldWake, m.wake[o], e, n, tied)
			}
		}
		if len(group) > 1 && !best.alike {
			l.keep(m.proportion(d, group, fieldCPU), d.whyGroup(best, group, d.meanFloor(group, estimate{best.b[j] * m.speed, best.se[j] * m.speed})), "record other mixes of endpoints, for instance one endpoint alone")
		}
	}
	if len(best.groups) == 0 {
		return
	}
	if !best.wake {
		lo, hi := d.idleRange()
		what := "one factor was fitted for both"
		if d.noWake {
			what = "wake_ms stays 0"
		}
		l.keep(name+" cpu_ms : wake_ms", fmt.Sprintf("in all %d intervals %.0f-%.0f %% of the calls find a replica idle, so the two cannot be told apart; %s", n, 100*lo, 100*hi, what),
			"record both a low load and one near saturation")
		return
	}
	j := best.wakeColumn()
	for i, o := range d.ops {
		w := d.wake[i] * m.speed
		e := estimate{best.b[j] * w, best.se[j] * w}
		cur.wake[o] = e.value
		l.op(o, fieldWake, m.wake[o], e, n, len(d.ops) > 1)
	}
}

// meanFloor is the mean CPU of the visits of a group with a common factor, which is identified even if the proportion of its
// operations is not.
func (d *cpuData) meanFloor(group []int, factor estimate) estimate {
	visits, floor := 0.0, 0.0
	for i := range d.rows {
		for _, j := range group {
			visits += d.rows[i].visits[j]
			floor += d.rows[i].visits[j] * d.floor[j]
		}
	}
	mean := ratio(floor, visits)
	return estimate{mean * factor.value, mean * factor.se}
}

// proportion names the operations of a group.
func (m *model) proportion(d *cpuData, group []int, field string) string {
	names := make([]string, len(group))
	for i, j := range group {
		_, names[i], _ = strings.Cut(m.app.Ops[d.ops[j]].Name, ".")
	}
	return m.app.Services[d.service].Name + " " + field + " of " + strings.Join(names, " : ")
}

// whyGroup says why operations were not told apart, and what is known of them: their mean.
func (d *cpuData) whyGroup(f *cpuFit, group []int, mean estimate) string {
	least, most := math.Inf(1), 0.0 // relative standard errors of their factors
	if f.apart.se != nil {
		for _, j := range group {
			k := f.apart.groupColumn(j)
			e := f.apart.se[k] / f.apart.b[k]
			least, most = math.Min(least, e), math.Max(most, e)
		}
	}
	why := "they are visited in nearly the same proportion"
	if most > 0 && !math.IsInf(most, 0) && f.apart.condition <= maxCondition {
		why = fmt.Sprintf("each alone has a standard error of %.0f-%.0f %%", 100*least, 100*most)
	}
	value, se := rounded(mean.value, mean.se)
	return why + fmt.Sprintf(" in all %d intervals, so only the mean of their visits is known, %s +- %s ms; they keep the application's proportion", len(d.rows), value, se)
}

// whyBase says why idle CPU was not fitted.
func (d *cpuData) whyBase(tried *cpuFit, maxSE float64) string {
	if !tried.ok || !tried.base || len(tried.se) == 0 {
		return "idle CPU and CPU per visit rise together in all intervals"
	}
	return fmt.Sprintf("its standard error is %.2g m, with an estimate of %.2g m", tried.se[0], tried.b[0])
}

// idleRange is the least and the largest share of calls that find a replica idle.
func (d *cpuData) idleRange() (lo, hi float64) {
	lo, hi = 1, 0
	for i := range d.rows {
		lo, hi = math.Min(lo, d.rows[i].idle), math.Max(hi, d.rows[i].idle)
	}
	return lo, hi
}
