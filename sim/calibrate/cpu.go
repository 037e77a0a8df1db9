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

// cpuShape says which numbers of a service are free.
type cpuShape struct {
	base   bool
	wake   bool    // b is free; otherwise b = a
	groups [][]int // operations, as indices into cpuData.ops, that share their a; none: visits cost what the application says
}

// cpuFit is a solution with its shape.
type cpuFit struct {
	cpuShape
	solution
	ok      bool
	baseWas float64
	apart   *cpuFit   // with a group for each operation, if that was tried
	alike   bool      // operations apart are identified and no different
	scale   []float64 // mean over the rows of each column
	mean    float64   // of the CPU
}

// columns of the fit: base if it is free, the groups, b if it is free.
func (f *cpuFit) groupColumn(g int) int {
	if f.base {
		return g + 1
	}
	return g
}

func (f *cpuFit) wakeColumn() int { return f.groupColumn(len(f.groups)) }

// fit solves for a shape. base is the idle CPU where it is not free.
func (d *cpuData) fit(shape cpuShape, base float64) *cpuFit {
	p := problem{}
	known := make([]float64, len(d.rows)) // part of the sum that is not sought
	for i := range d.rows {
		r := &d.rows[i]
		var x []float64
		if shape.base {
			x = append(x, r.damping*r.replicas)
		} else {
			known[i] = r.replicas * base
		}
		scale := r.cpu
		if len(shape.groups) == 0 { // then it is the visits' cost that is in doubt: rows with few of them tell of idle CPU
			scale = 0
			for j := range d.ops {
				scale += r.visits[j] * d.floor[j]
				if !d.noWake {
					scale += r.visits[j] * r.idle * d.wake[j]
				}
			}
			known[i] += scale
		}
		wake := 0.0
		for _, group := range shape.groups {
			a := 0.0
			for _, j := range group {
				b := r.visits[j] * r.idle * d.wake[j]
				a += r.visits[j] * d.floor[j]
				if shape.wake {
					wake += b
				} else if !d.noWake {
					a += b
				}
			}
			x = append(x, r.damping*a)
		}
		if shape.wake {
			x = append(x, r.damping*wake)
		}
		p.x, p.y = append(p.x, x), append(p.y, r.gap+r.damping*(r.at-known[i]))
		p.noise, p.scale = append(p.noise, r.noise), append(p.scale, scale)
	}
	stalls := d.stalls
	if len(shape.groups) == 0 {
		stalls = nil
	}
	for i := range stalls {
		x, y := d.stallEquation(&stalls[i], &shape)
		p.x, p.y = append(p.x, x), append(p.y, y)
		p.noise, p.scale = append(p.noise, stalls[i].noise), append(p.scale, 1)
	}
	p.second = len(d.rows)
	f := &cpuFit{cpuShape: shape, baseWas: base}
	// What the model misses is in proportion to the CPU. With scale = sqrt(recorded x expected) a residual over it is
	// 2 sinh(d/2), d = ln(recorded / expected), so a CPU twice as large counts as one half as large; expected alone
	// would let no row be lower than expected by more than 100 %, measured alone would favour rows measured low.
	for range 4 {
		if f.solution, f.ok = p.solve(); !f.ok {
			return f
		}
		for i := range d.rows {
			if len(shape.groups) == 0 {
				break
			}
			r := &d.rows[i]
			expected := r.cpu - r.gap + f.fitted[i] + r.damping*(known[i]-r.at)
			p.scale[i] = math.Sqrt(math.Max(r.cpu, expected/mostRatio) * math.Max(expected, r.cpu/mostRatio))
		}
		for i := range stalls { // CPU that differs by tau makes latency differ by tau times its elasticity
			p.noise[len(d.rows)+i] = stalls[i].noise + square(stalls[i].all*f.tau)
		}
	}
	f.scale = make([]float64, len(f.b))
	for i := range d.rows {
		for j, v := range p.x[i] {
			f.scale[j] += v / float64(len(d.rows))
		}
		f.mean += d.rows[i].cpu / float64(len(d.rows))
	}
	f.ok = f.condition <= maxCondition
	return f
}

