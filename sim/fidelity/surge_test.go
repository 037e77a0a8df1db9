package fidelity

import (
	"math"
	"runtime"
	"testing"

	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/simtest"
)

func TestRMSEOverPeak(t *testing.T) {
	// Differences 0, 3, 4, 0: a mean square of 25/4, its root 2.5, the peak 10.
	if got := rmseOverPeak([]float64{0, 3, 14, 5}, []float64{0, 0, 10, 5}); math.Abs(got-0.25) > 1e-12 {
		t.Errorf("got %v, want 0.25", got)
	}
	if got := rmseOverPeak([]float64{0, 0}, []float64{0, 0}); got != 0 {
		t.Errorf("nothing against nothing: %v", got)
	}
}

// A surge is as long and as high as promised, and one seed gives one surge.
func TestNewSurge(t *testing.T) {
	for _, family := range simtest.Families {
		for seed := range uint64(50) {
			s, err := NewSurge(family, seed)
			if err != nil {
				t.Fatal(err)
			}
			if s.Over < 1.2 || s.Over > 2 || s.Base < 0.5 || s.Base > 0.8 || s.To-s.From < 30 || s.To-s.From > 60 || s.Ticks%sim.WindowTicks != 0 || s.Ticks <= s.To {
				t.Errorf("%s %d: %+v", family, seed, *s)
			}
			again, err := NewSurge(family, seed)
			if err != nil {
				t.Fatal(err)
			}
			if s.Over != again.Over || s.Ticks != again.Ticks {
				t.Errorf("%s %d: one seed gave two surges", family, seed)
			}
		}
	}
}

// newPatientDES has room for any backlog.
func newPatientDES(app *sim.App) (sim.Engine, error) {
	return sim.NewDES(app, sim.DESOptions{MaxVisits: 5_000_000})
}

// The same engine twice differs by the scatter of its arrivals alone: averaged over the seeds that is far below the bar
// where the backlog is large.
func TestSurgeOfOneEngine(t *testing.T) {
	s, err := NewSurge(simtest.Throttled, 1)
	if err != nil {
		t.Fatal(err)
	}
	c, err := CompareSurge(s, 4e6, newPatientDES, newPatientDES)
	if err != nil {
		t.Fatal(err)
	}
	if c.Error > SurgeBar/2 {
		t.Errorf("an error of %.3f\nwant %.0f\ngot  %.0f", c.Error, c.Want, c.Got)
	}
}

// TestSurgesAgainstDES holds the fluid engine to the request-level one where it is overloaded.
func TestSurgesAgainstDES(t *testing.T) {
	const full = 20 // surges of a family from which on the bar holds
	slack := map[simtest.Family]float64{simtest.Free: 12, simtest.Throttled: 4}
	lists := map[simtest.Family][]*SurgeComparison{}
	for _, family := range simtest.Families {
		list, err := CompareSurges(family, *surgesFlag, *visitsFlag, runtime.GOMAXPROCS(0), newPatientDES, newFluid)
		if err != nil {
			t.Fatal(err)
		}
		lists[family] = list
		bar := SurgeBar
		if *surgesFlag < full {
			bar *= slack[family]
		}
		if s := SurgeSpread(list); !(s.Median <= bar) || !(s.P90 <= 2*bar) {
			t.Errorf("%s: the backlog is wrong by %s %% of its peak; at most %.0f (%.0f)", family, s, 100*bar, 200*bar)
		}
	}
	t.Logf("\n%s", SurgeTable(lists))
}
