package gnn

import (
	"math"
	"slices"
	"strings"
	"testing"
)

// built returns a set with one weight of each shape, all starting by init.
func built(t *testing.T, init Init, shapes ...[]int64) *Params {
	t.Helper()
	p := NewParams(newRand(7))
	for i, shape := range shapes {
		p.Add(string(rune('a'+i)), init, shape...)
	}
	if err := p.Build(); err != nil {
		t.Fatal(err)
	}
	return p
}

// TestOrthogonal: W·Wᵀ = gain²·I for a wide weight, Wᵀ·W for a tall one.
func TestOrthogonal(t *testing.T) {
	for _, shape := range [][]int64{{3, 7}, {7, 3}, {5, 5}, {64, 12}, {1, 9}} {
		onTorch(t, func(s *Scope) {
			p := built(t, Orthogonal(1.5), shape)
			defer p.Close()
			w := p.All()[0].T
			if shape[0] > shape[1] {
				w = s.T(w)
			}
			n := min(shape[0], shape[1])
			var want []float64
			for i := range n * n {
				want = append(want, map[bool]float64{true: 2.25}[i/n == i%n])
			}
			near(t, "gram matrix", s.ToFloat32s(s.Mm(w, s.T(w))), want, tolerance{0, 1e-5})
		})
	}
}

// TestUniformInits checks bounds and, with 20,000 numbers, the deviation bound/√3 to within 5 standard
// errors of a uniform's sample deviation (relative error √(0.2/n), so a false alarm is one in 10⁶).
func TestUniformInits(t *testing.T) {
	tests := []struct {
		name  string
		init  Init
		shape []int64
		bound float64
	}{
		{"glorot of a Linear", Glorot, []int64{200, 100}, math.Sqrt(6.0 / 300)},
		{"glorot of att", Glorot, []int64{1, 200, 100}, math.Sqrt(6.0 / 300)},
		{"linear default", LinearDefault(25), []int64{800, 25}, 0.2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := make([]float32, numel(tt.shape))
			tt.init(w, tt.shape, newRand(1))
			sum := 0.0
			for _, v := range w {
				if math.Abs(float64(v)) > tt.bound {
					t.Fatalf("%g is outside of ±%g", v, tt.bound)
				}
				sum += float64(v) * float64(v)
			}
			got, want := math.Sqrt(sum/float64(len(w))), tt.bound/math.Sqrt(3)
			if math.Abs(got/want-1) > 5*math.Sqrt(0.2/20000) {
				t.Errorf("deviation %g, want %g", got, want)
			}
		})
	}
	w := make([]float32, 20000)
	KaimingNormal(w, []int64{100, 200}, newRand(1))
	sum := 0.0
	for _, v := range w {
		sum += float64(v) * float64(v)
	}
	// Relative standard error of a normal's sample deviation: √(1/2n).
	if got := math.Sqrt(sum / 20000); math.Abs(got/0.1-1) > 5*math.Sqrt(1/40000.0) {
		t.Errorf("kaiming deviation %g, want 0.1", got)
	}
}

