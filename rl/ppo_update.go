package rl

import (
	"math"

	"github.com/grlscaler/grlscaler/gnn"
)

// PPOConfig holds PPO's hyper-parameters. [DefaultPPO] has the defaults; configs/policies explains each.
type PPOConfig struct {
	RolloutSteps       int       `yaml:"rollout_steps"`
	MinibatchSize      int       `yaml:"minibatch_size"`
	Epochs             int       `yaml:"epochs"`
	LearningRate       float64   `yaml:"learning_rate"`
	LinearDecay        bool      `yaml:"linear_decay"`
	Gamma              float64   `yaml:"gamma"`
	GAELambda          float64   `yaml:"gae_lambda"`
	ClipRange          float64   `yaml:"clip_range"`
	ValueClip          ValueClip `yaml:"value_clip"`
	ValueClipRange     float64   `yaml:"value_clip_range"`
	NormalizeAdvantage bool      `yaml:"normalize_advantage"`
	EntropyCoef        float64   `yaml:"entropy_coef"`
	ValueCoef          float64   `yaml:"value_coef"`
	MaxGradNorm        float64   `yaml:"max_grad_norm"`
	TargetKL           float64   `yaml:"target_kl"`
	AdamEps            float64   `yaml:"adam_eps"`

	WarmStart WarmStartConfig `yaml:"warm_start"`
	Budget    BudgetConfig    `yaml:"budget"`
}

// WarmStartConfig is the imitation of an expert who knows the future (sim.ExpertEnv), before and while the policy learns from rewards.
//
// In the first Steps the policy is moved towards what the expert would do in the observations that it meets itself (DAgger: Ross,
// Gordon and Bagnell, "A Reduction of Imitation Learning and Structured Prediction to No-Regret Online Learning", 2011), and the
// value function towards its returns. After that the same loss pulls with a weight that falls to 0 (Schmitt et al., "Kickstarting Deep
// Reinforcement Learning", 2018).
type WarmStartConfig struct {
	Steps       int     `yaml:"steps"`        // environment steps; 0 = no imitation
	ExpertShare float64 `yaml:"expert_share"` // environments in which the expert acts itself at first; falls to 0 over Steps
	Pull        float64 `yaml:"pull"`         // weight of the imitation loss after Steps, at first
	PullSteps   int     `yaml:"pull_steps"`   // environment steps over which it falls to 0
}

// pullAt is the weight of the imitation loss after so many steps; Inf while only it counts.
func (w *WarmStartConfig) pullAt(steps int) float64 {
	switch {
	case steps < w.Steps:
		return math.Inf(1)
	case w.Steps == 0 || w.Pull == 0 || steps >= w.Steps+w.PullSteps:
		return 0
	}
	return w.Pull * (1 - float64(steps-w.Steps)/float64(w.PullSteps))
}

// experts is in how many of n environments the expert acts after so many steps.
func (w *WarmStartConfig) experts(n, steps int) int {
	if steps >= w.Steps {
		return 0
	}
	return int(math.Ceil(float64(n) * w.ExpertShare * (1 - float64(steps)/float64(w.Steps))))
}

// DefaultPPO returns Stable-Baselines3's defaults with the learning rate falling to 0.
func DefaultPPO() PPOConfig {
	return PPOConfig{
		RolloutSteps: 128, MinibatchSize: 256, Epochs: 4,
		LearningRate: 3e-4, LinearDecay: true,
		Gamma: 0.99, GAELambda: 0.95,
		ClipRange: 0.2, ValueClip: ValueClipNone, ValueClipRange: 0.2,
		NormalizeAdvantage: true, EntropyCoef: 0, ValueCoef: 0.5, MaxGradNorm: 0.5,
		TargetKL: 0, AdamEps: 1e-5,
		Budget: BudgetConfig{Multiplier: 8, Rate: 0.03},
	}
}

// learningRate is the rate when a share of the training is done: linear decay ends at 0.
func learningRate(initial float64, decay bool, done float64) float64 {
	if !decay {
		return initial
	}
	return initial * max(0, 1-done)
}

// klStopFactor is how far above the target the KL divergence may be before an update stops (OpenAI Spinning Up
// and Stable-Baselines3).
const klStopFactor = 1.5

