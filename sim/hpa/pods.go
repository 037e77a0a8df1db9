package hpa

import (
	"fmt"
	"math"
	"time"
)

// Times that are not points on the simulation's clock.
const (
	// LongAgo stands for a time before anything that matters (Go's zero time in Kubernetes): 1e9 s before the origin.
	LongAgo time.Duration = -1_000_000_000 * time.Second
	// Unset stands for a time that was never set.
	Unset time.Duration = math.MinInt64
)

// Resource is the name of a resource, as in a pod's requests.
type Resource string

// The resources that pods request.
const (
	CPU    Resource = "cpu"
	Memory Resource = "memory"
)

// Quantity is an amount in thousandths, or none: the zero value means "not given", which is not the same as 0.
type Quantity struct {
	Millis int64
	Set    bool
}

// Millis returns a given quantity of v thousandths.
func Millis(v int64) Quantity { return Quantity{Millis: v, Set: true} }

// Requests are the resource requests of a container or of a pod as a whole.
type Requests struct {
	CPU    Quantity // millicores
	Memory Quantity // thousandths of a byte
}

// Of returns the request for a resource; for one other than CPU and Memory there is none.
func (r Requests) Of(res Resource) Quantity {
	switch res {
	case CPU:
		return r.CPU
	case Memory:
		return r.Memory
	}
	return Quantity{}
}

// Container is a container that runs as long as its pod: a regular one or a restartable init container (a sidecar).
type Container struct {
	Name     string
	Requests Requests
}

// Phase is a pod's phase.
type Phase uint8

// The phases of a pod.
const (
	Pending Phase = iota
	Running
	Succeeded
	Failed
	PhaseUnknown
)

// Ready is the status of a pod's Ready condition.
type Ready uint8

// The statuses of the Ready condition. ReadyUnknown is not ReadyFalse: such a pod may count.
const (
	NoReadyCondition Ready = iota
	ReadyTrue
	ReadyFalse
	ReadyUnknown
)

// Pod is one pod that matches the workload's selector.
type Pod struct {
	Name           string        // for messages only
	Phase          Phase         // default Pending
	Deleting       bool          // has a deletion timestamp
	Ready          Ready         // default: no such condition
	StartedAt      time.Duration // the kubelet's start time, or Unset
	ReadyChangedAt time.Duration // last transition of the Ready condition; read only if there is one
	Containers     []Container   // may be shared between pods
	Requests       *Requests     // pod-level requests, or nil; they replace the sum over containers
}

// Request returns what the pod requests of a resource, in thousandths: that of the named container, or, if container
// is empty, the pod-level request or the sum over all containers. Every container that is summed must have a request,
// unless the pod has a pod-level one for the other resource: then one container must.
func (p *Pod) Request(res Resource, container string) (int64, error) {
	if container == "" && p.Requests != nil && (p.Requests.CPU.Set || p.Requests.Memory.Set) {
		return p.podLevel(res)
	}
	sum := int64(0)
	for i := range p.Containers {
		c := &p.Containers[i]
		if container != "" && container != c.Name {
			continue
		}
		q := c.Requests.Of(res)
		if !q.Set {
			return 0, fmt.Errorf("%w for %s in container %s of pod %s", ErrMissingRequest, res, c.Name, p.Name)
		}
		sum = addSat(sum, q.Millis)
		if container != "" {
			return sum, nil
		}
	}
	if container != "" {
		return 0, fmt.Errorf("%w: %s in pod %s", ErrContainerNotFound, container, p.Name)
	}
	return sum, nil
}

// podLevel is the request of a pod that has pod-level requests (upstream calculatePodLevelRequests with PodRequests of
// k8s.io/component-helpers).
func (p *Pod) podLevel(res Resource) (int64, error) {
	q := p.Requests.Of(res)
	for i := 0; i < len(p.Containers) && !p.Requests.Of(res).Set; i++ {
		if r := p.Containers[i].Requests.Of(res); r.Set {
			q = Millis(addSat(q.Millis, r.Millis))
		}
	}
	if !q.Set {
		return 0, fmt.Errorf("%w for %s at the level of pod %s and in its containers", ErrMissingRequest, res, p.Name)
	}
	return q.Millis, nil
}

// Group is what a pod is to a resource or pods metric.
type Group uint8

// The groups of pods.
const (
	GroupReady   Group = iota // counts, with its sample
	GroupUnready              // its sample is dropped; taken as idle when scaling up
	GroupMissing              // has no sample; taken as idle when scaling up, as busy when scaling down
	GroupIgnored              // is going away: as if it were not there
)

// Groups says which group each pod is in.
type Groups struct {
	Of                               []Group // one per pod; owned by the calculator, valid until its next call
	Ready, Unready, Missing, Ignored int
}

// groupOf applies the first rule that fits (upstream groupPods, v1.28). s is the pod's sample, or nil.
func (c *Config) groupOf(now time.Duration, p *Pod, s *Sample, cpu bool) Group {
	switch {
	case p.Deleting, p.Phase == Failed, p.Phase == Succeeded && c.IgnoreSucceeded:
		return GroupIgnored
	case p.Phase == Pending:
		return GroupUnready
	case s == nil:
		return GroupMissing
	case !cpu: // readiness matters to the CPU resource alone: starting up costs CPU that is no load
		return GroupReady
	case p.Ready == NoReadyCondition, p.StartedAt == Unset:
		return GroupUnready
	}
	if p.StartedAt+c.CPUInitializationPeriod > now {
		// It may still be initialising: the whole window of the sample must lie after it became ready.
		if p.Ready == ReadyFalse || s.At < p.ReadyChangedAt+s.Window {
			return GroupUnready
		}
		return GroupReady
	}
	// A pod that became unready so soon after its start has probably never been ready. One that was ready once
	// and is not now counts.
	if p.Ready == ReadyFalse && p.StartedAt+c.InitialReadinessDelay > p.ReadyChangedAt {
		return GroupUnready
	}
	return GroupReady
}
