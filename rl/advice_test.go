package rl

import (
	"slices"
	"testing"

	"github.com/grlscaler/grlscaler/gnn"
	"github.com/grlscaler/grlscaler/rl/rltest"
	"github.com/grlscaler/grlscaler/sim"
)

// The expert's choices become features of the services whose logits they belong to.
func TestAdviceExtends(t *testing.T) {
	onTorch(t, func(s *gnn.Scope) error {
		joint := &sim.EnvSpec{Services: 2, ServiceFeatures: 1, Action: sim.ActionSpec{PerService: 5, NVec: []int{3, 2, 3, 2}}}
		a := newAdvice(joint)
		got := a.extend(s, &gnn.Batch{Size: 2, Services: s.Full(7, 2, 2, 1)}, []int64{2, 0, 1, 1, -1, -1, -1, -1})
		want := []float32{
			7, 0, 0, 1, 1, 0, 7, 0, 1, 0, 0, 1, // choices 2 and 0 of service 0, 1 and 1 of service 1
			7, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, // nobody was asked
		}
		if x := s.ToFloat32s(got.Services); !slices.Equal(x, want) || a.widened().ServiceFeatures != 6 || joint.ServiceFeatures != 1 {
			t.Errorf("joint: %v", x)
		}
		// One decision for all: of service 1 the choice 0, and "nothing", which belongs to no service. Flat rows end with it.
		one := &sim.EnvSpec{Services: 2, Action: sim.ActionSpec{PerService: 2, Global: 1, NVec: []int{5}}}
		got = newAdvice(one).extend(s, &gnn.Batch{Size: 2, Flat: s.Full(7, 2, 1)}, []int64{2, 4})
		if x := s.ToFloat32s(got.Flat); !slices.Equal(x, []float32{7, 0, 0, 1, 0, 7, 0, 0, 0, 0}) {
			t.Errorf("select: %v", x)
		}
		return nil
	})
}

// With advised critics the policy still learns from rewards, and acts without the advice.
func TestAdvisedCriticsTeach(t *testing.T) {
	for _, kind := range []string{"mlp", "gat", "gcn"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			bandit := rltest.BanditConfig{Envs: 16, Services: 4, Choices: 3, Masked: true}
			cfg := small(kind, AlgorithmSAC, 16)
			cfg.SAC.AdvisedCritics = true
			cfg.SAC.WarmStart.Steps = 16 // the expert is asked, but imitation ends before the first update
			if reward := trainedReward(t, cfg, rltest.NewBandit(bandit), rltest.NewBandit(bandit)); !(reward > 0.95) {
				t.Errorf("mean reward %.3f", reward)
			}
		})
	}
}
