package predictive

import (
	"testing"
	"time"

	"github.com/grlscaler/grlscaler/sim/hpa"
	"pgregory.net/rapid"
)

// oneModel is a valid object.
func oneModel() Spec {
	return Spec{MaxReplicas: 20, Models: []ModelSpec{{Type: LinearModel, Name: "line", Linear: &Linear{LookAhead: 30 * second, HistorySize: 6}}}}
}

func rules(window int32, selection hpa.SelectPolicy, policies ...hpa.Policy) *hpa.ScalingRules {
	return &hpa.ScalingRules{StabilizationWindowSeconds: &window, SelectPolicy: selection, Policies: policies}
}

func pods(value, period int32) hpa.Policy {
	return hpa.Policy{Type: hpa.PodsPolicy, Value: value, PeriodSeconds: period}
}
func percent(value, period int32) hpa.Policy {
	return hpa.Policy{Type: hpa.PercentPolicy, Value: value, PeriodSeconds: period}
}

func TestSettle(t *testing.T) {
	type step struct {
		at              float64
		current, wanted int32
		want            int32
		limit           hpa.Reason
	}
	within := hpa.DesiredWithinRange
	free := pods(100, 1)
	for _, tc := range []struct {
		name     string
		minR     int32
		behavior *hpa.Behavior
		steps    []step
	}{
		{"up at once by 100 % or 4 pods in 60 s, by default", 1, nil, []step{
			{0, 2, 10, 6, hpa.ScaleUpLimit},     // 2 + 4 is more than 2 * 2
			{15, 6, 10, 6, hpa.ScaleUpLimit},    // used up: still from 2
			{59, 6, 10, 6, hpa.ScaleUpLimit},    //
			{60, 6, 10, 10, within},             // as old as the period counts no more; 6 * 2
			{120, 10, 30, 20, hpa.ScaleUpLimit}, // 10 * 2
			{200, 20, 30, 20, hpa.TooManyReplicas},
		}},
		{"down after 300 s, by default", 1, nil, []step{
			{0, 8, 8, 8, within}, {15, 8, 2, 8, within}, {299, 8, 2, 8, within}, {300, 8, 2, 2, within},
		}},
		{"the history does not begin with the replicas found", 1, nil, []step{{0, 8, 2, 2, within}}},
		{"between what was wanted the present count stays", 1, nil, []step{
			{0, 6, 6, 6, within}, {15, 4, 3, 4, within}, {30, 9, 3, 6, within}, // set by hand to 4 and 9
		}},
		{"what was wanted is remembered, not what was done", 1, nil, []step{
			{0, 2, 10, 6, hpa.ScaleUpLimit}, {70, 6, 3, 6, within}, {80, 12, 3, 10, within},
		}},
		{"up window", 1, &hpa.Behavior{ScaleUp: rules(60, "", free)}, []step{
			{0, 2, 2, 2, within}, {15, 2, 9, 2, within}, {59, 2, 9, 2, within}, {60, 2, 8, 8, within}, {75, 8, 12, 8, within},
		}},
		{"recorded times are whole seconds", 1, &hpa.Behavior{ScaleDown: rules(10, "", free)}, []step{
			{0.9, 8, 8, 8, within}, {9.9, 8, 2, 8, within}, {10, 8, 2, 2, within}, // 9.1 s later
		}},
		{"the least of several policies", 1, &hpa.Behavior{
			ScaleUp: rules(0, hpa.MinSelect, pods(3, 60), percent(50, 60)), ScaleDown: rules(0, hpa.MinSelect, pods(3, 60), percent(50, 60)),
		}, []step{
			{0, 10, 20, 13, hpa.ScaleUpLimit},    // 13 and 15
			{100, 13, 1, 10, hpa.ScaleDownLimit}, // 10 and 6
			{200, 3, 20, 5, hpa.ScaleUpLimit},    // 6 and ceil(4.5)
			{300, 5, 1, 2, hpa.ScaleDownLimit},   // 2 and int(2.5)
		}},
		{"the most of several policies", 1, &hpa.Behavior{
			ScaleUp: rules(0, "", pods(3, 60), percent(50, 60)), ScaleDown: rules(0, hpa.MaxSelect, pods(3, 60), percent(50, 60)),
		}, []step{
			{0, 10, 20, 15, hpa.ScaleUpLimit}, {100, 15, 1, 7, hpa.ScaleDownLimit}, // 12 and int(7.5)
		}},
		{"disabled", 1, &hpa.Behavior{ScaleUp: rules(0, hpa.DisabledSelect), ScaleDown: rules(0, hpa.DisabledSelect)}, []step{
			{0, 5, 9, 5, hpa.ScaleUpLimit}, {15, 5, 1, 5, hpa.ScaleDownLimit},
		}},
		{"both directions' changes count back", 1, &hpa.Behavior{
			ScaleUp: rules(0, "", pods(4, 60)), ScaleDown: rules(0, "", pods(4, 60)),
		}, []step{
			{0, 10, 20, 14, hpa.ScaleUpLimit},  // 10 + 4
			{15, 14, 1, 6, hpa.ScaleDownLimit}, // from 10 again: 10 - 4
			{30, 6, 20, 14, hpa.ScaleUpLimit},  // 6 - 4 + 8 + 4
		}},
		{"more used up than the policies allow: no step, and none back", 1, &hpa.Behavior{ScaleUp: rules(0, "", percent(50, 60))}, []step{
			{0, 10, 20, 15, hpa.ScaleUpLimit}, {15, 4, 20, 4, hpa.ScaleUpLimit}, // set by hand to 4: ceil(1.5 * -1)
		}},
		{"minReplicas", 3, &hpa.Behavior{ScaleDown: rules(0, "", free)}, []step{
			{0, 5, -4, 3, hpa.TooFewReplicas}, {15, 0, 0, 3, hpa.TooFewReplicas}, {30, 3, 3, 3, within},
		}},
		{"maxReplicas holds the present count too", 1, nil, []step{{0, 30, 30, 20, hpa.TooManyReplicas}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			spec := oneModel()
			spec.MinReplicas, spec.Behavior = &tc.minR, tc.behavior
			c, err := New(spec)
			if err != nil {
				t.Fatal(err)
			}
			for round := range 2 { // Reset forgets everything
				for i, s := range tc.steps {
					got := c.Settle(time.Duration(s.at*float64(second)), s.current, s.wanted)
					if got.Desired != s.want || got.Limit != s.limit {
						t.Errorf("round %d, step %d: %+v, want %d, %s", round, i, got, s.want, s.limit)
					}
				}
				c.Reset()
			}
		})
	}
}

