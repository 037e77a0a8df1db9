package rl

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/grlscaler/grlscaler/rl/rltest"
	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/rng"
)

// marked fills an observation batch with numbers that tell time and environment, first or last of an episode.
func marked(spec *sim.EnvSpec, envs int, mark func(e int) float32) *sim.Obs {
	o := sim.NewObs(spec, envs)
	for e := range envs {
		m := mark(e)
		for i := range spec.Services * spec.ServiceFeatures {
			o.Services[e*spec.Services*spec.ServiceFeatures+i] = m
		}
		o.Mask[e*spec.MaskWidth()] = int(m)%2 == 0
	}
	return o
}

// The ring gives the same transitions as a plain list of the newest ones, whatever ends when and however often it
// has gone round.
func TestReplayIsAListOfTransitions(t *testing.T) {
	spec := rltest.NewChain(rltest.ChainConfig{Envs: 1, Length: 2}).Spec()
	type transition struct {
		obs, next, reward float32
		action            int32
		terminated        bool
	}
	rapid.Check(t, func(t *rapid.T) {
		envs := rapid.IntRange(1, 3).Draw(t, "envs")
		slots := rapid.IntRange(1, 6).Draw(t, "slots")
		r := newReplay(spec, envs, slots*envs)
		now := make([]float32, envs) // marks of the present observations
		next := float32(0)
		fresh := func(e int) float32 { next++; now[e] = next; return next }
		r.start(marked(spec, envs, fresh))
		var list []transition
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			actions, rewards := make([]int32, envs), make([]float32, envs)
			terminated, truncated, was := make([]bool, envs), make([]bool, envs), slices.Clone(now)
			lasts := marked(spec, envs, func(int) float32 { next++; return next })
			for e := range envs {
				actions[e], rewards[e] = int32(rapid.IntRange(0, 1).Draw(t, "action")), next+float32(e)
				terminated[e] = rapid.IntRange(0, 4).Draw(t, "ends") == 0
				truncated[e] = rapid.IntRange(0, 4).Draw(t, "cut") == 0
			}
			obs := marked(spec, envs, fresh)
			for e := range envs {
				tr := transition{obs: was[e], next: now[e], reward: rewards[e], action: actions[e], terminated: terminated[e]}
				if terminated[e] || truncated[e] {
					tr.next = lasts.Row(spec, e).Services[0]
				}
				list = append(list, tr)
			}
			r.add(actions, rewards, terminated, truncated, obs, lasts)
			list = list[max(0, len(list)-slots*envs):]
			if r.len() != len(list) {
				t.Fatalf("%d transitions, want %d", r.len(), len(list))
			}
			if err := r.check(); err != nil {
				t.Fatal(err)
			}
			b := newBatch(spec, 30)
			r.sample(rng.New(uint64(len(list)), "sample"), b)
			for i := range b.rows {
				o, n := b.obs.Row(spec, i), b.next.Row(spec, i)
				got := transition{obs: o.Services[0], next: n.Services[0], reward: b.rewards[i], action: int32(b.actions[i]), terminated: b.continues[i] == 0}
				if !slices.Contains(list, got) {
					t.Fatalf("sampled %+v, which is not among %+v", got, list)
				}
				if o.Mask[0] != (int(got.obs)%2 == 0) || n.Mask[0] != (int(got.next)%2 == 0) {
					t.Fatalf("the masks of %+v are of other observations", got)
				}
			}
		}
	})
}

// Every transition is drawn with the same probability.
func TestReplaySamplesAll(t *testing.T) {
	spec := rltest.NewChain(rltest.ChainConfig{Envs: 1, Length: 2}).Spec()
	r := newReplay(spec, 1, 10)
	o := sim.NewObs(spec, 1)
	r.start(o)
	for i := range 25 {
		r.add([]int32{0}, []float32{float32(i)}, []bool{false}, []bool{false}, o, o)
	}
	b, seen := newBatch(spec, 1000), map[float32]int{}
	r.sample(rng.New(1, "sample"), b)
	for _, x := range b.rewards {
		seen[x]++
	}
	// The last ten rewards, 15 to 24, about 100 times each: below 50 or above 150 is more than 5 deviations away.
	for i := 15; i < 25; i++ {
		if n := seen[float32(i)]; n < 50 || n > 150 {
			t.Errorf("reward %d was drawn %d times", i, n)
		}
	}
	if len(seen) != 10 {
		t.Errorf("drawn: %v", seen)
	}
}

func TestReplayCheckRefuses(t *testing.T) {
	spec := rltest.NewChain(rltest.ChainConfig{Envs: 1, Length: 2}).Spec()
	for _, spoil := range []func(*replay){
		func(r *replay) { r.at = r.slots }, func(r *replay) { r.filled = -1 }, func(r *replay) { r.oldest = 1 }, func(r *replay) { r.final[0] = 0 },
	} {
		r := newReplay(spec, 1, 4)
		spoil(r)
		if err := r.check(); err == nil || !strings.Contains(err.Error(), "replay buffer") {
			t.Errorf("got %v", err)
		}
	}
}

// Once the ring and its queue have their size, nothing is allocated.
func TestReplayAllocatesNothing(t *testing.T) {
	env := rltest.NewSynthetic(2)
	r := newReplay(env.Spec(), 2, 40)
	o, actions := sim.NewObs(env.Spec(), 2), make([]int32, 2*len(env.Spec().Action.NVec))
	ended, no, rewards := []bool{false, true}, make([]bool, 2), make([]float32, 2)
	step := func() { r.add(actions, rewards, no, ended, o, o) }
	for range 100 {
		step()
	}
	b, stream := newBatch(env.Spec(), 16), rng.New(1, "sample")
	if a := testing.AllocsPerRun(50, func() {
		step()
		r.sample(stream, b)
	}); a != 0 {
		t.Errorf("%v allocations", a)
	}
}
