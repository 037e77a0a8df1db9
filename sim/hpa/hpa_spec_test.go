package hpa

import (
	"errors"
	"math"
	"testing"
	"time"
)

// These tests say in one row each what the Kubernetes documentation and the code of v1.28 say in a paragraph. The numbers are
// worked out by hand, in the row's comment.

// servers returns n pods that count, each requesting 100 m of CPU, and samples of the given usage for as many of them.
func servers(n int, usage ...int64) ([]Pod, []Sample) {
	containers := []Container{{Name: "server", Requests: Requests{CPU: Millis(100), Memory: Millis(100)}}}
	pods := make([]Pod, n)
	for i := range pods {
		pods[i] = Pod{
			Name: string(rune('a' + i%26)), Phase: Running, Ready: ReadyTrue, StartedAt: LongAgo, ReadyChangedAt: LongAgo,
			Containers: containers,
		}
	}
	var samples []Sample
	for i, u := range usage {
		samples = append(samples, Sample{Pod: i, Window: 15 * time.Second, Millis: u})
	}
	return pods, samples
}

func same(n int, usage int64) []int64 {
	u := make([]int64, n)
	for i := range u {
		u[i] = usage
	}
	return u
}

// TestSectionPodsThatCount holds the order of rules by which a pod counts, and their edges: "now" is 1000 s, the
// initialisation period 300 s, the readiness delay 30 s, the sample's window 15 s.
func TestSectionPodsThatCount(t *testing.T) {
	const now = 1000 * time.Second
	s := func(v int) time.Duration { return time.Duration(v) * time.Second }
	old := Pod{Phase: Running, Ready: ReadyTrue, StartedAt: s(100), ReadyChangedAt: s(110)}
	with := func(p Pod, change func(*Pod)) Pod { change(&p); return p }
	for _, tt := range []struct {
		name     string
		pod      Pod
		sampleAt time.Duration // Unset: no sample
		resource Resource
		want     Group
	}{
		{"deleting beats everything", with(old, func(p *Pod) { p.Deleting, p.Phase = true, Pending }), Unset, CPU, GroupIgnored},
		{"failed", with(old, func(p *Pod) { p.Phase = Failed }), s(990), CPU, GroupIgnored},
		{"pending beats a missing sample", with(old, func(p *Pod) { p.Phase = Pending }), Unset, CPU, GroupUnready},
		{"pending counts for no metric", with(old, func(p *Pod) { p.Phase = Pending }), s(990), Memory, GroupUnready},
		{"no sample beats unready", with(old, func(p *Pod) { p.Ready = ReadyFalse }), Unset, CPU, GroupMissing},
		{"succeeded counts", with(old, func(p *Pod) { p.Phase = Succeeded }), s(990), CPU, GroupReady},
		{"unknown phase counts", with(old, func(p *Pod) { p.Phase = PhaseUnknown }), s(990), CPU, GroupReady},
		{"no ready condition", with(old, func(p *Pod) { p.Ready = NoReadyCondition }), s(990), CPU, GroupUnready},
		{"no ready condition does not matter to memory", with(old, func(p *Pod) { p.Ready = NoReadyCondition }), s(990), Memory, GroupReady},
		{"no start time", with(old, func(p *Pod) { p.StartedAt = Unset }), s(990), CPU, GroupUnready},
		{"unready once ready counts", with(old, func(p *Pod) { p.Ready, p.ReadyChangedAt = ReadyFalse, s(900) }), s(990), CPU, GroupReady},
		{"unready since just after the start never was ready", with(old, func(p *Pod) { p.Ready, p.ReadyChangedAt = ReadyFalse, s(129) }), s(990), CPU, GroupUnready},
		{"unready exactly one readiness delay after the start counts", with(old, func(p *Pod) { p.Ready, p.ReadyChangedAt = ReadyFalse, s(130) }), s(990), CPU, GroupReady},
		{"unknown readiness is not false", with(old, func(p *Pod) { p.Ready, p.ReadyChangedAt = ReadyUnknown, s(101) }), s(990), CPU, GroupReady},
		{"young and unready", with(old, func(p *Pod) { p.Ready, p.StartedAt = ReadyFalse, s(701) }), s(990), CPU, GroupUnready},
		{"exactly the initialisation period old is not young", with(old, func(p *Pod) { p.Ready, p.StartedAt, p.ReadyChangedAt = ReadyFalse, s(700), s(999) }), s(990), CPU, GroupReady},
		{"young, window began before it was ready", with(old, func(p *Pod) { p.StartedAt, p.ReadyChangedAt = s(950), s(976) }), s(990), CPU, GroupUnready},
		{"young, window began as it became ready", with(old, func(p *Pod) { p.StartedAt, p.ReadyChangedAt = s(950), s(975) }), s(990), CPU, GroupReady},
		{"young, memory counts from the first sample", with(old, func(p *Pod) { p.StartedAt, p.ReadyChangedAt = s(950), s(999) }), s(990), Memory, GroupReady},
	} {
		t.Run(tt.name, func(t *testing.T) {
			q := &Query{Now: now, Resource: tt.resource, Pods: []Pod{tt.pod}}
			if tt.sampleAt != Unset {
				q.Samples = []Sample{{Pod: 0, At: tt.sampleAt, Window: s(15), Millis: 1}}
			}
			if g := NewCalculator(DefaultConfig()).GroupPods(q); g.Of[0] != tt.want {
				t.Errorf("group %d, want %d", g.Of[0], tt.want)
			}
		})
	}
	newer := DefaultConfig()
	newer.IgnoreSucceeded = true
	pods := []Pod{{Phase: Succeeded}}
	if g := NewCalculator(newer).GroupPods(&Query{Pods: pods}); g.Ignored != 1 {
		t.Errorf("IgnoreSucceeded: %+v", g)
	}
}

