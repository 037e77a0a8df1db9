package sim

// callTree is the call graph as the composition of times walks it: operations with callees first, their calls in one row.
type callTree struct {
	ops   []treeOp
	calls []treeCall
	entry []int // [endpoint] operation
}

type treeOp struct {
	op, service           int
	calls                 int // how many of the next calls are its own
	parallel              bool
	cpuMs, wakeMs, waitMs float64
}

type treeCall struct {
	op, service     int
	mean, timeoutMs float64
}

// compileTree lays out the call tree once opOrder is known.
func (a *App) compileTree() {
	g := &a.graph
	g.tree = callTree{}
	t := &g.tree
	for i := len(g.opOrder) - 1; i >= 0; i-- {
		o := g.opOrder[i]
		op := &a.Ops[o]
		t.ops = append(t.ops, treeOp{op: o, service: op.Service, calls: len(op.Calls), parallel: op.Parallel && len(op.Calls) > 0,
			cpuMs: op.CPUMs, wakeMs: op.WakeMs, waitMs: op.WaitMs})
		for k := range op.Calls {
			c := &op.Calls[k]
			t.calls = append(t.calls, treeCall{c.Op, a.Ops[c.Op].Service, c.Mean, c.TimeoutMs})
		}
	}
	for e := range a.Endpoints {
		t.entry = append(t.entry, a.Endpoints[e].Op)
	}
}

// composeTimes fills ops with the mean time of one visit, calls included, endpoints with that of one request, and own,
// unless it is nil, with the part of a visit's mean that is spent in its own service. t is the application's tree, with waits of now.
func composeTimes(app *App, x *response, t *callTree, perf []servicePerf, ops, endpoints []duration, own []float64) {
	calls, first := t.calls, 0
	for i := range t.ops {
		op := &t.ops[i]
		p := &perf[op.service]
		stall, delay := p.stallMs*x.shares[op.op], p.delayMs
		mean := (op.cpuMs+op.wakeMs*p.idle)*p.scale + op.waitMs + stall + delay
		if own != nil {
			own[op.op] = mean
		}
		if op.parallel {
			wait := parallelTime(&app.Ops[op.op], ops, x.parallel[op.op])
			mean, stall, delay = mean+wait.mean, stall+wait.stall, delay+wait.delay
		} else {
			for k := range calls[:op.calls] {
				c := &calls[k]
				callee := &ops[c.op]
				stalls := x.trains[perf[c.service].replicas][first+k] // of so many visits
				if c.timeoutMs > 0 && c.timeoutMs <= noClip*callee.mean {
					cut := *callee
					cut.clip(c.timeoutMs)
					mean, stall, delay = mean+c.mean*(cut.mean-cut.stall)+stalls*cut.stall, stall+stalls*cut.stall, delay+c.mean*cut.delay
					continue
				}
				mean += c.mean*(callee.mean-callee.stall) + stalls*callee.stall
				stall += stalls * callee.stall
				delay += c.mean * callee.delay
			}
		}
		calls = calls[op.calls:]
		first += op.calls
		ops[op.op] = duration{mean, stall, delay}
	}
	for e, o := range t.entry {
		endpoints[e] = ops[o]
	}
}
