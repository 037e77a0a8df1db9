package hpa

import (
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func genRules(t *rapid.T, name string) *ScalingRules {
	if rapid.Bool().Draw(t, name+" default") {
		return nil
	}
	r := &ScalingRules{SelectPolicy: rapid.SampledFrom([]SelectPolicy{"", MaxSelect, MinSelect, DisabledSelect}).Draw(t, name+" select")}
	if rapid.Bool().Draw(t, name+" window given") {
		r.StabilizationWindowSeconds = ptr(rapid.Int32Range(0, 240).Draw(t, name+" window"))
	}
	for i := rapid.IntRange(0, 3).Draw(t, name+" policies"); i > 0; i-- {
		r.Policies = append(r.Policies, Policy{
			Type:          rapid.SampledFrom([]PolicyType{PodsPolicy, PercentPolicy}).Draw(t, "type"),
			Value:         rapid.Int32Range(1, 150).Draw(t, "value"),
			PeriodSeconds: rapid.SampledFrom([]int32{15, 15, 20, 60}).Draw(t, "period"),
		})
	}
	return r
}

func genSpec(t *rapid.T) Spec {
	minR := rapid.Int32Range(1, 8).Draw(t, "min")
	s := Spec{MinReplicas: &minR, MaxReplicas: minR + rapid.Int32Range(0, 60).Draw(t, "max above min"), Metrics: external(1)}
	if rapid.Bool().Draw(t, "behavior") {
		s.Behavior = &Behavior{ScaleUp: genRules(t, "up"), ScaleDown: genRules(t, "down")}
	}
	return s
}

// remembering is the controller's rule of stabilisation and limits on a history that is never pruned nor overwritten: the
// way stored entries are reused must not change any answer, as long as both directions look back equally far (events.store
// says why).
type remembering struct {
	cfg       Config
	spec      Spec
	recs      []Recommendation
	ups, down []event
}

func (m *remembering) sync(now time.Duration, current, proposed int32) int32 {
	if len(m.recs) == 0 {
		m.recs = append(m.recs, Recommendation{now, current})
	}
	minR, maxR := *m.spec.MinReplicas, m.spec.MaxReplicas
	want := current
	switch {
	case current == 0:
		return 0
	case current > maxR:
		want = maxR
	case current < minR:
		want = minR
	case m.spec.Behavior == nil:
		h := append(history{}, m.recs...)
		want = m.cfg.limit(current, h.stabilizeDown(now, proposed, m.cfg.DownscaleStabilization), minR, maxR).replicas
		m.recs = append(m.recs, Recommendation{now, proposed})
	default:
		d := m.spec.WithDefaults().Behavior
		b := behavior{d.ScaleUp.resolve(0), d.ScaleDown.resolve(m.cfg.DownscaleStabilization)}
		h := append(history{}, m.recs...)
		x := h.stabilize(now, current, proposed, b.up.window, b.down.window)
		want = b.limit(now, current, x, minR, maxR, m.ups, m.down).replicas
		m.recs = append(m.recs, Recommendation{now, proposed})
	}
	if want > current {
		m.ups = append(m.ups, event{at: now, change: want - current})
	} else if want < current {
		m.down = append(m.down, event{at: now, change: current - want})
	}
	return want
}

// TestPropertyController drives a controller with any proposals, pauses and hands that meddle.
func TestPropertyController(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		spec, cfg := genSpec(t), DefaultConfig()
		cfg.DownscaleStabilization = time.Duration(rapid.IntRange(0, 120).Draw(t, "downscale stabilization")) * time.Second
		cfg.SyncPeriod = 5 * time.Second
		cfg.Tolerance = Tolerance{} // so that a value is a proposal
		c, err := New(spec, cfg)
		if err != nil {
			t.Fatal(err)
		}
		model := &remembering{cfg: cfg, spec: spec}
		minR, maxR := *spec.MinReplicas, spec.MaxReplicas
		replicas, now := rapid.Int32Range(minR, maxR).Draw(t, "start"), time.Duration(0)
		for range rapid.IntRange(1, 60).Draw(t, "syncs") {
			proposed := rapid.Int32Range(0, maxR+10).Draw(t, "proposed")
			if rapid.IntRange(0, 9).Draw(t, "meddle") == 0 {
				replicas = rapid.Int32Range(0, maxR+5).Draw(t, "set by hand")
			}
			d := c.Sync(now, &Inputs{SpecReplicas: replicas, StatusReplicas: max(replicas, 1), Metrics: values(int64(proposed))})
			equal := c.behavior == nil || c.behavior.up.longest == c.behavior.down.longest
			if want := model.sync(now, replicas, proposed); equal && d.Desired != want {
				t.Fatalf("%s; with a complete history %d", d.Explain(), want)
			}
			if replicas != 0 && (d.Desired < minR || d.Desired > maxR) {
				t.Fatalf("%s, outside %d..%d", d.Explain(), minR, maxR)
			}
			// Neither limits nor stabilisation ever turn a proposal's direction round.
			if d.Path == PathMetrics && ((proposed > replicas && d.Desired < replicas && d.Stabilized >= replicas) ||
				(d.Stabilized > replicas && d.Desired < replicas) || (d.Stabilized < replicas && d.Desired > replicas)) {
				t.Fatalf("%s turned round", d.Explain())
			}
			if d.ScalingLimited.True && d.Bound != d.Desired {
				t.Fatalf("%s, but bound %d", d.Explain(), d.Bound)
			}
			replicas = d.Desired
			now += time.Duration(rapid.IntRange(1, 30).Draw(t, "pause")) * time.Second
		}
	})
}

