package vpa

import (
	"math"
	"math/bits"
)

// Apply returns what a container that would have those resources gets by a recommendation for it, when it is created or
// resized: the target as request, and unless the policy says RequestsOnly, a limit in the same ratio to the request as before
// (upstream GetContainersResources). What is not controlled stays. A container of mode Off, and any under the update mode
// Off, stays as it is.
func (s *Spec) Apply(rec Recommendation, have Resources) Resources {
	p := s.Policy(rec.Container)
	if s.UpdateMode == ModeOff || p.Mode == ScalingOff {
		return have
	}
	rec = p.within(rec, have.Limit)
	out := have
	for _, r := range p.ControlledResources {
		target := rec.Target.Of(r)
		if target <= 0 {
			continue
		}
		out.Request.set(r, target)
		if p.ControlledValues == RequestsAndLimits {
			out.Limit.set(r, proportionalLimit(have.Limit.Of(r), have.Request.Of(r), target))
		}
	}
	return out
}

// proportionalLimit is the limit that is to the new request as the limit was to the request, rounded down (upstream
// getProportionalResourceLimit). A limit without a request means a request of the same amount.
func proportionalLimit(limit, request, target int64) int64 {
	switch {
	case limit <= 0:
		return 0
	case request <= 0 || request == limit:
		return target
	}
	hi, lo := bits.Mul64(uint64(limit), uint64(target))
	if hi >= uint64(request) {
		return math.MaxInt64
	}
	q, _ := bits.Div64(hi, lo, uint64(request))
	return int64(min(q, math.MaxInt64))
}
