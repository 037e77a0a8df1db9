package cmd

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/grlscaler/grlscaler/cmd/manifest"
	"github.com/grlscaler/grlscaler/sim"
)

// workloads gather what Deployments and StatefulSets say of an application's services.
type workloads struct {
	by    map[int]*workload
	hash  string
	most  map[int]int // replicas that autoscalers may ask for
	least map[int]int
}

// workload is what one says. Zero values and nil say nothing.
type workload struct {
	source           manifest.Source
	requestM, limitM float64
	memReq, memLimit float64 // MiB
	replicas         *int
	grace            time.Duration
	probeDelay       time.Duration
	probePeriod      time.Duration
}

// add takes in a set. What two sets say of one service must be the same.
func (w *workloads) add(app *sim.App, m *manifests) error {
	if w.by == nil {
		w.by, w.most, w.least = map[int]*workload{}, map[int]int{}, map[int]int{}
	}
	for i := range m.set.Workloads {
		in := &m.set.Workloads[i]
		s := serviceOf(app, in.Name)
		if s < 0 {
			m.notes = append(m.notes, fmt.Sprintf("%s: %s is no service of application %s and is left out", in.Source, in.Label(), app.Name))
			continue
		}
		x := workloadOf(in)
		if old := w.by[s]; old != nil && !old.same(x) {
			return fmt.Errorf("%s and %s give service %s different resources, replicas or probes; controllers that are compared must share one cluster", old.source, x.source, app.Services[s].Name)
		}
		w.by[s] = x
		w.hash += m.hash
	}
	for s, h := range m.hpas {
		least := int32(1)
		if h.MinReplicas != nil {
			least = *h.MinReplicas
		}
		w.bound(app, s, int(least), int(h.MaxReplicas))
	}
	for s, p := range m.phpas {
		full := p.spec.Rules.WithDefaults()
		w.bound(app, s, int(*full.MinReplicas), int(full.MaxReplicas))
	}
	for s, k := range m.keda {
		full := k.WithDefaults()
		least := *full.MinReplicaCount
		if full.IdleReplicaCount != nil {
			least = min(least, *full.IdleReplicaCount)
		}
		w.bound(app, s, int(least), int(*full.MaxReplicaCount))
	}
	return nil
}

// bound widens a service's bounds to what an autoscaler may ask for.
func (w *workloads) bound(app *sim.App, s, least, most int) {
	if w.most[s] == 0 {
		w.most[s], w.least[s] = app.Services[s].MaxReplicas, app.Services[s].MinReplicas
	}
	w.most[s], w.least[s] = max(w.most[s], most), min(w.least[s], least)
}

func (x *workload) same(y *workload) bool {
	a, b := *x, *y
	a.source, b.source = manifest.Source{}, manifest.Source{}
	sameReplicas := (a.replicas == nil) == (b.replicas == nil) && (a.replicas == nil || *a.replicas == *b.replicas)
	a.replicas, b.replicas = nil, nil
	return a == b && sameReplicas
}

// workloadOf adds up a workload's containers: a simulated pod has one.
func workloadOf(in *manifest.Workload) *workload {
	x := &workload{source: in.Source, grace: in.TerminationGrace}
	if in.Replicas != nil {
		n := int(*in.Replicas)
		x.replicas = &n
	}
	limited := true
	for i := range in.Containers {
		c := &in.Containers[i]
		add := func(to *float64, v *int64, unit float64) {
			if v != nil {
				*to += float64(*v) / unit
			}
		}
		add(&x.requestM, c.Requests.CPUMillis, 1)
		add(&x.limitM, c.Limits.CPUMillis, 1)
		add(&x.memReq, c.Requests.MemBytes, 1<<20)
		add(&x.memLimit, c.Limits.MemBytes, 1<<20)
		limited = limited && c.Limits.CPUMillis != nil
		for _, p := range []*manifest.Probe{c.Startup, c.Readiness} {
			if p != nil {
				x.probeDelay, x.probePeriod = max(x.probeDelay, p.InitialDelay), max(x.probePeriod, p.Period)
			}
		}
	}
	if !limited {
		x.limitM = 0
	}
	return x
}

