package sim

import (
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/grlscaler/grlscaler/sim/rng"
)

// levelsSource is 10 minutes of constant loads, the first two uncounted; the level depends on the seed.
type levelsSource struct{ app *App }

func (l levelsSource) Name() string { return "levels" }

func (l levelsSource) Episode(seed uint64, ep *Episode) error {
	c := constantEpisode(l.app, 600, 5+float64(seed%40))
	c.WarmupTicks = 120
	for i := range c.Needed {
		c.Needed[i] = 1 + int(seed%3)
	}
	return constantSource{c}.Episode(seed, ep)
}

// One interval is one step; the reward is that of the interval's terms; an episode of 480 counted seconds has 32
// steps, its last observation is in final, and the next observation is the first of the next episode.
func TestEnvEpisodes(t *testing.T) {
	app := chainApp(t)
	cfg := DefaultEnvConfig()
	cfg.Workers = 1
	e := newTestEnv(t, app, cfg, levelsSource{app}, 2)
	session := e.envs[0].session
	if got := session.State().At; got != 2*ControlInterval {
		t.Errorf("the first observation is made at %v, want two intervals of warm-up", got)
	}
	for step := 1; step <= 70; step++ {
		last := e.envs[0].number
		e.terminated[0] = true // left over from before: Step writes every flag
		e.randomStep(t)
		ended := step%32 == 0
		if e.truncated[0] != ended || e.truncated[1] != ended || e.terminated[0] {
			t.Fatalf("step %d: truncated %v, terminated %v", step, e.truncated, e.terminated)
		}
		if !ended {
			if want := float32(cfg.Reward.Of(session.terms)); e.rewards[0] != want {
				t.Errorf("step %d: reward %v, the interval's is %v", step, e.rewards[0], want)
			}
			continue
		}
		if e.envs[0].number != last+1 || session.State().At != 2*ControlInterval {
			t.Errorf("step %d: episode %d after %d, at %v", step, e.envs[0].number, last, session.State().At)
		}
		now, final := e.obs.Row(e.Spec(), 0), e.final.Row(e.Spec(), 0)
		if slices.Equal(now.Services, final.Services) || !slices.Contains(final.Mask, true) {
			t.Errorf("step %d: final is not the last observation of the episode that ended", step)
		}
	}
}

// Episode n of environment i has the seed Derive(seed, "episode", i, n), whatever happened before it.
func TestEpisodeSeeds(t *testing.T) {
	app := chainApp(t)
	cfg := DefaultEnvConfig()
	e := newTestEnv(t, app, cfg, levelsSource{app}, 2)
	for range 40 {
		e.randomStep(t)
	}
	want := 5 + float64(rng.Derive(1, "episode", 1, 1)%40)
	if got := e.envs[1].ep.RPS[0] + e.envs[1].ep.RPS[1]; math.Abs(got-want) > 1e-9 {
		t.Errorf("episode 1 of environment 1 has %v requests/s, its seed says %v", got, want)
	}
}

// The result is the same on one core and on all, with any number of workers.
func TestEnvDoesNotDependOnCores(t *testing.T) {
	app := chainApp(t)
	run := func(procs, workers int) []float32 {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
		cfg := DefaultEnvConfig()
		cfg.Workers = workers
		e := newTestEnv(t, app, cfg, levelsSource{app}, 5)
		var out []float32
		for range 100 {
			e.randomStep(t)
			out = append(out, e.rewards...)
			out = append(out, e.obs.Services...)
		}
		return out
	}
	want := run(1, 1)
	for _, tc := range [][2]int{{1, 5}, {4, 0}, {4, 2}, {2, 3}} {
		if !slices.Equal(run(tc[0], tc[1]), want) {
			t.Errorf("GOMAXPROCS %d, %d workers: other numbers than with one of each", tc[0], tc[1])
		}
	}
}

