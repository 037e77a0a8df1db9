package hpadiff

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/grlscaler/grlscaler/sim/hpa"
)

var selector = labels.SelectorFromSet(podLabels)

// question is one metric to be turned into a proposal.
type question struct {
	cfg    hpa.Config
	metric hpa.MetricSpec
	state  *state
}

// answer is what comes of it.
type answer struct {
	replicas, utilization int32
	usage                 int64
	err                   error       // one of package hpa, or nil
	outcome               hpa.Outcome // ours only
}

// question draws one; a metric's proposal does not depend on the other direction's tolerance being the same.
func (g *gen) question(now time.Duration) *question {
	g.odd = g.chance(0.02)
	q := &question{cfg: g.config(), metric: g.metric()}
	q.metric.Name = "m0"
	g.relax(&q.cfg)
	t := &q.cfg.Tolerance
	if !oneTolerance && g.chance(0.3) {
		t.Down = oneOf(g, 0, 0.1, 0.3, float64(g.IntN(1000))/1000)
	}
	metrics := []hpa.MetricSpec{q.metric}
	spec, status := g.replicas(), g.replicas()
	if g.chance(0.5) {
		status = spec
	}
	q.state = g.state(now, spec, status, &q.cfg, *t, g.templates(metrics), metrics)
	return q
}

// ours asks package hpa.
func (q *question) ours() answer {
	calc, s, m := hpa.NewCalculator(q.cfg), q.state, &q.metric
	d := s.metricData(0, m, &q.cfg)
	ask := &hpa.Query{
		Now: s.now, Replicas: s.spec, Tolerance: q.cfg.Tolerance, Pods: s.pods, Samples: d.Samples, Resource: m.Resource, Container: m.Container,
	}
	var p hpa.Proposal
	err := d.Err
	value, perPod := m.Target.ValueMillis, m.Target.Type == hpa.AverageValueTarget
	if perPod {
		value = m.Target.AverageValueMillis
	}
	if perPod && (m.Type == hpa.ObjectMetric || m.Type == hpa.ExternalMetric) {
		ask.Replicas = s.status
	}
	switch {
	case err != nil:
	case m.Type == hpa.PodsMetric:
		p, err = calc.PodsAverageValue(ask, value)
	case m.Type == hpa.ObjectMetric && perPod:
		p, err = calc.ObjectAverageValue(ask, d.ValuesMillis[0], value)
	case m.Type == hpa.ObjectMetric:
		p, err = calc.ObjectValue(ask, d.ValuesMillis[0], value)
	case m.Type == hpa.ExternalMetric && perPod:
		p, err = calc.ExternalAverageValue(ask, d.ValuesMillis, value)
	case m.Type == hpa.ExternalMetric:
		p, err = calc.ExternalValue(ask, d.ValuesMillis, value)
	case perPod:
		p, err = calc.ResourceAverageValue(ask, value)
	default:
		p, err = calc.ResourceUtilization(ask, m.Target.AverageUtilization)
	}
	if err != nil {
		return answer{err: kind(err)}
	}
	return answer{p.Replicas, p.Utilization, p.UsageMillis, nil, p.Outcome}
}

// metricData is what package hpa is told of metric i.
func (s *state) metricData(i int, m *hpa.MetricSpec, c *hpa.Config) hpa.MetricData {
	d := &s.metrics[i]
	resource := m.Type == hpa.ResourceMetric || m.Type == hpa.ContainerResourceMetric
	if resource && s.usageFails || !resource && d.fails {
		return hpa.MetricData{Err: hpa.ErrMetricsAPI}
	}
	if !resource {
		return hpa.MetricData{Samples: d.samples, ValuesMillis: d.values}
	}
	samples, err := hpa.AppendSamples(nil, s.usage, m.Resource, m.Container, c.LenientContainers)
	return hpa.MetricData{Samples: samples, Err: err}
}

