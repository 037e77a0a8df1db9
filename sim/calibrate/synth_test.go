package calibrate

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/rng"
	"github.com/grlscaler/grlscaler/sim/trace"
	"github.com/grlscaler/grlscaler/sim/validate"
)

// shop is the application of the tests: a front with two endpoints, one of which calls a lot, and two services below.
const shop = `format: 1
name: shop
services:
  - name: front # the way in
    cpu_request_m: 100
    cpu_limit_m: 600
    mem_request_mib: 64
    mem_limit_mib: 128
    replicas: {min: 1, max: 4}
    base_cpu_m: 8
    operations:
      - name: page
        cpu_ms: 16
        wake_ms: 12
        cv: 0.4
        wait_ms: 12
        wait_cv: 0.5
        calls:
          - {op: list.Get, mean: 3}
          - {op: price.Get}
      - {name: ping, cpu_ms: 6, wake_ms: 2.4, cv: 0.4, wait_ms: 4, wait_cv: 0.5}
  - name: list
    cpu_request_m: 100
    cpu_limit_m: 400
    mem_request_mib: 64
    mem_limit_mib: 128
    replicas: {min: 1, max: 4}
    startup: {fixed_s: 4, cpu_ms: 6000}
    base_cpu_m: 6
    operations: [{name: Get, cpu_ms: 4, wake_ms: 3, cv: 0.5, wait_ms: 3, wait_cv: 0.5}] # from a benchmark
  - name: price
    cpu_request_m: 100
    cpu_limit_m: 1000
    mem_request_mib: 64
    mem_limit_mib: 128
    replicas: {min: 1, max: 4}
    base_cpu_m: 5
    operations: [{name: Get, cpu_ms: 10, wake_ms: 3.2, cv: 0.5, wait_ms: 8, wait_cv: 0.5}]
endpoints:
  - {name: page, op: front.page, weight: 3, slo_ms: 200}
  - {name: ping, op: front.ping, weight: 1, slo_ms: 200}
pools:
  - {name: general, nodes: 4, cpu_m: 4000, mem_mib: 8000, price_per_core_hour: 0.04}
`

// guess is shop with other numbers: what a calibration starts from.
func guess() Source {
	r := strings.NewReplacer(
		"base_cpu_m: 8", "base_cpu_m: 18", "cpu_ms: 16\n", "cpu_ms: 24\n", "wake_ms: 12", "wake_ms: 6", "wait_ms: 12", "wait_ms: 20",
		"cpu_ms: 6, wake_ms: 2.4", "cpu_ms: 4, wake_ms: 1.2", "wait_ms: 4,", "wait_ms: 1.6,", "cpu_ms: 6000", "cpu_ms: 4000", "fixed_s: 4", "fixed_s: 9",
		"base_cpu_m: 6", "base_cpu_m: 2", "cpu_ms: 4, wake_ms: 3", "cpu_ms: 3, wake_ms: 5", "wait_ms: 3", "wait_ms: 5",
		"base_cpu_m: 5", "base_cpu_m: 12", "cpu_ms: 10, wake_ms: 3.2", "cpu_ms: 14, wake_ms: 1.6", "wait_ms: 8", "wait_ms: 4")
	return Source{Name: "shop.yaml", Data: []byte(r.Replace(shop))}
}

