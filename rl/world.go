package rl

import (
	"fmt"

	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/rng"
)

// world is the environments as a learner meets them: their present observations, what the last step gave, and
// the statistics that follow them. Everything is allocated once.
type world struct {
	env      sim.VectorEnv
	spec     *sim.EnvSpec
	envs     int
	group    int               // number of this group of environments, 0 where there is one
	obsNorm  *ObsNormalizer    // nil where observations are not normalised
	rewards  *RewardNormalizer // nil where rewards are not normalised
	episodes *episodes

	budget *budget // nil where violations have none

	obs, final            *sim.Obs // raw: present observations, and the last ones of episodes that just ended
	reward                []float32
	terminated, truncated []bool
}

func newWorld(cfg *Config, env sim.VectorEnv) *world {
	spec, n := env.Spec(), env.NumEnvs()
	w := &world{
		env: env, spec: spec, envs: n, episodes: newEpisodes(n), obs: sim.NewObs(spec, n), final: sim.NewObs(spec, n),
		reward: make([]float32, n), terminated: make([]bool, n), truncated: make([]bool, n),
	}
	if cfg.Normalize.Observations {
		w.obsNorm = NewObsNormalizer(spec, cfg.Normalize.ClipObs)
	}
	if cfg.Normalize.Rewards {
		w.rewards = NewRewardNormalizer(n, cfg.Gamma(), cfg.Normalize.ClipReward)
	}
	return w
}

// newWorlds makes a world for each group of environments. The groups share all statistics: a feature means the same everywhere, and so
// does a reward.
func newWorlds(cfg *Config, envs []sim.VectorEnv) []*world {
	var worlds []*world
	for k, env := range envs {
		w := newWorld(cfg, env)
		if w.group = k; k > 0 {
			w.obsNorm, w.episodes.endedEpisodes = worlds[0].obsNorm, worlds[0].episodes.endedEpisodes
			if w.rewards != nil {
				w.rewards.Return = worlds[0].rewards.Return
			}
		}
		worlds = append(worlds, w)
	}
	return worlds
}

// reset starts all episodes from a stream of the run's seed.
func (w *world) reset(seed uint64) error {
	seed = rng.Derive(seed, "environments")
	if w.group > 0 {
		seed = rng.Derive(seed, "group", w.group)
	}
	if err := w.env.Reset(seed, w.obs); err != nil {
		return fmt.Errorf("environment: %w", err)
	}
	w.observe()
	return nil
}

// step does the actions and updates every statistic.
func (w *world) step(actions []int32) error {
	if err := w.env.Step(actions, w.obs, w.final, w.reward, w.terminated, w.truncated); err != nil {
		return fmt.Errorf("environment: %w", err)
	}
	w.episodes.add(w.reward, w.terminated, w.truncated)
	if w.budget != nil {
		w.budget.charge(w.reward)
	}
	if w.rewards != nil {
		w.rewards.Update(w.reward, w.terminated, w.truncated)
	}
	w.observe()
	return nil
}

func (w *world) observe() {
	if w.obsNorm != nil {
		w.obsNorm.Update(w.obs)
	}
}

// normalize replaces raw observations by what the network sees, in place.
func (w *world) normalize(o *sim.Obs) {
	if w.obsNorm != nil {
		w.obsNorm.Normalize(o)
	}
}

// normalizeRewards replaces raw rewards by what is learnt from, in place.
func (w *world) normalizeRewards(r []float32) {
	if w.rewards != nil {
		w.rewards.Normalize(r)
	}
}
