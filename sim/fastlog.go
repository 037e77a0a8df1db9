package sim

import "math"

// logTable gives natural logarithms of positive normal numbers within 1e-11: with m = c (1 + r), c the middle of one of 256 parts
// of [1, 2), ln (2^e m) = e ln 2 + ln c + r - r^2/2 + r^3/3 - ..., |r| < 1/512.
type logTable [256]struct{ log, inverse float64 }

var logs = newLogTable()

func newLogTable() *logTable {
	var t logTable
	for i := range t {
		c := 1 + (float64(i)+0.5)/float64(len(t))
		t[i].log, t[i].inverse = math.Log(c), 1/c
	}
	return &t
}

func (t *logTable) of(x float64) float64 {
	const bias, mantissa = 1023, 1<<52 - 1
	b := math.Float64bits(x)
	part := &t[b>>44&0xff]
	r := math.Float64frombits(b&mantissa|bias<<52)*part.inverse - 1
	return float64(int(b>>52)-bias)*math.Ln2 + part.log + r*(1-r*(0.5-r*(1.0/3-r*0.25)))
}
