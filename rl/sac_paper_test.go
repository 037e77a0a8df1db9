package rl

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/grlscaler/grlscaler/gnn"
	"github.com/grlscaler/grlscaler/sim/rng"
)

// tableSAC is an updater whose networks are tables: every state has the same logits and Q values.
func tableSAC(t *testing.T, cfg *SACConfig, nvec []int, logits, q1, q2 []float32) (*sacUpdater, sacForward) {
	t.Helper()
	parts, err := NewParts(nvec)
	if err != nil {
		t.Fatal(err)
	}
	table := func(names []string, rows ...[]float32) *gnn.Params {
		p := gnn.NewParams(rng.New(0, "unused").Rand)
		for i, name := range names {
			p.Add(name, func(w []float32, _ []int64, _ *rand.Rand) { copy(w, rows[i]) }, 1, int64(len(rows[i])))
		}
		if err := p.Build(); err != nil {
			t.Fatal(err)
		}
		return p
	}
	u := &sacUpdater{
		cfg: cfg, parts: parts, actor: table([]string{"pi"}, logits), critics: table([]string{"q1", "q2"}, q1, q2),
		targets: table([]string{"q1", "q2"}, q1, q2), logAlpha: table([]string{"log_alpha"}, []float32{float32(math.Log(cfg.Alpha))}),
	}
	if err := u.newOptimisers(); err != nil {
		t.Fatal(err)
	}
	both := func(p *gnn.Params) func(*gnn.Scope) (gnn.Tensor, gnn.Tensor) {
		return func(*gnn.Scope) (gnn.Tensor, gnn.Tensor) { return p.Lookup("q1").T, p.Lookup("q2").T }
	}
	pi := func(*gnn.Scope) gnn.Tensor { return u.actor.Lookup("pi").T }
	return u, sacForward{actor: pi, nextActor: pi, critics: both(u.critics), nextTargets: both(u.targets)}
}

// stepSAC does an update on a whole minibatch, in one stripe.
func stepSAC(u *sacUpdater, s *gnn.Scope, b *sacMinibatch, f sacForward) (sacStats, error) {
	own := s.Nested() // step frees what is in the stripe's scope
	u.stripes = []*sacStripe{{actor: u.actor, critics: u.critics, targets: u.targets, scope: own}}
	return u.step(1, int(b.returns.Shape()[0]), b.pull, func(st *sacStripe, _, _ int) error {
		st.batch, st.forward = b, f
		return nil
	})
}

func sacConfig() SACConfig {
	cfg := DefaultSAC()
	cfg.Gamma, cfg.Alpha, cfg.AutoAlpha = 0.9, 0.5, false
	return cfg
}

// transition is a minibatch of one.
func transition(s *gnn.Scope, parts int, reward, discount float32, nextMask gnn.Tensor) *sacMinibatch {
	return &sacMinibatch{
		nextMask: nextMask, actions: s.Zeros(gnn.Int64, 1, int64(parts)), returns: s.Full(float64(reward), 1),
		discounts: s.Full(float64(discount), 1), targetEntropy: s.Zeros(gnn.Float32, 1),
	}
}

// Christodoulou 2019, equations 4 and 10: y = r + gamma·sum_a pi(a)·(min Q(a) - alpha·log pi(a)), over the allowed
// actions; only a termination ends the bootstrap.
func TestSACTarget(t *testing.T) {
	// pi = (1/4, 3/4) of two allowed actions; min Q = (1, 2).
	logits, q1, q2 := []float32{0, float32(math.Log(3)), 5}, []float32{1, 7, 100}, []float32{4, 2, 100}
	value := 0.25*(1-0.5*math.Log(0.25)) + 0.75*(2-0.5*math.Log(0.75))
	for _, c := range []struct {
		name     string
		discount float32
		want     float64
	}{{"goes on", 0.9, 3 + 0.9*value}, {"three steps", 0.729, 3 + 0.729*value}, {"terminated", 0, 3}} {
		t.Run(c.name, func(t *testing.T) {
			onTorch(t, func(s *gnn.Scope) error {
				cfg := sacConfig()
				u, f := tableSAC(t, &cfg, []int{3}, logits, q1, q2)
				y := u.target(s, u.alpha(), transition(s, 1, 3, c.discount, s.Bools([]bool{true, true, false}, 1, 3)), f)
				if got := s.Item(y); math.Abs(got-c.want) > 1e-5 {
					t.Errorf("y = %v, want %v", got, c.want)
				}
				return nil
			})
		})
	}
}

