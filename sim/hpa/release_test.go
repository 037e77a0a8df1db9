package hpa

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestReleaseConfig says in one row per release what it changed, from the upstream code: each begins where the one before
// ended.
func TestReleaseConfig(t *testing.T) {
	want := DefaultConfig()
	want.Tolerance.Rule, want.LenientContainers, want.PerHPATolerance = ToleranceDistance, false, false
	want.UnknownContainersRequestNothing, want.FirstSyncAfter, want.Overflow = true, want.SyncPeriod, OverflowUntil133
	changes := map[int]func(c *Config){
		33: func(c *Config) { c.Tolerance.Rule, c.LenientContainers = ToleranceInterval, true },
		34: func(c *Config) { c.Overflow = Overflow134 },
		35: func(c *Config) {
			c.PerHPATolerance, c.UnknownContainersRequestNothing, c.Overflow = true, false, OverflowUntil137
		},
		36: func(c *Config) { c.RemembersZero = true },
		37: func(c *Config) { c.ScaleToZero, c.FirstSyncAfter = true, 0 },
		38: func(c *Config) { c.IgnoreSucceeded, c.Overflow = true, Overflow138 },
	}
	for minor := OldestRelease; minor <= NewestRelease; minor++ {
		if change := changes[minor]; change != nil {
			change(&want)
		}
		got, err := ReleaseConfig(minor)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("1.%d (-want +got):\n%s", minor, diff)
		}
		if err := got.Validate(); err != nil {
			t.Errorf("1.%d: %v", minor, err)
		}
	}
	for _, minor := range []int{OldestRelease - 1, NewestRelease + 1} {
		if _, err := ReleaseConfig(minor); err == nil || !strings.Contains(err.Error(), "must be 1.28 to 1.38") {
			t.Errorf("1.%d: %v", minor, err)
		}
	}
}

// TestOracleReleases runs the derived table by the rules of releases: until 1.32 the answers are those of the older tolerance
// rule, where they differ. The table has pods that have succeeded and counts them, so 1.38 is left out.
func TestOracleReleases(t *testing.T) {
	old := 0
	for minor := OldestRelease; minor <= 37; minor++ {
		rules, err := ReleaseConfig(minor)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range readOracle[calculatorCase](t, "replica_calculator_derived.json") {
			want := &c.Expected
			if minor <= 32 && c.ExpectedUntilV32 != nil {
				want = c.ExpectedUntilV32
				old++
			}
			if minor <= 32 && c.Config.ToleranceUp != c.Config.ToleranceDown {
				continue // there was but one tolerance
			}
			// Both are errors of the whole metric in the table, and no longer or not yet in all releases.
			if want.ErrorKind == "missing_container_metric" && rules.LenientContainers ||
				want.ErrorKind == "container_not_found" && rules.UnknownContainersRequestNothing {
				continue
			}
			switch c.Function {
			case "pod_requests", "group_pods":
				continue
			}
			q, data := c.query(t)
			cfg := c.Config.config()
			cfg.Tolerance.Rule, cfg.Overflow, cfg.IgnoreSucceeded = rules.Tolerance.Rule, rules.Overflow, rules.IgnoreSucceeded
			q.Tolerance = cfg.Tolerance
			p, err := c.run(t, NewCalculator(cfg), q, data)
			want.check(t, p, err)
			if t.Failed() {
				t.Fatalf("1.%d, case %s", minor, c.ID)
			}
		}
	}
	if old == 0 {
		t.Error("no case differs until 1.32")
	}
}

