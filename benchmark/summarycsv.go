package benchmark

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// summaryHeader is the first line of summary.csv. estimate is the mean (over the scenarios, of the mean over the seeds), or the pooled percentile
// for p50_ms, p95_ms and p99_ms; low and high are the ends of its 95 % interval; iqm is the interquartile mean over all runs; worst is the worst run.
// What follows opponent is the comparison with it: difference and ratio of means on common random numbers, Cliff's delta, the probability of
// improvement, the p-value of the difference and the same corrected for the number of scenarios. Empty: there is none.
const summaryHeader = "scenario,controller,metric,runs,estimate,low,high,iqm,iqm_low,iqm_high,worst,worst_scenario,worst_seed," +
	"opponent,diff,diff_low,diff_high,diff_iqm,diff_iqm_low,diff_iqm_high,ratio,ratio_low,ratio_high,delta,delta_low,delta_high,improve,improve_low,improve_high,p,p_holm\n"

// comparisonFields is the number of columns from opponent on.
var comparisonFields = strings.Count(summaryHeader[strings.Index(summaryHeader, "opponent"):], ",") + 1

// summaryCSV has one row for each scenario (and overall), controller and metric.
func summaryCSV(s *Summary) []byte {
	var b bytes.Buffer
	b.WriteString(summaryHeader)
	for i := range s.Parts {
		part := &s.Parts[i]
		for c := range part.Cells {
			cell := &part.Cells[c]
			for k := range Columns {
				col := &Columns[k]
				decimals := max(col.Decimals, 2)
				e := &cell.Estimates[k]
				summaryLine(&b, part, cell.Controller, col.Key, e, decimals)
				comparisonLine(&b, s, part.Against(cell.Controller.Name, col.Key), decimals)
			}
			summaryLine(&b, part, cell.Controller, "caf_relative", &cell.Relative, 6)
			comparisonLine(&b, s, nil, 0)
		}
	}
	return b.Bytes()
}

// Against returns the comparison of a controller by a metric, nil if there is none.
func (p *Part) Against(controller, key string) *Comparison {
	for i := range p.Comparisons {
		if c := &p.Comparisons[i]; c.Key == key && c.Controller.Name == controller {
			return c
		}
	}
	return nil
}

func summaryLine(b *bytes.Buffer, part *Part, c *ControllerSpec, metric string, e *Estimate, decimals int) {
	worst, scenario, seed := "", "", ""
	if e.Worst.Scenario != "" {
		worst, scenario, seed = formatFixed(e.Worst.Value, decimals), csvField(e.Worst.Scenario), strconv.FormatUint(e.Worst.Seed, 10)
	}
	fmt.Fprintf(b, "%s,%s,%s,%d,%s,%s,%s,%s,%s", csvField(part.Name), csvField(c.Name), metric, e.Runs,
		csvInterval(e.Value, e.Interval, decimals), csvInterval(e.IQM, e.IQMRange, decimals), worst, scenario, seed)
}

func comparisonLine(b *bytes.Buffer, s *Summary, c *Comparison, decimals int) {
	if c == nil {
		b.WriteString(strings.Repeat(",", comparisonFields) + "\n")
		return
	}
	fmt.Fprintf(b, ",%s,%s,%s,%s,%s,%s,%s,%s\n", csvField(s.Opponent),
		csvInterval(c.Difference.Value, c.Difference.Interval, decimals), csvInterval(c.Difference.IQM, c.Difference.IQMRange, decimals),
		csvInterval(c.Ratio.Value, c.Ratio.Interval, 4), csvInterval(c.Delta, c.DeltaRange, 4), csvInterval(c.Improvement, c.ImprovementRange, 4),
		formatFixed(c.P, 6), formatFixed(c.PHolm, 6))
}

// csvInterval is three fields: a value and the ends of its interval.
func csvInterval(v float64, iv Interval, decimals int) string {
	if !iv.Valid {
		return formatFixed(v, decimals) + ",,"
	}
	return formatFixed(v, decimals) + "," + formatFixed(iv.Low, decimals) + "," + formatFixed(iv.High, decimals)
}

// profilesCSV has one row for each point of a profile.
func profilesCSV(s *Summary) []byte {
	var b bytes.Buffer
	b.WriteString("scenario,controller,metric,tau,share,low,high\n")
	for i := range s.Parts {
		for k := range s.Parts[i].Profiles {
			p := &s.Parts[i].Profiles[k]
			for _, q := range p.Points {
				fmt.Fprintf(&b, "%s,%s,%s,%s,%s\n", csvField(s.Parts[i].Name), csvField(p.Controller.Name), p.Key,
					strconv.FormatFloat(q.Tau, 'f', -1, 64), csvInterval(q.Share, q.Interval, 4))
			}
		}
	}
	return b.Bytes()
}

// sensitivityCSV has one row for each controller and variation. A verdict is empty where nothing is claimed.
func sensitivityCSV(s *Summary) []byte {
	var b bytes.Buffer
	b.WriteString("scenario,controller,opponent,variation,caf,diff,diff_low,diff_high,caf_verdict,cost_ratio,cost_ratio_low,cost_ratio_high,cost_verdict\n")
	seeds := len(s.Results.Plan.Seeds)
	for i := range s.Parts {
		for k := range s.Parts[i].Sensitivity {
			v := &s.Parts[i].Sensitivity[k]
			fmt.Fprintf(&b, "%s,%s,%s,%s,%s,%s,%s,%s,%s\n", csvField(s.Parts[i].Name), csvField(v.Controller.Name), csvField(s.Opponent), csvField(v.Variation.Name),
				formatFixed(v.CAF, 6), csvInterval(v.Difference.Value, v.Difference.Interval, 6), v.Difference.Judge(0, seeds),
				csvInterval(v.CostRatio.Value, v.CostRatio.Interval, 4), v.CostRatio.Judge(1, seeds))
		}
	}
	return b.Bytes()
}