// TestPropertySettle: an HPA with the same behavior, whose one metric proposes what is wanted here, does the same: as long as both
// directions look back equally far, the replicas stay within the bounds, and the first sync finds what it wants.
func TestPropertySettle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		policies := func(name string) []hpa.Policy {
			list := []hpa.Policy{pods(rapid.Int32Range(1, 9).Draw(t, name+" pods"), 60)}
			if rapid.Bool().Draw(t, name+" percent") {
				list = append(list, percent(rapid.Int32Range(1, 200).Draw(t, name+" value"), rapid.SampledFrom([]int32{15, 40, 60}).Draw(t, name+" period")))
			}
			return list
		}
		selection := rapid.SampledFrom([]hpa.SelectPolicy{hpa.MaxSelect, hpa.MinSelect, hpa.DisabledSelect})
		window := rapid.Int32Range(0, 200)
		minR, maxR := rapid.Int32Range(1, 5).Draw(t, "min"), rapid.Int32Range(5, 40).Draw(t, "max")
		behavior := &hpa.Behavior{
			ScaleUp:   rules(window.Draw(t, "up window"), selection.Draw(t, "up select"), policies("up")...),
			ScaleDown: rules(window.Draw(t, "down window"), selection.Draw(t, "down select"), policies("down")...),
		}
		spec := oneModel()
		spec.MinReplicas, spec.MaxReplicas, spec.Behavior = &minR, maxR, behavior
		c, err := New(spec)
		if err != nil {
			t.Fatal(err)
		}
		cfg := hpa.DefaultConfig()
		cfg.Tolerance = hpa.Tolerance{}
		h, err := hpa.New(hpa.Spec{MinReplicas: &minR, MaxReplicas: maxR, Behavior: behavior, Metrics: []hpa.MetricSpec{
			{Type: hpa.ExternalMetric, Name: "wanted", Target: hpa.Target{Type: hpa.AverageValueTarget, AverageValueMillis: 1000}},
		}}, cfg)
		if err != nil {
			t.Fatal(err)
		}
		current, now := rapid.Int32Range(minR, maxR).Draw(t, "start"), time.Duration(0)
		wanted := current
		for range rapid.IntRange(1, 50).Draw(t, "syncs") {
			got := c.Settle(now, current, wanted)
			metrics := []hpa.MetricData{{ValuesMillis: []int64{int64(wanted) * 1000}}}
			d := h.Sync(now, &hpa.Inputs{SpecReplicas: current, StatusReplicas: current, Metrics: metrics})
			if got.Desired != d.Desired || got.Stabilized != d.Stabilized {
				t.Fatalf("%v: %+v, an HPA: %s", now, got, d.Explain())
			}
			if got.Desired < minR || got.Desired > maxR {
				t.Fatalf("%v: %+v", now, got)
			}
			current, wanted = got.Desired, rapid.Int32Range(0, maxR+9).Draw(t, "wanted")
			if rapid.IntRange(0, 9).Draw(t, "meddle") == 0 {
				current = rapid.Int32Range(minR, maxR).Draw(t, "set by hand")
			}
			now += time.Duration(rapid.IntRange(1, 30).Draw(t, "pause")) * second
		}
	})
}
