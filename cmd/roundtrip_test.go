package cmd

import (
	"bytes"
	"fmt"
	"math"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/trace"
)

// The load of the round trip: light to near saturation, one to three replicas. For the first half hour three of four requests are for
// page, as the application says; then other mixes, which tell the two operations of front apart.
var (
	usualMix = []phase{
		{4, []float64{1.5, 0.5}, []int{1, 1, 1}},
		{4, []float64{6, 2}, []int{1, 1, 1}},
		{4, []float64{15, 5}, []int{1, 1, 1}},
		{4, []float64{24, 8}, []int{2, 1, 1}},
		{4, []float64{39, 13}, []int{2, 2, 2}},
		{4, []float64{54, 18}, []int{3, 3, 2}},
		{4, []float64{9, 3}, []int{3, 3, 2}},
		{4, []float64{1.5, 0.5}, []int{3, 3, 2}},
	}
	otherMixes = []phase{
		{4, []float64{0.5, 60}, []int{1, 1, 1}},
		{4, []float64{18, 0.5}, []int{1, 1, 1}},
		{4, []float64{40, 1}, []int{2, 2, 2}},
		{4, []float64{10, 40}, []int{2, 2, 2}},
	}
)

// TestPrometheusRoundTrip finds the truth again: the request-level engine makes a cluster of an application file, an exporter shows it, a
// real Prometheus scrapes that, "trace import" asks the server for 48 simulated minutes, and "calibrate", which starts from wrong
// numbers, must come to those of the file within two of its standard errors; replicas must be exact. It takes about a minute; 29 s of it
// are 192 scrapes.
//
// Every scrape is 15 s of simulation, so what is collected is the same in every run, unless a scrape is lost on a machine that does not
// answer for 150 ms; then a rate has one sample less. With another seed one of 20 numbers would be expected outside of its interval.
func TestPrometheusRoundTrip(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for 192 scrapes")
	}
	t.Parallel()
	truth, guess := readApp(t, "testdata/roundtrip/shop.yaml"), readApp(t, "testdata/roundtrip/guess.yaml")
	// Samples may be as old as the server's head reaches back: an hour.
	start := time.Now().Add(-57 * time.Minute).Truncate(time.Minute)
	x := newExporter(t, truth, start, 15*time.Second, 1, append(usualMix, otherMixes...)...)
	target := httptest.NewServer(x)
	t.Cleanup(target.Close)
	server := startPrometheus(t, strings.TrimPrefix(target.URL, "http://"), 150*time.Millisecond)
	for end := time.Now().Add(3 * time.Minute); !x.done(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d scrapes in 3 minutes", len(x.seen))
		}
	}

	dir := t.TempDir()
	minutes := func(phases []phase) (n int) {
		for _, p := range phases {
			n += p.minutes
		}
		return n
	}
	imported := func(name, queries string, minutes int) string {
		out := filepath.Join(dir, name)
		mustRun(t, "trace", "import", "--from", "prometheus-url", "--queries", queries, "--namespace", "shop", "--entry", "front", "--app", "shop",
			"--from-time", start.Format(time.RFC3339), "--to-time", start.Add(time.Duration(minutes)*time.Minute).Format(time.RFC3339), "--step", "1m", server, "-o", out)
		rec, err := trace.Read(out)
		if err != nil {
			t.Fatal(err)
		}
		if got := rec.Duration(); got != time.Duration(minutes)*time.Minute {
			t.Errorf("%s: %v, want %d minutes", name, got, minutes)
		}
		checkReplicas(t, x, rec)
		return out
	}
	// Istio's own metrics have no route: one rate for all requests. By route with the change that the set's comments describe.
	total := imported("total", "cadvisor-istio", minutes(usualMix))
	byRoute := filepath.Join(dir, "by-route.yaml")
	set := strings.NewReplacer("sum (", "sum by (request_operation) (", "sum by (le) (", "sum by (le, request_operation) (").Replace(mustRun(t, "trace", "queries", "cadvisor-istio"))
	if err := os.WriteFile(byRoute, []byte(set), 0o666); err != nil {
		t.Fatal(err)
	}
	routes := imported("routes", byRoute, minutes(usualMix)+minutes(otherMixes))

	calibrated := func(rec string) (map[string]fittedText, string) {
		out := mustRun(t, "calibrate", "--app", "testdata/roundtrip/guess.yaml", "--trace", rec)
		return readFitted(t, out), strings.Join(strings.Fields(out), " ")
	}
	fromTotal, said := calibrated(total)
	fromRoutes, _ := calibrated(routes)
	checkTotal(t, truth, fromTotal, said)
	checkFitted(t, truth, fromRoutes, fromTotal)
	t.Log("48 simulated minutes in " + plural(len(x.seen), "scrape", "scrapes") + "; replicas are exact in all rows\n" + roundTripTable(t, truth, guess, fromTotal, fromRoutes))
}

