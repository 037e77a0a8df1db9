package keda

import (
	"errors"
	"fmt"
	"math"

	"github.com/grlscaler/grlscaler/sim/hpa"
)

// validation collects mistakes, each with the path of the field.
type validation struct {
	prefix string
	errs   []error
}

func (v *validation) addf(path, format string, args ...any) {
	v.errs = append(v.errs, fmt.Errorf("%s%s: %s", v.prefix, path, fmt.Sprintf(format, args...)))
}

// Validate checks the object as KEDA's admission webhook and its scalers do, on top of its defaults, and reports every
// mistake at once: each error names the field, the value found and the values allowed.
func (s Spec) Validate() error {
	d := s.WithDefaults()
	v := &validation{prefix: "scaled object spec."}
	if s.Name != "" {
		v.prefix = fmt.Sprintf("scaled object %q: spec.", s.Name)
	}
	if *d.PollingIntervalSeconds < 1 {
		v.addf("pollingInterval", "%d: must be at least 1 second (default %d)", *d.PollingIntervalSeconds, DefaultPollingIntervalSeconds)
	}
	if *d.CooldownPeriodSeconds < 0 {
		v.addf("cooldownPeriod", "%d: must not be negative (default %d)", *d.CooldownPeriodSeconds, DefaultCooldownPeriodSeconds)
	}
	if *d.InitialCooldownPeriodSeconds < 0 {
		v.addf("initialCooldownPeriod", "%d: must not be negative (default %d)", *d.InitialCooldownPeriodSeconds, DefaultInitialCooldownPeriodSeconds)
	}
	v.replicas(&d)
	v.triggers(&d)
	v.modifiers(&d)
	v.fallback(&d)
	v.behavior(&d)
	return errors.Join(v.errs...)
}

func (v *validation) replicas(s *Spec) {
	minR, maxR := *s.MinReplicaCount, *s.MaxReplicaCount
	if minR < 0 {
		v.addf("minReplicaCount", "%d: must not be negative", minR)
	}
	if lowest := max(minR, 1); maxR < lowest {
		v.addf("maxReplicaCount", "%d: must be at least %d, where minReplicaCount is %d", maxR, lowest, minR)
	}
	if idle := s.IdleReplicaCount; idle != nil && (*idle < 0 || *idle >= minR) {
		v.addf("idleReplicaCount", "%d: must be at least 0 and below minReplicaCount, which is %d; left out, minReplicaCount 0 goes to 0 by itself",
			*idle, minR)
	}
	if p := s.Annotations.PausedReplicas; p != nil && *p < 0 {
		v.errs = append(v.errs, fmt.Errorf("scaled object %q: metadata.annotations[%s%s]: %d: must be at least 0",
			s.Name, annotationPrefix, pausedReplicasAnnotation, *p))
	}
}

func (v *validation) triggers(s *Spec) {
	if len(s.Triggers) == 0 {
		v.addf("triggers", "there must be at least one")
		return
	}
	named, external := map[string]int{}, false
	for i := range s.Triggers {
		t, path := &s.Triggers[i], fmt.Sprintf("triggers[%d]", i)
		external = external || t.External()
		if other, taken := named[t.Name]; taken && t.Name != "" {
			v.addf(path+".name", "%q: triggers[%d] has this name already; each must have its own", t.Name, other)
		}
		named[t.Name] = i
		v.trigger(path, t)
	}
	if !external && *s.MinReplicaCount == 0 {
		v.addf("minReplicaCount", "0: must be at least 1 where all triggers are of type %q or %q, which are always active; "+
			"or add a trigger of another type", CPUTrigger, MemoryTrigger)
	}
}

// trigger checks one trigger: its type decides what its metadata is.
func (v *validation) trigger(path string, t *Trigger) {
	switch t.Type {
	case CPUTrigger, MemoryTrigger:
		v.resource(path, t)
	case PrometheusTrigger:
		v.prometheus(path, t)
	case CronTrigger:
		v.cron(path, t)
	default:
		v.addf(path+".type", "%q: is not simulated: must be one of %q, %q, %q, %q; say what it measures as a %q trigger", t.Type,
			CPUTrigger, MemoryTrigger, PrometheusTrigger, CronTrigger, PrometheusTrigger)
		return
	}
	if t.UseCachedMetrics && t.Type != PrometheusTrigger {
		v.addf(path+".useCachedMetrics", "true: must not be set for a trigger of type %q", t.Type)
	}
	for _, foreign := range []struct {
		what string
		set  bool
	}{
		{"a cpu or memory", t.External() && t.Resource != Resource{}},
		{"a prometheus", t.Type != PrometheusTrigger && t.Prometheus != Prometheus{}},
		{"a cron", t.Type != CronTrigger && t.Cron != Cron{}},
	} {
		if foreign.set {
			v.addf(path+".metadata", "has fields of %s trigger, but the type is %q", foreign.what, t.Type)
		}
	}
}

