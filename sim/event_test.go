package sim

import (
	"fmt"
	"strings"
	"testing"
)

func chainOf(t testing.TB, workers string) *App {
	return testApp(t, ", timeout_ms: 3000", testService("front", "startup: {fixed_s: 5}"+workers, "{name: get, cpu_ms: 5, cv: 1, calls: [{op: middle.get}]}"),
		testService("middle", "startup: {fixed_s: 5}"+workers, "{name: get, cpu_ms: 5, cv: 1, calls: [{op: tail.get}]}"),
		testService("tail", "", "{name: get, cpu_ms: 5, cv: 1, wait_ms: 10, wait_cv: 0.5}"))
}

// An operation that waits longer makes requests longer by just that, and nothing else; then all is as before. Reset undoes it too.
func TestSlowOperation(t *testing.T) {
	for _, e := range bothEngines(t, chainOf(t, "")) {
		mean := func(seconds int) (ms, cpu float64) {
			drive(e, seconds, 150, func(st *State) {
				if st.Window > 0 {
					ms += st.Endpoints[0].MeanMs * float64(st.Window) / float64(seconds)
					cpu += st.Services[1].CPUUsedMillis * float64(st.Window) / float64(seconds)
				}
			})
			return ms, cpu
		}
		if err := e.Reset(1, []int{3, 3, 3}); err != nil {
			t.Fatal(err)
		}
		drive(e, 10, 150, nil)
		before, used := mean(100)
		e.Happen(&Event{Kind: SlowEvent, Op: 2, Factor: 30})
		drive(e, 5, 150, nil)
		slow, usedSlow := mean(100)
		within(t, e.name+": slower by", slow-before, 290, 12)
		within(t, e.name+": CPU of a caller", usedSlow, used, 0.05*used)
		e.Happen(&Event{Kind: SlowEvent, Op: 2, Factor: 1})
		drive(e, 5, 150, nil)
		after, _ := mean(100)
		within(t, e.name+": after", after, before, 0.03*before)
		e.Happen(&Event{Kind: SlowEvent, Op: 2, Factor: 30})
		if err := e.Reset(1, []int{3, 3, 3}); err != nil {
			t.Fatal(err)
		}
		drive(e, 10, 150, nil)
		again, _ := mean(100)
		within(t, e.name+": after Reset", again, before, 1e-9*before)
	}
}

// Callers hold their workers for a slow callee: what comes through is workers over the time that one is held, and CPU falls with it, in both
// engines. Afterwards it is as before.
func TestSlowCalleeBlocksWorkers(t *testing.T) {
	const rps, workers, replicas = 300.0, 12, 3
	var shown [2][3]float64
	for i, e := range bothEngines(t, chainOf(t, fmt.Sprintf(", workers: %d", workers))) {
		if err := e.Reset(1, []int{replicas, replicas, replicas}); err != nil {
			t.Fatal(err)
		}
		drive(e, 20, rps, nil)
		e.Happen(&Event{Kind: SlowEvent, Op: 2, Factor: 30})
		drive(e, 30, rps, nil)
		var cpu, failed, offered float64
		drive(e, 200, rps, func(st *State) {
			if st.Window > 0 {
				cpu += st.Services[0].CPUUsedMillis * float64(st.Window) / 200
				failed += st.Endpoints[0].Failed
				offered += st.Endpoints[0].Offered
			}
		})
		e.Happen(&Event{Kind: SlowEvent, Op: 2, Factor: 1})
		drive(e, 60, rps, nil)
		var after float64
		drive(e, 60, rps, func(st *State) {
			if st.Window > 0 {
				after += st.Services[0].CPUUsedMillis * float64(st.Window) / 60
				if st.Endpoints[0].Failed > 0 {
					t.Errorf("%s: %v failed after it", e.name, st.Endpoints[0].Failed)
				}
			}
		})
		// 36 workers, each held for 300 ms and some more: at most 120 of 300 requests/s, 600 m of 1500 m. Requests that give up free
		// their workers sooner, which the request-level engine alone knows.
		if cpu < 500 || cpu > 850 {
			t.Errorf("%s: CPU of the first caller is %v m, want 500 to 850", e.name, cpu)
		}
		within(t, e.name+": and after", after, 1500, 75)
		shown[i] = [3]float64{cpu, failed / offered, after}
	}
	within(t, "CPU, fluid and des", shown[0][0], shown[1][0], 0.3*shown[1][0])
	within(t, "share that fails, fluid and des", shown[0][1], shown[1][1], 0.12)
}

// Events change engines without allocating in the steps that follow.
func TestStepAfterEventsAllocatesNothing(t *testing.T) {
	app := testApp(t, "", testService("a", "startup: {fixed_s: 5}, grace_s: 300, warmup: {cpu_ms: 1e6}, removal: {lag_s: 300}", "{name: get, cpu_ms: 1, wait_ms: 5}"))
	e := bothEngines(t, app)[0]
	if err := e.Reset(1, []int{8}); err != nil {
		t.Fatal(err)
	}
	e.Happen(&Event{Kind: RolloutEvent, Surge: 0.5})
	e.Happen(&Event{Kind: SlowEvent, Op: 0, Factor: 3})
	drive(e, 20, 10, nil)
	load := TickLoad{[]float64{10}, []float64{10}}
	if n := testing.AllocsPerRun(100, func() { e.Step(load) }); n != 0 {
		t.Errorf("%v allocations a step", n)
	}
	if v := e.State().Services[0]; v.Terminating != 8 || v.Ready != 8 || v.FailedRPS == 0 {
		t.Errorf("%+v", v)
	}
}

