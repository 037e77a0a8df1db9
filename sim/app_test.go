package sim

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func loadApp(tb testing.TB, path string) *App {
	tb.Helper()
	f, err := os.Open(path)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	app, err := DecodeApp(f, path)
	if err != nil {
		tb.Fatal(err)
	}
	return app
}

func onlineBoutique(tb testing.TB) *App {
	return loadApp(tb, "../configs/apps/online_boutique.yaml")
}

// appYAML is a two-service application into which tests write mistakes.
const appYAML = `format: 1
name: two
services:
  - name: front
    cpu_request_m: 100
    cpu_limit_m: 200
    mem_request_mib: 64
    mem_limit_mib: 128
    replicas: {min: 1, max: 4}
    startup: {fixed_s: 5}
    operations:
      - name: get
        cpu_ms: 2
        cv: 0.5
        calls:
          - {op: back.get, mean: 2.5}
  - name: back
    cpu_request_m: 100
    cpu_limit_m: 200
    mem_request_mib: 64
    mem_limit_mib: 128
    replicas: {min: 1, max: 4}
    operations:
      - {name: get, cpu_ms: 1, cv: 1}
endpoints:
  - {name: home, op: front.get, weight: 1, slo_ms: 100}
pools:
  - {name: general, nodes: 2, cpu_m: 4000, mem_mib: 8000, price_per_core_hour: 0.04}
`

func decodeText(text string) (*App, error) { return DecodeApp(strings.NewReader(text), "app.yaml") }

func TestShippedApplicationsDecode(t *testing.T) {
	files, err := filepath.Glob("../configs/apps/*.yaml")
	if err != nil || len(files) < 2 {
		t.Fatalf("found %d application files (%v)", len(files), err)
	}
	for _, f := range files {
		loadApp(t, f)
	}
}

func TestDecodeAppNamesFileLineAndKey(t *testing.T) {
	for _, tc := range []struct{ name, old, new, want string }{
		{"unknown key", "cpu_ms: 2", "cpu_millis: 2", `app.yaml:13: unknown key "cpu_millis"`},
		{"negative", "cpu_ms: 2", "cpu_ms: -2", "app.yaml:13: services[0].operations[0].cpu_ms: must be at least 0, found -2"},
		{"NaN", "slo_ms: 100", "slo_ms: .nan", "app.yaml:26: endpoints[0].slo_ms: .nan is not a finite number"},
		{"absurd", "cpu_m: 4000", "cpu_m: 1e300", "app.yaml:28: pools[0].cpu_m: 1e+300 is beyond any real value"},
		{"missing operation", "op: back.get, mean", "op: back.put, mean", `app.yaml:16: services[0].operations[0].calls[0].op: front.get calls "back.put", which no service has`},
		{"cycle", "{name: get, cpu_ms: 1, cv: 1}", "{name: get, cpu_ms: 1, calls: [{op: front.get}]}", "the call graph has a cycle: front.get -> back.get -> front.get"},
		{"services in a cycle", "{name: get, cpu_ms: 1, cv: 1}", "{name: get, cpu_ms: 1, calls: [{op: front.log}]}\n  - name: x\n    cpu_request_m: 1\n    cpu_limit_m: 1\n    mem_request_mib: 1\n    mem_limit_mib: 1\n    replicas: {min: 1, max: 1}", `front.log", which no service has`},
		{"max below min", "replicas: {min: 1, max: 4}\n    startup", "replicas: {min: 3, max: 2}\n    startup", "app.yaml:9: services[0].replicas.max: must be between min (3) and 5000, found 2"},
		{"limit below request", "cpu_limit_m: 200\n    mem_request_mib: 64\n    mem_limit_mib: 128\n    replicas: {min: 1, max: 4}\n    startup", "cpu_limit_m: 50\n    mem_request_mib: 64\n    mem_limit_mib: 128\n    replicas: {min: 1, max: 4}\n    startup", "app.yaml:6: services[0].cpu_limit_m: the limit 50 is below the request 100"},
		{"zero weights", "weight: 1", "weight: 0", "endpoints: the weights add up to 0"},
		{"duplicate service", "- name: back", "- name: front", `services[1].name: service "front" is given twice`},
		{"no pools", "pools:\n  - {name: general, nodes: 2, cpu_m: 4000, mem_mib: 8000, price_per_core_hour: 0.04}\n", "", "pools: at least one node pool is needed"},
		{"newer format", "format: 1", "format: 9", "app.yaml:1: format: format 9 is newer"},
		{"unknown balancing", "startup: {fixed_s: 5}", "balancing: sticky", `unknown "sticky"; one of round_robin`},
		{"endless calls", "mean: 2.5", "mean: 1e9", "the mean number of calls must be above 0"},
		{"timeout below SLO", "slo_ms: 100}", "slo_ms: 100, timeout_ms: 50}", "endpoints[0].timeout_ms: must be at least 100, found 50"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			text := strings.Replace(appYAML, tc.old, tc.new, 1)
			if text == appYAML {
				t.Fatal("the mistake was not written into the file")
			}
			_, err := decodeText(text)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got:\n%v\nwant it to contain:\n%s", err, tc.want)
			}
		})
	}
}

