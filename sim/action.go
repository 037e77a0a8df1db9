package sim

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// Action modes.
const (
	ActionJoint  = "joint"
	ActionSelect = "select"
)

// ActionConfig shapes the actions of the environment kind "cluster".
type ActionConfig struct {
	// Mode is joint (one tuple for every service at once) or select (one tuple per decision). Default joint.
	Mode string `yaml:"mode"`
	// MaxDelta is the largest change of replicas in one decision, either way. Default 2.
	MaxDelta int `yaml:"max_delta"`
	// QuotaSteps are the factors that a decision may change the CPU quota by; 1 must be among them.
	// Default 0.5, 0.8, 1, 1.25, 2.
	QuotaSteps []float64 `yaml:"quota_steps"`
	// QuotaMin and QuotaMax bound the quota relative to the application's. Defaults 0.25 and 4.
	QuotaMin float64 `yaml:"quota_min"`
	QuotaMax float64 `yaml:"quota_max"`
	// DecisionsPerInterval is how many tuples select may give before time moves on. Default 4.
	DecisionsPerInterval int `yaml:"decisions_per_interval"`
}

// DefaultActionConfig is joint mode with its default steps.
func DefaultActionConfig() ActionConfig {
	return ActionConfig{Mode: ActionJoint, MaxDelta: 2, QuotaSteps: []float64{0.5, 0.8, 1, 1.25, 2}, QuotaMin: 0.25, QuotaMax: 4, DecisionsPerInterval: 4}
}

// Validate reports every mistake at once.
func (c ActionConfig) Validate() error {
	var errs []error
	bad := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("action."+format, args...))
		}
	}
	bad(c.Mode == ActionJoint || c.Mode == ActionSelect, "mode: unknown %q; one of %s, %s", c.Mode, ActionJoint, ActionSelect)
	bad(c.MaxDelta >= 1 && c.MaxDelta <= 100, "max_delta: %d; must be from 1 to 100", c.MaxDelta)
	bad(len(c.QuotaSteps) <= 100, "quota_steps: %d factors; at most 100", len(c.QuotaSteps))
	ones := 0
	for i, q := range c.QuotaSteps {
		bad(q > 0 && q <= 100, "quota_steps[%d]: factor %v; must be above 0 and at most 100", i, q)
		bad(i == 0 || q > c.QuotaSteps[i-1], "quota_steps[%d]: %v; the factors must ascend", i, q)
		if q == 1 {
			ones++
		}
	}
	bad(ones == 1, "quota_steps: the factor 1 (leave the quota) must be among them")
	bad(c.QuotaMin > 0 && c.QuotaMin <= 1, "quota_min: %v; must be above 0 and at most 1", c.QuotaMin)
	bad(c.QuotaMax >= 1 && c.QuotaMax <= 1000, "quota_max: %v; must be from 1 to 1000", c.QuotaMax)
	bad(c.DecisionsPerInterval >= 1 && c.DecisionsPerInterval <= 1000, "decisions_per_interval: %d; must be from 1 to 1000", c.DecisionsPerInterval)
	return errors.Join(errs...)
}

// Actions turns the choices of a network into scale requests, and knows which are allowed in a view.
//
// A tuple is (Δreplicas, quota factor, node pool); the pool, where new pods are to be placed, exists only if the
// application has several. Part sizes are nd = 2·MaxDelta+1, nq = len(QuotaSteps), np = pools. Masks and logits of
// one service:
//
//	joint:  nd + nq (+ np), the parts one after another
//	select: nd·nq·np, tuple (d, q, p) at (d·nq+q)·np+p; "nothing" follows once after all services
//
// It holds no state and may be shared.
type Actions struct {
	app        *App
	cfg        ActionConfig
	nd, nq, np int
	one        int // index of the factor 1
	spec       ActionSpec
	bounds     []actionBounds // [service]
}

