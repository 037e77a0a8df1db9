package rl

import (
	"fmt"

	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/rng"
)

// How a transition ended.
const (
	goesOn = iota
	wasTruncated
	wasTerminated
)

// pageRows is about how many observations share the ranges of an [obsPage]: enough that these weigh nothing, few enough
// that much stays the same within a page.
const pageRows = 1024

// replay is a ring of transitions of N environments that are stepped together. A slot is one step of all of them.
//
// Observations lie in pages of a fixed number of slots. The open page, which is being filled, has them as they came;
// when it is full it is packed, and the oldest page gives its place. A transition's next observation is the one of the
// next slot, so each is stored once. Only where an episode ended does the next slot hold the first observation of
// another, and then the last one is kept beside, in the same page.
type replay struct {
	spec   *sim.EnvSpec
	widths obsWidths
	envs   int
	slots  int // of all pages
	each   int // slots of one page

	at, filled int // next slot to write, which holds the present observation; slots with a transition

	parts   []int // parts of an action that leave a choice: only they are stored
	size    int   // bytes of a stored choice
	actions []uint8
	experts []uint8 // what the expert would have done; nil without a warm start
	rewards []float32
	ended   []uint8
	last    []int32 // number among the page's last observations; -1 where the episode goes on

	pages    []obsPage
	open     *sim.Obs // observations of the page that at is in
	lasts    *sim.Obs // and the last ones of its episodes
	numLasts int
	work     []float32
}

// newReplay makes room for at least capacity transitions, with the expert's actions where they are wanted.
func newReplay(spec *sim.EnvSpec, envs, capacity int, experts bool) (*replay, error) {
	w := widths(spec)
	each := max(1, min(pageRows, capacity/4)/envs)
	pages := (capacity+each*envs-1)/(each*envs) + 1 // one more: the open one may be empty
	n := pages * each * envs
	r := &replay{
		spec: spec, widths: w, envs: envs, slots: pages * each, each: each, size: 1,
		rewards: make([]float32, n), ended: make([]uint8, n), last: make([]int32, n),
		pages: make([]obsPage, pages), open: sim.NewObs(spec, each*envs), lasts: sim.NewObs(spec, each*envs),
		work: make([]float32, observationColumns(w)),
	}
	for i, choices := range spec.Action.NVec {
		if choices > 1 {
			r.parts = append(r.parts, i)
		}
		if choices > 1<<8 {
			r.size = 2
		}
		if choices > 1<<16 {
			return nil, fmt.Errorf("replay buffer: part %d of an action has %d choices; at most %d can be stored", i, choices, 1<<16)
		}
	}
	r.actions = make([]uint8, n*len(r.parts)*r.size)
	if experts {
		r.experts = make([]uint8, len(r.actions))
	}
	return r, nil
}

// start stores the observations of a reset.
func (r *replay) start(obs *sim.Obs) { copyRows(r.spec, r.open, r.at%r.each*r.envs, obs, 0, r.envs) }

// add stores one step of all environments: what was done in the present observations, what the expert would have done,
// where that is kept, and what came of it. obs are the next observations (after a reset where an episode ended), final
// the last ones where one ended.
func (r *replay) add(actions, experts []int32, rewards []float32, terminated, truncated []bool, obs, final *sim.Obs) {
	from := r.at * r.envs
	r.store(r.actions, actions)
	if r.experts != nil {
		r.store(r.experts, experts)
	}
	copy(r.rewards[from:], rewards)
	for e := range r.envs {
		how, last := uint8(goesOn), int32(-1)
		if terminated[e] {
			how = wasTerminated
		} else if truncated[e] {
			how = wasTruncated
		}
		if how != goesOn {
			last = int32(r.numLasts)
			copyRows(r.spec, r.lasts, r.numLasts, final, e, 1)
			r.numLasts++
		}
		r.ended[from+e], r.last[from+e] = how, last
	}
	r.filled++
	if (r.at+1)%r.each == 0 {
		r.turn()
	}
	r.at = (r.at + 1) % r.slots
	r.start(obs)
}

// turn packs the open page, which is full, and opens the next one, whose old contents go.
func (r *replay) turn() {
	page := r.at / r.each
	r.pages[page].pack(r.widths, r.open, r.each*r.envs, r.lasts, r.numLasts)
	r.numLasts = 0
	r.filled = min(r.filled, r.slots-r.each)
}

// store writes the choices of all environments at the present slot.
func (r *replay) store(dst []uint8, actions []int32) {
	all := len(r.spec.Action.NVec)
	at := r.at * r.envs * len(r.parts) * r.size
	for e := range r.envs {
		for _, p := range r.parts {
			c := actions[e*all+p]
			dst[at] = uint8(c)
			if r.size == 2 {
				dst[at+1] = uint8(c >> 8)
			}
			at += r.size
		}
	}
}

// fetch writes the choices of a row into number to of a batch; parts without a choice are 0.
func (r *replay) fetch(dst []int64, to int, src []uint8, row int) {
	all := len(r.spec.Action.NVec)
	dst = dst[to*all : (to+1)*all]
	clear(dst)
	at := row * len(r.parts) * r.size
	for _, p := range r.parts {
		c := int64(src[at])
		if r.size == 2 {
			c |= int64(src[at+1]) << 8
		}
		dst[p] = c
		at += r.size
	}
}

