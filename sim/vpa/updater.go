package vpa

import (
	"cmp"
	"errors"
	"slices"
	"time"
)

// ResizeStatus says how a pod's resize in place is getting on (its conditions PodResizePending and PodResizeInProgress).
type ResizeStatus uint8

// The states of a resize.
const (
	NoResize         ResizeStatus = iota
	ResizeInProgress              // the kubelet is at it
	ResizeDeferred                // there is no room on the node now
	ResizeInfeasible              // there will never be, or it failed
)

// Pod is one live pod of the workload: not being deleted, and neither Failed nor Succeeded.
type Pod struct {
	StartedAt  time.Duration // the kubelet's start time, or Unset
	Pending    bool          // its phase
	Resize     ResizeStatus
	ResizedAt  time.Duration // when the resize was asked for; read only if there is one
	Containers []Container   // may be shared between pods
}

// Container is one container of a pod.
type Container struct {
	Name string
	Resources
	// QuickOOM says that the container's last run ended by an OOM kill, soon after its start (Config.QuickOOM).
	QuickOOM bool
}

// Inputs are what one plan is made from. Slices are read during the call only.
type Inputs struct {
	Replicas        int32 // that the workload is configured to have
	Pods            []Pod
	Recommendations []Recommendation // for its containers
}

// Action is what is done with a pod.
type Action uint8

// The actions.
const (
	Keep   Action = iota
	Resize        // in place, to the recommendation
	Evict         // a new pod gets the recommendation
)

// Reason says why a pod is updated or not.
type Reason string

// The reasons.
const (
	// Why a pod is resized or evicted.
	OutsideBounds Reason = "OutsideBounds" // some request is missing, below the lower or above the upper bound
	QuickOOM      Reason = "QuickOOM"      // a container was OOM-killed soon after its start
	OffTarget     Reason = "OffTarget"     // old enough, and off the target by UpdateThreshold or more

	// Why a pod does not need it.
	NoUpdates        Reason = "NoUpdates"        // the mode is Off or Initial
	NoRecommendation Reason = "NoRecommendation" // for any of its containers
	NotStarted       Reason = "NotStarted"       // within bounds, and has no start time
	Young            Reason = "Young"            // within bounds, and not InBoundsLifetime old
	OnTarget         Reason = "OnTarget"         // old enough, but off the target by less than UpdateThreshold
	NothingToChange  Reason = "NothingToChange"  // was OOM-killed soon after its start, but requests the target

	// Why a pod that needs it has to wait.
	RequirementNotMet Reason = "RequirementNotMet" // an eviction requirement
	TooFewReplicas    Reason = "TooFewReplicas"    // fewer than MinReplicas are alive, or none are configured
	Disruption        Reason = "Disruption"        // too many are missing, or are updated before it
	PodPending        Reason = "PodPending"        // cannot be resized in place yet
	Resizing          Reason = "Resizing"          // is being resized in place, and not for too long
)

// Verdict is what a plan says of a pod.
type Verdict struct {
	Action Action
	Reason Reason
	// What the pod's place in the order rests on: whether any request is to grow, and the sum over the resources of
	// |request - target| / request.
	Growing bool
	Change  float64
}

// Plan is what is done now. It belongs to the updater and is valid until its next plan.
type Plan struct {
	Verdicts []Verdict // one for each pod, in the order of Inputs
	Resize   []int     // indices of the pods to resize, in order
	Evict    []int     // indices of the pods to evict, in order, after the resizes
}

// Updater decides which pods of a workload are replaced. It has no memory; once warm, a plan allocates nothing. It belongs to
// one goroutine.
type Updater struct {
	cfg       Config
	spec      Spec // defaulted
	unbounded ContainerPolicy
	plan      Plan
	order     []int // candidates
}

// NewUpdater returns an updater for an object. It reports every mistake in both.
func NewUpdater(spec Spec, cfg Config) (*Updater, error) {
	if err := errors.Join(spec.Validate(), cfg.Validate()); err != nil {
		return nil, err
	}
	return &Updater{cfg: cfg, spec: spec.WithDefaults(cfg), unbounded: ContainerPolicy{}.withDefaults()}, nil
}

// Spec returns the object as defaulted.
func (u *Updater) Spec() Spec { return u.spec }

