package rl

import "github.com/grlscaler/grlscaler/gnn"

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
	mask       gnn.Tensor // bool [B, width]; none where everything is allowed
	actions    gnn.Tensor // int64 [B, parts]
	oldLogProb gnn.Tensor // [B] at collection
	oldValues  gnn.Tensor // [B] at collection; read only when the value loss is clipped
	advantages gnn.Tensor // [B]
	returns    gnn.Tensor // [B]
	size       int        // B
}

// ppoTerms are the losses of one minibatch, each a scalar, and what they were made of.
type ppoTerms struct {
	total, policy, value, entropy gnn.Tensor // entropy is the mean entropy, not its negative
	approxKL, clipFraction        gnn.Tensor
	logProb, ratio, advantages    gnn.Tensor // [B]
	entropies                     gnn.Tensor // [B]
}

// loss computes PPO's clipped objective (Schulman et al., "Proximal Policy Optimization Algorithms", 2017,
// equations 7 and 9, with the sign of a loss):
//
//	ratio  = exp(log pi(a|s) - log pi_old(a|s))
//	policy = -mean(min(A·ratio, A·clamp(ratio, 1-c, 1+c)))
//	total  = policy + vf_coef·value - ent_coef·entropy
//
// logits [B, width] are the network's, before masking; values are [B].
func (c *PPOConfig) loss(s *gnn.Scope, parts *Parts, logits, values gnn.Tensor, b *ppoMinibatch) ppoTerms {
	var t ppoTerms
	t.logProb, t.entropies = parts.Evaluate(s, parts.Masked(s, logits, b.mask), b.actions)
	logRatio := s.Sub(t.logProb, b.oldLogProb)
	t.ratio = s.Exp(logRatio)
	t.advantages = c.advantages(s, b)

	clipped := s.Clamp(t.ratio, 1-c.ClipRange, 1+c.ClipRange)
	t.policy = s.Neg(s.Mean(s.Minimum(s.Mul(t.advantages, t.ratio), s.Mul(t.advantages, clipped))))
	t.value = c.valueLoss(s, values, b)
	t.entropy = s.Mean(t.entropies)
	t.total = s.Add(t.policy, s.Sub(s.MulScalar(t.value, c.ValueCoef), s.MulScalar(t.entropy, c.EntropyCoef)))

	gnn.NoGrad(func() {
		// The estimator k3 of http://joschu.net/blog/kl-approx.html: unbiased and never negative.
		t.approxKL = s.Mean(s.Sub(s.SubScalar(t.ratio, 1), logRatio))
		outside := s.Gt(s.Abs(s.SubScalar(t.ratio, 1)), c.ClipRange)
		t.clipFraction = s.Mean(s.To(outside, gnn.Float32))
	})
	return t
}

// advantages normalises over the minibatch with the sample standard deviation, as the references do. That of a
// single advantage is NaN (0/0), so a minibatch of one is left as it is.
func (c *PPOConfig) advantages(s *gnn.Scope, b *ppoMinibatch) gnn.Tensor {
	if !c.NormalizeAdvantage || b.size < 2 {
		return b.advantages
	}
	centred := s.Sub(b.advantages, s.Mean(b.advantages))
	return s.Div(centred, s.AddScalar(s.Std(b.advantages, true), 1e-8))
}

func (c *PPOConfig) valueLoss(s *gnn.Scope, values gnn.Tensor, b *ppoMinibatch) gnn.Tensor {
	plain := s.Square(s.Sub(b.returns, values))
	if c.ValueClip == ValueClipNone {
		return s.Mean(plain)
	}
	move := s.Clamp(s.Sub(values, b.oldValues), -c.ValueClipRange, c.ValueClipRange)
	clipped := s.Square(s.Sub(b.returns, s.Add(b.oldValues, move)))
	if c.ValueClip == ValueClipMax {
		clipped = s.Maximum(plain, clipped)
	}
	return s.Mean(clipped)
}
