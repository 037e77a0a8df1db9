package hpa

import (
	"errors"
	"fmt"
	"math"
)

// Bounds of the autoscaling/v2 API.
const (
	MaxStabilizationWindowSeconds = 3600
	MaxPolicyPeriodSeconds        = 1800
)

// validation collects mistakes, each with the path of the field.
type validation struct {
	prefix string
	errs   []error
}

func (v *validation) addf(path, format string, args ...any) {
	v.errs = append(v.errs, fmt.Errorf("%s%s: %s", v.prefix, path, fmt.Sprintf(format, args...)))
}

// Validate checks the object as the API server does, on top of its defaults, and reports every mistake at once: each
// error names the field, the value found and the values allowed.
func (s Spec) Validate(c Config) error {
	d := s.WithDefaults()
	v := &validation{prefix: "hpa spec."}
	if s.Name != "" {
		v.prefix = fmt.Sprintf("hpa %q: spec.", s.Name)
	}
	v.replicas(&d, &c)
	for i := range d.Metrics {
		v.metric(fmt.Sprintf("metrics[%d]", i), &d.Metrics[i])
	}
	if d.Behavior != nil {
		v.rules("behavior.scaleUp", d.Behavior.ScaleUp)
		v.rules("behavior.scaleDown", d.Behavior.ScaleDown)
	}
	return errors.Join(v.errs...)
}

func (v *validation) replicas(s *Spec, c *Config) {
	minR := *s.MinReplicas
	if s.MaxReplicas < 1 {
		v.addf("maxReplicas", "%d: must be at least 1", s.MaxReplicas)
	} else if minR > s.MaxReplicas {
		v.addf("maxReplicas", "%d: must be at least minReplicas, which is %d", s.MaxReplicas, minR)
	}
	switch {
	case minR < 0:
		v.addf("minReplicas", "%d: must not be negative", minR)
	case minR == 0 && !c.ScaleToZero:
		v.addf("minReplicas", "0: must be at least 1, unless the cluster has the feature HPAScaleToZero")
	case minR == 0:
		for i := range s.Metrics {
			if t := s.Metrics[i].Type; t == ObjectMetric || t == ExternalMetric {
				return
			}
		}
		v.addf("metrics", "minReplicas 0 needs at least one Object or External metric: pods that do not exist have no metrics")
	}
}

// metric checks one metric: its type decides what names it and which targets it may have.
func (v *validation) metric(path string, m *MetricSpec) {
	named := func() {
		if m.Name == "" {
			v.addf(path+".name", "a %s metric must have one", m.Type)
		}
	}
	resource := func() {
		if m.Resource != CPU && m.Resource != Memory {
			v.addf(path+".resource", "%q: must be %q or %q", m.Resource, CPU, Memory)
		}
	}
	switch m.Type {
	case ResourceMetric:
		resource()
		v.target(path+".target", m.Target, UtilizationTarget, AverageValueTarget)
	case ContainerResourceMetric:
		resource()
		if m.Container == "" {
			v.addf(path+".container", "a ContainerResource metric must name one")
		}
		v.target(path+".target", m.Target, UtilizationTarget, AverageValueTarget)
	case PodsMetric:
		named()
		v.target(path+".target", m.Target, AverageValueTarget)
	case ObjectMetric, ExternalMetric:
		named()
		v.target(path+".target", m.Target, ValueTarget, AverageValueTarget)
	default:
		v.addf(path+".type", "%q: must be one of %q, %q, %q, %q, %q", m.Type,
			ResourceMetric, ContainerResourceMetric, PodsMetric, ObjectMetric, ExternalMetric)
	}
}

// target checks that the type is allowed and that its field, and no other, is set.
func (v *validation) target(path string, t Target, allowed ...TargetType) {
	ok := false
	for _, a := range allowed {
		ok = ok || a == t.Type
	}
	if !ok {
		v.addf(path+".type", "%q: must be one of %q for this metric", t.Type, allowed)
		return
	}
	for _, f := range []struct {
		of    TargetType
		field string
		value int64
	}{
		{UtilizationTarget, "averageUtilization", int64(t.AverageUtilization)},
		{AverageValueTarget, "averageValue (thousandths)", t.AverageValueMillis},
		{ValueTarget, "value (thousandths)", t.ValueMillis},
	} {
		switch {
		case f.of == t.Type && f.value <= 0:
			v.addf(path+"."+f.field, "%d: must be above 0", f.value)
		case f.of != t.Type && f.value != 0:
			v.addf(path+"."+f.field, "%d: must not be set for a target of type %q", f.value, t.Type)
		}
	}
}

func (v *validation) rules(path string, r *ScalingRules) {
	if w := r.StabilizationWindowSeconds; w != nil && (*w < 0 || *w > MaxStabilizationWindowSeconds) {
		v.addf(path+".stabilizationWindowSeconds", "%d: must be 0..%d", *w, MaxStabilizationWindowSeconds)
	}
	switch r.SelectPolicy {
	case MaxSelect, MinSelect, DisabledSelect:
	default:
		v.addf(path+".selectPolicy", "%q: must be one of %q, %q, %q", r.SelectPolicy, MaxSelect, MinSelect, DisabledSelect)
	}
	if t := r.Tolerance; t != nil && (!(*t >= 0) || math.IsInf(*t, 1)) {
		v.addf(path+".tolerance", "%v: must be a finite number of at least 0", *t)
	}
	for i, p := range r.Policies {
		at := fmt.Sprintf("%s.policies[%d]", path, i)
		if p.Type != PodsPolicy && p.Type != PercentPolicy {
			v.addf(at+".type", "%q: must be %q or %q", p.Type, PodsPolicy, PercentPolicy)
		}
		if p.Value < 1 {
			v.addf(at+".value", "%d: must be at least 1", p.Value)
		}
		if p.PeriodSeconds < 1 || p.PeriodSeconds > MaxPolicyPeriodSeconds {
			v.addf(at+".periodSeconds", "%d: must be 1..%d", p.PeriodSeconds, MaxPolicyPeriodSeconds)
		}
	}
}
