package benchmark

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/olekukonko/tablewriter"
)

// writeAgainst prints how the controllers do against the tuned HPA, then the worst that a seed did to each.
func writeAgainst(w io.Writer, s *Summary, part *Part) error {
	table := textTable(w, []string{"minus " + s.Opponent, "Δ SLO_violate%", "Δ CAF", "cost ×", "P(better)", "p"})
	for i := range part.Cells {
		c := part.Cells[i].Controller
		if c.Name == s.Opponent {
			continue
		}
		violations, caf, cost := part.Against(c.Name, "slo_violate_pct"), part.Against(c.Name, "caf"), part.Against(c.Name, "cost")
		if err := table.Append([]string{shorten(rowName(c), shortNameWidth), formatRange(&violations.Difference, 2), formatRange(&caf.Difference, 3),
			formatFixedOr(cost.Ratio.Value, 2), formatFixedOr(caf.Improvement, 2), formatP(caf.PHolm)}); err != nil {
			return err
		}
	}
	if err := renderWithBlank(w, table); err != nil {
		return err
	}
	table = textTable(w, []string{"controller", "Lag p95 s", "Δ", "worst SLO_violate%", "worst CAF"})
	for i := range part.Cells {
		cell := &part.Cells[i]
		lag := "-"
		if c := part.Against(cell.Controller.Name, "scaling_lag_p95_s"); c != nil {
			lag = formatFixedOr(c.Difference.Value, 1)
		}
		if err := table.Append([]string{shorten(rowName(cell.Controller), shortNameWidth), formatPlusMinus(cell.Of("scaling_lag_p95_s"), 1), lag,
			formatWorst(cell.Of("slo_violate_pct"), 2, part), formatWorst(cell.Of("caf"), 3, part)}); err != nil {
			return err
		}
	}
	return renderWithBlank(w, table)
}

// shortNameWidth leaves room for intervals in 100 columns.
const shortNameWidth = 18

func renderWithBlank(w io.Writer, table *tablewriter.Table) error {
	if err := table.Render(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w)
	return err
}

// formatWorst names the run with the worst value, its scenario where there are several.
func formatWorst(e *Estimate, decimals int, part *Part) string {
	if e.Worst.Scenario == "" {
		return "-"
	}
	if len(part.Scenarios) == 1 {
		return fmt.Sprintf("%s (%d)", formatFixed(e.Worst.Value, decimals), e.Worst.Seed)
	}
	return fmt.Sprintf("%s (%s %d)", formatFixed(e.Worst.Value, decimals), shorten(e.Worst.Scenario, 10), e.Worst.Seed)
}

// formatP prints a p-value, - where there is none.
func formatP(p float64) string {
	if p < 0.0005 {
		return "<0.001"
	}
	return formatFixedOr(p, 3)
}

func formatFixedOr(x float64, decimals int) string {
	if s := formatFixed(x, decimals); s != "" {
		return s
	}
	return "-"
}

// writeSensitivity prints what other opinions on κ and prices make of the policies; summary.md has all controllers.
func writeSensitivity(w io.Writer, s *Summary, part *Part) error {
	var shown []*Verdict
	for i := range part.Sensitivity {
		if part.Sensitivity[i].Controller.Kind == KindPolicy {
			shown = append(shown, &part.Sensitivity[i])
		}
	}
	if len(shown) == 0 {
		return nil
	}
	if _, err := fmt.Fprintf(w, "%s: against %s under other κ and prices\n", part.Name, s.Opponent); err != nil {
		return err
	}
	header := []string{"controller", "variation", "CAF", "Δ CAF", "cost ×"}
	seeds := len(s.Results.Plan.Seeds)
	claims := seeds >= leastClaimSeeds
	if claims {
		header = []string{"controller", "variation", "CAF", "Δ CAF", "CAF is", "cost ×", "cost is"}
	}
	table := textTable(w, header)
	for _, v := range shown {
		row := []string{shorten(rowName(v.Controller), shortNameWidth), v.Variation.Name, formatFixedOr(v.CAF, 3), formatRange(&v.Difference, 3)}
		if claims {
			row = append(row, v.Difference.Judge(0, seeds), formatPlusMinus(&v.CostRatio, 2), v.CostRatio.Judge(1, seeds))
		} else {
			row = append(row, formatPlusMinus(&v.CostRatio, 2))
		}
		if err := table.Append(row); err != nil {
			return err
		}
	}
	return renderWithBlank(w, table)
}

// worstTable is that of summary.md: the worst run of each controller.
func worstTable(b *bytes.Buffer, part *Part) {
	b.WriteString("The worst run of each controller, its seed in brackets.\n\n")
	header := []string{"controller"}
	for _, key := range append(append([]string{}, Headline...), "scaling_lag_p95_s", "cost") {
		header = append(header, ColumnByKey(key).Label)
	}
	markdownHeader(b, header)
	for c := range part.Cells {
		cell := &part.Cells[c]
		row := []string{escapeMarkdown(rowName(cell.Controller))}
		for _, key := range append(append([]string{}, Headline...), "scaling_lag_p95_s", "cost") {
			e := cell.Of(key)
			text := "-"
			if e.Worst.Scenario != "" {
				text = fmt.Sprintf("%s (%s %d)", formatFixed(e.Worst.Value, 3), e.Worst.Scenario, e.Worst.Seed)
			}
			row = append(row, escapeMarkdown(text))
		}
		markdownRow(b, row)
	}
}

