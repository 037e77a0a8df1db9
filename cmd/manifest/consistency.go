package manifest

import (
	"fmt"
	"slices"

	"github.com/grlscaler/grlscaler/sim/hpa"
)

// compare checks objects against each other: an object that is there twice and two autoscalers of one target are
// mistakes, what another object lacks is a warning, as a cluster may add it (containers by injection, requests by a
// LimitRange).
func (r *reader) compare() {
	seen := map[string]*Object{}  // by kind, namespace and name
	owner := map[string]*Object{} // of a target, by what is scaled
	r.set.objects(func(o *Object, t *Target) {
		key := fmt.Sprintf("%s %s/%s", o.Kind, o.space(), o.Name)
		if first := seen[key]; first != nil {
			r.failf(o.Source.File, o.Source.Line, "%s: is there already, in %s: leave one of them", o.Label(), first.Source)
			return
		}
		seen[key] = o
		if t == nil {
			return
		}
		scales, field := "is already scaled by", "spec.scaleTargetRef"
		if o.Kind == "VerticalPodAutoscaler" {
			scales, field = "already has", "spec.targetRef"
		}
		key = fmt.Sprintf("%s %s %s/%s", field, t.Kind, o.space(), t.Name)
		if first := owner[key]; first != nil {
			r.failf(o.Source.File, o.Source.Line, "%s: %s: %s %s %s (%s): leave one of them", o.Label(), field, *t, scales, first.Label(), first.Source)
			return
		}
		owner[key] = o
	})
	r.compareNames()
	for i := range r.set.HPAs {
		h := &r.set.HPAs[i]
		if w := r.set.workload(&h.Object, &h.Target); w != nil {
			h.Warnings = append(h.Warnings, missingInputs(w, h.Spec.WithDefaults().Metrics, func(i int) path { return path{"spec", "metrics", i} })...)
		}
	}
	for i := range r.set.ScaledObjects {
		so := &r.set.ScaledObjects[i]
		if w := r.set.workload(&so.Object, &so.Target); w != nil {
			so.Warnings = append(so.Warnings, missingInputs(w, so.resourceMetrics(), func(i int) path { return path{"spec", "triggers", i} })...)
		}
	}
	for i := range r.set.PHPAs {
		p := &r.set.PHPAs[i]
		if w := r.set.workload(&p.Object, &p.Target); w != nil {
			p.Warnings = append(p.Warnings, missingInputs(w, p.metrics(), func(i int) path { return path{"spec", "metrics", i} })...)
		}
	}
	for i := range r.set.VPAs {
		r.compareVPA(&r.set.VPAs[i])
	}
}

// compareNames checks that the HPAs that KEDA makes have names of their own (verifyScaledObjects).
func (r *reader) compareNames() {
	named := map[string]*Object{}
	for i := range r.set.HPAs {
		o := &r.set.HPAs[i].Object
		named[o.space()+"/"+o.Name] = o
	}
	for i := range r.set.ScaledObjects {
		so := &r.set.ScaledObjects[i]
		key := so.space() + "/" + so.HPAName
		if first := named[key]; first != nil && !(first.Kind == so.Kind && first.Name == so.Name) {
			r.failf(so.Source.File, so.Source.Line,
				"%s: KEDA would call its HPA %q, which %s (%s) has already: set spec.advanced.horizontalPodAutoscalerConfig.name",
				so.Label(), so.HPAName, first.Label(), first.Source)
		}
		named[key] = &so.Object
	}
}

// resourceMetrics are the metrics that KEDA makes of cpu and memory triggers, by trigger; those of others have no type.
func (so *ScaledObject) resourceMetrics() []hpa.MetricSpec {
	out := make([]hpa.MetricSpec, len(so.Triggers))
	for i, t := range so.Triggers {
		if !isResource(t.Type) {
			continue
		}
		out[i] = hpa.MetricSpec{
			Type: hpa.ResourceMetric, Resource: hpa.Resource(t.Type), Container: t.Metadata["containerName"], Target: hpa.Target{Type: t.MetricType},
		}
		if out[i].Container != "" {
			out[i].Type = hpa.ContainerResourceMetric
		}
	}
	return out
}

// missingInputs names containers that a workload does not have, and requests that a utilisation would be of: the
// controller fails on either (calculatePodRequestsFromContainers).
func missingInputs(w *Workload, metrics []hpa.MetricSpec, at func(int) path) []string {
	var out []string
	for i, m := range metrics {
		if m.Type != hpa.ResourceMetric && m.Type != hpa.ContainerResourceMetric {
			continue
		}
		containers := w.Containers
		if m.Type == hpa.ContainerResourceMetric {
			n := slices.IndexFunc(containers, func(c Container) bool { return c.Name == m.Container })
			if n < 0 {
				out = append(out, fmt.Sprintf("%s: %s (%s) has no container %q", at(i), w.Label(), w.Source, m.Container))
				continue
			}
			containers = containers[n : n+1]
		}
		if m.Target.Type != hpa.UtilizationTarget {
			continue
		}
		for _, c := range containers {
			request := c.Requests.CPUMillis
			if m.Resource == hpa.Memory {
				request = c.Requests.MemBytes
			}
			if request == nil || *request == 0 {
				out = append(out, fmt.Sprintf("%s: container %q of %s (%s) requests no %s: there is nothing to take percent of",
					at(i), c.Name, w.Label(), w.Source, m.Resource))
			}
		}
	}
	return out
}

// compareVPA names what a VPA and its target's other autoscaler both move, and containers that are not there.
func (r *reader) compareVPA(v *VPA) {
	if w := r.set.workload(&v.Object, &v.Target); w != nil {
		for i, p := range v.Policies {
			if p.Container != "*" && !slices.ContainsFunc(w.Containers, func(c Container) bool { return c.Name == p.Container }) {
				v.Warnings = append(v.Warnings, fmt.Sprintf("%s: %s (%s) has no container %q",
					path{"spec", "resourcePolicy", "containerPolicies", i}, w.Label(), w.Source, p.Container))
			}
		}
	}
	if v.UpdateMode == UpdateOff {
		return
	}
	both := func(o *Object, t Target, metrics []hpa.MetricSpec) {
		if t.Kind != v.Target.Kind || t.Name != v.Target.Name || o.space() != v.space() {
			return
		}
		if slices.ContainsFunc(metrics, func(m hpa.MetricSpec) bool { return m.Target.Type == hpa.UtilizationTarget }) {
			v.Warnings = append(v.Warnings, fmt.Sprintf("spec.targetRef: %s (%s) scales the same %s by percent of the request, which this VPA moves",
				o.Label(), o.Source, t))
		}
	}
	for i := range r.set.HPAs {
		h := &r.set.HPAs[i]
		both(&h.Object, h.Target, h.Spec.WithDefaults().Metrics)
	}
	for i := range r.set.ScaledObjects {
		so := &r.set.ScaledObjects[i]
		both(&so.Object, so.Target, so.resourceMetrics())
	}
	for i := range r.set.PHPAs {
		p := &r.set.PHPAs[i]
		both(&p.Object, p.Target, p.metrics())
	}
}
