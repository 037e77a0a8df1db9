package gnn

import "fmt"

// The relations of the graph, in the order of HeteroLayer.Convs.
const (
	Calls  = iota // service calls service
	RunsOn        // service runs on node
	Hosts         // node hosts service
)

// RelationNames are the names of the relations in weights.
var RelationNames = [3]string{"calls", "runs_on", "hosts"}

// ConvKind is a kind of layer for one relation.
type ConvKind string

// The kinds of layers.
const (
	ConvGAT       ConvKind = "gat"        // GATConv without self loops, separate Linears for both ends
	ConvGCN       ConvKind = "gcn"        // GCNConv with self loops; for calls alone
	ConvGraphAdd  ConvKind = "graph_add"  // GraphConv, sum over neighbours
	ConvGraphMean ConvKind = "graph_mean" // GraphConv, mean over neighbours
	ConvSAGE      ConvKind = "sage"       // SAGEConv, mean over neighbours
)

// HeteroLayerConfig describes one layer over the three relations.
type HeteroLayerConfig struct {
	ServiceIn, NodeIn int      // feature widths
	Calls             ConvKind // layer for calls
	Placement         ConvKind // layer for runs_on and hosts
	Out               int      // channels, of each head
	Heads             int      // attention heads (GAT)
	Concat            bool     // heads side by side instead of averaged (GAT)
	EdgeDims          [3]int   // edge features of each relation (GAT)
}

// relationConv is one relation's layer in both forms.
type relationConv interface {
	sparse(s *Scope, xs, xd Tensor, rel SparseRelation) Tensor
	dense(s *Scope, xs, xd Tensor, rel DenseRelation) Tensor
}

func (g *GATConv) sparse(s *Scope, xs, xd Tensor, rel SparseRelation) Tensor {
	out, _, _ := g.Sparse(s, xs, xd, rel.Edges, rel.Attr)
	return out
}

func (g *GATConv) dense(s *Scope, xs, xd Tensor, rel DenseRelation) Tensor {
	return g.Dense(s, xs, xd, rel)
}

func (g *GCNConv) sparse(s *Scope, xs, _ Tensor, rel SparseRelation) Tensor {
	return g.Sparse(s, xs, rel.Edges, rel.Weight)
}

func (g *GCNConv) dense(s *Scope, xs, _ Tensor, rel DenseRelation) Tensor { return g.Dense(s, xs, rel) }

func (g *GraphConv) sparse(s *Scope, xs, xd Tensor, rel SparseRelation) Tensor {
	return g.Sparse(s, xs, xd, rel.Edges, rel.Weight)
}

func (g *GraphConv) dense(s *Scope, xs, xd Tensor, rel DenseRelation) Tensor {
	return g.Dense(s, xs, xd, rel)
}

// HeteroLayer is PyG's HeteroConv with aggr="mean": each relation has a layer of its own, and what a
// service receives is the mean over calls and hosts, what a node receives comes from runs_on.
type HeteroLayer struct {
	Convs [3]relationConv
	gat   *heteroGAT // the dense form, when all three are GAT of one shape
}

// NewHeteroLayer declares name.calls.*, name.runs_on.* and name.hosts.*.
func NewHeteroLayer(p *Params, name string, cfg HeteroLayerConfig) *HeteroLayer {
	ends := [3][2]int{{cfg.ServiceIn, cfg.ServiceIn}, {cfg.ServiceIn, cfg.NodeIn}, {cfg.NodeIn, cfg.ServiceIn}}
	l := &HeteroLayer{}
	for r := range l.Convs {
		full, in, kind := name+"."+RelationNames[r], ends[r], cfg.Placement
		if r == Calls {
			kind = cfg.Calls
		}
		switch {
		case kind == ConvGAT:
			l.Convs[r] = NewGATConv(p, full, GATConfig{InSrc: in[0], InDst: in[1], Heads: cfg.Heads,
				Out: cfg.Out, Concat: cfg.Concat, EdgeDim: cfg.EdgeDims[r]})
		case kind == ConvGCN && r == Calls:
			l.Convs[r] = NewGCNConv(p, full, in[0], cfg.Out, true)
		case kind == ConvGraphAdd, kind == ConvGraphMean:
			l.Convs[r] = NewGraphConv(p, full, in[0], in[1], cfg.Out, kind == ConvGraphMean)
		case kind == ConvSAGE:
			l.Convs[r] = NewSAGEConv(p, full, in[0], in[1], cfg.Out)
		default:
			p.fail("layer %q: no layer of kind %q for relation %s", name, kind, RelationNames[r])
		}
	}
	l.gat = newHeteroGAT(l.Convs)
	return l
}

// SparseRelation is one relation as an edge list. Present is false for a relation that the input
// lacks, which is left out of the mean; one with no edges is present and counts.
type SparseRelation struct {
	Present bool
	Edges   Edges
	Attr    Tensor // [E, EdgeDim] for GAT, or none
	Weight  Tensor // [E] for the others, or none for ones
}

// Sparse applies the layer to edge lists: svc [Ns, ServiceIn] and node [Nn, NodeIn], rows of all
// graphs below each other. A type that no present relation ends in comes back as none.
func (l *HeteroLayer) Sparse(s *Scope, svc, node Tensor, rels [3]SparseRelation) (Tensor, Tensor) {
	var out [3]Tensor
	ends := [3][2]Tensor{{svc, svc}, {svc, node}, {node, svc}}
	for r, c := range l.Convs {
		if rels[r].Present {
			out[r] = c.sparse(s, ends[r][0], ends[r][1], rels[r])
		}
	}
	return meanOf(s, out[Calls], out[Hosts]), out[RunsOn]
}

// meanOf returns the mean of those of two tensors that are not none.
func meanOf(s *Scope, a, b Tensor) Tensor {
	if a.IsNone() {
		return b
	}
	if b.IsNone() {
		return a
	}
	return s.MulScalar(s.Add(a, b), 0.5)
}

// Dense applies the layer to a batch: svc [B, S, ServiceIn] and node [B, N, NodeIn].
func (l *HeteroLayer) Dense(s *Scope, svc, node Tensor, rels [3]DenseRelation) (Tensor, Tensor) {
	if l.gat != nil {
		return l.gat.dense(s, svc, node, rels)
	}
	calls := l.Convs[Calls].dense(s, svc, svc, rels[Calls])
	hosts := l.Convs[Hosts].dense(s, node, svc, rels[Hosts])
	return meanOf(s, calls, hosts), l.Convs[RunsOn].dense(s, svc, node, rels[RunsOn])
}

// MeanPool returns the mean of the rows of x [n, F] of each graph, [graphs, F]; graph[i] is the graph
// of row i. A graph without rows gets zeros.
func (s *Scope) MeanPool(x Tensor, graph []int64, graphs int) Tensor {
	rows := make([]int64, len(graph))
	for i := range rows {
		rows[i] = int64(i)
	}
	if shape := x.Shape(); s.err == nil && (len(shape) != 2 || shape[0] != int64(len(graph))) {
		s.Fail(fmt.Errorf("gnn: mean pool: rows %v for %d graph numbers", shape, len(graph)))
	}
	e := s.Edges(rows, graph, len(rows), graphs)
	return e.meanByDst(s, x)
}
