package cmd

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/grlscaler/grlscaler/benchmark"
	"github.com/grlscaler/grlscaler/cmd/manifest"
	"github.com/grlscaler/grlscaler/internal/strictyaml"
	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/hpa"
	"github.com/grlscaler/grlscaler/sim/keda"
	"github.com/grlscaler/grlscaler/sim/vpa"
)

// manifests are the autoscalers of a file or directory, for the services of an application.
type manifests struct {
	word  string
	name  string // under which results are listed
	hash  string
	set   *manifest.Set
	hpas  map[int]*hpa.Spec // by service
	keda  map[int]*keda.Spec
	vpas  map[int]*vpa.Spec
	phpas map[int]*phpa
	serve serveRules
	notes []string
}

// phpa is a predictive HPA.
type phpa struct {
	spec sim.PredictiveSpec
	cfg  hpa.Config
}

// isManifest tells whether a word that names a controller is a path of manifests.
func isManifest(word string) bool {
	if kind, _, ok := strings.Cut(word, ":"); ok && slices.Contains([]string{"static", "hpa", "phpa", "schedule", "policy"}, kind) || strings.Contains(word, "=policy:") {
		return false
	}
	switch strings.ToLower(filepath.Ext(word)) {
	case ".yaml", ".yml", ".json":
		return true
	}
	info, err := os.Stat(word)
	return err == nil && info.IsDir()
}

// readManifests reads the manifests among words that name controllers, and gives the application the resources of their workloads.
// What the sets say of one service must agree: all controllers of a plan meet one application.
func readManifests(words []string, app *loadedApp, serve serveRules) (map[string]*manifests, error) {
	out := map[string]*manifests{}
	merged := &workloads{}
	names := map[string]int{}
	for _, word := range words {
		names[filepath.Base(filepath.Clean(word))]++
	}
	for _, word := range words {
		if !isManifest(word) || out[word] != nil {
			continue
		}
		set, err := manifest.Read(word)
		if err != nil {
			return nil, err
		}
		m := &manifests{word: word, set: set, serve: serve, hpas: map[int]*hpa.Spec{}, keda: map[int]*keda.Spec{}, vpas: map[int]*vpa.Spec{}, phpas: map[int]*phpa{}}
		if m.name = filepath.Base(filepath.Clean(word)); names[m.name] > 1 {
			m.name = filepath.Clean(word)
		}
		if m.hash, err = hashManifests(word); err != nil {
			return nil, err
		}
		if err := m.resolve(app.App); err != nil {
			return nil, err
		}
		if err := merged.add(app.App, m); err != nil {
			return nil, err
		}
		out[word] = m
	}
	return out, merged.apply(app)
}

// hashManifests identifies what was read.
func hashManifests(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if !info.IsDir() {
		data, err := os.ReadFile(path)
		return hashOf(data), err
	}
	var all []byte
	err = filepath.WalkDir(path, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !isManifest(name) {
			return err
		}
		data, err := os.ReadFile(name)
		all = append(append(all, name...), data...)
		return err
	})
	return hashOf(all), err
}

