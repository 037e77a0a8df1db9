package trace

import (
	"io"
	"slices"
)

// totalColumns are the columns that hold the total rate without being named by RateColumn.
var totalColumns = []string{"rps", TotalEndpoint}

// ImportCSV reads plain rates: a time column (t or t_s in seconds, t_min, t_h, or a date in date, time, time_utc,
// timestamp), then either one column rps (requests per second of all endpoints together) or one column for each
// endpoint. A row's rate is that from its time to the next row's. file is the name used in messages.
func ImportCSV(r io.Reader, file string, opt ImportOptions) (*Recording, error) {
	w, err := readWide(r, file, nil, func(cols []string, out *findings) []bool { return rateColumns(cols, file, opt.RateColumn, out) })
	if err != nil {
		return nil, err
	}
	if err := w.refuseNegative(func(string) bool { return false }); err != nil {
		return nil, err
	}
	g, err := newGrid(w, opt.Interval, opt.AllowGaps || opt.Fill)
	if err != nil {
		return nil, err
	}
	rec := &Recording{Meta: opt.meta(AnyApplication, "imported from "+file, "")}
	w.describe(&rec.Meta, g)
	rates := make([][]float64, len(w.columns))
	for c := range w.columns {
		rates[c] = g.means(w.values[c])
	}
	for k, is := range g.filled() {
		for c, col := range w.columns {
			if !is {
				break
			}
			if slices.Contains(totalColumns, col) || col == opt.RateColumn {
				col = TotalEndpoint
			}
			no := NoValue()
			rec.Endpoints = append(rec.Endpoints, EndpointRow{g.at(k), col, rates[c][k], no, no, no, no, no})
		}
	}
	return opt.checked(rec)
}

// rateColumns says which columns are rates.
func rateColumns(cols []string, file, rate string, out *findings) []bool {
	use := make([]bool, len(cols))
	n := 0
	for i, c := range cols {
		_, num := timeUnits[c]
		switch {
		case num || slices.Contains(dateColumns, c):
			continue
		case rate != "" && c != rate:
			continue
		case slices.Contains(cols[:i], c):
			out.errorf(CodeColumnTwice, file, 1, c, "keep one of them", "the column is there twice")
		case badName(c) != "":
			out.errorf(CodeName, file, 1, "", "name the column after the endpoint", "column %d: %s %s", i+1, quoted(c), badName(c))
		}
		use[i] = true
		n++
	}
	switch {
	case n > 0:
	case rate != "":
		out.errorf(CodeColumnMissing, file, 1, rate, didYouMean(rate, cols), "the column is missing")
	default:
		out.errorf(CodeColumnMissing, file, 1, "rps", "add it, or a column for each endpoint", "there is no rate")
	}
	for i, c := range cols {
		if use[i] && n > 1 && c == "rps" {
			out.errorf(CodeColumnTwice, file, 1, c, "name the total with the rate column option, or remove it", "a total beside other rates")
		}
	}
	return use
}
