package manifest

import (
	"errors"
	"regexp"
	"strconv"
	"strings"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/grlscaler/grlscaler/sim/hpa"
)

// HPA is a HorizontalPodAutoscaler.
type HPA struct {
	Object
	Target Target
	// Spec is the object as given, without defaults, valid for a cluster with the feature HPAScaleToZero.
	Spec hpa.Spec
	// Sources has for each metric of Spec what the decision does not need, but whoever fetches the metric does.
	Sources []MetricSource
}

// MetricSource says where a pods, object or external metric comes from; it is empty for other metrics.
type MetricSource struct {
	Selector  *metav1.LabelSelector // of the metric's labels; nil selects all
	Described *Target               // the object that an object metric describes
}

// readHPA reads the object in either version.
func (o *object) readHPA() {
	h := HPA{}
	var behavior *autoscalingv2.HorizontalPodAutoscalerBehavior
	at := path{"spec"}
	if o.meta.APIVersion == "autoscaling/v1" {
		in, ok := decode[autoscalingv1.HorizontalPodAutoscaler](o)
		if !ok {
			return
		}
		o.metadata(&in.ObjectMeta)
		o.noV2Annotations()
		h.Target = Target(in.Spec.ScaleTargetRef)
		h.Spec = hpa.Spec{MinReplicas: in.Spec.MinReplicas, MaxReplicas: in.Spec.MaxReplicas}
		if percent := in.Spec.TargetCPUUtilizationPercentage; percent != nil {
			if *percent < 1 {
				o.errorf(at.at("targetCPUUtilizationPercentage"), "%d: must be at least 1", *percent)
			}
			h.Spec.Metrics = []hpa.MetricSpec{{
				Type: hpa.ResourceMetric, Resource: hpa.CPU,
				Target: hpa.Target{Type: hpa.UtilizationTarget, AverageUtilization: *percent},
			}}
			h.Sources = make([]MetricSource, 1)
		}
	} else {
		in, ok := decode[autoscalingv2.HorizontalPodAutoscaler](o)
		if !ok {
			return
		}
		o.metadata(&in.ObjectMeta)
		h.Target = Target(in.Spec.ScaleTargetRef)
		h.Spec = hpa.Spec{MinReplicas: in.Spec.MinReplicas, MaxReplicas: in.Spec.MaxReplicas}
		behavior = in.Spec.Behavior
		for i := range in.Spec.Metrics {
			m, source := o.metric(at.at("metrics", i), &in.Spec.Metrics[i])
			h.Spec.Metrics = append(h.Spec.Metrics, m)
			h.Sources = append(h.Sources, source)
		}
	}
	o.group(at.at("scaleTargetRef"), o.target(at.at("scaleTargetRef"), h.Target))
	h.Spec.Name = o.meta.Name
	h.Spec.Behavior = o.behavior(at.at("behavior"), behavior)
	o.validate(h.Spec, at.at("behavior"))
	if o.badness == 0 {
		h.Object = o.meta
		o.r.set.HPAs = append(o.r.set.HPAs, h)
	}
}

// noV2Annotations refuses the annotations in which autoscaling/v1 carries what it has no fields for: they would scale
// a cluster (Convert_v1_HorizontalPodAutoscaler_To_autoscaling_HorizontalPodAutoscaler reads them).
func (o *object) noV2Annotations() {
	for _, name := range []string{"metrics", "behavior", "scale-up-tolerance", "scale-down-tolerance"} {
		key := "autoscaling.alpha.kubernetes.io/" + name
		if _, ok := o.meta.Annotations[key]; ok {
			o.errorf(path{"metadata", "annotations", key}, `not read; write the object as "autoscaling/v2", which has a field for it`)
		}
	}
}

// behavior converts scaling rules.
func (o *object) behavior(p path, in *autoscalingv2.HorizontalPodAutoscalerBehavior) *hpa.Behavior {
	if in == nil {
		return nil
	}
	return &hpa.Behavior{ScaleUp: o.rules(p.at("scaleUp"), in.ScaleUp), ScaleDown: o.rules(p.at("scaleDown"), in.ScaleDown)}
}

