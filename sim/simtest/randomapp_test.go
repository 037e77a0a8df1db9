package simtest_test

import (
	"math"
	"testing"

	"github.com/grlscaler/grlscaler/sim/simtest"
)

// What the doc comment promises, over 200 seeds of each family.
func TestRandomAppsKeepTheirPromises(t *testing.T) {
	for _, family := range simtest.Families {
		t.Run(family.String(), func(t *testing.T) {
			var busy [9]int // by tenth of utilisation
			minServices, maxServices, maxRPS := 1000, 0, 0.0
			for seed := range uint64(200) {
				a, err := simtest.NewRandomApp(family, seed)
				if err != nil {
					t.Fatal(err)
				}
				n := len(a.App.Services)
				minServices, maxServices = min(minServices, n), max(maxServices, n)
				for _, r := range a.RPS {
					maxRPS = max(maxRPS, r)
				}
				busy[min(8, int(a.Utilisation*10))]++
				if a.Utilisation < 0.049 || a.Utilisation > 0.901 {
					t.Errorf("seed %d: the busiest service is %.3f busy", seed, a.Utilisation)
				}
				s := &a.App.Services[a.Busiest]
				if binds := s.CPULimitMillis < 1000*float64(s.Cores); binds != (family == simtest.Throttled) {
					t.Errorf("seed %d: a limit of %v m on %d cores", seed, s.CPULimitMillis, s.Cores)
				}
				if family == simtest.Throttled && (a.PeriodVisits < 0.2 || a.PeriodVisits > 60) {
					t.Errorf("seed %d: %.1f visits per period", seed, a.PeriodVisits)
				}
				st := simtest.NewDES(t, a.App) // the fluid engine would be fitted to each
				if err := st.Reset(1, nil); err != nil {
					t.Fatal(err)
				}
				for i := range st.State().Services {
					if st.State().Services[i].Pending > 0 {
						t.Errorf("seed %d: no room for the pods of %s", seed, a.App.Services[i].Name)
					}
				}
			}
			if minServices > 4 || maxServices < 28 {
				t.Errorf("%d to %d services, want 3 to 30", minServices, maxServices)
			}
			for i, n := range busy {
				if n < 8 { // 200 seeds over 8.5 tenths: about 23 each, 12 in the first
					t.Errorf("only %d of 200 are %d0 to %d0 %% busy", n, i, i+1)
				}
			}
		})
	}
}

func TestRandomAppIsReproducible(t *testing.T) {
	a, err := simtest.NewRandomApp(simtest.Throttled, 7)
	if err != nil {
		t.Fatal(err)
	}
	b, err := simtest.NewRandomApp(simtest.Throttled, 7)
	if err != nil {
		t.Fatal(err)
	}
	if a.YAML != b.YAML || a.RPS[0] != b.RPS[0] {
		t.Error("one seed gave two applications")
	}
	other, err := simtest.NewRandomApp(simtest.Throttled, 8)
	if err != nil {
		t.Fatal(err)
	}
	if a.YAML == other.YAML || math.Abs(a.Utilisation-other.Utilisation) < 0.01 {
		t.Error("two seeds gave the same application")
	}
}
