package sim

import (
	"slices"
	"testing"
	"time"

	"github.com/grlscaler/grlscaler/sim/rng"
)

func newStream(seed uint64) *rng.Stream { return rng.New(seed, "test") }

// Who follows the expert asks for what the oracle asks for: at once in mode joint, one service after the other in mode select.
func TestExpertIsTheOracle(t *testing.T) {
	app := onlineBoutique(t)
	family, err := NewFamily(app, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, mode := range []string{ActionJoint, ActionSelect} {
		cfg := DefaultEnvConfig()
		cfg.Initial, cfg.Action.Mode, cfg.Action.MaxDelta, cfg.Action.DecisionsPerInterval, cfg.Action.QuotaSteps = InitialNeeded, mode, 6, 1000, []float64{0.5, 1, 2}
		e := newTestEnv(t, app, cfg, family, 3)
		for range 120 {
			if err := e.Expert(e.actions); err != nil {
				t.Fatal(err)
			}
			checkAllowed(t, e.Spec(), e.obs, e.actions)
			before := e.envs[0].session.State().At
			var want []int
			now := time.Duration(e.envs[0].session.Tick()) * Tick
			for s := range app.Services {
				o := &e.envs[0].oracle
				want = append(want, min(max(o.needed(s, now, now+o.lead[s]+ControlInterval), 1), app.Services[s].MaxReplicas))
			}
			e.step(t)
			st := e.envs[0].session.State()
			if st.At == before || e.truncated[0] {
				continue // in the middle of a turn, or another episode
			}
			var spec []int
			for s := range st.Services {
				spec = append(spec, st.Services[s].Spec)
			}
			if !slices.Equal(spec, want) {
				t.Fatalf("%s at %v: the expert has %v, the oracle wants %v", mode, st.At, spec, want)
			}
		}
	}
}

// The expert of a far too small change takes the largest step in the right direction.
func TestExpertWithinTheRange(t *testing.T) {
	app := onlineBoutique(t)
	cfg := DefaultEnvConfig()
	cfg.Action.MaxDelta, cfg.Action.QuotaSteps = 1, []float64{1}
	e := newTestEnv(t, app, cfg, scenarioSource(t, app, "peak"), 4)
	for range 30 {
		if err := e.Expert(e.actions); err != nil {
			t.Fatal(err)
		}
		checkAllowed(t, e.Spec(), e.obs, e.actions)
		e.step(t)
	}
}

func TestNoExpertForGymHPA(t *testing.T) {
	app := onlineBoutique(t)
	cfg := DefaultEnvConfig()
	cfg.Kind = KindGymHPA
	e := newTestEnv(t, app, cfg, scenarioSource(t, app, "peak"), 1)
	if err := e.Expert(e.actions); err == nil {
		t.Error("an expert for gym_hpa")
	}
}

// checkAllowed reports actions that their masks forbid.
func checkAllowed(t *testing.T, spec *EnvSpec, obs *Obs, actions []int32) {
	t.Helper()
	mask := obs.Mask
	for i, a := range actions {
		n := spec.Action.NVec[i%len(spec.Action.NVec)]
		if !mask[a] {
			t.Fatalf("part %d: the expert's action %d is not allowed", i, a)
		}
		mask = mask[n:]
	}
}
