package validate

import (
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/trace"
)

// This file compares with two recordings of Online Boutique on real clusters that others published. Both are of other platforms
// and other versions of the application, and say little about CPU limits and load, so few numbers are taken from each to fix
// what our application file cannot know, and the rest is predicted.

// csvRow is a line of a CSV file: cells by column.
type csvRow map[string]string

func (r csvRow) number(t *testing.T, column string) float64 {
	t.Helper()
	if r[column] == "" {
		return trace.NoValue()
	}
	return parse(t, r[column])
}

func readCSV(t *testing.T, path string) []csvRow {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() // read only
	var in io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		if in, err = gzip.NewReader(f); err != nil {
			t.Fatal(err)
		}
	}
	all, err := csv.NewReader(in).ReadAll()
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	var out []csvRow
	for _, line := range all[1:] {
		row := csvRow{}
		for i, c := range all[0] {
			row[c] = line[i]
		}
		out = append(out, row)
	}
	return out
}

// changedApp decodes our application after change has been at its YAML.
func changedApp(t *testing.T, change func(app map[string]any)) *sim.App {
	t.Helper()
	data, err := os.ReadFile(appFile)
	if err != nil {
		t.Fatal(err)
	}
	var tree map[string]any
	if err := yaml.Unmarshal(data, &tree); err != nil {
		t.Fatal(err)
	}
	change(tree)
	if data, err = yaml.Marshal(tree); err != nil {
		t.Fatal(err)
	}
	app, err := sim.DecodeApp(bytes.NewReader(data), appFile+" changed")
	if err != nil {
		t.Fatal(err)
	}
	return app
}

// eachOp visits the operations of an application's YAML.
func eachOp(app map[string]any, f func(service string, op map[string]any)) {
	for _, s := range app["services"].([]any) {
		svc := s.(map[string]any)
		for _, o := range svc["operations"].([]any) {
			f(svc["name"].(string), o.(map[string]any))
		}
	}
}

// constant is a recording of one interval at a constant load.
func constant(app *sim.App, rps map[string]float64, replicas map[string]float64) *trace.Recording {
	rec := &trace.Recording{Meta: trace.Meta{Application: app.Name, Interval: 2 * time.Minute, CPULimitMillis: map[string]float64{}}}
	for _, e := range app.EndpointNames() {
		rec.Endpoints = append(rec.Endpoints, trace.EndpointRow{Endpoint: e, RPS: rps[e]})
	}
	for i := range app.Services {
		s := &app.Services[i]
		n := max(1, replicas[s.Name])
		rec.Meta.CPULimitMillis[s.Name] = s.CPULimitMillis
		rec.Services = append(rec.Services, trace.ServiceRow{Service: s.Name, Replicas: n, Ready: n})
	}
	return rec
}

// ourName is the name of a service in our files.
func ourName(service string) string {
	for _, s := range trace.ServiceNames() {
		if s.Kubernetes == service {
			return s.Name
		}
	}
	return service
}

// weighted is a weighted mean.
type weighted struct{ sum, weight float64 }

func (m *weighted) add(v, weight float64) {
	if trace.Has(v) {
		m.sum += v * weight
		m.weight += weight
	}
}

func (m *weighted) value() float64 { return m.sum / m.weight }

// nezhaEndpoints are its names of endpoints in ours.
var nezhaEndpoints = map[string]string{"home": "home", "product": "product", "view_cart": "cart_view", "add_to_cart": "cart_add", "set_currency": "set_currency", "checkout": "checkout"}

// nezhaDay is what is taken of the Nezha recording, minutes with faults left out.
type nezhaDay struct {
	cpuMs    map[string]float64              // by service: CPU per call
	callMs   map[string]float64              // by operation: median as the caller sees it
	rps      map[string]float64              // by endpoint
	latency  map[string]map[string]*weighted // by endpoint and column
	currency map[string]*weighted            // calls of the currency service: mean, p95 at the caller
	requests map[string]float64
}

