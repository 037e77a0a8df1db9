package gnn

import (
	"math"
	"testing"
)

// TestOps checks values of operations whose wrappers could pass arguments wrongly, against numbers
// worked out by hand, and their gradients against differences.
func TestOps(t *testing.T) {
	x := []float32{-1, 0.5, 2, -0.25, 3, 1} // [2, 3]
	tests := []struct {
		name string
		f    func(s *Scope, a Tensor) Tensor
		want []float64
		flat bool // no gradient is wanted
	}{
		{"leaky relu", func(s *Scope, a Tensor) Tensor { return s.LeakyRelu(a, 0.2) }, []float64{-0.2, 0.5, 2, -0.05, 3, 1}, false},
		{"elu", func(s *Scope, a Tensor) Tensor { return s.Elu(a) }, []float64{math.Exp(-1) - 1, 0.5, 2, math.Exp(-0.25) - 1, 3, 1}, false},
		{"relu", func(s *Scope, a Tensor) Tensor { return s.Relu(a) }, []float64{0, 0.5, 2, 0, 3, 1}, false},
		{"sigmoid of 0", func(s *Scope, a Tensor) Tensor { return s.Sigmoid(s.MulScalar(a, 0)) }, []float64{.5, .5, .5, .5, .5, .5}, false},
		{"rsqrt", func(s *Scope, a Tensor) Tensor { return s.Rsqrt(s.AddScalar(a, 2)) },
			[]float64{1, 1 / math.Sqrt(2.5), 0.5, 1 / math.Sqrt(1.75), 1 / math.Sqrt(5), 1 / math.Sqrt(3)}, false},
		{"clamp", func(s *Scope, a Tensor) Tensor { return s.Clamp(a, -0.5, 1.5) }, []float64{-0.5, 0.5, 1.5, -0.25, 1.5, 1}, false},
		{"clamp min", func(s *Scope, a Tensor) Tensor { return s.ClampMin(a, 0.75) }, []float64{0.75, 0.75, 2, 0.75, 3, 1}, false},
		{"clamp max", func(s *Scope, a Tensor) Tensor { return s.ClampMax(a, 0.75) }, []float64{-1, 0.5, 0.75, -0.25, 0.75, 0.75}, false},
		{"sub and div scalar", func(s *Scope, a Tensor) Tensor { return s.DivScalar(s.SubScalar(a, 1), 2) }, []float64{-1, -0.25, 0.5, -0.625, 1, 0}, false},
		{"sum of rows", func(s *Scope, a Tensor) Tensor { return s.SumDim(a, false, 1) }, []float64{1.5, 3.75}, false},
		{"mean of columns", func(s *Scope, a Tensor) Tensor { return s.MeanDim(a, true, 0) }, []float64{-0.625, 1.75, 1.5}, false},
		{"amax", func(s *Scope, a Tensor) Tensor { return s.Amax(a, false, 1) }, []float64{2, 3}, false},
		{"std", func(s *Scope, a Tensor) Tensor { return s.Std(s.Narrow(a, 0, 0, 1), true) }, []float64{1.5}, false},
		{"population std", func(s *Scope, a Tensor) Tensor { return s.Std(s.Narrow(a, 0, 0, 1), false) }, []float64{math.Sqrt(1.5)}, false},
		{"norm", func(s *Scope, a Tensor) Tensor { return s.Norm(s.Narrow(a, 0, 0, 1)) }, []float64{math.Sqrt(5.25)}, false},
		{"logsumexp", func(s *Scope, a Tensor) Tensor { return s.Logsumexp(a, false, 1) },
			[]float64{math.Log(math.Exp(-1) + math.Exp(.5) + math.Exp(2)), math.Log(math.Exp(-.25) + math.Exp(3) + math.Exp(1))}, false},
		{"softmax of columns", func(s *Scope, a Tensor) Tensor { return s.Narrow(s.Softmax(a, 0), 1, 0, 1) },
			[]float64{1 / (1 + math.Exp(0.75)), 1 / (1 + math.Exp(-0.75))}, false},
		{"log softmax", func(s *Scope, a Tensor) Tensor { return s.Narrow(s.LogSoftmax(a, 0), 1, 1, 1) },
			[]float64{-math.Log1p(math.Exp(2.5)), -math.Log1p(math.Exp(-2.5))}, false},
		{"permute", func(s *Scope, a Tensor) Tensor { return s.Permute(a, 1, 0) }, []float64{-1, -0.25, 0.5, 3, 2, 1}, false},
		{"transpose", func(s *Scope, a Tensor) Tensor { return s.Contiguous(s.Transpose(a, 0, 1)) }, []float64{-1, -0.25, 0.5, 3, 2, 1}, false},
		{"select", func(s *Scope, a Tensor) Tensor { return s.Select(a, 1, 2) }, []float64{2, 1}, false},
		{"stack", func(s *Scope, a Tensor) Tensor { return s.Stack(0, s.Select(a, 0, 1), s.Select(a, 0, 0)) }, []float64{-0.25, 3, 1, -1, 0.5, 2}, false},
		{"cat of a split", func(s *Scope, a Tensor) Tensor {
			p := s.Split(a, 1, 1, 2)
			return s.Cat(1, p[1], p[0])
		}, []float64{0.5, 2, -1, 3, 1, -0.25}, false},
		{"gather", func(s *Scope, a Tensor) Tensor { return s.Gather(a, 1, s.Int64s([]int64{2, 0}, 2, 1)) }, []float64{2, -0.25}, false},
		{"index select", func(s *Scope, a Tensor) Tensor { return s.IndexSelect(a, 1, s.Int64s([]int64{2, 2}, 2)) }, []float64{2, 2, 1, 1}, false},
		{"index add", func(s *Scope, a Tensor) Tensor {
			return s.IndexAdd(s.Full(1, 2, 3), 0, s.Int64s([]int64{1, 1}, 2), a)
		}, []float64{1, 1, 1, -0.25, 4.5, 4}, false},
		{"masked fill", func(s *Scope, a Tensor) Tensor { return s.MaskedFill(a, s.Gt(a, 0.75), 9) }, []float64{-1, 0.5, 9, -0.25, 9, 9}, false},
		{"where", func(s *Scope, a Tensor) Tensor { return s.Where(s.Le(a, 0.6), a, s.Full(7, 1)) }, []float64{-1, 0.5, 7, -0.25, 7, 7}, false},
		{"minimum", func(s *Scope, a Tensor) Tensor { return s.Minimum(a, s.Full(0.75, 1)) }, []float64{-1, 0.5, 0.75, -0.25, 0.75, 0.75}, false},
		{"maximum", func(s *Scope, a Tensor) Tensor { return s.Maximum(a, s.Full(0.75, 1)) }, []float64{0.75, 0.75, 2, 0.75, 3, 1}, false},
		{"addmm", func(s *Scope, a Tensor) Tensor { return s.Addmm(s.Full(1, 2, 1), a, s.Full(2, 3, 1)) }, []float64{4, 8.5}, false},
		{"baddbmm", func(s *Scope, a Tensor) Tensor {
			return s.Baddbmm(s.Full(1, 1, 2, 1), s.Unsqueeze(a, 0), s.Full(2, 1, 3, 1))
		}, []float64{4, 8.5}, false},
		{"matmul with a vector of matrices", func(s *Scope, a Tensor) Tensor { return s.MatMul(s.View(a, 2, 1, 3), s.Full(1, 3, 1)) }, []float64{1.5, 3.75}, false},
		{"expand", func(s *Scope, a Tensor) Tensor { return s.Expand(s.Narrow(a, 1, 0, 1), 2, 2) }, []float64{-1, -1, -0.25, -0.25}, false},
		{"comparisons", func(s *Scope, a Tensor) Tensor {
			return s.Add(s.To(s.Ge(a, 1), Float32), s.MulScalar(s.To(s.Not(s.Lt(a, 0)), Float32), 10))
		}, []float64{0, 10, 11, 0, 11, 11}, true},
		{"equal", func(s *Scope, a Tensor) Tensor { return s.To(s.Eq(a, 2), Float32) }, []float64{0, 0, 1, 0, 0, 0}, true},
		{"argmax", func(s *Scope, a Tensor) Tensor { return s.To(s.Argmax(a, 1), Float32) }, []float64{2, 1}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			onTorch(t, func(s *Scope) {
				a := s.RequireGrad(s.Float32s(x, 2, 3))
				out := tt.f(s, a)
				near(t, "value", s.ToFloat32s(out), tt.want, tolerance{1e-6, 1e-6})
				if tt.flat || s.Err() != nil {
					return
				}
				weights := random(newRand(1), len(tt.want))
				s.Backward(s.Sum(s.Mul(out, s.Float32s(weights, out.Shape()...))))
				near(t, "gradient", s.ToFloat32s(s.Grad(a)), differences(s, tt.f, x, weights), tolerance{2e-3, 2e-3})
			})
		})
	}
}

