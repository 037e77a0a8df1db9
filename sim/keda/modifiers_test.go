package keda

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/grlscaler/grlscaler/sim/hpa"
)

// composed is a ScaledObject with a formula over two triggers, a and b.
func composed(formula string, edit func(*Spec)) Spec {
	a, b := prometheus(10), prometheus(10)
	a.Name, b.Name = "a", "b"
	s := Spec{Name: "web", Modifiers: &ScalingModifiers{Formula: formula, Target: 4}, Triggers: []Trigger{a, b}}
	if edit != nil {
		edit(&s)
	}
	return s
}

func readings(a, b float64) []Reading { return []Reading{{Value: a}, {Value: b}} }

// TestFormulaHPA: one external metric instead of those of the triggers, with the formula's target; cpu stays one of its own.
func TestFormulaHPA(t *testing.T) {
	cpu := Trigger{Type: CPUTrigger, MetricType: hpa.UtilizationTarget, Resource: Resource{Utilization: 60}}
	s := composed("a + b", func(s *Spec) { s.Triggers = append([]Trigger{cpu}, s.Triggers...) })
	got, err := s.HPA()
	if err != nil {
		t.Fatal(err)
	}
	want := []hpa.MetricSpec{
		{Type: hpa.ExternalMetric, Name: "composite-metric", Target: hpa.Target{Type: hpa.AverageValueTarget, AverageValueMillis: 4000}},
		{Type: hpa.ResourceMetric, Resource: hpa.CPU, Target: hpa.Target{Type: hpa.UtilizationTarget, AverageUtilization: 60}},
	}
	if diff := cmp.Diff(want, got.Metrics); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]int{-1, 0}, s.HPATriggers()); diff != "" {
		t.Errorf("triggers (-want +got):\n%s", diff)
	}
	s.Modifiers.MetricType = hpa.ValueTarget
	if got, err := s.HPA(); err != nil || got.Metrics[0].Target != (hpa.Target{Type: hpa.ValueTarget, ValueMillis: 4000}) {
		t.Errorf("Value: %+v, %v", got.Metrics, err)
	}
}

// TestFormulaValues: the HPA's value and whether the object is active, by hand. Values and results have thousandths; results are cut off there.
func TestFormulaValues(t *testing.T) {
	for _, c := range []struct {
		formula    string
		a, b       float64
		activation float64
		millis     int64
		active     bool
		failed     bool
	}{
		{"a + b", 3, 4, 0, 7000, true, false},
		{"(a + b) / 2", 3, 4, 3.5, 3500, false, false}, // strictly above
		{"(a + b) / 2", 3, 4, 3.499, 3500, true, false},
		{"float(a + b) / 3", 1, 1, 0, 666, true, false},
		{"a", 1.23456, 0, 0, 1235, true, false}, // a metric is rounded before
		{"a - b", 1, 4, -4, -3000, true, false},
		{"a > b ? 5 : 1", 2, 1, 1, 5000, true, false},
		{"a > b ? 5 : 1", 1, 2, 1, 1000, false, false},
		{"count([a, b], {# > 1}) > 1 ? 5 : 0", 2, 3, 0, 5000, true, false},
		{"max([a, b]) + min([a, b])", 2, 3, 0, 5000, true, false},
		{"a ?? b", 2, 3, 0, 2000, true, false},
		{"a / b", 1, 0, 0, 0, false, true}, // infinite
		{"a / b", 0, 0, 0, 0, false, true}, // not a number
		{"int(a) % int(b)", 1, 0, 0, 0, false, true},
		{"[a, b][int(a)]", 7, 0, 0, 0, false, true},
		{"a * 1e308 * 100", 1, 0, 0, 0, false, true},
		{"a * 1e306", 1, 0, 0, math.MaxInt64, true, false},
	} {
		e := newExecutor(t, composed(c.formula, func(s *Spec) { s.Modifiers.ActivationTarget = c.activation }), epoch)
		in := &Inputs{At: epoch, Replicas: 1, ReadyReplicas: 1, Readings: readings(c.a, c.b)}
		data := e.Metrics(in, nil)
		if len(data) != 1 || (data[0].Err != nil) != c.failed || !c.failed && data[0].ValuesMillis[0] != c.millis {
			t.Errorf("%s of %v and %v: %+v, want %d", c.formula, c.a, c.b, data, c.millis)
		}
		if c.failed && !errors.Is(data[0].Err, ErrFormula) || c.failed && strings.Contains(data[0].Err.Error(), "\n") {
			t.Errorf("%s: %v", c.formula, data[0].Err)
		}
		d := e.Poll(in)
		if d.Active != c.active || d.Failed != c.failed || !c.failed && d.Composite.Millis != c.millis {
			t.Errorf("%s of %v and %v: poll %s, %+v", c.formula, c.a, c.b, d.Explain(), d.Composite)
		}
		if c.failed && (d.Desired != 1 || d.Reason != TriggerError || !strings.Contains(d.Explain(), "the formula gives no number")) {
			t.Errorf("%s: %s", c.formula, d.Explain())
		}
	}
}