// upstream asks the real calculator.
func (q *question) upstream(c *cluster) answer {
	u := newUpstream(c, &q.cfg, q.cfg.Tolerance)
	c.places[0].find(q.state)
	s, m := q.state, &q.metric
	a := answer{utilization: hpa.NoUtilization}
	var err error
	perPod := m.Target.Type == hpa.AverageValueTarget
	switch {
	case m.Type == hpa.PodsMetric:
		a.replicas, a.usage, err = u.pods(s.spec, m.Target.AverageValueMillis)
	case m.Type == hpa.ObjectMetric && perPod:
		a.replicas, a.usage, err = u.objectPerPod(s.status, m.Target.AverageValueMillis)
	case m.Type == hpa.ObjectMetric:
		a.replicas, a.usage, err = u.object(s.spec, m.Target.ValueMillis)
	case m.Type == hpa.ExternalMetric && perPod:
		a.replicas, a.usage, err = u.externalPerPod(s.status, m.Target.AverageValueMillis)
	case m.Type == hpa.ExternalMetric:
		a.replicas, a.usage, err = u.external(s.spec, m.Target.ValueMillis)
	case perPod:
		a.replicas, a.usage, err = u.resource(s.spec, m.Target.AverageValueMillis, m.Resource, m.Container)
	default:
		a.replicas, a.utilization, a.usage, err = u.utilization(s.spec, m.Target.AverageUtilization, m.Resource, m.Container)
	}
	if err != nil {
		return answer{err: upstreamKind(err)}
	}
	return a
}

var kinds = []struct {
	err  error
	text string // how upstream says it
}{
	{hpa.ErrMetricsAPI, errAPI.Error()},
	{hpa.ErrNoMetricsForKnownPods, "no metrics returned matched known pods"},
	{hpa.ErrNoMetrics, "no metrics returned from"},
	{hpa.ErrOnlyUnreadyPods, "did not receive metrics for targeted pods"},
	{hpa.ErrNoPods, "no pods returned by selector"},
	{hpa.ErrMissingRequest, "missing request"},
	{hpa.ErrMissingRequest, "missing pod-level request"},
	{hpa.ErrContainerNotFound, "not found in Pod"},
	{hpa.ErrMissingContainerMetric, "not present in metrics"},
}

// kind is the error of package hpa that err is.
func kind(err error) error {
	for _, k := range kinds {
		if errors.Is(err, k.err) {
			return k.err
		}
	}
	return fmt.Errorf("an error of unknown kind: %w", err)
}

func upstreamKind(err error) error {
	for _, k := range kinds {
		if strings.Contains(err.Error(), k.text) {
			return k.err
		}
	}
	return fmt.Errorf("an error of unknown kind: %w", err)
}

// differs says how two answers differ, or nothing.
func (q *question) differs(ours, theirs answer) string {
	switch {
	case ours.err != nil && theirs.err != nil:
		if ours.err != theirs.err && !q.sameError(ours.err, theirs.err) {
			return fmt.Sprintf("error %q, upstream %q", ours.err, theirs.err)
		}
	case ours.err != nil || theirs.err != nil:
		return fmt.Sprintf("error %v, upstream %v", ours.err, theirs.err)
	case ours.replicas != theirs.replicas:
		return fmt.Sprintf("%d replicas, upstream %d", ours.replicas, theirs.replicas)
	case ours.utilization != theirs.utilization:
		return fmt.Sprintf("utilization %d, upstream %d", ours.utilization, theirs.utilization)
	case ours.usage != theirs.usage && !undefined(&q.cfg, &q.metric, q.state):
		return fmt.Sprintf("usage %d, upstream %d", ours.usage, theirs.usage)
	}
	return ""
}

// sameError allows the one case in which package hpa cannot know what upstream knows: the API returned pods, but none of
// them with the resource (or, since 1.33, the container). Upstream then goes on to the pods, package hpa has no samples.
func (q *question) sameError(ours, theirs error) bool {
	return ours == hpa.ErrNoMetrics && len(q.state.usage) > 0 && (theirs == hpa.ErrOnlyUnreadyPods || theirs == hpa.ErrNoPods)
}

