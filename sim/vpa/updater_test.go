package vpa

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const now = 100 * time.Hour

// advice is what tests recommend: 200 m, from 150 m to 300 m, and 400 bytes, from 300 to 600.
var advice = []Recommendation{{Container: "app", Target: Amounts{200, 400}, Lower: Amounts{150, 300}, Upper: Amounts{300, 600}}}

// pod is a running one that is so old and requests so much.
func pod(age time.Duration, cpu, memory int64) Pod {
	return Pod{StartedAt: now - age, Containers: []Container{{Name: "app", Resources: Resources{Request: Amounts{cpu, memory}}}}}
}

func newUpdater(t testing.TB, spec Spec) *Updater {
	t.Helper()
	u, err := NewUpdater(spec, DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// TestJudge: which pod needs an update, and why or why not.
func TestJudge(t *testing.T) {
	const young, old = 12*time.Hour - 1, 12 * time.Hour
	good := pod(young, 200, 400)
	changed := func(p Pod, change func(*Pod)) Pod { change(&p); return p }
	container := func(p Pod, change func(*Container)) Pod {
		return changed(p, func(p *Pod) { p.Containers = slices.Clone(p.Containers); change(&p.Containers[0]) })
	}
	oom := func(c *Container) { c.QuickOOM = true }
	limited := func(cpu, memory int64) func(*Container) { return func(c *Container) { c.Limit = Amounts{cpu, memory} } }
	require := func(c ChangeRequirement, r ...Resource) Spec {
		return Spec{EvictionRequirements: []EvictionRequirement{{r, c}}}
	}
	only := func(p ContainerPolicy) Spec {
		p.ContainerName = "*"
		return Spec{ContainerPolicies: []ContainerPolicy{p}}
	}
	for _, tt := range []struct {
		name string
		spec Spec
		pod  Pod
		want Verdict
	}{
		{"at the target", Spec{}, good, Verdict{Reason: Young}},
		{"at the lower bounds", Spec{}, pod(young, 150, 300), Verdict{Reason: Young, Growing: true, Change: 50./150 + 100./300}},
		{"below the lower bound of CPU", Spec{}, pod(young, 149, 400), Verdict{Evict, OutsideBounds, true, 51. / 149}},
		{"below the lower bound of memory", Spec{}, pod(young, 200, 299), Verdict{Evict, OutsideBounds, true, 101. / 299}},
		{"at the upper bounds", Spec{}, pod(young, 300, 600), Verdict{Reason: Young, Change: 100./300 + 200./600}},
		{"above the upper bound of CPU", Spec{}, pod(young, 301, 400), Verdict{Evict, OutsideBounds, false, 101. / 301}},
		{"above the upper bound of memory", Spec{}, pod(0, 200, 601), Verdict{Evict, OutsideBounds, false, 201. / 601}},
		{"requests no CPU", Spec{}, pod(young, 0, 400), Verdict{Evict, OutsideBounds, true, 199}},
		{"requests no memory", Spec{}, pod(young, 200, 0), Verdict{Evict, OutsideBounds, true, 399_999}}, // of thousandths
		{"requests less than nothing", Spec{}, pod(young, -7, 400), Verdict{Evict, OutsideBounds, true, 199}},

		{"old, off by less than a tenth", Spec{}, pod(old, 200, 400*10/11+1), Verdict{Reason: OnTarget, Growing: true, Change: 36. / 364}},
		{"old, off by more", Spec{}, pod(old, 180, 400), Verdict{Evict, OffTarget, true, 20. / 180}},
		{"old, off by a fifth", Spec{}, pod(old, 250, 400), Verdict{Evict, OffTarget, false, 0.2}},
		{"old, off by a tenth in sum", Spec{}, pod(old, 190, 420), Verdict{Evict, OffTarget, true, 10./190 + 20./420}},
		{"the same, younger", Spec{}, pod(young, 190, 420), Verdict{Reason: Young, Growing: true, Change: 10./190 + 20./420}},
		{"the same, never started", Spec{}, changed(pod(old, 190, 420), func(p *Pod) { p.StartedAt = Unset }),
			Verdict{Reason: NotStarted, Growing: true, Change: 10./190 + 20./420}},
		{"out of bounds, never started", Spec{}, changed(pod(0, 100, 420), func(p *Pod) { p.StartedAt = Unset }),
			Verdict{Evict, OutsideBounds, true, 1 + 20./420}},

		{"OOM-killed soon after its start", Spec{}, container(pod(0, 200, 390), oom), Verdict{Evict, QuickOOM, true, 10. / 390}},
		{"OOM-killed, and out of bounds", Spec{}, container(pod(0, 200, 200), oom), Verdict{Evict, OutsideBounds, true, 1}},
		{"OOM-killed, at the target", Spec{}, container(good, oom), Verdict{Reason: NothingToChange}},
		{"OOM-killed, not scaled", only(ContainerPolicy{Mode: ScalingOff}), container(pod(0, 200, 390), oom), Verdict{Reason: NoRecommendation}},

		{"another container", Spec{}, container(pod(old, 1, 1), func(c *Container) { c.Name = "sidecar" }), Verdict{Reason: NoRecommendation}},
		{"no containers", Spec{}, Pod{StartedAt: now - old}, Verdict{Reason: NoRecommendation}},
		{"CPU alone", only(ContainerPolicy{ControlledResources: []Resource{CPU}}), pod(old, 200, 1), Verdict{Reason: OnTarget}},
		{"no resource", only(ContainerPolicy{ControlledResources: []Resource{}}), pod(old, 1, 1), Verdict{Reason: NoRecommendation}},
		{"the policy's bounds hold", only(ContainerPolicy{MaxAllowed: Amounts{CPUMillis: 120}}), pod(young, 120, 400), Verdict{Reason: Young}},
		{"requests only, at its limits", only(ContainerPolicy{ControlledValues: RequestsOnly}), container(pod(old, 100, 200), limited(100, 200)),
			Verdict{Reason: OnTarget}},
		{"requests and limits, at its limits", Spec{}, container(pod(old, 100, 200), limited(100, 200)), Verdict{Evict, OutsideBounds, true, 2}},

		{"higher is required and is", require(TargetHigherThanRequests, CPU), pod(young, 100, 400), Verdict{Evict, OutsideBounds, true, 1}},
		{"higher is required and is not", require(TargetHigherThanRequests, CPU), pod(young, 400, 400), Verdict{Reason: RequirementNotMet, Change: 0.5}},
		{"equal is not higher", require(TargetHigherThanRequests, CPU), pod(young, 200, 800), Verdict{Reason: RequirementNotMet, Change: 0.5}},
		{"lower is required and is", require(TargetLowerThanRequests, CPU), pod(young, 400, 400), Verdict{Evict, OutsideBounds, false, 0.5}},
		{"lower is required and is not", require(TargetLowerThanRequests, CPU, Memory), pod(young, 100, 200),
			Verdict{Reason: RequirementNotMet, Growing: true, Change: 2}},
		{"lower is required of either", require(TargetLowerThanRequests, CPU, Memory), pod(young, 100, 800), Verdict{Evict, OutsideBounds, true, 1.5}},
		{"nothing is required of one without requests", require(TargetLowerThanRequests, CPU, Memory), pod(young, 0, 400),
			Verdict{Evict, OutsideBounds, true, 199}},
		{"two requirements, one met",
			Spec{EvictionRequirements: []EvictionRequirement{{[]Resource{CPU}, TargetHigherThanRequests}, {[]Resource{Memory}, TargetLowerThanRequests}}},
			pod(young, 100, 400), Verdict{Reason: RequirementNotMet, Growing: true, Change: 1}},
		{"two requirements, both met",
			Spec{EvictionRequirements: []EvictionRequirement{{[]Resource{CPU}, TargetHigherThanRequests}, {[]Resource{Memory}, TargetLowerThanRequests}}},
			pod(young, 100, 800), Verdict{Evict, OutsideBounds, true, 1.5}},

		{"off", Spec{UpdateMode: ModeOff}, pod(old, 1, 1), Verdict{Reason: NoUpdates}},
		{"initial", Spec{UpdateMode: ModeInitial}, pod(old, 1, 1), Verdict{Reason: NoUpdates}},
		{"auto", Spec{UpdateMode: ModeAuto}, pod(young, 149, 400), Verdict{Evict, OutsideBounds, true, 51. / 149}},
		{"in place", Spec{UpdateMode: ModeInPlaceOrRecreate}, pod(young, 149, 400), Verdict{Resize, OutsideBounds, true, 51. / 149}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			plan := newUpdater(t, tt.spec).Plan(now, &Inputs{Replicas: 2, Pods: []Pod{good, tt.pod}, Recommendations: advice})
			if diff := cmp.Diff(tt.want, plan.Verdicts[1], cmp.Comparer(func(a, b float64) bool { return a-b < 1e-12 && b-a < 1e-12 })); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if slices.Contains(plan.Evict, 1) != (tt.want.Action == Evict) || slices.Contains(plan.Resize, 1) != (tt.want.Action == Resize) {
				t.Errorf("evict %v, resize %v", plan.Evict, plan.Resize)
			}
		})
	}
}

// TestUpdateThreshold: a change that is exactly the threshold is enough, for a pod that is exactly old enough.
func TestUpdateThreshold(t *testing.T) {
	for _, tt := range []struct {
		name      string
		threshold float64
		age       time.Duration
		want      Reason
	}{
		{"at both", 0.2, 12 * time.Hour, OffTarget},
		{"below the threshold", 0.2000001, 12 * time.Hour, OnTarget},
		{"not old enough", 0.2, 12*time.Hour - 1, Young},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := DefaultConfig()
			cfg.UpdateThreshold = tt.threshold
			u, err := NewUpdater(Spec{}, cfg)
			if err != nil {
				t.Fatal(err)
			}
			// 250 m are requested where 200 m should be: 50/250.
			plan := u.Plan(now, &Inputs{Replicas: 2, Pods: []Pod{pod(tt.age, 250, 400), pod(0, 200, 400)}, Recommendations: advice})
			if plan.Verdicts[0].Reason != tt.want {
				t.Errorf("%+v, want %s", plan.Verdicts[0], tt.want)
			}
		})
	}
}

