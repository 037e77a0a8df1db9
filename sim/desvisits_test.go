package sim_test

import (
	"math"
	"testing"

	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/simtest"
)

// TestCollectVisits: every visit that is served is collected once, with the mean that State gives, and none after nil.
func TestCollectVisits(t *testing.T) {
	app := simtest.Chain(t)
	d, err := sim.NewDES(app, sim.DESOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Reset(1, nil); err != nil {
		t.Fatal(err)
	}
	visits := make([]sim.Histogram, len(app.Services))
	served, sumMs := make([]float64, len(app.Services)), make([]float64, len(app.Services))
	d.CollectVisits(visits)
	load := sim.TickLoad{RPS: []float64{10, 10}, Arrivals: []float64{10, 10}}
	run := func(ticks int) {
		for range ticks {
			d.Step(load)
			if st := d.State(); st.Window > 0 {
				for s := range st.Services {
					n := st.Services[s].ServedRPS * float64(st.Window)
					served[s] += n
					sumMs[s] += n * st.Services[s].MeanMs
				}
			}
		}
	}
	run(30)
	d.CollectVisits(nil)
	for s := range visits {
		if got := visits[s].Count(); got != math.Round(served[s]) || got < 500 {
			t.Errorf("%s: %v visits collected, %v served", app.Services[s].Name, got, served[s])
		}
		if got, want := visits[s].MeanMs(), sumMs[s]/served[s]; math.Abs(got/want-1) > 0.016 {
			t.Errorf("%s: mean %v ms, State says %v", app.Services[s].Name, got, want)
		}
	}
	before := visits[0].Count()
	run(10)
	if visits[0].Count() != before {
		t.Error("collected after nil")
	}
}
