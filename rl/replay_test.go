package rl

import (
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/grlscaler/grlscaler/rl/rltest"
	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/rng"
)

// marked fills an observation batch with numbers that tell time and environment, first or last of an episode. As long as
// the marks of a page span at most 255 they come back exactly.
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

func mustReplay(t interface{ Fatal(...any) }, spec *sim.EnvSpec, envs, capacity int, experts bool) *replay {
	r, err := newReplay(spec, envs, capacity, experts)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// lived is one step of one environment as a plain list keeps it.
type lived struct {
	obs, next, reward float32
	action, expert    int32
	ended             uint8
}

// bruteForce is what a sample of step i of an environment's list must say with n steps: the sum by its definition. With
// advice it ends where the expert was asked: before a step that was cut off, and before the present. expert is what it
// said there, -1 if nothing.
func bruteForce(list []lived, i, n int, gamma float64, advice bool) (ret, discount, next float64, expert int64) {
	for k := 0; ; k++ {
		x := list[i+k]
		if advice && k > 0 && (x.ended == wasTruncated || i+k+1 == len(list) || k == n) {
			return ret, math.Pow(gamma, float64(k)), float64(x.obs), int64(x.expert)
		}
		ret += math.Pow(gamma, float64(k)) * float64(x.reward)
		if x.ended == wasTerminated {
			return ret, 0, float64(x.next), -1
		}
		if x.ended == wasTruncated || !advice && (k+1 == n || i+k+1 == len(list)) {
			return ret, math.Pow(gamma, float64(k+1)), float64(x.next), -1
		}
	}
}

// The ring gives the same transitions and n-step returns as plain lists of the newest steps, whatever ends when, however
// many steps count, and however often it has gone round.
func TestReplayIsAListOfTransitions(t *testing.T) {
	spec := rltest.NewChain(rltest.ChainConfig{Envs: 1, Length: 2}).Spec()
	rapid.Check(t, func(t *rapid.T) {
		envs := rapid.IntRange(1, 3).Draw(t, "envs")
		capacity, n := rapid.IntRange(1, 40).Draw(t, "capacity"), rapid.IntRange(1, 5).Draw(t, "n")
		gamma := rapid.SampledFrom([]float64{0, 0.9, 1}).Draw(t, "gamma")
		r := mustReplay(t, spec, envs, capacity, true)
		now := make([]float32, envs) // marks of the present observations
		next := float32(0)
		fresh := func(e int) float32 { next++; now[e] = next; return next }
		r.start(marked(spec, envs, fresh))
		lists := make([][]lived, envs)
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			actions, experts, rewards := make([]int32, envs), make([]int32, envs), make([]float32, envs)
			terminated, truncated, was := make([]bool, envs), make([]bool, envs), slices.Clone(now)
			lasts := marked(spec, envs, func(int) float32 { next++; return next })
			for e := range envs {
				actions[e], experts[e] = int32(rapid.IntRange(0, 1).Draw(t, "action")), int32(rapid.IntRange(0, 1).Draw(t, "expert"))
				rewards[e] = next + float32(e)
				terminated[e] = rapid.IntRange(0, 4).Draw(t, "ends") == 0
				truncated[e] = rapid.IntRange(0, 4).Draw(t, "cut") == 0
			}
			obs := marked(spec, envs, fresh)
			r.add(actions, experts, rewards, terminated, truncated, obs, lasts)
			if r.len()%envs != 0 || r.len() < min(capacity, (len(lists[0])+1)*envs) {
				t.Fatalf("%d transitions of %d environments; %d were added, %d must be held", r.len(), envs, (len(lists[0])+1)*envs, capacity)
			}
			for e := range envs {
				x := lived{was[e], now[e], rewards[e], actions[e], experts[e], goesOn}
				switch {
				case terminated[e]:
					x.next, x.ended = lasts.Row(spec, e).Services[0], wasTerminated
				case truncated[e]:
					x.next, x.ended = lasts.Row(spec, e).Services[0], wasTruncated
				}
				lists[e] = append(lists[e], x)
				lists[e] = lists[e][max(0, len(lists[e])-r.len()/envs):]
			}
			if err := r.check(); err != nil {
				t.Fatal(err)
			}
			checkSamples(t, r, lists, n, gamma, false)
			if len(lists[0]) > 1 {
				checkSamples(t, r, lists, n, gamma, true)
			}
		}
	})
}

