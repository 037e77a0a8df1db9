package fidelity

import (
	"math"
	"testing"

	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/rng"
	"github.com/grlscaler/grlscaler/sim/simtest"
)

func newFluid(app *sim.App) (sim.Engine, error) { return sim.NewFluid(app, sim.FluidOptions{}) }

// known is an engine whose latencies are exponential and whose services use what they are told, to test the meter.
type known struct {
	st     sim.State
	meanMs float64
	cpuM   float64
	stream *rng.Stream
	done   float64
	even   bool // latencies at even ranks instead of random ones
}

func newKnown(meanMs, cpuM float64, even bool) NewEngine {
	return func(app *sim.App) (sim.Engine, error) {
		return &known{even: even, meanMs: meanMs, cpuM: cpuM, stream: rng.New(1, "known"), st: sim.State{
			Services: make([]sim.ServiceState, len(app.Services)), Endpoints: make([]sim.EndpointState, len(app.Endpoints))}}, nil
	}
}

func (k *known) Reset(uint64, []int) error                  { k.st.At, k.done = 0, 0; return nil }
func (k *known) Scale(sim.ScaleRequest) (r sim.ScaleResult) { return r }
func (k *known) Happen(*sim.Event)                          {}
func (k *known) State() *sim.State                          { return &k.st }

func (k *known) Step(load sim.TickLoad) {
	k.st.At += sim.Tick
	k.done += load.Arrivals[0]
	k.st.Window = 0
	if k.st.At%sim.WindowDuration == 0 {
		k.st.Window = sim.WindowTicks
		for e := range k.st.Endpoints {
			k.st.Endpoints[e] = sim.EndpointState{Offered: k.done}
		}
		for s := range k.st.Services {
			k.st.Services[s].CPUUsedMillis = k.cpuM
		}
		k.done = 0
	}
}

func (k *known) AddLatencies(h []sim.Histogram) {
	const ranks = 10_000
	for e := range h {
		n := k.st.Endpoints[e].Offered
		if k.even {
			for i := range ranks {
				h[e].Add(-k.meanMs*math.Log((float64(i)+0.5)/ranks), n/ranks)
			}
			continue
		}
		for range int(n) {
			h[e].Add(-k.meanMs*math.Log(1-k.stream.Float64()), 1)
		}
	}
}

// An exponential time has p95 = mean ln 20, p99 = mean ln 100; with 2.5e5 requests the mean is within 0.2 % and the 99th
// percentile within 0.45 % (standard errors), the histogram adds up to 1 %.
func TestMeasureKnownEngine(t *testing.T) {
	app := simtest.One(t)
	e, err := newKnown(40, 123, false)(app)
	if err != nil {
		t.Fatal(err)
	}
	m, err := Measure(e, app, []float64{250}, 1, Run{WarmupTicks: 20, BatchTicks: 100, Batches: 10})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		what            string
		got, want, slop float64
	}{
		{"seconds", m.Seconds, 1000, 0},
		{"requests", m.All.Requests, 250_000, 0.01},
		{"mean", m.All.MeanMs, 40, 0.01},
		{"p50", m.All.P50Ms, 40 * math.Ln2, 0.015},
		{"p95", m.Endpoints[0].P95Ms, 40 * math.Log(20), 0.02},
		{"p99", m.Endpoints[0].P99Ms, 40 * math.Log(100), 0.025},
		{"CPU", m.CPUMillis[0], 123, 1e-12},
		// Noise of the mean: 1/sqrt(250,000) = 0.2 %, estimated from ten batches.
		{"noise of the mean", m.MeanNoise, 0.002, 0.7},
	} {
		if math.Abs(x.got-x.want) > x.slop*x.want {
			t.Errorf("%s: %v, want %v within %v", x.what, x.got, x.want, x.slop)
		}
	}
}

// Two engines of which one is 10 % slower and uses 20 % more CPU.
func TestCompareFindsTheDifference(t *testing.T) {
	list, err := CompareFamily(CompareOptions{Family: simtest.Free, Apps: 2, Visits: 1e5, Workers: 2,
		Reference: newKnown(50, 100, true), Engine: newKnown(55, 120, true)})
	if err != nil {
		t.Fatal(err)
	}
	s := Summarise("known", list)
	for _, x := range []struct {
		what            string
		got, want, slop float64
	}{{"mean", s.Mean.Median, 0.1, 1e-3}, {"p95", s.P95.Median, 0.1, 0.02}, {"CPU", s.CPU.Median, 0.2, 1e-9}, {"CPU", s.CPU.P90, 0.2, 1e-9}} {
		if math.Abs(x.got-x.want) > x.slop {
			t.Errorf("%s differs by %v, want %v", x.what, x.got, x.want)
		}
	}
	if misses := s.Misses(Bars{Mean: 0.2, P95: 0.2, P99: 0.2, CPU: 0.05}, 1); len(misses) != 1 {
		t.Errorf("only CPU is above its bar, got %q", misses)
	}
}

func TestSpread(t *testing.T) {
	var x []float64
	for i := range 10 {
		x = append(x, float64(10-i))
	}
	if got := spreadOf(x); got != (Spread{N: 10, Median: 5, P90: 9}) {
		t.Errorf("nearest ranks of 1 to 10: %+v, want 5 and 9", got)
	}
}

// What the reference measured is read back from the cache: the comparison is the same, the reference is not asked.
func TestCompareFromCache(t *testing.T) {
	o := CompareOptions{Family: simtest.Throttled, Apps: 2, Visits: 1e4, Reference: newFluid, Engine: newFluid, Cache: t.TempDir()}
	first, err := CompareFamily(o)
	if err != nil {
		t.Fatal(err)
	}
	o.Reference = nil
	again, err := CompareFamily(o)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := Summarise("", first), Summarise("", again); a != b {
		t.Errorf("computed %+v, from the cache %+v", a, b)
	}
}
