package sim

import (
	"math"
	"slices"
	"sync/atomic"

	"github.com/grlscaler/grlscaler/sim/rng"
)

// arrivals draws how many requests arrive in a tick: exact Poisson counts from the stream "arrivals".
//
// A run draws 15 counts per endpoint and control interval, which with a general method costs as much as the whole
// engine. So the mean is split, λ = n/2 + f with n whole: a Poisson(n/2) count comes from an alias table (Walker 1977,
// in Vose's form; IEEE Trans. Softw. Eng. 17(9), 1991), a Poisson(f) count by inversion, and their sum is Poisson(λ).
// e^-f is kept while the mean stays the same. Means from 256 on are left to [rng.Stream.Poisson].
type arrivals struct {
	stream *rng.Stream
	last   []arrivalMean // by endpoint
}

type arrivalMean struct {
	mean    float64
	frac    float64
	expFrac float64 // e^-frac
	table   *aliasTable
}

func newArrivals(endpoints int) *arrivals {
	return &arrivals{stream: rng.New(0, "arrivals"), last: make([]arrivalMean, endpoints)}
}

// reset moves to the start of the stream that seed names.
func (a *arrivals) reset(seed uint64) { a.stream.Reseed(seed, "arrivals") }

// draw returns a count with the given mean for endpoint e; 0 for a mean of 0 or less. It takes draws from the stream
// that depend on the means alone, so endpoints and ticks must be drawn in a fixed order.
func (a *arrivals) draw(e int, mean float64) float64 {
	if !(mean > 0) {
		return 0
	}
	if mean >= maxAliasMean {
		return a.stream.Poisson(mean)
	}
	m := &a.last[e]
	if m.mean != mean {
		cell := math.Floor(mean * gridPerUnit)
		*m = arrivalMean{mean: mean, frac: mean - cell/gridPerUnit, table: poissonTable(int(cell))}
		m.expFrac = math.Exp(-m.frac)
	}
	count := m.table.draw(a.stream.Float64())
	// Inversion (Devroye 1986, chapter X.3.3): the smallest k with P(X <= k) >= u.
	u, p := a.stream.Float64(), m.expFrac
	for k := 1.0; u >= p && k < 30; k++ { // P(X >= 30) < 1e-32 for a mean below 1
		u -= p
		p *= m.frac / k
		count++
	}
	return count
}

// Arrivals are the requests of every tick of an episode as a run with one seed meets them, whatever its controller does: drawn once
// for all runs that share both. They are only read after [DrawArrivals].
type Arrivals struct {
	seed   uint64
	counts []uint16 // [tick*endpoints+endpoint]
}

// DrawArrivals draws the arrivals of ep for a seed; nil where a tick may have more than fit, so that each run draws its own.
func DrawArrivals(app *App, ep *Episode, seed uint64) *Arrivals {
	nE := len(app.Endpoints)
	draws := newArrivals(nE)
	draws.reset(seed)
	a := &Arrivals{seed: seed, counts: make([]uint16, len(ep.RPS))}
	for i, rps := range ep.RPS {
		n := draws.draw(i%nE, rps*Tick.Seconds())
		if n > math.MaxUint16 {
			return nil
		}
		a.counts[i] = uint16(n)
	}
	return a
}

// of returns the counts where they are those of an episode and a seed, else nil.
func (a *Arrivals) of(ep *Episode, seed uint64) []uint16 {
	if a == nil || a.seed != seed || len(a.counts) != len(ep.RPS) {
		return nil
	}
	return a.counts
}

const (
	maxAliasMean = 256
	gridPerUnit  = 2 // tables per unit of the mean
)

// poissonTables are made when first used: at most 2 kB each, and a run uses a few dozen.
var poissonTables [maxAliasMean * gridPerUnit]atomic.Pointer[aliasTable]

// poissonTable returns the alias table of the Poisson distribution with mean n/2. Two goroutines may make the same
// table; they are equal.
func poissonTable(n int) *aliasTable {
	if t := poissonTables[n].Load(); t != nil {
		return t
	}
	t := newPoissonTable(n)
	poissonTables[n].Store(t)
	return t
}

// aliasTable draws from a finite distribution with one uniform number: cell i holds the outcome low+i with
// a probability of keep / 2^48, else low+other. A cell is keep<<16 | other: small tables stay in the cache.
type aliasTable struct {
	low   int
	size  float64
	cells []uint64
}

const aliasOne = 1 << 48 // a probability of 1

// newPoissonTable covers all counts whose probability relative to the mode's is at least 1e-16, which leaves out less
// than the rounding of a float64.
func newPoissonTable(n int) *aliasTable {
	mean := float64(n) / gridPerUnit
	mode := math.Floor(mean)
	weights := []float64{1} // relative to the mode
	for k, w := mode+1, 1.0; ; k++ {
		if w *= mean / k; w < 1e-16 {
			break
		}
		weights = append(weights, w)
	}
	var below []float64
	for k, w := mode, 1.0; k >= 1; k-- {
		if w *= k / mean; w < 1e-16 {
			break
		}
		below = append(below, w)
	}
	slices.Reverse(below)
	t := &aliasTable{low: int(mode) - len(below)}
	t.fill(append(below, weights...))
	return t
}

// fill is Vose's algorithm: cells that hold less than the mean are topped up from one that holds more.
func (t *aliasTable) fill(weights []float64) {
	n, sum := len(weights), 0.0
	for _, w := range weights {
		sum += w
	}
	t.size, t.cells = float64(n), make([]uint64, n)
	var small, large []int
	scaled := make([]float64, n)
	for i, w := range weights {
		scaled[i] = w * float64(n) / sum
		if scaled[i] < 1 {
			small = append(small, i)
		} else {
			large = append(large, i)
		}
	}
	for len(small) > 0 && len(large) > 0 {
		s, l := small[len(small)-1], large[len(large)-1]
		small = small[:len(small)-1]
		t.cells[s] = uint64(scaled[s]*aliasOne)<<16 | uint64(l)
		scaled[l] -= 1 - scaled[s]
		if scaled[l] < 1 {
			large = large[:len(large)-1]
			small = append(small, l)
		}
	}
	for _, i := range append(small, large...) {
		t.cells[i] = uint64(i) // whatever the rest of the draw is
	}
}

// draw returns the outcome for a uniform number from [0, 1).
func (t *aliasTable) draw(u float64) float64 {
	u *= t.size
	i := int(u)
	c := t.cells[i]
	k := int(c & 0xffff)
	if uint64((u-float64(i))*aliasOne) < c>>16 {
		k = i // a conditional move: which way it goes cannot be predicted
	}
	return float64(t.low + k)
}
