package rl

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/grlscaler/grlscaler/gnn"
	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/rng"
)

// sac is the learner of Discrete SAC. It runs on the torch thread.
type sac struct {
	cfg            *SACConfig
	world          *world
	expert         sim.ExpertEnv // nil without a warm start
	update         *sacUpdater
	choose         *chooser
	sampling       *rng.Stream
	replay         *replay
	updates, steps int64
	logged         int64   // steps at the last row
	pull           float64 // weight of the imitation loss in this iteration

	// Memory of one step and one minibatch.
	now           *sim.Obs // normalised present observations
	actions       []int32
	experts       []int32 // what the expert would do
	batch         *batch
	returns       []float32
	discounts     []float32
	targetEntropy []float32
	sums          sacSums
}

func newSAC(cfg *Config, w *world, parts *Parts) (*sac, error) {
	c := cfg.SAC
	a := &sac{
		cfg: c, world: w, choose: newChooser(parts, rng.New(cfg.Seed, "policy"), w.envs),
		sampling: rng.New(cfg.Seed, "replay"),
		now:      sim.NewObs(w.spec, w.envs), actions: make([]int32, w.envs*len(parts.NVec)),
		returns: make([]float32, c.BatchSize), discounts: make([]float32, c.BatchSize), targetEntropy: make([]float32, c.BatchSize),
	}
	var err error
	if c.WarmStart.Steps > 0 {
		if a.expert, err = expertOf(w.env, "sac.warm_start"); err != nil {
			return nil, err
		}
		a.experts = make([]int32, len(a.actions))
	}
	if a.replay, err = newReplay(w.spec, w.envs, c.BufferSize, a.expert != nil); err != nil {
		return nil, err
	}
	a.batch = newBatch(a.replay, c.BatchSize, c.NStep, c.AdvisedCritics)
	// The targets draw the same numbers as the critics, so they start as copies of them.
	weights := func(path ...any) *gnn.Params { return gnn.NewParams(rng.New(cfg.Seed, path...).Rand) }
	sets := [3]*gnn.Params{weights("weights", "actor"), weights("weights", "critics"), weights("weights", "critics")}
	stripes, err := newSACStripes(cfg, w.spec, sets)
	if err != nil {
		return nil, err
	}
	a.update = &sacUpdater{
		cfg: c, parts: parts, stripes: stripes, actor: sets[0], critics: sets[1], targets: sets[2], logAlpha: weights("alpha"),
	}
	a.update.logAlpha.Add("log_alpha", func(v []float32, _ []int64, _ *rand.Rand) { v[0] = float32(math.Log(c.Alpha)) }, 1)
	if err := a.update.logAlpha.Build(); err != nil {
		return nil, err
	}
	return a, a.update.newOptimisers()
}

// expertOf is the environment with its expert, which a warm start imitates.
func expertOf(env sim.VectorEnv, key string) (sim.ExpertEnv, error) {
	if expert, ok := env.(sim.ExpertEnv); ok {
		return expert, nil
	}
	return nil, fmt.Errorf("%s: the environment %T has no expert; set %s.steps to 0", key, env, key)
}

// begin resets the environments.
func (a *sac) begin(seed uint64) error {
	if err := a.world.reset(seed); err != nil {
		return err
	}
	a.replay.start(a.world.obs)
	return nil
}

// collect does train_every steps of all environments. Actions come from the policy from the start: untrained, it
// is nearly uniform over the allowed actions.
func (a *sac) collect() (steps int, err error) {
	w := a.world
	a.pull = a.cfg.WarmStart.pullAt(int(a.steps))
	for range a.cfg.TrainEvery {
		copyRows(w.spec, a.now, 0, w.obs, 0, w.envs)
		w.normalize(a.now)
		if err := a.decide(); err != nil {
			return 0, err
		}
		if err := a.askExpert(); err != nil {
			return 0, err
		}
		if err := w.step(a.actions); err != nil {
			return 0, err
		}
		a.replay.add(a.actions, a.experts, w.reward, w.terminated, w.truncated, w.obs, w.final)
	}
	n := a.cfg.TrainEvery * w.envs
	a.steps += int64(n)
	return n, nil
}

