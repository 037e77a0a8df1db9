package vpa

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// Config holds what a cluster's administrator chooses: the flags of the recommender and of the updater. Use
// [DefaultConfig]; the zero value is not valid. Names and defaults of the flags: upstream docs/flags.md.
type Config struct {
	// RecommenderInterval and UpdaterInterval are how often samples are read and a plan is made. No decision depends on
	// them; whoever calls keeps to them. Default 1 min.
	RecommenderInterval, UpdaterInterval time.Duration

	// CPU and Memory say what is read from the histograms of each resource.
	CPU, Memory Estimator
	// Margin is the fraction added to every percentile. Default 0.15.
	Margin float64
	// PodMinimum is the least that is recommended for a pod, divided by its containers. Default 25 m and 250 MiB.
	PodMinimum Amounts
	// MemoryInterval is the time in which a pod's memory counts once, with its peak. Default 24 h.
	MemoryInterval time.Duration
	// MemoryIntervals times MemoryInterval is how long after the last CPU sample a history is forgotten. Default 8.
	MemoryIntervals int
	// An OOM kill counts as a peak of max(used * OOMBumpUpRatio, used + OOMMinBumpUpBytes). Default 1.2 and 100 MiB.
	OOMBumpUpRatio    float64
	OOMMinBumpUpBytes int64

	// MinReplicas is the number of live pods below which no pod of a workload is updated, for an object that does not say
	// itself. Default 2.
	MinReplicas int32
	// EvictionTolerance is the fraction of the replicas, rounded down, that may be missing for an update. If that is none,
	// one may be while all are running. Default 0.5.
	EvictionTolerance float64
	// A pod within bounds is updated once it is InBoundsLifetime old, if its requests are off by at least the fraction
	// UpdateThreshold, summed over the resources. Default 12 h and 0.1.
	InBoundsLifetime time.Duration
	UpdateThreshold  float64
	// EvictAfterOOM is the age under which an OOM kill is a quick one. Default 10 min.
	EvictAfterOOM time.Duration
	// ResizeDeferredTimeout and ResizeProgressTimeout are how long a resize in place may be put off by the kubelet or be
	// under way before the pod is evicted instead. Constants upstream (pods_inplace_restriction.go), 5 min and 1 h.
	ResizeDeferredTimeout, ResizeProgressTimeout time.Duration
}

// Estimator says which percentiles of a resource's usage become target, lower and upper bound, and how fast usage is
// forgotten.
type Estimator struct {
	Target, Lower, Upper float64 // percentiles as fractions; default 0.9, 0.5, 0.95
	// HalfLife is the age at which a sample weighs half. Default 24 h.
	HalfLife time.Duration
	// ConfidenceInterval is the length of a history that, with a sample every minute, has a confidence of 1. Default 24 h.
	ConfidenceInterval time.Duration
}

// DefaultConfig returns the defaults of the flags.
func DefaultConfig() Config {
	const day = 24 * time.Hour
	e := Estimator{Target: 0.9, Lower: 0.5, Upper: 0.95, HalfLife: day, ConfidenceInterval: day}
	return Config{
		RecommenderInterval: time.Minute, UpdaterInterval: time.Minute,
		CPU: e, Memory: e,
		Margin:         0.15,
		PodMinimum:     Amounts{CPUMillis: 25, MemoryBytes: 250 << 20},
		MemoryInterval: day, MemoryIntervals: 8,
		OOMBumpUpRatio: 1.2, OOMMinBumpUpBytes: 100 << 20,
		MinReplicas:       2,
		EvictionTolerance: 0.5,
		InBoundsLifetime:  12 * time.Hour, UpdateThreshold: 0.1,
		EvictAfterOOM:         10 * time.Minute,
		ResizeDeferredTimeout: 5 * time.Minute, ResizeProgressTimeout: time.Hour,
	}
}

// QuickOOM reports whether a container that was OOM-killed after running for so long was killed quickly.
func (c *Config) QuickOOM(ran time.Duration) bool { return ran < c.EvictAfterOOM }

// Validate reports every mistake at once.
func (c Config) Validate() error {
	var errs []error
	addf := func(format string, args ...any) { errs = append(errs, fmt.Errorf("vpa config: "+format, args...)) }
	for _, d := range []struct {
		name string
		v    time.Duration
	}{
		{"recommender interval", c.RecommenderInterval}, {"updater interval", c.UpdaterInterval},
		{"memory interval", c.MemoryInterval},
		{"cpu half-life", c.CPU.HalfLife}, {"cpu confidence interval", c.CPU.ConfidenceInterval},
		{"memory half-life", c.Memory.HalfLife}, {"memory confidence interval", c.Memory.ConfidenceInterval},
	} {
		if d.v <= 0 {
			addf("%s %v: must be above 0", d.name, d.v)
		}
	}
	for _, d := range []struct {
		name string
		v    time.Duration
	}{
		{"in-bounds lifetime", c.InBoundsLifetime}, {"evict-after-OOM threshold", c.EvictAfterOOM},
		{"resize deferred timeout", c.ResizeDeferredTimeout}, {"resize progress timeout", c.ResizeProgressTimeout},
	} {
		if d.v < 0 {
			addf("%s %v: must not be negative", d.name, d.v)
		}
	}
	for _, f := range []struct {
		name        string
		v, from, to float64
	}{
		{"margin", c.Margin, 0, math.MaxFloat64},
		{"OOM bump-up ratio", c.OOMBumpUpRatio, 1, math.MaxFloat64},
		{"eviction tolerance", c.EvictionTolerance, 0, 1},
		{"update threshold", c.UpdateThreshold, 0, math.MaxFloat64},
	} {
		switch {
		case f.v >= f.from && f.v <= f.to:
		case f.to == math.MaxFloat64:
			addf("%s %v: must be a finite number of at least %v", f.name, f.v, f.from)
		default:
			addf("%s %v: must be a number from %v to %v", f.name, f.v, f.from, f.to)
		}
	}
	for _, e := range []struct {
		name string
		Estimator
	}{{"cpu", c.CPU}, {"memory", c.Memory}} {
		if !(0 <= e.Lower && e.Lower <= e.Target && e.Target <= e.Upper && e.Upper <= 1) {
			addf("%s percentiles: lower %v, target %v, upper %v: must be from 0 to 1 and not fall", e.name, e.Lower, e.Target, e.Upper)
		}
	}
	for _, r := range resources {
		if v := c.PodMinimum.Of(r); v < 0 || v > MaxAmount {
			addf("pod minimum of %s %d: must be from 0 to %d", r, v, MaxAmount)
		}
	}
	if v := c.OOMMinBumpUpBytes; v < 0 || v > MaxAmount {
		addf("OOM least bump-up %d bytes: must be from 0 to %d", v, MaxAmount)
	}
	if c.MemoryIntervals < 1 {
		addf("memory intervals %d: must be at least 1", c.MemoryIntervals)
	} else if c.MemoryInterval > math.MaxInt64/time.Duration(c.MemoryIntervals) {
		addf("memory intervals %d of %v: are longer than a clock can count (292 years)", c.MemoryIntervals, c.MemoryInterval)
	}
	if c.MinReplicas < 1 {
		addf("min replicas %d: must be at least 1", c.MinReplicas)
	}
	return errors.Join(errs...)
}