// TestFormulaFallback: a trigger that fails fails the metric, until it has failed more often than the threshold; then the metric is the formula's
// target * replicas, for Value divided by the ready ones, whatever the others say; or the formula sees it as nil.
func TestFormulaFallback(t *testing.T) {
	down := []Reading{{Err: errSource}, {Value: 8}}
	for _, c := range []struct {
		name     string
		formula  string
		fallback *Fallback
		kind     hpa.TargetType
		want     []int64 // of three reads, -1 for a failure
	}{
		{"none", "a + b", nil, "", []int64{-1, -1, -1}},
		{"static", "a + b", &Fallback{FailureThreshold: 1, Replicas: 6}, "", []int64{-1, 24_000, 24_000}},
		{"a Value target", "a + b", &Fallback{FailureThreshold: 1, Replicas: 6}, hpa.ValueTarget, []int64{-1, 12_000, 12_000}},
		{"current", "a + b", &Fallback{FailureThreshold: 0, Replicas: 6, Behavior: FallbackCurrentReplicas}, "", []int64{12_000, 12_000, 12_000}},
		{"nil", "a ?? (b + 1)", &Fallback{FailureThreshold: 2, Replicas: 6, Behavior: FallbackScalingModifiers}, "", []int64{-1, -1, 9000}},
		{"nil in a sum", "a + b", &Fallback{FailureThreshold: 0, Replicas: 6, Behavior: FallbackScalingModifiers}, "", []int64{-1, -1, -1}},
	} {
		e := newExecutor(t, composed(c.formula, func(s *Spec) { s.Fallback, s.Modifiers.MetricType = c.fallback, c.kind }), epoch)
		in := &Inputs{At: epoch, Replicas: 3, ReadyReplicas: 2, Readings: down}
		for i, want := range c.want {
			data := e.Metrics(in, nil)
			if got := data[0]; want < 0 && got.Err == nil || want >= 0 && (got.Err != nil || got.ValuesMillis[0] != want) {
				t.Errorf("%s: read %d: %+v, want %d", c.name, i, got, want)
			}
		}
		d := e.Poll(in)
		if failed := c.want[2] < 0; d.Failed != failed || d.Active == failed {
			t.Errorf("%s: %s", c.name, d.Explain())
		}
		in.Readings = readings(1, 8)
		if data := e.Metrics(in, nil); data[0].Err != nil {
			t.Errorf("%s: after recovery %v", c.name, data[0].Err)
		}
	}
}

// A trigger with useCachedMetrics enters the HPA's formula as the last poll found it, the other one anew.
func TestFormulaCached(t *testing.T) {
	e := newExecutor(t, composed("a * 100 + b", func(s *Spec) { s.Triggers[0].UseCachedMetrics = true }), epoch)
	e.Poll(&Inputs{At: epoch, Replicas: 1, Readings: readings(1, 1)})
	if data := e.Metrics(&Inputs{At: epoch, Replicas: 1, Readings: readings(2, 2)}, nil); data[0].ValuesMillis[0] != 102_000 {
		t.Errorf("%+v, want 1 * 100 + 2", data)
	}
}

