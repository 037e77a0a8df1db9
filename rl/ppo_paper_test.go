package rl

import (
	"math"
	"testing"

	"github.com/grlscaler/grlscaler/gnn"
)

// oneDecision computes PPO's terms for decisions between two actions whose new probabilities are exp(newLogProb) and
// the gradient of the total with respect to the logits.
func oneDecision(t *testing.T, cfg PPOConfig, ratio, advantage float64) (policy float64, gradient float32) {
	t.Helper()
	onTorch(t, func(s *gnn.Scope) error {
		parts, err := NewParts([]int{2})
		if err != nil {
			return err
		}
		// Probability 0.5 for each action; the old one was 0.5/ratio.
		logits := s.RequireGrad(s.Zeros(gnn.Float32, 1, 2))
		b := &ppoMinibatch{
			actions: s.Int64s([]int64{0}, 1, 1), oldLogProb: s.Float32s([]float32{float32(math.Log(0.5 / ratio))}, 1),
			advantages: s.Float32s([]float32{float32(advantage)}, 1), returns: s.Zeros(gnn.Float32, 1), oldValues: s.Zeros(gnn.Float32, 1), size: 1,
		}
		terms := cfg.loss(s, parts, logits, s.Zeros(gnn.Float32, 1), b)
		s.Backward(terms.total)
		policy, gradient = s.Item(terms.policy), s.ToFloat32s(s.Grad(logits))[0]
		return nil
	})
	return policy, gradient
}

// Schulman et al. 2017, equation 7 and figure 1: the objective is A·r up to the clip range, then flat, on the side
// where the policy has already moved far enough; on the other side it is never clipped.
func TestPPOClippedObjective(t *testing.T) {
	cfg := PPOConfig{ClipRange: 0.2, ValueClip: ValueClipNone}
	for _, c := range []struct {
		name             string
		ratio, advantage float64
		loss             float64
		flat             bool
	}{
		{"good, not moved", 1, 2, -2, false},
		{"good, moved far enough", 1.5, 2, -2 * 1.2, true},
		{"good, moved away", 0.5, 2, -2 * 0.5, false},
		{"bad, moved far enough", 0.5, -2, 2 * 0.8, true},
		{"bad, moved the wrong way", 1.5, -2, 2 * 1.5, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			loss, gradient := oneDecision(t, cfg, c.ratio, c.advantage)
			if math.Abs(loss-c.loss) > 1e-5 {
				t.Errorf("loss %v, want %v", loss, c.loss)
			}
			// d(-A·r)/dlogit_0 = -A·r·(1 - p), p = 0.5
			want := -c.advantage * c.ratio * 0.5
			if c.flat {
				want = 0
			}
			if math.Abs(float64(gradient)-want) > 1e-5 {
				t.Errorf("gradient %v, want %v", gradient, want)
			}
		})
	}
}

// Equation 9: the entropy bonus lowers the loss, and the value loss counts with its coefficient.
func TestPPOTotal(t *testing.T) {
	onTorch(t, func(s *gnn.Scope) error {
		parts, err := NewParts([]int{4})
		if err != nil {
			return err
		}
		cfg := PPOConfig{ClipRange: 0.2, ValueClip: ValueClipNone, ValueCoef: 0.5, EntropyCoef: 0.1}
		b := &ppoMinibatch{
			actions: s.Int64s([]int64{1, 2}, 2, 1), oldLogProb: s.Full(-math.Log(4), 2),
			advantages: s.Float32s([]float32{1, -1}, 2), returns: s.Float32s([]float32{3, 5}, 2), oldValues: s.Zeros(gnn.Float32, 2), size: 2,
		}
		terms := cfg.loss(s, parts, s.Zeros(gnn.Float32, 2, 4), s.Float32s([]float32{1, 1}, 2), b)
		// Policy: ratios are 1, so -mean(1, -1) = 0; value: mean(4, 16) = 10; entropy: ln 4.
		want := 0.5*10 - 0.1*math.Log(4)
		if got := s.Item(terms.total); math.Abs(got-want) > 1e-5 {
			t.Errorf("total %v, want %v", got, want)
		}
		return nil
	})
}