// len is the number of transitions held.
func (r *replay) len() int { return r.filled * r.envs }

// batch is a sample of transitions, each with the rewards of up to n steps from it on.
type batch struct {
	n         int
	obs, next *sim.Obs
	actions   []int64
	experts   []int64   // nil where the replay has none
	advice    []int64   // what the expert would do in next, -1 where nobody was asked; nil unless the critics hear it
	rewards   []float32 // [rows, n] raw; 0 after the steps counted
	steps     []int     // how many rewards count: fewer than n at the end of an episode or of what is known
	ended     []uint8   // how the last of them ended
	rows      []int
}

// newBatch makes room for a sample. With advice every bootstrap is at an observation in which the expert was asked.
func newBatch(r *replay, size, n int, advice bool) *batch {
	b := &batch{
		n: n, obs: sim.NewObs(r.spec, size), next: sim.NewObs(r.spec, size), actions: make([]int64, size*len(r.spec.Action.NVec)),
		rewards: make([]float32, size*n), steps: make([]int, size), ended: make([]uint8, size), rows: make([]int, size),
	}
	if r.experts != nil {
		b.experts = make([]int64, len(b.actions))
	}
	if advice {
		b.advice = make([]int64, len(b.actions))
	}
	return b
}

// sample fills b with transitions drawn uniformly, with replacement.
//
// The expert was asked in every observation that an action was taken in, but not in the present one and not in the last
// one of an episode. So with advice the newest transitions are left out, windows end before a step that was cut off, and in
// place of a transition that is such a step the one before it is taken.
func (r *replay) sample(stream *rng.Stream, b *batch) {
	oldest, held := r.at-r.filled+r.slots, r.filled
	if b.advice != nil {
		held--
	}
	for i := range b.rows {
		// Transition k of those held, the oldest first.
		k := stream.IntN(held * r.envs)
		slot, e := (oldest+k/r.envs)%r.slots, k%r.envs
		if before := (slot + r.slots - 1) % r.slots; b.advice != nil && k >= r.envs &&
			r.ended[slot*r.envs+e] == wasTruncated && r.ended[before*r.envs+e] == goesOn {
			slot = before
		}
		row := slot*r.envs + e
		b.rows[i] = row
		r.fetch(b.actions, i, r.actions, row)
		if b.experts != nil {
			r.fetch(b.experts, i, r.experts, row)
		}
		r.observe(b.obs, i, slot, e)
		r.follow(b, i, slot, e)
	}
}

// follow collects the rewards from a transition on, until its episode ends, n of them are there, or the present is
// reached, and the observation after them.
func (r *replay) follow(b *batch, i, slot, e int) {
	rewards, present := b.rewards[i*b.n:(i+1)*b.n], r.at
	clear(rewards)
	if b.advice != nil {
		present = (r.at + r.slots - 1) % r.slots
	}
	for k := range rewards {
		row := slot*r.envs + e
		if b.advice != nil && k > 0 && r.ended[row] == wasTruncated {
			break
		}
		rewards[k] = r.rewards[row]
		b.steps[i], b.ended[i] = k+1, r.ended[row]
		if b.ended[i] != goesOn {
			r.observeLast(b.next, i, slot, int(r.last[row]))
			if b.advice != nil {
				all := len(r.spec.Action.NVec)
				for p := i * all; p < (i+1)*all; p++ {
					b.advice[p] = -1
				}
			}
			return
		}
		if slot = (slot + 1) % r.slots; slot == present {
			break
		}
	}
	r.observe(b.next, i, slot, e)
	if b.advice != nil {
		r.fetch(b.advice, i, r.experts, slot*r.envs+e)
	}
}

// observe writes what environment e saw in a slot into number to of a batch.
func (r *replay) observe(dst *sim.Obs, to, slot, e int) {
	page, row := slot/r.each, slot%r.each*r.envs+e
	if page == r.at/r.each {
		copyRows(r.spec, dst, to, r.open, row, 1)
		return
	}
	r.pages[page].unpack(r.widths, row, dst, to, r.work)
}

// observeLast writes last observation n of a slot's page into number to of a batch.
func (r *replay) observeLast(dst *sim.Obs, to, slot, n int) {
	page := slot / r.each
	if page == r.at/r.each {
		copyRows(r.spec, dst, to, r.lasts, n, 1)
		return
	}
	r.pages[page].unpack(r.widths, r.each*r.envs+n, dst, to, r.work)
}

// bytes is the memory that the packed pages' transitions take, and how many of them there are.
func (r *replay) bytes() (bytes, transitions int) {
	each := 4 + 1 + 4 + len(r.parts)*r.size // reward, how it ended, last observation, action
	if r.experts != nil {
		each += len(r.parts) * r.size
	}
	for i := range r.pages {
		if p := &r.pages[i]; p.rows > 0 && i != r.at/r.each {
			bytes += p.bytes() + each*r.each*r.envs
			transitions += r.each * r.envs
		}
	}
	return bytes, transitions
}
