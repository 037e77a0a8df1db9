package keda

import (
	"errors"
	"fmt"
	"strings"

	exprlang "github.com/expr-lang/expr"
	"github.com/expr-lang/expr/vm"

	"github.com/grlscaler/grlscaler/sim/hpa"
)

// This file makes one metric of all external triggers by a formula (upstream pkg/scaling/modifiers and the documentation's section
// "Scaling Modifiers").

// ScalingModifiers is advanced.scalingModifiers. The HPA sees one external metric, the formula's value, instead of one for each
// external trigger; cpu and memory triggers stay metrics of their own.
type ScalingModifiers struct {
	// Formula is an expression of the language expr over the names of the external triggers, all of which must have one.
	Formula          string
	Target           float64        // the HPA's, in steps of a thousandth
	ActivationTarget float64        // active while the value is above it; default 0
	MetricType       hpa.TargetType // AverageValue (the default) or Value
}

// CompositeMetric is the name of the HPA's metric (upstream CompositeMetricName).
const CompositeMetric = "composite-metric"

// composite stands for the formula's metric where others have a trigger's index.
const composite = -1

// ErrFormula says that a formula gives no number from the values that its triggers have. Compare with errors.Is.
var ErrFormula = errors.New("the formula gives no number")

// formula is a compiled one with what it runs on.
type formula struct {
	program *vm.Program
	machine vm.VM
	values  map[string]any // by trigger's name: float64, or nil for one that fell back
}

// newFormula compiles a formula over the external triggers, and runs it once, on values of -1, as upstream does, to find what only
// shows then. The result is cast to a number where the formula does not do so itself. What differs from run to run, the
// present time, is not known here.
func newFormula(s *Spec) (*formula, error) {
	f := &formula{values: map[string]any{}}
	for i := range s.Triggers {
		if t := &s.Triggers[i]; t.External() && t.Name != "" {
			f.values[t.Name] = -1.0
		}
	}
	text := s.Modifiers.Formula
	if !strings.HasPrefix(text, "float(") {
		text = "float(" + text + ")"
	}
	var err error
	if f.program, err = exprlang.Compile(text, exprlang.Env(f.values), exprlang.AsFloat64(), exprlang.DisableBuiltin("now")); err != nil {
		return nil, err
	}
	if _, err := f.run(); err != nil && !errors.Is(err, ErrFormula) {
		return nil, err
	}
	return f, nil
}

// run evaluates the formula on the present values.
func (f *formula) run() (float64, error) {
	out, err := f.machine.Run(f.program, f.values)
	if err != nil {
		return 0, err
	}
	if v, ok := out.(float64); ok && finite(v) {
		return v, nil
	}
	return 0, fmt.Errorf("%w: %v", ErrFormula, out)
}

// firstLine is what an error of the language says, without the excerpt that it draws below.
func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	if i := strings.LastIndex(line, " ("); i > 0 && strings.HasSuffix(line, ")") { // the place in the line with the cast
		line = line[:i]
	}
	return line
}

// metric is the formula's in the HPA.
func (m *ScalingModifiers) metric() hpa.MetricSpec {
	return hpa.MetricSpec{Type: hpa.ExternalMetric, Name: CompositeMetric, Target: m.target()}
}

func (m *ScalingModifiers) target() hpa.Target {
	if m.MetricType == hpa.ValueTarget {
		return hpa.Target{Type: hpa.ValueTarget, ValueMillis: toMillis(m.Target)}
	}
	return hpa.Target{Type: hpa.AverageValueTarget, AverageValueMillis: toMillis(m.Target)}
}

// compose makes one result of those of all external triggers. A trigger that failed fails it; where one falls back, the whole does,
// without the formula, unless that is to see it as nil. Values enter the formula as precise as metrics are, and its own is truncated to
// thousandths, as upstream's are.
func (e *Executor) compose(results []TriggerResult) TriggerResult {
	byFormula := e.spec.Fallback != nil && e.spec.Fallback.Behavior == FallbackScalingModifiers
	for i := range e.triggers {
		t, r := &e.triggers[i], &results[i]
		switch {
		case !t.spec.External():
			continue
		case r.Err != nil:
			return TriggerResult{Failures: r.Failures, Err: fmt.Errorf("trigger %s: %w", t.spec.Name, r.Err)}
		case r.FallingBack && !byFormula:
			return *r
		case r.FallingBack:
			e.formula.values[t.spec.Name] = nil
		default:
			e.formula.values[t.spec.Name] = float64(r.Millis) / 1000
		}
	}
	v, err := e.formula.run()
	if err != nil {
		if !errors.Is(err, ErrFormula) {
			err = fmt.Errorf("%w: %s", ErrFormula, firstLine(err))
		}
		return TriggerResult{Err: err}
	}
	millis := clampMillis(v * 1000)
	return TriggerResult{Millis: millis, Active: float64(millis)/1000 > e.spec.Modifiers.ActivationTarget}
}

// modifiers checks the formula and what it is over.
func (v *validation) modifiers(s *Spec) {
	m := s.Modifiers
	if m == nil {
		if s.Fallback != nil && s.Fallback.Behavior == FallbackScalingModifiers {
			v.addf("fallback.behavior", "%q: needs advanced.scalingModifiers.formula, which sees a failed trigger as nil", FallbackScalingModifiers)
		}
		return
	}
	const path = "advanced.scalingModifiers."
	if !finite(m.Target) || toMillis(m.Target) < 1 {
		v.addf(path+"target", "%v: must be a finite number of at least 0.001", m.Target)
	}
	if !finite(m.ActivationTarget) {
		v.addf(path+"activationTarget", "%v: must be a finite number", m.ActivationTarget)
	}
	if m.MetricType != hpa.AverageValueTarget && m.MetricType != hpa.ValueTarget {
		v.addf(path+"metricType", "%q: must be %q (the default) or %q", m.MetricType, hpa.AverageValueTarget, hpa.ValueTarget)
	}
	var names, resources []string
	unnamed := false
	for i := range s.Triggers {
		switch t := &s.Triggers[i]; {
		case !t.External() && t.Name != "":
			resources = append(resources, t.Name)
		case !t.External():
		case t.Name == "":
			unnamed = true
			v.addf(fmt.Sprintf("triggers[%d].name", i), "must be given: advanced.scalingModifiers.formula knows triggers by their names")
		default:
			names = append(names, t.Name)
		}
	}
	switch {
	case unnamed:
	case len(names) == 0:
		v.addf(path+"formula", "%q: needs a trigger that is neither %q nor %q: those cannot take part in a formula", m.Formula, CPUTrigger, MemoryTrigger)
	default:
		if _, err := newFormula(s); err != nil {
			known := fmt.Sprintf("the triggers' names are %s", strings.Join(names, ", "))
			if len(resources) > 0 {
				known += fmt.Sprintf("; %s cannot take part, being of type %q or %q", strings.Join(resources, ", "), CPUTrigger, MemoryTrigger)
			}
			v.addf(path+"formula", "%q: %s; it must be a number by the language expr, and %s", m.Formula, firstLine(err), known)
		}
	}
}
