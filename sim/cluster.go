package sim

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/grlscaler/grlscaler/sim/rng"
)

// pod is one replica.
type pod struct {
	id           int64
	node         int // -1 while pending
	phase        PodPhase
	wantPool     int
	createdAt    time.Duration
	startedAt    time.Duration
	eventAt      time.Duration // when it becomes ready, or is gone
	readyChanged time.Duration
	served       float64 // visits served: how warm it is
	warmupMs     float64 // CPU left of what it uses beside its requests (Service.WarmupCPUMs); the fluid engine counts it down
	warmupMillis float64 // and used so over the last window
	stranded     float64 // requests that it will not have answered when its grace is over; only the fluid engine counts them
	replica      int32   // its slot in the request-level engine, -1 for none
	revision     int32   // grows with each rolling update of its service
	removedAt    time.Duration
	stage        removalStage // of a removed pod
	res          PodResources
}

// cluster holds pods and nodes and moves them through their phases. It knows nothing of load.
type cluster struct {
	app    *App
	st     *State
	pods   [][]pod // by service, in order of creation
	nextID int64
	events time.Duration // earliest eventAt of any pod
	start  *rng.Stream
	// ready replicas in the form that the queueing model needs, kept up to date by refresh
	capacity []serviceCapacity
	changed  bool // ready replicas, their nodes or quotas changed since the window began

	refused   []float64 // [service] share of its visits that are sent to removed pods and fail
	refusing  int       // services of which some are
	lost      []float64 // [service] stranded requests of pods that have ended, until somebody takes them in
	anyLost   bool
	rollouts  []rollout      // [service]
	template  []PodResources // [service] what new pods get
	mixed     []bool         // [service] whether pods may have other resources than the template
	grow      nodeGrowth
	firstNode []int // [pool]
}

const never = time.Duration(math.MaxInt64)

func newCluster(app *App, st *State) *cluster {
	n := len(app.Services)
	c := &cluster{app: app, st: st, pods: make([][]pod, n), start: rng.New(0, "start-up"), capacity: make([]serviceCapacity, n),
		refused: make([]float64, n), lost: make([]float64, n), rollouts: make([]rollout, n), template: make([]PodResources, n), mixed: make([]bool, n), grow: newNodeGrowth(app)}
	for s := range c.pods {
		c.pods[s] = make([]pod, 0, 2*app.Services[s].MaxReplicas+4)
	}
	for s := range c.capacity {
		c.capacity[s].sheet = new(stallSheet)
	}
	st.Services = make([]ServiceState, len(app.Services))
	st.Endpoints = make([]EndpointState, len(app.Endpoints))
	for p := range app.Pools {
		c.firstNode = append(c.firstNode, len(st.Nodes))
		for range app.Pools[p].Most() {
			st.Nodes = append(st.Nodes, NodeState{Pool: p})
		}
	}
	st.Placed = make([]int, len(app.Services)*len(st.Nodes))
	return c
}

// reset puts everything to time 0 with ready, warm replicas.
func (c *cluster) reset(seed uint64, replicas []int) error {
	if replicas != nil && len(replicas) != len(c.app.Services) {
		return fmt.Errorf("%d replica counts for the %d services of %s", len(replicas), len(c.app.Services), c.app.Name)
	}
	c.start.Reseed(seed, "start-up")
	st := c.st
	st.At, st.Window, st.version = 0, 0, 0
	clear(st.Placed)
	clear(st.Endpoints)
	c.resetNodes()
	clear(c.rollouts)
	clear(c.mixed)
	clear(c.lost)
	c.anyLost = false
	c.nextID, c.events = 0, never
	for s := range c.pods {
		svc := &c.app.Services[s]
		c.pods[s] = c.pods[s][:0]
		c.capacity[s].share, c.capacity[s].stretch = 1, 1
		c.template[s] = PodResources{svc.CPURequestMillis, svc.CPULimitMillis, svc.MemRequestMiB, svc.MemLimitMiB}
		st.Services[s] = ServiceState{MemMiB: svc.MemBaseMiB}
		c.show(s, c.template[s])
		want := svc.InitialReplicas
		if replicas != nil {
			want = min(max(replicas[s], svc.MinReplicas), svc.MaxReplicas)
		}
		st.Services[s].Spec = want
		for range want {
			c.create(s, AnyPool)
			p := &c.pods[s][len(c.pods[s])-1]
			if p.phase == PodStarting { // it has been there for long
				p.phase, p.eventAt, p.served, p.warmupMs = PodReady, never, math.Inf(1), 0
			}
		}
	}
	for s := range c.pods {
		c.refresh(s)
	}
	c.orderNodes()
	c.nextEvent()
	c.changed = false
	return nil
}

// create adds a pod of service s and places it if there is room.
func (c *cluster) create(s, pool int) {
	c.pods[s] = append(c.pods[s], pod{id: c.nextID, node: -1, phase: PodPending, wantPool: pool, createdAt: c.st.At, eventAt: never, replica: -1, revision: c.rollouts[s].revision, res: c.template[s], warmupMs: c.app.Services[s].WarmupCPUMs})
	c.nextID++
	c.place(s, &c.pods[s][len(c.pods[s])-1])
}

