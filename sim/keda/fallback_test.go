package keda

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/grlscaler/grlscaler/sim/hpa"
)

// TestFallbackValue: the metric is target * replicas, for a Value target divided by the ready replicas (documentation,
// "fallback" and "fallback.behavior").
func TestFallbackValue(t *testing.T) {
	for _, c := range []struct {
		name       string
		behavior   FallbackBehavior
		metricType hpa.TargetType
		threshold  float64
		current    int32
		ready      int32
		want       int64 // thousandths, for 6 replicas
		wantErr    error
	}{
		{"static is the default", "", "", 100, 2, 2, 600_000, nil},
		{"static", FallbackStatic, hpa.AverageValueTarget, 100, 9, 9, 600_000, nil},
		{"a target with a fraction", FallbackStatic, hpa.AverageValueTarget, 0.25, 2, 2, 1500, nil},
		{"current", FallbackCurrentReplicas, hpa.AverageValueTarget, 100, 9, 1, 900_000, nil},
		{"current if higher, and it is", FallbackCurrentReplicasIfHigher, hpa.AverageValueTarget, 100, 9, 1, 900_000, nil},
		{"current if higher, and it is not", FallbackCurrentReplicasIfHigher, hpa.AverageValueTarget, 100, 3, 1, 600_000, nil},
		{"current if lower, and it is", FallbackCurrentReplicasIfLower, hpa.AverageValueTarget, 100, 3, 1, 300_000, nil},
		{"current if lower, and it is not", FallbackCurrentReplicasIfLower, hpa.AverageValueTarget, 100, 9, 1, 600_000, nil},
		{"a Value target", FallbackStatic, hpa.ValueTarget, 100, 4, 4, 150_000, nil},
		{"a Value target, truncated", FallbackStatic, hpa.ValueTarget, 100, 7, 7, 85_714, nil}, // 85714.28...
		{"a Value target without ready replicas", FallbackStatic, hpa.ValueTarget, 100, 4, 0, 0, ErrNoReadyReplicas},
	} {
		t.Run(c.name, func(t *testing.T) {
			trigger := prometheus(c.threshold)
			trigger.MetricType = c.metricType
			e := newExecutor(t, Spec{Fallback: &Fallback{Replicas: 6, Behavior: c.behavior}, Triggers: []Trigger{trigger}}, epoch)
			in := &Inputs{At: epoch, Replicas: c.current, ReadyReplicas: c.ready, Readings: failed}
			data := e.Metrics(in, nil)
			if c.wantErr != nil {
				if len(data) != 1 || !errors.Is(data[0].Err, c.wantErr) || !errors.Is(data[0].Err, errSource) {
					t.Errorf("%+v, want %v", data, c.wantErr)
				}
				if d := e.Poll(in); d.Active || !d.Failed {
					t.Errorf("active though there is no fallback value: %s", d.Explain())
				}
				return
			}
			want := []hpa.MetricData{{ValuesMillis: []int64{c.want}}}
			if diff := cmp.Diff(want, data, cmpopts.EquateErrors()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if d := e.Poll(in); !d.Triggers[0].FallingBack || d.Triggers[0].Millis != c.want || d.Triggers[0].Err != nil || d.Failed {
				t.Errorf("poll: %+v", d.Triggers[0])
			}
		})
	}
}

// TestFallbackThreshold: it takes *more* than failureThreshold failures in a row, of polls and of the HPA's reads together;
// a success begins anew; triggers are counted apart.
func TestFallbackThreshold(t *testing.T) {
	e := newExecutor(t, Spec{Fallback: &Fallback{FailureThreshold: 3, Replicas: 5}, Triggers: []Trigger{prometheus(10), prometheus(20)}}, epoch)
	bad := func(err error) *Inputs {
		return &Inputs{At: epoch, Replicas: 2, Readings: []Reading{{Err: err}, {Value: 30}}}
	}
	read := func(want int64, failures int32) {
		t.Helper()
		data := e.Metrics(bad(errSource), nil)
		if fell := data[0].Err == nil; fell != (want != 0) || (fell && data[0].ValuesMillis[0] != want) {
			t.Errorf("first trigger: %+v, want %d", data[0], want)
		}
		if data[1].Err != nil || data[1].ValuesMillis[0] != 30_000 || e.Failures(1) != 0 {
			t.Errorf("second trigger: %+v, %d failures", data[1], e.Failures(1))
		}
		if e.Failures(0) != failures {
			t.Errorf("%d failures, want %d", e.Failures(0), failures)
		}
	}
	read(0, 1)
	e.Poll(bad(errSource))
	read(0, 3)
	read(50_000, 4)
	if d := e.Poll(bad(errSource)); d.Failed || d.Triggers[0].Failures != 5 {
		t.Errorf("fell back, but %+v", d.Triggers[0])
	}
	e.Poll(bad(nil))
	read(0, 1)
}

// TestMetricsWhereTheHPAReadsNone: nothing is asked and nothing counted at counts where an HPA sync reads no metrics, nor
// while there is no HPA.
func TestMetricsWhereTheHPAReadsNone(t *testing.T) {
	base := Spec{MinReplicaCount: ptr(int32(2)), MaxReplicaCount: ptr(int32(5)), Triggers: []Trigger{prometheus(10)}}
	for _, c := range []struct {
		name        string
		annotations Annotations
		replicas    int32
		want        int32 // failures counted
	}{
		{"at zero", Annotations{}, 0, 0},
		{"below the minimum", Annotations{}, 1, 0},
		{"at the minimum", Annotations{}, 2, 1},
		{"at the maximum", Annotations{}, 5, 1},
		{"above the maximum", Annotations{}, 6, 0},
		{"paused", Annotations{Paused: true}, 3, 0},
		{"paused at a count", Annotations{PausedReplicas: ptr(int32(3))}, 3, 0},
		{"paused in one direction", Annotations{PausedScaleIn: true}, 3, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := base
			s.Annotations = c.annotations
			e := newExecutor(t, s, epoch)
			data := e.Metrics(&Inputs{At: epoch, Replicas: c.replicas, Readings: failed}, nil)
			if len(data) != 1 || e.Failures(0) != c.want || (data[0].Err != nil) != (c.want > 0) {
				t.Errorf("%+v, %d failures, want %d", data, e.Failures(0), c.want)
			}
		})
	}
}

