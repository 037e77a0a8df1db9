package benchmark

import (
	"math"
	"time"

	"github.com/grlscaler/grlscaler/sim"
)

// Accumulator is a recorder that works out the [Metrics] of one run. Make one for each run with
// [NewAccumulator]; ask for Metrics when the run has ended. Warm-up is left out: only counted records enter.
type Accumulator struct {
	app     *sim.App
	balance supplyDemand
	free    bool // no pool has a price: every weight is 1

	ticks                   float64
	offered, late, failed   float64
	allocated, slack        float64 // price-weighted integrals of Slack
	replicas, cores, priced float64

	pending []allocation    // ticks since the last window ended, whose CPU use is not known yet
	all     sim.Histogram   // all endpoints, all counted windows
	window  []sim.Histogram // one per endpoint: the present control interval
	lost    []float64       // failed requests of the present control interval, one per endpoint

	intervals, violated, reward float64
	actions, reversals          float64
	direction                   []int // of each service's last scale action
}

// allocation is what one service had allocated in one tick.
type allocation struct {
	service           int
	cpuMillis, weight float64
}

var _ sim.Recorder = (*Accumulator)(nil)

// NewAccumulator makes an accumulator for one run of app.
func NewAccumulator(app *sim.App) *Accumulator {
	a := &Accumulator{
		app:       app,
		balance:   newSupplyDemand(len(app.Services)),
		free:      true,
		pending:   make([]allocation, 0, sim.WindowTicks*len(app.Services)),
		window:    make([]sim.Histogram, len(app.Endpoints)),
		lost:      make([]float64, len(app.Endpoints)),
		direction: make([]int, len(app.Services)),
	}
	for i := range app.Pools {
		a.free = a.free && app.Pools[i].PricePerCoreHour == 0
	}
	return a
}

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
	if !t.Counted {
		return
	}
	a.ticks++
	a.balance.ticks++
	for s := range t.State.Services {
		v, svc := &t.State.Services[s], &a.app.Services[s]
		price := a.price(t.State, s)
		weight := price
		if a.free {
			weight = 1
		}
		alloc := float64(v.Ready+v.Starting) * v.RequestMillis
		held := alloc + float64(v.Terminating)*v.RequestMillis
		a.replicas += float64(v.Ready + v.Starting)
		a.cores += held
		a.priced += price * held
		a.pending = append(a.pending, allocation{s, alloc, weight})
		a.balance.tick(s, float64(v.Ready)*v.RequestMillis, float64(t.Needed[s])*svc.CPURequestMillis, weight, svc.CPURequestMillis)
	}
	if t.State.Window > 0 {
		a.endWindow(t)
	}
}

// price is the mean price per core-hour of the nodes that the service's pods are on, of the cheapest node if it
// has none.
func (a *Accumulator) price(st *sim.State, s int) float64 {
	placed := st.Placed[s*len(st.Nodes) : (s+1)*len(st.Nodes)]
	sum, pods, cheapest := 0.0, 0, math.Inf(1)
	for n := range st.Nodes {
		p := st.Nodes[n].PricePerCoreHour
		sum += float64(placed[n]) * p
		pods += placed[n]
		cheapest = min(cheapest, p)
	}
	switch {
	case pods > 0:
		return sum / float64(pods)
	case len(st.Nodes) > 0:
		return cheapest
	default:
		return 0
	}
}

// endWindow takes in what is known only at the end of an engine window: CPU use, requests and latencies.
func (a *Accumulator) endWindow(t *sim.TickRecord) {
	for _, p := range a.pending {
		a.allocated += p.weight * p.cpuMillis
		a.slack += p.weight * math.Max(p.cpuMillis-t.State.Services[p.service].CPUUsedMillis, 0)
	}
	a.pending = a.pending[:0]
	for e := range t.State.Endpoints {
		v := &t.State.Endpoints[e]
		a.offered += v.Offered
		a.late += v.Late
		a.failed += v.Failed
		a.lost[e] += v.Failed
	}
	t.Engine.AddLatencies(a.window)
}

// RecordInterval judges one control interval.
func (a *Accumulator) RecordInterval(r *sim.IntervalRecord) {
	if !r.Counted {
		return
	}
	a.intervals++
	a.reward += r.Reward
	violated := false
	for e := range a.window {
		h := &a.window[e]
		violated = violated || p95WithFailures(h, a.lost[e]) > a.app.Endpoints[e].SLOMs
		a.all.Merge(h)
		h.Reset()
		a.lost[e] = 0
	}
	if violated {
		a.violated++
	}
	a.balance.interval((r.To - r.From).Seconds())
}

// p95WithFailures is the 95th percentile in ms when failed requests are later than all others: infinite when more
// than 5 % failed, 0 when there was no request.
func p95WithFailures(h *sim.Histogram, failed float64) float64 {
	ended := h.Count() + failed
	switch {
	case ended <= 0:
		return 0
	case h.Count() <= 0 || 0.95*ended > h.Count():
		return math.Inf(1)
	default:
		return h.QuantileMs(0.95 * ended / h.Count())
	}
}

// Metrics returns what the run came to.
func (a *Accumulator) Metrics() Metrics {
	m := Metrics{
		Seconds: a.ticks * sim.Tick.Seconds(), Requests: a.offered,
		SLOViolation: share(a.late+a.failed, a.offered), ErrorRate: share(a.failed, a.offered),
		WindowViolation: share(a.violated, a.intervals),
		MeanMs:          a.all.MeanMs(), P50Ms: a.all.QuantileMs(0.50), P95Ms: a.all.QuantileMs(0.95), P99Ms: a.all.QuantileMs(0.99),
		Slack:        share(a.slack, a.allocated),
		ScaleActions: a.actions, Reversals: a.reversals,
	}
	const millicoreSecondsPerCoreHour = 1000 * float64(time.Hour/time.Second)
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