// genWorkload draws pods in any state with any samples.
func genWorkload(t *rapid.T) *Query {
	q := &Query{Replicas: rapid.Int32Range(0, 20).Draw(t, "replicas"), Tolerance: DefaultConfig().Tolerance, Resource: CPU}
	when := func(name string) time.Duration {
		return time.Duration(rapid.IntRange(-600, 0).Draw(t, name)) * time.Second
	}
	for i := range rapid.IntRange(1, 15).Draw(t, "pods") {
		q.Pods = append(q.Pods, Pod{
			Phase:     Phase(rapid.IntRange(0, int(PhaseUnknown)).Draw(t, "phase")),
			Ready:     Ready(rapid.IntRange(0, int(ReadyUnknown)).Draw(t, "ready")),
			Deleting:  rapid.IntRange(0, 9).Draw(t, "deleting") == 0,
			StartedAt: when("started"), ReadyChangedAt: when("changed"),
			Containers: []Container{{Requests: Requests{CPU: Millis(100 * rapid.Int64Range(1, 5).Draw(t, "request"))}}}, // a whole number of percents
		})
		if rapid.IntRange(0, 4).Draw(t, "sampled") > 0 {
			q.Samples = append(q.Samples, Sample{Pod: i, At: when("at"), Window: 15 * time.Second, Millis: rapid.Int64Range(0, 1000).Draw(t, "usage")})
		}
	}
	if rapid.Bool().Draw(t, "gone") {
		q.Samples = append(q.Samples, Sample{Pod: Gone, Millis: rapid.Int64Range(0, 1000).Draw(t, "usage")})
	}
	return q
}

// shuffled returns the same workload with pods and samples in another order.
func shuffled(q *Query, seed uint64) *Query {
	r := rand.New(rand.NewPCG(seed, 0))
	out := *q
	out.Pods, out.Samples = make([]Pod, len(q.Pods)), append([]Sample{}, q.Samples...)
	perm := r.Perm(len(q.Pods))
	for i, p := range perm {
		out.Pods[p] = q.Pods[i]
	}
	for i := range out.Samples {
		if out.Samples[i].Pod != Gone {
			out.Samples[i].Pod = perm[out.Samples[i].Pod]
		}
	}
	r.Shuffle(len(out.Samples), func(i, j int) { out.Samples[i], out.Samples[j] = out.Samples[j], out.Samples[i] })
	return &out
}

// TestPropertyCalculator: the order of pods and samples plays no part; the groups cover all pods; filling in never makes the
// change larger than the plain ratio over the same pods would, and never turns it round.
func TestPropertyCalculator(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q, target := genWorkload(t), rapid.Int32Range(1, 150).Draw(t, "target")
		other := shuffled(q, rapid.Uint64().Draw(t, "order"))
		calc, used := NewCalculator(DefaultConfig()), NewCalculator(DefaultConfig())
		if _, err := used.ResourceUtilization(genWorkload(t), 50); err == nil {
			used.GroupPods(q) // whatever the buffers hold from before must not matter
		}
		g := calc.GroupPods(q)
		if g.Ready+g.Unready+g.Missing+g.Ignored != len(q.Pods) || len(g.Of) != len(q.Pods) {
			t.Fatalf("groups %+v of %d pods", g, len(q.Pods))
		}
		for name, rule := range map[string]func(*Calculator, *Query) (Proposal, error){
			"utilisation":   func(c *Calculator, q *Query) (Proposal, error) { return c.ResourceUtilization(q, target) },
			"average value": func(c *Calculator, q *Query) (Proposal, error) { return c.ResourceAverageValue(q, int64(target)) },
			"pods":          func(c *Calculator, q *Query) (Proposal, error) { return c.PodsAverageValue(q, int64(target)) },
		} {
			a, errA := rule(calc, q)
			b, errB := rule(used, other)
			if a != b || (errA == nil) != (errB == nil) {
				t.Fatalf("%s: %+v %v, in another order %+v %v", name, a, errA, b, errB)
			}
			if errA != nil {
				continue
			}
			filledIn := a.Ratio != a.FilledRatio
			if filledIn && ((a.Ratio < 1 && (a.FilledRatio < a.Ratio || a.Replicas > q.Replicas)) ||
				(a.Ratio > 1 && (a.FilledRatio > a.Ratio || a.Replicas < q.Replicas))) {
				t.Fatalf("%s: filled in the wrong way: %+v of %d", name, a, q.Replicas)
			}
			if a.Outcome == OutcomeNone || a.Replicas < 0 {
				t.Fatalf("%s: %+v", name, a)
			}
		}
	})
}

// TestPropertyMonotone: where all pods count and are as many as asked for, more usage never proposes fewer replicas, and a
// higher target never more.
func TestPropertyMonotone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 30).Draw(t, "pods")
		usage := rapid.Int64Range(0, 400).Draw(t, "usage")
		target := rapid.Int32Range(1, 150).Draw(t, "target")
		propose := func(usage int64, target int32) int32 {
			pods, samples := servers(n, same(n, usage)...)
			q := &Query{Replicas: int32(n), Tolerance: DefaultConfig().Tolerance, Pods: pods, Samples: samples, Resource: CPU}
			p, err := NewCalculator(DefaultConfig()).ResourceUtilization(q, target)
			if err != nil {
				t.Fatal(err)
			}
			return p.Replicas
		}
		base := propose(usage, target)
		if more := propose(usage+rapid.Int64Range(0, 50).Draw(t, "more"), target); more < base {
			t.Fatalf("more usage: %d, before %d", more, base)
		}
		if higher := propose(usage, target+rapid.Int32Range(0, 50).Draw(t, "higher")); higher > base {
			t.Fatalf("higher target: %d, before %d", higher, base)
		}
	})
}