// TestSectionUtilization holds the consequences that published results hinge on.
func TestSectionUtilization(t *testing.T) {
	for _, tt := range []struct {
		name           string
		replicas       int32 // spec
		pods           int
		usage          []int64
		pending        int // further pods, not placed
		target         int32
		want, wantUtil int32
		wantUntil132   int32 // by the older rule; 0: the same
		outcome        Outcome
	}{
		// 2 ready pods at 36 of 100 m against 60 %: ceil(36/60 * 2) = ceil(1.2). The 8 pending pods vanish.
		{"unready pods vanish on the way down", 10, 2, []int64{36, 36}, 8, 60, 2, 36, 0, OutcomeScaled},
		// 90/60 = 1.5 > 1: the pending pods count as idle: 180 m of 10 * 100 m = 18 %; 18/60 < 1: no change.
		{"unready pods hold back the way up", 10, 2, []int64{90, 90}, 8, 60, 10, 90, 0, OutcomeDirection},
		// 300/60 = 5 would be 10 from 2 pods and 15 from 3; with 1 idle pod 600/300 = 200 %: 200/60 * 3.
		{"unready pods make the way up shorter", 3, 2, []int64{300, 300}, 1, 60, 10, 300, 0, OutcomeScaled},
		// Sample missing for 2 of 4, ratio 30/60 < 1: they count as 100 %: (30+30+100+100)/400 = 65 %, above 60.
		{"missing pods count as busy on the way down", 4, 4, []int64{30, 30}, 0, 60, 4, 30, 0, OutcomeWithinTolerance},
		// 10/60 < 1: (10+10+10+100)/400 = 32 %: ceil(32/60 * 4) = ceil(2.13).
		{"but do not stop it", 4, 4, []int64{10, 10, 10}, 0, 60, 3, 10, 0, OutcomeScaled},
		// 67/100 of 3 pods: 200 m of 300 m is 66.67 %, truncated to 66; 66/60 = 1.1 exactly in the interval.
		{"utilisation is whole percent before the ratio", 3, 3, []int64{66, 67, 67}, 0, 60, 3, 66, 4, OutcomeWithinTolerance},
		{"the edge of the tolerance differs between releases", 10, 10, same(10, 55), 0, 50, 10, 55, 11, OutcomeWithinTolerance},
		// 88/80 = 1.1 lies in the interval; 50 * 1.1 is 55.00000000000001 and rounds to 56 by the older rule.
		{"the product is the floating-point one", 50, 50, same(50, 88), 0, 80, 50, 88, 56, OutcomeWithinTolerance},
		// Nothing used: ceil(0).
		{"idle pods propose none", 3, 3, same(3, 0), 0, 60, 0, 0, 0, OutcomeScaled},
	} {
		t.Run(tt.name, func(t *testing.T) {
			pods, samples := servers(tt.pods+tt.pending, tt.usage...)
			for i := tt.pods; i < len(pods); i++ {
				pods[i].Phase = Pending
			}
			q := &Query{
				Replicas: tt.replicas, Tolerance: DefaultConfig().Tolerance, Pods: pods, Samples: samples,
				Resource: CPU, Container: "server",
			}
			p, err := NewCalculator(DefaultConfig()).ResourceUtilization(q, tt.target)
			if err != nil || p.Replicas != tt.want || p.Utilization != tt.wantUtil || p.Outcome != tt.outcome {
				t.Errorf("%+v, error %v; want %d at %d %%, %v", p, err, tt.want, tt.wantUtil, tt.outcome)
			}
			q.Tolerance.Rule = ToleranceDistance
			want := tt.want
			if tt.wantUntil132 != 0 {
				want = tt.wantUntil132
			}
			if p, err = NewCalculator(DefaultConfig()).ResourceUtilization(q, tt.target); err != nil || p.Replicas != want {
				t.Errorf("until 1.32: %+v, error %v; want %d", p, err, want)
			}
		})
	}
}

