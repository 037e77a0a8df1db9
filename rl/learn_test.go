package rl

import (
	"context"
	"fmt"
	"testing"

	"github.com/grlscaler/grlscaler/rl/rltest"
	"github.com/grlscaler/grlscaler/sim"
)

// small is a configuration that learns a toy within seconds.
func small(kind, algorithm string, envs int) *Config {
	cfg := DefaultConfig(algorithm)
	cfg.Name, cfg.Env.NumEnvs, cfg.CheckpointEvery = "toy", envs, 0
	cfg.Encoder = EncoderConfig{Kind: kind, Hidden: 16, Layers: 2, Heads: 2, HeadHidden: 32}
	if kind == "mlp" {
		cfg.Encoder.Hidden = 64
	}
	switch algorithm {
	case AlgorithmPPO:
		cfg.PPO.RolloutSteps, cfg.PPO.MinibatchSize, cfg.PPO.LearningRate, cfg.PPO.EntropyCoef = 16, 64, 3e-3, 0.01
		cfg.TotalSteps = 6_000
	case AlgorithmSAC:
		cfg.SAC.PolicyLearningRate, cfg.SAC.QLearningRate, cfg.SAC.AlphaLearningRate = 3e-3, 3e-3, 3e-3
		cfg.SAC.BatchSize, cfg.SAC.LearningStarts, cfg.SAC.BufferSize, cfg.SAC.LogEvery = 64, 256, 4000, 500
		cfg.SAC.TargetEntropyScale, cfg.SAC.Tau = 0.05, 0.02
		cfg.TotalSteps = 4_000
	}
	return cfg
}

// Each algorithm with each encoder must come near the best reward, which is 1 in all of these.
func TestLearnsToys(t *testing.T) {
	toys := []struct {
		name string
		make func() sim.VectorEnv
		want float64
	}{
		{"bandit", func() sim.VectorEnv { return rltest.NewBandit(rltest.BanditConfig{Envs: 16, Services: 4, Choices: 3}) }, 0.95},
		{"masked", func() sim.VectorEnv {
			return rltest.NewBandit(rltest.BanditConfig{Envs: 16, Services: 4, Choices: 4, Masked: true})
		}, 0.95},
		{"select", func() sim.VectorEnv {
			return rltest.NewBandit(rltest.BanditConfig{Envs: 16, Services: 3, Choices: 3, Select: true, Masked: true})
		}, 0.93},
		{"neighbour", func() sim.VectorEnv {
			return rltest.NewBandit(rltest.BanditConfig{Envs: 16, Services: 4, Choices: 2, FromCaller: true})
		}, 0.93},
		{"chain", func() sim.VectorEnv { return rltest.NewChain(rltest.ChainConfig{Envs: 16, Length: 6, Limit: 40}) }, 0.95},
	}
	for _, algorithm := range []string{AlgorithmPPO, AlgorithmSAC} {
		for _, kind := range []string{"mlp", "gat", "gcn"} {
			for _, toy := range toys {
				t.Run(fmt.Sprintf("%s/%s/%s", algorithm, kind, toy.name), func(t *testing.T) {
					t.Parallel()
					r, err := Train(context.Background(), small(kind, algorithm, 16), toy.make(), Options{Dir: t.TempDir()})
					if err != nil {
						t.Fatal(err)
					}
					t.Logf("reward %.3f, length %.2f", r.Reward, r.Length)
					if !(r.Reward >= toy.want) {
						t.Errorf("mean reward %.3f after %d steps, want %.2f", r.Reward, r.Steps, toy.want)
					}
				})
			}
		}
	}
}
