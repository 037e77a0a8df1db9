package manifest

import (
	"math"
	"slices"
	"strconv"

	"github.com/grlscaler/grlscaler/sim/hpa"
)

// triggerKeys lists the metadata of the triggers that simulations know best: what must be given, and what may be. Others
// are kept as they are.
var triggerKeys = map[string]struct{ required, optional []string }{
	// pkg/scalers/cpu_memory_scaler.go
	"cpu":    {[]string{"value"}, []string{"containerName"}},
	"memory": {[]string{"value"}, []string{"containerName"}},
	// pkg/scalers/cron_scaler.go
	"cron": {[]string{"timezone", "start", "end", "desiredReplicas"}, nil},
	// pkg/scalers/prometheus_scaler.go
	"prometheus": {[]string{"serverAddress", "query", "threshold"}, []string{
		"activationThreshold", "namespace", "customHeaders", "ignoreNullValues", "unsafeSsl", "awsRegion", "timeout",
		"identityOwner", "queryParameters", "authModes", "authMode",
		"metricName", // named the metric until KEDA 2.12
	}},
}

func isResource(trigger string) bool { return trigger == "cpu" || trigger == "memory" }

func onlyResources(triggers []Trigger) bool {
	return !slices.ContainsFunc(triggers, func(t Trigger) bool { return !isResource(t.Type) })
}

// triggers checks and converts triggers, as ValidateTriggers, verifyCPUMemoryScalers and the scalers do.
func (o *object) triggers(p path, in []kedaTrigger, so *ScaledObject) {
	if len(in) == 0 {
		o.errorf(p, "missing: a ScaledObject needs at least one trigger")
		return
	}
	names := map[string]bool{}
	for i := range in {
		t, at := &in[i], p.at(i)
		out := Trigger{Type: t.Type, Name: t.Name, Metadata: t.Metadata, UseCachedMetrics: t.UseCachedMetrics}
		if t.Type == "" {
			o.errorf(at.at("type"), "missing: name the kind of trigger, such as prometheus")
		}
		if t.Name != "" && names[t.Name] {
			o.errorf(at.at("name"), "%s: another trigger has this name", show(t.Name))
		}
		names[t.Name] = true
		if t.UseCachedMetrics && (isResource(t.Type) || t.Type == "cron") {
			o.errorf(at.at("useCachedMetrics"), "not possible for a trigger of type %q: remove it", t.Type)
		}
		if ref := t.AuthenticationRef; ref != nil {
			out.Authentication = o.authentication(at.at("authenticationRef"), ref.Kind, ref.Name)
		}
		out.MetricType = o.metricType(at.at("metricType"), t)
		if t.Metadata == nil {
			o.errorf(at.at("metadata"), "missing: write the settings of the trigger there, or {} if it has none")
		} else {
			o.triggerMetadata(at.at("metadata"), &out)
		}
		so.Triggers = append(so.Triggers, out)
	}
	if onlyResources(so.Triggers) && (so.MinReplicaCount == nil || *so.MinReplicaCount == 0) {
		o.errorf(path{"spec", "minReplicaCount"}, "must be at least 1 (without it, it is 0): cpu and memory alone cannot scale from zero")
	}
}

func (o *object) authentication(p path, kind, name string) string {
	const usual, cluster = "TriggerAuthentication", "ClusterTriggerAuthentication"
	if name == "" {
		o.errorf(p.at("name"), "missing: name the %s", usual)
	}
	switch kind {
	case "":
		kind = usual
	case usual, cluster:
	default:
		o.errorf(p.at("kind"), "%s: must be %q or %q", show(kind), usual, cluster)
	}
	return kind + "/" + name
}

