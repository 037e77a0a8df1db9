package sim

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/grlscaler/grlscaler/sim/vpa"
)

// VPA is one VerticalPodAutoscaler for each service that has one. The recommender and the updater run every minute on the
// samples that the metrics pipeline shows.
//
// The simulated cluster gives all replicas of a service one CPU limit, and their requests follow in proportion. So where the
// updater would resize or evict a pod, all replicas are resized at once and in place, without a restart, and only
// controlledValues RequestsAndLimits can be followed. Memory is recommended and not applied.
type VPA struct {
	name    string
	cfg     vpa.Config
	specFor func(app *App, service int) *vpa.Spec

	app      *App
	services []vpaService
	due      time.Duration
	pods     []vpa.Pod
	have     [1]vpa.Container // of every pod
	reasons  []Reason
}

type vpaService struct {
	recommender *vpa.Recommender // nil without a VPA
	updater     *vpa.Updater
	seen        map[int64]time.Duration // end of the last sample of each pod
}

// vpaPeriod is how often the recommender and the updater run.
const vpaPeriod = time.Minute

var (
	_ Controller = (*VPA)(nil)
	_ PodWatcher = (*VPA)(nil)
	_ Explainer  = (*VPA)(nil)
)

// NewVPA makes a controller of VPAs by the settings of the cluster's recommender and updater: specFor returns that of a service,
// nil for none.
func NewVPA(name string, cfg vpa.Config, specFor func(app *App, service int) *vpa.Spec) (*VPA, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("controller %s: %w", name, err)
	}
	return &VPA{name: name, cfg: cfg, specFor: specFor}, nil
}

// Name returns the name under which results are listed.
func (c *VPA) Name() string { return c.name }

// WatchesPods is true: usage is that of single pods.
func (c *VPA) WatchesPods() bool { return true }

// Reset makes fresh recommenders. All mistakes in their objects are reported at once.
func (c *VPA) Reset(app *App, _ uint64) error {
	if c.app != app {
		c.app, c.services = nil, make([]vpaService, len(app.Services))
		var errs []error
		for s := range app.Services {
			if spec := c.specFor(app, s); spec != nil {
				if err := c.services[s].load(spec, c.cfg); err != nil {
					errs = append(errs, fmt.Errorf("service %s: %w", app.Services[s].Name, err))
				}
			}
		}
		if err := errors.Join(errs...); err != nil {
			return err
		}
		c.app = app
	}
	c.due = 0
	for s := range c.services {
		if x := &c.services[s]; x.recommender != nil {
			x.recommender.Reset()
			clear(x.seen)
		}
	}
	return nil
}

func (x *vpaService) load(spec *vpa.Spec, cfg vpa.Config) error {
	var err error
	if x.updater, err = vpa.NewUpdater(*spec, cfg); err != nil {
		return err
	}
	full := x.updater.Spec()
	if p := full.Policy(HPAContainer); p.Mode != vpa.ScalingOff && p.ControlledValues == vpa.RequestsOnly {
		return fmt.Errorf("vpa %q: controlledValues RequestsOnly: simulated requests and limits change together; use RequestsAndLimits", spec.Name)
	}
	x.seen = map[int64]time.Duration{}
	x.recommender, err = vpa.NewRecommender(*spec, HPAContainer, 1, cfg)
	return err
}

// Decide takes in new samples, and every minute lets the updater look at the pods.
func (c *VPA) Decide(v *View, dst []ScaleRequest) ([]ScaleRequest, error) {
	if len(v.PodStart) != len(c.services)+1 {
		return dst, fmt.Errorf("controller %s: the view shows no pods, whose usage a VPA reads; the caller must ask for them (PodWatcher)", c.name)
	}
	c.reasons = c.reasons[:0]
	update := v.At >= c.due
	if update {
		c.due = v.At + vpaPeriod
	}
	for s := range c.services {
		x := &c.services[s]
		if x.recommender == nil {
			continue
		}
		pods := v.Pods[v.PodStart[s]:v.PodStart[s+1]]
		x.feed(pods)
		if update {
			dst = c.update(s, v, pods, dst)
		}
	}
	return dst, nil
}

// feed gives the recommender the samples that it has not seen.
func (x *vpaService) feed(pods []PodView) {
	for i := range pods {
		p := &pods[i]
		if !p.HasSample || p.SampleAt <= x.seen[p.ID] && p.SampleAt > 0 {
			continue
		}
		x.seen[p.ID] = p.SampleAt
		x.recommender.AddCPU(p.SampleAt, wholeMillis(p.CPUMillis))
		x.recommender.AddMemory(p.ID, p.SampleAt, int64(math.Round(p.MemMiB*(1<<20))))
	}
}

// update asks the updater.
func (c *VPA) update(s int, v *View, pods []PodView, dst []ScaleRequest) []ScaleRequest {
	x, service := &c.services[s], &v.Services[s]
	rec, ok := x.recommender.Recommendation(v.At)
	if !ok {
		return dst
	}
	request, limit := wholeMillis(service.RequestMillis), wholeMillis(service.QuotaMillis)
	memory := func(mib float64) int64 { return int64(math.Round(mib * (1 << 20))) }
	svc := &c.app.Services[s]
	c.have[0] = vpa.Container{Name: HPAContainer, Resources: vpa.Resources{
		Request: vpa.Amounts{CPUMillis: request, MemoryBytes: memory(svc.MemRequestMiB)}, Limit: vpa.Amounts{CPUMillis: limit, MemoryBytes: memory(svc.MemLimitMiB)},
	}}
	rec.Target.MemoryBytes, rec.Lower.MemoryBytes, rec.Upper.MemoryBytes = c.have[0].Request.MemoryBytes, 0, math.MaxInt64/2 // memory does not change
	c.pods = c.pods[:0]
	for i := range pods {
		if p := &pods[i]; p.Phase != PodTerminating {
			c.pods = append(c.pods, vpa.Pod{StartedAt: p.StartedAt, Pending: p.Phase == PodPending, Containers: c.have[:]})
		}
	}
	plan := x.updater.Plan(v.At, &vpa.Inputs{Replicas: int32(service.Spec), Pods: c.pods, Recommendations: []vpa.Recommendation{rec}})
	if len(plan.Resize)+len(plan.Evict) == 0 {
		return dst
	}
	first := append(plan.Resize, plan.Evict...)[0]
	spec := x.updater.Spec()
	quota := float64(spec.Apply(rec, c.have[0].Resources).Limit.CPUMillis)
	if quota <= 0 || quota == service.QuotaMillis {
		return dst
	}
	c.reasons = append(c.reasons, Reason{Service: s, From: service.Spec, To: service.Spec, Rule: "vpa", Metric: "cpu request", Value: float64(request), Target: float64(rec.Target.CPUMillis), Unit: "millicores",
		Proposed: service.Spec, Note: fmt.Sprintf("%s: CPU limit %g m instead of %g m", plan.Verdicts[first].Reason, quota, service.QuotaMillis)})
	return append(dst, ScaleRequest{Service: s, Replicas: KeepReplicas, QuotaMillis: quota, Pool: AnyPool})
}

// Reasons are those of the updates of the last Decide.
func (c *VPA) Reasons(dst []Reason) []Reason { return append(dst, c.reasons...) }
