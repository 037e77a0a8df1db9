package gnn

import "fmt"

// GATConfig describes one graph attention layer (Velickovic et al. 2018) as PyG's GATConv has it.
type GATConfig struct {
	InSrc, InDst int  // feature widths of sources and destinations
	Heads        int  // attention heads
	Out          int  // channels of each head
	Concat       bool // heads side by side (width Heads·Out), or their mean (width Out)
	EdgeDim      int  // features of an edge; 0 for none
	SharedLin    bool // one Linear for both ends; InSrc and InDst must be equal
	SelfLoops    bool // PyG's add_self_loops: drop loops, then add one for each node (one node type)
	Slope        float64
}

// GATConv is a graph attention layer:
//
//	score(i→j, h) = leaky(⟨hsᵢ, att_src⟩ + ⟨hdⱼ, att_dst⟩ + ⟨e·W_edgeᵀ, att_edge⟩),  hs = x·W_srcᵀ
//	out_j = Σ softmax over the edges that end in j (score) · hsᵢ, heads side by side or averaged, + bias
type GATConv struct {
	cfg                     GATConfig
	params                  *Params
	LinSrc, LinDst, LinEdge *Param // [Heads·Out, in], no bias; LinDst is LinSrc when shared
	AttSrc, AttDst, AttEdge *Param // [1, Heads, Out]; the edge ones nil without edge features
	Bias                    *Param
}

// NewGATConv declares the weights of a layer under PyG's names and with its initial values: Glorot
// for Linears and att_*, zero bias. A slope of 0 means 0.2.
func NewGATConv(p *Params, name string, cfg GATConfig) *GATConv {
	if cfg.Slope == 0 {
		cfg.Slope = 0.2
	}
	if cfg.SharedLin && cfg.InSrc != cfg.InDst {
		p.fail("gat %q: one shared Linear for widths %d and %d", name, cfg.InSrc, cfg.InDst)
	}
	g := &GATConv{cfg: cfg, params: p}
	heads, out := int64(cfg.Heads), int64(cfg.Out)
	lin := func(n string, in int) *Param { return p.Add(name+"."+n+".weight", Glorot, heads*out, int64(in)) }
	if cfg.SharedLin {
		g.LinSrc = lin("lin", cfg.InSrc)
		g.LinDst = g.LinSrc
	} else {
		g.LinSrc, g.LinDst = lin("lin_src", cfg.InSrc), lin("lin_dst", cfg.InDst)
	}
	g.AttSrc = p.Add(name+".att_src", Glorot, 1, heads, out)
	g.AttDst = p.Add(name+".att_dst", Glorot, 1, heads, out)
	if cfg.EdgeDim > 0 {
		g.LinEdge = lin("lin_edge", cfg.EdgeDim)
		g.AttEdge = p.Add(name+".att_edge", Glorot, 1, heads, out)
	}
	g.Bias = p.Add(name+".bias", Zeros, int64(g.Width()))
	return g
}

// Width returns the features of an output row.
func (g *GATConv) Width() int {
	if g.cfg.Concat {
		return g.cfg.Heads * g.cfg.Out
	}
	return g.cfg.Out
}

// Sparse applies the layer to edge lists: xs [NumSrc, InSrc], xd [NumDst, InDst], attr [E, EdgeDim] or
// none. It returns the output [NumDst, Width], the attention [E', Heads] and the edges it refers to,
// which differ from the given ones when self loops are added.
func (g *GATConv) Sparse(s *Scope, xs, xd Tensor, e Edges, attr Tensor) (out, alpha Tensor, used Edges) {
	if err := g.checkEdges(e, attr); err != nil {
		s.Fail(err)
		return Tensor{}, Tensor{}, e
	}
	if g.cfg.SelfLoops {
		e, attr = withSelfLoops(s, e, attr)
	}
	heads, width := int64(g.cfg.Heads), int64(g.cfg.Out)
	hs := s.Reshape(s.Linear(xs, g.LinSrc.T, Tensor{}), -1, heads, width)
	hd := hs
	if g.LinDst != g.LinSrc || xs != xd {
		hd = s.Reshape(s.Linear(xd, g.LinDst.T, Tensor{}), -1, heads, width)
	}
	score := s.Add(
		s.IndexSelect(s.SumDim(s.Mul(hs, g.AttSrc.T), false, 2), 0, e.src),
		s.IndexSelect(s.SumDim(s.Mul(hd, g.AttDst.T), false, 2), 0, e.dst))
	if g.AttEdge != nil {
		he := s.Reshape(s.Linear(attr, g.LinEdge.T, Tensor{}), -1, heads, width)
		score = s.Add(score, s.SumDim(s.Mul(he, g.AttEdge.T), false, 2))
	}
	alpha = e.softmaxByDst(s, s.LeakyRelu(score, g.cfg.Slope))
	message := s.Mul(s.IndexSelect(hs, 0, e.src), s.Unsqueeze(alpha, 2))
	sum := e.sumByDst(s, message)
	if g.cfg.Concat {
		out = s.Reshape(sum, -1, heads*width)
	} else {
		out = s.MeanDim(sum, false, 1)
	}
	return s.Add(out, g.Bias.T), alpha, e
}

func (g *GATConv) checkEdges(e Edges, attr Tensor) error {
	if attr.IsNone() == (g.AttEdge != nil) {
		return fmt.Errorf("gnn: gat: edge features given: %t, expected: %t", !attr.IsNone(), g.AttEdge != nil)
	}
	if g.cfg.SelfLoops && e.NumSrc != e.NumDst {
		return fmt.Errorf("gnn: gat: self loops need one node type, got %d sources and %d destinations", e.NumSrc, e.NumDst)
	}
	return nil
}

// withSelfLoops drops all loops and appends one for each node, whose features are the mean of those
// of the node's other incoming edges (PyG's remove_self_loops and add_self_loops with fill "mean").
func withSelfLoops(s *Scope, e Edges, attr Tensor) (Edges, Tensor) {
	var src, dst, kept []int64
	for i := range e.Src {
		if e.Src[i] != e.Dst[i] {
			src, dst, kept = append(src, e.Src[i]), append(dst, e.Dst[i]), append(kept, int64(i))
		}
	}
	if !attr.IsNone() {
		attr = s.IndexSelect(attr, 0, s.Int64s(kept, int64(len(kept))))
		plain := s.Edges(src, dst, e.NumSrc, e.NumDst)
		attr = s.Cat(0, attr, plain.meanByDst(s, attr))
	}
	for i := range int64(e.NumDst) {
		src, dst = append(src, i), append(dst, i)
	}
	return s.Edges(src, dst, e.NumSrc, e.NumDst), attr
}
