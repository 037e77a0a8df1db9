package sim

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/grlscaler/grlscaler/sim/rng"
)

// faultyView runs a pipeline over chain for some time, with metrics that say 10 times the number of the second, and gives the view then.
func faultyView(t *testing.T, faults []MetricFault, origin time.Duration, seconds int) (*App, *View, *View) {
	t.Helper()
	app := chainApp(t)
	m := NewMetrics(app, MetricsConfig{})
	m.Reset(1)
	for i := range faults {
		if err := faults[i].Validate(app); err != nil {
			t.Fatal(err)
		}
	}
	m.SetFaults(faults, origin)
	st := stateOf(app, 1, 1, 1)
	before, v := NewView(app), NewView(app)
	fill := func(st *State) {
		x := 10 * st.At.Seconds()
		for s := range st.Services {
			st.Services[s].ServedRPS, st.Services[s].CPUUsedMillis, st.Services[s].MemMiB = x, x, x
			st.Services[s].MeanMs, st.Services[s].P95Ms, st.Services[s].Backlog, st.Services[s].ErrorRate = x, x, x, 0.5
		}
		for e := range st.Endpoints {
			st.Endpoints[e] = EndpointState{Offered: x, Failed: x / 2}
		}
		for n := range st.Nodes {
			st.Nodes[n].CPUUsedMillis = x
		}
	}
	for at := 1; at <= seconds; at++ {
		feed(m, st, 1, fill)
		if at == seconds-15 {
			m.View(st, before)
		}
	}
	m.View(st, v)
	return app, before, v
}

// What is lost stays at what the last scrape found, and is marked; the rest goes on. Scrapes are at 7, 22, 37 s.
func TestLostMetrics(t *testing.T) {
	for _, tc := range []struct {
		name              string
		f                 MetricFault
		origin            time.Duration
		resources, others [2]bool // of service 1 and of the cluster: held
	}{
		{"all", MetricFault{From: 30 * time.Second, To: 40 * time.Second, Sources: ResourceMetrics | RequestMetrics, Lost: true}, 0, [2]bool{true, true}, [2]bool{true, true}},
		{"by the episode's clock", MetricFault{From: 130 * time.Second, To: 140 * time.Second, Sources: ResourceMetrics | RequestMetrics, Lost: true}, 100 * time.Second, [2]bool{true, true}, [2]bool{true, true}},
		{"before", MetricFault{From: 30 * time.Second, To: 37 * time.Second, Sources: ResourceMetrics, Lost: true}, 0, [2]bool{}, [2]bool{}},
		{"resources", MetricFault{From: 37 * time.Second, To: 38 * time.Second, Sources: ResourceMetrics, Lost: true}, 0, [2]bool{true, true}, [2]bool{}},
		{"requests", MetricFault{From: 37 * time.Second, To: 38 * time.Second, Sources: RequestMetrics, Lost: true}, 0, [2]bool{}, [2]bool{true, true}},
		{"of a service", MetricFault{From: 0, To: time.Hour, Sources: RequestMetrics, Services: []int{2}, Lost: true}, 0, [2]bool{}, [2]bool{}},
	} {
		_, before, v := faultyView(t, []MetricFault{tc.f}, tc.origin, 37)
		a, b := before.Services[1], v.Services[1]
		held := func(what string, want bool, old, now float64) {
			if got := old == now; got != want {
				t.Errorf("%s: %s was %v and is %v; held %t, want %t", tc.name, what, old, now, got, want)
			}
		}
		held("cpu", tc.resources[0], a.CPUUsedMillis, b.CPUUsedMillis)
		held("memory", tc.resources[0], a.MemMiB, b.MemMiB)
		held("node", tc.resources[1], before.Nodes[0].CPUUsedMillis, v.Nodes[0].CPUUsedMillis)
		held("cluster cpu", tc.resources[1], before.Cluster.CPUUtilisation, v.Cluster.CPUUtilisation)
		held("rps", tc.others[0], a.RPS, b.RPS)
		held("p95", tc.others[0], a.P95Ms, b.P95Ms)
		held("backlog", tc.others[0], a.Backlog, b.Backlog)
		held("edge", tc.others[0], before.Edges[0].P95Ms, v.Edges[0].P95Ms)
		held("entry", tc.others[1], before.Cluster.EntryRPS, v.Cluster.EntryRPS)
		if tc.others[0] && b.PrevRPS != b.RPS {
			t.Errorf("%s: requests/s seem to change from %v to %v", tc.name, b.PrevRPS, b.RPS)
		}
		for _, x := range []struct {
			what     string
			lost     MetricSource
			res, req bool
		}{{"service", b.Lost, tc.resources[0], tc.others[0]}, {"cluster", v.Cluster.Lost, tc.resources[1], tc.others[1]}} {
			if x.lost&ResourceMetrics != 0 != x.res || x.lost&RequestMetrics != 0 != x.req {
				t.Errorf("%s: of the %s %b is lost", tc.name, x.what, x.lost)
			}
		}
	}
	// One service's exporter: its own numbers and those of calls to it.
	app, before, v := faultyView(t, []MetricFault{{From: 30 * time.Second, To: 40 * time.Second, Sources: RequestMetrics, Services: []int{2}, Lost: true}}, 0, 37)
	if v.Services[2].RPS != before.Services[2].RPS || v.Services[2].Lost != RequestMetrics || v.Cluster.Lost != 0 {
		t.Errorf("service 2: %+v", v.Services[2])
	}
	for i, e := range app.Edges {
		if held := v.Edges[i] == before.Edges[i]; held != (e.To == 2) {
			t.Errorf("call %d to service %d: held %t", i, e.To, held)
		}
	}
}

