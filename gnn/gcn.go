package gnn

import "fmt"

// GCNConv is the graph convolution of Kipf and Welling (2017) as PyG's GCNConv has it: x·Wᵀ summed
// over incoming edges with weights d_i^-½·w·d_j^-½ after adding self loops of weight 1, plus bias.
// Both factors use the in-degree, the sum of the weights of incoming edges.
type GCNConv struct {
	W, Bias *Param // [out, in], [out]
	Loops   bool
}

// NewGCNConv declares name.lin.weight (Glorot) and name.bias (0).
func NewGCNConv(p *Params, name string, in, out int, selfLoops bool) *GCNConv {
	return &GCNConv{
		W:     p.Add(name+".lin.weight", Glorot, int64(out), int64(in)),
		Bias:  p.Add(name+".bias", Zeros, int64(out)),
		Loops: selfLoops,
	}
}

// Sparse applies the layer to x [N, in] and edges of one node type; weight [E] or none for ones.
func (g *GCNConv) Sparse(s *Scope, x Tensor, e Edges, weight Tensor) Tensor {
	used, w := g.Normalise(s, e, weight)
	message := s.Mul(s.IndexSelect(s.Linear(x, g.W.T, Tensor{}), 0, used.src), s.Unsqueeze(w, 1))
	return s.Add(used.sumByDst(s, message), g.Bias.T)
}

// Dense applies the layer to a batch x [B, N, in] with coefficients rel.Matrix.
func (g *GCNConv) Dense(s *Scope, x Tensor, rel DenseRelation) Tensor {
	return s.Add(rel.mix(s, s.Linear(x, g.W.T, Tensor{})), g.Bias.T)
}

// mix returns Matrix·x for a batch x [B, Ns, F]: [B, Nd, F].
func (r DenseRelation) mix(s *Scope, x Tensor) Tensor {
	m, shape := r.Matrix, x.Shape()
	if s.ready("mix", m, x) && m.Shape()[0] != shape[0] {
		m = s.Expand(m, shape[0], -1, -1)
	}
	return s.Bmm(m, x)
}

// Normalise returns the edges in use (self loops last) and their coefficients [E'].
func (g *GCNConv) Normalise(s *Scope, e Edges, weight Tensor) (Edges, Tensor) {
	if e.NumSrc != e.NumDst {
		s.Fail(fmt.Errorf("gnn: gcn: one node type is needed, got %d sources and %d destinations", e.NumSrc, e.NumDst))
		return e, Tensor{}
	}
	if weight.IsNone() {
		weight = s.Full(1, int64(e.Len()))
	}
	if g.Loops {
		e, weight = withRemainingLoops(s, e, weight)
	}
	deg := e.sumByDst(s, weight)
	some := s.Gt(deg, 0)
	// 1/√deg, and 0 for a degree of 0; the 1 in between keeps the gradient finite.
	inv := s.Mul(s.Rsqrt(s.Where(some, deg, s.Full(1, 1))), s.To(some, Float32))
	return e, s.Mul(s.Mul(s.IndexSelect(inv, 0, e.src), weight), s.IndexSelect(inv, 0, e.dst))
}

// withRemainingLoops moves loops to the end and adds those that are missing with weight 1 (PyG's
// add_remaining_self_loops): a loop in the input keeps its own weight, the last one if there are two.
func withRemainingLoops(s *Scope, e Edges, weight Tensor) (Edges, Tensor) {
	loop := make([]int64, e.NumDst)
	for i := range loop {
		loop[i] = int64(e.Len()) // the 1 appended to the weights
	}
	var src, dst, pick []int64
	for i := range e.Src {
		if e.Src[i] == e.Dst[i] {
			loop[e.Src[i]] = int64(i)
			continue
		}
		src, dst, pick = append(src, e.Src[i]), append(dst, e.Dst[i]), append(pick, int64(i))
	}
	for i, at := range loop {
		src, dst, pick = append(src, int64(i)), append(dst, int64(i)), append(pick, at)
	}
	weight = s.IndexSelect(s.Cat(0, weight, s.Full(1, 1)), 0, s.Int64s(pick, int64(len(pick))))
	return s.Edges(src, dst, e.NumSrc, e.NumDst), weight
}

// GraphConv is PyG's GraphConv and SAGEConv: rel(sum or mean over incoming edges of w·x_i) +
// root(x_j). The mean divides by the number of edges, not by the sum of weights.
type GraphConv struct {
	Rel, Root *Linear // with and without bias
	Mean      bool
}

// NewGraphConv declares name.lin_rel and name.lin_root with torch's default initial values.
func NewGraphConv(p *Params, name string, inSrc, inDst, out int, mean bool) *GraphConv {
	return &GraphConv{
		Rel:  NewLinear(p, name+".lin_rel", inSrc, out, LinearInit{}),
		Root: NewLinear(p, name+".lin_root", inDst, out, LinearInit{NoBias: true}),
		Mean: mean,
	}
}

// NewSAGEConv declares name.lin_l and name.lin_r: a GraphConv with the mean (Hamilton et al. 2017)
// under PyG's other names.
func NewSAGEConv(p *Params, name string, inSrc, inDst, out int) *GraphConv {
	return &GraphConv{
		Rel:  NewLinear(p, name+".lin_l", inSrc, out, LinearInit{}),
		Root: NewLinear(p, name+".lin_r", inDst, out, LinearInit{NoBias: true}),
		Mean: true,
	}
}

// Sparse applies the layer to xs [NumSrc, inSrc] and xd [NumDst, inDst]; weight [E] or none for ones.
func (g *GraphConv) Sparse(s *Scope, xs, xd Tensor, e Edges, weight Tensor) Tensor {
	message := s.IndexSelect(xs, 0, e.src)
	if !weight.IsNone() {
		message = s.Mul(message, s.Unsqueeze(weight, 1))
	}
	sum := e.sumByDst
	if g.Mean {
		sum = e.meanByDst
	}
	return s.Add(g.Rel.Forward(s, sum(s, message)), g.Root.Forward(s, xd))
}

// Dense applies the layer to a batch xs [B, Ns, inSrc], xd [B, Nd, inDst] with coefficients
// rel.Matrix, which include the division of the mean. The narrower side of rel is mixed.
func (g *GraphConv) Dense(s *Scope, xs, xd Tensor, rel DenseRelation) Tensor {
	root := g.Root.Forward(s, xd)
	if g.Rel.W.Shape[0] < g.Rel.W.Shape[1] {
		mixed := rel.mix(s, s.Linear(xs, g.Rel.W.T, Tensor{}))
		return s.Add(s.Add(mixed, g.Rel.bias()), root)
	}
	return s.Add(g.Rel.Forward(s, rel.mix(s, xs)), root)
}
