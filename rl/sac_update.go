package rl

import (
	"fmt"
	"math"

	"github.com/grlscaler/grlscaler/gnn"
)

// SACForm says over what the losses of the actor and the temperature are averaged. Both have the same minima;
// they differ in the scale of the gradients, which matters next to Adam's eps.
type SACForm string

const (
	// SACSum sums over actions and averages over the batch; the temperature's loss is linear in log alpha
	// (Tianshou's DiscreteSAC).
	SACSum SACForm = "sum"
	// SACMean averages over actions too; the temperature's loss is linear in alpha (CleanRL's sac_atari).
	SACMean SACForm = "mean"
)

// SACConfig holds Discrete SAC's hyper-parameters. [DefaultSAC] has the defaults; configs/policies explains each.
type SACConfig struct {
	BufferSize         int     `yaml:"buffer_size"`
	LearningStarts     int     `yaml:"learning_starts"`
	BatchSize          int     `yaml:"batch_size"`
	TrainEvery         int     `yaml:"train_every"`
	GradientSteps      int     `yaml:"gradient_steps"`
	PolicyLearningRate float64 `yaml:"policy_learning_rate"`
	QLearningRate      float64 `yaml:"q_learning_rate"`
	AlphaLearningRate  float64 `yaml:"alpha_learning_rate"`
	LinearDecay        bool    `yaml:"linear_decay"`
	Gamma              float64 `yaml:"gamma"`
	NStep              int     `yaml:"n_step"`
	Tau                float64 `yaml:"tau"`
	AutoAlpha          bool    `yaml:"auto_alpha"`
	Alpha              float64 `yaml:"alpha"`
	TargetEntropyScale float64 `yaml:"target_entropy_scale"`
	Form               SACForm `yaml:"form"`
	MaxGradNorm        float64 `yaml:"max_grad_norm"`
	AdamEps            float64 `yaml:"adam_eps"`
	LogEvery           int     `yaml:"log_every"`
	SharedCritics      bool    `yaml:"shared_critics"`
	AdvisedCritics     bool    `yaml:"advised_critics"`
	AverageCritics     bool    `yaml:"average_critics"`

	WarmStart WarmStartConfig `yaml:"warm_start"`
}

// DefaultSAC returns the defaults.
func DefaultSAC() SACConfig {
	return SACConfig{
		BufferSize: 50_000, LearningStarts: 1_000, BatchSize: 128, TrainEvery: 1, GradientSteps: 1,
		PolicyLearningRate: 3e-4, QLearningRate: 3e-4, AlphaLearningRate: 3e-4,
		Gamma: 0.99, NStep: 1, Tau: 0.005,
		AutoAlpha: true, Alpha: 0.2, TargetEntropyScale: 0.5,
		Form: SACSum, MaxGradNorm: 10, AdamEps: 1e-5, LogEvery: 1_000,
	}
}

// sacMinibatch is what an update knows of B transitions besides their observations.
type sacMinibatch struct {
	mask, nextMask gnn.Tensor // bool [B, width]; none where everything is allowed
	actions        gnn.Tensor // int64 [B, parts]
	returns        gnn.Tensor // [B] discounted rewards of the next n steps
	discounts      gnn.Tensor // [B] gamma^n; 0 where the episode terminated: truncation does not stop the bootstrap
	targetEntropy  gnn.Tensor // [B] H* of each observation
	experts        gnn.Tensor // int64 [B, parts] what the expert would have done; none where pull is 0
	pull           float64    // weight of the imitation loss; Inf = of the actor's losses it alone counts
}

// sacForward computes the networks' outputs on a minibatch, each [B, width]. They are called anew for each of
// an update's stages, since the weights change in between.
type sacForward struct {
	actor, nextActor     func(*gnn.Scope) gnn.Tensor          // logits, before masking
	critics, nextTargets func(*gnn.Scope) (q1, q2 gnn.Tensor) // Q of every action
}

