package benchmark_test

import (
	"flag"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/grlscaler/grlscaler/benchmark"
	"github.com/grlscaler/grlscaler/configs"
	"github.com/grlscaler/grlscaler/internal/docblock"
	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/hpa"
	"github.com/grlscaler/grlscaler/sim/keda"
	"github.com/grlscaler/grlscaler/sim/predictive"
	"github.com/grlscaler/grlscaler/sim/simtest"
)

var rankingSeeds = flag.Int("ranking-seeds", 3, "seeds of the ranking that -update makes")

// updating tells whether -update, which this package's golden files have, was given.
func updating() bool { return flag.Lookup("update").Value.String() == "true" }

const fidelityDoc = "../docs/fidelity.md"

// engines are what controllers are ranked by: the first is held to the second.
var engines = []struct {
	name string
	make func(*sim.App) (sim.Engine, error)
}{
	{"fluid", func(a *sim.App) (sim.Engine, error) { return sim.NewFluid(a, sim.FluidOptions{}) }},
	{"des", func(a *sim.App) (sim.Engine, error) { return sim.NewDES(a, sim.DESOptions{}) }},
}

// The four metrics by which controllers are ranked.
var rankedBy = []struct {
	name string
	of   func(*benchmark.Metrics) float64
}{
	{"SLO_violate%", func(m *benchmark.Metrics) float64 { return m.SLOViolation }},
	{"Slack%", func(m *benchmark.Metrics) float64 { return m.Slack }},
	{"Lag", func(m *benchmark.Metrics) float64 { return m.LagMeanS }},
	{"CAF", func(m *benchmark.Metrics) float64 { return m.CAF }},
}

func boutique(t *testing.T) *sim.App {
	t.Helper()
	f, err := configs.Read(configs.Apps, "online_boutique")
	if err != nil {
		t.Fatal(err)
	}
	app, err := sim.DecodeApp(f.Reader(), f.Name)
	if err != nil {
		t.Fatal(err)
	}
	return app
}

// tenControllers need no training: HPAs of four targets, one with memory as well, predictive HPAs, KEDA on request rates, a fixed size,
// the bound and the floor. Any two of them differ in what they do: HPAs with memory targets have all but the violations of those
// without, and which of two equals is first says nothing about an engine.
func tenControllers(t *testing.T, app *sim.App) []benchmark.ControllerSpec {
	t.Helper()
	var out []benchmark.ControllerSpec
	for _, name := range []string{"cpu-20", "cpu-40", "cpu-60", "cpu-80", "cpu-60-mem-80"} {
		set, err := hpa.ParseSet(name)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, benchmark.ControllerSpec{Name: "hpa:" + name, Kind: benchmark.KindAutoscaler, New: func() (sim.Controller, error) { return sim.NewHPASet(set) }})
	}
	return append(out,
		benchmark.ControllerSpec{Name: "phpa:cpu-60", Kind: benchmark.KindAutoscaler, New: newPredictive},
		benchmark.ControllerSpec{Name: "keda:rps", Kind: benchmark.KindAutoscaler, New: newRateKEDA},
		benchmark.ControllerSpec{Name: "static", Kind: benchmark.KindStatic, New: func() (sim.Controller, error) { return &sim.Static{}, nil }},
		benchmark.ControllerSpec{Name: "oracle", Kind: benchmark.KindBound, New: func() (sim.Controller, error) { return &sim.Oracle{}, nil }},
		benchmark.ControllerSpec{Name: "random", Kind: benchmark.KindStatic, New: func() (sim.Controller, error) { return sim.NewRandom("random", app, sim.DefaultEnvConfig()) }},
	)
}

// newPredictive makes predictive HPAs: CPU at 60 %, and a line read off a minute ahead.
func newPredictive() (sim.Controller, error) {
	return sim.NewPredictive("phpa:cpu-60", predictive.HPAConfig(), func(app *sim.App, s int) *sim.PredictiveSpec {
		svc := &app.Services[s]
		least := int32(svc.MinReplicas)
		return &sim.PredictiveSpec{
			Metrics: []hpa.MetricSpec{{Type: hpa.ResourceMetric, Resource: hpa.CPU, Target: hpa.Target{Type: hpa.UtilizationTarget, AverageUtilization: 60}}},
			Rules: predictive.Spec{Name: svc.Name, MinReplicas: &least, MaxReplicas: int32(svc.MaxReplicas), Models: []predictive.ModelSpec{{
				Type: predictive.LinearModel, Name: "line", Linear: &predictive.Linear{LookAhead: time.Minute, HistorySize: 6},
			}}},
		}
	})
}

