package sim

import (
	"errors"
	"fmt"
	"time"

	"github.com/grlscaler/grlscaler/sim/hpa"
	"github.com/grlscaler/grlscaler/sim/keda"
)

// KEDAObjects says which services have a ScaledObject and where their triggers' values come from.
type KEDAObjects struct {
	// Spec returns that of a service, nil for none.
	Spec func(app *App, service int) *keda.Spec
	// Serve says which metric of the simulated cluster a prometheus trigger's query asks for.
	Serve func(app *App, service int, t *keda.Trigger) (ServedMetric, error)
	// Start is the calendar's time at which a run begins, for cron triggers. The zero value is [DefaultStart].
	Start time.Time
}

// DefaultStart is when runs begin where nothing says when: a Monday, midnight UTC.
var DefaultStart = time.Date(2024, time.January, 1, 0, 0, 0, 0, time.UTC)

// KEDA is one ScaledObject for each service that has one: the operator's loop from and to 0, every polling interval from the
// start of the run, and the HPA that it creates, which syncs as [HPA] does. Triggers read what is visible of the simulated
// cluster's metrics when they are asked.
type KEDA struct {
	name    string
	objects KEDAObjects
	hpa     *HPA

	app       *App
	executors []*keda.Executor // by service, nil without a ScaledObject
	readers   [][]metricReader // of the triggers of each service, empty for those that read nothing
	readings  [][]keda.Reading
	due       []time.Duration
	ready     []int32
	spec      []int32
	now       time.Time

	requests []ScaleRequest
	reasons  []Reason
}

var (
	_ Controller = (*KEDA)(nil)
	_ PodWatcher = (*KEDA)(nil)
	_ Explainer  = (*KEDA)(nil)
)

// NewKEDA makes a controller of ScaledObjects by the settings of the cluster's HPA controller.
func NewKEDA(name string, cfg hpa.Config, objects KEDAObjects) (*KEDA, error) {
	if objects.Start.IsZero() {
		objects.Start = DefaultStart
	}
	k := &KEDA{name: name, objects: objects}
	var err error
	k.hpa, err = NewHPA(name, cfg, func(_ *App, s int) *hpa.Spec { return k.hpaSpec(s) })
	if err != nil {
		return nil, err
	}
	k.hpa.external = k.metrics
	return k, nil
}

// Name returns the name under which results are listed.
func (k *KEDA) Name() string { return k.name }

// WatchesPods is true: the HPAs count pods.
func (k *KEDA) WatchesPods() bool { return true }

// Reset makes fresh ScaledObjects. All mistakes in them are reported at once.
func (k *KEDA) Reset(app *App, seed uint64) error {
	if k.app != app {
		if err := k.load(app); err != nil {
			return err
		}
	}
	for s, e := range k.executors {
		if e == nil {
			continue
		}
		e.Reset(k.objects.Start)
		k.due[s] = 0
		for i := range k.readers[s] {
			if k.readers[s][i].ring != nil {
				k.readers[s][i].reset()
			}
		}
	}
	return k.hpa.Reset(app, seed)
}

