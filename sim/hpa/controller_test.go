package hpa

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// sync runs one sync of a workload whose status replicas are its spec replicas.
func sync(c *Controller, at time.Duration, replicas int32, v ...int64) Decision {
	return c.Sync(at, &Inputs{SpecReplicas: replicas, StatusReplicas: replicas, Metrics: values(v...)})
}

func mustNew(t testing.TB, s Spec, cfg Config) *Controller {
	t.Helper()
	c, err := New(s, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestControllerPaths: clamps to min and max read no metrics, obey no limits and leave no recommendation.
func TestControllerPaths(t *testing.T) {
	for _, tt := range []struct {
		name    string
		current int32
		values  []int64
		path    Path
		want    int32
		active  Condition
		metric  int
		err     error
	}{
		{"off at 0", 0, []int64{50, 50}, PathDisabled, 0, Condition{false, ScalingDisabled}, NoMetric, nil},
		{"above max", 30, []int64{50, 50}, PathAboveMax, 20, Condition{}, NoMetric, nil},
		{"below min", 1, []int64{50, 50}, PathBelowMin, 2, Condition{}, NoMetric, nil},
		{"largest wins", 5, []int64{6, 8}, PathMetrics, 8, Condition{true, ValidMetricFound}, 1, nil},
		{"all failed", 5, []int64{failure, failure}, PathFailed, 5, Condition{false, FailedGetExternalMetric}, NoMetric, ErrMetricsAPI},
		{"some failed, rest wants less", 5, []int64{4, failure}, PathFailed, 5, Condition{false, FailedGetExternalMetric}, 0, ErrMetricsAPI},
		{"some failed, rest wants more", 5, []int64{failure, 6}, PathMetrics, 6, Condition{true, ValidMetricFound}, 1, ErrMetricsAPI},
		{"some failed, rest wants the same", 5, []int64{failure, 5}, PathMetrics, 5, Condition{true, ValidMetricFound}, 1, ErrMetricsAPI},
		{"none wants any", 5, []int64{0, 0}, PathMetrics, 5, Condition{true, ValidMetricFound}, 1, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := mustNew(t, Spec{Name: "web", MinReplicas: ptr(int32(2)), MaxReplicas: 20, Metrics: external(2)}, DefaultConfig())
			d := sync(c, time.Minute, tt.current, tt.values...)
			if d.Path != tt.path || d.Desired != tt.want || d.ScalingActive != tt.active || d.Metric != tt.metric || !errors.Is(d.Err, tt.err) {
				t.Errorf("%+v", d)
			}
			stored := []Recommendation{{time.Minute, tt.current}}
			if tt.path == PathMetrics {
				stored = append(stored, Recommendation{time.Minute, d.Proposed})
			}
			if diff := cmp.Diff(stored, c.Recommendations(nil)); diff != "" {
				t.Errorf("recommendations (-want +got):\n%s", diff)
			}
			if d.Explain() == "" || d.Scaled() != (tt.want != tt.current) {
				t.Errorf("%q, scaled %v", d.Explain(), d.Scaled())
			}
		})
	}
}

// TestControllerHold: without behavior a fresh controller holds a scale-down for one window counted from its first sync. On an
// exact grid the recommendation at the window's edge still counts, with a behavior it does not: one sync earlier.
func TestControllerHold(t *testing.T) {
	for _, tt := range []struct {
		name     string
		behavior *Behavior
		period   time.Duration
		want     time.Duration // time of the scale-down
	}{
		{"no behavior", nil, 15 * time.Second, 315 * time.Second},
		{"behavior", &Behavior{}, 15 * time.Second, 300 * time.Second},
		{"no behavior, off the grid", nil, 15*time.Second + 20*time.Millisecond, 20 * (15*time.Second + 20*time.Millisecond)},
		{"behavior, off the grid", &Behavior{}, 15*time.Second + 20*time.Millisecond, 20 * (15*time.Second + 20*time.Millisecond)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := mustNew(t, Spec{MaxReplicas: 20, Metrics: external(1), Behavior: tt.behavior}, DefaultConfig())
			for at := time.Duration(0); at <= tt.want; at += tt.period {
				d := sync(c, at, 8, 3)
				if d.Scaled() != (at == tt.want) {
					t.Fatal(d.Explain())
				}
				if !d.Scaled() && (d.Stabilization != ScaleDownStabilized || d.Stabilized != 8 || d.Proposed != 3) {
					t.Fatalf("%+v", d)
				}
			}
		})
	}
}

