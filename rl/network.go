package rl

import (
	"fmt"
	"math"
	"slices"

	"github.com/grlscaler/grlscaler/gnn"
	"github.com/grlscaler/grlscaler/sim"
)

// network turns a batch of normalised observations into logits or Q values [B, width], and values [B] where it has
// a value head.
type network struct {
	graph  *gnn.Graph
	loops  bool      // the graph has a self loop for each service; see graphOf
	calls  int       // edges that are calls; the loops come after them
	edges  []float32 // call edges with those loops, as last loaded
	enc    gnn.Encoder
	head   *gnn.Head
	valEnc gnn.Encoder // enc, or the mlp's own encoder for values
	value  *gnn.ValueHead
}

// graphOf is the layout of an environment's observations for a kind of encoder.
//
// In a GAT layer a service hears only from the ends of its edges, so without a loop nothing of its own reaches its
// embedding, and what should be decided for it is lost. As in the paper (Velickovic et al. 2018, section 2.1: the
// neighbourhood includes the node itself) each service gets one, and one more edge feature tells loops from calls. GCN
// has loops of its own, and its other relations a weight for the node itself.
func graphOf(spec *sim.EnvSpec, enc EncoderConfig) *gnn.Graph {
	g := &gnn.Graph{
		Services: spec.Services, Nodes: spec.Nodes, ServiceFeatures: spec.ServiceFeatures, NodeFeatures: spec.NodeFeatures,
		EdgeFeatures: spec.EdgeFeatures, Scalars: spec.Scalars,
	}
	for _, e := range callsOf(spec, enc) {
		g.Calls = append(g.Calls, [2]int{e.From, e.To})
	}
	if enc.Kind == "gat" {
		g.EdgeFeatures++
		for i := range g.Services {
			if loop := [2]int{i, i}; !slices.Contains(g.Calls, loop) {
				g.Calls = append(g.Calls, loop)
			}
		}
	}
	return g
}

// callsOf is the calls that the graph shows; an mlp, which has none, reads all of their features.
func callsOf(spec *sim.EnvSpec, enc EncoderConfig) []sim.Edge {
	if enc.NoCalls && enc.Kind != "mlp" {
		return nil
	}
	return spec.Edges
}

// orthogonal is the initialisation of PPO's reference implementations: orthogonal weights, biases 0.
func orthogonal(gain float64) gnn.LinearInit {
	return gnn.LinearInit{Weight: gnn.Orthogonal(gain), Bias: gnn.Zeros}
}

// newActorCritic declares PPO's network. The mlp has separate networks for policy and value, as
// Stable-Baselines3 has; the graph encoders are shared by both heads. The policy's last layer starts small (gain
// 0.01), so that the first actions are nearly uniform.
func newActorCritic(p *gnn.Params, enc EncoderConfig, spec *sim.EnvSpec) (*network, error) {
	n := &network{graph: graphOf(spec, enc), loops: enc.Kind == "gat", calls: len(callsOf(spec, enc))}
	hidden := enc.HeadHidden
	cfg := gnn.EncoderConfig{Kind: enc.Kind, Hidden: enc.Hidden, Layers: enc.Layers, Heads: enc.Heads, Init: orthogonal(math.Sqrt2)}
	var err error
	if enc.Kind == "mlp" {
		hidden = 0
		if n.enc, err = gnn.NewEncoder(p, "policy_net", n.graph, cfg); err != nil {
			return nil, err
		}
		n.valEnc, err = gnn.NewEncoder(p, "value_net", n.graph, cfg)
	} else {
		n.enc, err = gnn.NewEncoder(p, "encoder", n.graph, cfg)
		n.valEnc = n.enc
	}
	if err != nil {
		return nil, err
	}
	n.head = gnn.NewHead(p, "action", n.graph, n.enc, gnn.HeadConfig{
		PerService: spec.Action.PerService, Global: spec.Action.Global, Hidden: hidden,
		Inner: orthogonal(math.Sqrt2), Final: orthogonal(0.01),
	})
	n.value = gnn.NewValueHead(p, "value", n.valEnc, gnn.HeadConfig{Hidden: hidden, Inner: orthogonal(math.Sqrt2), Final: orthogonal(1)})
	return n, nil
}

