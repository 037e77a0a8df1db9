package benchmark

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/renderer"
	"github.com/olekukonko/tablewriter/tw"
)

// Info is what stands under a table beside what the plan knows.
type Info struct {
	Tag     string // name of the results, as in results/<tag>
	Command string // the command line that made them
	// Settings is the effective configuration, anything that YAML can hold; nil for none. It is written to
	// config.yaml under the key settings.
	Settings any
	// Curves are the learning curves of the policies, for report.html.
	Curves []LearningCurve
	// Notes say of controllers how they came about.
	Notes []string
}

// shownColumn is a column of a printed table.
type shownColumn struct {
	header   string
	decimals int // -1: three significant digits of the largest value
	of       func(c *Cell) (e *Estimate, mark string)
	optional bool // left out when no row has a number
}

func shown(header, key string, decimals int) shownColumn {
	return shownColumn{header: header, decimals: decimals, of: func(c *Cell) (*Estimate, string) { return c.Of(key), "" }}
}

// headlineTable holds the four metrics that controllers are judged by.
var headlineTable = []shownColumn{
	shown("SLO_violate%", "slo_violate_pct", 2),
	shown("Slack%", "slack_pct", 1),
	{header: "Scaling Lag s", decimals: 1, of: func(c *Cell) (*Estimate, string) {
		if c.OpenLags {
			return c.Of("scaling_lag_s"), "*"
		}
		return c.Of("scaling_lag_s"), ""
	}},
	shown("CAF", "caf", 3),
}

// besideTable holds what is printed beside them.
var besideTable = []shownColumn{
	shown("p95 ms", "p95_ms", -1),
	shown("replicas", "replicas", 1),
	shown("cost", "cost", -1),
	shown("reward", "reward", 2),
	{header: "CAF/" + ReferencePolicy, decimals: 2, of: func(c *Cell) (*Estimate, string) { return &c.Relative, "" }, optional: true},
}

// maxNameWidth is the width of the first column: with it the tables fit 100 columns.
const maxNameWidth = 24

