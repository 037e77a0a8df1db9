package calibrate

import (
	"fmt"
	"math"

	"github.com/grlscaler/grlscaler/sim/trace"
)

// A start is one rise of a service's replicas until all of them serve.
type start struct {
	recording *observed
	from, to  int     // intervals in which they were first and last seen to start
	count     float64 // replicas that started
	limit     float64 // m
	// Its length is between shortest and longest: recordings show replicas as the last sample of an interval does.
	shortest, longest float64 // s
}

// startsOf finds a service's starts. A start that another change interrupts is left out.
func startsOf(all []*observed, s int) []start {
	var out []start
	for _, o := range all {
		for k := 1; k < len(o.rows); k++ {
			n, was := o.rows[k][s].replicas, o.rows[k-1][s].replicas
			if !(n > was) || !settled(&o.rows[k-1][s]) || !trace.Has(o.rows[k][s].ready) {
				continue
			}
			end := k
			for end < len(o.rows) && o.rows[end][s].replicas == n && o.rows[end][s].ready < n {
				end++
			}
			if end == len(o.rows) || o.rows[end][s].replicas != n {
				continue
			}
			seconds := o.Meta.Interval.Seconds()
			x := start{recording: o, from: k, to: end, count: n - was, limit: o.limits[s],
				shortest: math.Max(0, float64(end-k-1)*seconds), longest: float64(end-k+1) * seconds}
			out = append(out, x)
		}
	}
	return out
}

// expectedError is how far the fitted CPU of a service is from what a short interval shows, relative.
const expectedError = 0.2

// excess is the CPU, in ms, that a service used from the interval before its replicas were first seen to start (it may have
// begun after that interval's last sample) to the one in which all served, beyond what its visits and the replicas that
// were ready should have used.
func (m *model) excess(s int, x *start, all []*observed, sims []simulated, cur *numbers) (ms, variance float64) {
	o := x.recording
	seconds := o.Meta.Interval.Seconds()
	for k := x.from - 1; k <= x.to; k++ {
		r := &o.rows[k][s]
		expected := r.ready * cur.base[s]
		if o.load != nil && trace.Has(r.rps) {
			expected += r.rps * m.visitCost(s, o, k, cur, idleAt(s, all, sims, o, k))
		}
		ms += (r.cpu - expected) * seconds
		variance += square(expectedError * expected * seconds)
	}
	return ms, variance
}

// coldStart is the share of the start-up CPU that counters and the first visits make uncertain.
const coldStart = 0.05

// fitStartup fits a service's start-up CPU and delay, changes cur and notes the results:
//
//	length = delay + CPU / limit
func (m *model) fitStartup(s int, all []*observed, sims []simulated, cur *numbers, opt *Options, l *ledger) {
	cpuKey, delayKey := m.serviceKey(s, fieldStartCPU), m.serviceKey(s, fieldStartFixed)
	starts := startsOf(all, s)
	if len(starts) < 2 {
		why := fmt.Sprintf("%d start(s) of its replicas in the recordings", len(starts))
		cure := "record some starts, with ready and replicas in services.csv"
		if opt.fits("startup-cpu") {
			l.keep(cpuKey, why, cure)
		}
		if opt.fits("startup-delay") {
			l.keep(delayKey, why, cure)
		}
		return
	}
	cpu := estimate{m.startCPU[s], 0}
	if opt.fits("startup-cpu") {
		e, n, why := m.startupCPU(s, starts, all, sims, cur)
		switch {
		case why != "":
			l.keep(cpuKey, why, "record cpu_m in intervals shorter than a start")
		case !(e.se <= opt.MaxSE*e.value):
			l.keep(cpuKey, fmt.Sprintf("its standard error is %.2g ms, with an estimate of %.2g ms from %d starts", e.se, e.value, n), "record more starts, in short intervals and at a low load")
		default:
			cpu = e
			cur.startCPU[s] = e.value
			l.service(s, fieldStartCPU, m.startCPU[s], e, n)
		}
	}
	if opt.fits("startup-delay") {
		m.fitDelay(s, starts, cpu, cur, opt, l)
	}
}

// startupCPU is the mean of what one replica used to start.
func (m *model) startupCPU(s int, starts []start, all []*observed, sims []simulated, cur *numbers) (e estimate, n int, why string) {
	p := problem{}
	for i := range starts {
		x := &starts[i]
		ms, variance := m.excess(s, x, all, sims, cur)
		if !trace.Has(ms) {
			continue
		}
		ms, variance = ms/x.count, variance/square(x.count)
		p.x, p.y = append(p.x, []float64{1}), append(p.y, ms)
		p.noise, p.scale = append(p.noise, variance+square(coldStart*ms)), append(p.scale, math.Abs(ms))
	}
	if len(p.y) < 2 {
		return e, len(p.y), "CPU was not recorded before and during its starts"
	}
	fit, ok := p.solve()
	if !ok {
		return e, len(p.y), "its starts show no CPU beyond that of the visits"
	}
	return estimate{fit.b[0], fit.se[0]}, len(p.y), ""
}

// fitDelay fits what a start takes beyond its CPU. A start lies anywhere between its shortest and its longest length,
// each end uniform within an interval, so its middle has a variance of interval^2 / 6.
func (m *model) fitDelay(s int, starts []start, cpu estimate, cur *numbers, opt *Options, l *ledger) {
	p := problem{known: true}
	length := 0.0
	for _, x := range starts {
		busy := cpu.value / x.limit
		y := (x.shortest+x.longest)/2 - busy
		interval := x.recording.Meta.Interval.Seconds()
		p.x, p.y = append(p.x, []float64{1}), append(p.y, y)
		p.noise, p.scale = append(p.noise, square(interval)/6+square(cpu.se/x.limit)), append(p.scale, busy+math.Abs(y))
		length += (x.shortest + x.longest) / 2 / float64(len(starts))
	}
	key := m.serviceKey(s, fieldStartFixed)
	fit, ok := p.solve()
	if !ok || !(fit.se[0] <= opt.MaxSE*math.Max(fit.b[0], 0) || fit.se[0] <= smallWait*length) {
		l.keep(key, fmt.Sprintf("%d starts of %.2g s on average are too few, or too short for the intervals in which they were recorded", len(starts), length), "record more starts, in shorter intervals")
		return
	}
	// The delay is fixed_s and half of jitter_s on average. jitter_s stays where there is room for it.
	e := estimate{fit.b[0], fit.se[0]}
	jitter := m.startJitter[s]
	if e.value < jitter/2 {
		cur.startJitter[s] = 2 * e.value
		l.service(s, fieldStartJitter, jitter, estimate{2 * e.value, 2 * e.se}, len(starts))
		jitter = 2 * e.value
	}
	cur.startFixed[s] = e.value - jitter/2
	l.service(s, fieldStartFixed, m.startFixed[s], estimate{e.value - jitter/2, e.se}, len(starts))
}
