// Package fidelity holds the simulator to what is known otherwise: its engines to each other, and to recordings.
package fidelity

import (
	"fmt"
	"math"
	"slices"

	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/rng"
	"github.com/grlscaler/grlscaler/sim/simtest"
)

// This file compares two engines on random applications at a steady load: [Measure] runs one engine on one application,
// [CompareApp] both, [Summarise] turns many comparisons into medians and 90th percentiles of the relative errors.

// NewEngine makes an engine for an application.
type NewEngine func(*sim.App) (sim.Engine, error)

// Latency is the latency of requests over a run.
type Latency struct {
	Requests float64 // offered
	Failed   float64
	MeanMs   float64 // of those completed
	P50Ms    float64
	P95Ms    float64
	P99Ms    float64
}

// Measured is what an engine says of an application at a steady load.
type Measured struct {
	Seconds   float64
	All       Latency
	Endpoints []Latency
	CPUMillis []float64 // by service: mean over the run
	VisitMs   []float64 // by service: mean latency of a visit, calls included
	OwnMs     []float64 // by service: of that, time in the service itself
	Throttled []float64 // by service: share of periods in which a replica used its quota up
	// Standard errors of All, relative: from the means and 99th percentiles of stretches of the run.
	MeanNoise, P99Noise float64
}

// Run says how long to run an engine.
type Run struct {
	WarmupTicks int
	BatchTicks  int // a stretch of the run over which a mean is taken; a multiple of sim.WindowTicks
	Batches     int // at most; the run ends early once the noise is small
	// Arrivals, if given, is what arrives of each endpoint in every tick, fractions included. The fluid engine counts
	// them as they are. Without them arrivals are drawn (Poisson).
	Arrivals []float64
}

// Noise below which a run ends early, relative standard errors: a tenth of the smallest bars.
const (
	enoughMeanNoise = 0.003
	enoughP99Noise  = 0.015
	enoughBatches   = 10 // fewer would not show what the noise is
)

// SteadyRun is the run for a random application: long enough to forget that it began empty, and at most so many visits.
func SteadyRun(a *simtest.RandomApp, visits float64) Run {
	s := &a.App.Services[a.Busiest]
	cores := min(s.CPULimitMillis-s.BaseCPUMillis, 1000*float64(s.Cores)) / 1000
	longest := 0.0
	for o := range a.App.Ops {
		if op := &a.App.Ops[o]; op.Service == a.Busiest {
			longest = max(longest, op.CPUMs)
		}
	}
	// An M/M/1 queue forgets its start with the time constant S/(1-sqrt(rho))^2, about 4S/(1-rho)^2 where rho is high
	// (Cohen, "The Single Server Queue", 1982): five of them.
	forget := 20 * longest / 1000 / cores / math.Pow(1-a.Utilisation, 2)
	seconds := visits / a.VisitsPerSec
	const batches = 2 * enoughBatches
	return Run{WarmupTicks: wholeWindows(min(max(forget, 30), 3000)), BatchTicks: wholeWindows(seconds / batches), Batches: batches}
}

// wholeWindows rounds seconds up to whole windows, as ticks.
func wholeWindows(seconds float64) int {
	return max(1, int(math.Ceil(seconds/float64(sim.WindowTicks)))) * sim.WindowTicks
}

// Measure runs an engine at a constant load, from the application's initial replicas.
func Measure(engine sim.Engine, app *sim.App, rps []float64, seed uint64, run Run) (*Measured, error) {
	if err := engine.Reset(seed, nil); err != nil {
		return nil, err
	}
	m := meter{engine: engine, total: make([]sim.Histogram, len(rps)), out: &Measured{Endpoints: make([]Latency, len(rps)),
		CPUMillis: make([]float64, len(app.Services)), VisitMs: make([]float64, len(app.Services)), OwnMs: make([]float64, len(app.Services)), Throttled: make([]float64, len(app.Services))}}
	stream := rng.New(seed, "fidelity-arrivals")
	load := sim.TickLoad{RPS: rps, Arrivals: slices.Clone(run.Arrivals)}
	if run.Arrivals == nil {
		load.Arrivals = make([]float64, len(rps))
	}
	step := func(ticks int, batch []sim.Histogram) {
		for range ticks {
			if run.Arrivals == nil {
				for e := range rps {
					load.Arrivals[e] = stream.Poisson(rps[e])
				}
			}
			engine.Step(load)
			if engine.State().Window > 0 && batch != nil {
				m.window(batch)
			}
		}
	}
	step(run.WarmupTicks, nil)
	batch := make([]sim.Histogram, len(rps))
	for range run.Batches {
		for e := range batch {
			batch[e].Reset()
		}
		step(run.BatchTicks, batch)
		if m.batch(batch); m.quiet() {
			break
		}
	}
	return m.finish(), nil
}

