package sim

import (
	"fmt"
	"math"
	"strings"
	"testing"
)

func newDES(tb testing.TB, app *App, replicas []int) *DES {
	tb.Helper()
	d, err := NewDES(app, DESOptions{})
	if err != nil {
		tb.Fatal(err)
	}
	if err := d.Reset(1, replicas); err != nil {
		tb.Fatal(err)
	}
	return d
}

func TestNewDESRefuses(t *testing.T) {
	for _, tc := range []struct {
		app  *App
		opt  DESOptions
		want string
	}{
		{nil, DESOptions{}, "not compiled; read it with DecodeApp"},
		{&App{}, DESOptions{}, "not compiled; read it with DecodeApp"},
		{onlineBoutique(t), DESOptions{MaxVisits: -1}, "MaxVisits is -1; it must be at least 0"},
	} {
		if _, err := NewDES(tc.app, tc.opt); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%+v: error %v, want %q", tc.opt, err, tc.want)
		}
	}
	d, err := NewDES(onlineBoutique(t), DESOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Reset(1, []int{1, 2}); err == nil || !strings.Contains(err.Error(), "2 replica counts for the") {
		t.Errorf("Reset took two counts: %v", err)
	}
}

// treeApp is an application of so many services, each of which calls three others; every second one all at once.
func treeApp(tb testing.TB, services int) *App {
	tb.Helper()
	var all []string
	for i := range services {
		op := fmt.Sprintf("{name: get, cpu_ms: 1, cv: 0.7, wait_ms: 0.5, wait_cv: 1, parallel: %v", i%2 == 1)
		var calls []string
		for k := 3*i + 1; k <= 3*i+3 && k < services; k++ {
			calls = append(calls, fmt.Sprintf("{op: s%d.get}", k))
		}
		if calls != nil {
			op += ", calls: [" + strings.Join(calls, ", ") + "]"
		}
		all = append(all, testService(fmt.Sprintf("s%d", i), "cpu_limit_m: 500", op+"}"))
	}
	return testAppOn(tb, "", "{name: p, nodes: 50, cpu_m: 16000, mem_mib: 64000, price_per_core_hour: 1}", all...)
}

// benchmarkDES measures the request-level engine: visits and simulated seconds per second of real time, and visits per second of CPU
// time, which neighbours on the same cores change less.
//
//	planned    Online Boutique with as many replicas as its SLOs need at 200 requests/s
//	throttled  Online Boutique with one replica of everything at 60 tasks/s, where frontend stalls in most periods
//	overload   the same at three times that load: most requests give up after 20 s
//	fullnodes  the planned one on nodes that have half the CPU it asks for
func benchmarkDES(b *testing.B) {
	boutique := func(b *testing.B, rps float64, plan bool, scaled float64) (*DES, []float64) {
		app := onlineBoutique(b)
		load := mixOf(app, rps)
		replicas := ones(app)
		if plan && !NewPlanner(app).Needed(load, replicas) {
			b.Fatal("the load is beyond capacity")
		}
		d := newDES(b, app, replicas)
		for n := range d.nodes {
			d.nodes[n].cores *= scaled
		}
		return d, load
	}
	for _, tc := range []struct {
		name string
		make func(b *testing.B) (*DES, []float64)
	}{
		{"services=11/load=planned", func(b *testing.B) (*DES, []float64) { return boutique(b, 200, true, 1) }},
		{"services=11/load=throttled", func(b *testing.B) (*DES, []float64) { return boutique(b, 60*28/19, false, 1) }},
		{"services=11/load=overload", func(b *testing.B) (*DES, []float64) { return boutique(b, 3*60*28/19, false, 1) }},
		{"services=11/load=fullnodes", func(b *testing.B) (*DES, []float64) { return boutique(b, 200, true, 0.08) }},
		{"services=200/load=planned", func(b *testing.B) (*DES, []float64) {
			app := treeApp(b, 200)
			replicas := make([]int, 200)
			for s := range replicas {
				replicas[s] = 2
			}
			return newDES(b, app, replicas), []float64{400}
		}},
	} {
		b.Run("engine=des/"+tc.name, func(b *testing.B) {
			d, rps := tc.make(b)
			for e := range rps {
				rps[e] = math.Round(rps[e])
			}
			load := TickLoad{rps, rps}
			for range 60 {
				d.Step(load)
			}
			visits, cpu := 0.0, cpuTime()
			b.ReportAllocs()
			for b.Loop() {
				d.Step(load)
				for s := range d.st.Services {
					v := &d.st.Services[s]
					visits += (v.ServedRPS + v.FailedRPS + v.CancelledRPS) * float64(d.st.Window)
				}
			}
			cpu = cpuTime() - cpu
			b.ReportMetric(visits/b.Elapsed().Seconds(), "visits/s")
			if cpu > 0 {
				b.ReportMetric(visits/cpu.Seconds(), "visits/cpu_s")
				b.ReportMetric(Tick.Seconds()*float64(b.N)/cpu.Seconds(), "sim_s/cpu_s")
			}
			b.ReportMetric(Tick.Seconds()*float64(b.N)/b.Elapsed().Seconds(), "sim_s/s")
		})
	}
}
