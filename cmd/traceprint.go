package cmd

import (
	"fmt"
	"io"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/tw"

	"github.com/grlscaler/grlscaler/sim/trace"
)

// printSummary prints what a recording holds.
func printSummary(w io.Writer, s *trace.Summary) error {
	fmt.Fprintf(w, "application %s, %v in steps of %v\n", s.Meta.Application, s.Duration, s.Meta.Interval)
	if s.Meta.Source != "" {
		fmt.Fprintf(w, "source: %s\n", s.Meta.Source)
	}
	if s.Meta.Licence != "" {
		fmt.Fprintf(w, "licence: %s\n", s.Meta.Licence)
	}
	if len(s.Endpoints) > 0 {
		t := newTable(w, "endpoint", "mean rps", "max rps", "worst p95 ms", "errors %")
		for _, e := range s.Endpoints {
			if err := t.Append(e.Name, number(e.MeanRPS, 2), number(e.MaxRPS, 2), number(e.WorstP95Ms, 1), number(100*e.ErrorRate, 2)); err != nil {
				return err
			}
		}
		if err := t.Render(); err != nil {
			return err
		}
	}
	if len(s.Services) > 0 {
		t := newTable(w, "service", "replicas", "CPU m", "max CPU m", "rps", "throttled %")
		for _, v := range s.Services {
			if err := t.Append(v.Name, span(v.MinReplicas, v.MaxReplicas), number(v.MeanCPUMillis, 1), number(v.MaxCPUMillis, 1), number(v.MeanRPS, 2), number(100*v.MeanThrottled, 1)); err != nil {
				return err
			}
		}
		if err := t.Render(); err != nil {
			return err
		}
	}
	for _, m := range s.Missing {
		fmt.Fprintln(w, "missing: "+m)
	}
	return nil
}

// newTable makes a terminal table whose header is printed as it is.
func newTable(w io.Writer, header ...string) *tablewriter.Table {
	t := tablewriter.NewTable(w, tablewriter.WithHeaderAutoFormat(tw.Off), tablewriter.WithRowAlignment(tw.AlignRight))
	t.Header(header)
	return t
}

// number prints a value, or a dash where there is none.
func number(v float64, decimals int) string {
	if !trace.Has(v) {
		return "-"
	}
	return fmt.Sprintf("%.*f", decimals, v)
}

// span prints a range of counts.
func span(lo, hi float64) string {
	if lo == hi {
		return number(lo, 0)
	}
	return number(lo, 0) + "-" + number(hi, 0)
}
