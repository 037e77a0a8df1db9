package hpadiff

import (
	"math"
	"time"

	"github.com/grlscaler/grlscaler/sim/hpa"
	"github.com/grlscaler/grlscaler/sim/rng"
)

// gen draws inputs. Much of what it draws lies on the edge of a rule on purpose.
type gen struct {
	*rng.Stream
	minor int  // release under test
	odd   bool // allow numbers that overflow, and negative ones
}

func oneOf[T any](g *gen, from ...T) T { return from[g.IntN(len(from))] }

// chance is true in p of all cases.
func (g *gen) chance(p float64) bool { return g.Float64() < p }

// near is at, or close to it on either side.
func (g *gen) near(at time.Duration) time.Duration {
	return at + oneOf(g, 0, 0, 0, -1, 1, -time.Second, time.Second)
}

// upTo is a whole number of milliseconds below d.
func (g *gen) upTo(d time.Duration) time.Duration {
	return time.Duration(g.Int64N(max(1, int64(d/time.Millisecond)))) * time.Millisecond
}

// config is a cluster's settings; the flag for the tolerance is one number for both directions.
func (g *gen) config() hpa.Config {
	c, err := hpa.ReleaseConfig(g.minor)
	if err != nil {
		panic(err)
	}
	c.Tolerance.Up = oneOf(g, 0.1, 0.1, 0.1, 0, 0.05, 0.2, 0.01, 0.5, float64(g.IntN(1000))/1000)
	c.Tolerance.Down = c.Tolerance.Up
	c.CPUInitializationPeriod = oneOf(g, 5*time.Minute, 5*time.Minute, 0, 2*time.Minute, 30*time.Second, 90500*time.Millisecond)
	c.InitialReadinessDelay = oneOf(g, 30*time.Second, 30*time.Second, 0, 10*time.Second, 5*time.Minute)
	c.DownscaleStabilization = oneOf(g, 5*time.Minute, 5*time.Minute, 0, 30*time.Second, 90*time.Second, 90500*time.Millisecond, time.Hour)
	first := c.FirstSyncAfter > 0
	c.SyncPeriod = oneOf(g, 15*time.Second, 15*time.Second, 5*time.Second, 10500*time.Millisecond, 30*time.Second)
	if first {
		c.FirstSyncAfter = c.SyncPeriod
	}
	return c
}

// relax sometimes lets numbers saturate, which must make no difference where they fit.
func (g *gen) relax(c *hpa.Config) {
	if !g.odd && g.chance(0.5) {
		c.Overflow = hpa.OverflowSaturates
	}
}

var containerNames = []string{"server", "proxy", "cache"}

// template is what pods of one kind are made of.
type template struct {
	containers []hpa.Container
	sidecars   int  // the last of them are restartable init containers
	init       bool // there is a plain init container, which does not count
	level      *hpa.Requests
}

func (g *gen) request(unit int64) hpa.Quantity {
	switch {
	case g.chance(0.02):
		return hpa.Quantity{}
	case g.chance(0.05):
		return hpa.Millis(0)
	}
	return hpa.Millis(unit * oneOf[int64](g, 100, 100, 250, 500, 1000, 1, 3, 1+g.Int64N(2000)))
}

// templates draws one or two. Requests of memory are large unless a metric has a target per pod for it, which would be small
// beside them: absurd proposals are for odd cases.
func (g *gen) templates(metrics []hpa.MetricSpec) []template {
	memory := oneOf[int64](g, 1, 1<<20)
	for i := range metrics {
		if metrics[i].Resource == hpa.Memory && metrics[i].Target.Type == hpa.AverageValueTarget {
			memory = 1
		}
	}
	t := make([]template, 1+g.IntN(2))
	for i := range t {
		t[i] = g.template(memory)
	}
	return t
}

func (g *gen) template(memory int64) template {
	var t template
	for i := range 1 + g.IntN(3)*g.IntN(2) {
		t.containers = append(t.containers, hpa.Container{Name: containerNames[i], Requests: hpa.Requests{CPU: g.request(1), Memory: g.request(memory)}})
	}
	if len(t.containers) > 1 {
		t.sidecars = g.IntN(2)
	}
	if g.minor >= 34 && g.chance(0.15) {
		t.level = &hpa.Requests{CPU: g.request(1), Memory: g.request(memory)}
		if g.chance(0.5) {
			t.level.Memory = hpa.Quantity{}
		}
	}
	// A plain init container raises the sum that a pod-level request for the other resource falls back on.
	t.init = t.level == nil && g.chance(0.2)
	return t
}

// level is how busy the pods are at one sync.
type level struct {
	factor float64 // usage over target
	jitter int     // what each pod adds: nothing, a thousandth, much
}

// level draws one, often on the edge of the tolerance.
func (g *gen) level(t hpa.Tolerance) level {
	return level{oneOf(g, 1, 1-t.Down, 1+t.Up, 1-t.Down-0.01, 1+t.Up+0.01, 0.9, 1.1, 0, 0.5, 2, 3, 10, 3*g.Float64(), 3*g.Float64()), g.IntN(3)}
}

