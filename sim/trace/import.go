package trace

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// ImportOptions say what is to be imported and fill in what the source does not say. Each importer uses those that
// [Importers] lists for it and refuses the others.
type ImportOptions struct {
	From        string        // name of the importer
	Application string        // application of the recording; "" = the importer's default
	Interval    time.Duration // time between rows; 0 = as in the source, or the importer's default
	Start       time.Time     // wall-clock time of t = 0; zero = as in the source
	Source      string        // provenance for meta.yaml; "" = the importer's default
	Licence     string        // licence for meta.yaml; "" = the importer's default
	AllowGaps   bool          // accept missing rows
	Fill        bool          // bridge missing rows and values as [Recording.Fill] does

	// RateColumn (csv) names the column of the total rate; other columns are left out.
	RateColumn string
	// KbitPerRequest (gym-hpa) is the traffic that the entry service receives for each request, from which its
	// request rate is estimated. 0 = no estimate, and a recording that cannot be replayed.
	KbitPerRequest float64
	// TrafficUnit (gym-hpa) is the unit of the traffic columns: kbit/s (default) or kB/s.
	TrafficUnit string
	// Point (recorded) names the run to be imported.
	Point string
	// WarmUp (recorded) keeps the warm-up before the run; t = 0 is then its start.
	WarmUp bool
	// Labels (prometheus) say in which labels names are looked for.
	Labels Labels
	// Rename (prometheus, locust) gives names of endpoints, services and nodes another name: those of an application file.
	Rename map[string]string
	// AbsentIsZero (prometheus) takes the rate of requests of a name as 0 where it is missing and others are there: a counter that
	// was not yet made.
	AbsentIsZero bool
}

// Option names an option of ImportOptions that not every importer knows.
type Option string

// The options that belong to one importer or another.
const (
	OptionInterval       Option = "interval"
	OptionAllowGaps      Option = "allow-gaps"
	OptionFill           Option = "fill"
	OptionRateColumn     Option = "rate-column"
	OptionKbitPerRequest Option = "kbit-per-request"
	OptionTrafficUnit    Option = "traffic-unit"
	OptionPoint          Option = "point"
	OptionWarmUp         Option = "warm-up"

	OptionServiceLabel     Option = "service-label"
	OptionEndpointLabel    Option = "endpoint-label"
	OptionNodeLabel        Option = "node-label"
	OptionSourceLabel      Option = "source-label"
	OptionDestinationLabel Option = "destination-label"
	OptionRename           Option = "rename"
	OptionAbsentIsZero     Option = "absent-is-zero"
)

// Importer describes a format that can be turned into a recording.
type Importer struct {
	Name    string
	Summary string // one line
	Source  string // what src is: "a file", "a directory", or either
	Options []Option
	run     func(src string, opt ImportOptions) (*Recording, error)
}

// Importers lists the formats that can be imported.
func Importers() []Importer {
	return []Importer{
		{"csv", "plain rates: a time column, then one total rate or one column for each endpoint", "a file",
			[]Option{OptionInterval, OptionAllowGaps, OptionFill, OptionRateColumn}, importFile(ImportCSV)},
		{"gym-hpa", "gym-hpa's wide CSV: one row a time, columns <service>_num_pods, _cpu_usage, ...", "a file",
			[]Option{OptionInterval, OptionAllowGaps, OptionFill, OptionKbitPerRequest, OptionTrafficUnit}, importFile(ImportGymHPA)},
		{"recorded", "raw files of a recorded run: points, requests, replicas by the second", "a directory",
			[]Option{OptionInterval, OptionFill, OptionPoint, OptionWarmUp}, func(src string, opt ImportOptions) (*Recording, error) {
				return ImportRecorded(os.DirFS(src), opt)
			}},
		{"prometheus", "saved answers of Prometheus (Thanos, Mimir) to range queries, named after what they hold", "a file or a directory",
			[]Option{OptionInterval, OptionAllowGaps, OptionFill, OptionServiceLabel, OptionEndpointLabel, OptionNodeLabel, OptionSourceLabel,
				OptionDestinationLabel, OptionRename, OptionAbsentIsZero}, importPrometheus},
		{"locust", "stats_history.csv of Locust 2 (locust --csv NAME --csv-full-history)", "a file",
			[]Option{OptionInterval, OptionAllowGaps, OptionFill, OptionRename}, importFile(ImportLocust)},
	}
}

