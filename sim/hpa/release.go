package hpa

import "fmt"

// The releases of Kubernetes whose rules are known, as the number after "1.".
const (
	OldestRelease = 28
	NewestRelease = 38
)

// ReleaseConfig returns the defaults of kube-controller-manager of Kubernetes 1.minor, by the rules of that release. What
// changed since 1.28, from the upstream code of each release:
//
//	1.33  tolerance is an interval, no distance; a pod whose metrics lack the named container has no sample
//	1.34  external metrics with a target per pod saturate
//	1.35  tolerance per HPA; a pod without the named container is an error; value targets saturate
//	1.36  an HPA at 0 replicas acts only if it went there itself
//	1.37  scaling to zero is allowed; the first sync comes at once
//	1.38  pods that have succeeded are ignored; most other numbers saturate (as of 1.38.0-beta.0)
//
// Two further changes are up to whoever makes the pods: restartable init containers are to be among [Pod.Containers] since
// 1.29, pod-level requests are to be given since 1.34.
func ReleaseConfig(minor int) (Config, error) {
	if minor < OldestRelease || minor > NewestRelease {
		return Config{}, fmt.Errorf("hpa: rules of Kubernetes 1.%d are not known: must be 1.%d to 1.%d", minor, OldestRelease, NewestRelease)
	}
	c := DefaultConfig()
	if minor < 33 {
		c.Tolerance.Rule = ToleranceDistance
	}
	c.LenientContainers = minor >= 33
	c.PerHPATolerance = minor >= 35
	c.UnknownContainersRequestNothing = minor < 35
	c.RemembersZero = minor >= 36
	c.ScaleToZero = minor >= 37
	if minor < 37 {
		c.FirstSyncAfter = c.SyncPeriod
	}
	c.IgnoreSucceeded = minor >= 38
	switch {
	case minor <= 33:
		c.Overflow = OverflowUntil133
	case minor == 34:
		c.Overflow = Overflow134
	case minor <= 37:
		c.Overflow = OverflowUntil137
	default:
		c.Overflow = Overflow138
	}
	return c, nil
}