// checkSamples compares a sample with the lists.
func checkSamples(t *rapid.T, r *replay, lists [][]lived, n int, gamma float64, advice bool) {
	b := newBatch(r, 20, n, advice)
	r.sample(rng.New(uint64(len(lists[0])), "sample"), b)
	returns, discounts := make([]float32, 20), make([]float32, 20)
	nStep(gamma, b.rewards, n, b.steps, b.ended, returns, discounts)
	for i := range b.rows {
		o, x := b.obs.Row(r.spec, i), b.next.Row(r.spec, i)
		list := lists[b.rows[i]%r.envs]
		at := slices.IndexFunc(list, func(l lived) bool { return l.obs == o.Services[0] })
		if at < 0 || int32(b.actions[i]) != list[at].action || int32(b.experts[i]) != list[at].expert {
			t.Fatalf("sampled observation %v with action %d and expert %d, which is not in %+v", o.Services[0], b.actions[i], b.experts[i], list)
		}
		if cut := list[at].ended == wasTruncated; advice && (at == len(list)-1 || cut && at > 0 && list[at-1].ended == goesOn) {
			t.Fatalf("sampled %+v, number %d of %d, after which nobody asked the expert", list[at], at, len(list))
		}
		ret, discount, next, expert := bruteForce(list, at, n, gamma, advice)
		if advice && b.advice[i] != expert {
			t.Fatalf("from %v: advice %d, want %d", o.Services[0], b.advice[i], expert)
		}
		if math.Abs(float64(returns[i])-ret) > 1e-4*(1+math.Abs(ret)) || math.Abs(float64(discounts[i])-discount) > 1e-6 || float64(x.Services[0]) != next {
			t.Fatalf("from %v: return %v, discount %v, next %v; by definition %v, %v, %v", o.Services[0], returns[i], discounts[i], x.Services[0], ret, discount, next)
		}
		if o.Mask[0] != (int(o.Services[0])%2 == 0) || x.Mask[0] != (int(x.Services[0])%2 == 0) {
			t.Fatalf("the masks of %v and %v are of other observations", o.Services[0], x.Services[0])
		}
	}
}

// Observations come back from a page within half a step of their column, which is 1/510 of what it spans in the page;
// whole numbers that span at most 255, and columns that do not vary, exactly.
func TestPageRoundTrip(t *testing.T) {
	spec := rltest.NewSynthetic(1).Spec()
	w := widths(spec)
	rapid.Check(t, func(t *rapid.T) {
		rowsA, rowsB := rapid.IntRange(1, 20).Draw(t, "rows"), rapid.IntRange(0, 3).Draw(t, "lasts")
		stream := rng.New(rapid.Uint64().Draw(t, "seed"), "page")
		a, b := sim.NewObs(spec, rowsA), sim.NewObs(spec, rowsB)
		for _, v := range [][]float32{a.Services, b.Services, a.Nodes, b.Nodes, a.Edges, b.Edges, a.Scalars, b.Scalars} {
			scale := math.Pow(10, float64(stream.IntN(9)-4))
			for i := range v {
				v[i] = float32(scale * (stream.Float64() - 0.3))
			}
		}
		for _, o := range []*sim.Obs{a, b} {
			for i := range o.RunsOn {
				o.RunsOn[i] = float32(stream.IntN(256))
			}
			for i := range o.Mask {
				o.Mask[i] = stream.IntN(2) == 0
			}
			for i := range o.Nodes {
				if i%spec.NodeFeatures == 2 {
					o.Nodes[i] = 1.7
				}
			}
		}
		var p obsPage
		p.pack(w, a, rowsA, b, rowsB)
		got := sim.NewObs(spec, rowsA+rowsB)
		work := make([]float32, observationColumns(w))
		for i := range p.rows {
			p.unpack(w, i, got, i, work)
		}
		if !slices.Equal(got.RunsOn, slices.Concat(a.RunsOn, b.RunsOn)) || !slices.Equal(got.Mask, slices.Concat(a.Mask, b.Mask)) {
			t.Fatal("pods or masks are not what they were")
		}
		for _, v := range []struct {
			want, got []float32
			n         int
		}{
			{slices.Concat(a.Services, b.Services), got.Services, w.services}, {slices.Concat(a.Nodes, b.Nodes), got.Nodes, w.nodes},
			{slices.Concat(a.Edges, b.Edges), got.Edges, w.edges}, {slices.Concat(a.Scalars, b.Scalars), got.Scalars, w.scalars},
		} {
			for c := range v.n {
				low, high := float64(v.want[c]), float64(v.want[c])
				for i := c; i < len(v.want); i += v.n {
					low, high = min(low, float64(v.want[i])), max(high, float64(v.want[i]))
				}
				// Beside the half step, the rounding of float32 at the column's largest number.
				bound := (high-low)/510 + 4e-7*max(math.Abs(low), math.Abs(high))
				if low == high {
					bound = 0
				}
				for i := c; i < len(v.want); i += v.n {
					if d := math.Abs(float64(v.got[i] - v.want[i])); d > bound {
						t.Fatalf("%v came back as %v, %v away; the column spans %v to %v", v.want[i], v.got[i], d, low, high)
					}
				}
			}
		}
	})
}

