package hpa

import (
	"errors"
	"time"
)

// NoUtilization is Proposal.Utilization where the target is not a utilisation.
const NoUtilization int32 = -1

// Outcome says by which rule a metric came to its proposal.
type Outcome uint8

// The outcomes of a metric.
const (
	OutcomeNone            Outcome = iota // no proposal: the metric failed
	OutcomeScaled                         // the count that meets the target, which may be the present one
	OutcomeWithinTolerance                // the ratio is close enough to 1
	OutcomeDirection                      // counting pods without a sample turns the direction round: no change
)

// String names the outcome.
func (o Outcome) String() string {
	switch o {
	case OutcomeScaled:
		return "scaled"
	case OutcomeWithinTolerance:
		return "within tolerance"
	case OutcomeDirection:
		return "pods without samples turn the direction round"
	}
	return "no proposal"
}

// Proposal is what one metric wants, and from what.
type Proposal struct {
	Replicas    int32
	Utilization int32 // whole percent of the request, before filling in; NoUtilization for other targets
	// UsageMillis is the mean per counted pod for resource and pods metrics (before filling in), the total for a
	// value target, and ceil(total / status replicas) for an average-value target of an object or external metric.
	UsageMillis int64
	Ratio       float64 // usage over target, before filling in
	FilledRatio float64 // after pods without a usable sample were filled in; Ratio where none was
	Basis       int     // number of pods that the ratio was multiplied with; 0 where it was not
	Outcome     Outcome
	// Number of pods in each group; resource and pods metrics only.
	Ready, Unready, Missing, Ignored int
}

// Query is what all rules need to know. Slices are read only.
type Query struct {
	Now time.Duration
	// Replicas is the scale's spec replicas; for the average-value rules of object and external metrics, its
	// status replicas.
	Replicas  int32
	Tolerance Tolerance
	Pods      []Pod
	Samples   []Sample // resource and pods metrics
	Resource  Resource // resource metrics
	Container string   // name of the container that a container metric is about; empty for whole pods
}

// Calculator turns one metric into a proposal. It allocates nothing once its buffers have grown to the number of pods.
// It belongs to one goroutine.
type Calculator struct {
	cfg      Config
	groups   []Group
	samples  []int32 // per pod: index of its sample, or -1
	requests []int64 // per pod
}

// NewCalculator returns a calculator for a cluster's settings.
func NewCalculator(cfg Config) *Calculator { return &Calculator{cfg: cfg} }

// GroupPods says which pods count for a metric on a resource (empty for a pods metric).
func (c *Calculator) GroupPods(q *Query) Groups {
	n := len(q.Pods)
	if cap(c.groups) < n {
		c.groups = make([]Group, 2*n) // room, so that a growing workload does not allocate at every step
		c.samples = make([]int32, 2*n)
		c.requests = make([]int64, 2*n)
	}
	c.groups, c.samples, c.requests = c.groups[:n], c.samples[:n], c.requests[:n]
	for i := range c.samples {
		c.samples[i] = -1
	}
	for i := range q.Samples {
		if p := q.Samples[i].Pod; p >= 0 && p < n {
			c.samples[p] = int32(i)
		}
	}
	g := Groups{Of: c.groups}
	for i := range q.Pods {
		var s *Sample
		if k := c.samples[i]; k >= 0 {
			s = &q.Samples[k]
		}
		c.groups[i] = c.cfg.groupOf(q.Now, &q.Pods[i], s, q.Resource == CPU)
		switch c.groups[i] {
		case GroupReady:
			g.Ready++
		case GroupUnready:
			g.Unready++
		case GroupMissing:
			g.Missing++
		case GroupIgnored:
			g.Ignored++
		}
	}
	return g
}

// gone returns the number and the sum of samples of pods that are not in the list.
func (c *Calculator) gone(q *Query) (n int, sum int64) {
	for i := range q.Samples {
		if p := q.Samples[i].Pod; p < 0 || p >= len(q.Pods) {
			n++
			sum = c.cfg.Overflow.add(sum, q.Samples[i].Millis)
		}
	}
	return n, sum
}

