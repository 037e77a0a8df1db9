package benchmark

import (
	"html"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestReportSaysWhatTheSummarySays: every text of summary.md stands in report.html, number by number.
func TestReportSaysWhatTheSummarySays(t *testing.T) {
	info := madeInfo
	info.Curves = []LearningCurve{{Controller: "mlp_ppo", Steps: []float64{100, 200}, Reward: []float64{math.NaN(), -3}}, {Controller: "gat_ppo", Missing: "no progress.csv lies beside the policy"}}
	files := resultFilesOf(t, madeResults(1, 2, 3), info)
	tags := regexp.MustCompile(`<[^>]*>`)
	text := html.UnescapeString(tags.ReplaceAllString(files[ReportFile], "\n"))
	said := map[string]bool{}
	for _, line := range strings.Split(text, "\n") {
		said[strings.TrimSpace(line)] = true
	}
	plain := strings.NewReplacer(`\_`, "_", `\*`, "*", `\|`, "|", "&lt;", "<").Replace
	cells := 0
	for _, line := range strings.Split(files["summary.md"], "\n") {
		if !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "|---") {
			if line = plain(strings.TrimLeft(line, "#- ")); line != "" && !strings.HasPrefix(line, "|") && !said[line] {
				t.Errorf("%q is missing", line)
			}
			continue
		}
		for _, c := range strings.Split(strings.Trim(line, "| "), " | ") {
			value, interval, _ := strings.Cut(plain(c), " [")
			cells++
			if !said[value] || interval != "" && !said["["+interval] {
				t.Errorf("%q is missing", c)
			}
		}
	}
	if cells < 300 {
		t.Errorf("summary.md has only %d cells", cells)
	}
	for _, want := range []string{"mlp_ppo ends at -3 after 200 steps.", "gat_ppo: no progress.csv lies beside the policy.", "Cost against violations, overall"} {
		if !said[want] {
			t.Errorf("%q is missing", want)
		}
	}
	if !strings.Contains(text, "plan: "+madeResults(1, 2, 3).Plan.Hash()) {
		t.Error("config.yaml is not in the report")
	}
	// All scenarios together come first.
	if a, b := strings.Index(files[ReportFile], ">overall</h2>"), strings.Index(files[ReportFile], ">peak</h2>"); a < 0 || b < a {
		t.Errorf("overall at %d, peak at %d", a, b)
	}
}

func TestReadSteps(t *testing.T) {
	lines := `a,b,7,15,*,3,4,3,1,0,0,300.0,,50.00,100.000,0.000,0.000,12.50,,-1.000000
a,b,7,15,"x,y",2,1,1,0,0,0,100.0,200.0,25.00,60.500,0.000,,8.00,0.0000,
a,b,7,30,*,4,4,4,0,0,0,400.0,,50.00,110.000,0.000,0.000,0.00,,-1.000000
a,b,7,30,"x,y",2,1,1,0,1,0,100.0,200.0,25.00,61.000,0.000,,9.00,0.0000,
`
	got, err := readSteps([]byte(lines))
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0].Name != "*" || got[1].Name != "x,y" {
		t.Fatalf("services %+v", got)
	}
	for _, c := range []struct {
		name      string
		got, want []float64
	}{
		{"t_s", got[0].At, []float64{15, 30}}, {"needed", got[0].Needed, []float64{3, 4}}, {"spec", got[1].Spec, []float64{1, 1}}, {"ready", got[0].Ready, []float64{3, 4}},
		{"starting", got[0].Starting, []float64{1, 0}}, {"pending", got[1].Pending, []float64{0, 1}}, {"rps", got[1].RPS, []float64{60.5, 61}}, {"p95_ms", got[0].P95Ms, []float64{12.5, 0}},
	} {
		if !slices.Equal(c.got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, c.got, c.want)
		}
	}
	for name, bad := range map[string]string{"a number": strings.Replace(lines, "60.500", "many", 1), "a field too few": "a,b,7,15\n"} {
		if _, err := readSteps([]byte(bad)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestShownFirst: the bound, and the best of policies and autoscalers in turn.
func TestShownFirst(t *testing.T) {
	res := madeResults(1, 2)
	names := func() (names []string) {
		for c, shown := range summarise(t, res).shownFirst() {
			if shown {
				names = append(names, res.Plan.Controllers[c].Name)
			}
		}
		return names
	}
	if got := names(); !slices.Equal(got, []string{"mlp_ppo", "gat_ppo", "hpa:cpu-60", "oracle"}) {
		t.Errorf("shown %v", got)
	}
	for c := range 2 { // without policies: autoscalers, then what is left
		res.Plan.Controllers[c].Kind = KindStatic
	}
	if got := names(); !slices.Equal(got, []string{"gat_ppo", "hpa:cpu-60", "hpa:cpu-80+mem-80-tuned-for-latency", "oracle"}) {
		t.Errorf("without policies: shown %v", got)
	}
	res.Rows = nil
	if got := names(); got != nil {
		t.Errorf("nothing finished: shown %v", got)
	}
}

// TestReportWithoutPrices: where nothing has a price, core hours stand for cost.
func TestReportWithoutPrices(t *testing.T) {
	if got := summarise(t, madeResults(1)).costColumn(); got != "cost" {
		t.Errorf("with prices: %s", got)
	}
	res := madeResults(1)
	for i := range res.Rows {
		res.Rows[i].Cost = 0
	}
	if page := resultFilesOf(t, res, Info{})[ReportFile]; !strings.Contains(page, "core hours of a run") {
		t.Error("without prices the plot does not show core hours")
	}
}