// differences returns the central differences of the weighted sum of f at x [2, 3].
func differences(s *Scope, f func(*Scope, Tensor) Tensor, x, weights []float32) []float64 {
	const h = 1.0 / 256
	at := func(i int, d float32) (sum float64) {
		v := append([]float32(nil), x...)
		v[i] += d
		for j, y := range s.ToFloat32s(f(s, s.Float32s(v, 2, 3))) {
			sum += float64(y) * float64(weights[j])
		}
		return sum
	}
	grad := make([]float64, len(x))
	for i := range x {
		grad[i] = (at(i, h) - at(i, -h)) / (2 * h)
	}
	return grad
}

func TestMaxDim(t *testing.T) {
	onTorch(t, func(s *Scope) {
		v, i := s.MaxDim(s.Float32s([]float32{1, 5, 2, 7, 7, 3}, 2, 3), 1, false)
		near(t, "values", s.ToFloat32s(v), []float64{5, 7}, tolerance{})
		if got := s.ToInt64s(i); len(got) != 2 || got[0] != 1 || got[1] != 0 {
			t.Errorf("indices %v", got)
		}
	})
}

func TestInPlace(t *testing.T) {
	onTorch(t, func(s *Scope) {
		b := s.Buffer(2)
		copy(b.Data, []float32{4, 9})
		one := s.Full(1, 2)
		s.SqrtTo(b.T)                    // 2 3
		s.AddTo(b.T, one)                // 3 4
		s.MulTo(b.T, b.T)                // 9 16
		s.DivTo(b.T, s.Full(2, 2))       // 4.5 8
		s.SubTo(b.T, one)                // 3.5 7
		s.LerpTo(b.T, s.Full(11, 2), .5) // 7.25 9
		s.AddScalarTo(s.MulScalarTo(b.T, 2), -1)
		near(t, "buffer", b.Data, []float64{13.5, 17}, tolerance{0, 1e-6})
		s.CopyFrom(b.T, s.Full(3, 1))
		near(t, "copied", b.Data, []float64{3, 3}, tolerance{})
		s.ZeroTo(b.T)
		near(t, "zeroed", b.Data, []float64{0, 0}, tolerance{})
	})
}

func TestSlices(t *testing.T) {
	onTorch(t, func(s *Scope) {
		f, i, b := s.Empty(Float32, 2), s.Empty(Int64, 2), s.Empty(Bool, 2)
		s.Set(f, []float32{1.5, -2})
		s.SetInt64(i, []int64{1 << 40, -3})
		s.SetBool(b, []bool{true, false})
		near(t, "float32", s.ToFloat32s(f), []float64{1.5, -2}, tolerance{})
		bools := make([]bool, 2)
		s.CopyBoolTo(bools, b)
		if v := s.ToInt64s(i); v[0] != 1<<40 || v[1] != -3 || !bools[0] || bools[1] {
			t.Errorf("int64 %v, bool %v", v, bools)
		}
		// A view whose elements are not in order is put in order.
		near(t, "transposed", s.ToFloat32s(s.T(s.Float32s([]float32{1, 2, 3, 4}, 2, 2))), []float64{1, 3, 2, 4}, tolerance{})
		near(t, "empty", s.ToFloat32s(s.Float32s(nil, 0, 3)), nil, tolerance{})
		if got := s.Item(s.Full(2.5)); got != 2.5 {
			t.Errorf("item %v", got)
		}
	})
}
