package calibrate

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/grlscaler/grlscaler/internal/docblock"
	"github.com/grlscaler/grlscaler/sim/trace"
	"github.com/grlscaler/grlscaler/sim/validate"
)

var update = flag.Bool("update", false, "run everything and write its tables into docs/fidelity.md")

const (
	docsFile      = "../../docs/fidelity.md"
	recordingsDir = "../../testdata/recordings"
	appFile       = "testdata/online_boutique_by_hand.yaml" // what configs/apps/online_boutique.yaml was fitted from
	folds         = 5
)

// TestFidelityTables makes the table of predictions for recordings that were not fitted; make fidelity runs it with -update.
// Without, it cross-validates a few recordings in two folds and checks that the document has the table.
func TestFidelityTables(t *testing.T) {
	data, err := os.ReadFile(appFile)
	if err != nil {
		t.Fatal(err)
	}
	read := func(globs ...string) []validate.Named {
		var dirs []string
		for _, g := range globs {
			found, err := filepath.Glob(filepath.Join(recordingsDir, g))
			if err != nil || len(found) == 0 {
				t.Fatalf("no recordings %s (%v)", g, err)
			}
			dirs = append(dirs, found...)
		}
		recs, err := validate.ReadAll(trace.ReadOptions{}, dirs...)
		if err != nil {
			t.Fatal(err)
		}
		return recs
	}
	grid, always, k := read("grid/g*"), read("[ths]*_*"), folds
	opt := Options{Engine: des, Workers: runtime.GOMAXPROCS(0)}
	compare := validate.Options{Engine: des}
	if !*update {
		grid, always, k = read("grid/g0[248]", "grid/g34r", "grid/g44r", "grid/g17r"), nil, 2
		opt.Rounds, opt.Replications, compare.Seeds = 1, 1, 1
	}
	cv, err := CrossValidate(context.Background(), Source{appFile, data}, grid, always, k, opt, compare)
	if err != nil {
		t.Fatal(err)
	}
	var quiet []validate.Row
	for _, r := range cv.Rows {
		if !r.Contended {
			quiet = append(quiet, r)
		}
	}
	table := validate.AimsTable([]validate.Set{{Name: "des, quiet", Rows: quiet}, {Name: "des, all", Rows: cv.Rows}})
	const block = "calibrated-folds"
	if *update {
		if err := docblock.Update(docsFile, map[string]string{block: table.Markdown()}); err != nil {
			t.Fatal(err)
		}
		return
	}
	document, err := os.ReadFile(docsFile)
	if err != nil {
		t.Fatal(err)
	}
	if old, err := docblock.Get(string(document), block); err != nil {
		t.Error(err)
	} else if strings.Count(old, "\n| ") < 2 {
		t.Errorf("block %s has no table; run make fidelity", block)
	}
}
