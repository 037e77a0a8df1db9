package gnn

import (
	"fmt"
	"testing"
)

func TestOracleGCN(t *testing.T) {
	o := loadOracle(t, "gcn")
	for _, c := range o.Cases {
		t.Run(c.Name, func(t *testing.T) {
			onTorch(t, func(s *Scope) {
				p := NewParams(newRand(1))
				defer p.Close()
				conv := oracleConv(t, p, c)
				if err := p.Build(); err != nil {
					t.Fatal(err)
				}
				setWeights(t, p, "conv.", c.Weights)
				xs, xd, inputs := oracleEnds(t, s, c)
				e := edgesOf(s, need[array](t, c.Inputs, "edge_index"), xs.Shape()[0], xd.Shape()[0])
				var weight Tensor
				if a, ok := get[array](t, c.Inputs, "edge_weight"); ok {
					weight = leaf(s, a)
					inputs["edge_weight"] = weight
				}
				tol := o.tolerance(t, "")
				var out Tensor
				switch conv := conv.(type) {
				case *GCNConv:
					out = conv.Sparse(s, xs, e, weight)
					used, w := conv.Normalise(s, e, weight)
					sameEdges(t, used, need[array](t, c.Expected, "norm_edge_index"))
					near(t, "norm_edge_weight", s.ToFloat32s(w), need[array](t, c.Expected, "norm_edge_weight").Data, tol)
				case *GraphConv:
					out = conv.Sparse(s, xs, xd, e, weight)
				}
				near(t, "out", s.ToFloat32s(out), need[array](t, c.Expected, "out").Data, tol)
				s.Backward(s.Sum(s.Mul(out, need[array](t, c.Inputs, "grad_out").tensor(s))))
				checkGrads(t, s, c, p, "conv.", inputs, o.tolerance(t, "grads"))
			})
		})
	}
}

// oracleConv declares the layer of a case of gcn.json.
func oracleConv(t *testing.T, p *Params, c oracleCase) any {
	t.Helper()
	var src, dst int
	if in, ok := c.Config["in_channels"]; ok && in[0] == '[' {
		v := need[[]int](t, c.Config, "in_channels")
		src, dst = v[0], v[1]
	} else {
		src = need[int](t, c.Config, "in_channels")
		dst = src
	}
	out := need[int](t, c.Config, "out_channels")
	switch kind := need[string](t, c.Config, "type"); kind {
	case "GCNConv":
		return NewGCNConv(p, "conv", src, out, need[bool](t, c.Config, "add_self_loops"))
	case "GraphConv":
		return NewGraphConv(p, "conv", src, dst, out, need[string](t, c.Config, "aggr") == "mean")
	case "SAGEConv":
		return NewSAGEConv(p, "conv", src, dst, out)
	default:
		panic(fmt.Sprintf("unknown layer %q", kind))
	}
}
