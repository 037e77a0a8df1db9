package trace

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"
)

// wide is a CSV file with one row for each time and one column for each series.
type wide struct {
	file    string
	times   []time.Duration // from the first row
	lines   []int
	columns []string
	values  [][]float64 // [column][row], NoValue for an empty cell
	start   time.Time   // of the first row, if its time is a date
	shift   time.Duration
	zoned   bool // dates named their time zone
}

// timeUnits are the time columns that hold numbers, and how long 1 is.
var timeUnits = map[string]time.Duration{"t": time.Second, "t_s": time.Second, "t_min": time.Minute, "t_h": time.Hour}

// dateColumns are the time columns that hold dates.
var dateColumns = []string{"date", "time", "time_utc", "timestamp"}

// dateLayouts are the forms of dates that are understood; those without a zone are taken as UTC.
var dateLayouts = []struct {
	layout string
	zoned  bool
}{
	{time.RFC3339Nano, true},
	{"2006-01-02T15:04Z07:00", true},
	{"2006-01-02T15:04:05.999999999", false},
	{"2006-01-02 15:04:05.999999999Z07:00", true},
	{"2006-01-02 15:04:05.999999999", false},
	{"2006-01-02 15:04", false},
}

// readWide reads such a file. header is called once with the columns and their findings list and says which are
// numbers to be read; time columns are not among them. implied, if not nil, gives names to a first row that is no header (nil if it is one).
func readWide(r io.Reader, file string, implied func(first []string) []string, header func(cols []string, out *findings) (use []bool)) (*wide, error) {
	out := newFindings(0)
	cr := csv.NewReader(r)
	cr.ReuseRecord = true
	cr.FieldsPerRecord = -1
	cr.Comment = 0
	w := &wide{file: file}
	first, err := cr.Read()
	if err == io.EOF {
		out.errorf(CodeFileEmpty, file, 0, "", "give a file with a header line", "is empty")
		return nil, out.err()
	}
	if err != nil {
		reportCSV(out, file, err)
		return nil, out.err()
	}
	names := slices.Clone(first)
	names[0] = strings.TrimPrefix(names[0], "\ufeff")
	var row []string // the first row, if it is no header
	if implied != nil {
		if cols := implied(names); cols != nil {
			row, names = names, cols
		}
	}
	timeCol := w.timeColumn(names, out)
	use := header(names, out)
	if out.errors > 0 {
		return nil, out.err()
	}
	var fields []int // field of each column kept
	for i, n := range names {
		if i != timeCol && use[i] {
			fields = append(fields, i)
			w.columns = append(w.columns, n)
		}
	}
	w.values = make([][]float64, len(fields))
	w.readRows(cr, row, names, timeCol, fields, out)
	if out.errors == 0 && len(w.times) == 0 {
		out.errorf(CodeNoRows, file, 0, "", "give a file with numbers", "has a header but no rows")
	}
	return w, out.err()
}

// timeColumn finds the time column.
func (w *wide) timeColumn(names []string, out *findings) int {
	found := -1
	for i, n := range names {
		_, num := timeUnits[n]
		if !num && !slices.Contains(dateColumns, n) {
			continue
		}
		if found >= 0 {
			out.errorf(CodeColumnTwice, w.file, 1, n, "keep one", "a second time column beside %s", names[found])
		}
		found = i
	}
	if found < 0 {
		known := append(sortedKeys(timeUnits), dateColumns...)
		out.errorf(CodeColumnMissing, w.file, 1, "", "name it "+strings.Join(known, ", "), "there is no time column")
	}
	return found
}

// readRows reads the lines below the header, and before them the first line where that is none.
func (w *wide) readRows(cr *csv.Reader, first, names []string, timeCol int, fields []int, out *findings) {
	var origin time.Time // times are counted from here until the first row's is known
	unit, numeric := timeUnits[names[timeCol]]
	for {
		rec, err := first, error(nil)
		if first == nil {
			rec, err = cr.Read()
		}
		first = nil
		if err == io.EOF {
			return
		}
		if err != nil {
			reportCSV(out, w.file, err)
			if errors.As(err, new(*csv.ParseError)) {
				continue
			}
			return
		}
		line, _ := cr.FieldPos(0)
		if len(rec) != len(names) {
			out.errorf(CodeFields, w.file, line, "", "give each column a field, empty where there is no value",
				"%d fields where the header has %d columns", len(rec), len(names))
			continue
		}
		var at time.Duration
		var ok bool
		if numeric {
			at, ok = w.number(rec[timeCol], line, names[timeCol], unit, out)
		} else {
			at, ok = w.date(rec[timeCol], line, names[timeCol], &origin, out)
		}
		if !ok {
			continue
		}
		if len(w.times) == 0 {
			w.shift = at
		}
		at -= w.shift
		if n := len(w.times); n > 0 && at < w.times[n-1] {
			back := w.times[n-1] - at
			out.errorf(CodeClock, w.file, line, names[timeCol], "give seconds, or dates with their time zone, and sort rows that are out of order",
				"%s is %s s before the time of the row above%s", quoted(rec[timeCol]), seconds(int64(back)), summerTime(int64(back), int64(time.Minute)))
			w.times = append(w.times, at) // go on from there: what follows a clock that was set back is in order again
			w.lines = append(w.lines, line)
			for c := range fields {
				w.values[c] = append(w.values[c], NoValue())
			}
			continue
		}
		w.times = append(w.times, at)
		w.lines = append(w.lines, line)
		for c, f := range fields {
			v := NoValue()
			if rec[f] != "" {
				v = parseCell(out, w.file, line, names[f], []byte(rec[f]))
			}
			w.values[c] = append(w.values[c], v)
		}
	}
}