// Shares of a service's CPU that are too small to matter: a number counts as identified if its standard error makes no
// more than this difference, however large it is relative to the number itself.
const (
	smallBase  = 0.02
	smallFloor = 0.1 // for the floor of all operations together
	smallWake  = 0.1

	// clearly is by how many standard errors a wake-up cost must be above 0 to be brought into an application without.
	clearly = 2

	// The floor is what a visit costs where none finds a replica idle, the wake-up what those cost more that all find idle.
	// Both are identified only if the share of visits that find it idle differs by so much between intervals: else the sum of
	// the two may fit well and a floor that nobody has seen be far off.
	idleSpan = 0.3

	// maxScatter is the scatter of CPU per visit, relative, above which a cost per visit does not describe the recordings.
	maxScatter = 0.4
)

// identified tells whether the error of column j, for which the application has the value was, is small enough.
func (f *cpuFit) identified(j int, was, small, maxSE float64) bool {
	se := f.se[j]
	return se <= maxSE*math.Max(f.b[j], was) || se*f.scale[j] <= small*f.mean
}

func (f *cpuFit) baseOK(maxSE float64) bool {
	return !f.base || f.identified(0, f.baseWas, smallBase, maxSE)
}

func (f *cpuFit) wakeOK(maxSE float64) bool {
	return !f.wake || f.identified(f.wakeColumn(), 0, smallWake, maxSE)
}

func (f *cpuFit) groupOK(g int, maxSE float64) bool {
	j := f.groupColumn(g)
	small := 0.0
	if len(f.groups) == 1 {
		small = smallFloor
	}
	return f.b[j] > 0 && f.identified(j, 0, small, maxSE)
}

func (f *cpuFit) allOK(maxSE float64) bool {
	if !f.ok || f.tau > maxScatter && len(f.groups) > 0 || !f.baseOK(maxSE) || !f.wakeOK(maxSE) {
		return false
	}
	for g := range f.groups {
		if !f.groupOK(g, maxSE) {
			return false
		}
	}
	return true
}

// best finds the richest shape that the rows identify: first with all operations in the application's proportion (base
// and wake-ups free, then one of them, then none), then with operations set free where that can be told. tried is the
// first attempt, which says why base or b were given up. The result is nil if not even one factor is identified.
func (d *cpuData) best(base, maxSE float64) (best, tried *cpuFit) {
	together := make([]int, len(d.ops))
	for j := range together {
		together[j] = j
	}
	lo, hi := d.idleRange()
	apart := hi-lo >= idleSpan
	for _, shape := range []cpuShape{{base: true, wake: true}, {wake: true}, {base: true}, {}} {
		if shape.wake && !apart {
			continue
		}
		shape.groups = [][]int{together}
		f := d.fit(shape, base)
		if tried == nil {
			tried = f
		}
		if f.allOK(maxSE) && !(d.noWake && f.wake && f.b[f.wakeColumn()] < clearly*f.se[f.wakeColumn()]) {
			best = f
			break
		}
	}
	if best == nil {
		if f := d.fit(cpuShape{base: true}, base); f.allOK(maxSE) {
			best = f // what visits cost is not known, what idle replicas use is
		}
	}
	if best == nil || len(best.groups) == 0 || len(d.ops) < 2 {
		return best, tried
	}
	// Each operation on its own; those that cannot be told are tried again as one group.
	shape := best.cpuShape
	shape.groups = nil
	for j := range d.ops {
		shape.groups = append(shape.groups, []int{j})
	}
	single := d.fit(shape, base)
	best.apart = single
	if single.allOK(maxSE) {
		if single.differs(best) {
			return single, tried
		}
		best.alike = true
		return best, tried
	}
	if single.se == nil {
		return best, tried
	}
	shape.groups = nil
	var rest []int
	for j := range d.ops {
		if single.groupOK(j, maxSE) {
			shape.groups = append(shape.groups, []int{j})
		} else {
			rest = append(rest, j)
		}
	}
	if 0 < len(rest) && len(rest) < len(d.ops) {
		shape.groups = append(shape.groups, rest)
		if f := d.fit(shape, base); f.allOK(maxSE) && f.differs(best) {
			f.apart = single
			return f, tried
		}
	}
	return best, tried
}

// apartBy is by how many standard errors the factor of some operations must differ from that of all together to be
// theirs: otherwise the application's proportion is as good as any.
const apartBy = 3

// differs tells whether groups have other factors than all operations together have.
func (f *cpuFit) differs(together *cpuFit) bool {
	one := together.b[together.groupColumn(0)]
	for g := range f.groups {
		j := f.groupColumn(g)
		if math.Abs(f.b[j]-one) > apartBy*f.se[j] {
			return true
		}
	}
	return false
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

func square(x float64) float64 { return x * x }
