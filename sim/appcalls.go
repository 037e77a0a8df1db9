package sim

import (
	"fmt"
	"strings"
)

// maxRetries bounds how often a caller tries again.
const maxRetries = 100

func (d *appDecoder) operation(path string, service int, y *yamlOperation) {
	name := y2name(d.y.Services[service].Name, y.Name)
	if y.Name == "" {
		d.fail(path+".name", "missing; every operation needs a name")
	}
	if _, ok := d.ops[name]; ok {
		d.fail(path+".name", "operation %q is given twice", name)
	}
	d.ops[name] = len(d.app.Ops)
	d.bounded(path+".cpu_ms", y.CPUMs, 0, maxTimeMs)
	d.bounded(path+".wake_ms", y.WakeMs, 0, maxTimeMs)
	d.bounded(path+".wait_ms", y.WaitMs, 0, maxTimeMs)
	dist, cv := d.dist(path, "", y.Dist, y.CV)
	waitDist, waitCV := d.dist(path, "wait_", y.WaitDist, y.WaitCV)
	if y.CPUMs+y.WakeMs+y.WaitMs == 0 && len(y.Calls) == 0 {
		d.fail(path, "%s takes no time at all and calls nothing; give cpu_ms or wait_ms", name)
	}
	d.app.Ops = append(d.app.Ops, Operation{
		Name: name, Service: service, CPUMs: y.CPUMs / d.y.SpeedFactor, WakeMs: y.WakeMs / d.y.SpeedFactor, CV: cv, Dist: dist,
		WaitMs: y.WaitMs, WaitCV: waitCV, WaitDist: waitDist, Parallel: y.Parallel,
	})
}

// dist reads a distribution and its coefficient of variation, which must fit each other. prefix is that of the keys.
func (d *appDecoder) dist(path, prefix, name string, cv *float64) (dist Dist, value float64) {
	if cv != nil {
		value = *cv
		d.bounded(path+"."+prefix+"cv", value, 0, maxCV)
	}
	fixed := func(want float64) {
		if cv != nil && value != want {
			d.fail(path+"."+prefix+"cv", "is %v; it is always %v for the distribution %q: leave it out", value, want, name)
		}
		value = want
	}
	dist = Dist(name)
	switch dist {
	case "":
		dist = LogNormal
	case Deterministic:
		fixed(0)
	case Exponential:
		fixed(1)
	case Gamma, LogNormal:
		if cv == nil {
			d.fail(path+"."+prefix+"cv", "missing; the distribution %q needs it", name)
		}
	default:
		d.fail(path+"."+prefix+"dist", "unknown %q; one of %s, %s, %s, %s", name, Exponential, Gamma, LogNormal, Deterministic)
	}
	if value == 0 {
		dist = Deterministic
	}
	return dist, value
}

// retries reads how often a caller tries again.
func (d *appDecoder) retries(path string, retries int, budget float64) {
	if retries < 0 || retries > maxRetries {
		d.fail(path+".retries", "must be from 0 to %d, found %d", maxRetries, retries)
	}
	d.number(path+".retry_budget", budget, 0)
	if retries == 0 && budget > 0 {
		d.fail(path+".retry_budget", "is %v without retries; give retries as well", budget)
	}
}

func (d *appDecoder) calls(path, name string, calls []yamlCall) {
	op, ok := d.ops[name]
	if !ok {
		return // the operation itself was refused
	}
	for k := range calls {
		y := &calls[k]
		at := fmt.Sprintf("%s.calls[%d]", path, k)
		callee, ok := d.ops[y.Op]
		if !ok {
			d.fail(at+".op", "%s calls %q, which no service has; write service.operation", name, y.Op)
			continue
		}
		mean := 1.0
		if y.Mean != nil {
			mean = *y.Mean
		}
		if !(mean > 0) || mean > maxRequestVisits {
			d.fail(at+".mean", "the mean number of calls must be above 0 and at most %d, found %v", maxRequestVisits, mean)
		}
		d.bounded(at+".timeout_ms", y.TimeoutMs, 0, 1000*maxTimeS)
		d.retries(at, y.Retries, y.RetryBudget)
		d.app.Ops[op].Calls = append(d.app.Ops[op].Calls, Call{Op: callee, Mean: mean, TimeoutMs: y.TimeoutMs, Optional: y.Optional,
			Retries: y.Retries, RetryBudget: y.RetryBudget})
	}
}