// With several parts, Q is the sum of their terms, and the critic with the smaller expected value counts as a whole, or the mean of both:
// a constant that moves from one part to another changes nothing.
func TestSACPartsAddUp(t *testing.T) {
	for _, c := range []struct {
		shift   float32
		average bool
		value   float64
	}{{0, false, 5}, {100, false, 5}, {0, true, 5.5}, {100, true, 5.5}} {
		onTorch(t, func(s *gnn.Scope) error {
			cfg := sacConfig()
			cfg.AverageCritics = c.average
			// Uniform over two parts of two actions. Expected values: critic 1: 1.5 + 3.5 = 5, critic 2: 1 + 5 = 6.
			q1, q2 := []float32{1, 2, 3, 4}, []float32{0 + c.shift, 2 + c.shift, 4 - c.shift, 6 - c.shift}
			u, f := tableSAC(t, &cfg, []int{2, 2}, make([]float32, 4), q1, q2)
			y := u.target(s, u.alpha(), transition(s, 2, 0, 0.9, gnn.Tensor{}), f)
			want := 0.9 * (c.value + 0.5*2*math.Log(2))
			if got := s.Item(y); math.Abs(got-want) > 1e-4 {
				t.Errorf("%+v: y = %v, want %v", c, got, want)
			}
			q, _ := f.critics(s)
			if got := s.Item(u.valueOf(s, q, s.Int64s([]int64{1, 0}, 1, 2))); got != 2+3 {
				t.Errorf("Q of actions 1 and 0 is %v, want 5", got)
			}
			return nil
		})
	}
}

// The actor moves towards the better action, more so the colder it is.
func TestSACActorFollowsQ(t *testing.T) {
	onTorch(t, func(s *gnn.Scope) error {
		cfg := sacConfig()
		cfg.PolicyLearningRate, cfg.Alpha = 0.1, 0.01
		u, f := tableSAC(t, &cfg, []int{3}, make([]float32, 3), []float32{1, 2, 9}, []float32{1, 2, 9})
		b := transition(s, 1, 0, 0, gnn.Tensor{})
		b.mask = s.Bools([]bool{true, true, false}, 1, 3)
		for range 20 {
			if _, err := stepSAC(u, s, b, f); err != nil {
				return err
			}
		}
		pi := u.actor.Values()
		if !(pi[1] > pi[0]+1) || pi[2] != 0 {
			t.Errorf("logits %v: action 1 is better than 0, and 2 is masked", pi)
		}
		return nil
	})
}

// The temperature rises while the entropy is below its target and falls while it is above (Haarnoja et al. 2018,
// equation 18), in both forms of the loss.
func TestSACTemperature(t *testing.T) {
	for _, form := range []SACForm{SACSum, SACMean} {
		for _, c := range []struct {
			target float64
			rises  bool
		}{{0.1, false}, {5, true}} {
			onTorch(t, func(s *gnn.Scope) error {
				cfg := sacConfig()
				cfg.AutoAlpha, cfg.Form = true, form
				// Uniform over four actions: entropy ln 4 = 1.39.
				u, f := tableSAC(t, &cfg, []int{4}, make([]float32, 4), make([]float32, 4), make([]float32, 4))
				b := transition(s, 1, 0, 1, gnn.Tensor{})
				b.targetEntropy = s.Full(c.target, 1)
				before := u.alpha()
				st, err := stepSAC(u, s, b, f)
				if err != nil {
					return err
				}
				if (st.Alpha > before) != c.rises || st.Alpha == before {
					t.Errorf("%s, target %v: alpha %v after %v", form, c.target, st.Alpha, before)
				}
				return nil
			})
		}
	}
}

// Targets follow by tau: w' = w' + tau·(w - w').
func TestSACSoftUpdate(t *testing.T) {
	onTorch(t, func(s *gnn.Scope) error {
		cfg := sacConfig()
		cfg.Tau = 0.25
		u, f := tableSAC(t, &cfg, []int{2}, make([]float32, 2), []float32{1, 1}, []float32{1, 1})
		copy(u.targets.Values(), []float32{5, 5, 5, 5})
		if _, err := stepSAC(u, s, transition(s, 1, 0, 0, gnn.Tensor{}), f); err != nil {
			return err
		}
		for i, w := range u.targets.Values() {
			if want := 5 + 0.25*(u.critics.Values()[i]-5); math.Abs(float64(w-want)) > 1e-6 {
				t.Errorf("target %d is %v, want %v", i, w, want)
			}
		}
		return nil
	})
}
