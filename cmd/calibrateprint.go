package cmd

import (
	"fmt"
	"io"
	"strings"

	"github.com/grlscaler/grlscaler/sim/calibrate"
)

// printCalibration prints what was fitted, what was not and why, and what a user should know of the recordings.
func printCalibration(out io.Writer, r *calibrate.Result) error {
	table := newTable(out, "number", "was", "fitted", "standard error", "intervals")
	tied := false
	for _, f := range r.Fitted {
		wide := f.Wide
		if f.Tied {
			wide += " tied"
			tied = true
		}
		if err := table.Append(f.Key, f.WasText(), f.Text, wide, fmt.Sprint(f.Intervals)); err != nil {
			return err
		}
	}
	if len(r.Fitted) > 0 {
		if err := table.Render(); err != nil {
			return err
		}
	}
	if tied {
		fmt.Fprintln(out, "tied: one factor for operations of a service; the error is that of their mean, and theirs if the application's proportion is right.")
	}
	for _, k := range r.Kept {
		for i, line := range wrapped(fmt.Sprintf("not identified: %s: %s. To fit: %s.", strings.Join(k.Keys, ", "), k.Reason, k.Cure), lineWidth) {
			if i > 0 {
				line = "  " + line
			}
			fmt.Fprintln(out, line)
		}
	}
	for _, warning := range r.Warnings {
		fmt.Fprintln(out, "warning: "+warning)
	}
	return nil
}
