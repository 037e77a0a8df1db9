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
	for _, f := range r.Fitted {
		if err := table.Append(f.Key, f.WasText(), f.Text, f.Wide, fmt.Sprint(f.Intervals)); err != nil {
			return err
		}
	}
	if len(r.Fitted) > 0 {
		if err := table.Render(); err != nil {
			return err
		}
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
