// Package sim simulates an application on a Kubernetes cluster under a controller, without touching one.
//
// The path through it follows the data:
//
//	application file -> [DecodeApp] -> [App]: services, operations, calls, SLOs, node pools
//	scenario or recording -> [LoadSource] -> [Episode]: the intensity of every endpoint over time, and the
//	    demand curve ([Planner]): the cheapest replicas that would meet every SLO
//	[Engine]: requests meet replicas; pods start, run and stop on nodes. [Fluid] computes flows analytically, [DES]
//	    simulates every request
//	[Metrics]: what a controller may see of the truth in [State]: scraped, averaged, late -> [View]
//	[Controller]: decides -> [ScaleRequest]. [HPA], [KEDA], [VPA], [Predictive], [Schedule], [Static], [Oracle],
//	    [Random], several as a [Group], and policies as an [Agent]; an [Explainer] says why
//	[Recorder]: is told everything, tick by tick
//
// [RunController] joins these into one run. For learning, [VecEnv] steps many environments at once: observations
// ([Observer]), masked actions ([Actions]) and rewards ([RewardConfig]) over the same engine and metrics, so that
// a policy and an HPA go through the same door.
//
// Everything follows from the arguments: the package reads no clock and no file, starts no goroutine but those of
// VecEnv, and draws random numbers from streams that are split by name from one seed (package rng), so that two
// controllers on one seed meet the same arrivals.
//
// What the engines leave out is listed in docs/fluid.md and docs/des.md. Sub-packages: rng (random streams), trace
// (recordings), hpa, keda, vpa, predictive (the rules of autoscalers), simtest (small applications and conformance tests).
package sim
