package sim

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/grlscaler/grlscaler/sim/vpa"
)

// VPA is one VerticalPodAutoscaler for each service that has one. The recommender and the updater run every minute on the
// samples that the metrics pipeline shows. New pods of a service get what is recommended for CPU and memory; the pods that
// the updater evicts are replaced by such, and those that it resizes in place become such where their nodes have room.
// Nothing is killed for want of memory in a simulated cluster, so that no recommendation follows from it.
type VPA struct {
	name    string
	cfg     vpa.Config
	specFor func(app *App, service int) *vpa.Spec

	// Unlimited tells which services' pods have no CPU limit, whatever the application says of the cores that they can use: a VPA gives
	// them none. Nil for no service. Set it before the first Reset.
	Unlimited func(service int) bool

	app      *App
	services []vpaService
	due      time.Duration
	pods     []vpa.Pod
	have     []vpa.Container // one per pod
	ids      []int64
	reasons  []Reason
}

type vpaService struct {
	recommender *vpa.Recommender // nil without a VPA
	updater     *vpa.Updater
	seen        map[int64]time.Duration // end of the last sample of each pod
	own         PodResources            // of the application: what a pod would have without a VPA
	nominal     vpa.Resources           // the same, as a VPA reads it
	leastLimit  float64                 // CPU, millicores: what a replica idles on, and a bit
	changes     PodChanges              // its template is the last one asked for
	resizing    map[int64]resizing      // pods that were to be resized and have not been seen so yet
	recs        [1]vpa.Recommendation
}

// resizing is a resize in place that waits for room.
type resizing struct {
	since time.Duration
	to    PodResources
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
				if err := c.services[s].load(spec, c.cfg, &app.Services[s], c.Unlimited != nil && c.Unlimited(s)); err != nil {
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
			x.changes.Template = PodResources{}
			clear(x.seen)
			clear(x.resizing)
		}
	}
	return nil
}

func (x *vpaService) load(spec *vpa.Spec, cfg vpa.Config, svc *Service, unlimited bool) error {
	var err error
	if x.updater, err = vpa.NewUpdater(*spec, cfg); err != nil {
		return err
	}
	x.seen, x.resizing = map[int64]time.Duration{}, map[int64]resizing{}
	x.own = PodResources{svc.CPURequestMillis, svc.CPULimitMillis, svc.MemRequestMiB, svc.MemLimitMiB}
	x.nominal, x.leastLimit = vpaResources(x.own), svc.BaseCPUMillis+1
	if unlimited {
		x.nominal.Limit.CPUMillis = 0
	}
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
		x.recommender.AddMemory(p.ID, p.SampleAt, int64(math.Round(p.MemMiB*mebibyte)))
	}
}

// update asks the recommender and the updater.
func (c *VPA) update(s int, v *View, pods []PodView, dst []ScaleRequest) []ScaleRequest {
	x, spec := &c.services[s], c.services[s].updater.Spec()
	rec, ok := x.recommender.Recommendation(v.At)
	if !ok || spec.UpdateMode == vpa.ModeOff {
		return dst
	}
	x.recs[0] = rec
	template := x.template(&spec)
	changed := template != x.changes.Template
	x.changes.Template = template
	plan := x.updater.Plan(v.At, c.inputs(x, v.Services[s].Spec, pods))
	x.changes.Evict, x.changes.Resize = x.changes.Evict[:0], x.changes.Resize[:0]
	for id, r := range x.resizing { // the kubelet tries again
		x.changes.Resize = append(x.changes.Resize, id)
		x.resizing[id] = resizing{r.since, template}
	}
	slices.Sort(x.changes.Resize)
	for _, i := range plan.Resize {
		x.changes.Resize = append(x.changes.Resize, c.ids[i])
		x.resizing[c.ids[i]] = resizing{v.At, template}
	}
	for _, i := range plan.Evict {
		x.changes.Evict = append(x.changes.Evict, c.ids[i])
		delete(x.resizing, c.ids[i])
	}
	if !changed && len(x.changes.Resize)+len(x.changes.Evict) == 0 {
		return dst
	}
	c.explain(s, v, &plan)
	return append(dst, ScaleRequest{Service: s, Replicas: KeepReplicas, Pool: AnyPool, Pods: &x.changes})
}

