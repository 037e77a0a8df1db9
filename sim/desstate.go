package sim

import (
	"math"
	"time"
)

// reconcile makes the replicas those of the cluster's pods, with their present phases and quotas.
func (d *DES) reconcile() {
	for i := range d.replicas {
		d.replicas[i].seen = false
	}
	for s := range d.cl.pods {
		ready := d.stats[s].ready[:0]
		for k := range d.cl.pods[s] {
			p := &d.cl.pods[s][k]
			if p.phase == PodPending {
				continue
			}
			if p.replica < 0 {
				p.replica = d.newReplica(s, p)
			}
			r := &d.replicas[p.replica]
			if p.phase == PodReady && r.phase == PodStarting {
				d.beginBeside(p.replica)
			}
			r.seen, r.phase = true, p.phase
			r.refuses = p.refusesVisits()
			if r.balanced = p.takesVisits() || r.refuses; r.balanced {
				ready = append(ready, p.replica)
			}
			if p.phase == PodTerminating {
				d.stopStart(p.replica)
			}
			d.setQuota(p.replica, p.res.LimitMillis)
		}
		d.stats[s].ready = ready
	}
	for i := range d.replicas {
		if r := &d.replicas[i]; r.inUse && !r.seen {
			d.kill(int32(i))
		}
	}
	d.shareIdle()
	for s := range d.stats {
		if d.stats[s].queue.size > 0 {
			for _, i := range d.stats[s].ready {
				d.pull(i)
			}
		}
	}
	d.settle()
}

// shareIdle takes from each node what its pods use when idle, whatever their requests do. Idle use that fills a node
// leaves a twentieth of it, so that everything ends.
func (d *DES) shareIdle() {
	for n := range d.nodes {
		node, all := &d.nodes[n], d.st.Nodes[n].CPUMillis
		idle := 0.0
		for _, k := range node.replicas {
			idle += d.replicas[k].idleMillis(d.app)
		}
		if cores := max(all-idle, all/20) / 1000; cores != node.cores {
			node.cores = cores
			d.shareNode(node, -1)
		}
	}
}

// idleMillis is the CPU that a pod uses whatever its requests do. One that starts has its start-up work instead.
func (r *desReplica) idleMillis(app *App) float64 {
	if r.phase == PodStarting {
		return 0
	}
	return app.Services[r.service].BaseCPUMillis
}

// newReplica makes the replica of a pod that is on a node.
func (d *DES) newReplica(s int, p *pod) int32 {
	var i int32
	if n := len(d.freeReplicas); n > 0 {
		i = d.freeReplicas[n-1]
		d.freeReplicas = d.freeReplicas[:n-1]
	} else {
		i = int32(len(d.replicas))
		d.replicas = append(d.replicas, desReplica{})
	}
	svc := &d.app.Services[s]
	r := &d.replicas[i]
	*r = desReplica{service: int32(s), node: int32(p.node), gen: r.gen + 1, number: d.stats[s].nextReplica(), phase: p.phase, inUse: true,
		cores: float64(svc.Cores), speed: d.st.Nodes[p.node].SpeedFactor, served: p.served, last: d.now, idleFrom: -1,
		run: r.run[:0], budgets: r.budgets[:0], pinned: r.pinned[:0], queue: visitList{first: -1, last: -1},
		quota: math.Inf(1), budget: math.Inf(1), periodEnd: math.Inf(1), place: -1}
	r.cold = coldFactor(svc, r.served) > 1
	for _, o := range d.app.graph.opsOf[s] {
		for k := range d.ops[o].calls {
			if d.ops[o].calls[k].budget >= 0 {
				r.budgets = append(r.budgets, retryBudget{})
			}
			if d.stats[d.ops[d.ops[o].calls[k].op].service].balancing == balanceConnection && len(r.pinned) == 0 {
				for range d.app.Services {
					r.pinned = append(r.pinned, connection{})
				}
			}
		}
	}
	d.nodes[p.node].replicas = append(d.nodes[p.node].replicas, i)
	if p.phase == PodStarting && svc.StartupCPUMs > 0 {
		r.startup = true
		r.startsAt = max(d.now, float64(p.startedAt+svc.StartupFixed)/float64(time.Millisecond))
		d.timers.push(timer{r.startsAt, startTimer, uint32(i)})
	}
	return i
}

// beginBeside gives a pod that has just become ready the work that it has beside its visits.
func (d *DES) beginBeside(i int32) {
	r := &d.replicas[i]
	work := d.app.Services[r.service].WarmupCPUMs
	if work <= 0 {
		return
	}
	d.sync(r)
	d.addChunk(r, work, besideWork, 0)
	r.besides = true
	d.replan(i)
}

