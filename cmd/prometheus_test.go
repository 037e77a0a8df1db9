package cmd

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/grlscaler/grlscaler/cmd/promclient"
	"github.com/grlscaler/grlscaler/sim/trace"
)

// smallApp is an application of two services, of which all is known, that exports its metrics under the names that Istio, cAdvisor and
// kube-state-metrics use. From change on it gets twice the requests, and frontend has a second pod that takes half of them. Samples
// carry their time, so that what a busy machine delays is not wrong.
type smallApp struct {
	start time.Time

	mu     sync.Mutex
	first  time.Time // of the first scrape
	change time.Time // five seconds later
}

// The truth about smallApp.
const (
	appRPS      = 40.0  // requests of users, per second, until change
	appFailed   = 0.1   // share of them that fail
	appCalls    = 2.0   // calls of frontend to cart for each
	frontendCPU = 0.005 // CPU seconds per request
	cartCPU     = 0.002
	appLimit    = 0.5 // cores of one replica
	appThrottle = 0.25
	appMean     = 20.0 // ms; half of the requests take up to 10 ms, 90 % up to 50 ms, all up to 100 ms
)

// metrics writes the state at a time in the text format of Prometheus.
func (a *smallApp) metrics(now time.Time) string {
	a.mu.Lock()
	if a.first.IsZero() {
		a.first, a.change = now, now.Add(5*time.Second)
	}
	change := a.change
	a.mu.Unlock()
	old := now.Sub(a.start).Seconds()
	extra := max(0, now.Sub(change).Seconds()) // seconds with twice the load
	two := extra > 0
	n := math.Floor(appRPS * (old + extra))

	var b strings.Builder
	put := func(labels string, value float64) { fmt.Fprintf(&b, "%s %v %d\n", labels, value, now.UnixMilli()) }
	workload := func(name, reporter, from string, count float64) {
		labels := fmt.Sprintf(`reporter=%q,source_workload=%q,source_workload_namespace="shop",destination_workload=%q,destination_workload_namespace="shop"`, reporter, from, name)
		failed := math.Floor(appFailed * count)
		put(`istio_requests_total{`+labels+`,response_code="200"}`, count-failed)
		put(`istio_requests_total{`+labels+`,response_code="503"}`, failed)
		for le, share := range map[string]float64{"10": 0.5, "50": 0.9, "100": 1, "+Inf": 1} {
			put(`istio_request_duration_milliseconds_bucket{`+labels+`,le="`+le+`"}`, share*count)
		}
		put(`istio_request_duration_milliseconds_sum{`+labels+`}`, appMean*count)
		put(`istio_request_duration_milliseconds_count{`+labels+`}`, count)
	}
	workload("frontend", "destination", "unknown", n)
	workload("cart", "destination", "frontend", appCalls*n)
	workload("cart", "source", "frontend", appCalls*n)

	pod := func(name string, cpu, seconds float64) {
		for _, container := range []string{"server", "POD"} { // the pause container uses nothing, and must not count
			labels := fmt.Sprintf(`{namespace="shop",pod=%q,container=%q}`, name, container)
			put("container_cpu_usage_seconds_total"+labels, cpu)
			put("container_memory_working_set_bytes"+labels, 64<<20)
			put("container_cpu_cfs_periods_total"+labels, 10*seconds)
			put("container_cpu_cfs_throttled_periods_total"+labels, 10*appThrottle*seconds)
		}
		put(fmt.Sprintf(`kube_pod_container_resource_limits{namespace="shop",pod=%q,container="server",resource="cpu"}`, name), appLimit)
		put(fmt.Sprintf(`kube_pod_container_resource_requests{namespace="shop",pod=%q,container="server",resource="cpu"}`, name), appLimit/2)
	}
	// The first pod's share of the requests after change is half of them: as much as before.
	pod("frontend-5d9c7b8f4-x2v5k", frontendCPU*appRPS*old, old)
	pod("cart-7bb6cb8c97-2qlmz", cartCPU*appCalls*appRPS*(old+extra), old)
	frontends := 1.0
	if two {
		pod("frontend-5d9c7b8f4-kfqs9", frontendCPU*appRPS*extra, extra)
		frontends = 2
	}
	for name, replicas := range map[string]float64{"frontend": frontends, "cart": 1} {
		put(fmt.Sprintf(`kube_deployment_status_replicas{namespace="shop",deployment=%q}`, name), replicas)
		put(fmt.Sprintf(`kube_deployment_status_replicas_ready{namespace="shop",deployment=%q}`, name), replicas)
	}
	put(`kube_node_status_allocatable{node="n1",resource="cpu"}`, 4)
	put(`kube_node_status_allocatable{node="n1",resource="memory"}`, 8<<30)
	put(`container_cpu_usage_seconds_total{id="/",node="n1"}`, 0.75*old)
	return b.String()
}

