package rl

import (
	"fmt"
	"math"

	"github.com/grlscaler/grlscaler/gnn"
	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/rng"
)

// ppo is the learner of Proximal Policy Optimization. It runs on the torch thread.
type ppo struct {
	cfg     *PPOConfig
	world   *world
	expert  sim.ExpertEnv // nil without a warm start
	update  *ppoUpdater
	actor   *chooser
	shuffle *rng.Stream
	rollout *rollout
	updates int64
	steps   int64   // environment steps done
	pull    float64 // weight of the imitation loss in this iteration

	// Memory of one step and one minibatch.
	now  *sim.Obs // normalised present observations
	perm []int
	mini ppoBuffers
}

// ppoBuffers are a minibatch's rows, gathered side by side.
type ppoBuffers struct {
	obs                                         *sim.Obs
	actions, experts                            []int32
	oldLogProbs, oldValues, advantages, returns []float32
	undrawn                                     []bool
}

func newPPO(cfg *Config, w *world, parts *Parts) (*ppo, error) {
	declare := func(params *gnn.Params) (*network, error) { return newActorCritic(params, cfg.Encoder, w.spec) }
	params := gnn.NewParams(rng.New(cfg.Seed, "weights").Rand)
	net, err := declare(params)
	if err != nil {
		return nil, err
	}
	if err := params.Build(); err != nil {
		return nil, err
	}
	stripes, err := newStripes(params, net, cfg.TorchThreads, declare)
	if err != nil {
		return nil, err
	}
	adamConfig := gnn.DefaultAdam()
	adamConfig.Eps = cfg.PPO.AdamEps
	adam, err := gnn.NewAdam(params, adamConfig)
	if err != nil {
		return nil, err
	}
	update := &ppoUpdater{cfg: cfg.PPO, loss: newPPOLoss(cfg.PPO, parts, cfg.PPO.MinibatchSize), stripes: stripes, adam: adam}
	return newPPOWith(cfg, w, parts, update, rng.New(cfg.Seed, "policy"), rng.New(cfg.Seed, "minibatches"))
}

// newPPOWith is the learner around networks with their optimiser and the streams that actions and minibatches are drawn from.
func newPPOWith(cfg *Config, w *world, parts *Parts, update *ppoUpdater, policy, shuffle *rng.Stream) (*ppo, error) {
	n, size := cfg.PPO.RolloutSteps*w.envs, cfg.PPO.MinibatchSize
	p := &ppo{
		cfg: cfg.PPO, world: w, update: update,
		actor:   newChooser(parts, policy, w.envs),
		shuffle: shuffle,
		rollout: newRollout(w.spec, cfg.PPO.RolloutSteps, w.envs),
		now:     sim.NewObs(w.spec, w.envs), perm: make([]int, n),
		mini: ppoBuffers{
			obs: sim.NewObs(w.spec, size), actions: make([]int32, size*len(parts.NVec)),
			oldLogProbs: make([]float32, size), oldValues: make([]float32, size),
			advantages: make([]float32, size), returns: make([]float32, size),
		},
	}
	if cfg.PPO.Budget.Violations > 0 {
		var err error
		if w.budget, err = newBudget(&cfg.PPO.Budget, w); err != nil {
			return nil, err
		}
		p.actor.greedy = w.budget.greedy
		p.rollout.undrawn, p.mini.undrawn = w.budget.undrawn(n, w.envs), make([]bool, size)
	}
	if cfg.PPO.WarmStart.Steps > 0 {
		var ok bool
		if p.expert, ok = w.env.(sim.ExpertEnv); !ok {
			return nil, fmt.Errorf("ppo.warm_start: the environment %T has no expert; set ppo.warm_start.steps to 0", w.env)
		}
		p.rollout.experts = make([]int32, len(p.rollout.actions))
		p.mini.experts = make([]int32, len(p.mini.actions))
	}
	return p, nil
}

// begin resets the environments.
func (p *ppo) begin(seed uint64) error { return p.world.reset(seed) }

