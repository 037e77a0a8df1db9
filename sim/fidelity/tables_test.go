package fidelity

import (
	"flag"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/grlscaler/grlscaler/internal/docblock"
	"github.com/grlscaler/grlscaler/sim/simtest"
)

var update = flag.Bool("update", false, "compare the engines on all applications and write the tables into docs/fidelity.md")

const docsFile = "../../docs/fidelity.md"

// What make fidelity compares, unless flags say otherwise: 250 applications and 50 surges of each family.
var full = map[string]string{"apps": "250", "surges": "50", "visits": "4e6"}

// TestFidelityTables makes the tables of docs/fidelity.md that compare the engines; make fidelity runs it with -update. Without, it
// checks that the document has them.
func TestFidelityTables(t *testing.T) {
	names := []string{"engines-surges", "engines-shipped"}
	for _, family := range simtest.Families {
		names = append(names, "engines-"+family.String())
	}
	if !*update {
		data, err := os.ReadFile(docsFile)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if old, err := docblock.Get(string(data), name); err != nil {
				t.Error(err)
			} else if strings.Count(old, "\n| ") < 2 {
				t.Errorf("block %s has no table; run make fidelity", name)
			}
		}
		return
	}
	flag.Visit(func(f *flag.Flag) { delete(full, f.Name) })
	for name, value := range full {
		if err := flag.Set(name, value); err != nil {
			t.Fatal(err)
		}
	}
	written := map[string]string{}
	surges := map[simtest.Family][]*SurgeComparison{}
	for _, family := range simtest.Families {
		list, err := CompareFamily(CompareOptions{Family: family, Apps: *appsFlag, Visits: *visitsFlag, Reference: newDES, Engine: newFluid,
			Workers: runtime.GOMAXPROCS(0), Cache: *cacheFlag})
		if err != nil {
			t.Fatal(err)
		}
		written["engines-"+family.String()] = BandTable(family.String(), FamilyBars[family], list)
		if surges[family], err = CompareSurges(family, *surgesFlag, *visitsFlag, runtime.GOMAXPROCS(0), newPatientDES, newFluid); err != nil {
			t.Fatal(err)
		}
	}
	written["engines-surges"] = SurgeTable(surges)
	list, err := CompareLoads(boutique(t), (*appsFlag+1)/2, *visitsFlag, runtime.GOMAXPROCS(0), newDES, newFluid)
	if err != nil {
		t.Fatal(err)
	}
	written["engines-shipped"] = BandTable("Online Boutique", FamilyBars[simtest.Throttled], list)
	for _, name := range names {
		t.Logf("%s\n%s", name, written[name])
	}
	if err := docblock.Update(docsFile, written); err != nil {
		t.Fatal(err)
	}
}
