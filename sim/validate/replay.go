package validate

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/rng"
	"github.com/grlscaler/grlscaler/sim/trace"
)

// Defaults of [Options].
const (
	DefaultSeeds  = 5
	DefaultWarmUp = 10 * time.Second
)

// Options say how a recording is replayed. Engine is required; the zero value of the others is the default.
type Options struct {
	// Engine makes an engine for the application as it was recorded.
	Engine func(app *sim.App) (sim.Engine, error)
	// Seeds is how many runs with different random numbers are taken together: their requests are counted as those of one
	// run; 0 = DefaultSeeds.
	Seeds int
	// WarmUp runs at the recording's first level and is not counted: the recorded runs warmed up for 6 s. Rounded up to
	// whole windows; 0 = DefaultWarmUp, negative = none.
	WarmUp time.Duration
	// StartUp lets replicas start as the application says, by the CPU that they need at the recorded limit, from when
	// the recorded system created them. Without it the recorded `ready` replicas are forced. The fixed part of a start
	// and its jitter stand for a scheduler and probes, which the recorded systems need not have; they are left out.
	StartUp bool
}

func (o Options) seeds() int {
	if o.Seeds == 0 {
		return DefaultSeeds
	}
	return o.Seeds
}

// warmUpTicks is the warm-up in whole windows, so that no window reaches over its end.
func (o Options) warmUpTicks() int {
	d := o.WarmUp
	if d == 0 {
		d = DefaultWarmUp
	}
	return max(0, int((d+sim.WindowDuration-1)/sim.WindowDuration)) * sim.WindowTicks
}

// Prediction is what an engine made of a recording's load: one element for each of the recording's intervals.
type Prediction struct {
	Intervals []Interval
	// Notes say what the replay had to assume.
	Notes []string
}

// Interval is one interval of all runs together. Services and Endpoints are in the application's order.
type Interval struct {
	Windows   float64 // windows of the engine that ended in it
	Services  []Values
	Endpoints []Values
	All       Values // all requests
}

// Values are numbers of one endpoint or service over one interval, recorded or predicted, [trace.NoValue] where not known.
type Values struct {
	RPS       float64
	CPUMillis float64
	MeanMs    float64
	P50Ms     float64
	P95Ms     float64
	P99Ms     float64
	Throttled float64
	ErrorRate float64
}

func noValues() Values {
	no := trace.NoValue()
	return Values{no, no, no, no, no, no, no, no}
}

// Replay runs the load of rec through an engine. The replicas are those recorded; CPU limits and nodes too where known, otherwise
// they are the application's.
func Replay(app *sim.App, rec *trace.Recording, opt Options) (*Prediction, error) {
	r, err := newReplay(app, rec, opt)
	if err != nil {
		return nil, err
	}
	engine, err := opt.Engine(r.app)
	if err != nil {
		return nil, err
	}
	for seed := range opt.seeds() {
		if err := r.run(engine, uint64(seed+1)); err != nil {
			return nil, err
		}
	}
	return r.prediction(), nil
}

// visitCollector is an engine that can give the latencies of visits by service, and not only their mean and 95th percentile.
type visitCollector interface {
	// CollectVisits adds them to one histogram per service from the present window on; nil ends it.
	CollectVisits(perService []sim.Histogram)
}

// replay is one recording being replayed.
type replay struct {
	app      *sim.App
	rec      *trace.Recording
	load     *trace.Load
	interval int     // ticks
	warmUp   int     // ticks
	replicas [][]int // [interval][service]
	startUp  bool
	sums     []intervalSum
	notes    []string
}

// intervalSum adds up windows.
type intervalSum struct {
	ticks     float64
	services  []serviceSum
	offered   []float64 // [endpoint]
	failed    []float64
	latencies []sim.Histogram
	visits    []sim.Histogram // [service], empty if the engine does not give them
}

type serviceSum struct {
	cpu, throttled   float64 // times ticks
	visits, served   float64
	mean, p95, error float64 // times served, served, visits
}

func newReplay(app *sim.App, rec *trace.Recording, opt Options) (*replay, error) {
	if opt.Engine == nil {
		return nil, errors.New("validate: no engine")
	}
	if opt.Seeds < 0 {
		return nil, fmt.Errorf("validate: %d seeds", opt.Seeds)
	}
	if rec.Meta.Interval%sim.Tick != 0 {
		return nil, fmt.Errorf("an interval of %v cannot be compared with ticks of %v; import the recording with whole seconds", rec.Meta.Interval, sim.Tick)
	}
	load, err := trace.LoadFromRecording(rec, app.EndpointNames(), trace.LoadOptions{Step: sim.Tick, Weights: weights(app)})
	if err != nil {
		return nil, err
	}
	r := &replay{rec: rec, load: load, interval: int(rec.Meta.Interval / sim.Tick), warmUp: opt.warmUpTicks(), startUp: opt.StartUp, notes: load.Warnings}
	if err := r.readReplicas(app); err != nil {
		return nil, err
	}
	if err := r.recordedApp(app); err != nil {
		return nil, err
	}
	r.sums = make([]intervalSum, len(r.replicas))
	for k := range r.sums {
		nE := len(app.Endpoints)
		r.sums[k] = intervalSum{services: make([]serviceSum, len(app.Services)), offered: make([]float64, nE), failed: make([]float64, nE),
			latencies: make([]sim.Histogram, nE), visits: make([]sim.Histogram, len(app.Services))}
	}
	return r, nil
}

func weights(app *sim.App) []float64 {
	w := make([]float64, len(app.Endpoints))
	for e := range w {
		w[e] = app.Endpoints[e].Weight
	}
	return w
}

