package trace

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// t0 is when the answers of these tests begin: 2023-11-14T22:13:20Z.
const t0 = 1_700_000_000

// promLine is a series of an answer: labels, then values from a time on, step after step; NaN stands for no sample, and text for one
// that is not a number.
type promLine struct {
	labels string // name=value,name=value
	from   float64
	step   float64
	values []any
}

// answerText is an answer of Prometheus.
func answerText(lines ...promLine) []byte {
	var all []string
	for _, l := range lines {
		metric := map[string]string{}
		for _, pair := range strings.Split(l.labels, ",") {
			if k, v, ok := strings.Cut(pair, "="); ok {
				metric[k] = v
			}
		}
		labels, err := json.Marshal(metric)
		if err != nil {
			panic(err)
		}
		var values []string
		for i, v := range l.values {
			at := l.from + float64(i)*l.step
			if x, ok := v.(float64); ok && math.IsNaN(x) {
				continue
			}
			values = append(values, fmt.Sprintf(`[%s,"%v"]`, strconv.FormatFloat(at, 'f', -1, 64), v))
		}
		all = append(all, fmt.Sprintf(`{"metric":%s,"values":[%s]}`, labels, strings.Join(values, ",")))
	}
	return []byte(`{"status":"success","data":{"resultType":"matrix","result":[` + strings.Join(all, ",") + `]}}`)
}

// answers turns a map into answers, in order of their names.
func answersOf(m map[string][]byte) []Answer {
	var all []Answer
	for _, name := range slices.Sorted(maps.Keys(m)) {
		all = append(all, Answer{Quantity: name, File: name + ".json", Data: m[name]})
	}
	return all
}

// vals makes values of numbers, NaN for those that are missing.
func vals(v ...float64) []any {
	var out []any
	for _, x := range v {
		out = append(out, x)
	}
	return out
}

// column takes one column out of the rows of a name.
func endpointColumn(rec *Recording, name string, get func(*EndpointRow) float64) []float64 {
	var out []float64
	for i := range rec.Endpoints {
		if r := &rec.Endpoints[i]; r.Endpoint == name {
			out = append(out, get(r))
		}
	}
	return out
}

func serviceColumn(rec *Recording, name string, get func(*ServiceRow) float64) []float64 {
	var out []float64
	for i := range rec.Services {
		if r := &rec.Services[i]; r.Service == name {
			out = append(out, get(r))
		}
	}
	return out
}

func rpsOf(r *EndpointRow) float64       { return r.RPS }
func p95Of(r *EndpointRow) float64       { return r.P95Ms }
func errorRateOf(r *EndpointRow) float64 { return r.ErrorRate }
func cpuOf(r *ServiceRow) float64        { return r.CPUMillis }

var nan = math.NaN()

// wantNote checks that a note holds the text.
func wantNote(t *testing.T, rec *Recording, text string) {
	t.Helper()
	for _, n := range rec.Meta.Notes {
		if strings.Contains(n, text) {
			return
		}
	}
	t.Errorf("no note says %q:\n%s", text, strings.Join(rec.Meta.Notes, "\n"))
}

