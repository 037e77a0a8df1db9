package sim

import "github.com/grlscaler/grlscaler/sim/rng"

// Random is an [Agent] that takes uniformly drawn allowed actions: the floor that a trained policy must rise above.
type Random struct {
	*Agent
	stream *rng.Stream
}

var _ Controller = (*Random)(nil)

// NewRandom makes a random controller with the actions of cfg.
func NewRandom(name string, app *App, cfg EnvConfig) (*Random, error) {
	r := &Random{stream: rng.New(0, "random-actions")}
	var err error
	r.Agent, err = NewAgent(name, app, cfg, func(obs *Obs, action []int32) error {
		RandomAction(r.Spec(), obs.Mask, r.stream, action)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

// Reset prepares for an application; seed names the stream of actions.
func (r *Random) Reset(app *App, seed uint64) error {
	r.stream.Reseed(seed, "random-actions")
	return r.Agent.Reset(app, seed)
}

// RandomAction draws one allowed choice for every part of an action, uniformly. mask is one row, action has
// one element per part.
func RandomAction(spec *EnvSpec, mask []bool, s *rng.Stream, action []int32) {
	at := 0
	for i, n := range spec.Action.NVec {
		part := mask[at : at+n]
		allowed := 0
		for _, ok := range part {
			if ok {
				allowed++
			}
		}
		skip := s.IntN(allowed)
		for j, ok := range part {
			if !ok {
				continue
			}
			if skip == 0 {
				action[i] = int32(j)
				break
			}
			skip--
		}
		at += n
	}
}