// TestSectionGonePods: samples of pods that are no longer there count in the mean of average-value rules, and not in the
// sums of the utilisation rule.
func TestSectionGonePods(t *testing.T) {
	pods, samples := servers(2, 100, 100)
	samples = append(samples, Sample{Pod: Gone, Millis: 400})
	q := &Query{Replicas: 2, Pods: pods, Samples: samples, Resource: CPU}
	calc := NewCalculator(DefaultConfig())
	// (100+100+400)/3 = 200 against 100: ratio 2; times 2 ready pods.
	if p, err := calc.ResourceAverageValue(q, 100); err != nil || p.UsageMillis != 200 || p.Replicas != 4 {
		t.Errorf("average value: %+v, error %v", p, err)
	}
	// 200 m of 200 m requested: 100 %.
	if p, err := calc.ResourceUtilization(q, 50); err != nil || p.Utilization != 100 || p.Replicas != 4 {
		t.Errorf("utilisation: %+v, error %v", p, err)
	}
	q.Samples = samples[2:]
	if _, err := calc.ResourceUtilization(q, 50); !errors.Is(err, ErrNoMetricsForKnownPods) {
		t.Errorf("only gone pods: %v", err)
	}
}

// TestSectionErrors: each way in which a metric says nothing.
func TestSectionErrors(t *testing.T) {
	pods, samples := servers(1, 50)
	noRequest := []Pod{{Name: "p", Phase: Running, Ready: ReadyTrue, StartedAt: LongAgo, Containers: []Container{{Name: "server"}}}}
	pending := []Pod{{Phase: Pending}}
	calc := NewCalculator(DefaultConfig())
	for _, tt := range []struct {
		name string
		q    Query
		want error
	}{
		{"no samples", Query{Pods: pods, Resource: CPU}, ErrNoMetrics},
		{"no pods", Query{Samples: samples, Resource: CPU}, ErrNoPods},
		{"only pods that do not count", Query{Pods: pending, Samples: samples, Resource: CPU}, ErrOnlyUnreadyPods},
		{"no request", Query{Pods: noRequest, Samples: samples, Resource: CPU}, ErrMissingRequest},
		{"no such container", Query{Pods: pods, Samples: samples, Resource: CPU, Container: "nobody"}, ErrContainerNotFound},
		{"unknown resource", Query{Pods: pods, Samples: samples, Resource: "gpu"}, ErrMissingRequest},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if p, err := calc.ResourceUtilization(&tt.q, 50); !errors.Is(err, tt.want) || p != (Proposal{}) {
				t.Errorf("%+v, error %v; want %v", p, err, tt.want)
			}
		})
	}
	if _, err := calc.ExternalValue(&Query{Replicas: 1}, nil, 1); !errors.Is(err, ErrNoMetrics) {
		t.Errorf("external value without values: %v", err)
	}
	if _, err := calc.ExternalAverageValue(&Query{Replicas: 1}, nil, 1); !errors.Is(err, ErrNoMetrics) {
		t.Errorf("external average value without values: %v", err)
	}
	if _, err := calc.ObjectValue(&Query{Replicas: 1}, 5, 1); !errors.Is(err, ErrNoPods) {
		t.Errorf("object value without pods: %v", err)
	}
	// Nothing per no pod: 0/0 is no number, and no request for replicas either.
	if p, err := calc.ObjectAverageValue(&Query{}, 0, 1000); err != nil || p.Replicas != 0 || p.UsageMillis != 0 {
		t.Errorf("nothing per no pod: %+v, error %v", p, err)
	}
	if p, err := calc.ObjectAverageValue(&Query{}, 2500, 1000); err != nil || p.Replicas != 3 || p.UsageMillis != math.MaxInt64 {
		t.Errorf("something per no pod: %+v, error %v", p, err)
	}
}

