package validate

import (
	"bytes"
	"context"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/simtest"
	"github.com/grlscaler/grlscaler/sim/trace"
)

func fluid(app *sim.App) (sim.Engine, error) { return sim.NewFluid(app, sim.FluidOptions{}) }

func des(app *sim.App) (sim.Engine, error) { return sim.NewDES(app, sim.DESOptions{}) }

// chainRecording is a recording of simtest.Chain without any results: load, replicas, limits. rps has the rates of read and
// write, replicas those of front, logic, store, one element for each interval of 5 s.
func chainRecording(rps [][2]float64, replicas [][3]float64) *trace.Recording {
	no := trace.NoValue()
	rec := &trace.Recording{Meta: trace.Meta{Application: "chain", Interval: 5 * time.Second,
		CPULimitMillis: map[string]float64{"front": 150, "logic": 300, "store": 100}}}
	for k := range rps {
		at := time.Duration(k) * rec.Meta.Interval
		for e, name := range []string{"read", "write"} {
			rec.Endpoints = append(rec.Endpoints, trace.EndpointRow{At: at, Endpoint: name, RPS: rps[k][e], P50Ms: no, P95Ms: no, P99Ms: no, ErrorRate: no, MeanMs: no})
		}
		for s, name := range []string{"front", "logic", "store"} {
			n := replicas[k][s]
			rec.Services = append(rec.Services, trace.ServiceRow{At: at, Service: name, Replicas: n, Ready: n, CPUMillis: no, MemMiB: no, RPS: no,
				P50Ms: no, P95Ms: no, P99Ms: no, ErrorRate: no, RxKbps: no, TxKbps: no, Throttled: no, MeanMs: no})
		}
	}
	return rec
}

// fill writes what a replay predicts into the recording, as if it had been recorded.
func fill(app *sim.App, rec *trace.Recording, p *Prediction) {
	names := app.EndpointNames()
	for i := range rec.Endpoints {
		r := &rec.Endpoints[i]
		k := int(r.At / rec.Meta.Interval)
		for e, name := range names {
			if name == r.Endpoint {
				v := p.Intervals[k].Endpoints[e]
				r.P50Ms, r.P95Ms, r.P99Ms, r.ErrorRate, r.MeanMs = v.P50Ms, v.P95Ms, v.P99Ms, v.ErrorRate, v.MeanMs
			}
		}
	}
	for i := range rec.Services {
		r := &rec.Services[i]
		k, s := int(r.At/rec.Meta.Interval), app.ServiceIndex(r.Service)
		v := p.Intervals[k].Services[s]
		r.RPS, r.CPUMillis, r.Throttled, r.ErrorRate, r.MeanMs, r.P95Ms = v.RPS, v.CPUMillis, v.Throttled, v.ErrorRate, v.MeanMs, v.P95Ms
		if s == app.Entry { // all requests
			all := p.Intervals[k].All
			r.P50Ms, r.P95Ms, r.P99Ms, r.MeanMs = all.P50Ms, all.P95Ms, all.P99Ms, all.MeanMs
		}
	}
}

// TestOwnPrediction: a recording of what an engine makes of it is predicted without error; a recording changed by a known
// factor is off by that factor.
func TestOwnPrediction(t *testing.T) {
	app := simtest.Chain(t)
	for name, engine := range map[string]func(*sim.App) (sim.Engine, error){"fluid": fluid, "des": des} {
		t.Run(name, func(t *testing.T) {
			rec := chainRecording([][2]float64{{9, 11}, {18, 22}, {10, 10}}, [][3]float64{{1, 1, 1}, {1, 2, 1}, {2, 1, 2}})
			opt := Options{Engine: engine, Seeds: 2}
			p, err := Replay(app, rec, opt)
			if err != nil {
				t.Fatal(err)
			}
			fill(app, rec, p)
			res, err := Compare(app, "own", rec, opt)
			if err != nil {
				t.Fatal(err)
			}
			if want := 3 * (1 + 2 + 3); len(res.Rows) != want || len(res.Notes) > 0 {
				t.Fatalf("%d rows, notes %q", len(res.Rows), res.Notes)
			}
			compared := 0
			for i := range res.Rows {
				for _, q := range Quantities {
					if e, ok := res.Rows[i].Error(q); ok {
						compared++
						if math.Abs(e) > 1e-9 {
							t.Errorf("%s %s at %v: %s is off by %v", res.Rows[i].Kind, res.Rows[i].Name, res.Rows[i].At, q, e)
						}
					}
				}
			}
			if compared < 40 {
				t.Errorf("only %d numbers were compared", compared)
			}

			for i := range rec.Services { // the system used half of the CPU that the engine says
				rec.Services[i].CPUMillis /= 2
			}
			if res, err = Compare(app, "half", rec, opt); err != nil {
				t.Fatal(err)
			}
			for _, kind := range []Kind{AllRequests, OfService} {
				var s Stat
				for _, class := range Classes {
					if x := Summarise(res.Rows, CPU, class, IsKind(kind)); x.N > s.N {
						s = x
					}
				}
				if s.N < 2 || math.Abs(s.Median-1) > 1e-9 || math.Abs(s.Bias-1) > 1e-9 {
					t.Errorf("%s: half the CPU gives %+v", kind, s)
				}
			}
		})
	}
}

