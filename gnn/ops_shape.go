package gnn

import (
	"fmt"
	"unsafe"

	"github.com/sugarme/gotch/libtch"
)

// Reshape gives a another shape with the same elements in row-major order; one size may be -1.
func (s *Scope) Reshape(a Tensor, shape ...int64) Tensor {
	if !s.ready("reshape", a) {
		return Tensor{}
	}
	d, n := s.sizes("reshape", shape)
	libtch.AtgReshape(s.slot(), a.c, d, n)
	return s.result("reshape")
}

// View is Reshape that never copies; it is an error where a copy would be needed.
func (s *Scope) View(a Tensor, shape ...int64) Tensor {
	if !s.ready("view", a) {
		return Tensor{}
	}
	d, n := s.sizes("view", shape)
	libtch.AtgView(s.slot(), a.c, d, n)
	return s.result("view")
}

// Expand repeats dimensions of size 1 without copying; -1 keeps a size.
func (s *Scope) Expand(a Tensor, shape ...int64) Tensor {
	if !s.ready("expand", a) {
		return Tensor{}
	}
	d, n := s.sizes("expand", shape)
	libtch.AtgExpand(s.slot(), a.c, d, n, 0)
	return s.result("expand")
}

// Permute reorders the dimensions without copying.
func (s *Scope) Permute(a Tensor, dims ...int64) Tensor {
	if !s.ready("permute", a) {
		return Tensor{}
	}
	d, n := s.sizes("permute", dims)
	libtch.AtgPermute(s.slot(), a.c, d, n)
	return s.result("permute")
}

// Transpose swaps two dimensions without copying.
func (s *Scope) Transpose(a Tensor, i, j int64) Tensor {
	if !s.ready("transpose", a) {
		return Tensor{}
	}
	libtch.AtgTranspose(s.slot(), a.c, i, j)
	return s.result("transpose")
}

// T transposes a matrix without copying.
func (s *Scope) T(a Tensor) Tensor { return s.unary("t", a, libtch.AtgT) }

// Contiguous returns a with its elements in row-major order, copied if they were not.
func (s *Scope) Contiguous(a Tensor) Tensor { return s.unary("contiguous", a, libtch.AtgContiguous) }

// Unsqueeze inserts a dimension of size 1.
func (s *Scope) Unsqueeze(a Tensor, dim int64) Tensor {
	if !s.ready("unsqueeze", a) {
		return Tensor{}
	}
	libtch.AtgUnsqueeze(s.slot(), a.c, dim)
	return s.result("unsqueeze")
}

// Squeeze removes a dimension of size 1.
func (s *Scope) Squeeze(a Tensor, dim int64) Tensor {
	if !s.ready("squeeze", a) {
		return Tensor{}
	}
	libtch.AtgSqueezeDim(s.slot(), a.c, dim)
	return s.result("squeeze")
}

// Narrow returns length elements of a dimension, from start on, without copying.
func (s *Scope) Narrow(a Tensor, dim, start, length int64) Tensor {
	if !s.ready("narrow", a) {
		return Tensor{}
	}
	libtch.AtgNarrow(s.slot(), a.c, dim, start, length)
	return s.result("narrow")
}

// Select returns one element of a dimension, which disappears, without copying.
func (s *Scope) Select(a Tensor, dim, index int64) Tensor {
	if !s.ready("select", a) {
		return Tensor{}
	}
	libtch.AtgSelect(s.slot(), a.c, dim, index)
	return s.result("select")
}

// operands collects the handles of a list of tensors in memory of the scope.
func (s *Scope) operands(op string, ts []Tensor) bool {
	if !s.ready(op, ts...) {
		return false
	}
	if len(ts) == 0 {
		s.Fail(fmt.Errorf("gnn: %s: nothing given", op))
		return false
	}
	s.args = s.args[:0]
	for _, t := range ts {
		s.args = append(s.args, t.c)
	}
	return true
}

// Cat joins tensors along an existing dimension.
func (s *Scope) Cat(dim int64, ts ...Tensor) Tensor {
	if !s.operands("cat", ts) {
		return Tensor{}
	}
	libtch.AtgCat(s.slot(), s.args, len(s.args), dim)
	return s.result("cat")
}

// Stack joins tensors of one shape along a new dimension.
func (s *Scope) Stack(dim int64, ts ...Tensor) Tensor {
	if !s.operands("stack", ts) {
		return Tensor{}
	}
	libtch.AtgStack(s.slot(), s.args, len(s.args), dim)
	return s.result("stack")
}

// Gather returns, along dim, the elements whose positions the int64 tensor index names.
func (s *Scope) Gather(a Tensor, dim int64, index Tensor) Tensor {
	if !s.ready("gather", a, index) {
		return Tensor{}
	}
	libtch.AtgGather(s.slot(), a.c, dim, index.c, 0)
	return s.result("gather")
}

// IndexSelect returns the rows of dimension dim that the int64 vector index lists.
func (s *Scope) IndexSelect(a Tensor, dim int64, index Tensor) Tensor {
	if !s.ready("index select", a, index) {
		return Tensor{}
	}
	libtch.AtgIndexSelect(s.slot(), a.c, dim, index.c)
	return s.result("index select")
}

// IndexAdd returns a with the rows of src added to the rows of dimension dim that index lists; a row
// named twice receives both.
func (s *Scope) IndexAdd(a Tensor, dim int64, index, src Tensor) Tensor {
	if !s.ready("index add", a, index, src) {
		return Tensor{}
	}
	libtch.AtgIndexAdd(s.slot(), a.c, dim, index.c, src.c)
	return s.result("index add")
}

// Split cuts a dimension into consecutive parts of the given sizes, without copying. Its backward
// pass is one Cat, where the same parts by Narrow would each fill a tensor of the whole size.
func (s *Scope) Split(a Tensor, dim int64, sizes ...int64) []Tensor {
	parts := make([]Tensor, len(sizes))
	if len(sizes) == 0 || !s.ready("split", a) {
		return parts
	}
	p := libtch.AtgSplitWithSizes(a.c, append([]int64(nil), sizes...), len(sizes), dim)
	if p == nil {
		s.failed("split")
		return parts
	}
	for i, c := range unsafe.Slice(p, len(sizes)) {
		parts[i] = s.adopt("split", c)
	}
	freeC(unsafe.Pointer(p))
	return parts
}
