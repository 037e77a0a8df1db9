package vpa

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// instant is what is seen at one time: CPU of any pods, memory of some.
type instant struct {
	at     time.Duration
	cpu    []int64
	pods   []int64
	memory []int64
	kills  []int64 // requests of pods 0, 1, ... that are OOM-killed afterwards
}

func genHistory(t *rapid.T) []instant {
	var out []instant
	at := time.Duration(0)
	for range rapid.IntRange(1, 40).Draw(t, "instants") {
		in := instant{at: at}
		for range rapid.IntRange(0, 4).Draw(t, "cpu samples") {
			in.cpu = append(in.cpu, rapid.Int64Range(0, 5000).Draw(t, "millis"))
		}
		for range rapid.IntRange(0, 5).Draw(t, "memory samples") {
			in.pods = append(in.pods, rapid.Int64Range(0, 2).Draw(t, "pod"))
			in.memory = append(in.memory, rapid.SampledFrom([]int64{0, 1e6, 1e7, 2e8, 2e8 + 1, 9e8, 3e9, 2e12}).Draw(t, "bytes"))
		}
		if rapid.IntRange(0, 5).Draw(t, "kill") == 0 {
			in.kills = append(in.kills, rapid.Int64Range(0, 4e9).Draw(t, "request"))
		}
		out = append(out, in)
		at += rapid.SampledFrom([]time.Duration{time.Minute, time.Hour, 13 * time.Hour, 24 * time.Hour, 50 * time.Hour, 9 * day}).Draw(t, "pause")
	}
	return out
}

// feed adds a history that begins later by shift, each instant's samples in a random order if there is one.
func feed(r *Recommender, history []instant, shift time.Duration, order *rand.Rand) {
	for _, in := range history {
		cpu, n := slices.Clone(in.cpu), len(in.pods)
		index := make([]int, n)
		for i := range index {
			index[i] = i
		}
		if order != nil {
			order.Shuffle(len(cpu), func(i, j int) { cpu[i], cpu[j] = cpu[j], cpu[i] })
			order.Shuffle(n, func(i, j int) { index[i], index[j] = index[j], index[i] })
		}
		for _, v := range cpu {
			r.AddCPU(in.at+shift, v)
		}
		for _, i := range index {
			r.AddMemory(in.pods[i], in.at+shift, in.memory[i])
		}
		for i, v := range in.kills {
			r.OOM(int64(i), in.at+shift, v)
		}
	}
}

func genPolicy(t *rapid.T) ContainerPolicy {
	p := ContainerPolicy{ContainerName: "*"}
	if rapid.Bool().Draw(t, "bounded") {
		for _, res := range resources {
			least := rapid.Int64Range(0, 3e9).Draw(t, "least")
			p.MinAllowed.set(res, least)
			if rapid.Bool().Draw(t, "above too") {
				p.MaxAllowed.set(res, least+rapid.Int64Range(1, 3e9).Draw(t, "most"))
			}
		}
	}
	p.ControlledResources = rapid.SampledFrom([][]Resource{nil, {CPU}, {Memory}, {Memory, CPU}}).Draw(t, "controlled")
	return p
}

// TestPropertyRecommendation: the target is between the bounds, all are within the policy's bounds and what can be counted,
// and neither the order of samples within an instant nor the time at which all begins changes anything.
func TestPropertyRecommendation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		policy, history := genPolicy(t), genHistory(t)
		containers := rapid.IntRange(1, 30).Draw(t, "containers")
		spec := Spec{ContainerPolicies: []ContainerPolicy{policy}}
		ask := func(shift time.Duration, order *rand.Rand) (Recommendation, bool) {
			r, err := NewRecommender(spec, "app", containers, DefaultConfig())
			if err != nil {
				t.Fatal(err)
			}
			feed(r, history, shift, order)
			return r.Recommendation(history[len(history)-1].at + shift)
		}
		got, ok := ask(0, nil)
		policy = spec.Policy("app")
		for _, res := range resources {
			lower, target, upper := got.Lower.Of(res), got.Target.Of(res), got.Upper.Of(res)
			if lower > target || target > upper || lower < 0 || upper > MaxAmount {
				t.Fatalf("%s: from %d, %d, to %d", res, lower, target, upper)
			}
			if !ok || !slices.Contains(policy.ControlledResources, res) {
				if upper != 0 || got.UncappedTarget.Of(res) != 0 {
					t.Fatalf("%s is not controlled: %+v", res, got)
				}
				continue
			}
			if m := policy.MaxAllowed.Of(res); lower < policy.MinAllowed.Of(res) || m > 0 && upper > m {
				t.Fatalf("%s: %+v does not obey %+v", res, got, policy)
			}
			if least := scaled(DefaultConfig().PodMinimum.Of(res), 1/float64(containers)); got.UncappedTarget.Of(res) < least {
				t.Fatalf("%s: %d is below the pod's minimum", res, got.UncappedTarget.Of(res))
			}
		}
		shift := time.Duration(rapid.Int64Range(-int64(3000*day), int64(3000*day)).Draw(t, "shift"))
		if later, okLater := ask(shift, nil); later != got || okLater != ok {
			t.Fatalf("later by %v %+v, else %+v", shift, later, got)
		}
		if other, okOther := ask(0, rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "order"), 0))); other != got || okOther != ok {
			t.Fatalf("in another order %+v, else %+v", other, got)
		}
	})
}

