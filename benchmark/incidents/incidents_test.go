package incidents

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/grlscaler/grlscaler/configs"
	"github.com/grlscaler/grlscaler/internal/racedetector"
	"github.com/grlscaler/grlscaler/sim"
)

func fluid(app *sim.App) (sim.Engine, error) {
	return sim.NewFluid(app, sim.FluidOptions{FitVisits: 1e5})
}

// loaded are incidents that were read before: each takes a second to fit its engine.
var loaded = map[string]Incident{}

func load(t testing.TB, name string) *Incident {
	t.Helper()
	if x, ok := loaded[name]; ok {
		return &x
	}
	f, err := configs.Read(configs.Incidents, name)
	if err != nil {
		t.Fatal(err)
	}
	x, err := Decode(f.Reader(), name)
	if err != nil {
		t.Fatal(err)
	}
	loaded[name] = *x
	return x
}

// run gives the outcomes of an incident's first controllers by name: the HPA, KEDA, the bound.
func run(t testing.TB, name string, first int) map[string]Outcome {
	t.Helper()
	x := load(t, name)
	controllers := x.Controllers()[:first]
	list, err := Run(t.Context(), x, controllers, Options{Seeds: []uint64{1, 2}, NewEngine: fluid})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]Outcome{}
	for i, c := range controllers {
		out[c.Name] = list[i]
	}
	return out
}

// What the Kubernetes algorithm does in a plain load model: throughput-limited CPU, no requests. Ours has arrivals, metrics that are
// late, and requests that give up, so that figures are near, not equal: each file says what the HPA must come to.
func TestAnchors(t *testing.T) {
	if racedetector.Enabled {
		t.Skip("other tests run incidents under the race detector; all of them take minutes there")
	}
	anchors := 0
	for _, name := range configs.Names(configs.Incidents) {
		x := load(t, name)
		if len(x.Compare) == 0 {
			continue
		}
		o := run(t, name, 1)["hpa"]
		for i, m := range x.Compare {
			if v := o.Measured[i]; !(v >= m.From && v <= m.To) {
				t.Errorf("%s: %s: %v, want %v to %v (the report: %v)", name, m.Title(), v, m.From, m.To, m.Anchor)
			}
			if math.IsNaN(m.Anchor) {
				continue
			}
			anchors++
			if math.IsInf(m.From, 0) || math.IsInf(m.To, 0) || m.Anchor < 0.5*m.From || m.Anchor > 2*m.To {
				t.Errorf("%s: %s: from %v to %v is no range about the report's %v", name, m.Title(), m.From, m.To, m.Anchor)
			}
			if v := o.Measured[i]; math.Abs(v-m.Anchor) > 0.02*m.Anchor && m.Why == "" {
				t.Errorf("%s: %s: %v and not %v; say why", name, m.Title(), v, m.Anchor)
			}
		}
	}
	if anchors < 20 {
		t.Errorf("%d numbers of reports are compared", anchors)
	}
}

// Division asks for what the backlog needs, multiplication for all that is allowed, whoever reads the metric.
func TestQueues(t *testing.T) {
	value, average := run(t, "queue-value", 2), run(t, "queue-average", 2)
	for _, c := range []string{"hpa", "keda:backlog"} {
		if v, a := value[c].Peak, average[c].Peak; v < 5*a {
			t.Errorf("%s: %v pods with a Value, %v with an AverageValue", c, v, a)
		}
	}
}

// The older the value, the more an HPA that multiplies overshoots; KEDA divides and does not. 15 pods are needed.
func TestOvershootGrowsWithTheLag(t *testing.T) {
	last := 14.0
	for _, name := range []string{"late-metric-0s", "late-metric-60s", "late-metric-300s"} {
		o := run(t, name, 2)
		if o["hpa"].Peak <= last {
			t.Errorf("%s: at most %v pods, not more than %v", name, o["hpa"].Peak, last)
		}
		last = max(2*o["hpa"].Peak, 30)
		if k := o["keda:rps"].Peak; k < 15 || k > 18 {
			t.Errorf("%s: KEDA wants %v pods at most, want 15 to 18", name, k)
		}
	}
}

// Each thing that happens makes a difference to who meets it, and the second run of a controller is as the first.
func TestDisturbances(t *testing.T) {
	for _, tc := range []struct {
		name   string
		remove func(*Incident)
		worse  func(with, without *Outcome) bool
	}{
		{"second-writer", func(x *Incident) { x.SecondWriter.Every = 0 }, func(a, b *Outcome) bool { return a.Violation > 10*b.Violation && a.Changes > 2*b.Changes }},
		{"controller-restart", func(x *Incident) { x.Restart = 0 }, func(a, b *Outcome) bool { return a.PodHours > 1.1*b.PodHours }},
		{"hpa-and-vpa", func(x *Incident) { x.VPA = false }, func(a, b *Outcome) bool {
			return a.Measured[0] > 1.5*b.Measured[0] && a.Measured[1] < 0.7*b.Measured[1]
		}},
		{"blind-spike-lost", sighted, func(a, b *Outcome) bool { return a.Violation > 3*b.Violation }},
		{"blind-spike-half", sighted, func(a, b *Outcome) bool { return a.PodHours > 2*b.PodHours && a.Measured[0] > 10*b.Measured[0] }},
		{"blind-spike-zero", sighted, func(a, b *Outcome) bool { return a.Violation > 10*b.Violation && a.Measured[1] < b.Measured[1] }},
	} {
		x := load(t, tc.name)
		hpa := x.Controllers()[:1]
		var list [3]Outcome
		for i := range list {
			if i == 2 {
				tc.remove(x)
			}
			o, err := Run(t.Context(), x, hpa, Options{Seeds: []uint64{1}, NewEngine: fluid})
			if err != nil {
				t.Fatal(err)
			}
			list[i] = o[0]
		}
		if diff := cmp.Diff(list[0], list[1]); diff != "" {
			t.Errorf("%s: the same again differs:\n%s", tc.name, diff)
		}
		if !tc.worse(&list[0], &list[2]) {
			t.Errorf("%s: %+v is not worse than %+v without", tc.name, list[0], list[2])
		}
	}
}

