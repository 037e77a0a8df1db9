package benchmark

import (
	"bytes"
	"compress/gzip"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/grlscaler/grlscaler/sim"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

// madeSource is a load source of which only the name matters.
type madeSource string

func (s madeSource) Name() string { return string(s) }
func (s madeSource) Episode(uint64, *sim.Episode) error {
	return fmt.Errorf("%s is not for running", s)
}

// madeResults are rows by formula: no simulation stands behind them, so the golden files change with the tables
// alone.
func madeResults(seeds ...uint64) *Results {
	none := func() (sim.Controller, error) { return &sim.Static{}, nil }
	p := &Plan{
		App: testApp(2, 200), AppHash: "a1", Version: "v1.2.3", Seeds: seeds,
		Engine: EngineSpec{Name: "fluid", Hash: "e1", New: func() (sim.Engine, error) { return nil, nil }},
		Controllers: []ControllerSpec{
			{Name: "mlp_ppo", Kind: KindPolicy, Hash: "c1", New: none}, {Name: "gat_ppo", Kind: KindPolicy, Hash: "c2", New: none},
			{Name: "hpa:cpu-60", Kind: KindAutoscaler, Hash: "c3", New: none}, {Name: "hpa:cpu-80+mem-80-tuned-for-latency", Kind: KindAutoscaler, Hash: "c4", New: none},
			{Name: "static", Kind: KindStatic, Hash: "c5", New: none}, {Name: "oracle", Kind: KindBound, Hash: "c6", New: none},
		},
		Sources: []SourceSpec{{Source: madeSource("peak"), Hash: "s1"}, {Source: madeSource("offpeak"), Hash: "s2"}},
	}
	res := &Results{Plan: p, Asked: p.Len()}
	for i := range p.Len() {
		s, k, c := p.place(i)
		x := []float64{2, 1.8, 3, 3.5, 5, 0.2}[c] + 0.1*math.Sin(float64(7*i+3)) // how bad, with some spread over the seeds
		row := Row{Trial: p.Trial(i), Metrics: Metrics{
			Seconds: 900, Requests: 90000 + 1000*float64(k), SLOViolation: 0.01 + 0.01*x, WindowViolation: 0.02 * math.Abs(x), ErrorRate: 0.001 * float64(c),
			Slack: 0.2 + 0.05*x, LagMeanS: 10 + 3*x, LagP95S: 30, LagCount: 6,
			OverShare: 0.1 + 0.02*x, UnderShare: 0.005 * math.Abs(x), ThetaU: 0.01, ThetaO: 0.2, TauU: 0.05, TauO: 0.4, Instability: 0.3,
			Replicas: 20 + x, CoreHours: 1.5, Cost: 0.05 + 0.001*x, ScaleActions: 12, Reversals: 3, Reward: -1 - 0.1*x,
		}}
		row.CAF = 1 + row.OverShare + (Kappa-1)*row.UnderShare
		row.Pools = []PoolUse{
			{"small", 0.04, 1 + row.OverShare - row.UnderShare, 1, row.UnderShare, 0.8 + 0.02*x},
			{"large", 0.08, 2 * (1 + row.OverShare - row.UnderShare), 2, 2 * row.UnderShare, 0.3},
		}
		if c == 4 && s == 1 {
			row.LagOpen = 1
		}
		if c == 3 && s == 0 {
			row.Overflow = 1000 * (1 + float64(k))
		}
		var h sim.Histogram
		for ms := 1.0; ms <= 200; ms++ {
			h.Add(ms+5*x, 1+float64(k))
		}
		row.Latency = NewDistribution(&h)
		row.MeanMs, row.P50Ms, row.P95Ms, row.P99Ms = h.MeanMs(), h.QuantileMs(0.50), h.QuantileMs(0.95), h.QuantileMs(0.99)
		if p.keepsSteps(row.Seed) {
			row.Steps = fmt.Appendf(nil, "%s,%s,%d,15,*,1,1,1,0,0,0,100.0,,50.00,1.000,0.000,0.000,10.00,,-1.000000\n", row.Controller, row.Scenario, row.Seed)
		}
		res.Rows = append(res.Rows, row)
	}
	return res
}

// madeTuned are the same with a tuned HPA among them.
func madeTuned(seeds ...uint64) *Results {
	res := madeResults(seeds...)
	res.Plan.Controllers[2].Name = TunedHPA
	for i := range res.Rows {
		if res.Rows[i].Controller == "hpa:cpu-60" {
			res.Rows[i].Controller = TunedHPA
		}
	}
	return res
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (regenerate with -update and read the diff):\n%s", path, diff)
	}
}

