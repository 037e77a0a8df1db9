package validate

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/grlscaler/grlscaler/internal/docblock"
	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/trace"
)

var update = flag.Bool("update", false, "run everything and write its tables into docs/fidelity.md")

const (
	docsFile      = "../../docs/fidelity.md"
	recordingsDir = "../../testdata/recordings"
	appFile       = "../../configs/apps/online_boutique.yaml"
)

// engines lists the engines whose errors the document shows.
var engines = []struct {
	name string
	make func(*sim.App) (sim.Engine, error)
}{{"fluid", fluid}, {"des", des}}

func boutique(t *testing.T) *sim.App {
	t.Helper()
	f, err := os.Open(appFile)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() // read only
	app, err := sim.DecodeApp(f, appFile)
	if err != nil {
		t.Fatal(err)
	}
	return app
}

// study is what the tables are made of.
type study struct {
	app     *sim.App
	recs    []Named
	results map[string][]*Result // by engine, in the order of recs
}

// blocks are the parts of docs/fidelity.md that this package makes. A block is "" if its data are not here; it then stays as
// it is.
var blocks = []struct {
	name string
	make func(*study, *testing.T) string
}{
	{"recorded-aims", (*study).aims},
	{"recorded-points", (*study).points},
	{"recorded-errors", (*study).errors},
	{"recorded-repeats", (*study).repeats},
	{"recorded-crossings", (*study).crossings},
	{"recorded-startups", (*study).startUps},
	{"recorded-drains", (*study).drains},
	{"nezha", (*study).nezha},
	{"scaling", (*study).scaling},
}