// TestSectionSaturation: what does not fit is held at the end, as newer releases do, and never wraps to the other side.
func TestSectionSaturation(t *testing.T) {
	const top, bottom = math.MaxInt64, math.MinInt64
	for _, tt := range []struct {
		name      string
		got, want int64
	}{
		{"sum", addSat(top, 1), top},
		{"sum of losses", addSat(bottom, -1), bottom},
		{"sum that fits", addSat(top, bottom), -1},
		{"product", mulSat(top/2+1, 2), top},
		{"product of a loss", mulSat(bottom/2-1, 2), bottom},
		{"product that fits", mulSat(-3, 4), -12},
		{"replicas", int64(ceilReplicas(3e9)), math.MaxInt32},
		{"negative replicas", int64(ceilReplicas(-3e9)), math.MinInt32},
		{"no replicas", int64(ceilReplicas(math.NaN())), 0},
		{"amount", ceilMillis(1e19), top},
		{"negative amount", ceilMillis(-1e19), bottom},
		{"no amount", ceilMillis(math.NaN()), 0},
		{"amount that fits", ceilMillis(-2.5), -2},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, tt.got, tt.want)
		}
	}
	// A utilisation beyond int32 percent is held too, and so are the replicas.
	pods, samples := servers(2, top/300, top/300)
	p, err := NewCalculator(DefaultConfig()).ResourceUtilization(&Query{Replicas: 2, Pods: pods, Samples: samples, Resource: CPU}, 1)
	if err != nil || p.Utilization != math.MaxInt32 || p.Replicas != math.MaxInt32 {
		t.Errorf("%+v, error %v", p, err)
	}
}

