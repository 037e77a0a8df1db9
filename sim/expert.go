package sim

import (
	"fmt"
	"math"
	"time"
)

// ExpertEnv is a vector environment that can also tell what who knows the future would do: what an imitating policy learns from.
type ExpertEnv interface {
	VectorEnv
	// Expert writes the actions [B, len(NVec)] of the expert in the present observations, all of them allowed.
	Expert(actions []int32) error
}

// ViolationEnv is a vector environment that also tells how many requests were late or failed: what a budget is spent on.
type ViolationEnv interface {
	VectorEnv
	// Violations writes, for each environment, the requests that were late or failed in the last Step, relative to the mean number that
	// its episode offers in a control interval. The mean over an episode's intervals is the episode's share of such requests.
	Violations(dst []float32)
}

var (
	_ ExpertEnv    = (*VecEnv)(nil)
	_ ViolationEnv = (*VecEnv)(nil)
)

// Violations writes those of the last Step.
func (v *VecEnv) Violations(dst []float32) {
	for i, e := range v.envs {
		dst[i] = float32(e.violation)
	}
}

// Expert writes what the oracle would do in every environment. In mode joint that is, for each service, the allowed change that comes
// nearest to what the [Oracle] asks for; in mode select it is the largest of them, first those that add, then those that take away, and
// "nothing" where there is none. Quotas stay as they are, and new pods go to the first pool with room.
func (v *VecEnv) Expert(actions []int32) error {
	parts := len(v.Spec().Action.NVec)
	for i, e := range v.envs {
		if err := e.expert(actions[i*parts : (i+1)*parts]); err != nil {
			return err
		}
	}
	return nil
}

// expert writes the action of this environment's expert.
func (e *Env) expert(action []int32) error {
	t, ok := e.task.(*clusterTask)
	if !ok {
		return fmt.Errorf("environment of kind %s: there is no expert for it; set the steps of the warm start to 0", e.cfg.Kind)
	}
	if e.number < 0 {
		return fmt.Errorf("environment %d: Expert before Reset", e.index)
	}
	if e.oracle.ep == nil { // once, for lead times; the episode's memory is this environment's
		e.oracle.SetEpisode(&e.ep)
		if err := e.oracle.Reset(e.app, 0); err != nil {
			return err
		}
	}
	now := time.Duration(e.session.Tick()) * Tick
	best, largest := -1, 0
	for s := range e.app.Services {
		delta := t.actions.towards(t.view, s, e.oracle.want(s, now))
		if t.cfg.Action.Mode == ActionJoint {
			t.actions.choose(t.view, s, delta, action)
		} else if best < 0 && delta != 0 || delta > max(largest, 0) || largest < 0 && delta < largest {
			best, largest = s, delta
		}
	}
	if t.cfg.Action.Mode == ActionSelect {
		t.actions.chooseOne(t.view, best, largest, action)
	}
	return nil
}

// towards is the change, in units, that brings the wanted replicas of s to n or as little above as it can; or as far as one decision reaches.
func (a *Actions) towards(v *View, s, n int) int {
	spec := v.Services[s].Spec
	unit := changeUnit(spec)
	delta := n - spec
	if unit > 1 {
		delta = int(math.Ceil(float64(n-spec) / float64(unit)))
	}
	return min(max(delta, -a.cfg.MaxDelta), a.cfg.MaxDelta)
}

// choose writes the parts of service s in mode joint: a change of replicas, the quota as it is, the first pool with room.
func (a *Actions) choose(v *View, s, delta int, action []int32) {
	parts := len(a.spec.NVec) / len(a.app.Services)
	action = action[s*parts : (s+1)*parts]
	action[0], action[1] = int32(delta+a.cfg.MaxDelta), int32(a.one)
	if parts == 3 {
		action[2] = int32(a.firstPool(v, s))
	}
}

// chooseOne writes the action of mode select: a change of replicas of service s, or nothing.
func (a *Actions) chooseOne(v *View, s, delta int, action []int32) {
	if delta == 0 {
		action[0] = int32(a.spec.NVec[0] - 1)
		return
	}
	pool := 0
	if delta > 0 {
		pool = a.firstPool(v, s)
	}
	action[0] = int32(s*a.spec.PerService + ((delta+a.cfg.MaxDelta)*a.nq+a.one)*a.np + pool)
}

// firstPool is the first pool that has room for a replica of service s.
func (a *Actions) firstPool(v *View, s int) int {
	for i := range v.Nodes {
		n := &v.Nodes[i]
		if n.FreeCPUMillis >= v.Services[s].RequestMillis && n.FreeMemMiB >= a.app.Services[s].MemRequestMiB {
			return n.Pool
		}
	}
	return 0
}
