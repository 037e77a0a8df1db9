// Package predictive decides what a PredictiveHorizontalPodAutoscaler (github.com/jthomperoo/predictive-horizontal-pod-autoscaler,
// "PHPA") would decide, on plain types and on a clock that the caller owns. It stands beside package hpa: a PHPA takes the count
// that an HPA calculates, lets models predict from the history of such counts, and combines all of them into one.
//
// The path through it is one sync of one object:
//
//	Spec -> New -> Controller
//	calculated (hpa.Decision.Proposed)  -> Controller.Sync(at)          -> Decision.Replicas
//	the workload's replicas, those      -> Controller.Settle(at)        -> Settled.Desired, to be written
//
// Sync is upstream's processModels and DecideTargetReplicasByScalingStrategy, Settle its DecideTargetReplicasByBehavior:
// stabilisation, scaling policies, then minReplicas and maxReplicas. A caller that wants the bounds only clamps
// Decision.Replicas itself and leaves Settle out. A sync whose metrics failed does not reach the models: call neither.
//
// # What is the same
//
// The rules are those of v0.13.2 (July 2023), with statsmodels 0.14.0 as its requirements.txt pins it; names in comments are
// functions there. That includes what its documentation does not say, or says otherwise:
//
//   - The calculated count is the first of the counts that decisionType combines, and models see it unstabilised and not
//     yet held between minReplicas and maxReplicas. Mean is rounded to the nearest, median of an even number truncated.
//   - A model predicts with the present count in its history and is pruned afterwards, so a linear model with a historySize of 6
//     draws its line through 7 points. Between runs (perSyncPeriod) counts are recorded all the same.
//   - Linear is the least-squares line through the history at now + lookAhead. From one point it predicts that point's count.
//   - Holt-Winters counts as a prediction of 0, not as none, until it has max(2 seasons, 10 + 2 * (seasonalPeriods / 2))
//     points, which weighs on minimum, mean and median.
//   - Holt-Winters is not fitted: the script passes optimized=False with the given alpha, beta and gamma, so that nothing is
//     estimated. initializationMethod "estimated" then is "heuristic", for as many points as a prediction needs; both of these,
//     "legacy-heuristic" and "known" are closed formulas. initialSeasonal is one number, with which every season starts.
//   - Holt-Winters gets its history in the order in which PruneHistory leaves it: the newest stored count first, the oldest one
//     last, and the present count after that. HoltWinters.Chronological puts it in the order of time, as the documentation
//     means it, and is the one thing here that upstream does not have.
//   - A model that fails is left out of the decision, and the sync leaves no trace in it: neither the count nor the run is
//     recorded. Holt-Winters with a multiplicative trend or season fails on a count of 0. It goes on after one that came when
//     it could have predicted; one that was recorded before stays in its history, and it fails until resetDuration clears that.
//   - startInterval holds a model off, recordings included, until the next multiple of it, and always for the first sync;
//     resetDuration clears a history whose newest point is older, and sets a new start where there is a startInterval.
//   - Recorded times are whole seconds, because Kubernetes writes them so.
//   - Default policies have periods of 60 s (an HPA's have 15 s): up by 100 % or 4 pods, whichever is more, down by 100 %; windows of
//     0 s up and 300 s down. The history of stabilisation does not begin with the replicas found, as an HPA's does.
//
// # What is not the same
//
//   - Upstream rounds a prediction up as it comes out of numpy: 3.0000000000000004 makes 4, by chance. Here, up to 1e-9 over a whole
//     number (relative above 1, at most 0.001) is that number.
//   - Upstream's linear script reads its own clock, some seconds after the sync that it is called from. Here both are the same
//     moment, and calculations take no time: there is no calculationTimeout.
//   - A prediction beyond an int32 fails here, and is cut to its low bits there.
//   - Times are since the start of the simulation, and so are the multiples of startInterval; there they are UTC.
//   - Objects that upstream takes and that then fail at every sync, or predict 0 for ever, are refused by [Spec.Validate], with the
//     reason: dampedTrend (the script passes no damping coefficient), seasonalPeriods 1, initial values without "known" and the
//     reverse, seasons too few to predict from, coefficients above 1. So are histories beyond what a ConfigMap holds.
//   - runtimeTuningFetchHook, which asks a web service for alpha, beta and gamma, is not supported.
//   - The calculated count is the caller's business. Upstream takes it from k8shorizmetrics, which is an HPA's calculation with
//     the tolerance rule until 1.32 and a CPU initialization period of 30 s, whatever its documentation says; [HPAConfig] has both.
//     Unlike an HPA it goes by the metrics that did not fail, even if they want fewer replicas.
package predictive