// Import turns src into a recording. What an importer assumed, left out or estimated is in the notes of the result.
// Mistakes in the source are reported like those of [Read].
func Import(src string, opt ImportOptions) (*Recording, error) {
	all := Importers()
	i := slices.IndexFunc(all, func(m Importer) bool { return m.Name == opt.From })
	if i < 0 {
		var names []string
		for _, m := range all {
			names = append(names, m.Name)
		}
		return nil, fmt.Errorf("importing %s: there is no importer %q; %s", src, opt.From, didYouMean(opt.From, names))
	}
	return all[i].with(src, opt, all[i].run)
}

// with checks the options and runs an importer.
func (m *Importer) with(src string, opt ImportOptions, run func(string, ImportOptions) (*Recording, error)) (*Recording, error) {
	err := opt.refuseOthers(*m)
	if err == nil {
		var rec *Recording
		if rec, err = run(src, opt); err == nil {
			return rec, nil
		}
	}
	return nil, fmt.Errorf("importing %s as %s: %w", src, opt.From, err)
}

// refuseOthers returns an error if an option is set that the importer does not know.
func (o *ImportOptions) refuseOthers(m Importer) error {
	set := map[Option]bool{
		OptionInterval: o.Interval != 0, OptionAllowGaps: o.AllowGaps, OptionFill: o.Fill, OptionRateColumn: o.RateColumn != "",
		OptionKbitPerRequest: o.KbitPerRequest != 0, OptionTrafficUnit: o.TrafficUnit != "",
		OptionPoint: o.Point != "", OptionWarmUp: o.WarmUp,
		OptionServiceLabel: o.Labels.Service != nil, OptionEndpointLabel: o.Labels.Endpoint != nil, OptionNodeLabel: o.Labels.Node != nil,
		OptionSourceLabel: o.Labels.Source != nil, OptionDestinationLabel: o.Labels.Destination != nil,
		OptionRename: o.Rename != nil, OptionAbsentIsZero: o.AbsentIsZero,
	}
	for name, is := range set {
		if !is {
			delete(set, name)
		}
	}
	for _, name := range sortedKeys(set) {
		if !slices.Contains(m.Options, name) {
			return fmt.Errorf("option %s is not for this importer; leave it out", name)
		}
	}
	if i := o.Interval; i != 0 && (i < minInterval || i > maxInterval || i%time.Microsecond != 0) {
		return fmt.Errorf("an interval of %v is not from %v to %v", i, minInterval, maxInterval)
	}
	return nil
}

// meta starts the Meta of an import.
func (o *ImportOptions) meta(application, source, licence string) Meta {
	or := func(a, b string) string {
		if a != "" {
			return a
		}
		return b
	}
	return Meta{
		Application: or(o.Application, application), Interval: o.Interval, Start: o.Start.UTC(),
		Source: or(o.Source, source), Licence: or(o.Licence, licence),
	}
}

// importFile opens a file, gzipped or not, for an importer that reads a stream.
func importFile(f func(io.Reader, string, ImportOptions) (*Recording, error)) func(string, ImportOptions) (*Recording, error) {
	return func(src string, opt ImportOptions) (*Recording, error) {
		file, err := os.Open(src)
		if err != nil {
			return nil, err
		}
		defer file.Close() // read only
		r, err := unzip(file, strings.HasSuffix(src, ".gz"))
		if err != nil {
			_, cause, cure := readCause(err)
			return nil, fmt.Errorf("%s; %s", cause, cure)
		}
		return f(r, filepath.Base(src), opt)
	}
}

// checked returns rec if it satisfies the rules for recordings, its gaps filled where that was asked for.
func (o *ImportOptions) checked(rec *Recording) (*Recording, error) {
	if err := rec.Check(); err != nil {
		return nil, err
	}
	if !o.Fill {
		return rec, nil
	}
	done, err := rec.Fill()
	if err != nil {
		return nil, err
	}
	rec.Warnings = append(rec.Warnings, done...)
	if err := rec.Check(); err != nil {
		return nil, err
	}
	return rec, nil
}

