package gnn

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/sugarme/gotch/libtch"
)

// Param is one named weight. T is set by Params.Build and is a leaf that gradients flow into.
type Param struct {
	Name  string
	Shape []int64
	T     Tensor
	start int // first element in the flat buffers
	init  Init
}

// Size returns the number of elements.
func (p *Param) Size() int { return numel(p.Shape) }

// Params is an ordered set of named weights. They are first declared, by the constructors of layers,
// and then built together: all weights are views into one flat buffer and all gradients into
// another, so that clearing, clipping and an optimiser step take a handful of operations on a vector
// instead of ten for each weight.
//
//	params := gnn.NewParams(rng)
//	net := gnn.NewMLP(params, "pi", ...)   // declares
//	err := params.Build()                  // draws the weights, in order of declaration
//
// Gradients add up in the buffer until ZeroGrad; a weight that no backward pass reached has zeros.
type Params struct {
	list   []*Param
	byName map[string]*Param
	rng    *rand.Rand
	err    error
	scope  *Scope
	size   int
	flat   Tensor // all weights, one after the other
	grad   Tensor // all gradients, the same way
	values []float32
	grads  []float32
	consts map[string]Tensor
	shared *Params // whose weights these are; nil for its own
}

// NewParams returns an empty set whose initialisers draw from rng.
func NewParams(rng *rand.Rand) *Params {
	p := &Params{byName: map[string]*Param{}, consts: map[string]Tensor{}, rng: rng, scope: NewScope()}
	if rng == nil {
		p.err = errors.New("gnn: parameters need a random source, got nil")
	}
	return p
}

// Replica returns an empty set that is to be declared as p was, on another torch thread perhaps. Build gives it p's weights, in the
// same memory, and gradients of its own: two threads can then compute gradients for parts of one batch. Nobody may change the weights
// meanwhile, and the replica must be closed before p.
func (p *Params) Replica() *Params {
	r := NewParams(p.rng)
	r.shared = p
	return r
}

// Add declares a weight. Mistakes (a name used twice, an empty shape, a call after Build) are
// reported by Build.
func (p *Params) Add(name string, init Init, shape ...int64) *Param {
	q := &Param{Name: name, Shape: append([]int64(nil), shape...), start: p.size, init: init}
	switch {
	case p.Built():
		p.fail("parameter %q is declared after Build", name)
	case p.byName[name] != nil:
		p.fail("parameter %q is declared twice", name)
	case len(shape) == 0 || numel(shape) <= 0:
		p.fail("parameter %q has shape %v; sizes must be positive", name, shape)
	default:
		p.list = append(p.list, q)
		p.byName[name] = q
		p.size += q.Size()
	}
	return q
}

func (p *Params) fail(format string, args ...any) {
	p.err = errors.Join(p.err, fmt.Errorf("gnn: "+format, args...))
}

// Built reports whether Build has succeeded.
func (p *Params) Built() bool { return !p.flat.IsNone() }

// Build draws all weights in order of declaration and makes their tensors. It runs on the torch
// thread, once.
func (p *Params) Build() error {
	if p.err != nil {
		return p.err
	}
	if p.Built() || p.size == 0 {
		return fmt.Errorf("gnn: build: %d parameters, built already: %t", len(p.list), p.Built())
	}
	s := p.scope
	grad := s.Buffer(int64(p.size))
	var flat Buffer
	if p.shared != nil {
		if err := p.sameAs(p.shared); err != nil {
			return err
		}
		flat = Buffer{T: p.shared.flat, Data: p.shared.values}
	} else {
		flat = s.Buffer(int64(p.size))
	}
	if s.err != nil {
		return s.err
	}
	if p.shared == nil {
		for _, q := range p.list {
			q.init(flat.Data[q.start:q.start+q.Size()], q.Shape, p.rng)
		}
	}
	for _, q := range p.list {
		p.bind(q, flat.T, grad.T)
	}
	if s.err != nil {
		return s.err
	}
	p.flat, p.grad, p.values, p.grads = flat.T, grad.T, flat.Data, grad.Data
	return nil
}

// sameAs reports whether other, which must be built, was declared alike.
func (p *Params) sameAs(other *Params) error {
	if !other.Built() || len(p.list) != len(other.list) {
		return fmt.Errorf("gnn: replica: %d weights of %d, built: %t", len(p.list), len(other.list), other.Built())
	}
	for i, q := range p.list {
		if o := other.list[i]; o.Name != q.Name || !slices.Equal(o.Shape, q.Shape) {
			return fmt.Errorf("gnn: replica: weight %s %v where the other has %s %v", q.Name, q.Shape, o.Name, o.Shape)
		}
	}
	return nil
}

// AddGrads adds the gradients of a replica to those of p.
func (p *Params) AddGrads(replica *Params) {
	for i, g := range replica.grads[:len(p.grads)] {
		p.grads[i] += g
	}
}

