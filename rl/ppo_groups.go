package rl

import (
	"errors"
	"fmt"
)

// ppoGroups is PPO on several groups of environments of different sizes, with one network and one optimiser. Each member is the
// learner of one group: a rollout is collected in every group, and every minibatch is of one group, since its tensors have one shape.
// Minibatches of all groups take turns in random order. It runs on the torch thread.
type ppoGroups struct {
	members []*ppo // the first owns weights, optimiser and streams
	steps   int64  // environment steps done, over all groups
	turns   []turn // of an epoch
}

// turn is a minibatch: rows of a member's permutation, from start on.
type turn struct {
	member *ppo
	start  int
}

func newPPOGroups(cfg *Config, worlds []*world) (*ppoGroups, error) {
	if cfg.PPO == nil {
		return nil, fmt.Errorf("algorithm %s cannot learn from several applications; use ppo", cfg.Algorithm)
	}
	g := &ppoGroups{}
	for k, w := range worlds {
		p, err := g.member(cfg, w)
		if err != nil {
			if k > 0 {
				g.close()
			}
			return nil, fmt.Errorf("environments of group %d: %w", k, err)
		}
		g.members = append(g.members, p)
	}
	return g, nil
}

// member makes the next learner: the first anew, others with its weights.
func (g *ppoGroups) member(cfg *Config, w *world) (*ppo, error) {
	parts, err := NewParts(w.spec.Action.NVec)
	if err != nil {
		return nil, err
	}
	if len(g.members) == 0 {
		return newPPO(cfg, w, parts)
	}
	first := g.first()
	if err := compatible(cfg.Encoder.Kind, first.world.spec, w.spec); err != nil {
		return nil, err
	}
	stripes, err := first.update.stripes.on(func(n *network) (*network, error) { return n.on(w.spec, cfg.Encoder) })
	if err != nil {
		return nil, err
	}
	update := &ppoUpdater{cfg: cfg.PPO, loss: newPPOLoss(cfg.PPO, parts, cfg.PPO.MinibatchSize), stripes: stripes, adam: first.update.adam}
	return newPPOWith(cfg, w, parts, update, first.actor.stream, first.shuffle)
}

func (g *ppoGroups) first() *ppo { return g.members[0] }

// begin resets the environments of all groups.
func (g *ppoGroups) begin(seed uint64) error {
	var errs []error
	for _, p := range g.members {
		errs = append(errs, p.begin(seed))
	}
	return errors.Join(errs...)
}

// collect fills the rollouts of all groups with the present policy.
func (g *ppoGroups) collect() (steps int, err error) {
	for _, p := range g.members {
		p.steps = g.steps // all are as far as all together
		n, err := p.collect()
		if err != nil {
			return steps, err
		}
		steps += n
	}
	g.steps += int64(steps)
	return steps, nil
}

// learn does the epochs of updates on the rollouts of all groups.
func (g *ppoGroups) learn(done float64) (map[string]float64, error) {
	first := g.first()
	c := first.cfg
	for _, p := range g.members {
		p.judge()
	}
	lr := learningRate(c.LearningRate, c.LinearDecay, done)
	var sums ppoSums
	for epoch := range c.Epochs {
		sums.startEpoch(epoch)
		for _, t := range g.shuffle() {
			st, err := t.member.minibatch(lr, t.member.perm[t.start:min(t.start+c.MinibatchSize, len(t.member.perm))])
			if err != nil {
				return nil, err
			}
			sums.add(st)
			if st.Stopped {
				return g.row(&sums, lr), nil
			}
			first.updates++
		}
	}
	return g.row(&sums, lr), nil
}

// shuffle draws the minibatches of an epoch and their order.
func (g *ppoGroups) shuffle() []turn {
	g.turns = g.turns[:0]
	for _, p := range g.members {
		p.permute()
		for start := 0; start < len(p.perm); start += p.cfg.MinibatchSize {
			g.turns = append(g.turns, turn{p, start})
		}
	}
	g.first().shuffle.Shuffle(len(g.turns), func(i, j int) { g.turns[i], g.turns[j] = g.turns[j], g.turns[i] })
	return g.turns
}

// row is the log's row. What is of a group is shown as the groups' mean: the explained variance, so that differences between
// applications do not count as explained, and the multipliers of a budget, which each application keeps for itself.
func (g *ppoGroups) row(sums *ppoSums, lr float64) map[string]float64 {
	row := sums.row(g.first(), lr)
	explained, multiplier, violation, n := 0.0, 0.0, 0.0, float64(len(g.members))
	for _, p := range g.members {
		explained += ExplainedVariance(p.rollout.values, p.rollout.returns) / n
		multiplier += p.multiplier() / n
		violation += p.violation() / n
	}
	row["train/explained_variance"], row["train/slo_multiplier"], row["rollout/slo_violation"] = explained, multiplier, violation
	return row
}

// policy saves the network that acts.
func (g *ppoGroups) policy(st *state) { g.first().policy(st) }

// close frees all tensors.
func (g *ppoGroups) close() {
	for _, p := range g.members[1:] {
		p.update.stripes.reset()
	}
	g.first().close()
}