// TestMetricsOrder: metrics come in the order of the HPA's, which is not that of the triggers; resource metrics are left empty.
func TestMetricsOrder(t *testing.T) {
	s := Spec{Triggers: []Trigger{
		{Type: CPUTrigger, MetricType: hpa.UtilizationTarget, Resource: Resource{Utilization: 60}},
		prometheus(10),
		{Type: MemoryTrigger, MetricType: hpa.AverageValueTarget, Resource: Resource{AverageValueMillis: 1, ContainerName: "server"}},
		prometheus(20),
	}}
	e := newExecutor(t, s, epoch)
	first := []hpa.MetricData{{Err: hpa.ErrNoMetrics}} // of another object
	got := e.Metrics(&Inputs{At: epoch, Replicas: 1, Readings: []Reading{{Value: 1}, {Value: 2}, {Value: 3}, {Value: 4}}}, first)
	want := append(first, hpa.MetricData{}, hpa.MetricData{ValuesMillis: []int64{2000}}, hpa.MetricData{ValuesMillis: []int64{4000}}, hpa.MetricData{})
	if diff := cmp.Diff(want, got, cmpopts.EquateErrors()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestCachedMetrics: a trigger with useCachedMetrics reports to the HPA what the last poll found, and what it found before
// any poll is asked of the source.
func TestCachedMetrics(t *testing.T) {
	fresh, cached := prometheus(10), prometheus(10)
	cached.UseCachedMetrics = true
	e := newExecutor(t, Spec{Fallback: &Fallback{FailureThreshold: 1, Replicas: 5}, Triggers: []Trigger{fresh, cached}}, epoch)
	step := func(what string, poll bool, reading Reading, wantFresh, wantCached int64) {
		t.Helper()
		in := &Inputs{At: epoch, Replicas: 1, Readings: []Reading{reading, reading}}
		if poll {
			e.Poll(in)
			return
		}
		for i, data := range e.Metrics(in, nil) {
			want := []int64{wantFresh, wantCached}[i]
			if got := append(data.ValuesMillis, 0)[0]; got != want || (data.Err != nil) != (want == 0) {
				t.Errorf("%s, trigger %d: %+v, want %d", what, i, data, want)
			}
		}
	}
	step("before any poll", false, Reading{Value: 1}, 1000, 1000)
	step("poll", true, Reading{Value: 2}, 0, 0)
	step("after a poll", false, Reading{Value: 3}, 3000, 2000)
	step("the source fails between polls", false, Reading{Err: errSource}, 0, 2000)
	step("poll fails", true, Reading{Err: errSource}, 0, 0)
	if e.Failures(0) != 2 || e.Failures(1) != 1 {
		t.Errorf("failures %d and %d", e.Failures(0), e.Failures(1))
	}
	step("after a failed poll", false, Reading{Value: 4}, 4000, 0)
	step("poll fails again", true, Reading{Err: errSource}, 0, 0)
	step("after two failed polls", false, Reading{Value: 4}, 4000, 50_000)
}

func TestPrometheusReadings(t *testing.T) {
	for _, c := range []struct {
		name    string
		ignore  *bool
		reading Reading
		want    int64
		wantErr error
	}{
		{"a value", nil, Reading{Value: 1.5}, 1500, nil},
		{"rounded to thousandths", nil, Reading{Value: 1.0006}, 1001, nil},
		{"a negative value", nil, Reading{Value: -2}, -2000, nil},
		{"too large a value", nil, Reading{Value: 1e300}, math.MaxInt64, nil},
		{"too small a value", nil, Reading{Value: -1e300}, math.MinInt64, nil},
		{"an empty result is 0 by default", nil, Reading{NoValue: true, Value: 7}, 0, nil},
		{"so is NaN", nil, Reading{Value: math.NaN()}, 0, nil},
		{"so is an infinity", ptr(true), Reading{Value: math.Inf(1)}, 0, nil},
		{"an empty result, not ignored", ptr(false), Reading{NoValue: true}, 0, ErrNoValue},
		{"NaN, not ignored", ptr(false), Reading{Value: math.NaN()}, 0, ErrNoValue},
		{"an infinity, not ignored", ptr(false), Reading{Value: math.Inf(-1)}, 0, ErrNoValue},
		{"a failure", nil, Reading{Err: errSource, Value: 3}, 0, errSource},
	} {
		t.Run(c.name, func(t *testing.T) {
			trigger := prometheus(10)
			trigger.Prometheus.IgnoreNullValues = c.ignore
			e := newExecutor(t, Spec{Triggers: []Trigger{trigger}}, epoch)
			d := e.Poll(&Inputs{At: epoch, Readings: []Reading{c.reading}})
			r := d.Triggers[0]
			if r.Millis != c.want || !errors.Is(r.Err, c.wantErr) || d.Failed != (c.wantErr != nil) {
				t.Errorf("%+v; want %d, %v", r, c.want, c.wantErr)
			}
		})
	}
}

// TestCronMetric: inside its window a cron trigger reports its replicas, outside it one, against a target of 1 (upstream
// GetMetricsAndActivity of the cron scaler).
func TestCronMetric(t *testing.T) {
	for _, metricType := range []hpa.TargetType{"", hpa.ValueTarget} {
		trigger := Trigger{Type: CronTrigger, MetricType: metricType, Cron: Cron{"Etc/UTC", "0 10 * * *", "0 12 * * *", 8}}
		e := newExecutor(t, Spec{Triggers: []Trigger{trigger}}, epoch)
		for hour, want := range map[int]int64{9: 1000, 10: 8000, 11: 8000, 12: 1000} {
			at := time.Date(2026, 3, 2, hour, 0, 0, 0, time.UTC)
			data := e.Metrics(&Inputs{At: at, Replicas: 1, Readings: []Reading{{Err: errSource}}}, nil)
			if data[0].Err != nil || data[0].ValuesMillis[0] != want {
				t.Errorf("%d h: %+v, want %d", hour, data[0], want)
			}
		}
	}
}
