package gnn

import "testing"

// denseWith turns edges without repetition and their f features each, [E, f], into the dense layout of one
// graph; the tensor of edges is a leaf.
func denseWith(s *Scope, e Edges, attr []float32, f int) DenseRelation {
	w := f + 1
	v, alive := make([]float32, e.NumSrc*e.NumDst*w), make([]float32, e.NumDst)
	for i := range e.NumSrc * e.NumDst {
		v[i*w+f] = 1
	}
	for i := range e.Src {
		at := (int(e.Src[i])*e.NumDst + int(e.Dst[i])) * w
		copy(v[at:at+f], attr[i*f:(i+1)*f])
		v[at+f] = 0
		alive[e.Dst[i]] = 1
	}
	return DenseRelation{
		Edges: s.RequireGrad(s.Float32s(v, 1, int64(e.NumSrc), int64(e.NumDst), int64(w))),
		Alive: s.Float32s(alive, 1, int64(e.NumDst), 1),
	}
}

// repeated reports whether an edge occurs twice: the dense form cannot say that.
func repeated(e Edges) bool {
	seen := map[[2]int64]bool{}
	for i := range e.Src {
		k := [2]int64{e.Src[i], e.Dst[i]}
		if seen[k] {
			return true
		}
		seen[k] = true
	}
	return false
}

// edgeGrads picks the gradients of the edge features out of the dense layout: [E, f].
func edgeGrads(s *Scope, e Edges, rel DenseRelation, f int) []float32 {
	g, out := s.ToFloat32s(s.Grad(rel.Edges)), []float32(nil)
	for i := range e.Src {
		at := (int(e.Src[i])*e.NumDst + int(e.Dst[i])) * (f + 1)
		out = append(out, g[at:at+f]...)
	}
	return out
}

func TestOracleGATDense(t *testing.T) {
	o := loadOracle(t, "gat")
	ran := 0
	for _, c := range o.Cases {
		t.Run(c.Name, func(t *testing.T) {
			onTorch(t, func(s *Scope) {
				p, g := oracleGAT(t, c)
				defer p.Close()
				xs, xd, inputs := oracleEnds(t, s, c)
				e := edgesOf(s, need[array](t, c.Inputs, "edge_index"), xs.Shape()[0], xd.Shape()[0])
				if g.cfg.SelfLoops || repeated(e) {
					t.Skip("not expressible: self loops or a repeated edge")
				}
				ran++
				attr, _ := get[array](t, c.Inputs, "edge_attr")
				rel := denseWith(s, e, attr.floats(), g.cfg.EdgeDim)
				out := s.Squeeze(g.Dense(s, s.Unsqueeze(xs, 0), s.Unsqueeze(xd, 0), rel), 0)
				near(t, "out", s.ToFloat32s(out), need[array](t, c.Expected, "out").Data, o.tolerance(t, ""))
				grad, ok := get[array](t, c.Inputs, "grad_out")
				if !ok {
					return
				}
				s.Backward(s.Sum(s.Mul(out, grad.tensor(s))))
				if want, ok := c.ExpectedGrads.Inputs["edge_attr"]; ok {
					near(t, "grad of edge_attr", edgeGrads(s, e, rel, g.cfg.EdgeDim), want.Data, o.tolerance(t, "grads"))
					delete(c.ExpectedGrads.Inputs, "edge_attr")
				}
				checkGrads(t, s, c, p, "conv.", inputs, o.tolerance(t, "grads"))
			})
		})
	}
	if ran == 0 {
		t.Error("no case was tested")
	}
}
