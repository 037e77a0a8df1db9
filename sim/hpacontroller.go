package sim

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/grlscaler/grlscaler/sim/hpa"
)

// HPAContainer is the name of the one container that every simulated pod has, as Online Boutique names it.
const HPAContainer = "server"

// HPA is one HorizontalPodAutoscaler for each service that has one. Everything that the real one rests on is there: pods
// in their phases, samples as late as the metrics pipeline makes them, and nothing for pods without two points. Syncs
// fall on the decisions, so HPAs are in step with each other, and with the scrapes by the pipeline's age.
type HPA struct {
	name    string
	specFor func(app *App, service int) *hpa.Spec
	cfg     hpa.Config

	// Serve says which metric of the simulated cluster a Pods, Object or External metric of a service's HPA is; its error is shown
	// with that of the object. Nil serves none. Set it before the first Reset.
	Serve func(app *App, service int, m *hpa.MetricSpec) (ServedMetric, error)

	// external gives a service's HPA all metrics that are not resources, where KEDA stands between; else nil.
	external func(service int, dst []hpa.MetricData) []hpa.MetricData

	// Observe is told of every sync, for explanations; nil for nobody. The decision is valid during the call.
	Observe func(service int, d *hpa.Decision)

	app      *App
	services []*hpa.Controller // nil where a service has no HPA
	due      []time.Duration   // time of the next sync, by service
	readers  [][]metricReader  // of the metrics of each service, empty for resource metrics

	// Buffers, filled anew for each service.
	pods       []hpa.Pod
	containers []hpa.Container // one per pod
	cpu, mem   []hpa.Sample
	metrics    []hpa.MetricData
	values     []int64      // of external metrics
	perPod     []hpa.Sample // of pods metrics
	inputs     hpa.Inputs
	decisions  []hpa.Decision // the last of each service
	synced     []int          // services of the last Decide
	reasons    []Reason
	labels     [][]string // of the metrics of each service
}

var (
	_ Controller = (*HPA)(nil)
	_ PodWatcher = (*HPA)(nil)
	_ Explainer  = (*HPA)(nil)
)

// NewHPASet makes a set of HPAs: one per service, between the service's own bounds, by Kubernetes' default settings.
func NewHPASet(set hpa.Set) (*HPA, error) {
	if set == (hpa.Set{}) {
		return nil, errors.New("hpa set: neither a CPU nor a memory target")
	}
	return NewHPA("hpa:"+set.String(), hpa.DefaultConfig(), func(app *App, s int) *hpa.Spec { return SetSpec(set, &app.Services[s]) })
}

// SetSpec is the HPA of a set for a service, between the service's bounds: an HPA alone does not scale to zero.
func SetSpec(set hpa.Set, svc *Service) *hpa.Spec {
	spec := set.Spec(svc.Name, HPAContainer, int32(max(svc.MinReplicas, 1)), int32(svc.MaxReplicas))
	return &spec
}

// NewHPA makes HPAs from any objects: specFor returns that of a service, nil for none. Metrics of a container must be of
// [HPAContainer]; other metrics than resources need [HPA.Serve].
func NewHPA(name string, cfg hpa.Config, specFor func(app *App, service int) *hpa.Spec) (*HPA, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("controller %s: %w", name, err)
	}
	return &HPA{name: name, cfg: cfg, specFor: specFor}, nil
}

// Name returns the name under which results are listed.
func (h *HPA) Name() string { return h.name }

// WatchesPods is true: the HPA counts pods.
func (h *HPA) WatchesPods() bool { return true }