// TestImportPrometheus imports an answer to every kind of query at once and compares the whole recording.
func TestImportPrometheus(t *testing.T) {
	answers := answersOf(map[string][]byte{
		"endpoint_rps": answerText(
			promLine{"endpoint=home", t0 + 15, 15, vals(10, 20)},
			promLine{"endpoint=cart", t0 + 15, 15, vals(1, 2)}),
		"endpoint_p50_s":      answerText(promLine{"endpoint=home", t0 + 15, 15, vals(0.01, 0.02)}),
		"endpoint_p95_ms":     answerText(promLine{"endpoint=home", t0 + 15, 15, vals(30, 40)}),
		"endpoint_error_rate": answerText(promLine{"endpoint=home", t0 + 15, 15, vals(0, 0.25)}),
		"endpoint_mean_s":     answerText(promLine{"endpoint=home", t0 + 15, 15, vals(0.012, 0.015)}),
		"service_rps":         answerText(promLine{"destination_workload=web", t0 + 15, 15, vals(11, 22)}),
		"service_cpu_cores": answerText(
			promLine{"pod=web-5d9c7b8f4-x2v5k", t0 + 15, 15, vals(0.1, 0.2)},
			promLine{"pod=web-5d9c7b8f4-zzzzz", t0 + 15, 15, vals(nan, 0.3)},
			promLine{"pod=redis-0", t0 + 15, 15, vals(0.05, 0.05)}),
		"service_memory_bytes": answerText(promLine{"pod=redis-0", t0 + 15, 15, vals(1<<20, 3<<19)}),
		"service_replicas": answerText(
			promLine{"deployment=web", t0 + 15, 15, vals(1, 2)},
			promLine{"statefulset=redis", t0 + 15, 15, vals(1, 1)}),
		"service_ready": answerText(promLine{"deployment=web", t0 + 15, 15, vals(1, 1)}),
		"service_throttled_periods_per_s": answerText(
			promLine{"pod=web-5d9c7b8f4-x2v5k", t0 + 15, 15, vals(1, 2)},
			promLine{"pod=web-5d9c7b8f4-zzzzz", t0 + 15, 15, vals(nan, 4)}),
		"service_periods_per_s": answerText(
			promLine{"pod=web-5d9c7b8f4-x2v5k", t0 + 15, 15, vals(10, 10)},
			promLine{"pod=web-5d9c7b8f4-zzzzz", t0 + 15, 15, vals(nan, 10)}),
		"service_rx_bytes_per_s": answerText(promLine{"pod=redis-0", t0 + 15, 15, vals(1000, 2000)}),
		"service_cpu_limit_cores": answerText(
			promLine{"pod=web-5d9c7b8f4-x2v5k,container=app", t0 + 15, 15, vals(0.2, 0.2)},
			promLine{"pod=web-5d9c7b8f4-x2v5k,container=proxy", t0 + 15, 15, vals(0.1, 0.1)},
			promLine{"pod=web-5d9c7b8f4-zzzzz,container=app", t0 + 30, 15, vals(0.2)},
			promLine{"pod=web-5d9c7b8f4-zzzzz,container=proxy", t0 + 30, 15, vals(0.1)}),
		"service_cpu_request_cores": answerText(promLine{"pod=redis-0", t0 + 15, 15, vals(0.05, 0.05)}),
		"edge_rps": answerText(
			promLine{"source_workload=web,destination_workload=redis", t0 + 15, 15, vals(5, 0)},
			promLine{"source_workload=unknown,destination_workload=web", t0 + 15, 15, vals(5, 5)}),
		"edge_p95_ms":         answerText(promLine{"source_workload=web,destination_workload=redis", t0 + 15, 15, vals(2, 2)}),
		"node_cpu_cores":      answerText(promLine{"node=n1", t0 + 15, 15, vals(4, 4)}),
		"node_memory_bytes":   answerText(promLine{"node=n1", t0 + 15, 15, vals(1<<30, 1<<30)}),
		"node_cpu_used_cores": answerText(promLine{"instance=n1:10250", t0 + 15, 15, vals(1, 1.5)}),
	})
	rec, err := ImportPrometheus(answers, ImportOptions{Application: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	s := 15 * time.Second
	want := &Recording{
		Meta: Meta{Application: "shop", Interval: s, Start: time.Unix(t0, 0).UTC(), Source: "imported from answers of Prometheus", CPULimitMillis: map[string]float64{"web": 300}},
		Endpoints: []EndpointRow{
			{0, "cart", 1, nan, nan, nan, nan, nan},
			{0, "home", 10, 10, 30, nan, 0, 12},
			{s, "cart", 2, nan, nan, nan, nan, nan},
			{s, "home", 20, 20, 40, nan, 0.25, 15},
		},
		Services: []ServiceRow{
			{0, "redis", 1, nan, 50, 1, nan, nan, nan, nan, nan, 8, nan, nan, nan},
			{0, "web", 1, 1, 100, nan, 11, nan, nan, nan, nan, nan, nan, 0.1, nan},
			{s, "redis", 1, nan, 50, 1.5, nan, nan, nan, nan, nan, 16, nan, nan, nan},
			{s, "web", 2, 1, 500, nan, 22, nan, nan, nan, nan, nan, nan, 0.3, nan}, // throttled: (2+4)/(10+10)
		},
		Edges: []EdgeRow{{0, "web", "redis", 5, 2, nan}}, // at 15 s no calls were made
		Nodes: []NodeRow{{0, "n1", "", 4000, 1024, 1000, nan}, {s, "n1", "", 4000, 1024, 1500, nan}},
	}
	if d := cmp.Diff(want, rec, cmpopts.EquateNaNs(), cmpopts.EquateEmpty(), cmpopts.IgnoreFields(Meta{}, "Notes")); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	accepted(t, rec)
	wantNote(t, rec, "service_cpu_cores: 3 series by pod (without the ending that Kubernetes adds), 2 names, every 15 s; 1 series is not there all the time.")
	wantNote(t, rec, "CPU requests of one replica: redis 50 m.")
	wantNote(t, rec, "edge_rps: 1 series by destination_workload, source_workload, 1 name, every 15 s; 1 series without a name was left out.")
}

// TestCounters: counters become rates from sample to sample.
func TestCounters(t *testing.T) {
	for _, c := range []struct {
		name  string
		lines []promLine
		opt   ImportOptions
		want  []float64
		note  string
	}{
		{"a rate from sample to sample; the first has none before it", []promLine{{"endpoint=a", t0, 10, vals(100, 150, 150, 350)}}, ImportOptions{}, []float64{5, 0, 20}, "endpoint_requests_total: 1 series by endpoint, 1 name, every 10 s."},
		// 100, 150, then 20 after a restart: 20 were counted since, or more.
		{"a reset", []promLine{{"endpoint=a", t0, 10, vals(100, 150, 20, 40)}}, ImportOptions{}, []float64{5, 2, 2}, "1 counter reset."},
		{"resets of pods are found one by one", []promLine{
			{"endpoint=a,pod=x", t0, 10, vals(100, 200, 10, 20)},
			{"endpoint=a,pod=y", t0, 10, vals(0, 1000, 2000, 0)}}, ImportOptions{}, []float64{110, 101, 1}, "2 counter resets."},
		{"nothing is made up where samples are missing", []promLine{{"endpoint=a", t0, 10, vals(0, 10, 20, 30, nan, 100, 110)}}, ImportOptions{AllowGaps: true},
			[]float64{1, 1, 1, 1}, "1 sample is missing within series."},
		{"NaN is no count", []promLine{{"endpoint=a", t0, 10, append(vals(0, 10, 20), "NaN", 40.0, 50.0)}}, ImportOptions{AllowGaps: true},
			[]float64{1, 1, 1}, "1 value is NaN and counts as missing."},
		// Scrapes that jitter by ms, as the API gives them for x[1m]: the increase from one sample to the next is shared out.
		{"samples at times of their own", []promLine{
			{"endpoint=a,pod=x", t0, 10.001, vals(0, 10, 20, 30, 40)},
			{"endpoint=a,pod=y", t0 + 5, 9.999, vals(0, 20, 40, 60)}}, ImportOptions{Interval: 20 * time.Second}, []float64{2.5, 2.5}, "every 10 s"},
		// (0+100) in 10 s, then 10 in 10 s, joined to 20 s.
		{"joined to a longer interval", []promLine{{"endpoint=a", t0, 10, vals(0, 100, 110, 120, 130)}}, ImportOptions{Interval: 20 * time.Second}, []float64{5.5, 1}, ""},
	} {
		rec, err := ImportPrometheus(answersOf(map[string][]byte{"endpoint_requests_total": answerText(c.lines...)}), c.opt)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		got := endpointColumn(rec, "a", rpsOf)
		if d := cmp.Diff(c.want, got, cmpopts.EquateNaNs(), cmpopts.EquateApprox(0, 1e-3)); d != "" {
			t.Errorf("%s: -want +got\n%s", c.name, d)
		}
		if c.note != "" {
			wantNote(t, rec, c.note)
		}
		accepted(t, rec)
	}
}

// TestCountersKeepTheTotal: the requests of a recording are those that its counters counted, whatever the interval, and however often
// counters were reset.
func TestCountersKeepTheTotal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(4, 60).Draw(t, "samples")
		total := 0.0
		var lines []promLine
		for pod := range rapid.IntRange(1, 4).Draw(t, "pods") {
			var values []any
			count := rapid.Float64Range(0, 1e6).Draw(t, "first")
			for i := range n {
				if more := rapid.Float64Range(0, 1000).Draw(t, "more"); i > 0 {
					if rapid.IntRange(0, 9).Draw(t, "reset") == 0 {
						more = min(more, count/2)
						count = 0
					}
					count += more
					total += more
				}
				values = append(values, count)
			}
			lines = append(lines, promLine{fmt.Sprintf("endpoint=a,pod=p%d", pod), t0, 5, values})
		}
		whole := rapid.IntRange(1, 3).Draw(t, "interval in steps")
		// Only intervals that are known as a whole hold everything: the last one may be cut off.
		rec, err := ImportPrometheus(answersOf(map[string][]byte{"endpoint_requests_total": answerText(lines...)}),
			ImportOptions{Interval: time.Duration(5*whole) * time.Second, AllowGaps: true})
		if err != nil {
			t.Fatal(err)
		}
		if (n-1)%whole != 0 {
			return
		}
		sum := 0.0
		for _, v := range endpointColumn(rec, "a", rpsOf) {
			sum += v * float64(5*whole)
		}
		if math.Abs(sum-total) > 1e-6*total+1e-3 { // rates are kept to six decimals
			t.Fatalf("%v requests, counters say %v", sum, total)
		}
	})
}

