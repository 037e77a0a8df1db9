// Package vpa decides what a Kubernetes VerticalPodAutoscaler (autoscaling.k8s.io/v1) would decide, on plain types and
// on a clock that the caller owns.
//
// The path through it follows the three parts of the real one:
//
//	Spec, Config -> NewRecommender -> Recommender   one per container name of a workload
//	    AddCPU, AddMemory, OOM                      what its pods used, every minute
//	    Recommendation(now)                         target, lower and upper bound
//	Spec, Config -> NewUpdater -> Updater           one per workload
//	    Plan(now, pods and recommendations)         which pods are evicted or resized now, and why each one or why not
//	Spec.Apply                                      requests and limits of a new or resized container (admission)
//
// Rules follow VPA 1.8 (testdata/oracles/hpa/README.md, section 14; kubernetes/autoscaler, folder vertical-pod-autoscaler,
// which comments call upstream). The arithmetic is the upstream arithmetic: samples go into decaying histograms with
// buckets that grow by 5 %, a percentile is the end of a bucket, and amounts are truncated to whole millicores and bytes
// after each step.
//
// Times are durations since some common origin, normally the start of the simulation. Amounts are whole millicores and
// bytes; 0 means none.
//
// Where it differs on purpose: upstream recommends the minima for a container that has no sample yet (since
// kubernetes/autoscaler#5326), here there is no recommendation before the first sample; upstream never replaces a memory
// peak of 0 bytes, which metrics-server does not report (its checkContainerMetrics), here it is like any other; after eight
// days without CPU samples the pods' memory intervals are forgotten with the history; of several pods whose change is
// equally large, the one listed first comes first.
//
// What it does not do: it reads no metrics and starts no pods, it knows no selectors, LimitRanges, PodDisruptionBudgets,
// eviction rate limits or checkpoints. Fields of an object that it does not know are refused ([Spec.Unsupported]).
package vpa
