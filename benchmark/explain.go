package benchmark

import (
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/grlscaler/grlscaler/sim"
)

// Question asks why a service had its replicas.
type Question struct {
	Service string
	At      time.Duration // from the start of the counted part
	// Which run; empty or nil where the results hold only one.
	Controller, Scenario string
	Seed                 *uint64
}

// Answer is what the results of a run say.
type Answer struct {
	Controller, Scenario string
	Seed                 uint64
	Decided              time.Duration // the decision in force: the last one about the service until then
	Reason               sim.Reason    // its Service is not set
	// The interval that the question is about, or the last one before.
	From, To time.Duration
	Step     ServiceStep     // of the service
	Requests ServiceStep     // of the application: requests instead of visits
	Ready    []ReadyReplicas // of all services at its end, in the order of the file
}

// ReadyReplicas is how many replicas of a service were ready.
type ReadyReplicas struct {
	Service string
	Ready   int
}

// ServiceStep is a row of steps.csv, as far as it explains.
type ServiceStep struct {
	Needed, Spec, Ready, Starting, Pending int
	RPS, P95Ms                             float64
}

// Explain finds the answer in a results directory. Several runs that fit, none, or a time outside of them are errors that
// list what there is.
func Explain(dir string, q Question) (*Answer, error) {
	run, rows, err := readRun(filepath.Join(dir, "decisions.csv.gz"), decisionsHeader, q)
	if err != nil {
		return nil, err
	}
	a := &Answer{Controller: run.controller, Scenario: run.scenario, Seed: run.seed, Decided: -1}
	services := map[string]bool{}
	for _, row := range rows {
		services[row["service"]] = true
		at, err := row.seconds("t_s")
		if err != nil {
			return nil, err
		}
		if row["service"] != q.Service || at > q.At || at < a.Decided {
			continue
		}
		if a.Reason, err = row.reason(); err != nil {
			return nil, err
		}
		a.Decided = at
	}
	if a.Decided < 0 {
		names := sortedKeys(services)
		if !services[q.Service] {
			return nil, fmt.Errorf("results %s: %s on %s, seed %d, decided nothing about service %q; it decided about %s", dir, run.controller, run.scenario, run.seed, q.Service, strings.Join(names, ", "))
		}
		return nil, fmt.Errorf("results %s: %s decided nothing about %s until %v", dir, run.controller, q.Service, q.At)
	}
	return a, a.readSteps(dir, q, run)
}

// readSteps fills in the interval that the question is about.
func (a *Answer) readSteps(dir string, q Question, run runKey) error {
	seed := run.seed
	_, rows, err := readRun(filepath.Join(dir, "steps.csv.gz"), stepsHeader, Question{Controller: run.controller, Scenario: run.scenario, Seed: &seed})
	if err != nil {
		return err
	}
	last, wanted := time.Duration(0), time.Duration(math.MaxInt64)
	for _, row := range rows {
		at, err := row.seconds("t_s")
		if err != nil {
			return err
		}
		last = max(last, at)
		if at > q.At && at < wanted { // the end of the interval that holds q.At
			wanted = at
		}
	}
	if q.At > last || q.At < 0 {
		return fmt.Errorf("results %s: %v is outside of the run, which lasted %v", dir, q.At, last)
	}
	a.To = min(wanted, last)
	for _, row := range rows {
		at, err := row.seconds("t_s")
		if err != nil {
			return err
		}
		if at < a.To {
			a.From = max(a.From, at)
		}
		if at != a.To {
			continue
		}
		step, err := row.step()
		if err != nil {
			return err
		}
		switch row["service"] {
		case AllServices:
			a.Requests = step
			continue
		case q.Service:
			a.Step = step
		}
		a.Ready = append(a.Ready, ReadyReplicas{row["service"], step.Ready})
	}
	return nil
}

// runKey names a run of the results.
type runKey struct {
	controller, scenario string
	seed                 uint64
}

func (k runKey) String() string {
	return fmt.Sprintf("--controller %s --scenario %s --seed %d", k.controller, k.scenario, k.seed)
}

// fits tells whether a run is one that the question is about.
func (q *Question) fits(k runKey) bool {
	return (q.Controller == "" || q.Controller == k.controller) && (q.Scenario == "" || q.Scenario == k.scenario) && (q.Seed == nil || *q.Seed == k.seed)
}

// fields is one row of a table, by column.
type fields map[string]string

