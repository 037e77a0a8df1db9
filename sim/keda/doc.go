// Package keda decides what KEDA's operator would decide for one ScaledObject, on plain types and on a clock that the caller
// owns: the loop that takes a workload to zero and back, beside the HPA that KEDA creates, which package hpa plays.
//
// The path through it:
//
//	Spec -> Spec.HPA -> hpa.New: the HPA between 1 replica and the most
//	Spec -> New -> Executor
//	Inputs (time, replicas, one Reading per trigger) -> Executor.Poll -> Decision, every polling interval
//	Inputs -> Executor.Metrics -> []hpa.MetricData, at every sync of the HPA
//
// A poll asks every trigger for its value and whether it is active, and sets replicas only where the HPA does not: from 0
// (or the idle count) to the minimum at once, to 0 (or the idle count) from any count once the cooldown is over. Both paths
// count how often in a row a trigger failed; beyond the fallback's threshold the trigger reports a made-up value that leads
// the HPA to the fallback's replicas. A [Decision] says why in a [Reason].
//
// With a formula ([ScalingModifiers]) the external triggers make one metric, whose activation target alone decides about activity. Where it
// gives no number, or a trigger failed, that metric failed. Upstream takes an infinite value for what it becomes as an
// integer, and no value in a poll for inactivity.
//
// [Schedule] is the simpler thing: replicas by cron expressions alone, for scalers that follow the calendar.
//
// Rules follow KEDA 2.20 (pkg/scaling/executor, pkg/fallback, pkg/scalers/cron_scaler.go and the documentation's pages
// "ScaledObject specification" and "Scaling Deployments"). Comparisons of time are upstream's: a cooldown is over when *more*
// than it has passed. On an exact grid of polls that is one poll later than in most clusters, where polls drift by some
// milliseconds and the time of the last activity is stored in whole seconds.
//
// Time zones are those of Go's time zone database: the machine's, or else the copy that this package brings along. That is the
// only thing it reads, when a Spec or Schedule is checked; it is never asked for the machine's own zone.
//
// What it does not do: it asks no source and sets no replicas, it knows no ScaledJobs and no triggers but
// cpu, memory, prometheus and cron, and it neither deletes nor creates the HPA when autoscaling is paused ([Spec.HasHPA] says
// whether there is one).
package keda
