package sim

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/grlscaler/grlscaler/sim/rng"
)

// MetricsConfig says how late and how exact the numbers are that a controller sees. The zero value stands for
// [DefaultMetricsConfig].
type MetricsConfig struct {
	// Interval is the time between two scrapes, whole ticks, at least one window. Default 15 s, metrics-server's
	// --metric-resolution in its released manifests.
	Interval time.Duration `yaml:"interval"`
	// Age is the time from a scrape to the next multiple of Interval, below Interval, whole ticks. Decisions fall
	// on multiples of 15 s, so with equal intervals it is the age of the last scrape at a decision. In a cluster it is
	// anything from 0 to 15 s, HPA syncs and scrapes not being in step; the default of 8 s is the middle.
	Age time.Duration `yaml:"age"`
	// Lag is the time from a scrape until controllers see it (collection, storage, queries), whole ticks.
	// Default 0.
	Lag time.Duration `yaml:"lag"`
	// Noise is the relative standard deviation of what is measured: every CPU, memory, rate and latency is
	// multiplied by exp(Noise·z - Noise²/2), z standard normal, which has mean 1. Default 0.
	Noise float64 `yaml:"noise"`
	// DropOut is the probability that a scrape of one service fails: its numbers stay those of the scrape before,
	// and its pods have no sample. Default 0.
	DropOut float64 `yaml:"drop_out"`
}

// entryPeakSpan is how far back a view knows the entry's highest rate.
const entryPeakSpan = 10 * time.Minute

// DefaultMetricsConfig is metrics-server as released, scraped midway between two decisions.
func DefaultMetricsConfig() MetricsConfig {
	return MetricsConfig{Interval: 15 * time.Second, Age: 8 * time.Second}
}

// orDefault replaces the zero value by the default.
func (c MetricsConfig) orDefault() MetricsConfig {
	if c == (MetricsConfig{}) {
		return DefaultMetricsConfig()
	}
	return c
}

// Validate reports every mistake at once. The zero value is valid.
func (c MetricsConfig) Validate() error {
	c = c.orDefault()
	var errs []error
	bad := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("metrics."+format, args...))
		}
	}
	whole := func(d time.Duration) bool { return d >= 0 && d%Tick == 0 }
	bad(whole(c.Interval) && c.Interval >= WindowTicks*Tick && c.Interval <= time.Hour,
		"interval: %v; must be whole seconds from %v to 1h", c.Interval, WindowTicks*Tick)
	bad(whole(c.Age) && c.Age < c.Interval, "age: %v; must be whole seconds from 0 to below the interval of %v", c.Age, c.Interval)
	bad(whole(c.Lag) && c.Lag <= time.Hour, "lag: %v; must be whole seconds from 0 to 1h", c.Lag)
	bad(c.Noise >= 0 && c.Noise <= 1, "noise: %v; must be a relative standard deviation from 0 to 1", c.Noise)
	bad(c.DropOut >= 0 && c.DropOut < 1, "drop_out: %v; must be a probability from 0 to below 1", c.DropOut)
	return errors.Join(errs...)
}

// Metrics is the pipeline between the truth and a controller: it averages what happens, is scraped, and shows
// the last scrape that has become visible.
//
// An engine evaluates flows once a window; a scrape takes the windows that have ended since the scrape before.
// With the default phase a scrape therefore covers 15 s that ended 10 s before the decision, and a step in load is
// seen in full by a decision 15 to 45 s later, as with metrics-server (testdata/oracles/hpa/README.md, section 10).
//
// Reset, then Tick after every engine step, then View when needed. Nothing is allocated after NewMetrics, unless
// pods are watched.
type Metrics struct {
	app   *App
	cfg   MetricsConfig
	noise *rng.Stream
	drops *rng.Stream

	// Sums since the last scrape.
	ticks          float64
	services       []serviceSums
	nodeCPU        []float64
	offered        []float64 // requests by endpoint
	bad            float64   // requests late or failed
	clusterCPU     float64   // share of allocatable CPU in use, times ticks
	ticksToScrape  int
	untilFirst     int // ticks from Reset to the first scrape
	ticksPerScrape int

	ring    []scrape  // the newest at (scrapes-1) % len
	peaks   []float64 // requests/s at the entry in the scrapes of the last 10 minutes, the newest at (scrapes-1) % len
	scrapes int
	edges   edgeShares
	pods    *podMetrics // nil unless watched
	faults  faultPlan
}

