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

// DefaultLocustInterval is the time between rows of an imported Locust run: the window over which Locust computes percentiles.
const DefaultLocustInterval = 10 * time.Second

// locustWindow is CURRENT_RESPONSE_TIME_PERCENTILE_WINDOW of Locust's stats.py: the seconds of which percentiles are.
const locustWindow = 10 * time.Second

// locustTotal is the name of the rows of all requests together.
const locustTotal = "Aggregated"

// Columns of stats_history.csv (Locust's stats.py, StatsCSVFileWriter). Those behind locustNeeded may be missing.
var locustColumns = []string{"Timestamp", "Name", "Requests/s", "Failures/s", "Type", "50%", "95%", "99%", "100%",
	"Total Request Count", "Total Failure Count", "Total Average Response Time"}

const locustNeeded = 4

const (
	lcTimestamp = iota
	lcName
	lcRate
	lcFailRate
	lcType
	lcP50
	lcP95
	lcP99
	lcP100
	lcCount
	lcFailed
	lcMean
)

// locustRow is a row of one name.
type locustRow struct {
	at     int64 // ms since 1970
	values [lcMean + 1]float64
}

// locustSeries is the rows of one name.
type locustSeries struct {
	typ, name string
	rows      []locustRow
}

// ImportLocust reads the stats_history.csv that Locust 2 writes with --csv: a row every second for all requests together, and with
// --csv-full-history for each name as well, which are then used alone.
//
// The rate is that of Total Request Count from row to row; a name that appears had no requests before, and a count that falls began
// again at 0 (--reset-stats). Without that column it is Requests/s, which Locust averages over ten seconds, two seconds late. The mean
// latency follows from Total Average Response Time times Total Request Count in the same way.
//
// Percentiles are of the ten seconds before a row (get_current_response_time_percentile) in files with a row for each name,
// written by Locust 2.2.2 or later; otherwise they are of everything since the start, do not tell of an interval, and are left
// out. An older file is known by a maximum that never falls.
func ImportLocust(r io.Reader, file string, opt ImportOptions) (*Recording, error) {
	out := newFindings(0)
	l := &locustImport{opt: opt, file: file, out: out}
	l.read(r)
	if err := out.err(); err != nil {
		return nil, err
	}
	l.choose()
	l.nameSeries()
	if err := out.err(); err != nil {
		return nil, err
	}
	rec := &Recording{Meta: opt.meta(AnyApplication, "imported from Locust's "+file, "")}
	if err := l.findIntervals(&rec.Meta); err != nil {
		return nil, err
	}
	l.rows(rec)
	if err := out.err(); err != nil {
		return nil, err
	}
	rec.Meta.Notes = append(rec.Meta.Notes, l.notes...)
	return opt.checked(rec)
}

// locustImport is an import under way.
type locustImport struct {
	opt    ImportOptions
	file   string
	out    *findings
	series []*locustSeries
	names  []string // of the series
	times  []int64  // of rows of any name, ms, rising
	step   int64    // usual distance between them
	cols   [lcMean + 1]int
	iv     intervals
	notes  []string
}

// read reads the file.
func (l *locustImport) read(r io.Reader) {
	cr := csv.NewReader(r)
	cr.ReuseRecord = true
	cr.FieldsPerRecord = -1
	header, err := cr.Read()
	if err == io.EOF {
		l.out.errorf(CodeFileEmpty, l.file, 0, "", "give the stats_history.csv that locust --csv writes", "is empty")
		return
	}
	if err != nil {
		reportCSV(l.out, l.file, err)
		return
	}
	names := slices.Clone(header)
	names[0] = strings.TrimPrefix(names[0], "\ufeff")
	if slices.Contains(names, "Request Count") {
		l.out.errorf(CodeColumnUnknown, l.file, 1, "", "give stats_history.csv", "is the table of the end of a run (stats.csv), not its history")
		return
	}
	for i, want := range locustColumns {
		l.cols[i] = slices.Index(names, want)
		if l.cols[i] < 0 && i < locustNeeded {
			l.out.errorf(CodeColumnMissing, l.file, 1, want, "give the stats_history.csv of Locust 1.2 or later", "the column is missing")
		}
	}
	if l.out.errors > 0 {
		return
	}
	index := map[[2]string]*locustSeries{}
	for {
		rec, err := cr.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			reportCSV(l.out, l.file, err)
			return
		}
		line, _ := cr.FieldPos(0)
		if len(rec) != len(names) {
			l.out.errorf(CodeFields, l.file, line, "", "remove a last line that was cut off", "%d fields where the header has %d columns", len(rec), len(names))
			continue
		}
		l.readRow(rec, line, index)
	}
	if len(l.series) == 0 && l.out.errors == 0 {
		l.out.errorf(CodeNoRows, l.file, 0, "", "give the file of a run", "has a header but no rows")
	}
}