// collect fills the rollout with the present policy.
func (p *ppo) collect() (steps int, err error) {
	r, w, n := p.rollout, p.world, p.world.envs
	p.pull = p.cfg.WarmStart.pullAt(int(p.steps))
	r.finalRows = r.finalRows[:0]
	for t := range r.steps {
		from, to := t*n, (t+1)*n
		p.observe()
		copyRows(w.spec, r.obs, from, p.now, 0, n)
		actions := r.actions[from*len(w.spec.Action.NVec) : to*len(w.spec.Action.NVec)]
		if err := p.decide(actions, r.logProbs[from:to], r.values[from:to]); err != nil {
			return 0, err
		}
		if err := p.askExpert(t, actions); err != nil {
			return 0, err
		}
		if err := w.step(actions); err != nil {
			return 0, err
		}
		copy(r.rewards[from:to], w.reward)
		w.normalizeRewards(r.rewards[from:to])
		copy(r.terminated[from:to], w.terminated)
		copy(r.truncated[from:to], w.truncated)
		p.keepFinals(from)
	}
	p.observe()
	if w.budget != nil {
		w.budget.update(math.IsInf(p.pull, 1))
	}
	p.steps += int64(r.len())
	return r.len(), p.evaluate()
}

// askExpert notes what the expert would do in step t of the rollout, and lets it act in its share of the environments.
func (p *ppo) askExpert(t int, actions []int32) error {
	if p.pull == 0 {
		return nil
	}
	parts := len(p.world.spec.Action.NVec)
	experts := p.rollout.experts[t*len(actions) : (t+1)*len(actions)]
	if err := p.expert.Expert(experts); err != nil {
		return err
	}
	copy(actions, experts[:p.cfg.WarmStart.experts(p.world.envs, int(p.steps))*parts])
	return nil
}

// observe puts the normalised present observations into now.
func (p *ppo) observe() {
	copyRows(p.world.spec, p.now, 0, p.world.obs, 0, p.world.envs)
	p.world.normalize(p.now)
}

// decide draws actions for the present observations and notes the values.
func (p *ppo) decide(actions []int32, logProbs, values []float32) error {
	width := p.world.spec.MaskWidth()
	err := eachStripe(p.update.stripes, p.world.envs, func(st *stripe, from, to int) error {
		s, obs := st.scope, rowsOf(p.world.spec, p.now, from, to-from)
		defer s.Reset()
		gnn.NoGrad(func() {
			logits, v := st.net.actorCritic(s, st.net.load(s, &obs, to-from))
			s.CopyTo(values[from:to], v)
			s.CopyTo(p.actor.logits[from*width:to*width], logits)
		})
		return s.Err()
	})
	if err != nil {
		return err
	}
	return p.actor.act(p.now.Mask, actions, logProbs)
}

// keepFinals notes the last observations of the episodes that were truncated in the step that starts at row from.
func (p *ppo) keepFinals(from int) {
	w := p.world
	for e, cut := range w.truncated {
		if cut && !w.terminated[e] {
			k := len(p.rollout.finalRows)
			p.rollout.keepFinal(w.spec, from+e, w.final, e)
			last := rowsOf(w.spec, p.rollout.finals, k, 1)
			w.normalize(&last)
		}
	}
}

// evaluate computes the values that the advantages need: after the last step, and where episodes were cut off.
func (p *ppo) evaluate() error {
	r, s, net := p.rollout, p.update.stripes[0].scope, p.update.stripes[0].net
	defer s.Reset()
	gnn.NoGrad(func() {
		s.CopyTo(r.lastValues, net.values(s, net.load(s, p.now, r.envs)))
		clear(r.terminalValues)
		if k := len(r.finalRows); k > 0 {
			finals := rowsOf(p.world.spec, r.finals, 0, k)
			for i, x := range s.ToFloat32s(net.values(s, net.load(s, &finals, k))) {
				r.terminalValues[r.finalRows[i]] = x
			}
		}
	})
	return s.Err()
}

// learn computes advantages and does the epochs of updates. done is the share of the training that is over.
func (p *ppo) learn(done float64) (map[string]float64, error) {
	c := p.cfg
	p.judge()
	lr := learningRate(c.LearningRate, c.LinearDecay, done)
	var sums ppoSums
	for epoch := range c.Epochs {
		sums.startEpoch(epoch)
		p.permute()
		for start := 0; start < len(p.perm); start += c.MinibatchSize {
			st, err := p.minibatch(lr, p.perm[start:min(start+c.MinibatchSize, len(p.perm))])
			if err != nil {
				return nil, err
			}
			sums.add(st)
			if st.Stopped {
				return sums.row(p, lr), nil
			}
			p.updates++
		}
	}
	return sums.row(p, lr), nil
}

// judge computes the advantages and returns of the rollout.
func (p *ppo) judge() {
	r, c := p.rollout, p.cfg
	BootstrapTruncated(c.Gamma, r.rewards, r.terminated, r.truncated, r.terminalValues)
	GAE(c.Gamma, c.GAELambda, r.rewards, r.values, r.terminated, r.truncated, r.lastValues, r.advantages, r.returns)
}

