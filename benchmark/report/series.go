package report

import (
	"fmt"
	"math"

	"github.com/grlscaler/grlscaler/internal/svg"
)

// thin keeps at most so many points of a line: where there are more, spans of equal length give their lowest and their highest point
// in the order in which they came, so that no peak and no dip is lost.
func thin(at, v []float64, most int) (x, y []float64) {
	if len(v) <= most {
		return at, v
	}
	k := spanLength(len(v), most)
	for i := 0; i < len(v); i += k {
		lo, hi := -1, -1
		for j := i; j < min(i+k, len(v)); j++ {
			if math.IsNaN(v[j]) {
				continue
			}
			if lo < 0 || v[j] < v[lo] {
				lo = j
			}
			if hi < 0 || v[j] > v[hi] {
				hi = j
			}
		}
		if lo < 0 { // a gap stays one
			lo, hi = i, i
		}
		first, second := min(lo, hi), max(lo, hi)
		x, y = append(x, at[first]), append(y, v[first])
		if second != first {
			x, y = append(x, at[second]), append(y, v[second])
		}
	}
	return x, y
}

// spanLength is how many of n intervals share two points.
func spanLength(n, most int) int {
	half := max(most/2, 1)
	return (n + half - 1) / half
}

// line is a polyline; what is no number interrupts it.
func line(x, y []float64, ax, ay *svg.Axis) string {
	var pen svg.Pen
	for i := range x {
		if math.IsNaN(y[i]) {
			pen.Up()
			continue
		}
		pen.To(ax.At(x[i]), ay.At(y[i]))
	}
	return pen.String()
}

// steps is a line of values that hold from their time to the next one's.
func steps(x, y []float64, ax, ay *svg.Axis) string {
	var pen svg.Pen
	last := 0
	for i := range x {
		px, py := ax.At(x[i]), ay.At(y[i])
		if i > 0 {
			pen.To(px, last)
		}
		pen.To(px, py)
		last = py
	}
	return pen.String()
}

// band is the area between two step lines, the lower of which may be nil for the axis. Values hold from their time to the next one's;
// the last until end.
func band(x, low, high []float64, end float64, ax, ay *svg.Axis) string {
	if len(x) == 0 {
		return ""
	}
	var pen svg.Pen
	until := func(i int) int {
		if i+1 < len(x) {
			return ax.At(x[i+1])
		}
		return ax.At(end)
	}
	for i := range x {
		pen.To(ax.At(x[i]), ay.At(high[i]))
		pen.To(until(i), ay.At(high[i]))
	}
	for i := len(x) - 1; i >= 0; i-- {
		floor := ay.From
		if low != nil {
			floor = ay.At(low[i])
		}
		pen.To(until(i), floor)
		pen.To(ax.At(x[i]), floor)
	}
	pen.Close()
	return pen.String()
}

// span is the lowest and the highest of many numbers.
type span struct{ lo, hi float64 }

func emptySpan() span { return span{math.Inf(1), math.Inf(-1)} }

func (s *span) add(values ...float64) {
	for _, v := range values {
		if !math.IsNaN(v) {
			s.lo, s.hi = min(s.lo, v), max(s.hi, v)
		}
	}
}

func (s *span) empty() bool { return s.lo > s.hi }

// words says "2 to 14" or, of one number, "2".
func (s *span) words() string {
	if s.empty() {
		return "no number"
	}
	lo, hi := svg.Number(significant(s.lo)), svg.Number(significant(s.hi))
	if lo == hi {
		return lo
	}
	return lo + " to " + hi
}

// significant rounds to three digits.
func significant(v float64) float64 {
	if v == 0 || math.IsInf(v, 0) {
		return v
	}
	power := math.Pow(10, math.Floor(math.Log10(math.Abs(v)))-2)
	return math.Round(v/power) * power
}

// clock is an axis of time: what a unit of it is called, and how many seconds that is.
type clock struct {
	name    string
	seconds float64
}

// clockFor gives minutes up to two hours, hours up to three days, then days.
func clockFor(seconds float64) clock {
	switch {
	case seconds <= 2*3600:
		return clock{"min", 60}
	case seconds <= 3*24*3600:
		return clock{"h", 3600}
	}
	return clock{"d", 24 * 3600}
}

// timeTicks are ticks of an axis in seconds, labelled in the clock's unit.
func timeTicks(ax *svg.Axis, c clock, most int) []svg.Tick {
	scaled := svg.Axis{Min: ax.Min / c.seconds, Max: ax.Max / c.seconds, From: ax.From, To: ax.To}
	ticks := scaled.Ticks(most)
	if n := len(ticks); n > 0 {
		ticks[n-1].Label += " " + c.name
	}
	return ticks
}

// duration prints seconds as a reader says them.
func duration(seconds float64) string {
	if seconds < 120 {
		return fmt.Sprintf("%.0f s", seconds)
	}
	c := clockFor(seconds)
	return svg.Number(significant(seconds/c.seconds)) + " " + c.name
}