// newRateKEDA makes ScaledObjects on each service's request rate, with what a replica does at half of its limit as threshold: the mean
// over its operations.
func newRateKEDA() (sim.Controller, error) {
	return sim.NewKEDA("keda:rps", hpa.DefaultConfig(), sim.KEDAObjects{
		Spec: func(app *sim.App, s int) *keda.Spec {
			svc := &app.Services[s]
			cpu, ops := 0.0, 0.0
			for o := range app.Ops {
				if app.Ops[o].Service == s {
					cpu += app.Ops[o].CPUMs + app.Ops[o].WakeMs/2
					ops++
				}
			}
			least, most := int32(svc.MinReplicas), int32(svc.MaxReplicas)
			return &keda.Spec{Name: svc.Name, MinReplicaCount: &least, MaxReplicaCount: &most, Triggers: []keda.Trigger{{
				Type: keda.PrometheusTrigger, Prometheus: keda.Prometheus{Query: "rate", Threshold: math.Round(500*svc.CPULimitMillis/(cpu/ops)) / 1000},
			}}}
		},
		Serve: func(_ *sim.App, s int, _ *keda.Trigger) (sim.ServedMetric, error) {
			return sim.ServedMetric{Quantity: sim.RequestsPerSecond, Service: s}, nil
		},
	})
}

// ranking holds the metrics of every run: [engine][scenario][metric][controller][seed].
type ranking struct {
	controllers, scenarios []string
	values                 [][][][][]float64
	took                   []time.Duration
}

func rank(t *testing.T, app *sim.App, scenarios []string, controllers []benchmark.ControllerSpec, seeds int) *ranking {
	t.Helper()
	plan := benchmark.Plan{App: app, Controllers: controllers, Version: "test"}
	for seed := range seeds {
		plan.Seeds = append(plan.Seeds, uint64(seed+1))
	}
	r := &ranking{scenarios: scenarios}
	for _, c := range controllers {
		r.controllers = append(r.controllers, c.Name)
	}
	for _, word := range scenarios {
		f, err := configs.Read(configs.Scenarios, word)
		if err != nil {
			t.Fatal(err)
		}
		sc, err := sim.DecodeScenario(f.Reader(), f.Name)
		if err != nil {
			t.Fatal(err)
		}
		src, err := sim.NewScenarioSource(sc, app)
		if err != nil {
			t.Fatal(err)
		}
		plan.Sources = append(plan.Sources, benchmark.SourceSpec{Source: src})
	}
	for _, e := range engines {
		began := time.Now()
		plan.Engine = benchmark.EngineSpec{Name: e.name, New: func() (sim.Engine, error) { return e.make(app) }}
		res, err := benchmark.Run(t.Context(), &plan, benchmark.Options{})
		if err != nil {
			t.Fatal(err)
		}
		r.add(res)
		r.took = append(r.took, time.Since(began))
	}
	return r
}

// add takes the rows of one engine, which are in plan order: scenarios, for each the seeds, for each the controllers.
func (r *ranking) add(res *benchmark.Results) {
	p := res.Plan
	engine := make([][][][]float64, len(r.scenarios))
	for s := range engine {
		engine[s] = make([][][]float64, len(rankedBy))
		for m := range engine[s] {
			engine[s][m] = make([][]float64, len(r.controllers))
			for c := range engine[s][m] {
				for seed := range p.Seeds {
					row := &res.Rows[(s*len(p.Seeds)+seed)*len(r.controllers)+c]
					engine[s][m][c] = append(engine[s][m][c], rankedBy[m].of(&row.Metrics))
				}
			}
		}
	}
	r.values = append(r.values, engine)
}

// means are one metric of each controller, averaged over seeds, and over scenarios where s is -1.
func (r *ranking) means(engine, s, metric int) []float64 {
	out := make([]float64, len(r.controllers))
	for c := range out {
		n := 0.0
		for k := range r.scenarios {
			if s >= 0 && k != s {
				continue
			}
			for _, v := range r.values[engine][k][metric][c] {
				out[c] += v
				n++
			}
		}
		out[c] /= n
	}
	return out
}

// noise is the standard error of the difference of two controllers in one metric under an engine, over seeds: both meet the
// same requests. Seeds are drawn anew in thought, scenarios are not.
func (r *ranking) noise(engine, s, metric, a, b int) float64 {
	sum, scenarios := 0.0, 0.0
	for k := range r.scenarios {
		if s >= 0 && k != s {
			continue
		}
		x, y := r.values[engine][k][metric][a], r.values[engine][k][metric][b]
		n := float64(len(x))
		mean, second := 0.0, 0.0
		for i := range x {
			mean += (x[i] - y[i]) / n
			second += (x[i] - y[i]) * (x[i] - y[i]) / n
		}
		sum += max(0, second-mean*mean) / max(1, n-1)
		scenarios++
	}
	return math.Sqrt(sum) / scenarios
}

// clear is tau over the pairs of controllers whose difference under the request-level engine is above twice its noise: the
// order of the others is luck. It also returns how many pairs there are.
func (r *ranking) clear(s, metric int) (tau float64, pairs int) {
	got, want := r.means(0, s, metric), r.means(1, s, metric)
	for a := range want {
		for b := range a {
			if math.Abs(want[a]-want[b]) > 2*r.noise(1, s, metric, a, b) && want[a] != want[b] {
				tau += sign(got[a]-got[b]) * sign(want[a]-want[b])
				pairs++
			}
		}
	}
	return tau / float64(max(1, pairs)), pairs
}