// resolve finds the service that each autoscaler scales, and turns the objects into what the simulator runs.
func (m *manifests) resolve(app *sim.App) error {
	var errs []error
	object := func(o *manifest.Object, t manifest.Target, convert func(service int) error) {
		s := serviceOf(app, t.Name)
		if s < 0 {
			errs = append(errs, fmt.Errorf("%s: %s scales %s, which is no service of application %s; its services are %s", o.Source, o.Label(), t, app.Name, strings.Join(serviceNames(app), ", ")))
			return
		}
		for _, err := range strictyaml.Split(convert(s)) {
			errs = append(errs, fmt.Errorf("%s: %s: %w", o.Source, o.Label(), err))
		}
	}
	for i := range m.set.HPAs {
		h := &m.set.HPAs[i]
		object(&h.Object, h.Target, func(s int) error {
			spec := h.Spec
			spec.Metrics = ofOneContainer(spec.Metrics)
			m.hpas[s] = &spec
			return m.checkServed(app, s, &h.Object, spec.Metrics)
		})
	}
	for i := range m.set.ScaledObjects {
		o := &m.set.ScaledObjects[i]
		object(&o.Object, o.Target, func(s int) (err error) {
			if m.keda[s], err = kedaSpec(o); err != nil {
				return err
			}
			var errs []error
			for k, t := range m.keda[s].Triggers {
				if t.Type == keda.PrometheusTrigger {
					errs = append(errs, m.served(app, s, &o.Object, fmt.Sprintf("spec.triggers[%d]", k), t.Prometheus.Query))
				}
			}
			return errors.Join(errs...)
		})
	}
	for i := range m.set.VPAs {
		v := &m.set.VPAs[i]
		object(&v.Object, v.Target, func(s int) error {
			m.vpas[s] = vpaSpec(v)
			return m.vpas[s].Validate()
		})
	}
	for i := range m.set.PHPAs {
		p := &m.set.PHPAs[i]
		object(&p.Object, p.Target, func(s int) error {
			m.phpas[s] = &phpa{sim.PredictiveSpec{Metrics: ofOneContainer(p.Metrics), Rules: p.Rules}, p.Config}
			return m.checkServed(app, s, &p.Object, p.Metrics)
		})
	}
	m.notes = append(m.notes, m.set.Warnings()...)
	if alone := m.unscaled(app); len(alone) > 0 {
		m.notes = append(m.notes, "no autoscaler of the number of replicas for "+strings.Join(alone, ", ")+": they keep what the beginning of the load needs")
	}
	if n := len(m.set.Skipped); n > 0 {
		m.notes = append(m.notes, fmt.Sprintf("skipped %s: %s", plural(n, "object", "objects"), skippedKinds(m.set.Skipped)))
	}
	if len(errs) == 0 && len(m.hpas)+len(m.keda)+len(m.vpas)+len(m.phpas) == 0 {
		return fmt.Errorf("%s: no HorizontalPodAutoscaler, ScaledObject, VerticalPodAutoscaler or PredictiveHorizontalPodAutoscaler in it", m.word)
	}
	return errors.Join(errs...)
}

// ofOneContainer are metrics of simulated pods, which have one container.
func ofOneContainer(metrics []hpa.MetricSpec) []hpa.MetricSpec {
	out := slices.Clone(metrics)
	for k := range out {
		if out[k].Type == hpa.ContainerResourceMetric {
			out[k].Container = sim.HPAContainer
		}
	}
	return out
}

// checkServed finds out early whether metrics other than resources are served.
func (m *manifests) checkServed(app *sim.App, s int, o *manifest.Object, metrics []hpa.MetricSpec) error {
	var errs []error
	for i := range metrics {
		switch metrics[i].Type {
		case hpa.PodsMetric, hpa.ObjectMetric, hpa.ExternalMetric:
			errs = append(errs, m.served(app, s, o, fmt.Sprintf("spec.metrics[%d]", i), metrics[i].Name))
		}
	}
	return errors.Join(errs...)
}

// served notes what a metric is taken for: its query is not evaluated.
func (m *manifests) served(app *sim.App, s int, o *manifest.Object, at, query string) error {
	metric, err := m.serve.find(app, s, query)
	if err != nil {
		return fmt.Errorf("%s: %w", at, err)
	}
	of := "the entry"
	if metric.Service != sim.Entry {
		of = app.Services[metric.Service].Name
	}
	what := fmt.Sprintf("%s of %s", metric.Quantity, of)
	if metric.Factor != 0 && metric.Factor != 1 {
		what += fmt.Sprintf(" times %g", metric.Factor)
	}
	m.notes = append(m.notes, fmt.Sprintf("%s: %s: %s: %q is taken for %s over the last scrape; windows, sums and arithmetic of a query are not evaluated (--serve says otherwise)", o.Source, o.Label(), at, query, what))
	return nil
}