// bind makes q.T a leaf that is a view of the flat buffer and lets its gradient be a view of the
// gradient buffer: a first backward pass makes libtorch allocate the gradient, set_ then points it
// at our memory, and later passes add to it in place.
func (p *Params) bind(q *Param, flat, grad Tensor) {
	s, n := p.scope, int64(q.Size())
	tmp := s.Nested()
	defer tmp.Close()
	part := func(t Tensor) Tensor {
		return tmp.View(tmp.Narrow(t, 0, int64(q.start), n), q.Shape...)
	}
	q.T = tmp.Move(tmp.RequireGrad(tmp.Detach(part(flat))), s)
	WithGrad(func() { tmp.Backward(tmp.Sum(q.T)) })
	g := tmp.Grad(q.T)
	view := part(grad)
	if !tmp.ready("bind", g, view) {
		return
	}
	NoGrad(func() {
		libtch.AtgSetSourceTensor_(tmp.slot(), g.c, view.c)
		tmp.inPlace("bind gradient", g)
	})
}

// Close frees the weights.
func (p *Params) Close() {
	p.scope.Close()
	p.flat, p.grad, p.values, p.grads = Tensor{}, Tensor{}, nil, nil
	clear(p.consts)
}

// All returns the weights in order of declaration. The slice belongs to p.
func (p *Params) All() []*Param { return p.list }

// Lookup returns the weight of that name, nil if there is none.
func (p *Params) Lookup(name string) *Param { return p.byName[name] }

// Size returns the number of elements of all weights together.
func (p *Params) Size() int { return p.size }

// Values is the memory of all weights, in order of declaration: reading and writing it reads and
// writes the weights. Valid between Build and Close.
func (p *Params) Values() []float32 { return p.values }

// Grads is the memory of all gradients, laid out as Values.
func (p *Params) Grads() []float32 { return p.grads }

// ValuesOf returns the memory of one weight.
func (p *Params) ValuesOf(q *Param) []float32 { return p.values[q.start : q.start+q.Size()] }

// GradsOf returns the memory of one weight's gradient.
func (p *Params) GradsOf(q *Param) []float32 { return p.grads[q.start : q.start+q.Size()] }

// SetValues overwrites all weights with v, which is laid out as Values.
func (p *Params) SetValues(v []float32) error {
	if len(v) != p.size || !p.Built() {
		return fmt.Errorf("gnn: set values: %d numbers for %d (built: %t)", len(v), p.size, p.Built())
	}
	copy(p.values, v)
	return nil
}

// ZeroGrad clears all gradients.
func (p *Params) ZeroGrad() { clear(p.grads) }

// GradNorm returns the Euclidean norm over all gradients together, summed in double precision.
func (p *Params) GradNorm() float64 {
	// Four sums, so that additions do not wait for each other.
	var a, b, c, d float64
	g := p.grads
	for ; len(g) >= 4; g = g[4:] {
		a += float64(g[0]) * float64(g[0])
		b += float64(g[1]) * float64(g[1])
		c += float64(g[2]) * float64(g[2])
		d += float64(g[3]) * float64(g[3])
	}
	for _, v := range g {
		a += float64(v) * float64(v)
	}
	return math.Sqrt(a + b + c + d)
}

// ClipGradNorm scales all gradients by min(1, max/(norm + 1e-6)), as torch's clip_grad_norm_ does,
// and returns the norm before.
func (p *Params) ClipGradNorm(max float64) float64 {
	norm := p.GradNorm()
	if f := max / (norm + 1e-6); f < 1 {
		c := float32(f)
		for i := range p.grads {
			p.grads[i] *= c
		}
	}
	return norm
}

// Blend moves all weights towards those of the other set: w += tau·(other - w). The sets must have
// been declared alike. It is the soft target update of Discrete SAC; tau = 1 copies.
func (p *Params) Blend(other *Params, tau float64) error {
	if p.size != other.size || !p.Built() || !other.Built() {
		return fmt.Errorf("gnn: blend: sets of %d and %d weights, both must be built", p.size, other.size)
	}
	if tau == 1 {
		copy(p.values, other.values)
		return nil
	}
	s := NewScope()
	defer s.Close()
	NoGrad(func() { s.LerpTo(p.flat, other.flat, tau) })
	return s.Err()
}

// constant returns a tensor without gradient that layers need again and again, made once and kept
// until Close.
func (p *Params) constant(key string, mk func(own *Scope) Tensor) Tensor {
	if t, ok := p.consts[key]; ok {
		return t
	}
	tmp := p.scope.Nested()
	var t Tensor
	NoGrad(func() { t = tmp.Move(mk(tmp), p.scope) })
	tmp.Close()
	if !t.IsNone() {
		p.consts[key] = t
	}
	return t
}

// spread returns the matrix [h, n·h] that repeats a row of h numbers n times: n identities side by
// side.
func (p *Params) spread(h, n int64) Tensor {
	return p.constant(fmt.Sprintf("spread %d %d", h, n), func(own *Scope) Tensor {
		v := make([]float32, h*n*h)
		for i := range h {
			for j := range n {
				v[i*n*h+j*h+i] = 1
			}
		}
		return own.Float32s(v, h, n*h)
	})
}

// spreadTwo returns the matrix [2h, (a+b)·h] that repeats the first h of 2h numbers a times and then
// the others b times.
func (p *Params) spreadTwo(h, a, b int64) Tensor {
	return p.constant(fmt.Sprintf("spread %d %d %d", h, a, b), func(own *Scope) Tensor {
		upper := own.Cat(1, p.spread(h, a), own.Zeros(Float32, h, b*h))
		return own.Cat(0, upper, own.Cat(1, own.Zeros(Float32, h, a*h), p.spread(h, b)))
	})
}
