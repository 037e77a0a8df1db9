package benchmark

import (
	"math"
	"slices"
	"time"

	"github.com/grlscaler/grlscaler/sim"
)

// Accumulator is a recorder that works out the [Metrics] of one run. Make one for each run with
// [NewAccumulator]; ask for Metrics when the run has ended. Warm-up is left out: only counted records enter.
type Accumulator struct {
	app      *sim.App
	balance  supplyDemand
	span     worstSpan
	spanned  spanSums // counts at the end of the interval before
	free     bool     // no pool has a price: every weight is 1
	onePrice bool     // all pools have the same

	ticks                   float64
	offered, late, failed   float64
	allocated, slack        float64 // price-weighted integrals of Slack
	replicas, cores, priced float64

	pools      []PoolUse // in millicore-seconds until Pools converts them
	tick       tickSums
	places     []float64 // [service*pools+pool] share of the service's pods there
	prices     []float64 // price of a core-hour where each service runs
	anyPending bool      // some of pending is not 0
	pending    []float64 // price-weighted allocation since the last window ended, whose CPU use is not known yet

	all    sim.Histogram  // all endpoints, all counted windows
	window sim.LatencySet // of the present control interval
	lost   []float64      // failed requests of the present control interval, one per endpoint

	intervals, violated, reward float64
	actions, reversals          float64
	overflow                    float64
	direction                   []int // of each service's last scale action
}

var _ sim.Recorder = (*Accumulator)(nil)

// NewAccumulator makes an accumulator for one run of app.
func NewAccumulator(app *sim.App) *Accumulator {
	a := &Accumulator{
		app:       app,
		balance:   newSupplyDemand(len(app.Services)),
		free:      true,
		onePrice:  true,
		pools:     make([]PoolUse, len(app.Pools)),
		places:    make([]float64, len(app.Services)*len(app.Pools)),
		prices:    make([]float64, len(app.Services)),
		tick:      newTickSums(len(app.Services), len(app.Pools)),
		pending:   make([]float64, len(app.Services)),
		window:    sim.NewLatencySet(len(app.Endpoints)),
		lost:      make([]float64, len(app.Endpoints)),
		direction: make([]int, len(app.Services)),
	}
	cheapest, cheap := math.Inf(1), 0
	for i := range app.Pools {
		a.free = a.free && app.Pools[i].PricePerCoreHour == 0
		a.onePrice = a.onePrice && app.Pools[i].PricePerCoreHour == app.Pools[0].PricePerCoreHour
		if app.Pools[i].PricePerCoreHour < cheapest {
			cheapest, cheap = app.Pools[i].PricePerCoreHour, i
		}
	}
	for s := range a.prices {
		a.prices[s] = cheapest
		a.places[s*len(app.Pools)+cheap] = 1
	}
	for i := range a.pools {
		a.pools[i].Pool, a.pools[i].Price = app.Pools[i].Name, app.Pools[i].PricePerCoreHour
		if a.free {
			a.pools[i].Price = 1
		}
	}
	return a
}

// WithoutReasons is true: metrics do not depend on why.
func (a *Accumulator) WithoutReasons() bool { return true }

// RecordDecision counts scale actions and reversals.
func (a *Accumulator) RecordDecision(d *sim.DecisionRecord) {
	if !d.Counted {
		return
	}
	for i, req := range d.Requests {
		res := d.Results[i]
		dir := sign(float64(res.Added - res.Removed))
		if dir == 0 && res.QuotaChanged {
			dir = sign(req.QuotaMillis - d.View.Services[req.Service].QuotaMillis)
		}
		if dir == 0 && res.Resized+res.Evicted > 0 {
			dir = sign(req.Pods.Template.RequestMillis - d.View.Services[req.Service].RequestMillis)
		}
		if dir == 0 {
			continue
		}
		a.actions++
		if a.direction[req.Service] == -dir {
			a.reversals++
		}
		a.direction[req.Service] = dir
	}
}

// RecordTick integrates over one tick of 1 s.
func (a *Accumulator) RecordTick(t *sim.TickRecord) {
	if t.Counted {
		a.ticks++
		a.balance.ticks++
	}
	if !a.tick.hold(t) {
		a.flush()
		a.work(t)
	}
	if t.Counted {
		a.tick.run++
		a.tick.fresh++
	}
	if t.State.Window > 0 {
		for s := range t.State.Services { // of the warm-up too: what follows started from it
			a.overflow += t.State.Services[s].Overflow
		}
	}
	if t.Counted && t.State.Window > 0 {
		a.allocate()
		a.endWindow(t)
	}
}

// weight is w_i of [Metrics].
func (a *Accumulator) weight(s int) float64 {
	if a.free {
		return 1
	}
	return a.prices[s]
}

