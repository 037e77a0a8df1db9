package gnn

import (
	"encoding/json"
	"fmt"
	"testing"
)

// oracleHetero declares the layers of a case of hetero.json under "layer0" and "layer1".
func oracleHetero(t *testing.T, p *Params, c oracleCase, svcIn, nodeIn int) []*HeteroLayer {
	t.Helper()
	kinds := map[string]ConvKind{
		"GATConv": ConvGAT, "GCNConv": ConvGCN, "GraphConv(add)": ConvGraphAdd,
		"GraphConv(mean)": ConvGraphMean, "SAGEConv(mean)": ConvSAGE,
	}
	cfg := HeteroLayerConfig{ServiceIn: svcIn, NodeIn: nodeIn}
	if raw := c.Config["conv"]; raw[0] == '{' {
		m := need[map[string]string](t, c.Config, "conv")
		if m["runs_on"] != m["hosts"] {
			t.Fatalf("runs_on and hosts differ: %v", m)
		}
		cfg.Calls, cfg.Placement = kinds[m["calls"]], kinds[m["hosts"]]
	} else {
		cfg.Calls = kinds[need[string](t, c.Config, "conv")]
		cfg.Placement = cfg.Calls
	}
	if d, ok := get[int](t, c.Config, "edge_dim"); ok {
		cfg.EdgeDims = [3]int{d, d, d}
	}
	var layers []*HeteroLayer
	for i := 0; ; i++ {
		lc, ok := get[struct {
			Out    int `json:"out_channels"`
			Heads  int
			Concat bool
		}](t, c.Config, fmt.Sprintf("layer%d", i))
		if !ok {
			return layers
		}
		cfg.Out, cfg.Heads, cfg.Concat = lc.Out, lc.Heads, lc.Concat
		layers = append(layers, NewHeteroLayer(p, fmt.Sprintf("layer%d", i), cfg))
		cfg.ServiceIn = cfg.Out
		if cfg.Calls == ConvGAT && cfg.Concat {
			cfg.ServiceIn *= cfg.Heads
		}
		cfg.NodeIn = cfg.ServiceIn
	}
}

// oracleGraph is one graph, or a union of graphs, of a case.
type oracleGraph struct {
	svc, node Tensor
	edges     [3]Edges
	attr      [3][]float32
	weight    [3][]float32
	present   [3]bool
}

func readGraph(t *testing.T, s *Scope, m map[string]json.RawMessage) oracleGraph {
	t.Helper()
	g := oracleGraph{svc: leaf(s, need[array](t, m, "svc_x")), node: leaf(s, need[array](t, m, "node_x"))}
	ns, nn := g.svc.Shape()[0], g.node.Shape()[0]
	ends := [3][2]int64{{ns, ns}, {ns, nn}, {nn, ns}}
	for r, name := range RelationNames {
		var index array
		if index, g.present[r] = get[array](t, m, name+"_edge_index"); !g.present[r] {
			continue
		}
		g.edges[r] = edgesOf(s, index, ends[r][0], ends[r][1])
		if a, ok := get[array](t, m, name+"_edge_attr"); ok {
			g.attr[r] = a.floats()
		}
		if a, ok := get[array](t, m, name+"_edge_weight"); ok {
			g.weight[r] = a.floats()
		}
	}
	return g
}

func (g *oracleGraph) sparse(s *Scope) (rels [3]SparseRelation) {
	for r := range rels {
		rels[r] = SparseRelation{Present: g.present[r], Edges: g.edges[r]}
		n := int64(g.edges[r].Len())
		if g.attr[r] != nil {
			rels[r].Attr = s.Float32s(g.attr[r], n, int64(len(g.attr[r]))/n)
		}
		if g.weight[r] != nil {
			rels[r].Weight = s.Float32s(g.weight[r], n)
		}
	}
	return rels
}

