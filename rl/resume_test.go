package rl

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/grlscaler/grlscaler/rl/rltest"
	"github.com/grlscaler/grlscaler/sim"
)

// quick is a run of a few iterations in which everything happens: masks, endings of both kinds, overwritten slots
// of the replay buffer, several checkpoints.
func quick(kind, algorithm string) *Config {
	cfg := small(kind, algorithm, 4)
	cfg.Encoder.Hidden, cfg.Encoder.HeadHidden = 8, 8
	cfg.TotalSteps, cfg.CheckpointEvery = 400, 90
	if cfg.PPO != nil {
		cfg.PPO.RolloutSteps, cfg.PPO.MinibatchSize, cfg.PPO.Epochs = 10, 16, 2
	}
	if cfg.SAC != nil {
		cfg.SAC.BufferSize, cfg.SAC.LearningStarts, cfg.SAC.BatchSize, cfg.SAC.LogEvery = 200, 100, 8, 50
	}
	return cfg
}

func quickEnv() sim.VectorEnv {
	return rltest.NewChain(rltest.ChainConfig{Envs: 4, Length: 4, Limit: 7})
}

// files returns the contents of a run's files.
func files(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	for _, name := range []string{CheckpointFile, PolicyFile, ProgressFile, EventsFile} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		all[name] = data
	}
	return all
}

func sameFiles(t *testing.T, want, got map[string][]byte) {
	t.Helper()
	for name, data := range want {
		if !bytes.Equal(data, got[name]) {
			t.Errorf("%s differs (%d and %d bytes)", name, len(data), len(got[name]))
		}
	}
}

func train(t *testing.T, cfg *Config, dir string) map[string][]byte {
	t.Helper()
	if _, err := Train(context.Background(), cfg, quickEnv(), Options{Dir: dir}); err != nil {
		t.Fatal(err)
	}
	return files(t, dir)
}

// stopAfter cancels a run after so many steps of its environments.
type stopAfter struct {
	sim.VectorEnv
	left   int
	cancel context.CancelCauseFunc
}

func (s *stopAfter) Step(actions []int32, obs, final *sim.Obs, rewards []float32, terminated, truncated []bool) error {
	if s.left--; s.left == 0 {
		s.cancel(errors.New("stopped by the test"))
	}
	return s.VectorEnv.Step(actions, obs, final, rewards, terminated, truncated)
}

// forEachLearner runs f for every algorithm and encoder.
func forEachLearner(t *testing.T, parallel bool, f func(t *testing.T, cfg *Config)) {
	for _, algorithm := range []string{AlgorithmPPO, AlgorithmSAC} {
		for _, kind := range []string{"mlp", "gat", "gcn"} {
			t.Run(algorithm+"/"+kind, func(t *testing.T) {
				if parallel {
					t.Parallel()
				}
				f(t, quick(kind, algorithm))
			})
		}
	}
}

func TestSameSeedSameBytes(t *testing.T) {
	forEachLearner(t, false, func(t *testing.T, cfg *Config) {
		want := train(t, cfg, t.TempDir())
		was := runtime.GOMAXPROCS(1)
		got := train(t, cfg, t.TempDir())
		runtime.GOMAXPROCS(was)
		sameFiles(t, want, got)

		other, err := cfg.ApplySet([]string{"seed=2"})
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(train(t, other, t.TempDir())[PolicyFile], want[PolicyFile]) {
			t.Error("another seed gives the same policy")
		}
	})
}

// A run that is interrupted and taken up again, any number of times, gives what one that was never stopped gives.
func TestResumeEqualsNoStop(t *testing.T) {
	forEachLearner(t, true, func(t *testing.T, cfg *Config) {
		want := train(t, cfg, t.TempDir())
		stops := []int{13, 57}
		if cfg.Encoder.Kind == "mlp" {
			stops = append(stops, 1) // after every iteration: slow, and the encoder has no part in it
		}
		for _, after := range stops {
			t.Run(fmt.Sprintf("after=%d", after), func(t *testing.T) {
				dir, resume, stops := t.TempDir(), false, 0
				for {
					ctx, cancel := context.WithCancelCause(context.Background())
					env := &stopAfter{VectorEnv: quickEnv(), left: after, cancel: cancel}
					_, err := Train(ctx, cfg, env, Options{Dir: dir, Resume: resume})
					cancel(nil)
					if err == nil {
						break
					}
					if !errors.Is(err, ErrInterrupted) || !strings.Contains(err.Error(), "stopped by the test") {
						t.Fatal(err)
					}
					resume = true
					stops++
				}
				if stops == 0 {
					t.Fatal("the run was never interrupted")
				}
				sameFiles(t, want, files(t, dir))
			})
		}
	})
}