// Of the numbers of an observation a page keeps a byte each; before there were pages, 4.
func TestReplayIsCompact(t *testing.T) {
	env := rltest.NewSynthetic(16)
	spec := env.Spec()
	r := mustReplay(t, spec, 16, 8000, true)
	o, final := sim.NewObs(spec, 16), sim.NewObs(spec, 16)
	if err := env.Reset(1, o); err != nil {
		t.Fatal(err)
	}
	r.start(o)
	actions, rewards, terminated, truncated := make([]int32, 16*len(spec.Action.NVec)), make([]float32, 16), make([]bool, 16), make([]bool, 16)
	for range 600 {
		if err := env.Step(actions, o, final, rewards, terminated, truncated); err != nil {
			t.Fatal(err)
		}
		r.add(actions, actions, rewards, terminated, truncated, o, final)
	}
	bytes, n := r.bytes()
	if n < 7000 {
		t.Fatalf("only %d transitions are packed", n)
	}
	w := widths(spec)
	exact := 4*observationColumns(w) + w.mask
	t.Logf("%.0f bytes a transition; its observation as float32: %d", float64(bytes)/float64(n), exact)
	if got := float64(bytes) / float64(n); got > 0.4*float64(exact) {
		t.Errorf("%.0f bytes a transition, more than 40 %% of the %d of one observation as float32", got, exact)
	}
}

// Choices beyond 255 take two bytes, and come back.
func TestReplayStoresWideActions(t *testing.T) {
	spec := *rltest.NewChain(rltest.ChainConfig{Envs: 1, Length: 2}).Spec()
	spec.Action.NVec = []int{1, 300, 2}
	r := mustReplay(t, &spec, 1, 8, false)
	r.start(sim.NewObs(&spec, 1))
	r.add([]int32{0, 299, 1}, nil, []float32{0}, []bool{false}, []bool{false}, sim.NewObs(&spec, 1), nil)
	b := newBatch(r, 1, 1, false)
	r.sample(rng.New(1, "sample"), b)
	if !slices.Equal(b.actions, []int64{0, 299, 1}) {
		t.Errorf("got %v", b.actions)
	}
	spec.Action.NVec = []int{70_000}
	if _, err := newReplay(&spec, 1, 8, false); err == nil || !strings.Contains(err.Error(), "70000 choices; at most 65536") {
		t.Errorf("too many choices: %v", err)
	}
}

// Every transition is drawn with the same probability.
func TestReplaySamplesAll(t *testing.T) {
	spec := rltest.NewChain(rltest.ChainConfig{Envs: 1, Length: 2}).Spec()
	r := mustReplay(t, spec, 1, 8, false)
	o := sim.NewObs(spec, 1)
	r.start(o)
	for i := range 26 {
		r.add([]int32{0}, nil, []float32{float32(i)}, []bool{false}, []bool{false}, o, o)
	}
	b, seen := newBatch(r, 1000, 1, false), map[float32]int{}
	r.sample(rng.New(1, "sample"), b)
	for _, x := range b.rewards {
		seen[x]++
	}
	// The last eight rewards, 18 to 25, about 125 times each: below 70 or above 180 is more than 5 deviations away.
	for i := 18; i < 26; i++ {
		if n := seen[float32(i)]; n < 70 || n > 180 {
			t.Errorf("reward %d was drawn %d times", i, n)
		}
	}
	if len(seen) != 8 {
		t.Errorf("drawn: %v", seen)
	}
}

func TestReplayCheckRefuses(t *testing.T) {
	spec := rltest.NewChain(rltest.ChainConfig{Envs: 1, Length: 2}).Spec()
	for name, spoil := range map[string]func(*replay){
		"unknown ending": func(r *replay) { r.ended[4] = 7 }, "ending without observation": func(r *replay) { r.ended[4] = wasTruncated },
		"observation without ending": func(r *replay) { r.last[4] = 0 }, "short page": func(r *replay) { r.pages[2].rows = 1 },
		"choice": func(r *replay) { r.actions[4] = 2 },
	} {
		r := mustReplay(t, spec, 1, 8, false)
		o := sim.NewObs(spec, 1)
		r.start(o)
		for range 9 {
			r.add([]int32{0}, nil, []float32{0}, []bool{false}, []bool{false}, o, o)
		}
		if err := r.check(); err != nil {
			t.Fatal(err)
		}
		spoil(r)
		if err := r.check(); err == nil || !strings.Contains(err.Error(), "replay buffer") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// Once the pages have their size, nothing is allocated.
func TestReplayAllocatesNothing(t *testing.T) {
	env := rltest.NewSynthetic(2)
	r := mustReplay(t, env.Spec(), 2, 40, false)
	o, actions := sim.NewObs(env.Spec(), 2), make([]int32, 2*len(env.Spec().Action.NVec))
	ended, no, rewards := []bool{false, true}, make([]bool, 2), make([]float32, 2)
	step := func() { r.add(actions, nil, rewards, no, ended, o, o) }
	for range 100 {
		step()
	}
	b, stream := newBatch(r, 16, 3, false), rng.New(1, "sample")
	if a := testing.AllocsPerRun(50, func() {
		for range r.each {
			step()
		}
		r.sample(stream, b)
	}); a != 0 {
		t.Errorf("%v allocations", a)
	}
}
