package sim

import (
	"math"
	"strings"
	"testing"
	"time"
)

// feed runs ticks of a scripted state through a pipeline: fill is called on the tick that ends each window.
func feed(m *Metrics, st *State, ticks int, fill func(st *State)) {
	for range ticks {
		st.At += Tick
		st.Window = 0
		if st.At%WindowDuration == 0 {
			st.Window = WindowTicks
			fill(st)
		}
		m.Tick(st)
	}
}

// The scrape at 22 s takes the windows that end at 10, 15 and 20 s. Served visits/s 10, 20, 30 (and 0, 0, 2 failed) are
// rates of 10, 20, 32; latencies weigh with them, CPU and throttling with time, memory is the last.
//
//	rps  = (10+20+32)/3                      cpu = (100+200+600)/3 = 300
//	mean = (10·5 + 20·8 + 32·10)/62          p95 = (10·20 + 20·30 + 32·50)/62
//	errors = 32·(2/32)/62 = 2/62             throttled = (0+0.3+0.6)/3 = 0.3
//	entry: 150 requests in 15 s, 30 of them late or failed
func TestScrapeByHand(t *testing.T) {
	app := oneApp(t)
	m := NewMetrics(app, MetricsConfig{})
	m.Reset(1)
	st := stateOf(app, 2)
	v := NewView(app)
	k := 0
	script := []ServiceState{
		{ServedRPS: 999, CPUUsedMillis: 999}, // ends at 5 s: in the scrape at 7 s
		{ServedRPS: 10, CPUUsedMillis: 100, MeanMs: 5, P95Ms: 20, MemMiB: 40},
		{ServedRPS: 20, CPUUsedMillis: 200, MeanMs: 8, P95Ms: 30, MemMiB: 41, Throttled: 0.3},
		{ServedRPS: 30, FailedRPS: 2, ErrorRate: 2. / 32, CPUUsedMillis: 600, MeanMs: 10, P95Ms: 50, MemMiB: 42, Throttled: 0.6},
	}
	fill := func(st *State) {
		st.Services[0] = script[min(k, len(script)-1)]
		st.Services[0].Spec, st.Services[0].Ready, st.Services[0].QuotaMillis = 3, 2, 200
		st.Endpoints[0] = EndpointState{Offered: 50, Late: 4, Failed: 6}
		st.Nodes[0].CPUUsedMillis, st.Nodes[1].CPUUsedMillis = 100, 300
		k++
	}
	m.View(st, v)
	if v.Services[0] != (ServiceView{Spec: 2, Ready: 2, QuotaMillis: 200, RequestMillis: 100}) || v.Cluster != (ClusterView{}) || v.Nodes[0].CPUUsedMillis != 0 {
		t.Errorf("before the first scrape no metric may be known, got %+v", v.Services[0])
	}
	feed(m, st, 21, fill)
	m.View(st, v)
	if v.Services[0].RPS != 999 || v.Services[0].PrevRPS != 999 {
		t.Errorf("at 21 s the scrape of 7 s shows: %+v", v.Services[0])
	}
	feed(m, st, 1, fill)
	m.View(st, v)
	got := v.Services[0]
	for _, x := range []struct {
		name      string
		got, want float64
	}{
		{"rps", got.RPS, 62. / 3}, {"previous rps", got.PrevRPS, 999}, {"cpu", got.CPUUsedMillis, 300},
		{"mean", got.MeanMs, (50. + 160 + 320) / 62}, {"p95", got.P95Ms, (200. + 600 + 1600) / 62}, {"errors", got.ErrorRate, 2. / 62},
		{"throttled", got.Throttled, 0.3}, {"memory", got.MemMiB, 42},
		{"entry", v.Cluster.EntryRPS, 10}, {"entry before", v.Cluster.EntryPrevRPS, 10}, {"violation", v.Cluster.SLOViolation, 0.2},
		{"node", v.Nodes[1].CPUUsedMillis, 300}, {"cluster CPU", v.Cluster.CPUUtilisation, 400. / 4000},
	} {
		if !near(x.got, x.want) {
			t.Errorf("%s: %v, want %v", x.name, x.got, x.want)
		}
	}
	if got.Spec != 3 || got.Ready != 2 {
		t.Errorf("objects are those of now: %+v", got)
	}
}