// actionBounds are what an action may lead to.
type actionBounds struct {
	minReplicas, maxReplicas      int
	quotaMin, quotaMax, quotaOver float64 // from quotaMin to quotaMax, and above quotaOver
	nominalRequest, nominalQuota  float64 // requestAt
}

// NewActions makes the action space. cfg has passed Validate.
func NewActions(app *App, cfg ActionConfig) *Actions {
	a := &Actions{app: app, cfg: cfg, nd: 2*cfg.MaxDelta + 1, nq: len(cfg.QuotaSteps), np: len(app.Pools), one: slices.Index(cfg.QuotaSteps, 1)}
	a.spec = ActionSpec{Mode: cfg.Mode}
	for s := range app.Services {
		svc := &app.Services[s]
		a.bounds = append(a.bounds, actionBounds{svc.MinReplicas, svc.MaxReplicas, svc.CPULimitMillis * cfg.QuotaMin, svc.CPULimitMillis * cfg.QuotaMax, svc.BaseCPUMillis, svc.CPURequestMillis, svc.CPULimitMillis})
	}
	if cfg.Mode == ActionSelect {
		a.spec.PerService, a.spec.Global = a.nd*a.nq*a.np, 1
		a.spec.NVec = []int{len(app.Services)*a.spec.PerService + 1}
		return a
	}
	a.spec.PerService = a.nd + a.nq
	if a.np > 1 {
		a.spec.PerService += a.np
	}
	for range app.Services {
		a.spec.NVec = append(a.spec.NVec, a.nd, a.nq)
		if a.np > 1 {
			a.spec.NVec = append(a.spec.NVec, a.np)
		}
	}
	return a
}

// Spec describes the actions to a network.
func (a *Actions) Spec() ActionSpec { return a.spec }

// Mask marks what may be chosen in view v. dst has length Services·PerService + Global.
//
// What an engine would clamp or refuse is never allowed: replicas beyond min and max; quotas beyond the configured
// bounds, at or below the CPU of an idle replica, or too large for a node that the service's pods are on; a pool
// without room for one more replica (unless none has room: the pod then waits). Leaving everything as it is
// is always allowed: in select only as "nothing".
func (a *Actions) Mask(v *View, dst []bool) {
	for s := range v.Services {
		row := dst[s*a.spec.PerService : (s+1)*a.spec.PerService]
		if a.cfg.Mode == ActionSelect {
			a.maskTuples(v, s, row)
			continue
		}
		deltas := row[:a.nd]
		for d := range deltas {
			deltas[d] = a.deltaAllowed(v, s, d-a.cfg.MaxDelta)
		}
		a.maskQuotas(v, s, row[a.nd:a.nd+a.nq])
		if a.np > 1 {
			a.maskPools(v, s, row[a.nd+a.nq:])
		}
	}
	if a.cfg.Mode == ActionSelect {
		dst[len(dst)-1] = true
	}
}

func (a *Actions) maskTuples(v *View, s int, row []bool) {
	var few [16]bool // on the stack; more pools or quota steps than that cost an allocation
	pools := few[:]
	if a.np > len(few) {
		pools = make([]bool, a.np)
	}
	pools = pools[:a.np]
	a.maskPools(v, s, pools)
	var fewQuotas [16]bool
	quotas := fewQuotas[:]
	if a.nq > len(fewQuotas) {
		quotas = make([]bool, a.nq)
	}
	quotas = quotas[:a.nq]
	a.maskQuotas(v, s, quotas)
	for q, quotaOK := range quotas {
		for d := range a.nd {
			ok := quotaOK && a.deltaAllowed(v, s, d-a.cfg.MaxDelta) && (d != a.cfg.MaxDelta || q != a.one)
			for p := range a.np {
				// The pool matters to new pods alone: without any, it has one name.
				row[(d*a.nq+q)*a.np+p] = ok && ((d > a.cfg.MaxDelta && pools[p]) || (d <= a.cfg.MaxDelta && p == 0))
			}
		}
	}
}