func decode(t testing.TB, text string) *sim.App {
	t.Helper()
	app, err := sim.DecodeApp(bytes.NewReader([]byte(text)), "shop.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return app
}

func des(app *sim.App) (sim.Engine, error) { return sim.NewDES(app, sim.DESOptions{}) }

// stage is what a synthetic recording does for some intervals.
type stage struct {
	intervals int
	rps       []float64
	replicas  []int
}

// record runs the request-level engine and writes down what a recorder of services and endpoints would.
func record(t testing.TB, app *sim.App, name string, interval time.Duration, seed uint64, stages ...stage) validate.Named {
	t.Helper()
	engine, err := des(app)
	if err != nil {
		t.Fatal(err)
	}
	if err := engine.Reset(seed, stages[0].replicas); err != nil {
		t.Fatal(err)
	}
	stream := rng.New(seed, "recorder")
	load := sim.TickLoad{Arrivals: make([]float64, len(app.Endpoints))}
	arrived := make([]float64, len(app.Endpoints))
	step := func(rps []float64) {
		load.RPS = rps
		for e, r := range rps {
			load.Arrivals[e] = stream.Poisson(r)
			arrived[e] += load.Arrivals[e]
		}
		engine.Step(load)
	}
	for range 10 {
		step(stages[0].rps)
	}
	rec := &trace.Recording{Meta: trace.Meta{Application: app.Name, Interval: interval, CPULimitMillis: map[string]float64{}}}
	for s := range app.Services {
		rec.Meta.CPULimitMillis[app.Services[s].Name] = app.Services[s].CPULimitMillis
	}
	at := time.Duration(0)
	for i, st := range stages {
		for k := range st.intervals {
			clear(arrived)
			sums := make([]simulatedService, len(app.Services))
			latencies := make([]sim.Histogram, len(app.Endpoints))
			ticks := int(interval / sim.Tick)
			for tick := range ticks {
				if i > 0 && k == 0 && tick == ticks/2 { // in the middle of an interval, where a recorder would guess it
					for s, n := range st.replicas {
						engine.Scale(sim.ScaleRequest{Service: s, Replicas: n, Pool: sim.AnyPool})
					}
				}
				step(st.rps)
				if w := float64(engine.State().Window); w > 0 {
					for s := range sums {
						v := &engine.State().Services[s]
						sums[s].cpu += v.CPUUsedMillis * w
						sums[s].visits += v.ServedRPS * w
						sums[s].mean += v.MeanMs * v.ServedRPS * w
						sums[s].throttled += v.Throttled * w
					}
					engine.AddLatencies(latencies)
				}
			}
			seconds := interval.Seconds()
			no := trace.NoValue()
			for e := range app.Endpoints {
				h := &latencies[e]
				row := trace.EndpointRow{At: at, Endpoint: app.Endpoints[e].Name, RPS: arrived[e] / seconds, P50Ms: no, P95Ms: no, P99Ms: no, MeanMs: no}
				if h.Count() > 0 {
					row.P50Ms, row.P95Ms, row.P99Ms, row.MeanMs = h.QuantileMs(0.5), h.QuantileMs(0.95), h.QuantileMs(0.99), h.MeanMs()
				}
				rec.Endpoints = append(rec.Endpoints, row)
			}
			for s := range app.Services {
				v, x := &engine.State().Services[s], &sums[s]
				row := trace.ServiceRow{At: at, Service: app.Services[s].Name, Replicas: float64(v.Ready + v.Starting), Ready: float64(v.Ready), CPUMillis: x.cpu / seconds,
					MemMiB: no, RPS: x.visits / seconds, P50Ms: no, P95Ms: no, P99Ms: no, ErrorRate: 0, RxKbps: no, TxKbps: no, Throttled: x.throttled / seconds, MeanMs: no}
				if x.visits > 0 {
					row.MeanMs = x.mean / x.visits
				}
				rec.Services = append(rec.Services, row)
			}
			at += interval
		}
	}
	if err := rec.Check(); err != nil {
		t.Fatal(err)
	}
	return validate.Named{Name: name, Recording: rec}
}

// grid records shop at 14 steady points of a minute: light to near saturation, one to three replicas, three mixes.
func grid(t testing.TB, app *sim.App, seed uint64) []validate.Named {
	var recs []validate.Named
	for i, p := range []stage{
		{rps: []float64{1, 0.5}, replicas: []int{1, 1, 1}},
		{rps: []float64{1, 0.5}, replicas: []int{3, 3, 3}},
		{rps: []float64{3, 12}, replicas: []int{1, 1, 1}},
		{rps: []float64{0.5, 40}, replicas: []int{1, 1, 1}},
		{rps: []float64{6, 2}, replicas: []int{1, 1, 1}},
		{rps: []float64{14, 2}, replicas: []int{1, 1, 1}},
		{rps: []float64{20, 2}, replicas: []int{1, 1, 1}},
		{rps: []float64{14, 7}, replicas: []int{2, 1, 1}},
		{rps: []float64{24, 3}, replicas: []int{2, 2, 1}},
		{rps: []float64{32, 3}, replicas: []int{2, 2, 2}},
		{rps: []float64{28, 25}, replicas: []int{3, 3, 3}},
		{rps: []float64{36, 3}, replicas: []int{3, 2, 2}},
		{rps: []float64{42, 20}, replicas: []int{3, 3, 3}},
		{rps: []float64{26, 0.5}, replicas: []int{3, 1, 1}},
	} {
		p.intervals = 1
		recs = append(recs, record(t, app, fmt.Sprintf("p%02d", i), time.Minute, rng.Derive(seed, "point", i), p))
	}
	return recs
}
