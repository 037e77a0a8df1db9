package manifest

import (
	"slices"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/grlscaler/grlscaler/sim/hpa"
)

// ScaledObject is a KEDA ScaledObject (KEDA 2.20). Nil is "not given"; KEDA's default is in the comment.
type ScaledObject struct {
	Object
	Target                        Target         // apiVersion and kind default to apps/v1 and Deployment
	EnvSourceContainer            string         // the container whose environment triggers may refer to; the first one
	PollingInterval               *time.Duration // 30 s
	InitialCooldownPeriod         *time.Duration // 0
	CooldownPeriod                *time.Duration // 5 min
	IdleReplicaCount              *int32         // none: minReplicaCount holds without activity
	MinReplicaCount               *int32         // 0
	MaxReplicaCount               *int32         // 100
	Fallback                      *Fallback
	HPAName                       string // of the HPA that KEDA makes; filled with keda-hpa-NAME
	Behavior                      *hpa.Behavior
	RestoreToOriginalReplicaCount bool // when the ScaledObject is deleted
	ScalingModifiers              *ScalingModifiers
	Triggers                      []Trigger // at least one
}

// Fallback is how many replicas there are while a trigger cannot be read.
type Fallback struct {
	FailureThreshold int32 // failures in a row
	Replicas         int32
	Behavior         string // static (filled in), currentReplicas, currentReplicasIfHigher, currentReplicasIfLower or scalingModifiers
}

// ScalingModifiers is a formula that makes one metric of all triggers.
type ScalingModifiers struct {
	Formula          string
	Target           float64 // above 0
	ActivationTarget float64
	MetricType       string // AverageValue (filled in) or Value
}

// Trigger is one source of a metric.
type Trigger struct {
	Type             string // prometheus, cpu, cron, ...
	Name             string // unique, if given
	Metadata         map[string]string
	MetricType       hpa.TargetType // Utilization or AverageValue for cpu and memory; AverageValue (filled in) or Value for others
	UseCachedMetrics bool           // the HPA gets the value of the last poll
	Authentication   string         // kind/name of the object with credentials; empty for none
}