// place puts a pending pod on a node and starts it; false if no node has room.
func (c *cluster) place(s int, p *pod) bool {
	svc, st := &c.app.Services[s], c.st
	node := leastAllocated(st.Nodes, p.res.RequestMillis, p.res.MemRequestMiB, p.wantPool)
	if node < 0 {
		return false
	}
	n := &st.Nodes[node]
	n.CPURequestedM += p.res.RequestMillis
	n.MemRequestedMiB += p.res.MemRequestMiB
	n.Pods++
	st.Placed[s*len(st.Nodes)+node]++
	c.noteEmpty(node)
	p.node, p.phase, p.startedAt = node, PodStarting, st.At
	p.readyChanged = st.At
	p.eventAt = st.At + svc.StartupFixed + startupCPU(svc, p.res.LimitMillis, n.SpeedFactor)
	if svc.StartupJitter > 0 {
		p.eventAt += time.Duration(c.start.Float64() * float64(svc.StartupJitter))
	}
	c.events = min(c.events, p.eventAt)
	return true
}

// startupCPU is the time that the CPU part of a start takes: CPU needed / limit (measured within 2-20 % for JVM, Node and
// Python services), on one core at most.
func startupCPU(svc *Service, limitMillis, speed float64) time.Duration {
	return seconds(svc.StartupCPUMs / (min(limitMillis, 1000) * speed))
}

// StartupTime is the expected time from a pod's creation to Ready at the nominal quota on a node of speed 1.
func (s *Service) StartupTime() time.Duration {
	return s.StartupFixed + s.StartupJitter/2 + startupCPU(s, s.CPULimitMillis, 1)
}

// release takes a pod off its node.
func (c *cluster) release(s int, p *pod) {
	if p.node < 0 {
		return
	}
	n := &c.st.Nodes[p.node]
	n.CPURequestedM -= p.res.RequestMillis
	n.MemRequestedMiB -= p.res.MemRequestMiB
	n.Pods--
	if n.Pods == 0 { // no rounding left over
		n.CPURequestedM, n.MemRequestedMiB = 0, 0
	}
	c.st.Placed[s*len(c.st.Nodes)+p.node]--
	if p.stranded > 0 {
		c.lost[s] += p.stranded
		c.anyLost = true
	}
	c.noteEmpty(p.node)
}

// scale sets the wanted replicas, clamped to the service's bounds.
func (c *cluster) scale(s, replicas, pool int) (added, removed int) {
	svc, st := &c.app.Services[s], &c.st.Services[s]
	replicas = min(max(replicas, svc.MinReplicas), svc.MaxReplicas)
	if c.rollouts[s].active { // which pods come and go is the update's business
		added, removed = max(replicas-st.Spec, 0), max(st.Spec-replicas, 0)
		if st.Spec = replicas; added+removed > 0 {
			c.roll(s)
		}
		return added, removed
	}
	for ; st.Spec < replicas; st.Spec++ {
		c.create(s, pool)
		added++
	}
	for ; st.Spec > replicas; st.Spec-- {
		c.remove(s, anyPods)
		removed++
	}
	if added+removed > 0 {
		c.refresh(s)
	}
	return added, removed
}

// apply carries out one request, and lets pods that find room now begin.
func (c *cluster) apply(req ScaleRequest) ScaleResult {
	var r ScaleResult
	if req.QuotaMillis > 0 {
		r.QuotaChanged = c.setQuota(req.Service, req.QuotaMillis)
	}
	if p := req.Pods; p != nil {
		if p.Template != (PodResources{}) {
			r.TemplateChanged = c.setTemplate(req.Service, p.Template)
		}
		r.Resized, r.Evicted = c.resize(req.Service, p.Resize), c.evict(req.Service, p.Evict)
		if r.Resized+r.Evicted > 0 {
			c.refresh(req.Service)
		}
	}
	if req.Replicas != KeepReplicas {
		r.Added, r.Removed = c.scale(req.Service, req.Replicas, req.Pool)
	}
	if r.QuotaChanged || r.Removed+r.Resized+r.Evicted > 0 {
		c.placePending()
	}
	if r != (ScaleResult{}) {
		c.orderNodes()
		c.nextEvent()
	}
	return r
}

// remove ends one pod of service s, in the order of Kubernetes' ReplicaSet controller as far as it applies:
// pending before starting before ready; among equals one on the node with most pods of the service, then the
// youngest.
func (c *cluster) remove(s int, set podSet) {
	pods := c.pods[s]
	best := -1
	for i := range pods {
		if pods[i].phase != PodTerminating && c.among(s, &pods[i], set) && (best < 0 || c.removeBefore(s, &pods[i], &pods[best])) {
			best = i
		}
	}
	if best >= 0 {
		c.end(s, best)
	}
}