// seen is an engine that notes what it is asked; the real one behind it does the work.
type seen struct {
	sim.Engine
	reset  [][]int
	scales []sim.ScaleRequest
	ready  [][]int // at the end of each tick
}

func (e *seen) Reset(seed uint64, replicas []int) error {
	e.reset = append(e.reset, append([]int(nil), replicas...))
	return e.Engine.Reset(seed, replicas)
}

func (e *seen) Scale(r sim.ScaleRequest) sim.ScaleResult {
	e.scales = append(e.scales, r)
	return e.Engine.Scale(r)
}

func (e *seen) Step(load sim.TickLoad) {
	e.Engine.Step(load)
	var row []int
	for _, s := range e.State().Services {
		row = append(row, s.Ready)
	}
	e.ready = append(e.ready, row)
}

// TestForcedReplicas: the engine has the recorded replicas and limits, and changes in the middle of the interval at whose end
// another number was counted.
func TestForcedReplicas(t *testing.T) {
	app := simtest.Chain(t)
	rec := chainRecording([][2]float64{{5, 5}, {5, 5}, {5, 5}, {5, 5}}, [][3]float64{{3, 2, 1}, {3, 2, 1}, {1, 4, 1}, {1, 4, 1}})
	rec.Services[7].Ready = trace.NoValue() // logic at 10 s: wanted is known
	var engine *seen
	var limits []float64
	opt := Options{Seeds: 2, WarmUp: 7 * time.Second, Engine: func(a *sim.App) (sim.Engine, error) {
		for _, s := range a.Services {
			limits = append(limits, s.CPULimitMillis, s.CPURequestMillis)
		}
		f, err := fluid(a)
		engine = &seen{Engine: f}
		return engine, err
	}}
	if _, err := Replay(app, rec, opt); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]float64{150, 75, 300, 150, 100, 50}, limits); d != "" {
		t.Errorf("limits and requests, which follow: %s", d)
	}
	if d := cmp.Diff([][]int{{3, 2, 1}, {3, 2, 1}}, engine.reset); d != "" {
		t.Error(d)
	}
	want := []sim.ScaleRequest{{Service: 0, Replicas: 1, Pool: sim.AnyPool}, {Service: 1, Replicas: 4, Pool: sim.AnyPool}}
	if d := cmp.Diff(append(want, want...), engine.scales); d != "" {
		t.Error(d)
	}
	// Each run: 10 s of warm-up, rounded up to whole windows, then 20 s; the change at 12 s is there one tick later.
	if len(engine.ready) != 60 {
		t.Fatalf("%d ticks", len(engine.ready))
	}
	for i, ready := range engine.ready {
		want := []int{3, 2, 1}
		if i%30 >= 22 {
			want = []int{1, 4, 1}
		}
		if d := cmp.Diff(want, ready); d != "" && i%30 != 22 {
			t.Errorf("tick %d: %s", i, d)
		}
	}
}

// TestRecordedNodes: the recorded nodes take the place of the application's, and everything finds room.
func TestRecordedNodes(t *testing.T) {
	app := simtest.Chain(t)
	rec := chainRecording([][2]float64{{5, 5}}, [][3]float64{{60, 1, 1}})
	rec.Nodes = []trace.NodeRow{{Node: "a", CPUMillis: 2000, MemMiB: 100}, {Node: "b", Pool: "fast", CPUMillis: 3000, MemMiB: 100}}
	_, err := Replay(app, rec, Options{Seeds: 1, Engine: func(a *sim.App) (sim.Engine, error) {
		want := []sim.Pool{
			{Name: "a", Nodes: 1, CPUMillis: 2000, MemMiB: 100, SpeedFactor: 1, PricePerCoreHour: 0.03},
			{Name: "b", Nodes: 1, CPUMillis: 3000, MemMiB: 100, SpeedFactor: 1.5, PricePerCoreHour: 0.06},
		}
		if d := cmp.Diff(want, a.Pools); d != "" {
			t.Error(d)
		}
		return fluid(a)
	}})
	if err != nil {
		t.Error(err)
	}
	if len(app.Pools) != 2 || app.Pools[0].Name != "slow" {
		t.Errorf("the application was changed: %+v", app.Pools)
	}
}

