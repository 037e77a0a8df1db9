package gnn

import "github.com/sugarme/gotch/libtch"

// Backward adds the gradients of the scalar loss to every leaf that requires them.
func (s *Scope) Backward(loss Tensor) {
	if s.ready("backward", loss) {
		libtch.AtBackward(loss.c, 0, 0)
		s.check("backward")
	}
}

// RequireGrad marks the leaf t as one that gradients are wanted for, and returns t.
func (s *Scope) RequireGrad(t Tensor) Tensor {
	if !s.ready("require grad", t) {
		return Tensor{}
	}
	libtch.AtgSetRequiresGrad(s.slot(), t.c, 1)
	return s.inPlace("require grad", t)
}

// Grad returns the gradient collected in the leaf t; zeros when no backward pass reached it.
func (s *Scope) Grad(t Tensor) Tensor {
	if !s.ready("grad", t) {
		return Tensor{}
	}
	libtch.AtgGrad(s.slot(), t.c)
	g := s.result("grad")
	if s.err == nil && !libtch.AtDefined(g.c) {
		return s.Zeros(t.DType(), t.Shape()...)
	}
	return g
}

// Detach returns the value of a without its gradient history; the memory is shared.
func (s *Scope) Detach(a Tensor) Tensor { return s.unary("detach", a, libtch.AtgDetach) }

// In-place operations change their first operand and return it. They are for values without
// gradient history (optimiser, buffers), inside NoGrad.

// AddTo does a += b.
func (s *Scope) AddTo(a, b Tensor) Tensor { return s.binaryTo("add", a, b, libtch.AtgAdd_) }

// SubTo does a -= b.
func (s *Scope) SubTo(a, b Tensor) Tensor { return s.binaryTo("sub", a, b, libtch.AtgSub_) }

// MulTo does a *= b.
func (s *Scope) MulTo(a, b Tensor) Tensor { return s.binaryTo("mul", a, b, libtch.AtgMul_) }

// DivTo does a /= b.
func (s *Scope) DivTo(a, b Tensor) Tensor { return s.binaryTo("div", a, b, libtch.AtgDiv_) }

// AddScalarTo does a += v.
func (s *Scope) AddScalarTo(a Tensor, v float64) Tensor {
	return s.scalarTo("add", a, v, libtch.AtgAddScalar_)
}

// MulScalarTo does a *= v.
func (s *Scope) MulScalarTo(a Tensor, v float64) Tensor {
	return s.scalarTo("mul", a, v, libtch.AtgMulScalar_)
}

// LerpTo does a += w·(b - a).
func (s *Scope) LerpTo(a, b Tensor, w float64) Tensor {
	if !s.ready("lerp", a, b) {
		return Tensor{}
	}
	c := scalar(w)
	libtch.AtgLerp_(s.slot(), a.c, b.c, c)
	freeScalar(c)
	return s.inPlace("lerp", a)
}

// ZeroTo sets a to 0.
func (s *Scope) ZeroTo(a Tensor) Tensor {
	if !s.ready("zero", a) {
		return Tensor{}
	}
	libtch.AtgZero_(s.slot(), a.c)
	return s.inPlace("zero", a)
}

// CopyFrom does a = b, with broadcasting.
func (s *Scope) CopyFrom(a, b Tensor) Tensor {
	if !s.ready("copy", a, b) {
		return Tensor{}
	}
	libtch.AtCopy_(a.c, b.c)
	s.check("copy")
	return a
}

func (s *Scope) binaryTo(op string, a, b Tensor, f func(*libtch.Ctensor, libtch.Ctensor, libtch.Ctensor)) Tensor {
	if !s.ready(op, a, b) {
		return Tensor{}
	}
	f(s.slot(), a.c, b.c)
	return s.inPlace(op, a)
}

func (s *Scope) scalarTo(op string, a Tensor, v float64, f func(*libtch.Ctensor, libtch.Ctensor, libtch.Cscalar)) Tensor {
	if !s.ready(op, a) {
		return Tensor{}
	}
	c := scalar(v)
	f(s.slot(), a.c, c)
	freeScalar(c)
	return s.inPlace(op, a)
}

// SqrtTo does a = √a.
func (s *Scope) SqrtTo(a Tensor) Tensor {
	if !s.ready("sqrt", a) {
		return Tensor{}
	}
	libtch.AtgSqrt_(s.slot(), a.c)
	return s.inPlace("sqrt", a)
}
