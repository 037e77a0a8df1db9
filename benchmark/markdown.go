package benchmark

import (
	"bytes"
	"fmt"
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
		b.WriteByte('\n')
		worstTable(&b, part)
		if part.Comparisons != nil {
			b.WriteByte('\n')
			comparisonTables(&b, s, part)
		}
		if part.Sensitivity != nil {
			b.WriteByte('\n')
			sensitivityTable(&b, s, part)
		}
		b.WriteByte('\n')
		profileTable(&b, part)
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
