package vpa

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// cpuSampleWeight is the weight of every CPU sample (upstream minSampleWeight; until 1.3 it was meant to be the request in
// cores and at least this, but the request never arrived: kubernetes/autoscaler#7818).
const cpuSampleWeight = 0.1

// Recommendation is what a container should request, and the bounds outside of which it is replaced for it. A resource that
// is not controlled is 0 everywhere.
type Recommendation struct {
	Container            string
	Target, Lower, Upper Amounts // within the policy's minAllowed and maxAllowed
	UncappedTarget       Amounts // before them
}

// peaks is what is known of one pod's memory.
type peaks struct {
	end    time.Duration // of the interval
	last   time.Duration // the latest sample
	memory int64         // highest sample of the interval
	oom    int64         // highest estimate after an OOM kill in it
}

// Recommender recommends for all containers of one name of a workload (upstream AggregateContainerState and
// podResourceRecommender). It belongs to one goroutine. Samples of pods that are known allocate nothing.
type Recommender struct {
	cfg       Config
	container string
	policy    ContainerPolicy
	minimum   Amounts
	window    time.Duration // how long after the last CPU sample the history counts

	cpu, memory *Histogram
	pods        map[int64]peaks
	begun       bool          // there was a sample
	origin      time.Duration // time of the first one
	samples     int64         // of CPU
	first, last time.Duration // CPU samples
}

// NewRecommender returns a recommender without history for a container of a workload whose pods have so many containers. It
// reports every mistake in the object and the configuration.
func NewRecommender(spec Spec, container string, containersPerPod int, cfg Config) (*Recommender, error) {
	var errs []error
	if container == "" || container == AnyContainer {
		errs = append(errs, fmt.Errorf("vpa recommender: container %q: must be the name of one container", container))
	}
	if containersPerPod < 1 {
		errs = append(errs, fmt.Errorf("vpa recommender: %d containers a pod: must be at least 1", containersPerPod))
	}
	if err := errors.Join(append(errs, spec.Validate(), cfg.Validate())...); err != nil {
		return nil, err
	}
	r := &Recommender{
		cfg: cfg, container: container, policy: spec.Policy(container),
		window: cfg.MemoryInterval * time.Duration(cfg.MemoryIntervals),
		pods:   map[int64]peaks{},
	}
	for _, res := range resources {
		r.minimum.set(res, scaled(cfg.PodMinimum.Of(res), 1/float64(containersPerPod)))
	}
	var err error
	if r.cpu, err = NewHistogram(CPUBuckets, cfg.CPU.HalfLife); err != nil {
		return nil, err
	}
	if r.memory, err = NewHistogram(MemoryBuckets, cfg.Memory.HalfLife); err != nil {
		return nil, err
	}
	return r, nil
}

// Reset forgets everything.
func (r *Recommender) Reset() {
	clear(r.pods)
	r.cpu.Reset()
	r.memory.Reset()
	r.begun, r.samples = false, 0
}

// Forget drops what is known of a pod that is gone. Its usage stays in the history.
func (r *Recommender) Forget(pod int64) { delete(r.pods, pod) }

// AddCPU adds what a container used: the mean over a window that ended at that time. Samples of all pods go in, each once.
// The real one rounds metrics-server's amounts up to millicores (upstream calculateUsage, by Quantity.MilliValue). A negative
// one is discarded and false is returned.
func (r *Recommender) AddCPU(at time.Duration, millis int64) bool {
	if millis < 0 {
		return false
	}
	r.begin(at)
	r.cpu.Add(at, float64(millis)/1000, cpuSampleWeight)
	if r.samples == 0 {
		r.first, r.last = at, at
	}
	r.first, r.last = min(r.first, at), max(r.last, at)
	r.samples++
	return true
}

// AddMemory adds what a pod's container used at a time. Only the peak of each interval counts, with the weight of the
// interval's end; a pod's first sample begins its first interval. A negative amount, and one older than the pod's last, is
// discarded and false is returned.
func (r *Recommender) AddMemory(pod int64, at time.Duration, bytes int64) bool {
	if p, known := r.pods[pod]; bytes < 0 || known && at < p.last {
		return false
	}
	r.addMemory(pod, at, bytes, false)
	return true
}