// Value clipping of each kind: V_old = 0, V = 1, range 0.2, R = 2 and -2. Errors of V: 1 and 9; of the clipped 0.2:
// 3.24 and 4.84.
func TestPPOValueClip(t *testing.T) {
	for kind, want := range map[ValueClip]float64{
		ValueClipNone: (1 + 9) / 2., ValueClipOnly: (3.24 + 4.84) / 2, ValueClipMax: (3.24 + 9) / 2,
	} {
		onTorch(t, func(s *gnn.Scope) error {
			cfg := PPOConfig{ValueClip: kind, ValueClipRange: 0.2}
			b := &ppoMinibatch{returns: s.Float32s([]float32{2, -2}, 2), oldValues: s.Zeros(gnn.Float32, 2)}
			if got := s.Item(cfg.valueLoss(s, s.Full(1, 2), b)); math.Abs(got-want) > 1e-5 {
				t.Errorf("%s: %v, want %v", kind, got, want)
			}
			return nil
		})
	}
}

// Advantages have mean 0 and sample deviation 1 within a minibatch. The sample deviation of one advantage is 0/0:
// it is left alone instead of becoming NaN.
func TestAdvantagesAreNormalized(t *testing.T) {
	onTorch(t, func(s *gnn.Scope) error {
		cfg := PPOConfig{NormalizeAdvantage: true}
		got := s.ToFloat32s(cfg.advantages(s, &ppoMinibatch{advantages: s.Float32s([]float32{1, 2, 3, 10}, 4), size: 4}))
		sum, squares := 0.0, 0.0
		for _, a := range got {
			sum += float64(a)
			squares += float64(a) * float64(a)
		}
		if math.Abs(sum) > 1e-5 || math.Abs(squares/3-1) > 1e-5 {
			t.Errorf("normalised to %v", got)
		}
		if one := s.ToFloat32s(cfg.advantages(s, &ppoMinibatch{advantages: s.Float32s([]float32{7}, 1), size: 1})); one[0] != 7 {
			t.Errorf("a minibatch of one became %v", one)
		}
		return nil
	})
}

// The update stops before the optimiser step that would follow too large a KL divergence: nothing has changed.
func TestKLStopComesBeforeTheStep(t *testing.T) {
	onTorch(t, func(s *gnn.Scope) error {
		parts, err := NewParts([]int{2})
		if err != nil {
			return err
		}
		params, err := oracleParams(map[string]array{"logits": {DType: "float32", Shape: []int{1, 2}, Data: []number{0, 2}}})
		if err != nil {
			return err
		}
		for _, c := range []struct {
			target float64
			stops  bool
		}{{0, false}, {1000, false}, {1e-3, true}} {
			cfg := PPOConfig{ClipRange: 0.2, ValueClip: ValueClipNone, MaxGradNorm: 1, TargetKL: c.target, AdamEps: 1e-5}
			u := oracleUpdater(t, &cfg, ppoOracleConfig{AdamBetas: [2]float64{0.9, 0.999}}, parts, params)
			before := params.Values()[0]
			b := &ppoMinibatch{
				actions: s.Int64s([]int64{0}, 1, 1), oldLogProb: s.Full(-0.1, 1), advantages: s.Full(1, 1),
				returns: s.Full(0, 1), oldValues: s.Full(0, 1), size: 1,
			}
			st, err := u.step(s, 0.1, b, func(s *gnn.Scope) (gnn.Tensor, gnn.Tensor) {
				return params.Lookup("logits").T, s.Zeros(gnn.Float32, 1)
			})
			if err != nil {
				return err
			}
			if st.Stopped != c.stops || (params.Values()[0] == before) != c.stops {
				t.Errorf("target %v: stopped %v, weight %v after %v (KL %v)", c.target, st.Stopped, params.Values()[0], before, st.ApproxKL)
			}
		}
		return nil
	})
}

func TestLearningRateDecay(t *testing.T) {
	for _, c := range []struct {
		decay      bool
		done, want float64
	}{{true, 0, 3}, {true, 0.5, 1.5}, {true, 1, 0}, {true, 1.2, 0}, {false, 0.9, 3}} {
		if got := learningRate(3, c.decay, c.done); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("decay %v after %v: %v, want %v", c.decay, c.done, got, c.want)
		}
	}
}