// sacUpdater does Discrete SAC updates (Christodoulou, "Soft Actor-Critic for Discrete Action Settings", 2019).
//
// Where an action has several parts, Q(s, a) is the sum of one term for each part's choice (value
// decomposition, Sunehag et al. 2017), for a table over all combinations would be too large. Expectations under
// the policy, whose parts are independent, are then sums over parts and stay exact.
type sacUpdater struct {
	cfg                     *SACConfig
	parts                   *Parts
	stripes                 []*sacStripe
	actor, critics, targets *gnn.Params // of the first stripe
	actorOpt, criticsOpt    *gnn.Adam
	logAlpha                *gnn.Params // one number
	alphaOpt                *gnn.Adam
}

// newOptimisers makes an Adam for each set of weights.
func (u *sacUpdater) newOptimisers() error {
	adam := gnn.DefaultAdam()
	adam.Eps = u.cfg.AdamEps
	for _, o := range []struct {
		opt    **gnn.Adam
		params *gnn.Params
	}{{&u.actorOpt, u.actor}, {&u.criticsOpt, u.critics}, {&u.alphaOpt, u.logAlpha}} {
		opt, err := gnn.NewAdam(o.params, adam)
		if err != nil {
			return err
		}
		*o.opt = opt
	}
	return nil
}

// close frees weights and optimisers.
func (u *sacUpdater) close() {
	for _, st := range u.stripes[1:] {
		st.close()
	}
	for _, a := range []*gnn.Adam{u.actorOpt, u.criticsOpt, u.alphaOpt} {
		a.Close()
	}
	for _, p := range []*gnn.Params{u.actor, u.critics, u.targets, u.logAlpha} {
		p.Close()
	}
}

// sacStats are the numbers of one update.
type sacStats struct {
	CriticLoss, ActorLoss, AlphaLoss float64 // the critics' is the sum of both
	Alpha                            float64 // after the update
	Entropy, QMean                   float64
	Imitation                        float64 // -log probability of the expert's actions; 0 where pull is 0
	shortfall                        float64 // mean of target entropy less entropy
}

// add adds up the stripes' shares.
func (st *sacStats) add(other *sacStats) {
	st.CriticLoss += other.CriticLoss
	st.ActorLoss += other.ActorLoss
	st.Entropy += other.Entropy
	st.QMean += other.QMean
	st.Imitation += other.Imitation
	st.shortfall += other.shortfall
}

// alpha is the temperature.
func (u *sacUpdater) alpha() float64 {
	if !u.cfg.AutoAlpha {
		return u.cfg.Alpha
	}
	return math.Exp(float64(u.logAlpha.Values()[0]))
}

// step does one update on rows transitions: critics, actor (with the new critics), temperature, targets. load puts a stripe's rows into
// its batch and forward. rates scales the learning rates. Runs on the torch thread.
func (u *sacUpdater) step(rates float64, rows int, pull float64, load func(st *sacStripe, from, to int) error) (sacStats, error) {
	alpha, imitates := u.alpha(), math.IsInf(pull, 1)
	for _, st := range u.stripes {
		st.sums = sacStats{}
		st.critics.ZeroGrad()
		st.actor.ZeroGrad()
		defer st.scope.Reset()
	}
	err := eachStripe(u.stripes, rows, func(st *sacStripe, from, to int) error {
		if err := load(st, from, to); err != nil {
			return err
		}
		st.share = float64(to-from) / float64(rows)
		return u.criticGradients(st, alpha)
	})
	if err != nil {
		return sacStats{}, err
	}
	if err := u.descend(func(st *sacStripe) *gnn.Params { return st.critics }, u.criticsOpt, rates*u.cfg.QLearningRate); err != nil {
		return sacStats{}, err
	}
	if err := eachStripe(u.stripes, rows, func(st *sacStripe, _, _ int) error { return u.actorGradients(st, alpha) }); err != nil {
		return sacStats{}, err
	}
	if err := u.descend(func(st *sacStripe) *gnn.Params { return st.actor }, u.actorOpt, rates*u.cfg.PolicyLearningRate); err != nil {
		return sacStats{}, err
	}
	var st sacStats
	for _, part := range u.stripes {
		st.add(&part.sums)
	}
	// An imitating policy has the entropy that the expert leaves it; the temperature waits until it counts.
	if u.cfg.AutoAlpha && !imitates {
		if err := u.stepAlpha(rates, &st); err != nil {
			return st, err
		}
	}
	st.Alpha = u.alpha()
	if total := st.CriticLoss + st.ActorLoss + st.Alpha; math.IsNaN(total) || math.IsInf(total, 0) {
		return st, fmt.Errorf("sac: losses %v and %v: training has diverged; lower sac.q_learning_rate", st.CriticLoss, st.ActorLoss)
	}
	return st, u.targets.Blend(u.critics, u.cfg.Tau)
}

