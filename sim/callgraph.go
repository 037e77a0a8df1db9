package sim

import (
	"math"
	"slices"
)

// callees lists the operations that operation o calls.
func (a *App) callees(o int) []int {
	out := make([]int, len(a.Ops[o].Calls))
	for i, c := range a.Ops[o].Calls {
		out[i] = c.Op
	}
	return out
}

// serviceEdges lists for each service the other services that it calls, in ascending order.
func (a *App) serviceEdges() [][]int {
	out := make([][]int, len(a.Services))
	for o := range a.Ops {
		from := a.Ops[o].Service
		for _, c := range a.Ops[o].Calls {
			to := a.Ops[c.Op].Service
			if !slices.Contains(out[from], to) {
				out[from] = append(out[from], to)
			}
		}
	}
	for _, e := range out {
		slices.Sort(e)
	}
	return out
}

// findCycle returns the nodes of a cycle, its first node repeated at the end, or nil.
func findCycle(n int, next func(int) []int) []int {
	const (
		white = iota
		grey
		black
	)
	colour := make([]uint8, n)
	var stack, cycle []int
	var visit func(int) bool
	visit = func(v int) bool {
		colour[v] = grey
		stack = append(stack, v)
		for _, w := range next(v) {
			switch colour[w] {
			case grey:
				cycle = append(slices.Clone(stack[slices.Index(stack, w):]), w)
				return true
			case white:
				if visit(w) {
					return true
				}
			}
		}
		stack = stack[:len(stack)-1]
		colour[v] = black
		return false
	}
	for v := range n {
		if colour[v] == white && visit(v) {
			return cycle
		}
	}
	return nil
}

// topological returns the nodes so that each comes before those that next names. The graph has no cycle. Of nodes that could change
// places, those that next names last, and all behind them, come first, if first leads to them.
func topological(n int, next func(int) []int, first ...int) []int {
	done := make([]bool, n)
	order := make([]int, 0, n)
	var visit func(int)
	visit = func(v int) {
		done[v] = true
		for _, w := range next(v) {
			if !done[w] {
				visit(w)
			}
		}
		order = append(order, v)
	}
	for _, v := range first {
		visit(v)
	}
	for v := n - 1; v >= 0; v-- {
		if !done[v] {
			visit(v)
		}
	}
	slices.Reverse(order)
	return order
}

// compiled is the call graph in the flat form that engines walk.
type compiled struct {
	order   []int // services, callers before callees
	opOrder []int // operations, callers before callees

	flowOrder             []int      // services, see compileFlow
	callsOf               [][]callOf // [op] calls of it
	waitMs                []float64  // [op] time of a visit without work, calls included
	below                 [][]int    // [service] services that its visits reach through calls
	before                []float64  // [call*services+service] share of its caller's visits that have been there when it is called
	belowVisits, belowCPU []float64  // [op*services+service] visits and their CPU ms that a visit causes there through calls

	opsOf    [][]int
	visits   []float64 // [endpoint*ops+op] mean visits per request
	byOp     []float64 // [op*endpoints+endpoint] the same
	svcVisit []float64 // [endpoint*services+service] mean visits per request
	svcCPU   []float64 // the same: CPU ms per request, busy replica
	svcWake  []float64 // the same: wake-up CPU ms per request, idle replica
	// patienceMs[service] is how long its callers wait for a visit at most: the longest of the timeouts on the
	// ways to it. optional[op] tells that every call of it may fail without failing the request.
	patienceMs []float64
	optional   []bool
	required   []float64 // [endpoint*services+service] mean visits that a request cannot do without
	batch      []float64 // [service] visits that a request which visits it makes of it
	callers    [][]int   // [service] other services that call it
	callees    [][]int   // [service] other services that it calls
	rounds     []float64 // [service] of these, how many come one after another
	workCV2    []float64 // [service] squared coefficient of variation of the CPU time that a request asks of it
	stallShare []float64 // [op] stalls that a visit meets relative to the mean visit of its service, under the default mix
	tree       callTree
	lazy       *lazyResponse
	spared     [][]float64 // see compileSleep
}