func TestServiceCyclesAreRefused(t *testing.T) {
	// The operations have no cycle (a.x -> b.y -> a.z), their services have.
	text := strings.Replace(appYAML, "{name: get, cpu_ms: 1, cv: 1}", "{name: get, cpu_ms: 1, calls: [{op: front.log}]}", 1)
	text = strings.Replace(text, "      - name: get\n        cpu_ms: 2", "      - {name: log, cpu_ms: 1}\n      - name: get\n        cpu_ms: 2", 1)
	_, err := decodeText(text)
	if err == nil || !strings.Contains(err.Error(), "services call each other in a cycle: front -> back -> front") {
		t.Errorf("got %v", err)
	}
}

// The recordings counted every call: 86,680 HTTP requests of the official mix over 36 steady points, 28/19
// requests per task. The shipped call graph must give the same counts per task.
func TestOnlineBoutiqueCallCounts(t *testing.T) {
	app := onlineBoutique(t)
	want := map[string]float64{"productcatalog": 8.023, "currency": 4.461, "cart": 1.421, "recommendation": 1.051, "ad": 0.839, "shipping": 0.423, "checkout": 0.053, "payment": 0.053, "email": 0.053}
	for name, perTask := range want {
		s := app.ServiceIndex(name)
		got := 0.0
		for e := range app.Endpoints {
			got += 28.0 / 19 * app.Endpoints[e].Weight * app.graph.svcVisit[e*len(app.Services)+s]
		}
		if math.Abs(got-perTask) > 0.01*perTask {
			t.Errorf("%s: %.3f calls per task, recorded %.3f", name, got, perTask)
		}
	}
}

func TestCompileCountsVisits(t *testing.T) {
	app, err := decodeText(appYAML)
	if err != nil {
		t.Fatal(err)
	}
	g := &app.graph
	if got := g.svcVisit; got[0] != 1 || got[1] != 2.5 {
		t.Errorf("visits per request %v, want 1 and 2.5", got)
	}
	if got := g.svcCPU; got[0] != 2 || got[1] != 2.5 {
		t.Errorf("CPU ms per request %v, want 2 and 2.5", got)
	}
	if len(app.Edges) != 1 || app.Edges[0] != (Edge{0, 1}) {
		t.Errorf("edges %v", app.Edges)
	}
	if g.batch[0] != 1 || g.batch[1] != 2.5 {
		t.Errorf("visits in a row %v, want 1 and 2.5", g.batch)
	}
	if g.order[0] != 0 || g.opOrder[0] != 0 {
		t.Errorf("callers do not come first: %v, %v", g.order, g.opOrder)
	}
}

func FuzzDecodeApp(f *testing.F) {
	f.Add(appYAML)
	f.Add("format: 1\nname: x\n")
	f.Fuzz(func(t *testing.T, text string) {
		app, err := decodeText(text)
		if err != nil {
			return
		}
		// What is accepted must run without producing anything that is not a number.
		if len(app.Services) > 20 || app.NumNodes() > 50 {
			return
		}
		e, err := NewFluid(app, FluidOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Reset(1, nil); err != nil {
			t.Fatal(err)
		}
		load := make([]float64, len(app.Endpoints))
		for i := range load {
			load[i] = 10
		}
		for range 20 {
			e.Step(TickLoad{load, load})
		}
		checkFinite(t, e.State())
	})
}
