package rl

import (
	"encoding"
	"fmt"
	"math"
	"strings"

	"github.com/grlscaler/grlscaler/gnn"
	"github.com/grlscaler/grlscaler/rl/safetensors"
	"github.com/grlscaler/grlscaler/sim"
)

// state puts everything that a run consists of into a safetensors file, or takes it out again: the same code
// walks both ways, so that what is saved and what is loaded cannot drift apart. The first error sticks.
type state struct {
	file    *safetensors.File
	loading bool
	prefix  string // of every name, for groups of environments beside the first
	err     error
}

// fixed saves or loads v, whose length is known.
func fixed[T safetensors.Element](st *state, name string, v []T, shape ...int) {
	if st.err != nil {
		return
	}
	name = st.prefix + name
	if len(shape) == 0 {
		shape = []int{len(v)}
	}
	if st.loading {
		if st.err = safetensors.Get(st.file, name, shape, v); st.err == nil {
			st.err = finite(name, v)
		}
		return
	}
	safetensors.Add(st.file, name, shape, v)
}

// finite refuses numbers that no run has: they would spread to everything that is computed with them.
func finite[T safetensors.Element](name string, v []T) error {
	check := func(x float64, i int) error {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return fmt.Errorf("array %q holds %v (element %d): the file is damaged; train again", name, x, i)
		}
		return nil
	}
	var err error
	switch v := any(v).(type) {
	case []float32:
		for i := 0; i < len(v) && err == nil; i++ {
			err = check(float64(v[i]), i)
		}
	case []float64:
		for i := 0; i < len(v) && err == nil; i++ {
			err = check(v[i], i)
		}
	}
	return err
}

// grown saves or loads a slice whose length is part of the state.
func grown[T safetensors.Element](st *state, name string, v *[]T) {
	if st.loading && st.err == nil {
		*v, st.err = safetensors.GetSlice[T](st.file, st.prefix+name)
	} else {
		fixed(st, name, *v)
	}
}

// scalar saves or loads one number.
func scalar[T safetensors.Element](st *state, name string, v *T) {
	one := []T{*v}
	fixed(st, name, one)
	if st.loading && st.err == nil {
		*v = one[0]
	}
}

// params saves or loads weights by name. Weights in the file that the set does not have are an error: they would
// belong to another network.
func (st *state) params(prefix string, p *gnn.Params) {
	for _, q := range p.All() {
		shape := make([]int, len(q.Shape))
		for i, d := range q.Shape {
			shape[i] = int(d)
		}
		fixed(st, prefix+q.Name, p.ValuesOf(q), shape...)
	}
	if !st.loading || st.err != nil {
		return
	}
	for _, name := range st.file.Names() {
		if rest, ok := strings.CutPrefix(name, prefix); ok && p.Lookup(rest) == nil {
			st.err = fmt.Errorf("array %q is not part of this network", name)
			return
		}
	}
}

// adam saves or loads an optimiser.
func (st *state) adam(prefix string, a *gnn.Adam) {
	if st.err != nil {
		return
	}
	s := a.State()
	scalar(st, prefix+"steps", &s.Steps)
	fixed(st, prefix+"m", s.M)
	fixed(st, prefix+"v", s.V)
	if st.loading && st.err == nil {
		st.err = a.Restore(s)
	}
}

// stream saves or loads the position of a random stream.
func (st *state) stream(name string, s interface {
	encoding.BinaryMarshaler
	encoding.BinaryUnmarshaler
}) {
	if st.err != nil {
		return
	}
	var data []byte
	if !st.loading {
		data, st.err = s.MarshalBinary()
	}
	grown(st, name, &data)
	if st.loading && st.err == nil {
		st.err = s.UnmarshalBinary(data)
	}
}

// moments saves or loads running statistics.
func (st *state) moments(prefix string, r *RunningMeanStd) {
	fixed(st, prefix+"mean", r.Mean)
	fixed(st, prefix+"var", r.Var)
	scalar(st, prefix+"count", &r.Count)
}

// normalizer saves or loads the statistics of observations, where there are any.
func (st *state) normalizer(n *ObsNormalizer) {
	if n == nil {
		return
	}
	st.moments("normalizer.services.", n.Services)
	st.moments("normalizer.nodes.", n.Nodes)
	st.moments("normalizer.edges.", n.Edges)
	st.moments("normalizer.scalars.", n.Scalars)
}

