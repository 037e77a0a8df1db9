package vpa

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestDefaultConfig holds the defaults against those that were read from the real flags.
func TestDefaultConfig(t *testing.T) {
	var file struct {
		VPA struct {
			Recommender struct {
				IntervalS    float64 `json:"interval_s"`
				Margin       float64 `json:"margin"`
				MinCPUMilli  int64   `json:"min_cpu_milli_per_pod"`
				MinMemoryMiB int64   `json:"min_memory_mib_per_pod"`
				Percentile   struct{ Target, Lower, Upper float64 }
				ConfidenceS  float64                       `json:"confidence_interval_s"`
				HalfLife     struct{ CPU, Memory float64 } `json:"half_life_s"`
				MemoryS      float64                       `json:"memory_interval_s"`
				MemoryN      int                           `json:"memory_intervals"`
				Growth       float64                       `json:"bucket_growth"`
				FirstCores   float64                       `json:"cpu_first_bucket_cores"`
				MaxCores     float64                       `json:"cpu_max_cores"`
				FirstBytes   float64                       `json:"memory_first_bucket_bytes"`
				MaxBytes     float64                       `json:"memory_max_bytes"`
				Epsilon      float64                       `json:"bucket_epsilon"`
				SampleWeight float64                       `json:"cpu_sample_weight"`
				OOMBumpRatio float64                       `json:"oom_bump_ratio"`
				OOMBumpBytes int64                         `json:"oom_min_bump_bytes"`
			} `json:"recommender"`
			Updater struct {
				IntervalS float64 `json:"interval_s"`
				Replicas  int32   `json:"min_replicas"`
				Tolerance float64 `json:"eviction_tolerance"`
				Threshold float64 `json:"update_threshold"`
				LifetimeS float64 `json:"in_bounds_lifetime_s"`
				QuickOOMS float64 `json:"quick_oom_s"`
			} `json:"updater"`
		} `json:"vpa"`
	}
	readJSON(t, "defaults.json", &file)
	r, u := file.VPA.Recommender, file.VPA.Updater
	estimator := func(halfLife float64) Estimator {
		return Estimator{r.Percentile.Target, r.Percentile.Lower, r.Percentile.Upper, seconds(halfLife), seconds(r.ConfidenceS)}
	}
	want := Config{
		RecommenderInterval: seconds(r.IntervalS), UpdaterInterval: seconds(u.IntervalS),
		CPU: estimator(r.HalfLife.CPU), Memory: estimator(r.HalfLife.Memory),
		Margin: r.Margin, PodMinimum: Amounts{r.MinCPUMilli, r.MinMemoryMiB * mib},
		MemoryInterval: seconds(r.MemoryS), MemoryIntervals: r.MemoryN,
		OOMBumpUpRatio: r.OOMBumpRatio, OOMMinBumpUpBytes: r.OOMBumpBytes,
		MinReplicas: u.Replicas, EvictionTolerance: u.Tolerance, InBoundsLifetime: seconds(u.LifetimeS), UpdateThreshold: u.Threshold,
		EvictAfterOOM: seconds(u.QuickOOMS), ResizeDeferredTimeout: 5 * time.Minute, ResizeProgressTimeout: time.Hour,
	}
	if diff := cmp.Diff(want, DefaultConfig()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if CPUBuckets != (Buckets{r.FirstCores, r.MaxCores, r.Growth}) || MemoryBuckets != (Buckets{r.FirstBytes, r.MaxBytes, r.Growth}) {
		t.Errorf("buckets %+v, %+v", CPUBuckets, MemoryBuckets)
	}
	if minBucketWeight != r.Epsilon || cpuSampleWeight != r.SampleWeight {
		t.Errorf("weights %v, %v", minBucketWeight, cpuSampleWeight)
	}
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
}

func TestConfigValidate(t *testing.T) {
	nan := math.NaN()
	for _, tt := range []struct {
		name   string
		change func(*Config)
		want   []string
	}{
		{"defaults", func(*Config) {}, nil},
		{"zeros that are allowed", func(c *Config) {
			c.Margin, c.PodMinimum, c.OOMMinBumpUpBytes, c.EvictionTolerance, c.UpdateThreshold = 0, Amounts{}, 0, 0, 0
			c.InBoundsLifetime, c.EvictAfterOOM, c.ResizeDeferredTimeout, c.ResizeProgressTimeout = 0, 0, 0, 0
		}, nil},
		{"intervals", func(c *Config) { c.RecommenderInterval, c.UpdaterInterval, c.MemoryInterval = 0, -1, 0 },
			[]string{"recommender interval 0s: must be above 0", "updater interval -1ns", "memory interval 0s"}},
		{"half-lives", func(c *Config) {
			c.CPU.HalfLife, c.Memory.HalfLife, c.CPU.ConfidenceInterval, c.Memory.ConfidenceInterval = 0, 0, 0, 0
		},
			[]string{"cpu half-life 0s", "memory half-life 0s", "cpu confidence interval 0s", "memory confidence interval 0s"}},
		{"thresholds", func(c *Config) {
			c.InBoundsLifetime, c.EvictAfterOOM, c.ResizeDeferredTimeout, c.ResizeProgressTimeout = -1, -1, -1, -1
		},
			[]string{"in-bounds lifetime -1ns: must not be negative", "evict-after-OOM threshold", "resize deferred timeout", "resize progress timeout"}},
		{"fractions", func(c *Config) {
			c.Margin, c.OOMBumpUpRatio, c.EvictionTolerance, c.UpdateThreshold = nan, 0.9, 1.1, math.Inf(1)
		}, []string{
			"margin NaN: must be a finite number of at least 0", "OOM bump-up ratio 0.9: must be a finite number of at least 1",
			"eviction tolerance 1.1: must be a number from 0 to 1", "update threshold +Inf: must be a finite number of at least 0",
		}},
		{"percentiles", func(c *Config) { c.CPU.Target, c.Memory.Lower = 0.96, nan },
			[]string{"cpu percentiles: lower 0.5, target 0.96, upper 0.95: must be from 0 to 1 and not fall", "memory percentiles: lower NaN"}},
		{"amounts", func(c *Config) { c.PodMinimum, c.OOMMinBumpUpBytes = Amounts{-1, MaxAmount + 1}, -1 },
			[]string{"pod minimum of cpu -1: must be from 0", "pod minimum of memory 100000000000001", "OOM least bump-up -1 bytes"}},
		{"counts", func(c *Config) { c.MemoryIntervals, c.MinReplicas = 0, 0 },
			[]string{"memory intervals 0: must be at least 1", "min replicas 0: must be at least 1"}},
		{"centuries", func(c *Config) { c.MemoryIntervals = 1_000_000 },
			[]string{"memory intervals 1000000 of 24h0m0s: are longer than a clock can count"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := DefaultConfig()
			tt.change(&c)
			checkErrors(t, c.Validate(), tt.want)
			if _, err := NewUpdater(Spec{}, c); (err != nil) != (len(tt.want) > 0) {
				t.Errorf("NewUpdater: %v", err)
			}
		})
	}
}

// TestQuickOOM: a container that ran for exactly the threshold was not killed quickly.
func TestQuickOOM(t *testing.T) {
	c := DefaultConfig()
	if !c.QuickOOM(10*time.Minute-1) || c.QuickOOM(10*time.Minute) {
		t.Error("10 minutes are not the edge")
	}
}
