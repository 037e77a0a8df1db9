package gnn

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

// encoderCase is a layout with a batch of observations for it.
type encoderCase struct {
	name  string
	graph Graph
	batch int
	runs  func(sample, service, node int) float32
	cfg   EncoderConfig
}

// encoderCases covers what the dense form treats apart: relations with and without destinations that
// receive nothing, edges with and without features, one and several heads, one to three layers.
func encoderCases() []encoderCase {
	full := func(i, v, n int) float32 { return float32(1 + (i+v+n)%3) }
	some := func(i, v, n int) float32 { return float32(max(0, (i*7+v*5+n*3)%5-2)) }
	small := Graph{Services: 4, Nodes: 3, ServiceFeatures: 5, NodeFeatures: 2, EdgeFeatures: 2, Scalars: 3,
		Calls: [][2]int{{0, 1}, {0, 2}, {1, 2}, {2, 3}}}
	ring := small
	ring.Calls = [][2]int{{0, 1}, {1, 2}, {2, 3}, {3, 0}, {3, 3}}
	plain := small
	plain.EdgeFeatures, plain.Scalars = 0, 0
	alone := plain
	alone.Calls = nil
	gat := EncoderConfig{Kind: "gat", Hidden: 6, Layers: 2, Heads: 3}
	gcn := EncoderConfig{Kind: "gcn", Hidden: 6, Layers: 2}
	with := func(c EncoderConfig, layers, heads, hidden int) EncoderConfig {
		c.Layers, c.Heads, c.Hidden = layers, heads, hidden
		return c
	}
	empty := func(_, v, n int) float32 { return float32(min(v, n)) } // service 0 and node 0 stand alone
	var cases []encoderCase
	for _, cfg := range []EncoderConfig{gat, gcn} {
		cases = append(cases,
			encoderCase{cfg.Kind + " all placed", small, 5, full, cfg},
			encoderCase{cfg.Kind + " some placed", small, 5, some, cfg},
			encoderCase{cfg.Kind + " all called", ring, 3, full, cfg},
			encoderCase{cfg.Kind + " empty node", ring, 3, empty, cfg},
			encoderCase{cfg.Kind + " plain edges", plain, 4, some, cfg},
			encoderCase{cfg.Kind + " no calls", alone, 2, full, cfg},
			encoderCase{cfg.Kind + " one graph", small, 1, some, cfg},
			encoderCase{cfg.Kind + " one layer", small, 2, some, with(cfg, 1, 2, 3)},
			encoderCase{cfg.Kind + " three layers", small, 2, some, with(cfg, 3, 2, 3)},
			encoderCase{cfg.Kind + " one head", small, 2, some, with(cfg, 2, 1, 9)},
		)
	}
	return cases
}

func (c *encoderCase) input() Input {
	in := randomInput(&c.graph, c.batch, 11)
	for i := range in.RunsOn {
		n := i % c.graph.Nodes
		v := i / c.graph.Nodes % c.graph.Services
		in.RunsOn[i] = c.runs(i/c.graph.Nodes/c.graph.Services, v, n)
	}
	return in
}

