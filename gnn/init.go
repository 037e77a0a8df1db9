package gnn

import (
	"math"
	"math/rand/v2"
)

// Init fills the flat, row-major weights w of a parameter of the given shape with first values,
// drawing from rng alone. The README of the reference numbers lists who uses which.
type Init func(w []float32, shape []int64, rng *rand.Rand)

// Zeros starts a parameter at 0: biases of PyG's GATConv and GCNConv, of SB3 and of CleanRL.
func Zeros(w []float32, _ []int64, _ *rand.Rand) { clear(w) }

// Constant starts every element at v.
func Constant(v float32) Init {
	return func(w []float32, _ []int64, _ *rand.Rand) {
		for i := range w {
			w[i] = v
		}
	}
}

// uniform fills w with values uniform in ±bound.
func uniform(w []float32, bound float64, rng *rand.Rand) {
	for i := range w {
		w[i] = float32((2*rng.Float64() - 1) * bound)
	}
}

// Glorot is PyG's initialiser (torch_geometric.nn.inits.glorot): uniform in ±√(6/(d1 + d2)), d1 and
// d2 the last two sizes. For att_* of shape [1, heads, channels] these are heads and channels.
func Glorot(w []float32, shape []int64, rng *rand.Rand) {
	n := len(shape)
	uniform(w, math.Sqrt(6/float64(shape[n-1]+shape[n-2])), rng)
}

// LinearDefault is torch's default for a Linear of fanIn inputs, for weight and bias alike: uniform
// in ±1/√fanIn.
func LinearDefault(fanIn int) Init {
	return func(w []float32, _ []int64, rng *rand.Rand) {
		uniform(w, 1/math.Sqrt(float64(fanIn)), rng)
	}
}

// KaimingNormal is torch's kaiming_normal_ for ReLU, fan-in mode: normal with deviation √(2/fanIn),
// fanIn the last size (CleanRL's Discrete SAC).
func KaimingNormal(w []float32, shape []int64, rng *rand.Rand) {
	std := math.Sqrt(2 / float64(shape[len(shape)-1]))
	for i := range w {
		w[i] = float32(rng.NormFloat64() * std)
	}
}

// Orthogonal is torch's orthogonal_: a weight [m, n] (further sizes are flattened into n) whose
// shorter side is orthonormal, times gain: W·Wᵀ = gain²·I for m <= n, else Wᵀ·W = gain²·I. It comes
// from normal numbers by Gram-Schmidt in double precision, done twice, which is QR with a positive
// diagonal and hence uniform over the orthogonal matrices (Mezzadri 2007).
func Orthogonal(gain float64) Init {
	return func(w []float32, shape []int64, rng *rand.Rand) {
		if len(w) == 0 {
			return
		}
		rows := int(shape[0])
		cols := len(w) / rows
		k, n := rows, cols // k vectors of length n, k <= n
		if rows > cols {
			k, n = cols, rows
		}
		q := make([]float64, k*n)
		for i := range k {
			orthonormal(q, i, n, rng)
		}
		for i := range k {
			for j := range n {
				if rows > cols {
					w[j*cols+i] = float32(gain * q[i*n+j])
				} else {
					w[i*cols+j] = float32(gain * q[i*n+j])
				}
			}
		}
	}
}

// orthonormal draws vector i of q (each n long) and makes it orthonormal to the ones before it.
func orthonormal(q []float64, i, n int, rng *rand.Rand) {
	v := q[i*n : (i+1)*n]
	for {
		for j := range v {
			v[j] = rng.NormFloat64()
		}
		for range 2 {
			for p := range i {
				u := q[p*n : (p+1)*n]
				d := dot(u, v)
				for j := range v {
					v[j] -= d * u[j]
				}
			}
		}
		// A vector lost to cancellation is drawn again: practically never.
		if norm := math.Sqrt(dot(v, v)); norm > 1e-6 {
			for j := range v {
				v[j] /= norm
			}
			return
		}
	}
}

func dot(a, b []float64) float64 {
	sum := 0.0
	for i := range a {
		sum += a[i] * b[i]
	}
	return sum
}