// TestOrder: growing pods come before shrinking ones, the largest change first; requests are summed over containers.
func TestOrder(t *testing.T) {
	with := func(p Pod, cpu, memory int64) Pod {
		p.Containers = append(slices.Clone(p.Containers), Container{Name: "side", Resources: Resources{Request: Amounts{cpu, memory}}})
		return p
	}
	two := append(slices.Clone(advice), Recommendation{Container: "side", Target: Amounts{400, 400}, Lower: Amounts{400, 400}, Upper: Amounts{400, 400}})
	for _, tt := range []struct {
		name string
		pods []Pod
		recs []Recommendation
		want []int
	}{
		{"largest growth first", []Pod{pod(0, 100, 400), pod(0, 140, 400), pod(0, 50, 400), pod(0, 120, 400)}, advice, []int{2, 0, 3, 1}},
		{"largest reduction first", []Pod{pod(0, 350, 400), pod(0, 900, 400), pod(0, 400, 400)}, advice, []int{1, 2, 0}},
		{"any growth before any reduction", []Pod{pod(0, 9000, 4000), pod(0, 149, 400), pod(0, 800, 399)}, advice, []int{2, 1, 0}},
		{"equals as listed", []Pod{pod(0, 100, 400), pod(0, 400, 200), pod(0, 100, 400), pod(0, 100, 400)}, advice, []int{1, 0, 2, 3}},
		{"both resources count", []Pod{pod(0, 100, 400), pod(0, 120, 200)}, advice, []int{1, 0}},
		// The first requests 100 + 400 of 600 m, the second 100 + 100, the third 200 + 300.
		{"containers are summed", []Pod{with(pod(0, 100, 400), 400, 400), with(pod(0, 100, 400), 100, 400), with(pod(0, 200, 400), 300, 399)}, two,
			[]int{1, 2, 0}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := DefaultConfig()
			cfg.EvictionTolerance = 1
			u, err := NewUpdater(Spec{}, cfg)
			if err != nil {
				t.Fatal(err)
			}
			plan := u.Plan(now, &Inputs{Replicas: int32(len(tt.pods)), Pods: tt.pods, Recommendations: tt.recs})
			if !slices.Equal(plan.Evict, tt.want) {
				t.Errorf("order %v, want %v: %+v", plan.Evict, tt.want, plan.Verdicts)
			}
		})
	}
}

