package keda

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Annotations are those of a ScaledObject that change what is decided (documentation, "Scaling Deployments", "Pausing
// autoscaling" and "Forcing activation").
type Annotations struct {
	Paused          bool   // the loop stops and the HPA is deleted
	PausedReplicas  *int32 // the same, after replicas were set to this count
	PausedScaleIn   bool   // no step to 0 or the idle count, and no scale-down by the HPA
	PausedScaleOut  bool   // no step from 0 or the idle count, and no scale-up by the HPA
	ForceActivation bool   // taken as active whatever the triggers say
}

// annotationPrefix begins the names of all annotations read here.
const annotationPrefix = "autoscaling.keda.sh/"

// The annotations, without their prefix.
const (
	pausedAnnotation          = "paused"
	pausedReplicasAnnotation  = "paused-replicas"
	pausedScaleInAnnotation   = "paused-scale-in"
	pausedScaleOutAnnotation  = "paused-scale-out"
	forceActivationAnnotation = "force-activation"
)

// ParseAnnotations reads the annotations of a ScaledObject's metadata; those of others are ignored. What is not a boolean
// counts as true, as upstream (getBoolAnnotation). A name under autoscaling.keda.sh that KEDA does not know is refused, though
// KEDA would ignore it: it is a misspelling.
func ParseAnnotations(all map[string]string) (Annotations, error) {
	var a Annotations
	var errs []error
	for _, key := range slices.Sorted(maps.Keys(all)) {
		name, ours := strings.CutPrefix(key, annotationPrefix)
		if !ours {
			continue
		}
		value := all[key]
		on, err := strconv.ParseBool(value)
		on = on || err != nil
		switch name {
		case pausedAnnotation:
			a.Paused = on
		case pausedScaleInAnnotation:
			a.PausedScaleIn = on
		case pausedScaleOutAnnotation:
			a.PausedScaleOut = on
		case forceActivationAnnotation:
			a.ForceActivation = on
		case pausedReplicasAnnotation:
			n, err := strconv.ParseInt(value, 10, 32)
			if err != nil || n < 0 {
				errs = append(errs, fmt.Errorf("metadata.annotations[%s]: %q: must be a whole number of replicas, at least 0", key, value))
				continue
			}
			count := int32(n)
			a.PausedReplicas = &count
		default:
			errs = append(errs, fmt.Errorf("metadata.annotations[%q]: unknown: must be %s followed by %s, %s, %s, %s or %s", key, annotationPrefix,
				pausedAnnotation, pausedReplicasAnnotation, pausedScaleInAnnotation, pausedScaleOutAnnotation, forceActivationAnnotation))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return Annotations{}, err
	}
	return a, nil
}