func (v *validation) resource(path string, t *Trigger) {
	r := &t.Resource
	switch t.MetricType {
	case hpa.UtilizationTarget:
		if r.Utilization < 1 {
			v.addf(path+".metadata.value", "%d: must be at least 1 percent of the request", r.Utilization)
		}
		if r.AverageValueMillis != 0 {
			v.addf(path+".metadata.value", "%d thousandths: must not be set for metricType %q", r.AverageValueMillis, t.MetricType)
		}
	case hpa.AverageValueTarget:
		if r.AverageValueMillis < 1 {
			v.addf(path+".metadata.value", "%d thousandths: must be at least 1", r.AverageValueMillis)
		}
		if r.Utilization != 0 {
			v.addf(path+".metadata.value", "%d percent: must not be set for metricType %q", r.Utilization, t.MetricType)
		}
	default:
		v.addf(path+".metricType", "%q: must be %q or %q for a trigger of type %q", t.MetricType, hpa.UtilizationTarget, hpa.AverageValueTarget, t.Type)
	}
}

// externalType checks the kind of target of an external metric.
func (v *validation) externalType(path string, t *Trigger) {
	if t.MetricType != hpa.AverageValueTarget && t.MetricType != hpa.ValueTarget {
		v.addf(path+".metricType", "%q: must be %q (the default) or %q for a trigger of type %q",
			t.MetricType, hpa.AverageValueTarget, hpa.ValueTarget, t.Type)
	}
}

func (v *validation) prometheus(path string, t *Trigger) {
	v.externalType(path, t)
	p := &t.Prometheus
	if p.Query == "" {
		v.addf(path+".metadata.query", "there must be one, such as sum(rate(http_requests_total[2m]))")
	}
	if !finite(p.Threshold) || toMillis(p.Threshold) < 1 {
		v.addf(path+".metadata.threshold", "%v: must be a finite number of at least 0.001", p.Threshold)
	}
	if !finite(p.ActivationThreshold) {
		v.addf(path+".metadata.activationThreshold", "%v: must be a finite number", p.ActivationThreshold)
	}
}

func (v *validation) cron(path string, t *Trigger) {
	v.externalType(path, t)
	c := &t.Cron
	zone, err := loadZone(c.Timezone)
	if err != nil {
		v.addf(path+".metadata.timezone", "%v", err)
	}
	if _, err := parseCron(c.Start, zone); err != nil {
		v.addf(path+".metadata.start", "%v", err)
	}
	if _, err := parseCron(c.End, zone); err != nil {
		v.addf(path+".metadata.end", "%v", err)
	} else if c.Start == c.End {
		v.addf(path+".metadata.end", "%q: must differ from start", c.End)
	}
	if c.DesiredReplicas < 1 {
		v.addf(path+".metadata.desiredReplicas", "%d: must be at least 1", c.DesiredReplicas)
	}
}

func (v *validation) fallback(s *Spec) {
	f := s.Fallback
	if f == nil {
		return
	}
	if f.FailureThreshold < 0 {
		v.addf("fallback.failureThreshold", "%d: must not be negative", f.FailureThreshold)
	}
	if f.Replicas < 0 {
		v.addf("fallback.replicas", "%d: must not be negative", f.Replicas)
	}
	switch f.Behavior {
	case FallbackStatic, FallbackCurrentReplicas, FallbackCurrentReplicasIfHigher, FallbackCurrentReplicasIfLower, FallbackScalingModifiers:
	default:
		v.addf("fallback.behavior", "%q: must be one of %q (the default), %q, %q, %q, %q", f.Behavior,
			FallbackStatic, FallbackCurrentReplicas, FallbackCurrentReplicasIfHigher, FallbackCurrentReplicasIfLower, FallbackScalingModifiers)
	}
	for i := range s.Triggers {
		if s.Triggers[i].External() {
			return
		}
	}
	v.addf("fallback", "needs at least one trigger that is neither %q nor %q: those have no fallback", CPUTrigger, MemoryTrigger)
}

// behavior checks what the HPA's own rules say about it.
func (v *validation) behavior(s *Spec) {
	err := hpa.Spec{MaxReplicas: 1, Behavior: s.Behavior}.Validate(hpa.DefaultConfig())
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			v.errs = append(v.errs, fmt.Errorf("%sadvanced.horizontalPodAutoscalerConfig: %w", v.prefix, e))
		}
	}
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