// readRun reads the rows of the one run that fits.
func readRun(path, header string, q Question) (runKey, []fields, error) {
	var found runKey
	f, err := os.Open(path)
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return found, nil, fmt.Errorf("results: %w; name a directory that simulate or benchmark wrote with --out", err)
		}
		return found, nil, fmt.Errorf("results: %w", err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return found, nil, fmt.Errorf("results: %s: %w", path, err)
	}
	in := csv.NewReader(z)
	columns, err := in.Read()
	if err != nil || strings.Join(columns, ",")+"\n" != header {
		return found, nil, fmt.Errorf("results: %s: its columns are not those of this version; write the results again", path)
	}
	var rows []fields
	var all, fitting []runKey
	for {
		record, err := in.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return found, nil, fmt.Errorf("results: %s: %w", path, err)
		}
		row := fields{}
		for i, name := range columns {
			row[name] = record[i]
		}
		seed, err := strconv.ParseUint(row["seed"], 10, 64)
		if err != nil {
			return found, nil, fmt.Errorf("results: %s: seed %q is not a number", path, row["seed"])
		}
		k := runKey{row["controller"], row["scenario"], seed}
		if !slices.Contains(all, k) {
			all = append(all, k)
		}
		if q.fits(k) {
			if !slices.Contains(fitting, k) {
				fitting = append(fitting, k)
			}
			rows = append(rows, row)
		}
	}
	switch len(fitting) {
	case 1:
		return fitting[0], rows, nil
	case 0:
		if len(all) == 0 {
			return found, nil, fmt.Errorf("results: %s: nothing was decided in any run", path)
		}
		return found, nil, fmt.Errorf("results: %s: no such run; there are:\n%s", path, listed(all))
	}
	return found, nil, fmt.Errorf("results: %s: several runs fit; choose one:\n%s", path, listed(fitting))
}

// mostListed bounds how many runs an error lists.
const mostListed = 20

func listed(runs []runKey) string {
	var lines []string
	for i, k := range runs {
		if i == mostListed {
			lines = append(lines, fmt.Sprintf("  and %d more", len(runs)-i))
			break
		}
		lines = append(lines, "  "+k.String())
	}
	return strings.Join(lines, "\n")
}

func sortedKeys(set map[string]bool) []string {
	var out []string
	for k := range set {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

func (f fields) number(key string) (float64, error) {
	if f[key] == "" {
		return 0, nil
	}
	v, err := strconv.ParseFloat(f[key], 64)
	if err != nil || math.IsNaN(v) {
		return 0, fmt.Errorf("results: %s %q is not a number", key, f[key])
	}
	return v, nil
}

func (f fields) seconds(key string) (time.Duration, error) {
	v, err := f.number(key)
	if err == nil && !(math.Abs(v) < 1e9) {
		err = fmt.Errorf("results: %s %q is not a time", key, f[key])
	}
	return time.Duration(v * float64(time.Second)), err
}

// numbers reads several columns at once.
func (f fields) numbers(keys ...string) ([]float64, error) {
	out := make([]float64, len(keys))
	var err error
	for i, k := range keys {
		v, bad := f.number(k)
		out[i], err = v, errors.Join(err, bad)
	}
	return out, err
}

func (f fields) reason() (sim.Reason, error) {
	v, err := f.numbers("from", "to", "value", "target", "proposed")
	r := sim.Reason{From: int(v[0]), To: int(v[1]), Rule: f["rule"], Metric: f["metric"], Value: v[2], Target: v[3], Unit: f["unit"], Proposed: int(v[4]), Note: f["note"]}
	for _, l := range strings.Fields(f["limits"]) {
		name, at, _ := strings.Cut(l, ":")
		n, bad := strconv.Atoi(at)
		if bad != nil {
			err = errors.Join(err, fmt.Errorf("results: limit %q is not NAME:REPLICAS", l))
		}
		r.Limits = append(r.Limits, sim.ReasonLimit{Name: name, At: n})
	}
	return r, err
}

func (f fields) step() (ServiceStep, error) {
	v, err := f.numbers("needed", "spec", "ready", "starting", "pending", "rps", "p95_ms")
	return ServiceStep{int(v[0]), int(v[1]), int(v[2]), int(v[3]), int(v[4]), v[5], v[6]}, err
}

// Short is the service that a span of a run was shortest of.
type Short struct {
	Service       string
	At            time.Duration // within its worst interval
	Missing       int           // replicas needed and not ready then
	Ready, Needed int
	P95Ms         float64
}

// Shortage finds, between two times of a run, the service and interval with most replicas needed and not ready, relative to what was
// needed; if there is none, those with the highest p95. The run is that of the question.
func Shortage(dir string, q Question, from, to time.Duration) (*Short, error) {
	_, rows, err := readRun(filepath.Join(dir, "steps.csv.gz"), stepsHeader, q)
	if err != nil {
		return nil, err
	}
	var worst, slowest *Short
	share := 0.0
	for _, row := range rows {
		end, err := row.seconds("t_s")
		if err != nil {
			return nil, err
		}
		if row["service"] == AllServices || end <= from || end > to {
			continue
		}
		step, err := row.step()
		if err != nil {
			return nil, err
		}
		x := Short{Service: row["service"], At: max(end-sim.ControlInterval, 0), Ready: step.Ready, Needed: step.Needed, Missing: step.Needed - step.Ready, P95Ms: step.P95Ms}
		if missing := float64(x.Missing) / max(float64(x.Needed), 1); x.Missing > 0 && missing > share {
			worst, share = &x, missing
		}
		if slowest == nil || x.P95Ms > slowest.P95Ms {
			slowest = &x
		}
	}
	switch {
	case worst != nil:
		return worst, nil
	case slowest != nil:
		return slowest, nil
	}
	return nil, fmt.Errorf("results %s: no steps from %v to %v", dir, from, to)
}