// target is y = R + gamma^n·(1 - terminated)·V(s'), with the n-step return R and s' the observation after these steps
// (n = 1: y = r + gamma·(1 - terminated)·V(s')), V(s') = sum_a pi(a|s')·(Q(s', a) - alpha·log pi(a|s')): the
// expectation over all allowed actions, without sampling (Christodoulou 2019, equations 4 and 10).
func (u *sacUpdater) target(s *gnn.Scope, alpha float64, b *sacMinibatch, f sacForward) gnn.Tensor {
	logp := u.parts.LogSoftmax(s, u.parts.Masked(s, f.nextActor(s), b.nextMask))
	q1, q2 := f.nextTargets(s)
	q := u.together(s, logp, u.parts.Split(s, q1), u.parts.Split(s, q2))
	value := u.expect(s, logp, func(i int) gnn.Tensor { return s.Sub(q[i], s.MulScalar(logp[i], alpha)) })
	return s.Add(b.returns, s.Mul(b.discounts, value))
}

// together combines two critics: their mean with AverageCritics (double average Q-learning: Zhou et al., "Revisiting Discrete Soft
// Actor-Critic", 2022), else pessimistically, action by action where there is one part. With several parts only their sum has a meaning
// (a constant may move from one part to another), so that of the pessimists the critic with the smaller expected value is taken, state
// by state.
func (u *sacUpdater) together(s *gnn.Scope, logp, q1, q2 []gnn.Tensor) []gnn.Tensor {
	q := make([]gnn.Tensor, len(q1))
	switch {
	case u.cfg.AverageCritics:
		for i := range q {
			q[i] = s.MulScalar(s.Add(q1[i], q2[i]), 0.5)
		}
	case len(u.parts.NVec) == 1:
		q[0] = s.Minimum(q1[0], q2[0])
	default:
		difference := u.expect(s, logp, func(i int) gnn.Tensor { return s.Sub(q1[i], q2[i]) })
		first := s.View(s.Le(difference, 0), -1, 1, 1)
		for i := range q {
			q[i] = s.Where(first, q1[i], q2[i])
		}
	}
	return q
}

// expect is the expectation [B] under the policy of values(i) [B, choices, repeats], summed over the parts.
// Where an action is not allowed its probability is exactly 0.
func (u *sacUpdater) expect(s *gnn.Scope, logp []gnn.Tensor, values func(i int) gnn.Tensor) gnn.Tensor {
	terms := make([]gnn.Tensor, len(logp))
	for i := range logp {
		terms[i] = s.Mul(s.Exp(logp[i]), values(i))
	}
	return u.parts.sumParts(s, terms)
}

// valueOf is Q(s, a) [B] of the actions taken: the sum of their parts' terms.
func (u *sacUpdater) valueOf(s *gnn.Scope, q, actions gnn.Tensor) gnn.Tensor {
	return u.parts.sumParts(s, u.parts.Pick(s, u.parts.Split(s, q), actions))
}

// criticGradients adds up a stripe's gradients of mean((Q1(s, a) - y)^2) + mean((Q2(s, a) - y)^2), the means being over all stripes.
func (u *sacUpdater) criticGradients(st *sacStripe, alpha float64) error {
	s := st.scope.Nested()
	defer s.Close()
	var y gnn.Tensor
	gnn.NoGrad(func() { y = u.target(s, alpha, st.batch, st.forward) })
	q1, q2 := st.forward.critics(s)
	v1, v2 := u.valueOf(s, q1, st.batch.actions), u.valueOf(s, q2, st.batch.actions)
	loss := s.MulScalar(s.Add(s.Mean(s.Square(s.Sub(v1, y))), s.Mean(s.Square(s.Sub(v2, y)))), st.share)
	st.sums.CriticLoss, st.sums.QMean = s.Item(loss), st.share*s.Item(s.Mean(v1))
	s.Backward(loss)
	return s.Err()
}

