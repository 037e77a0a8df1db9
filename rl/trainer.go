package rl

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/grlscaler/grlscaler/rl/safetensors"
	"github.com/grlscaler/grlscaler/sim"
)

// trainer is one run: a learner, its files and how far it is. It lives on the torch thread.
type trainer struct {
	cfg        *Config
	dir        string
	world      *world // the first, where there are several groups of environments
	learner    learner
	curve      *curve
	progress   Progress
	watch      stopwatch
	steps      int
	iterations int // rows logged
	saved      int // steps at the last checkpoint
}

func newTrainer(cfg *Config, envs []sim.VectorEnv, o Options) (*trainer, error) {
	worlds := newWorlds(cfg, envs)
	t := &trainer{cfg: cfg, dir: o.Dir, world: worlds[0], progress: o.Progress}
	parts, err := NewParts(t.world.spec.Action.NVec)
	if err != nil {
		return nil, err
	}
	if parts.Width != t.world.spec.MaskWidth() {
		return nil, fmt.Errorf("the environment's action parts %v have %d choices, its masks %d", parts.NVec, parts.Width, t.world.spec.MaskWidth())
	}
	switch {
	case len(worlds) > 1:
		t.learner, err = newPPOGroups(cfg, worlds)
	case cfg.Algorithm == AlgorithmPPO:
		t.learner, err = newPPO(cfg, t.world, parts)
	case cfg.Algorithm == AlgorithmSAC:
		t.learner, err = newSAC(cfg, t.world, parts)
	}
	if err != nil {
		return nil, err
	}
	if err := t.start(o.Resume); err != nil {
		t.learner.close()
		return nil, err
	}
	t.watch = newStopwatch(o.Clock, t.steps)
	return t, nil
}

// start makes the run's directory ready: for a new run, whose older files go, or for one to go on with.
func (t *trainer) start(resume bool) error {
	if err := os.MkdirAll(t.dir, 0o755); err != nil {
		return fmt.Errorf("run directory: %w", err)
	}
	var err error
	if resume {
		err = t.loadCheckpoint()
	} else {
		for _, name := range []string{CheckpointFile, PolicyFile, ProgressFile, EventsFile} {
			if e := os.Remove(filepath.Join(t.dir, name)); e != nil && !errors.Is(e, fs.ErrNotExist) {
				return fmt.Errorf("run directory: %w", e)
			}
		}
		err = t.learner.begin(t.cfg.Seed)
	}
	if err != nil {
		return err
	}
	t.curve, err = openCurve(filepath.Join(t.dir, ProgressFile), t.cfg.Algorithm, t.steps)
	return err
}

// log completes a learner's row, writes it and reports progress. No row, nothing to do.
func (t *trainer) log(row map[string]float64) error {
	if row == nil {
		return nil
	}
	t.iterations++
	row["time/total_timesteps"], row["time/iterations"] = float64(t.steps), float64(t.iterations)
	row["rollout/episodes"] = float64(t.world.episodes.Ended)
	row["rollout/ep_rew_mean"], row["rollout/ep_len_mean"] = t.world.episodes.means()
	if err := t.curve.write(row); err != nil {
		return err
	}
	if t.progress != nil {
		t.progress.Update(t.status())
	}
	return nil
}

func (t *trainer) status() Status {
	st := Status{Name: t.cfg.Name, Step: t.steps, Total: t.cfg.TotalSteps}
	st.Reward, st.Length = t.world.episodes.means()
	t.watch.fill(&st)
	return st
}

// done tells the progress that the run has ended and passes its error on.
func (t *trainer) done(err error) error {
	if t.progress != nil {
		t.progress.Done(t.status(), err)
	}
	return err
}

func (t *trainer) checkpointDue() bool {
	return t.cfg.CheckpointEvery > 0 && t.steps-t.saved >= t.cfg.CheckpointEvery
}

// interrupt saves the run between two iterations, which is where it can be taken up again.
func (t *trainer) interrupt(ctx context.Context) error {
	if err := t.saveCheckpoint(); err != nil {
		return t.done(errors.Join(ErrInterrupted, err))
	}
	return t.done(fmt.Errorf("%w at step %d of %d (%w); %s holds everything to resume from",
		ErrInterrupted, t.steps, t.cfg.TotalSteps, context.Cause(ctx), filepath.Join(t.dir, CheckpointFile)))
}

// failed ends a run that cannot go on. Nothing is saved: the last checkpoint is the last good state.
func (t *trainer) failed(err error) error {
	return t.done(fmt.Errorf("training %s at step %d: %w", t.cfg.Name, t.steps, err))
}

// finish writes the last checkpoint and the policy.
func (t *trainer) finish() (*Result, error) {
	if t.saved != t.steps || t.steps == 0 {
		if err := t.saveCheckpoint(); err != nil {
			return nil, t.failed(err)
		}
	}
	st := &state{file: safetensors.New()}
	h := header{kind: policyKind, config: t.cfg, spec: *t.world.spec, steps: t.steps, iterations: t.iterations}
	if err := h.write(st.file); err != nil {
		return nil, t.failed(err)
	}
	st.normalizer(t.world.obsNorm)
	t.learner.policy(st)
	path := filepath.Join(t.dir, PolicyFile)
	if err := errors.Join(st.err, writeFile(path, st.file)); err != nil {
		return nil, t.failed(fmt.Errorf("policy: %w", err))
	}
	result := &Result{Policy: path, ConfigHash: t.cfg.Hash(), Steps: t.steps}
	result.Reward, result.Length = t.world.episodes.means()
	return result, t.done(nil)
}