// Reset makes fresh HPAs, created at time 0. All mistakes in their objects are reported at once.
func (h *HPA) Reset(app *App, _ uint64) error {
	n := len(app.Services)
	h.synced = h.synced[:0]
	if h.app == app {
		for s, c := range h.services {
			if c != nil {
				c.Reset()
			}
			h.due[s] = h.cfg.FirstSyncAfter
			for i := range h.readers[s] {
				h.readers[s][i].reset()
			}
		}
		return nil
	}
	h.decisions = make([]hpa.Decision, n)
	h.app, h.services, h.due, h.readers, h.labels = nil, make([]*hpa.Controller, n), make([]time.Duration, n), make([][]metricReader, n), make([][]string, n)
	var errs []error
	for s := range app.Services {
		spec := h.specFor(app, s)
		if spec == nil {
			continue
		}
		var err error
		if h.readers[s], err = h.serve(app, s, spec); err == nil {
			h.services[s], err = hpa.New(*spec, h.cfg)
			h.due[s] = h.cfg.FirstSyncAfter
		}
		if err == nil {
			for _, m := range h.services[s].Spec().Metrics {
				h.labels[s] = append(h.labels[s], m.Label())
			}
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("service %s: %w", app.Services[s].Name, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	h.app = app
	return nil
}

// serve finds where the metrics of an HPA come from, and refuses those that would fail at every sync.
func (h *HPA) serve(app *App, service int, spec *hpa.Spec) ([]metricReader, error) {
	var errs []error
	readers := make([]metricReader, len(spec.Metrics))
	for i := range spec.Metrics {
		m := &spec.Metrics[i]
		bad := func(format string, args ...any) {
			errs = append(errs, fmt.Errorf("hpa %q: spec.metrics[%d]: "+format, append([]any{spec.Name, i}, args...)...))
		}
		switch m.Type {
		case hpa.PodsMetric, hpa.ObjectMetric, hpa.ExternalMetric:
			if h.external != nil {
				continue
			}
			if h.Serve == nil {
				bad("type %s: the simulated cluster serves resource metrics only here; use Resource or ContainerResource", m.Type)
				continue
			}
			served, err := h.Serve(app, service, m)
			if err == nil {
				err = served.Validate(app)
			}
			if err != nil {
				bad("%w", err)
				continue
			}
			readers[i] = newMetricReader(served, max(h.cfg.SyncPeriod, ControlInterval))
		case hpa.ContainerResourceMetric:
			if m.Container != HPAContainer {
				bad("container %q: simulated pods have one container, %q", m.Container, HPAContainer)
			}
		}
	}
	return readers, errors.Join(errs...)
}

// Decide syncs every HPA whose period is over.
func (h *HPA) Decide(v *View, dst []ScaleRequest) ([]ScaleRequest, error) {
	if len(v.PodStart) != len(h.services)+1 {
		return dst, fmt.Errorf("controller %s: the view shows no pods, which an HPA counts; the caller must ask for them (PodWatcher)", h.name)
	}
	h.synced = h.synced[:0]
	for s, c := range h.services {
		if c == nil || v.At < h.due[s] {
			continue
		}
		h.due[s] = v.At + h.cfg.SyncPeriod
		x := &v.Services[s]
		in, d := &h.inputs, &h.decisions[s]
		in.SpecReplicas, in.StatusReplicas = int32(x.Spec), int32(x.Ready+x.Starting+x.Pending)
		in.Pods = h.fillPods(v.Pods[v.PodStart[s]:v.PodStart[s+1]])
		in.Metrics = h.fillMetrics(s, v)
		c.SyncTo(v.At, in, d)
		if h.Observe != nil {
			h.Observe(s, d)
		}
		h.synced = append(h.synced, s)
		if d.Scaled() {
			dst = append(dst, ScaleRequest{Service: s, Replicas: int(d.Desired), Pool: AnyPool})
		}
	}
	return dst, nil
}

// explain keeps the reason of a sync.
func (h *HPA) explain(service int, d *hpa.Decision) {
	if len(h.reasons) < cap(h.reasons) {
		h.reasons = h.reasons[:len(h.reasons)+1]
	} else {
		h.reasons = append(h.reasons, Reason{})
	}
	r := &h.reasons[len(h.reasons)-1]
	*r = Reason{Service: service, From: int(d.Current), To: int(d.Desired), Rule: "hpa", Limits: r.Limits[:0]}
	switch d.Path {
	case hpa.PathDisabled:
		r.Note = "autoscaling is off at 0 replicas"
		return
	case hpa.PathAboveMax:
		r.Limits = append(r.Limits, ReasonLimit{"maxReplicas", r.To})
		return
	case hpa.PathBelowMin:
		r.Limits = append(r.Limits, ReasonLimit{"minReplicas", r.To})
		return
	}
	if d.Metric != hpa.NoMetric {
		m := &d.Metrics[d.Metric]
		r.Metric, r.Proposed = h.labels[service][d.Metric], int(d.Proposed)
		r.Value, r.Target, r.Unit = m.Measured()
		if m.Proposal.Outcome != hpa.OutcomeScaled {
			r.Note = m.Proposal.Outcome.String()
		}
	}
	if d.Err != nil {
		r.Note = d.Err.Error()
	}
	if d.Path == hpa.PathFailed {
		r.Limits = append(r.Limits, ReasonLimit{string(d.ScalingActive.Reason), r.To})
		return
	}
	if d.Stabilization != hpa.NoReason {
		r.Limits = append(r.Limits, ReasonLimit{string(d.Stabilization), int(d.Stabilized)})
	}
	if d.ScalingLimited.True {
		r.Limits = append(r.Limits, ReasonLimit{string(d.ScalingLimited.Reason), int(d.Bound)})
	}
}

// explained are the reasons of the syncs of the last Decide, worked out when somebody asks.
func (h *HPA) explained() []Reason {
	h.reasons = h.reasons[:0]
	for _, s := range h.synced {
		h.explain(s, &h.decisions[s])
	}
	return h.reasons
}

// Reasons are those of the syncs of the last Decide.
func (h *HPA) Reasons(dst []Reason) []Reason { return append(dst, h.explained()...) }

// fillPods shows a service's pods as the API server does, and their samples as metrics-server does.
func (h *HPA) fillPods(pods []PodView) []hpa.Pod {
	if cap(h.containers) < len(pods) { // grown at once: pods hold slices of it
		h.containers = make([]hpa.Container, 2*len(pods))
	}
	if cap(h.pods) < len(pods) {
		h.pods = make([]hpa.Pod, 2*len(pods))
	}
	h.pods, h.containers, h.cpu, h.mem = h.pods[:len(pods)], h.containers[:0], h.cpu[:0], h.mem[:0]
	// Pods of a service are mostly alike: what they request, use and hold is turned into whole numbers once.
	var container []hpa.Container
	var used, held alike
	for i := range pods {
		p, out := &pods[i], &h.pods[i]
		if before := max(i-1, 0); container == nil || p.RequestMillis != pods[before].RequestMillis || p.MemRequestMiB != pods[before].MemRequestMiB {
			n := len(h.containers)
			h.containers = append(h.containers, hpa.Container{Name: HPAContainer, Requests: hpa.Requests{
				CPU: hpa.Millis(wholeMillis(p.RequestMillis)), Memory: hpa.Millis(byteMillis(p.MemRequestMiB)),
			}})
			container = h.containers[n : n+1]
		}
		out.Phase, out.Deleting, out.Ready = hpa.Running, false, hpa.ReadyFalse
		out.StartedAt, out.ReadyChangedAt, out.Containers = p.StartedAt, p.ReadyChangedAt, container
		switch p.Phase {
		case PodPending:
			out.Phase, out.StartedAt = hpa.Pending, hpa.Unset
		case PodReady:
			out.Ready = hpa.ReadyTrue
			if p.ReadyChangedAt <= 0 { // ready when the run began: it has been there for long
				out.StartedAt, out.ReadyChangedAt = hpa.LongAgo, hpa.LongAgo
			}
		case PodTerminating:
			out.Deleting = true
		}
		if p.HasSample {
			h.cpu = append(h.cpu, hpa.Sample{Pod: i, At: p.SampleAt, Window: p.SampleWindow, Millis: used.of(p.CPUMillis, wholeMillis)})
			h.mem = append(h.mem, hpa.Sample{Pod: i, At: p.SampleAt, Window: p.SampleWindow, Millis: held.of(p.MemMiB, byteMillis)})
		}
	}
	return h.pods
}

// alike keeps what the last of a row of numbers was turned into.
type alike struct {
	from float64 // 0 turns into 0
	to   int64
}

func (a *alike) of(x float64, turn func(float64) int64) int64 {
	if x != a.from {
		a.from, a.to = x, turn(x)
	}
	return a.to
}

// fillMetrics hands each metric the samples of its resource, or its value.
func (h *HPA) fillMetrics(service int, v *View) []hpa.MetricData {
	h.metrics, h.values, h.perPod = h.metrics[:0], h.values[:0], h.perPod[:0]
	metrics, readers := h.services[service].Spec().Metrics, h.readers[service]
	if h.external != nil {
		h.metrics = h.external(service, h.metrics)
	}
	for i := range metrics {
		if i == len(h.metrics) {
			h.metrics = append(h.metrics, hpa.MetricData{})
		}
		m, data := &metrics[i], &h.metrics[i]
		switch {
		case i < len(readers) && readers[i].ring != nil:
			*data = h.fillServed(m, &readers[i], v)
		case m.Resource == hpa.CPU:
			data.Samples = h.cpu
		case m.Resource == hpa.Memory:
			data.Samples = h.mem
		}
	}
	return h.metrics
}

// podsMetricWindow is what the HPA takes for pods metrics, whose API gives no window.
const podsMetricWindow = time.Minute

// fillServed gives a metric its value, or the pods that serve an even share each, which is what even balancing makes of it.
func (h *HPA) fillServed(m *hpa.MetricSpec, r *metricReader, v *View) hpa.MetricData {
	x, ok := r.read(v)
	if !ok {
		return hpa.MetricData{Err: hpa.ErrMetricsAPI}
	}
	if m.Type != hpa.PodsMetric {
		h.values = append(h.values, toMillis(x))
		return hpa.MetricData{ValuesMillis: h.values[len(h.values)-1:]}
	}
	from, serving := len(h.perPod), 0
	for i := range h.pods {
		if h.pods[i].Ready == hpa.ReadyTrue && !h.pods[i].Deleting {
			h.perPod = append(h.perPod, hpa.Sample{Pod: i, At: v.At, Window: podsMetricWindow})
			serving++
		}
	}
	for i := range h.perPod[from:] {
		h.perPod[from+i].Millis = toMillis(x / float64(serving))
	}
	return hpa.MetricData{Samples: h.perPod[from:]}
}

// toMillis is a value in thousandths, rounded up as resource.Quantity does, held at what an int64 holds.
func toMillis(x float64) int64 {
	return int64(min(max(math.Ceil(x*1000-1e-6), 0), math.MaxInt64/2))
}

// wholeMillis gives CPU in millicores the precision that it has in a cluster: metrics-server reports whole nanocores, and
// whoever asks for millicores gets them rounded up (resource.Quantity.MilliValue).
func wholeMillis(millis float64) int64 {
	nano := int64(math.Round(millis * 1e6))
	return (nano + 999_999) / 1_000_000
}

// byteMillis is memory in thousandths of a byte, of whole bytes.
func byteMillis(mib float64) int64 { return int64(math.Round(mib*(1<<20))) * 1000 }
