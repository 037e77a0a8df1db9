package sim

import (
	"cmp"
	"slices"
	"time"

	"github.com/grlscaler/grlscaler/sim/rng"
)

// minPodAge is the age from which metrics-server takes a container's start as its first point
// (testdata/oracles/hpa/README.md, section 10).
const minPodAge = 10 * time.Second

// podSample is what one scrape knows about one pod.
type podSample struct {
	id        int64
	hasSample bool
	window    time.Duration
	cpu, mem  float64
}

// podUse is a pod's CPU since the last scrape.
type podUse struct {
	id      int64
	cpu     float64 // millicore-seconds
	seconds float64 // that cpu was used in
	points  int     // scrapes that have seen it
}

// podMetrics follows single pods the way metrics-server does.
//
// A sample needs two points. A pod that a scrape finds for the first time has one, unless it is at least 10 s and
// less than one interval old: then its start counts as the first, and the sample covers its start-up. Readiness
// plays no part: a pod that is still starting may have a sample, and it is for the HPA to leave it out.
type podMetrics struct {
	app     *App
	engine  PodLister
	user    podUser // nil where the engine is none
	cfg     MetricsConfig
	noise   *rng.Stream
	version uint64    // of the pods listed (State.Version)
	list    []PodInfo // by ID; CPU as of when it was made
	raw     []PodInfo // as the engine lists them
	order   []int     // their places in raw, by ID
	ids     []int64   // those that order is for
	cpu     []float64 // CPU of raw over the last window
	use     []podUse  // by ID
	spare   []podUse
	dropped []bool // by service: this scrape failed
	faults  *faultPlan
}

// podUser is an engine that tells what its pods used in the last window without listing them, in the order of Pods.
type podUser interface {
	podCPU(dst []float64) []float64
}

func newPodMetrics(app *App, engine PodLister, cfg MetricsConfig, faults *faultPlan) *podMetrics {
	user, _ := engine.(podUser)
	return &podMetrics{app: app, engine: engine, user: user, cfg: cfg, noise: rng.New(0, "metrics-pod-noise"), dropped: make([]bool, len(app.Services)), faults: faults}
}

func (p *podMetrics) reset(seed uint64) {
	p.noise.Reseed(seed, "metrics-pod-noise")
	p.use = p.use[:0]
	p.order = p.order[:0]
	p.version = 0
}

// refresh lists the pods by ID, where they are not those of before. The order is worked out again only when there are other pods.
func (p *podMetrics) refresh(st *State) {
	if st.version != 0 && st.version == p.version && p.user != nil {
		return
	}
	p.version = st.version
	last := len(p.order)
	before := p.ids
	p.raw = p.engine.Pods(p.raw[:0])
	same := len(p.raw) == last
	for i := 0; same && i < last; i++ {
		same = p.raw[i].ID == before[i]
	}
	if !same {
		p.ids, p.order = p.ids[:0], p.order[:0]
		for i := range p.raw {
			p.ids, p.order = append(p.ids, p.raw[i].ID), append(p.order, i)
		}
		slices.SortFunc(p.order, func(a, b int) int { return cmp.Compare(p.raw[a].ID, p.raw[b].ID) })
	}
	p.list = p.list[:0]
	for _, i := range p.order {
		p.list = append(p.list, p.raw[i])
	}
	p.merge()
}

// used fills cpu.
func (p *podMetrics) used() {
	p.cpu = p.cpu[:0]
	if p.user != nil {
		p.cpu = p.user.podCPU(p.cpu)
		return
	}
	for i := range p.raw {
		p.cpu = append(p.cpu, p.raw[i].CPUUsedMillis)
	}
}

// merge brings use in step with list: pods that are gone drop out, new ones start at 0. Both are in order of ID.
func (p *podMetrics) merge() {
	next, k := p.spare[:0], 0
	for i := range p.list {
		id := p.list[i].ID
		for k < len(p.use) && p.use[k].id < id {
			k++
		}
		if k < len(p.use) && p.use[k].id == id {
			next = append(next, p.use[k])
		} else {
			next = append(next, podUse{id: id})
		}
	}
	p.use, p.spare = next, p.use
}

