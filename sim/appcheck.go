package sim

import "fmt"

// This file checks what only the whole application shows: what cannot work is refused, what works and is probably not meant
// becomes a warning.

// maxRequestVisits bounds how many visits one request makes. Large pages of large sites make some thousands; more than this
// is a slip in the mean counts, which multiply along the call graph, and a single request could then take forever.
const maxRequestVisits = 100_000

// selfCalls refuses services that call themselves, and says by which call.
func (d *appDecoder) selfCalls() {
	for i := range d.y.Services {
		for j := range d.y.Services[i].Operations {
			op := &d.y.Services[i].Operations[j]
			for k := range op.Calls {
				if callee, ok := d.ops[op.Calls[k].Op]; ok && d.app.Ops[callee].Service == i {
					from := y2name(d.y.Services[i].Name, op.Name)
					what := fmt.Sprintf("service %s calls itself: %s calls %s", d.y.Services[i].Name, from, op.Calls[k].Op)
					if from == op.Calls[k].Op {
						what = "operation " + from + " calls itself"
					}
					d.fail(fmt.Sprintf("services[%d].operations[%d].calls[%d].op", i, j, k),
						"%s, which is not supported; add the CPU of the callee to the caller's", what)
				}
			}
		}
	}
}

// room refuses services of which no node holds a single pod, or for which the others' smallest numbers of replicas leave no
// room at all, and warns where not all replicas that an episode begins with find room.
func (d *appDecoder) room() {
	nodes := d.app.nodes()
	if d.noPodFits(nodes) {
		return
	}
	for i := range d.app.Services {
		if s := &d.app.Services[i]; placeAll(nodes, s, max(s.MinReplicas, 1)) == 0 {
			d.fail(fmt.Sprintf("services[%d].replicas.min", i), "the replicas.min of the services before leave no room for %s on the %d nodes; add nodes, or lower cpu_request_m or mem_request_mib",
				s.Name, len(nodes))
			return
		}
	}
	nodes = d.app.nodes()
	for i := range d.app.Services {
		s := &d.app.Services[i]
		if n := placeAll(nodes, s, s.InitialReplicas); n < s.InitialReplicas {
			d.warn(fmt.Sprintf("services[%d].replicas", i), "only %d of the %d replicas that %s starts with find room on the nodes; the others stay pending", n, s.InitialReplicas, s.Name)
		}
	}
}

// noPodFits refuses services that ask for more than a node has.
func (d *appDecoder) noPodFits(nodes []NodeState) bool {
	before := len(d.errs)
	for i := range d.app.Services {
		s := &d.app.Services[i]
		if leastAllocated(nodes, s.CPURequestMillis, s.MemRequestMiB, AnyPool) >= 0 {
			continue
		}
		if leastAllocated(nodes, s.CPURequestMillis, 0, AnyPool) < 0 {
			d.fail(fmt.Sprintf("services[%d].cpu_request_m", i), "no node of any pool has %v m for a pod of %s; lower the request, or give a pool larger nodes", s.CPURequestMillis, s.Name)
		} else {
			d.fail(fmt.Sprintf("services[%d].mem_request_mib", i), "no node of any pool has %v MiB (and %v m) for a pod of %s; lower the request, or give a pool larger nodes", s.MemRequestMiB, s.CPURequestMillis, s.Name)
		}
	}
	return len(d.errs) > before
}

// nodes are the nodes of all pools, empty.
func (a *App) nodes() []NodeState {
	nodes := make([]NodeState, 0, a.NumNodes())
	for i := range a.Pools {
		p := &a.Pools[i]
		for range p.Nodes {
			nodes = append(nodes, NodeState{Pool: i, CPUMillis: p.CPUMillis, MemMiB: p.MemMiB})
		}
	}
	return nodes
}

// placeAll puts up to n pods of a service on nodes and returns how many find room.
func placeAll(nodes []NodeState, s *Service, n int) int {
	for k := range n {
		i := leastAllocated(nodes, s.CPURequestMillis, s.MemRequestMiB, AnyPool)
		if i < 0 {
			return k
		}
		nodes[i].CPURequestedM += s.CPURequestMillis
		nodes[i].MemRequestedMiB += s.MemRequestMiB
	}
	return n
}

// manyVisits refuses requests that make too many visits.
func (d *appDecoder) manyVisits() {
	nO := len(d.app.Ops)
	for e := range d.app.Endpoints {
		sum, most := 0.0, 0
		row := d.app.graph.visits[e*nO : (e+1)*nO]
		for o, v := range row {
			if sum += v; v > row[most] {
				most = o
			}
		}
		if !(sum <= maxRequestVisits) {
			d.fail(fmt.Sprintf("endpoints[%d].op", e), "one request of endpoint %s makes %.3g calls, %.3g of them of %s; at most %d are supported: check the mean counts",
				d.app.Endpoints[e].Name, sum, row[most], d.app.Ops[most].Name, maxRequestVisits)
		}
	}
}

// unreachable warns of services that no request reaches: they run, cost, and scale to their fewest replicas.
func (d *appDecoder) unreachable() {
	nS := len(d.app.Services)
	for s := range d.app.Services {
		visits := 0.0
		for e := range d.app.Endpoints {
			visits += d.app.graph.svcVisit[e*nS+s]
		}
		if visits == 0 {
			d.warn(fmt.Sprintf("services[%d].name", s), "no endpoint reaches service %s: it gets no requests", d.app.Services[s].Name)
		}
	}
}

// warn notes what a user should know of an application that is accepted.
func (d *appDecoder) warn(path, format string, args ...any) {
	d.app.Warnings = append(d.app.Warnings, d.doc.Errorf(path, format, args...).Error())
}