// stopStart ends the start-up of a pod that is removed before it was ready.
func (d *DES) stopStart(i int32) {
	r := &d.replicas[i]
	if !r.startup {
		return
	}
	r.startup = false
	if len(r.run) > 0 { // a pod that starts has nothing else to do
		d.sync(r)
		r.dead++
		d.replan(i)
	}
}

// nextReplica numbers the replicas of a service, apart from those of others, so that a service that nobody calls changes nothing.
func (x *desService) nextReplica() uint64 {
	x.made++
	return x.nameHash + x.made
}

// setQuota changes the CPU limit of a replica in place. What it has used of the period's quota stays used.
func (d *DES) setQuota(i int32, millis float64) {
	r := &d.replicas[i]
	quota := math.Inf(1)
	if millis < 1000*r.cores {
		quota = (millis - r.idleMillis(d.app)) * cfsPeriodMs / 1000
	}
	if quota == r.quota {
		return
	}
	d.sync(r)
	switch {
	case math.IsInf(quota, 1):
		r.budget, r.periodEnd, r.stalled = quota, quota, false
	case math.IsInf(r.quota, 1):
		// Each replica has periods of its own: the kernel's timer starts with the cgroup. The first begins with the work.
		phase := unitOf(mix64(d.seed+r.number*0x9e3779b97f4a7c15)) * cfsPeriodMs
		r.periodEnd, r.budget = phase+cfsPeriodMs*math.Floor((d.now-phase)/cfsPeriodMs), quota
		if r.quota = quota; len(r.run) > 0 {
			d.newPeriod(r)
		}
	default:
		r.budget += quota - r.quota
		if r.stalled && r.budget > 0 {
			r.stalled = false
		}
	}
	r.quota = quota
	d.replan(i)
}

// kill ends a replica: what is still on it fails, and so leaves its CPU idle.
func (d *DES) kill(i int32) {
	r := &d.replicas[i]
	r.phase = PodTerminating // it takes nothing more from a queue
	for k := range d.visits {
		if v := &d.visits[k]; v.state != visitFree && v.replica == i {
			d.fail(int32(k))
		}
	}
	if r.besides {
		d.sync(r)
		r.besides = false
		r.dead++
		d.replan(i)
	}
	node := &d.nodes[r.node]
	for k, x := range node.replicas {
		if x == i {
			node.replicas = append(node.replicas[:k], node.replicas[k+1:]...)
			break
		}
	}
	r.inUse = false
	d.freeReplicas = append(d.freeReplicas, i)
}

// awaitStartups puts off the readiness of pods whose start-up work is not done: their node was full.
func (d *DES) awaitStartups() {
	for s := range d.cl.pods {
		for k := range d.cl.pods[s] {
			p := &d.cl.pods[s][k]
			if p.phase == PodStarting && p.eventAt <= d.st.At && p.replica >= 0 && d.replicas[p.replica].startup {
				p.eventAt = d.st.At + Tick
			}
		}
	}
}

// requestDone counts a request that was answered.
func (d *DES) requestDone(endpoint int, ms float64) {
	x := &d.endpoints[endpoint]
	x.latency.Add(ms, 1)
	if ms > d.app.Endpoints[endpoint].SLOMs {
		x.late++
	}
}

// requestFailed counts a request that failed, or lets its client try again. random is where its visit's generator started.
func (d *DES) requestFailed(endpoint int, attempt int32, started float64, random uint64) {
	ep, x := &d.app.Endpoints[endpoint], &d.endpoints[endpoint]
	if int(attempt) < ep.Retries && (ep.RetryBudget <= 0 || x.budget.take(d.now, ep.RetryBudget)) {
		retry := step{what: sendRequest, call: int32(endpoint), attempt: attempt + 1, started: started, random: random}
		if d.later(retry, int32(d.app.Entry)) {
			return
		}
	}
	x.failed++
}

// closeWindow writes the window that ends now into the state.
func (d *DES) closeWindow() {
	st := &d.st
	st.Window = d.ticks
	dt := float64(d.ticks) * Tick.Seconds()
	d.ticks = 0
	d.cl.changed = false
	for n := range st.Nodes {
		st.Nodes[n].CPUUsedMillis, st.Nodes[n].MemUsedMiB = 0, 0
	}
	for s := range st.Services {
		d.reportService(s, dt)
	}
	for e := range st.Endpoints {
		x := &d.endpoints[e]
		st.Endpoints[e] = EndpointState{Offered: x.offered, Failed: x.failed, Late: x.late, MeanMs: x.latency.MeanMs(), P95Ms: x.latency.QuantileMs(0.95)}
		x.offered, x.failed, x.late = 0, 0, 0
	}
}

