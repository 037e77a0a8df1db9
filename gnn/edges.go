package gnn

import (
	"fmt"
	"math"
)

// Edges is a list of directed edges between numbered rows of two feature matrices. Messages go from
// Src to Dst. Edges may repeat; a repeated edge counts twice.
type Edges struct {
	Src, Dst       []int64
	NumSrc, NumDst int    // rows of the source and of the destination matrix
	src, dst       Tensor // the same lists as tensors
}

// Edges makes tensors of two lists of equal length, after checking that they stay within the rows.
// The slices must not change while the result is in use.
func (s *Scope) Edges(src, dst []int64, numSrc, numDst int) Edges {
	e := Edges{Src: src, Dst: dst, NumSrc: numSrc, NumDst: numDst}
	if len(src) != len(dst) {
		s.Fail(fmt.Errorf("gnn: edges: %d sources, %d destinations", len(src), len(dst)))
		return e
	}
	for i := range src {
		if src[i] < 0 || src[i] >= int64(numSrc) || dst[i] < 0 || dst[i] >= int64(numDst) {
			s.Fail(fmt.Errorf("gnn: edge %d goes from %d to %d; there are %d sources and %d destinations",
				i, src[i], dst[i], numSrc, numDst))
			return e
		}
	}
	e.src, e.dst = s.Int64s(src, int64(len(src))), s.Int64s(dst, int64(len(dst)))
	return e
}

// Len returns the number of edges.
func (e Edges) Len() int { return len(e.Src) }

// degrees returns how many edges end in each destination.
func (e Edges) degrees() []float32 {
	d := make([]float32, e.NumDst)
	for _, j := range e.Dst {
		d[j]++
	}
	return d
}

// sumByDst adds up the rows of messages [E, ...] by destination: [NumDst, ...].
func (e Edges) sumByDst(s *Scope, messages Tensor) Tensor {
	shape := messages.Shape()
	if s.err != nil {
		return Tensor{}
	}
	shape[0] = int64(e.NumDst)
	return s.IndexAdd(s.Zeros(Float32, shape...), 0, e.dst, messages)
}

// softmaxByDst normalises e^score [E, H] over the edges that end in the same destination, for each
// head. As in PyG's softmax the maximum is subtracted and 1e-16 added to the sum.
func (e Edges) softmaxByDst(s *Scope, score Tensor) Tensor {
	if e.Len() == 0 {
		return score
	}
	ex := s.Exp(s.Sub(score, e.maxByDst(s, score)))
	sum := s.AddScalar(e.sumByDst(s, ex), 1e-16)
	return s.Div(ex, s.IndexSelect(sum, 0, e.dst))
}

// maxByDst returns, for each edge and head, the largest score [E, H] among the edges that end in the
// same destination, as a constant. libtorch's scatter-maximum is not within gotch's reach, so this is
// done in Go.
func (e Edges) maxByDst(s *Scope, score Tensor) Tensor {
	v := s.ToFloat32s(score)
	if s.err != nil {
		return Tensor{}
	}
	heads := len(v) / e.Len()
	top := make([]float32, e.NumDst*heads)
	for i := range top {
		top[i] = float32(math.Inf(-1))
	}
	for i, x := range v {
		at := int(e.Dst[i/heads])*heads + i%heads
		top[at] = max(top[at], x)
	}
	for i := range v {
		v[i] = top[int(e.Dst[i/heads])*heads+i%heads]
	}
	return s.Float32s(v, int64(e.Len()), int64(heads))
}

// meanByDst is sumByDst over the number of edges, 0 where there is none.
func (e Edges) meanByDst(s *Scope, messages Tensor) Tensor {
	inv := e.degrees()
	for i, d := range inv {
		inv[i] = 1 / max(d, 1)
	}
	return s.Mul(e.sumByDst(s, messages), s.Float32s(inv, int64(e.NumDst), 1))
}
