package hpa

import (
	"fmt"
	"time"
)

// Inputs are what one sync reads. Slices are read during the call only.
type Inputs struct {
	SpecReplicas   int32 // what the workload was last told
	StatusReplicas int32 // pods that exist: not failed, not being deleted
	Pods           []Pod // all pods that match the workload's selector
	// Metrics has one element per metric of the spec as defaulted (Controller.Spec), in its order.
	Metrics []MetricData
}

// Controller decides for one HPA object and keeps what the real controller keeps in memory: recommendations and scale
// events. Once warm, a sync in which no metric fails allocates nothing. It belongs to one goroutine.
type Controller struct {
	spec      Spec // defaulted
	cfg       Config
	calc      Calculator
	behavior  *behavior // nil: none was given
	tolerance Tolerance
	minR      int32

	seen       bool // this HPA was synced before
	ownZero    bool // the last change of the replicas was this HPA's own, to 0 (condition ScaledToZero)
	zeroable   bool // a metric says something without pods
	recs       history
	ups, downs events
	results    []MetricResult
	query      Query // of the metric in hand
}

// New returns a controller for an HPA object in a cluster. It reports every mistake in both.
func New(spec Spec, cfg Config) (*Controller, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if err := spec.Validate(cfg); err != nil {
		return nil, err
	}
	return newController(spec, cfg), nil
}

// newController is New without validation, for objects that the API server would refuse.
func newController(spec Spec, cfg Config) *Controller {
	spec = spec.WithDefaults()
	c := &Controller{
		spec: spec, cfg: cfg, calc: Calculator{cfg: cfg}, tolerance: spec.Behavior.tolerance(&cfg),
		minR: *spec.MinReplicas, results: make([]MetricResult, len(spec.Metrics)),
	}
	for i := range c.results {
		c.results[i].Spec = spec.Metrics[i]
		t := spec.Metrics[i].Type
		c.zeroable = c.zeroable || t == ObjectMetric || t == ExternalMetric
	}
	window, longest := cfg.DownscaleStabilization, time.Duration(0)
	if spec.Behavior != nil {
		c.behavior = &behavior{
			up: spec.Behavior.ScaleUp.resolve(0), down: spec.Behavior.ScaleDown.resolve(cfg.DownscaleStabilization),
		}
		c.behavior.up.overflow, c.behavior.down.overflow = cfg.Overflow, cfg.Overflow
		window = max(c.behavior.up.window, c.behavior.down.window)
		longest = max(c.behavior.up.longest, c.behavior.down.longest)
	}
	// Room for one entry a sync as long as entries count, the first one, and one at the very edge.
	c.recs = make(history, 0, int(window/cfg.SyncPeriod)+3)
	c.ups = make(events, 0, int(longest/cfg.SyncPeriod)+3)
	c.downs = make(events, 0, int(longest/cfg.SyncPeriod)+3)
	return c
}

// Spec returns the object as defaulted.
func (c *Controller) Spec() Spec { return c.spec }

// Reset forgets everything, as a restart of the real controller does, and also whether this HPA scaled to zero, which
// the real one keeps in the object's status.
func (c *Controller) Reset() {
	c.seen, c.ownZero = false, false
	c.recs, c.ups, c.downs = c.recs[:0], c.ups[:0], c.downs[:0]
}

// Recommendations appends the stored recommendations to dst, in storage order.
func (c *Controller) Recommendations(dst []Recommendation) []Recommendation {
	return append(dst, c.recs...)
}

// Sync handles the object once, at time now, which must not go back (upstream reconcileAutoscaler). The caller writes
// Decision.Desired to the workload if it differs; the controller takes it as written.
func (c *Controller) Sync(now time.Duration, in *Inputs) Decision {
	var d Decision
	c.SyncTo(now, in, &d)
	return d
}