// False readings are a factor on what is there, factors on factors; shares stay at most 1.
func TestFalseReadings(t *testing.T) {
	always := func(sources MetricSource, factor float64) MetricFault {
		return MetricFault{To: time.Hour, Sources: sources, Factor: factor}
	}
	_, _, plain := faultyView(t, nil, 0, 37)
	_, _, zero := faultyView(t, []MetricFault{always(ResourceMetrics|RequestMetrics, 0)}, 0, 37)
	_, _, both := faultyView(t, []MetricFault{always(RequestMetrics, 2), always(RequestMetrics, 5), always(ResourceMetrics, 3)}, 0, 37)
	p, z, b := plain.Services[1], zero.Services[1], both.Services[1]
	for _, x := range []float64{z.CPUUsedMillis, z.MemMiB, z.RPS, z.MeanMs, z.P95Ms, z.Backlog, z.ErrorRate, zero.Cluster.EntryRPS, zero.Cluster.CPUUtilisation, zero.Cluster.SLOViolation, zero.Nodes[0].CPUUsedMillis} {
		if x != 0 {
			t.Fatalf("a reading of 0 is %v: %+v, %+v", x, z, zero.Cluster)
		}
	}
	if z.Lost != 0 || z.Spec != p.Spec {
		t.Errorf("%+v: readings of 0 are readings", z)
	}
	for _, x := range [][2]float64{{b.RPS, 10 * p.RPS}, {b.P95Ms, 10 * p.P95Ms}, {b.CPUUsedMillis, 3 * p.CPUUsedMillis}, {both.Cluster.EntryRPS, 10 * plain.Cluster.EntryRPS}, {b.ErrorRate, 1}, {both.Cluster.SLOViolation, 1}} {
		if math.Abs(x[0]-x[1]) > 1e-9*x[1] {
			t.Errorf("%v instead of %v", x[0], x[1])
		}
	}
}

// A served metric has no value while its source is lost, and one of another source has.
func TestServedMetricsAreLost(t *testing.T) {
	v := servedView(0, true, 40)
	v.Services[0].Lost, v.Cluster.Lost = RequestMetrics, ResourceMetrics
	for _, tc := range []struct {
		m  ServedMetric
		ok bool
	}{
		{ServedMetric{Quantity: RequestsPerSecond}, false}, {ServedMetric{Quantity: Backlog}, false}, {ServedMetric{Quantity: CPUUsage}, true},
		{ServedMetric{Quantity: RequestsPerSecond, Service: Entry}, true}, {ServedMetric{Quantity: SLOViolations, Service: Entry}, true},
	} {
		if _, ok := tc.m.of(v); ok != tc.ok {
			t.Errorf("%+v: there %t, want %t", tc.m, ok, tc.ok)
		}
	}
}

// still is the features of services that did not change since the scrape before.
func still(row []float32) []float32 {
	row = slices.Clone(row)
	for i := slices.Index(ServiceFeatures, "load_change"); i < len(row); i += len(ServiceFeatures) {
		row[i] = 0
	}
	gap := slices.Index(ServiceFeatures, "announced_gap")
	for i := slices.Index(ServiceFeatures, "announced_trend"); i < len(row); i += len(ServiceFeatures) {
		row[i] = row[i-i%len(ServiceFeatures)+gap] // nothing rises
	}
	return row
}