func TestParamsErrors(t *testing.T) {
	th, err := StartTorch(1)
	if err != nil {
		t.Fatal(err)
	}
	defer th.Close()
	tests := []struct {
		name string
		f    func() *Params
		want string
	}{
		{"no source", func() *Params { return NewParams(nil) }, "random source"},
		{"twice", func() *Params {
			p := NewParams(newRand(1))
			p.Add("w", Zeros, 1)
			p.Add("w", Zeros, 2)
			return p
		}, `parameter "w" is declared twice`},
		{"shape", func() *Params {
			p := NewParams(newRand(1))
			p.Add("w", Zeros, 3, 0)
			return p
		}, `parameter "w" has shape [3 0]`},
		{"nothing", func() *Params { return NewParams(newRand(1)) }, "0 parameters"},
		{"sizes of an mlp", func() *Params {
			p := NewParams(newRand(1))
			NewMLP(p, "pi", MLPConfig{Sizes: []int{3}})
			return p
		}, `mlp "pi": sizes [3]`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := th.Do(func() error { return tt.f().Build() })
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// TestGradBuffer: gradients of all weights gather in one buffer, add up, and are cleared with it.
func TestGradBuffer(t *testing.T) {
	onTorch(t, func(s *Scope) {
		p := built(t, Constant(2), []int64{2}, []int64{1, 3}, []int64{1})
		defer p.Close()
		a, b := p.Lookup("a"), p.Lookup("b")
		pass := func() {
			s.Backward(s.Add(s.Sum(s.Square(a.T)), s.Sum(s.MulScalar(b.T, 3))))
		}
		pass()
		near(t, "one pass", p.Grads(), []float64{4, 4, 3, 3, 3, 0}, tolerance{})
		pass()
		near(t, "two passes", p.Grads(), []float64{8, 8, 6, 6, 6, 0}, tolerance{})
		near(t, "of b", p.GradsOf(b), []float64{6, 6, 6}, tolerance{})
		near(t, "as a tensor", s.ToFloat32s(s.Grad(a.T)), []float64{8, 8}, tolerance{})
		p.ZeroGrad()
		p.Values()[0] = 5
		pass()
		near(t, "after a change", p.Grads(), []float64{10, 4, 3, 3, 3, 0}, tolerance{})
	})
}

func TestClipGradNorm(t *testing.T) {
	onTorch(t, func(*Scope) {
		p := built(t, Zeros, []int64{2}, []int64{3})
		defer p.Close()
		copy(p.Grads(), []float32{3, 0, 0, 4, 12}) // norm 13
		if got := p.ClipGradNorm(20); got != 13 || p.Grads()[4] != 12 {
			t.Errorf("norm %g, gradients %v; below the limit nothing changes", got, p.Grads())
		}
		if got := p.ClipGradNorm(6.5); got != 13 {
			t.Errorf("norm %g", got)
		}
		f := 6.5 / (13 + 1e-6)
		near(t, "clipped", p.Grads(), []float64{3 * f, 0, 0, 4 * f, 12 * f}, tolerance{1e-6, 0})
	})
}

// TestAdam compares with the algorithm of Kingma and Ba in double precision, torch's place of eps.
func TestAdam(t *testing.T) {
	const lr, steps = 0.1, 7
	cfg := AdamConfig{Beta1: 0.8, Beta2: 0.95, Eps: 1e-3}
	grad := func(step, i int) float32 { return float32(math.Sin(float64(3*step+i))) / float32(1+i*i) }
	onTorch(t, func(s *Scope) {
		p := built(t, Constant(1), []int64{2, 2}, []int64{3})
		defer p.Close()
		a, err := NewAdam(p, cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		want, m, v := make([]float64, 7), make([]float64, 7), make([]float64, 7)
		for i := range want {
			want[i] = 1
		}
		var saved AdamState
		var savedValues []float32
		step := func(n int) {
			for i := range p.Grads() {
				p.Grads()[i] = grad(n, i)
			}
			if err := a.Step(lr); err != nil {
				t.Fatal(err)
			}
		}
		for n := 1; n <= steps; n++ {
			if n == 4 {
				saved, savedValues = a.State(), slices.Clone(p.Values())
			}
			step(n)
			for i := range want {
				g := float64(grad(n, i))
				m[i] = cfg.Beta1*m[i] + (1-cfg.Beta1)*g
				v[i] = cfg.Beta2*v[i] + (1-cfg.Beta2)*g*g
				mHat := m[i] / (1 - math.Pow(cfg.Beta1, float64(n)))
				vHat := v[i] / (1 - math.Pow(cfg.Beta2, float64(n)))
				want[i] -= lr * mHat / (math.Sqrt(vHat) + cfg.Eps)
			}
			near(t, "weights", p.Values(), want, tolerance{1e-5, 1e-6})
		}
		// Going back to a saved state gives the same bytes again.
		end := slices.Clone(p.Values())
		if err := a.Restore(saved); err != nil {
			t.Fatal(err)
		}
		if err := p.SetValues(savedValues); err != nil {
			t.Fatal(err)
		}
		for n := 4; n <= steps; n++ {
			step(n)
		}
		if !slices.Equal(p.Values(), end) {
			t.Errorf("after a restore: %v, want %v", p.Values(), end)
		}
		if err := a.Restore(AdamState{M: saved.M}); err == nil {
			t.Error("a state without v was accepted")
		}
	})
}

func TestBlend(t *testing.T) {
	onTorch(t, func(*Scope) {
		a, b := built(t, Constant(1), []int64{3}), built(t, Constant(5), []int64{3})
		defer a.Close()
		defer b.Close()
		if err := a.Blend(b, 0.25); err != nil {
			t.Fatal(err)
		}
		near(t, "a quarter of the way", a.Values(), []float64{2, 2, 2}, tolerance{0, 1e-6})
		if err := a.Blend(b, 1); err != nil || !slices.Equal(a.Values(), b.Values()) {
			t.Errorf("copied: %v, %v", a.Values(), err)
		}
		c := built(t, Constant(5), []int64{4})
		defer c.Close()
		if err := a.Blend(c, 1); err == nil {
			t.Error("another size was accepted")
		}
	})
}
