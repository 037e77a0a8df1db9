package incidents

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The table goes by the numbers of the IDs, has a row for each measure, takes in controllers that only some incidents have, and shows
// violations where an incident names no measure.
func TestAnchorsTable(t *testing.T) {
	late := &Incident{Name: "late", ID: "S10", Anchor: "304 s | 305 s", Compare: []Measure{
		{What: "raise_s", Anchor: 304, Why: "Because."}, {What: "least_pods", Anchor: math.NaN()},
	}}
	early := &Incident{Name: "early", ID: "S2", Anchor: "Nothing."}
	mine := &Incident{Name: "mine", Anchor: "Mine.", Compare: []Measure{{What: "fall_s", Anchor: math.Inf(1)}}}
	results := []Result{
		{Incident: mine, Controllers: []Controller{{Name: "hpa"}, {Name: BoundName}}, Outcomes: []Outcome{{Measured: []float64{3}}, {Measured: []float64{math.Inf(1)}}}},
		{Incident: late, Controllers: []Controller{{Name: "hpa"}, {Name: "keda:backlog"}, {Name: BoundName}}, Outcomes: []Outcome{{Measured: []float64{315, 1}}, {Measured: []float64{330, 2.5}}, {Measured: []float64{0, 4}}}},
		{Incident: early, Controllers: []Controller{{Name: "hpa"}, {Name: "gat_ppo"}, {Name: "keda:rps"}}, Outcomes: []Outcome{{Violation: 0.125}, {Violation: 0.5}, {}}},
	}
	header, rows := Anchors(results)
	want := [][]string{
		{"id", "incident", "the report says", "measured", "report", "hpa", "keda", "gat_ppo", BoundName},
		{"S2", "early", "Nothing.", "violations %", "-", "12.5", "0", "50", "-"},
		{"S10", "late", "304 s | 305 s", "s until more pods", "304", "315", "330", "-", "0"},
		{"", "", "", "fewest pods", "-", "1", "2.5", "-", "4"},
		{"-", "mine", "Mine.", "s until fewer pods", "never", "3", "-", "-", "never"},
	}
	if diff := cmp.Diff(want, append([][]string{header}, rows...)); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"late, s until more pods: Because."}, Differences(results)); diff != "" {
		t.Errorf("differences (-want +got):\n%s", diff)
	}
	if text := string(Markdown(results, []string{"A note."})); !strings.Contains(text, "\n| S10 | late | 304 s \\| 305 s | s until more pods | 304 | 315 | 330 | - | 0 |\n") || !strings.Contains(text, "- A note.\n") {
		t.Errorf("summary.md:\n%s", text)
	}
	var table bytes.Buffer
	if err := WriteCSV(&table, results); err != nil || strings.Count(table.String(), "\n") != 9 || !strings.Contains(table.String(), "\nearly,S2,gat_ppo,50.00,") {
		t.Errorf("%v, summary.csv:\n%s", err, table.String())
	}
}

// What is measured of a run in which 4 pods are wanted, 8 from 100 s, 6 from 160 s, 2 from 200 s.
func TestMeasures(t *testing.T) {
	r := &recorder{requestMillis: 250}
	for _, x := range []specAt{{0, 4}, {30, 4}, {100, 8}, {145, 8}, {160, 6}, {200, 2}} {
		r.note(x.at*time.Second, x.pods)
	}
	o := &Outcome{MeanPods: 4.5, Violation: 0.25, Changes: 7, Recover: time.Minute}
	for _, tc := range []struct {
		what  string
		after int
		want  float64
	}{
		{"mean_pods", 0, 4.5}, {"violations_pct", 0, 25}, {"recovery_s", 0, 60}, {"changes_per_hour", 0, 7}, {"end_request_m", 0, 250},
		{"peak_pods", 0, 8}, {"peak_s", 0, 100}, {"peak_s", 40, 60}, {"peak_s", 120, 0}, {"peak_pods", 170, 6},
		{"least_pods", 0, 2}, {"least_pods", 300, 2}, {"end_pods", 0, 2},
		{"raise_s", 0, 100}, {"raise_s", 100, math.Inf(1)}, {"raise_s", 99, 1}, {"fall_s", 0, 160}, {"fall_s", 160, 40}, {"fall_s", 200, math.Inf(1)},
	} {
		if got := r.measured([]Measure{{What: tc.what, After: time.Duration(tc.after) * time.Second}}, o)[0]; got != tc.want {
			t.Errorf("%s after %d s: %v, want %v", tc.what, tc.after, got, tc.want)
		}
	}
	if len(r.specs) != 4 {
		t.Errorf("%d changes are kept: %v", len(r.specs), r.specs)
	}
}
