package hpadiff

import (
	"fmt"
	"strings"
	"time"

	"github.com/grlscaler/grlscaler/sim/hpa"
)

// dump prints a question, times relative to its now.
func (q *question) dump() string {
	var b strings.Builder
	fmt.Fprintf(&b, "config %s\nmetric %s\n", dumpConfig(&q.cfg), dumpMetric(&q.metric))
	q.state.dump(&b)
	return b.String()
}

func dumpConfig(c *hpa.Config) string {
	return fmt.Sprintf("tolerance %v/%v, initialization %v, readiness delay %v, downscale stabilization %v, sync period %v, overflow rule %d",
		c.Tolerance.Up, c.Tolerance.Down, c.CPUInitializationPeriod, c.InitialReadinessDelay, c.DownscaleStabilization, c.SyncPeriod, c.Overflow)
}

func dumpMetric(m *hpa.MetricSpec) string {
	s := string(m.Type)
	if m.Resource != "" {
		s += " " + string(m.Resource)
	}
	if m.Container != "" {
		s += " of " + m.Container
	}
	switch m.Target.Type {
	case hpa.UtilizationTarget:
		return fmt.Sprintf("%s, target %d %%", s, m.Target.AverageUtilization)
	case hpa.AverageValueTarget:
		return fmt.Sprintf("%s, target %dm per pod", s, m.Target.AverageValueMillis)
	}
	return fmt.Sprintf("%s, target %dm", s, m.Target.ValueMillis)
}

var (
	phaseNames = []string{"Pending", "Running", "Succeeded", "Failed", "Unknown"}
	readyNames = []string{"no Ready condition", "Ready", "not Ready", "Ready unknown"}
)

// ago prints a time relative to now.
func ago(t, now time.Duration) string {
	switch t {
	case hpa.Unset:
		return "unset"
	case hpa.LongAgo:
		return "long ago"
	}
	return (t - now).String()
}

func dumpRequests(r hpa.Requests) string {
	show := func(q hpa.Quantity) string {
		if !q.Set {
			return "none"
		}
		return fmt.Sprintf("%dm", q.Millis)
	}
	return fmt.Sprintf("cpu %s, memory %s", show(r.CPU), show(r.Memory))
}

func (s *state) dump(b *strings.Builder) {
	fmt.Fprintf(b, "%d replicas, status %d, at %v\n", s.spec, s.status, s.now)
	for i := range s.pods {
		p := &s.pods[i]
		deleting := ""
		if p.Deleting {
			deleting = ", deleting"
		}
		fmt.Fprintf(b, "  pod %d: %s%s, started %s, %s since %s", i, phaseNames[p.Phase], deleting, ago(p.StartedAt, s.now), readyNames[p.Ready],
			ago(p.ReadyChangedAt, s.now))
		for _, c := range p.Containers {
			fmt.Fprintf(b, "; %s requests %s", c.Name, dumpRequests(c.Requests))
		}
		if p.Requests != nil {
			fmt.Fprintf(b, "; pod requests %s", dumpRequests(*p.Requests))
		}
		b.WriteByte('\n')
	}
	if s.usageFails {
		b.WriteString("  the resource metrics API is down\n")
	}
	for _, u := range s.usage {
		fmt.Fprintf(b, "  usage of pod %d at %s over %v:", u.Pod, ago(u.At, s.now), u.Window)
		for _, c := range u.Containers {
			fmt.Fprintf(b, " %s %s;", c.Name, dumpRequests(hpa.Requests{CPU: c.CPU, Memory: c.Memory}))
		}
		b.WriteByte('\n')
	}
	for i := range s.metrics {
		d := &s.metrics[i]
		if d.fails {
			fmt.Fprintf(b, "  metric %d: the API is down\n", i)
			continue
		}
		if len(d.values) > 0 {
			fmt.Fprintf(b, "  metric %d: values %d\n", i, d.values)
		}
		for _, v := range d.samples {
			fmt.Fprintf(b, "  metric %d: pod %d has %d at %s over %v\n", i, v.Pod, v.Millis, ago(v.At, s.now), v.Window)
		}
	}
}
