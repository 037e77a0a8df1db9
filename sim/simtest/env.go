package simtest

import (
	"bytes"
	"math"
	"slices"
	"testing"

	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/rng"
)

// Driver steps a vector environment with random allowed actions and owns the arrays that this takes.
type Driver struct {
	Env                   sim.VectorEnv
	Obs, Final            *sim.Obs
	Actions               []int32
	Rewards               []float32
	Terminated, Truncated []bool
	random                *rng.Stream
}

// NewDriver makes a driver whose actions seed names.
func NewDriver(env sim.VectorEnv, seed uint64) *Driver {
	n := env.NumEnvs()
	return &Driver{Env: env, Obs: sim.NewObs(env.Spec(), n), Final: sim.NewObs(env.Spec(), n), Actions: make([]int32, n*len(env.Spec().Action.NVec)),
		Rewards: make([]float32, n), Terminated: make([]bool, n), Truncated: make([]bool, n), random: rng.New(seed, "random-actions")}
}

// Step takes random allowed actions.
func (d *Driver) Step() error {
	spec := d.Env.Spec()
	parts, width := len(spec.Action.NVec), spec.MaskWidth()
	for i := range d.Env.NumEnvs() {
		sim.RandomAction(spec, d.Obs.Mask[i*width:(i+1)*width], d.random, d.Actions[i*parts:(i+1)*parts])
	}
	return d.Env.Step(d.Actions, d.Obs, d.Final, d.Rewards, d.Terminated, d.Truncated)
}

// snapshot is one step in comparable form.
func (d *Driver) snapshot() []float32 {
	out := slices.Concat(d.Obs.Services, d.Obs.Nodes, d.Obs.Edges, d.Obs.RunsOn, d.Obs.Scalars, d.Rewards)
	for _, flags := range [][]bool{d.Obs.Mask, d.Terminated, d.Truncated} {
		for _, f := range flags {
			if f {
				out = append(out, 1)
			} else {
				out = append(out, 0)
			}
		}
	}
	return out
}

// TestEnv checks what every vector environment must do: a consistent spec; finite observations and rewards; masks
// that are never empty; the same numbers from the same seed and other ones from another; no result that depends on
// the goroutines; episodes that end by truncation, with their last observation in final; Save and Load that continue
// byte for byte in a fresh environment. newEnv makes equal environments of at least two rows, whose episodes
// have at most 200 steps; workers is over how many goroutines it is to spread them.
func TestEnv(t *testing.T, newEnv func(t *testing.T, workers int) sim.VectorEnv) {
	const steps = 450
	env := newEnv(t, 1)
	checkSpec(t, env.Spec())
	if env.NumEnvs() < 2 {
		t.Fatalf("TestEnv needs at least 2 environments, got %d", env.NumEnvs())
	}
	first := trajectory(t, NewDriver(env, 3), 11, steps, true)
	if again := trajectory(t, NewDriver(env, 3), 11, steps, false); !equalRows(first, again) {
		t.Error("the same seed and actions gave other numbers after a second Reset")
	}
	if spread := trajectory(t, NewDriver(newEnv(t, env.NumEnvs()), 3), 11, steps, false); !equalRows(first, spread) {
		t.Error("the result depends on the number of goroutines")
	}
	if other := trajectory(t, NewDriver(env, 3), 12, 1, false); slices.Equal(first[0], other[0]) {
		t.Error("another seed gave the same observation")
	}
	testSaveLoad(t, newEnv, first)
}

func checkSpec(t *testing.T, spec *sim.EnvSpec) {
	t.Helper()
	sum := 0
	for i, n := range spec.Action.NVec {
		if n < 1 {
			t.Errorf("action part %d has %d choices", i, n)
		}
		sum += n
	}
	if sum != spec.MaskWidth() {
		t.Errorf("the action parts have %d choices in all, Services*PerService+Global is %d", sum, spec.MaskWidth())
	}
	for _, x := range []struct {
		what  string
		n     int
		names []string
	}{{"service", spec.ServiceFeatures, spec.ServiceFeatureNames}, {"node", spec.NodeFeatures, spec.NodeFeatureNames},
		{"edge", spec.EdgeFeatures, spec.EdgeFeatureNames}, {"scalar", spec.Scalars, spec.ScalarNames}} {
		if x.n != len(x.names) {
			t.Errorf("%d %s features, %d names", x.n, x.what, len(x.names))
		}
	}
}

