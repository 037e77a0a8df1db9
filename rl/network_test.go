package rl

import (
	"slices"
	"testing"

	"github.com/grlscaler/grlscaler/gnn"
	"github.com/grlscaler/grlscaler/rl/rltest"
	"github.com/grlscaler/grlscaler/sim"
)

// Without calls a graph policy does not see them: their features change nothing, where they do with calls. It still learns.
func TestNoCalls(t *testing.T) {
	for _, c := range []struct {
		kind       string
		off, heeds bool // whether calls are off, and whether what they show matters
		calls      int
	}{{"gat", false, true, 11 + 15}, {"gat", true, false, 11}, {"gcn", false, false, 15}, {"gcn", true, false, 0}} {
		cfg := benchConfig(c.kind, AlgorithmPPO)
		cfg.Env.NumEnvs, cfg.PPO.RolloutSteps, cfg.Encoder.NoCalls = 2, 4, c.off
		onTorch(t, func(*gnn.Scope) error {
			tr, err := newTrainer(cfg, []sim.VectorEnv{rltest.NewSynthetic(2)}, Options{Dir: t.TempDir()})
			if err != nil {
				return err
			}
			defer tr.learner.close()
			p := tr.learner.(*ppo)
			if err := p.begin(1); err != nil {
				return err
			}
			net := p.update.stripes[0].net
			if n := len(net.graph.Calls); n != c.calls {
				t.Errorf("%s, calls off %v: %d edges, want %d", c.kind, c.off, n, c.calls)
			}
			logits := func() []float32 {
				s := gnn.NewScope()
				defer s.Close()
				out := s.ToFloat32s(net.logits(s, net.load(s, p.world.obs, 2)))
				if err := s.Err(); err != nil {
					t.Fatal(err)
				}
				return out
			}
			before := logits()
			for i := range p.world.obs.Edges {
				p.world.obs.Edges[i] = 1 - p.world.obs.Edges[i]
			}
			if heeds := !slices.Equal(before, logits()); heeds != c.heeds {
				t.Errorf("%s, calls off %v: what calls show matters: %v", c.kind, c.off, heeds)
			}
			if _, err := p.collect(); err != nil {
				return err
			}
			_, err = p.learn(0)
			return err
		})
	}
}