// TestOverflowRules: one row per kind of number that may not fit. The targets are 1000 and 1 %, 2 pods of 2 replicas count.
func TestOverflowRules(t *testing.T) {
	const top, bottom = math.MaxInt32, math.MinInt32
	average := func(samples ...int64) func(*Calculator) (Proposal, error) {
		return func(c *Calculator) (Proposal, error) {
			pods, s := servers(2, samples...)
			return c.PodsAverageValue(&Query{Replicas: 2, Pods: pods, Samples: s}, 1000)
		}
	}
	total := func(replicas int32, v int64) func(*Calculator) (Proposal, error) {
		return func(c *Calculator) (Proposal, error) {
			pods, _ := servers(2)
			return c.ObjectValue(&Query{Replicas: replicas, Pods: pods}, v, 1000)
		}
	}
	external := func(v ...int64) func(*Calculator) (Proposal, error) {
		return func(c *Calculator) (Proposal, error) {
			pods, _ := servers(2)
			return c.ExternalValue(&Query{Replicas: 2, Pods: pods}, v, 1000)
		}
	}
	externalPerPod := func(v ...int64) func(*Calculator) (Proposal, error) {
		return func(c *Calculator) (Proposal, error) { return c.ExternalAverageValue(&Query{Replicas: 2}, v, 1000) }
	}
	const big = 1 << 62
	for _, tt := range []struct {
		name string
		ask  func(*Calculator) (Proposal, error)
		want [5]int32 // by OverflowSaturates, Until133, 134, Until137, 138
	}{
		// big/1000 of 2 pods is beyond int32.
		{"count", average(big, 10), [5]int32{top, bottom, bottom, bottom, top}},
		// Two of 2^62 are -2^63; the mean is -2^62, and so is the count's side. What saturates has a mean of 2^62.
		{"sum", average(big, big), [5]int32{top, bottom, bottom, bottom, top}},
		{"total", total(2, big), [5]int32{top, bottom, bottom, top, top}},
		{"total from 0", total(0, big), [5]int32{top, bottom, bottom, bottom, top}},
		{"negative total", total(2, -big), [5]int32{bottom, bottom, bottom, bottom, bottom}},
		// 2^62 + 2^62 + 5 is -2^63 + 5, or an overflow that ends the sum at 2^63 - 1.
		{"sum of an external metric", external(big, big, 5), [5]int32{top, bottom, bottom, top, top}},
		// -2^63 is not noticed; with -1 more it is 2^63 - 1, and saturation stays where it was.
		{"negative sum of an external metric", external(-big, -big, -1), [5]int32{bottom, bottom, bottom, top, top}},
		{"external metric per pod", externalPerPod(big), [5]int32{top, bottom, top, top, top}},
		{"sum of an external metric per pod", externalPerPod(big, big), [5]int32{top, bottom, top, top, top}},
		// -1 of 1000 is no pod. Since 1.34 a negative sum is an overflow.
		{"negative external metric per pod", externalPerPod(-1), [5]int32{0, 0, top, top, top}},
		{"object metric per pod", func(c *Calculator) (Proposal, error) { return c.ObjectAverageValue(&Query{Replicas: 2}, big, 1000) },
			[5]int32{top, bottom, bottom, bottom, top}},
		// 2^40 of 200 m are 2^39 %, of which an int32 keeps the low half, 0.
		{"utilisation", func(c *Calculator) (Proposal, error) {
			pods, s := servers(2, 1<<40, 0)
			return c.ResourceUtilization(&Query{Replicas: 2, Pods: pods, Samples: s, Resource: CPU}, 1)
		}, [5]int32{top, 0, 0, 0, top}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for rule, want := range tt.want {
				cfg := DefaultConfig()
				cfg.Overflow = OverflowRule(rule)
				if p, err := tt.ask(NewCalculator(cfg)); err != nil || p.Replicas != want {
					t.Errorf("rule %d: %d replicas (%d used), error %v, want %d", rule, p.Replicas, p.UsageMillis, err, want)
				}
			}
		})
	}
}

// TestOverflowPerPod: what is reported as each replica's part of a total.
func TestOverflowPerPod(t *testing.T) {
	const top, bottom = math.MaxInt64, math.MinInt64
	for _, tt := range []struct {
		name     string
		total    int64
		replicas int32
		want     [5]int64 // as above, of external metrics
	}{
		{"rounded up", 5, 2, [5]int64{3, 3, 3, 3, 3}},
		{"negative, rounded up", -5, 2, [5]int64{-2, -2, -2, -2, -2}},
		{"of no replicas", 5, 0, [5]int64{top, bottom, bottom, bottom, 0}},
		{"nothing of no replicas", 0, 0, [5]int64{0, bottom, bottom, bottom, 0}},
		{"all there is", top, 2, [5]int64{1 << 62, 1 << 62, top, top, top}},
	} {
		for rule, want := range tt.want {
			o := OverflowRule(rule)
			if got := o.perPod(tt.total, tt.replicas, o == OverflowUntil133); got != want {
				t.Errorf("%s, rule %d: %d, want %d", tt.name, rule, got, want)
			}
		}
	}
}