// TestOwnStartUp: with StartUp replicas come from when they were wanted, after the CPU that they need at the recorded limit.
func TestOwnStartUp(t *testing.T) {
	app := simtest.Chain(t)
	rec := chainRecording(make([][2]float64, 6), [][3]float64{{1, 1, 1}, {1, 2, 1}, {1, 2, 1}, {1, 2, 1}, {1, 2, 1}, {1, 2, 1}})
	for i := range rec.Services { // not used
		rec.Services[i].Ready = 1
	}
	var engine *seen
	_, err := Replay(app, rec, Options{Seeds: 1, WarmUp: -1, StartUp: true, Engine: func(a *sim.App) (sim.Engine, error) {
		f, err := fluid(a)
		engine = &seen{Engine: f}
		return engine, err
	}})
	if err != nil {
		t.Fatal(err)
	}
	// logic needs 800 ms of CPU: 2.7 s at 300 m, from 7 s on: 9.7 s, seen at the end of the tenth tick. Its fixed 10 s and jitter are left out.
	for i, ready := range engine.ready {
		if want := 1 + map[bool]int{true: 1}[i >= 9]; ready[1] != want {
			t.Errorf("tick %d: %d of logic are ready, want %d", i, ready[1], want)
		}
	}
}

func TestReplayRefuses(t *testing.T) {
	app := simtest.Chain(t)
	ok := func() *trace.Recording {
		return chainRecording([][2]float64{{5, 5}, {5, 5}}, [][3]float64{{1, 1, 1}, {1, 1, 1}})
	}
	for _, c := range []struct {
		name, want string
		change     func(*trace.Recording)
	}{
		{"another application", `recording x: service "db" of the recording is not in application chain, which has front, logic, store; rename it in one of them`,
			func(r *trace.Recording) { r.Services[2].Service = "db" }},
		{"replicas missing", `recording x: the recording has no replicas of logic at t=5 s; bridge gaps with --fill`,
			func(r *trace.Recording) {
				r.Services[4].Ready, r.Services[4].Replicas = trace.NoValue(), trace.NoValue()
			}},
		{"no room", `recording x: 8 of the 60 recorded replicas of front find no room on the nodes of application chain; add nodes to its pools`,
			func(r *trace.Recording) { r.Services[0].Ready, r.Services[0].Replicas = 60, 60 }},
		{"a limit below what it idles with", `recording x: the recorded CPU limit of logic, 4 m, is not above the 5 m (base_cpu_m) that application chain lets an idle replica use`,
			func(r *trace.Recording) { r.Meta.CPULimitMillis["logic"] = 4 }},
	} {
		rec := ok()
		c.change(rec)
		_, err := Compare(app, "x", rec, Options{Engine: fluid})
		if err == nil || err.Error() != c.want {
			t.Errorf("%s: got\n%v\nwant\n%s", c.name, err, c.want)
		}
	}
}

// TestNotes: what a recording does not say is assumed aloud.
func TestNotes(t *testing.T) {
	app := simtest.Chain(t)
	rec := chainRecording([][2]float64{{5, 5}, {5, 5}}, [][3]float64{{1, 1, 1}, {1, 1, 1}})
	delete(rec.Meta.CPULimitMillis, "store")
	rec.Services = append(rec.Services[:2], rec.Services[3:5]...)
	p, err := Replay(app, rec, Options{Engine: fluid})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"the replicas of store were not recorded: 1, as the application says",
		"the CPU limit of store was not recorded: 200 m, as the application says",
	}
	if d := cmp.Diff(want, p.Notes); d != "" {
		t.Error(d)
	}
	rec.Meta.Interval = 2 * time.Second
	res, err := Compare(app, "x", rec, Options{Engine: fluid})
	if err != nil || res.Comparable || len(res.Rows) > 0 || len(res.Notes) != 1 {
		t.Errorf("an interval of 2 s: %+v, %v", res, err)
	}
}