func (k *KEDA) load(app *App) error {
	n := len(app.Services)
	k.app = nil
	k.executors, k.readers, k.readings, k.due = make([]*keda.Executor, n), make([][]metricReader, n), make([][]keda.Reading, n), make([]time.Duration, n)
	k.ready, k.spec = make([]int32, n), make([]int32, n)
	var errs []error
	for s := range app.Services {
		spec := k.objects.Spec(app, s)
		if spec == nil {
			continue
		}
		err := k.loadObject(app, s, spec)
		if err != nil {
			errs = append(errs, fmt.Errorf("service %s: %w", app.Services[s].Name, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	k.app = app
	return nil
}

func (k *KEDA) loadObject(app *App, s int, spec *keda.Spec) error {
	e, err := keda.New(*spec, k.objects.Start)
	if err != nil {
		return err
	}
	full := e.Spec()
	k.executors[s], k.readers[s], k.readings[s] = e, make([]metricReader, len(full.Triggers)), make([]keda.Reading, len(full.Triggers))
	var errs []error
	for i := range full.Triggers {
		t := &full.Triggers[i]
		if t.Type != keda.PrometheusTrigger {
			continue
		}
		m, err := k.objects.Serve(app, s, t)
		if err == nil {
			err = m.Validate(app)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("scaledobject %q: triggers[%d]: %w", spec.Name, i, err))
			continue
		}
		k.readers[s][i] = newMetricReader(m, ControlInterval)
	}
	return errors.Join(errs...)
}

// hpaSpec is the HPA that KEDA creates for a service.
func (k *KEDA) hpaSpec(s int) *hpa.Spec {
	if k.executors[s] == nil || !k.executors[s].Spec().HasHPA() {
		return nil
	}
	spec, err := k.executors[s].Spec().HPA()
	if err != nil {
		panic("sim: " + err.Error()) // the executor has accepted the object
	}
	return &spec
}

// Decide polls every object whose polling interval is over, and then syncs the HPAs. Where the operator sets replicas, the HPA, which
// found the same count, does not.
func (k *KEDA) Decide(v *View, dst []ScaleRequest) ([]ScaleRequest, error) {
	k.now = k.objects.Start.Add(v.At)
	k.reasons = k.reasons[:0]
	first := len(dst)
	for s, e := range k.executors {
		if e == nil {
			continue
		}
		k.read(s, v)
		if v.At < k.due[s] {
			continue
		}
		k.due[s] = v.At + time.Duration(*e.Spec().PollingIntervalSeconds)*time.Second
		in := k.inputs(s)
		d := e.Poll(&in)
		if d.Scaled() {
			dst = append(dst, ScaleRequest{Service: s, Replicas: int(d.Desired), Pool: AnyPool})
			k.reasons = append(k.reasons, Reason{Service: s, From: int(d.Current), To: int(d.Desired), Rule: "keda", Note: d.Reason.Sentence()})
		}
	}
	var err error
	if k.requests, err = k.hpa.Decide(v, k.requests[:0]); err != nil {
		return dst, err
	}
	polled := dst[first:]
	for _, r := range k.requests {
		if !asked(polled, r.Service) {
			dst = append(dst, r)
		}
	}
	for _, r := range k.hpa.explained() {
		if !asked(polled, r.Service) {
			k.reasons = append(k.reasons, r)
		}
	}
	return dst, nil
}

func asked(requests []ScaleRequest, service int) bool {
	for i := range requests {
		if requests[i].Service == service {
			return true
		}
	}
	return false
}

// read takes the triggers' values from a view.
func (k *KEDA) read(s int, v *View) {
	k.ready[s], k.spec[s] = int32(v.Services[s].Ready), int32(v.Services[s].Spec)
	for i := range k.readers[s] {
		r := &k.readers[s][i]
		if r.ring == nil {
			continue
		}
		x, ok := r.read(v)
		k.readings[s][i] = keda.Reading{Value: x}
		if !ok {
			k.readings[s][i] = keda.Reading{Err: hpa.ErrMetricsAPI}
		}
	}
}

func (k *KEDA) inputs(s int) keda.Inputs {
	return keda.Inputs{At: k.now, Replicas: k.spec[s], ReadyReplicas: k.ready[s], Readings: k.readings[s]}
}

// metrics gives a sync of a service's HPA its external metrics.
func (k *KEDA) metrics(s int, dst []hpa.MetricData) []hpa.MetricData {
	in := k.inputs(s)
	return k.executors[s].Metrics(&in, dst)
}

// Reasons are those of the polls that set replicas, and of the syncs of the others, in the last Decide.
func (k *KEDA) Reasons(dst []Reason) []Reason { return append(dst, k.reasons...) }