// TestDisruption: how many pods go at a time. p is a running pod in need, . a running one that is not, P a pending one in need.
func TestDisruption(t *testing.T) {
	for _, tt := range []struct {
		name      string
		replicas  int32
		tolerance float64
		minimum   int32 // minReplicas; 0: not given
		pods      string
		want      string // e evicted, w waits for others, m waits for more replicas, . not in need
	}{
		{"half of two", 2, 0.5, 0, "pp", "ew"},
		{"half of three, rounded down", 3, 0.5, 0, "ppp", "eww"},
		{"half of four", 4, 0.5, 0, "pppp", "eeww"},
		{"half of five", 5, 0.5, 0, "ppppp", "eewww"},
		{"those not in need count as running", 4, 0.5, 0, ".p.p", ".e.e"},
		{"one is missing already", 4, 0.5, 0, "ppp", "eww"},
		{"half are missing already", 4, 0.5, 0, "pp", "ww"},
		{"more than configured", 2, 0.5, 0, "pppp", "eeew"},
		{"a small tolerance, all running", 3, 0.1, 0, "ppp", "eww"},
		{"a small tolerance, one missing", 3, 0.1, 0, "pp", "ww"},
		{"no tolerance, all running", 3, 0, 0, "ppp", "eww"},
		{"no tolerance, one more than configured", 3, 0, 0, "pppp", "ewww"},
		{"all may be missing", 3, 1, 0, "ppp", "eee"},
		{"one pod", 1, 0.5, 0, "p", "m"},
		{"one pod, allowed by the object", 1, 0.5, 1, "p", "e"},
		{"fewer than the object wants", 4, 0.5, 5, "pppp", "mmmm"},
		{"fewer live pods than two", 4, 0.5, 0, "p", "m"},
		{"none are configured", 0, 0.5, 0, "pp", "mm"},
		{"a pending pod is always evicted", 3, 0.5, 0, "pPp", "wew"},
		{"all pending", 4, 0.5, 0, "PPPP", "eeee"},
		{"a pending pod takes nothing from the others", 4, 0.5, 0, "PpppP", "eewwe"},
		{"too few, and pending", 1, 0.5, 0, "P", "m"},
		{"none in need", 2, 0.5, 0, "..", ".."},
		{"no pods", 2, 0.5, 0, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := DefaultConfig()
			cfg.EvictionTolerance = tt.tolerance
			spec := Spec{}
			if tt.minimum > 0 {
				spec.MinReplicas = &tt.minimum
			}
			u, err := NewUpdater(spec, cfg)
			if err != nil {
				t.Fatal(err)
			}
			in := Inputs{Replicas: tt.replicas, Recommendations: advice}
			for _, c := range tt.pods {
				p := pod(0, 100, 400)
				if c == '.' {
					p = pod(0, 200, 400)
				}
				p.Pending = c == 'P'
				in.Pods = append(in.Pods, p)
			}
			got := ""
			for _, v := range u.Plan(now, &in).Verdicts {
				switch {
				case v.Action == Evict && v.Reason == OutsideBounds:
					got += "e"
				case v.Action == Keep && v.Reason == Disruption:
					got += "w"
				case v.Action == Keep && v.Reason == TooFewReplicas:
					got += "m"
				case v.Action == Keep && v.Reason == Young:
					got += "."
				default:
					t.Errorf("unexpected %+v", v)
				}
			}
			if got != tt.want {
				t.Errorf("%s of %s, want %s", got, tt.pods, tt.want)
			}
		})
	}
}