// A step in load at any moment is seen by a decision not before a scrape, and in full 15 to 45 s later
// (testdata/oracles/hpa/README.md, section 10); a lag of the pipeline comes on top.
func TestStepIsSeenLate(t *testing.T) {
	app := oneApp(t)
	for _, lag := range []time.Duration{0, 15 * time.Second} {
		cfg := DefaultMetricsConfig()
		cfg.Lag = lag
		for step := 60; step < 75; step++ {
			m := NewMetrics(app, cfg)
			m.Reset(1)
			st := stateOf(app, 1)
			v := NewView(app)
			first, full := 0, 0
			for decision := 15; decision <= 180; decision += 15 {
				feed(m, st, 15, func(st *State) {
					end := int(st.At / Tick)
					after := min(max(end-step, 0), WindowTicks)
					st.Endpoints[0].Offered = float64(1*(WindowTicks-after) + 10*after)
				})
				m.View(st, v)
				if first == 0 && v.Cluster.EntryRPS > 1 {
					first = decision - step
				}
				if full == 0 && v.Cluster.EntryRPS == 10 {
					full = decision - step
				}
			}
			extra := int(lag / Tick)
			if first < 8+extra || first > 30+extra {
				t.Errorf("lag %v: a step at %d s is first seen after %d s", lag, step, first)
			}
			if full < 15+extra || full > 45+extra {
				t.Errorf("lag %v: a step at %d s is seen in full after %d s", lag, step, full)
			}
		}
	}
}

// In chain every service has one caller, whose edge carries all that the service serves, at its latency and errors.
// On Online Boutique most have several: whatever the mix, their edges add up to what the service serves.
func TestEdgeRates(t *testing.T) {
	app := chainApp(t)
	m := NewMetrics(app, MetricsConfig{})
	m.Reset(1)
	st := stateOf(app, 1, 1, 1)
	v := NewView(app)
	feed(m, st, 22, func(st *State) {
		st.Endpoints[0].Offered, st.Endpoints[1].Offered = 30, 10
		st.Services[1].ServedRPS, st.Services[1].P95Ms = 8, 20
		st.Services[2].ServedRPS, st.Services[2].P95Ms, st.Services[2].ErrorRate = 14, 7, 0.25
	})
	m.View(st, v)
	want := []EdgeView{{RPS: 8, P95Ms: 20}, {RPS: 14, P95Ms: 7, ErrorRate: 0.25}}
	for i, e := range v.Edges {
		if !near(e.RPS, want[i].RPS) || !near(e.P95Ms, want[i].P95Ms) || !near(e.ErrorRate, want[i].ErrorRate) {
			t.Errorf("edge %v: %+v, want %+v", app.Edges[i], e, want[i])
		}
	}
	ob := onlineBoutique(t)
	shares, sum := newEdgeShares(ob), make([]float64, len(ob.Services))
	sc := scrape{services: make([]serviceScrape, len(ob.Services)), edges: make([]EdgeView, len(ob.Edges))}
	offered := make([]float64, len(ob.Endpoints))
	for e := range offered {
		offered[e] = float64(e + 1)
	}
	for s := range sc.services {
		sc.services[s].rps = 100
	}
	shares.fill(&sc, offered)
	for i, e := range ob.Edges {
		sum[e.To] += sc.edges[i].RPS
	}
	for s, got := range sum {
		if s != ob.Entry && !near(got, 100) {
			t.Errorf("the edges into %s carry %v of 100 visits/s", ob.Services[s].Name, got)
		}
	}
}

// 3000 scrapes with noise 0.2: the mean of the factor is 1 within 5 standard errors (0.018), its standard deviation
// sqrt(e^0.04 - 1) = 0.202 within 10 %. And with drop-outs of 0.3 that share of scrapes shows the one before.
func TestNoiseAndDropOuts(t *testing.T) {
	app := oneApp(t)
	cfg := DefaultMetricsConfig()
	cfg.Noise, cfg.DropOut = 0.2, 0.3
	m := NewMetrics(app, cfg)
	m.Reset(1)
	st := stateOf(app, 1)
	v := NewView(app)
	var sum, sq, same, before float64
	const n = 3000
	for range n {
		feed(m, st, 15, func(st *State) { st.Services[0].ServedRPS = 100 })
		m.View(st, v)
		x := v.Services[0].RPS / 100
		if x == before {
			same++
		}
		before = x
		sum += x
		sq += (x - 1) * (x - 1)
	}
	// A drop-out repeats a value, which leaves the mean but makes it less certain by sqrt((1+0.3)/(1-0.3)) = 1.4.
	if mean := sum / n; math.Abs(mean-1) > 5*0.202*1.4/math.Sqrt(n) {
		t.Errorf("mean factor %v", mean)
	}
	if sd := math.Sqrt(sq / n); math.Abs(sd-0.202) > 0.02 {
		t.Errorf("standard deviation %v, want 0.202", sd)
	}
	if share := same / n; math.Abs(share-0.3) > 0.042 { // 5 standard errors
		t.Errorf("%v of the scrapes dropped out, want 0.3", share)
	}
}