// TestPropertyHistogram: percentiles rise with p, and agree with weights that are computed from all samples at once, by other
// means: bucket by bucket from the bottom, relative to the youngest sample.
func TestPropertyHistogram(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h, err := NewHistogram(CPUBuckets, day)
		if err != nil {
			t.Fatal(err)
		}
		n := rapid.IntRange(1, 60).Draw(t, "samples")
		at, ends, ages := make([]time.Duration, n), make([]float64, n), 0*day
		for i := range n {
			ages += time.Duration(rapid.Int64Range(0, int64(5*day)).Draw(t, "pause"))
			at[i] = ages
			value := rapid.Float64Range(0, 900).Draw(t, "value")
			for size := 0.01; ; size *= 1.05 {
				if ends[i] += size; value < ends[i] {
					break
				}
			}
			h.Add(at[i], value, 0.1)
		}
		// The weight up to the bucket that ends at x, of all.
		upTo := func(x float64) float64 {
			var sum, all float64
			for i := range n {
				w := math.Exp2(-float64(at[n-1]-at[i]) / float64(day))
				if all += w; ends[i] <= x {
					sum += w
				}
			}
			return sum / all
		}
		// Buckets of less than a thousandth of one sample, which itself may weigh twice as much, do not count.
		slack := 1e-9
		for i := range n {
			if only := upTo(ends[i]*1.001) - upTo(ends[i]*0.999); only < 0.002 {
				slack += only
			}
		}
		before := 0.0
		for _, p := range []float64{0, 0.01, 0.1, 0.5, 0.9, 0.95, 0.99, 1} {
			got := h.Percentile(p)
			if got < before {
				t.Fatalf("percentile %v is %v, a lower one %v", p, got, before)
			}
			before = got
			if below, upTo := upTo(got*0.999), upTo(got*1.001); below > p+slack || upTo < p-slack {
				t.Fatalf("percentile %v is %v, but %v of the weight is below and %v up to it", p, got, below, upTo)
			}
		}
	})
}