// serviceSums are a service's sums since the last scrape.
type serviceSums struct {
	cpu, throttled       float64 // times ticks
	done                 float64 // visits completed or failed
	mean, p95, errorRate float64 // times visits
	mem, backlog         float64 // as of the last window
}

// scrape is what one scrape found.
type scrape struct {
	at       time.Duration
	services []serviceScrape
	nodeCPU  []float64
	edges    []EdgeView
	entry    []float64 // requests/s by endpoint
	cluster  ClusterView
	pods     []podSample // by ID
}

type serviceScrape struct {
	cpu, mem, rps, prevRPS, mean, p95, errorRate, throttled, backlog float64

	lost MetricSource
}

// NewMetrics makes a pipeline. cfg has passed Validate.
func NewMetrics(app *App, cfg MetricsConfig) *Metrics {
	cfg = cfg.orDefault()
	m := &Metrics{
		app: app, cfg: cfg,
		noise:    rng.New(0, "metrics-noise"),
		drops:    rng.New(0, "metrics-drop-out"),
		services: make([]serviceSums, len(app.Services)),
		nodeCPU:  make([]float64, app.NumNodes()),
		offered:  make([]float64, len(app.Endpoints)),
		// Enough scrapes to hold the newest visible one, those not yet visible, and one to write to.
		ring:   make([]scrape, 2+int((cfg.Lag+cfg.Interval-1)/cfg.Interval)),
		edges:  newEdgeShares(app),
		faults: newFaultPlan(app),
		peaks:  make([]float64, max(1, int(entryPeakSpan/cfg.Interval))),
	}
	m.ticksPerScrape = int(cfg.Interval / Tick)
	m.untilFirst = int((cfg.Interval - cfg.Age) / Tick)
	for i := range m.ring {
		m.ring[i] = scrape{
			services: make([]serviceScrape, len(app.Services)),
			nodeCPU:  make([]float64, app.NumNodes()),
			edges:    make([]EdgeView, len(app.Edges)),
			entry:    make([]float64, len(app.Endpoints)),
		}
	}
	return m
}

// WatchPods makes View fill the samples of single pods, which engine lists.
func (m *Metrics) WatchPods(engine PodLister) {
	m.pods = newPodMetrics(m.app, engine, m.cfg, &m.faults)
}

// Reset forgets everything; seed names the streams of noise and drop-outs.
func (m *Metrics) Reset(seed uint64) {
	m.noise.Reseed(seed, "metrics-noise")
	m.drops.Reseed(seed, "metrics-drop-out")
	m.clearSums()
	m.ticksToScrape, m.scrapes = m.untilFirst, 0
	if m.pods != nil {
		m.pods.reset(seed)
	}
}

func (m *Metrics) clearSums() {
	m.ticks, m.bad, m.clusterCPU = 0, 0, 0
	for i := range m.services {
		a := &m.services[i]
		a.cpu, a.throttled, a.done, a.mean, a.p95, a.errorRate = 0, 0, 0, 0, 0, 0
	}
	clear(m.nodeCPU)
	clear(m.offered)
}

// Tick takes in the state after one engine step.
func (m *Metrics) Tick(st *State) {
	if st.Window > 0 {
		m.addWindow(st)
	}
	if m.ticksToScrape--; m.ticksToScrape == 0 {
		m.scrape(st)
		m.ticksToScrape = m.ticksPerScrape
	}
}

// addWindow adds the flows of the window that has just ended. Latencies and error rates are weighted with the
// visits that they are about.
func (m *Metrics) addWindow(st *State) {
	w := float64(st.Window)
	m.ticks += w
	for i := range st.Services {
		s, a := &st.Services[i], &m.services[i]
		done := (s.ServedRPS + s.FailedRPS) * w
		a.cpu += s.CPUUsedMillis * w
		a.throttled += s.Throttled * w
		a.done += done
		a.mean += s.MeanMs * done
		a.p95 += s.P95Ms * done
		a.errorRate += s.ErrorRate * done
		a.mem, a.backlog = s.MemMiB, s.Backlog
	}
	used, allocatable := 0.0, 0.0
	for i := range st.Nodes {
		n := &st.Nodes[i]
		m.nodeCPU[i] += n.CPUUsedMillis * w
		used += n.CPUUsedMillis
		allocatable += n.CPUMillis
	}
	m.clusterCPU += ratio(used, allocatable) * w
	for i := range st.Endpoints {
		e := &st.Endpoints[i]
		m.offered[i] += e.Offered
		m.bad += e.Late + e.Failed
	}
	if m.pods != nil {
		m.pods.addWindow(st)
	}
}