// TestOverflowPolicies: from 5 replicas, a policy that allows as good as everything allows nothing where its bound wraps
// around to a negative count.
func TestOverflowPolicies(t *testing.T) {
	for _, tt := range []struct {
		name     string
		policy   Policy
		proposed int64
		want     [5]int32
	}{
		{"pods up", Policy{PodsPolicy, math.MaxInt32, 60}, 50, [5]int32{50, 5, 5, 5, 5}},
		{"percent up", Policy{PercentPolicy, math.MaxInt32, 60}, 50, [5]int32{50, 50, 50, 50, 50}}, // 5 * 2^31/100 fits
		{"pods down", Policy{PodsPolicy, math.MaxInt32, 60}, 2, [5]int32{2, 2, 2, 2, 2}},
		{"percent down", Policy{PercentPolicy, math.MaxInt32, 60}, 2, [5]int32{2, 2, 2, 2, 2}},
	} {
		for rule, want := range tt.want {
			cfg := DefaultConfig()
			cfg.Overflow = OverflowRule(rule)
			r := &ScalingRules{StabilizationWindowSeconds: ptr(int32(0)), Policies: []Policy{tt.policy}}
			c := mustNew(t, Spec{MaxReplicas: 100, Metrics: external(1), Behavior: &Behavior{ScaleUp: r, ScaleDown: r}}, cfg)
			c.seen = true // or the present count would hold a scale-down back
			if d := sync(c, 0, 5, tt.proposed); d.Desired != want {
				t.Errorf("%s, rule %d: %s, want %d", tt.name, rule, d.Explain(), want)
			}
		}
	}
}

// TestRemembersZero: since 1.36 an HPA wakes a workload that it put to sleep, and none that somebody else did.
func TestRemembersZero(t *testing.T) {
	type step struct {
		current  int32 // found
		proposed int64
		want     int32
		path     Path
	}
	sleep := []step{{3, 0, 0, PathMetrics}, {0, 0, 0, PathMetrics}, {0, 5, 4, PathMetrics}}
	for _, tt := range []struct {
		name  string
		minor int
		steps []step
	}{
		{"1.35, own", 35, sleep},
		{"1.37, own", 37, sleep},
		{"1.35, somebody else's", 35, []step{{3, 3, 3, PathMetrics}, {0, 5, 4, PathMetrics}}},
		{"1.37, somebody else's", 37, []step{{3, 3, 3, PathMetrics}, {0, 5, 0, PathDisabled}}},
		{"1.37, own, then woken by somebody else and put to sleep again", 37, []step{{3, 0, 0, PathMetrics}, {2, 2, 2, PathMetrics}, {0, 5, 4, PathMetrics}}},
		{"1.37, own, woken and scaled, then put to sleep", 37, []step{{3, 0, 0, PathMetrics}, {2, 3, 3, PathMetrics}, {0, 5, 0, PathDisabled}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg, err := ReleaseConfig(tt.minor)
			if err != nil {
				t.Fatal(err)
			}
			cfg.ScaleToZero, cfg.DownscaleStabilization, cfg.Tolerance = true, 0, Tolerance{}
			c := mustNew(t, Spec{MinReplicas: ptr(int32(0)), MaxReplicas: 20, Metrics: external(1)}, cfg)
			for i, s := range tt.steps {
				// A window of 0 still holds what is of the same instant, so the first sync is one of an HPA that was seen.
				c.seen = true
				if d := sync(c, time.Duration(i+1)*time.Minute, s.current, s.proposed); d.Desired != s.want || d.Path != s.path {
					t.Errorf("step %d: %s, want %d by path %d", i, d.Explain(), s.want, s.path)
				}
			}
			c.Reset()
			if cfg.RemembersZero && sync(c, time.Hour, 0, 5).Path != PathDisabled {
				t.Error("a fresh HPA woke a workload")
			}
		})
	}
}