// TestSectionAppendSamples: what becomes of the containers of a pod in the resource metrics API.
func TestSectionAppendSamples(t *testing.T) {
	usage := []PodUsage{
		{Pod: 0, At: 7, Window: 3, Containers: []ContainerUsage{
			{Name: "server", CPU: Millis(30), Memory: Millis(5)}, {Name: "proxy", CPU: Millis(12), Memory: Millis(6)},
		}},
		{Pod: 1, Containers: []ContainerUsage{{Name: "server", Memory: Millis(7)}}},
		{Pod: 2},
	}
	sums := func(s []Sample) (total int64) {
		for _, v := range s {
			total += v.Millis
		}
		return total
	}
	// Pod 1 has no CPU, pod 2 no containers: no sample either.
	if s, err := AppendSamples(nil, usage, CPU, "", false); err != nil || len(s) != 1 || s[0] != (Sample{0, 7, 3, 42}) {
		t.Errorf("all containers: %+v, error %v", s, err)
	}
	if s, err := AppendSamples(nil, usage[:2], Memory, "server", false); err != nil || len(s) != 2 || sums(s) != 12 {
		t.Errorf("one container: %+v, error %v", s, err)
	}
	keep := []Sample{{Millis: 1}}
	if s, err := AppendSamples(keep, usage, CPU, "proxy", false); !errors.Is(err, ErrMissingContainerMetric) || len(s) != 1 {
		t.Errorf("one pod lacks the container: %+v, error %v", s, err)
	}
	if s, err := AppendSamples(nil, usage, CPU, "proxy", true); err != nil || len(s) != 1 || s[0].Millis != 12 {
		t.Errorf("one pod lacks the container, lenient: %+v, error %v", s, err)
	}
}

// TestSectionLimits: from 3 replicas no behavior allows max(2*3, 4) = 6, an empty one max(3+4, 2*3) = 7; and max holds before
// either.
func TestSectionLimits(t *testing.T) {
	for _, tt := range []struct {
		name           string
		behavior       *Behavior
		current, value int32
		maxReplicas    int32
		want           int32
		reason         Reason
	}{
		{"no behavior", nil, 3, 100, 50, 6, ScaleUpLimit},
		{"no behavior, from 1", nil, 1, 100, 50, 4, ScaleUpLimit},
		{"empty behavior", &Behavior{}, 3, 100, 50, 7, ScaleUpLimit},
		{"empty behavior, from 10", &Behavior{}, 10, 100, 50, 20, ScaleUpLimit},
		{"max is the limit", nil, 3, 100, 6, 6, TooManyReplicas},
		{"max is the limit of a behavior too", &Behavior{}, 3, 100, 7, 7, TooManyReplicas},
		{"within", nil, 3, 6, 50, 6, DesiredWithinRange},
		{"10 % from 50 allow 56", &Behavior{ScaleUp: &ScalingRules{Policies: []Policy{{PercentPolicy, 10, 60}}}}, 50, 90, 100, 56, ScaleUpLimit},
		{"disabled", &Behavior{ScaleUp: &ScalingRules{SelectPolicy: DisabledSelect}}, 3, 100, 50, 3, ScaleUpLimit},
		{"the smallest", &Behavior{ScaleUp: &ScalingRules{SelectPolicy: MinSelect}}, 3, 100, 50, 6, ScaleUpLimit},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctl := newController(Spec{MaxReplicas: tt.maxReplicas, Behavior: tt.behavior, Metrics: external(1)}, DefaultConfig())
			d := ctl.Sync(0, &Inputs{SpecReplicas: tt.current, StatusReplicas: tt.current, Metrics: values(int64(tt.value))})
			if d.Desired != tt.want || d.ScalingLimited.Reason != tt.reason || d.Bound < d.Desired {
				t.Errorf("%s (bound %d), want %d %s", d.Explain(), d.Bound, tt.want, tt.reason)
			}
		})
	}
}

// external returns n external metrics with a target of 1 per pod, so that a value is a proposal.
func external(n int) []MetricSpec {
	m := make([]MetricSpec, n)
	for i := range m {
		m[i] = MetricSpec{Type: ExternalMetric, Name: "load", Target: Target{Type: AverageValueTarget, AverageValueMillis: 1000}}
	}
	return m
}

// failure in values means that the metric could not be had.
const failure = -1

func values(v ...int64) []MetricData {
	m := make([]MetricData, len(v))
	for i := range v {
		m[i] = MetricData{ValuesMillis: []int64{v[i] * 1000}}
		if v[i] == failure {
			m[i] = MetricData{Err: ErrMetricsAPI}
		}
	}
	return m
}
