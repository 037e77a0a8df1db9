package hpa

import (
	"fmt"
	"strings"
	"time"
)

// Reason is the reason of a condition, in the words of the HPA's status.
type Reason string

// The reasons of conditions.
const (
	NoReason Reason = "" // the sync did not touch the condition

	// AbleToScale
	SucceededGetScale   Reason = "SucceededGetScale" // and no more: the metrics failed or scaling is off
	ReadyForNewScale    Reason = "ReadyForNewScale"  // nothing to change, nothing stabilised
	ScaleUpStabilized   Reason = "ScaleUpStabilized"
	ScaleDownStabilized Reason = "ScaleDownStabilized"
	SucceededRescale    Reason = "SucceededRescale"

	// ScalingActive
	ValidMetricFound                 Reason = "ValidMetricFound"
	ScalingDisabled                  Reason = "ScalingDisabled"
	FailedGetResourceMetric          Reason = "FailedGetResourceMetric"
	FailedGetContainerResourceMetric Reason = "FailedGetContainerResourceMetric"
	FailedGetPodsMetric              Reason = "FailedGetPodsMetric"
	FailedGetObjectMetric            Reason = "FailedGetObjectMetric"
	FailedGetExternalMetric          Reason = "FailedGetExternalMetric"
	InvalidMetricSourceType          Reason = "InvalidMetricSourceType"

	// ScalingLimited
	DesiredWithinRange Reason = "DesiredWithinRange"
	TooFewReplicas     Reason = "TooFewReplicas"  // minReplicas held
	TooManyReplicas    Reason = "TooManyReplicas" // maxReplicas held
	ScaleUpLimit       Reason = "ScaleUpLimit"    // policies, or the fixed limit of an HPA without behavior
	ScaleDownLimit     Reason = "ScaleDownLimit"
)

// Condition is one condition of the HPA's status as a sync set it. With NoReason the sync did not touch it.
type Condition struct {
	True   bool
	Reason Reason
}

// Path says which way a sync took.
type Path uint8

// The ways through a sync.
const (
	PathMetrics  Path = iota // metrics were read, the result stabilised and limited
	PathDisabled             // 0 replicas and minReplicas above 0: autoscaling is off
	PathAboveMax             // more replicas than maxReplicas: set to it, whatever the metrics say
	PathBelowMin             // fewer than minReplicas: likewise
	PathFailed               // all metrics failed, or some did and the rest wanted fewer replicas
)

// NoMetric is Decision.Metric where no metric won.
const NoMetric = -1

// MetricResult is what became of one metric in a sync.
type MetricResult struct {
	Spec     MetricSpec
	Proposal Proposal // if Err is nil
	Err      error
}

// Decision is what a sync decided, and why.
type Decision struct {
	At      time.Duration
	Path    Path
	Current int32 // spec replicas as found
	Desired int32 // spec replicas from now on; written only if different

	// These are about PathMetrics, and Proposed and Metric also about PathFailed.
	Metric     int   // index of the metric that won, or NoMetric
	Proposed   int32 // its proposal
	Stabilized int32 // after stabilisation
	Bound      int32 // the bound in force in the direction of Stabilized; if ScalingLimited is true, Desired is it

	// Stabilization is ScaleUpStabilized or ScaleDownStabilized if Stabilized differs from Proposed, else NoReason.
	// AbleToScale says the same unless the replicas were changed all the same.
	Stabilization                              Reason
	AbleToScale, ScalingActive, ScalingLimited Condition

	// Err is the first error of a metric, also when the others sufficed to decide.
	Err error
	// Metrics has one result per metric on PathMetrics and PathFailed, and is empty otherwise. It belongs to the
	// controller and is valid until its next sync.
	Metrics []MetricResult
}

// Scaled reports whether the replicas are to be written.
func (d *Decision) Scaled() bool { return d.Desired != d.Current }

// Explain says in one line what was decided and why.
func (d *Decision) Explain() string {
	var b strings.Builder
	if d.Scaled() {
		fmt.Fprintf(&b, "%v: %d -> %d replicas: ", d.At, d.Current, d.Desired)
	} else {
		fmt.Fprintf(&b, "%v: %d replicas kept: ", d.At, d.Current)
	}
	switch d.Path {
	case PathDisabled:
		b.WriteString("autoscaling is off at 0 replicas")
		return b.String()
	case PathAboveMax:
		b.WriteString("above maxReplicas")
		return b.String()
	case PathBelowMin:
		b.WriteString("below minReplicas")
		return b.String()
	case PathFailed:
		fmt.Fprintf(&b, "metrics failed (%v)", d.Err)
		return b.String()
	}
	m := &d.Metrics[d.Metric]
	fmt.Fprintf(&b, "%s proposes %d (%s)", m.Spec.Label(), d.Proposed, m.describe())
	if d.Stabilization != NoReason {
		fmt.Fprintf(&b, ", %s at %d", d.Stabilization, d.Stabilized)
	}
	if d.ScalingLimited.True {
		fmt.Fprintf(&b, ", %s at %d", d.ScalingLimited.Reason, d.Bound)
	}
	if d.Err != nil {
		fmt.Fprintf(&b, "; another metric failed (%v)", d.Err)
	}
	return b.String()
}

// Label names a metric for people.
func (m *MetricSpec) Label() string {
	switch m.Type {
	case ResourceMetric:
		return string(m.Resource)
	case ContainerResourceMetric:
		return fmt.Sprintf("%s of container %s", m.Resource, m.Container)
	}
	return fmt.Sprintf("%s metric %s", m.Type, m.Name)
}

// Measured is what was measured, the target, and their unit, in words that follow a number.
func (r *MetricResult) Measured() (value, target float64, unit string) {
	switch t := &r.Spec.Target; t.Type {
	case UtilizationTarget:
		return float64(r.Proposal.Utilization), float64(t.AverageUtilization), "% of the request"
	case AverageValueTarget:
		return float64(r.Proposal.UsageMillis) / 1000, float64(t.AverageValueMillis) / 1000, "per pod"
	default:
		return float64(r.Proposal.UsageMillis) / 1000, float64(t.ValueMillis) / 1000, "in total"
	}
}

// describe says how usage compares with the target.
func (r *MetricResult) describe() string {
	var usage string
	switch value, target, _ := r.Measured(); r.Spec.Target.Type {
	case UtilizationTarget:
		usage = fmt.Sprintf("%g %% of the request, target %g %%", value, target)
	case AverageValueTarget:
		usage = fmt.Sprintf("%g per pod, target %g", value, target)
	default:
		usage = fmt.Sprintf("%g, target %g", value, target)
	}
	if r.Proposal.Outcome != OutcomeScaled {
		usage += ": " + r.Proposal.Outcome.String()
	}
	return usage
}