// In select mode time stands still, with reward 0, until "nothing" or the last decision of the interval; the
// observation shows the decisions taken, and they are carried out together.
func TestSelectTurns(t *testing.T) {
	app := oneApp(t)
	cfg := DefaultEnvConfig()
	cfg.Initial, cfg.Action.Mode, cfg.Action.DecisionsPerInterval = InitialApp, ActionSelect, 3
	e := newTestEnv(t, app, cfg, constantSource{constantEpisode(app, 600, 10)}, 1)
	session := e.envs[0].session
	scalar := func(name string) float32 { return e.obs.Scalars[slices.Index(ScalarFeatures, name)] }
	position := func() float32 { return e.obs.Services[slices.Index(ServiceFeatures, "position")] }
	plus := int32(3*5 + 2) // one replica more
	nothing := int32(25)
	for i, tc := range []struct {
		action   int32
		advances bool
		left     float32 // decisions left
		position float32 // of 1 to 10 replicas, from 2
	}{
		{plus, false, 2. / 3, 2. / 9}, {plus, false, 1. / 3, 3. / 9}, {plus, true, 1, 4. / 9}, // the third ends the turn
		{nothing, true, 1, 4. / 9},
		{plus, false, 2. / 3, 5. / 9}, {nothing, true, 1, 5. / 9},
	} {
		at := session.State().At
		spec := session.State().Services[0].Spec
		e.actions[0] = tc.action
		e.step(t)
		st := session.State()
		if (st.At > at) != tc.advances {
			t.Errorf("decision %d: time went from %v to %v", i, at, st.At)
		}
		if !tc.advances && (e.rewards[0] != 0 || st.Services[0].Spec != spec) {
			t.Errorf("decision %d: reward %v, %d replicas wanted, in the middle of a turn", i, e.rewards[0], st.Services[0].Spec)
		}
		if tc.advances && e.rewards[0] == 0 {
			t.Errorf("decision %d: no reward for the interval", i)
		}
		if got := scalar("decisions_left"); got != tc.left {
			t.Errorf("decision %d: %v of the decisions left, want %v", i, got, tc.left)
		}
		if got := position(); math.Abs(float64(got-tc.position)) > 1e-6 {
			t.Errorf("decision %d: position %v, want %v", i, got, tc.position)
		}
	}
}

// The start of an episode by configuration.
func TestInitialReplicasAndWarmup(t *testing.T) {
	app := chainApp(t)
	source := constantSource{constantEpisode(app, 600, 10)}
	source.ep.WarmupTicks, source.ep.Initial = 300, []int{3, 3, 3}
	for s := range app.Services {
		source.ep.Needed[300/WindowTicks*len(app.Services)+s] = 2 // in the first counted window
	}
	specs := func(e *testEnv) (out []int) {
		for _, s := range e.envs[0].session.State().Services {
			out = append(out, s.Spec)
		}
		return out
	}
	for initial, want := range map[string][]int{InitialApp: {3, 3, 3}, InitialNeeded: {2, 2, 2}} {
		cfg := DefaultEnvConfig()
		cfg.Initial = initial
		if got := specs(newTestEnv(t, app, cfg, source, 1)); !slices.Equal(got, want) {
			t.Errorf("initial %s: %v, want %v", initial, got, want)
		}
	}
	// Random: every count between min and max comes up in 200 episodes, for every service.
	cfg := DefaultEnvConfig()
	cfg.MaxIntervals = 1
	e := newTestEnv(t, app, cfg, source, 1)
	e.idle(cfg)
	seen := make([]map[int]bool, len(app.Services))
	for range 200 {
		for s, n := range specs(e) {
			if seen[s] == nil {
				seen[s] = map[int]bool{}
			}
			seen[s][n] = true
		}
		e.step(t)
		if !e.truncated[0] {
			t.Fatal("an episode of one interval did not end")
		}
	}
	for s := range app.Services {
		if svc := &app.Services[s]; len(seen[s]) != svc.MaxReplicas-svc.MinReplicas+1 {
			t.Errorf("%s started with %v of %d to %d replicas", svc.Name, seen[s], svc.MinReplicas, svc.MaxReplicas)
		}
	}
	for warmup, want := range map[int]int{0: 0, 2: 2, 7: 7, 1000: 20, -1: 20} {
		cfg := DefaultEnvConfig()
		cfg.WarmupIntervals = warmup
		if got := newTestEnv(t, app, cfg, source, 1).envs[0].session.State().At / ControlInterval; int(got) != want {
			t.Errorf("warmup_intervals %d: %d intervals were run", warmup, got)
		}
	}
}

