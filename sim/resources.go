package sim

// This file changes what pods request and may use: of all replicas at once in place, of single ones, or of those that are made from now on.
// Engines see each pod's resources, or their means.

// setQuota changes the CPU limit of every replica in place; the request follows in proportion. It is refused,
// as an in-place resize is, when a node has no room for the larger requests.
func (c *cluster) setQuota(s int, millis float64) bool {
	svc, st := &c.app.Services[s], &c.st.Services[s]
	if !(millis > svc.BaseCPUMillis) || millis == st.QuotaMillis && !c.mixed[s] {
		return false
	}
	request := svc.CPURequestMillis * millis / svc.CPULimitMillis
	if c.mixed[s] {
		if !c.evenOut(s, millis, request) {
			return false
		}
	} else {
		row := c.st.Placed[s*len(c.st.Nodes) : (s+1)*len(c.st.Nodes)]
		for n, k := range row {
			if node := &c.st.Nodes[n]; k > 0 && node.CPURequestedM+float64(k)*(request-st.RequestMillis) > node.CPUMillis*(1+1e-12) {
				return false
			}
		}
		for n, k := range row {
			c.st.Nodes[n].CPURequestedM += float64(k) * (request - st.RequestMillis)
		}
	}
	c.template[s].RequestMillis, c.template[s].LimitMillis = request, millis
	for i := range c.pods[s] {
		c.pods[s][i].res.RequestMillis, c.pods[s][i].res.LimitMillis = request, millis
	}
	st.QuotaMillis, st.RequestMillis = millis, request
	c.refresh(s)
	c.changed = true
	return true
}

// evenOut gives the nodes the requests that pods of different ones have when all have one, if there is room; and tells whether
// anything changes.
func (c *cluster) evenOut(s int, limit, request float64) bool {
	more, differ := make([]float64, len(c.st.Nodes)), c.template[s].LimitMillis != limit
	for i := range c.pods[s] {
		p := &c.pods[s][i]
		differ = differ || p.res.LimitMillis != limit || p.res.RequestMillis != request
		if p.node >= 0 {
			more[p.node] += request - p.res.RequestMillis
		}
	}
	for n, x := range more {
		if node := &c.st.Nodes[n]; x > 0 && node.CPURequestedM+x > node.CPUMillis*(1+1e-12) {
			return false
		}
	}
	if differ {
		for n, x := range more {
			c.st.Nodes[n].CPURequestedM += x
		}
	}
	return differ
}

// valid tells whether pods can be made so, or nothing is said.
func (r PodResources) valid() bool {
	if r == (PodResources{}) {
		return true
	}
	within := func(request, limit float64) bool { return request > 0 && request <= limit && limit <= maxMagnitude }
	return within(r.RequestMillis, r.LimitMillis) && within(r.MemRequestMiB, r.MemLimitMiB)
}

// setTemplate changes what new pods of a service get. It is refused where a replica could not even idle on it.
func (c *cluster) setTemplate(s int, to PodResources) bool {
	if to == c.template[s] || !(to.LimitMillis > c.app.Services[s].BaseCPUMillis) {
		return false
	}
	c.template[s] = to
	c.mixed[s] = true
	c.refresh(s)
	return true
}

// resize gives pods the template's resources in place, where their nodes have room, and counts those that changed.
func (c *cluster) resize(s int, ids []int64) (resized int) {
	for _, id := range ids {
		i := c.find(s, id)
		if i < 0 || c.pods[s][i].res == c.template[s] {
			continue
		}
		p, to := &c.pods[s][i], c.template[s]
		if p.node >= 0 {
			n, cpu, mem := &c.st.Nodes[p.node], to.RequestMillis-p.res.RequestMillis, to.MemRequestMiB-p.res.MemRequestMiB
			if cpu > 0 && n.CPURequestedM+cpu > n.CPUMillis*(1+1e-12) || mem > 0 && n.MemRequestedMiB+mem > n.MemMiB*(1+1e-12) {
				continue
			}
			n.CPURequestedM += cpu
			n.MemRequestedMiB += mem
		}
		p.res = to
		resized++
		c.changed, c.mixed[s] = true, true
	}
	return resized
}

// evict tells pods to end, and makes a new one for each, as the ReplicaSet or a rolling update would.
func (c *cluster) evict(s int, ids []int64) (evicted int) {
	for _, id := range ids {
		i := c.find(s, id)
		if i < 0 {
			continue
		}
		c.end(s, i)
		evicted++
		if !c.rollouts[s].active {
			c.create(s, AnyPool)
		}
	}
	if evicted > 0 && c.rollouts[s].active {
		c.roll(s)
	}
	return evicted
}

// find returns the place of a pod that is not on its way out, -1 if there is none.
func (c *cluster) find(s int, id int64) int {
	for i := range c.pods[s] {
		if p := &c.pods[s][i]; p.id == id && p.phase != PodTerminating {
			return i
		}
	}
	return -1
}

// average makes a service's resources the means of its pods', those of the template where there are none. Once all pods have what
// the template says, they are exactly that.
func (c *cluster) average(s int) {
	var request, mem, memLimit, limit meanOf
	mixed := false
	for i := range c.pods[s] {
		p := &c.pods[s][i]
		mixed = mixed || p.res != c.template[s]
		if p.takesVisits() {
			limit.add(p.res.LimitMillis)
		}
		if p.phase == PodReady || p.phase == PodStarting {
			request.add(p.res.RequestMillis)
			mem.add(p.res.MemRequestMiB)
			memLimit.add(p.res.MemLimitMiB)
		}
	}
	mean := c.template[s]
	if c.mixed[s] = mixed; mixed {
		mean = PodResources{request.or(mean.RequestMillis), limit.or(mean.LimitMillis), mem.or(mean.MemRequestMiB), memLimit.or(mean.MemLimitMiB)}
	}
	if mean.LimitMillis != c.st.Services[s].QuotaMillis {
		c.changed = true
	}
	c.show(s, mean)
}

// meanOf adds up numbers.
type meanOf struct{ sum, n, low, high float64 }

func (m *meanOf) add(x float64) {
	if m.n == 0 {
		m.low, m.high = x, x
	}
	m.sum, m.n, m.low, m.high = m.sum+x, m.n+1, min(m.low, x), max(m.high, x)
}

// or is the mean, to the last digit where all are alike, or another number where there are none.
func (m *meanOf) or(none float64) float64 {
	if m.n == 0 {
		return none
	}
	return min(max(m.sum/m.n, m.low), m.high)
}

// show writes resources into a service's state.
func (c *cluster) show(s int, r PodResources) {
	v := &c.st.Services[s]
	v.RequestMillis, v.QuotaMillis, v.MemRequestMiB, v.MemLimitMiB = r.RequestMillis, r.LimitMillis, r.MemRequestMiB, r.MemLimitMiB
}
