package sim

// station is how one replica under a CFS quota responds to visits that arrive at random with exponential work.
type station struct {
	stallMs    float64 // that a visit spends in stalls
	congestion float64 // its other delay, in units of work rho/(1-rho): 1 = M/G/1-PS without a quota
	throttled  float64 // share of the periods in which it runs that end in a stall
}

// The response of one replica was measured once with the request-level engine, over its utilisation u of the quota, the
// number n of visits that one period's quota holds, and the quota q in cores; TestStallTable does it again.
// For a quota that is spent at once (q -> 0) the stalls are those of a queue that is served in bulk at each period's end:
// with the work A that arrives in a period and a backlog w, w' = max(0, w + A - quota).
var (
	stallU = [...]float64{0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.96}
	stallN = [...]float64{0.5, 1, 2, 4, 8, 16, 32, 64}
	stallQ = [...]float64{0.05, 0.2, 0.45, 0.8}
)

const (
	nU, nN, nQ = 11, 8, 4
	stallFloor = 1e-6 // ms: below, stalls are nothing
	stallLowN  = -1   // log2 of the least n
)

// stallLog holds the cells, stalls as logarithms (log2m).
var stallLog = func() (t [nU][nN][nQ]station) {
	for i := range stallCells {
		c := stallCells[i]
		c.stallMs = log2m(max(c.stallMs, stallFloor))
		t[i/nQ/nN][i/nQ%nN][i%nQ] = c
	}
	return t
}()

// stallSheet is the table at one quota: what a service needs until its quota changes. Between four cells of the table
// each quantity is a + b x + (c + d x) y, x along u and y along log2 n.
type stallSheet struct {
	quota   float64 // cores, 0 before the first use
	patches [nU - 1][nN - 1]stallPatch
}

type stallPatch struct{ stall, congestion, throttled [4]float64 }

// set makes it the sheet of a quota of q cores.
func (s *stallSheet) set(q float64) {
	if s.quota == q {
		return
	}
	s.quota = q
	k, f := stallCell(stallQ[:], q)
	var cells [nU][nN]station
	for i := range cells {
		for j := range cells[i] {
			a, b := &stallLog[i][j][k], &stallLog[i][j][k+1]
			cells[i][j] = station{stallMs: a.stallMs + f*(b.stallMs-a.stallMs), congestion: a.congestion + f*(b.congestion-a.congestion), throttled: a.throttled + f*(b.throttled-a.throttled)}
		}
	}
	for i := range s.patches {
		for j := range s.patches[i] {
			a, b, c, d := &cells[i][j], &cells[i][j+1], &cells[i+1][j], &cells[i+1][j+1]
			s.patches[i][j] = stallPatch{
				bilinear(a.stallMs, c.stallMs, b.stallMs, d.stallMs),
				bilinear(a.congestion, c.congestion, b.congestion, d.congestion),
				bilinear(a.throttled, c.throttled, b.throttled, d.throttled),
			}
		}
	}
}

// bilinear gives the coefficients for the values at (x, y) = (0, 0), (1, 0), (0, 1) and (1, 1).
func bilinear(v00, v10, v01, v11 float64) [4]float64 {
	return [4]float64{v00, v10 - v00, v01 - v00, v11 - v10 - v01 + v00}
}

// at interpolates in u < 1 and n, stalls geometrically.
func (s *stallSheet) at(u, n float64) station {
	i, x := stallRow(u)
	y := log2m(n) - stallLowN
	j := 0
	switch {
	case y >= nN-1:
		j, y = nN-2, 1-1e-9
	case y > 0:
		j = int(y)
		y -= float64(j)
	default:
		y = 0
	}
	c := &s.patches[i][j]
	t := &c.stall
	out := station{stallMs: exp2m(t[0] + t[1]*x + (t[2]+t[3]*x)*y)}
	t = &c.congestion
	out.congestion = t[0] + t[1]*x + (t[2]+t[3]*x)*y
	t = &c.throttled
	out.throttled = t[0] + t[1]*x + (t[2]+t[3]*x)*y
	if last := stallU[nU-1]; u > last { // queues grow as 1/(1-u)
		out.stallMs *= (1 - last) / (1 - u)
	}
	return out
}

// stallRow finds where u lies between the rows of stallU, which are a tenth apart but for the ends.
func stallRow(u float64) (int, float64) {
	switch {
	case u <= 0.05:
		return 0, 0
	case u < 0.1:
		return 0, (u - 0.05) * 20
	case u < 0.9:
		x := u * 10
		i := int(x)
		return i, x - float64(i)
	}
	return 9, min((u-0.9)*(1/0.06), 1)
}

// stallCell finds the interval of a grid that holds x, and where in it; x beyond the grid is taken as its end.
func stallCell(grid []float64, x float64) (int, float64) {
	i := 0
	for i < len(grid)-2 && x >= grid[i+1] {
		i++
	}
	return i, min(max((x-grid[i])/(grid[i+1]-grid[i]), 0), 1)
}
