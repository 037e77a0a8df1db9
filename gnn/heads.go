package gnn

// HeadConfig describes what a head gives for each graph and how.
type HeadConfig struct {
	PerService int        // numbers for each service (logits of its actions, or their Q values)
	Global     int        // numbers for the whole graph ("nothing"), after those of the services
	Hidden     int        // width of a layer before the output; 0 for none
	Act        Activation // after that layer; default tanh
	Inner      LinearInit // initial values of that layer
	Final      LinearInit // initial values of the output layer
}

// Head gives a flat row for each graph: PerService numbers for each service in turn, then Global
// ones. On a graph encoder each service's numbers come from its own embedding and the features of the
// graph, through the same weights for all services: they move with the services when these are
// reordered, and the head works on graphs of any size. On the mlp they come from its last layer and
// stand for fixed places.
type Head struct {
	cfg   HeadConfig
	width int // of an embedding; 0 on the mlp

	flat   *MLP    // on the mlp: all numbers at once
	own    *Linear // on a graph: first layer of the services' part, on [embedding | features]
	out    *Linear // second layer of it; nil without hidden layer
	global *MLP    // whole graph's part; nil without one
}

// NewHead declares a head on an encoder for the layout g.
func NewHead(p *Params, name string, g *Graph, enc Encoder, cfg HeadConfig) *Head {
	if cfg.Act == Identity {
		cfg.Act = Tanh
	}
	if cfg.PerService < 0 || cfg.Global < 0 || cfg.PerService+cfg.Global == 0 {
		p.fail("head %q: %d numbers for a service and %d for the graph", name, cfg.PerService, cfg.Global)
		return &Head{}
	}
	h := &Head{cfg: cfg, width: enc.Width()}
	net := func(n string, out int) *MLP {
		sizes := []int{enc.FeatureWidth(), out}
		if cfg.Hidden > 0 {
			sizes = []int{enc.FeatureWidth(), cfg.Hidden, out}
		}
		return NewMLP(p, n, MLPConfig{Sizes: sizes, Act: cfg.Act, Hidden: cfg.Inner, Final: cfg.Final})
	}
	if h.width == 0 {
		h.flat = net(name, g.Services*cfg.PerService+cfg.Global)
		return h
	}
	in := h.width + enc.FeatureWidth()
	switch {
	case cfg.PerService == 0:
	case cfg.Hidden == 0:
		h.own = NewLinear(p, name+".service.0", in, cfg.PerService, cfg.Final)
	default:
		h.own = NewLinear(p, name+".service.0", in, cfg.Hidden, cfg.Inner)
		h.out = NewLinear(p, name+".service.2", cfg.Hidden, cfg.PerService, cfg.Final)
	}
	if cfg.Global > 0 {
		h.global = net(name+".global", cfg.Global)
	}
	return h
}

// Forward returns the rows [B, S·PerService + Global].
func (h *Head) Forward(s *Scope, e Encoded) Tensor {
	if h.flat != nil {
		return h.flat.Forward(s, e.Features)
	}
	var parts []Tensor
	if h.own != nil {
		parts = append(parts, h.services(s, e))
	}
	if h.global != nil {
		parts = append(parts, h.global.Forward(s, e.Features))
	}
	if len(parts) == 1 {
		return parts[0]
	}
	return s.Cat(1, parts...)
}

// services returns the services' part [B, S·PerService]. The first layer acts on [embedding |
// features] without that being laid out: the features' share is computed once for each graph.
func (h *Head) services(s *Scope, e Encoded) Tensor {
	shape := e.Services.Shape()
	if s.err != nil {
		return Tensor{}
	}
	w := s.Split(h.own.W.T, 1, int64(h.width), h.own.W.Shape[1]-int64(h.width))
	x := s.Add(s.Linear(e.Services, w[0], Tensor{}), s.Unsqueeze(s.Linear(e.Features, w[1], h.own.bias()), 1))
	if h.out != nil {
		x = h.out.Forward(s, h.cfg.Act.Apply(s, x))
	}
	return s.Reshape(x, shape[0], -1)
}

// ValueHead gives one number for each graph.
type ValueHead struct{ net *MLP }

// NewValueHead declares a value head on an encoder; PerService and Global of cfg are ignored.
func NewValueHead(p *Params, name string, enc Encoder, cfg HeadConfig) *ValueHead {
	if cfg.Act == Identity {
		cfg.Act = Tanh
	}
	sizes := []int{enc.FeatureWidth(), 1}
	if cfg.Hidden > 0 {
		sizes = []int{enc.FeatureWidth(), cfg.Hidden, 1}
	}
	return &ValueHead{NewMLP(p, name, MLPConfig{Sizes: sizes, Act: cfg.Act, Hidden: cfg.Inner, Final: cfg.Final})}
}

// Forward returns the values [B].
func (v *ValueHead) Forward(s *Scope, e Encoded) Tensor {
	return s.Squeeze(v.net.Forward(s, e.Features), 1)
}
