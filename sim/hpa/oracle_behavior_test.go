package hpa

import (
	"slices"
	"testing"
	"time"
)

type oracleRules struct {
	StabilizationWindowS *int32  `json:"stabilization_window_s"`
	SelectPolicy         *string `json:"select_policy"`
	Policies             []struct {
		Type    PolicyType `json:"type"`
		Value   int32      `json:"value"`
		PeriodS int32      `json:"period_s"`
	} `json:"policies"`
	Tolerance *float64 `json:"tolerance"`
}

func (o *oracleRules) rules() *ScalingRules {
	if o == nil {
		return nil
	}
	r := &ScalingRules{StabilizationWindowSeconds: o.StabilizationWindowS, Tolerance: o.Tolerance}
	if o.SelectPolicy != nil {
		r.SelectPolicy = SelectPolicy(*o.SelectPolicy)
	}
	for _, p := range o.Policies {
		r.Policies = append(r.Policies, Policy{p.Type, p.Value, p.PeriodS})
	}
	return r
}

type oracleBehavior struct {
	ScaleUp   *oracleRules `json:"scale_up"`
	ScaleDown *oracleRules `json:"scale_down"`
}

func (o *oracleBehavior) behavior() *Behavior {
	if o == nil {
		return nil
	}
	return &Behavior{ScaleUp: o.ScaleUp.rules(), ScaleDown: o.ScaleDown.rules()}
}

type oracleEvent struct {
	TimeS         float64 `json:"time_s"`
	ReplicaChange int32   `json:"replica_change"`
	Outdated      bool    `json:"outdated"`
}

func oracleEvents(list []oracleEvent) events {
	var e events
	for _, v := range list {
		e = append(e, event{at: seconds(v.TimeS), change: v.ReplicaChange})
	}
	return e
}

type oracleRecommendation struct {
	TimeS    float64 `json:"time_s"`
	Replicas int32   `json:"replicas"`
}

func oracleHistory(list []oracleRecommendation) history {
	var h history
	for _, r := range list {
		h = append(h, Recommendation{seconds(r.TimeS), r.Replicas})
	}
	return h
}

type oracleTarget struct {
	Type               TargetType `json:"type"`
	AverageUtilization int32      `json:"average_utilization"`
	AverageValueMilli  int64      `json:"average_value_milli"`
	ValueMilli         int64      `json:"value_milli"`
}

type oracleMetric struct {
	Type      MetricType   `json:"type"`
	Resource  Resource     `json:"resource"`
	Container string       `json:"container"`
	Target    oracleTarget `json:"target"`
}

func oracleSpec(minR *int32, maxR int32, metrics []oracleMetric, b *oracleBehavior) Spec {
	s := Spec{Name: "case", MinReplicas: minR, MaxReplicas: maxR, Behavior: b.behavior()}
	for _, m := range metrics {
		s.Metrics = append(s.Metrics, MetricSpec{
			Type: m.Type, Name: "metric", Resource: m.Resource, Container: m.Container,
			Target: Target{m.Target.Type, m.Target.AverageUtilization, m.Target.AverageValueMilli, m.Target.ValueMilli},
		})
	}
	return s
}

type behaviorCase struct {
	ID              string                 `json:"id"`
	Kind            string                 `json:"kind"`
	Config          oracleConfig           `json:"config"`
	CurrentReplicas int32                  `json:"current_replicas"`
	DesiredReplicas int32                  `json:"desired_replicas"`
	MinReplicas     int32                  `json:"min_replicas"`
	MaxReplicas     int32                  `json:"max_replicas"`
	Factor          float64                `json:"legacy_scale_up_factor"`
	Minimum         float64                `json:"legacy_scale_up_minimum"`
	WindowS         float64                `json:"window_s"`
	UpWindowS       float64                `json:"up_window_s"`
	DownWindowS     float64                `json:"down_window_s"`
	Recommendations []oracleRecommendation `json:"recommendations"`
	ScaleUp         *oracleRules           `json:"scale_up"`
	ScaleDown       *oracleRules           `json:"scale_down"`
	ScaleUpGiven    *oracleRules           `json:"scale_up_given"`
	ScaleDownGiven  *oracleRules           `json:"scale_down_given"`
	ScaleUpEvents   []oracleEvent          `json:"scale_up_events"`
	ScaleDownEvents []oracleEvent          `json:"scale_down_events"`
	Rules           *oracleRules           `json:"rules"`
	Direction       string                 `json:"direction"`
	Events          []oracleEvent          `json:"events"`
	FromReplicas    int32                  `json:"from_replicas"`
	ToReplicas      int32                  `json:"to_replicas"`
	HPA             struct {
		MinReplicas *int32          `json:"min_replicas"`
		MaxReplicas int32           `json:"max_replicas"`
		Behavior    *oracleBehavior `json:"behavior"`
		Metrics     []oracleMetric  `json:"metrics"`
	} `json:"hpa"`
	Scale struct {
		SpecReplicas   int32 `json:"spec_replicas"`
		StatusReplicas int32 `json:"status_replicas"`
	} `json:"scale"`
	Pods        []oraclePod          `json:"pods"`
	MetricsData []oracleMetricsData  `json:"metrics_data"`
	History     oracleHistoryRecords `json:"history"`
	Expected    behaviorExpected     `json:"expected"`
}