// kendall is Kendall's tau-b of two rankings ("The treatment of ties in ranking problems", Biometrika 33, 1945): concordant
// less discordant pairs, over the geometric mean of the pairs that are not tied in each.
func kendall(a, b []float64) float64 {
	diff, na, nb := 0.0, 0.0, 0.0
	for i := range a {
		for j := range i {
			x, y := sign(a[i]-a[j]), sign(b[i]-b[j])
			diff += x * y
			na += x * x
			nb += y * y
		}
	}
	if na == 0 || nb == 0 {
		return 1 // nothing is ranked
	}
	return diff / math.Sqrt(na*nb)
}

func sign(x float64) float64 {
	switch {
	case x > 0:
		return 1
	case x < 0:
		return -1
	}
	return 0
}

// table prints tau by scenario and metric, then the metrics themselves.
func (r *ranking) table() string {
	var b strings.Builder
	b.WriteString("| Kendall's tau |")
	for _, m := range rankedBy {
		b.WriteString(" " + m.name + " |")
	}
	b.WriteString("\n| --- | --- | --- | --- | --- |\n")
	for s := range len(r.scenarios) + 1 {
		name := "all together"
		if s < len(r.scenarios) {
			name = r.scenarios[s]
		} else {
			s = -1
		}
		fmt.Fprintf(&b, "| %s |", name)
		for m := range rankedBy {
			fmt.Fprintf(&b, " %.2f |", kendall(r.means(0, s, m), r.means(1, s, m)))
		}
		b.WriteString("\n")
	}
	b.WriteString("| bar | 0.9 | 0.9 | 0.9 | 0.9 |\n| all together, clear pairs |")
	for m := range rankedBy {
		tau, pairs := r.clear(-1, m)
		fmt.Fprintf(&b, " %.2f (%d) |", tau, pairs)
	}
	b.WriteString("\n\n| all scenarios, fluid / des |")
	for _, m := range rankedBy {
		b.WriteString(" " + m.name + " |")
	}
	b.WriteString("\n| --- | --- | --- | --- | --- |\n")
	for c, name := range r.controllers {
		fmt.Fprintf(&b, "| %s |", name)
		for m := range rankedBy {
			scale, decimals := 1.0, 2
			if m < 2 {
				scale = 100
			}
			fmt.Fprintf(&b, " %.*f / %.*f |", decimals, scale*r.means(0, -1, m)[c], decimals, scale*r.means(1, -1, m)[c])
		}
		b.WriteString("\n")
	}
	return b.String()
}

func TestKendall(t *testing.T) {
	for _, tc := range []struct {
		a, b []float64
		want float64
	}{
		{[]float64{1, 2, 3, 4}, []float64{10, 20, 30, 40}, 1},
		{[]float64{1, 2, 3, 4}, []float64{4, 3, 2, 1}, -1},
		{[]float64{1, 2, 3, 4}, []float64{1, 2, 4, 3}, 4.0 / 6},      // one of six pairs is the other way round
		{[]float64{1, 1, 2}, []float64{1, 2, 3}, 2 / math.Sqrt(2*3)}, // a tie in a
		{[]float64{0, 0, 0}, []float64{0, 0, 0}, 1},                  // nothing to rank
	} {
		if got := kendall(tc.a, tc.b); math.Abs(got-tc.want) > 1e-12 {
			t.Errorf("tau of %v and %v is %v, want %v", tc.a, tc.b, got, tc.want)
		}
	}
}

// TestFidelityTables ranks ten controllers over the four scenarios by the fluid engine and by the request-level one; make
// fidelity runs it with -update. Without, it checks that the document has the table.
func TestFidelityTables(t *testing.T) {
	if !updating() {
		data, err := os.ReadFile(fidelityDoc)
		if err != nil {
			t.Fatal(err)
		}
		if old, err := docblock.Get(string(data), "engines-ranking"); err != nil {
			t.Error(err)
		} else if strings.Count(old, "\n| ") < 10 {
			t.Error("block engines-ranking has no table; run make fidelity")
		}
		return
	}
	app := boutique(t)
	r := rank(t, app, sim.DefaultEnvConfig().Scenarios, tenControllers(t, app), *rankingSeeds)
	table := fmt.Sprintf("%s\nOnline Boutique, %d seeds.\n", r.table(), *rankingSeeds)
	t.Logf("%v\n%s", r.took, table)
	if err := docblock.Update(fidelityDoc, map[string]string{"engines-ranking": table}); err != nil {
		t.Fatal(err)
	}
}

// A small ranking in every run: five controllers on a small application.
func TestRankingOfEnginesAgrees(t *testing.T) {
	app := simtest.Chain(t)
	all := tenControllers(t, app)
	r := rank(t, app, []string{"rushsale"}, append(all[:3:3], all[7], all[9]), 1)
	for m := range rankedBy {
		if tau := kendall(r.means(0, -1, m), r.means(1, -1, m)); tau < 0.6 {
			t.Errorf("%s: tau %.2f\n%s", rankedBy[m].name, tau, r.table())
		}
	}
	t.Logf("%v\n%s", r.took, r.table())
}
