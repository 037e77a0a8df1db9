package rl

import (
	"testing"

	"github.com/grlscaler/grlscaler/gnn"
	"github.com/grlscaler/grlscaler/rl/rltest"
	"github.com/grlscaler/grlscaler/sim"
)

// benchConfigs have the shapes of the published policies.
func benchConfig(kind, algorithm string) *Config {
	cfg := DefaultConfig(algorithm)
	cfg.Name, cfg.Encoder.Kind = "bench", kind
	cfg.Env.NumEnvs = 32
	if kind != "mlp" {
		cfg.Encoder.Hidden = 32
	}
	if cfg.PPO != nil {
		cfg.PPO.RolloutSteps, cfg.PPO.MinibatchSize = 64, 512
	}
	if cfg.SAC != nil {
		cfg.SAC.LearningStarts = cfg.Env.NumEnvs // every iteration counted has its updates
	}
	return cfg
}

// BenchmarkTrain measures the learner alone, end to end: collection with a synthetic environment of the real
// shape, and four epochs of updates.
func BenchmarkTrain(b *testing.B) {
	for _, c := range []struct {
		name, kind, algorithm string
		set                   []string
	}{
		{"mlp_ppo", "mlp", AlgorithmPPO, nil}, {"gat_ppo", "gat", AlgorithmPPO, nil}, {"gcn_ppo", "gcn", AlgorithmPPO, nil},
		{"gat_sac/critics=separate", "gat", AlgorithmSAC, []string{"sac.batch_size=256"}},
		{"gat_sac/critics=shared", "gat", AlgorithmSAC, []string{"sac.batch_size=256", "sac.shared_critics=true"}},
		{"gat_sac/critics=separate/batch=64", "gat", AlgorithmSAC, []string{"sac.batch_size=64", "sac.gradient_steps=4"}},
	} {
		b.Run("cfg="+c.name, func(b *testing.B) {
			cfg, err := benchConfig(c.kind, c.algorithm).ApplySet(c.set)
			if err != nil {
				b.Fatal(err)
			}
			torch, err := gnn.StartTorch(1)
			if err != nil {
				b.Fatal(err)
			}
			defer torch.Close()
			if err := torch.Do(func() error { return benchLearner(b, cfg) }); err != nil {
				b.Fatal(err)
			}
		})
	}
}

func benchLearner(b *testing.B, cfg *Config) error {
	t, err := newTrainer(cfg, []sim.VectorEnv{rltest.NewSynthetic(cfg.Env.NumEnvs)}, Options{Dir: b.TempDir()})
	if err != nil {
		return err
	}
	defer t.learner.close()
	steps := 0
	b.ReportAllocs()
	b.ResetTimer()
	for b.Loop() {
		n, err := t.learner.collect()
		if err != nil {
			return err
		}
		if _, err := t.learner.learn(0); err != nil {
			return err
		}
		steps += n
	}
	rate := float64(steps) / b.Elapsed().Seconds()
	b.ReportMetric(rate, "env-steps/s")
	if p, ok := t.learner.(*ppo); ok {
		scope := gnn.NewScope()
		defer scope.Close()
		floor, adds, blas := floorRate(scope, p, cfg)
		b.ReportMetric(floor, "floor-steps/s")
		b.ReportMetric(100*rate/floor, "%-of-floor")
		b.ReportMetric(adds/1e6, "M-adds/step")
		b.ReportMetric(blas/1e9, "G-adds/s")
	}
	return nil
}