// addWindow adds the CPU of the window that has just ended.
func (p *podMetrics) addWindow(st *State) {
	p.refresh(st)
	p.used()
	window := time.Duration(st.Window) * Tick
	seconds := float64(st.Window) * Tick.Seconds()
	for i := range p.list {
		pod, use := &p.list[i], &p.use[i]
		if pod.Phase == PodPending {
			continue
		}
		dt := seconds
		if age := st.At - pod.StartedAt; age < window {
			dt = age.Seconds()
		}
		use.cpu += p.cpu[p.order[i]] * dt
		use.seconds += dt
	}
}

// scrape gives every pod that runs a point, and those with two a sample.
func (p *podMetrics) scrape(st *State, sc *scrape) {
	p.refresh(st)
	sc.pods = slices.Grow(sc.pods[:0], len(p.list))[:len(p.list)]
	n := 0
	for i := range p.list {
		pod, use := &p.list[i], &p.use[i]
		if pod.Phase == PodPending {
			continue
		}
		cpuFactor, memFactor := 1.0, 1.0
		if p.cfg.Noise > 0 {
			cpuFactor, memFactor = noiseFactor(p.noise, p.cfg.Noise), noiseFactor(p.noise, p.cfg.Noise)
		}
		s := &sc.pods[n]
		n++
		s.id, s.window, s.hasSample = pod.ID, p.cfg.Interval, false
		switch age := st.At - pod.StartedAt; {
		case use.points > 0:
			s.hasSample = true
		case age >= minPodAge && age < p.cfg.Interval:
			s.hasSample, s.window = true, age
		case pod.StartedAt <= 0 && st.At <= p.cfg.Interval:
			// It was there when the run began: scrapes before the run have seen it.
			s.hasSample = true
		}
		s.cpu = ratio(use.cpu, use.seconds) * cpuFactor
		s.mem = st.Services[pod.Service].MemMiB * memFactor
		if p.faults.any {
			factor := p.faults.now[pod.Service].resources
			s.cpu, s.mem = s.cpu*factor, s.mem*factor
		}
		use.points++
		use.cpu, use.seconds = 0, 0
		if p.dropped[pod.Service] {
			s.hasSample = false
		}
	}
	sc.pods = sc.pods[:n]
}

// view fills the pods of v, grouped by service, by ID within a service.
func (p *podMetrics) view(st *State, sc *scrape, v *View) {
	p.refresh(st)
	clear(v.PodStart)
	for i := range p.list {
		v.PodStart[p.list[i].Service+1]++
	}
	for s := range st.Services {
		v.PodStart[s+1] += v.PodStart[s]
	}
	v.Pods = slices.Grow(v.Pods[:0], len(p.list))[:len(p.list)]
	k := 0
	for i := range p.list {
		pod := &p.list[i]
		out := &v.Pods[v.PodStart[pod.Service]]
		v.PodStart[pod.Service]++
		out.ID, out.Phase, out.CreatedAt, out.StartedAt, out.ReadyChangedAt = pod.ID, pod.Phase, pod.CreatedAt, pod.StartedAt, pod.ReadyChangedAt
		out.PodResources = pod.PodResources
		out.HasSample, out.SampleAt, out.SampleWindow, out.CPUMillis, out.MemMiB = false, 0, 0, 0, 0
		if sc != nil {
			for k < len(sc.pods) && sc.pods[k].id < pod.ID {
				k++
			}
			if k < len(sc.pods) && sc.pods[k].id == pod.ID && sc.pods[k].hasSample {
				x := &sc.pods[k]
				out.HasSample, out.SampleAt, out.SampleWindow, out.CPUMillis, out.MemMiB = true, sc.at, x.window, x.cpu, x.mem
			}
		}
	}
	// PodStart[s] now holds the end of service s: shift by one.
	copy(v.PodStart[1:], v.PodStart[:len(st.Services)])
	v.PodStart[0] = 0
}