func readNezha(t *testing.T, dir string) *nezhaDay {
	d := &nezhaDay{cpuMs: map[string]float64{}, callMs: map[string]float64{}, rps: map[string]float64{}, latency: map[string]map[string]*weighted{},
		currency: map[string]*weighted{"mean": {}, "p95": {}}, requests: map[string]float64{}}
	cpu, ops := map[string]*weighted{}, map[string]*weighted{}
	for _, r := range readCSV(t, filepath.Join(dir, "metrics.csv.gz")) {
		s := ourName(r["service"])
		if cpu[s] == nil {
			cpu[s], ops[s] = &weighted{}, &weighted{}
		}
		if r["campaign"] != "1" {
			cpu[s].add(r.number(t, "cpu_millicores"), 1)
			ops[s].add(r.number(t, "ops_per_s"), 1)
		}
	}
	for s := range cpu {
		d.cpuMs[s] = cpu[s].value() / ops[s].value()
	}
	calls := map[string]*weighted{}
	for _, r := range readCSV(t, filepath.Join(dir, "spans_per_minute.csv.gz")) {
		if r.number(t, "fault_overlap_s") > 0 || r["caller"] == "client" {
			continue
		}
		_, method, _ := strings.Cut(r["op"], "/")
		if method == "ConvertCurrency" {
			method = "Convert"
		}
		op, n := ourName(r["callee"])+"."+method, r.number(t, "count")
		if calls[op] == nil {
			calls[op] = &weighted{}
		}
		calls[op].add(r.number(t, "client_ms_p50"), n)
		if strings.HasPrefix(op, "currency.") {
			d.currency["mean"].add(r.number(t, "client_ms_mean"), n)
			d.currency["p95"].add(r.number(t, "client_ms_p95"), n)
		}
	}
	for op, m := range calls {
		d.callMs[op] = m.value()
	}
	total := 0.0
	for _, r := range readCSV(t, filepath.Join(dir, "endpoints_per_minute.csv.gz")) {
		if r.number(t, "fault_overlap_s") > 0 {
			continue
		}
		e, n := nezhaEndpoints[r["endpoint"]], r.number(t, "count")
		if d.latency[e] == nil {
			d.latency[e] = map[string]*weighted{"mean": {}, "p50": {}, "p95": {}}
		}
		for c, m := range d.latency[e] {
			m.add(r.number(t, "server_ms_"+c), n)
		}
		d.requests[e] += n
		total += n
	}
	for e, n := range d.requests {
		d.rps[e] = n / total * ops["frontend"].value()
	}
	return d
}

// app is our application with the CPU per call of the Nezha recording and waits that make its median calls as long as there: network,
// sidecars, databases. Nothing is fitted to anything else, in particular not to a tail.
func (d *nezhaDay) app(t *testing.T, outgoing map[string]float64) *sim.App {
	meanOut, weight := 0.0, 0.0
	for e, n := range d.requests {
		meanOut += n * (1 + 0.4*outgoing[e])
		weight += n
	}
	meanOut /= weight
	return changedApp(t, func(app map[string]any) {
		for _, s := range app["services"].([]any) {
			svc := s.(map[string]any)
			svc["base_cpu_m"] = 0
			delete(svc, "warmup")
			svc["replicas"] = map[string]any{"min": 1, "max": 1}
		}
		eachOp(app, func(service string, op map[string]any) {
			name := op["name"].(string)
			c, ok := d.cpuMs[service]
			if !ok { // redis is not in the recording: a call of cart holds it
				op["cpu_ms"], op["wake_ms"], op["wait_ms"] = 0.001, 0, 0
				return
			}
			op["wake_ms"] = 0
			switch median := d.callMs[service+"."+name]; {
			case service == "frontend": // split as 1 ms and 0.4 ms for each outgoing call, which is what is published of it
				op["cpu_ms"], op["wait_ms"] = c*(1+0.4*outgoing[name])/meanOut, 0
			case service == "checkout" || service == "recommendation": // their calls are most of it
				op["cpu_ms"], op["wait_ms"] = c, 0
			default:
				op["cpu_ms"], op["wait_ms"] = c, max(0, median-c)
			}
		})
	})
}

