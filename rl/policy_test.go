package rl

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/grlscaler/grlscaler/gnn"
	"github.com/grlscaler/grlscaler/rl/rltest"
	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/rng"
	"github.com/grlscaler/grlscaler/sim/simtest"
)

// trainedOn trains a quick policy on an environment and returns its file.
func trainedOn(t *testing.T, cfg *Config, env sim.VectorEnv) string {
	t.Helper()
	r, err := Train(context.Background(), cfg, env, Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	return r.Policy
}

func load(t *testing.T, path string, spec *sim.EnvSpec) *Policy {
	t.Helper()
	p, err := LoadPolicy(path, spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// A loaded policy does what the one in training would: on a toy that was learnt it earns the best reward.
func TestLoadedPolicyActs(t *testing.T) {
	for _, algorithm := range []string{AlgorithmPPO, AlgorithmSAC} {
		t.Run(algorithm, func(t *testing.T) {
			make16 := func() sim.VectorEnv {
				return rltest.NewBandit(rltest.BanditConfig{Envs: 16, Services: 3, Choices: 3, Masked: true})
			}
			p := load(t, trainedOn(t, small("mlp", algorithm, 16), make16()), nil)
			env := make16()
			obs, final := sim.NewObs(env.Spec(), 16), sim.NewObs(env.Spec(), 16)
			if err := env.Reset(99, obs); err != nil {
				t.Fatal(err)
			}
			actions, rewards := make([]int32, 16*3), make([]float32, 16)
			sum := 0.0
			for range 20 {
				before := slices.Clone(obs.Services)
				if err := p.Act(obs, nil, actions); err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(before, obs.Services) {
					t.Fatal("Act changed the observation")
				}
				if err := env.Step(actions, obs, final, rewards, make([]bool, 16), make([]bool, 16)); err != nil {
					t.Fatal(err)
				}
				for _, r := range rewards {
					sum += float64(r) / (20 * 16)
				}
			}
			if sum < 0.99 {
				t.Errorf("mean reward %.3f", sum)
			}
		})
	}
}

// Rows of a batch do not know of each other, and a stream gives other actions than none.
func TestActOnBatches(t *testing.T) {
	env := rltest.NewSynthetic(4)
	p := load(t, trainedOn(t, quick("gat", AlgorithmPPO), env), nil)
	obs, n := sim.NewObs(env.Spec(), 4), len(env.Spec().Action.NVec)
	if err := env.Reset(5, obs); err != nil {
		t.Fatal(err)
	}
	all, one := make([]int32, 4*n), make([]int32, n)
	if err := p.Act(obs, nil, all); err != nil {
		t.Fatal(err)
	}
	for e := range 4 {
		row := obs.Row(env.Spec(), e)
		if err := p.Act(&row, nil, one); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(one, all[e*n:(e+1)*n]) {
			t.Errorf("row %d alone gives %v, in the batch %v", e, one, all[e*n:(e+1)*n])
		}
	}
	drawn := make([]int32, 4*n)
	if err := p.Act(obs, rng.New(1, "act"), drawn); err != nil {
		t.Fatal(err)
	}
	if slices.Equal(drawn, all) {
		t.Error("drawing gives the most probable actions")
	}
	if err := p.Act(obs, nil, make([]int32, n+1)); err == nil {
		t.Error("room for a row and a bit was accepted")
	}
	if err := p.Act(obs, nil, make([]int32, 5*n)); err == nil {
		t.Error("five rows of four were accepted")
	}
}

// A graph policy goes with the services when these change places, and acts on graphs of another size.
func TestGraphPolicyOnOtherGraphs(t *testing.T) {
	for _, kind := range []string{"gat", "gcn"} {
		t.Run(kind, func(t *testing.T) {
			make := func(services int) *rltest.Bandit {
				return rltest.NewBandit(rltest.BanditConfig{Envs: 16, Services: services, Choices: 3})
			}
			path := trainedOn(t, small(kind, AlgorithmPPO, 16), make(4))
			env := make(7)
			p := load(t, path, env.Spec())
			if got := meanReward(t, p, env); got < 0.9 {
				t.Errorf("mean reward on seven services %.3f after training on four", got)
			}
		})
	}
}

func meanReward(t *testing.T, p *Policy, env sim.VectorEnv) float64 {
	t.Helper()
	n, spec := env.NumEnvs(), env.Spec()
	obs, final := sim.NewObs(spec, n), sim.NewObs(spec, n)
	if err := env.Reset(99, obs); err != nil {
		t.Fatal(err)
	}
	actions, rewards, sum := make([]int32, n*len(spec.Action.NVec)), make([]float32, n), 0.0
	for range 20 {
		if err := p.Act(obs, nil, actions); err != nil {
			t.Fatal(err)
		}
		if err := env.Step(actions, obs, final, rewards, make([]bool, n), make([]bool, n)); err != nil {
			t.Fatal(err)
		}
		for _, r := range rewards {
			sum += float64(r) / float64(20*n)
		}
	}
	return sum
}

// Several policies act at the same time, each on its own torch thread, without disturbing each other.
func TestPoliciesSideBySide(t *testing.T) {
	env := rltest.NewSynthetic(4)
	path := trainedOn(t, quick("gat", AlgorithmPPO), env)
	obs := sim.NewObs(env.Spec(), 4)
	if err := env.Reset(5, obs); err != nil {
		t.Fatal(err)
	}
	results := make([][]int32, 4)
	var wg sync.WaitGroup
	for i := range results {
		p := load(t, path, nil)
		wg.Go(func() {
			for range 20 {
				results[i] = make([]int32, 4*len(env.Spec().Action.NVec))
				if err := p.Act(obs, nil, results[i]); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for _, r := range results[1:] {
		if !slices.Equal(r, results[0]) {
			t.Error("two copies of a policy act differently")
		}
	}
}

func TestLoadPolicyRefuses(t *testing.T) {
	env := rltest.NewBandit(rltest.BanditConfig{Envs: 4, Services: 3, Choices: 3})
	path := trainedOn(t, quick("mlp", AlgorithmPPO), env)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	choices := rltest.NewBandit(rltest.BanditConfig{Envs: 4, Services: 3, Choices: 4}).Spec()
	services := rltest.NewBandit(rltest.BanditConfig{Envs: 4, Services: 5, Choices: 3}).Spec()
	selects := *env.Spec()
	selects.Action.Mode = "select"
	for _, c := range []struct {
		name string
		data []byte
		spec *sim.EnvSpec
		want string
	}{
		{"features", good, choices, "made for the service features [hint0 hint1 hint2 hint3]; here they are"},
		{"actions", good, &selects, "made for bandit with joint actions"},
		{"size of an mlp", good, services, "an mlp is bound to the application"},
		{"cut off", good[:len(good)-5], nil, "cut off"},
		{"checkpoint", bytes.Replace(good, []byte("grlscaler/policy"), []byte("grlscaler/chckpt"), 1), nil, `"grlscaler/policy" is needed`},
		{"newer", bytes.Replace(good, []byte(`"version":"1"`), []byte(`"version":"7"`), 1), nil, "version 7 is newer"},
		{"weights missing", bytes.Replace(good, []byte(`"weights.action.0.bias"`), []byte(`"weights.action.0.bogo"`), 1), nil, `"weights.action.0.bias" is missing`},
		{"no normaliser", bytes.Replace(good, []byte(`"normalizer.services.mean"`), []byte(`"normalizer.services.moan"`), 1), nil, "is missing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			bad := filepath.Join(t.TempDir(), "p.safetensors")
			if err := os.WriteFile(bad, c.data, 0o644); err != nil {
				t.Fatal(err)
			}
			before := gnn.LiveTensors()
			_, err := LoadPolicy(bad, c.spec)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), bad) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want one line with %q and the path", err, c.want)
			}
			if n := gnn.LiveTensors() - before; n != 0 {
				t.Errorf("%d tensors were left", n)
			}
		})
	}
	if _, err := LoadPolicy(filepath.Join(t.TempDir(), "none"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

// chainEnv is the cluster environment on a small application.
func chainEnv(t *testing.T, cfg *Config) sim.VectorEnv {
	t.Helper()
	app := simtest.Chain(t)
	env, err := sim.NewVecEnv(app, cfg.Env, simtest.NewSteps(t, app, 300, 0, simtest.At(0, 20), simtest.At(100, 60)), 0,
		func() (sim.Engine, error) { return sim.NewFluid(app, sim.FluidOptions{}) })
	if err != nil {
		t.Fatal(err)
	}
	return env
}

// A controller keeps the contract of sim.Controller in both modes of action, and decides as its policy does.
func TestController(t *testing.T) {
	for _, mode := range []string{"joint", "select"} {
		for _, kind := range []string{"mlp", "gat"} {
			t.Run(mode+"/"+kind, func(t *testing.T) {
				cfg := quick(kind, AlgorithmPPO)
				cfg.Env.Action.Mode = mode
				path := trainedOn(t, cfg, chainEnv(t, cfg))
				simtest.TestController(t, func(t *testing.T, app *sim.App) sim.Controller {
					if made := simtest.Chain(t); len(app.Pools) != len(made.Pools) || len(app.Services) != len(made.Services) {
						t.Skip("the policy was trained with other actions")
					}
					c, err := NewController("policy", path, app)
					if err != nil {
						t.Fatal(err)
					}
					t.Cleanup(func() {
						if err := c.Close(); err != nil {
							t.Error(err)
						}
					})
					return c
				})
			})
		}
	}
}

func TestClosingAPolicyTwice(t *testing.T) {
	p, err := LoadPolicy(trainedOn(t, quick("mlp", AlgorithmSAC), quickEnv()), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if err := p.Close(); err != nil {
		t.Errorf("the second time: %v", err)
	}
}

// Training leaves no tensors behind, however it ends.
func TestTrainLeavesNothing(t *testing.T) {
	before := gnn.LiveTensors()
	for _, algorithm := range []string{AlgorithmPPO, AlgorithmSAC} {
		trainedOn(t, quick("gat", algorithm), quickEnv())
		cfg := quick("gat", algorithm)
		env := &failAfter{VectorEnv: quickEnv(), left: 30, err: os.ErrClosed}
		if _, err := Train(context.Background(), cfg, env, Options{Dir: t.TempDir()}); err == nil {
			t.Error("the environment's error was lost")
		}
		if _, err := Train(context.Background(), cfg, quickEnv(), Options{Dir: t.TempDir(), Resume: true}); err == nil {
			t.Error("resumed from nothing")
		}
	}
	if n := gnn.LiveTensors() - before; n != 0 {
		t.Errorf("%d tensors were left", n)
	}
}

// A learning rate that makes the weights explode ends in one clear line, not in NaN weights on disk.
func TestDivergenceIsAnError(t *testing.T) {
	for _, algorithm := range []string{AlgorithmPPO, AlgorithmSAC} {
		cfg := quick("mlp", algorithm)
		cfg.TotalSteps = 4000
		if cfg.PPO != nil {
			cfg.PPO.LearningRate, cfg.PPO.MaxGradNorm, cfg.PPO.LinearDecay = 10, 1e9, false
		} else {
			cfg.SAC.QLearningRate, cfg.SAC.PolicyLearningRate, cfg.SAC.MaxGradNorm = 10, 10, 0
		}
		env := &explosive{VectorEnv: quickEnv()}
		_, err := Train(context.Background(), cfg, env, Options{Dir: t.TempDir()})
		if err == nil || !strings.Contains(err.Error(), "training has diverged; lower") {
			t.Errorf("%s: %v", algorithm, err)
		}
	}
}

// explosive pays rewards that no network can follow.
type explosive struct {
	sim.VectorEnv
	steps int
}

func (x *explosive) Step(actions []int32, obs, final *sim.Obs, rewards []float32, terminated, truncated []bool) error {
	err := x.VectorEnv.Step(actions, obs, final, rewards, terminated, truncated)
	if x.steps++; x.steps > 20 {
		for i := range rewards {
			rewards[i] = float32(math.Inf(1))
		}
	}
	return err
}
