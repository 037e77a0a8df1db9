package incidents

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// Result is an incident with what its controllers came to, in their order.
type Result struct {
	Incident    *Incident
	Controllers []Controller
	Outcomes    []Outcome
	Settings    string // of the tuned HPA, in words; "" without one
}

// column is where a controller stands in the table: KEDA in one column whatever it goes by.
func column(name string) string {
	if strings.HasPrefix(name, "keda:") {
		return "keda"
	}
	return name
}

// number is that of an incident's ID, for the order: S2 comes before S10, incidents without one come last.
func number(id string) int {
	if n, err := strconv.Atoi(strings.TrimPrefix(id, "S")); err == nil {
		return n
	}
	return 1 << 30
}

// ordered sorts results by the IDs of their incidents, those of one ID as they came.
func ordered(results []Result) []Result {
	out := slices.Clone(results)
	slices.SortStableFunc(out, func(a, b Result) int { return cmp.Compare(number(a.Incident.ID), number(b.Incident.ID)) })
	return out
}

// Anchors sets controllers against what the reports say: a row for each measure of each incident, the violations where it has none.
func Anchors(results []Result) (header []string, rows [][]string) {
	header = []string{"id", "incident", "the report says", "measured", "report"}
	first := len(header)
	for i := range results {
		for _, c := range results[i].Controllers {
			if name := column(c.Name); !slices.Contains(header[first:], name) {
				header = append(header, name)
			}
		}
	}
	// The bound stands last, also where the first incident lacks a controller that others have.
	if i := slices.Index(header, BoundName); i >= 0 {
		header = append(slices.Delete(header, i, i+1), BoundName)
	}
	for _, r := range ordered(results) {
		compare := r.Incident.Compare
		if len(compare) == 0 {
			compare = []Measure{violations}
		}
		for k := range compare {
			row := make([]string, len(header))
			if k == 0 {
				row[0], row[1], row[2] = cmp.Or(r.Incident.ID, "-"), r.Incident.Name, r.Incident.Anchor
			}
			row[3], row[4] = compare[k].Title(), Format(compare[k].Anchor)
			for i := first; i < len(header); i++ {
				row[i] = "-"
			}
			for c := range r.Controllers {
				v := 100 * r.Outcomes[c].Violation
				if len(r.Incident.Compare) > 0 {
					v = r.Outcomes[c].Measured[k]
				}
				row[first+slices.Index(header[first:], column(r.Controllers[c].Name))] = Format(v)
			}
			rows = append(rows, row)
		}
	}
	return header, rows
}

// Differences are the sentences that say why a measure is not the report's, with their incidents.
func Differences(results []Result) []string {
	var out []string
	for _, r := range ordered(results) {
		for i := range r.Incident.Compare {
			if m := &r.Incident.Compare[i]; m.Why != "" {
				out = append(out, fmt.Sprintf("%s, %s: %s", r.Incident.Name, m.Title(), m.Why))
			}
		}
	}
	return out
}

// Columns are those of an incident's table, after the controller.
var Columns = []string{"violations %", "worst minute %", "recovery s", "mean pods", "peak pods", "peak at s", "pod hours", "changes/h"}

// numbers are an outcome's, in the order of Columns.
func (o *Outcome) numbers() []string {
	return []string{
		fmt.Sprintf("%.2f", 100*o.Violation), fmt.Sprintf("%.1f", 100*o.WorstMinute), fmt.Sprintf("%.0f", o.Recover.Seconds()), fmt.Sprintf("%.1f", o.MeanPods),
		fmt.Sprintf("%.0f", o.Peak), fmt.Sprintf("%.0f", o.PeakAt.Seconds()), fmt.Sprintf("%.2f", o.PodHours), fmt.Sprintf("%.0f", o.Changes),
	}
}

// Markdown is summary.md: the anchors, why numbers differ, and each incident's table. notes are lines about the run.
func Markdown(results []Result, notes []string) []byte {
	var b bytes.Buffer
	line := func(cells []string) {
		for _, c := range cells {
			fmt.Fprintf(&b, "| %s ", strings.ReplaceAll(c, "|", `\|`))
		}
		b.WriteString("|\n")
	}
	table := func(header []string, rows [][]string) {
		line(header)
		b.WriteString(strings.Repeat("|---", len(header)) + "|\n")
		for _, row := range rows {
			line(row)
		}
		b.WriteByte('\n')
	}
	b.WriteString("# Incidents\n\n")
	for _, note := range notes {
		fmt.Fprintf(&b, "- %s\n", note)
	}
	b.WriteString("\n## Controllers against the anchors\n\n")
	header, rows := Anchors(results)
	table(header, rows)
	for _, text := range Differences(results) {
		fmt.Fprintf(&b, "- %s\n", text)
	}
	if len(Differences(results)) > 0 {
		b.WriteByte('\n')
	}
	for i := range results {
		r := &results[i]
		fmt.Fprintf(&b, "## %s: %s\n\n%s\n\n", r.Incident.Name, r.Incident.Title, r.Incident.About)
		if r.Settings != "" {
			fmt.Fprintf(&b, "hpa:tuned: %s\n\n", r.Settings)
		}
		rows = nil
		for c := range r.Controllers {
			rows = append(rows, append([]string{r.Controllers[c].Name}, r.Outcomes[c].numbers()...))
		}
		table(append([]string{"controller"}, Columns...), rows)
	}
	return append(bytes.TrimRight(b.Bytes(), "\n"), '\n')
}

// WriteCSV writes a row for each incident and controller.
func WriteCSV(w io.Writer, results []Result) error {
	out := csv.NewWriter(w)
	if err := out.Write(append([]string{"incident", "id", "controller"}, Columns...)); err != nil {
		return err
	}
	for i := range results {
		r := &results[i]
		for c := range r.Controllers {
			if err := out.Write(append([]string{r.Incident.Name, r.Incident.ID, r.Controllers[c].Name}, r.Outcomes[c].numbers()...)); err != nil {
				return err
			}
		}
	}
	out.Flush()
	return out.Error()
}
