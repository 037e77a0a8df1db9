package gnn

import "fmt"

// EncoderConfig describes an encoder.
type EncoderConfig struct {
	Kind   string // "mlp", "gat" or "gcn"
	Hidden int    // width of an embedding, of each attention head, or of a layer of the mlp
	Layers int    // at least 1
	Heads  int    // attention heads of all layers but the last, side by side; gat alone
	// Act stands between layers; the default is tanh for mlp (after its last layer too), ELU for gat,
	// ReLU for gcn.
	Act Activation
	// Init starts the Linears of mlp; the graph layers start as PyG's.
	Init LinearInit
}

// Encoded is what an encoder makes of a batch of B graphs. The mlp gives Features alone.
type Encoded struct {
	Services Tensor // [B, S, Width] an embedding of each service
	Nodes    Tensor // [B, N, Width] an embedding of each node
	// Features [B, FeatureWidth] describes the whole graph: the mean over services, the mean over
	// nodes and the scalars side by side, or the mlp's last layer.
	Features Tensor
}

// Encoder turns observations into embeddings. Encoders of the graph kinds do not depend on the order
// of services and nodes: when they are permuted, so are the embeddings.
type Encoder interface {
	// Load copies a batch into the tensors that Encode reads; several encoders of one kind and graph
	// may share them.
	Load(s *Scope, in Input) *Batch
	// Encode computes embeddings; gradients flow into the encoder's weights.
	Encode(s *Scope, b *Batch) Encoded
	// Width is that of an embedding; 0 for mlp.
	Width() int
	// FeatureWidth is that of Encoded.Features.
	FeatureWidth() int
}

var (
	_ Encoder = (*MLPEncoder)(nil)
	_ Encoder = (*GraphEncoder)(nil)
)

// NewEncoder declares an encoder for the layout g under a name.
func NewEncoder(p *Params, name string, g *Graph, cfg EncoderConfig) (Encoder, error) {
	if err := g.Validate(); err != nil {
		return nil, err
	}
	if cfg.Hidden < 1 || cfg.Layers < 1 || cfg.Kind == "gat" && cfg.Heads < 1 {
		return nil, fmt.Errorf("gnn: encoder: hidden %d, layers %d and heads %d must be at least 1", cfg.Hidden, cfg.Layers, cfg.Heads)
	}
	if err := cfg.Act.Validate(); err != nil {
		return nil, err
	}
	switch cfg.Kind {
	case "mlp":
		return newMLPEncoder(p, name, g, cfg), nil
	case "gat", "gcn":
		if g.Nodes == 0 {
			return nil, fmt.Errorf("gnn: encoder %s needs cluster nodes and this environment shows none; use the mlp encoder", cfg.Kind)
		}
		return newGraphEncoder(p, name, g, cfg), nil
	}
	return nil, fmt.Errorf("gnn: encoder kind %q: want \"mlp\", \"gat\" or \"gcn\"", cfg.Kind)
}

// MLPEncoder reads the same numbers as the graph encoders, as one flat row.
type MLPEncoder struct {
	graph *Graph
	net   *MLP
	width int
}

func newMLPEncoder(p *Params, name string, g *Graph, cfg EncoderConfig) *MLPEncoder {
	if cfg.Act == Identity {
		cfg.Act = Tanh
	}
	sizes := []int{g.Width()}
	for range cfg.Layers {
		sizes = append(sizes, cfg.Hidden)
	}
	net := NewMLP(p, name, MLPConfig{Sizes: sizes, Act: cfg.Act, Last: true, Hidden: cfg.Init, Final: cfg.Init})
	return &MLPEncoder{g, net, cfg.Hidden}
}

// Load implements Encoder.
func (e *MLPEncoder) Load(s *Scope, in Input) *Batch { return e.graph.loadFlat(s, in) }

// Encode implements Encoder.
func (e *MLPEncoder) Encode(s *Scope, b *Batch) Encoded {
	return Encoded{Features: e.net.Forward(s, b.Flat)}
}

// Width implements Encoder.
func (e *MLPEncoder) Width() int { return 0 }

// FeatureWidth implements Encoder.
func (e *MLPEncoder) FeatureWidth() int { return e.width }

// GraphEncoder is a chain of heterogeneous layers: GAT on all relations, or GCN on calls and
// GraphConv (mean) on the placement relations. All layers but the last of a GAT have their heads side
// by side, the last has one. The activation stands between layers, not after the last.
type GraphEncoder struct {
	graph  *Graph
	kind   string
	layers []*HeteroLayer
	act    Activation
	width  int
}

func newGraphEncoder(p *Params, name string, g *Graph, cfg EncoderConfig) *GraphEncoder {
	e := &GraphEncoder{graph: g, kind: cfg.Kind, act: cfg.Act, width: cfg.Hidden}
	layer := HeteroLayerConfig{
		ServiceIn: g.ServiceFeatures, NodeIn: g.NodeFeatures, Out: cfg.Hidden,
		Calls: ConvGCN, Placement: ConvGraphMean,
	}
	if cfg.Kind == "gat" {
		layer.Calls, layer.Placement = ConvGAT, ConvGAT
		layer.EdgeDims = [3]int{g.EdgeFeatures, 1, 1}
	}
	if e.act == Identity {
		e.act = map[string]Activation{"gat": ELU, "gcn": ReLU}[cfg.Kind]
	}
	for i := range cfg.Layers {
		layer.Heads, layer.Concat = cfg.Heads, true
		if i == cfg.Layers-1 {
			layer.Heads, layer.Concat = 1, false
		}
		e.layers = append(e.layers, NewHeteroLayer(p, fmt.Sprintf("%s.layer%d", name, i), layer))
		layer.ServiceIn = cfg.Hidden
		if cfg.Kind == "gat" {
			layer.ServiceIn *= layer.Heads
		}
		layer.NodeIn = layer.ServiceIn
	}
	return e
}

// On returns an encoder with the same weights for another layout with the same feature widths.
func (e *GraphEncoder) On(g *Graph) (*GraphEncoder, error) {
	if err := g.Validate(); err != nil {
		return nil, err
	}
	if !g.sameFeatures(e.graph) {
		return nil, fmt.Errorf("gnn: encoder: made for features %+v, the other graph has %+v", *e.graph, *g)
	}
	other := *e
	other.graph = g
	return &other, nil
}

// Load implements Encoder.
func (e *GraphEncoder) Load(s *Scope, in Input) *Batch {
	if e.kind == "gat" {
		return e.graph.loadPairs(s, in)
	}
	return e.graph.loadMatrices(s, in)
}

// Encode implements Encoder.
func (e *GraphEncoder) Encode(s *Scope, b *Batch) Encoded {
	svc, node := b.Services, b.Nodes
	for i, l := range e.layers {
		if i > 0 {
			svc, node = e.act.Apply(s, svc), e.act.Apply(s, node)
		}
		svc, node = l.Dense(s, svc, node, [3]DenseRelation{b.Calls, b.RunsOn, b.Hosts})
	}
	pooled := []Tensor{s.MeanDim(svc, false, 1), s.MeanDim(node, false, 1)}
	if e.graph.Scalars > 0 {
		pooled = append(pooled, b.Scalars)
	}
	return Encoded{Services: svc, Nodes: node, Features: s.Cat(1, pooled...)}
}

// Width implements Encoder.
func (e *GraphEncoder) Width() int { return e.width }

// FeatureWidth implements Encoder.
func (e *GraphEncoder) FeatureWidth() int { return 2*e.width + e.graph.Scalars }
