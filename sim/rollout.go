package sim

import "math"

// This file replaces the pods of a service by new ones, as the Deployment controller does with the RollingUpdate strategy
// (kubernetes pkg/controller/deployment/rolling.go, v1.31).

// rollout is the state of a service's last rolling update.
type rollout struct {
	active             bool
	revision           int32 // of pods that are made now
	surge, unavailable float64
}

// startRollout begins a rolling update of service s.
func (c *cluster) startRollout(s int, surge, unavailable float64) {
	r := &c.rollouts[s]
	r.active, r.surge, r.unavailable = true, surge, unavailable
	r.revision++
	c.roll(s)
	c.placePending()
	c.orderNodes()
	c.nextEvent()
}

// roll carries an update on as far as it goes now. New pods are made while all together are at most spec + surge. Old ones go as far as
// pods that are not ready leave it: first those that are not ready themselves, then ready ones while more than
// spec - unavailable pods are ready. Kubernetes scales old and new pods in proportion when the spec changes meanwhile;
// here new ones are made, and old ones go first.
func (c *cluster) roll(s int) {
	r, spec := &c.rollouts[s], c.st.Services[s].Spec
	surge, unavailable := int(math.Ceil(r.surge*float64(spec)-1e-9)), int(math.Floor(r.unavailable*float64(spec)+1e-9))
	if surge == 0 && unavailable == 0 { // or nothing could ever move
		unavailable = 1
	}
	for moved := true; moved; {
		moved = false
		old, fresh, freshReady, ready := c.revisions(s)
		for ; fresh < spec && old+fresh < spec+surge; fresh++ {
			c.create(s, AnyPool)
			moved = true
		}
		for ; fresh > spec; fresh-- {
			c.remove(s, newPods)
			moved = true
		}
		least := spec - unavailable
		spare := old + fresh - least - (fresh - freshReady)
		for unready := old - (ready - freshReady); unready > 0 && spare > 0; unready-- { // they come first
			c.remove(s, oldPods)
			old, spare, moved = old-1, spare-1, true
		}
		for ; old > 0 && spare > 0 && ready > least; ready-- {
			c.remove(s, oldPods)
			old, spare, moved = old-1, spare-1, true
		}
		r.active = old > 0
	}
	c.refresh(s)
}

// revisions counts the pods of a service that are not on their way out: of older revisions, of the present one, of these the ready
// ones, and all ready ones.
func (c *cluster) revisions(s int) (old, fresh, freshReady, ready int) {
	for i := range c.pods[s] {
		p := &c.pods[s][i]
		if p.phase == PodTerminating {
			continue
		}
		if p.phase == PodReady {
			ready++
		}
		if p.revision < c.rollouts[s].revision {
			old++
			continue
		}
		fresh++
		if p.phase == PodReady {
			freshReady++
		}
	}
	return old, fresh, freshReady, ready
}

// podSet says which pods of a service are meant.
type podSet uint8

const (
	anyPods podSet = iota
	oldPods        // of older revisions
	newPods        // of the present revision
)

func (c *cluster) among(s int, p *pod, set podSet) bool {
	return set == anyPods || (p.revision < c.rollouts[s].revision) == (set == oldPods)
}
