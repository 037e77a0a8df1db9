package calibrate

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"
)

// problem is a linear least-squares problem with coefficients that cannot be negative:
//
//	y[i] = sum over j of x[i][j] b[j] + e[i],   b >= 0,   var e[i] = noise[i] + tau^2 scale[i]^2
//
// noise is what counting alone makes y scatter (known from the application), tau the share of scale by which the
// model misses beyond that (found from the residuals).
type problem struct {
	x     [][]float64
	y     []float64
	noise []float64
	scale []float64
	// second is where rows of another kind begin, which have a tau of their own; 0 = there are none.
	second int
	// known says that noise is all there is where there are no rows to spare to find tau with.
	known bool
}

// solution is what solve found out.
type solution struct {
	b   []float64
	se  []float64 // standard errors; NaN where there are no more rows than coefficients
	cov [][]float64
	// condition is the largest singular value of the weighted columns, each scaled to length 1, over the smallest.
	condition float64
	tau, tau2 float64 // of the first and of the second kind of rows
	rows      int
	fitted    []float64 // by row
}

// maxCondition is the condition index above which columns count as collinear: 30 (Belsley, Kuh and Welsch, Regression
// Diagnostics, 1980, section 3.2).
const maxCondition = 30

// huber is where the weight of a residual begins to fall, in standard deviations: 95 % efficient if all is normal
// (Huber, Ann. Math. Stat. 35, 1964). A recording disturbed from outside then counts little more than an ordinary one.
const (
	huber       = 1.345
	huberRounds = 40
)

// huberSquare is the mean of min(z^2, huber^2) for normal z: (2 F(k) - 1 - 2 k f(k)) + 2 k^2 (1 - F(k)).
const huberSquare = 0.7101

// solve finds tau and the coefficients by weighted least squares with Huber's weights. ok is false if there are fewer rows
// than columns or the columns depend on each other.
//
// tau is that of Huber's Proposal 2 (same paper): with it the squares of the standardised residuals, those above the bound
// counted as the bound, add up to what normal ones would; 0 if they are smaller from the start. Residuals of many
// rows that are disturbed to one side so hardly widen it.
//
// Standard errors are HC2 (MacKinnon and White, J. Econometrics 29, 1985), good whatever the variances really are, and
// never below those of the variance model above.
func (p *problem) solve() (s solution, ok bool) {
	n := len(p.y)
	if n == 0 || n < len(p.x[0]) || len(p.x[0]) == 0 {
		return solution{rows: n}, false
	}
	s.rows = n
	trust := slices.Repeat([]float64{1}, n) // Huber's weights
	weights := make([]float64, n)
	if p.second == 0 {
		p.second = n
	}
	for round := range huberRounds {
		for i := range weights {
			tau := s.tau
			if i >= p.second {
				tau = s.tau2
			}
			if round == 0 {
				tau = firstTau
			}
			weights[i] = trust[i] / (p.noise[i] + square(tau*p.scale[i]) + 1e-300)
		}
		if s.b, ok = nnls(p.x, p.y, weights); !ok {
			return s, false
		}
		// Each kind of rows pays for its part of the coefficients.
		spare := float64(n-len(s.b)) / float64(n)
		s.tau = p.excess(s.b, 0, p.second, spare)
		s.tau2 = p.excess(s.b, p.second, n, spare)
		for i := range p.y {
			tau := s.tau
			if i >= p.second {
				tau = s.tau2
			}
			z := math.Abs(p.y[i]-dot(p.x[i], s.b)) / math.Sqrt(p.noise[i]+square(tau*p.scale[i])+1e-300)
			trust[i] = math.Min(1, huber/z)
		}
	}
	s.fitted = make([]float64, n)
	for i := range p.y {
		s.fitted[i] = dot(p.x[i], s.b)
	}
	s.condition = condition(p.x, weights)
	s.cov = p.covariance(s.b, weights)
	s.se = make([]float64, len(s.b))
	for j := range s.se {
		s.se[j] = math.Sqrt(s.cov[j][j])
	}
	return s, true
}

// firstTau weighs rows before there are residuals.
const firstTau = 0.1

// excess is the tau of rows from to before to, for given coefficients; spare is their share of degrees of freedom.
func (p *problem) excess(b []float64, from, to int, spare float64) float64 {
	want := huberSquare * spare * float64(to-from)
	sum := func(tau float64) (total float64) {
		for i := from; i < to; i++ {
			r := p.y[i] - dot(p.x[i], b)
			total += math.Min(r*r/(p.noise[i]+square(tau*p.scale[i])+1e-300), huber*huber)
		}
		return total
	}
	if sum(0) <= want {
		return 0
	}
	lo, hi := 0.0, 1.0
	for sum(hi) > want && hi < 1e6 {
		hi *= 2
	}
	for range 50 {
		if mid := (lo + hi) / 2; sum(mid) > want {
			lo = mid
		} else {
			hi = mid
		}
	}
	return hi
}

