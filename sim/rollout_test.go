package sim

import (
	"fmt"
	"testing"
)

// namedEngine is one of the two engines of an application, quickly fitted.
type namedEngine struct {
	name string
	Engine
}

func (e *namedEngine) pods() []PodInfo { return e.Engine.(PodLister).Pods(nil) }

func bothEngines(tb testing.TB, app *App) []namedEngine {
	tb.Helper()
	fluid, err := NewFluid(app, FluidOptions{FitVisits: 1e5})
	if err != nil {
		tb.Fatal(err)
	}
	return []namedEngine{{"fluid", fluid}, {"des", newDES(tb, app, nil)}}
}

// drive steps an engine with an even load at endpoint 0 and calls each after every tick.
func drive(e Engine, seconds int, rps float64, each func(st *State)) {
	n := len(e.State().Endpoints)
	load := TickLoad{make([]float64, n), make([]float64, n)}
	load.RPS[0], load.Arrivals[0] = rps, rps
	for range seconds {
		e.Step(load)
		if each != nil {
			each(e.State())
		}
	}
}

// A rolling update keeps to its bounds all the time, ends when waves of its size have become ready, 10 s each, and leaves new pods only.
func TestRollout(t *testing.T) {
	app := testApp(t, "", testService("a", "startup: {fixed_s: 10}, grace_s: 3", "{name: get, cpu_ms: 1}"))
	for _, tc := range []struct {
		surge, unavailable float64
		most, least        int // pods that are not on their way out, ready ones
		seconds            int
	}{
		{0.25, 0, 10, 8, 40},    // two at a time
		{0, 0.25, 8, 6, 40},     // two at a time
		{0.25, 0.25, 10, 6, 20}, // first two more and two instead of old ones, then four
		{0.2, 0, 10, 8, 40},     // rounded up
		{0, 0.2, 8, 7, 80},      // rounded down
		{0, 0, 8, 7, 80},        // one, or nothing could move
		{1, 0, 16, 8, 10},
	} {
		for _, e := range bothEngines(t, app) {
			t.Run(fmt.Sprintf("%v/%v/%s", tc.surge, tc.unavailable, e.name), func(t *testing.T) {
				if err := e.Reset(1, []int{8}); err != nil {
					t.Fatal(err)
				}
				drive(e, 7, 10, nil)
				old := e.pods()[len(e.pods())-1].ID
				e.Happen(&Event{Kind: RolloutEvent, Surge: tc.surge, Unavailable: tc.unavailable})
				failed, done := 0.0, -1
				for second := 0; second <= tc.seconds+5; second++ {
					v := &e.State().Services[0]
					if all := v.Ready + v.Starting + v.Pending; all > tc.most || v.Ready < tc.least || v.Spec != 8 {
						t.Fatalf("after %d s: %+v, want at most %d pods and at least %d ready", second, *v, tc.most, tc.least)
					}
					left := 0
					for _, p := range e.pods() {
						if p.ID <= old && p.Phase != PodTerminating {
							left++
						}
					}
					if left == 0 && done < 0 {
						done = second
					}
					drive(e, 1, 10, func(st *State) {
						if st.Window > 0 {
							failed += st.Endpoints[0].Failed
						}
					})
				}
				// Where nobody may be there twice the last new pods are still starting when the last old ones go.
				if want := tc.seconds; done != want && done != want-10 {
					t.Errorf("the last old pod went after %d s, want %d", done, want)
				}
				if v := e.State().Services[0]; v.Ready != 8 || v.Starting+v.Pending != 0 || failed != 0 {
					t.Errorf("after it %+v, %v failed", v, failed)
				}
			})
		}
	}
}

// Both engines replace the same pods at the same times, also while the number wanted changes, and end with as many new pods as are wanted.
func TestRolloutWhileScaling(t *testing.T) {
	app := testApp(t, "", testService("a", "startup: {fixed_s: 10, jitter_s: 4}, grace_s: 3, replicas: {min: 1, max: 50}", "{name: get, cpu_ms: 1}"))
	for _, to := range []int{3, 8, 14} {
		var logs [2]string
		for i, e := range bothEngines(t, app) {
			if err := e.Reset(1, []int{8}); err != nil {
				t.Fatal(err)
			}
			e.Happen(&Event{Kind: RolloutEvent, Surge: 0.25, Unavailable: 0.25})
			for second := range 120 {
				if second == 12 {
					r := e.Scale(ScaleRequest{Replicas: to, Pool: AnyPool})
					if r.Added-r.Removed != to-8 {
						t.Errorf("%s: %+v, want a change by %d", e.name, r, to-8)
					}
				}
				drive(e, 1, 10, nil)
				for _, p := range e.pods() {
					logs[i] += fmt.Sprintf("%d: pod %d %v node %d\n", second, p.ID, p.Phase, p.Node)
				}
			}
			if v := e.State().Services[0]; v.Ready != to || v.Spec != to || v.Starting+v.Pending+v.Terminating != 0 {
				t.Errorf("%s: to %d: %+v", e.name, to, v)
			}
			for _, p := range e.pods() {
				if p.ID < 8 {
					t.Errorf("%s: pod %d is still there", e.name, p.ID)
				}
			}
		}
		if logs[0] != logs[1] {
			t.Errorf("to %d: the engines differ", to)
		}
	}
}
