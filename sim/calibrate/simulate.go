package calibrate

import (
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/rng"
	"github.com/grlscaler/grlscaler/sim/trace"
	"github.com/grlscaler/grlscaler/sim/validate"
)

// NewEngine makes an engine for an application.
type NewEngine func(*sim.App) (sim.Engine, error)

// simulated is what an engine says of the blocks of one recording.
type simulated []simulatedBlock

type simulatedBlock struct {
	seconds   float64
	services  []simulatedService
	endpoints []simulatedEndpoint
	damping   []float64 // [service] see damp
	dearer    simProbe  // with all CPU per visit raised by probeStep
	slower    simProbe  // with cpu_ms raised alone
}

// simProbe is what a service's latency becomes when the application's numbers change.
type simProbe []simulatedService

type simulatedService struct {
	cpu, visits, mean, throttled float64 // visits/s; the others are means
	idle                         float64 // share of the wake-up cost that visits pay
	scatter                      float64 // variance of mean between runs, relative; NaN if there was one
}

type simulatedEndpoint struct{ requests, mean float64 }

// probeStep is by how much all CPU is raised to see how the engine responds.
const probeStep = 0.1

// spreadOfDamping is how far damping is from 1 where nothing is known.
const spreadOfDamping = 0.3

// damp finds by how much a service's CPU follows when all CPU per visit is raised, relative to the rise if as many calls
// found the replica idle as before. A busier replica is idle less often, so it saves wake-ups; at saturation it uses
// its limit whatever a visit costs, and its CPU says nothing about that cost.
//
//	damping = (CPU with cost (1 + h) - CPU) / (h (CPU - idle CPU))
//
// The idle share is a function g of the utilisation, so with cost c + w g(u) per visit and u = visits cost / capacity the
// same factor 1 / (1 - g'(u) w visits / capacity) stands before a change of c and of w: one probe shows both.
//
// Both runs scatter, so the quotient, with variance v, is drawn towards 1 as a normal prior of deviation spreadOfDamping would.
func damp(app *sim.App, all []*observed, sims, dearer, slower []simulated) {
	for i := range sims {
		for k := range sims[i] {
			x, y := &sims[i][k], &dearer[i][k]
			x.dearer, x.slower = y.services, slower[i][k].services
			x.damping = make([]float64, len(x.services))
			for s := range x.services {
				b := &all[i].blocks[k]
				rise := probeStep * (x.services[s].cpu - b.services[s].replicas*app.Services[s].BaseCPUMillis)
				noise := 0.0
				for o := range app.Ops {
					if op := &app.Ops[o]; op.Service == s {
						noise += 2 * b.visits[o] * square(op.CV*op.CPUMs) / x.seconds
					}
				}
				d := 1.0
				if rise > 0 {
					v := noise / square(rise)
					d = (square(spreadOfDamping)*(y.services[s].cpu-x.services[s].cpu)/rise + v) / (square(spreadOfDamping) + v)
				}
				x.damping[s] = math.Min(math.Max(d, 0), 1)
			}
		}
	}
}

// warmTicks is how long the engine runs at a recording's first load before it begins: the shipped recordings had 6 s.
const warmTicks = 2 * sim.WindowTicks

// simulate replays recordings, each some times with other random numbers, and averages. The result does not depend on
// the number of workers.
func (m *model) simulate(app *sim.App, all []*observed, opt *Options) ([]simulated, error) {
	out := make([]simulated, len(all))
	errs := make([]error, len(all))
	var wg sync.WaitGroup
	next := make(chan int)
	for range max(1, opt.Workers) {
		wg.Go(func() {
			for i := range next {
				out[i], errs[i] = m.simulateOne(app, all[i], opt)
			}
		})
	}
	for i := range all {
		next <- i
	}
	close(next)
	wg.Wait()
	for i, err := range errs {
		if err != nil {
			return nil, fmt.Errorf("recording %q: %w", all[i].Name, err)
		}
	}
	return out, nil
}

