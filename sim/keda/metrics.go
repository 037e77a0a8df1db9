package keda

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/grlscaler/grlscaler/sim/hpa"
)

// HasHPA reports whether the ScaledObject has an HPA: KEDA deletes it while autoscaling is paused, and makes a fresh one
// afterwards.
func (s Spec) HasHPA() bool { return !s.Annotations.Paused && s.Annotations.PausedReplicas == nil }

// HPA returns the HPA that KEDA makes for the ScaledObject (upstream newHPAForScaledObject): at least 1 replica, one external
// metric for each prometheus or cron trigger, or one for the formula over them, one resource metric for each other; the annotations that pause one direction
// disable that direction's policies. It reports every mistake in the object.
func (s Spec) HPA() (hpa.Spec, error) {
	if err := s.Validate(); err != nil {
		return hpa.Spec{}, err
	}
	d := s.WithDefaults()
	lowest := max(1, *d.MinReplicaCount)
	out := hpa.Spec{Name: d.HPAName, MinReplicas: &lowest, MaxReplicas: *d.MaxReplicaCount, Behavior: d.behavior()}
	for _, i := range d.metricOrder() {
		if i == composite {
			out.Metrics = append(out.Metrics, d.Modifiers.metric())
			continue
		}
		out.Metrics = append(out.Metrics, d.Triggers[i].metric(i))
	}
	return out, nil
}

// HPATriggers returns the index of the trigger behind each metric of the HPA, -1 for that of a formula.
func (s Spec) HPATriggers() []int { return s.metricOrder() }

// metricOrder is the triggers in the order of the HPA's metrics, by the name of the metric's type (upstream
// getScaledObjectMetricSpecs): external metrics come before resource metrics.
func (s *Spec) metricOrder() []int {
	var order []int
	if s.Modifiers != nil {
		order = append(order, composite)
	}
	for i := range s.Triggers {
		if s.Modifiers == nil || !s.Triggers[i].External() {
			order = append(order, i)
		}
	}
	source := func(i int) string {
		if i == composite {
			return string(hpa.ExternalMetric)
		}
		return string(s.Triggers[i].source())
	}
	slices.SortStableFunc(order, func(a, b int) int { return strings.Compare(source(a), source(b)) })
	return order
}

// behavior is the HPA's, a copy where annotations change it. A direction that is paused makes a behavior also where none was
// given, and with it the other direction gets the default policies.
func (s *Spec) behavior() *hpa.Behavior {
	if !s.Annotations.PausedScaleIn && !s.Annotations.PausedScaleOut {
		return s.Behavior
	}
	var b hpa.Behavior
	if s.Behavior != nil {
		b = *s.Behavior
	}
	disabled := func(r *hpa.ScalingRules) *hpa.ScalingRules {
		var out hpa.ScalingRules
		if r != nil {
			out = *r
		}
		out.SelectPolicy = hpa.DisabledSelect
		return &out
	}
	if s.Annotations.PausedScaleIn {
		b.ScaleDown = disabled(b.ScaleDown)
	}
	if s.Annotations.PausedScaleOut {
		b.ScaleUp = disabled(b.ScaleUp)
	}
	return &b
}

// source says where the HPA finds the trigger's metric.
func (t *Trigger) source() hpa.MetricType {
	switch {
	case t.External():
		return hpa.ExternalMetric
	case t.Resource.ContainerName != "":
		return hpa.ContainerResourceMetric
	}
	return hpa.ResourceMetric
}

// metric is the trigger's metric in the HPA.
func (t *Trigger) metric(index int) hpa.MetricSpec {
	m := hpa.MetricSpec{Type: t.source(), Target: t.target()}
	switch t.Type {
	case CPUTrigger:
		m.Resource, m.Container = hpa.CPU, t.Resource.ContainerName
	case MemoryTrigger:
		m.Resource, m.Container = hpa.Memory, t.Resource.ContainerName
	default:
		m.Name = t.MetricName(index)
	}
	return m
}

// target is what the HPA compares the metric with. A cron trigger's value is a count of replicas, so its target is 1.
func (t *Trigger) target() hpa.Target {
	out := hpa.Target{Type: t.MetricType}
	threshold := int64(1000)
	switch t.Type {
	case CPUTrigger, MemoryTrigger:
		out.AverageUtilization, out.AverageValueMillis = t.Resource.Utilization, t.Resource.AverageValueMillis
		return out
	case PrometheusTrigger:
		threshold = toMillis(t.Prometheus.Threshold)
	}
	if t.MetricType == hpa.ValueTarget {
		out.ValueMillis = threshold
	} else {
		out.AverageValueMillis = threshold
	}
	return out
}

// MetricName is the name of the external metric of the trigger at a place in the list, as KEDA forms it: "s0-prometheus",
// "s1-cron-Etc-UTC-08xx1-5-018xx1-5". Those of cpu and memory triggers are just called after the resource.
func (t *Trigger) MetricName(index int) string {
	switch t.Type {
	case CPUTrigger, MemoryTrigger:
		return string(t.Type)
	case CronTrigger:
		fields := strings.NewReplacer(" ", "", "*", "x", "/", "Sl", "?", "Qm")
		name := fmt.Sprintf("cron-%s-%s-%s", t.Cron.Timezone, fields.Replace(t.Cron.Start), fields.Replace(t.Cron.End))
		return fmt.Sprintf("s%d-%s", index, normalizeName(name))
	}
	return fmt.Sprintf("s%d-%s", index, normalizeName(string(t.Type)))
}

// normalizeName puts dashes where a metric's name may not have what a user wrote (upstream NormalizeString).
func normalizeName(s string) string {
	return strings.NewReplacer("/", "-", ".", "-", ":", "-", "%", "-", "(", "-", ")", "-").Replace(s)
}

// toMillis rounds to thousandths, as far as metrics are precise, held at the ends of int64. NaN is 0.
func toMillis(v float64) int64 { return clampMillis(math.Round(v * 1000)) }

// clampMillis truncates a number of thousandths, held at the ends of int64. NaN is 0.
func clampMillis(v float64) int64 {
	switch {
	case v >= math.MaxInt64: // the constant becomes 2^63 as a float64
		return math.MaxInt64
	case v <= math.MinInt64:
		return math.MinInt64
	case math.IsNaN(v):
		return 0
	}
	return int64(v)
}
