package vpa

import (
	"math"
	"slices"
)

// need is how a pod's requests compare with the recommendations.
type need struct {
	recommended bool // there is a recommendation for some container
	outside     bool // some request is out of bounds or missing
	growing     bool // some request is below its target or missing
	quickOOM    bool
	admitted    bool // some container meets all eviction requirements
	change      float64
}

// needOf compares (upstream GetUpdatePriority). Requests and targets are summed over the containers before they are
// compared, each resource by itself.
func (u *Updater) needOf(pod *Pod, recs []Recommendation) need {
	var n need
	var requested, wanted Amounts
	for i := range pod.Containers {
		c := &pod.Containers[i]
		p := u.spec.find(c.Name)
		if p == nil {
			p = &u.unbounded
		}
		if p.Mode == ScalingOff {
			continue
		}
		n.quickOOM = n.quickOOM || c.QuickOOM
		at := slices.IndexFunc(recs, func(r Recommendation) bool { return r.Container == c.Name })
		if at < 0 {
			continue
		}
		rec := p.within(recs[at], c.Limit)
		if rec.Target == (Amounts{}) {
			continue
		}
		n.recommended = true
		n.admitted = n.admitted || u.admits(c, &rec)
		for _, r := range resources {
			request, target := max(c.Request.Of(r), 0), rec.Target.Of(r)
			if target <= 0 {
				continue
			}
			requested.set(r, addAmounts(requested.Of(r), request))
			wanted.set(r, addAmounts(wanted.Of(r), target))
			n.growing = n.growing || target > request
			n.outside = n.outside || request == 0 || request < rec.Lower.Of(r) || request > rec.Upper.Of(r)
		}
	}
	for _, r := range resources {
		unit := 1.0
		if r == Memory {
			unit = 1000 // upstream compares thousandths of bytes, and takes no request for one of them
		}
		request := max(float64(requested.Of(r))*unit, 1)
		if target := float64(wanted.Of(r)) * unit; target > 0 {
			n.change += math.Abs(request-target) / request
		}
	}
	return n
}

func addAmounts(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// admits reports whether a container meets all eviction requirements (upstream admitContainer).
func (u *Updater) admits(c *Container, rec *Recommendation) bool {
	if c.Request.CPUMillis <= 0 || c.Request.MemoryBytes <= 0 {
		return true
	}
	for _, q := range u.spec.EvictionRequirements {
		met := slices.ContainsFunc(q.Resources, func(r Resource) bool {
			if q.ChangeRequirement == TargetHigherThanRequests {
				return rec.Target.Of(r) > c.Request.Of(r)
			}
			return rec.Target.Of(r) < c.Request.Of(r)
		})
		if !met {
			return false
		}
	}
	return true
}
