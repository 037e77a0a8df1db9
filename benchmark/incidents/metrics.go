package incidents

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/hpa"
	"github.com/grlscaler/grlscaler/sim/keda"
)

// Metric is what an autoscaler goes by: a resource of the pods, in percent of the request, or what the simulated cluster serves.
type Metric struct {
	Resource hpa.Resource // cpu or memory; "" for a served metric
	Percent  int32

	Quantity sim.Quantity
	Entry    bool    // at the entry, not of the service
	Pods     bool    // a Pods metric, which the replicas share; else an External one
	Value    float64 // target in total, which the HPA multiplies its replicas towards; or
	Average  float64 // target per replica, which it divides by
}

// metricFile is a Metric in a file.
type metricFile struct {
	Resource string  `yaml:"resource"`
	Percent  int32   `yaml:"percent"`
	Quantity string  `yaml:"quantity"`
	Entry    bool    `yaml:"entry"`
	Pods     bool    `yaml:"pods"`
	Value    float64 `yaml:"value"`
	Average  float64 `yaml:"average_value"`
}

// maxTarget bounds what a metric is compared with.
const maxTarget = 1e9

func (f *metricFile) metric() (Metric, error) {
	m := Metric{Resource: hpa.Resource(f.Resource), Percent: f.Percent, Quantity: sim.Quantity(f.Quantity), Entry: f.Entry, Pods: f.Pods, Value: f.Value, Average: f.Average}
	var errs []error
	bad := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	switch {
	case (f.Resource == "") == (f.Quantity == ""):
		return m, errors.New("needs either a resource (cpu, memory) or a quantity")
	case f.Resource != "":
		bad(m.Resource == hpa.CPU || m.Resource == hpa.Memory, "resource: %q: one of cpu, memory", f.Resource)
		bad(f.Percent >= 1 && f.Percent <= hpa.MaxSetPercent, "percent: %d: must be from 1 to %d", f.Percent, hpa.MaxSetPercent)
		bad(f.Value == 0 && f.Average == 0 && !f.Entry && !f.Pods, "a resource has percent and nothing else")
	default:
		bad(slices.Contains(sim.Quantities, m.Quantity), "quantity: %q: one of %s", f.Quantity, quantities())
		bad(f.Percent == 0, "percent: %d: is of a resource; give value or average_value", f.Percent)
		target := f.Value
		if f.Average != 0 {
			target = f.Average
		}
		bad((f.Value == 0) != (f.Average == 0) && target >= 0.001 && target <= maxTarget, "needs either a value or an average_value, from 0.001 to %g", maxTarget)
		bad(!f.Pods || f.Value == 0, "value: %v: a Pods metric has an average_value", f.Value)
	}
	return m, errors.Join(errs...)
}

func quantities() string {
	var names []string
	for _, q := range sim.Quantities {
		names = append(names, string(q))
	}
	return strings.Join(names, ", ")
}

// spec is the metric of an HPA. Served ones are named after their quantity.
func (m *Metric) spec() hpa.MetricSpec {
	if m.Resource != "" {
		return hpa.MetricSpec{Type: hpa.ResourceMetric, Resource: m.Resource, Target: hpa.Target{Type: hpa.UtilizationTarget, AverageUtilization: m.Percent}}
	}
	out := hpa.MetricSpec{Type: hpa.ExternalMetric, Name: string(m.Quantity), Target: hpa.Target{Type: hpa.ValueTarget, ValueMillis: int64(1000 * m.Value)}}
	if m.Pods {
		out.Type = hpa.PodsMetric
	}
	if m.Average > 0 {
		out.Target = hpa.Target{Type: hpa.AverageValueTarget, AverageValueMillis: int64(1000 * m.Average)}
	}
	return out
}

// trigger is the same for KEDA.
func (m *Metric) trigger() keda.Trigger {
	if m.Resource != "" {
		return keda.Trigger{Type: keda.TriggerType(m.Resource), MetricType: hpa.UtilizationTarget, Resource: keda.Resource{Utilization: m.Percent}}
	}
	t := keda.Trigger{Type: keda.PrometheusTrigger, MetricType: hpa.AverageValueTarget, Prometheus: keda.Prometheus{Query: string(m.Quantity), Threshold: m.Average, ActivationThreshold: 1}}
	if m.Value > 0 {
		t.MetricType, t.Prometheus.Threshold = hpa.ValueTarget, m.Value
	}
	return t
}

// served is where a served metric of a service comes from.
func (x *Incident) served(m *Metric, service int) sim.ServedMetric {
	if m.Entry {
		service = sim.Entry
	}
	return sim.ServedMetric{Quantity: m.Quantity, Service: service, Age: max(x.MetricAge, 0)}
}

// find is the served metric of a name.
func find(list []Metric, name string) (*Metric, error) {
	for i := range list {
		if list[i].Resource == "" && string(list[i].Quantity) == name {
			return &list[i], nil
		}
	}
	return nil, fmt.Errorf("metric %q is not one of this incident's", name)
}

// decodeMetrics reads what the autoscalers go by: CPU and requests/s of a replica where the file says nothing.
func (x *Incident) decodeMetrics(f *file, bad func(format string, args ...any)) {
	x.HPAMetrics = []Metric{{Resource: hpa.CPU, Percent: x.Percent}}
	if x.MetricAge >= 0 {
		x.HPAMetrics = []Metric{{Quantity: sim.RequestsPerPod, Value: x.RPS}}
	}
	x.KEDAMetric = Metric{Quantity: sim.RequestsPerSecond, Average: x.RPS}
	if len(f.HPAMetrics) > 0 {
		x.HPAMetrics = nil
	}
	seen := map[string]bool{}
	for i := range f.HPAMetrics {
		m, err := f.HPAMetrics[i].metric()
		if err != nil {
			bad("hpa_metrics[%d]: %w", i, err)
		}
		if name := f.HPAMetrics[i].Resource + f.HPAMetrics[i].Quantity; seen[name] {
			bad("hpa_metrics[%d]: %s is given twice", i, name)
		} else {
			seen[name] = true
		}
		x.HPAMetrics = append(x.HPAMetrics, m)
	}
	if f.KEDAMetric != nil {
		var err error
		if x.KEDAMetric, err = f.KEDAMetric.metric(); err != nil {
			bad("keda_metric: %w", err)
		}
		if x.KEDAMetric.Pods {
			bad("keda_metric: pods: KEDA's metrics are External ones")
		}
	}
}

// checkServed refuses served metrics that the application does not have.
func (x *Incident) checkServed(bad func(format string, args ...any)) {
	if x.App == nil {
		return
	}
	check := func(key string, m *Metric) {
		if m.Resource != "" || !slices.Contains(sim.Quantities, m.Quantity) {
			return
		}
		served := x.served(m, 0)
		if err := served.Validate(x.App); err != nil {
			bad("%s: %w", key, err)
		}
	}
	for i := range x.HPAMetrics {
		check(fmt.Sprintf("hpa_metrics[%d]", i), &x.HPAMetrics[i])
	}
	check("keda_metric", &x.KEDAMetric)
}
