package rl

import (
	"fmt"
	"math"
)

// ValueClip says how the value loss is clipped.
type ValueClip string

const (
	// ValueClipNone: mean((R - V)^2).
	ValueClipNone ValueClip = "none"
	// ValueClipOnly takes the clipped value alone: V' = V_old + clamp(V - V_old, -c, c), mean((R - V')^2), as
	// Stable-Baselines3 does.
	ValueClipOnly ValueClip = "clipped"
	// ValueClipMax takes the larger error of the two: mean(max((R - V)^2, (R - V')^2)), as OpenAI baselines and
	// CleanRL do.
	ValueClipMax ValueClip = "max"
)

// ppoMinibatch is what a PPO step knows of B decisions besides their observations.
type ppoMinibatch struct {
	mask       []bool    // [B, width]; nil where everything is allowed
	actions    []int32   // [B, parts]
	oldLogProb []float32 // [B] at collection
	oldValues  []float32 // [B] at collection; read only when the value loss is clipped
	advantages []float32 // [B]
	returns    []float32 // [B]

	undrawn []bool  // [B] decisions that were not drawn from the policy and have no advantage; nil = none
	experts []int32 // [B, parts] what the expert would have done; nil where nobody asks
	pull    float64 // weight of the imitation loss; +Inf = nothing else moves the policy
}

// size is B.
func (b *ppoMinibatch) size() int { return len(b.returns) }

// pullOf is the weight of the imitation loss, and whether it alone moves the policy.
func (b *ppoMinibatch) pullOf() (pull float64, alone bool) {
	if math.IsInf(b.pull, 1) {
		return 1, true
	}
	return b.pull, false
}

// ppoLoss computes PPO's objective and its gradients with respect to logits and values, in one pass over the rows
// and in float64. Written as tensor operations the same takes five times as long, a third of a training's time: some
// thirty passes over small arrays, forward and backward. The reference numbers hold its gradients.
//
// Its slices are overwritten by the next minibatch.
type ppoLoss struct {
	cfg   *PPOConfig
	parts *Parts

	logits, values   []float32 // what the network gave: [B, width], [B]
	dLogits, dValues []float32 // gradients of the total

	logProb, entropy, ratio, advantages []float64 // [B]
	probs, shifted                      []float64 // of one row: probabilities; logits less the largest of their part
}

func newPPOLoss(cfg *PPOConfig, parts *Parts, rows int) *ppoLoss {
	l := &ppoLoss{cfg: cfg, parts: parts, probs: make([]float64, parts.Width), shifted: make([]float64, parts.Width)}
	l.grow(rows)
	return l
}

// grow makes room for so many rows and cuts the slices to them.
func (l *ppoLoss) grow(rows int) {
	cut := func(v *[]float32, n int) {
		if cap(*v) < n {
			*v = make([]float32, n)
		}
		*v = (*v)[:n]
	}
	cut(&l.logits, rows*l.parts.Width)
	cut(&l.dLogits, rows*l.parts.Width)
	cut(&l.values, rows)
	cut(&l.dValues, rows)
	for _, v := range []*[]float64{&l.logProb, &l.entropy, &l.ratio, &l.advantages} {
		if cap(*v) < rows {
			*v = make([]float64, rows)
		}
		*v = (*v)[:rows]
	}
}

// compute does PPO's clipped objective (Schulman et al., "Proximal Policy Optimization Algorithms", 2017, equations
// 7 and 9, with the sign of a loss) for the logits and values in l:
//
//	ratio  = exp(log pi(a|s) - log pi_old(a|s))
//	policy = -mean(min(A·ratio, A·clamp(ratio, 1-c, 1+c)))
//	total  = policy + value_coef·value - entropy_coef·mean(entropy) + pull·imitation
//
// with imitation = -mean(log pi(expert's action|s)), or, where the pull is infinite, total = imitation + value_coef·value;
// and leaves the gradients in dLogits and dValues. Log-probability and entropy are sums over the action's parts.
func (l *ppoLoss) compute(b *ppoMinibatch) (ppoStats, error) {
	l.normalizeAdvantages(b)
	st, err := l.span(b, 0, b.size())
	if err != nil {
		return st, err
	}
	return st, l.total(b, &st)
}

