package sim_test

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/simtest"
)

// hostileApp draws the text of an application at the edges of what is accepted: no time at all and hours of it, one worker
// and a thousand million, quotas of nearly nothing, calls of which one in a thousand is made and calls by the hundred.
func hostileApp(t *rapid.T) string {
	pick := func(label string, of ...float64) float64 { return rapid.SampledFrom(of).Draw(t, label) }
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format, args...) }
	n := rapid.IntRange(1, 5).Draw(t, "services")
	p("format: 1\nname: hostile\nspeed_factor: %v\nservices:\n", pick("speed", 0.001, 1, 1000))
	for s := range n {
		limit := pick("limit", 1, 2, 50, 1000, 1e6, 1e9)
		request := min(limit, pick("request", 1, 100))
		p("  - name: s%d\n    cpu_request_m: %v\n    cpu_limit_m: %v\n    base_cpu_m: %v\n    mem_request_mib: 1\n    mem_limit_mib: 10\n", s, request, limit, limit-max(1, limit*pick("base", 1, 0.5, 1e-9)))
		p("    replicas: {min: 1, max: %d}\n    startup: {fixed_s: %v, jitter_s: %v, cpu_ms: %v}\n", rapid.IntRange(1, 4).Draw(t, "max"), pick("fixed", 0, 3, 1e6), pick("jitter", 0, 1e6), pick("start", 0, 100, 1e7))
		p("    warmup: {calls: %v, factor: %v}\n    grace_s: %v\n    stateful: %v\n", pick("calls", 0, 1, 1e12), pick("factor", 1, 1000), pick("grace", 0, 5, 1e6), rapid.Bool().Draw(t, "stateful"))
		p("    workers: %v\n    cores: %v\n    max_visits: %v\n    balancing: %s\n", int(pick("workers", 0, 1, 1e9)), pick("cores", 1, 4096), int(pick("visits", 0, 1, 1e9)), rapid.SampledFrom(sim.Balancings).Draw(t, "balancing"))
		p("    mem_base_mib: %v\n    mem_per_rps_mib: %v\n    operations:\n", pick("mem", 0, 5, 1e12), pick("rps", 0, 1e12))
		for o := range rapid.IntRange(1, 2).Draw(t, "ops") {
			p("      - {name: o%d, cpu_ms: %v, wake_ms: %v, cv: %v, wait_ms: %v, wait_cv: %v, parallel: %v, calls: [", o, pick("cpu", 1e-9, 0.1, 10, 1e7),
				pick("wake", 0, 1, 1e7), pick("cv", 0, 1, 100), pick("wait", 0, 1, 1e7), pick("wcv", 0, 1, 100), rapid.Bool().Draw(t, "parallel"))
			for c := s + 1; c < n; c++ {
				if rapid.Bool().Draw(t, "call") {
					p("{op: s%d.o0, mean: %v, timeout_ms: %v, optional: %v, retries: %d, retry_budget: %v}, ", c, pick("mean", 1e-3, 1, 1.5, 6), pick("timeout", 0, 1e-6, 50, 1e9),
						rapid.Bool().Draw(t, "optional"), int(pick("retries", 3, 100)), pick("budget", 0, 0.2, 1e12))
				}
			}
			p("]}\n")
		}
	}
	p("endpoints:\n  - {name: a, op: s0.o0, weight: 1, slo_ms: %v, retries: %d}\n  - {name: b, op: s0.o0, weight: %v, slo_ms: 1e3, timeout_ms: 1e9}\n",
		pick("slo", 1e-9, 100, 3e4), rapid.SampledFrom([]int{0, 2, 100}).Draw(t, "client"), pick("weight", 0, 1, 1e12))
	p("pools:\n  - {name: a, nodes: %d, cpu_m: %v, mem_mib: %v, speed_factor: %v, price_per_core_hour: 1e-9}\n", rapid.IntRange(1, 3).Draw(t, "nodes"), pick("node", 500, 4000, 1e9), pick("nodemem", 8, 1e12),
		pick("nodespeed", 0.001, 1, 1000))
	return b.String()
}

// Whatever application is accepted runs under no load, some, and far too much, under scaling up and down, to quotas of next
// to nothing: numbers stay finite and not negative, nothing panics, nothing goes on for ever.
func TestHostileApplications(t *testing.T) {
	for name, newEngine := range map[string]func(*sim.App) (sim.Engine, error){
		"fluid": func(a *sim.App) (sim.Engine, error) { return sim.NewFluid(a, sim.FluidOptions{FitVisits: 1e4}) },
		"des":   func(a *sim.App) (sim.Engine, error) { return sim.NewDES(a, sim.DESOptions{MaxVisits: 1000}) },
	} {
		t.Run(name, func(t *testing.T) {
			accepted, drawn := 0, 0
			rapid.Check(t, func(t *rapid.T) {
				text := hostileApp(t)
				drawn++
				app, err := sim.DecodeApp(strings.NewReader(text), "hostile.yaml")
				if err != nil {
					return
				}
				accepted++
				skipFit(t, app)
				engine, err := newEngine(app)
				if err != nil {
					t.Fatal(err)
				}
				runHostile(t, app, engine)
			})
			if 2*accepted < drawn {
				t.Errorf("only %d of %d applications were accepted", accepted, drawn)
			}
		})
	}
}