// meter adds up what an engine reports.
type meter struct {
	engine     sim.Engine
	out        *Measured
	total      []sim.Histogram
	means      []float64 // ms, of each batch
	p99s       []float64
	visitsOf   []float64
	windowTime float64
}

func (m *meter) window(batch []sim.Histogram) {
	st := m.engine.State()
	m.engine.AddLatencies(batch)
	dt := float64(st.Window) * sim.Tick.Seconds()
	m.windowTime += dt
	if m.visitsOf == nil {
		m.visitsOf = make([]float64, len(st.Services))
	}
	for e := range st.Endpoints {
		m.out.Endpoints[e].Requests += st.Endpoints[e].Offered
		m.out.Endpoints[e].Failed += st.Endpoints[e].Failed
	}
	for s := range st.Services {
		v := &st.Services[s]
		m.out.CPUMillis[s] += v.CPUUsedMillis * dt
		m.out.Throttled[s] += v.Throttled * dt
		m.out.VisitMs[s] += v.MeanMs * v.ServedRPS * dt
		m.out.OwnMs[s] += v.OwnMs * v.ServedRPS * dt
		m.visitsOf[s] += v.ServedRPS * dt
	}
}

func (m *meter) batch(batch []sim.Histogram) {
	var all sim.Histogram
	for e := range batch {
		m.total[e].Merge(&batch[e])
		all.Merge(&batch[e])
	}
	m.means = append(m.means, all.MeanMs())
	m.p99s = append(m.p99s, all.QuantileMs(0.99))
}

func (m *meter) quiet() bool {
	return len(m.means) >= enoughBatches && relativeError(m.means) < enoughMeanNoise && relativeError(m.p99s) < enoughP99Noise
}

func (m *meter) finish() *Measured {
	out := m.out
	out.Seconds = m.windowTime
	var all sim.Histogram
	for e := range m.total {
		l := &out.Endpoints[e]
		all.Merge(&m.total[e])
		l.percentiles(&m.total[e])
		out.All.Requests += l.Requests
		out.All.Failed += l.Failed
	}
	out.All.percentiles(&all)
	out.MeanNoise, out.P99Noise = relativeError(m.means), relativeError(m.p99s)
	for s := range out.CPUMillis {
		out.CPUMillis[s] /= m.windowTime
		out.Throttled[s] /= m.windowTime
		if m.visitsOf[s] > 0 {
			out.VisitMs[s] /= m.visitsOf[s]
			out.OwnMs[s] /= m.visitsOf[s]
		}
	}
	return out
}

func (l *Latency) percentiles(h *sim.Histogram) {
	l.MeanMs, l.P50Ms, l.P95Ms, l.P99Ms = h.MeanMs(), h.QuantileMs(0.5), h.QuantileMs(0.95), h.QuantileMs(0.99)
}

// relativeError is the standard error of the mean of batches over that mean.
func relativeError(batches []float64) float64 {
	n := float64(len(batches))
	mean, second := 0.0, 0.0
	for _, x := range batches {
		mean += x / n
		second += x * x / n
	}
	if n < 2 || mean <= 0 {
		return 0
	}
	return math.Sqrt(max(0, second-mean*mean)/(n-1)) / mean
}

// Errors are relative errors of an engine against the reference: |got/want - 1|.
type Errors struct {
	Mean, P95, P99 []float64 // by endpoint
	CPU            []float64 // by service
}

// Comparison is one application under both engines.
type Comparison struct {
	App       *simtest.RandomApp
	Busiest   float64 // utilisation of the busiest service: App.Utilisation, or what the reference measured (CompareLoads)
	Want, Got *Measured
	Errors    Errors
}