// trajectory resets and takes steps. With check it looks at every number.
func trajectory(t *testing.T, d *Driver, seed uint64, steps int, check bool) [][]float32 {
	t.Helper()
	if err := d.Env.Reset(seed, d.Obs); err != nil {
		t.Fatal(err)
	}
	rows := [][]float32{d.snapshot()}
	ended := 0
	for i := range steps {
		if err := d.Step(); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
		rows = append(rows, d.snapshot())
		for k, x := range rows[len(rows)-1] {
			if f := float64(x); math.IsNaN(f) || math.IsInf(f, 0) {
				t.Fatalf("step %d: number %d is %v", i, k, x)
			}
		}
		for k := range d.Truncated {
			if d.Terminated[k] {
				t.Fatalf("step %d: environment %d terminated; a time limit truncates", i, k)
			}
			if d.Truncated[k] {
				ended++
				final := d.Final.Row(d.Env.Spec(), k)
				if check && allZero(final.Services) {
					t.Errorf("step %d: final holds no observation of environment %d, which was truncated", i, k)
				}
			}
		}
		if check {
			checkMasks(t, d)
		}
	}
	if check && ended < 2*d.Env.NumEnvs() {
		t.Errorf("only %d episodes ended in %d steps of %d environments", ended, steps, d.Env.NumEnvs())
	}
	return rows
}

func allZero(a []float32) bool {
	return !slices.ContainsFunc(a, func(x float32) bool { return x != 0 })
}

func checkMasks(t *testing.T, d *Driver) {
	t.Helper()
	spec := d.Env.Spec()
	at := 0
	for range d.Env.NumEnvs() {
		for i, n := range spec.Action.NVec {
			if !slices.Contains(d.Obs.Mask[at:at+n], true) {
				t.Fatalf("nothing is allowed in action part %d", i)
			}
			at += n
		}
	}
}

func equalRows(a, b [][]float32) bool { return slices.EqualFunc(a, b, slices.Equal) }

// testSaveLoad saves in the middle of an episode, loads into a fresh environment, and compares all that follows
// with the uninterrupted run.
func testSaveLoad(t *testing.T, newEnv func(*testing.T, int) sim.VectorEnv, want [][]float32) {
	t.Helper()
	for _, at := range []int{0, 7, 333} {
		d := NewDriver(newEnv(t, 1), 3)
		trajectory(t, d, 11, at, false)
		data, err := d.Env.Save()
		if err != nil {
			t.Fatal(err)
		}
		fresh := NewDriver(newEnv(t, 2), 3)
		if err := fresh.Env.Load(data, fresh.Obs); err != nil {
			t.Fatal(err)
		}
		if again, err := fresh.Env.Save(); err != nil || !bytes.Equal(again, data) {
			t.Errorf("saved again at once after Load, the data differ (error %v)", err)
		}
		fresh.random = d.random
		if !slices.Equal(d.Obs.Services, fresh.Obs.Services) || !slices.Equal(d.Obs.Scalars, fresh.Obs.Scalars) || !slices.Equal(d.Obs.Mask, fresh.Obs.Mask) {
			t.Errorf("after %d steps: Load gives another observation than the one at Save", at)
		}
		for i := at + 1; i < len(want); i++ {
			if err := fresh.Step(); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(fresh.snapshot(), want[i]) {
				t.Fatalf("loaded after %d steps, step %d differs from the uninterrupted run", at, i)
			}
		}
	}
	d := NewDriver(newEnv(t, 1), 3)
	for name, data := range map[string][]byte{"nothing": nil, "garbage": []byte("garbage"), "zeros": make([]byte, 200)} {
		if err := d.Env.Load(data, d.Obs); err == nil {
			t.Errorf("Load accepted %s", name)
		}
	}
	if err := d.Env.Step(d.Actions, d.Obs, d.Final, d.Rewards, d.Terminated, d.Truncated); err == nil {
		t.Error("Step before Reset gave no error")
	}
}