// startPrometheus starts a server that scrapes target every so often, and returns its URL.
func startPrometheus(t *testing.T, target string, every time.Duration) string {
	t.Helper()
	binary, err := exec.LookPath("prometheus")
	if err != nil {
		t.Skip("no prometheus is installed; on Debian: apt-get install prometheus")
	}
	dir := t.TempDir()
	config := fmt.Sprintf("global: {scrape_interval: %[1]dms, scrape_timeout: %[1]dms}\nscrape_configs:\n  - job_name: shop\n    static_configs: [{targets: [%[2]q]}]\n", every.Milliseconds(), target)
	if err := os.WriteFile(filepath.Join(dir, "prometheus.yml"), []byte(config), 0o666); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	var log bytes.Buffer
	c := exec.Command(binary, "--config.file", filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path", filepath.Join(dir, "data"), "--web.listen-address", address)
	c.Stdout, c.Stderr = &log, &log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Process.Kill()
		c.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		resp, err := http.Get("http://" + address + "/-/ready")
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return "http://" + address
			}
		}
		if time.Now().After(end) {
			t.Fatal("prometheus is not ready after ten seconds")
		}
	}
}

// runWith runs the command line and returns what it prints and its exit code.
func runWith(args ...string) (stdout, stderr string, code int) {
	var out, err bytes.Buffer
	w := &world{args: args, env: func(string) (string, bool) { return "", false }, stdout: &out, stderr: &err, now: time.Now, wait: promclient.Sleep}
	code = run(context.Background(), w)
	return out.String(), err.String(), code
}

