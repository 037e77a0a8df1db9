package gnn

import "fmt"

// DenseRelation holds the edges of one relation for a batch of graphs with the same numbers of
// sources and destinations. Batch is 1 where a tensor is the same in all graphs.
type DenseRelation struct {
	// Edges [batch, sources, destinations, EdgeDim+1] is for GAT: for each pair the edge's features,
	// zeros where there is no edge, and last a 1 where there is no edge, else 0.
	Edges Tensor
	// Alive [batch, destinations, 1] is 1 where a destination has an incoming edge, else 0; none when
	// all have one.
	Alive Tensor
	// Matrix [batch, destinations, sources] is for GCN and GraphConv: the coefficient of each edge, 0
	// where there is none, the division by the degree included.
	Matrix Tensor
}

// masked is the score that a pair without an edge receives: e^masked is 0 beside any real score.
const masked = -1e30

// Dense applies the layer to a batch: xs [B, Ns, InSrc], xd [B, Nd, InDst], to [B, Nd, Width].
//
// It uses that ⟨x·Wᵀ, att⟩ = ⟨x, attᵀW⟩: scores come from the features directly, W_dst is never
// applied. With several heads the attention also sums the features before W_src is applied, one
// product of small matrices for each graph instead of one for each graph and head. Scores are laid
// out [B, source, destination·head], so that the softmax runs over the middle and every operation
// has long rows.
func (g *GATConv) Dense(s *Scope, xs, xd Tensor, rel DenseRelation) Tensor {
	if g.cfg.SelfLoops || rel.Edges.IsNone() {
		s.Fail(fmt.Errorf("gnn: gat: the dense form takes its edges as a tensor (given: %t) and adds no self loops (wanted: %t)",
			!rel.Edges.IsNone(), g.cfg.SelfLoops))
		return Tensor{}
	}
	src := s.Linear(xs, attend(s, g.cfg.Heads, []*Param{g.LinSrc}, []*Param{g.AttSrc}), Tensor{})
	dst := s.Linear(xd, attend(s, g.cfg.Heads, []*Param{g.LinDst}, []*Param{g.AttDst}), Tensor{})
	alpha := g.attention(s, src, dst, rel)
	if g.cfg.Heads == 1 {
		return s.Add(g.mix(s, alpha, s.Linear(xs, g.LinSrc.T, Tensor{}), rel), g.Bias.T)
	}
	return s.Add(g.project(s, g.mix(s, alpha, xs, rel)), g.Bias.T)
}

// attend returns what features are multiplied with to get their parts of the scores: attᵀW for each
// head [Heads, in], of several layers below each other.
func attend(s *Scope, heads int, lins, atts []*Param) Tensor {
	lin, att := cat(s, 0, lins), cat(s, 1, atts)
	n, c := int64(heads*len(lins)), atts[0].Shape[2]
	return s.View(s.Bmm(s.View(att, n, 1, c), s.View(lin, n, c, -1)), n, -1)
}

// cat joins weights along a dimension.
func cat(s *Scope, dim int64, ps []*Param) Tensor {
	if len(ps) == 1 {
		return ps[0].T
	}
	ts := make([]Tensor, len(ps))
	for i, p := range ps {
		ts[i] = p.T
	}
	return s.Cat(dim, ts...)
}

// attention returns the softmax over sources of the scores [B, Ns, Nd·Heads] made from the parts of
// sources [B, Ns, Heads], destinations [B, Nd, Heads] and edges.
func (g *GATConv) attention(s *Scope, src, dst Tensor, rel DenseRelation) Tensor {
	shape := dst.Shape()
	if s.err != nil {
		return Tensor{}
	}
	nd, h := shape[1], int64(g.cfg.Heads)
	spread := s.Mm(s.Reshape(src, -1, h), g.params.spread(h, nd))
	score := s.Add(s.View(spread, shape[0], -1, nd*h), s.Reshape(dst, shape[0], 1, nd*h))
	return s.Softmax(s.LeakyRelu(s.Add(score, g.edgeScores(s, rel, nd)), g.cfg.Slope), 1)
}

// edgeScores returns the edges' part of the scores [batch, Ns, Nd·Heads].
func (g *GATConv) edgeScores(s *Scope, rel DenseRelation, nd int64) Tensor {
	h := int64(g.cfg.Heads)
	w := g.params.constant(fmt.Sprintf("masked %d", h), func(own *Scope) Tensor { return own.Full(masked, h, 1) })
	if g.AttEdge != nil {
		w = s.Cat(1, attend(s, g.cfg.Heads, []*Param{g.LinEdge}, []*Param{g.AttEdge}), w)
	}
	return s.View(s.Linear(rel.Edges, w, Tensor{}), rel.Edges.Shape()[0], -1, nd*h)
}

// mix returns the attention-weighted sums of x [B, Ns, F]: [B, Nd, Heads·F], zeros for destinations
// without an edge.
func (g *GATConv) mix(s *Scope, alpha, x Tensor, rel DenseRelation) Tensor {
	shape := x.Shape()
	if s.err != nil {
		return Tensor{}
	}
	sum := s.Bmm(s.Transpose(alpha, 1, 2), x)
	return rel.alive(s, s.View(sum, shape[0], -1, int64(g.cfg.Heads)*shape[2]))
}

// project applies W_src to mixed features [B, Nd, Heads·F], each head's block to its part.
func (g *GATConv) project(s *Scope, mixed Tensor) Tensor {
	shape := mixed.Shape()
	if s.err != nil {
		return Tensor{}
	}
	b, nd, h, c := shape[0], shape[1], int64(g.cfg.Heads), int64(g.cfg.Out)
	f := shape[2] / h
	w := s.Transpose(s.View(g.LinSrc.T, h, c, f), 1, 2) // [Heads, F, Out]
	if !g.cfg.Concat {
		// The mean over heads is one product with all blocks on top of each other.
		out := s.Mm(s.Reshape(mixed, b*nd, h*f), s.Reshape(w, h*f, c))
		return s.View(s.MulScalar(out, 1/float64(h)), b, nd, c)
	}
	out := s.Bmm(s.Transpose(s.Reshape(mixed, b*nd, h, f), 0, 1), w) // [Heads, B·Nd, Out]
	return s.Reshape(s.Transpose(out, 0, 1), b, nd, h*c)
}