// TestResizeInPlace: resizes come before evictions and count against the same number; a pod is evicted once its resize has
// failed or takes too long.
func TestResizeInPlace(t *testing.T) {
	resizing := func(s ResizeStatus, age time.Duration) Pod {
		p := pod(0, 100, 400)
		p.Resize, p.ResizedAt = s, now-age
		return p
	}
	plain, good := pod(0, 100, 400), pod(0, 200, 400)
	pending := plain
	pending.Pending = true
	for _, tt := range []struct {
		name          string
		mode          UpdateMode
		pods          []Pod
		resize, evict []int
		kept          []Reason // of those that are kept, in order
	}{
		{"half of four", ModeInPlaceOrRecreate, []Pod{plain, plain, plain, plain}, []int{0, 1}, nil, []Reason{Disruption, Disruption}},
		{"one is pending", ModeInPlaceOrRecreate, []Pod{pending, plain, plain, plain}, []int{1}, nil, []Reason{PodPending, Disruption, Disruption}},
		{"one has enough", ModeInPlaceOrRecreate, []Pod{good, plain, good, good}, []int{1}, nil, []Reason{Young, Young, Young}},
		{"infeasible", ModeInPlaceOrRecreate, []Pod{resizing(ResizeInfeasible, 0), good}, nil, []int{0}, []Reason{Young}},
		{"deferred for five minutes", ModeInPlaceOrRecreate, []Pod{resizing(ResizeDeferred, 5*time.Minute), good}, nil, nil, []Reason{Resizing, Young}},
		{"deferred for more", ModeInPlaceOrRecreate, []Pod{resizing(ResizeDeferred, 5*time.Minute+1), good}, nil, []int{0}, []Reason{Young}},
		{"under way for an hour", ModeInPlaceOrRecreate, []Pod{resizing(ResizeInProgress, time.Hour), good}, nil, nil, []Reason{Resizing, Young}},
		{"under way for more", ModeInPlaceOrRecreate, []Pod{resizing(ResizeInProgress, time.Hour+1), good}, nil, []int{0}, []Reason{Young}},
		{"resizes before evictions", ModeInPlaceOrRecreate, []Pod{resizing(ResizeInfeasible, 0), plain, good, good}, []int{1}, []int{0},
			[]Reason{Young, Young}},
		{"nothing left for the eviction", ModeInPlaceOrRecreate, []Pod{resizing(ResizeInfeasible, 0), plain, plain, good}, []int{1, 2}, nil,
			[]Reason{Disruption, Young}},
		{"a resize under way takes no place", ModeInPlaceOrRecreate, []Pod{resizing(ResizeInProgress, 0), plain, plain, plain}, []int{1, 2}, nil,
			[]Reason{Disruption, Disruption}},
		{"evicted while it is resized", ModeRecreate, []Pod{resizing(ResizeInfeasible, 0), resizing(ResizeInProgress, 0), good, good}, nil, []int{0},
			[]Reason{Resizing, Young, Young}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			plan := newUpdater(t, Spec{UpdateMode: tt.mode}).Plan(now, &Inputs{Replicas: int32(len(tt.pods)), Pods: tt.pods, Recommendations: advice})
			if !slices.Equal(plan.Resize, tt.resize) || !slices.Equal(plan.Evict, tt.evict) {
				t.Errorf("resize %v, evict %v, want %v and %v", plan.Resize, plan.Evict, tt.resize, tt.evict)
			}
			var kept []Reason
			for i, v := range plan.Verdicts {
				if v.Action == Keep {
					kept = append(kept, v.Reason)
				}
				if (v.Action == Resize) != slices.Contains(plan.Resize, i) || (v.Action == Evict) != slices.Contains(plan.Evict, i) {
					t.Errorf("pod %d: %+v", i, v)
				}
			}
			if !slices.Equal(kept, tt.kept) {
				t.Errorf("kept %v, want %v", kept, tt.kept)
			}
		})
	}
}