// scrape turns the sums into the numbers of one scrape.
func (m *Metrics) scrape(st *State) {
	before := m.last()
	sc := &m.ring[m.scrapes%len(m.ring)]
	sc.at = st.At
	m.scrapes++
	total := 0.0
	for _, n := range m.offered {
		total += n
	}
	perTick := ratio(1, m.ticks)
	m.faults.at(st.At)
	for i := range m.services {
		a, x := &m.services[i], &sc.services[i]
		x.cpu, x.throttled, x.rps = a.cpu*perTick, a.throttled*perTick, a.done*perTick
		x.mean, x.p95, x.errorRate = ratio(a.mean, a.done), ratio(a.p95, a.done), ratio(a.errorRate, a.done)
		x.mem, x.backlog, x.lost = a.mem, a.backlog, 0
		if m.cfg.Noise > 0 {
			m.disturb(x)
		}
		dropped := m.cfg.DropOut > 0 && m.drops.Float64() < m.cfg.DropOut
		if dropped {
			*x = serviceScrape{}
			if before != nil {
				*x = before.services[i]
			}
		}
		if m.faults.any {
			m.faults.service(i, x, before)
		}
		x.prevRPS = x.rps
		if before != nil {
			x.prevRPS = before.services[i].rps
		}
		if m.pods != nil {
			m.pods.dropped[i] = dropped || x.lost&ResourceMetrics != 0
		}
	}
	for i, cpu := range m.nodeCPU {
		sc.nodeCPU[i] = cpu * perTick
	}
	m.edges.fill(sc, m.offered)
	for e, n := range m.offered {
		sc.entry[e] = n * perTick
	}
	sc.cluster = ClusterView{
		CPUUtilisation: ratio(m.clusterCPU, m.ticks),
		SLOViolation:   min(ratio(m.bad, total), 1),
		EntryRPS:       ratio(total, m.ticks),
	}
	if m.faults.any {
		m.faults.cluster(sc, before, m.edges.to)
	}
	m.history(&sc.cluster, before)
	if m.pods != nil {
		m.pods.scrape(st, sc)
	}
	m.clearSums()
}

// history fills what a scrape shows of the entry's rates before it; the first scrape stands for all that came before.
func (m *Metrics) history(c *ClusterView, before *scrape) {
	c.EntryPrevRPS = c.EntryRPS
	for i := range c.EntryBefore {
		c.EntryBefore[i] = c.EntryRPS
	}
	if before != nil {
		c.EntryPrevRPS = before.cluster.EntryRPS
		c.EntryBefore[0] = before.cluster.EntryPrevRPS
		copy(c.EntryBefore[1:], before.cluster.EntryBefore[:])
	}
	slot := &m.peaks[(m.scrapes-1)%len(m.peaks)]
	forgotten := *slot
	*slot = c.EntryRPS
	switch {
	case before != nil && c.EntryRPS <= before.cluster.EntryPeak && (m.scrapes <= len(m.peaks) || forgotten < before.cluster.EntryPeak):
		c.EntryPeak = before.cluster.EntryPeak // which still counts
	default:
		c.EntryPeak = slices.Max(m.peaks[:min(m.scrapes, len(m.peaks))])
	}
}

// disturb puts noise on what was measured; a backlog is counted and not measured. The draws do not depend on the values, so that controllers which are
// compared on one seed meet the same noise.
func (m *Metrics) disturb(s *serviceScrape) {
	for _, x := range [...]*float64{&s.cpu, &s.mem, &s.rps, &s.mean, &s.p95} {
		*x *= noiseFactor(m.noise, m.cfg.Noise)
	}
}

// noiseFactor draws a log-normal factor of mean 1 and relative standard deviation close to sigma.
func noiseFactor(s *rng.Stream, sigma float64) float64 {
	return math.Exp(sigma*s.NormFloat64() - sigma*sigma/2)
}

// last is the newest scrape, visible or not; nil before the first.
func (m *Metrics) last() *scrape {
	if m.scrapes == 0 {
		return nil
	}
	return &m.ring[(m.scrapes-1)%len(m.ring)]
}

// visible is the newest scrape that controllers see at time now; nil if there is none yet.
func (m *Metrics) visible(now time.Duration) *scrape {
	for k := 1; k <= min(m.scrapes, len(m.ring)); k++ {
		if sc := &m.ring[(m.scrapes-k)%len(m.ring)]; sc.at+m.cfg.Lag <= now {
			return sc
		}
	}
	return nil
}

// ratio is a/b, 0 where b is not above 0.
func ratio(a, b float64) float64 {
	if b > 0 {
		return a / b
	}
	return 0
}
