package fidelity

import (
	"flag"
	"os"
	"runtime"
	"testing"

	"github.com/grlscaler/grlscaler/configs"
	"github.com/grlscaler/grlscaler/internal/racedetector"
	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/simtest"
)

// The whole comparison, as make fidelity runs it:
//
//	go test ./sim/fidelity -run TestFluidAgainstDES -v -timeout 1h -apps 250 -visits 4e6
//
// With -cache DIR what the request-level engine measured is kept there, and another state of the fluid engine is compared
// in seconds.
var (
	appsFlag   = flag.Int("apps", 6, "random applications of each family to compare the engines on")
	visitsFlag = flag.Float64("visits", 2e5, "visits to simulate of each application at most")
	cacheFlag  = flag.String("cache", "", "folder that keeps what the request-level engine measured")
	surgesFlag = flag.Int("surges", 2, "steps into overload of each family to compare the engines on")
	csvFlag    = flag.String("csv", "", "file to write every number compared to, of each family: -FAMILY.csv is added")
)

func newDES(app *sim.App) (sim.Engine, error) { return sim.NewDES(app, sim.DESOptions{}) }

// TestFluidAgainstDES holds the fluid engine to the request-level one on random applications: to the bars where there are
// many, to wider ones in an ordinary run, whose few short ones only show that something broke.
func TestFluidAgainstDES(t *testing.T) {
	if racedetector.Enabled {
		t.Skip("the race detector's builds fit the fluid engine too roughly")
	}
	const full = 100 // applications of a family from which on the bars hold
	slack := map[simtest.Family]float64{simtest.Free: 3, simtest.Throttled: 2}
	for _, family := range simtest.Families {
		t.Run(family.String(), func(t *testing.T) {
			if *cacheFlag != "" {
				if err := os.MkdirAll(*cacheFlag, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			list, err := CompareFamily(CompareOptions{Family: family, Apps: *appsFlag, Visits: *visitsFlag, Reference: newDES, Engine: newFluid,
				Workers: runtime.GOMAXPROCS(0), Cache: *cacheFlag})
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("\n%s", BandTable(family.String(), FamilyBars[family], list))
			if *csvFlag != "" {
				if err := WriteCSV(*csvFlag+"-"+family.String()+".csv", list); err != nil {
					t.Fatal(err)
				}
			}
			s := Summarise(family.String(), list)
			factor := 1.0
			if *appsFlag < full {
				factor = slack[family]
			}
			for _, miss := range s.Misses(FamilyBars[family], factor) {
				t.Error(miss)
			}
		})
	}
}

func boutique(t *testing.T) *sim.App {
	t.Helper()
	f, err := configs.Read(configs.Apps, "online_boutique")
	if err != nil {
		t.Fatal(err)
	}
	app, err := sim.DecodeApp(f.Reader(), f.Name)
	if err != nil {
		t.Fatal(err)
	}
	return app
}

// TestShippedAgainstDES is TestFluidAgainstDES with loads and replicas of the application that is shipped, whose visits wake
// replicas up, which those of random applications do not. Its saturated loads, for which no bar is set, are held to where they are.
func TestShippedAgainstDES(t *testing.T) {
	if racedetector.Enabled {
		t.Skip("the race detector's builds fit the fluid engine too roughly")
	}
	const full = 50 // loads from which on the bars hold, nearly; a few only show that something broke
	slack, beyond := 1.5, 4.0
	if *appsFlag < full {
		slack = 3
	}
	list, err := CompareLoads(boutique(t), *appsFlag, *visitsFlag, runtime.GOMAXPROCS(0), newDES, newFluid)
	if err != nil {
		t.Fatal(err)
	}
	bars := FamilyBars[simtest.Throttled]
	t.Logf("\n%s", BandTable("Online Boutique", bars, list))
	in, out := UpTo(mostBusy, list)
	for _, x := range []struct {
		name  string
		list  []*Comparison
		slack float64
	}{{"up to 90 % busy", in, slack}, {"saturated", out, beyond}} {
		s := Summarise(x.name, x.list)
		for _, miss := range s.Misses(bars, x.slack) {
			t.Error(miss)
		}
	}
}
