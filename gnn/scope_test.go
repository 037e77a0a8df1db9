package gnn

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// onTorch runs a test body on a torch thread of its own and fails when tensors are left over.
func onTorch(t *testing.T, f func(s *Scope)) {
	t.Helper()
	th, err := StartTorch(1)
	if err != nil {
		t.Fatal(err)
	}
	defer th.Close()
	before := LiveTensors()
	if err := th.Scoped(func(s *Scope) error { f(s); return nil }); err != nil {
		t.Fatal(err)
	}
	if n := LiveTensors() - before; n != 0 {
		t.Errorf("%d tensors left over", n)
	}
}

// random returns n numbers from a normal distribution.
func random(rng *rand.Rand, n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(rng.NormFloat64())
	}
	return v
}

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }

func TestScopeErrors(t *testing.T) {
	th, err := StartTorch(1)
	if err != nil {
		t.Fatal(err)
	}
	defer th.Close()
	tests := []struct {
		name string
		f    func(s *Scope)
		want string
	}{
		{"shapes of mm", func(s *Scope) { s.Mm(s.Full(1, 2, 3), s.Full(1, 4, 5)) }, "mm: mat1 and mat2 shapes"},
		{"none operand", func(s *Scope) { s.Add(s.Full(1, 2), Tensor{}) }, "add: operand 2 is none"},
		{"slice length", func(s *Scope) { s.Float32s(make([]float32, 5), 2, 3) }, "needs 6 elements, got 5"},
		{"view", func(s *Scope) { s.View(s.T(s.Full(1, 2, 3)), 6) }, "view: "},
		{"backward twice", func(s *Scope) {
			x := s.RequireGrad(s.Full(1, 2))
			y := s.Sum(s.Mul(x, x))
			s.Backward(y)
			s.Backward(y)
		}, "backward: "},
		{"dtype of slice", func(s *Scope) { s.ToFloat32s(s.Int64s([]int64{1}, 1)) }, "the tensor is int64, the slice float32"},
		{"item of two", func(s *Scope) { s.Item(s.Full(1, 2)) }, "item: "},
		{"index out of range", func(s *Scope) { s.IndexSelect(s.Full(1, 2), 0, s.Int64s([]int64{7}, 1)) }, "index select: "},
		{"sticky", func(s *Scope) {
			bad := s.Mm(s.Full(1, 2, 3), s.Full(1, 4, 5))
			s.Reshape(s.Exp(bad), 99)
		}, "mm: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := th.Scoped(func(s *Scope) error { tt.f(s); return nil })
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got error %q, want one line with %q", err, tt.want)
			}
		})
	}
	if err := th.Scoped(func(s *Scope) error { s.Full(1, 2); return nil }); err != nil {
		t.Errorf("an error of an earlier scope came back: %v", err)
	}
}
