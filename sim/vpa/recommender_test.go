package vpa

import (
	"maps"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const mib = 1 << 20

func newRecommender(t testing.TB, spec Spec, containers int) *Recommender {
	t.Helper()
	r, err := NewRecommender(spec, "app", containers, DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// constant adds a sample every minute, from minute 0 on, of a container that always uses the same.
func constant(r *Recommender, minutes int, millis, bytes int64) {
	for i := range minutes {
		at := time.Duration(i) * time.Minute
		r.AddCPU(at, millis)
		r.AddMemory(1, at, bytes)
	}
}

// p100 and p400 are the ends of the buckets of 100 m and of 400 MB, truncated, with the margin of 15 %: 0.01 * (1.05^9 - 1)
// / 0.05 = 0.11026 cores, 1e7 * (1.05^23 - 1) / 0.05 = 414304751 bytes (400 MB is in bucket 22: 1.05^22 = 2.925, 1.05^23 = 3.0715,
// and 400e6 * 0.05 / 1e7 + 1 = 3).
const (
	p100 = 110 + 16             // 110 * 0.15 = 16.5
	p400 = 414304751 + 62145712 // 414304751 * 0.15 = 62145712.65
)

// TestRecommendationBounds: how the bounds close in on the target with the length of the history.
func TestRecommendationBounds(t *testing.T) {
	for _, tt := range []struct {
		name         string
		minutes      int
		lower, upper float64 // of p100 and p400
	}{
		// One sample: no time has passed, so that there is no confidence.
		{"one sample", 1, 0, math.Inf(1)},
		// Five minutes between the first and the last of 6 samples: c = 5/1440, 0.001/c = 0.288, 1/c = 288.
		{"five minutes", 6, 1 / (1.288 * 1.288), 289},
		{"half a day", 721, 1 / (1.002 * 1.002), 3},
		{"a day", 1441, 1 / (1.001 * 1.001), 2},
		{"a week", 7*1440 + 1, 49 / (7.001 * 7.001), 8.0 / 7},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRecommender(t, Spec{}, 1)
			constant(r, tt.minutes, 100, 400e6)
			got, ok := r.Recommendation(time.Duration(tt.minutes-1) * time.Minute)
			want := Recommendation{
				Container: "app",
				Target:    Amounts{p100, p400}, UncappedTarget: Amounts{p100, p400},
				Lower: Amounts{max(25, scaled(p100, tt.lower)), max(250*mib, scaled(p400, tt.lower))},
				Upper: Amounts{scaled(p100, tt.upper), scaled(p400, tt.upper)},
			}
			if !ok || !near(got.Lower.MemoryBytes, want.Lower.MemoryBytes) || !near(got.Upper.MemoryBytes, want.Upper.MemoryBytes) {
				t.Errorf("memory %+v, want %+v", got, want)
			}
			got.Lower.MemoryBytes, got.Upper.MemoryBytes = want.Lower.MemoryBytes, want.Upper.MemoryBytes
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestRecommendationConfidence: samples that are further apart than a minute give less confidence than the time they span,
// and several pods give more samples but not more time.
func TestRecommendationConfidence(t *testing.T) {
	for _, tt := range []struct {
		name  string
		pods  int
		every time.Duration
		upper int64 // CPU, of 126 m after a day
	}{
		{"every minute", 1, time.Minute, 2 * p100},
		{"every two minutes", 1, 2 * time.Minute, 377}, // 721 samples: 126 * (1 + 1440/721) = 377.65
		{"three pods, every minute", 3, time.Minute, 2 * p100},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRecommender(t, Spec{}, 1)
			for at := time.Duration(0); at <= day; at += tt.every {
				for range tt.pods {
					r.AddCPU(at, 100)
				}
			}
			if got, _ := r.Recommendation(day); got.Upper.CPUMillis != tt.upper {
				t.Errorf("upper %d, want %d", got.Upper.CPUMillis, tt.upper)
			}
		})
	}
}

// TestRecommendationPolicy: the pod's minimum, and what the policy for a container makes of the recommendation.
func TestRecommendationPolicy(t *testing.T) {
	policy := func(p ContainerPolicy) Spec { return Spec{ContainerPolicies: []ContainerPolicy{p}} }
	all := func(a Amounts) Recommendation {
		return Recommendation{Target: a, Lower: a, Upper: a, UncappedTarget: a}
	}
	for _, tt := range []struct {
		name       string
		spec       Spec
		containers int
		used       Amounts
		want       Recommendation // without history to speak of: bounds are wide. Compared where it is not 0
		none       bool
	}{
		{"minimum of a pod", Spec{}, 1, Amounts{1, 1e6}, Recommendation{Target: Amounts{25, 250 * mib}, Lower: Amounts{25, 250 * mib}}, false},
		{"divided by three", Spec{}, 3, Amounts{1, 1e6}, Recommendation{Target: Amounts{11, 250 * mib / 3}, Lower: Amounts{8, 250 * mib / 3}}, false},
		{"above the minimum", Spec{}, 1, Amounts{100, 400e6}, Recommendation{Target: Amounts{p100, p400}}, false},
		{"minAllowed", policy(ContainerPolicy{ContainerName: "app", MinAllowed: Amounts{300, 1e9}}), 1, Amounts{100, 400e6},
			Recommendation{Target: Amounts{300, 1e9}, Lower: Amounts{300, 1e9}, UncappedTarget: Amounts{p100, p400}}, false},
		{"minAllowed of one resource", policy(ContainerPolicy{ContainerName: "app", MinAllowed: Amounts{CPUMillis: 300}}), 1, Amounts{100, 400e6},
			Recommendation{Target: Amounts{300, p400}}, false},
		{"maxAllowed", policy(ContainerPolicy{ContainerName: "app", MaxAllowed: Amounts{50, 1e8}}), 1, Amounts{100, 400e6},
			Recommendation{Target: Amounts{50, 1e8}, Upper: Amounts{50, 1e8}, UncappedTarget: Amounts{p100, p400}}, false},
		{"maxAllowed below the minimum of a pod", policy(ContainerPolicy{ContainerName: "*", MaxAllowed: Amounts{10, 1e7}}), 1, Amounts{1, 1e6},
			Recommendation{Target: Amounts{10, 1e7}, Lower: Amounts{10, 1e7}, Upper: Amounts{10, 1e7}, UncappedTarget: Amounts{25, 250 * mib}}, false},
		{"its own policy, not that for any", Spec{ContainerPolicies: []ContainerPolicy{
			{ContainerName: "app", MinAllowed: Amounts{CPUMillis: 300}}, {ContainerName: "*", MinAllowed: Amounts{900, 9e9}},
		}}, 1, Amounts{100, 400e6}, Recommendation{Target: Amounts{300, p400}}, false},
		{"CPU alone", policy(ContainerPolicy{ContainerName: "*", ControlledResources: []Resource{CPU}, MinAllowed: Amounts{0, 9e9}}), 1,
			Amounts{100, 400e6},
			Recommendation{Target: Amounts{p100, 0}, UncappedTarget: Amounts{p100, 0}}, false},
		{"memory alone", policy(ContainerPolicy{ContainerName: "*", ControlledResources: []Resource{Memory}}), 1, Amounts{100, 400e6},
			Recommendation{Target: Amounts{0, p400}, UncappedTarget: Amounts{0, p400}}, false},
		{"nothing", policy(ContainerPolicy{ContainerName: "*", ControlledResources: []Resource{}}), 1, Amounts{100, 400e6}, all(Amounts{}), false},
		{"off", policy(ContainerPolicy{ContainerName: "app", Mode: ScalingOff}), 1, Amounts{100, 400e6}, Recommendation{}, true},
		{"another is off", policy(ContainerPolicy{ContainerName: "sidecar", Mode: ScalingOff}), 1, Amounts{100, 400e6},
			Recommendation{Target: Amounts{p100, p400}}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRecommender(t, tt.spec, tt.containers)
			constant(r, 2, tt.used.CPUMillis, tt.used.MemoryBytes)
			got, ok := r.Recommendation(time.Minute)
			if ok == tt.none {
				t.Fatalf("recommendation: %v", ok)
			}
			for _, v := range []struct {
				name      string
				got, want Amounts
				exact     bool
			}{
				{"target", got.Target, tt.want.Target, true},
				{"lower", got.Lower, tt.want.Lower, tt.want.Lower != Amounts{}},
				{"upper", got.Upper, tt.want.Upper, tt.want.Upper != Amounts{}},
				{"uncapped", got.UncappedTarget, tt.want.UncappedTarget, tt.want.UncappedTarget != Amounts{}},
			} {
				if v.exact && v.got != v.want {
					t.Errorf("%s %+v, want %+v", v.name, v.got, v.want)
				}
				for _, res := range resources {
					if got.Target.Of(res) == 0 && v.got.Of(res) != 0 {
						t.Errorf("%s: %s is recommended", v.name, res)
					}
				}
			}
		})
	}
}

// held is what a histogram holds: weights by the end of their bucket, in units of the weight of a sample at that time.
func held(h *Histogram, at time.Duration) map[float64]float64 {
	out := map[float64]float64{}
	for i, w := range h.weights {
		if w > 0 {
			out[h.starts[min(i+1, len(h.starts)-1)]] = math.Round(1e6*w/h.decay(at)) / 1e6
		}
	}
	return out
}

// TestRecommenderMemoryPeaks: each pod counts once an interval, with its peak, dated at the interval's end.
func TestRecommenderMemoryPeaks(t *testing.T) {
	type event struct {
		pod     int64
		at      time.Duration
		bytes   int64
		oom     bool // bytes are the request
		refused bool
	}
	use := func(pod int64, at time.Duration, bytes int64) event { return event{pod: pod, at: at, bytes: bytes} }
	kill := func(pod int64, at time.Duration, request int64) event {
		return event{pod: pod, at: at, bytes: request, oom: true}
	}
	refused := func(e event) event { e.refused = true; return e }
	end := func(v float64) float64 {
		h := newHistogram(t, MemoryBuckets)
		return h.starts[min(h.bucket(v)+1, len(h.starts)-1)]
	}
	const hour = time.Hour
	for _, tt := range []struct {
		name   string
		events []event
		want   map[float64]float64 // value: weight in units of a sample at 24 h
	}{
		{"the peak of an interval", []event{use(1, 0, 3e8), use(1, hour, 9e8), use(1, 2*hour, 5e8)}, map[float64]float64{9e8: 1}},
		{"the last instant of an interval", []event{use(1, 0, 3e8), use(1, day-1, 9e8)}, map[float64]float64{9e8: 1}},
		{"its end begins another", []event{use(1, 0, 9e8), use(1, day, 3e8)}, map[float64]float64{9e8: 1, 3e8: 2}},
		{"after a gap, on the same grid", []event{use(1, 0, 9e8), use(1, day+12*hour, 3e8), use(1, 2*day-1, 5e8)}, map[float64]float64{9e8: 1, 5e8: 2}},
		{"a gap of two intervals", []event{use(1, 0, 9e8), use(1, 2*day+1, 3e8)}, map[float64]float64{9e8: 1, 3e8: 4}},
		{"two pods, each with its interval", []event{use(1, 0, 9e8), use(2, 12*hour, 3e8), use(1, 13*hour, 20e8)},
			map[float64]float64{20e8: 1, 3e8: math.Sqrt2}},
		{"a lower one changes nothing", []event{use(1, 0, 9e8), use(1, hour, 8e8), use(1, hour, 9e8)}, map[float64]float64{9e8: 1}},
		{"from nothing", []event{use(1, 0, 0), use(1, hour, 3e8)}, map[float64]float64{3e8: 1}},
		{"older than the last", []event{use(1, hour, 3e8), refused(use(1, 0, 9e8))}, map[float64]float64{3e8: math.Exp2(1. / 24)}},
		{"negative", []event{refused(use(1, 0, -1))}, map[float64]float64{}},

		// 1.2 times what it requested: 720 MB; 100 MiB more than what it requested: 204.9 MB.
		{"OOM: the request times 1.2", []event{use(1, 0, 3e8), kill(1, hour, 6e8)}, map[float64]float64{7.2e8: 1}},
		{"OOM: the request and 100 MiB", []event{use(1, 0, 5e7), kill(1, hour, 1e8)}, map[float64]float64{1e8 + 100*mib: 1}},
		{"OOM: it had used more than it requested", []event{use(1, 0, 9e8), kill(1, hour, 6e8)}, map[float64]float64{10.8e8: 1}},
		{"OOM: no request", []event{use(1, 0, 9e8), kill(1, hour, 0)}, map[float64]float64{10.8e8: 1}},
		{"OOM: no request, nothing known", []event{kill(1, 0, 0)}, map[float64]float64{100 * mib: 1}},
		{"OOM: negative request", []event{kill(1, 0, -5)}, map[float64]float64{100 * mib: 1}},
		{"OOM: first of all", []event{kill(1, 0, 6e8)}, map[float64]float64{7.2e8: 1}},
		{"OOM: again at the same request", []event{kill(1, 0, 6e8), kill(1, hour, 6e8), kill(1, 2*hour, 6e8)}, map[float64]float64{7.2e8: 1}},
		{"OOM: again at a higher request", []event{kill(1, 0, 6e8), kill(1, hour, 8.64e8)}, map[float64]float64{10.368e8: 1}},
		{"OOM: use below the estimate is not seen", []event{kill(1, 0, 6e8), use(1, hour, 7e8)}, map[float64]float64{7.2e8: 1}},
		{"OOM: use above the estimate is", []event{kill(1, 0, 6e8), use(1, hour, 12e8)}, map[float64]float64{12e8: 1}},
		{"OOM: reported late", []event{use(1, 2*hour, 3e8), refused(kill(1, hour, 6e8))}, map[float64]float64{3e8: math.Exp2(2. / 24)}},
		{"OOM: as the interval begins", []event{use(1, 0, 3e8), kill(1, 0, 6e8)}, map[float64]float64{7.2e8: 1}},
		{"OOM: reported late within the interval", []event{use(1, 0, 3e8), use(1, 3*hour, 4e8), kill(1, hour, 6e8)}, map[float64]float64{7.2e8: 1}},
		{"OOM: in the interval before", []event{use(1, 0, 3e8), use(1, day, 3e8), refused(kill(1, day-1, 6e8))}, map[float64]float64{3e8: 3}},
		{"OOM: enormous request", []event{kill(1, 0, math.MaxInt64)}, map[float64]float64{1e14: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRecommender(t, Spec{}, 1)
			for i, e := range tt.events {
				add := r.AddMemory
				if e.oom {
					add = r.OOM
				}
				if add(e.pod, e.at, e.bytes) == e.refused {
					t.Errorf("event %d: refused %v", i, !e.refused)
				}
			}
			want := map[float64]float64{}
			for v, w := range tt.want {
				want[end(v)] = math.Round(1e6*w) / 1e6
			}
			if got := held(r.memory, day); !maps.Equal(got, want) {
				t.Errorf("holds %v, want %v", got, want)
			}
		})
	}
}

// TestRecommenderExpiry: eight days after the last CPU sample, or after the first of all if there is none, the history is gone.
func TestRecommenderExpiry(t *testing.T) {
	const hour = time.Hour
	start := func() *Recommender {
		r := newRecommender(t, Spec{}, 1)
		constant(r, 61, 100, 400e6)
		return r
	}
	r := start()
	if _, ok := r.Recommendation(hour + 8*day - 1); !ok {
		t.Error("gone too early")
	}
	if _, ok := r.Recommendation(hour + 8*day); ok {
		t.Error("still there")
	}
	// Memory samples do not keep it.
	r.AddMemory(1, hour+4*day, 400e6)
	if _, ok := r.Recommendation(hour + 8*day); ok {
		t.Error("memory keeps it")
	}
	// The next sample begins anew.
	again, fresh := start(), newRecommender(t, Spec{}, 1)
	for _, r := range []*Recommender{again, fresh} {
		r.AddMemory(1, hour+8*day, 100e6)
		r.AddCPU(hour+8*day, 700)
	}
	a, okA := again.Recommendation(hour + 8*day)
	b, okB := fresh.Recommendation(hour + 8*day)
	if a != b || !okA || !okB {
		t.Errorf("%+v, from nothing %+v", a, b)
	}
	oom := newRecommender(t, Spec{}, 1)
	oom.OOM(1, day, 6e8)
	if _, ok := oom.Recommendation(9*day - 1); !ok {
		t.Error("an OOM kill alone is gone too early")
	}
	if _, ok := oom.Recommendation(9 * day); ok {
		t.Error("an OOM kill alone is still there")
	}
}

// TestRecommenderWithoutSamples: nothing is recommended before the first sample; a resource without one gets the minimum.
func TestRecommenderWithoutSamples(t *testing.T) {
	r := newRecommender(t, Spec{}, 1)
	if rec, ok := r.Recommendation(0); ok || rec != (Recommendation{}) {
		t.Errorf("%+v from nothing", rec)
	}
	r.OOM(1, 0, 400e6)
	// 400e6 + 100 MiB = 504857600 is in the bucket that ends at 1e7 * (1.05^26 - 1) / 0.05 = 511134537.
	rec, ok := r.Recommendation(time.Minute)
	if want := (Amounts{25, 511134537 + 76670180}); !ok || rec.Target != want || rec.Upper != (Amounts{25, MaxAmount}) ||
		rec.Lower != (Amounts{25, 250 * mib}) {
		t.Errorf("after an OOM kill %+v, want the target %+v", rec, want)
	}
	r.Reset()
	r.AddCPU(0, 100)
	if rec, ok := r.Recommendation(time.Minute); !ok || rec.Target != (Amounts{p100, 250 * mib}) || rec.Upper != (Amounts{MaxAmount, 250 * mib}) {
		t.Errorf("after a CPU sample %+v", rec)
	}
	if r.AddCPU(0, -1) || r.samples != 1 {
		t.Error("a negative sample counts")
	}
}

// TestRecommenderReset: after Reset, nothing of the past shows.
func TestRecommenderReset(t *testing.T) {
	used, fresh := newRecommender(t, Spec{}, 1), newRecommender(t, Spec{}, 1)
	constant(used, 2000, 700, 9e9)
	used.OOM(1, 1999*time.Minute, 9e9)
	used.Reset()
	for _, r := range []*Recommender{used, fresh} {
		for i := range 10 {
			r.AddCPU(time.Duration(i)*time.Hour, int64(100+i))
			r.AddMemory(1, time.Duration(i)*time.Hour, int64(4e8+i))
		}
	}
	a, _ := used.Recommendation(day)
	b, _ := fresh.Recommendation(day)
	if a != b {
		t.Errorf("%+v, fresh %+v", a, b)
	}
}

// TestRecommenderForget: a pod that is gone leaves its peaks behind; one of the same name begins an interval of its own.
func TestRecommenderForget(t *testing.T) {
	r := newRecommender(t, Spec{}, 1)
	r.AddMemory(1, 0, 9e8)
	r.Forget(1)
	r.Forget(2)
	r.AddMemory(1, time.Hour, 9e8)
	want := map[float64]float64{r.memory.Percentile(0.5): math.Round(1e6*(1+math.Exp2(1./24))) / 1e6}
	if got := held(r.memory, day); len(r.pods) != 1 || !maps.Equal(got, want) {
		t.Errorf("%d pods, holds %v, want %v", len(r.pods), got, want)
	}
}

func TestNewRecommenderRefuses(t *testing.T) {
	_, err := NewRecommender(Spec{UpdateMode: "On"}, "*", 0, Config{})
	for _, w := range []string{`container "*": must be the name of one container`, "0 containers a pod", `updateMode: "On"`, "memory interval 0s"} {
		if err == nil || !strings.Contains(err.Error(), w) {
			t.Errorf("error %v lacks %q", err, w)
		}
	}
}

func TestRecommenderAllocatesNothing(t *testing.T) {
	r := newRecommender(t, Spec{}, 1)
	constant(r, 10, 100, 4e8)
	at := time.Hour
	if n := testing.AllocsPerRun(1000, func() {
		at += time.Hour
		r.AddCPU(at, 200)
		r.AddMemory(1, at, 5e8)
		r.OOM(1, at, 5e8)
		r.Recommendation(at)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkAddCPU(b *testing.B) {
	r := newRecommender(b, Spec{}, 1)
	b.ReportAllocs()
	at := time.Duration(0)
	for i := 0; b.Loop(); i++ {
		at += time.Minute
		r.AddCPU(at, int64(i%2000))
	}
}

func BenchmarkRecommendation(b *testing.B) {
	r := newRecommender(b, Spec{}, 1)
	for i := range 10_000 {
		at := time.Duration(i) * time.Minute
		r.AddCPU(at, int64(i*37%2000))
		r.AddMemory(int64(i%5), at, int64(i*7919%1000)*1e6)
	}
	b.ReportAllocs()
	for b.Loop() {
		r.Recommendation(10_000 * time.Minute)
	}
}
