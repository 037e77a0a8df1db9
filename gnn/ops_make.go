package gnn

import (
	"fmt"
	"unsafe"

	"github.com/sugarme/gotch/libtch"
)

// numel multiplies sizes; -1 when one is negative.
func numel(shape []int64) int {
	n := 1
	for _, d := range shape {
		if d < 0 {
			return -1
		}
		n *= int(d)
	}
	return n
}

// fromData makes a tensor with a copy of n elements at p.
func (s *Scope) fromData(p unsafe.Pointer, n int, d DType, shape []int64) Tensor {
	if s.err != nil {
		return Tensor{}
	}
	if numel(shape) != n {
		s.Fail(fmt.Errorf("gnn: from slice: shape %v needs %d elements, got %d", shape, numel(shape), n))
		return Tensor{}
	}
	if n == 0 {
		return s.Zeros(d, shape...)
	}
	dims, k := s.sizes("from slice", shape)
	if s.err != nil {
		return Tensor{}
	}
	return s.adopt("from slice", libtch.AtTensorOfData(p, dims, uint(k), uint(d.size()), int(d)))
}

// Float32s makes a tensor of the given shape with a copy of v, row-major.
func (s *Scope) Float32s(v []float32, shape ...int64) Tensor {
	return s.fromData(pointer(v), len(v), Float32, shape)
}

// Int64s makes an int64 tensor with a copy of v.
func (s *Scope) Int64s(v []int64, shape ...int64) Tensor {
	return s.fromData(pointer(v), len(v), Int64, shape)
}

// Bools makes a boolean tensor with a copy of v.
func (s *Scope) Bools(v []bool, shape ...int64) Tensor {
	return s.fromData(pointer(v), len(v), Bool, shape)
}

// Empty makes a tensor whose values are undefined: for buffers that are filled later.
func (s *Scope) Empty(d DType, shape ...int64) Tensor {
	if s.err != nil {
		return Tensor{}
	}
	dims, n := s.sizes("empty", shape)
	libtch.AtgEmpty(s.slot(), dims, n, int32(d), cpu)
	return s.result("empty")
}

// Zeros makes a tensor of zeros.
func (s *Scope) Zeros(d DType, shape ...int64) Tensor {
	if s.err != nil {
		return Tensor{}
	}
	dims, n := s.sizes("zeros", shape)
	libtch.AtgZeros(s.slot(), dims, n, int32(d), cpu)
	return s.result("zeros")
}

// Full makes a float32 tensor with v everywhere.
func (s *Scope) Full(v float64, shape ...int64) Tensor {
	if s.err != nil {
		return Tensor{}
	}
	c := scalar(v)
	defer freeScalar(c)
	dims, n := s.sizes("full", shape)
	libtch.AtgFull(s.slot(), dims, n, c, int32(Float32), cpu)
	return s.result("full")
}

// Buffer is a preallocated float32 tensor together with its memory as a Go slice: writing to Data
// changes T and the other way round, so that a rollout is filled without copies or allocations.
// Do not write while operations that read T still need the old values for a backward pass.
type Buffer struct {
	T    Tensor
	Data []float32
}

// Buffer makes a zeroed buffer owned by s.
func (s *Scope) Buffer(shape ...int64) Buffer {
	t := s.Zeros(Float32, shape...)
	if s.err != nil {
		return Buffer{}
	}
	return Buffer{T: t, Data: t.float32s(numel(shape))}
}

// uninitialised is Buffer without the zeros, for buffers that are filled at once.
func (s *Scope) uninitialised(shape ...int64) Buffer {
	t := s.Empty(Float32, shape...)
	if s.err != nil {
		return Buffer{}
	}
	return Buffer{T: t, Data: t.float32s(numel(shape))}
}

// Set copies v into the float32 tensor dst, which must be contiguous and have len(v) elements. No
// gradient is recorded.
func (s *Scope) Set(dst Tensor, v []float32) { setSlice(s, dst, v, Float32) }

// SetInt64 copies v into the int64 tensor dst.
func (s *Scope) SetInt64(dst Tensor, v []int64) { setSlice(s, dst, v, Int64) }

// SetBool copies v into the boolean tensor dst.
func (s *Scope) SetBool(dst Tensor, v []bool) { setSlice(s, dst, v, Bool) }

func setSlice[T any](s *Scope, dst Tensor, v []T, d DType) {
	if !s.checkSlice("set", dst, len(v), d) || len(v) == 0 {
		return
	}
	copy(unsafe.Slice((*T)(libtch.AtDataPtr(dst.c)), len(v)), v)
}

// CopyTo copies the values of the float32 tensor t, in row-major order, to dst, whose length must be
// the number of elements.
func (s *Scope) CopyTo(dst []float32, t Tensor) {
	if s.checkSlice("copy to slice", t, len(dst), Float32) && len(dst) > 0 {
		libtch.AtCopyData(t.c, pointer(dst), uint(len(dst)), 4)
		s.check("copy to slice")
	}
}

// CopyInt64To is CopyTo for int64.
func (s *Scope) CopyInt64To(dst []int64, t Tensor) {
	if s.checkSlice("copy to slice", t, len(dst), Int64) && len(dst) > 0 {
		libtch.AtCopyData(t.c, pointer(dst), uint(len(dst)), 8)
		s.check("copy to slice")
	}
}

// CopyBoolTo is CopyTo for booleans.
func (s *Scope) CopyBoolTo(dst []bool, t Tensor) {
	if s.checkSlice("copy to slice", t, len(dst), Bool) && len(dst) > 0 {
		libtch.AtCopyData(t.c, pointer(dst), uint(len(dst)), 1)
		s.check("copy to slice")
	}
}

func (s *Scope) checkSlice(op string, t Tensor, n int, d DType) bool {
	if !s.ready(op, t) {
		return false
	}
	if got := t.DType(); got != d {
		s.Fail(fmt.Errorf("gnn: %s: the tensor is %v, the slice %v", op, got, d))
		return false
	}
	if got := t.Numel(); got != n {
		s.Fail(fmt.Errorf("gnn: %s: the tensor has %d elements, the slice %d", op, got, n))
		return false
	}
	return true
}

// ToFloat32s returns the values of t in a new slice, row-major; nil after an error.
func (s *Scope) ToFloat32s(t Tensor) []float32 {
	if !s.ready("to slice", t) {
		return nil
	}
	v := make([]float32, t.Numel())
	s.CopyTo(v, t)
	return v
}

// ToInt64s returns the values of the int64 tensor t in a new slice.
func (s *Scope) ToInt64s(t Tensor) []int64 {
	if !s.ready("to slice", t) {
		return nil
	}
	v := make([]int64, t.Numel())
	s.CopyInt64To(v, t)
	return v
}

// Item returns the value of a tensor with one element; 0 after an error.
func (s *Scope) Item(t Tensor) float64 {
	if !s.ready("item", t) {
		return 0
	}
	v := libtch.AtDoubleValueAtIndexes(t.c, unsafe.Pointer(&s.dims[0]), 0)
	s.check("item")
	return v
}