// compile derives everything that follows from the call graph. The graph has no cycle.
func (a *App) compile() {
	g := &a.graph
	nOps, nSvc := len(a.Ops), len(a.Services)
	edges := a.serviceEdges()
	g.order = topological(nSvc, func(n int) []int { return edges[n] })
	g.opOrder = topological(nOps, a.callees)
	for from, to := range edges {
		for _, t := range to {
			a.Edges = append(a.Edges, Edge{From: from, To: t})
		}
	}
	g.callers, g.callees = make([][]int, nSvc), edges
	for from, to := range edges {
		for _, t := range to {
			g.callers[t] = append(g.callers[t], from)
		}
	}
	g.opsOf = make([][]int, nSvc)
	for o := range a.Ops {
		g.opsOf[a.Ops[o].Service] = append(g.opsOf[a.Ops[o].Service], o)
	}
	g.visits = make([]float64, len(a.Endpoints)*nOps)
	g.svcVisit = make([]float64, len(a.Endpoints)*nSvc)
	g.svcCPU = make([]float64, len(a.Endpoints)*nSvc)
	g.svcWake = make([]float64, len(a.Endpoints)*nSvc)
	for e := range a.Endpoints {
		v := g.visits[e*nOps : (e+1)*nOps]
		v[a.Endpoints[e].Op] = 1
		for _, o := range g.opOrder {
			for _, c := range a.Ops[o].Calls {
				v[c.Op] += v[o] * c.Mean
			}
		}
		for o := range a.Ops {
			i := e*nSvc + a.Ops[o].Service
			g.svcVisit[i] += v[o]
			g.svcCPU[i] += v[o] * a.Ops[o].CPUMs
			g.svcWake[i] += v[o] * a.Ops[o].WakeMs
		}
	}
	g.byOp = make([]float64, len(g.visits))
	for e := range a.Endpoints {
		for o := range nOps {
			g.byOp[o*len(a.Endpoints)+e] = g.visits[e*nOps+o]
		}
	}
	a.compileShares()
	a.compileFlow()
	a.compileSleep()
	a.compileTree()
	g.lazy = &lazyResponse{}
	a.compilePatience()
}

// compilePatience passes timeouts and optional calls down the call graph.
func (a *App) compilePatience() {
	g := &a.graph
	patience := make([]float64, len(a.Ops))
	g.optional = make([]bool, len(a.Ops))
	for o := range g.optional {
		g.optional[o] = true
	}
	for e := range a.Endpoints {
		o := a.Endpoints[e].Op
		patience[o] = max(patience[o], a.Endpoints[e].TimeoutMs)
		g.optional[o] = false
	}
	g.patienceMs = make([]float64, len(a.Services))
	for _, o := range g.opOrder {
		for _, c := range a.Ops[o].Calls {
			wait := patience[o]
			if c.TimeoutMs > 0 {
				wait = min(wait, c.TimeoutMs)
			}
			patience[c.Op] = max(patience[c.Op], wait)
			if !c.Optional && !g.optional[o] {
				g.optional[c.Op] = false
			}
		}
		s := a.Ops[o].Service
		g.patienceMs[s] = max(g.patienceMs[s], patience[o])
	}
	g.required = make([]float64, len(a.Endpoints)*len(a.Services))
	for e := range a.Endpoints {
		for o := range a.Ops {
			if !g.optional[o] {
				g.required[e*len(a.Services)+a.Ops[o].Service] += g.visits[e*len(a.Ops)+o]
			}
		}
	}
}