func fluidOf(t *testing.T, app *App) Engine {
	t.Helper()
	e, err := NewFluid(app, FluidOptions{FitVisits: 1e4})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// observed keeps what a policy and a controller of pods see, and asks for nothing.
type observed struct {
	Agent   *Agent
	rows    [][]float32
	samples []int
	cpu     []float64
}

func (*observed) Name() string                     { return "observed" }
func (*observed) WatchesPods() bool                { return true }
func (o *observed) Reset(app *App, s uint64) error { return o.Agent.Reset(app, s) }
func (o *observed) Decide(v *View, dst []ScaleRequest) ([]ScaleRequest, error) {
	n, cpu := 0, 0.0
	for i := range v.Pods {
		if v.Pods[i].HasSample {
			n++
			cpu += v.Pods[i].CPUMillis
		}
	}
	o.samples, o.cpu = append(o.samples, n), append(o.cpu, cpu)
	_, err := o.Agent.Decide(v, nil)
	return dst, err
}

// An episode's faults reach a policy's observation and a pod's samples alike, in a run under either engine.
func TestFaultsReachEveryController(t *testing.T) {
	app := chainApp(t)
	run := func(engine Engine, faults []MetricFault) *observed {
		ep := constantEpisode(app, 300, 60)
		ep.Faults = faults
		o, random := &observed{}, rng.New(1, "actions")
		agent, err := NewAgent("still", app, DefaultEnvConfig(), func(obs *Obs, action []int32) error {
			o.rows = append(o.rows, slices.Clone(obs.Services))
			RandomAction(o.Agent.Spec(), obs.Mask, random, action)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		o.Agent = agent
		if err := RunController(app, engine, ep, o, 1, MetricsConfig{}, nil); err != nil {
			t.Fatal(err)
		}
		return o
	}
	for _, name := range []string{"fluid", "des"} {
		engine := func() Engine {
			if name == "des" {
				return newDES(t, app, []int{1, 1, 1})
			}
			return fluidOf(t, app)
		}
		lost := run(engine(), []MetricFault{{From: 100 * time.Second, To: 200 * time.Second, Sources: ResourceMetrics | RequestMetrics, Lost: true}})
		zero := run(engine(), []MetricFault{{From: 100 * time.Second, To: 200 * time.Second, Sources: ResourceMetrics | RequestMetrics}})
		good := run(engine(), nil)
		load := slices.Index(ServiceFeatures, "load")
		for k := range good.rows {
			// Decision k is at 15 k s and sees the scrape 8 s before: those of 112 to 187 s, decisions 8 to 13, are bad.
			if bad := k >= 8 && k <= 13; bad != (lost.samples[k] == 0 && k > 0) || bad != (zero.cpu[k] == 0 && zero.samples[k] > 0) {
				t.Errorf("%s, decision %d: %d samples, and of readings of 0 %d with %v m", name, k, lost.samples[k], zero.samples[k], zero.cpu[k])
			} else if bad && (!slices.Equal(lost.rows[k], still(lost.rows[7])) || zero.rows[k][load] != 0) {
				t.Errorf("%s, decision %d: a policy sees %v", name, k, lost.rows[k])
			} else if !bad && (!slices.Equal(lost.rows[k][:load], good.rows[k][:load]) || k > 0 && good.rows[k][load] == 0) {
				t.Errorf("%s, decision %d: without a fault a policy sees %v, want %v", name, k, lost.rows[k], good.rows[k])
			}
		}
	}
}

func TestFaultMistakes(t *testing.T) {
	app := chainApp(t)
	for _, tc := range []struct {
		f    MetricFault
		want string
	}{
		{MetricFault{Sources: RequestMetrics}, "must end after it begins"},
		{MetricFault{From: -1, To: 5, Sources: RequestMetrics}, "must end after it begins"},
		{MetricFault{To: 5}, "at least one"},
		{MetricFault{To: 5, Sources: 4}, "at least one"},
		{MetricFault{To: 5, Sources: 1, Factor: math.NaN()}, "factor NaN"},
		{MetricFault{To: 5, Sources: 1, Factor: 2, Lost: true}, "factor 2 of what is lost"},
		{MetricFault{To: 5, Sources: 1, Services: []int{3}}, "service 3 of 3"},
	} {
		if err := tc.f.Validate(app); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%+v: %v, want %q", tc.f, err, tc.want)
		}
		ep := constantEpisode(app, 60, 0)
		ep.Faults = []MetricFault{tc.f}
		s, err := NewSession(app, fluidOf(t, app), MetricsConfig{}, DefaultRewardConfig())
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Start(1, ep, 0, nil); err == nil {
			t.Errorf("%+v: a session takes it", tc.f)
		}
	}
}
