package sim_test

import (
	"fmt"
	"log"
	"strings"
	"time"

	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/hpa"
)

const shop = `
format: 1
name: shop
services:
  - name: web
    cpu_request_m: 100
    cpu_limit_m: 200
    mem_request_mib: 64
    mem_limit_mib: 128
    replicas: {min: 1, max: 10}
    startup: {fixed_s: 5}
    operations:
      - {name: page, cpu_ms: 4, cv: 0.5, calls: [{op: db.query, mean: 3}]}
  - name: db
    cpu_request_m: 100
    cpu_limit_m: 200
    mem_request_mib: 64
    mem_limit_mib: 128
    replicas: {min: 1, max: 10}
    startup: {fixed_s: 5}
    operations:
      - {name: query, cpu_ms: 1, cv: 0.5}
endpoints:
  - {name: page, op: web.page, weight: 1, slo_ms: 200}
pools:
  - {name: general, nodes: 3, cpu_m: 4000, mem_mib: 8000, price_per_core_hour: 0.04}
`

const surge = `
format: 1
name: surge
unit: rps
length_s: 300
warmup_s: 300
phases:
  - {start_s: 0, level: 20}
  - {start_s: 60, level: 120}
`

// watch prints the replicas of each service once a minute.
type watch struct{ app *sim.App }

func (w *watch) RecordDecision(*sim.DecisionRecord) {}
func (w *watch) RecordInterval(*sim.IntervalRecord) {}

func (w *watch) RecordTick(t *sim.TickRecord) {
	if !t.Counted || t.At%time.Minute != 0 {
		return
	}
	fmt.Printf("%v:", t.At)
	for s := range w.app.Services {
		fmt.Printf(" %s %d of %d needed,", w.app.Services[s].Name, t.State.Services[s].Ready, t.Needed[s])
	}
	fmt.Printf(" p95 of web %.0f ms\n", t.State.Services[0].P95Ms)
}

// What would an HPA with a CPU target of 60 % have done when the load rose sixfold?
func Example() {
	app, err := sim.DecodeApp(strings.NewReader(shop), "shop.yaml")
	if err != nil {
		log.Fatal(err)
	}
	scenario, err := sim.DecodeScenario(strings.NewReader(surge), "surge.yaml")
	if err != nil {
		log.Fatal(err)
	}
	load, err := sim.NewScenarioSource(scenario, app)
	if err != nil {
		log.Fatal(err)
	}
	engine, err := sim.NewFluid(app, sim.FluidOptions{})
	if err != nil {
		log.Fatal(err)
	}
	controller, err := sim.NewHPASet(hpa.Set{CPUPercent: 60})
	if err != nil {
		log.Fatal(err)
	}
	var episode sim.Episode
	if err := load.Episode(1, &episode); err != nil {
		log.Fatal(err)
	}
	if err := sim.RunController(app, engine, &episode, controller, 1, sim.DefaultMetricsConfig(), &watch{app}); err != nil {
		log.Fatal(err)
	}
	// Output:
	// 6m0s: web 2 of 1 needed, db 2 of 1 needed, p95 of web 15 ms
	// 7m0s: web 10 of 3 needed, db 8 of 3 needed, p95 of web 15 ms
	// 8m0s: web 10 of 3 needed, db 8 of 3 needed, p95 of web 15 ms
	// 9m0s: web 10 of 3 needed, db 8 of 3 needed, p95 of web 15 ms
	// 10m0s: web 10 of 3 needed, db 8 of 3 needed, p95 of web 15 ms
}

// What does a second replica buy at 40 pages a second? Every request is simulated, arrivals and service times are the same.
func ExampleDES() {
	app, err := sim.DecodeApp(strings.NewReader(shop), "shop.yaml")
	if err != nil {
		log.Fatal(err)
	}
	engine, err := sim.NewDES(app, sim.DESOptions{})
	if err != nil {
		log.Fatal(err)
	}
	for _, replicas := range [][]int{{1, 1}, {2, 1}} {
		if err := engine.Reset(1, replicas); err != nil {
			log.Fatal(err)
		}
		latencies := make([]sim.Histogram, len(app.Endpoints))
		throttled, windows := 0.0, 0.0
		for range 120 { // seconds
			engine.Step(sim.TickLoad{RPS: []float64{40}, Arrivals: []float64{40}})
			if st := engine.State(); st.Window > 0 {
				engine.AddLatencies(latencies)
				throttled += st.Services[0].Throttled
				windows++
			}
		}
		fmt.Printf("%d of web: %v pages, mean %.0f ms, p95 %.0f ms, web throttled in %.0f %% of its periods\n",
			replicas[0], latencies[0].Count(), latencies[0].MeanMs(), latencies[0].QuantileMs(0.95), 100*throttled/windows)
	}
	// Output:
	// 1 of web: 4800 pages, mean 26 ms, p95 108 ms, web throttled in 46 % of its periods
	// 2 of web: 4800 pages, mean 9 ms, p95 18 ms, web throttled in 2 % of its periods
}