// begin groups the pods and refuses the cases in which nothing can be said.
func (c *Calculator) begin(q *Query) (g Groups, goneN int, goneSum int64, err error) {
	if len(q.Samples) == 0 {
		return g, 0, 0, ErrNoMetrics
	}
	if len(q.Pods) == 0 {
		return g, 0, 0, ErrNoPods
	}
	g = c.GroupPods(q)
	goneN, goneSum = c.gone(q)
	if g.Ready+goneN == 0 {
		err = ErrOnlyUnreadyPods
	}
	return g, goneN, goneSum, err
}

// ResourceUtilization is the rule of a resource metric with a target in percent of the request (upstream
// GetResourceReplicas).
func (c *Calculator) ResourceUtilization(q *Query, percent int32) (Proposal, error) {
	var p Proposal
	if c.together(q, percent, &p) {
		return p, nil
	}
	g, goneN, _, err := c.begin(q)
	if err != nil {
		return Proposal{}, err
	}
	// Every pod of the list must have its requests, also those that do not count.
	for i := range q.Pods {
		c.requests[i], err = q.Pods[i].Request(q.Resource, q.Container)
		if err != nil && !(c.cfg.UnknownContainersRequestNothing && errors.Is(err, ErrContainerNotFound)) {
			return Proposal{}, err
		}
	}
	over := c.cfg.Overflow
	var usage, request int64
	for i, of := range g.Of {
		if of == GroupReady {
			usage = over.add(usage, q.Samples[c.samples[i]].Millis)
			request = over.add(request, c.requests[i])
		}
	}
	util, ratio, ok := over.utilization(usage, request, percent)
	if !ok {
		return Proposal{}, ErrNoMetricsForKnownPods
	}
	p = g.proposal(ratio)
	// request > 0, so at least one pod was counted.
	p.Utilization, p.UsageMillis = util, usage/int64(g.Ready)
	if c.plain(q, &p) {
		return p, nil
	}
	// A pod without a sample is taken as busy when scaling down and as idle when scaling up, a pod that is not
	// ready as idle when scaling up: the change is never larger for not knowing.
	n := g.Ready + goneN
	busy := int64(max(100, percent))
	for i, of := range g.Of {
		switch {
		case of == GroupMissing && ratio < 1:
			usage = over.add(usage, over.mul(c.requests[i], busy)/100)
		case of == GroupMissing && ratio > 1, of == GroupUnready && ratio > 1:
		default:
			continue
		}
		request = over.add(request, c.requests[i])
		n++
	}
	_, p.FilledRatio, _ = over.utilization(usage, request, percent)
	c.filled(q, &p, n)
	return p, nil
}

// together is ResourceUtilization where every pod counts and none is gone; false if it is not so.
func (c *Calculator) together(q *Query, percent int32, p *Proposal) bool {
	usage, request, ok := c.allCount(q)
	if !ok {
		return false
	}
	util, ratio, ok := c.cfg.Overflow.utilization(usage, request, percent)
	if !ok {
		return false
	}
	n := len(q.Pods)
	*p = Proposal{Utilization: util, UsageMillis: usage / int64(n), Ratio: ratio, FilledRatio: ratio, Ready: n}
	return c.plain(q, p)
}

// allCount sums usage and requests where every pod has a sample that counts, in the order of the pods, and its requests: what is left
// of all the rules while nothing starts or goes.
func (c *Calculator) allCount(q *Query) (usage, request int64, ok bool) {
	if len(q.Samples) != len(q.Pods) {
		return 0, 0, false
	}
	over, cpu := c.cfg.Overflow, q.Resource == CPU
	for i := range q.Pods {
		p, s := &q.Pods[i], &q.Samples[i]
		if s.Pod != i || c.cfg.groupOf(q.Now, p, s, cpu) != GroupReady {
			return 0, 0, false
		}
		requested, err := p.Request(q.Resource, q.Container)
		if err != nil {
			return 0, 0, false
		}
		usage, request = over.add(usage, s.Millis), over.add(request, requested)
	}
	return usage, request, len(q.Pods) > 0
}

