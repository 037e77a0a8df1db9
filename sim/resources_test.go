package sim

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"
)

// An evicted pod serves no more from then on, ends within its grace, and its successor, which has the template's resources, starts as any
// pod does: it is ready after the 10 s that its start takes. Both engines do the same to the same pods.
func TestEvictedPodsStartAgain(t *testing.T) {
	app := testApp(t, "", testService("a", "startup: {fixed_s: 10}, grace_s: 3", "{name: get, cpu_ms: 1}"))
	to := PodResources{20, 2000, 3, 4}
	var logs [2]string
	for i, e := range bothEngines(t, app) {
		if err := e.Reset(1, []int{4}); err != nil {
			t.Fatal(err)
		}
		drive(e, 7, 10, nil)
		gone := e.pods()[1].ID
		r := e.Scale(ScaleRequest{Replicas: KeepReplicas, Pool: AnyPool, Pods: &PodChanges{Template: to, Evict: []int64{gone, gone, 4711}}})
		if want := (ScaleResult{TemplateChanged: true, Evicted: 1}); r != want {
			t.Errorf("%s: %+v, want %+v", e.name, r, want)
		}
		for second := range 14 {
			v, ready := &e.State().Services[0], 3
			if second >= 10 {
				ready = 4
			}
			if v.Ready != ready || v.Ready+v.Starting != 4 || v.Spec != 4 {
				t.Errorf("%s: after %d s %+v, want %d ready of 4", e.name, second, *v, ready)
			}
			drive(e, 1, 10, nil)
			logs[i] += fmt.Sprintln(second, slices.ContainsFunc(e.pods(), func(p PodInfo) bool { return p.ID == gone }), e.State().Services[0].RequestMillis)
		}
		own, changed := 0, 0
		for _, p := range e.pods() {
			switch p.PodResources {
			case to:
				changed++
			case PodResources{10, 1000, 1, 1}:
				own++
			}
		}
		if v := e.State().Services[0]; own != 3 || changed != 1 || v.RequestMillis != 12.5 || v.MemRequestMiB != 1.5 || v.QuotaMillis != 1250 {
			t.Errorf("%s: %d pods as they were and %d others; %+v", e.name, own, changed, v)
		}
		e.Scale(ScaleRequest{Replicas: 5, Pool: AnyPool})
		if last := e.pods()[4]; last.PodResources != to {
			t.Errorf("%s: a pod that is added later has %+v", e.name, last)
		}
		if err := e.Reset(1, []int{4}); err != nil || e.State().Services[0].QuotaMillis != 1000 || e.pods()[3].LimitMillis != 1000 {
			t.Errorf("%s: after Reset %+v, %v", e.name, e.State().Services[0], err)
		}
	}
	if logs[0] != logs[1] {
		t.Errorf("the engines differ:\n%s\n%s", logs[0], logs[1])
	}
}

// Evicted during a rolling update, old pods are replaced by new ones, and the update ends as it would.
func TestEvictionDuringARollout(t *testing.T) {
	app := testApp(t, "", testService("a", "startup: {fixed_s: 10}, grace_s: 3", "{name: get, cpu_ms: 1}"))
	for _, e := range bothEngines(t, app) {
		if err := e.Reset(1, []int{8}); err != nil {
			t.Fatal(err)
		}
		e.Happen(&Event{Kind: RolloutEvent, Surge: 0.25})
		drive(e, 2, 10, nil)
		e.Scale(ScaleRequest{Replicas: KeepReplicas, Pool: AnyPool, Pods: &PodChanges{Evict: []int64{0, 1, 2}}})
		drive(e, 60, 10, func(st *State) {
			if v := &st.Services[0]; v.Ready+v.Starting > 10 || v.Ready < 5 {
				t.Errorf("%s at %v: %+v", e.name, st.At, *v)
			}
		})
		if v := e.State().Services[0]; v.Ready != 8 || v.Starting+v.Terminating != 0 || e.pods()[0].ID < 8 {
			t.Errorf("%s: at the end %+v, first pod %d", e.name, v, e.pods()[0].ID)
		}
	}
}

// A pod is resized where its node has room, and stays as it is where there is none. What it may use is its own from then on: two replicas
// with limits of 100 and 400 m complete 500 m / 5 ms = 100 requests/s of an overload, whichever was which before.
func TestResizeInPlace(t *testing.T) {
	app := testAppOn(t, ", timeout_ms: 60000", "{name: p, nodes: 1, cpu_m: 1000, mem_mib: 100, price_per_core_hour: 1}",
		testService("a", "cpu_limit_m: 250, workers: 8", "{name: get, cpu_ms: 5}"))
	for _, e := range bothEngines(t, app) {
		if err := e.Reset(1, []int{2}); err != nil {
			t.Fatal(err)
		}
		ask := func(to PodResources, id int64) ScaleResult {
			return e.Scale(ScaleRequest{Replicas: KeepReplicas, Pool: AnyPool, Pods: &PodChanges{Template: to, Resize: []int64{id}}})
		}
		for _, full := range []PodResources{{991, 991, 1, 1}, {10, 400, 99.5, 99.5}} {
			if r := ask(full, 0); r.Resized != 0 || e.pods()[0].LimitMillis != 250 {
				t.Errorf("%s: %+v on a full node: %+v", e.name, full, r)
			}
		}
		ask(PodResources{990, 400, 99, 99}, 0)
		if n := e.State().Nodes[0]; n.CPURequestedM != 1000 || n.MemRequestedMiB != 100 {
			t.Errorf("%s: the node holds %+v", e.name, n)
		}
		ask(PodResources{10, 100, 1, 1}, 1)
		served, seconds := 0.0, 0.0
		drive(e, 60, 400, func(st *State) {
			if st.Window > 0 && st.At > 10*time.Second {
				served += st.Services[0].ServedRPS * float64(st.Window)
				seconds += float64(st.Window)
			}
		})
		if rps := served / seconds; math.Abs(rps-100) > 3 {
			t.Errorf("%s: %v requests/s are served, want 100", e.name, rps)
		}
	}
}

// What one says of pods is checked before anything is done.
func TestPodResourcesAreChecked(t *testing.T) {
	for _, r := range []PodResources{{-1, 1, 1, 1}, {2, 1, 1, 1}, {1, 1, 2, 1}, {1, 1, 0, 1}, {1, math.Inf(1), 1, 1}, {math.NaN(), 1, 1, 1}} {
		if r.valid() {
			t.Errorf("%+v is valid", r)
		}
	}
	if !(PodResources{}).valid() || !(PodResources{1, 1, 1, 1}).valid() {
		t.Error("nothing, or requests at their limits, are refused")
	}
}
