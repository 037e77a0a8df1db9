package sim

import (
	"errors"
	"fmt"

	"github.com/grlscaler/grlscaler/sim/hpa"
	"github.com/grlscaler/grlscaler/sim/predictive"
)

// Predictive is one PredictiveHorizontalPodAutoscaler for each service that has one: an HPA calculates, models predict from what it
// calculated, and what they come to is settled by the object's behavior.
type Predictive struct {
	name    string
	specFor func(app *App, service int) *PredictiveSpec
	inner   *HPA // calculates; what it decides is not carried out

	// Serve says which metric of the simulated cluster a metric that is no resource is, as [HPA.Serve] does. Set it before the first Reset.
	Serve func(app *App, service int, m *hpa.MetricSpec) (ServedMetric, error)

	app      *App
	services []*predictive.Controller // nil without an object
	requests []ScaleRequest           // of the calculating HPAs
	decided  []hpa.Decision           // by service, of the last sync
	synced   []bool
	reasons  []Reason // without notes about models: Reasons writes them
	models   []int32  // what those of each reason gave
}

// PredictiveSpec is an object: the metrics that the count is calculated from, and the rest.
type PredictiveSpec struct {
	Metrics []hpa.MetricSpec
	Rules   predictive.Spec
}

var (
	_ Controller = (*Predictive)(nil)
	_ PodWatcher = (*Predictive)(nil)
	_ Explainer  = (*Predictive)(nil)
)

// NewPredictive makes a controller of such objects, whose metrics are calculated with, and which sync, by cfg ([predictive.HPAConfig] has
// the defaults): specFor returns that of a service, nil for none.
func NewPredictive(name string, cfg hpa.Config, specFor func(app *App, service int) *PredictiveSpec) (*Predictive, error) {
	p := &Predictive{name: name, specFor: specFor}
	var err error
	p.inner, err = NewHPA(name, cfg, func(app *App, s int) *hpa.Spec {
		spec := p.specFor(app, s)
		if spec == nil {
			return nil
		}
		return &hpa.Spec{Name: spec.Rules.Name, MinReplicas: spec.Rules.MinReplicas, MaxReplicas: spec.Rules.MaxReplicas, Metrics: spec.Metrics}
	})
	if err != nil {
		return nil, err
	}
	p.inner.Observe = func(s int, d *hpa.Decision) {
		p.decided[s], p.synced[s] = *d, true
	}
	return p, nil
}

// Name returns the name under which results are listed.
func (p *Predictive) Name() string { return p.name }

// WatchesPods is true: the HPAs count pods.
func (p *Predictive) WatchesPods() bool { return true }

// Reset makes fresh objects. All mistakes in them are reported at once.
func (p *Predictive) Reset(app *App, seed uint64) error {
	if p.app != app {
		n := len(app.Services)
		p.app, p.services, p.decided, p.synced = nil, make([]*predictive.Controller, n), make([]hpa.Decision, n), make([]bool, n)
		var errs []error
		for s := range app.Services {
			spec := p.specFor(app, s)
			if spec == nil {
				continue
			}
			var err error
			if p.services[s], err = predictive.New(spec.Rules); err != nil {
				errs = append(errs, fmt.Errorf("service %s: %w", app.Services[s].Name, err))
			}
		}
		if err := errors.Join(errs...); err != nil {
			return err
		}
		p.app = app
	}
	for _, c := range p.services {
		if c != nil {
			c.Reset()
		}
	}
	p.inner.Serve = p.Serve
	return p.inner.Reset(app, seed)
}

// Decide syncs every object whose period is over.
func (p *Predictive) Decide(v *View, dst []ScaleRequest) ([]ScaleRequest, error) {
	clear(p.synced)
	p.reasons, p.models = p.reasons[:0], p.models[:0]
	var err error
	if p.requests, err = p.inner.Decide(v, p.requests[:0]); err != nil {
		return dst, err
	}
	for s, c := range p.services {
		if c == nil || !p.synced[s] {
			continue
		}
		d := &p.decided[s]
		models := int32(0)
		r := Reason{Service: s, From: int(d.Current), To: int(d.Desired), Rule: "predictive"}
		switch d.Path {
		case hpa.PathMetrics:
			predicted := c.Sync(v.At, d.Proposed)
			settled := c.Settle(v.At, d.Current, predicted.Replicas)
			r.To, models = int(settled.Desired), predicted.Replicas
			if settled.Stabilization != hpa.NoReason {
				r.Limits = append(r.Limits, ReasonLimit{string(settled.Stabilization), int(settled.Stabilized)})
			}
			if settled.Limit != hpa.DesiredWithinRange {
				r.Limits = append(r.Limits, ReasonLimit{string(settled.Limit), r.To})
			}
		case hpa.PathFailed, hpa.PathDisabled:
			r.To, r.Note = r.From, "no metrics"
		}
		if r.To != r.From {
			dst = append(dst, ScaleRequest{Service: s, Replicas: r.To, Pool: AnyPool})
		}
		p.reasons, p.models = append(p.reasons, r), append(p.models, models)
	}
	return dst, nil
}

// Reasons are those of the syncs of the last Decide.
func (p *Predictive) Reasons(dst []Reason) []Reason {
	for i, r := range p.reasons {
		if d := &p.decided[r.Service]; d.Path == hpa.PathMetrics {
			r.Note = fmt.Sprintf("metrics give %d, with the models %d", d.Proposed, p.models[i])
		}
		dst = append(dst, r)
	}
	return dst
}
