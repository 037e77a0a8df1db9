package validate

import (
	"time"

	"github.com/grlscaler/grlscaler/sim/trace"
)

// Drain is how long a backlog takes to go after capacity came or load went. Requests in the system are rate times mean latency
// (Little's law) in each interval, so nothing shorter than an interval shows.
type Drain struct {
	Recording string
	At        time.Duration // start of the first interval with more replicas or less load
	// Backlogs are requests in the system in the interval before At, above the level that follows.
	RecordedBacklog, PredictedBacklog float64
	// Seconds until the backlog has gone, as if it went at a constant rate: twice the area over its height. 0 where
	// there is no backlog.
	RecordedSeconds, PredictedSeconds float64
}

// Bounds of what counts as the end of an overload.
const (
	drainLoadFalls   = 2.0 / 3 // to this share of the load before
	drainLeast       = 3.0     // requests of backlog, in the recording
	drainLeastFactor = 2.0     // times the level that follows
	drainLevel       = 2       // intervals, the last ones before the next change, whose mean is the level that follows
)

// Drains finds where a recorded backlog goes, and compares. res is what Compare made of rec.
func Drains(rec Named, res *Result) []Drain {
	var recorded, predicted, rates []float64
	for i := range res.Rows {
		if r := &res.Rows[i]; r.Kind == AllRequests {
			recorded = append(recorded, inSystem(&r.Recorded))
			predicted = append(predicted, inSystem(&r.Predicted))
			rates = append(rates, r.Recorded.RPS)
		}
	}
	changes := capacityChanges(rec, rates)
	var out []Drain
	for i, k := range changes {
		end := len(rates)
		if i+1 < len(changes) {
			end = changes[i+1]
		}
		if end-k < drainLevel+1 {
			continue
		}
		d := Drain{Recording: rec.Name, At: time.Duration(k) * res.Interval}
		var level float64
		d.RecordedBacklog, level, d.RecordedSeconds = drain(recorded[k-1:end], res.Interval)
		if !(d.RecordedBacklog >= drainLeast && d.RecordedBacklog >= (drainLeastFactor-1)*level) {
			continue
		}
		d.PredictedBacklog, _, d.PredictedSeconds = drain(predicted[k-1:end], res.Interval)
		out = append(out, d)
	}
	return out
}

// inSystem is Little's law: requests in the system are those that arrive per second times the seconds that they stay.
func inSystem(v *Values) float64 {
	if !trace.Has(v.MeanMs) {
		return 0
	}
	return v.RPS * v.MeanMs / 1000
}

// capacityChanges lists the intervals at whose beginning a service has more ready replicas than before, or the load is
// much lower.
func capacityChanges(rec Named, rates []float64) []int {
	more := make([]bool, len(rates))
	before := map[string]float64{}
	for i := range rec.Services {
		r := &rec.Services[i]
		k := int(r.At / rec.Meta.Interval)
		if n, ok := before[r.Service]; ok && k < len(more) && r.Ready > n {
			more[k] = true
		}
		before[r.Service] = r.Ready
	}
	var out []int
	for k := 1; k < len(rates); k++ {
		if more[k] || rates[k] < drainLoadFalls*rates[k-1] {
			out = append(out, k)
		}
	}
	return out
}

// drain measures a series whose first element is the interval before the change.
func drain(n []float64, interval time.Duration) (backlog, level, seconds float64) {
	for _, v := range n[len(n)-drainLevel:] {
		level += v / drainLevel
	}
	backlog = n[0] - level
	if backlog <= 0 {
		return 0, level, 0
	}
	area := 0.0
	for _, v := range n[1:] {
		area += max(0, v-level) * interval.Seconds()
	}
	return backlog, level, 2 * area / backlog
}