// readRow reads one row.
func (l *locustImport) readRow(rec []string, line int, index map[[2]string]*locustSeries) {
	row := locustRow{}
	before := l.out.errors
	for i, field := range l.cols {
		switch row.values[i] = NoValue(); {
		case field < 0 || i == lcName || i == lcType:
		case rec[field] == "N/A" || rec[field] == "": // nothing is known before the first request
		default:
			v := parseCell(l.out, l.file, line, locustColumns[i], []byte(strings.TrimSpace(rec[field])))
			if v < 0 {
				l.out.errorf(CodeNegative, l.file, line, locustColumns[i], "", "%s is negative", short(v))
			}
			row.values[i] = v
		}
	}
	at := row.values[lcTimestamp]
	switch {
	case l.out.errors > before:
		return
	case !Has(at) || at > maxStamp:
		l.out.errorf(CodeNumber, l.file, line, "Timestamp", "give seconds since 1970, as Locust writes them", "%s is not a time", quoted(rec[l.cols[lcTimestamp]]))
		return
	}
	row.at = int64(math.Round(at * 1000))
	if n := len(l.times); n == 0 || row.at > l.times[n-1] {
		l.times = append(l.times, row.at)
	} else if row.at < l.times[n-1] {
		l.out.errorf(CodeClock, l.file, line, "Timestamp", "give one run, in the order in which Locust wrote it",
			"%s is %s s before the time of the row above", quoted(rec[l.cols[lcTimestamp]]), seconds((l.times[n-1]-row.at)*1e6))
		return
	}
	key := [2]string{"", strings.Clone(rec[l.cols[lcName]])}
	if l.cols[lcType] >= 0 {
		key[0] = strings.Clone(rec[l.cols[lcType]])
	}
	s := index[key]
	if s == nil {
		if len(index) >= maxNames {
			l.out.errorf(CodeName, l.file, line, "Name", "group requests in the locustfile with name=", "more than %d different names", maxNames)
			return
		}
		s = &locustSeries{typ: key[0], name: key[1]}
		index[key] = s
		l.series = append(l.series, s)
	}
	if n := len(s.rows); n > 0 && s.rows[n-1].at == row.at { // two rows within a second: the later one counts more
		s.rows[n-1] = row
		return
	}
	s.rows = append(s.rows, row)
}

// choose keeps the rows of names, or those of all requests together if there are no others.
func (l *locustImport) choose() {
	isTotal := func(s *locustSeries) bool { return s.name == locustTotal && s.typ == "" }
	named := 0
	for _, s := range l.series {
		if !isTotal(s) {
			named++
		}
	}
	if named == 0 {
		l.notes = append(l.notes, "The file has rows of all requests together alone: run Locust with --csv-full-history for those of each name.")
		return
	}
	if named < len(l.series) {
		l.notes = append(l.notes, "Rows of all requests together (Aggregated) were left out.")
	}
	l.series = slices.DeleteFunc(l.series, isTotal)
	slices.SortFunc(l.series, func(a, b *locustSeries) int {
		if c := strings.Compare(a.name, b.name); c != 0 {
			return c
		}
		return strings.Compare(a.typ, b.typ)
	})
}

// nameSeries gives each series the name of its endpoint: with the request's type where several types have one name.
func (l *locustImport) nameSeries() {
	types := map[string]int{}
	for _, s := range l.series {
		types[s.name]++
	}
	mixed := 0
	for _, s := range l.series {
		name := s.name
		switch {
		case name == locustTotal && s.typ == "":
			name = TotalEndpoint
		case types[name] > 1:
			name = s.typ + " " + name
			mixed++
		}
		if to, ok := l.opt.Rename[name]; ok {
			name = to
		}
		if cause := badName(name); cause != "" {
			l.out.errorf(CodeName, l.file, 0, "Name", "rename it with --rename, or in the locustfile with name=", "%s %s", quoted(name), cause)
		}
		l.names = append(l.names, name)
	}
	if mixed > 0 {
		l.notes = append(l.notes, fmt.Sprintf("%d names stand for requests of several types and have the type before them.", mixed))
	}
}

// findIntervals finds the intervals that rows of the file cover.
func (l *locustImport) findIntervals(m *Meta) error {
	if m.Interval == 0 {
		m.Interval = DefaultLocustInterval
	}
	if m.Interval%time.Millisecond != 0 {
		return fmt.Errorf("an interval of %v is not a whole number of milliseconds", m.Interval)
	}
	var d []int64
	for i := 1; i < len(l.times); i++ {
		d = append(d, l.times[i]-l.times[i-1])
	}
	if len(d) == 0 {
		return errors.New("all rows are of one time; give the file of a longer run")
	}
	slices.Sort(d)
	l.step = d[len(d)/2]
	first, last := l.times[0], l.times[len(l.times)-1]
	l.iv = intervals{origin: first, length: m.Interval.Milliseconds()}
	if l.iv.length < l.step {
		return fmt.Errorf("an interval of %v is shorter than the %s s between rows; give at least that", m.Interval, seconds(l.step*1e6))
	}
	n := (last - first) / l.iv.length
	switch {
	case n == 0:
		return fmt.Errorf("the file covers %s s, less than one interval of %v; give a shorter one", seconds((last-first)*1e6), m.Interval)
	case tooSparse(n, len(l.times)):
		return fmt.Errorf("rows of %d times are too few for %d intervals of %v; check the column Timestamp, or give a longer one", len(l.times), n, m.Interval)
	case n > maxLoadValues/int64(len(l.series)):
		return fmt.Errorf("%d intervals of %v are too many; give a longer one", n, m.Interval)
	}
	l.iv.n = int(n)
	if rest := last - l.iv.start(l.iv.n); rest > 0 {
		l.notes = append(l.notes, fmt.Sprintf("The last %s s, less than an interval, are left out.", seconds(rest*1e6)))
	}
	if m.Start.IsZero() {
		m.Start = time.UnixMilli(first).UTC()
	}
	return nil
}