// A step allocates nothing, in any mode, on one or many workers; only the start of an episode may.
func TestEnvStepAllocatesNothing(t *testing.T) {
	app := onlineBoutique(t)
	for _, tc := range []struct {
		name    string
		workers int
		set     func(*EnvConfig)
	}{
		{"joint", 1, func(*EnvConfig) {}}, {"two workers", 2, func(*EnvConfig) {}},
		{"select", 1, func(c *EnvConfig) { c.Action.Mode = ActionSelect }}, {"gym_hpa", 1, func(c *EnvConfig) { c.Kind, c.MaxIntervals = KindGymHPA, 1000 }},
	} {
		cfg := DefaultEnvConfig()
		cfg.Workers = tc.workers
		tc.set(&cfg)
		e := newTestEnv(t, app, cfg, constantSource{constantEpisode(app, 6000, 30)}, 4)
		for range 50 { // buffers grow to their size
			e.randomStep(t)
		}
		if n := testing.AllocsPerRun(100, func() { e.randomStep(t) }); n != 0 {
			t.Errorf("%s: %v allocations per step", tc.name, n)
		}
	}
}

func TestEnvReportsMistakes(t *testing.T) {
	app := oneApp(t)
	cfg := DefaultEnvConfig()
	source := constantSource{constantEpisode(app, 600, 10)}
	if _, err := NewVecEnv(app, cfg, nil, 1, newFluidEngine(app)); err == nil || !strings.Contains(err.Error(), "load source") {
		t.Errorf("no load source: %v", err)
	}
	if _, err := NewVecEnv(app, cfg, source, -1, newFluidEngine(app)); err == nil {
		t.Error("-1 environments were made")
	}
	bad := cfg
	bad.Kind = "no"
	if _, err := NewVecEnv(app, bad, source, 1, newFluidEngine(app)); err == nil || !strings.Contains(err.Error(), `kind: unknown "no"`) {
		t.Errorf("bad kind: %v", err)
	}
	e := newTestEnv(t, app, cfg, source, 2)
	if err := e.Step(e.actions[:1], e.obs, e.final, e.rewards, e.terminated, e.truncated); err == nil {
		t.Error("too few actions were accepted")
	}
	e.actions[2] = 99
	if err := e.Step(e.actions, e.obs, e.final, e.rewards, e.terminated, e.truncated); err == nil || !strings.Contains(err.Error(), "environment 1: action part 0 is 99") {
		t.Errorf("an action out of range: %v", err)
	}
	if err := e.Step(e.actions, e.obs, e.final, e.rewards, e.terminated, e.truncated); err == nil {
		t.Error("a step after an error, without Reset, was accepted")
	}
	short := constantSource{constantEpisode(app, 600, 10)}
	short.ep.Needed = short.ep.Needed[1:]
	v, err := NewVecEnv(app, cfg, short, 1, newFluidEngine(app))
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Reset(1, NewObs(v.Spec(), 1)); err == nil || !strings.Contains(err.Error(), "demand curve") {
		t.Errorf("a broken episode: %v", err)
	}
}

// What was saved belongs to one configuration.
func TestLoadRefusesOtherConfigurations(t *testing.T) {
	app := oneApp(t)
	source := constantSource{constantEpisode(app, 600, 10)}
	e := newTestEnv(t, app, DefaultEnvConfig(), source, 2)
	data, err := e.Save()
	if err != nil {
		t.Fatal(err)
	}
	cfg := DefaultEnvConfig()
	cfg.Reward.Slack = 2
	other := newTestEnv(t, app, cfg, source, 2)
	if err := other.Load(data, other.obs); err == nil || !strings.Contains(err.Error(), "another configuration") {
		t.Errorf("another reward: %v", err)
	}
	three := newTestEnv(t, app, DefaultEnvConfig(), source, 3)
	if err := three.Load(data, three.obs); err == nil || !strings.Contains(err.Error(), "2 environments, want 3") {
		t.Errorf("another number: %v", err)
	}
	workers := DefaultEnvConfig()
	workers.Workers = 7
	if same := newTestEnv(t, app, workers, source, 2); same.Load(data, same.obs) != nil {
		t.Error("another number of workers was refused")
	}
	for _, cut := range []int{len(data) - 1, len(data) / 2, 5} {
		if err := e.Load(data[:cut], e.obs); err == nil {
			t.Errorf("data cut off at %d bytes were accepted", cut)
		}
	}
	if err := e.Load(append(data, 0), e.obs); err == nil {
		t.Error("a byte too many was accepted")
	}
}
