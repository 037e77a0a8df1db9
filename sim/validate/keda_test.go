package validate

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"github.com/grlscaler/grlscaler/sim/trace"
)

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