// covariance is that of all coefficients, those at their bound of 0 included, as if they were free.
func (p *problem) covariance(b, weights []float64) [][]float64 {
	n, k := len(p.y), len(b)
	normal := mat.NewSymDense(k, nil)
	for i, row := range p.x {
		for a := range k {
			for c := a; c < k; c++ {
				normal.SetSym(a, c, normal.At(a, c)+weights[i]*row[a]*row[c])
			}
		}
	}
	cov := make([][]float64, k)
	for a := range cov {
		cov[a] = slices.Repeat([]float64{math.NaN()}, k)
	}
	var inverse mat.Dense
	if n < k || n == k && !p.known || inverse.Inverse(normal) != nil {
		return cov
	}
	meat := mat.NewDense(k, k, nil)
	for i, row := range p.x {
		x := mat.NewVecDense(k, row)
		leverage := min(weights[i]*mat.Inner(x, &inverse, x), 0.99)
		r := weights[i] * (p.y[i] - dot(row, b))
		meat.RankOne(meat, r*r/(1-leverage), x, x)
	}
	var half, robust mat.Dense
	half.Mul(&inverse, meat)
	robust.Mul(&half, &inverse)
	for a := range k {
		// Scale the robust matrix up where the variance model gives a larger error, so that it stays a covariance.
		for c := range k {
			ra := math.Sqrt(math.Max(1, inverse.At(a, a)/math.Max(robust.At(a, a), 1e-300)))
			rc := math.Sqrt(math.Max(1, inverse.At(c, c)/math.Max(robust.At(c, c), 1e-300)))
			cov[a][c] = robust.At(a, c) * ra * rc
		}
		cov[a][a] = math.Max(robust.At(a, a), inverse.At(a, a))
	}
	return cov
}

// condition is the condition index of the weighted columns scaled to equal length; +Inf if they depend on each other.
func condition(x [][]float64, weights []float64) float64 {
	n, k := len(x), len(x[0])
	m := mat.NewDense(n, k, nil)
	for j := range k {
		length := 0.0
		for i := range n {
			length += weights[i] * x[i][j] * x[i][j]
		}
		if !(length > 0) {
			return math.Inf(1)
		}
		for i := range n {
			m.Set(i, j, math.Sqrt(weights[i]/length)*x[i][j])
		}
	}
	var svd mat.SVD
	if !svd.Factorize(m, mat.SVDNone) {
		return math.Inf(1)
	}
	v := svd.Values(nil)
	if v[len(v)-1] <= 0 {
		return math.Inf(1)
	}
	return v[0] / v[len(v)-1]
}

// nnls minimises the weighted sum of squares over b >= 0 by Lawson and Hanson's active-set method (Solving Least
// Squares Problems, 1974, chapter 23). ok is false if the free columns depend on each other.
func nnls(x [][]float64, y, weights []float64) (b []float64, ok bool) {
	k := len(x[0])
	b = make([]float64, k)
	free := make([]bool, k)
	size := make([]float64, k) // weighted length of each column: what its gradient is compared with
	total := 0.0
	for i := range y {
		total += weights[i] * y[i] * y[i]
		for j := range k {
			size[j] += weights[i] * x[i][j] * x[i][j]
		}
	}
	gradient := func(j int) (g float64) {
		for i := range y {
			g += weights[i] * x[i][j] * (y[i] - dot(x[i], b))
		}
		return g
	}
	for range 10 * (k + 1) {
		best, at := 0.0, -1
		for j := range k {
			if free[j] || size[j] == 0 {
				continue
			}
			if g := gradient(j) / math.Sqrt(size[j]); g > best && g > 1e-10*math.Sqrt(total) {
				best, at = g, j
			}
		}
		if at < 0 {
			return b, true
		}
		free[at] = true
		for {
			z, solved := leastSquares(x, y, weights, free)
			if !solved {
				return nil, false
			}
			// Walk towards z until the first free coefficient reaches 0.
			step, hit := 1.0, -1
			for j := range k {
				if free[j] && z[j] <= 0 {
					if t := b[j] / (b[j] - z[j]); t < step || hit < 0 {
						step, hit = t, j
					}
				}
			}
			if hit < 0 {
				b = z
				break
			}
			for j := range k {
				b[j] += step * (z[j] - b[j])
			}
			b[hit], free[hit] = 0, false
		}
	}
	return b, true
}

// leastSquares solves for the free columns by QR; the others are 0.
func leastSquares(x [][]float64, y, weights []float64, free []bool) ([]float64, bool) {
	var cols []int
	for j, f := range free {
		if f {
			cols = append(cols, j)
		}
	}
	a, r := mat.NewDense(len(y), len(cols), nil), mat.NewVecDense(len(y), nil)
	for i := range y {
		w := math.Sqrt(weights[i])
		for c, j := range cols {
			a.Set(i, c, w*x[i][j])
		}
		r.SetVec(i, w*y[i])
	}
	var qr mat.QR
	qr.Factorize(a)
	var z mat.VecDense
	if qr.SolveVecTo(&z, false, r) != nil {
		return nil, false
	}
	out := make([]float64, len(free))
	for c, j := range cols {
		out[j] = z.AtVec(c)
	}
	return out, true
}

func dot(a, b []float64) (sum float64) {
	for i, v := range a {
		sum += v * b[i]
	}
	return sum
}