// WriteTables prints, for each part of the summary, the table of the four metrics and the narrower one beside it, where the plan has the
// tuned HPA two that set the others against it (against.go), and what a reader must know under the last.
func WriteTables(w io.Writer, s *Summary, info Info) error {
	for i := range s.Parts {
		part := &s.Parts[i]
		if _, err := fmt.Fprintf(w, "%s\n", partTitle(s, part)); err != nil {
			return err
		}
		for _, columns := range [][]shownColumn{headlineTable, besideTable} {
			if err := writeTable(w, part, columns); err != nil {
				return fmt.Errorf("printing the table of %s: %w", part.Name, err)
			}
			if _, err := fmt.Fprintln(w); err != nil {
				return err
			}
		}
		if s.Opponent == TunedHPA {
			if err := writeAgainst(w, s, part); err != nil {
				return fmt.Errorf("printing the comparison on %s: %w", part.Name, err)
			}
		}
	}
	if s.Opponent == TunedHPA && len(s.Parts) > 0 {
		if err := writeSensitivity(w, s, &s.Parts[len(s.Parts)-1]); err != nil {
			return fmt.Errorf("printing the sensitivity: %w", err)
		}
	}
	for _, line := range footnotes(s, info) {
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	return nil
}

// partTitle names a part and the runs behind it.
func partTitle(s *Summary, part *Part) string {
	runs := 0
	if len(part.Cells) > 0 {
		runs = part.Cells[0].Of("requests").Runs
	}
	if len(part.Scenarios) == 1 {
		return fmt.Sprintf("%s: %s of each controller", part.Name, plural(runs, "run"))
	}
	return fmt.Sprintf("%s: %s, %s of each controller", part.Name, plural(len(part.Scenarios), "scenario"), plural(runs, "run"))
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// present leaves out optional columns without a number, as the CAF relative to a policy that is not there.
func present(part *Part, columns []shownColumn) []shownColumn {
	return slices.DeleteFunc(slices.Clone(columns), func(col shownColumn) bool {
		return col.optional && !slices.ContainsFunc(part.Cells, func(c Cell) bool {
			e, _ := col.of(&c)
			return !math.IsNaN(e.Value)
		})
	})
}

func writeTable(w io.Writer, part *Part, columns []shownColumn) error {
	columns = present(part, columns)
	header := []string{"controller"}
	for i := range columns {
		header = append(header, columns[i].header)
	}
	table := textTable(w, header)
	for c := range part.Cells {
		cell := &part.Cells[c]
		row := []string{shorten(rowName(cell.Controller), maxNameWidth)}
		for i := range columns {
			e, mark := columns[i].of(cell)
			row = append(row, formatPlusMinus(e, columns[i].places(part))+mark)
		}
		if err := table.Append(row); err != nil {
			return err
		}
	}
	return table.Render()
}

// textTable makes a table for a terminal: its first column at the left, the others at the right.
func textTable(w io.Writer, header []string) *tablewriter.Table {
	align := tw.Alignment{tw.AlignLeft}
	for range header[1:] {
		align = append(align, tw.AlignRight)
	}
	table := tablewriter.NewTable(w,
		tablewriter.WithRenderer(renderer.NewBlueprint(tw.Rendition{
			Symbols: tw.NewSymbols(tw.StyleLight),
			Borders: tw.Border{Left: tw.Off, Right: tw.Off, Top: tw.Off, Bottom: tw.Off},
			Settings: tw.Settings{
				Separators: tw.Separators{BetweenColumns: tw.Off, BetweenRows: tw.Off},
				Lines:      tw.Lines{ShowHeaderLine: tw.On},
			},
		})),
		tablewriter.WithHeaderAutoFormat(tw.Off), // it would rewrite units
		tablewriter.WithEastAsian(tw.Off),        // or the widths depend on the user's locale
		tablewriter.WithAlignment(align),
	)
	table.Header(header)
	return table
}

// rowName marks the bound.
func rowName(c *ControllerSpec) string {
	if c.Kind == KindBound {
		return c.Name + " (bound)"
	}
	return c.Name
}

func shorten(s string, width int) string {
	if r := []rune(s); len(r) > width {
		return string(r[:width-1]) + "…"
	}
	return s
}

// places is the number of decimals of a column, the same for all rows.
func (c *shownColumn) places(part *Part) int {
	if c.decimals >= 0 {
		return c.decimals
	}
	largest := 0.0
	for i := range part.Cells {
		if e, _ := c.of(&part.Cells[i]); !math.IsNaN(e.Value) {
			largest = max(largest, math.Abs(e.Value))
		}
	}
	if largest == 0 {
		return 0
	}
	return min(max(2-int(math.Floor(math.Log10(largest))), 0), 6)
}

// formatPlusMinus prints mean ± half-width, the mean alone where there is no interval, - where it is not defined.
func formatPlusMinus(e *Estimate, decimals int) string {
	value := formatFixed(e.Value, decimals)
	switch {
	case value == "":
		return "-"
	case !e.Valid:
		return value
	default:
		return value + " ± " + formatFixed(e.HalfWidth(), decimals)
	}
}

// formatRange prints mean [low, high].
func formatRange(e *Estimate, decimals int) string {
	value := formatFixed(e.Value, decimals)
	switch {
	case value == "":
		return "-"
	case !e.Valid:
		return value
	default:
		return value + " [" + formatFixed(e.Low, decimals) + ", " + formatFixed(e.High, decimals) + "]"
	}
}

// footnotes is what stands under the last table.
func footnotes(s *Summary, info Info) []string {
	p := s.Results.Plan
	version := p.Version
	if version == "" {
		version = "unknown"
	}
	same := "All controllers met the same arrivals."
	if slices.ContainsFunc(p.Controllers, func(c ControllerSpec) bool { return c.Kind == KindBound }) {
		same += " A bound knows the future load and follows the demand curve: it bounds the CAF."
	}
	lines := []string{
		"Mean ± half the width of the 95 % interval over the seeds; p95 over all requests of all runs.",
		same,
	}
	if s.Opponent == TunedHPA {
		line := "Δ: run by run against " + TunedHPA + ", [ends of the 95 % interval]. P(better): the probability that a run has the lower CAF."
		if len(p.Seeds) >= leastClaimSeeds {
			line += " p: of such a difference in CAF by chance, corrected for the number of scenarios (Holm)."
		}
		lines = append(lines, line)
	}
	lines = append(lines,
		fmt.Sprintf("Application %s, engine %s, seeds %s, plan %s, version %s.", p.App.Name, p.Engine.Name, seedList(p.Seeds), p.Hash(), version))
	if info.Command != "" {
		lines = append(lines, "Command: "+info.Command)
	}
	lines = append(lines, info.Notes...)
	for _, warning := range s.Warnings {
		lines = append(lines, "Warning: "+warning+".")
	}
	return lines
}

// seedList prints seeds, runs of three and more as first-last.
func seedList(seeds []uint64) string {
	var parts []string
	for i := 0; i < len(seeds); {
		j := i
		for j+1 < len(seeds) && seeds[j+1] == seeds[j]+1 {
			j++
		}
		if j-i >= 2 {
			parts = append(parts, fmt.Sprintf("%d-%d", seeds[i], seeds[j]))
		} else {
			for k := i; k <= j; k++ {
				parts = append(parts, fmt.Sprint(seeds[k]))
			}
		}
		i = j + 1
	}
	return strings.Join(parts, ", ")
}