// TestControllerReset: a restart of the controller forgets, and the hold begins anew with the present count.
func TestControllerReset(t *testing.T) {
	c := mustNew(t, Spec{MaxReplicas: 20, Metrics: external(1), Behavior: &Behavior{}}, DefaultConfig())
	sync(c, 0, 4, 16)
	if d := sync(c, time.Second, 8, 2); d.Stabilized != 8 { // 16 holds: nothing below 8
		t.Fatal(d.Explain())
	}
	// In the 15 s since the step from 4 to 8, policies start from 4: no further step up.
	if d := sync(c, 2*time.Second, 8, 16); d.Desired != 8 || d.ScalingLimited.Reason != ScaleUpLimit {
		t.Fatal(d.Explain())
	}
	c.Reset()
	if d := sync(c, 3*time.Second, 8, 16); d.Desired != 16 {
		t.Fatalf("events survived the reset: %s", d.Explain())
	}
	if diff := cmp.Diff([]Recommendation{{3 * time.Second, 8}, {3 * time.Second, 16}}, c.Recommendations(nil)); diff != "" {
		t.Errorf("recommendations (-want +got):\n%s", diff)
	}
}

// TestControllerEventsOfBothDirections: what was added is taken from what may be added, what was removed is given back
// (kubernetes/kubernetes#109058).
func TestControllerEventsOfBothDirections(t *testing.T) {
	spec := Spec{MaxReplicas: 100, Metrics: external(1), Behavior: &Behavior{
		ScaleUp:   &ScalingRules{Policies: []Policy{{PodsPolicy, 4, 60}}},
		ScaleDown: &ScalingRules{StabilizationWindowSeconds: ptr(int32(0)), Policies: []Policy{{PodsPolicy, 3, 60}}},
	}}
	c := mustNew(t, spec, DefaultConfig())
	replicas := int32(10)
	for i, step := range []struct {
		value int64
		want  int32 // start of the period -> bound
	}{
		{50, 14}, // 10 + 4
		{50, 14}, // 14 - 4 + 4
		{1, 7},   // 14 - 4 - 3: the step up is given back as well
		{50, 14}, // 7 - 4 + 7 + 4 = 14
		{1, 7},   // 14 - (4+7) + 7 - 3 = 7
	} {
		d := sync(c, time.Duration(i)*10*time.Second, replicas, step.value)
		if d.Desired != step.want {
			t.Fatalf("step %d: %s, want %d", i, d.Explain(), step.want)
		}
		replicas = d.Desired
	}
	// A minute after the last event none counts: 7 + 4.
	if d := sync(c, 100*time.Second, replicas, 50); d.Desired != 11 {
		t.Fatal(d.Explain())
	}
}

// TestControllerOverwrittenEvent: an event is stored for as long as its own direction's policies look back. Overwritten by the
// next one, it is missing in the other direction's limit although younger than that one's period, as in Kubernetes.
func TestControllerOverwrittenEvent(t *testing.T) {
	spec := Spec{MaxReplicas: 100, Metrics: external(1), Behavior: &Behavior{
		ScaleUp:   &ScalingRules{Policies: []Policy{{PodsPolicy, 1, 60}}},
		ScaleDown: &ScalingRules{StabilizationWindowSeconds: ptr(int32(0)), Policies: []Policy{{PodsPolicy, 5, 10}}},
	}}
	for _, tt := range []struct {
		name string
		next time.Duration // of the second step down
		want int32
	}{
		{"both stored", 10 * time.Second, 21},       // 10 + 10 + 1
		{"first overwritten", 11 * time.Second, 16}, // 10 + 5 + 1
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := mustNew(t, spec, DefaultConfig())
			sync(c, 0, 20, 1)
			sync(c, tt.next, 15, 1)
			if d := sync(c, 30*time.Second, 10, 50); d.Desired != tt.want {
				t.Errorf("%s, want %d", d.Explain(), tt.want)
			}
		})
	}
}