// obs saves or loads a batch of observations.
func (st *state) obs(prefix string, o *sim.Obs) {
	fixed(st, prefix+"services", o.Services)
	fixed(st, prefix+"nodes", o.Nodes)
	fixed(st, prefix+"edges", o.Edges)
	fixed(st, prefix+"runs_on", o.RunsOn)
	fixed(st, prefix+"scalars", o.Scalars)
	fixed(st, prefix+"mask", o.Mask)
}

// world saves or loads the environments, the statistics and the running episodes.
func (st *state) world(w *world) {
	st.normalizer(w.obsNorm)
	if w.rewards != nil {
		st.moments("rewards.return.", w.rewards.Return)
		fixed(st, "rewards.sums", w.rewards.Sums)
	}
	fixed(st, "episodes.reward", w.episodes.Reward)
	fixed(st, "episodes.length", w.episodes.Length)
	scalar(st, "episodes.ended", &w.episodes.Ended)
	grown(st, "episodes.rewards", &w.episodes.Rewards)
	grown(st, "episodes.lengths", &w.episodes.Lengths)
	if st.err != nil {
		return
	}
	var data []byte
	if !st.loading {
		if data, st.err = w.env.Save(); st.err != nil {
			st.err = fmt.Errorf("environment: %w", st.err)
			return
		}
	}
	grown(st, "environment", &data)
	if st.loading && st.err == nil {
		if err := w.env.Load(data, w.obs); err != nil {
			st.err = fmt.Errorf("environment: %w", err)
		} else if n := len(w.episodes.Rewards); n != len(w.episodes.Lengths) || n > episodeWindow || int64(n) > w.episodes.Ended {
			st.err = fmt.Errorf("%d rewards and %d lengths of %d episodes", n, len(w.episodes.Lengths), w.episodes.Ended)
		}
	}
}

// state saves or loads everything of PPO's that outlives an iteration.
func (p *ppo) state(st *state) {
	st.world(p.world)
	st.params("weights.", p.update.stripes[0].params)
	st.adam("adam.", p.update.adam)
	st.stream("stream.policy", p.actor.stream)
	st.stream("stream.minibatches", p.shuffle)
	scalar(st, "updates", &p.updates)
	scalar(st, "steps", &p.steps)
	st.budget(p.world.budget)
}

// budget saves or loads a multiplier, where there is one.
func (st *state) budget(b *budget) {
	if b != nil {
		scalar(st, "budget.multiplier", &b.multiplier)
		scalar(st, "budget.mean", &b.mean)
		scalar(st, "budget.rollouts", &b.rollouts)
	}
}

// state saves or loads everything of all groups' that outlives an iteration. What they share is written with each of them.
func (g *ppoGroups) state(st *state) {
	for k, p := range g.members {
		if k > 0 {
			st.prefix = fmt.Sprintf("group%d.", k)
		}
		st.world(p.world)
		st.budget(p.world.budget)
	}
	st.prefix = ""
	st.params("weights.", g.first().update.stripes[0].params)
	st.adam("adam.", g.first().update.adam)
	st.stream("stream.policy", g.first().actor.stream)
	st.stream("stream.minibatches", g.first().shuffle)
	scalar(st, "updates", &g.first().updates)
	scalar(st, "steps", &g.steps)
}

// state saves or loads everything of SAC's that outlives an iteration.
func (a *sac) state(st *state) {
	st.world(a.world)
	u := a.update
	st.params("weights.", u.actor)
	st.params("critics.", u.critics)
	st.params("targets.", u.targets)
	st.params("temperature.", u.logAlpha)
	st.adam("adam.actor.", u.actorOpt)
	st.adam("adam.critics.", u.criticsOpt)
	st.adam("adam.temperature.", u.alphaOpt)
	st.stream("stream.policy", a.choose.stream)
	st.stream("stream.replay", a.sampling)
	scalar(st, "updates", &a.updates)
	scalar(st, "steps", &a.steps)
	scalar(st, "logged", &a.logged)
	for _, f := range []struct {
		name string
		v    *float64
	}{
		{"n", &a.sums.N}, {"critic_loss", &a.sums.CriticLoss}, {"actor_loss", &a.sums.ActorLoss},
		{"alpha_loss", &a.sums.AlphaLoss}, {"entropy", &a.sums.Entropy}, {"q_mean", &a.sums.QMean},
		{"imitation", &a.sums.Imitation}, {"pulled", &a.sums.Pulled}, {"alone", &a.sums.Alone},
	} {
		scalar(st, "sums."+f.name, f.v)
	}
	a.replay.state(st)
}