// TestPropertyPlan: a plan takes away no more pods than it may, pods that are not in need never, the ones most in need first;
// and it is a function of its inputs.
func TestPropertyPlan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := DefaultConfig()
		cfg.EvictionTolerance = rapid.SampledFrom([]float64{0, 0.1, 0.5, 1}).Draw(t, "tolerance")
		spec := Spec{UpdateMode: rapid.SampledFrom([]UpdateMode{ModeOff, ModeInitial, ModeRecreate, ModeInPlaceOrRecreate}).Draw(t, "mode")}
		in := Inputs{Replicas: rapid.Int32Range(0, 8).Draw(t, "replicas"), Recommendations: advice}
		running := 0
		for range rapid.IntRange(0, 10).Draw(t, "pods") {
			p := pod(time.Duration(rapid.IntRange(0, 20).Draw(t, "age"))*time.Hour, rapid.Int64Range(0, 400).Draw(t, "cpu"),
				rapid.Int64Range(0, 800).Draw(t, "memory"))
			p.Pending = rapid.IntRange(0, 4).Draw(t, "pending") == 0
			p.Resize = ResizeStatus(rapid.IntRange(0, 6).Draw(t, "resize")) % 4
			p.ResizedAt = now - time.Duration(rapid.IntRange(0, 90).Draw(t, "since"))*time.Minute
			p.Containers[0].QuickOOM = rapid.IntRange(0, 4).Draw(t, "oom") == 0
			if !p.Pending {
				running++
			}
			in.Pods = append(in.Pods, p)
		}
		u, err := NewUpdater(spec, cfg)
		if err != nil {
			t.Fatal(err)
		}
		plan := u.Plan(now, &in)
		if len(plan.Verdicts) != len(in.Pods) {
			t.Fatalf("%d verdicts on %d pods", len(plan.Verdicts), len(in.Pods))
		}
		disrupted := len(plan.Resize)
		for _, i := range plan.Evict {
			if !in.Pods[i].Pending {
				disrupted++
			}
		}
		tolerance := int(float64(in.Replicas) * cfg.EvictionTolerance)
		if left := running - disrupted; disrupted > 0 && left < int(in.Replicas)-max(tolerance, 1) {
			t.Fatalf("%d of %d are left, tolerance %d", left, in.Replicas, tolerance)
		}
		if n := len(plan.Resize) + len(plan.Evict); n > 0 &&
			(len(in.Pods) < 2 || in.Replicas == 0 || spec.UpdateMode == ModeOff || spec.UpdateMode == ModeInitial) {
			t.Fatalf("%d pods are updated", n)
		}
		if len(plan.Resize) > 0 && spec.UpdateMode != ModeInPlaceOrRecreate {
			t.Fatal("resized in place")
		}
		for _, order := range [][]int{plan.Resize, plan.Evict} {
			for k, i := range order {
				v := plan.Verdicts[i]
				if v.Reason != OutsideBounds && v.Reason != QuickOOM && v.Reason != OffTarget || v.Change == 0 || v.Action == Keep {
					t.Fatalf("pod %d: %+v", i, v)
				}
				if k == 0 {
					continue
				}
				if w := plan.Verdicts[order[k-1]]; v.Growing && !w.Growing || v.Growing == w.Growing && v.Change > w.Change {
					t.Fatalf("order %v: %+v after %+v", order, v, w)
				}
			}
		}
		fresh, err := NewUpdater(spec, cfg)
		if err != nil {
			t.Fatal(err)
		}
		first := Plan{slices.Clone(plan.Verdicts), slices.Clone(plan.Resize), slices.Clone(plan.Evict)}
		for _, again := range []Plan{u.Plan(now, &in), fresh.Plan(now, &in)} {
			if !slices.Equal(again.Verdicts, first.Verdicts) || !slices.Equal(again.Resize, first.Resize) || !slices.Equal(again.Evict, first.Evict) {
				t.Fatalf("again %+v, before %+v", again, first)
			}
		}
	})
}

// TestPropertyApply: what is applied is applied for good: a pod with the recommendation's resources gets the same again, and
// is not replaced.
func TestPropertyApply(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := genPolicy(t)
		p.ControlledValues = rapid.SampledFrom([]ControlledValues{"", RequestsAndLimits, RequestsOnly}).Draw(t, "values")
		spec := Spec{ContainerPolicies: []ContainerPolicy{p}}
		rec := Recommendation{Container: "app"}
		have := Resources{}
		for _, res := range resources {
			lower := rapid.Int64Range(1, 1e6).Draw(t, "lower")
			target := lower + rapid.Int64Range(0, 1e6).Draw(t, "target")
			rec.Lower.set(res, lower)
			rec.Target.set(res, target)
			rec.Upper.set(res, target+rapid.Int64Range(0, 1e6).Draw(t, "upper"))
			have.Request.set(res, rapid.Int64Range(0, 1e6).Draw(t, "request"))
			if rapid.Bool().Draw(t, "limited") {
				have.Limit.set(res, have.Request.Of(res)+rapid.Int64Range(1, 1e6).Draw(t, "limit"))
			}
		}
		once := spec.Apply(rec, have)
		twice := spec.Apply(rec, once)
		if diff := cmp.Diff(once, twice); diff != "" {
			t.Fatalf("(-once +twice):\n%s", diff)
		}
		for _, res := range resources {
			if l := once.Limit.Of(res); l > 0 && once.Request.Of(res) > l {
				t.Fatalf("%s: %d is requested of %d", res, once.Request.Of(res), l)
			}
		}
		u, err := NewUpdater(spec, DefaultConfig())
		if err != nil {
			t.Fatal(err)
		}
		settled := Pod{StartedAt: now - 100*day, Containers: []Container{{Name: "app", Resources: once}}}
		plan := u.Plan(now, &Inputs{Replicas: 2, Pods: []Pod{settled, settled}, Recommendations: []Recommendation{rec}})
		if v := plan.Verdicts[0]; v.Reason != OnTarget || v.Change != 0 {
			t.Fatalf("%+v of a pod with %+v, recommended %+v", v, once, rec)
		}
	})
}