// metricType checks what the value is compared with: GetMetricTargetType, and parseResourceMetadata for cpu and memory.
func (o *object) metricType(p path, t *kedaTrigger) hpa.TargetType {
	allowed := []hpa.TargetType{hpa.AverageValueTarget, hpa.ValueTarget}
	if isResource(t.Type) {
		allowed[1] = hpa.UtilizationTarget
	}
	of := hpa.TargetType(t.MetricType)
	switch {
	case of == "" && isResource(t.Type):
		o.errorf(p, "missing: a trigger of type %q needs %q or %q", t.Type, allowed[0], allowed[1])
	case of == "":
		return hpa.AverageValueTarget
	case !slices.Contains(allowed, of):
		o.errorf(p, "%s: must be %q or %q for a trigger of type %q", show(t.MetricType), allowed[0], allowed[1], t.Type)
	}
	return of
}

// triggerMetadata checks the metadata of triggers that are in triggerKeys.
func (o *object) triggerMetadata(p path, t *Trigger) {
	known, ok := triggerKeys[t.Type]
	if !ok {
		return
	}
	unknown := o.unknownMetadata(p, t, slices.Concat(known.required, known.optional))
	for _, key := range known.required {
		if t.Metadata[key] != "" {
			continue
		}
		hint := ""
		if near := nearest(key, unknown, 1+len(key)/4); near != "" {
			hint = "; did you mean it by " + strconv.Quote(near) + "?"
		}
		o.errorf(p.at(key), "missing: a trigger of type %q needs it%s", t.Type, hint)
	}
	switch t.Type {
	case "cpu", "memory":
		o.resourceValue(p.at("value"), t)
	case "prometheus":
		// The HPA's target is this in thousandths, rounded up.
		if v, ok := o.number(p.at("threshold"), t.Metadata["threshold"], false); ok && (v <= 0 || v > math.MaxInt64/1000) {
			o.errorf(p.at("threshold"), "%s: must be above 0 and at most %d", show(t.Metadata["threshold"]), int64(math.MaxInt64/1000))
		}
		o.number(p.at("activationThreshold"), t.Metadata["activationThreshold"], false)
	case "cron":
		if s := t.Metadata["desiredReplicas"]; s != "" {
			if n, err := strconv.ParseInt(s, 10, 32); err != nil || n < 1 {
				o.errorf(p.at("desiredReplicas"), "%s: must be a whole number of at least 1", show(s))
			}
		}
		if s := t.Metadata["start"]; s != "" && s == t.Metadata["end"] {
			o.errorf(p.at("end"), "%s: must not be the same as start", show(s))
		}
	}
}

// unknownMetadata warns of keys that KEDA ignores and returns them; the removed type is an error.
func (o *object) unknownMetadata(p path, t *Trigger, known []string) []string {
	var unknown []string
	for _, key := range keys(t.Metadata) {
		switch {
		case slices.Contains(known, key):
		case key == "type" && isResource(t.Type):
			o.errorf(p.at(key), "%s: KEDA 2.18 removed it: write metricType beside metadata", show(t.Metadata[key]))
		default:
			unknown = append(unknown, key)
			o.warnf(p.at(key), "KEDA does not know it for a trigger of type %q and ignores it", t.Type)
		}
	}
	return unknown
}

// resourceValue checks the target of cpu and memory: whole percent or a quantity.
func (o *object) resourceValue(p path, t *Trigger) {
	s := t.Metadata["value"]
	switch {
	case s == "":
	case t.MetricType == hpa.UtilizationTarget:
		if n, err := strconv.ParseInt(s, 10, 32); err != nil || n < 1 {
			o.errorf(p, "%s: must be whole percent of the request, at least 1, without a %% sign", show(s))
		}
	default:
		q, err := parseQuantity(s)
		switch {
		case err != nil:
			o.errorf(p, "%s: %v", show(s), err)
		case q.Sign() <= 0:
			o.errorf(p, "%s: must be above 0", show(s))
		default:
			o.millis(p, q)
		}
	}
}

// number reads a number that is written as text; ok is false if there is none or if it is not finite.
func (o *object) number(p path, s string, required bool) (v float64, ok bool) {
	if s == "" {
		if required {
			o.errorf(p, "missing: must be a number, in quotes")
		}
		return 0, false
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		o.errorf(p, "%s: must be a number", show(s))
		return 0, false
	}
	return v, true
}