// SyncTo is Sync without a copy.
func (c *Controller) SyncTo(now time.Duration, in *Inputs, d *Decision) {
	current := in.SpecReplicas
	if !c.seen {
		// The history begins with the present count: a fresh controller does not scale down for a whole window.
		c.seen = true
		c.recs.store(now, current, -1)
	}
	*d = Decision{
		At: now, Current: current, Desired: current, Metric: NoMetric,
		AbleToScale: Condition{true, SucceededGetScale},
	}
	switch {
	case current == 0 && !c.wakes():
		d.Path = PathDisabled
		d.ScalingActive = Condition{false, ScalingDisabled}
	case current > c.spec.MaxReplicas:
		d.Path, d.Desired = PathAboveMax, c.spec.MaxReplicas
	case current < c.minR:
		d.Path, d.Desired = PathBelowMin, c.minR
	default:
		c.propose(now, in, d)
		if d.Path == PathMetrics {
			c.settle(now, d)
		}
	}
	if d.Scaled() {
		d.AbleToScale = Condition{true, SucceededRescale}
		c.storeEvent(now, current, d.Desired)
		c.ownZero = current > 0 && d.Desired == 0 && c.minR == 0 && c.zeroable
	}
}

// wakes reports whether the HPA looks at its metrics when there are no replicas (upstream
// shouldComputeMetricsForZeroReplicas since 1.36).
func (c *Controller) wakes() bool {
	if c.cfg.RemembersZero {
		return c.cfg.ScaleToZero && c.ownZero
	}
	return c.minR == 0
}

// propose evaluates all metrics and lets the largest proposal win (upstream computeReplicasForMetrics).
func (c *Controller) propose(now time.Duration, in *Inputs, d *Decision) {
	if len(in.Metrics) != len(c.spec.Metrics) {
		panic(fmt.Sprintf("hpa: data for %d metrics, but %q has %d", len(in.Metrics), c.spec.Name, len(c.spec.Metrics)))
	}
	q := &c.query
	q.Now, q.Tolerance, q.Pods = now, c.tolerance, in.Pods
	failed, firstFailed := 0, 0
	for i := range c.spec.Metrics {
		r := &c.results[i]
		if r.Err = nil; !c.utilization(q, &r.Spec, &in.Metrics[i], in, &r.Proposal) {
			r.Proposal, r.Err = c.metric(q, &r.Spec, &in.Metrics[i], in)
		}
		if r.Err != nil {
			if failed == 0 {
				firstFailed, d.Err = i, r.Err
			}
			failed++
			continue
		}
		// A winner of 0 gives way to whatever comes next, as upstream: its 0 also means "none yet".
		if d.Metric == NoMetric || d.Proposed == 0 || r.Proposal.Replicas > d.Proposed {
			d.Metric, d.Proposed = i, r.Proposal.Replicas
		}
	}
	d.Metrics = c.results
	if failed == len(c.spec.Metrics) || (failed > 0 && d.Proposed < d.Current) {
		d.Path = PathFailed
		d.ScalingActive = Condition{false, c.spec.Metrics[firstFailed].Type.failure()}
		return
	}
	d.ScalingActive = Condition{true, ValidMetricFound}
}

// utilization evaluates the commonest metric in its plainest case, in place; false if it is another.
func (c *Controller) utilization(q *Query, m *MetricSpec, data *MetricData, in *Inputs, p *Proposal) bool {
	if m.Type != ResourceMetric && m.Type != ContainerResourceMetric || m.Target.Type == AverageValueTarget || data.Err != nil {
		return false
	}
	q.Samples, q.Resource, q.Container, q.Replicas = data.Samples, m.Resource, m.Container, in.SpecReplicas
	return c.calc.together(q, m.Target.AverageUtilization, p)
}

