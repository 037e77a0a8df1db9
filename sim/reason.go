package sim

import (
	"fmt"
	"strings"
)

// Reason is why a controller decided as it did about one service: for machines. [Reason.Sentence] is for people.
type Reason struct {
	Service  int
	From, To int    // spec replicas as found, and asked for
	Rule     string // what decided: "hpa", "static", "oracle", "action" of a policy, ...

	// The metric that decided, "" where none did: its value and target in Unit, and the replicas that they alone give.
	Metric        string
	Value, Target float64
	Unit          string
	Proposed      int

	// What kept the result from what was proposed, "" for nothing, and at how many replicas: the reasons of Kubernetes'
	// conditions (ScaleDownStabilized, TooManyReplicas, ScaleUpLimit, ...) where the rule is theirs.
	Limits []ReasonLimit
	Note   string // anything else, in words
}

// ReasonLimit is one thing that bound a decision.
type ReasonLimit struct {
	Name string
	At   int // replicas
}

// Explainer is a controller that says why.
type Explainer interface {
	// Reasons appends those of the last Decide: one for each service that it decided about, also where nothing changes.
	// What they hold is valid until the next Decide.
	Reasons(dst []Reason) []Reason
}

// reasonsOf are a controller's own reasons, or what can be said of any: what it asked for.
func reasonsOf(c Controller, v *View, requests []ScaleRequest, dst []Reason) []Reason {
	if e, ok := c.(Explainer); ok {
		if dst = e.Reasons(dst); len(dst) > 0 {
			return dst
		}
	}
	for _, r := range requests {
		x := Reason{Service: r.Service, From: v.Services[r.Service].Spec, Rule: "action"}
		if x.To = r.Replicas; r.Replicas == KeepReplicas {
			x.To = x.From
		}
		if r.QuotaMillis > 0 && r.QuotaMillis != v.Services[r.Service].QuotaMillis {
			x.Note = fmt.Sprintf("CPU limit %g m instead of %g m", r.QuotaMillis, v.Services[r.Service].QuotaMillis)
		}
		dst = append(dst, x)
	}
	return dst
}

// Sentence says it in one sentence about the service's replicas.
func (r *Reason) Sentence(service string) string {
	var b strings.Builder
	if r.To == r.From {
		fmt.Fprintf(&b, "%s kept %s", service, replicasText(r.From))
	} else {
		fmt.Fprintf(&b, "%s went from %d to %s", service, r.From, replicasText(r.To))
	}
	fmt.Fprintf(&b, " by %s", r.Rule)
	if r.Metric != "" {
		fmt.Fprintf(&b, ": %s was %s against a target of %s %s, which alone gives %d", r.Metric, amount(r.Value), amount(r.Target), r.Unit, r.Proposed)
	}
	if r.Note != "" {
		b.WriteString("; " + r.Note)
	}
	for _, l := range r.Limits {
		fmt.Fprintf(&b, "; %s held it at %d", l.Name, l.At)
	}
	return b.String()
}

func replicasText(n int) string {
	if n == 1 {
		return "1 replica"
	}
	return fmt.Sprintf("%d replicas", n)
}

func amount(x float64) string {
	if x >= 100 {
		return fmt.Sprintf("%.0f", x)
	}
	return fmt.Sprintf("%.3g", x)
}
