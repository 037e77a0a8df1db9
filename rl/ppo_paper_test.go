package rl

import (
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/grlscaler/grlscaler/gnn"
	"github.com/grlscaler/grlscaler/sim/rng"
)

// compute runs the loss on logits and values.
func compute(t *testing.T, cfg PPOConfig, nvec []int, logits, values []float32, b *ppoMinibatch) (ppoStats, *ppoLoss) {
	t.Helper()
	parts, err := NewParts(nvec)
	if err != nil {
		t.Fatal(err)
	}
	l := newPPOLoss(&cfg, parts, len(values))
	copy(l.logits, logits)
	copy(l.values, values)
	st, err := l.compute(b)
	if err != nil {
		t.Fatal(err)
	}
	return st, l
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
			// Two actions with probability 0.5; the old one was 0.5/ratio.
			st, l := compute(t, cfg, []int{2}, []float32{0, 0}, []float32{0}, &ppoMinibatch{
				actions: []int32{0}, oldLogProb: []float32{float32(math.Log(0.5 / c.ratio))},
				advantages: []float32{float32(c.advantage)}, returns: []float32{0},
			})
			gradient := l.dLogits[0]
			if math.Abs(st.PolicyLoss-c.loss) > 1e-5 {
				t.Errorf("loss %v, want %v", st.PolicyLoss, c.loss)
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
	cfg := PPOConfig{ClipRange: 0.2, ValueClip: ValueClipNone, ValueCoef: 0.5, EntropyCoef: 0.1}
	quarter := float32(-math.Log(4))
	st, l := compute(t, cfg, []int{4}, make([]float32, 8), []float32{1, 1}, &ppoMinibatch{
		actions: []int32{1, 2}, oldLogProb: []float32{quarter, quarter}, advantages: []float32{1, -1}, returns: []float32{3, 5},
	})
	// Policy: ratios are 1, so -mean(1, -1) = 0; value: mean(4, 16) = 10; entropy: ln 4.
	if want := 0.5*10 - 0.1*math.Log(4); math.Abs(st.Loss-want) > 1e-5 {
		t.Errorf("total %v, want %v", st.Loss, want)
	}
	// d total / d V = value_coef·2·(V - R)/B
	if l.dValues[0] != 0.5*2*-2/2 || l.dValues[1] != 0.5*2*-4/2 {
		t.Errorf("gradients of the values: %v", l.dValues)
	}
}

// Value clipping of each kind: V_old = 0, V = 1, range 0.2, R = 2 and -2. Errors of V: 1 and 9; of the clipped 0.2:
// 3.24 and 4.84. Where the clipped one counts, moving V changes nothing.
func TestPPOValueClip(t *testing.T) {
	for kind, want := range map[ValueClip]struct{ loss, slope0, slope1 float64 }{
		ValueClipNone: {(1 + 9) / 2., -1, 3}, ValueClipOnly: {(3.24 + 4.84) / 2, 0, 0}, ValueClipMax: {(3.24 + 9) / 2, 0, 3},
	} {
		cfg := PPOConfig{ValueClip: kind, ValueClipRange: 0.2, ValueCoef: 1}
		st, l := compute(t, cfg, []int{1}, []float32{0, 0}, []float32{1, 1}, &ppoMinibatch{
			actions: []int32{0, 0}, oldLogProb: []float32{0, 0}, advantages: []float32{0, 0}, returns: []float32{2, -2}, oldValues: []float32{0, 0},
		})
		if math.Abs(st.ValueLoss-want.loss) > 1e-6 || float64(l.dValues[0]) != want.slope0 || float64(l.dValues[1]) != want.slope1 {
			t.Errorf("%s: loss %v and gradients %v, want %v", kind, st.ValueLoss, l.dValues, want)
		}
	}
}

// The gradients are those of the total: central differences agree for any action space, mask and coefficients,
// away from the kinks where clipping begins.
func TestPPOGradientsAreTheDerivatives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const rows, h = 2, 1e-3
		p, logits, mask := drawParts(t, rows)
		cfg := PPOConfig{
			ClipRange: 0.2, ValueClip: rapid.SampledFrom([]ValueClip{ValueClipNone, ValueClipOnly, ValueClipMax}).Draw(t, "clip"), ValueClipRange: 0.2,
			ValueCoef: rapid.Float64Range(0, 2).Draw(t, "value_coef"), EntropyCoef: rapid.Float64Range(0, 2).Draw(t, "entropy_coef"),
		}
		floats := func(name string) []float32 {
			return rapid.SliceOfN(rapid.Float32Range(-3, 3), rows, rows).Draw(t, name)
		}
		b := &ppoMinibatch{mask: mask, actions: make([]int32, rows*len(p.NVec)), oldLogProb: make([]float32, rows), advantages: floats("advantages"), returns: floats("returns"), oldValues: floats("old values")}
		sampler, stream := NewSampler(p), rng.New(rapid.Uint64().Draw(t, "seed"), "actions")
		for i := range rows {
			logp, err := sampler.Sample(stream, logits[i*p.Width:(i+1)*p.Width], mask[i*p.Width:(i+1)*p.Width], b.actions[i*len(p.NVec):(i+1)*len(p.NVec)])
			if err != nil {
				t.Fatal(err)
			}
			// Ratios 0.6, 0.9, 1.1 and 1.6: clipped and not, and not at the kinks.
			b.oldLogProb[i] = float32(logp - math.Log(rapid.SampledFrom([]float64{0.6, 0.9, 1.1, 1.6}).Draw(t, "ratio")))
		}
		values := floats("values")
		for i := range values {
			if d := math.Abs(math.Abs(float64(values[i]-b.oldValues[i])) - 0.2); d < 0.01 {
				values[i] = b.oldValues[i]
			}
		}
		if b.pull = rapid.SampledFrom([]float64{0, 0.7, math.Inf(1)}).Draw(t, "pull"); b.pull > 0 {
			b.experts = make([]int32, rows*len(p.NVec))
			for i := range rows {
				if _, err := sampler.Sample(stream, logits[i*p.Width:(i+1)*p.Width], mask[i*p.Width:(i+1)*p.Width], b.experts[i*len(p.NVec):(i+1)*len(p.NVec)]); err != nil {
					t.Fatal(err)
				}
			}
		}
		l := newPPOLoss(&cfg, p, rows)
		loss := func() float64 {
			copy(l.values, values)
			copy(l.logits, logits)
			st, err := l.compute(b)
			if err != nil {
				t.Fatal(err)
			}
			return st.Loss
		}
		loss()
		dLogits, dValues := slices.Clone(l.dLogits), slices.Clone(l.dValues)
		check := func(what string, x *float32, got float32) {
			was := *x
			*x = was + h
			up, above := loss(), float64(*x)
			*x = was - h
			down, below := loss(), float64(*x)
			*x = was
			if want := (up - down) / (above - below); math.Abs(want-float64(got)) > 1e-3*(1+math.Abs(want)) {
				t.Fatalf("gradient of %s is %v, differences give %v", what, got, want)
			}
		}
		for i := range logits {
			check("a logit", &logits[i], dLogits[i])
			if !mask[i] && dLogits[i] != 0 {
				t.Fatalf("a masked logit has gradient %v", dLogits[i])
			}
		}
		if cfg.ValueClip != ValueClipMax { // which has kinks elsewhere too
			for i := range values {
				check("a value", &values[i], dValues[i])
			}
		}
	})
}