// TestClasses: a row belongs to the worst that its path was in.
func TestClasses(t *testing.T) {
	app := simtest.Chain(t)
	rec := chainRecording([][2]float64{{5, 5}}, [][3]float64{{1, 2, 1}})
	for i, v := range []struct{ cpu, throttled float64 }{{10, 0.049}, {300, 0.05}, {20, 0}} {
		rec.Services[i].CPUMillis, rec.Services[i].Throttled = v.cpu, v.throttled
	}
	class := func() (all, front, store, own Class) {
		c := newComparison(app, rec, 1)
		rows := c.rows(nil, 0, &Interval{Services: make([]Values, 3), Endpoints: make([]Values, 2)})
		for _, r := range rows {
			switch {
			case r.Kind == AllRequests:
				all = r.Class
			case r.Name == "front":
				front, own = r.Class, r.OwnClass
			case r.Name == "store":
				store = r.Class
			}
		}
		return
	}
	for _, c := range []struct {
		name                    string
		change                  func()
		all, front, store, own_ Class
	}{
		{"logic is throttled, store below it is not", func() {}, Throttled, Throttled, Unthrottled, Unthrottled},
		{"logic uses more than 95 % of 2 x 300 m", func() { rec.Services[1].CPUMillis = 571 }, Saturated, Saturated, Unthrottled, Unthrottled},
		{"store has no period without a stall", func() { rec.Services[1].CPUMillis, rec.Services[2].Throttled = 300, 0.99 }, Saturated, Saturated, Saturated, Unthrottled},
		{"nothing is known", func() {
			for i := range rec.Services {
				rec.Services[i].CPUMillis, rec.Services[i].Throttled = trace.NoValue(), trace.NoValue()
			}
		}, Unthrottled, Unthrottled, Unthrottled, Unthrottled},
	} {
		c.change()
		all, front, store, own := class()
		if all != c.all || front != c.front || store != c.store || own != c.own_ {
			t.Errorf("%s: all %v, front %v (alone %v), store %v", c.name, all, front, own, store)
		}
	}
}

func TestStat(t *testing.T) {
	// Absolute: 0.1 0.2 0.3 0.4 1.0; the 90th percentile lies 0.6 of the way from the fourth to the fifth.
	got := newStat([]float64{-0.1, 0.2, -0.3, 0.4, 1})
	want := Stat{N: 5, Median: 0.3, P90: 0.4 + 0.6*0.6, Bias: 0.2}
	if math.Abs(got.P90-want.P90) > 1e-12 {
		t.Errorf("p90 %v", got.P90)
	}
	got.P90 = want.P90
	if got != want {
		t.Errorf("%+v", got)
	}
	few := Row{Count: 99, Recorded: Values{P95Ms: 10, MeanMs: 5}, Predicted: Values{P95Ms: 20, MeanMs: 4}}
	if _, ok := few.Error(P95); ok {
		t.Error("a p95 of 99 requests was compared")
	}
	if e, ok := few.Error(Mean); !ok || math.Abs(e+0.2) > 1e-12 {
		t.Errorf("mean: %v %v", e, ok)
	}
}

// TestCrossings: recordings that an engine made itself are crossed at the same load and need the same replicas.
func TestCrossings(t *testing.T) {
	app := simtest.Chain(t)
	opt := Options{Engine: fluid, Seeds: 2}
	var recs []Named
	for i, rps := range []float64{5, 12, 20, 12.05} {
		rec := chainRecording([][2]float64{{rps, rps}}, [][3]float64{{2, 1, 2}})
		p, err := Replay(app, rec, opt)
		if err != nil {
			t.Fatal(err)
		}
		fill(app, rec, p)
		recs = append(recs, Named{string(rune('a' + i)), rec})
	}
	p95 := func(i int) float64 { return recs[i].Services[0].P95Ms }
	bound := math.Sqrt(p95(1) * p95(2))
	list, err := Crossings(app, recs, []float64{bound, p95(2) * 2}, opt)
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != 1 {
		t.Fatalf("%d crossings: %+v", len(list), list)
	}
	c := list[0]
	if c.From != "b" || c.To != "c" || c.Bottleneck != "logic" || c.Replicas != 1 || !c.Within(1) || math.Abs(c.PredictedRPS/c.RecordedRPS-1) > 0.15 {
		t.Errorf("%+v", c)
	}
	if c.RecordedRPS < 24 || c.RecordedRPS > 40 {
		t.Errorf("crossed at %v requests/s, between 24 and 40", c.RecordedRPS)
	}
	// A bottleneck three times as slow needs more replicas than were there.
	slow := *app
	slow.Ops = append([]sim.Operation(nil), app.Ops...)
	if list, err = Crossings(&slow, recs, []float64{p95(0) * 0.5}, opt); err != nil || len(list) != 0 {
		t.Errorf("a bound that nothing meets: %+v, %v", list, err)
	}
}