// updatePrice takes the mean price of the nodes that the service's pods are on; without pods it keeps its price.
func (a *Accumulator) updatePrice(st *sim.State, s int) {
	sum, pods := 0.0, 0
	for n, k := range st.Placed[s*len(st.Nodes) : (s+1)*len(st.Nodes)] {
		sum += float64(k) * st.Nodes[n].PricePerCoreHour
		pods += k
	}
	if pods > 0 {
		a.prices[s] = sum / float64(pods)
	}
}

// updatePlaces notes in which pools the service's pods are; without pods it stays where it was.
func (a *Accumulator) updatePlaces(st *sim.State, s int) {
	places := a.places[s*len(a.pools) : (s+1)*len(a.pools)]
	placed := st.Placed[s*len(st.Nodes) : (s+1)*len(st.Nodes)]
	pods := 0
	for _, k := range placed {
		pods += k
	}
	if pods == 0 {
		return
	}
	clear(places)
	for n, k := range placed {
		places[st.Nodes[n].Pool] += float64(k) / float64(pods)
	}
}

// endWindow takes in what is known only at the end of an engine window: CPU use, requests and latencies.
func (a *Accumulator) endWindow(t *sim.TickRecord) {
	for s := range a.pending {
		used := a.weight(s) * t.State.Services[s].CPUUsedMillis * float64(t.State.Window)
		a.slack += math.Max(a.pending[s]-used, 0)
		a.pending[s] = 0
	}
	a.anyPending = false
	for e := range t.State.Endpoints {
		v := &t.State.Endpoints[e]
		a.offered += v.Offered
		a.late += v.Late
		a.failed += v.Failed
		a.lost[e] += v.Failed
	}
	a.window.Add(t.Engine)
}

// RecordInterval judges one control interval.
func (a *Accumulator) RecordInterval(r *sim.IntervalRecord) {
	if !r.Counted {
		return
	}
	a.intervals++
	a.reward += r.Reward
	violated := false
	for e := range a.lost {
		violated = violated || p95Above(&a.window, e, a.lost[e], a.app.Endpoints[e].SLOMs)
		a.window.Drain(e, &a.all)
		a.lost[e] = 0
	}
	if violated {
		a.violated++
	}
	a.balance.interval((r.To - r.From).Seconds())
	violations := a.late + a.failed
	a.span.add(violations-a.spanned.violations, a.offered-a.spanned.offered)
	a.spanned = spanSums{violations, a.offered}
}

// p95Above tells whether the 95th percentile of an endpoint is above ms when failed requests are later than all others: so
// where more than 5 % failed, and not where there was no request.
func p95Above(x *sim.LatencySet, e int, failed, ms float64) bool {
	completed := x.Count(e)
	ended := completed + failed
	switch {
	case ended <= 0:
		return false
	case completed <= 0 || 0.95*ended > completed:
		return true
	default:
		return x.QuantileAbove(e, 0.95*ended/completed, ms)
	}
}

const millicoreSecondsPerCoreHour = 1000 * float64(time.Hour/time.Second)

// Pools returns what the run came to by node pool.
func (a *Accumulator) Pools() []PoolUse {
	a.flush()
	out := slices.Clone(a.pools)
	for i := range out {
		for _, x := range []*float64{&out[i].Supply, &out[i].Needed, &out[i].Missing, &out[i].Held} {
			*x /= millicoreSecondsPerCoreHour
		}
	}
	return out
}

// Metrics returns what the run came to.
func (a *Accumulator) Metrics() Metrics {
	a.flush()
	m := Metrics{
		Seconds: a.ticks * sim.Tick.Seconds(), Requests: a.offered,
		SLOViolation: share(a.late+a.failed, a.offered), ErrorRate: share(a.failed, a.offered),
		WindowViolation: share(a.violated, a.intervals),
		MeanMs:          a.all.MeanMs(), P50Ms: a.all.QuantileMs(0.50), P95Ms: a.all.QuantileMs(0.95), P99Ms: a.all.QuantileMs(0.99),
		Slack:        share(a.slack, a.allocated),
		ScaleActions: a.actions, Reversals: a.reversals, Overflow: a.overflow,
	}
	m.CoreHours = a.cores / millicoreSecondsPerCoreHour
	m.Cost = a.priced / millicoreSecondsPerCoreHour
	if a.ticks > 0 {
		m.Replicas = a.replicas / a.ticks
	}
	if a.intervals > 0 {
		m.Reward = a.reward / a.intervals
	}
	a.balance.fill(&m)
	return m
}

// share is part/whole within [0, 1]: 0 when there is nothing of either, 1 when there is a part of nothing.
func share(part, whole float64) float64 {
	switch {
	case part <= 0:
		return 0
	case part >= whole:
		return 1
	default:
		return part / whole
	}
}
