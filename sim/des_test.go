package sim

import (
	"math"
	"testing"
)

func newDES(tb testing.TB, app *App, replicas []int) *DES {
	tb.Helper()
	d, err := NewDES(app, DESOptions{})
	if err != nil {
		tb.Fatal(err)
	}
	if err := d.Reset(1, replicas); err != nil {
		tb.Fatal(err)
	}
	return d
}

// BenchmarkEngineStepDES reports visits per second of real time. Online Boutique near its limits.
func BenchmarkDES(b *testing.B) {
	b.Run("services=11", func(b *testing.B) {
		app := onlineBoutique(b)
		rps := mixOf(app, 200)
		needed := make([]int, len(app.Services))
		if !NewPlanner(app).Needed(rps, needed) {
			b.Fatal("the load is beyond capacity")
		}
		d := newDES(b, app, needed)
		for e := range rps {
			rps[e] = math.Round(rps[e])
		}
		load := TickLoad{rps, rps}
		for range 60 {
			d.Step(load)
		}
		visits := 0.0
		b.ReportAllocs()
		for b.Loop() {
			d.Step(load)
			if w := d.State().Window; w > 0 {
				for s := range d.State().Services {
					visits += d.State().Services[s].ServedRPS * float64(w)
				}
			}
		}
		b.ReportMetric(visits/b.Elapsed().Seconds(), "visits/s")
	})
}