type oracleHistoryRecords struct {
	Recommendations []oracleRecommendation `json:"recommendations"` // null: never synced
	ScaleUpEvents   []oracleEvent          `json:"scale_up_events"`
	ScaleDownEvents []oracleEvent          `json:"scale_down_events"`
}

type behaviorExpected struct {
	Replicas        int32         `json:"replicas"`
	Reason          Reason        `json:"reason"`
	Stored          []int32       `json:"stored_recommendations"`
	ReasonIfChanged Reason        `json:"reason_if_changed"`
	Limit           int32         `json:"limit"`
	ScaleUpLimit    int32         `json:"scale_up_limit"`
	ScaleDownLimit  int32         `json:"scale_down_limit"`
	ChangeBefore    int64         `json:"change_in_last_60s_before"`
	StoredEvents    []oracleEvent `json:"stored_events"`
	DesiredReplicas int32         `json:"desired_replicas"`
	Scaled          bool          `json:"scaled"`
	Action          string        `json:"action"`
	Error           string        `json:"error"`
	Conditions      map[string]struct {
		Status string `json:"status"`
		Reason Reason `json:"reason"`
	} `json:"conditions"`
	CurrentMetrics []struct {
		Type               MetricType `json:"type"`
		AverageUtilization *int32     `json:"average_utilization"`
		AverageValueMilli  *int64     `json:"average_value_milli"`
		ValueMilli         *int64     `json:"value_milli"`
	} `json:"current_metrics"`
}

// TestOracleBehavior holds clamps, stabilisation, policies, events and whole syncs against Kubernetes' own tests.
func TestOracleBehavior(t *testing.T) { testBehaviorTable(t, "behavior.json") }

// TestOracleBehaviorLimitsDerived holds the limits that policies set against what the Kubernetes code answered.
func TestOracleBehaviorLimitsDerived(t *testing.T) {
	testBehaviorTable(t, "behavior_limits_derived.json")
}

func testBehaviorTable(t *testing.T, table string) {
	kinds := map[string]func(*behaviorCase, *testing.T){
		"legacy_clamp":       (*behaviorCase).legacyClamp,
		"legacy_stabilize":   (*behaviorCase).legacyStabilize,
		"behavior_stabilize": (*behaviorCase).behaviorStabilize,
		"behavior_rate":      (*behaviorCase).behaviorRate,
		"scale_up_limit":     (*behaviorCase).limits,
		"scale_down_limit":   (*behaviorCase).limits,
		"limits":             (*behaviorCase).limits,
		"store_event":        (*behaviorCase).storeEvent,
		"reconcile":          (*behaviorCase).reconcile,
	}
	for _, c := range readOracle[behaviorCase](t, table) {
		t.Run(c.ID, func(t *testing.T) {
			run := kinds[c.Kind]
			if run == nil {
				t.Fatalf("unknown kind %q", c.Kind)
			}
			run(&c, t)
		})
	}
}

func (c *behaviorCase) legacyClamp(t *testing.T) {
	cfg := Config{ScaleUpFactor: c.Factor, ScaleUpMinimum: c.Minimum}
	got := cfg.limit(c.CurrentReplicas, c.DesiredReplicas, c.MinReplicas, c.MaxReplicas)
	if got.replicas != c.Expected.Replicas || got.reason != c.Expected.Reason {
		t.Errorf("%+v, want %d %s", got, c.Expected.Replicas, c.Expected.Reason)
	}
}