// newScorer declares a network of Discrete SAC: its actor, whose last layer starts with gain 0.01, or a critic (1).
func newScorer(p *gnn.Params, name string, enc EncoderConfig, spec *sim.EnvSpec, gain float64) (*network, error) {
	n := &network{graph: graphOf(spec, enc), loops: enc.Kind == "gat", calls: len(callsOf(spec, enc))}
	cfg := gnn.EncoderConfig{Kind: enc.Kind, Hidden: enc.Hidden, Layers: enc.Layers, Heads: enc.Heads}
	if enc.Kind == "mlp" {
		cfg.Act, cfg.Init = gnn.ReLU, orthogonal(math.Sqrt2)
	}
	var err error
	if n.enc, err = gnn.NewEncoder(p, name+".encoder", n.graph, cfg); err != nil {
		return nil, err
	}
	n.head = scorerHead(p, name, n, enc, spec, gain)
	return n, nil
}

// secondHead declares a scorer on the encoder of n, with a head of its own.
func (n *network) secondHead(p *gnn.Params, name string, enc EncoderConfig, spec *sim.EnvSpec, gain float64) *network {
	second := *n
	second.head = scorerHead(p, name, n, enc, spec, gain)
	return &second
}

// scorerHead declares the head of a scorer.
func scorerHead(p *gnn.Params, name string, n *network, enc EncoderConfig, spec *sim.EnvSpec, gain float64) *gnn.Head {
	hidden := enc.HeadHidden
	if enc.Kind == "mlp" {
		hidden = 0
	}
	return gnn.NewHead(p, name+".head", n.graph, n.enc, gnn.HeadConfig{
		PerService: spec.Action.PerService, Global: spec.Action.Global, Hidden: hidden, Act: gnn.ReLU,
		Inner: orthogonal(math.Sqrt2), Final: orthogonal(gain),
	})
}

// twoLogits computes the rows of two networks, which may have one encoder.
func twoLogits(s *gnn.Scope, nets [2]*network, b *gnn.Batch) (first, second gnn.Tensor) {
	e := nets[0].enc.Encode(s, b)
	first = nets[0].head.Forward(s, e)
	if nets[1].enc != nets[0].enc {
		e = nets[1].enc.Encode(s, b)
	}
	return first, nets[1].head.Forward(s, e)
}

// on is the same network, weights shared, for observations of another environment with the same features. The mlp has none.
func (n *network) on(spec *sim.EnvSpec, cfg EncoderConfig) (*network, error) {
	enc, ok := n.enc.(*gnn.GraphEncoder)
	if !ok {
		return nil, fmt.Errorf("encoder %s is bound to one application; use gat or gcn", cfg.Kind)
	}
	other := *n
	other.graph, other.calls, other.edges = graphOf(spec, cfg), len(callsOf(spec, cfg)), nil
	e, err := enc.On(other.graph)
	if err != nil {
		return nil, err
	}
	other.enc, other.valEnc = e, e
	return &other, nil
}

// load copies the first rows of a batch into tensors of s. All networks of one kind can read them.
func (n *network) load(s *gnn.Scope, o *sim.Obs, rows int) *gnn.Batch {
	edges := o.Edges
	if n.calls == 0 {
		edges = nil
	}
	if n.loops {
		edges = n.withLoops(o.Edges, rows)
	}
	return n.enc.Load(s, gnn.Input{
		Batch: rows, Services: o.Services, Nodes: o.Nodes, CallEdges: edges, RunsOn: o.RunsOn, Scalars: o.Scalars,
	})
}

// logits computes the head's rows [B, width].
func (n *network) logits(s *gnn.Scope, b *gnn.Batch) gnn.Tensor {
	return n.head.Forward(s, n.enc.Encode(s, b))
}

// actorCritic computes logits [B, width] and values [B].
func (n *network) actorCritic(s *gnn.Scope, b *gnn.Batch) (logits, values gnn.Tensor) {
	e := n.enc.Encode(s, b)
	v := e
	if n.valEnc != n.enc {
		v = n.valEnc.Encode(s, b)
	}
	return n.head.Forward(s, e), n.value.Forward(s, v)
}

// values computes the values [B] alone.
func (n *network) values(s *gnn.Scope, b *gnn.Batch) gnn.Tensor {
	return n.value.Forward(s, n.valEnc.Encode(s, b))
}

// withLoops lays out the features of the edges of [graphOf]'s GAT layout: those of the calls and a 0 (1 where a
// service calls itself), then for each added loop zeros and a 1.
func (n *network) withLoops(edges []float32, rows int) []float32 {
	g := n.graph
	out, f := n.edges[:0], g.EdgeFeatures-1
	for range rows {
		for i, e := range g.Calls {
			if i < n.calls {
				out = append(out, edges[:f]...)
				edges = edges[f:]
			} else {
				for range f {
					out = append(out, 0)
				}
			}
			flag := float32(0)
			if e[0] == e[1] {
				flag = 1
			}
			out = append(out, flag)
		}
	}
	n.edges = out
	return out
}
