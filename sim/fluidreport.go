package sim

import "math"

// This file turns the fluid engine's solution of a window into the state that others see.

// serviceTraits are the constants of a service that usage needs, side by side.
type serviceTraits struct {
	baseMillis, memBase, memPerRPS float64
	warmsUp, worksOn               bool // CPU per visit falls; pods have work beside their visits
}

type nodeUse struct{ cpu, mem float64 }

// spread lists where the pods of each service are.
type spread struct {
	version uint64     // of the pods that it shows (State.version)
	from    []int      // [service] cells[from[s]:from[s+1]] are its nodes
	cells   []nodePods // only those with pods
}

type nodePods struct {
	node int
	pods float64
}

// update lists the pods anew if any has come, gone or changed.
func (x *spread) update(st *State) {
	if x.version == st.version {
		return
	}
	x.version = st.version
	x.cells = x.cells[:0]
	nN := len(st.Nodes)
	for s := range st.Services {
		for n, k := range st.Placed[s*nN : (s+1)*nN] {
			if k > 0 {
				x.cells = append(x.cells, nodePods{n, float64(k)})
			}
		}
		x.from[s+1] = len(x.cells)
	}
}

// usage computes CPU and memory of services and nodes, and how much of their quotas pods on full nodes get.
func (f *Fluid) usage(dt float64) {
	st := &f.st
	f.spread.update(st)
	clear(f.nodeUse)
	for s := range st.Services {
		v, p, t, x := &st.Services[s], &f.perf[s], &f.traits[s], &f.solvers[s]
		// The stationary utilisation, shifted by what really arrived (or got through) against the intensity.
		util := p.util
		if offered := f.load[s].visits; offered > 0 && v.ServedRPS < offered*1e6 {
			util = min(1, util*v.ServedRPS/offered)
			if p.overload >= 1 || f.backlogMs[s] > 0 {
				util = max(util, min(1, p.util))
			}
		}
		perPod := t.baseMillis + util*x.usable
		v.CPUUsedMillis = x.replicas*perPod + (float64(v.Ready+v.Terminating)-x.replicas)*t.baseMillis
		v.MemMiB = t.memBase
		if x.replicas > 0 {
			v.MemMiB = min(v.MemLimitMiB, t.memBase+t.memPerRPS*v.ServedRPS*x.perReplica)
			if t.warmsUp {
				f.cl.warm(s, v.ServedRPS*dt*x.perReplica)
			}
		}
		f.servedCPU[s] = perPod
		if t.worksOn {
			v.CPUUsedMillis += f.workOn(s, util, dt)
		}
		f.onNodes(s, perPod)
	}
	full := false
	for n := range st.Nodes {
		x, use := &st.Nodes[n], f.nodeUse[n]
		x.CPUUsedMillis, x.MemUsedMiB = use.cpu, use.mem
		full = full || use.cpu > x.CPUMillis
	}
	f.contention(full)
	f.stretch()
}

// stretch finds how much longer work takes in the next window because pods of a node run at the same time: processor sharing of
// its cores, at its utilisation in this one. It goes by steps, or the solvers would be prepared anew for next to nothing.
func (f *Fluid) stretch() {
	changed := f.stretched != f.spread.version
	for n := range f.st.Nodes {
		x := &f.st.Nodes[n]
		stretch := f.nodeSteps[n][max(0, min(int(x.CPUUsedMillis/max(x.CPUMillis, 1)*stretchTable), stretchTable))]
		changed = changed || stretch != f.nodeStretch[n]
		f.nodeStretch[n] = stretch
	}
	if !changed {
		return
	}
	f.stretched = f.spread.version
	for s := range f.cl.capacity {
		sum, pods := 0.0, 0.0
		for _, c := range f.spread.cells[f.spread.from[s]:f.spread.from[s+1]] {
			sum += c.pods * f.nodeStretch[c.node]
			pods += c.pods
		}
		f.cl.capacity[s].stretch = 1
		if pods > 0 {
			f.cl.capacity[s].stretch = sum / pods
		}
	}
}