// serveMetric finds what an HPA's metric is in the simulated cluster.
func (m *manifests) serveMetric(app *sim.App, s int, metric *hpa.MetricSpec) (sim.ServedMetric, error) {
	return m.serve.find(app, s, metric.Name)
}

// unscaled are the services whose number of replicas nothing sets.
func (m *manifests) unscaled(app *sim.App) []string {
	var names []string
	for s := range app.Services {
		if m.hpas[s] == nil && m.keda[s] == nil && m.phpas[s] == nil {
			names = append(names, app.Services[s].Name)
		}
	}
	return names
}

func skippedKinds(list []manifest.Skipped) string {
	count := map[string]int{}
	var order []string
	for _, s := range list {
		if count[s.Kind]++; count[s.Kind] == 1 {
			order = append(order, s.Kind)
		}
	}
	for i, kind := range order {
		order[i] = fmt.Sprintf("%d %s", count[kind], kind)
	}
	return strings.Join(order, ", ")
}

func serviceNames(app *sim.App) []string {
	var names []string
	for s := range app.Services {
		names = append(names, app.Services[s].Name)
	}
	return names
}

// serviceOf finds the service that a workload's name stands for: the same name, or with what charts commonly add to it
// ("cartservice", "shop-frontend"), the first where several parts are services ("redis-cart" is a redis). -1 if there is none.
func serviceOf(app *sim.App, name string) int {
	if s := app.ServiceIndex(name); s >= 0 {
		return s
	}
	for _, suffix := range []string{"-service", "service", "-svc", "-deployment"} {
		if short, ok := strings.CutSuffix(name, suffix); ok {
			if s := app.ServiceIndex(short); s >= 0 {
				return s
			}
		}
	}
	for _, part := range strings.Split(name, "-") {
		if s := app.ServiceIndex(part); s >= 0 {
			return s
		}
	}
	return -1
}

// spec is the controller of a plan.
func (m *manifests) spec(app *loadedApp) *benchmark.ControllerSpec {
	rules := app.rules
	name := m.name
	return &benchmark.ControllerSpec{Name: name, Kind: benchmark.KindAutoscaler, Hash: m.hash + " " + m.serve.String() + app.release, New: func() (sim.Controller, error) {
		var members []sim.Controller
		cfg := rules
		cfg.ScaleToZero = true // what the manifests allow has been checked
		if len(m.hpas) > 0 {
			c, err := sim.NewHPA(name, cfg, func(_ *sim.App, s int) *hpa.Spec { return m.hpas[s] })
			if err != nil {
				return nil, err
			}
			c.Serve = m.serveMetric
			members = append(members, c)
		}
		for _, s := range slices.Sorted(maps.Keys(m.phpas)) { // each by settings of its own
			x := m.phpas[s]
			c, err := sim.NewPredictive(name, x.cfg, func(_ *sim.App, service int) *sim.PredictiveSpec {
				if service == s {
					return &x.spec
				}
				return nil
			})
			if err != nil {
				return nil, err
			}
			c.Serve = m.serveMetric
			members = append(members, c)
		}
		if len(m.keda) > 0 {
			c, err := sim.NewKEDA(name, cfg, sim.KEDAObjects{
				Spec: func(_ *sim.App, s int) *keda.Spec { return m.keda[s] },
				Serve: func(app *sim.App, s int, t *keda.Trigger) (sim.ServedMetric, error) {
					return m.serve.find(app, s, t.Prometheus.Query)
				},
			})
			if err != nil {
				return nil, err
			}
			members = append(members, c)
		}
		if len(m.vpas) > 0 {
			c, err := sim.NewVPA(name, vpa.DefaultConfig(), func(_ *sim.App, s int) *vpa.Spec { return m.vpas[s] })
			if err != nil {
				return nil, err
			}
			c.Unlimited = func(s int) bool { return app.unlimited[s] }
			members = append(members, c)
		}
		return sim.NewGroup(name, members...), nil
	}}
}
