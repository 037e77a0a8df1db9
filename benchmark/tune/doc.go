// Package tune searches HorizontalPodAutoscalers: the opponent that a learned policy, or somebody's present settings, should be
// compared with.
//
// [Search] evaluates candidates by benchmark plans, generation after generation, so that a search is parallel, repeatable
// from its seed, and goes on where it stopped if it is given a store. A candidate is one [Params] for each service (space.go);
// its score is the mean over loads of the mean over seeds. What comes back are all candidates, the best by an [Objective] and
// the Pareto front of SLO violations against cost (front.go), which [Manifest] turns into autoscaling/v2 objects.
//
// The search is a plain evolutionary one: the settings that people start from, then random ones, then children of the best
// and of the front. It does not look at any number of the loads that it is judged on later: give those other seeds.
//
// [Save] and [Load] keep what was found; [ByScenario] is the opponent of a benchmark: what was found for each load.
package tune