func readApp(t *testing.T, path string) *sim.App {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	app, err := sim.DecodeApp(bytes.NewReader(data), path)
	if err != nil {
		t.Fatal(err)
	}
	return app
}

// mustRun runs the command line and returns what it prints.
func mustRun(t *testing.T, args ...string) string {
	t.Helper()
	out, err, code := runWith(args...)
	if code != 0 {
		t.Fatalf("%s: %s", strings.Join(args, " "), err)
	}
	return out
}

// checkReplicas compares every row's replicas with what the last scrape before its end saw.
func checkReplicas(t *testing.T, x *exporter, rec *trace.Recording) {
	t.Helper()
	x.mu.Lock()
	defer x.mu.Unlock()
	levels := map[float64]bool{}
	for _, r := range rec.Services {
		end, s := rec.Meta.Start.Add(r.At+rec.Meta.Interval), x.app.ServiceIndex(r.Service)
		var want replicaTruth
		for _, seen := range x.seen {
			if !seen.at.After(end) {
				want = seen
			}
		}
		if r.Replicas != float64(want.replicas[s]) || r.Ready != float64(want.ready[s]) {
			t.Errorf("%s at %v: %v of %v replicas are ready, want %d of %d", r.Service, r.At, r.Ready, r.Replicas, want.ready[s], want.replicas[s])
		}
		levels[r.Replicas] = true
	}
	if len(levels) != 3 || len(rec.ServiceNames()) != len(x.app.Services) {
		t.Errorf("replicas %v of %v; want 1 to 3 of each service", levels, rec.ServiceNames())
	}
}

// fittedText is a line of calibrate's table.
type fittedText struct {
	value, se float64
	text      string
	tied      bool
}

// off is how many standard errors a value is away from the truth.
func (f fittedText) off(truth float64) float64 { return math.Abs(f.value-truth) / f.se }

// readFitted reads the table that calibrate prints.
func readFitted(t *testing.T, out string) map[string]fittedText {
	t.Helper()
	rows := map[string]fittedText{}
	for line := range strings.SplitSeq(out, "\n") {
		cells := strings.Split(line, "│")
		if len(cells) < 6 {
			continue
		}
		value, err := strconv.ParseFloat(strings.TrimSpace(cells[3]), 64)
		if err != nil {
			continue // the heading
		}
		wide, tied := strings.CutSuffix(strings.TrimSpace(cells[4]), " tied")
		se, err := strconv.ParseFloat(wide, 64)
		if err != nil || !(se > 0) {
			t.Fatalf("%q has no standard error", line)
		}
		rows[strings.TrimSpace(cells[1])] = fittedText{value, se, strings.TrimSpace(cells[3]) + " ± " + strings.TrimSpace(cells[4]), tied}
	}
	return rows
}

