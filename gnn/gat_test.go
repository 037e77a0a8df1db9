package gnn

import (
	"testing"
)

// oracleEnds returns the feature matrices of a case: x_src and x_dst, or one x for both.
func oracleEnds(t *testing.T, s *Scope, c oracleCase) (xs, xd Tensor, inputs map[string]Tensor) {
	inputs = map[string]Tensor{}
	if x, ok := get[array](t, c.Inputs, "x"); ok {
		inputs["x"] = leaf(s, x)
		return inputs["x"], inputs["x"], inputs
	}
	inputs["x_src"] = leaf(s, need[array](t, c.Inputs, "x_src"))
	inputs["x_dst"] = leaf(s, need[array](t, c.Inputs, "x_dst"))
	return inputs["x_src"], inputs["x_dst"], inputs
}

// oracleGAT builds the layer of a case with its weights.
func oracleGAT(t *testing.T, c oracleCase) (*Params, *GATConv) {
	cfg := GATConfig{
		Heads: need[int](t, c.Config, "heads"), Out: need[int](t, c.Config, "out_channels"),
		Concat: need[bool](t, c.Config, "concat"), SharedLin: need[bool](t, c.Config, "shared_lin"),
		SelfLoops: need[bool](t, c.Config, "add_self_loops"), Slope: need[float64](t, c.Config, "negative_slope"),
	}
	cfg.EdgeDim, _ = get[int](t, c.Config, "edge_dim")
	if cfg.SharedLin {
		cfg.InSrc = need[int](t, c.Config, "in_channels")
		cfg.InDst = cfg.InSrc
	} else {
		in := need[[]int](t, c.Config, "in_channels")
		cfg.InSrc, cfg.InDst = in[0], in[1]
	}
	p := NewParams(newRand(1))
	g := NewGATConv(p, "conv", cfg)
	if err := p.Build(); err != nil {
		t.Fatal(err)
	}
	setWeights(t, p, "conv.", c.Weights)
	return p, g
}

func TestOracleGAT(t *testing.T) {
	o := loadOracle(t, "gat")
	for _, c := range o.Cases {
		t.Run(c.Name, func(t *testing.T) {
			onTorch(t, func(s *Scope) {
				p, g := oracleGAT(t, c)
				defer p.Close()
				xs, xd, inputs := oracleEnds(t, s, c)
				e := edgesOf(s, need[array](t, c.Inputs, "edge_index"), xs.Shape()[0], xd.Shape()[0])
				var attr Tensor
				if a, ok := get[array](t, c.Inputs, "edge_attr"); ok {
					attr = leaf(s, a)
					inputs["edge_attr"] = attr
				}
				out, alpha, used := g.Sparse(s, xs, xd, e, attr)
				near(t, "out", s.ToFloat32s(out), need[array](t, c.Expected, "out").Data, o.tolerance(t, ""))
				near(t, "alpha", s.ToFloat32s(alpha), need[array](t, c.Expected, "alpha").Data, o.tolerance(t, ""))
				if want, ok := get[array](t, c.Expected, "edge_index_used"); ok {
					sameEdges(t, used, want)
				}
				if grad, ok := get[array](t, c.Inputs, "grad_out"); ok {
					s.Backward(s.Sum(s.Mul(out, grad.tensor(s))))
					checkGrads(t, s, c, p, "conv.", inputs, o.tolerance(t, "grads"))
				}
			})
		})
	}
}

// sameEdges compares edges with an edge_index array, in order.
func sameEdges(t *testing.T, e Edges, want array) {
	t.Helper()
	v := want.ints()
	for i := range v {
		got := int64(-1)
		if n := len(v) / 2; e.Len() == n {
			got = append(append([]int64(nil), e.Src...), e.Dst...)[i]
		}
		if got != v[i] {
			t.Fatalf("edges %v -> %v, want %v", e.Src, e.Dst, v)
		}
	}
}
