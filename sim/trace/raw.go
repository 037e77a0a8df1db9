package trace

import (
	"encoding/csv"
	"errors"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"
)

// rawFile reads a table of a recorded run's raw files. Unlike a recording's tables these have more columns than are
// used, and rows of several runs.
type rawFile struct {
	file  string
	out   *findings
	cr    *csv.Reader
	index []int // field of each wanted column
	line  int
	rec   []string
	names []string
	all   []string // every column
}

// openRaw opens base.csv or base.csv.gz and finds the wanted columns. The closer is never nil.
func openRaw(fsys fs.FS, base string, columns []string, out *findings) (*rawFile, func(), error) {
	nothing := func() {}
	name := base + ".csv.gz"
	f, err := fsys.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		name = base + ".csv"
		f, err = fsys.Open(name)
	}
	if err != nil {
		return nil, nothing, err
	}
	closer := func() { f.Close() } // read only
	r := &rawFile{file: name, out: out, names: columns}
	text, err := unzip(f, strings.HasSuffix(name, ".gz"))
	if err != nil {
		return nil, closer, r.broken(err)
	}
	r.cr = csv.NewReader(text)
	r.cr.ReuseRecord = true
	header, err := r.cr.Read()
	if err != nil && err != io.EOF {
		return nil, closer, r.broken(err)
	}
	r.all = slices.Clone(header)
	for _, c := range columns {
		i := slices.Index(header, c)
		if i < 0 {
			out.errorf(CodeColumnMissing, name, 1, c, "give the raw files as they were recorded", "the column is missing")
		}
		r.index = append(r.index, i)
	}
	return r, closer, out.err()
}

// broken reports that reading failed and returns all findings as an error.
func (r *rawFile) broken(err error) error {
	if errors.Is(err, csv.ErrFieldCount) {
		var parse *csv.ParseError
		errors.As(err, &parse)
		r.out.errorf(CodeFields, r.file, parse.Line, "", "give the raw files as they were recorded", "another number of fields than the header")
	} else {
		reportCSV(r.out, r.file, err)
	}
	return r.out.err()
}

// next reads a row. It returns false at the end, or after a mistake in the CSV itself, which is reported.
func (r *rawFile) next() bool {
	rec, err := r.cr.Read()
	if err == io.EOF {
		return false
	}
	if err != nil {
		_ = r.broken(err) // the caller asks for all findings at the end
		return false
	}
	r.rec = rec
	r.line, _ = r.cr.FieldPos(0)
	return true
}

// text is the cell of wanted column i.
func (r *rawFile) text(i int) string { return r.rec[r.index[i]] }

// name is the cell of wanted column i, which must be usable as a name in a recording.
func (r *rawFile) name(i int) string {
	s := strings.Clone(r.text(i)) // the record's memory is used again
	if cause := badName(s); cause != "" {
		r.out.errorf(CodeName, r.file, r.line, r.names[i], "", "%s %s", quoted(s), cause)
	}
	return s
}

// signed is the number of wanted column i.
func (r *rawFile) signed(i int) float64 {
	return parseCell(r.out, r.file, r.line, r.names[i], []byte(r.text(i)))
}

// number is the number of wanted column i, which must not be negative.
func (r *rawFile) number(i int) float64 {
	v := r.signed(i)
	if v < 0 {
		r.out.errorf(CodeNegative, r.file, r.line, r.names[i], "", "%s is negative", short(v))
	}
	return v
}

// seconds is the time of wanted column i, to the microsecond.
func (r *rawFile) seconds(i int) time.Duration {
	v := r.signed(i)
	if !(v > -1e6 && v < 1e6) {
		if Has(v) {
			r.out.errorf(CodeTooLarge, r.file, r.line, r.names[i], "times are in seconds from the run's start", "%s s is out of range", short(v))
		}
		return 0
	}
	return micros(v)
}

// rawPoint describes one run.
type rawPoint struct {
	name             string
	kind             string
	quotaScale       string
	warmUp, duration time.Duration
	limits           map[string]float64 // millicores of one replica
	idle             float64            // mean idle share of the machine's CPUs
}

// rawRequest is one HTTP request.
type rawRequest struct {
	at       time.Duration // start, since the run's start
	endpoint string
	ms       float64
	failed   bool
}

// rawSecond is one replica over the second that ends at end.
type rawSecond struct {
	end                    time.Duration
	service, state         string
	cpuMillis, memMiB      float64
	periods, throttled     float64
	started, done, errored float64
	meanMs                 float64 // mean latency of the done
}

// rawCall is one call that a service answered.
type rawCall struct {
	at      time.Duration // start, since the run's start
	service string
	ms      float64
}

