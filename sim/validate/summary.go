package validate

import (
	"math"
	"slices"

	"github.com/grlscaler/grlscaler/sim/trace"
)

// Quantity is what is compared.
type Quantity uint8

// The quantities, in the order of tables.
const (
	CPU Quantity = iota
	Mean
	P50
	P95
	P99
	Throttling
	Errors
)

// Quantities lists all of them.
var Quantities = []Quantity{CPU, Mean, P50, P95, P99, Throttling, Errors}

func (q Quantity) String() string {
	return [...]string{"CPU", "mean", "p50", "p95", "p99", "throttled", "errors"}[q]
}

// Share tells whether the quantity is a share from 0 to 1. Its error is a difference in percentage points; that of the others
// is relative to what was recorded.
func (q Quantity) Share() bool { return q == Throttling || q == Errors }

// of is the quantity's number.
func (q Quantity) of(v *Values) float64 {
	return [...]float64{v.CPUMillis, v.MeanMs, v.P50Ms, v.P95Ms, v.P99Ms, v.Throttled, v.ErrorRate}[q]
}

// least is how many recorded requests a row must have for its number to say something: a p95 then has five above it
// and a p99 as well.
func (q Quantity) least() float64 {
	switch q {
	case Mean, P50:
		return 30
	case P95:
		return 100
	case P99:
		return 500
	}
	return 0
}

// leastCPU is the recorded CPU below which a relative error says nothing: an idle process ticks.
const leastCPU = 1.0 // millicores

// Error is how far the prediction is off: predicted / recorded - 1, or the difference for a share. ok is false if one of
// them is not known, or too few requests were recorded.
func (r *Row) Error(q Quantity) (err float64, ok bool) {
	recorded, predicted := q.of(&r.Recorded), q.of(&r.Predicted)
	switch {
	case !trace.Has(recorded) || !trace.Has(predicted) || !(r.Count >= q.least()) && q.least() > 0:
		return 0, false
	case q.Share():
		return predicted - recorded, true
	case !(recorded > 0) || q == CPU && recorded < leastCPU:
		return 0, false
	}
	return predicted/recorded - 1, true
}

// class is the one by which the quantity is set apart.
func (r *Row) class(q Quantity) Class {
	if q == CPU || q == Throttling {
		return r.OwnClass
	}
	return r.Class
}

// Stat sums up errors.
type Stat struct {
	N           int
	Median, P90 float64 // of the absolute errors
	Bias        float64 // median of the signed ones: above 0 the simulator gives more than was recorded
}

// newStat sums up signed errors; they are sorted.
func newStat(signed []float64) Stat {
	if len(signed) == 0 {
		no := trace.NoValue()
		return Stat{0, no, no, no}
	}
	size := make([]float64, len(signed))
	for i, e := range signed {
		size[i] = math.Abs(e)
	}
	slices.Sort(signed)
	slices.Sort(size)
	return Stat{len(signed), quantile(size, 0.5), quantile(size, 0.9), quantile(signed, 0.5)}
}

// quantile interpolates between the order statistics of sorted values (Hyndman and Fan's type 7).
func quantile(sorted []float64, p float64) float64 {
	x := p * float64(len(sorted)-1)
	i := min(int(x), len(sorted)-1)
	j := min(i+1, len(sorted)-1)
	return sorted[i] + (x-float64(i))*(sorted[j]-sorted[i])
}

// Summarise sums up the errors of the rows that keep holds, of one quantity and class.
func Summarise(rows []Row, q Quantity, class Class, keep func(*Row) bool) Stat {
	var errs []float64
	for i := range rows {
		r := &rows[i]
		if r.class(q) != class || keep != nil && !keep(r) {
			continue
		}
		if e, ok := r.Error(q); ok {
			errs = append(errs, e)
		}
	}
	return newStat(errs)
}

// Overall is Summarise over all classes.
func Overall(rows []Row, q Quantity, keep func(*Row) bool) Stat {
	var errs []float64
	for i := range rows {
		if r := &rows[i]; keep == nil || keep(r) {
			if e, ok := r.Error(q); ok {
				errs = append(errs, e)
			}
		}
	}
	return newStat(errs)
}

// IsKind keeps the rows of one kind.
func IsKind(k Kind) func(*Row) bool { return func(r *Row) bool { return r.Kind == k } }

// All joins the rows of results.
func All(results []*Result) []Row {
	var rows []Row
	for _, r := range results {
		rows = append(rows, r.Rows...)
	}
	return rows
}