func (c *behaviorCase) checkStored(t *testing.T, got int32, h history) {
	t.Helper()
	var stored []int32
	for _, r := range h {
		stored = append(stored, r.Replicas)
	}
	if got != c.Expected.Replicas || !slices.Equal(stored, c.Expected.Stored) {
		t.Errorf("%d stored %v, want %d stored %v", got, stored, c.Expected.Replicas, c.Expected.Stored)
	}
}

func (c *behaviorCase) legacyStabilize(t *testing.T) {
	h := oracleHistory(c.Recommendations)
	got := h.stabilizeDown(0, c.DesiredReplicas, seconds(c.WindowS))
	c.checkStored(t, got, h)
}

func (c *behaviorCase) behaviorStabilize(t *testing.T) {
	h := oracleHistory(c.Recommendations)
	got := h.stabilize(0, c.CurrentReplicas, c.DesiredReplicas, seconds(c.UpWindowS), seconds(c.DownWindowS))
	c.checkStored(t, got, h)
	if r := stabilization(c.CurrentReplicas, c.DesiredReplicas); r != c.Expected.ReasonIfChanged {
		t.Errorf("reason %s, want %s", r, c.Expected.ReasonIfChanged)
	}
}

// behaviorRate applies the rules as the user wrote them, so that defaulting is tested with them, and checks the defaulted
// ones.
func (c *behaviorCase) behaviorRate(t *testing.T) {
	given := Spec{MaxReplicas: 1, Behavior: &Behavior{ScaleUp: c.ScaleUpGiven.rules(), ScaleDown: c.ScaleDownGiven.rules()}}
	const window = 5 * time.Minute
	d := given.WithDefaults().Behavior
	want := Behavior{ScaleUp: c.ScaleUp.rules(), ScaleDown: c.ScaleDown.rules()}
	b := &behavior{up: d.ScaleUp.resolve(0), down: d.ScaleDown.resolve(window)}
	for _, dir := range []struct {
		name      string
		got, want rules
	}{
		{"up", b.up, want.ScaleUp.resolve(0)}, {"down", b.down, want.ScaleDown.resolve(window)},
	} {
		if dir.got.window != dir.want.window || dir.got.selection != dir.want.selection ||
			!slices.Equal(dir.got.policies, dir.want.policies) {
			t.Errorf("defaulted %s: %+v, want %+v", dir.name, dir.got, dir.want)
		}
	}
	got := b.limit(0, c.CurrentReplicas, c.DesiredReplicas, c.MinReplicas, c.MaxReplicas,
		oracleEvents(c.ScaleUpEvents), oracleEvents(c.ScaleDownEvents))
	if got.replicas != c.Expected.Replicas || got.reason != c.Expected.Reason {
		t.Errorf("%+v, want %d %s", got, c.Expected.Replicas, c.Expected.Reason)
	}
}

func (c *behaviorCase) limits(t *testing.T) {
	r := c.Rules.rules().resolve(0)
	ups, downs := oracleEvents(c.ScaleUpEvents), oracleEvents(c.ScaleDownEvents)
	up, down := r.scaleUpLimit(0, c.CurrentReplicas, ups, downs), r.scaleDownLimit(0, c.CurrentReplicas, ups, downs)
	wantUp, wantDown := c.Expected.ScaleUpLimit, c.Expected.ScaleDownLimit
	switch c.Kind {
	case "scale_up_limit":
		wantUp, wantDown = c.Expected.Limit, down
	case "scale_down_limit":
		wantUp, wantDown = up, c.Expected.Limit
	}
	if up != wantUp || down != wantDown {
		t.Errorf("limits %d and %d, want %d and %d", up, down, wantUp, wantDown)
	}
}

