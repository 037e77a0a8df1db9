package calibrate

import (
	"math"
	"strconv"
	"strings"
)

// rounded writes a value and its standard error with as many decimals as the error warrants: two significant digits of
// the error if they are at most 35, else one (the rule of the Particle Data Group's Review, section 5.3 of its
// introduction). Without a known error the value gets four significant digits.
func rounded(value, se float64) (v, e string) {
	if !(se > 0) || math.IsInf(se, 0) {
		d := 4
		if value != 0 {
			d = 3 - int(math.Floor(math.Log10(math.Abs(value))))
		}
		return fixed(value, d), "0"
	}
	exp := int(math.Floor(math.Log10(se)))
	digits := -exp // one significant digit
	if lead := se / math.Pow(10, float64(exp)); lead < 3.55 {
		digits++
	}
	return fixed(value, digits), fixed(se, digits)
}

// fixed writes v with a number of decimals, negative ones for tens and hundreds, without trailing zeros after the point
// beyond what the number of decimals asks for.
func fixed(v float64, decimals int) string {
	if decimals < 0 {
		scale := math.Pow(10, float64(-decimals))
		return strconv.FormatFloat(math.Round(v/scale)*scale, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'f', min(decimals, 12), 64)
}

// plain writes v as short as it can be.
func plain(v float64) string {
	s := strconv.FormatFloat(v, 'g', 6, 64)
	if strings.ContainsAny(s, "e") {
		s = strconv.FormatFloat(v, 'f', -1, 64)
	}
	return s
}