// metric evaluates one metric by the rule that its type and target call for.
func (c *Controller) metric(q *Query, m *MetricSpec, data *MetricData, in *Inputs) (Proposal, error) {
	if m.Type.failure() == InvalidMetricSourceType {
		return Proposal{}, fmt.Errorf("%w %q", ErrUnknownMetricType, m.Type)
	}
	if data.Err != nil {
		return Proposal{}, data.Err
	}
	q.Samples, q.Resource, q.Container, q.Replicas = data.Samples, m.Resource, m.Container, in.SpecReplicas
	perPod := m.Target.Type == AverageValueTarget
	if perPod && (m.Type == ObjectMetric || m.Type == ExternalMetric) {
		q.Replicas = in.StatusReplicas
	}
	switch m.Type {
	case PodsMetric:
		return c.calc.PodsAverageValue(q, m.Target.AverageValueMillis)
	case ObjectMetric:
		if len(data.ValuesMillis) == 0 {
			return Proposal{}, ErrNoMetrics
		}
		if perPod {
			return c.calc.ObjectAverageValue(q, data.ValuesMillis[0], m.Target.AverageValueMillis)
		}
		return c.calc.ObjectValue(q, data.ValuesMillis[0], m.Target.ValueMillis)
	case ExternalMetric:
		if perPod {
			return c.calc.ExternalAverageValue(q, data.ValuesMillis, m.Target.AverageValueMillis)
		}
		return c.calc.ExternalValue(q, data.ValuesMillis, m.Target.ValueMillis)
	}
	if perPod {
		return c.calc.ResourceAverageValue(q, m.Target.AverageValueMillis)
	}
	return c.calc.ResourceUtilization(q, m.Target.AverageUtilization)
}

// failure is the reason of ScalingActive when a metric of this type fails.
func (t MetricType) failure() Reason {
	switch t {
	case ResourceMetric:
		return FailedGetResourceMetric
	case ContainerResourceMetric:
		return FailedGetContainerResourceMetric
	case PodsMetric:
		return FailedGetPodsMetric
	case ObjectMetric:
		return FailedGetObjectMetric
	case ExternalMetric:
		return FailedGetExternalMetric
	}
	return InvalidMetricSourceType
}

// settle stabilises and limits the winning proposal (upstream normalizeDesiredReplicas and ...WithBehaviors).
func (c *Controller) settle(now time.Duration, d *Decision) {
	proposed := max(d.Proposed, 0)
	d.AbleToScale.Reason = ReadyForNewScale
	var l limited
	if b := c.behavior; b == nil {
		d.Stabilized = c.recs.stabilizeDown(now, proposed, c.cfg.DownscaleStabilization)
		if d.Stabilized != proposed {
			d.Stabilization = ScaleDownStabilized
		}
		l = c.cfg.limit(d.Current, d.Stabilized, c.minR, c.spec.MaxReplicas)
	} else {
		d.Stabilized = c.recs.stabilize(now, d.Current, proposed, b.up.window, b.down.window)
		if d.Stabilized != proposed {
			d.Stabilization = stabilization(d.Current, proposed)
		}
		l = b.limit(now, d.Current, d.Stabilized, c.minR, c.spec.MaxReplicas, c.ups, c.downs)
	}
	if d.Stabilization != NoReason {
		d.AbleToScale.Reason = d.Stabilization
	}
	d.Desired, d.Bound = l.replicas, l.bound
	d.ScalingLimited = Condition{d.Desired != d.Stabilized, l.reason}
}

// stabilization names a stabilisation by the direction that the raw proposal had.
func stabilization(current, proposed int32) Reason {
	if proposed >= current {
		return ScaleUpStabilized
	}
	return ScaleDownStabilized
}

// storeEvent remembers a change for the policies; without behavior none will ever be asked for.
func (c *Controller) storeEvent(now time.Duration, from, to int32) {
	switch {
	case c.behavior == nil:
	case to > from:
		c.ups.store(now, to-from, c.behavior.up.longest)
	default:
		c.downs.store(now, from-to, c.behavior.down.longest)
	}
}
