package benchmark

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/grlscaler/grlscaler/sim"
)

// trialFormat is the format of stored trials that this version writes, and the newest it reads.
const trialFormat = 3

// Row is the result of one trial.
type Row struct {
	Trial
	Metrics
	Latency Distribution
	Worst   Worst
	Pools   []PoolUse
	Steps   []byte // its lines of steps.csv without the header; nil if they were not asked for

	Decisions []byte // the same of decisions.csv, asked for together
}

// Store keeps finished trials in a directory, one file each, named after all that the trial depends on. A file is
// there whole or not at all, so any number of processes may share the directory: the trials of one plan can be
// run on several machines by index and put together by one that finds them all.
type Store struct{ dir string }

// storedTrial is a Row as JSON. Metrics are strings, which hold every float64 exactly, NaN included.
type storedTrial struct {
	Format     int               `json:"format"`
	Key        string            `json:"key"`
	Controller string            `json:"controller"`
	Scenario   string            `json:"scenario"`
	Seed       uint64            `json:"seed"`
	Metrics    map[string]string `json:"metrics"`
	Latency    Distribution      `json:"latency"`
	Worst      Worst             `json:"worst"`
	Pools      []PoolUse         `json:"pools"`
	Steps      *string           `json:"steps,omitempty"`
	Decisions  *string           `json:"decisions,omitempty"`
}

// OpenStore makes the directory if it is not there.
func OpenStore(dir string) (*Store, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, fmt.Errorf("store of finished trials: %w", err)
	}
	return &Store{dir: dir}, nil
}

func (s *Store) path(key string) string { return filepath.Join(s.dir, key+".json") }

// load returns the row stored under key for trial t of an application with these pools. ok is false if there is none, if it is damaged, or if it has
// no steps and they are wanted; the trial is then run (again). A file of a newer format is an error.
func (s *Store) load(key string, t Trial, pools []sim.Pool, steps bool) (row Row, ok bool, err error) {
	data, err := os.ReadFile(s.path(key))
	if errors.Is(err, fs.ErrNotExist) {
		return Row{}, false, nil
	}
	if err != nil {
		return Row{}, false, fmt.Errorf("stored %v: %w", t, err)
	}
	var st storedTrial
	if json.Unmarshal(data, &st) != nil {
		return Row{}, false, nil
	}
	if st.Format < trialFormat { // of an older version, which knew less
		return Row{}, false, nil
	}
	if st.Format > trialFormat {
		return Row{}, false, fmt.Errorf("stored %v: %s has format %d, this version reads up to %d; use a newer grlscaler or delete the file", t, s.path(key), st.Format, trialFormat)
	}
	row = Row{Trial: t, Latency: st.Latency, Worst: st.Worst, Pools: st.Pools}
	if st.Key != key || st.Controller != t.Controller || st.Scenario != t.Scenario || st.Seed != t.Seed || len(st.Metrics) != len(Columns) {
		return Row{}, false, nil
	}
	for i := range Columns {
		v, err := strconv.ParseFloat(st.Metrics[Columns[i].Key], 64)
		if err != nil {
			return Row{}, false, nil
		}
		*Columns[i].of(&row.Metrics) = v
	}
	if steps {
		if st.Steps == nil || st.Decisions == nil {
			return Row{}, false, nil
		}
		row.Steps, row.Decisions = []byte(*st.Steps), []byte(*st.Decisions)
	}
	if row.check() != nil || !row.Latency.valid() || !slices.EqualFunc(row.Pools, pools, func(u PoolUse, p sim.Pool) bool { return u.Pool == p.Name && u.valid() }) {
		return Row{}, false, nil
	}
	return row, true, nil
}

// save stores a finished row.
func (s *Store) save(key string, row *Row) error {
	st := storedTrial{Format: trialFormat, Key: key, Controller: row.Controller, Scenario: row.Scenario, Seed: row.Seed, Metrics: map[string]string{}, Latency: row.Latency, Worst: row.Worst, Pools: row.Pools}
	for i := range Columns {
		st.Metrics[Columns[i].Key] = strconv.FormatFloat(*Columns[i].of(&row.Metrics), 'g', -1, 64)
	}
	if row.Steps != nil {
		steps, decisions := string(row.Steps), string(row.Decisions)
		st.Steps, st.Decisions = &steps, &decisions
	}
	data, err := json.Marshal(&st)
	if err != nil {
		return fmt.Errorf("storing %v: %w", row.Trial, err)
	}
	if err := writeFile(s.path(key), data); err != nil {
		return fmt.Errorf("storing %v: %w", row.Trial, err)
	}
	return nil
}

// check refuses a row with a metric that is not a number where one must be.
func (r *Row) check() error {
	for i := range Columns {
		c := &Columns[i]
		v := *c.of(&r.Metrics)
		undefined := math.IsNaN(v) && math.IsNaN(r.CAF) && (c.Key == "caf" || c.Key == "over_pct" || c.Key == "under_pct")
		if (math.IsNaN(v) || math.IsInf(v, 0)) && !undefined {
			return fmt.Errorf("%s is %g; the engine gave numbers that are not finite", c.Key, v)
		}
	}
	return nil
}

// writeFile writes beside path, syncs and renames, so that path is whole or untouched.
func writeFile(path string, data []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.tmp")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if _, err = f.Write(data); err != nil {
		return err
	}
	if err = f.Chmod(0o644); err != nil {
		return err
	}
	if err = f.Sync(); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