// TestRealPrometheus has a real Prometheus scrape smallApp for some seconds, imports what it knows through its API, and compares the recording
// with the truth. It waits in real time: 18 s, more if the
// machine is too busy for the server to begin.
func TestRealPrometheus(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for 18 s")
	}
	t.Parallel()
	app := &smallApp{start: time.Now().Add(-time.Minute)}
	exporter := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		fmt.Fprint(w, app.metrics(time.Now()))
	}))
	t.Cleanup(exporter.Close)
	server := startPrometheus(t, strings.TrimPrefix(exporter.URL, "http://"), time.Second)
	const collect = 12 * time.Second
	for end := time.Now().Add(collect + 15*time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) { // it scrapes from the fifth second on
		app.mu.Lock()
		first := app.first
		app.mu.Unlock()
		if !first.IsZero() && time.Since(first) > collect {
			break
		}
	}
	if app.first.IsZero() || time.Since(app.first) < collect {
		t.Fatalf("scraped since %v only", app.first)
	}
	dir := t.TempDir()
	arguments := func(set string, more ...string) []string {
		return append([]string{"trace", "import", "--from", "prometheus-url", "--queries", set, "--namespace", "shop", "--entry", "frontend", "--app", "shop",
			"--from-time", app.first.Format(time.RFC3339Nano), "--to-time", app.first.Add(collect).Format(time.RFC3339Nano),
			"--step", "1s", "--window", "3s", "--allow-gaps", server}, more...)
	}
	must := func(args ...string) string {
		t.Helper()
		return mustRun(t, args...)
	}
	read := func(name string) *trace.Recording {
		t.Helper()
		rec, err := trace.Read(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return rec
	}
	rec, saved := filepath.Join(dir, "rec"), filepath.Join(dir, "saved")
	out := must(arguments("cadvisor-istio", "-o", rec, "--save", saved)...)
	if !strings.Contains(out, "note: Rates are means over 3s before the end of each step of 1s: a surge is smeared over that time.") {
		t.Error(out)
	}
	checkTruth(t, app, read("rec"))

	// In parts, and of what was saved, it is the same recording.
	must(arguments("cadvisor-istio", "-o", filepath.Join(dir, "parts"), "--points", "3")...)
	must("trace", "import", "--from", "prometheus", "--app", "shop", "--allow-gaps", saved, "-o", filepath.Join(dir, "again"))
	for _, name := range []string{"parts", "again"} {
		if d := cmp.Diff(read("rec"), read(name), cmpopts.EquateNaNs(), cmpopts.IgnoreFields(trace.Recording{}, "Warnings"), cmpopts.IgnoreFields(trace.Meta{}, "Notes", "Source")); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}

	// So it is with curl, on a machine that has nothing but that.
	if _, err := exec.LookPath("curl"); err == nil {
		answers := filepath.Join(dir, "curled")
		if err := os.Mkdir(answers, 0o777); err != nil {
			t.Fatal(err)
		}
		c := exec.Command("sh", "-e")
		c.Stdin = strings.NewReader(must("trace", "queries", "cadvisor-istio", "--namespace", "shop", "--entry", "frontend", "--from-time", app.first.Format(time.RFC3339Nano),
			"--to-time", app.first.Add(collect).Format(time.RFC3339Nano), "--step", "1s", "--window", "3s", "--curl", server))
		c.Dir = answers
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		must("trace", "import", "--from", "prometheus", "--app", "shop", "--allow-gaps", answers, "-o", filepath.Join(dir, "curl"))
		if d := cmp.Diff(read("again"), read("curl"), cmpopts.EquateNaNs(), cmpopts.IgnoreFields(trace.Recording{}, "Warnings"), cmpopts.IgnoreFields(trace.Meta{}, "Source")); d != "" {
			t.Error(d)
		}
	}

	// Every query of the other sets is one that Prometheus understands; there are no series of theirs but cAdvisor's.
	for _, set := range []string{"cadvisor-linkerd", "locust"} {
		out := must(arguments(set, "-o", filepath.Join(dir, set))...)
		if !strings.Contains(out, "endpoint_rps: Prometheus found no series") || len(read(set).Services) == 0 {
			t.Errorf("%s: %s", set, out)
		}
	}

	// Counters as they are, and a query that is wrong.
	own := filepath.Join(dir, "own.yaml")
	text := "format: 1\nqueries:\n  endpoint_requests_total: istio_requests_total{reporter=\"destination\", destination_workload=\"frontend\"}\n" +
		"  endpoint_failures_total: istio_requests_total{reporter=\"destination\", destination_workload=\"frontend\", response_code=\"503\"}\n" +
		"  service_cpu_seconds_total: container_cpu_usage_seconds_total{namespace=\"shop\"}\n"
	if err := os.WriteFile(own, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	must(arguments(own, "-o", filepath.Join(dir, "counters"))...)
	checkCounters(t, app, read("counters"))
	if err := os.WriteFile(own, []byte("format: 1\nqueries: {endpoint_rps: sum(}\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	_, message, code := runWith(arguments(own, "-o", filepath.Join(dir, "wrong"))...)
	if code != 1 || !strings.Contains(message, "for endpoint_rps: HTTP 400 Bad Request: bad_data: ") || !strings.Contains(message, "1:5: parse error") {
		t.Errorf("code %d: %s", code, message)
	}
	if _, err := os.Stat(filepath.Join(dir, "wrong")); !os.IsNotExist(err) {
		t.Error("something was written")
	}
}

// near reports whether a number is within a share of the truth.
func near(got, want, share float64) bool { return math.Abs(got-want) <= share*want }

// checkTruth compares a recording of rates over three seconds with what smallApp did.
//
// Samples carry the time at which they are true, and everything between changes is linear, so rate() errs only by a request in three
// seconds (counts are whole): 1 in 120 requests, 1 in 12 of those that fail. A window that reaches over the change, or over the
// first second of the new pod (whose counter begins there), is not compared.
func checkTruth(t *testing.T, app *smallApp, rec *trace.Recording) {
	t.Helper()
	before, after := 0, 0
	phase := func(at time.Duration) (load float64, ok bool) {
		end := rec.Meta.Start.Add(at + rec.Meta.Interval)
		switch {
		case !end.After(app.change) && !end.Add(-3*time.Second).Before(app.first):
			return 1, true
		case end.Add(-3*time.Second).Sub(app.change) >= 2*time.Second:
			return 2, true
		}
		return 0, false
	}
	check := func(what string, at time.Duration, got, want, share float64) {
		t.Helper()
		if !near(got, want, share) {
			t.Errorf("%s at %v: %v, want %v within %v %%", what, at, got, want, 100*share)
		}
	}
	for _, r := range rec.Endpoints {
		load, ok := phase(r.At)
		if !ok {
			continue
		}
		if load == 1 {
			before++
		} else {
			after++
		}
		check("rate of "+r.Endpoint, r.At, r.RPS, load*appRPS, 0.02)
		check("error rate", r.At, r.ErrorRate, appFailed, 0.1)
		check("p50", r.At, r.P50Ms, 10, 0.001)
		check("p95", r.At, r.P95Ms, 75, 0.001) // half way from 50 ms (90 %) to 100 ms
		check("p99", r.At, r.P99Ms, 95, 0.001)
		check("mean", r.At, r.MeanMs, appMean, 0.001)
	}
	if before < 2 || after < 2 {
		t.Errorf("%d rows before the change and %d after it can be compared", before, after)
	}
	for _, r := range rec.Services {
		end := rec.Meta.Start.Add(r.At + rec.Meta.Interval)
		if settled := end.Sub(app.change) >= 2*time.Second; r.Service == "frontend" && (settled || !end.After(app.change)) {
			want := 1.0
			if settled {
				want = 2
			}
			if r.Replicas != want || r.Ready != want {
				t.Errorf("%v of %v replicas at %v, want %v", r.Ready, r.Replicas, r.At, want)
			}
		}
		load, ok := phase(r.At)
		if !ok {
			continue
		}
		rps, cpu, pods := load*appRPS, frontendCPU, load
		if r.Service == "cart" {
			rps, cpu, pods = appCalls*load*appRPS, cartCPU, 1
		}
		check("rate of "+r.Service, r.At, r.RPS, rps, 0.02)
		check("CPU of "+r.Service, r.At, r.CPUMillis, 1000*cpu*rps, 0.001)
		check("CPU ms per request of "+r.Service, r.At, r.CPUMillis/r.RPS, 1000*cpu, 0.02)
		check("memory of "+r.Service, r.At, r.MemMiB, 64*pods, 0)
		check("throttled share of "+r.Service, r.At, r.Throttled, appThrottle, 0.001)
	}
	for _, r := range rec.Edges {
		if load, ok := phase(r.At); ok {
			check(r.Src+" to "+r.Dst, r.At, r.RPS, appCalls*load*appRPS, 0.02)
		}
	}
	for _, r := range rec.Nodes {
		if _, ok := phase(r.At); ok {
			check("CPU of "+r.Node, r.At, r.CPUMillis, 4000, 0)
			check("CPU used of "+r.Node, r.At, r.CPUUsedMillis, 750, 0.001)
		}
	}
	if len(rec.Edges) == 0 || len(rec.Nodes) == 0 || len(rec.ServiceNames()) != 2 {
		t.Errorf("%d calls, %d nodes, services %v", len(rec.Edges), len(rec.Nodes), rec.ServiceNames())
	}
	if d := cmp.Diff(map[string]float64{"frontend": 500, "cart": 500}, rec.Meta.CPULimitMillis); d != "" {
		t.Error(d)
	}
}

// checkCounters compares a recording made of counters, step by step. What is asked of Prometheus at a moment is the sample before it,
// up to a second old (two, if a scrape was late), so the sum over all steps is compared: of ten or more, of which at most two are
// missing at an end.
func checkCounters(t *testing.T, app *smallApp, rec *trace.Recording) {
	t.Helper()
	requests, failed, cpu := 0.0, 0.0, 0.0
	for _, r := range rec.Endpoints {
		if trace.Has(r.RPS) {
			requests += r.RPS
			if trace.Has(r.ErrorRate) {
				failed += r.RPS * r.ErrorRate
			}
		}
	}
	for _, r := range rec.Services {
		if r.Service == "frontend" && trace.Has(r.CPUMillis) {
			cpu += r.CPUMillis / 1000
		}
	}
	span := rec.Duration().Seconds()
	twice := rec.Meta.Start.Add(rec.Duration()).Sub(app.change).Seconds()
	want := appRPS * (span + twice)
	if span < 10 || !near(requests, want, 0.2) || !near(failed, appFailed*requests, 0.1) {
		t.Errorf("%v requests in %v s, %v failed; want about %v", requests, span, failed, want)
	}
	// The new pod's first second is in no difference of its counter.
	if !near(cpu, frontendCPU*requests, 0.2) {
		t.Errorf("%v CPU seconds for %v requests", cpu, requests)
	}
}
