package rl

import (
	"fmt"

	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/rng"
)

// replay is a ring of transitions of N environments that are stepped together. Everything is preallocated but
// the last observations of episodes.
//
// A transition's next observation is the one that the next slot holds for the same environment, so each is
// stored once. Only where an episode ended does the next slot hold the first observation of another, and then the
// last one is kept apart, in a queue: slots are overwritten in order, so its oldest entry goes first.
type replay struct {
	spec  *sim.EnvSpec
	envs  int
	slots int // steps of all environments that are held at most

	obs        *sim.Obs // [slots, envs]: slot at holds the present observation, which has no transition yet
	actions    []int32  // [slots, envs, parts]
	rewards    []float32
	terminated []bool
	final      []int64 // [slots, envs] number of the last observation in the queue; -1 where the episode goes on

	at, filled int // next slot to write; slots with a transition

	lasts        *sim.Obs // ring of last observations
	room         int      // of that ring
	oldest, next int64    // numbers of the oldest and of the next one; number n is at n mod room
}

// newReplay makes room for at least capacity transitions.
func newReplay(spec *sim.EnvSpec, envs, capacity int) *replay {
	// One slot more than transitions: the present observation's.
	slots := (capacity+envs-1)/envs + 1
	n := slots * envs
	r := &replay{
		spec: spec, envs: envs, slots: slots,
		obs: sim.NewObs(spec, n), actions: make([]int32, n*len(spec.Action.NVec)),
		rewards: make([]float32, n), terminated: make([]bool, n), final: make([]int64, n),
		lasts: sim.NewObs(spec, 0),
	}
	for i := range r.final {
		r.final[i] = -1
	}
	return r
}

// start stores the observations of a reset.
func (r *replay) start(obs *sim.Obs) { copyRows(r.spec, r.obs, r.at*r.envs, obs, 0, r.envs) }

// add stores one step of all environments: what was done in the present observations and what came of it. obs
// are the next observations (after a reset where an episode ended), final the last ones where one ended.
func (r *replay) add(actions []int32, rewards []float32, terminated, truncated []bool, obs, final *sim.Obs) {
	from := r.at * r.envs
	parts := len(r.spec.Action.NVec)
	copy(r.actions[from*parts:], actions)
	copy(r.rewards[from:], rewards)
	copy(r.terminated[from:], terminated)
	for e := range r.envs {
		r.final[from+e] = -1
		if terminated[e] || truncated[e] {
			r.final[from+e] = r.keepLast(final, e)
		}
	}
	r.at = (r.at + 1) % r.slots
	if r.filled < r.slots-1 {
		r.filled++
	} else {
		r.dropLasts(r.at)
	}
	r.start(obs)
}

// keepLast queues observation e of a batch and returns its number.
func (r *replay) keepLast(final *sim.Obs, e int) int64 {
	if int(r.next-r.oldest) == r.room {
		r.growLasts()
	}
	copyRows(r.spec, r.lasts, r.lastAt(r.next), final, e, 1)
	r.next++
	return r.next - 1
}

// growLasts doubles the queue's ring; every number keeps its observation.
func (r *replay) growLasts() {
	room := max(64, 2*r.room)
	lasts := sim.NewObs(r.spec, room)
	for n := r.oldest; n < r.next; n++ {
		copyRows(r.spec, lasts, int(n%int64(room)), r.lasts, r.lastAt(n), 1)
	}
	r.lasts, r.room = lasts, room
}

// lastAt is where in the ring the last observation of number n is.
func (r *replay) lastAt(n int64) int { return int(n % int64(r.room)) }

// dropLasts forgets the last observations of a slot that is about to be overwritten.
func (r *replay) dropLasts(slot int) {
	for _, n := range r.final[slot*r.envs : (slot+1)*r.envs] {
		if n >= 0 {
			r.oldest = n + 1
		}
	}
}

// len is the number of transitions held.
func (r *replay) len() int { return r.filled * r.envs }

// batch is a sample of transitions.
type batch struct {
	obs, next *sim.Obs
	actions   []int64
	rewards   []float32
	continues []float32 // 0 where the episode terminated, else 1
	rows      []int
}

func newBatch(spec *sim.EnvSpec, n int) *batch {
	return &batch{
		obs: sim.NewObs(spec, n), next: sim.NewObs(spec, n), actions: make([]int64, n*len(spec.Action.NVec)),
		rewards: make([]float32, n), continues: make([]float32, n), rows: make([]int, n),
	}
}

// sample fills b with transitions drawn uniformly, with replacement.
func (r *replay) sample(stream *rng.Stream, b *batch) {
	parts, first := len(r.spec.Action.NVec), r.at-r.filled+r.slots
	for i := range b.rows {
		// Transition k of those held, the oldest first.
		k := stream.IntN(r.len())
		slot, e := (first+k/r.envs)%r.slots, k%r.envs
		row := slot*r.envs + e
		b.rows[i] = row
		for p := range parts {
			b.actions[i*parts+p] = int64(r.actions[row*parts+p])
		}
		b.rewards[i], b.continues[i] = r.rewards[row], 1
		if r.terminated[row] {
			b.continues[i] = 0
		}
		if n := r.final[row]; n >= 0 {
			copyRows(r.spec, b.next, i, r.lasts, r.lastAt(n), 1)
		} else {
			copyRows(r.spec, b.next, i, r.obs, (slot+1)%r.slots*r.envs+e, 1)
		}
	}
	gatherObs(r.spec, b.obs, r.obs, b.rows)
}

// check reports a state that a checkpoint cannot have had.
func (r *replay) check() error {
	if r.at < 0 || r.at >= r.slots || r.filled < 0 || r.filled >= r.slots || r.oldest > r.next || int(r.next-r.oldest) > r.room {
		return fmt.Errorf("replay buffer: position %d, %d steps of %d, last observations %d to %d of %d", r.at, r.filled, r.slots-1, r.oldest, r.next, r.room)
	}
	for _, n := range r.final {
		if n >= r.next {
			return fmt.Errorf("replay buffer: last observation %d of %d", n, r.next)
		}
	}
	return nil
}