func TestDrains(t *testing.T) {
	// One service doubles at 10 s: requests in the system 20 before, then 10, 2, 2, 2 at 10 requests/s.
	rec := chainRecording(make([][2]float64, 6), [][3]float64{{1, 1, 1}, {1, 1, 1}, {1, 2, 1}, {1, 2, 1}, {1, 2, 1}, {1, 2, 1}})
	res := &Result{Recording: "x", Interval: 5 * time.Second}
	for k, n := range []float64{20, 20, 10, 2, 2, 2} {
		res.Rows = append(res.Rows, Row{Kind: AllRequests, At: time.Duration(k) * res.Interval,
			Recorded: Values{RPS: 10, MeanMs: 100 * n}, Predicted: Values{RPS: 10, MeanMs: 50 * n}})
	}
	list := Drains(Named{"x", rec}, res)
	// Backlog 18 above 2; area 8 x 5 s; as a triangle 2 x 40 / 18 s. The prediction has half the requests, and the same time.
	want := []Drain{{Recording: "x", At: 10 * time.Second, RecordedBacklog: 18, PredictedBacklog: 9, RecordedSeconds: 80.0 / 18, PredictedSeconds: 80.0 / 18}}
	if d := cmp.Diff(want, list, cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) < 1e-9 })); d != "" {
		t.Error(d)
	}
}

func TestStartUps(t *testing.T) {
	app := simtest.Chain(t)
	rec := chainRecording(make([][2]float64, 5), [][3]float64{{1, 1, 1}, {1, 3, 1}, {1, 3, 1}, {1, 3, 1}, {2, 3, 1}})
	rec.Services[4].Ready, rec.Services[7].Ready = 1, 2 // logic: two starting at 5 s, one at 10 s
	got := StartUps(app, Named{"x", rec})
	want := []StartUp{
		// 100 ms of CPU at 150 m; 5 s fixed and half of 5 s.
		{Recording: "x", Service: "front", Starts: 1, LimitMillis: 150, RecordedSeconds: 0, CPUSeconds: 100.0 / 150, FixedSeconds: 7.5},
		// (2 + 1) x 5 s over 2 starts; 800 ms at 300 m; 10 s and half of 5 s.
		{Recording: "x", Service: "logic", Starts: 2, LimitMillis: 300, RecordedSeconds: 7.5, CPUSeconds: 800.0 / 300, FixedSeconds: 12.5},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// TestOutputs: tables and plot of a comparison hold its numbers, on any number of workers the same bytes.
func TestOutputs(t *testing.T) {
	app := simtest.Chain(t)
	opt := Options{Engine: fluid, Seeds: 1}
	var recs []Named
	for i, rps := range []float64{5, 10} {
		rec := chainRecording([][2]float64{{rps, rps}, {rps, 2 * rps}}[:i+1], [][3]float64{{1, 1, 1}, {1, 1, 1}}[:i+1])
		p, err := Replay(app, rec, opt)
		if err != nil {
			t.Fatal(err)
		}
		fill(app, rec, p)
		recs = append(recs, Named{string(rune('a' + i)), rec})
	}
	recs[0].Meta.Contended = true
	var all [2]string
	for i, workers := range []int{1, 4} {
		var names int
		results, err := CompareAll(context.Background(), app, recs, opt, workers, func(string) { names++ })
		if err != nil || names != 2 {
			t.Fatal(names, err)
		}
		var b bytes.Buffer
		if err := WriteCSV(&b, All(results)); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(b.String(), "\n"); n != 1+6+12 {
			t.Errorf("%d lines", n)
		}
		tables := append(DetailTables(results[1]), OverviewTable(results), SummaryTable(All(results)))
		for _, table := range tables {
			b.WriteString(table.Markdown())
		}
		if err := WritePlot(&b, results); err != nil {
			t.Fatal(err)
		}
		all[i] = b.String()
	}
	if all[0] != all[1] {
		t.Error("the results depend on the workers")
	}
	for _, part := range []string{"| a | not throttled * |", "| b | 2 intervals |", "| logic | ", "| service | CPU | ", "<svg", "b: mean ms", "not throttled"} {
		if !strings.Contains(all[0], part) {
			t.Errorf("no %q in the output", part)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := CompareAll(ctx, app, recs, opt, 1, nil); err == nil {
		t.Error("cancelled, and no error")
	}
}
