package sim

import (
	"math"
	"strings"
	"testing"
)

// A removed pod that balancers go on sending to fails its share of the requests, unless its preStop hook lets it serve them.
func TestRemovedPodIsSentToForAWhile(t *testing.T) {
	for _, tc := range []struct {
		removal string
		failed  float64 // of 100 requests/s, from one of two pods, or two of three
	}{
		{"", 0},
		{", removal: {lag_s: 0}", 0},
		{", removal: {}", 50}, // for 1 s
		{", removal: {lag_s: 4}", 200},
		{", removal: {lag_s: 4, pre_stop_s: 3}", 50},
		{", removal: {lag_s: 4, pre_stop_s: 4}", 0},
		{", removal: {lag_s: 4, pre_stop_s: 10}", 0},
	} {
		app := testApp(t, "", testService("a", "cpu_limit_m: 1000, grace_s: 20"+tc.removal, "{name: get, cpu_ms: 1, calls: [{op: b.get}]}"), testService("b", "", "{name: get, cpu_ms: 1}"))
		for _, e := range bothEngines(t, app) {
			if err := e.Reset(1, []int{2, 2}); err != nil {
				t.Fatal(err)
			}
			drive(e, 10, 100, nil)
			if r := e.Scale(ScaleRequest{Replicas: 1, Pool: AnyPool}); r.Removed != 1 {
				t.Fatalf("%+v", r)
			}
			failed, refused, below, offered := 0.0, 0.0, 0.0, 0.0
			drive(e, 20, 100, func(st *State) {
				if w := float64(st.Window); w > 0 {
					failed += st.Endpoints[0].Failed
					offered += st.Endpoints[0].Offered
					refused += st.Services[0].FailedRPS * w
					below += st.Services[1].ServedRPS * w
				}
			})
			within(t, e.name+tc.removal+": requests failed", failed, tc.failed, 1e-6+0.01*tc.failed)
			within(t, e.name+tc.removal+": visits refused", refused, tc.failed, 1e-6+0.01*tc.failed)
			within(t, e.name+tc.removal+": visits of the next service", below, offered-tc.failed, 3) // the last are on their way
			if v := e.State().Services[0]; v.Terminating != 0 || v.Ready != 1 {
				t.Errorf("%s%s: %+v", e.name, tc.removal, v)
			}
		}
	}
}

// While it is sent to and takes visits a removed pod does its share of the work.
func TestRemovedPodServesUntilItStops(t *testing.T) {
	app := testApp(t, "", testService("a", "grace_s: 30, removal: {lag_s: 20, pre_stop_s: 20}", "{name: get, cpu_ms: 5, dist: exponential, cv: 1}"))
	for _, e := range bothEngines(t, app) {
		if err := e.Reset(1, []int{2}); err != nil {
			t.Fatal(err)
		}
		drive(e, 10, 200, nil)
		e.Scale(ScaleRequest{Replicas: 1, Pool: AnyPool})
		used := map[PodPhase]float64{}
		drive(e, 15, 200, func(st *State) {
			if st.Window > 0 {
				for _, p := range e.pods() {
					used[p.Phase] += p.CPUUsedMillis * float64(st.Window) / 15
				}
			}
		})
		within(t, e.name+": CPU of the pod that stays", used[PodReady], 500, 20)
		within(t, e.name+": CPU of the removed pod", used[PodTerminating], 500, 20)
		drive(e, 5, 200, nil)
		drive(e, 5, 100, func(st *State) { // alone
			if st.Window > 0 {
				within(t, e.name+": CPU after", st.Services[0].CPUUsedMillis, 500, 60)
			}
		})
	}
}

// What a removed pod has inside and cannot answer within its grace fails when that is over: of visits that take X, the rate times E[(X-g)+].
func TestStrandedRequestsFail(t *testing.T) {
	for _, tc := range []struct {
		op, more string
		graceS   float64
		want     float64 // E[(X-g)+] in s
	}{
		{"wait_ms: 20000, wait_dist: deterministic", "", 12, 8},
		{"wait_ms: 20000, wait_dist: deterministic", "", 21, 0},
		{"wait_ms: 20000, wait_cv: 1", "", 10, 11.27},
		{"wait_ms: 20000, wait_cv: 0.5", "", 30, 0.985},
		{"wait_ms: 20000, wait_dist: deterministic", ", removal: {lag_s: 5, pre_stop_s: 5}", 17, 8}, // 12 s after the last visit came
	} {
		app := testApp(t, ", timeout_ms: 1000000", testService("a", "grace_s: 9999"+tc.more, "{name: get, "+tc.op+"}"))
		app.Services[0].Grace = seconds(tc.graceS)
		for _, e := range bothEngines(t, app) {
			const pods, rate = 20, 40.0 // two a second for each
			if err := e.Reset(1, []int{pods + pods}); err != nil {
				t.Fatal(err)
			}
			drive(e, 200, 2*rate, nil)
			e.Scale(ScaleRequest{Replicas: pods, Pool: AnyPool})
			failed, first, second := 0.0, 0, 0
			drive(e, 100, 2*rate, func(st *State) {
				second++
				if st.Window > 0 && st.Endpoints[0].Failed > 0 {
					if failed += st.Endpoints[0].Failed; first == 0 {
						first = second
					}
				}
			})
			want := tc.want * rate
			within(t, e.name+": "+tc.op+tc.more+": failed", failed, want, 1e-6+0.02*want+4*math.Sqrt(want)*math.Min(1, tc.want)) // arrivals are even, waits are drawn
			if want > 0 && (float64(first) < tc.graceS || float64(first) > tc.graceS+5) {
				t.Errorf("%s: %s: failed after %d s, grace is %v s", e.name, tc.op, first, tc.graceS)
			}
		}
	}
}

func TestRemovalMistakes(t *testing.T) {
	for _, tc := range []struct{ more, want string }{
		{"grace_s: 3, removal: {lag_s: 4}", "services[0].removal.lag_s: 4 is beyond grace_s (3)"},
		{"grace_s: 0, removal: {}", "services[0].removal.lag_s: 1 is beyond grace_s (0)"},
		{"removal: {pre_stop_s: 31}", "services[0].removal.pre_stop_s: 31 is beyond grace_s (30)"},
		{"removal: {lag_s: -1}", "services[0].removal.lag_s: must be at least 0, found -1"},
		{"removal: {lag: 1}", "lag"},
		{"warmup: {cpu_ms: -1}", "services[0].warmup.cpu_ms: must be at least 0, found -1"},
	} {
		text := "format: 1\nname: test\nservices:\n" + testService("a", tc.more, "{name: get, cpu_ms: 1}") +
			"endpoints:\n  - {name: get, op: a.get, weight: 1, slo_ms: 100}\npools:\n  - {name: p, nodes: 1, cpu_m: 1000, mem_mib: 1000, price_per_core_hour: 1}\n"
		if _, err := decodeText(text); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", tc.more, err, tc.want)
		}
	}
}
