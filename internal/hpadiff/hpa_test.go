package hpadiff

import (
	"fmt"
	"math"
	"time"

	v2 "k8s.io/api/autoscaling/v2"
	v1 "k8s.io/api/core/v1"

	"github.com/grlscaler/grlscaler/sim/hpa"
)

// watched is one HPA that both sides handle, sync after sync.
type watched struct {
	index int
	gen   *gen
	cfg   hpa.Config
	spec  hpa.Spec
	tol   hpa.Tolerance // that holds, for drawing usage
	kinds []template
	ours  *hpa.Controller
	place *place

	before     v2.HorizontalPodAutoscalerStatus // the status that the present sync found
	conditions map[v2.HorizontalPodAutoscalerConditionType]hpa.Condition
	compared   int      // syncs so far
	log        []string // what was decided in each
	broken     bool     // differed once: what follows would differ too
}

// watch draws an HPA for a cluster's settings.
func (g *gen) watch(index int, cfg hpa.Config) *watched {
	g.odd = g.chance(0.02)
	g.relax(&cfg)
	w := &watched{index: index, gen: g, cfg: cfg, place: &place{}, conditions: map[v2.HorizontalPodAutoscalerConditionType]hpa.Condition{}}
	w.spec = g.spec(&cfg)
	ours, err := hpa.New(w.spec, cfg)
	if err != nil {
		panic(fmt.Sprintf("hpadiff: HPA %d: %v", index, err)) // the generator is wrong
	}
	w.ours, w.tol = ours, cfg.Tolerance
	if b := w.spec.Behavior; b != nil && cfg.PerHPATolerance {
		if b.ScaleUp != nil && b.ScaleUp.Tolerance != nil {
			w.tol.Up = *b.ScaleUp.Tolerance
		}
		if b.ScaleDown != nil && b.ScaleDown.Tolerance != nil {
			w.tol.Down = *b.ScaleDown.Tolerance
		}
	}
	w.kinds = g.templates(w.spec.Metrics)
	w.place.spec = oneOf(g, g.replicas(), 1+g.Int32N(50))
	w.place.begin = w.begin
	return w
}

// spec draws an object that the API server accepts.
func (g *gen) spec(c *hpa.Config) hpa.Spec {
	var s hpa.Spec
	s.MaxReplicas = oneOf(g, 1+g.replicas(), 1+g.replicas(), 50, 60)
	if g.chance(0.7) {
		s.MinReplicas = ptr(min(1+int32(g.IntN(5)), s.MaxReplicas))
	}
	switch {
	case g.chance(0.4):
		// The metric's value is the proposal: what is done with proposals matters here.
		s.Metrics = []hpa.MetricSpec{{Type: hpa.ExternalMetric, Target: hpa.Target{Type: hpa.AverageValueTarget, AverageValueMillis: 1000}}}
	case g.chance(0.95):
		for range 1 + g.IntN(3) {
			s.Metrics = append(s.Metrics, g.metric())
		}
	}
	for i := range s.Metrics {
		m := &s.Metrics[i]
		m.Name = ""
		switch m.Type {
		case hpa.PodsMetric, hpa.ObjectMetric, hpa.ExternalMetric:
			m.Name = fmt.Sprintf("m%d", i)
		}
		if c.ScaleToZero && (m.Type == hpa.ObjectMetric || m.Type == hpa.ExternalMetric) && g.chance(0.3) {
			s.MinReplicas = ptr(int32(0))
		}
	}
	if g.chance(0.6) {
		s.Behavior = &hpa.Behavior{ScaleUp: g.rules(c), ScaleDown: g.rules(c)}
	}
	return s
}

// rules draws the scaling rules of one direction, with windows and periods that syncs can hit exactly.
func (g *gen) rules(c *hpa.Config) *hpa.ScalingRules {
	if g.chance(0.2) {
		return nil
	}
	r := &hpa.ScalingRules{SelectPolicy: oneOf(g, "", hpa.MaxSelect, hpa.MaxSelect, hpa.MinSelect, hpa.MinSelect, hpa.DisabledSelect)}
	if r.SelectPolicy == hpa.DisabledSelect && g.chance(0.7) {
		r.SelectPolicy = ""
	}
	if g.chance(0.8) {
		r.StabilizationWindowSeconds = ptr(int32(oneOf(g, 0, 0, 0, 0, 15, 30, 45, 60, 105, 300, 3600, g.IntN(120))))
	}
	for range g.IntN(4) {
		p := hpa.Policy{
			Type: oneOf(g, hpa.PodsPolicy, hpa.PercentPolicy), PeriodSeconds: oneOf[int32](g, 15, 15, 30, 60, 105, 1, 1800, 1+int32(g.IntN(120))),
			Value: oneOf[int32](g, 1, 2, 4, 10, 33, 50, 80, 100, 200, 1+int32(g.IntN(60))),
		}
		if g.odd && g.chance(0.3) {
			p.Value = oneOf[int32](g, math.MaxInt32, math.MaxInt32-3, 1<<30)
		}
		r.Policies = append(r.Policies, p)
	}
	if !oneTolerance && g.chance(0.3) {
		// As the API server's quantities are read: thousandths times 0.001.
		r.Tolerance = ptr(milli(oneOf[int64](g, 0, 50, 70, 100, 200, g.Int64N(1000))).AsApproximateFloat64())
	}
	return r
}

