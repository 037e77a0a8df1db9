package gnn

import "github.com/sugarme/gotch/libtch"

// MatMul returns the matrix product of the last two dimensions, the others broadcast.
func (s *Scope) MatMul(a, b Tensor) Tensor { return s.binary("matmul", a, b, libtch.AtgMatmul) }

// Mm returns the product of two matrices [n, k] and [k, m].
func (s *Scope) Mm(a, b Tensor) Tensor { return s.binary("mm", a, b, libtch.AtgMm) }

// Bmm returns the batched product [b, n, k] x [b, k, m]. The libtorch of Debian has no MKL: it runs
// one small product after the other, about 2 µs each, so few and large batches are better.
func (s *Scope) Bmm(a, b Tensor) Tensor { return s.binary("bmm", a, b, libtch.AtgBmm) }

// Addmm returns c + a·b for matrices.
func (s *Scope) Addmm(c, a, b Tensor) Tensor {
	if !s.ready("addmm", c, a, b) {
		return Tensor{}
	}
	libtch.AtgAddmm(s.slot(), c.c, a.c, b.c)
	return s.result("addmm")
}

// Baddbmm returns c + a·b for batches of matrices.
func (s *Scope) Baddbmm(c, a, b Tensor) Tensor {
	if !s.ready("baddbmm", c, a, b) {
		return Tensor{}
	}
	libtch.AtgBaddbmm(s.slot(), c.c, a.c, b.c)
	return s.result("baddbmm")
}

// Linear returns x·wᵀ + bias over the last dimension of x; w is [out, in], bias [out] or none.
func (s *Scope) Linear(x, w, bias Tensor) Tensor {
	if !s.ready("linear", x, w) {
		return Tensor{}
	}
	libtch.AtgLinear(s.slot(), x.c, w.c, bias.c)
	return s.result("linear")
}

// Sum returns the sum of all elements.
func (s *Scope) Sum(a Tensor) Tensor {
	if !s.ready("sum", a) {
		return Tensor{}
	}
	libtch.AtgSum(s.slot(), a.c, int32(a.DType()))
	return s.result("sum")
}

// SumDim sums over dimensions; keep leaves them with size 1.
func (s *Scope) SumDim(a Tensor, keep bool, dims ...int64) Tensor {
	if !s.ready("sum", a) {
		return Tensor{}
	}
	d, n := s.sizes("sum", dims)
	libtch.AtgSumDimIntlist(s.slot(), a.c, d, n, flag(keep), int32(a.DType()))
	return s.result("sum")
}

// Mean returns the mean of all elements of a float32 tensor.
func (s *Scope) Mean(a Tensor) Tensor {
	if !s.ready("mean", a) {
		return Tensor{}
	}
	libtch.AtgMean(s.slot(), a.c, int32(Float32))
	return s.result("mean")
}

// MeanDim takes the mean over dimensions of a float32 tensor.
func (s *Scope) MeanDim(a Tensor, keep bool, dims ...int64) Tensor {
	if !s.ready("mean", a) {
		return Tensor{}
	}
	d, n := s.sizes("mean", dims)
	libtch.AtgMeanDim(s.slot(), a.c, d, n, flag(keep), int32(Float32))
	return s.result("mean")
}

// Amax takes the maximum over dimensions; its gradient is shared evenly among equal maxima.
func (s *Scope) Amax(a Tensor, keep bool, dims ...int64) Tensor {
	if !s.ready("amax", a) {
		return Tensor{}
	}
	d, n := s.sizes("amax", dims)
	libtch.AtgAmax(s.slot(), a.c, d, n, flag(keep))
	return s.result("amax")
}

// MaxDim returns the maximum over one dimension and where it is (int64, the first of equal ones).
func (s *Scope) MaxDim(a Tensor, dim int64, keep bool) (Tensor, Tensor) {
	if !s.ready("max", a) {
		return Tensor{}, Tensor{}
	}
	s.out[1] = nil
	libtch.AtgMaxDim(s.slot(), a.c, dim, flag(keep))
	values := s.result("max")
	if s.err != nil {
		return Tensor{}, Tensor{}
	}
	return values, s.adopt("max", s.out[1])
}

// Argmax returns the index (int64) of the maximum over one dimension.
func (s *Scope) Argmax(a Tensor, dim int64) Tensor {
	if !s.ready("argmax", a) {
		return Tensor{}
	}
	libtch.AtgArgmax(s.slot(), a.c, dim, 0, 0)
	return s.result("argmax")
}

// Std returns the standard deviation over all elements; unbiased divides by n - 1 (NaN for n = 1).
func (s *Scope) Std(a Tensor, unbiased bool) Tensor {
	if !s.ready("std", a) {
		return Tensor{}
	}
	libtch.AtgStd(s.slot(), a.c, flag(unbiased))
	return s.result("std")
}

// Norm returns the Euclidean norm of all elements.
func (s *Scope) Norm(a Tensor) Tensor { return s.unary("norm", a, libtch.AtgNorm) }

// Softmax normalises e^a over a dimension; its maximum is subtracted first, so that nothing overflows.
func (s *Scope) Softmax(a Tensor, dim int64) Tensor {
	if !s.ready("softmax", a) {
		return Tensor{}
	}
	libtch.Atg_Softmax(s.slot(), a.c, dim, 0)
	return s.result("softmax")
}

// LogSoftmax returns the logarithm of Softmax.
func (s *Scope) LogSoftmax(a Tensor, dim int64) Tensor {
	if !s.ready("log softmax", a) {
		return Tensor{}
	}
	libtch.Atg_LogSoftmax(s.slot(), a.c, dim, 0)
	return s.result("log softmax")
}

// Logsumexp returns log Σ e^a over dimensions.
func (s *Scope) Logsumexp(a Tensor, keep bool, dims ...int64) Tensor {
	if !s.ready("logsumexp", a) {
		return Tensor{}
	}
	d, n := s.sizes("logsumexp", dims)
	libtch.AtgLogsumexp(s.slot(), a.c, d, n, flag(keep))
	return s.result("logsumexp")
}

// flag is libtorch's int for a Go bool.
func flag(b bool) int32 {
	if b {
		return 1
	}
	return 0
}