// number reads a time given as a number.
func (w *wide) number(text string, line int, col string, unit time.Duration, out *findings) (time.Duration, bool) {
	before := out.errors
	v := parseCell(out, w.file, line, col, []byte(text)) * unit.Seconds()
	if out.errors > before {
		return 0, false
	}
	// Unix times are large but fine: they are shifted to begin at 0.
	if math.Abs(v) > 4e9 {
		out.errorf(CodeTooLarge, w.file, line, col, "give seconds; milliseconds since 1970 must be divided by 1000", "%s is too large for a time", quoted(text))
		return 0, false
	}
	return micros(v), true
}

// isDate tells whether a text is a date that is understood.
func isDate(text string) bool {
	for _, l := range dateLayouts {
		if _, err := time.Parse(l.layout, text); err == nil {
			return true
		}
	}
	return false
}

// date reads a time given as a date. The first one becomes the origin.
func (w *wide) date(text string, line int, col string, origin *time.Time, out *findings) (time.Duration, bool) {
	for _, l := range dateLayouts {
		t, err := time.Parse(l.layout, text)
		if err != nil {
			continue
		}
		if origin.IsZero() {
			*origin, w.start, w.zoned = t, t.UTC(), l.zoned
		}
		d := t.Sub(*origin)
		if d > 100*365*24*time.Hour || d < 0 && len(w.times) == 0 {
			break
		}
		return d.Round(time.Microsecond), true
	}
	out.errorf(CodeNumber, w.file, line, col, "write it like 2025-06-30T12:00:00Z or 2025-06-30 12:00:00", "%s is not a date", quoted(text))
	return 0, false
}

// reportCSV reports that a line could not be read.
func reportCSV(out *findings, file string, err error) {
	line := 0
	var parse *csv.ParseError
	if errors.As(err, &parse) {
		line = parse.Line
	}
	code, cause, cure := readCause(err)
	out.errorf(code, file, line, "", cure, "%s", cause)
}

// describe puts what is known of the times into the recording's meta.
func (w *wide) describe(m *Meta, g *grid) {
	m.Interval = g.interval
	m.Gaps = g.missing > 0
	if m.Start.IsZero() {
		m.Start = w.start
	}
	m.Notes = append(m.Notes, append(w.timeNotes(), w.gridNotes(g)...)...)
}

// timeNotes says what was done to the times.
func (w *wide) timeNotes() []string {
	var notes []string
	if w.shift != 0 {
		notes = append(notes, fmt.Sprintf("Times were shifted by %s s, so that the first row is at 0.", seconds(int64(-w.shift))))
	}
	if !w.start.IsZero() && !w.zoned {
		notes = append(notes, "The source's dates name no time zone and were taken as UTC.")
	}
	return notes
}

// gridNotes says how rows were placed on a grid.
func (w *wide) gridNotes(g *grid) []string {
	var notes []string
	if have := g.steps - g.missing; len(w.times) > have {
		notes = append(notes, fmt.Sprintf("%d rows of the source were averaged into %d intervals of %s s (replicas: the last of each).",
			len(w.times), have, seconds(int64(g.interval))))
	}
	if g.missing > 0 {
		notes = append(notes, fmt.Sprintf("%d of %d intervals have no rows in the source.", g.missing, g.steps))
	}
	return notes
}

// refuseNegative reports the cells below 0, and those of the columns in whole that are not whole numbers.
func (w *wide) refuseNegative(whole func(col string) bool) error {
	out := newFindings(0)
	for c, col := range w.columns {
		count := whole(col)
		for i, v := range w.values[c] {
			if v < 0 {
				out.errorf(CodeNegative, w.file, w.lines[i], col, "give a number from 0 up, or leave the cell empty", "%s is negative", short(v))
			}
			if count && Has(v) && v != math.Trunc(v) {
				out.errorf(CodeWhole, w.file, w.lines[i], col, "replicas are counted", "%s is not a whole number", short(v))
			}
		}
	}
	return out.err()
}
