package manifest

import (
	"fmt"
	"slices"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/grlscaler/grlscaler/sim/hpa"
)

// metric converts one metric.
func (o *object) metric(p path, in *autoscalingv2.MetricSpec) (hpa.MetricSpec, MetricSource) {
	out := hpa.MetricSpec{Type: hpa.MetricType(in.Type)}
	var source MetricSource
	given := map[string]bool{ // the parts of the union
		"resource": in.Resource != nil, "containerResource": in.ContainerResource != nil, "pods": in.Pods != nil,
		"object": in.Object != nil, "external": in.External != nil,
	}
	part, ok := map[autoscalingv2.MetricSourceType]string{
		autoscalingv2.ResourceMetricSourceType: "resource", autoscalingv2.ContainerResourceMetricSourceType: "containerResource",
		autoscalingv2.PodsMetricSourceType: "pods", autoscalingv2.ObjectMetricSourceType: "object",
		autoscalingv2.ExternalMetricSourceType: "external",
	}[in.Type]
	if !ok {
		o.errorf(p.at("type"), "%s: must be one of %q", show(string(in.Type)),
			[]hpa.MetricType{hpa.ResourceMetric, hpa.ContainerResourceMetric, hpa.PodsMetric, hpa.ObjectMetric, hpa.ExternalMetric})
		return out, source
	}
	for _, other := range keys(given) {
		if given[other] && other != part {
			o.errorf(p.at(other), "does not belong to a metric of type %q: write it as a metric of its own", in.Type)
		}
	}
	if !given[part] {
		o.errorf(p.at(part), "missing: a metric of type %q has it", in.Type)
		return out, source
	}
	p = p.at(part)
	switch part {
	case "resource":
		out.Resource = o.resource(p.at("name"), string(in.Resource.Name))
		out.Target = o.metricTarget(p.at("target"), in.Type, &in.Resource.Target)
	case "containerResource":
		out.Resource = o.resource(p.at("name"), string(in.ContainerResource.Name))
		if out.Container = in.ContainerResource.Container; out.Container == "" {
			o.errorf(p.at("container"), "missing: name the container whose usage counts")
		}
		out.Target = o.metricTarget(p.at("target"), in.Type, &in.ContainerResource.Target)
	case "pods":
		out.Name, source.Selector = o.identifier(p.at("metric"), in.Pods.Metric)
		out.Target = o.metricTarget(p.at("target"), in.Type, &in.Pods.Target)
	case "object":
		out.Name, source.Selector = o.identifier(p.at("metric"), in.Object.Metric)
		described := o.target(p.at("describedObject"), Target(in.Object.DescribedObject))
		source.Described = &described
		out.Target = o.metricTarget(p.at("target"), in.Type, &in.Object.Target)
	case "external":
		out.Name, source.Selector = o.identifier(p.at("metric"), in.External.Metric)
		out.Target = o.metricTarget(p.at("target"), in.Type, &in.External.Target)
	}
	return out, source
}

func (o *object) resource(p path, name string) hpa.Resource {
	if r := hpa.Resource(name); r == hpa.CPU || r == hpa.Memory {
		return r
	}
	o.errorf(p, "%s: must be %q or %q", show(name), hpa.CPU, hpa.Memory)
	return ""
}

// identifier checks the name and the selector of a metric.
func (o *object) identifier(p path, in autoscalingv2.MetricIdentifier) (string, *metav1.LabelSelector) {
	if in.Name == "" {
		o.errorf(p.at("name"), "missing: name the metric")
	} else if strings.ContainsAny(in.Name, "/%") { // it becomes a part of a URL (IsPathSegmentName)
		o.errorf(p.at("name"), "%s: must not contain / or %%", show(in.Name))
	}
	if _, err := metav1.LabelSelectorAsSelector(in.Selector); err != nil {
		o.errorf(p.at("selector"), "%s", strings.Join(strings.Fields(err.Error()), " "))
	}
	return in.Name, in.Selector
}

