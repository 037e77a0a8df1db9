package sim

import "math"

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
	nU, nN, nQ  = 11, 8, 4
	stallFloor  = 1e-6 // ms: below, stalls are nothing
	logStallLow = -0.6931471805599453
)

// stallLog holds the cells in the order in which stallAt reads them, stalls as logarithms.
var stallLog = func() (t [nU][nN][nQ]station) {
	for i := range stallCells {
		c := stallCells[i]
		c.stallMs = math.Log(max(c.stallMs, stallFloor))
		t[i/nQ/nN][i/nQ%nN][i%nQ] = c
	}
	return t
}()

// stallAt interpolates, for u < 1: stalls geometrically, in u, ln n and q.
func stallAt(u, logN, q float64) station {
	i, fu := stallCell(stallU[:], u)
	x := min(max((logN-logStallLow)/math.Ln2, 0), nN-1-1e-9)
	j := int(x)
	fn := x - float64(j)
	k, fq := stallCell(stallQ[:], q)
	var s station
	for a, wu := range [2]float64{1 - fu, fu} {
		for b, wn := range [2]float64{1 - fn, fn} {
			for c, wq := range [2]float64{1 - fq, fq} {
				w := wu * wn * wq
				p := &stallLog[i+a][j+b][k+c]
				s.stallMs += w * p.stallMs
				s.congestion += w * p.congestion
				s.throttled += w * p.throttled
			}
		}
	}
	s.stallMs = math.Exp(s.stallMs)
	if last := stallU[nU-1]; u > last { // queues grow as 1/(1-u)
		s.stallMs *= (1 - last) / (1 - u)
	}
	return s
}

// stallCell finds the interval of a grid that holds x, and where in it; x beyond the grid is taken as its end.
func stallCell(grid []float64, x float64) (int, float64) {
	i := 0
	for i < len(grid)-2 && x >= grid[i+1] {
		i++
	}
	return i, min(max((x-grid[i])/(grid[i+1]-grid[i]), 0), 1)
}