// Plan decides at a time (upstream updater.RunOnce). Whoever is in need of an update comes first if a request is to grow,
// then by how much the requests change; each in turn is updated as long as enough pods stay.
func (u *Updater) Plan(now time.Duration, in *Inputs) Plan {
	p := &u.plan
	p.Verdicts, p.Resize, p.Evict = p.Verdicts[:0], p.Resize[:0], p.Evict[:0]
	u.order = u.order[:0]
	if u.spec.UpdateMode == ModeOff || u.spec.UpdateMode == ModeInitial {
		for range in.Pods {
			p.Verdicts = append(p.Verdicts, Verdict{Reason: NoUpdates})
		}
		return *p
	}
	tooFew := in.Replicas <= 0 || len(in.Pods) < int(*u.spec.MinReplicas)
	for i := range in.Pods {
		v, needed := u.judge(now, &in.Pods[i], in.Recommendations)
		switch {
		case !needed:
		case tooFew:
			v.Reason = TooFewReplicas
		default:
			u.order = append(u.order, i)
		}
		p.Verdicts = append(p.Verdicts, v)
	}
	// The sort is stable: upstream leaves open which of two equal pods is first.
	slices.SortStableFunc(u.order, func(a, b int) int {
		x, y := &p.Verdicts[a], &p.Verdicts[b]
		if x.Growing != y.Growing {
			if x.Growing {
				return -1
			}
			return 1
		}
		return cmp.Compare(y.Change, x.Change)
	})
	d := u.newDisruption(in)
	if u.spec.UpdateMode == ModeInPlaceOrRecreate {
		u.resize(now, in, &d)
	}
	for _, i := range u.order {
		switch v, pod := &p.Verdicts[i], &in.Pods[i]; {
		case v.Action == Resize:
		case v.Reason == PodPending: // set by resize
		case pod.Pending:
			v.Action = Evict // it takes nothing away
		case !d.allowed():
			v.Reason = Disruption
		case pod.Resize != NoResize && !u.stuck(now, pod):
			v.Reason = Resizing
		default:
			v.Action = Evict
			d.disrupted++
		}
		if p.Verdicts[i].Action == Evict {
			p.Evict = append(p.Evict, i)
		}
	}
	return *p
}

// resize asks for resizes in place of those that have none yet, before anything is evicted (upstream CanInPlaceUpdate).
func (u *Updater) resize(now time.Duration, in *Inputs, d *disruption) {
	for _, i := range u.order {
		v, pod := &u.plan.Verdicts[i], &in.Pods[i]
		switch {
		case pod.Pending:
			v.Reason = PodPending
		case pod.Resize == NoResize && d.allowed():
			v.Action = Resize
			d.disrupted++
			u.plan.Resize = append(u.plan.Resize, i)
		}
	}
}

// stuck reports whether a resize has failed or takes too long, so that the pod is evicted instead (upstream
// CanEvictInPlacingPod).
func (u *Updater) stuck(now time.Duration, pod *Pod) bool {
	switch age := now - pod.ResizedAt; pod.Resize {
	case ResizeDeferred:
		return age > u.cfg.ResizeDeferredTimeout
	case ResizeInProgress:
		return age > u.cfg.ResizeProgressTimeout
	}
	return true
}

// disruption counts how many pods may be missing (upstream singleGroupStats).
type disruption struct {
	configured, running, tolerance int
	disrupted                      int // by this plan
}

func (u *Updater) newDisruption(in *Inputs) disruption {
	d := disruption{configured: int(in.Replicas), running: len(in.Pods)}
	d.tolerance = int(float64(d.configured) * u.cfg.EvictionTolerance)
	for i := range in.Pods {
		if in.Pods[i].Pending {
			d.running--
		}
	}
	return d
}

// allowed reports whether one more running pod may be disrupted (upstream isPodDisruptable).
func (d *disruption) allowed() bool {
	return d.running-d.disrupted > d.configured-d.tolerance ||
		d.tolerance == 0 && d.disrupted == 0 && d.running == d.configured
}

// judge reports whether a pod needs an update, and why or why not (upstream AddPod).
func (u *Updater) judge(now time.Duration, pod *Pod, recs []Recommendation) (Verdict, bool) {
	n := u.needOf(pod, recs)
	v := Verdict{Growing: n.growing, Change: n.change}
	switch {
	case !n.recommended:
		v.Reason = NoRecommendation
	case n.quickOOM && n.change == 0:
		v.Reason = NothingToChange
	case n.outside:
		v.Reason = OutsideBounds
	case n.quickOOM:
		v.Reason = QuickOOM
	case pod.StartedAt == Unset:
		v.Reason = NotStarted
	case now < pod.StartedAt+u.cfg.InBoundsLifetime:
		v.Reason = Young
	case n.change < u.cfg.UpdateThreshold:
		v.Reason = OnTarget
	default:
		v.Reason = OffTarget
	}
	switch v.Reason {
	case OutsideBounds, QuickOOM, OffTarget:
		if !n.admitted {
			v.Reason = RequirementNotMet
			return v, false
		}
		return v, true
	}
	return v, false
}