// metricTarget converts a target. The API wants a type and one value; except for object metrics, the controller goes
// by the value and does not look at the type (computeStatusForResourceMetricGeneric and its neighbours).
func (o *object) metricTarget(p path, metric autoscalingv2.MetricSourceType, in *autoscalingv2.MetricTarget) hpa.Target {
	allowed := []autoscalingv2.MetricTargetType{autoscalingv2.UtilizationMetricType, autoscalingv2.AverageValueMetricType}
	switch metric {
	case autoscalingv2.PodsMetricSourceType:
		allowed = allowed[1:]
	case autoscalingv2.ObjectMetricSourceType, autoscalingv2.ExternalMetricSourceType:
		allowed = []autoscalingv2.MetricTargetType{autoscalingv2.ValueMetricType, autoscalingv2.AverageValueMetricType}
	}
	given := targetValues(in)
	before := o.badness
	for _, v := range given {
		switch at := p.at(valueField(v.of)); {
		case !slices.Contains(allowed, v.of):
			o.errorf(at, "does not belong to a metric of type %q: write %s", metric, valueFields(allowed))
		case !v.positive:
			o.errorf(at, "%s: must be above 0", v.text)
		}
	}
	switch {
	case o.badness > before:
		return hpa.Target{}
	case len(given) == 0:
		o.errorf(p, "has no value: write %s", valueFields(allowed))
		return hpa.Target{}
	case len(given) > 1:
		o.errorf(p, "has two values: leave one of %s and %s", valueField(given[0].of), valueField(given[1].of))
		return hpa.Target{}
	}
	of := given[0].of
	o.targetType(p.at("type"), metric, in.Type, of, allowed)
	out := hpa.Target{Type: hpa.TargetType(of)}
	switch out.Type {
	case hpa.UtilizationTarget:
		out.AverageUtilization = *in.AverageUtilization
	case hpa.AverageValueTarget:
		out.AverageValueMillis = o.millis(p.at("averageValue"), *in.AverageValue)
	case hpa.ValueTarget:
		out.ValueMillis = o.millis(p.at("value"), *in.Value)
	}
	return out
}

// targetValue is a value that a target has.
type targetValue struct {
	of       autoscalingv2.MetricTargetType
	positive bool
	text     string
}

func targetValues(in *autoscalingv2.MetricTarget) []targetValue {
	var out []targetValue
	if v := in.AverageUtilization; v != nil {
		out = append(out, targetValue{autoscalingv2.UtilizationMetricType, *v > 0, fmt.Sprint(*v)})
	}
	if v := in.AverageValue; v != nil {
		out = append(out, targetValue{autoscalingv2.AverageValueMetricType, v.Sign() > 0, v.String()})
	}
	if v := in.Value; v != nil {
		out = append(out, targetValue{autoscalingv2.ValueMetricType, v.Sign() > 0, v.String()})
	}
	return out
}

// targetType checks the type that is written against the one that the value means.
func (o *object) targetType(p path, metric autoscalingv2.MetricSourceType,
	written, meant autoscalingv2.MetricTargetType, allowed []autoscalingv2.MetricTargetType,
) {
	switch {
	case written == meant:
	case written == "":
		o.errorf(p, "missing: write %q", meant)
	case metric != autoscalingv2.ObjectMetricSourceType && slices.Contains(allowed, written):
		o.warnf(p, "%q: does not fit %s, which is what counts", written, valueField(meant))
	default:
		o.errorf(p, "%s: must be %q, as %s is given", show(string(written)), meant, valueField(meant))
	}
}

// valueField is the field of a target that has the value for its type.
func valueField(t autoscalingv2.MetricTargetType) string {
	switch t {
	case autoscalingv2.UtilizationMetricType:
		return "averageUtilization"
	case autoscalingv2.AverageValueMetricType:
		return "averageValue"
	}
	return "value"
}

func valueFields(types []autoscalingv2.MetricTargetType) string {
	var fields []string
	for _, t := range types {
		fields = append(fields, valueField(t))
	}
	return strings.Join(fields, " or ")
}
