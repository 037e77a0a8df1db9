package rl

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/grlscaler/grlscaler/gnn"
	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/rng"
)

// multiplyAdds counts those of one observation's forward and backward pass through an actor-critic: one for each weight and row that
// meets it, those of attention and mixing, and nothing else. The backward pass needs as many for the weights, and again as many
// for the inputs of all layers but the first.
func multiplyAdds(params *gnn.Params, spec *sim.EnvSpec, enc EncoderConfig) (forward, backward float64) {
	s, n := float64(spec.Services), float64(spec.Nodes)
	first := 0.0
	count := func(name string, adds float64) {
		forward += adds
		if strings.Contains(name, "layer0") || strings.HasSuffix(name, "_net.0.weight") {
			first += adds
		}
	}
	pairs := s*s + 2*s*n // of all three relations
	for _, p := range params.All() {
		if len(p.Shape) != 2 || strings.Contains(p.Name, "lin_dst") || strings.Contains(p.Name, "lin_edge") {
			continue // of W_dst and W_edge only the product with the attention's vector is applied
		}
		rows := 1.0
		switch {
		case enc.Kind == "mlp":
		case strings.Contains(p.Name, "runs_on"):
			rows = n
		case strings.Contains(p.Name, "calls"), strings.Contains(p.Name, "hosts"), strings.Contains(p.Name, "action.service"):
			rows = s
		}
		count(p.Name, rows*float64(p.Size()))
	}
	if enc.Kind == "mlp" {
		return forward, 2*forward - first
	}
	for l := range enc.Layers {
		name, heads := "layer0", 1.0
		svc, node, mixed := float64(spec.ServiceFeatures), float64(spec.NodeFeatures), float64(spec.ServiceFeatures)
		if l > 0 {
			name, svc = "later", float64(enc.Hidden)
			if enc.Kind == "gat" {
				svc *= float64(enc.Heads)
			}
			node = svc
		}
		if l < enc.Layers-1 {
			heads = float64(enc.Heads)
		} else {
			mixed = float64(enc.Hidden)
		}
		if enc.Kind == "gat" {
			count(name, heads*(4*s*svc+2*n*node))                       // shares of scores that services and nodes have
			count("layer0", pairs*heads*float64(spec.EdgeFeatures+1+1)) // shares of the edges, which no weight below depends on
			count(name, heads*pairs*mixed)
		} else {
			count(name, s*s*float64(enc.Hidden)+s*n*(svc+node))
		}
	}
	return forward, 2*forward - first
}

// blasRate measures multiply-adds per second of one large matrix product on one thread, the best of several.
func blasRate(s *gnn.Scope) float64 {
	const n = 768
	a, b := s.Full(0.5, n, n), s.Full(0.25, n, n)
	best := 0.0
	for range 8 {
		start := time.Now()
		s.Mm(a, b)
		best = max(best, n*n*n/time.Since(start).Seconds())
	}
	return best
}

// floorRate is how many steps a second PPO could learn from if nothing but multiply-adds took time, on as many cores as there are stripes.
func floorRate(s *gnn.Scope, p *ppo, cfg *Config) (steps, addsPerStep, rate float64) {
	forward, backward := multiplyAdds(p.update.stripes[0].params, p.world.spec, cfg.Encoder)
	addsPerStep = forward + float64(cfg.PPO.Epochs)*(forward+backward)
	rate = blasRate(s) * float64(min(stripeCount, runtime.GOMAXPROCS(0)))
	return rate / addsPerStep, addsPerStep, rate
}

// What is counted for an mlp is known: each weight once forward, twice backward less the first layers.
func TestMultiplyAdds(t *testing.T) {
	spec := &sim.EnvSpec{Services: 2, Nodes: 1, ServiceFeatures: 3, NodeFeatures: 2, EdgeFeatures: 1, Edges: []sim.Edge{{From: 0, To: 1}}, Scalars: 1}
	spec.Action.PerService = 5
	onTorch(t, func(*gnn.Scope) error {
		for _, c := range []struct {
			kind              string
			forward, backward float64
		}{
			// 12 numbers -> 4 -> 4, twice, then 10 logits and 1 value.
			{"mlp", 2*(12*4+4*4) + 4*10 + 4, 2*(2*(12*4+4*4)+4*10+4) - 2*12*4},
		} {
			cfg := EncoderConfig{Kind: c.kind, Hidden: 4, Layers: 2, Heads: 2, HeadHidden: 4}
			params := gnn.NewParams(rng.New(0, "unused").Rand)
			if _, err := newActorCritic(params, cfg, spec); err != nil {
				return err
			}
			if f, b := multiplyAdds(params, spec, cfg); f != c.forward || b != c.backward {
				t.Errorf("%s: %v forward and %v backward, want %v and %v", c.kind, f, b, c.forward, c.backward)
			}
		}
		return nil
	})
}
