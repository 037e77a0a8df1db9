package rl

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/grlscaler/grlscaler/gnn"
	"github.com/grlscaler/grlscaler/rl/rltest"
)

// Discrete SAC learns from an expert alone, and what it has learnt is the expert's action.
func TestSACWarmStartImitates(t *testing.T) {
	for _, kind := range []string{"mlp", "gat"} {
		for _, choose := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/select=%v", kind, choose), func(t *testing.T) {
				t.Parallel()
				bandit := rltest.BanditConfig{Envs: 16, Services: 4, Choices: 3, Masked: true, Select: choose}
				cfg := small(kind, AlgorithmSAC, 16)
				cfg.SAC.WarmStart = WarmStartConfig{Steps: cfg.TotalSteps, ExpertShare: 0.5}
				if reward := trainedReward(t, cfg, unpaid{rltest.NewBandit(bandit)}, rltest.NewBandit(bandit)); !(reward > 0.97) {
					t.Errorf("mean reward %.3f after imitation of who gets 1", reward)
				}
			})
		}
	}
}

// An interrupted run goes on where it stopped, in each of the warm start's phases, with returns of several steps and
// critics that share an encoder and hear the expert.
func TestSACWarmStartResumes(t *testing.T) {
	cfg := quick("gat", AlgorithmSAC)
	cfg.SAC.WarmStart = WarmStartConfig{Steps: 140, ExpertShare: 0.5, Pull: 1, PullSteps: 160}
	cfg.SAC.NStep, cfg.SAC.SharedCritics, cfg.SAC.AdvisedCritics = 3, true, true
	env := func() *rltest.Bandit {
		return rltest.NewBandit(rltest.BanditConfig{Envs: 4, Services: 3, Choices: 3, Masked: true})
	}
	checkResumes(t, cfg, env, 10, 50, 90)
}

func TestSACWarmStartNeedsAnExpert(t *testing.T) {
	cfg := quick("mlp", AlgorithmSAC)
	cfg.SAC.WarmStart.Steps = 100
	_, err := Train(context.Background(), cfg, quickEnv(), Options{Dir: t.TempDir()})
	if err == nil || !strings.Contains(err.Error(), "sac.warm_start.steps to 0") {
		t.Errorf("training without an expert: %v", err)
	}
}

// While imitation alone counts the actor follows the expert against Q, and the temperature stays; a finite pull adds to
// what Q says.
func TestSACPull(t *testing.T) {
	for _, c := range []struct {
		pull   float64
		best   int // the action that the actor comes to prefer
		frozen bool
	}{{math.Inf(1), 1, true}, {0, 0, false}, {0.1, 0, false}, {100, 1, false}} {
		onTorch(t, func(s *gnn.Scope) error {
			cfg := sacConfig()
			cfg.PolicyLearningRate, cfg.AutoAlpha, cfg.Alpha = 0.1, true, 0.01
			// Action 0 is better by 1 for the critics, the expert takes action 1.
			u, f := tableSAC(t, &cfg, []int{3}, make([]float32, 3), []float32{2, 1, 0}, []float32{2, 1, 0})
			b := transition(s, 1, 2, 0, gnn.Tensor{})
			b.experts, b.pull = s.Int64s([]int64{1}, 1, 1), c.pull
			before := u.alpha()
			for range 20 {
				if _, err := stepSAC(u, s, b, f); err != nil {
					return err
				}
			}
			pi := u.actor.Values()
			if best := argmax(pi, nil); best != c.best {
				t.Errorf("pull %v: logits %v prefer action %d, want %d", c.pull, pi, best, c.best)
			}
			if frozen := u.alpha() == before; frozen != c.frozen {
				t.Errorf("pull %v: the temperature went from %v to %v", c.pull, before, u.alpha())
			}
			return nil
		})
	}
}
