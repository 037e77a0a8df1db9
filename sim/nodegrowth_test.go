package sim

import (
	"strings"
	"testing"
	"time"
)

const growing = "{name: p, nodes: 1, cpu_m: 100, mem_mib: 1000, price_per_core_hour: 1, autoscale: {max: 4, delay_s: 60, idle_s: 30}}"

// Pods that find no room order nodes, as many as they need; these are there after the delay, no sooner, and the pods start then. Nodes
// beyond the least go when they have been empty for long enough.
func TestNodesComeForPendingPods(t *testing.T) {
	app := testAppOn(t, "", growing, testService("a", "startup: {fixed_s: 5}, grace_s: 2, replicas: {min: 1, max: 60}", "{name: get, cpu_ms: 1}"))
	for _, e := range bothEngines(t, app) {
		if err := e.Reset(1, []int{8}); err != nil {
			t.Fatal(err)
		}
		nodes := func() (n int) {
			for _, x := range e.State().Nodes {
				if x.CPUMillis > 0 {
					n++
				}
			}
			return n
		}
		v := &e.State().Services[0]
		expect := func(at time.Duration, wantNodes, ready, starting, pending int) {
			t.Helper()
			if st := e.State(); st.At != at {
				t.Fatalf("%s: it is %v, not %v", e.name, st.At, at)
			}
			if nodes() != wantNodes || v.Ready != ready || v.Starting != starting || v.Pending != pending {
				t.Errorf("%s at %v: %d nodes, %+v; want %d nodes, %d ready, %d starting, %d pending", e.name, at, nodes(), *v, wantNodes, ready, starting, pending)
			}
		}
		drive(e, 10, 10, nil)
		expect(10*time.Second, 1, 8, 0, 0)
		e.Scale(ScaleRequest{Replicas: 15, Pool: AnyPool}) // 10 fit a node
		expect(10*time.Second, 1, 8, 2, 5)
		drive(e, 20, 10, nil)
		e.Scale(ScaleRequest{Replicas: 22, Pool: AnyPool}) // room for 5 of them is on its way
		drive(e, 39, 10, nil)
		expect(69*time.Second, 1, 10, 0, 12)
		drive(e, 1, 10, nil)
		expect(70*time.Second, 2, 10, 10, 2)
		drive(e, 20, 10, nil)
		expect(90*time.Second, 3, 20, 2, 0)
		drive(e, 5, 10, nil)
		expect(95*time.Second, 3, 22, 0, 0)
		e.Scale(ScaleRequest{Replicas: 60, Pool: AnyPool}) // more than four nodes hold
		drive(e, 65, 10, nil)
		expect(160*time.Second, 4, 40, 0, 20)
		e.Scale(ScaleRequest{Replicas: 4, Pool: AnyPool})
		drive(e, 2, 10, nil)
		st := e.State()
		spare := 0 // nodes that may go
		for n := 1; n < len(st.Nodes); n++ {
			if st.Nodes[n].Pods == 0 {
				spare++
			}
		}
		drive(e, 29, 10, nil)
		if nodes() != 4 {
			t.Errorf("%s: %d nodes before they were idle for 30 s", e.name, nodes())
		}
		drive(e, 1, 10, nil)
		if nodes() != 4-spare || v.Ready != 4 {
			t.Errorf("%s: %d nodes, %d ready; %d were empty", e.name, nodes(), v.Ready, spare)
		}
		if err := e.Reset(1, []int{8}); err != nil || nodes() != 1 {
			t.Errorf("%s: %d nodes after Reset, %v", e.name, nodes(), err)
		}
	}
}

// A pool that no node of could hold the pod is not asked; the first that could is.
func TestNodesOfTheFirstPoolThatFits(t *testing.T) {
	pools := "{name: small, nodes: 1, cpu_m: 15, mem_mib: 1000, price_per_core_hour: 1, autoscale: {max: 3, delay_s: 0}}\n" +
		"  - {name: large, nodes: 1, cpu_m: 40, mem_mib: 1000, price_per_core_hour: 1, autoscale: {max: 3, delay_s: 10}}\n" +
		"  - {name: more, nodes: 1, cpu_m: 40, mem_mib: 1000, price_per_core_hour: 1, autoscale: {max: 3, delay_s: 5}}"
	app := testAppOn(t, "", pools, testService("a", "replicas: {min: 1, max: 9}, cpu_limit_m: 20", "{name: get, cpu_ms: 1}"))
	app.Services[0].CPURequestMillis = 20
	for _, e := range bothEngines(t, app) {
		if err := e.Reset(1, []int{4}); err != nil {
			t.Fatal(err)
		}
		e.Scale(ScaleRequest{Replicas: 7, Pool: AnyPool})
		drive(e, 11, 1, nil)
		for n, want := range []float64{15, 0, 0, 40, 40, 40, 40, 0, 0} {
			if got := e.State().Nodes[n].CPUMillis; got != want {
				t.Errorf("%s: node %d has %v m, want %v", e.name, n, got, want)
			}
		}
	}
}

func TestAutoscaleMistakes(t *testing.T) {
	for _, tc := range []struct{ autoscale, want string }{
		{"{max: 0, delay_s: 1}", "pools[0].autoscale.max: must be at least nodes (1), found 0"},
		{"{max: 3}", "pools[0].autoscale.delay_s: missing"},
		{"{max: 3, delay_s: -1}", "pools[0].autoscale.delay_s: must be at least 0, found -1"},
		{"{max: 3, delay_s: 1, idle_s: .nan}", "pools[0].autoscale.idle_s: .nan is not a finite number"},
		{"{max: 9999, delay_s: 1}", "at most 5000 are supported"},
		{"{max: 3, delay_s: 1, min: 1}", "min"},
	} {
		text := strings.Replace(growingText(), "{max: 4, delay_s: 60, idle_s: 30}", tc.autoscale, 1)
		if _, err := decodeText(text); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", tc.autoscale, err, tc.want)
		}
	}
	if _, err := decodeText(growingText()); err != nil {
		t.Error(err)
	}
}

func growingText() string {
	return "format: 1\nname: test\nservices:\n" + testService("a", "", "{name: get, cpu_ms: 1}") +
		"endpoints:\n  - {name: get, op: a.get, weight: 1, slo_ms: 100}\npools:\n  - " + growing + "\n"
}