// TestGauges: what becomes of rates, percentiles and replicas whose samples are not one for each row.
func TestGauges(t *testing.T) {
	all := func(name string, lines ...promLine) map[string][]byte {
		return map[string][]byte{name: answerText(lines...)}
	}
	with := func(m map[string][]byte, name string, lines ...promLine) map[string][]byte {
		m[name] = answerText(lines...)
		return m
	}
	endpoint := func(get func(*EndpointRow) float64) func(*Recording) []float64 {
		return func(r *Recording) []float64 { return endpointColumn(r, "a", get) }
	}
	service := func(get func(*ServiceRow) float64) func(*Recording) []float64 {
		return func(r *Recording) []float64 { return serviceColumn(r, "a", get) }
	}
	minute := ImportOptions{Interval: time.Minute}
	for _, c := range []struct {
		name    string
		answers map[string][]byte
		opt     ImportOptions
		get     func(*Recording) []float64
		want    []float64
		note    string
	}{
		{"infinities and NaN are empty cells", all("endpoint_rps",
			promLine{"endpoint=a", t0, 10, []any{1.0, "+Inf", "NaN", "-Inf", 2.0}}, promLine{"endpoint=b", t0, 10, vals(1, 1, 1, 1, 1)}),
			ImportOptions{}, endpoint(rpsOf), []float64{1, nan, nan, nan, 2}, "1 value is NaN and counts as missing; 2 values are infinite and count as missing"},
		{"a series that comes late is not known before", all("endpoint_rps",
			promLine{"endpoint=a", t0 + 20, 10, vals(3, 4)}, promLine{"endpoint=b", t0, 10, vals(1, 1, 1, 1)}),
			ImportOptions{}, endpoint(rpsOf), []float64{nan, nan, 3, 4}, "1 series is not there all the time"},
		{"or had no requests, if that is asked for", all("endpoint_rps",
			promLine{"endpoint=a", t0 + 20, 10, vals(3, 4)}, promLine{"endpoint=b", t0, 10, vals(1, 1, 1, 1)}),
			ImportOptions{AbsentIsZero: true}, endpoint(rpsOf), []float64{0, 0, 3, 4}, "2 missing rates beside others were set to 0"},
		{"and is filled, if that is asked for", all("endpoint_rps",
			promLine{"endpoint=a", t0, 10, vals(3, nan, nan, 5)}, promLine{"endpoint=b", t0, 10, vals(1, 1, 1, 1)}),
			ImportOptions{Fill: true}, endpoint(rpsOf), []float64{3, 3, 3, 5}, "2 empty cells were filled"},
		{"times without any value have no rows", all("endpoint_rps", promLine{"endpoint=a", t0, 10, vals(1, 1, 1, nan, nan, 2)}),
			ImportOptions{AllowGaps: true}, endpoint(rpsOf), []float64{1, 1, 1, 2}, "2 intervals of endpoints without any value in the answers"},
		{"the mean of several steps", all("endpoint_rps", promLine{"endpoint=a", t0 + 15, 15, vals(1, 2, 3, 4, 8, 8, 8, 8)}),
			minute, endpoint(rpsOf), []float64{2.5, 8}, ""},
		{"of those that are known", all("endpoint_rps", promLine{"endpoint=a", t0 + 15, 15, vals(1, 2, nan, 3, 8, nan, nan, nan, 1, 1, 1, 1)}),
			ImportOptions{Interval: time.Minute, AllowGaps: true}, endpoint(rpsOf), []float64{2, 1}, "1 interval is known in part, and its mean is that of the part"},
		{"the longest steps are the interval", with(all("endpoint_rps", promLine{"endpoint=a", t0 + 15, 15, vals(1, 2, 3, 4, 8, 8, 8, 8)}),
			"service_cpu_cores", promLine{"service=a", t0 + 30, 30, vals(1, 2, 3, 4)}), ImportOptions{}, endpoint(rpsOf), []float64{1.5, 3.5, 8, 8}, "Rows are every 30 s, the longest of the answers' steps"},
		// Steps of one answer begin 10 s after those of the other: a third of a row is the step before's.
		{"steps that begin at another time", with(all("endpoint_rps", promLine{"endpoint=a", t0 + 30, 30, vals(1, 1, 1, 1)}),
			"service_cpu_cores", promLine{"service=a", t0 + 40, 30, vals(0.003, 0.006, 0.009, 0.012)}), ImportOptions{}, service(cpuOf),
			[]float64{3, 5, 8, 11}, "its steps begin 10 s after those of the rows"},
		{"replicas are the last sample's", all("service_replicas", promLine{"service=a", t0 + 15, 15, vals(1, 2, 3, 4, 5, 5, 5, 2)}),
			minute, service(func(r *ServiceRow) float64 { return r.Replicas }), []float64{4, 2}, ""},
		{"replicas of a pod that is gone do not count", all("service_replicas",
			promLine{"service=a,pod=x", t0 + 15, 15, vals(1, 1, nan, nan, nan, nan, nan, nan)}, promLine{"service=a,pod=y", t0 + 15, 15, vals(1, 1, 1, 1, 1, 1, 1, 1)}),
			minute, service(func(r *ServiceRow) float64 { return r.Replicas }), []float64{1, 1}, ""},
		{"percentiles of shorter steps are left out", with(all("endpoint_rps", promLine{"endpoint=a", t0 + 15, 15, vals(1, 2, 3, 4)}),
			"endpoint_p95_ms", promLine{"endpoint=a", t0 + 15, 15, vals(10, 20, 30, 40)}), minute, endpoint(p95Of), []float64{nan},
			"4 values were left out, as percentiles of shorter steps cannot be joined"},
		// (0.1*30 + 0.5*10) / 40, of 30 and 10 requests/s.
		{"error rates are means over requests", with(all("endpoint_rps", promLine{"endpoint=a", t0 + 15, 15, vals(30, 10, 30, 10)}),
			"endpoint_error_rate", promLine{"endpoint=a", t0 + 15, 15, vals(0.1, 0.5, 0.1, 0.5)}), minute, endpoint(errorRateOf), []float64{0.2}, ""},
		{"or over time, where those are not known", all("endpoint_error_rate", promLine{"endpoint=a", t0 + 15, 15, vals(0.1, 0.5, 0.1, 0.5)}), minute, endpoint(errorRateOf), []float64{0.3},
			"1 interval is a mean over time, as the rate of requests is not known"},
		{"failures over requests", with(all("endpoint_rps", promLine{"endpoint=a", t0, 15, vals(10, 0, 10, 10)}),
			"endpoint_failures_per_s", promLine{"endpoint=a", t0, 15, vals(1, 0, nan, 11)}), ImportOptions{}, endpoint(errorRateOf), []float64{0.1, nan, 0, 1},
			"1 time without a counter of failures was taken as without failures; 1 time with more failures than requests has an error rate of 1"},
		{"shares a little above 1", all("endpoint_error_rate", promLine{"endpoint=a", t0, 15, vals(1.0000001, -1e-17, 0.5)}), ImportOptions{}, endpoint(errorRateOf), []float64{1, 0, 0.5},
			"1 value a little above 1 was set to 1; 1 value a little below 0 was set to 0"},
		{"the mean latency from a sum", with(all("endpoint_latency_s_sum", promLine{"endpoint=a", t0, 15, vals(0, 3, 3, 6)}),
			"endpoint_latency_count", promLine{"endpoint=a", t0, 15, vals(0, 30, 30, 90)}), ImportOptions{AllowGaps: true}, endpoint(func(r *EndpointRow) float64 { return r.MeanMs }), []float64{100, nan, 50}, ""},
		{"percentiles that do not rise", with(all("endpoint_p50_ms", promLine{"endpoint=a", t0, 15, vals(10, 50, 10)}),
			"endpoint_p95_ms", promLine{"endpoint=a", t0, 15, vals(20, 20, 20)}), ImportOptions{AllowGaps: true}, endpoint(p95Of), []float64{20, nan, 20}, "Percentiles of 1 row do not rise and were left out."},
		{"more ready than replicas", with(all("service_replicas", promLine{"service=a", t0, 15, vals(3, 1, 1)}),
			"service_ready", promLine{"service=a", t0, 15, vals(3, 3, 1)}), ImportOptions{}, service(func(r *ServiceRow) float64 { return r.Ready }), []float64{3, 1, 1},
			"ready was above replicas in 1 row, of pods that end, and was set to replicas."},
		{"all endpoints together", with(all("endpoint_rps", promLine{"endpoint=a", t0, 15, vals(3, 1, 1)}, promLine{"endpoint=b", t0, 15, vals(1, 1, 1)}),
			"endpoint_p95_ms", promLine{"", t0, 15, vals(3, 3, 1)}), ImportOptions{}, func(r *Recording) []float64 { return endpointColumn(r, TotalEndpoint, rpsOf) }, []float64{4, 2, 2},
			"The rate of all endpoints together is the sum of theirs."},
		{"the pause container and the pod's own cgroup do not count", all("service_cpu_cores",
			promLine{"pod=a-5d9c7b8f4-x2v5k,container=app", t0, 15, vals(1, 1, 1)}, promLine{"pod=a-5d9c7b8f4-x2v5k,container=POD", t0, 15, vals(1, 1, 1)},
			promLine{"pod=a-5d9c7b8f4-x2v5k", t0, 15, vals(1, 1, 1)}, promLine{"id=/", t0, 15, vals(9, 9, 9)}), ImportOptions{}, service(cpuOf), []float64{1000, 1000, 1000},
			"1 series of pause containers was left out; 1 series of whole pods beside their containers was left out; 1 series without a name was left out"},
		{"traffic is that of the pod's cgroup", all("service_rx_bytes_per_s", promLine{"pod=a-0,container=POD", t0, 15, vals(1000, 1000, 1000)}), ImportOptions{},
			service(func(r *ServiceRow) float64 { return r.RxKbps }), []float64{8, 8, 8}, ""},
		{"idle time of a node is not used", all("node_cpu_seconds_total", promLine{"instance=n:9100,mode=idle,cpu=0", t0, 10, vals(0, 6, 12)},
			promLine{"instance=n:9100,mode=user,cpu=0", t0, 10, vals(0, 4, 8)}), ImportOptions{},
			func(r *Recording) []float64 { return []float64{r.Nodes[0].CPUUsedMillis, r.Nodes[1].CPUUsedMillis} }, []float64{400, 400}, "1 series of idle time was left out"},
		{"what was scraped is not a name", all("service_cpu_cores", promLine{"service=kube-prometheus-kubelet,deployment=a", t0, 15, vals(1, 1, 1)}), ImportOptions{}, service(cpuOf), []float64{1000, 1000, 1000},
			"by deployment"},
		{"names of an application", all("service_cpu_cores", promLine{"deployment=productcatalogservice", t0, 15, vals(1, 1, 1)}), ImportOptions{Application: "online_boutique"},
			func(r *Recording) []float64 { return serviceColumn(r, "productcatalog", cpuOf) }, []float64{1000, 1000, 1000}, ""},
		{"names that are given", all("service_cpu_cores", promLine{"app=x", t0, 15, vals(1, 1, 1)}), ImportOptions{Labels: Labels{Service: []string{"app"}}, Rename: map[string]string{"x": "a"}},
			service(cpuOf), []float64{1000, 1000, 1000}, "by app"},
	} {
		rec, err := ImportPrometheus(answersOf(c.answers), c.opt)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := c.get(rec); !cmp.Equal(c.want, got, cmpopts.EquateNaNs(), cmpopts.EquateApprox(0, 1e-6)) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
		if c.note != "" {
			wantNote(t, rec, c.note)
		}
		accepted(t, rec)
	}
}

