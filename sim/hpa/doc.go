// Package hpa decides what a Kubernetes HorizontalPodAutoscaler (autoscaling/v2) would decide, on plain types and
// on a clock that the caller owns.
//
// The path through it is one sync of one HPA object:
//
//	Spec, Config  -> New -> Controller
//	Inputs (replicas, pods, one MetricData per metric) -> Controller.Sync(now) -> Decision
//
// and inside a sync: every metric is turned into a proposal ([Calculator]: which pods count, by how much usage
// misses the target, with what tolerance), the largest proposal wins, it is stabilised against earlier proposals
// and limited by min, max and the scaling policies. A [Decision] says not only how many replicas are wanted but
// why: each metric's proposal, what stabilisation made of it, and which bound held.
//
// Rules follow Kubernetes (pkg/controller/podautoscaler): by default those that 1.35 to 1.37 share, by [ReleaseConfig]
// those of any release from 1.28 to 1.38, as far as they differ. The arithmetic is the upstream arithmetic: integer
// divisions truncate, ratios are float64 and are computed in the same order, so that 50 replicas at 88 % against a
// target of 80 % propose 56 (50 * 1.1 is 55.00000000000001), as in a cluster.
//
// Times are durations since some common origin, normally the start of the simulation; [LongAgo] stands for an
// unknown past and [Unset] for a time that was never set. Amounts are thousandths ("millis"): millicores for CPU,
// thousandths of a byte for memory, thousandths of whatever else a metric counts.
//
// What it does not do: it reads no metrics and starts no pods, it knows no selectors, events or API errors, and
// scale-to-zero is KEDA's business except where an HPA has minReplicas 0.
package hpa
