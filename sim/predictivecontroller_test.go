package sim

import (
	"strings"
	"testing"
	"time"

	"github.com/grlscaler/grlscaler/sim/hpa"
	"github.com/grlscaler/grlscaler/sim/keda"
	"github.com/grlscaler/grlscaler/sim/predictive"
)

// On a ramp the line through the last counts is ahead of what metrics give: more replicas earlier than an HPA of the same target,
// and never outside of the bounds.
func TestPredictiveIsAheadOnARamp(t *testing.T) {
	app, err := decodeText(zeroYAML)
	if err != nil {
		t.Fatal(err)
	}
	one := int32(1)
	metrics := []hpa.MetricSpec{{Type: hpa.ResourceMetric, Resource: hpa.CPU, Target: hpa.Target{Type: hpa.UtilizationTarget, AverageUtilization: 50}}}
	plain, err := NewHPA("hpa", predictive.HPAConfig(), func(*App, int) *hpa.Spec {
		return &hpa.Spec{Name: "web", MinReplicas: &one, MaxReplicas: 10, Metrics: metrics}
	})
	if err != nil {
		t.Fatal(err)
	}
	ahead, err := NewPredictive("phpa", predictive.HPAConfig(), func(*App, int) *PredictiveSpec {
		return &PredictiveSpec{Metrics: metrics, Rules: predictive.Spec{Name: "web", MinReplicas: &one, MaxReplicas: 10,
			Models: []predictive.ModelSpec{{Type: predictive.LinearModel, Name: "line", Linear: &predictive.Linear{LookAhead: time.Minute, HistorySize: 6}}}}}
	})
	if err != nil {
		t.Fatal(err)
	}
	run := func(c Controller) *kedaRecorder {
		engine, err := NewFluid(app, FluidOptions{FitVisits: 1e4})
		if err != nil {
			t.Fatal(err)
		}
		ep := Episode{Name: "ramp", Ticks: 900, Needed: make([]int, 900/WindowTicks), Initial: []int{1}}
		for at := range ep.Ticks {
			ep.RPS = append(ep.RPS, 10+0.2*float64(at))
		}
		rec := &kedaRecorder{}
		if err := RunController(app, engine, &ep, c, 1, MetricsConfig{}, rec); err != nil {
			t.Fatal(err)
		}
		return rec
	}
	a, b := run(ahead), run(plain)
	more := 0
	for i := range a.want {
		if a.want[i] < 1 || a.want[i] > 10 {
			t.Fatalf("%d replicas", a.want[i])
		}
		if a.want[i] > b.want[i] {
			more++
		}
		if i > 10 && a.want[i] < b.want[i] {
			t.Errorf("decision %d: %d replicas, the HPA has %d", i, a.want[i], b.want[i])
		}
	}
	if more < len(a.want)/4 {
		t.Errorf("ahead at only %d of %d decisions:\n%v\n%v", more, len(a.want), a.want, b.want)
	}
	if all := strings.Join(a.reasons, "\n"); !strings.Contains(all, "by predictive; metrics give ") || !strings.Contains(all, ", with the models ") {
		t.Errorf("reasons:\n%s", all)
	}
}

// The rule that fired last holds, from a start on the calendar, and from before it: of 08:00 on Monday until 08:05, then of 08:05.
func TestScheduleFollowsTheCalendar(t *testing.T) {
	app, err := decodeText(zeroYAML)
	if err != nil {
		t.Fatal(err)
	}
	rules, err := keda.NewSchedule("UTC", []keda.ScheduleRule{{Cron: "0 8 * * 1", Replicas: 6}, {Cron: "5 8 * * 1", Replicas: 3}})
	if err != nil {
		t.Fatal(err)
	}
	c := NewSchedule("schedule", time.Date(2024, time.January, 1, 7, 59, 0, 0, time.UTC), map[string]*keda.Schedule{"web": rules})
	if err := c.Reset(app, 1); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		at   time.Duration
		want int
	}{{0, 3}, {59 * time.Second, 3}, {time.Minute, 6}, {5*time.Minute + 59*time.Second, 6}, {6 * time.Minute, 3}} {
		v := &View{At: tc.at, Services: []ServiceView{{Spec: 1}}}
		got, err := c.Decide(v, nil)
		if err != nil || len(got) != 1 || got[0].Replicas != tc.want {
			t.Errorf("after %v: %+v, %v; want %d", tc.at, got, err, tc.want)
		}
	}
	if err := NewSchedule("schedule", time.Time{}, map[string]*keda.Schedule{"shop": rules}).Reset(app, 1); err == nil || !strings.Contains(err.Error(), `no service "shop"`) {
		t.Errorf("a service that is not there: %v", err)
	}
}