// TestFidelityTables makes the tables of docs/fidelity.md that compare with recordings; make fidelity runs it with -update. Without,
// it makes them of a few recordings and checks that the document has every block, filled.
func TestFidelityTables(t *testing.T) {
	s := &study{app: boutique(t), results: map[string][]*Result{}}
	dirs, seeds := []string{recordingsDir}, DefaultSeeds
	if !*update {
		for _, name := range []string{"grid/g02", "grid/g02r", "grid/g05", "grid/g34", "grid/g34r", "t6_step_official_limits"} {
			if len(dirs) == 1 && dirs[0] == recordingsDir {
				dirs = nil
			}
			dirs = append(dirs, filepath.Join(recordingsDir, name))
		}
		seeds = 1
	}
	var err error
	if s.recs, err = ReadAll(trace.ReadOptions{}, dirs...); err != nil {
		t.Fatal(err)
	}
	for _, e := range engines {
		s.results[e.name], err = CompareAll(context.Background(), s.app, s.recs, Options{Engine: e.make, Seeds: seeds}, runtime.GOMAXPROCS(0), nil)
		if err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(docsFile)
	if err != nil {
		t.Fatal(err)
	}
	written := map[string]string{}
	for _, b := range blocks {
		text := b.make(s, t)
		if t.Failed() {
			return
		}
		if text != "" {
			written[b.name] = text
		}
		if *update {
			continue
		}
		if old, err := docblock.Get(string(data), b.name); err != nil {
			t.Error(err)
		} else if strings.Count(old, "\n| ") < 2 {
			t.Errorf("block %s has no table; run make fidelity", b.name)
		}
	}
	if *update {
		if err := docblock.Update(docsFile, written); err != nil {
			t.Fatal(err)
		}
	}
}

// steady keeps the results of the grid, quiet ones alone if asked.
func (s *study) steady(engine string, quiet bool) []Row {
	var rows []Row
	for i, res := range s.results[engine] {
		if s.recs[i].Name[0] == 'g' && !(quiet && res.Contended) {
			rows = append(rows, res.Rows...)
		}
	}
	return rows
}

// changing keeps the others.
func (s *study) changing(engine string) []Row {
	var rows []Row
	for i, res := range s.results[engine] {
		if s.recs[i].Name[0] != 'g' {
			rows = append(rows, res.Rows...)
		}
	}
	return rows
}

func (s *study) aims(*testing.T) string {
	var sets []Set
	for _, e := range engines {
		sets = append(sets, Set{e.name + ", quiet", s.steady(e.name, true)}, Set{e.name + ", all", s.steady(e.name, false)})
	}
	t := AimsTable(sets)
	return t.Markdown()
}

// points is a line for each run of the grid: what was recorded and what each engine is off.
func (s *study) points(*testing.T) string {
	t := Table{Header: []string{"run", "class", "rps", "CPU m", "fluid", "des", "mean ms", "fluid", "des", "p95 ms", "fluid", "des"}}
	for i, res := range s.results["fluid"] {
		if s.recs[i].Name[0] != 'g' {
			continue
		}
		f, d := &res.Rows[0], &s.results["des"][i].Rows[0]
		class := f.Class.String()
		if res.Contended {
			class += " *"
		}
		line := []string{res.Recording, class, significant(f.Recorded.RPS)}
		for _, q := range []Quantity{CPU, Mean, P95} {
			line = append(line, significant(q.of(&f.Recorded)))
			for _, r := range []*Row{f, d} {
				if e, ok := r.Error(q); ok {
					line = append(line, fmt.Sprintf("%+.0f %%", 100*e))
				} else {
					line = append(line, "-")
				}
			}
		}
		t.Rows = append(t.Rows, line)
	}
	t.Notes = []string{"All requests of a run; CPU of all services. Errors of the predictions. * = other work shared the machine."}
	return t.Markdown()
}

// errors are the whole tables of errors.
func (s *study) errors(*testing.T) string {
	var b strings.Builder
	for _, e := range engines {
		for _, part := range []struct {
			name string
			rows []Row
		}{{"steady runs on a quiet machine", s.steady(e.name, true)}, {"all steady runs", s.steady(e.name, false)}, {"runs with changing load, intervals of 5 s", s.changing(e.name)}} {
			t := SummaryTable(part.rows)
			if e.name != engines[0].name {
				t.Notes = nil
			}
			fmt.Fprintf(&b, "**%s: %s**\n\n%s\n", e.name, part.name, t.Markdown())
		}
	}
	return b.String()
}

// repeats sets runs beside their repetitions: an error that no simulator can be asked to be below.
func (s *study) repeats(*testing.T) string {
	t := Table{Header: []string{"run", "class", "quantity", "all requests, endpoints", "services"}}
	var rows []Row
	results := s.results["fluid"]
	for i := range results {
		for j := range results {
			if results[j].Recording != results[i].Recording+"r" {
				continue
			}
			for k := range results[i].Rows { // the repetition takes the prediction's place
				a, b := results[i].Rows[k], &results[j].Rows[k]
				if a.Name == b.Name && a.Kind == b.Kind {
					a.Predicted = b.Recorded
					rows = append(rows, a)
				}
			}
		}
	}
	for _, class := range []Class{Unthrottled, Throttled} {
		for _, q := range []Quantity{CPU, Mean, P95, Throttling} {
			requests := Summarise(rows, q, class, func(r *Row) bool { return r.Kind != OfService })
			services := Summarise(rows, q, class, IsKind(OfService))
			if requests.N+services.N > 0 {
				t.Rows = append(t.Rows, []string{"g02, g07, g17, g34, g38, g44", class.String(), q.String(), requests.cell(), services.cell()})
			}
		}
	}
	t.Notes = []string{"The runs ending in r as predictions of those without: the same load and arrivals on a quiet machine, in fresh processes."}
	return t.Markdown()
}

// crossingBounds are bounds of p95 that the grid's families cross, the SLO of 200 ms among them.
var crossingBounds = []float64{100, 150, 200, 300, 400}

func (s *study) crossings(t *testing.T) string {
	var b strings.Builder
	for _, e := range engines {
		seeds := DefaultSeeds
		if !*update {
			seeds = 1
		}
		list, err := Crossings(s.app, s.recs, crossingBounds, Options{Engine: e.make, Seeds: seeds})
		if err != nil {
			t.Fatal(err)
		}
		table := CrossingTable(list)
		if e.name != engines[len(engines)-1].name && len(list) > 0 {
			table.Notes[0], _, _ = strings.Cut(table.Notes[0], " Recorded:")
		}
		fmt.Fprintf(&b, "**%s**\n\n%s\n", e.name, table.Markdown())
	}
	return b.String()
}

func (s *study) drains(*testing.T) string {
	var b strings.Builder
	for _, e := range engines {
		var list []Drain
		for i, res := range s.results[e.name] {
			list = append(list, Drains(s.recs[i], res)...)
		}
		table := DrainTable(list)
		if e.name != engines[len(engines)-1].name {
			table.Notes = nil
		}
		fmt.Fprintf(&b, "**%s**\n\n%s\n", e.name, table.Markdown())
	}
	return b.String()
}

// dataEnv names the directory of recordings that others published, which are not in the repository.
const dataEnv = "GRLSCALER_DATA"

// dataDir is the directory of one of them, "" if it is not here.
func dataDir(name string) string {
	root := os.Getenv(dataEnv)
	if root == "" {
		root = "../../../shared/data"
	}
	dir := filepath.Join(root, name)
	if _, err := os.Stat(dir); err != nil {
		return ""
	}
	return dir
}
