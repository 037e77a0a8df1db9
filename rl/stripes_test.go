package rl

import (
	"math"
	"slices"
	"testing"

	"github.com/grlscaler/grlscaler/gnn"
	"github.com/grlscaler/grlscaler/rl/rltest"
	"github.com/grlscaler/grlscaler/sim"
)

// Cut into stripes or not, a minibatch has one loss and one gradient, and weights are seen by all stripes.
func TestStripesAgree(t *testing.T) {
	for _, kind := range []string{"mlp", "gat", "gcn"} {
		t.Run(kind, func(t *testing.T) {
			cfg := benchConfig(kind, AlgorithmPPO)
			cfg.Env.NumEnvs, cfg.PPO.RolloutSteps = 4, 8
			onTorch(t, func(*gnn.Scope) error {
				tr, err := newTrainer(cfg, []sim.VectorEnv{rltest.NewSynthetic(cfg.Env.NumEnvs)}, Options{Dir: t.TempDir()})
				if err != nil {
					return err
				}
				defer tr.learner.close()
				p := tr.learner.(*ppo)
				if len(p.update.stripes) != stripeCount {
					t.Fatalf("%d stripes", len(p.update.stripes))
				}
				if _, err := p.collect(); err != nil {
					return err
				}
				p.judge()
				p.permute()
				for _, n := range []int{1, 2, 7, 32} {
					split, whole := gradients(t, p, p.update.stripes, n), gradients(t, p, p.update.stripes[:1], n)
					if diff := maxDiff(split.grads, whole.grads); diff > 2e-5*whole.stats.GradNorm {
						t.Errorf("%d rows: gradients of norm %v differ by %v", n, whole.stats.GradNorm, diff)
					}
					if math.Abs(split.stats.Loss-whole.stats.Loss) > 1e-5*math.Abs(whole.stats.Loss) || math.Abs(split.stats.Entropy-whole.stats.Entropy) > 1e-5 {
						t.Errorf("%d rows: %+v, uncut %+v", n, split.stats, whole.stats)
					}
				}
				return nil
			})
		})
	}
}

// The same for Discrete SAC, advised critics and imitation included. With rates of 0 no weight moves.
func TestSACStripesAgree(t *testing.T) {
	cfg := quick("gat", AlgorithmSAC)
	cfg.SAC.BatchSize = 33
	cfg.SAC.AdvisedCritics, cfg.SAC.Tau = true, 0
	cfg.SAC.WarmStart = WarmStartConfig{Steps: 1, Pull: 0.5, PullSteps: 1000}
	onTorch(t, func(*gnn.Scope) error {
		tr, err := newTrainer(cfg, sizes(cfg.Env.NumEnvs, 4), Options{Dir: t.TempDir()})
		if err != nil {
			return err
		}
		defer tr.learner.close()
		a := tr.learner.(*sac)
		for a.replay.len() < 100 {
			if _, err := a.collect(); err != nil {
				return err
			}
		}
		if _, err := a.minibatch(0); err != nil { // makes the sample
			return err
		}
		type result struct {
			stats          sacStats
			actor, critics []float32
		}
		all := a.update.stripes
		run := func(on []*sacStripe, rows int) result {
			a.update.stripes = on
			st, err := a.update.step(0, rows, a.pull, func(st *sacStripe, from, to int) error { st.load(a, from, to); return nil })
			if err != nil {
				t.Fatal(err)
			}
			return result{st, slices.Clone(a.update.actor.Grads()), slices.Clone(a.update.critics.Grads())}
		}
		for _, rows := range []int{33, 1} { // of one row a stripe has none, and of the step before it keeps nothing
			split, whole := run(all, rows), run(all[:1], rows)
			a.update.stripes = all
			for _, c := range []struct {
				what      string
				got, want []float32
			}{{"actor", split.actor, whole.actor}, {"critics", split.critics, whole.critics}} {
				if diff := maxDiff(c.got, c.want); diff > 1e-5 || norm(c.want) < 1e-3 {
					t.Errorf("%d rows: gradients of %s, norm %v, differ by %v", rows, c.what, norm(c.want), diff)
				}
			}
			x, y := split.stats, whole.stats
			for _, d := range []float64{x.CriticLoss - y.CriticLoss, x.ActorLoss - y.ActorLoss, x.Imitation - y.Imitation, x.Entropy - y.Entropy, x.QMean - y.QMean, x.shortfall - y.shortfall} {
				if math.Abs(d) > 1e-4 {
					t.Errorf("%d rows: %+v, uncut %+v", rows, x, y)
					break
				}
			}
		}
		return nil
	})
}

type gradientsOf struct {
	stats ppoStats
	grads []float32
}

// gradients are those of the first n rows of the permutation; the weights move a little.
func gradients(t *testing.T, p *ppo, on stripes, n int) gradientsOf {
	t.Helper()
	all := p.update.stripes
	defer func() { p.update.stripes = all }()
	p.update.stripes = on
	before := slices.Clone(all[0].params.Values())
	st, err := p.minibatch(1e-3, p.perm[:n])
	if err != nil {
		t.Fatal(err)
	}
	g := gradientsOf{st, slices.Clone(all[0].params.Grads())}
	if slices.Equal(before, all[0].params.Values()) || !slices.Equal(all[1].params.Values(), all[0].params.Values()) {
		t.Error("the step did not reach the weights of all stripes")
	}
	// Both meet the same weights.
	if err := all[0].params.SetValues(before); err != nil {
		t.Fatal(err)
	}
	return g
}

func maxDiff(a, b []float32) float64 {
	worst := 0.0
	for i := range a {
		worst = max(worst, math.Abs(float64(a[i])-float64(b[i])))
	}
	return worst
}