func (m *model) simulateOne(app *sim.App, o *observed, opt *Options) (simulated, error) {
	if len(o.blocks) == 0 {
		return nil, nil
	}
	platform, err := platformOf(app, o)
	if err != nil {
		return nil, err
	}
	engine, err := opt.Engine(platform)
	if err != nil {
		return nil, err
	}
	empty := func() simulated {
		out := make(simulated, len(o.blocks))
		for i := range out {
			out[i] = simulatedBlock{services: make([]simulatedService, len(app.Services)), endpoints: make([]simulatedEndpoint, len(app.Endpoints))}
		}
		return out
	}
	var runs []simulated
	out := empty()
	for rep := range opt.Replications {
		one := empty()
		if err := replay(engine, o, rng.Derive(opt.Seed, "calibrate", o.Name, rep), one); err != nil {
			return nil, err
		}
		for i := range one {
			out[i].merge(&one[i])
			one[i].finish()
		}
		runs = append(runs, one)
	}
	for i := range out {
		out[i].finish()
		for s := range out[i].services {
			out[i].services[s].scatter = scatter(runs, i, s)
		}
	}
	return out, nil
}

// scatter is the variance of a service's mean latency between runs, over its square.
func scatter(runs []simulated, block, service int) float64 {
	n, mean, second := float64(len(runs)), 0.0, 0.0
	for _, r := range runs {
		mean += r[block].services[service].mean / n
	}
	for _, r := range runs {
		second += square(r[block].services[service].mean - mean)
	}
	return second / (n - 1) / square(mean)
}

// merge adds sums.
func (b *simulatedBlock) merge(o *simulatedBlock) {
	b.seconds += o.seconds
	for s := range b.services {
		x, y := &b.services[s], &o.services[s]
		x.cpu += y.cpu
		x.visits += y.visits
		x.mean += y.mean
		x.idle += y.idle
		x.throttled += y.throttled
	}
	for e := range b.endpoints {
		b.endpoints[e].requests += o.endpoints[e].requests
		b.endpoints[e].mean += o.endpoints[e].mean
	}
}

// platformOf is the application as it was recorded: the recorded limits, as many replicas as there were, ready at once,
// on the recorded nodes, or one that has room for all, with the reference's speed.
func platformOf(app *sim.App, o *observed) (*sim.App, error) {
	p := *app.Variant()
	p.Services = slices.Clone(app.Services)
	for s := range p.Services {
		v := &p.Services[s]
		v.CPULimitMillis = o.limits[s]
		if v.CPULimitMillis <= v.BaseCPUMillis {
			return nil, fmt.Errorf("the limit of %s, %v m, is not above the %v m of an idle replica; lower base_cpu_m", v.Name, v.CPULimitMillis, v.BaseCPUMillis)
		}
		v.CPURequestMillis, v.MemRequestMiB = validate.Negligible, validate.Negligible
		v.StartupFixed, v.StartupJitter, v.StartupCPUMs = 0, 0, 0
		most := 1.0
		for k := range o.rows {
			most = math.Max(most, o.rows[k][s].replicas)
		}
		v.MinReplicas, v.MaxReplicas = 1, int(most)
	}
	nodes := validate.Nodes(o.Recording)
	if len(nodes) == 0 {
		const room = 1e9
		nodes = []validate.Node{{Name: "recorded", CPUMillis: room, MemMiB: room}}
	}
	p.Pools = validate.Pools(nodes, app)
	for i := range p.Pools {
		p.Pools[i].SpeedFactor = 1
	}
	return &p, nil
}