// deltaAllowed tells whether a change of so many units leads somewhere that one unit less does not.
func (a *Actions) deltaAllowed(v *View, s, delta int) bool {
	b, spec := &a.bounds[s], v.Services[s].Spec
	unit := changeUnit(spec)
	switch {
	case delta > 0:
		return spec+(delta-1)*unit < b.maxReplicas
	case delta < 0:
		return spec+(delta+1)*unit > b.minReplicas
	}
	return true
}

// unitsOfWhole is how many units of change a service has at least: up to twice as many replicas a unit is one.
const unitsOfWhole = 12

// changeUnit is how many replicas one unit of an action is when so many are wanted: one for services of up to 23, a twelfth of
// larger ones, so that a decision reaches as far for pods by the hundred as for a few.
func changeUnit(spec int) int { return max(1, spec/unitsOfWhole) }

// after is the wanted replicas after a change of so many units, within the service's bounds.
func (a *Actions) after(v *View, s, delta int) int {
	b, spec := &a.bounds[s], v.Services[s].Spec
	return min(max(spec+delta*changeUnit(spec), b.minReplicas), b.maxReplicas)
}

// quotaAfter is the quota after factor q: whole millicores, as Kubernetes keeps them.
func (a *Actions) quotaAfter(v *View, s, q int) float64 {
	if q == a.one {
		return v.Services[s].QuotaMillis
	}
	return roundMillis(v.Services[s].QuotaMillis * a.cfg.QuotaSteps[q])
}

// roundMillis rounds x, 0 to 1e18.
func roundMillis(x float64) float64 { return float64(int64(x + 0.5)) }

// maskQuotas marks the factors that lead to a quota which the engine accepts.
func (a *Actions) maskQuotas(v *View, s int, dst []bool) {
	b, x := &a.bounds[s], &v.Services[s]
	room := math.NaN() // not known yet
	for q, step := range a.cfg.QuotaSteps {
		if q == a.one {
			dst[q] = true
			continue
		}
		quota := roundMillis(x.QuotaMillis * step)
		if quota == x.QuotaMillis || quota < b.quotaMin || quota > b.quotaMax || quota <= b.quotaOver {
			dst[q] = false
			continue
		}
		if quota < x.QuotaMillis {
			dst[q] = true
			continue
		}
		if math.IsNaN(room) {
			room = a.quotaRoom(v, s)
		}
		dst[q] = b.nominalRequest*quota/b.nominalQuota-x.RequestMillis <= room
	}
}

// quotaRoom is by how much the request of each replica of service s may grow before a node is full.
func (a *Actions) quotaRoom(v *View, s int) float64 {
	room := math.Inf(1)
	for n, k := range v.Placed[s*len(v.Nodes) : (s+1)*len(v.Nodes)] {
		if k > 0 {
			room = min(room, v.Nodes[n].FreeCPUMillis/float64(k))
		}
	}
	return room
}

// requestAt is the CPU request of a replica whose quota has been changed: it follows in proportion.
func requestAt(svc *Service, quotaMillis float64) float64 {
	return svc.CPURequestMillis * quotaMillis / svc.CPULimitMillis
}

// maskPools allows the pools with a node that has room for one more replica of service s; all, if none has.
func (a *Actions) maskPools(v *View, s int, dst []bool) {
	clear(dst)
	found := false
	for i := range v.Nodes {
		n := &v.Nodes[i]
		if n.FreeCPUMillis >= v.Services[s].RequestMillis && n.FreeMemMiB >= a.app.Services[s].MemRequestMiB {
			dst[n.Pool], found = true, true
		}
	}
	if !found {
		for p := range dst {
			dst[p] = true
		}
	}
}