// A process that is killed leaves its last checkpoint and perhaps rows of the learning curve after it, the last one
// cut short.
func TestResumeAfterKill(t *testing.T) {
	forEachLearner(t, true, func(t *testing.T, cfg *Config) {
		want := train(t, cfg, t.TempDir())
		dir := t.TempDir()
		killed := errors.New("killed")
		env := &failAfter{VectorEnv: quickEnv(), left: 60, err: killed}
		if _, err := Train(context.Background(), cfg, env, Options{Dir: dir}); !errors.Is(err, killed) {
			t.Fatal(err)
		}
		f, err := os.OpenFile(filepath.Join(dir, ProgressFile), os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString("99999,1,"); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := Train(context.Background(), cfg, quickEnv(), Options{Dir: dir, Resume: true}); err != nil {
			t.Fatal(err)
		}
		sameFiles(t, want, files(t, dir))
	})
}

// failAfter ends a run with an error after so many steps.
type failAfter struct {
	sim.VectorEnv
	left int
	err  error
}

func (f *failAfter) Step(actions []int32, obs, final *sim.Obs, rewards []float32, terminated, truncated []bool) error {
	if f.left--; f.left < 0 {
		return f.err
	}
	return f.VectorEnv.Step(actions, obs, final, rewards, terminated, truncated)
}

// Resuming a finished run does nothing but write its policy again.
func TestResumeFinished(t *testing.T) {
	cfg, dir := quick("mlp", AlgorithmPPO), t.TempDir()
	want := train(t, cfg, dir)
	if err := os.Remove(filepath.Join(dir, PolicyFile)); err != nil {
		t.Fatal(err)
	}
	if _, err := Train(context.Background(), cfg, quickEnv(), Options{Dir: dir, Resume: true}); err != nil {
		t.Fatal(err)
	}
	sameFiles(t, want, files(t, dir))
}

func TestCheckpointRefuses(t *testing.T) {
	cfg, dir := quick("mlp", AlgorithmPPO), t.TempDir()
	path := filepath.Join(dir, CheckpointFile)
	good := train(t, cfg, dir)[CheckpointFile]
	resume := func(cfg *Config, env sim.VectorEnv) error {
		_, err := Train(context.Background(), cfg, env, Options{Dir: dir, Resume: true})
		return err
	}
	set := func(sets ...string) *Config {
		c, err := cfg.ApplySet(sets)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	for _, c := range []struct {
		name string
		data []byte
		cfg  *Config
		env  sim.VectorEnv
		want string
	}{
		{name: "other hyper-parameter", data: good, cfg: set("ppo.gamma=0.5"), want: "another configuration (ppo.gamma: 0.99, now 0.5)"},
		{name: "other environment", data: good, env: rltest.NewChain(rltest.ChainConfig{Envs: 4, Length: 5}), want: "1 services of 4 features"},
		{name: "cut off", data: good[:len(good)/2], want: "cut off"},
		{name: "empty", data: nil, want: "too few"},
		{name: "not safetensors", data: []byte("PK\x03\x04 an archive, not a checkpoint"), want: "not a safetensors file"},
		{name: "newer", data: bytes.Replace(good, []byte(`"version":"1"`), []byte(`"version":"2"`), 1), want: "version 2 is newer than this program reads (1)"},
		{name: "policy", data: bytes.Replace(good, []byte("grlscaler/checkpoint"), []byte("grlscaler/policy    "), 1), want: `"grlscaler/checkpoint" is needed`},
		{name: "configuration changed", data: bytes.Replace(good, []byte("gamma: 0.99"), []byte("gamma: 0.98"), 1), want: "changed by hand"},
		{name: "other shape", data: bytes.Replace(good, []byte(`[2,8]`), []byte(`[8,2]`), 1), want: "has shape"},
		{name: "array renamed", data: bytes.Replace(good, []byte(`"adam.m"`), []byte(`"adam.x"`), 1), want: `array "adam.m" is missing`},
		{name: "weight too many", data: bytes.Replace(good, []byte(`"stream.policy"`), []byte(`"weights.polic"`), 1), want: "not part of this network"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.data != nil && bytes.Equal(c.data, good) && c.cfg == nil && c.env == nil {
				t.Fatal("the case changes nothing")
			}
			if err := os.WriteFile(path, c.data, 0o644); err != nil {
				t.Fatal(err)
			}
			if c.cfg == nil {
				c.cfg = cfg
			}
			if c.env == nil {
				c.env = quickEnv()
			}
			err := resume(c.cfg, c.env)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want one line with %q and the path", err, c.want)
			}
		})
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := resume(cfg, quickEnv()); !errors.Is(err, ErrNoCheckpoint) || !strings.Contains(err.Error(), "train without resuming") {
		t.Errorf("no checkpoint: %v", err)
	}
}

func TestTrainRefuses(t *testing.T) {
	cfg := quick("mlp", AlgorithmPPO)
	if _, err := Train(context.Background(), cfg, rltest.NewChain(rltest.ChainConfig{Envs: 3, Length: 4}), Options{Dir: t.TempDir()}); err == nil ||
		err.Error() != "3 environments are given, env.num_envs is 4" {
		t.Errorf("number of environments: %v", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Train(context.Background(), cfg, quickEnv(), Options{Dir: filepath.Join(file, "run")}); err == nil || !strings.Contains(err.Error(), "run directory") {
		t.Errorf("unusable directory: %v", err)
	}
	bad := *cfg
	bad.Name = ""
	if _, err := Train(context.Background(), &bad, quickEnv(), Options{Dir: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "name: ") {
		t.Errorf("invalid configuration: %v", err)
	}
}

// No steps at all write the untrained policy: what learning is compared with.
func TestTrainNoSteps(t *testing.T) {
	for _, algorithm := range []string{AlgorithmPPO, AlgorithmSAC} {
		cfg := quick("mlp", algorithm)
		cfg.TotalSteps = 0
		r, err := Train(context.Background(), cfg, quickEnv(), Options{Dir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		if p := load(t, r.Policy, nil); r.Steps != 0 || p.Steps != 0 {
			t.Errorf("%s: %d steps, the policy says %d", algorithm, r.Steps, p.Steps)
		}
	}
}
