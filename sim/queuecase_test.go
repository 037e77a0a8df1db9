package sim_test

import (
	"math"
	"testing"

	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/rng"
	"github.com/grlscaler/grlscaler/sim/simtest"
	"gonum.org/v1/gonum/stat/distuv"
)

// Estimates of the request-level engine with intervals, to be compared with closed forms.
//
// A case is simulated in independent replications, each from an empty system, each with a warm-up that is left out.
// A closed form is the ratio of two means, E[A]/E[B]: the time of all requests over their number, or the number of
// requests that were faster than x over that of all. Ratios of counted things are biased, but A - value·B has a
// mean of exactly 0 where the form is right and the system stationary. So the test is Student's t on its
// replications: the interval of all values that it does not reject is Fieller's ("Some problems in interval
// estimation", JRSS B 16, 1954), and holds the closed form or does not.

// replications is the number of independent runs of a case. With 20 of them, each of at least 100 relaxation times,
// their sums are close enough to normal for Student's t at 99 %.
const replications = 20

// queueCase is one system with what is known of it.
type queueCase struct {
	params string // for the report
	app    *sim.App
	rps    []float64
	relax  float64 // s in which the slowest station forgets, about
	visits float64 // visits/s of all services together, for the length of the runs
	claims []claim
	// drive, if set, replaces the warm-up and the measurement of one replication.
	drive func(d *driver) *totals
}

// claim says that E[A] = value E[B], A and B what of returns.
type claim struct {
	what  string
	value float64
	of    func(t *totals) (a, b float64)
}

// relaxation is about the relaxation time of a queue with utilisation ρ and service times of that mean and squared
// coefficient of variation: 1/μ · (1 + scv)/2 / (1 - √ρ)² (exact for M/M/1: Cohen, The Single Server Queue, 1982).
func relaxation(meanS, scv, rho float64) float64 {
	gap := 1 - math.Sqrt(rho)
	return meanS * max(1, (1+scv)/2) / (gap * gap)
}

// totals is what one replication counted after its warm-up.
type totals struct {
	seconds   float64
	endpoints []endpointTotals
	services  []serviceTotals
	transient transient // of a case with a drive of its own
}

type endpointTotals struct {
	latency         sim.Histogram
	offered, failed float64
}

type serviceTotals struct {
	served, sojournS, ownS float64
	visitS                 float64 // integral of the number of visits over time
	cpuS                   float64
}

// transient is what a replication saw of a backlog: how much it changed, and in what time.
type transient struct{ change, seconds float64 }

// outcome is a claim after all replications.
type outcome struct {
	claim claim
	low   float64 // Fieller's interval
	high  float64
	z     float64 // the t statistic at the claimed value as a standard normal deviate, for pooling
	holds bool
}

// run simulates the case and judges all its claims. It fails t where Little's law does not hold on a run.
func (c *queueCase) run(t testing.TB, seed uint64, minVisits float64) []outcome {
	engine := simtest.NewDES(t, c.app)
	warm := windows(12 * c.relax)
	measured := windows(max(100*c.relax, minVisits/c.visits))
	a := make([][]float64, len(c.claims))
	b := make([][]float64, len(c.claims))
	for r := range replications {
		got := c.replicate(t, engine, rng.Derive(seed, "replication", r), warm, measured)
		for k := range c.claims {
			x, y := c.claims[k].of(got)
			a[k], b[k] = append(a[k], x), append(b[k], y)
		}
	}
	out := make([]outcome, len(c.claims))
	for k := range out {
		out[k] = judge(c.claims[k], a[k], b[k])
	}
	return out
}

// windows is how many windows cover a time in seconds.
func windows(seconds float64) int { return int(math.Ceil(seconds / windowS)) }

var windowS = sim.WindowDuration.Seconds()

// replicate runs the engine once.
func (c *queueCase) replicate(t testing.TB, engine *sim.DES, seed uint64, warm, measured int) *totals {
	if err := engine.Reset(seed, nil); err != nil {
		t.Fatal(err)
	}
	d := driver{engine: engine, entry: c.app.Entry, arrivals: rng.New(seed, "closed-form-arrivals"), rps: c.rps}
	d.all = newTotals(c.app)
	if c.drive != nil {
		return c.drive(&d)
	}
	d.window(warm)
	before := *newTotals(c.app)
	d.visitSeconds(&before)
	d.kept = newTotals(c.app)
	d.window(measured)
	kept := d.kept
	d.kept = nil
	d.visitSeconds(kept)
	for s := range kept.services {
		kept.services[s].visitS -= before.services[s].visitS
	}
	d.littlesLaw(t, c)
	return kept
}

func newTotals(app *sim.App) *totals {
	return &totals{endpoints: make([]endpointTotals, len(app.Endpoints)), services: make([]serviceTotals, len(app.Services))}
}