// skipFit spares the measurement of the fluid engine's response, which takes most of the time, mostly.
func skipFit(t *rapid.T, app *sim.App) {
	if rapid.IntRange(0, 19).Draw(t, "fit") != 5 {
		sim.UseNeutralResponse(app)
	}
}

func runHostile(t *rapid.T, app *sim.App, engine sim.Engine) {
	if err := engine.Reset(1, nil); err != nil {
		t.Fatal(err)
	}
	load := sim.TickLoad{RPS: make([]float64, len(app.Endpoints)), Arrivals: make([]float64, len(app.Endpoints))}
	latencies := make([]sim.Histogram, len(app.Endpoints))
	for tick := range 60 {
		if tick%10 == 0 {
			level := rapid.SampledFrom([]float64{0, 0.01, 5, 50}).Draw(t, "rps")
			for e := range load.RPS {
				load.RPS[e], load.Arrivals[e] = level, math.Ceil(level)
			}
			s := rapid.IntRange(0, len(app.Services)-1).Draw(t, "service")
			engine.Scale(sim.ScaleRequest{Service: s, Replicas: rapid.IntRange(-1, 6).Draw(t, "replicas"), Pool: sim.AnyPool,
				QuotaMillis: rapid.SampledFrom([]float64{0, 1e-9, 1, 1e12}).Draw(t, "quota")})
		}
		now := load
		if tick == 25 && rapid.IntRange(0, 29).Draw(t, "flood") == 7 {
			now = sim.TickLoad{RPS: []float64{1e7, 1e12}, Arrivals: []float64{1e7, 1e12}}
		}
		engine.Step(now)
		finite(t, tick, reflect.ValueOf(*engine.State()), "State")
		if engine.State().Window > 0 {
			engine.AddLatencies(latencies)
		}
	}
	for e := range latencies {
		h := &latencies[e]
		for _, x := range []float64{h.Count(), h.MeanMs(), h.QuantileMs(0.5), h.QuantileMs(0.99)} {
			if !(x >= 0) || math.IsInf(x, 0) {
				t.Fatalf("latencies of endpoint %d: count %v, mean %v", e, h.Count(), h.MeanMs())
			}
		}
	}
}

// finite fails where a number of the state is negative or not finite.
func finite(t *rapid.T, tick int, v reflect.Value, path string) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			finite(t, tick, v.Field(i), path+"."+v.Type().Field(i).Name)
		}
	case reflect.Slice:
		for i := range v.Len() {
			finite(t, tick, v.Index(i), fmt.Sprintf("%s[%d]", path, i))
		}
	case reflect.Float64:
		if x := v.Float(); !(x >= -1e-6) || math.IsInf(x, 0) {
			t.Fatalf("tick %d: %s = %v", tick, path, x)
		}
	case reflect.Int:
		if v.Int() < 0 {
			t.Fatalf("tick %d: %s = %v", tick, path, v.Int())
		}
	}
}

// On the same applications environments give finite observations and rewards, and the demand curve stays within bounds.
func TestHostileEnvironments(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		app, err := sim.DecodeApp(strings.NewReader(hostileApp(t)), "hostile.yaml")
		if err != nil {
			return
		}
		skipFit(t, app)
		if c := sim.NewPlanner(app).Capacity([]float64{1, 0}); !(c >= 0) || math.IsInf(c, 0) {
			t.Fatalf("capacity %v", c)
		}
		source, err := sim.NewScenarioSource(&sim.Scenario{Name: "hostile", Unit: "rps", LengthS: 90, WarmupS: 30, NoiseTau: 30, NoiseMax: 0.5,
			Phases: []sim.Phase{{StartS: 0, Level: 0, End: 0}, {StartS: 20, Level: 5, End: 1e7}, {StartS: 60, Level: 1e-9, End: 3}}}, app)
		if err != nil {
			t.Fatal(err)
		}
		cfg := sim.DefaultEnvConfig()
		cfg.NumEnvs, cfg.Workers = 1, 1
		env, err := sim.NewVecEnv(app, cfg, source, 1, func() (sim.Engine, error) { return sim.NewFluid(app, sim.FluidOptions{FitVisits: 1e4}) })
		if err != nil {
			t.Fatal(err)
		}
		d := simtest.NewDriver(env, 1)
		if err := env.Reset(1, d.Obs); err != nil {
			t.Fatal(err)
		}
		for range 12 {
			if err := d.Step(); err != nil {
				t.Fatal(err)
			}
			for _, part := range [][]float32{d.Obs.Services, d.Obs.Nodes, d.Obs.Edges, d.Obs.RunsOn, d.Obs.Scalars, d.Rewards} {
				for i, x := range part {
					if x := float64(x); math.IsNaN(x) || math.IsInf(x, 0) {
						t.Fatalf("number %d of an observation or reward is %v", i, x)
					}
				}
			}
		}
	})
}