// A pod's first sample, for pods asked for at a decision (15 s): the scrape at 22 s finds it 7 s old, too young to take
// its start as a point, so it appears at 37 s; scraped 3 s before decisions it is 12 s old at 27 s and appears then,
// with a window of 12 s that covers its start-up. Pods that were there from the beginning have samples at once.
func TestFirstPodSample(t *testing.T) {
	for _, tc := range []struct {
		name          string
		age           time.Duration
		sampleAt, win time.Duration
	}{
		{"second scrape", 8 * time.Second, 37 * time.Second, 15 * time.Second},
		{"first scrape", 3 * time.Second, 27 * time.Second, 12 * time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			app := oneApp(t)
			cfg := DefaultMetricsConfig()
			cfg.Age = tc.age
			s := podSession(t, app, cfg, []int{1})
			var got *PodView
			for range 4 {
				v := s.View()
				if v.At >= ControlInterval && !v.Pods[0].HasSample {
					t.Fatalf("at %v the old pod has no sample", v.At)
				}
				if v.At == ControlInterval {
					if _, err := s.Apply([]ScaleRequest{{Service: 0, Replicas: 2, Pool: AnyPool}}); err != nil {
						t.Fatal(err)
					}
				}
				if v.At > ControlInterval {
					if len(v.Pods) != 2 || v.PodStart[0] != 0 || v.PodStart[1] != 2 {
						t.Fatalf("%d pods, starts %v", len(v.Pods), v.PodStart)
					}
					if p := v.Pods[1]; p.HasSample && got == nil {
						got = &p
					}
				}
				s.Advance()
			}
			if got == nil {
				t.Fatal("the new pod never got a sample")
			}
			if got.SampleAt != tc.sampleAt || got.SampleWindow != tc.win {
				t.Errorf("first sample at %v over %v, want %v over %v", got.SampleAt, got.SampleWindow, tc.sampleAt, tc.win)
			}
			if got.RequestMillis != 100 || got.MemRequestMiB != 64 || !(got.MemMiB >= 32) || got.CreatedAt != ControlInterval {
				t.Errorf("%+v", *got)
			}
		})
	}
}