// Requests appends the scale requests that action stands for in view v, none for services that it leaves alone.
// action has one choice per part of NVec. done tells that it ends the turn: always in joint mode, "nothing" in
// select. An action out of range is an error; whether it is allowed is not checked (an engine clamps).
func (a *Actions) Requests(v *View, action []int32, dst []ScaleRequest) (requests []ScaleRequest, done bool, err error) {
	if len(action) != len(a.spec.NVec) {
		return dst, false, fmt.Errorf("action has %d parts, want %d", len(action), len(a.spec.NVec))
	}
	for i, n := range a.spec.NVec {
		if action[i] < 0 || int(action[i]) >= n {
			return dst, false, fmt.Errorf("action part %d is %d, want 0 to %d", i, action[i], n-1)
		}
	}
	if a.cfg.Mode == ActionSelect {
		k := int(action[0])
		if k == a.spec.NVec[0]-1 {
			return dst, true, nil
		}
		s, tuple := k/a.spec.PerService, k%a.spec.PerService
		return a.request(v, s, tuple/(a.nq*a.np), tuple/a.np%a.nq, tuple%a.np, dst), false, nil
	}
	parts := len(a.spec.NVec) / len(a.app.Services)
	for s := range a.app.Services {
		p := 0
		if parts == 3 {
			p = int(action[s*parts+2])
		}
		dst = a.request(v, s, int(action[s*parts]), int(action[s*parts+1]), p, dst)
	}
	return dst, true, nil
}

// request appends the request for one tuple, if it changes anything.
func (a *Actions) request(v *View, s, d, q, p int, dst []ScaleRequest) []ScaleRequest {
	delta := d - a.cfg.MaxDelta
	if delta == 0 && q == a.one {
		return dst
	}
	r := ScaleRequest{Service: s, Replicas: KeepReplicas, Pool: AnyPool}
	if delta != 0 {
		r.Replicas = a.after(v, s, delta)
	}
	if delta > 0 && a.np > 1 {
		r.Pool = p
	}
	if q != a.one {
		r.QuotaMillis = a.quotaAfter(v, s, q)
	}
	return append(dst, r)
}

// overlay changes v as if the requests had been carried out, as far as the API server would show it at once:
// wanted replicas, quotas, requests and the room that new pods take. The next decision of the same turn is made on it.
// That a pod which waits for room may find it when a quota changes is not foreseen; the engine then refuses, at worst,
// a later change of the same turn.
func (a *Actions) overlay(v *View, requests []ScaleRequest) {
	for _, r := range requests {
		svc, x := &a.app.Services[r.Service], &v.Services[r.Service]
		if r.QuotaMillis > 0 {
			request := requestAt(svc, r.QuotaMillis)
			for n, k := range v.Placed[r.Service*len(v.Nodes) : (r.Service+1)*len(v.Nodes)] {
				v.Nodes[n].FreeCPUMillis -= float64(k) * (request - x.RequestMillis)
			}
			x.QuotaMillis, x.RequestMillis = r.QuotaMillis, request
		}
		if r.Replicas == KeepReplicas {
			continue
		}
		want := min(max(r.Replicas, svc.MinReplicas), svc.MaxReplicas)
		for n := x.Spec; n < want; n++ {
			a.overlayPod(v, r.Service, r.Pool)
		}
		x.Spec = want
	}
}

// overlayPod takes the room of one more pod, on the node that [leastAllocated] would choose.
func (a *Actions) overlayPod(v *View, s, pool int) {
	cpu, mem := v.Services[s].RequestMillis, a.app.Services[s].MemRequestMiB
	best, bestScore := -1, -1.0
	for i := range v.Nodes {
		n := &v.Nodes[i]
		freeCPU, freeMem := n.FreeCPUMillis-cpu, n.FreeMemMiB-mem
		if (pool != AnyPool && n.Pool != pool) || freeCPU < 0 || freeMem < 0 {
			continue
		}
		if score := freeCPU/n.CPUMillis/2 + freeMem/n.MemMiB/2; score > bestScore {
			best, bestScore = i, score
		}
	}
	if best < 0 {
		v.Services[s].Pending++
		return
	}
	v.Nodes[best].FreeCPUMillis -= cpu
	v.Nodes[best].FreeMemMiB -= mem
	v.Placed[s*len(v.Nodes)+best]++
	v.Services[s].Starting++
}