// rawSets are the sets of raw files that a directory may hold: the runs with changing load, and those at constant load.
var rawSets = []string{"transient_", "grid_"}

// quotaPrefix begins the columns of points that hold the CPU limit of a service's replicas.
const quotaPrefix = "quota_m_"

// readPoints lists the runs of one set.
func readPoints(fsys fs.FS, set string, out *findings) ([]rawPoint, error) {
	r, done, err := openRaw(fsys, set+"points", []string{"point", "kind", "quota_scale", "warmup_s", "duration_s", "idle_frac_mean"}, out)
	defer done()
	if err != nil {
		return nil, err
	}
	limits := map[int]string{} // field -> service
	for i, c := range r.all {
		if s, ok := strings.CutPrefix(c, quotaPrefix); ok {
			limits[i] = s
		}
	}
	var points []rawPoint
	for r.next() {
		p := rawPoint{name: r.name(0), kind: strings.Clone(r.text(1)), quotaScale: strings.Clone(r.text(2)),
			warmUp: r.seconds(3), duration: r.seconds(4), idle: r.number(5), limits: map[string]float64{}}
		for i, s := range limits {
			p.limits[s] = parseCell(out, r.file, r.line, quotaPrefix+s, []byte(r.rec[i]))
		}
		if p.duration <= 0 || p.warmUp < 0 {
			out.errorf(CodeNegative, r.file, r.line, "duration_s", "", "a run of %v after %v", p.duration, p.warmUp)
		}
		points = append(points, p)
	}
	return points, out.err()
}

// readRequests reads the requests of one run.
func readRequests(fsys fs.FS, set, point string, out *findings) ([]rawRequest, error) {
	r, done, err := openRaw(fsys, set+"requests", []string{"point", "t_s", "endpoint", "latency_ms", "status"}, out)
	defer done()
	if err != nil {
		return nil, err
	}
	var all []rawRequest
	for r.next() {
		if r.text(0) == point {
			// A status from 400 on is a failure; 598 is the generator's mark for a timeout.
			all = append(all, rawRequest{at: r.seconds(1), endpoint: r.name(2), ms: r.number(3), failed: r.number(4) >= 400})
		}
	}
	return all, out.err()
}

// readSeconds reads the replicas of one run by the second.
func readSeconds(fsys fs.FS, set, point string, out *findings) ([]rawSecond, error) {
	r, done, err := openRaw(fsys, set+"replicas_1s", []string{"point", "t_s", "service", "state", "cpu_m", "mem_mib",
		"nr_periods", "nr_throttled", "started", "done", "errors", "lat_mean_ms"}, out)
	defer done()
	if err != nil {
		return nil, err
	}
	var all []rawSecond
	for r.next() {
		if r.text(0) != point {
			continue
		}
		s := rawSecond{
			end: r.seconds(1), service: r.name(2), state: strings.Clone(r.text(3)), cpuMillis: r.number(4), memMiB: r.number(5),
			periods: r.number(6), throttled: r.number(7), started: r.number(8), done: r.number(9), errored: r.number(10),
			meanMs: r.number(11),
		}
		if s.throttled > s.periods || s.errored > s.done {
			out.errorf(CodeFraction, r.file, r.line, "", "give the raw files as they were recorded",
				"%s of %s periods throttled, %s of %s calls failed", short(s.throttled), short(s.periods), short(s.errored), short(s.done))
		}
		all = append(all, s)
	}
	return all, out.err()
}

// readCalls reads the calls between services of one run; nil if the set has none, or none of this run.
func readCalls(fsys fs.FS, set, point string, out *findings) ([]rawCall, error) {
	r, done, err := openRaw(fsys, set+"calls_raw", []string{"point", "t_s", "service", "latency_ms"}, out)
	defer done()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []rawCall
	for r.next() {
		if r.text(0) == point {
			all = append(all, rawCall{at: r.seconds(1), service: r.name(2), ms: r.number(3)})
		}
	}
	return all, out.err()
}

// rawSystem is the machine over the second that ends at end.
type rawSystem struct {
	end       time.Duration
	busyCores float64
}

// readSystem reads the machine by the second during one run; nil if the set has no such file.
func readSystem(fsys fs.FS, set, point string, out *findings) ([]rawSystem, error) {
	r, done, err := openRaw(fsys, set+"system_1s", []string{"point", "t_s", "busy_cores"}, out)
	defer done()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []rawSystem
	for r.next() {
		if r.text(0) == point {
			all = append(all, rawSystem{end: r.seconds(1), busyCores: r.number(2)})
		}
	}
	return all, out.err()
}
