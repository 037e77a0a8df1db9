package vpa

import "slices"

// UpdateMode says what is done with recommendations.
type UpdateMode string

// The update modes. "InPlace", an alpha feature, is not supported.
const (
	ModeOff               UpdateMode = "Off"               // nothing
	ModeInitial           UpdateMode = "Initial"           // new pods get them
	ModeRecreate          UpdateMode = "Recreate"          // new pods get them, and pods are evicted to get them
	ModeInPlaceOrRecreate UpdateMode = "InPlaceOrRecreate" // the same, but pods are resized in place where that goes
	ModeAuto              UpdateMode = "Auto"              // deprecated, means Recreate
)

// Spec is a VerticalPodAutoscaler object, without its selector (upstream pkg/apis/autoscaling.k8s.io/v1/types.go). Empty
// strings and nil mean "not given"; see WithDefaults for what then holds.
type Spec struct {
	Name string // for messages

	UpdateMode UpdateMode // updatePolicy.updateMode; default Recreate
	// MinReplicas is updatePolicy.minReplicas: with fewer live pods none is updated. Default Config.MinReplicas, 2.
	MinReplicas *int32
	// EvictionRequirements, updatePolicy.evictionRequirements, must all be met by some container of a pod before the pod
	// is updated.
	EvictionRequirements []EvictionRequirement
	// ContainerPolicies are resourcePolicy.containerPolicies, at most one for each name.
	ContainerPolicies []ContainerPolicy

	// Unsupported lists the paths of fields that the object has and this package does not know, such as "startupBoost":
	// whoever decodes an object fills it, and Validate refuses them by name.
	Unsupported []string
}

// AnyContainer is the container name of the policy for containers that have none of their own.
const AnyContainer = "*"

// ScalingMode says whether a container is scaled.
type ScalingMode string

// The scaling modes.
const (
	ScalingAuto ScalingMode = "Auto"
	ScalingOff  ScalingMode = "Off"
)

// ControlledValues says what of a container is changed.
type ControlledValues string

// What of a container can be changed.
const (
	RequestsAndLimits ControlledValues = "RequestsAndLimits" // limits keep their ratio to requests
	RequestsOnly      ControlledValues = "RequestsOnly"      // requests stay at or below the limits as they are
)

// ContainerPolicy is the policy for containers of one name. A policy with a container's name replaces that for
// [AnyContainer] as a whole.
type ContainerPolicy struct {
	ContainerName          string // or AnyContainer
	Mode                   ScalingMode
	MinAllowed, MaxAllowed Amounts    // 0: no bound
	ControlledResources    []Resource // nil: both; empty but not nil: none
	ControlledValues       ControlledValues
}

// ChangeRequirement says in which direction a request must change.
type ChangeRequirement string

// The change requirements.
const (
	TargetHigherThanRequests ChangeRequirement = "TargetHigherThanRequests"
	TargetLowerThanRequests  ChangeRequirement = "TargetLowerThanRequests"
)

// EvictionRequirement is met by a container if the target of at least one of the resources differs from its request in the
// required direction. A container that requests no CPU or no memory meets all.
type EvictionRequirement struct {
	Resources         []Resource
	ChangeRequirement ChangeRequirement
}

// WithDefaults returns the object with everything filled in that was not given: mode Recreate (also for Auto, which means
// that), the updater's minReplicas, and for each policy mode Auto, both resources, requests and limits.
func (s Spec) WithDefaults(c Config) Spec {
	if s.UpdateMode == "" || s.UpdateMode == ModeAuto {
		s.UpdateMode = ModeRecreate
	}
	if s.MinReplicas == nil {
		s.MinReplicas = &c.MinReplicas
	}
	policies := make([]ContainerPolicy, len(s.ContainerPolicies))
	for i, p := range s.ContainerPolicies {
		policies[i] = p.withDefaults()
	}
	s.ContainerPolicies = policies
	return s
}

func (p ContainerPolicy) withDefaults() ContainerPolicy {
	if p.Mode == "" {
		p.Mode = ScalingAuto
	}
	if p.ControlledResources == nil {
		p.ControlledResources = slices.Clone(resources[:])
	}
	if p.ControlledValues == "" {
		p.ControlledValues = RequestsAndLimits
	}
	return p
}

// Policy returns the policy that holds for a container, with defaults: its own, else that for [AnyContainer], else one
// that bounds nothing.
func (s *Spec) Policy(container string) ContainerPolicy {
	if p := s.find(container); p != nil {
		return p.withDefaults()
	}
	return ContainerPolicy{ContainerName: AnyContainer}.withDefaults()
}

// find returns the policy for a container as it was given, or nil (upstream GetContainerResourcePolicy).
func (s *Spec) find(container string) *ContainerPolicy {
	var found *ContainerPolicy
	for i := range s.ContainerPolicies {
		switch p := &s.ContainerPolicies[i]; p.ContainerName {
		case container:
			return p
		case AnyContainer:
			found = p
		}
	}
	return found
}

// within returns a recommendation for a container with these limits: what is recommended of the controlled resources,
// bounded (upstream getCappedRecommendationForContainer).
func (p *ContainerPolicy) within(rec Recommendation, limits Amounts) Recommendation {
	out := Recommendation{Container: rec.Container, UncappedTarget: rec.UncappedTarget}
	for _, r := range p.ControlledResources {
		if rec.Target.Of(r) <= 0 {
			continue
		}
		limit := limits.Of(r)
		out.Target.set(r, p.bound(r, rec.Target.Of(r), limit))
		out.Lower.set(r, p.bound(r, rec.Lower.Of(r), limit))
		out.Upper.set(r, p.bound(r, rec.Upper.Of(r), limit))
	}
	return out
}

// bound holds an amount from minAllowed to maxAllowed and, if limits are not controlled, at or below the limit. Of two
// bounds in conflict the latter wins.
func (p *ContainerPolicy) bound(r Resource, v, limit int64) int64 {
	v = max(v, p.MinAllowed.Of(r))
	if m := p.MaxAllowed.Of(r); m > 0 {
		v = min(v, m)
	}
	if limit > 0 && p.ControlledValues == RequestsOnly {
		v = min(v, limit)
	}
	return v
}
