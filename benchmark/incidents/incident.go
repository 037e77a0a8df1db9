package incidents

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/hpa"
	"github.com/grlscaler/grlscaler/sim/keda"
	"github.com/grlscaler/grlscaler/sim/vpa"
)

// Incident is one situation.
type Incident struct {
	Name   string
	ID     string // in the list of incidents that public reports gave; "" for one of one's own
	Title  string
	About  string // what happens, and why
	Anchor string // what the Kubernetes algorithm does there in a plain load model

	App    *sim.App
	Source sim.LoadSource
	Warmup time.Duration

	Percent int32   // CPU target of the HPA, of the request
	RPS     float64 // KEDA's threshold: requests/s of a replica

	HPAMetrics []Metric // what the HPA goes by; CPU of the target by default
	KEDAMetric Metric   // what KEDA goes by; requests/s by default
	Compare    []Measure

	// What else happens, from the start of the counted part.
	SecondWriter struct {
		Every    time.Duration // 0 for nobody
		Replicas int
	}
	Restart   time.Duration // of the controller; 0 for none
	VPA       bool          // a VerticalPodAutoscaler on CPU beside the autoscaler
	MetricAge time.Duration // the HPA goes by requests/s of a replica, a value of this age, as external metric; negative: by CPU
}

// file is an incident's file.
type file struct {
	Title        string  `yaml:"title"`
	About        string  `yaml:"about"`
	Anchor       string  `yaml:"anchor"`
	Percent      int32   `yaml:"hpa_percent"`
	RPS          float64 `yaml:"keda_rps"`
	SecondWriter *struct {
		EveryS   int `yaml:"every_s"`
		Replicas int `yaml:"replicas"`
	} `yaml:"second_writer"`
	RestartS     int           `yaml:"restart_s"`
	MetricAgeS   *int          `yaml:"metric_age_s"`
	ID           string        `yaml:"id"`
	HPAMetrics   []metricFile  `yaml:"hpa_metrics"`
	KEDAMetric   *metricFile   `yaml:"keda_metric"`
	MetricFaults []faultFile   `yaml:"metric_faults"`
	VPA          bool          `yaml:"vpa"`
	Compare      []measureFile `yaml:"compare"`
	Application  yaml.Node     `yaml:"application"`
	Load         yaml.Node     `yaml:"load"`
}

// Decode reads an incident; name is its own and that of the file in messages.
func Decode(r io.Reader, name string) (*Incident, error) {
	var f file
	dec := yaml.NewDecoder(r)
	dec.KnownFields(true)
	if err := dec.Decode(&f); err != nil {
		return nil, fmt.Errorf("incident %s: %w", name, err)
	}
	if err := dec.Decode(new(any)); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("incident %s: more than one document", name)
	}
	x := &Incident{Name: name, ID: f.ID, VPA: f.VPA, Title: f.Title, About: f.About, Anchor: f.Anchor, Percent: f.Percent, RPS: f.RPS, Restart: time.Duration(f.RestartS) * time.Second, MetricAge: -1}
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("incident %s: "+format, append([]any{name}, args...)...))
	}
	for _, t := range []struct{ key, text string }{{"title", f.Title}, {"about", f.About}, {"anchor", f.Anchor}} {
		if t.text == "" {
			bad("%s is missing", t.key)
		}
	}
	if x.Percent < 1 || x.Percent > hpa.MaxSetPercent {
		bad("hpa_percent: %d: must be from 1 to %d", x.Percent, hpa.MaxSetPercent)
	}
	if !(x.RPS > 0) || x.RPS > 1e6 {
		bad("keda_rps: %v: must be above 0 and at most 1e6", x.RPS)
	}
	if f.RestartS < 0 {
		bad("restart_s: %d: must be at least 0", f.RestartS)
	}
	if w := f.SecondWriter; w != nil {
		x.SecondWriter.Every, x.SecondWriter.Replicas = time.Duration(w.EveryS)*time.Second, w.Replicas
		if w.EveryS < 15 || w.Replicas < 1 {
			bad("second_writer: {every_s: %d, replicas: %d}: at least 15 and 1", w.EveryS, w.Replicas)
		}
	}
	if f.MetricAgeS != nil {
		if x.MetricAge = time.Duration(*f.MetricAgeS) * time.Second; x.MetricAge < 0 || x.MetricAge > sim.MaxMetricAge {
			bad("metric_age_s: %d: must be from 0 to %.0f", *f.MetricAgeS, sim.MaxMetricAge.Seconds())
		}
	}
	x.decodeMetrics(&f, bad)
	x.decodeMeasures(f.Compare, bad)
	errs = append(errs, x.decodeParts(&f))
	x.decodeFaults(f.MetricFaults, bad)
	x.checkServed(bad)
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return x, nil
}

// decodeParts reads the application and the load, which are documents of their own.
func (x *Incident) decodeParts(f *file) error {
	part := func(key string, n *yaml.Node) (io.Reader, error) {
		if n.Kind == 0 {
			return nil, fmt.Errorf("incident %s: %s is missing", x.Name, key)
		}
		text, err := yaml.Marshal(n)
		return bytes.NewReader(text), err
	}
	r, err := part("application", &f.Application)
	if err != nil {
		return err
	}
	if x.App, err = sim.DecodeApp(r, x.Name+": application"); err != nil {
		return err
	}
	if r, err = part("load", &f.Load); err != nil {
		return err
	}
	sc, err := sim.DecodeScenario(r, x.Name+": load")
	if err != nil {
		return err
	}
	x.Warmup = time.Duration(sc.WarmupS) * time.Second
	source, err := sim.NewScenarioSource(sc, x.App)
	x.Source = source
	return err
}

