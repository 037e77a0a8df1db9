package cmd

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/grlscaler/grlscaler/cmd/manifest"
	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/hpa"
	"github.com/grlscaler/grlscaler/sim/keda"
	"github.com/grlscaler/grlscaler/sim/vpa"
)

// kedaSpec is a ScaledObject as the simulator runs it. Triggers' metadata is read here.
func kedaSpec(o *manifest.ScaledObject) (*keda.Spec, error) {
	annotations, err := keda.ParseAnnotations(o.Annotations)
	if err != nil {
		return nil, err
	}
	s := &keda.Spec{Name: o.Name, Annotations: annotations, IdleReplicaCount: o.IdleReplicaCount, MinReplicaCount: o.MinReplicaCount, MaxReplicaCount: o.MaxReplicaCount, HPAName: o.HPAName, Behavior: o.Behavior}
	s.PollingIntervalSeconds, s.CooldownPeriodSeconds, s.InitialCooldownPeriodSeconds = wholeSeconds(o.PollingInterval), wholeSeconds(o.CooldownPeriod), wholeSeconds(o.InitialCooldownPeriod)
	if o.Fallback != nil {
		s.Fallback = &keda.Fallback{FailureThreshold: o.Fallback.FailureThreshold, Replicas: o.Fallback.Replicas, Behavior: keda.FallbackBehavior(o.Fallback.Behavior)}
	}
	if m := o.ScalingModifiers; m != nil {
		s.Modifiers = &keda.ScalingModifiers{Formula: m.Formula, Target: m.Target, ActivationTarget: m.ActivationTarget, MetricType: hpa.TargetType(m.MetricType)}
	}
	var errs []error
	for i := range o.Triggers {
		t, err := kedaTrigger(&o.Triggers[i])
		if err != nil {
			errs = append(errs, fmt.Errorf("spec.triggers[%d]: %w", i, err))
		}
		s.Triggers = append(s.Triggers, t)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return s, s.Validate()
}

func wholeSeconds(d *time.Duration) *int32 {
	if d == nil {
		return nil
	}
	n := int32(*d / time.Second)
	return &n
}

// kedaTrigger reads a trigger's metadata, all of which are strings.
func kedaTrigger(in *manifest.Trigger) (keda.Trigger, error) {
	t := keda.Trigger{Type: keda.TriggerType(in.Type), Name: in.Name, MetricType: in.MetricType, UseCachedMetrics: in.UseCachedMetrics}
	m := metadata{of: in.Metadata}
	switch t.Type {
	case keda.CPUTrigger, keda.MemoryTrigger:
		t.Resource.ContainerName = m.text("containerName", false)
		if t.MetricType == hpa.UtilizationTarget {
			t.Resource.Utilization = int32(m.whole("value"))
		} else {
			t.Resource.AverageValueMillis = m.quantity("value")
		}
	case keda.PrometheusTrigger:
		t.Prometheus.Query, t.Prometheus.Threshold = m.text("query", true), m.number("threshold", true)
		t.Prometheus.ActivationThreshold = m.number("activationThreshold", false)
		if v := m.text("ignoreNullValues", false); v != "" {
			ignore, err := strconv.ParseBool(v)
			if err != nil {
				m.bad("ignoreNullValues", "must be true or false")
			}
			t.Prometheus.IgnoreNullValues = &ignore
		}
	case keda.CronTrigger:
		t.Cron = keda.Cron{Timezone: m.text("timezone", true), Start: m.text("start", true), End: m.text("end", true), DesiredReplicas: int32(m.whole("desiredReplicas"))}
	default:
		return t, fmt.Errorf("type %s: not simulated; one of cpu, memory, prometheus, cron", in.Type)
	}
	return t, m.finish()
}

// metadata reads a trigger's keys. Others say where and how to ask, which the simulated cluster needs not, or are unknown, which the
// reader of the manifests warns of.
type metadata struct {
	of   map[string]string
	errs []error
}

func (m *metadata) bad(key, what string) {
	m.errs = append(m.errs, fmt.Errorf("metadata.%s: %q: %s", key, m.of[key], what))
}

func (m *metadata) text(key string, needed bool) string {
	v := m.of[key]
	if v == "" && needed {
		m.errs = append(m.errs, fmt.Errorf("metadata.%s is missing", key))
	}
	return v
}

func (m *metadata) number(key string, needed bool) float64 {
	text := m.text(key, needed)
	if text == "" {
		return 0
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		m.bad(key, "must be a number")
	}
	return v
}

func (m *metadata) whole(key string) int64 {
	text := m.text(key, true)
	if text == "" {
		return 0
	}
	v, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		m.bad(key, "must be a whole number")
	}
	return v
}

// quantity is a Kubernetes quantity in millicores or thousandths of a byte.
func (m *metadata) quantity(key string) int64 {
	text := m.text(key, true)
	if text == "" {
		return 0
	}
	v, err := manifest.ParseMillis(text)
	if err != nil {
		m.bad(key, "must be a quantity such as 500m or 256Mi")
	}
	return v
}

func (m *metadata) finish() error { return errors.Join(m.errs...) }

// vpaSpec is a VerticalPodAutoscaler as the simulator runs it. Policies of a container hold for the one that simulated pods have.
func vpaSpec(v *manifest.VPA) *vpa.Spec {
	s := &vpa.Spec{Name: v.Name, UpdateMode: vpa.UpdateMode(v.UpdateMode), MinReplicas: v.MinReplicas}
	for _, r := range v.EvictionRequirements {
		e := vpa.EvictionRequirement{ChangeRequirement: vpa.ChangeRequirement(r.ChangeRequirement)}
		for _, name := range r.Resources {
			e.Resources = append(e.Resources, vpa.Resource(name))
		}
		s.EvictionRequirements = append(s.EvictionRequirements, e)
	}
	for _, p := range v.Policies {
		name := p.Container
		if name != vpa.AnyContainer { // simulated pods have one container
			name = sim.HPAContainer
		}
		c := vpa.ContainerPolicy{ContainerName: name, MinAllowed: vpaAmounts(p.MinAllowed), MaxAllowed: vpaAmounts(p.MaxAllowed)}
		if p.Off {
			c.Mode = vpa.ScalingOff
		}
		if p.RequestsOnly {
			c.ControlledValues = vpa.RequestsOnly
		}
		for _, name := range p.ControlledResources {
			c.ControlledResources = append(c.ControlledResources, vpa.Resource(name))
		}
		s.ContainerPolicies = append(s.ContainerPolicies, c)
	}
	return s
}

func vpaAmounts(r manifest.Resources) (a vpa.Amounts) {
	if r.CPUMillis != nil {
		a.CPUMillis = *r.CPUMillis
	}
	if r.MemBytes != nil {
		a.MemoryBytes = *r.MemBytes
	}
	return a
}