func (d *DES) reportService(s int, dt float64) {
	v, x, svc := &d.st.Services[s], &d.stats[s], &d.app.Services[s]
	v.ArrivalRPS, v.ServedRPS, v.FailedRPS, v.RefusedRPS, v.CancelledRPS = x.arrived/dt, x.served/dt, x.failed/dt, x.refused/dt, x.cancelled/dt
	v.Overflow = x.overflow
	v.MeanMs, v.OwnMs, v.P95Ms = ratio(x.sumMs, x.served), ratio(x.ownMs, x.served), x.latency.quantile(0.95)
	v.ErrorRate = ratio(x.failed, x.failed+x.served)
	v.MemMiB = svc.MemBaseMiB
	if v.Ready > 0 {
		v.MemMiB = min(v.MemLimitMiB, v.MemMiB+svc.MemPerRPSMiB*v.ServedRPS/float64(v.Ready))
	}
	v.CPUUsedMillis, v.Backlog = 0, float64(x.queue.size)
	periods, throttled, stallMs := 0.0, 0.0, 0.0
	for k := range d.cl.pods[s] {
		p := &d.cl.pods[s][k]
		if p.replica < 0 {
			continue
		}
		r := &d.replicas[p.replica]
		d.sync(r)
		r.usedM = r.cpuMs/dt + r.idleMillis(d.app)
		r.cpuMs = 0
		periods += r.periods
		throttled += r.throttled
		stallMs += r.stallMs
		r.periods, r.throttled, r.stallMs = 0, 0, 0
		v.CPUUsedMillis += r.usedM
		v.Backlog += float64(r.queue.size) + max(0, r.runnable()-r.cores)
		p.served = r.served
		r.cold = coldFactor(svc, r.served) > 1
		node := &d.st.Nodes[r.node]
		node.CPUUsedMillis += r.usedM
		node.MemUsedMiB += v.MemMiB
	}
	v.StallMs, v.WakeShare = ratio(stallMs, x.served), ratio(x.idle-x.reported[1], x.chunks-x.reported[0])
	x.reported = [2]float64{x.chunks, x.idle}
	if d.collect != nil {
		x.latency.addTo(&d.collect[s])
	}
	x.clear()
	v.Throttled = min(1, ratio(throttled, periods)) // a stall may end in the window after its period began
}

func (x *desService) clear() {
	x.arrived, x.served, x.failed, x.refused, x.overflow, x.cancelled = 0, 0, 0, 0, 0, 0
	x.sumMs, x.ownMs = 0, 0
	x.latency.clear()
}

// move changes the number of visits inside.
func (x *desService) move(now float64, by int) {
	x.insideMs += float64(x.inside) * (now - x.since)
	x.since = now
	x.inside += by
}

// VisitSeconds is the time that visits have spent in service s since Reset, those that are still there included: the integral of
// their number over time.
func (d *DES) VisitSeconds(s int) float64 {
	x := &d.stats[s]
	x.move(d.now, 0)
	return x.insideMs / 1000
}

// AddLatencies adds the completed requests of the last window.
func (d *DES) AddLatencies(perEndpoint []Histogram) {
	for e := range perEndpoint {
		perEndpoint[e].Merge(&d.endpoints[e].latency)
	}
}

// Pods appends all pods to dst, by service and in order of creation.
func (d *DES) Pods(dst []PodInfo) []PodInfo {
	for s := range d.cl.pods {
		for k := range d.cl.pods[s] {
			p := &d.cl.pods[s][k]
			info := PodInfo{ID: p.id, Service: s, Node: p.node, Phase: p.phase, CreatedAt: p.createdAt, StartedAt: p.startedAt, ReadyChangedAt: p.readyChanged, PodResources: p.res}
			if p.replica >= 0 {
				info.CPUUsedMillis = d.replicas[p.replica].usedM
			}
			dst = append(dst, info)
		}
	}
	return dst
}

// visitHistogram counts the latencies of a service's visits in buckets of which 32 make a doubling, from 2^-10 ms on:
// their number follows from the exponent and the leading bits, without a logarithm. A percentile is right within 2 %.
type visitHistogram struct {
	counts [visitBuckets]uint32
	total  uint32
}

const (
	visitLowExponent = -10
	visitBuckets     = 32 * 34 // to 2^24 ms, 4.6 hours
)

func (h *visitHistogram) add(ms float64) {
	b := math.Float64bits(ms)
	i := int(b>>(52-5)) - (1023+visitLowExponent)*32
	h.counts[min(max(i, 0), visitBuckets-1)]++
	h.total++
}

func (h *visitHistogram) clear() {
	if h.total > 0 {
		*h = visitHistogram{}
	}
}

// quantile is the time below which share p lies, 0 if nothing was added.
func (h *visitHistogram) quantile(p float64) float64 {
	want, acc := p*float64(h.total), 0.0
	for i, n := range h.counts {
		if n == 0 {
			continue
		}
		if next := acc + float64(n); next >= want {
			low := math.Exp2(float64(i/32 + visitLowExponent))
			return low * (1 + (float64(i%32)+(want-acc)/float64(n))/32)
		} else {
			acc = next
		}
	}
	return 0
}