// build makes the encoder of a case with weights away from the zeros and symmetries of a fresh one.
func (c *encoderCase) build(t *testing.T) (*Params, *GraphEncoder) {
	t.Helper()
	p := NewParams(newRand(3))
	enc, err := NewEncoder(p, "enc", &c.graph, c.cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Build(); err != nil {
		t.Fatal(err)
	}
	rng := newRand(4)
	for i := range p.Values() {
		p.Values()[i] += 0.1 * float32(rng.NormFloat64())
	}
	return p, enc.(*GraphEncoder)
}

// union lays a batch out as one graph of edge lists.
func (c *encoderCase) union(s *Scope, in Input) (rels [3]SparseRelation, svcBatch, nodeBatch []int64) {
	g := &c.graph
	var src, dst [3][]int64
	var counts, hosted []float32
	for i := range in.Batch {
		v0, n0 := int64(i*g.Services), int64(i*g.Nodes)
		for _, e := range g.Calls {
			src[Calls], dst[Calls] = append(src[Calls], v0+int64(e[0])), append(dst[Calls], v0+int64(e[1]))
		}
		for v := range int64(g.Services) {
			svcBatch = append(svcBatch, int64(i))
			for n := range int64(g.Nodes) {
				if w := in.RunsOn[(v0+v)*int64(g.Nodes)+n]; w > 0 {
					src[RunsOn], dst[RunsOn] = append(src[RunsOn], v0+v), append(dst[RunsOn], n0+n)
					counts = append(counts, w)
				}
			}
		}
		for range g.Nodes {
			nodeBatch = append(nodeBatch, int64(i))
		}
	}
	src[Hosts], dst[Hosts], hosted = dst[RunsOn], src[RunsOn], counts
	rows := [3][2]int{{len(svcBatch), len(svcBatch)}, {len(svcBatch), len(nodeBatch)}, {len(nodeBatch), len(svcBatch)}}
	for r := range rels {
		rels[r] = SparseRelation{Present: true, Edges: s.Edges(src[r], dst[r], rows[r][0], rows[r][1])}
	}
	n := int64(len(counts))
	if c.cfg.Kind == "gcn" {
		rels[RunsOn].Weight, rels[Hosts].Weight = s.Float32s(counts, n), s.Float32s(hosted, n)
		return rels, svcBatch, nodeBatch
	}
	rels[RunsOn].Attr, rels[Hosts].Attr = s.Float32s(counts, n, 1), s.Float32s(hosted, n, 1)
	if g.EdgeFeatures > 0 {
		rels[Calls].Attr = s.Float32s(in.CallEdges, int64(len(src[Calls])), int64(g.EdgeFeatures))
	}
	return rels, svcBatch, nodeBatch
}

// sparse applies the layers of an encoder to edge lists.
func (e *GraphEncoder) sparse(s *Scope, svc, node Tensor, rels [3]SparseRelation) (Tensor, Tensor) {
	for i, l := range e.layers {
		if i > 0 {
			svc, node = e.act.Apply(s, svc), e.act.Apply(s, node)
		}
		svc, node = l.Sparse(s, svc, node, rels)
	}
	return svc, node
}

// TestDenseEqualsSparse compares the encoders with their layers on edge lists: embeddings, features
// and the gradients of all weights and features.
func TestDenseEqualsSparse(t *testing.T) {
	for _, c := range encoderCases() {
		t.Run(c.name, func(t *testing.T) {
			onTorch(t, func(s *Scope) {
				p, enc := c.build(t)
				defer p.Close()
				in := c.input()
				b := enc.Load(s, in)
				s.RequireGrad(b.Services)
				s.RequireGrad(b.Nodes)
				dense := enc.Encode(s, b)
				grad := s.Float32s(random(newRand(5), dense.Features.Numel()), dense.Features.Shape()...)
				s.Backward(s.Sum(s.Mul(dense.Features, grad)))
				want := slices.Clone(p.Grads())
				svcGrad, nodeGrad := s.ToFloat32s(s.Grad(b.Services)), s.ToFloat32s(s.Grad(b.Nodes))
				p.ZeroGrad()
				denseSvc, denseNode := enc.layers[0].Dense(s, b.Services, b.Nodes, [3]DenseRelation{b.Calls, b.RunsOn, b.Hosts})
				for _, l := range enc.layers {
					l.gat = nil // relation by relation
				}
				same(t, "features, relation by relation", s.ToFloat32s(enc.Encode(s, b).Features), s.ToFloat32s(dense.Features))

				svc := s.RequireGrad(s.Float32s(in.Services, int64(c.batch*c.graph.Services), int64(c.graph.ServiceFeatures)))
				node := s.RequireGrad(s.Float32s(in.Nodes, int64(c.batch*c.graph.Nodes), int64(c.graph.NodeFeatures)))
				rels, svcBatch, nodeBatch := c.union(s, in)
				x, y := enc.sparse(s, svc, node, rels)
				firstSvc, firstNode := enc.layers[0].Sparse(s, svc, node, rels)
				pooled := []Tensor{s.MeanPool(x, svcBatch, c.batch), s.MeanPool(y, nodeBatch, c.batch)}
				if c.graph.Scalars > 0 {
					pooled = append(pooled, b.Scalars)
				}
				features := s.Cat(1, pooled...)
				s.Backward(s.Sum(s.Mul(features, grad)))
				if s.Err() != nil {
					return
				}
				same(t, "services after the first layer", s.ToFloat32s(denseSvc), s.ToFloat32s(firstSvc))
				same(t, "nodes after the first layer", s.ToFloat32s(denseNode), s.ToFloat32s(firstNode))
				same(t, "services", s.ToFloat32s(dense.Services), s.ToFloat32s(x))
				same(t, "nodes", s.ToFloat32s(dense.Nodes), s.ToFloat32s(y))
				same(t, "features", s.ToFloat32s(dense.Features), s.ToFloat32s(features))
				same(t, "gradients of weights", p.Grads(), want)
				same(t, "gradients of services", svcGrad, s.ToFloat32s(s.Grad(svc)))
				same(t, "gradients of nodes", nodeGrad, s.ToFloat32s(s.Grad(node)))
			})
		})
	}
}

// same compares two results of the same arithmetic in another order: float32 sums of up to some
// hundred terms of order 1.
func same(t *testing.T, what string, got, want []float32) {
	t.Helper()
	w := make([]float64, len(want))
	for i, v := range want {
		w[i] = float64(v)
	}
	near(t, what, got, w, tolerance{RTol: 2e-4, ATol: 2e-5})
}

// permuted returns the layout and the batch with service i at place svc[i] and node i at node[i].
func permuted(g Graph, in Input, svc, node []int) (Graph, Input) {
	out := in
	out.Services, out.Nodes = slices.Clone(in.Services), slices.Clone(in.Nodes)
	out.RunsOn = slices.Clone(in.RunsOn)
	for b := range in.Batch {
		for i, to := range svc {
			f := g.ServiceFeatures
			copy(out.Services[(b*g.Services+to)*f:][:f], in.Services[(b*g.Services+i)*f:][:f])
			for n, at := range node {
				out.RunsOn[(b*g.Services+to)*g.Nodes+at] = in.RunsOn[(b*g.Services+i)*g.Nodes+n]
			}
		}
		for n, at := range node {
			f := g.NodeFeatures
			copy(out.Nodes[(b*g.Nodes+at)*f:][:f], in.Nodes[(b*g.Nodes+n)*f:][:f])
		}
	}
	calls := slices.Clone(g.Calls)
	for i, e := range calls {
		calls[i] = [2]int{svc[e[0]], svc[e[1]]}
	}
	g.Calls = calls
	return g, out
}

// TestEquivariance: when services and nodes change places, the logits of the services move along and
// all else stays.
func TestEquivariance(t *testing.T) {
	for _, kind := range []string{"gat", "gcn"} {
		t.Run(kind, func(t *testing.T) {
			onTorch(t, func(s *Scope) {
				g := boutique()
				n := newTestNet(t, g, kind, 1)
				defer n.close()
				in := randomInput(g, 3, 2)
				svc, node := newRand(5).Perm(g.Services), newRand(6).Perm(g.Nodes)
				other, moved := permuted(*g, in, svc, node)
				logits, values := n.forward(s, in)
				enc, err := n.enc.(*GraphEncoder).On(&other)
				if err != nil {
					t.Fatal(err)
				}
				e := enc.Encode(s, enc.Load(s, moved))
				got := s.ToFloat32s(n.pi.Forward(s, e))
				want := s.ToFloat32s(logits)
				width, a := g.Services*10+1, 10
				for b := range in.Batch {
					for i, to := range svc {
						same(t, fmt.Sprintf("graph %d service %d", b, i), got[b*width+to*a:][:a], want[b*width+i*a:][:a])
					}
					same(t, "nothing", got[b*width+width-1:][:1], want[b*width+width-1:][:1])
				}
				same(t, "values", s.ToFloat32s(n.vf.Forward(s, e)), s.ToFloat32s(values))
			})
		})
	}
}

// TestSamplesAreIndependent: each row of a batch is what the graph alone gives, depends on its own
// observation, and on no other.
func TestSamplesAreIndependent(t *testing.T) {
	for _, kind := range []string{"mlp", "gat", "gcn"} {
		t.Run(kind, func(t *testing.T) {
			onTorch(t, func(s *Scope) {
				g := boutique()
				n := newTestNet(t, g, kind, 1)
				defer n.close()
				const batch = 4
				in := randomInput(g, batch, 2)
				logits, values := n.forward(s, in)
				all, allValues := s.ToFloat32s(logits), s.ToFloat32s(values)
				for i := range batch {
					l, v := n.forward(s, row(in, i))
					same(t, "logits", s.ToFloat32s(l), all[i*len(all)/batch:(i+1)*len(all)/batch])
					same(t, "value", s.ToFloat32s(v), allValues[i:i+1])

					b := n.enc.Load(s, in)
					parts := map[string]Tensor{"services": b.Services, "nodes": b.Nodes}
					if kind == "mlp" {
						parts = map[string]Tensor{"observation": b.Flat}
					}
					for _, x := range parts {
						s.RequireGrad(x)
					}
					s.Backward(s.Sum(s.Square(s.Narrow(n.pi.Forward(s, n.enc.Encode(s, b)), 0, int64(i), 1))))
					for name, x := range parts {
						grad := s.ToFloat32s(s.Grad(x))
						for j := range batch {
							norm := 0.0
							for _, v := range grad[j*len(grad)/batch : (j+1)*len(grad)/batch] {
								norm += math.Abs(float64(v))
							}
							if (norm > 0) != (i == j) {
								t.Errorf("gradient of output %d with respect to %s of graph %d: %g", i, name, j, norm)
							}
						}
					}
				}
			})
		})
	}
}

// row returns one graph of a batch.
func row(in Input, i int) Input {
	cut := func(v []float32) []float32 { n := len(v) / in.Batch; return v[i*n : (i+1)*n] }
	return Input{1, cut(in.Services), cut(in.Nodes), cut(in.CallEdges), cut(in.RunsOn), cut(in.Scalars)}
}

// TestOtherGraphSize: weights made on one layout work on a larger one.
func TestOtherGraphSize(t *testing.T) {
	onTorch(t, func(s *Scope) {
		g := boutique()
		n := newTestNet(t, g, "gat", 1)
		defer n.close()
		larger := *g
		larger.Services, larger.Nodes, larger.Calls = 14, 6, append(slices.Clone(g.Calls), [2]int{12, 13})
		enc, err := n.enc.(*GraphEncoder).On(&larger)
		if err != nil {
			t.Fatal(err)
		}
		e := enc.Encode(s, enc.Load(s, randomInput(&larger, 2, 1)))
		if got := fmt.Sprint(n.pi.Forward(s, e).Shape(), n.vf.Forward(s, e).Shape()); got != "[2 141] [2]" {
			t.Errorf("shapes %s", got)
		}
		larger.NodeFeatures++
		if _, err := n.enc.(*GraphEncoder).On(&larger); err == nil {
			t.Error("another feature width was accepted")
		}
	})
}

func TestEncoderErrors(t *testing.T) {
	good := boutique()
	mlp := EncoderConfig{Kind: "mlp", Hidden: 8, Layers: 1}
	tests := []struct {
		name string
		g    func(g *Graph)
		cfg  EncoderConfig
		want string
	}{
		{"kind", nil, EncoderConfig{Kind: "rnn", Hidden: 1, Layers: 1}, `encoder kind "rnn": want "mlp", "gat" or "gcn"`},
		{"heads", nil, EncoderConfig{Kind: "gat", Hidden: 1, Layers: 1}, "heads 0 must be at least 1"},
		{"activation", nil, EncoderConfig{Kind: "mlp", Hidden: 1, Layers: 1, Act: "step"}, `activation "step"`},
		{"no services", func(g *Graph) { g.Services = 0 }, mlp, "0 services"},
		{"edge outside", func(g *Graph) { g.Calls = [][2]int{{0, 11}} }, mlp, "call edge 0 goes from service 0 to 11 of 11"},
		{"edge twice", func(g *Graph) { g.Calls = [][2]int{{0, 1}, {0, 1}} }, mlp, "call edge 1 repeats 0 to 1"},
		{"width", func(g *Graph) { g.EdgeFeatures = -1 }, mlp, "must not be negative"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := *good
			if tt.g != nil {
				tt.g(&g)
			}
			_, err := NewEncoder(NewParams(newRand(1)), "enc", &g, tt.cfg)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	t.Run("input", func(t *testing.T) {
		th, err := StartTorch(1)
		if err != nil {
			t.Fatal(err)
		}
		defer th.Close()
		for _, kind := range []string{"mlp", "gat", "gcn"} {
			err := th.Scoped(func(s *Scope) error {
				n := newTestNet(t, good, kind, 1)
				defer n.close()
				in := randomInput(good, 2, 1)
				in.RunsOn = in.RunsOn[1:]
				n.forward(s, in)
				return nil
			})
			if want := "87 numbers for runs-on counts; 2 graphs of 44 need 88"; err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got %v, want %q", kind, err, want)
			}
		}
	})
}