// sighted takes away what is wrong with the metrics.
func sighted(x *Incident) { x.Source = x.Source.(*faulty).LoadSource }

// KEDA takes the service away between bursts, and requests of the next one find nothing.
func TestKEDAToZero(t *testing.T) {
	o := run(t, "keda-to-zero", 2)
	if o["keda:rps"].Violation < 1.2*o["hpa"].Violation {
		t.Errorf("%.3f of the requests violate with KEDA, %.3f with an HPA that keeps one replica", o["keda:rps"].Violation, o["hpa"].Violation)
	}
}

func TestEveryIncidentDecodesAndRuns(t *testing.T) {
	names := configs.Names(configs.Incidents)
	if len(names) < 16 {
		t.Fatalf("%d incidents", len(names))
	}
	for _, name := range names {
		x := load(t, name)
		for _, c := range x.Controllers() {
			if _, err := c.New(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func TestDecodeMistakes(t *testing.T) {
	f, err := configs.Read(configs.Incidents, "blip")
	if err != nil {
		t.Fatal(err)
	}
	good, _, _ := strings.Cut(string(f.Data), "compare:")
	for _, tc := range []struct{ name, old, new, want string }{
		{"no title", "title: A spike of 45 s", "title:", "title is missing"},
		{"target", "hpa_percent: 75", "hpa_percent: 0", "hpa_percent: 0: must be from 1 to"},
		{"threshold", "keda_rps: 75", "keda_rps: .nan", "keda_rps: NaN: must be above 0"},
		{"unknown key", "hpa_percent: 75", "hpa_percent: 75\nrestarts: 3", "field restarts not found"},
		{"application", "cpu_limit_m: 2000", "cpu_limit_m: 10", "test: application:"},
		{"load", "unit: rps", "unit: furlongs", "test: load:"},
		{"no load", "load:", "second_writer: {every_s: 1, replicas: 0}\nlouds:", "field louds not found"},
		{"writer", "load:", "second_writer: {every_s: 1, replicas: 0}\nload:", "second_writer: {every_s: 1, replicas: 0}"},
		{"age", "load:", "metric_age_s: 4000\nload:", "metric_age_s: 4000: must be from 0 to 3600"},
		{"metric", "load:", "hpa_metrics: [{resource: gpu, percent: 5}]\nload:", `hpa_metrics[0]: resource: "gpu": one of cpu, memory`},
		{"metric of nothing", "load:", "hpa_metrics: [{percent: 5}]\nload:", "hpa_metrics[0]: needs either a resource (cpu, memory) or a quantity"},
		{"metric twice", "load:", "hpa_metrics: [{resource: cpu, percent: 5}, {resource: cpu, percent: 6}]\nload:", "hpa_metrics[1]: cpu is given twice"},
		{"quantity", "load:", "hpa_metrics: [{quantity: queue, value: 5}]\nload:", `hpa_metrics[0]: quantity: "queue": one of rps, `},
		{"no target", "load:", "keda_metric: {quantity: backlog}\nload:", "keda_metric: needs either a value or an average_value"},
		{"two targets", "load:", "keda_metric: {quantity: backlog, value: 1, average_value: 1}\nload:", "keda_metric: needs either a value or an average_value"},
		{"pods metric", "load:", "hpa_metrics: [{quantity: backlog, value: 1, pods: true}]\nload:", "hpa_metrics[0]: value: 1: a Pods metric has an average_value"},
		{"pods of KEDA", "load:", "keda_metric: {quantity: backlog, average_value: 1, pods: true}\nload:", "keda_metric: pods: KEDA's metrics are External ones"},
		{"entry", "load:", "hpa_metrics: [{quantity: p95_ms, entry: true, value: 1}]\nload:", "hpa_metrics[0]: metric: p95_ms needs a service"},
		{"fault", "load:", "metric_faults: [{from_s: 10, to_s: 10, sources: [gpu]}]\nload:", "metric_faults[0]: from_s 10, to_s 10: must be at least 0"},
		{"source", "load:", "metric_faults: [{from_s: 10, to_s: 20, sources: [gpu]}]\nload:", `metric_faults[0]: sources: "gpu": of resources, requests`},
		{"reading", "load:", "metric_faults: [{from_s: 10, to_s: 20, reading: -1}]\nload:", "metric_faults[0]: reading: -1: must be from 0 to"},
		{"measure", "load:", "compare: [{measure: pods}]\nload:", `: measure: "pods": one of mean_pods, `},
		{"range", "load:", "compare: [{measure: peak_pods, from: 5, to: 4}]\nload:", "compare[0]: from 5, to 4: must be a range"},
		{"anchor alone", "load:", "compare: [{measure: peak_pods, anchor: 5}]\nload:", "compare[0]: anchor: 5: say with from and to"},
		{"two documents", "title:", "---\n---\ntitle:", "more than one document"},
	} {
		text := strings.Replace(good, tc.old, tc.new, 1)
		if text == good {
			t.Fatalf("%s: nothing was changed", tc.name)
		}
		if _, err := Decode(strings.NewReader(text), "test"); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		}
	}
}