// undefined says that the part of each pod in a total is reported, and that there are no pods: upstream divides by 0 and
// turns the result into an integer, for which Go has no rule; OverflowSaturates has one.
func undefined(c *hpa.Config, m *hpa.MetricSpec, s *state) bool {
	perPod := m.Target.Type == hpa.AverageValueTarget && (m.Type == hpa.ObjectMetric || m.Type == hpa.ExternalMetric)
	return perPod && s.status == 0 && c.Overflow == hpa.OverflowSaturates
}

// minimal takes away from a question that is answered differently what does not matter for that.
func (q *question) minimal(different func(*question) bool) *question {
	for again := true; again; {
		again = false
		try := func(change func(*state)) {
			s := *q.state
			s.pods, s.of, s.usage = slices.Clone(s.pods), slices.Clone(s.of), slices.Clone(s.usage)
			s.metrics = slices.Clone(s.metrics)
			s.metrics[0].samples, s.metrics[0].values = slices.Clone(s.metrics[0].samples), slices.Clone(s.metrics[0].values)
			change(&s)
			if smaller := (&question{q.cfg, q.metric, &s}); different(smaller) {
				q, again = smaller, true
			}
		}
		for i := len(q.state.pods) - 1; i >= 0; i-- {
			try(func(s *state) { s.remove(i) })
		}
		for i := len(q.state.usage) - 1; i >= 0; i-- {
			try(func(s *state) { s.usage = slices.Delete(s.usage, i, i+1) })
		}
		for i := len(q.state.metrics[0].samples) - 1; i >= 0; i-- {
			try(func(s *state) { s.metrics[0].samples = slices.Delete(s.metrics[0].samples, i, i+1) })
		}
		for i := len(q.state.metrics[0].values) - 1; i > 0; i-- {
			try(func(s *state) { s.metrics[0].values = slices.Delete(s.metrics[0].values, i, i+1) })
		}
	}
	return q
}

// remove takes pod i away, with its samples.
func (s *state) remove(i int) {
	s.pods, s.of = slices.Delete(s.pods, i, i+1), slices.Delete(s.of, i, i+1)
	s.usage = slices.DeleteFunc(s.usage, func(u hpa.PodUsage) bool { return u.Pod == i })
	for k := range s.usage {
		if s.usage[k].Pod > i {
			s.usage[k].Pod--
		}
	}
	d := &s.metrics[0]
	d.samples = slices.DeleteFunc(d.samples, func(v hpa.Sample) bool { return v.Pod == i })
	for k := range d.samples {
		if d.samples[k].Pod > i {
			d.samples[k].Pod--
		}
	}
}

// TestReplicaCalculator asks the real calculator and ours for proposals.
func TestReplicaCalculator(t *testing.T) {
	t.Parallel()
	first, n := inputs()
	began := time.Now()
	failed, tally := 0, map[string]int{}
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{places: []*place{{}}}
		time.Sleep(time.Hour)
		now := time.Since(origin)
		for i := first; i < first+n && failed < maxFailures; i++ {
			q := newGen("calculator", i).question(now)
			ours, theirs := q.ours(), q.upstream(c)
			tally[ours.name()]++
			if q.differs(ours, theirs) == "" {
				continue
			}
			failed++
			q = q.minimal(func(q *question) bool { return q.differs(q.ours(), q.upstream(c)) != "" })
			ours, theirs = q.ours(), q.upstream(c)
			t.Errorf("%s\nrepeat with -run TestReplicaCalculator -args -seed %d -only %d\n%s", q.differs(ours, theirs), *seed, i, q.dump())
		}
	})
	t.Logf("Kubernetes 1.%d: %d proposals compared in %v, %d differ (%s)", minor(), n, time.Since(began).Round(time.Second), failed, counts(tally))
}

func (a answer) name() string {
	if a.err != nil {
		return a.err.Error()
	}
	return a.outcome.String()
}
