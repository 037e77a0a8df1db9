package sim

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
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

// onlineBoutique is shared by all tests, which must not change it: its response is fitted once.
func onlineBoutique(tb testing.TB) *App {
	tb.Helper()
	boutique.once.Do(func() { boutique.app = loadApp(tb, "../configs/apps/online_boutique.yaml") })
	if boutique.app == nil {
		tb.Fatal("online_boutique.yaml was refused")
	}
	return boutique.app
}

var boutique struct {
	once sync.Once
	app  *App
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
		{"absurd", "cpu_m: 4000", "cpu_m: 1e300", "app.yaml:28: pools[0].cpu_m: 1e+300 is beyond any real value; at most 1e+09 is supported"},
		{"missing operation", "op: back.get, mean", "op: back.put, mean", `app.yaml:16: services[0].operations[0].calls[0].op: front.get calls "back.put", which no service has`},
		{"cycle", "{name: get, cpu_ms: 1, cv: 1}", "{name: get, cpu_ms: 1, calls: [{op: front.get}]}", "the call graph has a cycle: front.get -> back.get -> front.get"},
		{"services in a cycle", "{name: get, cpu_ms: 1, cv: 1}", "{name: get, cpu_ms: 1, calls: [{op: front.log}]}\n  - name: x\n    cpu_request_m: 1\n    cpu_limit_m: 1\n    mem_request_mib: 1\n    mem_limit_mib: 1\n    replicas: {min: 1, max: 1}", `front.log", which no service has`},
		{"max below min", "replicas: {min: 1, max: 4}\n    startup", "replicas: {min: 3, max: 2}\n    startup", "app.yaml:9: services[0].replicas.max: must be between 3 and 5000, found 2"},
		{"limit below request", "cpu_limit_m: 200\n    mem_request_mib: 64\n    mem_limit_mib: 128\n    replicas: {min: 1, max: 4}\n    startup", "cpu_limit_m: 50\n    mem_request_mib: 64\n    mem_limit_mib: 128\n    replicas: {min: 1, max: 4}\n    startup", "app.yaml:6: services[0].cpu_limit_m: the limit 50 is below the request 100"},
		{"zero weights", "weight: 1", "weight: 0", "endpoints: the weights add up to 0"},
		{"duplicate service", "- name: back", "- name: front", `services[1].name: service "front" is given twice`},
		{"no pools", "pools:\n  - {name: general, nodes: 2, cpu_m: 4000, mem_mib: 8000, price_per_core_hour: 0.04}\n", "", "pools: at least one node pool is needed"},
		{"newer format", "format: 1", "format: 9", "app.yaml:1: format: format 9 is newer"},
		{"unknown balancing", "startup: {fixed_s: 5}", "balancing: sticky", `unknown "sticky"; one of round_robin`},
		{"endless calls", "mean: 2.5", "mean: 1e9", "app.yaml:16: services[0].operations[0].calls[0].mean: the mean number of calls must be above 0 and at most 100000, found 1e+09"},
		{"many calls", "{op: back.get, mean: 2.5}", "{op: back.get, mean: 60000}\n          - {op: back.get, mean: 60000}",
			"app.yaml:27: endpoints[0].op: one request of endpoint home makes 1.2e+05 calls, 1.2e+05 of them of back.get; at most 100000 are supported: check the mean counts"},
		{"calls itself", "op: back.get, mean", "op: front.get, mean", "app.yaml:16: services[0].operations[0].calls[0].op: operation front.get calls itself, which is not supported"},
		{"calls its own service", "      - name: get\n        cpu_ms: 2", "      - {name: log, cpu_ms: 1, calls: [{op: front.get}]}\n      - name: get\n        cpu_ms: 2",
			"app.yaml:12: services[0].operations[0].calls[0].op: service front calls itself: front.log calls front.get, which is not supported; add the CPU of the callee to the caller's"},
		{"no room for a pod", "cpu_m: 4000", "cpu_m: 50", "app.yaml:5: services[0].cpu_request_m: no node of any pool has 100 m for a pod of front; lower the request, or give a pool larger nodes"},
		{"no memory for a pod", "mem_mib: 8000", "mem_mib: 50", "app.yaml:7: services[0].mem_request_mib: no node of any pool has 64 MiB (and 100 m) for a pod of front"},
		{"no room for all", "nodes: 2, cpu_m: 4000", "nodes: 1, cpu_m: 150", "app.yaml:22: services[1].replicas.min: the replicas.min of the services before leave no room for back on the 1 nodes; add nodes"},
		{"no CPU left", "startup: {fixed_s: 5}", "base_cpu_m: 199.5", "app.yaml:10: services[0].base_cpu_m: an idle replica uses 199.5 m of its limit of 200 m, which leaves less than 1 m for requests"},
		{"all CPU", "startup: {fixed_s: 5}", "base_cpu_m: 200", "an idle replica uses 200 m of its limit of 200 m"},
		{"no capacity", "nodes: 2", "nodes: 0", "app.yaml:28: pools[0].nodes: must be at least 1, found 0"},
		{"years of work", "cpu_ms: 2", "cpu_ms: 1e11", "app.yaml:13: services[0].operations[0].cpu_ms: 1e+11 is beyond any real value; at most 1e+07 is supported"},
		{"speed of a snail", "name: two", "name: two\nspeed_factor: 1e-300", "app.yaml:3: speed_factor: must be from 0.001 to 1000, found 1e-300"},
		{"speed of light", "cpu_m: 4000,", "cpu_m: 4000, speed_factor: 1e9,", "app.yaml:28: pools[0].speed_factor: must be from 0.001 to 1000, found 1e+09"},
		{"tiny node", "cpu_m: 4000", "cpu_m: 1e-300", "pools[0].cpu_m: 1e-300 is below any real value"},
		{"no cores", "startup: {fixed_s: 5}", "cores: -1", "app.yaml:10: services[0].cores: must be at least 1, found -1"},
		{"half a core", "startup: {fixed_s: 5}", "cores: 1.5", "app.yaml:10: services[0].cores: 1.5 is not a whole number"},
		{"many cores", "startup: {fixed_s: 5}", "cores: 5000", "app.yaml:10: services[0].cores: 5000 is beyond any real value; at most 4096 is supported"},
		{"negative max_visits", "startup: {fixed_s: 5}", "max_visits: -1", "app.yaml:10: services[0].max_visits: must be at least 0, found -1"},
		{"unknown distribution", "cv: 0.5", "cv: 0.5\n        dist: pareto", `app.yaml:15: services[0].operations[0].dist: unknown "pareto"; one of exponential, gamma, lognormal, deterministic`},
		{"exponential with another cv", "cv: 0.5", "cv: 0.5\n        dist: exponential", `app.yaml:14: services[0].operations[0].cv: is 0.5; it is always 1 for the distribution "exponential": leave it out`},
		{"deterministic with a cv", "cv: 0.5", "cv: 0.5\n        dist: deterministic", `services[0].operations[0].cv: is 0.5; it is always 0 for the distribution "deterministic": leave it out`},
		{"gamma without a cv", "cv: 0.5", "dist: gamma", `services[0].operations[0].cv: missing; the distribution "gamma" needs it`},
		{"unknown distribution of the wait", "cv: 0.5", "wait_ms: 1\n        wait_dist: normal", `app.yaml:15: services[0].operations[0].wait_dist: unknown "normal"; one of exponential`},
		{"log-normal wait without a cv", "cv: 0.5", "wait_ms: 1\n        wait_dist: lognormal", `services[0].operations[0].wait_cv: missing; the distribution "lognormal" needs it`},
		{"wide distribution", "cv: 0.5", "cv: 1e6", "app.yaml:14: services[0].operations[0].cv: 1e+06 is beyond any real value; at most 100 is supported"},
		{"negative retries", "mean: 2.5", "retries: -1", "app.yaml:16: services[0].operations[0].calls[0].retries: must be from 0 to 100, found -1"},
		{"many retries", "mean: 2.5", "retries: 1000", "app.yaml:16: services[0].operations[0].calls[0].retries: must be from 0 to 100, found 1000"},
		{"budget without retries", "mean: 2.5", "retry_budget: 0.2", "app.yaml:16: services[0].operations[0].calls[0].retry_budget: is 0.2 without retries; give retries as well"},
		{"negative budget", "mean: 2.5", "retries: 1, retry_budget: -0.2", "services[0].operations[0].calls[0].retry_budget: must be at least 0, found -0.2"},
		{"clients' retries", "slo_ms: 100", "slo_ms: 100, retries: 101", "app.yaml:26: endpoints[0].retries: must be from 0 to 100, found 101"},
		{"clients' budget", "slo_ms: 100", "slo_ms: 100, retry_budget: 1", "app.yaml:26: endpoints[0].retry_budget: is 1 without retries; give retries as well"},
		{"many pods", "replicas: {min: 1, max: 4}\n    startup", "replicas: {min: 1, max: 1e5}\n    startup", "app.yaml:9: services[0].replicas.max: must be between 1 and 5000, found 100000"},
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
	f.Add(strings.Replace(appYAML, "mean: 2.5", "mean: 2.5, retries: 3, retry_budget: 0.1, optional: true, timeout_ms: 5", 1))
	f.Add(strings.Replace(appYAML, "startup: {fixed_s: 5}", "cores: 2\n    max_visits: 3\n    workers: 2\n    balancing: per_connection\n    warmup: {calls: 3, factor: 2}", 1))
	f.Add(strings.Replace(appYAML, "cv: 0.5", "dist: gamma\n        cv: 2\n        wake_ms: 1\n        wait_ms: 3\n        wait_dist: exponential\n        parallel: true", 1))
	f.Fuzz(func(t *testing.T, text string) {
		app, err := decodeText(text)
		if err != nil {
			return
		}
		// What is accepted must run without producing anything that is not a number.
		if len(app.Services) > 20 || app.NumNodes() > 50 {
			return
		}
		visits := 0.0
		for _, v := range app.graph.visits {
			visits += v
		}
		load := make([]float64, len(app.Endpoints))
		for i := range load {
			load[i] = 10
		}
		if len(text)%8 != 0 { // measuring the response takes most of the time
			UseNeutralResponse(app)
		}
		fluid, err := NewFluid(app, FluidOptions{FitVisits: 1e3})
		if err != nil {
			t.Fatal(err)
		}
		engines := []Engine{fluid}
		if visits < 1000 { // more take too long to simulate here
			des, err := NewDES(app, DESOptions{MaxVisits: 500})
			if err != nil {
				t.Fatal(err)
			}
			engines = append(engines, des)
		}
		for _, e := range engines {
			if err := e.Reset(1, nil); err != nil {
				t.Fatal(err)
			}
			for range 20 {
				e.Step(TickLoad{load, load})
			}
			checkFinite(t, e.State())
		}
	})
}

