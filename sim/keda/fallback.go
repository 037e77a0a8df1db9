package keda

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/grlscaler/grlscaler/sim/hpa"
)

// What can go wrong with one trigger. Compare with errors.Is.
var (
	// ErrNoValue says that a query gave no number where IgnoreNullValues is off.
	ErrNoValue = errors.New("query returned no value")
	// ErrNoReadyReplicas says that a fallback with a Value target has no ready replica to divide by.
	ErrNoReadyReplicas = errors.New("no ready replicas for a fallback of metric type Value")
)

// Reading is what came of asking a trigger's source.
type Reading struct {
	// Err says that the source could not be asked; the rest is then ignored.
	Err error
	// Value is what the source gave. NaN and infinities count as no value.
	Value float64
	// NoValue says that the query's result was empty.
	NoValue bool
}

// TriggerResult is what became of one trigger when it was asked.
type TriggerResult struct {
	// Active says that the trigger wants the workload to run. It is false for cpu and memory triggers, which KEDA does not ask.
	Active bool
	// FallingBack says that Millis is made up, because the trigger failed too often, or nil for a formula. It counts as active then,
	// which a formula's activation target overrules.
	FallingBack bool
	// Millis is the value of the external metric in thousandths, if Err is nil.
	Millis int64
	// Failures is how often in a row the trigger has failed, by polls and by reads for the HPA.
	Failures int32
	// Err says why there is no value. It is nil while the trigger is falling back.
	Err error
}

// trigger is what an executor keeps of a trigger.
type trigger struct {
	spec     *Trigger
	target   hpa.Target
	window   window // of a cron trigger
	failures int32
	cached   TriggerResult // of the last poll
	polled   bool          // there was one
}

// read turns what a source gave into a value and whether that is active.
func (t *trigger) read(at time.Time, r Reading) (millis int64, active bool, err error) {
	if t.spec.Type == CronTrigger {
		if t.window.active(at) {
			return int64(t.window.desired) * 1000, true, nil
		}
		return 1000, false, nil // upstream reports one replica outside the window, not none
	}
	if r.Err != nil {
		return 0, false, r.Err
	}
	value := r.Value
	if r.NoValue || !finite(value) {
		if !*t.spec.Prometheus.IgnoreNullValues {
			return 0, false, ErrNoValue
		}
		value = 0
	}
	return toMillis(value), value > t.spec.Prometheus.ActivationThreshold, nil
}

// ask asks an external trigger and lets it fall back (upstream GetMetricsWithFallback). While it falls back it is active,
// whatever the fallback's replicas are (kedacore/keda#7244).
func (t *trigger) ask(f *Fallback, in *Inputs, r Reading) TriggerResult {
	var out TriggerResult
	out.Millis, out.Active, out.Err = t.read(in.At, r)
	if out.Err == nil {
		t.failures = 0
		return out
	}
	if t.failures < math.MaxInt32 {
		t.failures++
	}
	out.Failures = t.failures
	if f == nil || t.failures <= f.FailureThreshold {
		return out
	}
	if f.Behavior == FallbackScalingModifiers { // the formula sees it as nil
		return TriggerResult{FallingBack: true, Failures: t.failures}
	}
	millis, err := f.millis(t.target, in)
	if err != nil {
		out.Err = fmt.Errorf("%w (after: %w)", err, out.Err)
		return out
	}
	return TriggerResult{Active: true, FallingBack: true, Millis: millis, Failures: t.failures}
}

// replicas is the count that the fallback leads to, from the present one.
func (f *Fallback) replicas(current int32) int32 {
	switch f.Behavior {
	case FallbackCurrentReplicas:
		return current
	case FallbackCurrentReplicasIfHigher:
		return max(current, f.Replicas)
	case FallbackCurrentReplicasIfLower:
		return min(current, f.Replicas)
	}
	return f.Replicas
}

// millis is the value from which the HPA computes the fallback's replicas, truncated to thousandths, in upstream's order of
// floating point (upstream doFallback).
func (f *Fallback) millis(target hpa.Target, in *Inputs) (int64, error) {
	replicas, perReplica := float64(f.replicas(in.Replicas)), float64(target.AverageValueMillis)/1000
	if target.Type == hpa.ValueTarget {
		if in.ReadyReplicas < 1 {
			return 0, ErrNoReadyReplicas
		}
		replicas /= float64(in.ReadyReplicas)
		perReplica = float64(target.ValueMillis) / 1000
	}
	return clampMillis(perReplica * 1000 * replicas), nil
}