// TestRemarks: what a server remarks, and answers without series, are warnings that stay with the recording.
func TestRemarks(t *testing.T) {
	remarked := strings.Replace(string(answerText(promLine{"endpoint=a", t0, 15, vals(1, 1)})), `"data"`, `"warnings":["a store\nis away"],"infos":["no counter"],"data"`, 1)
	answers := answersOf(map[string][]byte{"endpoint_rps": []byte(remarked), "service_cpu_cores": answerText(),
		"service_rps": []byte(`{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"service":"a"},"histograms":[[1,{}]]}]}}`)})
	rec, err := ImportAnswers("prometheus:9090", answers, ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for i := range rec.Warnings {
		got = append(got, rec.Warnings[i].Error())
	}
	want := []string{
		"endpoint_rps.json: endpoint_rps: Prometheus remarked: a store\uFFFDis away",
		"endpoint_rps.json: endpoint_rps: Prometheus remarked: no counter",
		"service_rps.json: service_rps: Prometheus found no series; 1 series of native histograms was left out",
		"service_cpu_cores.json: service_cpu_cores: Prometheus found no series",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	wantNote(t, rec, "service_cpu_cores: Prometheus found no series.")
	wantNote(t, rec, "endpoint_rps: Prometheus remarked: no counter.")
	_, err = ImportAnswers("prometheus:9090", answers, ImportOptions{Point: "p"})
	wantErr(t, err, "importing prometheus:9090 as prometheus: option point is not for this importer")
	_, err = ImportPrometheus([]Answer{{Quantity: "queue", File: "queue.json"}}, ImportOptions{})
	wantErr(t, err, `queue.json: "queue" is not the name of anything that can be imported`)
}