// nezha compares with one day of the Nezha recording.
func (s *study) nezha(t *testing.T) string {
	dir := dataDir("nezha")
	if dir == "" {
		return ""
	}
	d := readNezha(t, dir)
	outgoing := map[string]float64{}
	for e := range s.app.Endpoints {
		for _, c := range s.app.Ops[s.app.Endpoints[e].Op].Calls {
			outgoing[s.app.Endpoints[e].Name] += c.Mean
		}
	}
	app := d.app(t, outgoing)
	rec := constant(app, d.rps, nil)
	latency := Table{Header: []string{"what", "recorded mean", "fluid", "des", "recorded p50", "fluid", "des", "recorded p95", "fluid", "des"}}
	predicted := map[string]*Prediction{}
	for _, e := range engines {
		p, err := Replay(app, rec, Options{Engine: e.make})
		if err != nil {
			t.Fatal(err)
		}
		predicted[e.name] = p
	}
	line := func(name string, recorded map[string]*weighted, of func(*Interval) Values, columns ...string) {
		row := []string{name}
		for _, c := range []string{"mean", "p50", "p95"} {
			if !slices.Contains(columns, c) {
				row = append(row, "-", "-", "-")
				continue
			}
			want := recorded[c].value()
			row = append(row, significant(want))
			for _, e := range engines {
				v := of(&predicted[e.name].Intervals[0])
				got := map[string]float64{"mean": v.MeanMs, "p50": v.P50Ms, "p95": v.P95Ms}[c]
				row = append(row, fmt.Sprintf("%s %+.0f %%", significant(got), 100*(got/want-1)))
			}
		}
		latency.Rows = append(latency.Rows, row)
	}
	for i, e := range app.EndpointNames() {
		line(e, d.latency[e], func(x *Interval) Values { return x.Endpoints[i] }, "mean", "p50", "p95")
	}
	currency := app.ServiceIndex("currency")
	line("calls of currency", d.currency, func(x *Interval) Values { return x.Services[currency] }, "mean", "p95")
	latency.Notes = []string{fmt.Sprintf("ms. Currency uses %.0f %% of its 200 m at %.2f ms of CPU a call; predicted throttled periods: fluid %.0f %%, des %.0f %%. Percentiles of the recording are "+
		"weighted means of those of its minutes. The CPU of the frontend is known per request alone; its split gives set_currency, which calls nothing, too much.", 100*d.cpuMs["currency"]*predicted["des"].Intervals[0].Services[currency].RPS/200, d.cpuMs["currency"],
		100*predicted["fluid"].Intervals[0].Services[currency].Throttled, 100*predicted["des"].Intervals[0].Services[currency].Throttled)}
	return latency.Markdown() + "\n" + s.platform(d)
}

// platform compares CPU per call: what one speed factor would have to explain.
func (s *study) platform(d *nezhaDay) string {
	t := Table{Header: []string{"service", "CPU ms per call, Nezha", "ours, busy - idle", "ratio to idle"}}
	var ratios []float64
	for i := range s.app.Services {
		name := s.app.Services[i].Name
		theirs, ok := d.cpuMs[name]
		if !ok {
			continue
		}
		var busy, idle, weight float64
		for o := range s.app.Ops {
			if op := &s.app.Ops[o]; op.Service == i {
				w := s.visits(o, d.rps)
				busy, idle, weight = busy+w*op.CPUMs, idle+w*(op.CPUMs+op.WakeMs), weight+w
			}
		}
		ratio := theirs / (idle / weight)
		ratios = append(ratios, ratio)
		t.Rows = append(t.Rows, []string{name, significant(theirs), significant(busy/weight) + " - " + significant(idle/weight), significant(ratio)})
	}
	slices.Sort(ratios)
	t.Notes = []string{fmt.Sprintf("One speed factor for the platform would be %s; services lie between %s and %s of it.", significant(quantile(ratios, 0.5)),
		significant(ratios[0]/quantile(ratios, 0.5)), significant(ratios[len(ratios)-1]/quantile(ratios, 0.5)))}
	return t.Markdown()
}