// compileShares finds how many visits a request makes of a service in a row (Online Boutique: one page makes 9-20
// sequential calls), seen from a visit, and how a service's operations share its work.
func (a *App) compileShares() {
	g := &a.graph
	nO, nS := len(a.Ops), len(a.Services)
	visits, squares, work, chunks := make([]float64, nS), make([]float64, nS), make([]float64, nS), make([]float64, nS)
	g.batch, g.stallShare = make([]float64, nS), make([]float64, nO)
	for e := range a.Endpoints {
		w := a.Endpoints[e].Weight
		for s := range nS {
			v := g.svcVisit[e*nS+s]
			visits[s] += w * v
			squares[s] += w * v * v
			work[s] += w * (g.svcCPU[e*nS+s] + g.svcWake[e*nS+s])
		}
		for o, v := range g.visits[e*nO : (e+1)*nO] {
			chunks[a.Ops[o].Service] += w * v * a.Ops[o].chunks()
		}
	}
	for s := range nS {
		g.batch[s] = max(1, ratio(squares[s], visits[s]))
	}
	a.compileRounds()
	for o := range a.Ops {
		op := &a.Ops[o]
		g.stallShare[o] = 1
		if v, w, n := visits[op.Service], work[op.Service], chunks[op.Service]; w > 0 {
			g.stallShare[o] = (1-stallsByChunks)*(op.CPUMs+op.WakeMs)*v/w + stallsByChunks*op.chunks()*v/n
		}
	}
}

// stallsByChunks is the part of a service's stalls that its visits meet as they come or come back from a call, which each chunk of
// their work does; the rest they meet while they work.
const stallsByChunks = 0.5

// chunks is the mean number of pieces in which a visit's work is done: its calls are between them.
func (op *Operation) chunks() float64 {
	if op.Parallel && len(op.Calls) > 0 {
		return 2
	}
	n := 1.0
	for _, c := range op.Calls {
		n += c.Mean
	}
	return n
}

// compileRounds finds how many of a request's visits of a service come one after another, where the others come at once,
// and how much the work that it asks of the service varies.
func (a *App) compileRounds() {
	g := &a.graph
	nO, nS := len(a.Ops), len(a.Services)
	atOnce := make([]float64, nO*nS) // [op*services+service] visits at once that a visit of op causes
	mean, variance := make([]float64, nO*nS), make([]float64, nO*nS)
	for i := nO - 1; i >= 0; i-- {
		o := g.opOrder[i]
		op := &a.Ops[o]
		for _, c := range op.Calls {
			whole := math.Floor(c.Mean)
			for s := range nS {
				k, m := o*nS+s, mean[c.Op*nS+s]
				n := atOnce[c.Op*nS+s]
				if op.Parallel {
					atOnce[k] += n * max(1, c.Mean)
				} else {
					atOnce[k] = max(atOnce[k], n)
				}
				mean[k] += c.Mean * m
				variance[k] += c.Mean*variance[c.Op*nS+s] + (c.Mean-whole)*(whole+1-c.Mean)*m*m
			}
		}
		k := o*nS + op.Service
		atOnce[k] = max(1, atOnce[k])
		mean[k] += op.CPUMs
		variance[k] += op.CPUMs * op.CV * op.CPUMs * op.CV
	}
	g.rounds, g.workCV2 = make([]float64, nS), make([]float64, nS)
	for s := range nS {
		var weight, together, first, second float64
		for e := range a.Endpoints {
			k := a.Endpoints[e].Op*nS + s
			w := a.Endpoints[e].Weight
			if mean[k] <= 0 && g.svcVisit[e*nS+s] <= 0 {
				continue
			}
			v := w * g.svcVisit[e*nS+s]
			weight += v
			together += v * atOnce[k]
			first += w * mean[k]
			second += w * (mean[k]*mean[k] + variance[k])
			g.workCV2[s] += w // requests that come here at all
		}
		requests := g.workCV2[s]
		g.rounds[s] = max(1, g.batch[s]/max(1, ratio(together, weight)))
		g.workCV2[s] = max(0, ratio(second*requests, first*first)-1)
	}
}
