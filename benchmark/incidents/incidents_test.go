package incidents

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/grlscaler/grlscaler/configs"
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
// late, and requests that give up, so that figures are near, not equal.
func TestAnchors(t *testing.T) {
	const step = 300 * time.Second
	for _, tc := range []struct {
		name   string
		lo, hi time.Duration // after the step, when the most replicas are wanted
		peak   [2]float64
	}{
		// 47 pods after 200, 380, 80, 110 s. Metrics are one scrape later here.
		{"saturated-spike-10s", 170 * time.Second, 260 * time.Second, [2]float64{44, 58}},
		{"saturated-spike-60s", 330 * time.Second, 530 * time.Second, [2]float64{44, 60}},
		{"headroom-spike-10s", 60 * time.Second, 130 * time.Second, [2]float64{44, 58}},
		{"headroom-spike-60s", 80 * time.Second, 170 * time.Second, [2]float64{44, 58}},
		{"blip", 15 * time.Second, 70 * time.Second, [2]float64{7, 14}}, // 12 pods, or fewer where scrapes see the spike in parts
	} {
		o := run(t, tc.name, 1)["hpa"]
		if at := o.PeakAt - step; at < tc.lo || at > tc.hi || o.Peak < tc.peak[0] || o.Peak > tc.peak[1] {
			t.Errorf("%s: %v pods %v after the step; want %v, %v to %v", tc.name, o.Peak, at, tc.peak, tc.lo, tc.hi)
		}
	}
	for _, tc := range []struct {
		name string
		pods float64
	}{{"burst-280s", 19.9}, {"sine-10m", 13.1}, {"sine-30m", 10.3}, {"sine-120m", 8.7}} {
		if o := run(t, tc.name, 1)["hpa"]; o.MeanPods < 0.88*tc.pods || o.MeanPods > 1.12*tc.pods {
			t.Errorf("%s: %.1f pods on average, want %.1f within 12 %%", tc.name, o.MeanPods, tc.pods)
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
	good := string(f.Data)
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
