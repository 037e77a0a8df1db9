package benchmark

import (
	"bytes"
	"fmt"
	"math"
	"strings"
)

// markdownTables lists the tables of a part in summary.md.
var markdownTables = [][]shownColumn{
	headlineTable,
	append(append([]shownColumn{}, besideTable...),
		shown("p50 ms", "p50_ms", 1), shown("p99 ms", "p99_ms", 1), shown("windows%", "windows_violate_pct", 1), shown("errors%", "error_pct", 2),
		shown("core h", "core_hours", 3), shown("actions", "scale_actions", 1), shown("reversals", "reversals", 1)),
	{
		shown("O%", "over_pct", 1), shown("U%", "under_pct", 2), shown("Lag p95 s", "scaling_lag_p95_s", 1), shown("θ_U%", "theta_u_pct", 2),
		shown("θ_O%", "theta_o_pct", 1), shown("τ_U%", "tau_u_pct", 2), shown("τ_O%", "tau_o_pct", 1), shown("υ%", "instability_pct", 1),
	},
}

// summaryMarkdown is summary.md.
func summaryMarkdown(s *Summary, info Info) []byte {
	var b bytes.Buffer
	title := info.Tag
	if title == "" {
		title = s.Results.Plan.App.Name
	}
	fmt.Fprintf(&b, "# Benchmark %s\n\n", title)
	for _, line := range footnotes(s, info) {
		fmt.Fprintf(&b, "- %s\n", escapeMarkdown(line))
	}
	b.WriteString("\nNumbers in brackets are the ends of the interval. What each metric means: docs/metrics.md.\n")
	for i := range s.Parts {
		part := &s.Parts[i]
		fmt.Fprintf(&b, "\n## %s\n\n%s.\n", escapeMarkdown(part.Name), escapeMarkdown(partTitle(s, part)))
		for _, columns := range markdownTables {
			b.WriteByte('\n')
			markdownTable(&b, part, columns)
		}
		if part.Comparisons != nil {
			b.WriteByte('\n')
			comparisonTable(&b, s, part)
		}
	}
	return b.Bytes()
}

func markdownTable(b *bytes.Buffer, part *Part, columns []shownColumn) {
	columns = present(part, columns)
	header := []string{"controller"}
	for i := range columns {
		header = append(header, columns[i].header)
	}
	markdownHeader(b, header)
	for c := range part.Cells {
		cell := &part.Cells[c]
		row := []string{escapeMarkdown(rowName(cell.Controller))}
		for i := range columns {
			e, mark := columns[i].of(cell)
			row = append(row, formatRange(e, columns[i].places(part))+escapeMarkdown(mark))
		}
		markdownRow(b, row)
	}
}

// comparisonTable sets the controllers against the best autoscaler.
func comparisonTable(b *bytes.Buffer, s *Summary, part *Part) {
	fmt.Fprintf(b, "Difference from %s, the autoscaler of the lowest mean CAF, run by run on common random numbers, and Cliff's δ "+
		"(-1: every run is below every run of %s; below 0 is better, for the reward above 0).\n\n", escapeMarkdown(s.Best), escapeMarkdown(s.Best))
	header := []string{"controller"}
	for _, key := range compared {
		header = append(header, ColumnByKey(key).Label+" Δ", "δ")
	}
	markdownHeader(b, header)
	for i := 0; i < len(part.Comparisons); i += len(compared) {
		row := []string{escapeMarkdown(rowName(part.Comparisons[i].Controller))}
		for k := range compared {
			c := &part.Comparisons[i+k]
			delta := "-"
			if !math.IsNaN(c.Difference.Value) {
				delta = formatFixed(c.Delta, 2)
			}
			row = append(row, formatRange(&c.Difference, 3), delta)
		}
		markdownRow(b, row)
	}
}

func markdownHeader(b *bytes.Buffer, header []string) {
	markdownRow(b, header)
	b.WriteString("|---|" + strings.Repeat("---:|", len(header)-1) + "\n")
}

func markdownRow(b *bytes.Buffer, row []string) {
	b.WriteString("| " + strings.Join(row, " | ") + " |\n")
}

// escapeMarkdown keeps names and marks from being read as markup.
func escapeMarkdown(s string) string {
	return strings.NewReplacer("|", `\|`, "*", `\*`, "_", `\_`, "<", "&lt;", "`", "\\`").Replace(s)
}