// apply gives the application a variant with what the workloads say, and then one with the bounds that autoscalers may ask for.
// The fluid engine is fitted in between: within the bounds of the file, whatever manifests allow, so that two sets of
// manifests are compared by one engine.
func (w *workloads) apply(app *loadedApp) error {
	if len(w.by)+len(w.most) == 0 {
		return nil
	}
	base, v := app.App, app.App
	if len(w.by) > 0 {
		v = base.Variant()
		app.unlimited = map[int]bool{}
		for s, x := range w.by {
			app.unlimited[s] = x.requestM > 0 && x.limitM == 0
			x.apply(&v.Services[s], float64(v.Pools[0].CPUMillis))
		}
		if !slices.ContainsFunc(sortedServices(w.by), func(s int) bool { return v.Services[s] != base.Services[s] }) {
			v = base // nothing new
		}
	}
	if _, err := sim.NewFluid(v, sim.FluidOptions{}); err != nil {
		return err
	}
	wide := *v
	wide.Services = slices.Clone(v.Services)
	for s, most := range w.most {
		svc := &wide.Services[s]
		svc.MinReplicas, svc.MaxReplicas = w.least[s], most
		svc.InitialReplicas = min(max(svc.InitialReplicas, svc.MinReplicas), svc.MaxReplicas)
	}
	app.base, app.App, app.file = base, &wide, app.hash
	app.hash = hashOf(fmt.Appendf(nil, "%s %s %v %v", app.hash, w.hash, w.most, w.least))
	return nil
}

func sortedServices(by map[int]*workload) []int { return slices.Sorted(maps.Keys(by)) }

// appSettings say in results which application was run, where manifests changed it.
type appSettings struct {
	File     string            `yaml:"application_file"` // hash of the file that it was made of
	Services []serviceSettings `yaml:"services"`
}

// serviceSettings are what manifests may change of a service.
type serviceSettings struct {
	Name       string  `yaml:"name"`
	CPURequest float64 `yaml:"cpu_request_m"`
	CPULimit   float64 `yaml:"cpu_limit_m"`
	MemRequest float64 `yaml:"mem_request_mib"`
	MemLimit   float64 `yaml:"mem_limit_mib"`
	Replicas   [3]int  `yaml:"replicas,flow"` // min, max, initial
	StartupS   float64 `yaml:"startup_fixed_s"`
	JitterS    float64 `yaml:"startup_jitter_s"`
	GraceS     float64 `yaml:"grace_s"`
}

// settings are those of an application that manifests changed, else nil.
func (app *loadedApp) settings() any {
	if app.file == "" {
		return nil
	}
	out := appSettings{File: app.file}
	for s := range app.Services {
		v := &app.Services[s]
		out.Services = append(out.Services, serviceSettings{v.Name, v.CPURequestMillis, v.CPULimitMillis, v.MemRequestMiB, v.MemLimitMiB,
			[3]int{v.MinReplicas, v.MaxReplicas, v.InitialReplicas}, v.StartupFixed.Seconds(), v.StartupJitter.Seconds(), v.Grace.Seconds()})
	}
	return out
}

// restore makes the application what settings say.
func (app *loadedApp) restore(settings *appSettings) error {
	if len(settings.Services) != len(app.Services) {
		return fmt.Errorf("%d services for the %d of application %s", len(settings.Services), len(app.Services), app.Name)
	}
	v := app.Variant()
	seconds := func(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
	for s := range v.Services {
		x, to := &settings.Services[s], &v.Services[s]
		if x.Name != to.Name {
			return fmt.Errorf("service %q where application %s has %q", x.Name, app.Name, to.Name)
		}
		to.CPURequestMillis, to.CPULimitMillis, to.MemRequestMiB, to.MemLimitMiB = x.CPURequest, x.CPULimit, x.MemRequest, x.MemLimit
		to.MinReplicas, to.MaxReplicas, to.InitialReplicas = x.Replicas[0], x.Replicas[1], x.Replicas[2]
		to.StartupFixed, to.StartupJitter, to.Grace = seconds(x.StartupS), seconds(x.JitterS), seconds(x.GraceS)
	}
	app.App = v
	return nil
}

// apply changes what is said. A container without a CPU limit may use whole cores, up to its node.
func (x *workload) apply(svc *sim.Service, nodeMillis float64) {
	if x.requestM > 0 {
		svc.CPURequestMillis = x.requestM
		svc.CPULimitMillis = max(x.limitM, x.requestM)
		if x.limitM == 0 {
			svc.CPULimitMillis = max(min(1000*float64(svc.Cores), nodeMillis), x.requestM)
		}
	} else if x.limitM > 0 {
		svc.CPURequestMillis, svc.CPULimitMillis = x.limitM, x.limitM
	}
	if x.memReq > 0 {
		svc.MemRequestMiB = x.memReq
		svc.MemLimitMiB = max(svc.MemLimitMiB, x.memReq)
	}
	if x.memLimit > 0 {
		svc.MemLimitMiB = x.memLimit
	}
	if x.replicas != nil {
		svc.InitialReplicas = *x.replicas
		svc.MaxReplicas = max(svc.MaxReplicas, *x.replicas)
	}
	if x.grace > 0 {
		svc.Grace = x.grace
	}
	if x.probePeriod > 0 {
		svc.StartupJitter = x.probePeriod
		svc.StartupFixed = max(svc.StartupFixed, x.probeDelay)
	}
}