// Controller is something that an incident is run with.
type Controller struct {
	Name string
	New  func() (sim.Controller, error)
}

// BoundName is the controller that knows the future.
const BoundName = "oracle (bound)"

// Controllers are the HPA of the incident's target by Kubernetes' defaults, KEDA, and the bound.
func (x *Incident) Controllers() []Controller {
	return []Controller{
		{"hpa", func() (sim.Controller, error) { return x.disturbed(x.hpa()) }},
		{x.kedaName(), func() (sim.Controller, error) { return x.disturbed(x.keda()) }},
		{BoundName, func() (sim.Controller, error) { return &sim.Oracle{}, nil }},
	}
}

func (x *Incident) hpa() (sim.Controller, error) {
	c, err := sim.NewHPA("hpa", hpa.DefaultConfig(), func(app *sim.App, s int) *hpa.Spec {
		svc := &app.Services[s]
		least := int32(max(svc.MinReplicas, 1))
		spec := hpa.Spec{Name: svc.Name, MinReplicas: &least, MaxReplicas: int32(svc.MaxReplicas)}
		for i := range x.HPAMetrics {
			spec.Metrics = append(spec.Metrics, x.HPAMetrics[i].spec())
		}
		return &spec
	})
	if err != nil {
		return nil, err
	}
	c.Serve = func(_ *sim.App, s int, m *hpa.MetricSpec) (sim.ServedMetric, error) {
		found, err := find(x.HPAMetrics, m.Name)
		if err != nil {
			return sim.ServedMetric{}, err
		}
		return x.served(found, s), nil
	}
	return c, nil
}

func (x *Incident) keda() (sim.Controller, error) {
	return sim.NewKEDA(x.kedaName(), hpa.DefaultConfig(), sim.KEDAObjects{
		Spec: func(app *sim.App, s int) *keda.Spec {
			least, most := int32(app.Services[s].MinReplicas), int32(app.Services[s].MaxReplicas)
			return &keda.Spec{Name: app.Services[s].Name, MinReplicaCount: &least, MaxReplicaCount: &most, Triggers: []keda.Trigger{x.KEDAMetric.trigger()}}
		},
		Serve: func(_ *sim.App, s int, _ *keda.Trigger) (sim.ServedMetric, error) {
			return x.served(&x.KEDAMetric, s), nil
		},
	})
}

// kedaName is keda and what it goes by.
func (x *Incident) kedaName() string {
	return "keda:" + string(x.KEDAMetric.Resource) + string(x.KEDAMetric.Quantity)
}

// Disturb is a controller that meets what else happens in the incident.
func (x *Incident) Disturb(c sim.Controller) sim.Controller {
	if x.VPA {
		c = sim.NewGroup(c.Name(), c, x.vpa())
	}
	if x.SecondWriter.Every == 0 && x.Restart == 0 {
		return c
	}
	return &disturbed{Controller: c, incident: x}
}

// vpa is a VerticalPodAutoscaler on the CPU of every service, otherwise by the defaults but for evictions: it resizes in place.
func (x *Incident) vpa() sim.Controller {
	c, err := sim.NewVPA("vpa", vpa.DefaultConfig(), func(app *sim.App, s int) *vpa.Spec {
		return &vpa.Spec{Name: app.Services[s].Name, UpdateMode: vpa.ModeInPlaceOrRecreate, ContainerPolicies: []vpa.ContainerPolicy{{ContainerName: vpa.AnyContainer, ControlledResources: []vpa.Resource{vpa.CPU}}}}
	})
	if err != nil {
		panic("incidents: " + err.Error()) // the defaults are valid
	}
	return c
}

func (x *Incident) disturbed(c sim.Controller, err error) (sim.Controller, error) {
	if err != nil {
		return nil, err
	}
	return x.Disturb(c), nil
}

// disturbed is a controller that is restarted, or that somebody else writes beside.
type disturbed struct {
	sim.Controller
	incident *Incident
	seed     uint64
}

var _ sim.PodWatcher = (*disturbed)(nil)

func (d *disturbed) WatchesPods() bool {
	w, ok := d.Controller.(sim.PodWatcher)
	return ok && w.WatchesPods()
}

// Close frees the controller, where it needs that.
func (d *disturbed) Close() error {
	if c, ok := d.Controller.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

func (d *disturbed) Reset(app *sim.App, seed uint64) error {
	d.seed = seed
	return d.Controller.Reset(app, seed)
}

// Decide lets the controller decide; what somebody else writes at the same time comes last and holds until its next decision.
func (d *disturbed) Decide(v *sim.View, dst []sim.ScaleRequest) ([]sim.ScaleRequest, error) {
	x := d.incident
	at := v.At - x.Warmup // of the counted part
	if x.Restart > 0 && at == x.Restart {
		if err := d.Controller.Reset(x.App, d.seed); err != nil {
			return dst, err
		}
	}
	dst, err := d.Controller.Decide(v, dst)
	if w := &x.SecondWriter; err == nil && w.Every > 0 && at > 0 && at%w.Every == 0 {
		for s := range v.Services {
			dst = append(dst, sim.ScaleRequest{Service: s, Replicas: w.Replicas, Pool: sim.AnyPool})
		}
	}
	return dst, err
}