// comparisonTables set the controllers against the opponent: differences and ratios, then what chances and tests say.
func comparisonTables(b *bytes.Buffer, s *Summary, part *Part) {
	who := "the autoscaler of the lowest mean CAF"
	if s.Opponent == TunedHPA {
		who = "the tuned HPA"
	}
	name := escapeMarkdown(s.Opponent)
	fmt.Fprintf(b, "Difference from %s, %s, run by run on common random numbers; below 0 is better, for the reward above 0. × is the ratio of the means.\n\n", name, who)
	header := []string{"controller"}
	for _, key := range compared {
		header = append(header, ColumnByKey(key).Label+" Δ")
		if key == "slo_violate_pct" || key == "cost" {
			header = append(header, ColumnByKey(key).Label+" ×")
		}
	}
	markdownHeader(b, header)
	for i := 0; i < len(part.Comparisons); i += len(compared) {
		row := []string{escapeMarkdown(rowName(part.Comparisons[i].Controller))}
		for k, key := range compared {
			c := &part.Comparisons[i+k]
			row = append(row, formatRange(&c.Difference, max(min(ColumnByKey(key).Decimals, 4), 3)))
			if key == "slo_violate_pct" || key == "cost" {
				row = append(row, formatRange(&c.Ratio, 3))
			}
		}
		markdownRow(b, row)
	}
	fmt.Fprintf(b, "\nCliff's δ (-1: every run is below every run of %s), P, the probability that a run is better than one of %s, and p, that of such a difference without one "+
		"(randomisation of signs%s).\n\n", name, name, map[bool]string{true: ", Holm's correction for the number of scenarios"}[len(part.Scenarios) == 1])
	header = []string{"controller"}
	for _, key := range compared {
		header = append(header, ColumnByKey(key).Label+" δ", "P", "p")
	}
	markdownHeader(b, header)
	for i := 0; i < len(part.Comparisons); i += len(compared) {
		row := []string{escapeMarkdown(rowName(part.Comparisons[i].Controller))}
		for k := range compared {
			c := &part.Comparisons[i+k]
			if math.IsNaN(c.Difference.Value) {
				row = append(row, "-", "-", "-")
				continue
			}
			row = append(row, formatRange(&Estimate{Value: c.Delta, Interval: c.DeltaRange}, 2), formatRange(&Estimate{Value: c.Improvement, Interval: c.ImprovementRange}, 2),
				strings.ReplaceAll(formatP(c.PHolm), "<", "&lt;"))
		}
		markdownRow(b, row)
	}
}

// sensitivityTable is that of summary.md, of all controllers.
func sensitivityTable(b *bytes.Buffer, s *Summary, part *Part) {
	fmt.Fprintf(b, "Against %s under other κ and prices (what a missing CPU-second costs does not change with the prices): CAF, its difference run by run, and the cost over that of %s.\n\n",
		escapeMarkdown(s.Opponent), escapeMarkdown(s.Opponent))
	markdownHeader(b, []string{"controller", "variation", "CAF", "CAF Δ", "CAF is", "cost ×", "cost is"})
	seeds := len(s.Results.Plan.Seeds)
	for i := range part.Sensitivity {
		v := &part.Sensitivity[i]
		markdownRow(b, []string{escapeMarkdown(rowName(v.Controller)), escapeMarkdown(v.Variation.Name), formatFixedOr(v.CAF, 3), formatRange(&v.Difference, 3),
			wordOr(v.Difference.Judge(0, seeds)), formatRange(&v.CostRatio, 3), wordOr(v.CostRatio.Judge(1, seeds))})
	}
}

func wordOr(word string) string {
	if word == "" {
		return "-"
	}
	return word
}

// shownTaus are the levels of CAF that summary.md shows of a profile; profiles.csv has more.
var shownTaus = []float64{1.1, 1.25, 1.5, 1.75, 2, 2.5, 3}

// profileTable is the performance profile of the CAF.
func profileTable(b *bytes.Buffer, part *Part) {
	b.WriteString("Performance profile: the share of runs with a CAF of at most\n\n")
	header := []string{"controller"}
	for _, tau := range shownTaus {
		header = append(header, fmt.Sprint(tau))
	}
	markdownHeader(b, header)
	for i := range part.Profiles {
		p := &part.Profiles[i]
		if p.Key != "caf" {
			continue
		}
		row := []string{escapeMarkdown(rowName(p.Controller))}
		for _, tau := range shownTaus {
			text := "-"
			for _, q := range p.Points {
				if q.Tau == tau {
					text = formatRange(&Estimate{Value: q.Share, Interval: q.Interval}, 2)
				}
			}
			row = append(row, text)
		}
		markdownRow(b, row)
	}
}
