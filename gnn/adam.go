package gnn

import (
	"fmt"
	"math"
)

// AdamConfig holds Adam's constants (Kingma and Ba 2015, algorithm 1).
type AdamConfig struct {
	Beta1 float64 // decay of the mean of gradients; default 0.9
	Beta2 float64 // decay of the mean of squared gradients; default 0.999
	Eps   float64 // added to the root, outside of it; default 1e-8, SB3 and CleanRL use 1e-5
}

// DefaultAdam returns torch's defaults.
func DefaultAdam() AdamConfig { return AdamConfig{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8} }

// Adam is the optimiser for one set of weights. Its arithmetic is that of torch.optim.Adam, on the
// flat buffers of Params.
type Adam struct {
	cfg    AdamConfig
	params *Params
	steps  int64
	scope  *Scope
	m, v   Buffer
	work   Buffer
}

// AdamState is what a checkpoint keeps of an optimiser: steps done and the two moments, laid out as
// Params.Values.
type AdamState struct {
	Steps int64
	M, V  []float32
}

// NewAdam returns an optimiser for params, which must be built.
func NewAdam(params *Params, cfg AdamConfig) (*Adam, error) {
	switch {
	case !params.Built():
		return nil, fmt.Errorf("gnn: adam: the parameters are not built")
	case !(cfg.Beta1 >= 0 && cfg.Beta1 < 1), !(cfg.Beta2 >= 0 && cfg.Beta2 < 1), !(cfg.Eps > 0):
		return nil, fmt.Errorf("gnn: adam: betas must be in [0, 1) and eps positive, got %+v", cfg)
	}
	a := &Adam{cfg: cfg, params: params, scope: NewScope()}
	n := int64(params.Size())
	a.m, a.v, a.work = a.scope.Buffer(n), a.scope.Buffer(n), a.scope.Buffer(n)
	return a, a.scope.Err()
}

// Step changes the weights by their gradients:
//
//	m = β1·m + (1-β1)·g;  v = β2·v + (1-β2)·g²
//	w -= lr/(1-β1^t) · m / (√v/√(1-β2^t) + eps)
func (a *Adam) Step(lr float64) error {
	a.steps++
	t := float64(a.steps)
	fix1 := 1 - math.Pow(a.cfg.Beta1, t)
	fix2 := math.Sqrt(1 - math.Pow(a.cfg.Beta2, t))
	s, w := NewScope(), a.work.T
	defer s.Close()
	NoGrad(func() {
		s.LerpTo(a.m.T, a.params.grad, 1-a.cfg.Beta1)
		s.MulTo(s.CopyFrom(w, a.params.grad), a.params.grad)
		s.LerpTo(a.v.T, w, 1-a.cfg.Beta2)
		s.SqrtTo(s.CopyFrom(w, a.v.T))
		s.AddScalarTo(s.MulScalarTo(w, 1/fix2), a.cfg.Eps)
		step := s.Div(a.m.T, w)
		s.SubTo(a.params.flat, s.MulScalarTo(step, lr/fix1))
	})
	return s.Err()
}

// State returns a copy of the optimiser's state.
func (a *Adam) State() AdamState {
	return AdamState{a.steps, append([]float32(nil), a.m.Data...), append([]float32(nil), a.v.Data...)}
}

// Restore overwrites the optimiser's state.
func (a *Adam) Restore(st AdamState) error {
	if len(st.M) != a.params.Size() || len(st.V) != a.params.Size() || st.Steps < 0 {
		return fmt.Errorf("gnn: adam: a state of %d and %d moments and %d steps for %d weights",
			len(st.M), len(st.V), st.Steps, a.params.Size())
	}
	a.steps = st.Steps
	copy(a.m.Data, st.M)
	copy(a.v.Data, st.V)
	return nil
}

// Close frees the moments.
func (a *Adam) Close() { a.scope.Close() }
