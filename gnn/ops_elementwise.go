package gnn

import "github.com/sugarme/gotch/libtch"

// unary runs an operation with one operand.
func (s *Scope) unary(op string, a Tensor, f func(*libtch.Ctensor, libtch.Ctensor)) Tensor {
	if !s.ready(op, a) {
		return Tensor{}
	}
	f(s.slot(), a.c)
	return s.result(op)
}

// binary runs an operation with two operands.
func (s *Scope) binary(op string, a, b Tensor, f func(*libtch.Ctensor, libtch.Ctensor, libtch.Ctensor)) Tensor {
	if !s.ready(op, a, b) {
		return Tensor{}
	}
	f(s.slot(), a.c, b.c)
	return s.result(op)
}

// withScalar runs an operation of a tensor and a number.
func (s *Scope) withScalar(op string, a Tensor, v float64, f func(*libtch.Ctensor, libtch.Ctensor, libtch.Cscalar)) Tensor {
	if !s.ready(op, a) {
		return Tensor{}
	}
	c := scalar(v)
	f(s.slot(), a.c, c)
	freeScalar(c)
	return s.result(op)
}

// Exp returns e^a, element by element.
func (s *Scope) Exp(a Tensor) Tensor { return s.unary("exp", a, libtch.AtgExp) }

// Log returns the natural logarithm of a, element by element.
func (s *Scope) Log(a Tensor) Tensor { return s.unary("log", a, libtch.AtgLog) }

// Tanh returns tanh a, element by element.
func (s *Scope) Tanh(a Tensor) Tensor { return s.unary("tanh", a, libtch.AtgTanh) }

// Relu returns max(a, 0), element by element.
func (s *Scope) Relu(a Tensor) Tensor { return s.unary("relu", a, libtch.AtgRelu) }

// Elu returns a where a > 0, else e^a - 1, element by element.
func (s *Scope) Elu(a Tensor) Tensor { return s.unary("elu", a, libtch.AtgElu) }

// Sigmoid returns 1/(1 + e^-a), element by element.
func (s *Scope) Sigmoid(a Tensor) Tensor { return s.unary("sigmoid", a, libtch.AtgSigmoid) }

// Square returns a², element by element.
func (s *Scope) Square(a Tensor) Tensor { return s.unary("square", a, libtch.AtgSquare) }

// Sqrt returns √a, element by element.
func (s *Scope) Sqrt(a Tensor) Tensor { return s.unary("sqrt", a, libtch.AtgSqrt) }

// Rsqrt returns 1/√a, element by element.
func (s *Scope) Rsqrt(a Tensor) Tensor { return s.unary("rsqrt", a, libtch.AtgRsqrt) }

// Neg returns -a, element by element.
func (s *Scope) Neg(a Tensor) Tensor { return s.unary("neg", a, libtch.AtgNeg) }

// Abs returns |a|, element by element.
func (s *Scope) Abs(a Tensor) Tensor { return s.unary("abs", a, libtch.AtgAbs) }

// Add returns a + b, with broadcasting.
func (s *Scope) Add(a, b Tensor) Tensor { return s.binary("add", a, b, libtch.AtgAdd) }

// Sub returns a - b, with broadcasting.
func (s *Scope) Sub(a, b Tensor) Tensor { return s.binary("sub", a, b, libtch.AtgSub) }

// Mul returns a·b, element by element, with broadcasting.
func (s *Scope) Mul(a, b Tensor) Tensor { return s.binary("mul", a, b, libtch.AtgMul) }

// Div returns a/b, with broadcasting.
func (s *Scope) Div(a, b Tensor) Tensor { return s.binary("div", a, b, libtch.AtgDiv) }

// Minimum returns the smaller of a and b, element by element, with broadcasting.
func (s *Scope) Minimum(a, b Tensor) Tensor { return s.binary("minimum", a, b, libtch.AtgMinimum) }

// Maximum returns the larger of a and b, element by element, with broadcasting.
func (s *Scope) Maximum(a, b Tensor) Tensor { return s.binary("maximum", a, b, libtch.AtgMaximum) }

// AddScalar returns a + v.
func (s *Scope) AddScalar(a Tensor, v float64) Tensor {
	return s.withScalar("add scalar", a, v, libtch.AtgAddScalar)
}