func TestOracleHetero(t *testing.T) {
	o := loadOracle(t, "hetero")
	for _, c := range o.Cases {
		t.Run(c.Name, func(t *testing.T) {
			onTorch(t, func(s *Scope) {
				tol := o.tolerance(t, "")
				batched := need[map[string]json.RawMessage](t, c.Inputs, "batched")
				g := readGraph(t, s, batched)
				p := NewParams(newRand(1))
				defer p.Close()
				layers := oracleHetero(t, p, c, int(g.svc.Shape()[1]), int(g.node.Shape()[1]))
				if err := p.Build(); err != nil {
					t.Fatal(err)
				}
				setWeights(t, p, "", c.Weights)
				act := Activation(need[string](t, c.Config, "activation"))
				rels, svc, node := g.sparse(s), g.svc, g.node
				for i, l := range layers {
					if i > 0 {
						svc, node = act.Apply(s, svc), act.Apply(s, node)
					}
					if i == 1 {
						nearTypes(t, s, "after layer 0", c, "after_layer0_and_activation", svc, node, tol)
					}
					svc, node = l.Sparse(s, svc, node, rels)
				}
				nearTypes(t, s, "out", c, "out", svc, node, tol)
				graphs := len(need[[]json.RawMessage](t, c.Inputs, "graphs"))
				pooled := s.Cat(1,
					s.MeanPool(svc, need[array](t, batched, "svc_batch").ints(), graphs),
					s.MeanPool(node, need[array](t, batched, "node_batch").ints(), graphs))
				near(t, "pooled", s.ToFloat32s(pooled), need[array](t, c.Expected, "pooled").Data, tol)
				features := s.Cat(1, pooled, need[array](t, batched, "scalars").tensor(s))
				near(t, "features", s.ToFloat32s(features), need[array](t, c.Expected, "features").Data, tol)
				s.Backward(s.Sum(s.Mul(features, need[array](t, c.Inputs, "grad_features").tensor(s))))
				checkGrads(t, s, c, p, "", map[string]Tensor{"svc_x": g.svc, "node_x": g.node}, o.tolerance(t, "grads"))
			})
		})
	}
}

func nearTypes(t *testing.T, s *Scope, what string, c oracleCase, key string, svc, node Tensor, tol tolerance) {
	t.Helper()
	want := need[map[string]array](t, c.Expected, key)
	near(t, what+" svc", s.ToFloat32s(svc), want["svc"].Data, tol)
	near(t, what+" node", s.ToFloat32s(node), want["node"].Data, tol)
}

func TestOraclePool(t *testing.T) {
	o := loadOracle(t, "pool")
	for _, c := range o.Cases {
		t.Run(c.Name, func(t *testing.T) {
			onTorch(t, func(s *Scope) {
				tol, graphs := o.tolerance(t, ""), need[int](t, c.Config, "batch_size")
				in := map[string]Tensor{}
				for _, k := range []string{"svc_x", "node_x", "scalars"} {
					in[k] = leaf(s, need[array](t, c.Inputs, k))
				}
				pool := func(kind string) Tensor {
					out := s.MeanPool(in[kind+"_x"], need[array](t, c.Inputs, kind+"_batch").ints(), graphs)
					near(t, kind, s.ToFloat32s(out), need[array](t, c.Expected, kind+"_pooled").Data, tol)
					return out
				}
				features := s.Cat(1, pool("svc"), pool("node"), in["scalars"])
				near(t, "features", s.ToFloat32s(features), need[array](t, c.Expected, "features").Data, tol)
				s.Backward(s.Sum(s.Mul(features, need[array](t, c.Inputs, "grad_features").tensor(s))))
				checkGrads(t, s, c, nil, "", in, o.tolerance(t, "grads"))
			})
		})
	}
}

// dense lays out one graph as a batch of one; ok is false for what the dense form cannot say.
func (g *oracleGraph) dense(t *testing.T, s *Scope, kinds [3]ConvKind, dims [3]int) (rels [3]DenseRelation, ok bool) {
	for r := range rels {
		e := g.edges[r]
		if !g.present[r] || repeated(e) {
			return rels, false
		}
		if kinds[r] == ConvGAT {
			rels[r] = denseWith(s, e, g.attr[r], dims[r])
			continue
		}
		rels[r].Matrix = s.Float32s(matrixOf(t, s, e, g.weight[r], kinds[r]), 1, int64(e.NumDst), int64(e.NumSrc))
	}
	return rels, true
}

// matrixOf returns the coefficients [Nd, Ns] of a relation for one kind of layer.
func matrixOf(t *testing.T, s *Scope, e Edges, weight []float32, kind ConvKind) []float32 {
	t.Helper()
	w := func(i int) float32 {
		if weight == nil {
			return 1
		}
		return weight[i]
	}
	m := make([]float32, e.NumDst*e.NumSrc)
	if kind == ConvGCN {
		var given Tensor
		if weight != nil {
			given = s.Float32s(weight, int64(len(weight)))
		}
		used, norm := (&GCNConv{Loops: true}).Normalise(s, e, given)
		for i, v := range s.ToFloat32s(norm) {
			m[int(used.Dst[i])*e.NumSrc+int(used.Src[i])] = v
		}
		return m
	}
	deg := e.degrees()
	for i := range e.Src {
		v := w(i)
		if kind != ConvGraphAdd {
			v /= deg[e.Dst[i]]
		}
		m[int(e.Dst[i])*e.NumSrc+int(e.Src[i])] = v
	}
	return m
}

