package trace

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"
	"slices"
	"strings"
	"time"
)

// DefaultRecordedInterval is the time between rows of an imported run: short enough to show a surge, long enough
// for some requests in each.
const DefaultRecordedInterval = 5 * time.Second

// mostPeriods is how many 100 ms CFS periods one second can hold: ten, and one that began before it.
const mostPeriods = 11

// The machine that all raw files are from: two cores, 24 GiB, one node for everything.
const (
	machineNode   = "machine"
	machineMillis = 2000
	machineMiB    = 24 * 1024
)

// leastIdle is the idle share of the machine below which its other work counts as competing with what was recorded.
const leastIdle = 0.10

// RecordedPoints lists the runs whose raw files are in fsys.
func RecordedPoints(fsys fs.FS) ([]string, error) {
	var names []string
	for _, set := range rawSets {
		points, err := readPoints(fsys, set, newFindings(0))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, p := range points {
			names = append(names, p.name)
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("there is no %spoints.csv: %w", rawSets[0], fs.ErrNotExist)
	}
	return names, nil
}

// ImportRecorded makes a recording of one run (opt.Point) from its raw files: points (length, CPU limits), requests (one row
// for each HTTP request) and replicas_1s (one row for each replica and second).
//
// t = 0 is the start of the run and the warm-up before it is left out, so that times are those of the run's description; with
// WarmUp it is kept and t = 0 is its start. Only whole intervals are kept. For each interval:
//
//   - endpoints: requests that started in it, over its length; percentiles of their latencies by nearest rank (a percentile
//     is the latency of a real request); share of them with status 400 or above. Without requests: rate 0 and no percentiles.
//
//   - services: replicas (active and starting) and ready (active) as the last second in it shows them. CPU, memory and calls
//     received are means over its seconds, all replicas together; a second that reaches over the interval's end counts with
//     its part inside. throttled is throttled over elapsed periods of all replicas. mean_ms is that of the calls answered
//     in those seconds; percentiles are those of the calls that started in the interval, of runs whose calls were kept one by one
//     (calls_raw). The frontend's latency is that of the requests. Calls to redis were not counted, so its rate is empty.
//
//   - nodes: the machine, with what everything on it used, other work and the load generator included.
//
// When a replica is started in a cgroup that was used before, the first second's counters hold all that accumulated since:
// more CFS periods than a second has. CPU and throttling of such a second are left out, and the notes say how many there were.
func ImportRecorded(fsys fs.FS, opt ImportOptions) (*Recording, error) {
	if opt.Interval == 0 {
		opt.Interval = DefaultRecordedInterval
	}
	set, p, err := findPoint(fsys, opt.Point)
	if err != nil {
		return nil, err
	}
	out := newFindings(0)
	requests, err := readRequests(fsys, set, p.name, out)
	if err != nil {
		return nil, err
	}
	replicas, err := readSeconds(fsys, set, p.name, out)
	if err != nil {
		return nil, err
	}
	calls, err := readCalls(fsys, set, p.name, out)
	if err != nil {
		return nil, err
	}
	system, err := readSystem(fsys, set, p.name, out)
	if err != nil {
		return nil, err
	}
	w := window{interval: opt.Interval, length: p.duration}
	if opt.WarmUp {
		w.shift = p.warmUp
		w.length += p.warmUp
	}
	w.steps = int(w.length / w.interval)
	if w.steps == 0 {
		return nil, fmt.Errorf("an interval of %v is longer than the run of %v; give a shorter one", w.interval, w.length)
	}
	if w.steps > maxLoadValues {
		return nil, fmt.Errorf("%d intervals are too many; give a longer one", w.steps)
	}
	rec := &Recording{Meta: opt.meta(appOnlineBoutique,
		"recorded by the grlscaler authors from the real services of Online Boutique (microservices-demo, Apache-2.0), run "+p.name, "Apache-2.0")}
	rec.Meta.CPULimitMillis = p.limits
	rec.Meta.Contended = p.idle < leastIdle
	rec.Meta.Notes = []string{fmt.Sprintf("CPU limits are %s times the official ones.", p.quotaScale)}
	total := w.addEndpoints(rec, requests)
	glitches := w.addServices(rec, replicas, total, w.byService(calls))
	w.addNodes(rec, system)
	rec.Meta.Notes = append(rec.Meta.Notes, w.notes(p, len(requests), glitches)...)
	return opt.checked(rec)
}

// MatchRecorded lists the runs whose names match a pattern as of [path.Match]: "g*" is every run that begins with g.
func MatchRecorded(fsys fs.FS, pattern string) ([]string, error) {
	all, err := RecordedPoints(fsys)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, name := range all {
		ok, err := path.Match(pattern, name)
		if err != nil {
			return nil, fmt.Errorf("%q is not a pattern: %w; write one like g*", pattern, err)
		}
		if ok {
			names = append(names, name)
		}
	}
	if names == nil {
		return nil, fmt.Errorf("no run matches %q; there are %s", pattern, strings.Join(all, ", "))
	}
	return names, nil
}

// findPoint finds a run by its name.
func findPoint(fsys fs.FS, name string) (set string, p rawPoint, err error) {
	all, err := RecordedPoints(fsys)
	if err != nil {
		return "", p, err
	}
	if name == "" {
		return "", p, fmt.Errorf("no run was named; there are %s", strings.Join(all, ", "))
	}
	for _, set = range rawSets {
		points, err := readPoints(fsys, set, newFindings(0))
		if err != nil {
			continue // RecordedPoints has found every mistake but a missing set
		}
		if i := slices.IndexFunc(points, func(q rawPoint) bool { return q.name == name }); i >= 0 {
			return set, points[i], nil
		}
	}
	return "", p, fmt.Errorf("there is no run %q; %s", name, didYouMean(name, all))
}

// window cuts a run into intervals, numbered from 0.
type window struct {
	shift    time.Duration // recording's time less the run's time
	length   time.Duration
	interval time.Duration
	steps    int
	used     int // requests within
}

// start is when interval k begins.
func (w *window) start(k int) time.Duration { return time.Duration(k) * w.interval }

// touched returns the intervals, from first to before end, that a stretch of time touches.
func (w *window) touched(from, to time.Duration) (first, end int) {
	if to <= 0 {
		return 0, 0
	}
	return int(max(from, 0) / w.interval), min(w.steps, int((to-1)/w.interval)+1)
}

// overlap is how much of a stretch of time lies in interval k, in seconds.
func (w *window) overlap(k int, from, to time.Duration) float64 {
	return (min(w.start(k+1), to) - max(w.start(k), from)).Seconds()
}

// outcome is what became of the requests of one interval.
type outcome struct {
	ms     []float64
	failed int
}

// row turns an outcome into the numbers of a row.
func (o *outcome) row(interval time.Duration) EndpointRow {
	n := len(o.ms)
	if n == 0 {
		no := NoValue()
		return EndpointRow{P50Ms: no, P95Ms: no, P99Ms: no, ErrorRate: no, MeanMs: no}
	}
	slices.Sort(o.ms)
	sum := 0.0
	for _, ms := range o.ms {
		sum += ms
	}
	return EndpointRow{
		RPS: round(float64(n)/interval.Seconds(), 6), P50Ms: round(nearestRank(o.ms, 0.50), 3), P95Ms: round(nearestRank(o.ms, 0.95), 3),
		P99Ms: round(nearestRank(o.ms, 0.99), 3), ErrorRate: round(float64(o.failed)/float64(n), 6), MeanMs: round(sum/float64(n), 3),
	}
}

// nearestRank is the smallest of sorted values that at least the share q of them does not exceed.
func nearestRank(sorted []float64, q float64) float64 {
	return sorted[max(0, int(math.Ceil(q*float64(len(sorted))))-1)]
}

// round rounds to a number of decimals.
func round(v float64, decimals int) float64 {
	scale := math.Pow(10, float64(decimals))
	return math.Round(v*scale) / scale
}

// addEndpoints fills the endpoints table and returns the outcome of all requests of each interval.
func (w *window) addEndpoints(rec *Recording, requests []rawRequest) []outcome {
	byEndpoint := map[string][]outcome{}
	total := make([]outcome, w.steps)
	for _, r := range requests {
		if byEndpoint[r.endpoint] == nil {
			byEndpoint[r.endpoint] = make([]outcome, w.steps)
		}
		at := r.at + w.shift
		if at < 0 || at >= w.start(w.steps) {
			continue
		}
		w.used++
		k := int(at / w.interval)
		for _, o := range []*outcome{&byEndpoint[r.endpoint][k], &total[k]} {
			o.ms = append(o.ms, r.ms)
			if r.failed {
				o.failed++
			}
		}
	}
	names := sortedKeys(byEndpoint)
	for k := range w.steps {
		for _, name := range names {
			row := byEndpoint[name][k].row(w.interval)
			row.At, row.Endpoint = w.start(k), name
			rec.Endpoints = append(rec.Endpoints, row)
		}
	}
	return total
}

// byService sorts calls by service and interval.
func (w *window) byService(calls []rawCall) map[string][]outcome {
	all := map[string][]outcome{}
	for _, c := range calls {
		if all[c.service] == nil {
			all[c.service] = make([]outcome, w.steps)
		}
		if at := c.at + w.shift; at >= 0 && at < w.start(w.steps) {
			o := &all[c.service][at/w.interval]
			o.ms = append(o.ms, c.ms)
		}
	}
	return all
}

// notes says what was done with a run.
func (w *window) notes(p rawPoint, requests, glitches int) []string {
	var notes []string
	if w.shift == 0 {
		notes = append(notes, fmt.Sprintf("t = 0 is the start of the run; its warm-up of %s s is left out.", seconds(int64(p.warmUp))))
	} else {
		notes = append(notes, fmt.Sprintf("t = 0 is the start of the warm-up; the run begins at t = %s.", seconds(int64(p.warmUp))))
	}
	notes = append(notes, fmt.Sprintf("%d of %d requests started in the intervals kept.", w.used, requests))
	if rest := w.length - w.start(w.steps); rest > 0 {
		notes = append(notes, fmt.Sprintf("The last %s s, less than an interval, are left out.", seconds(int64(rest))))
	}
	if p.idle < leastIdle {
		notes = append(notes, fmt.Sprintf("Other work shared the machine, which was idle %.1f %% of the time: latencies are in part its doing.", 100*p.idle))
	}
	if glitches > 0 {
		notes = append(notes, fmt.Sprintf("CPU and throttling of %d replica-seconds are left out: their counters hold more than one second "+
			"(first second of a replica in a cgroup used before).", glitches))
	}
	return append(notes, "Percentiles are by nearest rank; the 99th of few requests is their maximum.",
		"Requests are what reached the frontend: within one task of the load generator a request waits for the one before it.")
}