// SubScalar returns a - v.
func (s *Scope) SubScalar(a Tensor, v float64) Tensor {
	return s.withScalar("sub scalar", a, v, libtch.AtgSubScalar)
}

// MulScalar returns a·v.
func (s *Scope) MulScalar(a Tensor, v float64) Tensor {
	return s.withScalar("mul scalar", a, v, libtch.AtgMulScalar)
}

// DivScalar returns a/v.
func (s *Scope) DivScalar(a Tensor, v float64) Tensor {
	return s.withScalar("div scalar", a, v, libtch.AtgDivScalar)
}

// ClampMin returns max(a, v).
func (s *Scope) ClampMin(a Tensor, v float64) Tensor {
	return s.withScalar("clamp", a, v, libtch.AtgClampMin)
}

// ClampMax returns min(a, v).
func (s *Scope) ClampMax(a Tensor, v float64) Tensor {
	return s.withScalar("clamp", a, v, libtch.AtgClampMax)
}

// Clamp returns a limited to [lo, hi]; the gradient is 0 outside.
func (s *Scope) Clamp(a Tensor, lo, hi float64) Tensor {
	if !s.ready("clamp", a) {
		return Tensor{}
	}
	l, h := scalar(lo), scalar(hi)
	libtch.AtgClamp(s.slot(), a.c, l, h)
	freeScalar(l)
	freeScalar(h)
	return s.result("clamp")
}

// LeakyRelu returns a where a > 0, else slope·a. gotch's leaky_relu has no slope argument, so the
// operation is written as libtorch's leaky_relu_backward applied to a itself, a·(a > 0 ? 1 : slope),
// with the condition's a detached: one pass forward, one backward, and the exact gradient.
func (s *Scope) LeakyRelu(a Tensor, slope float64) Tensor {
	d := s.Detach(a)
	if s.err != nil {
		return Tensor{}
	}
	c := scalar(slope)
	libtch.AtgLeakyReluBackward(s.slot(), a.c, d.c, c, 0)
	freeScalar(c)
	return s.result("leaky relu")
}

// Comparisons with a number give boolean tensors.

// Gt returns a > v.
func (s *Scope) Gt(a Tensor, v float64) Tensor { return s.withScalar("gt", a, v, libtch.AtgGt) }

// Lt returns a < v.
func (s *Scope) Lt(a Tensor, v float64) Tensor { return s.withScalar("lt", a, v, libtch.AtgLt) }

// Ge returns a >= v.
func (s *Scope) Ge(a Tensor, v float64) Tensor { return s.withScalar("ge", a, v, libtch.AtgGe) }

// Le returns a <= v.
func (s *Scope) Le(a Tensor, v float64) Tensor { return s.withScalar("le", a, v, libtch.AtgLe) }

// Eq returns a == v.
func (s *Scope) Eq(a Tensor, v float64) Tensor { return s.withScalar("eq", a, v, libtch.AtgEq) }

// Not returns the negation of a boolean tensor.
func (s *Scope) Not(a Tensor) Tensor { return s.unary("not", a, libtch.AtgLogicalNot) }

// To converts a to another element type.
func (s *Scope) To(a Tensor, d DType) Tensor {
	if !s.ready("to", a) {
		return Tensor{}
	}
	libtch.AtgToDtype(s.slot(), a.c, int32(d), 0, 0)
	return s.result("to")
}

// MaskedFill returns a with v where the boolean mask (broadcast) is true; no gradient flows there.
func (s *Scope) MaskedFill(a, mask Tensor, v float64) Tensor {
	if !s.ready("masked fill", a, mask) {
		return Tensor{}
	}
	c := scalar(v)
	libtch.AtgMaskedFill(s.slot(), a.c, mask.c, c)
	freeScalar(c)
	return s.result("masked fill")
}

// Where returns a where the boolean cond is true, else b.
func (s *Scope) Where(cond, a, b Tensor) Tensor {
	if !s.ready("where", cond, a, b) {
		return Tensor{}
	}
	libtch.AtgWhereSelf(s.slot(), cond.c, a.c, b.c)
	return s.result("where")
}
