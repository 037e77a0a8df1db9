package sim_test

import (
	"math"
	"slices"
	"testing"

	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/simtest"
)

// TestStaticLoad: on a load of two levels the peak's replicas are those of the higher, the mean's those of the time-weighted mean, and neither
// changes them.
func TestStaticLoad(t *testing.T) {
	app := simtest.Chain(t)
	src, err := sim.NewScenarioSource(&sim.Scenario{Name: "step", Unit: "capacity", LengthS: 300, WarmupS: 60, NoiseTau: 30,
		Phases: []sim.Phase{{Level: 0.1, End: 0.1}, {StartS: 200, Level: 0.7, End: 0.7}}}, app)
	if err != nil {
		t.Fatal(err)
	}
	var ep sim.Episode
	if err := src.Episode(1, &ep); err != nil {
		t.Fatal(err)
	}
	nE := len(app.Endpoints)
	high := ep.RPS[(ep.Ticks-1)*nE:]
	mean := make([]float64, nE)
	for e := range mean {
		mean[e] = (200*ep.RPS[e] + 100*high[e]) / 300
	}
	for _, c := range []struct {
		name string
		peak bool
		rps  []float64
	}{{"mean", false, mean}, {"peak", true, high}} {
		want := make([]int, len(app.Services))
		sim.NewPlanner(app).Needed(c.rps, want)
		controller := &sim.StaticLoad{Peak: c.peak, Label: c.name}
		log := simtest.Run(t, app, &ep, controller, 1)
		spec := log.Replicas[len(log.Replicas)-len(app.Services):]
		for s := range spec { // the demand table of a scenario rounds the load up by at most 1 %
			if spec[s] < want[s] || spec[s] > want[s]+1 {
				t.Errorf("%s: %v replicas, want %v", c.name, spec, want)
			}
		}
		if !c.peak && !slices.Equal(spec, want) {
			t.Errorf("mean: %v replicas, want %v", spec, want)
		}
	}
	if err := (&sim.StaticLoad{}).Reset(app, 1); err == nil {
		t.Error("no episode: no error")
	}
}

// TestRateAtRequest: reads of 2 and writes of 3 CPU ms, half and half, leave 50-2 m of front room for 48/2.5 visits/s; logic has
// 100-5 m for 4 and 5 ms.
func TestRateAtRequest(t *testing.T) {
	app := simtest.Chain(t)
	for s, want := range []float64{48 / 2.5, 95 / 4.5} {
		if got := app.RateAtRequest(s, 0.5); math.Abs(got-want) > 1e-9*want {
			t.Errorf("service %s: %g visits/s at half its request, want %g", app.Services[s].Name, got, want)
		}
	}
	if got := app.RateAtRequest(0, 0.01); got != 0 {
		t.Errorf("less than an idle replica uses: %g visits/s, want 0", got)
	}
}