// visits is how many visits an operation gets per second at given rates of the endpoints.
func (s *study) visits(op int, rps map[string]float64) float64 {
	var below func(o int) float64 // visits of op for one visit of o
	below = func(o int) float64 {
		if o == op {
			return 1
		}
		n := 0.0
		for _, c := range s.app.Ops[o].Calls {
			n += c.Mean * below(c.Op)
		}
		return n
	}
	n := 0.0
	for e := range s.app.Endpoints {
		n += rps[s.app.Endpoints[e].Name] * below(s.app.Endpoints[e].Op)
	}
	return n
}

// kedaReplicas is the usual number of replicas of the 6 h recording.
func kedaReplicas(t *testing.T, dir string) map[string]float64 {
	counts := map[string][]float64{}
	for _, r := range readCSV(t, filepath.Join(dir, "keda_6h_metrics.csv.gz")) {
		if n := r.number(t, "replicas_available"); trace.Has(n) {
			counts[ourName(r["service"])] = append(counts[ourName(r["service"])], n)
		}
	}
	out := map[string]float64{}
	for s, all := range counts {
		slices.Sort(all)
		out[s] = math.Round(quantile(all, 0.5))
	}
	return out
}

// kedaEndpoints are what the load generator's entries ask of our endpoints: a POST of the cart is followed to the cart.
var kedaEndpoints = map[string][]string{"home": {"home"}, "product": {"product"}, "add_to_cart": {"cart_add", "cart_view"}, "checkout": {"checkout"}}

// scaling compares with the recordings of a cluster under KEDA: latency below saturation, once saturation has fixed the speed of
// the platform, and start-up times.
func (s *study) scaling(t *testing.T) string {
	dir := dataDir("scaling")
	if dir == "" {
		return ""
	}
	return s.kedaLatency(t, dir) + "\n" + s.kedaStarts(t, dir)
}

// kedaLevel is all ten-minute segments of the 6 h recording with about the same load: means by entry of the load generator and column.
type kedaLevel map[string]map[string]*weighted

func (l kedaLevel) of(name, column string) float64 { return l[name][column].value() }

// ours are the rates of our endpoints.
func (l kedaLevel) ours() map[string]float64 {
	out := map[string]float64{}
	for name, list := range kedaEndpoints {
		for _, e := range list {
			out[e] += l.of(name, "rps")
		}
	}
	return out
}

// kedaLevels joins segments by load, in steps of 4 requests/s, the lowest first.
func kedaLevels(t *testing.T, dir string) []kedaLevel {
	rows := readCSV(t, filepath.Join(dir, "keda_6h_locust_endpoints.csv"))
	step := map[string]int{} // by segment
	for _, r := range rows {
		if r["endpoint"] == "all" {
			step[r["segment"]] = int(r.number(t, "rps") / 4)
		}
	}
	byStep := map[int]kedaLevel{}
	var order []int
	for _, r := range rows {
		k := step[r["segment"]]
		if byStep[k] == nil {
			byStep[k] = kedaLevel{}
			order = append(order, k)
		}
		if byStep[k][r["endpoint"]] == nil {
			byStep[k][r["endpoint"]] = map[string]*weighted{"rps": {}, "mean_ms": {}, "p95_ms": {}}
		}
		for column, m := range byStep[k][r["endpoint"]] {
			m.add(r.number(t, column), 1)
		}
	}
	slices.Sort(order)
	var out []kedaLevel
	for _, k := range order {
		out = append(out, byStep[k])
	}
	return out
}