// replay runs an engine through a recording and adds up what it says of each block.
func replay(engine sim.Engine, o *observed, seed uint64, out simulated) error {
	replicas := make([]int, len(o.limits))
	at := func(k int) bool {
		changed := false
		for s := range replicas {
			n := o.rows[k][s].ready
			if !trace.Has(n) {
				n = o.rows[k][s].replicas
			}
			if v := int(n); trace.Has(n) && v != replicas[s] && v > 0 {
				replicas[s], changed = v, true
			}
		}
		return changed
	}
	for s := range replicas {
		replicas[s] = 1
	}
	at(0)
	if err := engine.Reset(seed, replicas); err != nil {
		return err
	}
	arrivals := newArrivals(o, rng.New(seed, "calibrate-arrivals"))
	step := func(t int) {
		engine.Step(sim.TickLoad{RPS: o.load.At(t), Arrivals: arrivals.at(t)})
	}
	for t := range warmTicks {
		step(t % o.load.Ticks())
	}
	arrivals.drawn = -1
	perBlock := int(o.length / sim.Tick)
	row := 0
	for t := range perBlock * len(o.blocks) {
		if k := int(time.Duration(t) * sim.Tick / o.Meta.Interval); k != row && k < len(o.rows) {
			row = k
			if at(k) {
				for s, n := range replicas {
					engine.Scale(sim.ScaleRequest{Service: s, Replicas: n, Pool: sim.AnyPool})
				}
			}
		}
		step(t)
		if engine.State().Window > 0 {
			out[t/perBlock].add(engine)
		}
	}
	return nil
}

// arrivals spreads the requests that were recorded in each interval over its ticks at random: given their number, the
// arrivals of a Poisson process are uniform. With as many requests as recorded, CPU scatters less than with random numbers of them.
type arrivals struct {
	o      *observed
	stream *rng.Stream
	per    int         // ticks of an interval; intervals that are no whole number of ticks count as one tick
	drawn  int         // interval that counts belongs to, -1 = none
	counts [][]float64 // [tick of the interval][endpoint]
}

func newArrivals(o *observed, stream *rng.Stream) *arrivals {
	a := &arrivals{o: o, stream: stream, per: 1, drawn: -1}
	if o.Meta.Interval%sim.Tick == 0 {
		a.per = int(o.Meta.Interval / sim.Tick)
	}
	for range a.per {
		a.counts = append(a.counts, make([]float64, len(o.load.Endpoints)))
	}
	return a
}

// at is what arrives in tick t. Ticks are asked for in order.
func (a *arrivals) at(t int) []float64 {
	if k := t / a.per; k != a.drawn {
		a.draw(k)
	}
	return a.counts[t%a.per]
}

func (a *arrivals) draw(k int) {
	a.drawn = k
	for _, c := range a.counts {
		clear(c)
	}
	for e := range a.o.load.Endpoints {
		sum := 0.0
		for i := range a.per {
			if t := k*a.per + i; t < a.o.load.Ticks() {
				sum += a.o.load.At(t)[e] * sim.Tick.Seconds()
			}
		}
		n := math.Floor(sum)
		if a.stream.Float64() < sum-n {
			n++
		}
		for range int(n) {
			a.counts[a.stream.IntN(a.per)][e]++
		}
	}
}

// add adds the engine's last window.
func (b *simulatedBlock) add(engine sim.Engine) {
	st := engine.State()
	dt := float64(st.Window) * sim.Tick.Seconds()
	b.seconds += dt
	for s := range st.Services {
		v, x := &st.Services[s], &b.services[s]
		x.cpu += v.CPUUsedMillis * dt
		x.visits += v.ServedRPS * dt
		x.mean += v.MeanMs * v.ServedRPS * dt
		x.idle += v.WakeShare * v.ServedRPS * dt
		x.throttled += v.Throttled * dt
	}
	for e := range st.Endpoints {
		v, x := &st.Endpoints[e], &b.endpoints[e]
		n := math.Max(v.Offered-v.Failed, 0)
		x.requests += n
		x.mean += v.MeanMs * n
	}
}

// finish turns sums into means.
func (b *simulatedBlock) finish() {
	for s := range b.services {
		v := &b.services[s]
		v.mean /= v.visits
		v.idle /= v.visits
		v.cpu /= b.seconds
		v.visits /= b.seconds
		v.throttled /= b.seconds
	}
	for e := range b.endpoints {
		b.endpoints[e].mean /= b.endpoints[e].requests
		b.endpoints[e].requests /= b.seconds
	}
}
