package predictive

import (
	"math"
	"time"

	"github.com/grlscaler/grlscaler/sim/hpa"
)

// Settled is what became of the replicas that a sync decided on.
type Settled struct {
	Current, Wanted int32
	Stabilized      int32
	Desired         int32 // to be written, if different from Current
	// Stabilization is hpa.ScaleUpStabilized or hpa.ScaleDownStabilized if Stabilized differs from Wanted, else hpa.NoReason.
	Stabilization hpa.Reason
	// Limit names what held Desired: hpa.ScaleUpLimit or hpa.ScaleDownLimit for the policies, hpa.TooFewReplicas or
	// hpa.TooManyReplicas for the bounds, else hpa.DesiredWithinRange.
	Limit hpa.Reason
}

// scaling is what a PHPA does to a decision before it writes it, with what it remembers for that. The rules are those of package
// hpa but for what is forgotten when: upstream prunes by the longest period of a direction's own policies, so that an event of
// one direction may be gone while the other one's policies still look for it.
type scaling struct {
	minR, maxR int32
	up, down   direction
}

// direction is scaling up or scaling down.
type direction struct {
	window    time.Duration
	selection hpa.SelectPolicy
	policies  []hpa.Policy
	longest   time.Duration // the longest period of the policies
	wanted    []Point       // what syncs decided on within window
	events    []Point       // changes that were made within longest, as positive numbers
}

func newScaling(s *Spec) scaling {
	resolve := func(r *hpa.ScalingRules) direction {
		d := direction{
			window:    time.Duration(*r.StabilizationWindowSeconds) * time.Second,
			selection: r.SelectPolicy, policies: append([]hpa.Policy{}, r.Policies...),
		}
		for _, p := range r.Policies {
			d.longest = max(d.longest, period(p))
		}
		return d
	}
	return scaling{minR: *s.MinReplicas, maxR: s.MaxReplicas, up: resolve(s.Behavior.ScaleUp), down: resolve(s.Behavior.ScaleDown)}
}

func period(p hpa.Policy) time.Duration { return time.Duration(p.PeriodSeconds) * time.Second }

func (s *scaling) reset() {
	for _, d := range []*direction{&s.up, &s.down} {
		d.wanted, d.events = d.wanted[:0], d.events[:0]
	}
}

func (s *scaling) settle(at time.Duration, current, wanted int32) Settled {
	out := Settled{Current: current, Wanted: wanted, Limit: hpa.DesiredWithinRange}
	s.up.prune(at)
	s.down.prune(at)
	lo, hi := wanted, wanted
	for _, p := range s.up.wanted {
		lo = min(lo, p.Replicas)
	}
	for _, p := range s.down.wanted {
		hi = max(hi, p.Replicas)
	}
	now := wholeSeconds(at)
	s.up.wanted = append(s.up.wanted, Point{now, wanted})
	s.down.wanted = append(s.down.wanted, Point{now, wanted})
	out.Stabilized = min(max(current, lo), hi)
	switch {
	case out.Stabilized < wanted:
		out.Stabilization = hpa.ScaleUpStabilized
	case out.Stabilized > wanted:
		out.Stabilization = hpa.ScaleDownStabilized
	}

	out.Desired = s.limit(at, &out)
	if out.Desired < s.minR {
		out.Desired, out.Limit = s.minR, hpa.TooFewReplicas
	}
	if out.Desired > s.maxR {
		out.Desired, out.Limit = s.maxR, hpa.TooManyReplicas
	}
	switch {
	case out.Desired > current:
		s.up.events = append(s.up.events, Point{now, difference(out.Desired, current)})
	case out.Desired < current:
		s.down.events = append(s.down.events, Point{now, difference(current, out.Desired)})
	}
	return out
}

// limit applies the policies of the direction in which the stabilised count lies (upstream decideTargetReplicasByBehaviorRate).
// Past changes may have used up more than they allow: there is no step then, and none back either.
func (s *scaling) limit(at time.Duration, o *Settled) int32 {
	switch {
	case o.Stabilized > o.Current:
		if top := max(s.upLimit(at, o.Current), o.Current); o.Stabilized > top {
			o.Limit = hpa.ScaleUpLimit
			return top
		}
	case o.Stabilized < o.Current:
		if bottom := min(s.downLimit(at, o.Current), o.Current); o.Stabilized < bottom {
			o.Limit = hpa.ScaleDownLimit
			return bottom
		}
	}
	return o.Stabilized
}

// prune forgets what is as old as the window or older (upstream PruneTimestampedReplicasToWindow).
func (d *direction) prune(at time.Duration) {
	d.wanted, d.events = younger(d.wanted, at-d.window), younger(d.events, at-d.longest)
}

// younger keeps the points after cutoff, in place. Points are in the order of time.
func younger(points []Point, cutoff time.Duration) []Point {
	old := 0
	for old < len(points) && points[old].At <= cutoff {
		old++
	}
	return points[:copy(points, points[old:])]
}

// before is what the replicas were one period ago, by the changes since.
func (s *scaling) before(at time.Duration, current int32, p hpa.Policy) int64 {
	start, cutoff := int64(current), at-period(p)
	for _, e := range s.up.events {
		if e.At > cutoff {
			start -= int64(e.Replicas)
		}
	}
	for _, e := range s.down.events {
		if e.At > cutoff {
			start += int64(e.Replicas)
		}
	}
	return start
}

// upLimit is the most replicas that the policies allow (upstream calculateScaleUpLimitWithinScalingRules).
func (s *scaling) upLimit(at time.Duration, current int32) int32 {
	if s.up.selection == hpa.DisabledSelect {
		return current
	}
	least, most := int32(math.MaxInt32), int32(math.MinInt32)
	for _, p := range s.up.policies {
		start := s.before(at, current, p)
		limit := clampInt32(float64(start + int64(p.Value)))
		if p.Type == hpa.PercentPolicy {
			limit = clampInt32(math.Ceil(float64(start) * (1 + float64(p.Value)/100)))
		}
		least, most = min(least, limit), max(most, limit)
	}
	if s.up.selection == hpa.MinSelect {
		return least
	}
	return most
}

// downLimit is the fewest replicas that the policies allow (upstream calculateScaleDownLimitWithinScalingRules).
func (s *scaling) downLimit(at time.Duration, current int32) int32 {
	if s.down.selection == hpa.DisabledSelect {
		return current
	}
	least, most := int32(math.MaxInt32), int32(math.MinInt32)
	for _, p := range s.down.policies {
		start := s.before(at, current, p)
		limit := clampInt32(float64(start - int64(p.Value)))
		if p.Type == hpa.PercentPolicy {
			limit = clampInt32(math.Trunc(float64(start) * (1 - float64(p.Value)/100)))
		}
		least, most = min(least, limit), max(most, limit)
	}
	if s.down.selection == hpa.MinSelect {
		return most // the least change
	}
	return least
}

func clampInt32(v float64) int32 { return int32(min(max(v, math.MinInt32), math.MaxInt32)) }

// difference is a - b for a above b.
func difference(a, b int32) int32 { return int32(min(int64(a)-int64(b), math.MaxInt32)) }