// utilization returns usage in whole percent of the request, truncated, and its ratio to the target.
func (o OverflowRule) utilization(usage, request int64, percent int32) (util int32, ratio float64, ok bool) {
	if request == 0 {
		return 0, 0, false
	}
	util = o.narrow(o.mul(usage, 100) / request)
	return util, float64(util) / float64(percent), true
}

// ResourceAverageValue is the rule of a resource metric with a target per pod (upstream GetRawResourceReplicas).
func (c *Calculator) ResourceAverageValue(q *Query, targetMillis int64) (Proposal, error) {
	return c.averageValue(q, targetMillis)
}

// PodsAverageValue is the rule of a pods metric. Readiness plays no part in it, whatever q.Resource says.
func (c *Calculator) PodsAverageValue(q *Query, targetMillis int64) (Proposal, error) {
	pods := *q
	pods.Resource = ""
	return c.averageValue(&pods, targetMillis)
}

// averageValue compares the mean of the samples with a target (upstream calcPlainMetricReplicas).
func (c *Calculator) averageValue(q *Query, target int64) (Proposal, error) {
	g, goneN, sum, err := c.begin(q)
	if err != nil {
		return Proposal{}, err
	}
	over := c.cfg.Overflow
	for i, of := range g.Of {
		if of == GroupReady {
			sum = over.add(sum, q.Samples[c.samples[i]].Millis)
		}
	}
	n := g.Ready + goneN
	mean := sum / int64(n)
	ratio := float64(mean) / float64(target)
	p := g.proposal(ratio)
	p.UsageMillis = mean
	if c.plain(q, &p) {
		return p, nil
	}
	if ratio < 1 {
		for range g.Missing {
			sum = over.add(sum, target)
		}
		n += g.Missing
	} else if ratio > 1 {
		n += g.Missing + g.Unready
	}
	p.FilledRatio = float64(sum/int64(n)) / float64(target)
	c.filled(q, &p, n)
	return p, nil
}

// proposal begins a proposal with the pods' groups.
func (g *Groups) proposal(ratio float64) Proposal {
	return Proposal{
		Utilization: NoUtilization, Ratio: ratio, FilledRatio: ratio,
		Ready: g.Ready, Unready: g.Unready, Missing: g.Missing, Ignored: g.Ignored,
	}
}

// plain finishes the case in which every pod that matters has a sample, and reports whether it was that case.
func (c *Calculator) plain(q *Query, p *Proposal) bool {
	if p.Missing > 0 || (p.Unready > 0 && p.Ratio > 1) {
		return false
	}
	if q.Tolerance.Within(p.Ratio) {
		p.Replicas, p.Outcome = q.Replicas, OutcomeWithinTolerance
		return true
	}
	// The base is the number of pods that count, not the number that was asked for.
	p.Replicas, p.Basis, p.Outcome = c.cfg.Overflow.replicas(p.Ratio*float64(p.Ready)), p.Ready, OutcomeScaled
	return true
}

// filled finishes the case in which n samples, filled-in ones included, gave p.FilledRatio.
func (c *Calculator) filled(q *Query, p *Proposal, n int) {
	p.Replicas, p.Basis = q.Replicas, n
	if q.Tolerance.Within(p.FilledRatio) {
		p.Outcome = OutcomeWithinTolerance
		return
	}
	p.Outcome = OutcomeDirection
	if (p.Ratio < 1 && p.FilledRatio > 1) || (p.Ratio > 1 && p.FilledRatio < 1) {
		return
	}
	r := c.cfg.Overflow.replicas(p.FilledRatio * float64(n))
	if (p.FilledRatio < 1 && r > q.Replicas) || (p.FilledRatio > 1 && r < q.Replicas) {
		return
	}
	p.Replicas, p.Outcome = r, OutcomeScaled
}

