package rl

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/grlscaler/grlscaler/rl/rltest"
	"github.com/grlscaler/grlscaler/sim"
)

// unpaid takes the rewards away, so that only the expert teaches.
type unpaid struct{ *rltest.Bandit }

func (u unpaid) Step(actions []int32, obs, final *sim.Obs, rewards []float32, terminated, truncated []bool) error {
	err := u.Bandit.Step(actions, obs, final, rewards, terminated, truncated)
	clear(rewards)
	return err
}

// A policy learns from an expert alone, and what it has learnt is the expert's action.
func TestWarmStartImitates(t *testing.T) {
	for _, kind := range []string{"mlp", "gat", "gcn"} {
		for _, choose := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/select=%v", kind, choose), func(t *testing.T) {
				t.Parallel()
				bandit := rltest.BanditConfig{Envs: 16, Services: 4, Choices: 3, Masked: true, Select: choose}
				cfg := small(kind, AlgorithmPPO, 16)
				cfg.PPO.WarmStart = WarmStartConfig{Steps: cfg.TotalSteps, ExpertShare: 0.5}
				if reward := trainedReward(t, cfg, unpaid{rltest.NewBandit(bandit)}, rltest.NewBandit(bandit)); !(reward > 0.97) {
					t.Errorf("mean reward %.3f after imitation of who gets 1", reward)
				}
			})
		}
	}
}

func TestWarmStartSchedule(t *testing.T) {
	w := WarmStartConfig{Steps: 100, ExpertShare: 0.5, Pull: 2, PullSteps: 50}
	for _, c := range []struct {
		steps, experts int
		pull           float64
	}{{0, 5, math.Inf(1)}, {50, 3, math.Inf(1)}, {99, 1, math.Inf(1)}, {100, 0, 2}, {125, 0, 1}, {150, 0, 0}, {1000, 0, 0}} {
		if got := w.pullAt(c.steps); got != c.pull {
			t.Errorf("pull after %d steps: %v, want %v", c.steps, got, c.pull)
		}
		if got := w.experts(10, c.steps); got != c.experts {
			t.Errorf("experts among 10 after %d steps: %d, want %d", c.steps, got, c.experts)
		}
	}
	none := WarmStartConfig{Pull: 1, PullSteps: 100}
	if none.pullAt(0) != 0 || none.experts(10, 0) != 0 {
		t.Error("imitation without a warm start")
	}
}

// An interrupted warm start goes on where it stopped, in each of its phases.
func TestWarmStartResumes(t *testing.T) {
	cfg := quick("gat", AlgorithmPPO)
	cfg.PPO.WarmStart = WarmStartConfig{Steps: 120, ExpertShare: 0.5, Pull: 1, PullSteps: 160}
	env := func() *rltest.Bandit {
		return rltest.NewBandit(rltest.BanditConfig{Envs: 4, Services: 3, Choices: 3})
	}
	checkResumes(t, cfg, env, 15, 45, 85)
}

// trainedReward is the mean reward, on one environment, of what was trained on another.
func trainedReward(t *testing.T, cfg *Config, on, judge sim.VectorEnv) float64 {
	t.Helper()
	r, err := Train(context.Background(), cfg, on, Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	p, err := LoadPolicy(r.Policy, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	return meanReward(t, p, judge)
}

// checkResumes reports a run that writes other bytes when it is stopped after so many steps of its environments and goes on.
func checkResumes(t *testing.T, cfg *Config, env func() *rltest.Bandit, stops ...int) {
	t.Helper()
	whole := t.TempDir()
	if _, err := Train(context.Background(), cfg, env(), Options{Dir: whole}); err != nil {
		t.Fatal(err)
	}
	want := files(t, whole)
	for _, stop := range stops {
		dir := t.TempDir()
		ctx, cancel := context.WithCancelCause(context.Background())
		_, err := Train(ctx, cfg, &stopExpert{stopAfter{env(), stop, cancel}}, Options{Dir: dir})
		if !errors.Is(err, ErrInterrupted) {
			t.Fatalf("stopped after %d: %v", stop, err)
		}
		if _, err := Train(context.Background(), cfg, env(), Options{Dir: dir, Resume: true}); err != nil {
			t.Fatal(err)
		}
		sameFiles(t, want, files(t, dir))
	}
}

// stopExpert is stopAfter with the expert of what it stops.
type stopExpert struct{ stopAfter }

func (s *stopExpert) Expert(actions []int32) error {
	return s.VectorEnv.(sim.ExpertEnv).Expert(actions)
}

func TestWarmStartNeedsAnExpert(t *testing.T) {
	cfg := quick("mlp", AlgorithmPPO)
	cfg.PPO.WarmStart.Steps = 100
	_, err := Train(context.Background(), cfg, quickEnv(), Options{Dir: t.TempDir()})
	if err == nil || !strings.Contains(err.Error(), "ppo.warm_start") {
		t.Errorf("training without an expert: %v", err)
	}
}