// askExpert notes what the expert would do, and lets it act in its share of the environments.
func (a *sac) askExpert() error {
	if a.pull == 0 && !a.cfg.AdvisedCritics {
		clear(a.experts) // the replay buffer keeps no advice that nobody asked for
		return nil
	}
	if err := a.expert.Expert(a.experts); err != nil {
		return err
	}
	share := a.cfg.WarmStart.experts(a.world.envs, int(a.steps))
	copy(a.actions, a.experts[:share*len(a.world.spec.Action.NVec)])
	return nil
}

// decide draws actions for the present observations.
func (a *sac) decide() error {
	width := a.update.parts.Width
	err := eachStripe(a.update.stripes, a.world.envs, func(st *sacStripe, from, to int) error {
		s, obs := st.scope, rowsOf(a.world.spec, a.now, from, to-from)
		defer s.Reset()
		gnn.NoGrad(func() {
			s.CopyTo(a.choose.logits[from*width:to*width], st.nets.actor.logits(s, st.nets.actor.load(s, &obs, to-from)))
		})
		return s.Err()
	})
	if err != nil {
		return err
	}
	return a.choose.act(a.now.Mask, a.actions, nil)
}

// learn does gradient_steps updates once enough has been collected. done is the share of the training that is over.
func (a *sac) learn(done float64) (map[string]float64, error) {
	rates := learningRate(1, a.cfg.LinearDecay, done)
	// The newest transitions may have to wait for the expert's advice.
	if a.replay.len() >= max(a.cfg.LearningStarts, 2*a.world.envs) {
		for range a.cfg.GradientSteps {
			st, err := a.minibatch(rates)
			if err != nil {
				return nil, err
			}
			a.sums.add(st, a.pull)
			a.updates++
		}
	}
	if a.steps-a.logged < int64(a.cfg.LogEvery) {
		return nil, nil
	}
	a.logged = a.steps
	row := a.sums.row(a.cfg.PolicyLearningRate*rates, float64(a.updates), a.update.alpha())
	a.sums = sacSums{}
	return row, nil
}

// minibatch does one update on a sample of the replay buffer.
func (a *sac) minibatch(rates float64) (sacStats, error) {
	b := a.batch
	a.replay.sample(a.sampling, b)
	a.world.normalize(b.obs)
	a.world.normalize(b.next)
	a.world.normalizeRewards(b.rewards)
	nStep(a.cfg.Gamma, b.rewards, b.n, b.steps, b.ended, a.returns, a.discounts)
	a.update.parts.targetEntropies(a.cfg.TargetEntropyScale, b.obs.Mask, a.targetEntropy)
	return a.update.step(rates, len(b.rows), a.pull, func(st *sacStripe, from, to int) error {
		st.load(a, from, to)
		return st.scope.Err()
	})
}

// policy saves the network that acts.
func (a *sac) policy(st *state) { st.params("weights.", a.update.actor) }

// close frees all tensors.
func (a *sac) close() {
	a.update.close()
}

// sacSums adds up the numbers of the updates since the last row. They are part of a checkpoint.
type sacSums struct {
	N, CriticLoss, ActorLoss, AlphaLoss, Entropy, QMean float64
	Imitation, Pulled                                   float64 // sum, and in how many updates it counted
	Alone                                               float64 // in how many it alone counted
}

func (t *sacSums) add(st sacStats, pull float64) {
	t.N++
	t.CriticLoss += st.CriticLoss
	t.ActorLoss += st.ActorLoss
	t.AlphaLoss += st.AlphaLoss
	t.Entropy += st.Entropy
	t.QMean += st.QMean
	if pull > 0 {
		t.Imitation += st.Imitation
		t.Pulled++
	}
	if math.IsInf(pull, 1) {
		t.Alone++
	}
}

// row gives the means; without an update (of the kind) there are none, which shows as empty cells.
func (t *sacSums) row(lr, updates, alpha float64) map[string]float64 {
	return map[string]float64{
		"train/learning_rate": lr, "train/n_updates": updates, "train/ent_coef": alpha,
		"train/critic_loss": t.CriticLoss / t.N, "train/actor_loss": t.ActorLoss / (t.N - t.Alone), "train/ent_coef_loss": t.AlphaLoss / (t.N - t.Alone),
		"train/entropy": t.Entropy / t.N, "train/q_mean": t.QMean / t.N, "train/imitation_loss": t.Imitation / t.Pulled,
	}
}
