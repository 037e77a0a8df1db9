package validate

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/grlscaler/grlscaler/sim"
)

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