// CompareApp measures an application under the reference engine, unless want is given, and under another one, which is
// given the requests that the reference met.
func CompareApp(a *simtest.RandomApp, reference, engine NewEngine, visits float64, want *Measured) (*Comparison, error) {
	run := SteadyRun(a, visits)
	if want == nil {
		r, err := reference(a.App)
		if err != nil {
			return nil, err
		}
		if want, err = Measure(r, a.App, a.RPS, a.Seed, run); err != nil {
			return nil, err
		}
	}
	e, err := engine(a.App)
	if err != nil {
		return nil, err
	}
	arrivals := make([]float64, len(a.RPS))
	for i := range arrivals {
		arrivals[i] = want.Endpoints[i].Requests / want.Seconds
	}
	got, err := Measure(e, a.App, a.RPS, a.Seed, Run{WarmupTicks: wholeWindows(300), BatchTicks: wholeWindows(10), Batches: 1, Arrivals: arrivals})
	if err != nil {
		return nil, err
	}
	c := &Comparison{App: a, Busiest: a.Utilisation, Want: want, Got: got}
	for i := range want.Endpoints {
		w, g := &want.Endpoints[i], &got.Endpoints[i]
		c.Errors.Mean = append(c.Errors.Mean, off(g.MeanMs, w.MeanMs))
		c.Errors.P95 = append(c.Errors.P95, off(g.P95Ms, w.P95Ms))
		c.Errors.P99 = append(c.Errors.P99, off(g.P99Ms, w.P99Ms))
	}
	for s := range want.CPUMillis {
		c.Errors.CPU = append(c.Errors.CPU, off(got.CPUMillis[s], want.CPUMillis[s]))
	}
	return c, nil
}

// off is the relative error; anything against nothing is infinitely wrong.
func off(got, want float64) float64 {
	if got == want {
		return 0
	}
	return math.Abs(got/want - 1)
}

// Spread is the median and the 90th percentile of errors.
type Spread struct {
	N           int
	Median, P90 float64
}

// Summary holds the errors of many applications.
type Summary struct {
	Name                string
	Apps                int
	Mean, P95, P99, CPU Spread
	MeanNoise, P99Noise float64 // medians over applications
}

// Summarise takes the errors of all comparisons together: each endpoint and each service counts once.
func Summarise(name string, list []*Comparison) Summary {
	var all Errors
	var meanNoise, p99Noise []float64
	for _, c := range list {
		all.Mean = append(all.Mean, c.Errors.Mean...)
		all.P95 = append(all.P95, c.Errors.P95...)
		all.P99 = append(all.P99, c.Errors.P99...)
		all.CPU = append(all.CPU, c.Errors.CPU...)
		meanNoise, p99Noise = append(meanNoise, c.Want.MeanNoise), append(p99Noise, c.Want.P99Noise)
	}
	return Summary{Name: name, Apps: len(list), Mean: spreadOf(all.Mean), P95: spreadOf(all.P95), P99: spreadOf(all.P99), CPU: spreadOf(all.CPU),
		MeanNoise: spreadOf(meanNoise).Median, P99Noise: spreadOf(p99Noise).Median}
}

func spreadOf(x []float64) Spread {
	if len(x) == 0 {
		return Spread{}
	}
	s := slices.Sorted(slices.Values(x))
	at := func(p float64) float64 { // nearest rank
		return s[max(0, int(math.Ceil(p*float64(len(s))))-1)]
	}
	return Spread{N: len(s), Median: at(0.5), P90: at(0.9)}
}

// Bars are the largest median errors that are tolerated; 90th percentiles may be twice as large.
type Bars struct{ Mean, P95, P99, CPU float64 }

// FamilyBars are the bars of the fluid engine against the request-level one.
var FamilyBars = map[simtest.Family]Bars{
	simtest.Free:      {Mean: 0.02, P95: 0.05, P99: 0.10, CPU: 0.01},
	simtest.Throttled: {Mean: 0.10, P95: 0.15, P99: 0.25, CPU: 0.01},
}

// Misses lists where a summary is above bars, widened by factor.
func (s *Summary) Misses(b Bars, factor float64) []string {
	var out []string
	for _, x := range []struct {
		what string
		got  Spread
		bar  float64
	}{{"mean latency", s.Mean, b.Mean}, {"p95", s.P95, b.P95}, {"p99", s.P99, b.P99}, {"CPU", s.CPU, b.CPU}} {
		if bar := factor * x.bar; !(x.got.Median <= bar) || !(x.got.P90 <= 2*bar) {
			out = append(out, fmt.Sprintf("%s: %s is wrong by %.1f %% in the median, %.1f %% at the 90th percentile; at most %.1f and %.1f",
				s.Name, x.what, 100*x.got.Median, 100*x.got.P90, 100*bar, 200*bar))
		}
	}
	return out
}