// permute draws the order of the rollout's rows for an epoch.
func (p *ppo) permute() {
	for i := range p.perm {
		p.perm[i] = i
	}
	p.shuffle.Shuffle(len(p.perm), func(i, j int) { p.perm[i], p.perm[j] = p.perm[j], p.perm[i] })
}

// minibatch does one optimiser step on the listed rows of the rollout.
func (p *ppo) minibatch(lr float64, rows []int) (ppoStats, error) {
	r, m, n := p.rollout, &p.mini, len(rows)
	parts := len(p.world.spec.Action.NVec)
	gather(m.actions, r.actions, parts, rows)
	gather(m.oldLogProbs, r.logProbs, 1, rows)
	gather(m.oldValues, r.values, 1, rows)
	gather(m.advantages, r.advantages, 1, rows)
	gather(m.returns, r.returns, 1, rows)
	batch := ppoMinibatch{
		mask: m.obs.Mask[:n*p.world.spec.MaskWidth()], actions: m.actions[:n*parts], oldLogProb: m.oldLogProbs[:n], oldValues: m.oldValues[:n],
		advantages: m.advantages[:n], returns: m.returns[:n],
	}
	if r.undrawn != nil {
		gather(m.undrawn, r.undrawn, 1, rows)
		batch.undrawn = m.undrawn[:n]
	}
	if p.pull > 0 {
		gather(m.experts, r.experts, parts, rows)
		batch.experts, batch.pull = m.experts[:n*parts], p.pull
	}
	return p.update.step(lr, &batch, func(st *stripe, from, to int) (gnn.Tensor, gnn.Tensor) {
		obs := rowsOf(p.world.spec, m.obs, from, to-from)
		gatherObs(p.world.spec, &obs, r.obs, rows[from:to])
		return st.net.actorCritic(st.scope, st.net.load(st.scope, &obs, to-from))
	})
}

// multiplier is that of the budget, NaN without one.
func (p *ppo) multiplier() float64 {
	if b := p.world.budget; b != nil {
		return b.multiplier
	}
	return math.NaN()
}

// violation is the share of violating requests in the last rollouts, NaN without a budget.
func (p *ppo) violation() float64 {
	if b := p.world.budget; b != nil {
		return b.mean
	}
	return math.NaN()
}

// policy saves the network that acts.
func (p *ppo) policy(st *state) { st.params("weights.", p.update.stripes[0].params) }

// close frees all tensors.
func (p *ppo) close() {
	p.update.stripes.close()
	p.update.adam.Close()
	p.update.stripes[0].params.Close()
}

// ppoSums adds up the numbers of an update's minibatches.
type ppoSums struct {
	sum         ppoStats
	n           float64
	kl, inEpoch float64
	epochs      int
}

func (t *ppoSums) startEpoch(epoch int) { t.kl, t.inEpoch, t.epochs = 0, 0, epoch+1 }

func (t *ppoSums) add(st ppoStats) {
	t.sum.add(&st)
	t.sum.Loss += st.Loss
	t.sum.GradNorm += st.GradNorm
	t.kl += st.ApproxKL
	t.n++
	t.inEpoch++
}

// imitation is the mean imitation loss; NaN, an empty cell, where nobody asked the expert.
func (t *ppoSums) imitation(pull float64) float64 {
	if pull == 0 {
		return math.NaN()
	}
	return t.sum.Imitation / t.n
}

func (t *ppoSums) row(p *ppo, lr float64) map[string]float64 {
	return map[string]float64{
		"train/learning_rate": lr, "train/n_updates": float64(p.updates), "train/loss": t.sum.Loss / t.n,
		"train/policy_gradient_loss": t.sum.PolicyLoss / t.n, "train/value_loss": t.sum.ValueLoss / t.n,
		"train/entropy_loss": -t.sum.Entropy / t.n, "train/clip_fraction": t.sum.ClipFraction / t.n,
		"train/imitation_loss": t.imitation(p.pull), "train/slo_multiplier": p.multiplier(), "rollout/slo_violation": p.violation(), "train/grad_norm": t.sum.GradNorm / t.n, "train/approx_kl": t.kl / t.inEpoch, "train/epochs": float64(t.epochs),
		"train/explained_variance": ExplainedVariance(p.rollout.values, p.rollout.returns),
	}
}