func (d *appDecoder) endpoints() {
	seen := map[string]bool{}
	total := 0.0
	for i := range d.y.Endpoints {
		y := &d.y.Endpoints[i]
		path := fmt.Sprintf("endpoints[%d]", i)
		d.name(path+".name", y.Name, seen, "endpoint")
		op, ok := d.ops[y.Op]
		if !ok {
			d.fail(path+".op", "endpoint %s enters at %q, which no service has; write service.operation", y.Name, y.Op)
		} else if i == 0 {
			d.app.Entry = d.app.Ops[op].Service
		} else if s := d.app.Ops[op].Service; s != d.app.Entry {
			d.fail(path+".op", "endpoint %s enters at service %s, the others at %s; one entry service is supported", y.Name, d.app.Services[s].Name, d.app.Services[d.app.Entry].Name)
		}
		d.number(path+".weight", y.Weight, 0)
		d.positive(path+".slo_ms", y.SLOMs)
		if y.TimeoutMs == 0 {
			y.TimeoutMs = defaultTimeMs
		}
		d.bounded(path+".timeout_ms", y.TimeoutMs, y.SLOMs, 1000*maxTimeS)
		d.retries(path, y.Retries, y.RetryBudget)
		total += y.Weight
		d.app.Endpoints = append(d.app.Endpoints, Endpoint{Name: y.Name, Op: op, Weight: y.Weight, SLOMs: y.SLOMs, TimeoutMs: y.TimeoutMs,
			Retries: y.Retries, RetryBudget: y.RetryBudget})
	}
	if !(total > 0) && len(d.y.Endpoints) > 0 {
		d.fail("endpoints", "the weights add up to 0; give at least one endpoint a weight")
		return
	}
	for i := range d.app.Endpoints {
		d.app.Endpoints[i].Weight /= total
	}
}

func (d *appDecoder) pools() {
	seen := map[string]bool{}
	nodes := 0
	for i := range d.y.Pools {
		y := &d.y.Pools[i]
		path := fmt.Sprintf("pools[%d]", i)
		d.name(path+".name", y.Name, seen, "pool")
		if y.SpeedFactor == 0 {
			y.SpeedFactor = 1
		}
		if y.Nodes < 1 {
			d.fail(path+".nodes", "must be at least 1, found %d", y.Nodes)
		}
		pool := Pool{Name: y.Name, Nodes: y.Nodes, CPUMillis: y.CPUM, MemMiB: y.MemMiB, SpeedFactor: y.SpeedFactor, PricePerCoreHour: y.PricePerCoreHour}
		d.autoscale(path+".autoscale", y, &pool)
		nodes += max(min(pool.Most(), maxNodes+1), 0)
		d.upTo(path+".cpu_m", y.CPUM, maxMillis)
		d.positive(path+".mem_mib", y.MemMiB)
		d.speed(path+".speed_factor", y.SpeedFactor)
		d.positive(path+".price_per_core_hour", y.PricePerCoreHour)
		d.app.Pools = append(d.app.Pools, pool)
	}
	if nodes > maxNodes {
		d.fail("pools", "%d nodes; at most %d are supported", nodes, maxNodes)
	}
}

// autoscale reads how a pool grows.
func (d *appDecoder) autoscale(path string, y *yamlPool, p *Pool) {
	a := y.Autoscale
	if a == nil {
		return
	}
	if a.Max < y.Nodes {
		d.fail(path+".max", "must be at least nodes (%d), found %d", y.Nodes, a.Max)
	}
	if a.DelayS == nil {
		d.fail(path+".delay_s", "missing; say how long a node takes from a pod that finds no room until it is there, in s")
		return
	}
	idle := float64(defaultIdleS)
	if a.IdleS != nil {
		idle = *a.IdleS
	}
	d.bounded(path+".delay_s", *a.DelayS, 0, maxTimeS)
	d.bounded(path+".idle_s", idle, 0, maxTimeS)
	p.MaxNodes, p.NodeDelay, p.NodeIdle = a.Max, seconds(*a.DelayS), seconds(idle)
}

// acyclic refuses cycles among operations, and among services: the flows of a service that is both above and
// below another have no order to be computed in.
func (d *appDecoder) acyclic() {
	next := func(n int) []int { return d.app.callees(n) }
	if cycle := findCycle(len(d.app.Ops), next); cycle != nil {
		names := make([]string, len(cycle))
		for i, o := range cycle {
			names[i] = d.app.Ops[o].Name
		}
		d.fail("services", "the call graph has a cycle: %s", strings.Join(names, " -> "))
		return
	}
	edges := d.app.serviceEdges()
	if cycle := findCycle(len(d.app.Services), func(n int) []int { return edges[n] }); cycle != nil {
		names := make([]string, len(cycle))
		for i, s := range cycle {
			names[i] = d.app.Services[s].Name
		}
		d.fail("services", "services call each other in a cycle: %s", strings.Join(names, " -> "))
	}
}