// TestOracleHeteroDense runs the graphs of a case one by one through the dense form.
func TestOracleHeteroDense(t *testing.T) {
	o := loadOracle(t, "hetero")
	ran := 0
	for _, c := range o.Cases {
		t.Run(c.Name, func(t *testing.T) {
			onTorch(t, func(s *Scope) {
				testHeteroDense(t, s, o, c)
				ran++
			})
		})
	}
	if ran == 0 {
		t.Error("no case was tested")
	}
}

func testHeteroDense(t *testing.T, s *Scope, o oracleFile, c oracleCase) {
	graphs := need[[]map[string]json.RawMessage](t, c.Inputs, "graphs")
	first := readGraph(t, s, graphs[0])
	p := NewParams(newRand(1))
	defer p.Close()
	layers := oracleHetero(t, p, c, int(first.svc.Shape()[1]), int(first.node.Shape()[1]))
	if err := p.Build(); err != nil {
		t.Fatal(err)
	}
	setWeights(t, p, "", c.Weights)
	act := Activation(need[string](t, c.Config, "activation"))
	var kinds [3]ConvKind
	var dims [3]int
	for r, conv := range layers[0].Convs {
		kinds[r], dims[r] = kindOf(conv)
	}
	grad := need[array](t, c.Inputs, "grad_features").tensor(s)
	var features, gotSvc, gotNode []float32
	var svcGrad, nodeGrad []float32
	for i, raw := range graphs {
		g := readGraph(t, s, raw)
		rels, ok := g.dense(t, s, kinds, dims)
		if !ok {
			t.Skip("not expressible: a repeated edge or an absent relation")
		}
		svc, node := s.Unsqueeze(g.svc, 0), s.Unsqueeze(g.node, 0)
		for i, l := range layers {
			if i > 0 {
				svc, node = act.Apply(s, svc), act.Apply(s, node)
			}
			svc, node = l.Dense(s, svc, node, rels)
		}
		gotSvc, gotNode = append(gotSvc, s.ToFloat32s(svc)...), append(gotNode, s.ToFloat32s(node)...)
		scalars := s.Unsqueeze(need[array](t, raw, "scalars").tensor(s), 0)
		f := s.Cat(1, s.MeanDim(svc, false, 1), s.MeanDim(node, false, 1), scalars)
		features = append(features, s.ToFloat32s(f)...)
		s.Backward(s.Sum(s.Mul(f, s.Narrow(grad, 0, int64(i), 1))))
		svcGrad = append(svcGrad, s.ToFloat32s(s.Grad(g.svc))...)
		nodeGrad = append(nodeGrad, s.ToFloat32s(s.Grad(g.node))...)
	}
	tol, gradTol := o.tolerance(t, ""), o.tolerance(t, "grads")
	out := need[map[string]array](t, c.Expected, "out")
	near(t, "svc", gotSvc, out["svc"].Data, tol)
	near(t, "node", gotNode, out["node"].Data, tol)
	near(t, "features", features, need[array](t, c.Expected, "features").Data, tol)
	near(t, "grad of svc_x", svcGrad, c.ExpectedGrads.Inputs["svc_x"].Data, gradTol)
	near(t, "grad of node_x", nodeGrad, c.ExpectedGrads.Inputs["node_x"].Data, gradTol)
	checkGrads(t, s, oracleCase{ExpectedGrads: struct {
		Weights map[string]array
		Inputs  map[string]array
		Logits  *array
	}{Weights: c.ExpectedGrads.Weights}}, p, "", nil, gradTol)
}

// kindOf returns the kind of a layer and its edge features.
func kindOf(c relationConv) (ConvKind, int) {
	switch c := c.(type) {
	case *GATConv:
		return ConvGAT, c.cfg.EdgeDim
	case *GCNConv:
		return ConvGCN, 0
	case *GraphConv:
		if c.Mean {
			return ConvGraphMean, 0
		}
	}
	return ConvGraphAdd, 0
}