// span is compute for the rows of one stripe, advantages being normalised: it leaves their gradients and returns sums over them.
func (l *ppoLoss) span(b *ppoMinibatch, from, to int) (ppoStats, error) {
	var st ppoStats
	n := float64(b.size())
	pull, alone := b.pullOf()
	for i := from; i < to; i++ {
		if err := l.row(b, i); err != nil {
			return st, err
		}
		l.ratio[i] = math.Exp(l.logProb[i] - float64(b.oldLogProb[i]))
		policy, slope := l.objective(i)
		value, dValue := l.valueError(b, i)
		weight := -l.cfg.EntropyCoef / n
		if alone {
			policy, slope, weight = 0, 0, 0
		}
		l.rowGradient(b, i, slope/n, weight)
		if b.experts != nil {
			st.Imitation += l.imitate(b, i, pull/n)
		}
		l.dValues[i] = float32(l.cfg.ValueCoef * dValue / n)

		st.PolicyLoss += policy
		st.ValueLoss += value
		st.Entropy += l.entropy[i]
		// The estimator k3 of http://joschu.net/blog/kl-approx.html: unbiased and never negative.
		st.ApproxKL += l.ratio[i] - 1 - (l.logProb[i] - float64(b.oldLogProb[i]))
		if math.Abs(l.ratio[i]-1) > l.cfg.ClipRange {
			st.ClipFraction++
		}
	}
	return st, nil
}

// total turns the sums over all rows into means and adds up the loss.
func (l *ppoLoss) total(b *ppoMinibatch, st *ppoStats) error {
	pull, alone := b.pullOf()
	for _, v := range []*float64{&st.PolicyLoss, &st.ValueLoss, &st.Entropy, &st.ApproxKL, &st.ClipFraction, &st.Imitation} {
		*v /= float64(b.size())
	}
	st.Loss = st.PolicyLoss + l.cfg.ValueCoef*st.ValueLoss + pull*st.Imitation
	if !alone {
		st.Loss -= l.cfg.EntropyCoef * st.Entropy
	}
	if math.IsNaN(st.Loss) || math.IsInf(st.Loss, 0) {
		return fmt.Errorf("ppo: the loss is %v: training has diverged; lower ppo.learning_rate or ppo.max_grad_norm", st.Loss)
	}
	return nil
}

// shared is l for the use of one stripe: the same rows, and room of its own for what belongs to one row.
func (l *ppoLoss) shared(before ppoLoss) ppoLoss {
	part := *l
	part.probs, part.shifted = before.probs, before.shifted
	if len(part.probs) != l.parts.Width {
		part.probs, part.shifted = make([]float64, l.parts.Width), make([]float64, l.parts.Width)
	}
	return part
}

// normalizeAdvantages brings the minibatch's advantages to mean 0 and sample deviation 1, as the references do. The
// sample deviation of a single one is NaN (0/0), so a minibatch of one is left as it is. Decisions that were not drawn count for nothing.
func (l *ppoLoss) normalizeAdvantages(b *ppoMinibatch) {
	counts := func(i int) bool { return b.undrawn == nil || !b.undrawn[i] }
	mean, scale, n := 0.0, 1.0, 0.0
	for i, a := range b.advantages {
		if counts(i) {
			mean, n = mean+float64(a), n+1
		}
	}
	if mean /= max(n, 1); l.cfg.NormalizeAdvantage && n > 1 {
		squares := 0.0
		for i, a := range b.advantages {
			if counts(i) {
				squares += (float64(a) - mean) * (float64(a) - mean)
			}
		}
		scale = 1 / (math.Sqrt(squares/(n-1)) + 1e-8)
	} else {
		mean = 0
	}
	for i, a := range b.advantages {
		if l.advantages[i] = 0; counts(i) {
			l.advantages[i] = (float64(a) - mean) * scale
		}
	}
}