// Advantages have mean 0 and sample deviation 1 within a minibatch. The sample deviation of one advantage is 0/0:
// it is left alone instead of becoming NaN.
func TestAdvantagesAreNormalized(t *testing.T) {
	parts, err := NewParts([]int{2})
	if err != nil {
		t.Fatal(err)
	}
	l := newPPOLoss(&PPOConfig{NormalizeAdvantage: true}, parts, 4)
	l.normalizeAdvantages(&ppoMinibatch{advantages: []float32{1, 2, 3, 10}, returns: make([]float32, 4)})
	sum, squares := 0.0, 0.0
	for _, a := range l.advantages {
		sum += a
		squares += a * a
	}
	if math.Abs(sum) > 1e-9 || math.Abs(squares/3-1) > 1e-6 {
		t.Errorf("normalised to %v", l.advantages)
	}
	l.normalizeAdvantages(&ppoMinibatch{advantages: []float32{7}, returns: make([]float32, 1)})
	if l.advantages[0] != 7 {
		t.Errorf("a minibatch of one became %v", l.advantages[0])
	}
}

func TestPPOLossRefuses(t *testing.T) {
	parts, err := NewParts([]int{2})
	if err != nil {
		t.Fatal(err)
	}
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for name, b := range map[string]*ppoMinibatch{
		"are not finite":    {actions: []int32{0}, oldLogProb: []float32{0}, advantages: []float32{1}, returns: []float32{0}},
		"no allowed action": {mask: []bool{false, false}, actions: []int32{0}, oldLogProb: []float32{0}, advantages: []float32{1}, returns: []float32{0}},
		"has diverged":      {actions: []int32{0}, oldLogProb: []float32{0}, advantages: []float32{1}, returns: []float32{inf}},
	} {
		l := newPPOLoss(&PPOConfig{ClipRange: 0.2, ValueClip: ValueClipNone, ValueCoef: 1}, parts, 1)
		if name == "are not finite" {
			l.logits[1] = nan
		}
		if _, err := l.compute(b); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", name, err)
		}
	}
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
			b := &ppoMinibatch{actions: []int32{0}, oldLogProb: []float32{-0.1}, advantages: []float32{1}, returns: []float32{0}}
			st, err := u.step(0.1, b, forward(func(s *gnn.Scope) (gnn.Tensor, gnn.Tensor) {
				return params.Lookup("logits").T, s.Zeros(gnn.Float32, 1)
			}).whole)
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
