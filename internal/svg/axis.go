package svg

import (
	"math"
	"strconv"
)

// Scale says how an axis spreads numbers.
type Scale int

const (
	Linear Scale = iota
	Log          // of numbers above 0
	Sqrt         // of numbers from 0 on: shares near 0 get room, and 0 has a place
)

// Axis places numbers from Min to Max at units From to To.
type Axis struct {
	Min, Max float64
	From, To int
	Scale    Scale
}

// At is where a number lies; numbers outside are put at the end.
func (a *Axis) At(v float64) int {
	lo, hi := a.spread(a.Min), a.spread(a.Max)
	if !(hi > lo) {
		return a.From
	}
	share := (a.spread(min(max(v, a.Min), a.Max)) - lo) / (hi - lo)
	return a.From + int(math.Round(share*float64(a.To-a.From)))
}

func (a *Axis) spread(v float64) float64 {
	switch a.Scale {
	case Log:
		return math.Log10(v)
	case Sqrt:
		return math.Sqrt(max(v, 0))
	}
	return v
}

// Tick is a labelled place on an axis.
type Tick struct {
	At    int
	Label string
}

// Ticks are round numbers between the ends, most of them or fewer.
func (a *Axis) Ticks(most int) []Tick {
	var values []float64
	switch a.Scale {
	case Log:
		values = decades(a.Min, a.Max, most)
	case Sqrt:
		values = rounds(a.Max, most)
	default:
		step := Step((a.Max - a.Min) / float64(max(most-1, 1)))
		for k := math.Ceil(a.Min/step - 1e-9); k*step <= a.Max+1e-9*step; k++ {
			values = append(values, k*step)
		}
	}
	ticks := make([]Tick, len(values))
	for i, v := range values {
		ticks[i] = Tick{a.At(v), Number(v)}
	}
	return ticks
}

// Step is the smallest of 1, 2 and 5 times a power of ten that is at least x.
func Step(x float64) float64 {
	if !(x > 0) || math.IsInf(x, 1) {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(x)))
	for _, f := range [...]float64{1, 2, 5} {
		if f*power >= x*(1-1e-9) {
			return f * power
		}
	}
	return 10 * power
}

// decades are powers of ten, or every second, third, ... of them; with less than two, also 2 and 5 times them.
func decades(lo, hi float64, most int) []float64 {
	from, to := int(math.Ceil(math.Log10(lo)-1e-9)), int(math.Floor(math.Log10(hi)+1e-9))
	var values []float64
	if to-from < 1 {
		for k := from - 1; k <= to; k++ {
			for _, f := range [...]float64{1, 2, 5} {
				if v := f * math.Pow(10, float64(k)); v >= lo*(1-1e-9) && v <= hi*(1+1e-9) {
					values = append(values, v)
				}
			}
		}
		return values
	}
	every := (to-from)/max(most, 1) + 1
	for k := from; k <= to; k += every {
		values = append(values, math.Pow(10, float64(k)))
	}
	return values
}

// rounds are 0 and numbers that fall from the highest round one by factors of 2 and 2.5, as far as there is room.
func rounds(hi float64, most int) []float64 {
	if !(hi > 0) {
		return []float64{0}
	}
	v := Step(hi)
	if v > hi*(1+1e-9) {
		v = below(v)
	}
	values := []float64{0}
	for ; len(values) < most; v = below(v) {
		values = append(values, v)
	}
	return values
}

// below is the next lower of 1, 2 and 5 times a power of ten.
func below(v float64) float64 { return Step(v * 0.39) }

// Number prints a number shortly: 1200000 as 1.2M, 0.25 as 0.25.
func Number(v float64) string {
	if v == 0 { // of either sign
		return "0"
	}
	for _, unit := range [...]struct {
		size float64
		name string
	}{{1e9, "G"}, {1e6, "M"}, {1e4, "k"}} {
		if math.Abs(v) < unit.size {
			continue
		}
		if unit.name == "k" {
			return strconv.FormatFloat(v/1e3, 'g', 4, 64) + "k"
		}
		return strconv.FormatFloat(v/unit.size, 'g', 4, 64) + unit.name
	}
	s := strconv.FormatFloat(v, 'f', 4, 64)
	for s[len(s)-1] == '0' {
		s = s[:len(s)-1]
	}
	if s[len(s)-1] == '.' {
		s = s[:len(s)-1]
	}
	if s == "-0" || s == "0" { // too small for four decimals
		return strconv.FormatFloat(v, 'g', 2, 64)
	}
	return s
}