func (o *object) rules(p path, in *autoscalingv2.HPAScalingRules) *hpa.ScalingRules {
	if in == nil {
		return nil
	}
	out := &hpa.ScalingRules{StabilizationWindowSeconds: in.StabilizationWindowSeconds}
	if in.SelectPolicy != nil {
		out.SelectPolicy = hpa.SelectPolicy(*in.SelectPolicy)
		if *in.SelectPolicy == "" {
			o.errorf(p.at("selectPolicy"), `"": must be one of "Max", "Min", "Disabled"; without the field it is "Max"`)
		}
	}
	if in.Policies != nil && len(in.Policies) == 0 {
		o.errorf(p.at("policies"), "empty: give at least one policy, leave the field out for the default ones, or set selectPolicy to Disabled")
	}
	for _, policy := range in.Policies {
		out.Policies = append(out.Policies, hpa.Policy{Type: hpa.PolicyType(policy.Type), Value: policy.Value, PeriodSeconds: policy.PeriodSeconds})
	}
	if in.Tolerance != nil {
		out.Tolerance = o.tolerance(p.at("tolerance"), *in.Tolerance)
	}
	return out
}

// tolerance converts the quantity as the controller does (tolerancesForHpa), from the canonical form in which the API
// server stores it: 0.3 arrives there as 300m, and 300 * 0.001 is 0.3 where 3 * 0.1 is 0.30000000000000004.
func (o *object) tolerance(p path, q resource.Quantity) *float64 {
	canonical, err := resource.ParseQuantity(q.String())
	if err != nil {
		o.errorf(p, "%s: %v", q.String(), err)
		return nil
	}
	f := canonical.AsApproximateFloat64()
	return &f
}

var specPath = regexp.MustCompile(`^hpa spec\.([^:]+): (.*)$`)

// validate reports what hpa finds wrong with a spec whose behavior is at the given path of the manifest.
func (o *object) validate(spec hpa.Spec, behavior path) {
	spec.Name = ""
	before := o.badness
	config := hpa.DefaultConfig()
	config.ScaleToZero = true
	if n := spec.MinReplicas; n != nil && *n == 0 {
		o.warnf(path{"spec", "minReplicas"}, "0: needs the feature gate HPAScaleToZero, which is on by default since Kubernetes 1.37")
	}
	for _, err := range joined(spec.Validate(config)) {
		m := specPath.FindStringSubmatch(err.Error())
		if m == nil {
			o.errorf(nil, "%v", err)
			continue
		}
		p := parsePath(m[1])
		switch {
		case before > 0 && p[0] == "metrics": // said already, with the names of the manifest
		case p[0] == "maxReplicas" && !o.given(path{"spec", "maxReplicas"}):
			o.errorf(path{"spec", "maxReplicas"}, "missing: an HPA needs it")
		case p[0] == "behavior":
			o.errorf(behavior.at(p[1:]...), "%s", m[2])
		default:
			o.errorf(path{"spec"}.at(p...), "%s", m[2])
		}
	}
}

// joined returns the errors that errors.Join joined.
func joined(err error) []error {
	var several interface{ Unwrap() []error }
	switch {
	case err == nil:
		return nil
	case errors.As(err, &several):
		return several.Unwrap()
	}
	return []error{err}
}

var pathStep = regexp.MustCompile(`[A-Za-z]+|\[\d+\]`)

// parsePath reads a path of letters and indexes: behavior.scaleUp.policies[0].value.
func parsePath(s string) path {
	var p path
	for _, step := range pathStep.FindAllString(s, -1) {
		if index, ok := strings.CutPrefix(step, "["); ok {
			i, err := strconv.Atoi(strings.TrimSuffix(index, "]"))
			if err != nil {
				return p
			}
			p = append(p, i)
		} else {
			p = append(p, step)
		}
	}
	return p
}