// ppoUpdater does optimiser steps on minibatches. It knows nothing of how logits and values come about, so that
// any network can be trained with it.
type ppoUpdater struct {
	cfg     *PPOConfig
	loss    *ppoLoss
	stripes stripes
	adam    *gnn.Adam // of the first stripe's weights
}

// ppoStats are the numbers of one minibatch.
type ppoStats struct {
	Loss, PolicyLoss, ValueLoss, Entropy, ApproxKL, ClipFraction float64
	Imitation                                                    float64 // -log probability of the expert's action
	GradNorm                                                     float64 // before clipping
	Stopped                                                      bool    // the KL divergence was too large: no step was done
}

// add adds up sums over rows.
func (st *ppoStats) add(other *ppoStats) {
	st.PolicyLoss += other.PolicyLoss
	st.ValueLoss += other.ValueLoss
	st.Entropy += other.Entropy
	st.ApproxKL += other.ApproxKL
	st.ClipFraction += other.ClipFraction
	st.Imitation += other.Imitation
}

// ppoForward computes logits [to-from, width] and values [to-from] of rows of a minibatch in the stripe's scope.
type ppoForward func(st *stripe, from, to int) (logits, values gnn.Tensor)

// step does one optimiser step on a minibatch: losses, KL check, gradients, clipping, Adam. Where the approximate KL divergence is
// above 1.5 times the target nothing is changed and Stopped is set. Runs on the torch thread.
func (u *ppoUpdater) step(lr float64, b *ppoMinibatch, forward ppoForward) (ppoStats, error) {
	defer u.stripes.reset()
	u.loss.grow(b.size())
	u.loss.normalizeAdvantages(b)
	u.stripes.zeroGrad()
	// Each time that stripes wait for each other costs a twentieth of a minibatch, so they do only where all losses decide what follows.
	mayStop := u.cfg.TargetKL > 0 && !math.IsInf(b.pull, 1)
	err := eachStripe(u.stripes, b.size(), func(st *stripe, from, to int) error {
		if err := u.lossOf(st, b, from, to, forward); err != nil || mayStop {
			return err
		}
		return st.backward(from, to)
	})
	if err != nil {
		return ppoStats{}, err
	}
	var st ppoStats
	for _, part := range u.stripes {
		st.add(&part.sums)
	}
	if err := u.loss.total(b, &st); err != nil {
		return st, err
	}
	if mayStop {
		if st.ApproxKL > klStopFactor*u.cfg.TargetKL {
			st.Stopped = true
			return st, nil
		}
		if err := eachStripe(u.stripes, b.size(), (*stripe).backward); err != nil {
			return st, err
		}
	}
	u.stripes.sumGrads()
	st.GradNorm = u.stripes[0].params.ClipGradNorm(u.cfg.MaxGradNorm)
	return st, u.adam.Step(lr)
}

// lossOf computes the losses of a stripe's rows, and keeps what backward needs.
func (u *ppoUpdater) lossOf(st *stripe, b *ppoMinibatch, from, to int, forward ppoForward) error {
	st.logits, st.values = forward(st, from, to)
	st.loss = u.loss.shared(st.loss)
	l, s := &st.loss, st.scope
	s.CopyTo(l.logits[from*l.parts.Width:to*l.parts.Width], st.logits)
	s.CopyTo(l.values[from:to], st.values)
	if err := s.Err(); err != nil {
		return err
	}
	var err error
	st.sums, err = l.span(b, from, to)
	return err
}

// backward computes the gradients of the stripe's rows, whose losses are computed.
func (st *stripe) backward(from, to int) error {
	l, s, rows := &st.loss, st.scope, int64(to-from)
	// The gradient of this sum is that of the loss: its factors are the loss' derivatives.
	s.Backward(s.Add(
		s.Sum(s.Mul(st.logits, s.Float32s(l.dLogits[from*l.parts.Width:to*l.parts.Width], rows, int64(l.parts.Width)))),
		s.Sum(s.Mul(st.values, s.Float32s(l.dValues[from:to], rows)))))
	defer st.scope.Close()
	return s.Err()
}