// nodeStretch is how much longer work takes on a node whose pods use so much CPU: processor sharing of its cores, with
// Sakasegawa's wait of M/M/k as in congestionAt, for any number of cores.
func nodeStretch(usedMillis, millis float64) float64 {
	rho, cores := min(usedMillis/max(millis, 1), maxCoreUtil), max(millis, 1)/1000
	return 1 + math.Pow(rho, math.Sqrt(2*(cores+1))-1)/(cores*(1-rho))
}

const (
	stretchStep  = 0.02 // in the logarithm
	stretchTable = 128  // steps of a node's utilisation from 0 to 1
)

// nodeSteps tabulates nodeStretch over utilisation, rounded to steps.
func nodeSteps(millis float64) *[stretchTable + 1]float64 {
	t := new([stretchTable + 1]float64)
	for i := range t {
		t[i] = math.Exp(stretchStep * math.Round(math.Log(nodeStretch((float64(i)+0.5)/stretchTable*millis, millis))/stretchStep))
	}
	return t
}

// onNodes adds the CPU and memory of a service's pods to their nodes, and to the service the CPU of those that start.
func (f *Fluid) onNodes(s int, perPod float64) {
	v := &f.st.Services[s]
	if c := &f.cl.capacity[s]; v.Starting+v.Terminating == 0 && c.cold <= 1+1e-9 && c.busy == 0 { // all pods on nodes are alike
		for _, c := range f.spread.cells[f.spread.from[s]:f.spread.from[s+1]] {
			n := &f.nodeUse[c.node]
			n.cpu += c.pods * perPod
			n.mem += c.pods * v.MemMiB
		}
		return
	}
	for i := range f.cl.pods[s] {
		pod := &f.cl.pods[s][i]
		if pod.phase == PodPending {
			continue
		}
		cpu := f.usedBy(s, pod)
		if pod.phase == PodStarting {
			v.CPUUsedMillis += cpu
		}
		n := &f.nodeUse[pod.node]
		n.cpu += cpu
		n.mem += v.MemMiB
	}
}

// usedBy is the CPU that a pod used over the last window.
func (f *Fluid) usedBy(s int, p *pod) float64 {
	svc := &f.app.Services[s]
	switch {
	case p.takesVisits():
		used := f.servedCPU[s]
		if c := &f.cl.capacity[s]; c.cold > 1+1e-9 { // more for the same visits
			used = svc.BaseCPUMillis + min(f.solvers[s].usable, (used-svc.BaseCPUMillis)*coldFactor(svc, p.served)/c.cold)
		}
		return used + p.warmupMillis
	case p.phase == PodStarting:
		return min(p.res.LimitMillis, svc.StartupCPUMs/max(p.eventAt-p.startedAt, Tick).Seconds())
	case p.phase == PodTerminating:
		return svc.BaseCPUMillis + p.warmupMillis
	}
	return 0
}

// contention cuts the share of their quotas that pods get where a node's pods want more CPU than it has; full tells that
// some node is so. It acts on the next window. A service's share is the mean over its ready replicas.
func (f *Fluid) contention(full bool) {
	for s := range f.cl.capacity {
		c := &f.cl.capacity[s]
		if !full {
			if c.share < 1 {
				// Recover slowly, or the share would flip between 1 and its value from window to window.
				c.share = min(1, c.share*1.05)
			}
			continue
		}
		sum := 0.0
		for i := range f.cl.pods[s] {
			if pod := &f.cl.pods[s][i]; pod.takesVisits() {
				n := &f.st.Nodes[pod.node]
				sum += min(1, n.CPUMillis/max(n.CPUUsedMillis, 1e-9))
			}
		}
		if c.replicas > 0 {
			c.share = max(0.05, c.share*sum/c.replicas)
		}
	}
}

// answer finds how requests fare.
func (f *Fluid) answer() {
	var l latency
	for e := range f.answers {
		x := &f.answers[e]
		f.x.endpoints[e].describe(&f.endpoints[e], &l)
		x.meanMs, x.p95Ms = l.total(), l.p95()
		x.late, x.gone = l.tailAbove(x.sloMs), 0
		// What has waited longer than its client does has failed.
		if x.meanMs > 0.1*x.timeoutMs {
			x.gone = l.tailAbove(x.timeoutMs)
			if x.gone < 1 {
				x.late = max(0, (x.late-x.gone)/(1-x.gone))
			}
		}
	}
}

