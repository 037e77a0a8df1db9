package rl

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/grlscaler/grlscaler/gnn"
	"github.com/grlscaler/grlscaler/sim"
)

// ErrInterrupted is what [Train] returns, wrapped, when its context ends: the run's state is saved.
var ErrInterrupted = errors.New("training interrupted")

// Options say where and how a run is done; nothing in them changes the result.
type Options struct {
	Dir      string           // where checkpoint, learning curve and policy are written; made if missing
	Resume   bool             // go on from Dir's checkpoint
	Progress Progress         // told after every iteration; nil for nobody
	Clock    func() time.Time // for speed and ETA; nil leaves them 0
}

// Result is what a finished run gives.
type Result struct {
	Policy         string // path of the policy file
	ConfigHash     string
	Steps          int
	Reward, Length float64 // means of the last 100 episodes; NaN if none ended
}

// learner is one algorithm. Its methods run on the torch thread.
type learner interface {
	// begin resets the environments: a new run.
	begin(seed uint64) error
	// collect steps the environments with the present policy and returns how many steps that were.
	collect() (steps int, err error)
	// learn updates the networks. done is the share of the training that is over. The row is nil where there is
	// nothing to log.
	learn(done float64) (row map[string]float64, err error)
	// state saves or loads everything that outlives an iteration.
	state(st *state)
	// policy saves the network that acts.
	policy(st *state)
	// close frees all tensors.
	close()
}

// Train trains a policy on env and writes it to o.Dir, with a checkpoint every cfg.CheckpointEvery steps. When
// ctx ends, the run is saved at the next safe point and the error wraps ErrInterrupted; a run that is resumed
// writes the same bytes as one that was never stopped. All files depend on cfg and env alone.
func Train(ctx context.Context, cfg *Config, env sim.VectorEnv, o Options) (*Result, error) {
	return TrainGroups(ctx, cfg, []sim.VectorEnv{env}, o)
}

// TrainGroups is [Train] on several groups of environments, env.num_envs in each, whose applications may differ in services, calls and
// nodes, but not in features and actions. One policy of a graph encoder learns from all of them.
func TrainGroups(ctx context.Context, cfg *Config, envs []sim.VectorEnv, o Options) (result *Result, err error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("configuration %s: %w", cfg.Name, err)
	}
	for _, env := range envs {
		if n := env.NumEnvs(); n != cfg.Env.NumEnvs {
			return nil, fmt.Errorf("%d environments are given, env.num_envs is %d", n, cfg.Env.NumEnvs)
		}
	}
	torch, err := gnn.StartTorch(cfg.TorchThreads)
	if err != nil {
		return nil, err
	}
	defer torch.Close()
	err = torch.Do(func() error {
		t, err := newTrainer(cfg, envs, o)
		if err != nil {
			return err
		}
		defer t.learner.close()
		result, err = t.run(ctx)
		return errors.Join(err, t.curve.close())
	})
	return result, err
}

// run is the training loop.
func (t *trainer) run(ctx context.Context) (*Result, error) {
	for t.steps < t.cfg.TotalSteps {
		if ctx.Err() != nil {
			return nil, t.interrupt(ctx)
		}
		steps, err := t.learner.collect()
		if err != nil {
			return nil, t.failed(err)
		}
		t.steps += steps
		row, err := t.learner.learn(float64(t.steps-steps) / float64(t.cfg.TotalSteps))
		if err != nil {
			return nil, t.failed(err)
		}
		if err := t.log(row); err != nil {
			return nil, t.failed(err)
		}
		if t.checkpointDue() {
			if err := t.saveCheckpoint(); err != nil {
				return nil, t.failed(err)
			}
		}
	}
	return t.finish()
}
