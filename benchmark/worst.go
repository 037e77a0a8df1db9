package benchmark

import (
	"time"

	"github.com/grlscaler/grlscaler/sim"
)

// WorstLength is the length of a run's worst span: short enough to have one cause, long enough to hold for one.
const WorstLength = 10 * time.Minute

// Worst is the span of [WorstLength] of a run in which most requests violated their SLO, the first of equals; all of a shorter run.
type Worst struct {
	At         time.Duration `json:"at"`         // its beginning, from the start of the counted part
	Violations float64       `json:"violations"` // requests late or failed
	Requests   float64       `json:"requests"`   // offered
}

// Share is the share of requests that violated their SLO.
func (w *Worst) Share() float64 { return share(w.Violations, w.Requests) }

// worstSpan finds it while a run goes on.
type worstSpan struct {
	ring       [WorstLength / sim.ControlInterval]spanSums
	intervals  int
	sum        spanSums
	worst      Worst
	anyPresent bool
}

type spanSums struct{ violations, offered float64 }

// add takes in a whole control interval.
func (w *worstSpan) add(violations, offered float64) {
	slot := &w.ring[w.intervals%len(w.ring)]
	w.sum.violations += violations - slot.violations
	w.sum.offered += offered - slot.offered
	*slot = spanSums{violations, offered}
	w.intervals++
	full := w.intervals >= len(w.ring)
	if full && w.intervals%len(w.ring) == 0 { // sums of differences drift
		w.sum = spanSums{}
		for _, s := range w.ring {
			w.sum.violations += s.violations
			w.sum.offered += s.offered
		}
	}
	// Until a span is full the worst one is what there is.
	if !full || !w.anyPresent || w.sum.violations > w.worst.Violations {
		from := max(w.intervals-len(w.ring), 0)
		w.worst = Worst{At: time.Duration(from) * sim.ControlInterval, Violations: w.sum.violations, Requests: w.sum.offered}
		w.anyPresent = full
	}
}