// storeEvent goes through the controller, because an HPA without behavior stores nothing.
func (c *behaviorCase) storeEvent(t *testing.T) {
	spec := Spec{MaxReplicas: 100}
	if c.Rules != nil {
		spec.Behavior = &Behavior{ScaleUp: c.Rules.rules(), ScaleDown: c.Rules.rules()}
	}
	ctl := newController(spec, DefaultConfig())
	list := &ctl.ups
	if c.Direction == "down" {
		list = &ctl.downs
	}
	*list = oracleEvents(c.Events)
	if got := list.within(0, time.Minute); got != c.Expected.ChangeBefore {
		t.Errorf("change in the last minute %d, want %d", got, c.Expected.ChangeBefore)
	}
	ctl.storeEvent(0, c.FromReplicas, c.ToReplicas)
	if len(*list) != len(c.Expected.StoredEvents) {
		t.Fatalf("stored %+v, want %+v", *list, c.Expected.StoredEvents)
	}
	for i, want := range c.Expected.StoredEvents {
		if got := (*list)[i]; got.change != want.ReplicaChange || got.outdated != want.Outdated {
			t.Errorf("event %d: %+v, want %+v", i, got, want)
		}
	}
}

// reconcile runs one whole sync. Objects that the API server would refuse are among the cases, hence no validation.
func (c *behaviorCase) reconcile(t *testing.T) {
	spec := oracleSpec(c.HPA.MinReplicas, c.HPA.MaxReplicas, c.HPA.Metrics, c.HPA.Behavior)
	ctl := newController(spec, c.Config.config())
	ctl.seen = c.History.Recommendations != nil
	ctl.recs = oracleHistory(c.History.Recommendations)
	ctl.ups, ctl.downs = oracleEvents(c.History.ScaleUpEvents), oracleEvents(c.History.ScaleDownEvents)

	in := Inputs{SpecReplicas: c.Scale.SpecReplicas, StatusReplicas: c.Scale.StatusReplicas}
	index := map[string]int{}
	for i, p := range c.Pods {
		in.Pods = append(in.Pods, p.pod(t, CPU, false))
		index[p.Name] = i
	}
	for i, m := range c.MetricsData {
		in.Metrics = append(in.Metrics, m.data(index, CPU, c.HPA.Metrics[i].Container))
	}
	d := ctl.Sync(0, &in)
	if d.Explain() == "" {
		t.Error("no explanation")
	}
	e := &c.Expected
	action := "none"
	switch {
	case d.Desired > d.Current:
		action = "scale_up"
	case d.Desired < d.Current:
		action = "scale_down"
	}
	if d.Desired != e.DesiredReplicas || d.Scaled() != e.Scaled || action != e.Action {
		t.Errorf("desired %d, %s; want %d, %s: %s", d.Desired, action, e.DesiredReplicas, e.Action, d.Explain())
	}
	if (d.Err != nil) != (e.Error == "internal") {
		t.Errorf("error %v, want %s", d.Err, e.Error)
	}
	c.checkConditions(t, &d)
	c.checkMetrics(t, &d)
}

func (c *behaviorCase) checkConditions(t *testing.T, d *Decision) {
	for name, got := range map[string]Condition{
		"AbleToScale": d.AbleToScale, "ScalingActive": d.ScalingActive, "ScalingLimited": d.ScalingLimited,
	} {
		want := c.Expected.Conditions[name]
		if got.Reason != want.Reason || got.True != (want.Status == "True") {
			t.Errorf("%s %v %s, want %s %s", name, got.True, got.Reason, want.Status, want.Reason)
		}
	}
}

func (c *behaviorCase) checkMetrics(t *testing.T, d *Decision) {
	for i, want := range c.Expected.CurrentMetrics {
		if i >= len(d.Metrics) {
			t.Fatalf("%d metrics, want %d", len(d.Metrics), len(c.Expected.CurrentMetrics))
		}
		got := d.Metrics[i]
		if got.Spec.Type != want.Type {
			t.Errorf("metric %d: type %s, want %s", i, got.Spec.Type, want.Type)
		}
		if want.AverageUtilization != nil && got.Proposal.Utilization != *want.AverageUtilization {
			t.Errorf("metric %d: utilization %d, want %d", i, got.Proposal.Utilization, *want.AverageUtilization)
		}
		for _, v := range []*int64{want.AverageValueMilli, want.ValueMilli} {
			if v != nil && got.Proposal.UsageMillis != *v {
				t.Errorf("metric %d: usage %d, want %d", i, got.Proposal.UsageMillis, *v)
			}
		}
	}
}