func TestFormulaRefusals(t *testing.T) {
	const at = `scaled object "web": spec.advanced.scalingModifiers.`
	const known = `; it must be a number by the language expr, and the triggers' names are a, b`
	cpu := Trigger{Type: CPUTrigger, Name: "load", MetricType: hpa.UtilizationTarget, Resource: Resource{Utilization: 60}}
	for _, c := range []struct {
		formula string
		edit    func(*Spec)
		want    string
	}{
		{"a + c", nil, at + `formula: "a + c": unknown name c` + known},
		{"a +", nil, at + `formula: "a +": unexpected token Bracket(")")` + known},
		{"a > b", nil, at + `formula: "a > b": invalid argument for float (type bool)` + known},
		{"my-queue + a", nil, at + `formula: "my-queue + a": unknown name my` + known},
		{"[a][1]", nil, at + `formula: "[a][1]": index out of range: 1 (array length is 1)` + known},
		{"now().Unix()", nil, at + `formula: "now().Unix()": unknown name now` + known},
		{"load + a", func(s *Spec) { s.Triggers = append(s.Triggers, cpu) },
			at + `formula: "load + a": unknown name load` + known + `; load cannot take part, being of type "cpu" or "memory"`},
		{"a", func(s *Spec) { s.Triggers[1].Name = "" },
			`scaled object "web": spec.triggers[1].name: must be given: advanced.scalingModifiers.formula knows triggers by their names`},
		{"5", func(s *Spec) { s.Triggers, s.MinReplicaCount = []Trigger{cpu}, ptr(int32(1)) },
			at + `formula: "5": needs a trigger that is neither "cpu" nor "memory": those cannot take part in a formula`},
		{"a", func(s *Spec) { s.Modifiers.Target = 0.0001 }, at + `target: 0.0001: must be a finite number of at least 0.001`},
		{"a", func(s *Spec) { s.Modifiers.ActivationTarget = math.Inf(1) }, at + `activationTarget: +Inf: must be a finite number`},
		{"a", func(s *Spec) { s.Modifiers.MetricType = hpa.UtilizationTarget }, at + `metricType: "Utilization": must be "AverageValue" (the default) or "Value"`},
		{"a", func(s *Spec) {
			s.Modifiers, s.Fallback = nil, &Fallback{Replicas: 1, Behavior: FallbackScalingModifiers}
		}, `scaled object "web": spec.fallback.behavior: "scalingModifiers": needs advanced.scalingModifiers.formula, which sees a failed trigger as nil`},
	} {
		if err := composed(c.formula, c.edit).Validate(); err == nil || err.Error() != c.want {
			t.Errorf("%s: %v\nwant %s", c.formula, err, c.want)
		}
	}
}

// FuzzFormula: no text makes it panic; it is refused in one line, or gives finite thousandths or a failure.
func FuzzFormula(f *testing.F) {
	for _, s := range []string{"a + b", "float(a) / b", "a > 1 ? a : b", "max([a, b])", "let x = a; x ** b", "a ?? nil", "\"a\" in [\"b\"]", "{\"x\": a}.x", "[a][int(b)]"} {
		f.Add(s, 1.0, 2.0)
	}
	f.Fuzz(func(t *testing.T, text string, a, b float64) {
		if strings.Contains(text, "..") {
			t.Skip("loops over ranges within ranges take for ever, as in KEDA")
		}
		s := composed(text, nil)
		e, err := New(s, epoch)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("%q", err)
			}
			return
		}
		in := &Inputs{At: epoch, Replicas: 1, Readings: readings(a, b)}
		if data := e.Metrics(in, nil); (data[0].Err == nil) != (len(data[0].ValuesMillis) == 1) {
			t.Errorf("%+v", data)
		}
		if d := e.Poll(in); strings.Contains(d.Explain(), "\n") || d.Failed && d.Desired != 1 {
			t.Errorf("%q", d.Explain())
		}
	})
}