func summarise(t *testing.T, res *Results) *Summary {
	t.Helper()
	sum, err := summariseWith(res, 300) // intervals need not be precise here
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

func tables(t *testing.T, res *Results, info Info) string {
	t.Helper()
	var b bytes.Buffer
	if err := WriteTables(&b, summarise(t, res), info); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

var madeInfo = Info{Tag: "made", Command: "grlscaler benchmark --seeds 3", Settings: map[string]any{"steps": 100, "engine": map[string]any{"name": "fluid"}}}

func TestGoldenTables(t *testing.T) {
	golden(t, "tables_3_seeds.txt", []byte(tables(t, madeResults(1, 2, 3), madeInfo)))
	golden(t, "tables_1_seed.txt", []byte(tables(t, madeResults(5), Info{})))
	golden(t, "tables_tuned.txt", []byte(tables(t, madeTuned(1, 2, 3, 4, 5, 6, 7, 8, 9, 10), madeInfo)))
}

func TestGoldenFiles(t *testing.T) {
	files := resultFilesOf(t, madeResults(1, 2, 3, 7), madeInfo)
	for _, name := range []string{"summary.md", "summary.csv", "runs.csv", "config.yaml"} {
		golden(t, name, []byte(files[name]))
	}
}

func TestStepsAreThoseOfTheFirstSeed(t *testing.T) {
	files := resultFilesOf(t, madeResults(4, 5), Info{})
	z, err := gzip.NewReader(strings.NewReader(files["steps.csv.gz"]))
	if err != nil {
		t.Fatal(err)
	}
	if !z.ModTime.IsZero() || z.Name != "" {
		t.Errorf("the gzip header holds time %v and name %q", z.ModTime, z.Name)
	}
	data, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
	if len(lines) != 1+12 || lines[0]+"\n" != stepsHeader {
		t.Fatalf("%d lines, want the header and one for each of 12 trials of seed 4", len(lines))
	}
	for _, line := range lines {
		if strings.Count(line, ",") != strings.Count(stepsHeader, ",") {
			t.Errorf("fields of %q do not match the header", line)
		}
		if strings.Contains(line, ",5,15,") {
			t.Errorf("%q is of seed 5", line)
		}
	}
}

// TestTablesFit: 100 columns hold even unlikely numbers.
func TestTablesFit(t *testing.T) {
	for _, res := range []*Results{madeResults(1, 2, 3), madeTuned(1, 2, 3), madeTuned(1001, 1002, 1003, 1004, 1005, 1006, 1007, 1008)} {
		res.Plan.Sources[0].Source = madeSource("heldout/double-peak")
		for i := range res.Rows {
			if res.Rows[i].Scenario == "peak" {
				res.Rows[i].Scenario = "heldout/double-peak"
			}
		}
		checkTablesFit(t, res)
	}
}

func checkTablesFit(t *testing.T, res *Results) {
	for i := range res.Rows {
		m := &res.Rows[i].Metrics
		odd := float64(i % 5)
		m.SLOViolation, m.Slack, m.LagMeanS, m.LagOpen = 0.2*odd, 0.25*odd, 225*odd, 1
		m.CAF, m.Replicas, m.Cost, m.Reward = 1+2.5*odd, 20*odd, 3*odd, -2.75*odd
	}
	for _, line := range strings.Split(tables(t, res, Info{Command: "grlscaler benchmark"}), "\n") {
		if strings.Contains(line, "Mean ±") || strings.HasPrefix(line, "All ") || strings.HasPrefix(line, "Δ: ") || strings.HasPrefix(line, "Application") || strings.HasPrefix(line, "Warning") {
			continue // prose, which a terminal wraps
		}
		if n := utf8.RuneCountInString(line); n > 100 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}

func TestSummaryStatesWhatItIsBasedOn(t *testing.T) {
	three := tables(t, madeResults(1, 2, 3), madeInfo)
	for _, want := range []string{"no significance is claimed", "seeds 1-3", "engine fluid", "version v1.2.3", "plan " + madeResults(1, 2, 3).Plan.Hash(),
		"Command: grlscaler benchmark --seeds 3", "oracle (bound)", "still open", "SLO_violate%", "CAF/mlp_ppo"} {
		if !strings.Contains(three, want) {
			t.Errorf("%q is missing from\n%s", want, three)
		}
	}
	if want := "6000 requests (at inner services: visits) were refused to bound memory, in 3 runs of 36, most under hpa:cpu-80+mem-80-tuned-for-latency on peak with seed 3"; !strings.Contains(three, want) {
		t.Errorf("%q is missing from\n%s", want, three)
	}
	without := madeResults(1, 2)
	without.Plan.Controllers[0].Name = "mlp_sac"
	if got := tables(t, without, Info{}); strings.Contains(got, "CAF/mlp_ppo") {
		t.Errorf("a column without a number:\n%s", got)
	}
	one := tables(t, madeResults(1), Info{})
	if strings.Contains(one, "NaN") || strings.Contains(one, "±  ") || !strings.Contains(one, "1 seed: there are no intervals") {
		t.Errorf("one seed:\n%s", one)
	}
	bounded := madeResults(1)
	for i := range bounded.Rows {
		bounded.Rows[i].Overflow = 0
	}
	if got := tables(t, bounded, Info{}); strings.Contains(got, "refused") {
		t.Errorf("nothing was refused:\n%s", got)
	}
	if four := tables(t, madeResults(1, 2, 3, 4), Info{}); strings.Contains(four, "significance") {
		t.Errorf("four seeds:\n%s", four)
	}
}

func TestIncompleteSeedsAreLeftOut(t *testing.T) {
	res := madeResults(1, 2, 3, 4)
	// Without one trial of peak's seed 2 the other five of that seed do not enter the table of peak either.
	i := slices.IndexFunc(res.Rows, func(r Row) bool { return r.Scenario == "peak" && r.Seed == 2 && r.Controller == "static" })
	res.Rows = slices.Delete(res.Rows, i, i+1)
	sum := summarise(t, res)
	for i, want := range []int{3, 4, 7} {
		if got := sum.Parts[i].Cells[0].Of("caf").Runs; got != want {
			t.Errorf("%s: %d runs, want %d", sum.Parts[i].Name, got, want)
		}
	}
	if !strings.Contains(strings.Join(sum.Warnings, "\n"), "1 of 48 trials are missing; the tables hold the 7 of 8 pairs") {
		t.Errorf("warnings %q", sum.Warnings)
	}
	if lines := strings.Count(string(runsCSV(res)), "\n"); lines != 1+47 {
		t.Errorf("runs.csv has %d lines; it must keep every finished trial", lines)
	}
	res.Rows = nil
	if sum := summarise(t, res); len(sum.Parts) != 0 || sum.Best != "" {
		t.Errorf("nothing finished: parts %v, best %q", sum.Parts, sum.Best)
	}
}

// TestNumbersOfTheSummary works one cell out by hand.
func TestNumbersOfTheSummary(t *testing.T) {
	res := madeResults(1, 2, 3)
	caf := func(controller, scenario string) (sum float64, runs []float64) {
		for _, r := range res.Rows {
			if r.Controller == controller && r.Scenario == scenario {
				runs = append(runs, r.CAF)
				sum += r.CAF
			}
		}
		return sum, runs
	}
	sum, err := Summarise(res)
	if err != nil {
		t.Fatal(err)
	}
	if len(sum.Parts) != 3 || sum.Parts[2].Name != Overall {
		t.Fatalf("parts %v, want peak, offpeak and overall", sum.Parts)
	}
	if sum.Best != "hpa:cpu-60" {
		t.Errorf("best autoscaler %q, want the one of the lower CAF", sum.Best)
	}
	gatPeak, runs := caf("gat_ppo", "peak")
	gatOff, _ := caf("gat_ppo", "offpeak")
	mlpPeak, _ := caf("mlp_ppo", "peak")
	hpaPeak, hpaRuns := caf("hpa:cpu-60", "peak")
	cell := &sum.Parts[0].Cells[1]
	near(t, "mean CAF on peak", cell.Of("caf").Value, gatPeak/3)
	near(t, "CAF relative to mlp_ppo", cell.Relative.Value, gatPeak/mlpPeak)
	near(t, "overall", sum.Parts[2].Cells[1].Of("caf").Value, (gatPeak+gatOff)/6)
	near(t, "of the reference itself", sum.Parts[2].Cells[0].Relative.Value, 1)
	near(t, "width for the reference itself", sum.Parts[2].Cells[0].Relative.HalfWidth(), 0)
	square := 0.0
	for _, v := range runs {
		square += (v - gatPeak/3) * (v - gatPeak/3)
	}
	near(t, "half width of three runs: Student's 97.5 % point of 2 degrees of freedom, 4.30265, in standard errors",
		cell.Of("caf").HalfWidth()/math.Sqrt(square/2/3), 4.302652729911275)
	if w := cell.Of("caf").Worst; w.Value != slices.Max(runs) || w.Scenario != "peak" || runs[w.Seed-1] != w.Value {
		t.Errorf("worst %+v of %v", w, runs)
	}
	for _, c := range sum.Parts[0].Comparisons {
		if c.Controller.Name == "gat_ppo" && c.Key == "caf" {
			near(t, "difference", c.Difference.Value, (gatPeak-hpaPeak)/3)
			near(t, "delta", c.Delta, CliffsDelta(runs, hpaRuns))
		}
		if c.Controller.Name == sum.Best {
			t.Error("the best autoscaler is compared with itself")
		}
	}
}

func TestUndefinedCAFIsADash(t *testing.T) {
	res := madeResults(1, 2, 3, 4)
	for i := range res.Rows {
		if m := &res.Rows[i].Metrics; res.Rows[i].Scenario == "offpeak" {
			m.CAF, m.OverShare, m.UnderShare = math.NaN(), math.NaN(), math.NaN()
		}
	}
	sum := summarise(t, res)
	peak, off, all := sum.Parts[0].Cells[0].Of("caf"), sum.Parts[1].Cells[0].Of("caf"), sum.Parts[2].Cells[0].Of("caf")
	if off.Runs != 0 || all.Runs != 4 || all.Value != peak.Value {
		t.Errorf("offpeak %+v, overall %+v, want the latter to be peak's %+v", off, all, peak)
	}
	out := tables(t, res, Info{})
	// The column stands in all three tables, and the warning names it.
	if strings.Contains(out, "NaN") || !strings.Contains(out, "CAF is not defined") || strings.Count(out, " CAF ") != 4 {
		t.Errorf("table:\n%s", out)
	}
	for name, data := range resultFilesOf(t, res, Info{}) {
		if strings.Contains(data, "NaN") {
			t.Errorf("%s holds NaN", name)
		}
	}
}

func TestUnwritableResults(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := WriteResults(filepath.Join(file, "results"), summarise(t, madeResults(1)), Info{}); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("error %v, want one that names the directory", err)
	}
	if _, err := OpenStore(filepath.Join(file, "trials")); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("error %v, want one that names the directory", err)
	}
}

// TestDocumentationNamesEveryColumn keeps docs/metrics.md complete.
func TestDocumentationNamesEveryColumn(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join("..", "docs", "metrics.md"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range Columns {
		if !bytes.Contains(doc, []byte("`"+Columns[i].Key+"`")) {
			t.Errorf("docs/metrics.md does not explain %s", Columns[i].Key)
		}
	}
	for _, field := range strings.Split(strings.TrimSpace(stepsHeader), ",") {
		if !bytes.Contains(doc, []byte("`"+field+"`")) {
			t.Errorf("docs/metrics.md does not explain %s of steps.csv.gz", field)
		}
	}
}

func TestSeedList(t *testing.T) {
	for _, c := range []struct {
		seeds []uint64
		want  string
	}{{[]uint64{1}, "1"}, {[]uint64{1, 2}, "1, 2"}, {[]uint64{1, 2, 3, 7, 9, 10}, "1-3, 7, 9, 10"}} {
		if got := seedList(c.seeds); got != c.want {
			t.Errorf("seedList(%v) = %q, want %q", c.seeds, got, c.want)
		}
	}
}

func TestFormatFixed(t *testing.T) {
	for _, c := range []struct {
		x        float64
		decimals int
		want     string
	}{{1.23456, 2, "1.23"}, {-0.0001, 2, "0.00"}, {-0.006, 2, "-0.01"}, {math.NaN(), 2, ""}, {math.Inf(-1), 2, ""}, {1e6, 0, "1000000"}} {
		if got := formatFixed(c.x, c.decimals); got != c.want {
			t.Errorf("formatFixed(%g, %d) = %q, want %q", c.x, c.decimals, got, c.want)
		}
	}
}
