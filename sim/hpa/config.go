package hpa

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// Config holds what a cluster's administrator chooses: the flags of kube-controller-manager and the rules of its
// release. Use [DefaultConfig]; the zero value is not valid.
type Config struct {
	// SyncPeriod is the distance of two syncs of one HPA. The decision does not depend on it; it sizes buffers,
	// and whoever calls Sync keeps to it. Default 15 s.
	SyncPeriod time.Duration
	// DownscaleStabilization is how long a higher proposal holds a scale-down up, for an HPA without behavior and
	// as the default of behavior.scaleDown.stabilizationWindowSeconds. Default 5 min.
	DownscaleStabilization time.Duration
	// Tolerance is the distance of usage/target from 1 that is let pass. Default 0.1 both ways.
	Tolerance Tolerance
	// PerHPATolerance lets behavior.scaleUp.tolerance and behavior.scaleDown.tolerance override Tolerance (feature
	// HPAConfigurableTolerance, 1.33: alpha and off; on by default later). Default true.
	PerHPATolerance bool
	// CPUInitializationPeriod is the time after a pod's start in which its CPU samples count only if their whole
	// window lies after the pod became ready. Default 5 min.
	CPUInitializationPeriod time.Duration
	// InitialReadinessDelay is the time after a pod's start within which a change to "not ready" is taken as "has
	// never been ready". Default 30 s.
	InitialReadinessDelay time.Duration
	// ScaleUpFactor and ScaleUpMinimum limit a scale-up of an HPA without behavior to
	// max(ScaleUpFactor * replicas, ScaleUpMinimum). Constants in Kubernetes, 2 and 4.
	ScaleUpFactor, ScaleUpMinimum float64
	// FirstSyncAfter is the time from an HPA's creation to its first sync: one SyncPeriod until 1.36, none since 1.37.
	// The decision does not depend on it; whoever calls Sync keeps to it. Default 0.
	FirstSyncAfter time.Duration
	// LenientContainers is what to pass to [AppendSamples]: a pod whose metrics lack the container of a ContainerResource
	// metric has no sample, as since 1.33 (kubernetes/kubernetes#127193), instead of failing the whole metric. Default true.
	LenientContainers bool
	// UnknownContainersRequestNothing lets a pod without the container of a ContainerResource metric count with a
	// request of 0, as until 1.34, instead of failing the whole metric. Default false.
	UnknownContainersRequestNothing bool
	// IgnoreSucceeded leaves pods of phase Succeeded out, like Failed ones, as since 1.38
	// (kubernetes/kubernetes#141298). Default false.
	IgnoreSucceeded bool
	// Overflow says what becomes of numbers that do not fit. Default OverflowSaturates.
	Overflow OverflowRule
	// ScaleToZero allows minReplicas 0 (feature HPAScaleToZero: off until 1.36, on by default since 1.37). Default false.
	ScaleToZero bool
	// RemembersZero lets an HPA at 0 replicas look at its metrics only if it was itself that scaled to zero, as since
	// 1.36: replicas that somebody else set to 0 stay there. Until 1.35 an HPA with minReplicas 0 always looked. Default
	// false.
	RemembersZero bool
}

// DefaultConfig returns the defaults of kube-controller-manager by the rules of 1.35 to 1.37, which decide alike except
// about HPAs that scale to zero ([ReleaseConfig] has those), with two differences: a first sync at once, which only 1.37
// does, and numbers that never wrap around, which only 1.38 comes near to.
func DefaultConfig() Config {
	return Config{
		SyncPeriod:              15 * time.Second,
		DownscaleStabilization:  5 * time.Minute,
		Tolerance:               Tolerance{Up: 0.1, Down: 0.1},
		PerHPATolerance:         true,
		CPUInitializationPeriod: 5 * time.Minute,
		InitialReadinessDelay:   30 * time.Second,
		ScaleUpFactor:           2,
		ScaleUpMinimum:          4,
		LenientContainers:       true,
	}
}

// Validate reports every mistake at once.
func (c Config) Validate() error {
	var errs []error
	if c.SyncPeriod <= 0 {
		errs = append(errs, fmt.Errorf("hpa config: sync period %v: must be above 0 (default 15s)", c.SyncPeriod))
	}
	for _, d := range []struct {
		name string
		v    time.Duration
	}{
		{"downscale stabilization", c.DownscaleStabilization},
		{"cpu initialization period", c.CPUInitializationPeriod},
		{"initial readiness delay", c.InitialReadinessDelay},
		{"first sync after", c.FirstSyncAfter},
	} {
		if d.v < 0 {
			errs = append(errs, fmt.Errorf("hpa config: %s %v: must not be negative", d.name, d.v))
		}
	}
	for _, t := range []struct {
		name string
		v    float64
	}{{"up", c.Tolerance.Up}, {"down", c.Tolerance.Down}} {
		if !(t.v >= 0) || math.IsInf(t.v, 1) {
			errs = append(errs, fmt.Errorf("hpa config: tolerance %s %v: must be a finite number of at least 0", t.name, t.v))
		}
	}
	if c.Tolerance.Rule > ToleranceDistance {
		errs = append(errs, fmt.Errorf("hpa config: tolerance rule %d: must be ToleranceInterval or ToleranceDistance", c.Tolerance.Rule))
	}
	if c.Overflow > Overflow138 {
		errs = append(errs, fmt.Errorf("hpa config: overflow rule %d: must be one of OverflowSaturates to Overflow138", c.Overflow))
	}
	if !(c.ScaleUpFactor >= 1) || math.IsInf(c.ScaleUpFactor, 1) {
		errs = append(errs, fmt.Errorf("hpa config: scale-up factor %v: must be a finite number of at least 1", c.ScaleUpFactor))
	}
	if !(c.ScaleUpMinimum >= 1) || math.IsInf(c.ScaleUpMinimum, 1) {
		errs = append(errs, fmt.Errorf("hpa config: scale-up minimum %v: must be a finite number of at least 1", c.ScaleUpMinimum))
	}
	return errors.Join(errs...)
}

// ToleranceRule says how a ratio is compared with the tolerance. The rules differ at the edge only: 55 % used against
// 50 % wanted is a ratio of 1.1, which the interval lets pass and the distance (1.1 - 1.0 is a little more than 0.1 in
// floating point) does not.
type ToleranceRule uint8

const (
	// ToleranceInterval is the rule since 1.33: 1 - down <= ratio <= 1 + up.
	ToleranceInterval ToleranceRule = iota
	// ToleranceDistance is the rule until 1.32: |1 - ratio| <= tolerance.
	ToleranceDistance
)

// Tolerance is how far usage/target may be from 1, as a fraction, before replicas change.
type Tolerance struct {
	Up, Down float64
	Rule     ToleranceRule
}

// Within reports whether a ratio is close enough to 1 to leave the replicas alone. NaN is not.
func (t Tolerance) Within(ratio float64) bool {
	if t.Rule == ToleranceDistance {
		if ratio > 1 {
			return math.Abs(1-ratio) <= t.Up
		}
		return math.Abs(1-ratio) <= t.Down
	}
	return 1-t.Down <= ratio && ratio <= 1+t.Up
}