// amount is base at a level: exactly, within one thousandth, or far from it.
func (g *gen) amount(l level, base float64) int64 {
	switch {
	case g.odd && g.minor >= 38 && g.chance(0.3): // sums are exact there; ours end at int64
		return oneOf[int64](g, 1<<53+1, 1<<40, -1, -5000, -1<<53)
	case g.odd && g.chance(0.3):
		return oneOf[int64](g, math.MaxInt64/4, math.MaxInt64/200, 1<<53+1, 1<<40, -1, -5000, math.MinInt64/4)
	}
	x := l.factor * base
	switch l.jitter {
	case 1:
		x += float64(g.IntN(3) - 1)
	case 2:
		x *= 0.5 + g.Float64()
	}
	return max(0, int64(math.Round(x)))
}

// value is the same for metrics whose values are summed as they are.
func (g *gen) value(l level, base float64) int64 {
	if g.odd && g.chance(0.3) {
		return oneOf[int64](g, math.MaxInt64, math.MaxInt64/2+1, math.MinInt64/2)
	}
	return g.amount(l, base)
}

// pod draws a pod, and the time and the window of its sample, around all edges of the rules for pods that count.
func (g *gen) pod(now time.Duration, c *hpa.Config, t *template) (p hpa.Pod, at, window time.Duration) {
	p = hpa.Pod{Containers: t.containers, Requests: t.level, StartedAt: hpa.Unset}
	p.Phase = oneOf(g, hpa.Running, hpa.Running, hpa.Running, hpa.Running, hpa.Running, hpa.Running, hpa.Running, hpa.Running,
		hpa.Running, hpa.Running, hpa.Running, hpa.Running, hpa.Pending, hpa.Succeeded, hpa.Failed, hpa.PhaseUnknown)
	p.Deleting = g.chance(0.06)
	p.Ready = oneOf(g, hpa.ReadyTrue, hpa.ReadyTrue, hpa.ReadyTrue, hpa.ReadyTrue, hpa.ReadyTrue, hpa.ReadyTrue, hpa.ReadyTrue,
		hpa.ReadyFalse, hpa.ReadyFalse, hpa.ReadyUnknown, hpa.NoReadyCondition)
	switch g.IntN(16) {
	case 0:
	case 1, 2:
		p.StartedAt = hpa.LongAgo
	case 3, 4, 5, 6, 7:
		p.StartedAt = g.near(now - c.CPUInitializationPeriod)
	default:
		p.StartedAt = now - g.upTo(2*c.CPUInitializationPeriod+time.Minute)
	}
	window = oneOf(g, 15*time.Second, 15*time.Second, 30*time.Second, time.Minute, 0, 14987*time.Millisecond)
	at = now - g.upTo(time.Minute)
	if p.Ready != hpa.NoReadyCondition {
		switch g.IntN(8) {
		case 0:
			p.ReadyChangedAt = hpa.LongAgo
		case 1, 2:
			p.ReadyChangedAt = g.near(max(p.StartedAt, hpa.LongAgo) + c.InitialReadinessDelay)
		case 3, 4:
			p.ReadyChangedAt = g.near(at - window)
		case 5:
			p.ReadyChangedAt = now
		default:
			p.ReadyChangedAt = now - g.upTo(now-max(p.StartedAt, now-10*time.Minute))
		}
		if p.ReadyChangedAt > hpa.LongAgo && g.chance(0.2) {
			at = g.near(p.ReadyChangedAt + window)
		}
	}
	return p, at, window
}

// data is what the metrics APIs have for one metric that is not a resource.
type data struct {
	fails   bool
	samples []hpa.Sample
	values  []int64
}

// state is what one sync finds.
type state struct {
	now          time.Duration
	spec, status int32
	pods         []hpa.Pod
	of           []*template // of each pod
	usageFails   bool
	usage        []hpa.PodUsage
	metrics      []data // by metric of the HPA
}

// replicas is mostly small: more pods make no new rules, but each takes time.
func (g *gen) replicas() int32 {
	return int32(oneOf(g, g.IntN(4), 1+g.IntN(7), 1+g.IntN(7), 1+g.IntN(15), g.IntN(51)))
}