// TestControllerExplain fixes the words in which a decision explains itself.
func TestControllerExplain(t *testing.T) {
	pods, samples := servers(3, 90, 90, 90)
	spec := Set{CPUPercent: 20}.Spec("web", "server", 1, 7)
	spec.Metrics = append(spec.Metrics, external(1)...)
	c := mustNew(t, spec, DefaultConfig())
	in := Inputs{SpecReplicas: 3, StatusReplicas: 3, Pods: pods, Metrics: []MetricData{{Samples: samples}, values(2)[0]}}
	for _, tt := range []struct {
		at     time.Duration
		change func()
		want   string
	}{
		{0, func() {}, "0s: 3 -> 6 replicas: cpu of container server proposes 14 (90 % of the request, target 20 %), ScaleUpLimit at 6"},
		{15 * time.Second, func() { in.Metrics[1].Err = ErrMetricsAPI },
			"15s: 3 -> 6 replicas: cpu of container server proposes 14 (90 % of the request, target 20 %), ScaleUpLimit at 6; another metric failed (metrics API failed)"},
		{30 * time.Second, func() { in.Metrics[0].Err = ErrMetricsAPI }, "30s: 3 replicas kept: metrics failed (metrics API failed)"},
		{45 * time.Second, func() {
			in.Metrics[1] = values(2)[0]
			in.Metrics[0] = MetricData{Samples: samples[:0]}
			in.SpecReplicas = 2
		},
			"45s: 2 -> 4 replicas: External metric load proposes 2 (0.667 per pod, target 1), ScaleDownStabilized at 14, ScaleUpLimit at 4; another metric failed (no metrics returned)"},
		{60 * time.Second, func() { in.SpecReplicas = 8 }, "1m0s: 8 -> 7 replicas: above maxReplicas"},
		{75 * time.Second, func() { in.SpecReplicas = 0 }, "1m15s: 0 replicas kept: autoscaling is off at 0 replicas"},
	} {
		tt.change()
		d := c.Sync(tt.at, &in)
		if diff := cmp.Diff(tt.want, d.Explain()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

// TestControllerRefusesWrongData: one element of data per metric is the caller's duty.
func TestControllerRefusesWrongData(t *testing.T) {
	defer func() {
		if r := recover(); !strings.Contains(fmt.Sprint(r), "hpa: data for 1 metrics") {
			t.Errorf("recovered %v", r)
		}
	}()
	sync(mustNew(t, Spec{MaxReplicas: 3, Metrics: external(2)}, DefaultConfig()), 0, 1, 1)
}

// hotInputs are those of one service of n pods under an HPA on one container's CPU.
func hotInputs(tb testing.TB, n int) (*Controller, *Inputs) {
	pods, samples := servers(n, same(n, 70)...)
	c := mustNew(tb, Set{CPUPercent: 60}.Spec("web", "server", 1, 20), DefaultConfig())
	return c, &Inputs{SpecReplicas: int32(n), StatusReplicas: int32(n), Pods: pods, Metrics: []MetricData{{Samples: samples}}}
}

// TestSyncAllocatesNothing runs for longer than the window, so that recommendations are overwritten.
func TestSyncAllocatesNothing(t *testing.T) {
	c, in := hotInputs(t, 15)
	at := time.Duration(0)
	c.Sync(at, in)
	if allocs := testing.AllocsPerRun(200, func() {
		at += 15 * time.Second
		c.Sync(at, in)
	}); allocs != 0 {
		t.Errorf("%v allocations a sync", allocs)
	}
}

func BenchmarkSync(b *testing.B) {
	for _, n := range []int{1, 5, 20} {
		b.Run(fmt.Sprintf("pods=%d", n), func(b *testing.B) {
			c, in := hotInputs(b, n)
			b.ReportAllocs()
			at := time.Duration(0)
			for b.Loop() {
				at += 15 * time.Second
				c.Sync(at, in)
			}
			// One service under one HPA: how much simulated time a second of real time decides.
			b.ReportMetric(float64(b.N)*15/b.Elapsed().Seconds(), "sim-s/s")
		})
	}
}
