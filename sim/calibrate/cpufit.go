package calibrate

import "math"

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

func square(x float64) float64 { return x * x }