// row computes log-probability and entropy of decision i, and leaves probs and shifted of all its actions. With the
// shifted logits z of a part, p_j = e^z_j / sum_a e^z_a, it is
//
//	log pi(a) = z_a - log(sum),  H = log(sum) - sum_j p_j·z_j
func (l *ppoLoss) row(b *ppoMinibatch, i int) error {
	at, actions := i*l.parts.Width, b.actions[i*len(l.parts.NVec):]
	chosen, spread, sums := 0.0, 0.0, logProduct{1, 0}
	probs, shifted := l.probs, l.shifted
	for k, n := range l.parts.NVec {
		logits := l.logits[at : at+n]
		var mask []bool
		if b.mask != nil {
			mask = b.mask[at : at+n]
		}
		top, sum := exponentiate(logits, mask, probs[:n])
		if top < 0 {
			return noActionError(k, logits)
		}
		largest, scale := float64(logits[top]), 1/sum
		for a, logit := range logits {
			z := float64(logit) - largest
			if mask != nil && !mask[a] {
				z = maskedLogit - largest
			}
			p := probs[a] * scale
			probs[a], shifted[a] = p, z
			spread += p * z
		}
		chosen += shifted[actions[k]]
		sums.times(sum)
		probs, shifted, at = probs[n:], shifted[n:], at+n
	}
	log := sums.log()
	l.logProb[i], l.entropy[i] = chosen-log, log-spread
	return nil
}

// objective is the policy loss of decision i and its derivative with respect to the log-probability: -A·ratio where
// moving the ratio still changes the minimum, 0 where it is clipped.
func (l *ppoLoss) objective(i int) (loss, slope float64) {
	a, r := l.advantages[i], l.ratio[i]
	clipped := a * max(1-l.cfg.ClipRange, min(1+l.cfg.ClipRange, r))
	if clipped < a*r {
		return -clipped, 0
	}
	return -a * r, -a * r
}

// rowGradient writes the gradient of slope·log pi(a) + weight·H with respect to the logits of decision i, whose probs
// and shifted are in l. For one part:
//
//	d log pi(a) / d logit_j = [j = a] - p_j
//	d H / d logit_j         = -p_j·(log p_j + H) = -p_j·(z_j - sum_k p_k·z_k)
//
// Both are 0 where an action is not allowed, for its p is.
func (l *ppoLoss) rowGradient(b *ppoMinibatch, i int, slope, weight float64) {
	out, actions := l.dLogits[i*l.parts.Width:], b.actions[i*len(l.parts.NVec):]
	probs, shifted := l.probs, l.shifted
	for k, n := range l.parts.NVec {
		mean := 0.0
		for a, p := range probs[:n] {
			mean += p * shifted[a]
		}
		for a, p := range probs[:n] {
			out[a] = float32(-p * (slope + weight*(shifted[a]-mean)))
		}
		out[actions[k]] += float32(slope)
		probs, shifted, out = probs[n:], shifted[n:], out[n:]
	}
}

// imitate is -log pi of the expert's action in decision i, whose probs are in l. It adds weight times its gradient,
//
//	d -log pi(e) / d logit_j = p_j - [j = e]
func (l *ppoLoss) imitate(b *ppoMinibatch, i int, weight float64) float64 {
	out, experts := l.dLogits[i*l.parts.Width:], b.experts[i*len(l.parts.NVec):]
	probs, loss := l.probs, 0.0
	for k, n := range l.parts.NVec {
		for a, p := range probs[:n] {
			out[a] += float32(weight * p)
		}
		e := experts[k]
		out[e] -= float32(weight)
		loss -= math.Log(max(probs[e], math.SmallestNonzeroFloat64))
		probs, out = probs[n:], out[n:]
	}
	return loss
}

// valueError is the squared error of value i and its derivative.
func (l *ppoLoss) valueError(b *ppoMinibatch, i int) (loss, slope float64) {
	v, r, c := float64(l.values[i]), float64(b.returns[i]), l.cfg.ValueClipRange
	plain := (r - v) * (r - v)
	if l.cfg.ValueClip == ValueClipNone {
		return plain, 2 * (v - r)
	}
	old := float64(b.oldValues[i])
	moved := max(-c, min(c, v-old))
	clipped := (r - old - moved) * (r - old - moved)
	switch {
	case moved == v-old || l.cfg.ValueClip == ValueClipMax && plain > clipped:
		return plain, 2 * (v - r)
	default: // the clipped value does not depend on v
		return clipped, 0
	}
}