// truthOf is what an application says of the numbers that calibrate fits to CPU and latency, in order.
func truthOf(app *sim.App) (keys []string, values map[string]float64) {
	values = map[string]float64{}
	put := func(key string, v float64) {
		keys = append(keys, key)
		values[key] = v
	}
	for s := range app.Services {
		put(app.Services[s].Name+".base_cpu_m", app.Services[s].BaseCPUMillis)
		for o := range app.Ops {
			if op := &app.Ops[o]; op.Service == s {
				put(op.Name+".cpu_ms", op.CPUMs)
				put(op.Name+".wake_ms", op.WakeMs)
				put(op.Name+".wait_ms", op.WaitMs)
			}
		}
	}
	return keys, values
}

// checkFitted: with rates by route all numbers are identified. CPU per visit must be within two standard errors of the truth, what idle
// replicas use and waits within three, as must be what the shorter recording without routes gives for services with one operation: 2 of
// 1,000 normal numbers are farther off.
func checkFitted(t *testing.T, truth *sim.App, fromRoutes, fromTotal map[string]fittedText) {
	t.Helper()
	keys, want := truthOf(truth)
	check := func(what, key string, fitted map[string]fittedText) {
		most := 3.0
		if what == "by route" && (strings.HasSuffix(key, ".cpu_ms") || strings.HasSuffix(key, ".wake_ms")) {
			most = 2
		}
		f, ok := fitted[key]
		if !ok || f.off(want[key]) > most {
			t.Errorf("%s: %s is %v, want %v within %v standard errors", what, key, f.text, want[key], most)
		}
	}
	for _, key := range keys {
		check("by route", key, fromRoutes)
		if strings.HasSuffix(key, ".cpu_ms") && fromRoutes[key].tied {
			t.Errorf("%s was not told apart", key)
		}
		if !strings.HasPrefix(key, "front.") {
			check("in total", key, fromTotal)
		}
	}
}

var meanOfTied = regexp.MustCompile(`not identified: front cpu_ms of page : ping: .*? so only the mean of their visits is known, (\S+) \+- (\S+) ms`)

// checkTotal: without routes, calibrate says that it cannot tell front's two operations apart, and knows their mean: three of four visits
// are of page.
func checkTotal(t *testing.T, truth *sim.App, fitted map[string]fittedText, said string) {
	t.Helper()
	m := meanOfTied.FindStringSubmatch(said)
	if m == nil || !fitted["front.page.cpu_ms"].tied || !fitted["front.ping.cpu_ms"].tied || fitted["list.Get.cpu_ms"].tied ||
		!strings.Contains(said, "has no rates by endpoint, only their total") {
		t.Fatalf("it is not said that front's operations cannot be told apart: %s", said)
	}
	mean, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	se, err := strconv.ParseFloat(m[2], 64)
	if err != nil {
		t.Fatal(err)
	}
	_, values := truthOf(truth)
	want := 0.75*values["front.page.cpu_ms"] + 0.25*values["front.ping.cpu_ms"]
	f := fittedText{value: mean, se: se, text: m[1] + " ± " + m[2]}
	if f.off(want) > 2 {
		t.Errorf("a visit of front costs %s ms, want %v", f.text, want)
	}
	fitted["front, mean of page and ping"] = f
}

// roundTripTable shows the truth, what the calibration started from and what it came to.
func roundTripTable(t *testing.T, truth, guess *sim.App, fromTotal, fromRoutes map[string]fittedText) string {
	t.Helper()
	var b strings.Builder
	table := newTable(&b, "number", "truth", "start", "by route", "off (SE)", "total only")
	keys, want := truthOf(truth)
	_, begun := truthOf(guess)
	row := func(cells ...any) {
		if err := table.Append(cells...); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range keys {
		row(key, fmt.Sprint(want[key]), fmt.Sprint(begun[key]), fromRoutes[key].text, fmt.Sprintf("%.1f", fromRoutes[key].off(want[key])), fromTotal[key].text)
	}
	mean := func(v map[string]float64) string {
		return fmt.Sprint(0.75*v["front.page.cpu_ms"] + 0.25*v["front.ping.cpu_ms"])
	}
	row("front, mean cpu_ms", mean(want), mean(begun), "", "", fromTotal["front, mean of page and ping"].text)
	if err := table.Render(); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(b.String())
}