// inputs are the updater's: pods that are not on their way out, each with what it has.
func (c *VPA) inputs(x *vpaService, replicas int, pods []PodView) *vpa.Inputs {
	c.pods, c.have, c.ids = c.pods[:0], slices.Grow(c.have[:0], len(pods)), c.ids[:0] // grown at once: pods hold slices of it
	waiting := 0
	for i := range pods {
		p := &pods[i]
		if p.Phase == PodTerminating {
			continue
		}
		own := vpaResources(p.PodResources)
		if x.nominal.Limit.CPUMillis == 0 {
			own.Limit.CPUMillis = 0
		}
		n := len(c.have)
		c.have = append(c.have, vpa.Container{Name: HPAContainer, Resources: own})
		out := vpa.Pod{StartedAt: p.StartedAt, Pending: p.Phase == PodPending, Containers: c.have[n : n+1]}
		if r, ok := x.resizing[p.ID]; ok {
			if p.PodResources == r.to {
				delete(x.resizing, p.ID)
			} else {
				out.Resize, out.ResizedAt = vpa.ResizeDeferred, r.since
				waiting++
			}
		}
		c.pods, c.ids = append(c.pods, out), append(c.ids, p.ID)
	}
	if len(x.resizing) > waiting { // some are gone
		for id := range x.resizing {
			if !slices.Contains(c.ids, id) {
				delete(x.resizing, id)
			}
		}
	}
	return &vpa.Inputs{Replicas: int32(replicas), Pods: c.pods, Recommendations: x.recs[:]}
}

// template is what a new pod gets by the recommendation. What that leaves alone stays as it was to the last digit.
func (x *vpaService) template(spec *vpa.Spec) PodResources {
	r, out := spec.Apply(x.recs[0], x.nominal), x.own
	if r.Request.CPUMillis != x.nominal.Request.CPUMillis {
		out.RequestMillis = float64(r.Request.CPUMillis)
	}
	if r.Request.MemoryBytes != x.nominal.Request.MemoryBytes {
		out.MemRequestMiB = mebibytes(r.Request.MemoryBytes)
	}
	if r.Limit.CPUMillis != x.nominal.Limit.CPUMillis {
		out.LimitMillis = float64(r.Limit.CPUMillis)
	}
	if r.Limit.MemoryBytes != x.nominal.Limit.MemoryBytes {
		out.MemLimitMiB = mebibytes(r.Limit.MemoryBytes)
	}
	out.LimitMillis = max(out.LimitMillis, out.RequestMillis, x.leastLimit)
	out.MemLimitMiB = max(out.MemLimitMiB, out.MemRequestMiB)
	return out
}

// explain says what is done with pods. Of new resources alone there is nothing to say before a pod gets them.
func (c *VPA) explain(s int, v *View, plan *vpa.Plan) {
	first := append(append([]int(nil), plan.Evict...), plan.Resize...)
	if len(first) == 0 {
		return
	}
	x, n := &c.services[s], v.Services[s].Spec
	verdict, have, to := plan.Verdicts[first[0]], c.have[first[0]].Request, &x.changes.Template
	done := fmt.Sprintf("evicted %d", len(plan.Evict))
	if len(plan.Evict) == 0 {
		done = fmt.Sprintf("resized %d in place", len(plan.Resize))
	} else if len(plan.Resize) > 0 {
		done += fmt.Sprintf(" and resized %d in place", len(plan.Resize))
	}
	c.reasons = append(c.reasons, Reason{Service: s, From: n, To: n, Rule: "vpa", Note: fmt.Sprintf("%s (%s): a request of %d m and %.0f MiB becomes %g m and %.0f MiB, CPU limit %g m",
		done, verdict.Reason, have.CPUMillis, mebibytes(have.MemoryBytes), to.RequestMillis, to.MemRequestMiB, to.LimitMillis)})
}

// Reasons are those of the updates of the last Decide.
func (c *VPA) Reasons(dst []Reason) []Reason { return append(dst, c.reasons...) }

const mebibyte = 1 << 20

func mebibytes(n int64) float64 { return float64(n) / mebibyte }

// vpaResources are a pod's, in whole millicores and bytes.
func vpaResources(r PodResources) vpa.Resources {
	bytes := func(mib float64) int64 { return int64(math.Round(mib * mebibyte)) }
	return vpa.Resources{
		Request: vpa.Amounts{CPUMillis: wholeMillis(r.RequestMillis), MemoryBytes: bytes(r.MemRequestMiB)},
		Limit:   vpa.Amounts{CPUMillis: wholeMillis(r.LimitMillis), MemoryBytes: bytes(r.MemLimitMiB)},
	}
}