// scaledObject has the fields of KEDA's custom resource (apis/keda/v1alpha1/scaledobject_types.go, v2.20.0). Fields that
// must be given are pointers here, so that a missing one is found.
type scaledObject struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`
	Spec              struct {
		ScaleTargetRef *struct {
			Name                   string `json:"name"`
			APIVersion             string `json:"apiVersion,omitempty"`
			Kind                   string `json:"kind,omitempty"`
			EnvSourceContainerName string `json:"envSourceContainerName,omitempty"`
		} `json:"scaleTargetRef"`
		PollingInterval       *int32        `json:"pollingInterval,omitempty"`
		InitialCooldownPeriod *int32        `json:"initialCooldownPeriod,omitempty"`
		CooldownPeriod        *int32        `json:"cooldownPeriod,omitempty"`
		IdleReplicaCount      *int32        `json:"idleReplicaCount,omitempty"`
		MinReplicaCount       *int32        `json:"minReplicaCount,omitempty"`
		MaxReplicaCount       *int32        `json:"maxReplicaCount,omitempty"`
		Advanced              *kedaAdvanced `json:"advanced,omitempty"`
		Triggers              []kedaTrigger `json:"triggers"`
		Fallback              *kedaFallback `json:"fallback,omitempty"`
	} `json:"spec"`
}

type kedaAdvanced struct {
	HorizontalPodAutoscalerConfig *struct {
		Behavior *autoscalingv2.HorizontalPodAutoscalerBehavior `json:"behavior,omitempty"`
		Name     string                                         `json:"name,omitempty"`
	} `json:"horizontalPodAutoscalerConfig,omitempty"`
	RestoreToOriginalReplicaCount bool          `json:"restoreToOriginalReplicaCount,omitempty"`
	ScalingModifiers              kedaModifiers `json:"scalingModifiers,omitempty"`
}

type kedaModifiers struct {
	Formula          string `json:"formula,omitempty"`
	Target           string `json:"target,omitempty"`
	ActivationTarget string `json:"activationTarget,omitempty"`
	MetricType       string `json:"metricType,omitempty"`
}

type kedaFallback struct {
	FailureThreshold *int32 `json:"failureThreshold"`
	Replicas         *int32 `json:"replicas"`
	Behavior         string `json:"behavior,omitempty"`
}

type kedaTrigger struct {
	Type              string            `json:"type"`
	Name              string            `json:"name,omitempty"`
	UseCachedMetrics  bool              `json:"useCachedMetrics,omitempty"`
	Metadata          map[string]string `json:"metadata"`
	AuthenticationRef *struct {
		Name string `json:"name"`
		Kind string `json:"kind,omitempty"`
	} `json:"authenticationRef,omitempty"`
	MetricType string `json:"metricType,omitempty"`
}

// readScaledObject reads the object and checks it as KEDA's custom resource definition and its admission webhook do
// (scaledobject_webhook.go, v2.20.0).
func (o *object) readScaledObject() {
	in, ok := decode[scaledObject](o)
	if !ok {
		return
	}
	o.metadata(&in.ObjectMeta)
	at, spec := path{"spec"}, &in.Spec
	out := ScaledObject{IdleReplicaCount: spec.IdleReplicaCount, MinReplicaCount: spec.MinReplicaCount, MaxReplicaCount: spec.MaxReplicaCount}
	if ref := spec.ScaleTargetRef; ref != nil {
		out.EnvSourceContainer = ref.EnvSourceContainerName
		out.Target = Target{ref.Kind, ref.Name, ref.APIVersion}
	}
	if out.Target.APIVersion == "" { // ParseGVKR
		out.Target.APIVersion = "apps/v1"
	}
	if out.Target.Kind == "" {
		out.Target.Kind = "Deployment"
	}
	o.group(at.at("scaleTargetRef"), o.target(at.at("scaleTargetRef"), out.Target))
	out.PollingInterval = o.seconds(at.at("pollingInterval"), spec.PollingInterval, 1)
	out.InitialCooldownPeriod = o.seconds(at.at("initialCooldownPeriod"), spec.InitialCooldownPeriod, 0)
	out.CooldownPeriod = o.seconds(at.at("cooldownPeriod"), spec.CooldownPeriod, 0)
	o.kedaReplicas(&out)
	o.triggers(at.at("triggers"), spec.Triggers, &out)
	o.advanced(at.at("advanced"), spec.Advanced, &out)
	o.fallback(at.at("fallback"), spec.Fallback, &out)
	o.kedaWarnings(&out)
	if o.badness == 0 {
		out.Object = o.meta
		o.r.set.ScaledObjects = append(o.r.set.ScaledObjects, out)
	}
}

// seconds converts a number of seconds that must be at least low.
func (o *object) seconds(p path, n *int32, low int32) *time.Duration {
	if n == nil {
		return nil
	}
	if *n < low {
		o.errorf(p, "%d: must be at least %d", *n, low)
	}
	d := time.Duration(*n) * time.Second
	return &d
}

// kedaReplicas checks the bounds as CheckReplicaCountBoundsAreValid does: an explicit minReplicaCount of 0 counts as 1 there,
// the smallest that an HPA may have, so that idleReplicaCount 0 is below it; a missing one counts as 0.
func (o *object) kedaReplicas(so *ScaledObject) {
	at := path{"spec"}
	for _, f := range []struct {
		name string
		n    *int32
		low  int32
	}{{"idleReplicaCount", so.IdleReplicaCount, 0}, {"minReplicaCount", so.MinReplicaCount, 0}, {"maxReplicaCount", so.MaxReplicaCount, 1}} {
		if f.n != nil && *f.n < f.low {
			o.errorf(at.at(f.name), "%d: must be at least %d", *f.n, f.low)
		}
	}
	low, high := int32(0), int32(100)
	if so.MinReplicaCount != nil {
		low = max(*so.MinReplicaCount, 1)
	}
	if so.MaxReplicaCount != nil {
		high = *so.MaxReplicaCount
	}
	switch idle := so.IdleReplicaCount; {
	case high >= 1 && low > high:
		o.errorf(at.at("minReplicaCount"), "%d: must be at most maxReplicaCount, which is %d", low, high)
	case idle != nil && *idle >= low && low == 0:
		o.errorf(at.at("idleReplicaCount"), "%d: must be below minReplicaCount, which is not given: write minReplicaCount: 1", *idle)
	case idle != nil && *idle >= low:
		o.errorf(at.at("idleReplicaCount"), "%d: must be below minReplicaCount, which is %d", *idle, low)
	case idle != nil && *idle > 0:
		o.warnf(at.at("idleReplicaCount"), "%d: KEDA supports no other value than 0, as an HPA cannot hold it", *idle)
	}
}

// advanced checks and converts the section advanced.
func (o *object) advanced(p path, in *kedaAdvanced, so *ScaledObject) {
	so.HPAName = "keda-hpa-" + o.meta.Name
	if in == nil {
		in = &kedaAdvanced{}
	}
	so.RestoreToOriginalReplicaCount = in.RestoreToOriginalReplicaCount
	name := path{"metadata", "name"}
	if c := in.HorizontalPodAutoscalerConfig; c != nil {
		at := p.at("horizontalPodAutoscalerConfig")
		if c.Name != "" {
			name, so.HPAName = at.at("name"), c.Name
		}
		so.Behavior = o.behavior(at.at("behavior"), c.Behavior)
		o.validate(hpa.Spec{MaxReplicas: 1, Behavior: so.Behavior}, at.at("behavior"))
	}
	if len(so.HPAName) > 63 { // verifyName: it becomes the value of a label
		o.errorf(name, "the HPA would be called %q, which is longer than 63 letters: set spec.advanced.horizontalPodAutoscalerConfig.name", so.HPAName)
	}
	so.ScalingModifiers = o.modifiers(p.at("scalingModifiers"), in.ScalingModifiers)
}

// modifiers checks a formula's target. The formula itself, a language of its own, is kept as it is.
func (o *object) modifiers(p path, in kedaModifiers) *ScalingModifiers {
	if in == (kedaModifiers{}) {
		return nil
	}
	out := &ScalingModifiers{Formula: in.Formula, MetricType: in.MetricType}
	if in.Formula == "" {
		o.errorf(p.at("formula"), "missing: scalingModifiers need a formula")
	}
	if v, ok := o.number(p.at("target"), in.Target, true); ok && !(v > 0) {
		o.errorf(p.at("target"), "%s: must be above 0", show(in.Target))
	} else {
		out.Target = v
	}
	out.ActivationTarget, _ = o.number(p.at("activationTarget"), in.ActivationTarget, false)
	switch in.MetricType {
	case "":
		out.MetricType = string(hpa.AverageValueTarget)
	case string(hpa.AverageValueTarget), string(hpa.ValueTarget):
	default:
		o.errorf(p.at("metricType"), "%s: must be %q or %q", show(in.MetricType), hpa.AverageValueTarget, hpa.ValueTarget)
	}
	return out
}

// fallbackBehaviors are the ways to fall back.
var fallbackBehaviors = []string{"static", "currentReplicas", "currentReplicasIfHigher", "currentReplicasIfLower", "scalingModifiers"}

// fallback checks and converts the section fallback, as CheckFallbackValid and the schema do.
func (o *object) fallback(p path, in *kedaFallback, so *ScaledObject) {
	if in == nil {
		return
	}
	out := &Fallback{Behavior: in.Behavior}
	if out.Behavior == "" {
		out.Behavior = fallbackBehaviors[0]
	}
	for _, f := range []struct {
		name string
		n    *int32
		to   *int32
	}{{"failureThreshold", in.FailureThreshold, &out.FailureThreshold}, {"replicas", in.Replicas, &out.Replicas}} {
		switch {
		case f.n == nil:
			o.errorf(p.at(f.name), "missing: fallback needs failureThreshold and replicas")
		case *f.n < 0:
			o.errorf(p.at(f.name), "%d: must not be negative", *f.n)
		default:
			*f.to = *f.n
		}
	}
	if !slices.Contains(fallbackBehaviors, out.Behavior) {
		o.errorf(p.at("behavior"), "%s: must be one of %q", show(in.Behavior), fallbackBehaviors)
	}
	if out.Behavior == "scalingModifiers" && so.ScalingModifiers == nil {
		o.errorf(p.at("behavior"), `"scalingModifiers": needs advanced.scalingModifiers.formula`)
	}
	if so.ScalingModifiers == nil && len(so.Triggers) > 0 && onlyResources(so.Triggers) {
		o.errorf(p, "needs a trigger that is not cpu or memory: those have no fallback")
	}
	so.Fallback = out
}

// kedaWarnings names what is valid but without effect, as the webhook does (verifyScaledObjects), and what a simulation
// leaves out.
func (o *object) kedaWarnings(so *ScaledObject) {
	at := path{"spec"}
	cached := slices.ContainsFunc(so.Triggers, func(t Trigger) bool { return t.UseCachedMetrics })
	toZero := so.MinReplicaCount == nil || *so.MinReplicaCount == 0 || so.IdleReplicaCount != nil && *so.IdleReplicaCount == 0
	if so.PollingInterval != nil && !toZero && !cached {
		o.warnf(at.at("pollingInterval"), "has no effect unless minReplicaCount or idleReplicaCount is 0 or a trigger has useCachedMetrics")
	}
	if so.CooldownPeriod != nil && !toZero {
		o.warnf(at.at("cooldownPeriod"), "has no effect unless minReplicaCount or idleReplicaCount is 0")
	}
}