// OOM records that a pod's container was killed for want of memory while it requested so many bytes (0: none). It needed
// more than it requested and than it was last seen to use, so that a higher peak is added (upstream RecordOOM). A kill before
// the pod's present interval is too old and discarded, and false is returned.
func (r *Recommender) OOM(pod int64, at time.Duration, requestBytes int64) bool {
	p, known := r.pods[pod]
	if known && at < p.end-r.cfg.MemoryInterval {
		return false
	}
	// The estimate after an earlier kill is not use, or kills in a row would drive each other up.
	used := min(max(requestBytes, p.memory, 0), MaxAmount)
	r.addMemory(pod, at, max(used+r.cfg.OOMMinBumpUpBytes, scaled(used, r.cfg.OOMBumpUpRatio)), true)
	return true
}

// addMemory keeps one peak for each pod and interval in the histogram (upstream addMemorySample).
func (r *Recommender) addMemory(pod int64, at time.Duration, bytes int64, oom bool) {
	r.begin(at)
	p, known := r.pods[pod]
	if !known {
		p.end = at
	}
	p.last = at
	higher := true
	if at < p.end {
		old := max(p.memory, p.oom)
		if higher = bytes > old; higher {
			r.memory.Subtract(p.end, float64(old), 1)
		}
	} else {
		interval := r.cfg.MemoryInterval
		p.end += (at - p.end).Truncate(interval) + interval
		p.memory, p.oom = 0, 0
	}
	if higher {
		r.memory.Add(p.end, float64(bytes), 1)
		if oom {
			p.oom = bytes
		} else {
			p.memory = bytes
		}
	}
	r.pods[pod] = p
}

// begin notes that there is a sample, after dropping a history that is too old to say anything.
func (r *Recommender) begin(at time.Duration) {
	if r.expired(at) {
		r.Reset()
	}
	if !r.begun {
		r.begun, r.origin = true, at
	}
}

// expired reports whether there is a history whose last CPU sample, or beginning if there is none, is 8 days past (upstream
// isExpired; garbage is collected every hour there).
func (r *Recommender) expired(at time.Duration) bool {
	since := r.origin
	if r.samples > 0 {
		since = r.last
	}
	return r.begun && at-since >= r.window
}

// Recommendation returns what is recommended at a time. There is none, and false, for a container of mode Off, before the
// first sample, and once the last is too old. A resource that has no sample while the other has gets the pod's minimum
// (kubernetes/autoscaler#5326).
func (r *Recommender) Recommendation(at time.Duration) (Recommendation, bool) {
	if r.policy.Mode == ScalingOff || !r.begun || r.expired(at) {
		return Recommendation{}, false
	}
	rec := Recommendation{Container: r.container}
	for _, res := range r.policy.ControlledResources {
		e, h, unit := &r.cfg.CPU, r.cpu, 1000.0
		if res == Memory {
			e, h, unit = &r.cfg.Memory, r.memory, 1
		}
		c, p := r.confidence(e), &r.policy
		target := r.estimate(res, h.Percentile(e.Target)*unit, 1)
		rec.UncappedTarget.set(res, target)
		rec.Target.set(res, p.bound(res, target, 0))
		rec.Lower.set(res, p.bound(res, r.estimate(res, h.Percentile(e.Lower)*unit, math.Pow(1+0.001/c, -2)), 0))
		rec.Upper.set(res, p.bound(res, r.estimate(res, h.Percentile(e.Upper)*unit, 1+1/c), 0))
	}
	return rec, true
}

// estimate adds the margin, multiplies and holds the result at the minimum. A multiplier is infinite while there is no
// confidence, and then the amount is [MaxAmount].
func (r *Recommender) estimate(res Resource, usage, multiplier float64) int64 {
	base := amountOf(usage)
	return max(scaled(base+scaled(base, r.cfg.Margin), multiplier), r.minimum.Of(res))
}

// confidence grows by 1 with each interval of a sample a minute (upstream getConfidence). CPU samples alone count, for both
// resources.
func (r *Recommender) confidence(e *Estimator) float64 {
	if r.samples == 0 {
		return 0
	}
	return min(float64(r.last-r.first)/float64(e.ConfidenceInterval), float64(r.samples)/e.ConfidenceInterval.Minutes())
}