// grid places rows that were taken at times of their own on the times of a recording.
type grid struct {
	interval time.Duration
	steps    int
	missing  int   // steps without a source row
	row      []int // grid step of each source row
}

var errFewRows = errors.New("fewer than two rows, so the time between rows is not known; give an interval")

// newGrid finds the recording's times. times rise from 0 and may repeat; lines are where they stood in the file.
// With no interval given it is the most frequent distance between rows, and every row must fall on it. A time without
// rows is an error unless gaps are allowed.
func newGrid(w *wide, interval time.Duration, gaps bool) (*grid, error) {
	times, lines, file := w.times, w.lines, w.file
	usual := usualStep(times)
	asked := interval > 0
	switch {
	case !asked && usual == 0:
		return nil, errFewRows
	case asked && interval < usual:
		return nil, fmt.Errorf("an interval of %v is shorter than the %v between rows; give at least that, or none", interval, usual)
	case !asked:
		interval = usual
	}
	if interval < minInterval || interval > maxInterval {
		return nil, fmt.Errorf("rows are %v apart, which is not from %v to %v; give an interval", interval, minInterval, maxInterval)
	}
	g := &grid{interval: interval, row: make([]int, len(times))}
	out := newFindings(0)
	for i, t := range times {
		g.row[i] = int(t / interval)
		if !asked && t%interval != 0 {
			out.errorf(CodeTimeGrid, file, lines[i], "", "give an interval, on which rows are then averaged",
				"the row comes %s s after the first, which is not a multiple of the usual %s s", seconds(int64(t)), seconds(int64(interval)))
		}
		if i == 0 {
			continue
		}
		if missing := g.row[i] - g.row[i-1] - 1; missing > 0 {
			g.missing += missing
			if !gaps {
				out.errorf(CodeGap, file, lines[i], "", "add rows, give a longer interval, fill them with --fill, or allow gaps",
					"%d rows are missing between line %d and this one%s", missing, lines[i-1], summerTime(int64(t-times[i-1]-interval), int64(interval)))
			}
		}
		if !asked && times[i] == times[i-1] {
			out.errorf(CodeDuplicate, file, lines[i], "", "remove one, or give an interval, on which rows are then averaged",
				"a second row for the time of line %d", lines[i-1])
		}
	}
	if n := len(times); n > 0 {
		g.steps = g.row[n-1] + 1
	}
	if g.steps > maxLoadValues {
		return nil, fmt.Errorf("the times span %d intervals of %v, which is too many; check the time column", g.steps, interval)
	}
	return g, out.err()
}

// usualStep is the most frequent distance between neighbouring times above 0, the smallest of several; 0 if there is none.
func usualStep(times []time.Duration) time.Duration {
	count := map[time.Duration]int{}
	for i := 1; i < len(times); i++ {
		if d := times[i] - times[i-1]; d > 0 {
			count[d]++
		}
	}
	var best time.Duration
	for d, n := range count {
		if best == 0 || n > count[best] || n == count[best] && d < best {
			best = d
		}
	}
	return best
}

// at is the time of a step.
func (g *grid) at(step int) time.Duration { return time.Duration(step) * g.interval }

// filled says which steps have at least one source row.
func (g *grid) filled() []bool {
	f := make([]bool, g.steps)
	for _, k := range g.row {
		f[k] = true
	}
	return f
}

// means averages a column over the rows of each step; NoValue where there is none.
func (g *grid) means(col []float64) []float64 {
	all := make([]mean, g.steps)
	for i, v := range col {
		all[g.row[i]].add(v)
	}
	out := make([]float64, g.steps)
	for k := range all {
		out[k] = all[k].value()
	}
	return out
}

// lasts takes the last number of each step.
func (g *grid) lasts(col []float64) []float64 {
	out := make([]float64, g.steps)
	fillNoValue(out)
	for i, v := range col {
		if Has(v) {
			out[g.row[i]] = v
		}
	}
	return out
}
