package rl

import (
	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/rng"
)

// rollout holds what PPO collects between two updates: steps of all environments, row step·envs + environment.
// All arrays are made once.
type rollout struct {
	steps, envs int

	obs        *sim.Obs // normalised
	actions    []int32  // [rows, parts]
	experts    []int32  // the same of the expert; nil without a warm start
	undrawn    []bool   // [rows] decisions that were not drawn from the policy; nil = none
	logProbs   []float32
	values     []float32
	rewards    []float32 // normalised, where the configuration says so
	terminated []bool
	truncated  []bool

	// Last observations (normalised) of the episodes that were truncated, in order, and the rows they belong to.
	finals    *sim.Obs
	finalRows []int

	terminalValues      []float32 // V of the last observation of a truncated episode
	lastValues          []float32 // [envs] V of the observation after the last step
	advantages, returns []float32
}

func newRollout(spec *sim.EnvSpec, steps, envs int) *rollout {
	n := steps * envs
	floats := func() []float32 { return make([]float32, n) }
	return &rollout{
		steps: steps, envs: envs, obs: sim.NewObs(spec, n), actions: make([]int32, n*len(spec.Action.NVec)),
		logProbs: floats(), values: floats(), rewards: floats(), terminalValues: floats(), advantages: floats(), returns: floats(),
		terminated: make([]bool, n), truncated: make([]bool, n), lastValues: make([]float32, envs),
		finals: sim.NewObs(spec, envs), finalRows: make([]int, 0, envs),
	}
}

// len is the number of decisions.
func (r *rollout) len() int { return r.steps * r.envs }

// keepFinal remembers observation e of a batch as the last one of the truncated episode of a row. The room for
// them doubles when it is used up, and stays.
func (r *rollout) keepFinal(spec *sim.EnvSpec, row int, final *sim.Obs, e int) {
	k := len(r.finalRows)
	if k == cap(r.finalRows) {
		rows := make([]int, k, 2*k)
		copy(rows, r.finalRows)
		finals := sim.NewObs(spec, 2*k)
		copyRows(spec, finals, 0, r.finals, 0, k)
		r.finalRows, r.finals = rows, finals
	}
	copyRows(spec, r.finals, k, final, e, 1)
	r.finalRows = append(r.finalRows, row)
}

// chooser draws actions for all environments at once. Its memory is made once.
type chooser struct {
	sampler *Sampler
	stream  *rng.Stream
	logits  []float32 // [envs, width]
	greedy  int       // in so many environments, the first, the most probable action is taken instead of a drawn one
}

func newChooser(parts *Parts, stream *rng.Stream, envs int) *chooser {
	return &chooser{sampler: NewSampler(parts), stream: stream, logits: make([]float32, envs*parts.Width)}
}

// act draws an action for each row of a.logits (before masking) under its mask. logProbs may be nil.
func (a *chooser) act(mask []bool, actions []int32, logProbs []float32) error {
	width, parts := a.sampler.parts.Width, len(a.sampler.parts.NVec)
	for e := range len(a.logits) / width {
		logp, err := a.sampler.Sample(a.stream, a.logits[e*width:(e+1)*width], mask[e*width:(e+1)*width], actions[e*parts:(e+1)*parts])
		if err != nil {
			return err
		}
		if e < a.greedy {
			if logp, err = a.sampler.modeWithProb(a.logits[e*width:(e+1)*width], mask[e*width:(e+1)*width], actions[e*parts:(e+1)*parts]); err != nil {
				return err
			}
		}
		if logProbs != nil {
			logProbs[e] = float32(logp)
		}
	}
	return nil
}
