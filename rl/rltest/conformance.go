package rltest

import (
	"bytes"
	"math"
	"testing"

	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/rng"
)

// TestEnv checks that an environment, whose episodes may end in any way, keeps the contract of sim.VectorEnv over steps of random allowed actions: sizes
// fit, observations and rewards are finite, no part of a mask is empty, the same seed and actions give the same
// bytes, and a saved state goes on as the original does. make returns a new environment of one configuration.
func TestEnv(t *testing.T, make func() sim.VectorEnv, steps int) {
	t.Helper()
	whole := play(t, make(), 7, nil, steps)
	if again := play(t, make(), 7, nil, steps); !same(whole, again) {
		t.Error("the same seed and actions give another run")
	}
	if other := play(t, make(), 8, nil, steps); same(whole, other) {
		t.Error("another seed gives the same run")
	}
	half := play(t, make(), 7, nil, steps/2)
	rest := play(t, make(), 7, half[len(half)-1].saved, steps-steps/2)
	// The second half draws its own actions, so it is compared with an original that draws them anew at that place.
	env := make()
	first := play(t, env, 7, nil, steps/2)
	if !same(rest, playOn(t, env, first[len(first)-1].obs, steps-steps/2)) {
		t.Error("a loaded state goes on differently")
	}
}

// moment is what one step gave.
type moment struct {
	obs        *sim.Obs
	rewards    []float32
	terminated []bool
	truncated  []bool
	saved      []byte // after the last step
}

func same(a, b []moment) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !bytes.Equal(a[i].encode(), b[i].encode()) {
			return false
		}
	}
	return true
}

func (m *moment) encode() []byte {
	var b []byte
	for _, v := range [][]float32{m.obs.Services, m.obs.Nodes, m.obs.Edges, m.obs.RunsOn, m.obs.Scalars, m.rewards} {
		for _, x := range v {
			u := math.Float32bits(x)
			b = append(b, byte(u), byte(u>>8), byte(u>>16), byte(u>>24))
		}
	}
	for _, v := range [][]bool{m.obs.Mask, m.terminated, m.truncated} {
		for _, x := range v {
			if x {
				b = append(b, 1)
			} else {
				b = append(b, 0)
			}
		}
	}
	return b
}

// play resets or loads an environment and steps it with random allowed actions.
func play(t *testing.T, env sim.VectorEnv, seed uint64, saved []byte, steps int) []moment {
	t.Helper()
	obs := sim.NewObs(env.Spec(), env.NumEnvs())
	var err error
	if saved == nil {
		err = env.Reset(seed, obs)
	} else {
		err = env.Load(saved, obs)
	}
	if err != nil {
		t.Fatal(err)
	}
	return playOn(t, env, obs, steps)
}

func playOn(t *testing.T, env sim.VectorEnv, obs *sim.Obs, steps int) []moment {
	t.Helper()
	spec, n := env.Spec(), env.NumEnvs()
	stream, final := rng.New(1, "actions"), sim.NewObs(spec, n)
	actions := make([]int32, n*len(spec.Action.NVec))
	moments := []moment{{obs: clone(spec, obs, n)}}
	for range steps {
		checkObs(t, spec, obs, n)
		parts, width := len(spec.Action.NVec), spec.MaskWidth()
		for e := range n {
			sim.RandomAction(spec, obs.Mask[e*width:(e+1)*width], stream, actions[e*parts:(e+1)*parts])
		}
		m := moment{rewards: make([]float32, n), terminated: make([]bool, n), truncated: make([]bool, n)}
		if err := env.Step(actions, obs, final, m.rewards, m.terminated, m.truncated); err != nil {
			t.Fatal(err)
		}
		for e, r := range m.rewards {
			if math.IsNaN(float64(r)) || math.IsInf(float64(r), 0) {
				t.Fatalf("reward %v", r)
			}
			if m.terminated[e] || m.truncated[e] {
				row := final.Row(spec, e)
				checkFinite(t, &row)
			}
		}
		m.obs = clone(spec, obs, n)
		moments = append(moments, m)
	}
	saved, err := env.Save()
	if err != nil {
		t.Fatal(err)
	}
	moments[len(moments)-1].saved = saved
	return moments
}

func clone(spec *sim.EnvSpec, o *sim.Obs, n int) *sim.Obs {
	c := sim.NewObs(spec, n)
	copyObs(c, o)
	return c
}

func checkObs(t *testing.T, spec *sim.EnvSpec, o *sim.Obs, n int) {
	t.Helper()
	checkFinite(t, o)
	mask := o.Mask
	for i := range n * len(spec.Action.NVec) {
		k, allowed := spec.Action.NVec[i%len(spec.Action.NVec)], false
		for _, ok := range mask[:k] {
			allowed = allowed || ok
		}
		if !allowed {
			t.Fatalf("part %d of environment %d has no allowed action", i%len(spec.Action.NVec), i/len(spec.Action.NVec))
		}
		mask = mask[k:]
	}
	if len(mask) != 0 {
		t.Fatalf("%d numbers of the mask belong to no part", len(mask))
	}
}

func checkFinite(t *testing.T, o *sim.Obs) {
	t.Helper()
	for name, v := range map[string][]float32{"services": o.Services, "nodes": o.Nodes, "edges": o.Edges, "runs on": o.RunsOn, "scalars": o.Scalars} {
		for i, x := range v {
			if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
				t.Fatalf("observation: %s[%d] = %v", name, i, x)
			}
		}
	}
}