// count writes endpoints' counts of the window.
func (f *Fluid) count() {
	for e := range f.answers {
		x := &f.answers[e]
		offered := f.arrived[e]
		failed := offered * f.failShare[e]
		failed += (offered - failed) * x.gone
		lost := min(f.strands[e], offered-failed) // counted as completed when they came
		f.completed[e] = offered - failed - lost
		st := &f.st.Endpoints[e]
		st.Offered, st.Failed, st.Late, st.MeanMs, st.P95Ms = offered, failed+f.strands[e], (offered-failed)*x.late, x.meanMs, x.p95Ms
		f.strands[e] = 0
	}
}

// reportServices writes services' latencies into the state.
func (f *Fluid) reportServices() {
	for s := range f.st.Services {
		v, p := &f.st.Services[s], &f.perf[s]
		v.Throttled, v.WakeShare = p.stalled, p.idle
		var mixed duration
		all, own, visited := &mixed, 0.0, false
		if ops := f.g.opsOf[s]; len(ops) == 1 {
			all, own, visited = &f.ops[ops[0]], f.own[ops[0]], f.load[s].visits > 0
		} else {
			own, visited = f.visitOf(ops, &mixed)
		}
		if !visited {
			v.MeanMs, v.OwnMs, v.StallMs, v.P95Ms = 0, 0, 0, 0
			continue
		}
		v.MeanMs, v.OwnMs, v.StallMs = all.mean, own, p.stallMs
		v.P95Ms = visitP95(all, p)
	}
	for _, s := range f.pooled {
		// Of the time that visits hold their workers, what work takes depends on how many work at once (workerRate).
		l, p, c := &f.load[s], &f.perf[s], &f.cl.capacity[s]
		if l.visits <= 0 {
			f.holdMs[s], f.workMs[s] = 0, 0
			continue
		}
		work := (l.cpuMs + l.wakeMs*p.idle) / l.visits
		f.workMs[s] = work * c.cold / c.speed * c.stretch
		var mixed duration
		if len(f.g.opsOf[s]) == 1 {
			mixed = f.ops[f.g.opsOf[s][0]]
		} else {
			f.visitOf(f.g.opsOf[s], &mixed)
		}
		hold := max(0, mixed.mean-mixed.delay-work*p.scale-p.stallMs)
		if !f.settled && f.holdMs[s] > 0 && hold > 0 {
			hold = f.holdMs[s] * math.Pow(hold/f.holdMs[s], damping)
		}
		f.holdMs[s] = hold
	}
}

// damping of how long visits hold workers, in the logarithm: it follows from how many come through, and that from it, so
// that taken as it was in the last window it would swing.
const damping = 0.3

// visitP95 is about the 95th percentile of a visit of which only means are known: as if what is left when stalls and
// backlog are taken off had the p95 of an Erlang-3 time, 2.1 times its mean, and stalls, which few visits meet, were
// exponential where they are met.
func visitP95(all *duration, p *servicePerf) float64 {
	const erlang3 = 2.1
	smooth := all.mean - all.stall - all.delay
	if smooth < 0 {
		smooth = 0
	}
	p95 := erlang3 * smooth
	if all.stall > 0 {
		met := all.stall * (1.0 / cfsPeriodMs)
		if p.stalled > met {
			met = p.stalled
		}
		if met > 1 {
			met = 1
		}
		if met > 0.05 {
			p95 = max(p95, smooth+all.stall/met*math.Ln2*log2m(met*20))
		}
	}
	return p95 + all.delay
}

// visitOf is the time of a visit of a service with operations ops, over all of them as they are visited, and its own part.
func (f *Fluid) visitOf(ops []int, all *duration) (own float64, visited bool) {
	weight := 0.0
	nE := len(f.intensity)
	for _, o := range ops {
		w := 0.0
		visits := f.g.byOp[o*nE : (o+1)*nE]
		for e, r := range f.intensity {
			w += r * visits[e]
		}
		weight += w
		all.add(w, &f.ops[o])
		own += w * f.own[o]
	}
	if weight <= 0 {
		return 0, false
	}
	all.mean /= weight // a weight may be so small that it has no inverse
	all.stall /= weight
	all.delay /= weight
	return own / weight, true
}
