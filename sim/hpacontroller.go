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

	// Observe is told of every sync, for explanations; nil for nobody. The decision is valid during the call.
	Observe func(service int, d *hpa.Decision)

	app      *App
	services []*hpa.Controller // nil where a service has no HPA
	due      []time.Duration   // time of the next sync, by service

	// Buffers, filled anew for each service.
	pods       []hpa.Pod
	containers []hpa.Container // one per pod
	cpu, mem   []hpa.Sample
	metrics    []hpa.MetricData
	decision   hpa.Decision // here, so that handing it to Observe does not allocate
}

var (
	_ Controller = (*HPA)(nil)
	_ PodWatcher = (*HPA)(nil)
)

// NewHPASet makes a set of HPAs: one per service, between the service's own bounds, by Kubernetes' default settings.
func NewHPASet(set hpa.Set) (*HPA, error) {
	if set == (hpa.Set{}) {
		return nil, errors.New("hpa set: neither a CPU nor a memory target")
	}
	return NewHPA("hpa:"+set.String(), hpa.DefaultConfig(), func(app *App, s int) *hpa.Spec {
		svc := &app.Services[s]
		spec := set.Spec(svc.Name, HPAContainer, int32(svc.MinReplicas), int32(svc.MaxReplicas))
		return &spec
	})
}

// NewHPA makes HPAs from any objects: specFor returns that of a service, nil for none. Their metrics are resource metrics,
// those of a container being on [HPAContainer]: the simulated cluster serves no others.
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
	if h.app == app {
		for s, c := range h.services {
			if c != nil {
				c.Reset()
			}
			h.due[s] = h.cfg.FirstSyncAfter
		}
		return nil
	}
	h.app, h.services, h.due = nil, make([]*hpa.Controller, n), make([]time.Duration, n)
	var errs []error
	for s := range app.Services {
		spec := h.specFor(app, s)
		if spec == nil {
			continue
		}
		err := servedMetrics(spec)
		if err == nil {
			h.services[s], err = hpa.New(*spec, h.cfg)
			h.due[s] = h.cfg.FirstSyncAfter
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

// servedMetrics refuses metrics that would fail at every sync.
func servedMetrics(spec *hpa.Spec) error {
	var errs []error
	for i, m := range spec.Metrics {
		switch m.Type {
		case hpa.PodsMetric, hpa.ObjectMetric, hpa.ExternalMetric:
			errs = append(errs, fmt.Errorf("hpa %q: spec.metrics[%d].type: %s: the simulated cluster serves resource metrics only; use Resource or ContainerResource",
				spec.Name, i, m.Type))
		case hpa.ContainerResourceMetric:
			if m.Container != HPAContainer {
				errs = append(errs, fmt.Errorf("hpa %q: spec.metrics[%d].container: %q: simulated pods have one container, %q", spec.Name, i, m.Container, HPAContainer))
			}
		}
	}
	return errors.Join(errs...)
}

// Decide syncs every HPA whose period is over.
func (h *HPA) Decide(v *View, dst []ScaleRequest) ([]ScaleRequest, error) {
	if len(v.PodStart) != len(h.services)+1 {
		return dst, fmt.Errorf("controller %s: the view shows no pods, which an HPA counts; the caller must ask for them (PodWatcher)", h.name)
	}
	for s, c := range h.services {
		if c == nil || v.At < h.due[s] {
			continue
		}
		h.due[s] = v.At + h.cfg.SyncPeriod
		x := &v.Services[s]
		in := hpa.Inputs{
			SpecReplicas: int32(x.Spec), StatusReplicas: int32(x.Ready + x.Starting + x.Pending),
			Pods: h.fillPods(v.Pods[v.PodStart[s]:v.PodStart[s+1]]), Metrics: h.fillMetrics(c),
		}
		h.decision = c.Sync(v.At, &in)
		d := &h.decision
		if h.Observe != nil {
			h.Observe(s, d)
		}
		if d.Scaled() {
			dst = append(dst, ScaleRequest{Service: s, Replicas: int(d.Desired), Pool: AnyPool})
		}
	}
	return dst, nil
}

// fillPods shows a service's pods as the API server does, and their samples as metrics-server does.
func (h *HPA) fillPods(pods []PodView) []hpa.Pod {
	if cap(h.containers) < len(pods) { // grown at once: pods hold slices of it
		h.containers = make([]hpa.Container, 2*len(pods))
	}
	h.pods, h.containers, h.cpu, h.mem = h.pods[:0], h.containers[:len(pods)], h.cpu[:0], h.mem[:0]
	for i := range pods {
		p := &pods[i]
		h.containers[i] = hpa.Container{Name: HPAContainer, Requests: hpa.Requests{
			CPU: hpa.Millis(wholeMillis(p.RequestMillis)), Memory: hpa.Millis(byteMillis(p.MemRequestMiB)),
		}}
		out := hpa.Pod{
			Phase: hpa.Running, Ready: hpa.ReadyFalse, StartedAt: p.StartedAt, ReadyChangedAt: p.ReadyChangedAt,
			Containers: h.containers[i : i+1],
		}
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
		h.pods = append(h.pods, out)
		if p.HasSample {
			sample := hpa.Sample{Pod: i, At: p.SampleAt, Window: p.SampleWindow, Millis: wholeMillis(p.CPUMillis)}
			h.cpu = append(h.cpu, sample)
			sample.Millis = byteMillis(p.MemMiB)
			h.mem = append(h.mem, sample)
		}
	}
	return h.pods
}

// fillMetrics hands each metric the samples of its resource.
func (h *HPA) fillMetrics(c *hpa.Controller) []hpa.MetricData {
	h.metrics = h.metrics[:0]
	for _, m := range c.Spec().Metrics {
		data := hpa.MetricData{Samples: h.cpu}
		if m.Resource == hpa.Memory {
			data.Samples = h.mem
		}
		h.metrics = append(h.metrics, data)
	}
	return h.metrics
}

// wholeMillis gives CPU in millicores the precision that it has in a cluster: metrics-server reports whole nanocores, and
// whoever asks for millicores gets them rounded up (resource.Quantity.MilliValue).
func wholeMillis(millis float64) int64 {
	nano := int64(math.Round(millis * 1e6))
	return (nano + 999_999) / 1_000_000
}

// byteMillis is memory in thousandths of a byte, of whole bytes.
func byteMillis(mib float64) int64 { return int64(math.Round(mib*(1<<20))) * 1000 }