// kedaLatency takes one number from the recording, the rate at which 200 users saturate four frontends, and predicts latency at
// the lower rates.
func (s *study) kedaLatency(t *testing.T, dir string) string {
	var saturated []float64
	for _, r := range readCSV(t, filepath.Join(dir, "keda_6h_locust.csv.gz")) {
		if v := r.number(t, "rps"); r["users"] == "200" && trace.Has(v) {
			saturated = append(saturated, v)
		}
	}
	slices.Sort(saturated)
	most := quantile(saturated, 0.5)
	levels := kedaLevels(t, dir)
	replicas := kedaReplicas(t, dir)
	entry := &s.app.Services[s.app.Entry]
	work := 0.0 // CPU ms a second of the frontend at saturation, on our platform
	for e := range s.app.Endpoints {
		work += levels[0].ours()[s.app.Endpoints[e].Name] * most / levels[0].of("all", "rps") * s.app.Ops[s.app.Endpoints[e].Op].CPUMs
	}
	speed := work / (replicas["frontend"] * (entry.CPULimitMillis - entry.BaseCPUMillis))
	app := changedApp(t, func(app map[string]any) { app["speed_factor"] = speed })
	table := Table{Header: []string{"requests/s", "endpoint", "recorded mean ms", "fluid", "des", "recorded p95 ms", "fluid", "des"}}
	for _, level := range levels {
		rps := level.of("all", "rps")
		if rps > 0.85*most { // the closed loop of users holds back what would pile up
			continue
		}
		rec := constant(app, level.ours(), replicas)
		predicted := map[string]*Prediction{}
		for _, e := range engines {
			p, err := Replay(app, rec, Options{Engine: e.make})
			if err != nil {
				t.Fatal(err)
			}
			predicted[e.name] = p
		}
		for _, name := range []string{"home", "product"} {
			i := slices.Index(app.EndpointNames(), name)
			line := []string{significant(rps), name}
			for _, c := range []struct {
				column string
				of     func(Values) float64
			}{{"mean_ms", func(v Values) float64 { return v.MeanMs }}, {"p95_ms", func(v Values) float64 { return v.P95Ms }}} {
				want := level.of(name, c.column)
				line = append(line, significant(want))
				for _, e := range engines {
					got := c.of(predicted[e.name].Intervals[0].Endpoints[i])
					line = append(line, fmt.Sprintf("%s %+.0f %%", significant(got), 100*(got/want-1)))
				}
			}
			table.Rows = append(table.Rows, line)
		}
	}
	table.Notes = []string{fmt.Sprintf("The platform's speed factor is %s: with it the %.0f frontends are saturated at the %.0f requests/s that 200 users reach. Everything else is our application file's.",
		significant(speed), replicas["frontend"], most)}
	return table.Markdown()
}

// kedaStarts compares the time from the decision to scale every service to its replicas being available.
func (s *study) kedaStarts(t *testing.T, dir string) string {
	const step = 30.0 // s between samples of the recording
	decided, target := map[string]float64{}, map[string]float64{}
	for _, r := range readCSV(t, filepath.Join(dir, "keda_burst_lstm_decisions.csv")) {
		if name := ourName(r["service"]); r["action"] == "scaled" && decided[name] == 0 {
			decided[name], target[name] = r.number(t, "ts"), r.number(t, "target")
		}
	}
	before, ready := map[string]float64{}, map[string]float64{}
	for _, r := range readCSV(t, filepath.Join(dir, "keda_burst_lstm.csv.gz")) {
		name, at, n := ourName(r["service"]), r.number(t, "ts"), r.number(t, "replicas_available")
		switch {
		case decided[name] == 0 || !trace.Has(n):
		case at < decided[name]:
			before[name] = n
		case ready[name] == 0 && n >= target[name] && before[name] < target[name]:
			ready[name] = at - decided[name]
		}
	}
	table := Table{Header: []string{"service", "replicas", "decision to available s", "predicted s"}}
	within := 0
	for i := range s.app.Services {
		svc := &s.app.Services[i]
		if ready[svc.Name] == 0 {
			continue
		}
		predicted := svc.StartupTime().Seconds()
		late := (svc.StartupTime() + svc.StartupJitter/2).Seconds() // of several replicas the last one counts
		if predicted <= ready[svc.Name] && late >= ready[svc.Name]-step {
			within++
		}
		table.Rows = append(table.Rows, []string{svc.Name, fmt.Sprintf("%.0f - %.0f", before[svc.Name], target[svc.Name]),
			fmt.Sprintf("%.0f - %.0f", max(0, ready[svc.Name]-step), ready[svc.Name]), fmt.Sprintf("%s - %s", significant((svc.StartupTime() - svc.StartupJitter/2).Seconds()), significant(late))})
	}
	table.Notes = []string{fmt.Sprintf("A sample every %.0f s. Predicted: from the earliest to the latest by the probes' period; the recorded time holds the scaler's own reaction too. Ranges overlap for %d of %d.",
		step, within, len(table.Rows))}
	return table.Markdown()
}