// state draws what a sync at now finds, apart from the replicas, which are given.
func (g *gen) state(now time.Duration, spec, status int32, c *hpa.Config, t hpa.Tolerance, kinds []template, metrics []hpa.MetricSpec) *state {
	s := &state{now: now, spec: spec, status: status, metrics: make([]data, len(metrics)), usageFails: g.chance(0.03)}
	n := int(spec)
	if g.chance(0.2) {
		n = int(g.replicas())
	}
	n = min(n, 50)
	var cpu, mem level
	sampled := oneOf(g, 1, 1, 1, 0.8, 0.5, 0.1)
	times := make([][2]time.Duration, n)
	for i := range n {
		kind := &kinds[g.IntN(len(kinds))]
		p, at, window := g.pod(now, c, kind)
		s.pods, s.of = append(s.pods, p), append(s.of, kind)
		times[i] = [2]time.Duration{at, window}
	}
	cpu, mem = g.level(t), g.level(t)
	cpuBase, memBase := base(hpa.CPU, metrics), base(hpa.Memory, metrics)
	usage := func(pod int, of *template, at, window time.Duration) {
		u := hpa.PodUsage{Pod: pod, At: at, Window: window}
		for k := range of.containers {
			if g.chance(0.02) {
				continue
			}
			q := &of.containers[k]
			u.Containers = append(u.Containers, hpa.ContainerUsage{
				Name: q.Name, CPU: g.usage(cpu, cpuBase, q.Requests.CPU, len(of.containers)), Memory: g.usage(mem, memBase, q.Requests.Memory, len(of.containers)),
			})
		}
		s.usage = append(s.usage, u)
	}
	gone := 0
	if g.chance(0.15) {
		gone = 1 + g.IntN(3)
	}
	for i := range n {
		if g.chance(sampled) {
			usage(i, s.of[i], times[i][0], times[i][1])
		}
	}
	for range gone {
		usage(hpa.Gone, &kinds[0], now, 15*time.Second)
	}
	for i := range metrics {
		g.data(&s.metrics[i], &metrics[i], s, sampled, gone, times, g.level(t))
	}
	return s
}

// base is what a container would use of a resource at the target: a fraction of its request if negative, else an amount per
// pod.
func base(res hpa.Resource, metrics []hpa.MetricSpec) float64 {
	for i := range metrics {
		m := &metrics[i]
		if m.Resource == res && m.Target.Type == hpa.UtilizationTarget {
			return -float64(m.Target.AverageUtilization) / 100
		}
		if m.Resource == res {
			return float64(m.Target.AverageValueMillis)
		}
	}
	return -0.5
}

func (g *gen) usage(l level, base float64, request hpa.Quantity, containers int) hpa.Quantity {
	if g.chance(0.01) {
		return hpa.Quantity{}
	}
	per := base / float64(containers)
	if base < 0 {
		per = -base * float64(request.Millis)
	}
	return hpa.Millis(g.amount(l, per))
}

func (g *gen) data(d *data, m *hpa.MetricSpec, s *state, sampled float64, gone int, times [][2]time.Duration, l level) {
	d.fails = g.chance(0.05)
	target := float64(m.Target.AverageValueMillis)
	switch m.Type {
	case hpa.PodsMetric:
		for i := range s.pods {
			if g.chance(sampled) {
				// The API gives whole seconds, or nothing, which means a minute.
				window := times[i][1].Truncate(time.Second)
				d.samples = append(d.samples, hpa.Sample{Pod: i, At: times[i][0], Window: window, Millis: g.amount(l, target)})
			}
		}
		for range gone {
			d.samples = append(d.samples, hpa.Sample{Pod: hpa.Gone, At: s.now, Window: time.Minute, Millis: g.amount(l, target)})
		}
	case hpa.ObjectMetric, hpa.ExternalMetric:
		if m.Target.Type == hpa.ValueTarget {
			target = float64(m.Target.ValueMillis)
		} else {
			target *= float64(s.status)
		}
		d.values = []int64{g.value(l, target)}
		for m.Type == hpa.ExternalMetric && g.chance(0.3) {
			d.values = append(d.values, g.value(l, target*g.Float64()))
		}
		if m.Type == hpa.ExternalMetric && g.chance(0.02) {
			d.values = nil
		}
	}
}

// metric draws a metric of any type.
func (g *gen) metric() hpa.MetricSpec {
	m := hpa.MetricSpec{Type: oneOf(g, hpa.ResourceMetric, hpa.ResourceMetric, hpa.ContainerResourceMetric, hpa.PodsMetric, hpa.ObjectMetric, hpa.ExternalMetric)}
	value := oneOf[int64](g, 1000, 1000, 100, 500, 1, 7, 333, 1+g.Int64N(5000))
	m.Target = hpa.Target{Type: hpa.AverageValueTarget, AverageValueMillis: value}
	switch m.Type {
	case hpa.ResourceMetric, hpa.ContainerResourceMetric:
		m.Resource = oneOf(g, hpa.CPU, hpa.CPU, hpa.Memory)
		if g.chance(0.7) {
			m.Target = hpa.Target{Type: hpa.UtilizationTarget, AverageUtilization: int32(oneOf(g, 50, 60, 80, 100, 1+g.IntN(400)))}
		}
		if m.Type == hpa.ContainerResourceMetric {
			m.Container = oneOf(g, "server", "server", "server", "server", "server", "proxy", "proxy", "nobody")
		}
		return m
	case hpa.ObjectMetric, hpa.ExternalMetric:
		if g.chance(0.5) {
			m.Target = hpa.Target{Type: hpa.ValueTarget, ValueMillis: value}
		}
	}
	m.Name = "m"
	return m
}