// driver offers Poisson arrivals and counts windows.
type driver struct {
	engine   *sim.DES
	entry    int
	arrivals *rng.Stream
	rps      []float64
	all      *totals // since Reset
	kept     *totals // while it is set
	hist     []sim.Histogram
	load     sim.TickLoad
}

// window runs n windows.
func (d *driver) window(n int) {
	d.load.RPS = d.rps
	if d.load.Arrivals == nil {
		d.load.Arrivals = make([]float64, len(d.rps))
		d.hist = make([]sim.Histogram, len(d.rps))
	}
	for range n * sim.WindowTicks {
		for e, r := range d.rps {
			d.load.Arrivals[e] = d.arrivals.Poisson(r)
		}
		d.engine.Step(d.load)
		if d.engine.State().Window > 0 {
			d.count(d.all, false)
			if d.kept != nil {
				d.count(d.kept, true)
			}
		}
	}
}

func (d *driver) count(to *totals, latencies bool) {
	st := d.engine.State()
	dt := float64(st.Window) * sim.Tick.Seconds()
	to.seconds += dt
	if latencies {
		for e := range d.hist {
			d.hist[e].Reset()
		}
		d.engine.AddLatencies(d.hist)
	}
	for e := range st.Endpoints {
		x := &to.endpoints[e]
		x.offered += st.Endpoints[e].Offered
		x.failed += st.Endpoints[e].Failed
		if latencies {
			x.latency.Merge(&d.hist[e])
		}
	}
	for s := range st.Services {
		x, v := &to.services[s], &st.Services[s]
		served := v.ServedRPS * dt
		x.served += served
		x.sojournS += served * v.MeanMs / 1000
		x.ownS += served * v.OwnMs / 1000
		x.cpuS += v.CPUUsedMillis / 1000 * dt
	}
}

// present is the number of requests in the system.
func (d *driver) present() float64 {
	n := -d.all.services[d.entry].served
	for e := range d.all.endpoints {
		n += d.all.endpoints[e].offered - d.all.endpoints[e].failed
	}
	return n
}

func (d *driver) visitSeconds(to *totals) {
	for s := range to.services {
		to.services[s].visitS = d.engine.VisitSeconds(s)
	}
}

// littlesLaw lets the system run empty. Then the integral of the number of visits is the sum of their times, L = λW
// over the whole run, to rounding.
func (d *driver) littlesLaw(t testing.TB, c *queueCase) {
	d.rps = make([]float64, len(d.rps))
	inside := newTotals(c.app)
	for range 1000 {
		d.visitSeconds(inside)
		before := inside.services
		inside = newTotals(c.app)
		d.window(1)
		d.visitSeconds(inside)
		still := 0.0
		for s := range before {
			still += inside.services[s].visitS - before[s].visitS
		}
		if still == 0 {
			break
		}
	}
	for s := range inside.services {
		seconds := d.all.seconds
		number, rate, sojourn := inside.services[s].visitS/seconds, d.all.services[s].served/seconds, d.all.services[s].sojournS/d.all.services[s].served
		if d.all.services[s].served > 0 && !(math.Abs(number-rate*sojourn) <= 1e-9*number) {
			t.Errorf("%s: service %s: mean number of visits %.12g, rate times mean time %.12g", c.params, c.app.Services[s].Name, number, rate*sojourn)
		}
	}
}

// judge is Student's t test of E[A] = value E[B], with the interval of values that it would not reject at 1 %.
func judge(c claim, a, b []float64) outcome {
	n := float64(len(a))
	student := distuv.StudentsT{Sigma: 1, Nu: n - 1}
	limit := student.Quantile(0.995)
	ma, mb, saa, sab, sbb := 0.0, 0.0, 0.0, 0.0, 0.0
	for i := range a {
		ma += a[i] / n
		mb += b[i] / n
	}
	for i := range a {
		da, db := a[i]-ma, b[i]-mb
		saa += da * da / (n - 1) / n
		sab += da * db / (n - 1) / n
		sbb += db * db / (n - 1) / n
	}
	v := c.value
	gap, se := ma-v*mb, math.Sqrt(max(0, saa-2*v*sab+v*v*sbb))
	o := outcome{claim: c}
	statistic := gap / se
	if math.Abs(gap) <= 1e-9*math.Abs(ma) { // equal but for rounding, which is all where nothing is random
		statistic = 0
	}
	o.holds = math.Abs(statistic) <= limit
	o.z = distuv.UnitNormal.Quantile(min(max(student.CDF(statistic), 1e-15), 1-1e-15))
	// (ma - v mb)² = limit² (saa - 2v sab + v² sbb), a quadratic in v.
	qa, qb, qc := mb*mb-limit*limit*sbb, ma*mb-limit*limit*sab, ma*ma-limit*limit*saa
	root := math.Sqrt(max(0, qb*qb-qa*qc))
	o.low, o.high = (qb-root)/qa, (qb+root)/qa
	return o
}