const eventScenario = `format: 1
name: s
unit: rps
length_s: 300
warmup_s: 60
phases:
  - {start_s: 0, level: 10}
events:
  - {at_s: 100, slow: tail.get, factor: 30, for_s: 60}
  - {at_s: 40, rollout: middle, surge: 0.5, unavailable: 0}
`

// A scenario's events happen at their times in a session, also in one that begins after them.
func TestScenarioEvents(t *testing.T) {
	app := chainOf(t, "")
	sc, err := DecodeScenario(strings.NewReader(eventScenario), "test")
	if err != nil {
		t.Fatal(err)
	}
	src, err := NewScenarioSource(sc, app)
	if err != nil {
		t.Fatal(err)
	}
	var ep Episode
	if err := src.Episode(1, &ep); err != nil {
		t.Fatal(err)
	}
	want := []Event{{Tick: 100, Service: 1, Surge: 0.5}, {Tick: 160, Kind: SlowEvent, Op: 2, Factor: 30}, {Tick: 220, Kind: SlowEvent, Op: 2, Factor: 1}}
	if fmt.Sprint(ep.Events) != fmt.Sprint(want) {
		t.Fatalf("%+v, want %+v", ep.Events, want)
	}
	for _, from := range []int{0, 195} {
		s, err := NewSession(app, bothEngines(t, app)[1].Engine, DefaultMetricsConfig(), DefaultRewardConfig())
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Start(1, &ep, from, nil); err != nil {
			t.Fatal(err)
		}
		oldest := int64(-1)
		for !s.Done() {
			s.Advance()
			at := s.Tick()
			if ms := s.MeanLatencyMs(); (ms > 200) != (at > 165 && at <= 225) {
				t.Errorf("from %d: %v ms in the interval that ends at tick %d", from, ms, at)
			}
			oldest = s.engine.(PodLister).Pods(nil)[ep.Initial[0]].ID
		}
		if replaced := oldest >= int64(ep.Initial[0]+ep.Initial[1]+ep.Initial[2]); replaced != (from == 0) {
			t.Errorf("from %d: the oldest pod of the second service is %d", from, oldest)
		}
	}
	ep.Events = []Event{{Tick: 100, Kind: SlowEvent, Op: 9}}
	s, _ := NewSession(app, bothEngines(t, app)[0].Engine, DefaultMetricsConfig(), DefaultRewardConfig())
	if err := s.Start(1, &ep, 0, nil); err == nil || !strings.Contains(err.Error(), "slow operation 9 of 3") {
		t.Error(err)
	}
	ep.Events = []Event{{Tick: 100, Kind: SlowEvent, Op: 2, Factor: 1}, {Tick: 95, Kind: SlowEvent, Op: 2, Factor: 1}}
	if err := s.Start(1, &ep, 0, nil); err == nil || !strings.Contains(err.Error(), "in order") {
		t.Error(err)
	}
}

func TestEventMistakes(t *testing.T) {
	app := chainOf(t, "")
	for _, tc := range []struct{ name, event, want string }{
		{"neither", "{at_s: 100}", "events[0].at_s: an event is one of"},
		{"both", "{at_s: 100, rollout: middle, slow: tail.get, factor: 2}", "events[0].at_s: an event is one of"},
		{"within a window", "{at_s: 101, rollout: middle}", "events[0].at_s: must be a multiple of 5 from 0 to below length_s (300), found 101"},
		{"late", "{at_s: 300, rollout: middle}", "events[0].at_s: must be a multiple of 5"},
		{"not a number", "{at_s: .nan, rollout: middle}", "events[0].at_s: .nan is not a finite number"},
		{"surge", "{at_s: 100, rollout: middle, surge: 25}", "events[0].surge: must be a share of the replicas from 0 to 1, found 25"},
		{"surge of slow", "{at_s: 100, slow: tail.get, factor: 2, surge: 1}", "events[0].surge: belongs to a rollout"},
		{"no factor", "{at_s: 100, slow: tail.get}", "events[0].factor: must be above 0"},
		{"factor", "{at_s: 100, rollout: middle, factor: 2}", "events[0].factor: belongs to slow"},
		{"length", "{at_s: 100, slow: tail.get, factor: 2, for_s: 7}", "events[0].for_s: must be a multiple of 5"},
		{"length of a rollout", "{at_s: 100, rollout: middle, for_s: 10}", "events[0].for_s"},
		{"service", "{at_s: 100, rollout: muddle}", `events[0].rollout: application test has no service "muddle"`},
		{"operation", "{at_s: 100, slow: tail.put, factor: 2}", `events[0].slow: application test has no operation "tail.put"`},
		{"no wait", "{at_s: 100, slow: front.get, factor: 2}", "front.get waits for nothing"},
		{"unknown key", "{at_s: 100, rollout: middle, pause: 1}", "pause"},
	} {
		text := eventScenario[:strings.Index(eventScenario, "  - {at_s")] + "  - " + tc.event + "\n"
		sc, err := DecodeScenario(strings.NewReader(text), "test")
		if err == nil {
			_, err = NewScenarioSource(sc, app)
		}
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		}
	}
}
