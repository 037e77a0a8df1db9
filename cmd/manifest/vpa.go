package manifest

import (
	"slices"
	"time"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// VPA is a VerticalPodAutoscaler (autoscaler 1.8). Nil and empty are "not given"; what then holds is in the comment.
type VPA struct {
	Object
	Target               Target
	UpdateMode           UpdateMode // Recreate (filled in)
	MinReplicas          *int32     // replicas that must live for an eviction; the updater's flag, 2
	EvictionRequirements []EvictionRequirement
	EvictAfterOOM        *time.Duration    // the updater's flag, 10 min
	Policies             []ContainerPolicy // no bounds
	Recommender          string            // the default one
}

// UpdateMode says when recommendations are applied.
type UpdateMode string

// The update modes. Auto, which is deprecated, means Recreate.
const (
	UpdateOff               UpdateMode = "Off"     // never
	UpdateInitial           UpdateMode = "Initial" // to new pods
	UpdateRecreate          UpdateMode = "Recreate"
	UpdateInPlaceOrRecreate UpdateMode = "InPlaceOrRecreate"
	UpdateInPlace           UpdateMode = "InPlace"
	UpdateAuto              UpdateMode = "Auto"
)

var updateModes = []UpdateMode{UpdateOff, UpdateInitial, UpdateRecreate, UpdateInPlaceOrRecreate, UpdateInPlace, UpdateAuto}

// EvictionRequirement must hold for a pod to be evicted: a recommendation of one of the resources is on one side of
// the request.
type EvictionRequirement struct {
	Resources         []string // cpu, memory
	ChangeRequirement string   // TargetHigherThanRequests or TargetLowerThanRequests
}

// ContainerPolicy bounds the recommendations for a container.
type ContainerPolicy struct {
	Container              string // * for all that have none of their own
	Off                    bool   // no recommendations
	MinAllowed, MaxAllowed Resources
	ControlledResources    []string // cpu and memory if nil
	RequestsOnly           bool     // limits stay as they are; otherwise they keep their ratio to the requests
	// Amounts for memory after an OOM kill; the recommender's flags if nil: 1.2, 100 MiB, 24 h and 8.
	OOMBumpUpRatio                 *float64
	OOMMinBumpUpBytes              *int64
	MemoryAggregationInterval      *time.Duration
	MemoryAggregationIntervalCount *int64
}

// verticalPodAutoscaler has the fields of the custom resource
// (vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1/types.go, v1.8.1).
type verticalPodAutoscaler struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`
	Spec              struct {
		TargetRef      *autoscalingv1.CrossVersionObjectReference `json:"targetRef"`
		UpdatePolicy   *vpaUpdatePolicy                           `json:"updatePolicy,omitempty"`
		ResourcePolicy *struct {
			ContainerPolicies []vpaContainerPolicy `json:"containerPolicies,omitempty"`
		} `json:"resourcePolicy,omitempty"`
		Recommenders []struct {
			Name string `json:"name"`
		} `json:"recommenders,omitempty"`
		StartupBoost *vpaStartupBoost `json:"startupBoost,omitempty"`
	} `json:"spec"`
}

type vpaUpdatePolicy struct {
	UpdateMode           *string `json:"updateMode,omitempty"`
	MinReplicas          *int32  `json:"minReplicas,omitempty"`
	EvictionRequirements []struct {
		Resources         []string `json:"resources"`
		ChangeRequirement string   `json:"changeRequirement"`
	} `json:"evictionRequirements,omitempty"`
	EvictAfterOOMSeconds *int32 `json:"evictAfterOOMSeconds,omitempty"`
}

type vpaContainerPolicy struct {
	ContainerName                    string              `json:"containerName,omitempty"`
	Mode                             *string             `json:"mode,omitempty"`
	MinAllowed                       corev1.ResourceList `json:"minAllowed,omitempty"`
	MaxAllowed                       corev1.ResourceList `json:"maxAllowed,omitempty"`
	ControlledResources              []string            `json:"controlledResources,omitempty"`
	ControlledValues                 *string             `json:"controlledValues,omitempty"`
	OOMBumpUpRatio                   *resource.Quantity  `json:"oomBumpUpRatio,omitempty"`
	OOMMinBumpUp                     *resource.Quantity  `json:"oomMinBumpUp,omitempty"`
	MemoryAggregationIntervalSeconds *int32              `json:"memoryAggregationIntervalSeconds,omitempty"`
	MemoryAggregationIntervalCount   *int64              `json:"memoryAggregationIntervalCount,omitempty"`
	StartupBoost                     *vpaStartupBoost    `json:"startupBoost,omitempty"`
}

type vpaStartupBoost struct {
	CPU *struct {
		Type            string             `json:"type"`
		Factor          *int32             `json:"factor,omitempty"`
		Quantity        *resource.Quantity `json:"quantity,omitempty"`
		DurationSeconds *int32             `json:"durationSeconds,omitempty"`
	} `json:"cpu,omitempty"`
}

// readVPA reads the object and checks it as the admission controller does
// (pkg/admission-controller/resource/vpa/validation.go, v1.8.1).
func (o *object) readVPA() {
	in, ok := decode[verticalPodAutoscaler](o)
	if !ok {
		return
	}
	o.metadata(&in.ObjectMeta)
	at := path{"spec"}
	out := VPA{UpdateMode: UpdateRecreate}
	if in.Spec.TargetRef == nil {
		o.errorf(at.at("targetRef"), "missing: name the Deployment or StatefulSet by apiVersion, kind and name")
	} else {
		out.Target = Target(*in.Spec.TargetRef)
		o.group(at.at("targetRef"), o.target(at.at("targetRef"), out.Target))
	}
	if in.Spec.UpdatePolicy != nil {
		o.updatePolicy(at.at("updatePolicy"), in.Spec.UpdatePolicy, &out)
	}
	if in.Spec.ResourcePolicy != nil {
		o.containerPolicies(at.at("resourcePolicy", "containerPolicies"), in.Spec.ResourcePolicy.ContainerPolicies, &out)
	}
	switch at := at.at("recommenders"); {
	case len(in.Spec.Recommenders) > 1:
		o.errorf(at, "%d are given: at most one is possible", len(in.Spec.Recommenders))
	case len(in.Spec.Recommenders) == 1:
		if out.Recommender = in.Spec.Recommenders[0].Name; out.Recommender == "" {
			o.errorf(at.at(0, "name"), "missing: name the recommender")
		} else if out.Recommender != "default" {
			o.warnf(at, "%s: a simulation recommends as the default one", show(out.Recommender))
		}
	}
	o.startupBoost(at.at("startupBoost"), in.Spec.StartupBoost)
	if o.badness == 0 {
		out.Object = o.meta
		o.r.set.VPAs = append(o.r.set.VPAs, out)
	}
}

func (o *object) startupBoost(p path, in *vpaStartupBoost) {
	if in != nil {
		o.warnf(p, "pods are not boosted in a simulation")
	}
}

// changeRequirements are the sides on which a recommendation may have to be.
var changeRequirements = []string{"TargetHigherThanRequests", "TargetLowerThanRequests"}

func (o *object) updatePolicy(p path, in *vpaUpdatePolicy, v *VPA) {
	switch at := p.at("updateMode"); {
	case in.UpdateMode == nil:
		o.errorf(at, "missing: an updatePolicy needs it; without an updatePolicy it is %q", UpdateRecreate)
	case !slices.Contains(updateModes, UpdateMode(*in.UpdateMode)):
		o.errorf(at, "%s: must be one of %q", show(*in.UpdateMode), updateModes)
	default:
		v.UpdateMode = UpdateMode(*in.UpdateMode)
		if v.UpdateMode == UpdateAuto {
			o.warnf(at, "%q: deprecated; it is the same as %q", UpdateAuto, UpdateRecreate)
		}
	}
	if v.MinReplicas = in.MinReplicas; in.MinReplicas != nil && *in.MinReplicas < 1 {
		o.errorf(p.at("minReplicas"), "%d: must be at least 1", *in.MinReplicas)
	}
	v.EvictAfterOOM = o.seconds(p.at("evictAfterOOMSeconds"), in.EvictAfterOOMSeconds, 1)
	o.withoutOOM(p.at("evictAfterOOMSeconds"), in.EvictAfterOOMSeconds != nil)
	for i, r := range in.EvictionRequirements {
		at := p.at("evictionRequirements", i)
		o.controlled(at.at("resources"), r.Resources)
		if len(r.Resources) == 0 {
			o.errorf(at.at("resources"), "missing: name cpu, memory or both")
		}
		if !slices.Contains(changeRequirements, r.ChangeRequirement) {
			o.errorf(at.at("changeRequirement"), "%s: must be one of %q", show(r.ChangeRequirement), changeRequirements)
		}
		v.EvictionRequirements = append(v.EvictionRequirements, EvictionRequirement(r))
	}
}

func (o *object) controlled(p path, resources []string) {
	for i, r := range resources {
		if r != string(corev1.ResourceCPU) && r != string(corev1.ResourceMemory) {
			o.errorf(p.at(i), `%s: must be "cpu" or "memory"`, show(r))
		}
	}
}

func (o *object) containerPolicies(p path, in []vpaContainerPolicy, v *VPA) {
	for i := range in {
		policy := o.containerPolicy(p.at(i), &in[i])
		if slices.ContainsFunc(v.Policies, func(c ContainerPolicy) bool { return c.Container == policy.Container }) {
			o.errorf(p.at(i, "containerName"), "%s: has a policy already: leave one of them", show(policy.Container))
		}
		v.Policies = append(v.Policies, policy)
	}
}

func (o *object) containerPolicy(p path, in *vpaContainerPolicy) ContainerPolicy {
	out := ContainerPolicy{Container: in.ContainerName, ControlledResources: in.ControlledResources}
	if in.ContainerName == "" {
		o.errorf(p.at("containerName"), `missing: name the container, or "*" for all`)
	}
	out.Off = o.option(p.at("mode"), in.Mode, "Auto", "Off")
	out.RequestsOnly = o.option(p.at("controlledValues"), in.ControlledValues, "RequestsAndLimits", "RequestsOnly")
	if out.Off && in.ControlledValues != nil && !out.RequestsOnly {
		o.errorf(p.at("controlledValues"), `"RequestsAndLimits": not possible with mode "Off": remove one of them`)
	}
	out.MinAllowed = o.allowed(p.at("minAllowed"), in.MinAllowed)
	out.MaxAllowed = o.allowed(p.at("maxAllowed"), in.MaxAllowed)
	o.above(p.at("minAllowed"), out.MinAllowed, out.MaxAllowed, "maxAllowed")
	o.controlled(p.at("controlledResources"), in.ControlledResources)
	if q := in.OOMBumpUpRatio; q != nil {
		f := q.AsApproximateFloat64()
		if out.OOMBumpUpRatio = &f; f < 1 {
			o.errorf(p.at("oomBumpUpRatio"), "%s: must be at least 1", q.String())
		}
	}
	if q := in.OOMMinBumpUp; q != nil {
		n := o.bytes(p.at("oomMinBumpUp"), *q)
		if out.OOMMinBumpUpBytes = &n; n < 0 {
			o.errorf(p.at("oomMinBumpUp"), "%s: must not be negative", q.String())
		}
	}
	out.MemoryAggregationInterval = o.seconds(p.at("memoryAggregationIntervalSeconds"), in.MemoryAggregationIntervalSeconds, 1)
	if n := in.MemoryAggregationIntervalCount; n != nil && *n < 1 {
		o.errorf(p.at("memoryAggregationIntervalCount"), "%d: must be at least 1", *n)
	}
	out.MemoryAggregationIntervalCount = in.MemoryAggregationIntervalCount
	o.withoutOOM(p.at("oomBumpUpRatio"), in.OOMBumpUpRatio != nil)
	o.withoutOOM(p.at("oomMinBumpUp"), in.OOMMinBumpUp != nil)
	for _, f := range []struct {
		key   string
		given bool
	}{{"memoryAggregationIntervalSeconds", in.MemoryAggregationIntervalSeconds != nil}, {"memoryAggregationIntervalCount", in.MemoryAggregationIntervalCount != nil}} {
		if f.given {
			o.warnf(p.at(f.key), "a simulated recommender has its defaults, 8 intervals of 24 h")
		}
	}
	o.startupBoost(p.at("startupBoost"), in.StartupBoost)
	return out
}

// withoutOOM names what follows from a kill for want of memory alone.
func (o *object) withoutOOM(p path, given bool) {
	if given {
		o.warnf(p, "has no effect: nothing is killed for want of memory in a simulation")
	}
}

// option reports whether the second of two words is given; the first is the default.
func (o *object) option(p path, given *string, usual, other string) bool {
	switch {
	case given == nil || *given == usual:
		return false
	case *given != other:
		o.errorf(p, "%s: must be %q or %q", show(*given), usual, other)
	}
	return true
}

// allowed converts bounds, which must be whole thousandths of a CPU and whole bytes.
func (o *object) allowed(p path, list corev1.ResourceList) Resources {
	for _, f := range []struct {
		name   corev1.ResourceName
		digits int
		unit   string
	}{{corev1.ResourceCPU, 3, "thousandths of a CPU (m)"}, {corev1.ResourceMemory, 0, "bytes"}} {
		if q, ok := list[f.name]; ok {
			if _, exact, _ := scaled(q, f.digits); !exact {
				o.errorf(p.at(string(f.name)), "%s: must be a whole number of %s", q.String(), f.unit)
			}
		}
	}
	return o.resources(p, list)
}
