package rl

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/grlscaler/grlscaler/rl/safetensors"
	"github.com/grlscaler/grlscaler/sim"
)

// Files of a run's directory.
const (
	CheckpointFile = "checkpoint.safetensors" // everything that a run consists of, to go on from
	PolicyFile     = "policy.safetensors"     // the trained policy: weights, normaliser, configuration
)

// Formats of the files, and the newest version of them that this program reads and writes.
const (
	checkpointKind = "grlscaler/checkpoint"
	policyKind     = "grlscaler/policy"
	fileVersion    = 1
)

// ErrNoCheckpoint is returned where there is nothing to resume.
var ErrNoCheckpoint = errors.New("no checkpoint")

// header is what the metadata of a checkpoint or a policy says.
type header struct {
	kind       string
	config     *Config
	spec       sim.EnvSpec
	steps      int
	iterations int
}

func (h *header) write(f *safetensors.File) error {
	spec, err := json.Marshal(h.spec)
	if err != nil {
		return err
	}
	f.Metadata["format"] = h.kind
	f.Metadata["version"] = strconv.Itoa(fileVersion)
	f.Metadata["config"] = string(h.config.YAML())
	f.Metadata["config_hash"] = h.config.Hash()
	f.Metadata["environment"] = string(spec)
	f.Metadata["steps"] = strconv.Itoa(h.steps)
	f.Metadata["iterations"] = strconv.Itoa(h.iterations)
	return nil
}

// readHeader checks that f is of a kind and version that can be read, and whole.
func readHeader(f *safetensors.File, kind string) (*header, error) {
	if got := f.Metadata["format"]; got != kind {
		return nil, fmt.Errorf("format %q; %q is needed", got, kind)
	}
	version, err := strconv.Atoi(f.Metadata["version"])
	if err != nil || version < 1 {
		return nil, fmt.Errorf("version %q is not a number from 1 on", f.Metadata["version"])
	}
	if version > fileVersion {
		return nil, fmt.Errorf("%s version %d is newer than this program reads (%d); use a newer grlscaler", kind, version, fileVersion)
	}
	h := &header{kind: kind}
	if h.config, err = DecodeConfig(strings.NewReader(f.Metadata["config"]), "configuration"); err != nil {
		return nil, err
	}
	if got, want := f.Metadata["config_hash"], h.config.Hash(); got != want {
		return nil, fmt.Errorf("its configuration has hash %.12s, not %.12s as it says: it was changed by hand, or made by a version with other defaults; train again", want, got)
	}
	if err := json.Unmarshal([]byte(f.Metadata["environment"]), &h.spec); err != nil {
		return nil, fmt.Errorf("environment: %w", err)
	}
	if err := checkSpec(&h.spec); err != nil {
		return nil, fmt.Errorf("environment: %w", err)
	}
	for key, v := range map[string]*int{"steps": &h.steps, "iterations": &h.iterations} {
		if *v, err = strconv.Atoi(f.Metadata[key]); err != nil || *v < 0 {
			return nil, fmt.Errorf("%s: %q is not a count", key, f.Metadata[key])
		}
	}
	return h, nil
}

// maxSpec bounds what a file may say of an environment: far above what an application may have, far below what
// exhausts the memory.
const maxSpec = 20_000_000

// checkSpec refuses descriptions of environments that fit no environment.
func checkSpec(s *sim.EnvSpec) error {
	for _, n := range []struct {
		what         string
		count, names int
	}{
		{"service features", s.ServiceFeatures, len(s.ServiceFeatureNames)}, {"node features", s.NodeFeatures, len(s.NodeFeatureNames)},
		{"edge features", s.EdgeFeatures, len(s.EdgeFeatureNames)}, {"scalars", s.Scalars, len(s.ScalarNames)},
	} {
		if n.count != n.names {
			return fmt.Errorf("%d %s with %d names", n.count, n.what, n.names)
		}
	}
	bad := s.Services < 1 || s.Nodes < 0 || s.Action.PerService < 0 || s.Action.Global < 0 || len(s.Action.NVec) == 0
	for _, n := range []int{s.Services, s.Nodes, len(s.Edges), s.Action.PerService, s.Action.Global} {
		bad = bad || n > maxSpec
	}
	if bad || s.Services*max(s.ServiceFeatures, s.Nodes, s.Action.PerService) > maxSpec || s.Nodes*s.NodeFeatures > maxSpec || len(s.Edges)*s.EdgeFeatures > maxSpec {
		return fmt.Errorf("%s is not possible", describeSpec(s))
	}
	for _, e := range s.Edges {
		if min(e.From, e.To) < 0 || max(e.From, e.To) >= s.Services {
			return fmt.Errorf("a call from service %d to %d of %d", e.From, e.To, s.Services)
		}
	}
	choices := 0
	for _, n := range s.Action.NVec {
		if n < 1 || n > maxSpec {
			return fmt.Errorf("an action part of %d choices", n)
		}
		if choices += n; choices > maxSpec {
			break
		}
	}
	if choices != s.MaskWidth() {
		return fmt.Errorf("action parts of %d choices in all; %d services with %d each and %d more need %d", choices, s.Services, s.Action.PerService, s.Action.Global, s.MaskWidth())
	}
	return nil
}