// begin draws what a sync finds. The replicas are as the last sync left them, unless somebody interferes.
func (w *watched) begin(now time.Duration) *state {
	g, p := w.gen, w.place
	if g.chance(0.08) || p.spec == 0 && g.chance(0.2) {
		p.spec = g.replicas()
	}
	status := p.spec
	if g.chance(0.15) {
		status = g.replicas()
	}
	w.before = p.object.Status
	return g.state(now, p.spec, status, &w.cfg, w.tol, w.kinds, w.ours.Spec().Metrics)
}

// sync lets ours handle what upstream has just handled.
func (w *watched) sync() hpa.Decision {
	s := w.place.state
	in := hpa.Inputs{SpecReplicas: s.spec, StatusReplicas: s.status, Pods: s.pods}
	for i, m := range w.ours.Spec().Metrics {
		in.Metrics = append(in.Metrics, s.metricData(i, &m, &w.cfg))
	}
	d := w.ours.Sync(s.now, &in)
	for _, c := range []struct {
		kind v2.HorizontalPodAutoscalerConditionType
		ours hpa.Condition
	}{{v2.AbleToScale, d.AbleToScale}, {v2.ScalingActive, d.ScalingActive}, {v2.ScalingLimited, d.ScalingLimited}} {
		if c.ours.Reason != hpa.NoReason {
			w.conditions[c.kind] = c.ours
		}
	}
	w.log = append(w.log, d.Explain())
	return d
}

// differs says how a decision and what upstream wrote differ, or nothing.
func (w *watched) differs(d *hpa.Decision) string {
	p := w.place
	status := &p.object.Status
	switch written := p.written; {
	case d.Scaled() != (written == 1) || written > 1:
		return fmt.Sprintf("%d -> %d replicas, upstream wrote the scale %d times, at last %d", d.Current, d.Desired, written, p.spec)
	case p.spec != d.Desired:
		return fmt.Sprintf("%d -> %d replicas, upstream %d", d.Current, d.Desired, p.spec)
	}
	if status.CurrentReplicas != d.Current {
		return fmt.Sprintf("current replicas %d, upstream %d", d.Current, status.CurrentReplicas)
	}
	desired := d.Desired
	if d.Path == hpa.PathFailed {
		desired = w.before.DesiredReplicas
	}
	if status.DesiredReplicas != desired {
		return fmt.Sprintf("desired replicas %d, upstream %d", desired, status.DesiredReplicas)
	}
	if scaled := status.LastScaleTime != nil && status.LastScaleTime.Time.Equal(origin.Add(d.At)); scaled != d.Scaled() {
		return fmt.Sprintf("scaled %v, upstream's last scale time %v", d.Scaled(), status.LastScaleTime)
	}
	if s := w.conditionsDiffer(status.Conditions); s != "" {
		return s
	}
	return w.metricsDiffer(d, status.CurrentMetrics)
}

func (w *watched) conditionsDiffer(theirs []v2.HorizontalPodAutoscalerCondition) string {
	seen := 0
	for _, c := range theirs {
		if c.Type == "ScaledToZero" { // ours keeps it to itself; what follows from it is compared
			continue
		}
		seen++
		ours, ok := w.conditions[c.Type]
		if !ok || string(ours.Reason) != c.Reason || ours.True != (c.Status == v1.ConditionTrue) {
			return fmt.Sprintf("condition %s %+v, upstream %s %s", c.Type, ours, c.Status, c.Reason)
		}
	}
	if seen != len(w.conditions) {
		return fmt.Sprintf("conditions %v, upstream %d", w.conditions, seen)
	}
	return ""
}

func (w *watched) metricsDiffer(d *hpa.Decision, theirs []v2.MetricStatus) string {
	if len(d.Metrics) != len(theirs) {
		return fmt.Sprintf("%d metrics in the status, upstream %d", len(d.Metrics), len(theirs))
	}
	for i := range theirs {
		ours, u := &d.Metrics[i], &theirs[i]
		if ours.Err != nil {
			if u.Type != "" {
				return fmt.Sprintf("metric %d: error %v, upstream none", i, ours.Err)
			}
			continue
		}
		var value v2.MetricValueStatus
		switch {
		case u.Resource != nil:
			value = u.Resource.Current
		case u.ContainerResource != nil:
			value = u.ContainerResource.Current
		case u.Pods != nil:
			value = u.Pods.Current
		case u.Object != nil:
			value = u.Object.Current
		case u.External != nil:
			value = u.External.Current
		default:
			return fmt.Sprintf("metric %d: %+v, upstream none", i, ours.Proposal)
		}
		util := hpa.NoUtilization
		if value.AverageUtilization != nil {
			util = *value.AverageUtilization
		}
		if util != ours.Proposal.Utilization {
			return fmt.Sprintf("metric %d: utilization %d, upstream %d", i, ours.Proposal.Utilization, util)
		}
		usage := value.AverageValue
		if usage == nil {
			usage = value.Value
		}
		if usage.MilliValue() != ours.Proposal.UsageMillis && !undefined(&w.cfg, &ours.Spec, w.place.state) {
			return fmt.Sprintf("metric %d: usage %d, upstream %d", i, ours.Proposal.UsageMillis, usage.MilliValue())
		}
	}
	return ""
}
