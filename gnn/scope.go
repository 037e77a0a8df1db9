package gnn

import (
	"fmt"
	"sync/atomic"
	"unsafe"

	"github.com/sugarme/gotch/libtch"
)

// live counts the tensors that this package made and did not free yet, over all scopes.
var live atomic.Int64

// LiveTensors returns the number of tensors owned by open scopes: flat over training steps, or
// something leaks.
func LiveTensors() int64 { return live.Load() }

// Scope owns tensors. Every operation is a method of a scope, registers its result there, and Close
// frees all of them at once, so that a forward and backward pass needs one line of clean-up:
//
//	s := gnn.NewScope()
//	defer s.Close()
//	y := s.MatMul(x, w)
//	s.Backward(s.Sum(y))
//	if err := s.Err(); err != nil { ... }
//
// Errors stick: the first one is kept, every later operation does nothing and returns the zero
// Tensor, so that it is enough to ask Err at the end. A scope belongs to one torch thread (see
// Torch) and is not safe for concurrent use.
type Scope struct {
	owned []libtch.Ctensor
	err   error
	outer *Scope
	// What is passed to C lies in objects of its own, without Go pointers in them, as cgo demands.
	out  *[8]libtch.Ctensor // where libtorch writes its results
	dims *[8]int64
	args []libtch.Ctensor
}

// NewScope returns an empty scope.
func NewScope() *Scope { return &Scope{out: new([8]libtch.Ctensor), dims: new([8]int64)} }

// Nested returns an inner scope: Close frees its tensors alone and hands its error, if any, on to s.
// It starts failed when s has failed.
func (s *Scope) Nested() *Scope {
	in := NewScope()
	in.outer, in.err = s, s.err
	return in
}

// Err returns the first error of the scope, nil if there is none.
func (s *Scope) Err() error { return s.err }

// Fail records err as the scope's error unless there is one already.
func (s *Scope) Fail(err error) {
	if s.err == nil {
		s.err = err
	}
}

// Close frees all tensors of the scope. The error stays readable. A closed scope can be used again,
// but an error goes on sticking; see Reset.
func (s *Scope) Close() {
	for i, c := range s.owned {
		libtch.AtFree(c)
		s.owned[i] = nil
	}
	live.Add(-int64(len(s.owned)))
	s.owned = s.owned[:0]
	if s.outer != nil && s.err != nil {
		s.outer.Fail(s.err)
	}
}

// Reset closes the scope and clears its error: ready for the next step, with its memory kept.
func (s *Scope) Reset() {
	s.Close()
	s.err = nil
}

// Len returns the number of tensors that the scope owns.
func (s *Scope) Len() int { return len(s.owned) }

// Move hands ownership of t from s to the scope to, so that it outlives s. It is an error if s does
// not own t. Moving does not detach: a tensor with a gradient history keeps that history alive.
func (s *Scope) Move(t Tensor, to *Scope) Tensor {
	if s.err != nil {
		to.Fail(s.err)
		return Tensor{}
	}
	for i := len(s.owned) - 1; i >= 0; i-- {
		if s.owned[i] == t.c {
			s.owned = append(s.owned[:i], s.owned[i+1:]...)
			to.owned = append(to.owned, t.c)
			return t
		}
	}
	s.Fail(fmt.Errorf("gnn: move: the scope does not own this tensor"))
	return Tensor{}
}

// Keep moves the detached value of t to the scope to: no gradient history, same memory.
func (s *Scope) Keep(t Tensor, to *Scope) Tensor { return s.Move(s.Detach(t), to) }

// adopt registers a tensor that libtorch made; nil means that the call failed.
func (s *Scope) adopt(op string, c libtch.Ctensor) Tensor {
	if c == nil {
		s.failed(op)
		return Tensor{}
	}
	s.owned = append(s.owned, c)
	live.Add(1)
	return Tensor{c}
}

// failed records libtorch's last error under the name of the operation.
func (s *Scope) failed(op string) {
	err := lastError()
	if err == nil {
		err = fmt.Errorf("no result")
	}
	s.Fail(fmt.Errorf("gnn: %s: %w", op, err))
}

// check records libtorch's last error, if any: for calls without a result.
func (s *Scope) check(op string) {
	if err := lastError(); err != nil {
		s.Fail(fmt.Errorf("gnn: %s: %w", op, err))
	}
}

// ready reports whether an operation may run: no error so far and all operands present.
func (s *Scope) ready(op string, ts ...Tensor) bool {
	if s.err != nil {
		return false
	}
	for i, t := range ts {
		if t.c == nil {
			s.err = fmt.Errorf("gnn: %s: operand %d is none", op, i+1)
			return false
		}
	}
	return true
}

// slot clears and returns the place for a call's results.
func (s *Scope) slot() *libtch.Ctensor {
	s.out[0] = nil
	return &s.out[0]
}

// result adopts what the last call wrote into its first slot.
func (s *Scope) result(op string) Tensor { return s.adopt(op, s.out[0]) }

// inPlace takes the handle that an in-place operation returned (a second handle on t itself), frees
// it, and gives back t.
func (s *Scope) inPlace(op string, t Tensor) Tensor {
	if s.out[0] == nil {
		s.failed(op)
		return Tensor{}
	}
	libtch.AtFree(s.out[0])
	return t
}

// sizes copies sizes into memory of the scope, so that callers' variadic slices stay on their stacks
// and an empty list has an address to pass.
func (s *Scope) sizes(op string, d []int64) ([]int64, int) {
	if len(d) > len(s.dims) {
		s.Fail(fmt.Errorf("gnn: %s: %d dimensions; at most %d are supported", op, len(d), len(s.dims)))
		return s.dims[:], 0
	}
	return s.dims[:], copy(s.dims[:], d)
}

// NoGrad runs f with gradient recording off on this thread.
func NoGrad(f func()) {
	was := int32(libtch.AtGradSetEnabled(0))
	defer libtch.AtGradSetEnabled(int(was))
	f()
}

// WithGrad runs f with gradient recording on on this thread.
func WithGrad(f func()) {
	was := int32(libtch.AtGradSetEnabled(1))
	defer libtch.AtGradSetEnabled(int(was))
	f()
}

// scalar makes a libtorch scalar of v; freeScalar ends it.
func scalar(v float64) libtch.Cscalar     { return libtch.AtsFloat(v) }
func freeScalar(c libtch.Cscalar)         { libtch.AtsFree(c) }
func pointer[T any](v []T) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(v)) }