func TestUpdaterSpec(t *testing.T) {
	if s := newUpdater(t, Spec{Name: "web", UpdateMode: ModeAuto}).Spec(); s.Name != "web" || s.UpdateMode != ModeRecreate || *s.MinReplicas != 2 {
		t.Errorf("%+v", s)
	}
}

func TestPlanAllocatesNothing(t *testing.T) {
	for _, mode := range []UpdateMode{ModeRecreate, ModeInPlaceOrRecreate} {
		u := newUpdater(t, Spec{UpdateMode: mode, ContainerPolicies: []ContainerPolicy{{ContainerName: "other"}}})
		in := Inputs{Replicas: 50, Recommendations: advice}
		for i := range 50 {
			in.Pods = append(in.Pods, pod(0, int64(20*i), 400))
		}
		u.Plan(now, &in)
		if n := testing.AllocsPerRun(100, func() { u.Plan(now, &in) }); n != 0 {
			t.Errorf("%s: %v allocations", mode, n)
		}
	}
}

func BenchmarkPlan(b *testing.B) {
	u := newUpdater(b, Spec{})
	in := Inputs{Replicas: 50, Recommendations: advice}
	for i := range 50 {
		in.Pods = append(in.Pods, pod(0, int64(20*i), 400))
	}
	b.ReportAllocs()
	for b.Loop() {
		u.Plan(now, &in)
	}
}