// end tells the pod at an index of a service's pods to end. One that waits for room is gone at once.
func (c *cluster) end(s, at int) {
	p := &c.pods[s][at]
	if p.phase == PodPending {
		c.pods[s] = slices.Delete(c.pods[s], at, at+1)
		return
	}
	svc, ready := &c.app.Services[s], p.phase == PodReady
	p.phase = PodTerminating
	if ready {
		p.readyChanged = c.st.At
		c.changed = true
		c.beginRemoval(svc, p)
	} else {
		p.removedAt, p.stage, p.eventAt, p.warmupMs = c.st.At, drains, c.st.At+svc.Grace, 0
	}
	c.events = min(c.events, p.eventAt)
}

func (c *cluster) removeBefore(s int, a, b *pod) bool {
	if a.phase != b.phase {
		return a.phase < b.phase
	}
	if a.node != b.node && a.node >= 0 && b.node >= 0 {
		n := len(c.st.Nodes)
		if pa, pb := c.st.Placed[s*n+a.node], c.st.Placed[s*n+b.node]; pa != pb {
			return pa > pb
		}
	}
	return a.id > b.id
}

// advance carries out what is due at the present time: pods become ready or are gone, pending ones find room.
func (c *cluster) advance() {
	if c.st.At < c.events {
		return
	}
	freed := c.advanceNodes()
	for s := range c.pods {
		touched := false
		svc := &c.app.Services[s]
		pods := c.pods[s][:0]
		for i := range c.pods[s] {
			p := c.pods[s][i]
			if p.eventAt <= c.st.At {
				touched = true
				switch {
				case p.phase != PodTerminating:
					p.phase, p.eventAt, p.readyChanged = PodReady, never, c.st.At
					c.changed = true
				case !c.nextStage(svc, &p):
					c.release(s, &p)
					freed = true
					continue
				}
			}
			pods = append(pods, p)
		}
		c.pods[s] = pods
		if touched {
			c.refresh(s)
			if c.rollouts[s].active {
				c.roll(s)
			}
		}
	}
	if freed {
		c.placePending()
	}
	c.orderNodes()
	c.nextEvent()
}

// placePending tries the pending pods again, in order of creation within a service.
func (c *cluster) placePending() {
	for s := range c.pods {
		if c.st.Services[s].Pending == 0 {
			continue
		}
		for i := range c.pods[s] {
			if p := &c.pods[s][i]; p.phase == PodPending {
				c.place(s, p)
			}
		}
		c.refresh(s)
	}
}

func (c *cluster) nextEvent() {
	c.events = c.nextNode()
	for s := range c.pods {
		for i := range c.pods[s] {
			c.events = min(c.events, c.pods[s][i].eventAt)
		}
	}
}

// refresh recounts the pods of a service and what its ready ones can do.
func (c *cluster) refresh(s int) {
	svc, st, q := &c.app.Services[s], &c.st.Services[s], &c.capacity[s]
	c.st.version++
	st.Ready, st.Starting, st.Pending, st.Terminating = 0, 0, 0, 0
	if c.mixed[s] {
		c.average(s)
	}
	speed, cold, taking, refusing, busy := 0.0, 0.0, 0.0, 0.0, 0.0
	for i := range c.pods[s] {
		p := &c.pods[s][i]
		if p.takesVisits() {
			taking++
			speed += c.st.Nodes[p.node].SpeedFactor
			cold += coldFactor(svc, p.served)
			if p.warmupMs > 0 {
				busy++
			}
		} else if p.refusesVisits() {
			refusing++
		}
		switch p.phase {
		case PodPending:
			st.Pending++
		case PodStarting:
			st.Starting++
		case PodTerminating:
			st.Terminating++
		case PodReady:
			st.Ready++
		}
	}
	if c.refused[s] > 0 {
		c.refusing--
	}
	if c.refused[s] = ratio(refusing, taking+refusing); c.refused[s] > 0 {
		c.refusing++
	}
	share, stretch := q.share, q.stretch
	*q = newCapacity(c.app, s, taking, st.QuotaMillis, 1, q.sheet)
	q.share, q.stretch = share, stretch
	if taking > 0 {
		q.speed, q.cold, q.busy = speed/taking, cold/taking, busy/taking
	}
}

// coldFactor is the CPU per visit of a replica that has served so many visits, relative to a warm one.
func coldFactor(svc *Service, served float64) float64 {
	if svc.WarmupFactor <= 1 {
		return 1
	}
	if svc.WarmupCalls <= 0 || served > 20*svc.WarmupCalls {
		return 1
	}
	return 1 + (svc.WarmupFactor-1)*math.Exp(-served/svc.WarmupCalls)
}

// warm counts visits served by each ready replica of a service with a warm-up.
func (c *cluster) warm(s int, visitsPerReplica float64) {
	svc := &c.app.Services[s]
	if svc.WarmupFactor <= 1 || c.capacity[s].cold <= 1+1e-9 {
		return
	}
	cold := 0.0
	for i := range c.pods[s] {
		if p := &c.pods[s][i]; p.takesVisits() {
			p.served += visitsPerReplica
			cold += coldFactor(svc, p.served)
		}
	}
	if n := c.capacity[s].replicas; n > 0 {
		c.capacity[s].cold = cold / n
	}
}
