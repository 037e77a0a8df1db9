package hpa

import (
	"math"
	"time"
)

// event is a change of the replicas that was carried out.
type event struct {
	at       time.Duration
	change   int32 // always positive; the direction is that of the list
	outdated bool  // older than every policy's period: may be overwritten
}

// events are the changes in one direction, in the order in which their slots were first used.
type events []event

// store records a change. Events older than longest, the longest period of the direction's own policies, are marked
// outdated, and the last of them is overwritten (upstream storeScaleEvent). A trap that upstream has and we keep: if the
// other direction's policies look further back, an overwritten event is one that its limit would still have counted.
func (e *events) store(now time.Duration, change int32, longest time.Duration) {
	cutoff, old := now-longest, -1
	for i := range *e {
		v := &(*e)[i]
		v.outdated = v.outdated || v.at < cutoff
		if v.outdated {
			old = i
		}
	}
	if old >= 0 {
		(*e)[old] = event{at: now, change: change}
		return
	}
	*e = append(*e, event{at: now, change: change})
}

// within sums the changes younger than period. An event whose age equals the period no longer counts.
func (e events) within(now, period time.Duration) int64 {
	cutoff, sum := now-period, int64(0)
	for i := range e {
		if e[i].at > cutoff {
			sum += int64(e[i].change)
		}
	}
	return sum
}

// rules are the resolved scaling rules of one direction.
type rules struct {
	window    time.Duration
	selection SelectPolicy
	policies  []policy
	longest   time.Duration // longest period
	overflow  OverflowRule
}

type policy struct {
	kind   PolicyType
	value  int32
	period time.Duration
}

// scaleUpLimit is the most replicas that the policies allow, before max and before "at least the present count". Each
// policy starts from the replicas at the beginning of its period, which events of both directions lead back to
// (kubernetes/kubernetes#109058).
func (r *rules) scaleUpLimit(now time.Duration, current int32, ups, downs events) int32 {
	if r.selection == DisabledSelect {
		return current
	}
	result := int32(math.MinInt32)
	if r.selection == MinSelect {
		result = math.MaxInt32
	}
	for _, p := range r.policies {
		start := int64(current) - ups.within(now, p.period) + downs.within(now, p.period)
		limit := r.overflow.pods(start + int64(p.value))
		if p.kind == PercentPolicy {
			// In this order, in floating point: 10 % from 50 allows 56.
			limit = r.overflow.replicas(float64(start) * (1 + float64(p.value)/100))
		}
		if r.selection == MinSelect {
			result = min(result, limit)
		} else {
			result = max(result, limit)
		}
	}
	return result
}

// scaleDownLimit is the fewest replicas that the policies allow, before min and before "at most the present count".
func (r *rules) scaleDownLimit(now time.Duration, current int32, ups, downs events) int32 {
	if r.selection == DisabledSelect {
		return current
	}
	result := int32(math.MaxInt32)
	if r.selection == MinSelect {
		result = math.MinInt32
	}
	for _, p := range r.policies {
		start := int64(current) - ups.within(now, p.period) + downs.within(now, p.period)
		limit := r.overflow.pods(start - int64(p.value))
		if p.kind == PercentPolicy {
			// Truncated, and in this order: 80 % from 10 leaves 1, as 10 * 0.19999999999999996.
			limit = r.overflow.truncated(float64(start) * (1 - float64(p.value)/100))
		}
		// Select Max lets most change happen: the smallest count.
		if r.selection == MinSelect {
			result = max(result, limit)
		} else {
			result = min(result, limit)
		}
	}
	return result
}

func clampInt32(v int64) int32 { return int32(min(max(v, math.MinInt32), math.MaxInt32)) }

// limited is a count after limits, the bound that was in force in its direction, and what it is called.
type limited struct {
	replicas, bound int32
	reason          Reason
}

// limit applies min, max and the policies of the stabilised count's direction (upstream
// convertDesiredReplicasWithBehaviorRate).
func (b *behavior) limit(now time.Duration, current, desired, minR, maxR int32, ups, downs events) limited {
	switch {
	case desired > current:
		top, reason := maxR, TooManyReplicas
		// Past changes may have used up more than the policies allow: no step up then, but none down either.
		if l := max(b.up.scaleUpLimit(now, current, ups, downs), current); l < maxR {
			top, reason = l, ScaleUpLimit
		}
		if desired > top {
			return limited{top, top, reason}
		}
		return limited{desired, top, DesiredWithinRange}
	case desired < current:
		bottom, reason := minR, TooFewReplicas
		if l := min(b.down.scaleDownLimit(now, current, ups, downs), current); l > minR {
			bottom, reason = l, ScaleDownLimit
		}
		if desired < bottom {
			return limited{bottom, bottom, reason}
		}
		return limited{desired, bottom, DesiredWithinRange}
	}
	return limited{desired, desired, DesiredWithinRange}
}

// limit applies min, max and the fixed scale-up limit of an HPA without behavior (upstream
// convertDesiredReplicasWithRules). There is no limit on the speed of scale-down.
func (c *Config) limit(current, desired, minR, maxR int32) limited {
	top, reason := maxR, TooManyReplicas
	if l := c.Overflow.replicas(math.Floor(max(c.ScaleUpFactor*float64(current), c.ScaleUpMinimum))); l < maxR {
		top, reason = l, ScaleUpLimit
	}
	switch {
	case desired < minR:
		return limited{minR, minR, TooFewReplicas}
	case desired > top:
		return limited{top, top, reason}
	case desired < current:
		return limited{desired, minR, DesiredWithinRange}
	}
	return limited{desired, top, DesiredWithinRange}
}
