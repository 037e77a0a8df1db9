package hpa

import "time"

// Recommendation is a raw proposal (after combining the metrics, before stabilisation) and when it was made.
type Recommendation struct {
	At       time.Duration
	Replicas int32
}

// history is what stabilisation looks back on. It holds raw proposals only: a step that a limit refused is not
// remembered as done, and what stabilisation made of a proposal is not remembered at all.
type history []Recommendation

// store overwrites the entry at index old, which counts for nothing any more, or appends if old is negative.
func (h *history) store(now time.Duration, replicas int32, old int) {
	r := Recommendation{At: now, Replicas: replicas}
	if old >= 0 {
		(*h)[old] = r
		return
	}
	*h = append(*h, r)
}

// stabilizeDown holds a scale-down back: the result is the largest of desired and every recommendation not older than
// window (upstream stabilizeRecommendation; for an HPA without behavior). A recommendation whose age equals the window
// still counts.
func (h *history) stabilizeDown(now time.Duration, desired int32, window time.Duration) int32 {
	cutoff := now - window
	result, old := desired, -1
	for i, r := range *h {
		if r.At < cutoff {
			old = i
		} else {
			result = max(result, r.Replicas)
		}
	}
	h.store(now, desired, old)
	return result
}

// stabilize pulls current into the range that recent recommendations span: from the smallest in the up window to the
// largest in the down window, desired included in both (upstream stabilizeRecommendationWithBehaviors). A
// recommendation whose age equals a window no longer counts in it.
func (h *history) stabilize(now time.Duration, current, desired int32, up, down time.Duration) int32 {
	upCutoff, downCutoff := now-up, now-down
	lo, hi, old := desired, desired, -1
	for i, r := range *h {
		if r.At > upCutoff {
			lo = min(lo, r.Replicas)
		}
		if r.At > downCutoff {
			hi = max(hi, r.Replicas)
		}
		if r.At < upCutoff && r.At < downCutoff {
			old = i
		}
	}
	h.store(now, desired, old)
	return min(max(current, lo), hi)
}