// actorGradients adds up a stripe's gradients of the expectation over actions of alpha·log pi - Q, with the imitation loss beside it or
// in its place, and the policy's entropies.
func (u *sacUpdater) actorGradients(st *sacStripe, alpha float64) error {
	s, b := st.scope.Nested(), st.batch
	defer s.Close()
	logp := u.parts.LogSoftmax(s, u.parts.Masked(s, st.forward.actor(s), b.mask))
	gnn.NoGrad(func() {
		entropy := s.Neg(u.expect(s, logp, func(i int) gnn.Tensor { return logp[i] }))
		st.sums.Entropy = st.share * s.Item(s.Mean(entropy))
		st.sums.shortfall = st.share * s.Item(s.Mean(s.Sub(b.targetEntropy, entropy)))
	})
	var loss gnn.Tensor
	if !math.IsInf(b.pull, 1) {
		loss = s.MulScalar(u.actorLoss(s, alpha, logp, st.forward), st.share)
		st.sums.ActorLoss = s.Item(loss)
	}
	if b.pull > 0 {
		imitation := s.MulScalar(s.Neg(s.Mean(u.parts.sumParts(s, u.parts.Pick(s, logp, b.experts)))), st.share)
		st.sums.Imitation = s.Item(imitation)
		if loss.IsNone() {
			loss = imitation
		} else {
			loss = s.Add(loss, s.MulScalar(imitation, b.pull))
		}
	}
	s.Backward(loss)
	return s.Err()
}

// actorLoss is the mean over the batch of the expectation over actions of alpha·log pi - Q.
func (u *sacUpdater) actorLoss(s *gnn.Scope, alpha float64, logp []gnn.Tensor, f sacForward) gnn.Tensor {
	var q []gnn.Tensor
	gnn.NoGrad(func() {
		q1, q2 := f.critics(s)
		q = u.together(s, logp, u.parts.Split(s, q1), u.parts.Split(s, q2))
	})
	loss := s.Mean(u.expect(s, logp, func(i int) gnn.Tensor { return s.Sub(s.MulScalar(logp[i], alpha), q[i]) }))
	if u.cfg.Form == SACMean {
		loss = s.DivScalar(loss, float64(u.parts.Width))
	}
	return loss
}

// stepAlpha moves the temperature so that the entropy approaches the target: up where it is below. Its loss is -log alpha·shortfall, or, in
// the form of means, -alpha·shortfall over the number of actions.
func (u *sacUpdater) stepAlpha(rates float64, st *sacStats) error {
	logAlpha := float64(u.logAlpha.Values()[0])
	st.AlphaLoss = -logAlpha * st.shortfall
	slope := -st.shortfall
	if u.cfg.Form == SACMean {
		slope *= math.Exp(logAlpha) / float64(u.parts.Width)
		st.AlphaLoss = slope
	}
	u.logAlpha.Grads()[0] = float32(slope)
	return u.alphaOpt.Step(rates * u.cfg.AlphaLearningRate)
}

// descend does one optimiser step on a set of weights, whose gradients the stripes have, with the norm clipped where max_grad_norm is set.
func (u *sacUpdater) descend(of func(*sacStripe) *gnn.Params, opt *gnn.Adam, lr float64) error {
	params := of(u.stripes[0])
	for _, st := range u.stripes[1:] {
		params.AddGrads(of(st))
	}
	if u.cfg.MaxGradNorm > 0 {
		params.ClipGradNorm(u.cfg.MaxGradNorm)
	}
	return opt.Step(lr)
}

// targetEntropies fills dst with H* of each row: scale·log(number of allowed actions), summed over the parts.
// A part with one allowed action adds nothing. Without masks it is the same for every state.
func (p *Parts) targetEntropies(scale float64, mask []bool, dst []float32) {
	for row := range dst {
		sum := 0.0
		for _, n := range p.NVec {
			allowed := 0
			for _, m := range mask[:n] {
				if m {
					allowed++
				}
			}
			sum += math.Log(float64(allowed))
			mask = mask[n:]
		}
		dst[row] = float32(scale * sum)
	}
}
