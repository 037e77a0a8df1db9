package sim

import (
	"math"

	"gonum.org/v1/gonum/mat"
)

// nonNegative2 solves a 2x2 normal equation for weights of at least 0.
func nonNegative2(a [2][2]float64, b [2]float64) [2]float64 {
	ridge := 1e-6 * (a[0][0] + a[1][1])
	det := (a[0][0]+ridge)*(a[1][1]+ridge) - a[0][1]*a[0][1]
	if !(det > 0) {
		return [2]float64{1, 0}
	}
	w := [2]float64{(b[0]*(a[1][1]+ridge) - b[1]*a[0][1]) / det, (b[1]*(a[0][0]+ridge) - b[0]*a[0][1]) / det}
	switch {
	case w[0] < 0:
		return [2]float64{0, b[1] / a[1][1]}
	case w[1] < 0:
		return [2]float64{b[0] / a[0][0], 0}
	}
	return w
}

// Standard deviations of the weights of features that are expected before anything is measured: of a relative
// correction of the mean, and of the logarithm of a quantile over the mean.
var (
	meanPrior  = features{0.1, 0.3, 0.3, 0.3, 0.15}
	levelPrior = features{3, 1, 3, 3, 0.5}
)

// ridge is a linear least-squares fit over features with normal priors about 0.
type ridge struct {
	a *mat.SymDense
	b *mat.VecDense
}

func newRidge(prior features) *ridge {
	r := &ridge{mat.NewSymDense(nFeatures, nil), mat.NewVecDense(nFeatures, nil)}
	for i, sd := range prior {
		r.a.SetSym(i, i, 1/(sd*sd))
	}
	return r
}

// add takes in an observation of precision w.
func (r *ridge) add(x features, y, w float64) {
	for i := range x {
		for j := i; j < nFeatures; j++ {
			r.a.SetSym(i, j, r.a.At(i, j)+w*x[i]*x[j])
		}
		r.b.SetVec(i, r.b.AtVec(i)+w*x[i]*y)
	}
}

func (r *ridge) solve() (out features) {
	var c mat.Cholesky
	var v mat.VecDense
	if !c.Factorize(r.a) || c.SolveVecTo(&v, r.b) != nil {
		return out
	}
	for i := range out {
		out[i] = v.AtVec(i)
	}
	return out
}

// planeFit fits y = z (p0 + p1 u + p2 ln r), drawn lightly to y = z.
type planeFit struct {
	a     *mat.SymDense
	b     *mat.VecDense
	yy    float64
	scale float64 // sum of the squared weighted z
}

func newPlaneFit() *planeFit {
	return &planeFit{a: mat.NewSymDense(3, nil), b: mat.NewVecDense(3, nil)}
}

func (f *planeFit) add(u, logReplicas, z, y, w float64) {
	if math.IsNaN(w) || math.IsInf(w, 0) {
		return
	}
	x := [3]float64{w * z, w * z * u, w * z * logReplicas}
	r := w * (y - z)
	for i := range x {
		for j := i; j < 3; j++ {
			f.a.SetSym(i, j, f.a.At(i, j)+x[i]*x[j])
		}
		f.b.SetVec(i, f.b.AtVec(i)+x[i]*r)
	}
	f.yy += r * r
	f.scale += w * w * y * y
}

// solve returns the factors and what of the squared residuals is left.
func (f *planeFit) solve() (plane, float64) {
	lambda := 0.01*f.a.At(0, 0) + 1e-12
	for i := range 3 {
		f.a.SetSym(i, i, f.a.At(i, i)+lambda)
	}
	var c mat.Cholesky
	var v mat.VecDense
	if !c.Factorize(f.a) || c.SolveVecTo(&v, f.b) != nil {
		return plane{1}, f.yy
	}
	loss := f.yy - mat.Dot(&v, f.b)
	return plane{1 + v.AtVec(0), v.AtVec(1), v.AtVec(2)}, max(loss, 0)
}