// podSession is a running session of app that watches pods, at 15 requests/s.
func podSession(t *testing.T, app *App, cfg MetricsConfig, replicas []int) *Session {
	t.Helper()
	engine, err := NewFluid(app, FluidOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewSession(app, engine, cfg, DefaultRewardConfig())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.WatchPods(); err != nil {
		t.Fatal(err)
	}
	if err := s.Start(1, constantEpisode(app, 600, 15), 0, replicas); err != nil {
		t.Fatal(err)
	}
	return s
}

// constantEpisode offers rps in all, needing one replica of everything.
func constantEpisode(app *App, ticks int, rps float64) *Episode {
	ep := &Episode{Name: "constant", Ticks: ticks}
	for range ticks {
		for e := range app.Endpoints {
			ep.RPS = append(ep.RPS, rps*app.Endpoints[e].Weight)
		}
	}
	for range ticks / WindowTicks * len(app.Services) {
		ep.Needed = append(ep.Needed, 1)
	}
	return ep
}

// The pods' samples add up to the service's CPU, however pods come and go (the pods of a service on one kind of node
// being equal); IDs ascend within a service.
func TestPodSamplesAddUp(t *testing.T) {
	app := chainApp(t)
	s := podSession(t, app, MetricsConfig{}, []int{2, 2, 1})
	for k := range 20 {
		v := s.View()
		for i := range v.Services {
			sum, sampled := 0.0, 0
			pods := v.Pods[v.PodStart[i]:v.PodStart[i+1]]
			x := &v.Services[i]
			if len(pods) != x.Ready+x.Starting+x.Pending+x.Terminating {
				t.Fatalf("%v: %d pods listed of %+v", v.At, len(pods), *x)
			}
			for j, p := range pods {
				if j > 0 && p.ID <= pods[j-1].ID {
					t.Fatalf("%v: pods out of order", v.At)
				}
				if p.HasSample {
					sum += p.CPUMillis
					sampled++
				}
			}
			if v.At > 0 && sampled == len(pods) && k%5 == 0 && math.Abs(sum-x.CPUUsedMillis) > 1e-6*(1+sum) {
				t.Errorf("%v: pods of %s use %v, the service %v", v.At, app.Services[i].Name, sum, x.CPUUsedMillis)
			}
		}
		if k%5 == 0 {
			if _, err := s.Apply([]ScaleRequest{{Service: k / 5 % 3, Replicas: 1 + k/5%4, Pool: AnyPool}}); err != nil {
				t.Fatal(err)
			}
		}
		s.Advance()
	}
}

// podScript lists one scripted pod.
type podScript struct{ PodInfo }

func (p *podScript) Pods(dst []PodInfo) []PodInfo { return append(dst, p.PodInfo) }

// A pod that starts within a window counts for the rest of it: placed at 7 s, it uses 100 m in the 3 s of the window that
// ends at 10 s and 50 m in the next 10 s; scraped at 22 s, 15 s old, it has no sample; the scrape at 37 s covers the
// windows to 35 s, at 50 m. Scraped at 19 s (age 11 s), at 12 s of age, it has one: (3·100 + 5·50)/8 m over 12 s.
func TestPodThatStartsWithinAWindow(t *testing.T) {
	app := oneApp(t)
	for _, tc := range []struct {
		age     time.Duration
		ticks   int
		sampled bool
		cpu     float64
		window  time.Duration
	}{
		{8 * time.Second, 22, false, 0, 0}, {8 * time.Second, 37, true, 50, 15 * time.Second}, {11 * time.Second, 19, true, 550. / 8, 12 * time.Second},
	} {
		m := NewMetrics(app, MetricsConfig{Interval: 15 * time.Second, Age: tc.age})
		pod := &podScript{PodInfo{ID: 7, Phase: PodStarting, StartedAt: 7 * time.Second}}
		m.WatchPods(pod)
		m.Reset(1)
		st, v := stateOf(app, 1), NewView(app)
		pod.Phase = PodPending
		feed(m, st, 7, func(*State) {})
		pod.Phase, pod.CPUUsedMillis = PodStarting, 100
		feed(m, st, 3, func(*State) {})
		pod.CPUUsedMillis = 50
		feed(m, st, tc.ticks-10, func(*State) {})
		m.View(st, v)
		p := v.Pods[0]
		if p.HasSample != tc.sampled || !near(p.CPUMillis, tc.cpu) || p.SampleWindow != tc.window {
			t.Errorf("at %d s: %+v, want sample %v of %v m over %v", tc.ticks, p, tc.sampled, tc.cpu, tc.window)
		}
	}
}

func TestMetricsAllocateNothing(t *testing.T) {
	app := chainApp(t)
	m := NewMetrics(app, MetricsConfig{Interval: 15 * time.Second, Age: 8 * time.Second, Noise: 0.1, DropOut: 0.1})
	m.Reset(1)
	m.SetFaults([]MetricFault{{To: time.Hour, Sources: RequestMetrics, Lost: true}, {To: time.Hour, Sources: ResourceMetrics, Services: []int{1}}}, 0)
	st := stateOf(app, 2, 2, 2)
	v := NewView(app)
	if n := testing.AllocsPerRun(100, func() {
		feed(m, st, 15, func(*State) {})
		m.View(st, v)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestMetricsConfigMistakes(t *testing.T) {
	if err := (MetricsConfig{}).Validate(); err != nil {
		t.Errorf("the zero value is the default: %v", err)
	}
	err := MetricsConfig{Interval: 1500 * time.Millisecond, Age: 15 * time.Second, Lag: -1, Noise: 2, DropOut: 1}.Validate()
	for _, want := range []string{"metrics.interval: 1.5s", "metrics.age: 15s", "metrics.lag: -1ns", "metrics.noise: 2", "metrics.drop_out: 1"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing from: %v", want, err)
		}
	}
}