// readFile reads a whole safetensors file of a kind.
func readFile(path, kind string) (*safetensors.File, *header, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, err
	}
	return decodeFile(data, path, kind)
}

// decodeFile reads the bytes of a whole safetensors file of a kind; path is for messages.
func decodeFile(data []byte, path, kind string) (*safetensors.File, *header, error) {
	f, err := safetensors.Decode(data)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	h, err := readHeader(f, kind)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, h, nil
}

// writeFile puts a file in place so that a crash at any moment leaves the old one or the new one, whole: it is
// written beside, synced, renamed, and the rename is synced too.
func writeFile(path string, content io.WriterTo) (err error) {
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, ignoreClosed(tmp.Close()), os.Remove(tmp.Name()))
		}
	}()
	w := bufio.NewWriterSize(tmp, 1<<20)
	if _, err := content.WriteTo(w); err != nil {
		return err
	}
	if err := errors.Join(w.Flush(), tmp.Chmod(0o644), tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func ignoreClosed(err error) error {
	if errors.Is(err, fs.ErrClosed) {
		return nil
	}
	return err
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// saveCheckpoint writes the run's state to its directory.
func (t *trainer) saveCheckpoint() error {
	st := &state{file: safetensors.New()}
	h := header{kind: checkpointKind, config: t.cfg, spec: *t.world.spec, steps: t.steps, iterations: t.iterations}
	if err := h.write(st.file); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	t.learner.state(st)
	if st.err != nil {
		return fmt.Errorf("checkpoint: %w", st.err)
	}
	// Rows that the checkpoint counts on must not be lost after it.
	if err := t.curve.sync(); err != nil {
		return fmt.Errorf("learning curve: %w", err)
	}
	if err := writeFile(filepath.Join(t.dir, CheckpointFile), st.file); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	t.saved = t.steps
	return nil
}

// loadCheckpoint takes the run's state from its directory. A checkpoint of another configuration or environment
// is refused by the keys that differ.
func (t *trainer) loadCheckpoint() error {
	path := filepath.Join(t.dir, CheckpointFile)
	f, h, err := readFile(path, checkpointKind)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("nothing to resume in %s: %w; train without resuming", t.dir, ErrNoCheckpoint)
	}
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	if h.config.Hash() != t.cfg.Hash() {
		return fmt.Errorf("checkpoint %s is of another configuration (%s); train without resuming, or in another directory",
			path, strings.Join(differences(h.config, t.cfg), "; "))
	}
	if err := sameSpec(&h.spec, t.world.spec); err != nil {
		return fmt.Errorf("checkpoint %s: %w", path, err)
	}
	st := &state{file: f, loading: true}
	t.learner.state(st)
	if st.err != nil {
		return fmt.Errorf("checkpoint %s: %w", path, st.err)
	}
	t.steps, t.iterations, t.saved = h.steps, h.iterations, h.steps
	return nil
}

// sameSpec reports how the environment that something was made for differs from the present one.
func sameSpec(made, now *sim.EnvSpec) error {
	a, errA := json.Marshal(made)
	b, errB := json.Marshal(now)
	if err := errors.Join(errA, errB); err != nil {
		return err
	}
	if string(a) == string(b) {
		return nil
	}
	return fmt.Errorf("made for another environment: %s, now %s", describeSpec(made), describeSpec(now))
}

func describeSpec(s *sim.EnvSpec) string {
	return fmt.Sprintf("%s with %d services of %d features, %d nodes of %d, %d calls of %d, %d scalars, %s actions %v",
		s.Kind, s.Services, s.ServiceFeatures, s.Nodes, s.NodeFeatures, len(s.Edges), s.EdgeFeatures, s.Scalars, s.Action.Mode, s.Action.NVec)
}