// TestUnknownContainer: a pod without the container that the metric names requests nothing until 1.34, and fails the metric
// since. Usage is 50 of 100 + 0, so the target of 50 % is met.
func TestUnknownContainer(t *testing.T) {
	pods, samples := servers(2, 50, 0)
	pods[1].Containers = []Container{{Name: "proxy", Requests: Requests{CPU: Millis(100)}}}
	q := &Query{Replicas: 2, Tolerance: DefaultConfig().Tolerance, Pods: pods, Samples: samples, Resource: CPU, Container: "server"}
	cfg := DefaultConfig()
	if _, err := NewCalculator(cfg).ResourceUtilization(q, 50); !errors.Is(err, ErrContainerNotFound) {
		t.Errorf("error %v", err)
	}
	cfg.UnknownContainersRequestNothing = true
	if p, err := NewCalculator(cfg).ResourceUtilization(q, 50); err != nil || p.Utilization != 50 || p.Replicas != 2 {
		t.Errorf("%+v, error %v", p, err)
	}
	pods[1].Containers[0] = Container{Name: "server"}
	if _, err := NewCalculator(cfg).ResourceUtilization(q, 50); !errors.Is(err, ErrMissingRequest) {
		t.Errorf("a request that is missing: %v", err)
	}
}

// TestPodLevelRequest: a pod-level request replaces the sum; for the other resource the containers that have one are summed.
func TestPodLevelRequest(t *testing.T) {
	both := Requests{CPU: Millis(100), Memory: Millis(7)}
	for _, tt := range []struct {
		name       string
		level      *Requests
		containers []Requests
		resource   Resource
		want       int64
		err        error
	}{
		{"replaces the sum", &Requests{CPU: Millis(150)}, []Requests{both, both}, CPU, 150, nil},
		{"replaces a sum that could not be made", &Requests{CPU: Millis(0)}, []Requests{both, {}}, CPU, 0, nil},
		{"other resource", &Requests{CPU: Millis(150)}, []Requests{both, both}, Memory, 14, nil},
		{"other resource, not in all containers", &Requests{CPU: Millis(150)}, []Requests{{}, both}, Memory, 7, nil},
		{"other resource, in no container", &Requests{CPU: Millis(150)}, []Requests{{}, {CPU: Millis(1)}}, Memory, 0, ErrMissingRequest},
		{"neither resource is none", &Requests{}, []Requests{both, both}, CPU, 200, nil},
		{"neither resource, not in all containers", &Requests{}, []Requests{both, {}}, CPU, 0, ErrMissingRequest},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := Pod{Name: "p", Requests: tt.level}
			for _, r := range tt.containers {
				p.Containers = append(p.Containers, Container{Name: "c", Requests: r})
			}
			if got, err := p.Request(tt.resource, ""); got != tt.want || !errors.Is(err, tt.err) {
				t.Errorf("%d, error %v, want %d, error %v", got, err, tt.want, tt.err)
			}
		})
	}
}

// TestDownscaleStabilizationInWholeSeconds: for an HPA with behavior the flag counts in whole seconds: after 90 s a
// recommendation is as old as a window of 90.5 s, and no longer counts.
func TestDownscaleStabilizationInWholeSeconds(t *testing.T) {
	cfg := DefaultConfig()
	cfg.DownscaleStabilization = 90*time.Second + 500*time.Millisecond
	for _, tt := range []struct {
		name     string
		behavior *Behavior
		want     int32
	}{{"with behavior", &Behavior{}, 2}, {"without", nil, 5}} {
		c := mustNew(t, Spec{MaxReplicas: 20, Metrics: external(1), Behavior: tt.behavior}, cfg)
		sync(c, 0, 5, 5)
		if d := sync(c, 90*time.Second, 5, 2); d.Desired != tt.want {
			t.Errorf("%s: %s, want %d", tt.name, d.Explain(), tt.want)
		}
	}
}