// ObjectValue is the rule of an object metric with a target for its value (upstream GetObjectMetricReplicas).
func (c *Calculator) ObjectValue(q *Query, valueMillis, targetMillis int64) (Proposal, error) {
	return c.totalValue(q, valueMillis, targetMillis)
}

// ObjectAverageValue is the rule of an object metric with a target per pod (upstream GetObjectPerPodMetricReplicas).
// The pods are not looked at; q.Replicas are the status replicas.
func (c *Calculator) ObjectAverageValue(q *Query, valueMillis, targetMillis int64) (Proposal, error) {
	return c.totalPerPod(q, valueMillis, targetMillis, c.cfg.Overflow.wraps()), nil
}

// ExternalValue is the rule of an external metric with a target for the sum of its values (upstream
// GetExternalMetricReplicas).
func (c *Calculator) ExternalValue(q *Query, valuesMillis []int64, targetMillis int64) (Proposal, error) {
	if len(valuesMillis) == 0 {
		return Proposal{}, ErrNoMetrics
	}
	return c.totalValue(q, c.cfg.Overflow.total(valuesMillis), targetMillis)
}

// ExternalAverageValue is the rule of an external metric with a target per pod (upstream
// GetExternalPerPodMetricReplicas). The pods are not looked at; q.Replicas are the status replicas.
func (c *Calculator) ExternalAverageValue(q *Query, valuesMillis []int64, targetMillis int64) (Proposal, error) {
	if len(valuesMillis) == 0 {
		return Proposal{}, ErrNoMetrics
	}
	over := c.cfg.Overflow
	return c.totalPerPod(q, over.totalForPods(valuesMillis), targetMillis, over == OverflowUntil133), nil
}

// totalValue scales the pods that are running and ready by total/target; from 0 replicas it goes straight to the ratio.
func (c *Calculator) totalValue(q *Query, total, target int64) (Proposal, error) {
	ratio := float64(total) / float64(target)
	p := Proposal{Replicas: q.Replicas, Utilization: NoUtilization, UsageMillis: total, Ratio: ratio, FilledRatio: ratio}
	if q.Replicas == 0 {
		p.Replicas, p.Outcome = c.cfg.Overflow.replicas(ratio), OutcomeScaled
		return p, nil
	}
	if q.Tolerance.Within(ratio) {
		p.Outcome = OutcomeWithinTolerance
		return p, nil
	}
	if len(q.Pods) == 0 {
		return Proposal{}, ErrNoPods
	}
	for i := range q.Pods {
		if q.Pods[i].Phase == Running && q.Pods[i].Ready == ReadyTrue {
			p.Ready++
		}
	}
	p.Replicas, p.Basis, p.Outcome = c.cfg.Overflow.totalReplicas(ratio*float64(p.Ready)), p.Ready, OutcomeScaled
	return p, nil
}

// totalPerPod wants as many pods as carry the total at the target each; wraps says what becomes of numbers that do not fit.
func (c *Calculator) totalPerPod(q *Query, total, target int64, wraps bool) Proposal {
	ratio := float64(total) / (float64(target) * float64(q.Replicas))
	p := Proposal{
		Replicas: q.Replicas, Utilization: NoUtilization, Ratio: ratio, FilledRatio: ratio,
		UsageMillis: c.cfg.Overflow.perPod(total, q.Replicas, wraps), Outcome: OutcomeWithinTolerance,
	}
	if !q.Tolerance.Within(ratio) {
		p.Replicas, p.Outcome = ceilReplicas(float64(total)/float64(target)), OutcomeScaled
		if wraps {
			p.Replicas = wrapInt32(float64(total) / float64(target))
		}
	}
	return p
}
