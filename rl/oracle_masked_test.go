package rl

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/grlscaler/grlscaler/gnn"
	"github.com/grlscaler/grlscaler/sim/rng"
)

// All three forms of the distribution are compared: PPO's with its gradients, the tensors of Discrete SAC, and the one
// that draws actions.
func TestOracleMasked(t *testing.T) {
	o := oracleFile(t, "masked.json")
	for _, c := range o.Cases {
		t.Run(c.Name, func(t *testing.T) {
			nvec := decoded[struct{ NVec []int }](t, c.Config).NVec
			parts, err := NewParts(nvec)
			if err != nil {
				t.Fatal(err)
			}
			if has(c.Inputs, "action_masks") {
				mask := field[array](t, c.Inputs, "action_masks").bools()
				if err := parts.CheckMask(mask); (err != nil) != nothingValid(nvec, mask) {
					t.Fatalf("CheckMask says %v", err)
				} else if err != nil {
					// The reference answers with probabilities of 0 actions; refusing is right.
					actions, logits := make([]int32, len(nvec)), field[array](t, c.Inputs, "logits").float32s()
					if _, err := NewSampler(parts).Sample(rng.New(1, "x"), logits[:parts.Width], mask[:parts.Width], actions); err == nil {
						t.Error("an action was drawn where none is allowed")
					}
					return
				}
			}
			checkMaskedLoss(t, o, c, parts)
			checkMaskedTensors(t, o, c, parts)
			checkMaskedSampler(t, o, c, parts)
		})
	}
}

func nothingValid(nvec []int, mask []bool) bool {
	for len(mask) > 0 {
		for _, n := range nvec {
			if !slices.Contains(mask[:n], true) {
				return true
			}
			mask = mask[n:]
		}
	}
	return false
}

func checkMaskedLoss(t *testing.T, o oracle, c oracleCase, parts *Parts) {
	tol := o.tolerance(t, "")
	b := &ppoMinibatch{actions: field[array](t, c.Inputs, "actions").int32s()}
	if has(c.Inputs, "action_masks") {
		b.mask = field[array](t, c.Inputs, "action_masks").bools()
	}
	rows := len(b.actions) / len(parts.NVec)
	l := newPPOLoss(&PPOConfig{}, parts, rows)
	copy(l.logits, field[array](t, c.Inputs, "logits").float32s())
	probs := field[array](t, c.Expected, "probs")
	for i := range rows {
		if err := l.row(b, i); err != nil {
			t.Fatal(err)
		}
		from, to := i*parts.Width, (i+1)*parts.Width
		tol.all(t, fmt.Sprintf("probs of row %d", i), narrow(l.probs), array{Data: probs.Data[from:to]})
		if len(c.ExpectedGrads) > 0 {
			slope, weight := field[array](t, c.Inputs, "grad_log_prob").Data[i], field[array](t, c.Inputs, "grad_entropy").Data[i]
			l.rowGradient(b, i, float64(slope), float64(weight))
		}
	}
	tol.all(t, "log_prob", narrow(l.logProb), field[array](t, c.Expected, "log_prob"))
	tol.all(t, "entropy", narrow(l.entropy), field[array](t, c.Expected, "entropy"))
	if len(c.ExpectedGrads) > 0 {
		tol.all(t, "gradient", l.dLogits, c.ExpectedGrads["logits"])
	}
}

func checkMaskedTensors(t *testing.T, o oracle, c oracleCase, parts *Parts) {
	tol := o.tolerance(t, "")
	onTorch(t, func(s *gnn.Scope) error {
		logits := s.RequireGrad(field[array](t, c.Inputs, "logits").tensor(s))
		mask := gnn.Tensor{}
		if has(c.Inputs, "action_masks") {
			mask = field[array](t, c.Inputs, "action_masks").tensor(s)
		}
		logp := parts.LogSoftmax(s, parts.Masked(s, logits, mask))
		logProb := parts.sumParts(s, parts.Pick(s, logp, field[array](t, c.Inputs, "actions").tensor(s)))
		probs, spread := make([]gnn.Tensor, len(logp)), make([]gnn.Tensor, len(logp))
		for i, l := range logp {
			probs[i] = s.Transpose(s.Exp(l), 1, 2)
			spread[i] = s.Mul(s.Exp(l), l)
		}
		entropy := s.Neg(parts.sumParts(s, spread))
		tol.all(t, "log_prob of tensors", s.ToFloat32s(logProb), field[array](t, c.Expected, "log_prob"))
		tol.all(t, "entropy of tensors", s.ToFloat32s(entropy), field[array](t, c.Expected, "entropy"))
		tol.all(t, "probs of tensors", s.ToFloat32s(s.Cat(2, probs...)), field[array](t, c.Expected, "probs"))
		if len(c.ExpectedGrads) == 0 {
			return nil
		}
		s.Backward(s.Add(
			s.Sum(s.Mul(logProb, field[array](t, c.Inputs, "grad_log_prob").tensor(s))),
			s.Sum(s.Mul(entropy, field[array](t, c.Inputs, "grad_entropy").tensor(s)))))
		tol.all(t, "gradient of tensors", s.ToFloat32s(s.Grad(logits)), c.ExpectedGrads["logits"])
		return nil
	})
}

func checkMaskedSampler(t *testing.T, o oracle, c oracleCase, parts *Parts) {
	tol := o.tolerance(t, "")
	logits, probs := field[array](t, c.Inputs, "logits").float32s(), field[array](t, c.Expected, "probs").float64s()
	var mask []bool
	if has(c.Inputs, "action_masks") {
		mask = field[array](t, c.Inputs, "action_masks").bools()
	}
	sampler, stream, n := NewSampler(parts), rng.New(1, "masked"), len(parts.NVec)
	actions := make([]int32, n)
	for row := range len(logits) / parts.Width {
		from, to := row*parts.Width, (row+1)*parts.Width
		var m []bool
		if mask != nil {
			m = mask[from:to]
		}
		if has(c.Expected, "mode") {
			mode := field[array](t, c.Expected, "mode").int64s()[row*n : (row+1)*n]
			if err := sampler.Mode(logits[from:to], m, actions); err != nil {
				t.Fatal(err)
			}
			for i, a := range actions {
				if int64(a) != mode[i] {
					t.Errorf("row %d: mode %v, want %v", row, actions, mode)
				}
			}
		}
		for range 20 {
			got, err := sampler.Sample(stream, logits[from:to], m, actions)
			if err != nil {
				t.Fatal(err)
			}
			want, offset := 0.0, from
			for i, a := range actions {
				want += math.Log(probs[offset+int(a)])
				offset += parts.NVec[i]
			}
			// log p of a p with 9 digits: an error of 1e-5 relative in p is 1e-5 in log p.
			tol.near(t, "sampled log_prob", got, want)
		}
	}
}
