package sim

import "time"

// This file adds nodes to pools for pods that find no room, and takes them away again, as a cluster autoscaler does.

// nodeGrowth is what is on its way. Nodes that are not there have no CPU and no memory, so that nothing is placed on them.
type nodeGrowth struct {
	any     bool            // some pool grows
	comes   []time.Duration // [node] when an ordered one is there, else never
	emptied []time.Duration // [node] since when one that may go holds no pod, else never
	room    []nodeRoom      // [node] scratch of orderNodes: what is left of ordered ones
}

type nodeRoom struct{ cpu, mem float64 }

func newNodeGrowth(app *App) nodeGrowth {
	n := app.NumNodes()
	g := nodeGrowth{comes: make([]time.Duration, n), emptied: make([]time.Duration, n), room: make([]nodeRoom, n)}
	for i := range app.Pools {
		g.any = g.any || app.Pools[i].Most() > app.Pools[i].Nodes
	}
	return g
}

// resetNodes puts the nodes to those at the start.
func (c *cluster) resetNodes() {
	st, first := c.st, 0
	for i := range c.app.Pools {
		p := &c.app.Pools[i]
		for k := range p.Most() {
			n := first + k
			st.Nodes[n] = NodeState{Pool: i, SpeedFactor: p.SpeedFactor, PricePerCoreHour: p.PricePerCoreHour}
			c.grow.comes[n], c.grow.emptied[n] = never, never
			if k < p.Nodes {
				st.Nodes[n].CPUMillis, st.Nodes[n].MemMiB = p.CPUMillis, p.MemMiB
			}
		}
		first += p.Most()
	}
}

// orderNodes orders as many nodes as the pending pods need beside those that are ordered already: pods are packed one after another,
// and a pool that is listed first grows first.
func (c *cluster) orderNodes() {
	if !c.grow.any || !c.anyPending() {
		return
	}
	for n, at := range c.grow.comes {
		if at != never {
			p := &c.app.Pools[c.st.Nodes[n].Pool]
			c.grow.room[n] = nodeRoom{p.CPUMillis, p.MemMiB}
		}
	}
	for s := range c.pods {
		if c.st.Services[s].Pending == 0 {
			continue
		}
		for i := range c.pods[s] {
			p := &c.pods[s][i]
			need := nodeRoom{p.res.RequestMillis, p.res.MemRequestMiB}
			if p.phase == PodPending && !c.takeRoom(need, p.wantPool) {
				c.orderNode(need, p.wantPool)
			}
		}
	}
}

func (c *cluster) anyPending() bool {
	for s := range c.st.Services {
		if c.st.Services[s].Pending > 0 {
			return true
		}
	}
	return false
}

// takeRoom finds room for a pod on a node that is ordered.
func (c *cluster) takeRoom(need nodeRoom, pool int) bool {
	for n, at := range c.grow.comes {
		if r := &c.grow.room[n]; at != never && (pool == AnyPool || pool == c.st.Nodes[n].Pool) && r.cpu >= need.cpu && r.mem >= need.mem {
			r.cpu -= need.cpu
			r.mem -= need.mem
			return true
		}
	}
	return false
}

// orderNode orders a node for a pod, if a pool that may grow has nodes that are large enough.
func (c *cluster) orderNode(need nodeRoom, pool int) {
	for n := range c.st.Nodes {
		x := &c.st.Nodes[n]
		p := &c.app.Pools[x.Pool]
		if x.CPUMillis > 0 || c.grow.comes[n] != never || pool != AnyPool && pool != x.Pool || p.CPUMillis < need.cpu || p.MemMiB < need.mem {
			continue
		}
		c.grow.comes[n] = c.st.At + p.NodeDelay
		c.grow.room[n] = nodeRoom{p.CPUMillis - need.cpu, p.MemMiB - need.mem}
		c.events = min(c.events, c.grow.comes[n])
		return
	}
}

// advanceNodes lets nodes come and go that are due, and tells whether any came.
func (c *cluster) advanceNodes() (came bool) {
	if !c.grow.any {
		return false
	}
	for n := range c.st.Nodes {
		x := &c.st.Nodes[n]
		p := &c.app.Pools[x.Pool]
		if c.grow.comes[n] <= c.st.At {
			x.CPUMillis, x.MemMiB = p.CPUMillis, p.MemMiB
			c.grow.comes[n], came = never, true
			c.noteEmpty(n)
		}
		if e := c.grow.emptied[n]; e != never && e+p.NodeIdle <= c.st.At && !came {
			x.CPUMillis, x.MemMiB = 0, 0
			c.grow.emptied[n] = never
		}
	}
	return came
}

// noteEmpty notes since when a node holds no pod, if it is one of those that a pool has beyond its least.
func (c *cluster) noteEmpty(n int) {
	if !c.grow.any {
		return
	}
	c.grow.emptied[n] = never
	if first := c.firstNode[c.st.Nodes[n].Pool]; c.st.Nodes[n].Pods == 0 && n-first >= c.app.Pools[c.st.Nodes[n].Pool].Nodes {
		c.grow.emptied[n] = c.st.At
	}
}

// nextNode is when a node comes or goes next.
func (c *cluster) nextNode() time.Duration {
	next := time.Duration(never)
	if !c.grow.any {
		return next
	}
	for n, at := range c.grow.comes {
		next = min(next, at)
		if e := c.grow.emptied[n]; e != never {
			next = min(next, e+c.app.Pools[c.st.Nodes[n].Pool].NodeIdle)
		}
	}
	return next
}
