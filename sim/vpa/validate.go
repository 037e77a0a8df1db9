package vpa

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// validation collects mistakes, each with the path of the field.
type validation struct {
	prefix string
	errs   []error
}

func (v *validation) addf(path, format string, args ...any) {
	v.errs = append(v.errs, fmt.Errorf("%s%s: %s", v.prefix, path, fmt.Sprintf(format, args...)))
}

// Validate checks the object as the admission controller does (upstream validateVPASpec), refuses two policies for one name,
// which upstream takes and half ignores, and names what is not supported. It reports every mistake at once: each error
// names the field, the value found and the values allowed.
func (s Spec) Validate() error {
	v := &validation{prefix: "vpa spec."}
	if s.Name != "" {
		v.prefix = fmt.Sprintf("vpa %q: spec.", s.Name)
	}
	if len(s.Unsupported) > 0 {
		v.errs = append(v.errs, fmt.Errorf("%s: not supported: %s; leave them out",
			strings.TrimSuffix(v.prefix, "."), strings.Join(s.Unsupported, ", ")))
	}
	switch s.UpdateMode {
	case "", ModeOff, ModeInitial, ModeRecreate, ModeInPlaceOrRecreate, ModeAuto:
	case "InPlace":
		v.addf("updatePolicy.updateMode", "%q is not supported: use %q", s.UpdateMode, ModeInPlaceOrRecreate)
	default:
		v.addf("updatePolicy.updateMode", "%q: must be one of %q, %q, %q, %q, %q", s.UpdateMode,
			ModeOff, ModeInitial, ModeRecreate, ModeInPlaceOrRecreate, ModeAuto)
	}
	if m := s.MinReplicas; m != nil && *m < 1 {
		v.addf("updatePolicy.minReplicas", "%d: must be at least 1", *m)
	}
	for i, r := range s.EvictionRequirements {
		path := fmt.Sprintf("updatePolicy.evictionRequirements[%d]", i)
		if len(r.Resources) == 0 {
			v.addf(path+".resources", "none: must name %q, %q or both", CPU, Memory)
		}
		v.resources(path+".resources", r.Resources)
		if r.ChangeRequirement != TargetHigherThanRequests && r.ChangeRequirement != TargetLowerThanRequests {
			v.addf(path+".changeRequirement", "%q: must be %q or %q", r.ChangeRequirement, TargetHigherThanRequests, TargetLowerThanRequests)
		}
	}
	for i := range s.ContainerPolicies {
		v.policy(fmt.Sprintf("resourcePolicy.containerPolicies[%d]", i), &s.ContainerPolicies[i])
		for j := range i {
			if name := s.ContainerPolicies[i].ContainerName; name != "" && name == s.ContainerPolicies[j].ContainerName {
				v.addf(fmt.Sprintf("resourcePolicy.containerPolicies[%d].containerName", i), "%q: has a policy already, containerPolicies[%d]; merge them",
					name, j)
				break
			}
		}
	}
	return errors.Join(v.errs...)
}

func (v *validation) policy(path string, p *ContainerPolicy) {
	if p.ContainerName == "" {
		v.addf(path+".containerName", "must be a container's name, or %q for all that have no policy of their own", AnyContainer)
	}
	switch p.Mode {
	case "", ScalingAuto:
	case ScalingOff:
		if p.ControlledValues == RequestsAndLimits {
			v.addf(path+".controlledValues", "%q: must not be given for a container of mode %q", p.ControlledValues, ScalingOff)
		}
	default:
		v.addf(path+".mode", "%q: must be %q or %q", p.Mode, ScalingAuto, ScalingOff)
	}
	for _, r := range resources {
		least, most := p.MinAllowed.Of(r), p.MaxAllowed.Of(r)
		if least < 0 || least > MaxAmount {
			v.addf(path+".minAllowed."+string(r), "%d: must be from 0 to %d", least, MaxAmount)
		}
		switch {
		case most < 0 || most > MaxAmount:
			v.addf(path+".maxAllowed."+string(r), "%d: must be from 0 to %d", most, MaxAmount)
		case most > 0 && most < least:
			v.addf(path+".maxAllowed."+string(r), "%d: must be at least minAllowed, which is %d", most, least)
		}
	}
	v.resources(path+".controlledResources", p.ControlledResources)
	switch p.ControlledValues {
	case "", RequestsAndLimits, RequestsOnly:
	default:
		v.addf(path+".controlledValues", "%q: must be %q or %q", p.ControlledValues, RequestsAndLimits, RequestsOnly)
	}
}

func (v *validation) resources(path string, list []Resource) {
	for i, r := range list {
		switch {
		case r != CPU && r != Memory:
			v.addf(fmt.Sprintf("%s[%d]", path, i), "%q: must be %q or %q", r, CPU, Memory)
		case slices.Contains(list[:i], r):
			v.addf(fmt.Sprintf("%s[%d]", path, i), "%q: is there twice", r)
		}
	}
}