// changesAt is the tick at which the replicas of interval k, which were counted at its end, take the place of those
// of the interval before: its middle, as the moment is not recorded.
func (r *replay) changesAt(k int) int { return k*r.interval + r.interval/2 }

// run replays once. Arrivals are Poisson with the recorded intensity, from a stream of their own.
func (r *replay) run(engine sim.Engine, seed uint64) error {
	if err := engine.Reset(seed, r.replicas[0]); err != nil {
		return err
	}
	arrivals := rng.New(seed, "arrivals")
	collector, _ := engine.(visitCollector)
	nE := len(r.app.Endpoints)
	load := sim.TickLoad{Arrivals: make([]float64, nE)}
	for t := -r.warmUp; t < len(r.replicas)*r.interval; t++ {
		load.RPS = r.load.At(max(t, 0))
		for e, rps := range load.RPS {
			load.Arrivals[e] = arrivals.Poisson(rps * sim.Tick.Seconds())
		}
		if k := max(t, 0) / r.interval; k > 0 && t == r.changesAt(k) {
			if err := r.force(engine, k); err != nil {
				return err
			}
		}
		if collector != nil && t >= 0 && t%r.interval == 0 {
			collector.CollectVisits(r.sums[t/r.interval].visits)
		}
		engine.Step(load)
		st := engine.State()
		if t >= 0 && st.Window > 0 {
			r.sums[t/r.interval].add(engine, st)
		}
		if err := r.roomForAll(st); err != nil {
			return err
		}
	}
	if collector != nil {
		collector.CollectVisits(nil)
	}
	return nil
}

// force sets the replicas of interval k.
func (r *replay) force(engine sim.Engine, k int) error {
	for s, n := range r.replicas[k] {
		if n != r.replicas[k-1][s] {
			engine.Scale(sim.ScaleRequest{Service: s, Replicas: n, Pool: sim.AnyPool})
		}
	}
	return nil
}

// roomForAll refuses to go on with fewer replicas than were recorded.
func (r *replay) roomForAll(st *sim.State) error {
	for s := range st.Services {
		if v := &st.Services[s]; v.Pending > 0 {
			return fmt.Errorf("%d of the %d recorded replicas of %s find no room on the nodes of application %s; add nodes to its pools",
				v.Pending, v.Spec, r.app.Services[s].Name, r.app.Name)
		}
	}
	return nil
}

// add counts the window that has just ended.
func (x *intervalSum) add(engine sim.Engine, st *sim.State) {
	ticks := float64(st.Window)
	x.ticks += ticks
	for s := range st.Services {
		v, sum := &st.Services[s], &x.services[s]
		visits, served := v.ArrivalRPS*ticks, v.ServedRPS*ticks
		sum.cpu += v.CPUUsedMillis * ticks
		sum.throttled += v.Throttled * ticks
		sum.visits += visits
		sum.served += served
		sum.mean += v.MeanMs * served
		sum.p95 += v.P95Ms * served
		sum.error += v.ErrorRate * visits
	}
	for e := range st.Endpoints {
		x.offered[e] += st.Endpoints[e].Offered
		x.failed[e] += st.Endpoints[e].Failed
	}
	engine.AddLatencies(x.latencies)
}

// prediction turns sums into values.
func (r *replay) prediction() *Prediction {
	p := &Prediction{Notes: r.notes, Intervals: make([]Interval, len(r.sums))}
	for k := range r.sums {
		x := &r.sums[k]
		v := &p.Intervals[k]
		v.Windows = x.ticks / float64(sim.WindowTicks)
		v.Services, v.Endpoints = make([]Values, len(x.services)), make([]Values, len(x.offered))
		for s := range v.Services {
			v.Services[s] = x.services[s].values(x.ticks)
			if h := &x.visits[s]; h.Count() > 0 {
				v.Services[s].P50Ms, v.Services[s].P95Ms, v.Services[s].P99Ms = h.QuantileMs(0.50), h.QuantileMs(0.95), h.QuantileMs(0.99)
			}
		}
		var all sim.Histogram
		var offered, failed float64
		for e := range v.Endpoints {
			v.Endpoints[e] = requestValues(&x.latencies[e], x.offered[e], x.failed[e], x.ticks)
			all.Merge(&x.latencies[e])
			offered += x.offered[e]
			failed += x.failed[e]
		}
		v.All = requestValues(&all, offered, failed, x.ticks)
	}
	return p
}

// values are the means over all windows. The 95th percentile is the mean of the windows' own, weighted by visits, for engines that
// give no other.
func (x *serviceSum) values(ticks float64) Values {
	v := noValues()
	if ticks == 0 {
		return v
	}
	v.RPS, v.CPUMillis, v.Throttled = x.visits/(ticks*sim.Tick.Seconds()), x.cpu/ticks, x.throttled/ticks
	if x.visits > 0 {
		v.ErrorRate = x.error / x.visits
	}
	if x.served > 0 {
		v.MeanMs, v.P95Ms = x.mean/x.served, x.p95/x.served
	}
	return v
}

func requestValues(h *sim.Histogram, offered, failed, ticks float64) Values {
	v := noValues()
	if ticks > 0 {
		v.RPS = offered / (ticks * sim.Tick.Seconds())
	}
	if offered > 0 {
		v.ErrorRate = math.Min(1, failed/offered)
	}
	if h.Count() > 0 {
		v.MeanMs, v.P50Ms, v.P95Ms, v.P99Ms = h.MeanMs(), h.QuantileMs(0.50), h.QuantileMs(0.95), h.QuantileMs(0.99)
	}
	return v
}