// What works but is probably not meant is a warning with file, line and key.
func TestAppWarnings(t *testing.T) {
	if app, err := decodeText(appYAML); err != nil || len(app.Warnings) > 0 {
		t.Fatalf("%v, warnings %q", err, app.Warnings)
	}
	lonely := strings.Replace(appYAML, "endpoints:", `  - name: lonely
    cpu_request_m: 100
    cpu_limit_m: 200
    mem_request_mib: 64
    mem_limit_mib: 128
    replicas: {min: 1, max: 4, initial: 4}
    operations:
      - {name: get, cpu_ms: 1, calls: [{op: back.get}]}
endpoints:`, 1)
	lonely = strings.Replace(lonely, "nodes: 2, cpu_m: 4000", "nodes: 1, cpu_m: 350", 1)
	app, err := decodeText(lonely)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"app.yaml:25: services[2].name: no endpoint reaches service lonely: it gets no requests",
		"app.yaml:30: services[2].replicas: only 1 of the 4 replicas that lonely starts with find room on the nodes; the others stay pending",
	}
	if !slices.Equal(app.Warnings, want) {
		t.Errorf("got %q\nwant %q", app.Warnings, want)
	}
	// It runs all the same, and changes nothing for the others.
	f := steady(t, app, nil, []float64{20}, 20)
	if st := f.State(); st.Services[2].ArrivalRPS != 0 || st.Services[2].Pending != 3 || st.Services[1].ArrivalRPS != 50 {
		t.Errorf("%+v", st.Services)
	}
}
