package rl

import (
	"bytes"
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/grlscaler/grlscaler/rl/rltest"
	"github.com/grlscaler/grlscaler/sim"
)

// sizes are bandits of several sizes.
func sizes(envs int, services ...int) []sim.VectorEnv {
	var all []sim.VectorEnv
	for _, n := range services {
		all = append(all, rltest.NewBandit(rltest.BanditConfig{Envs: envs, Services: n, Choices: 3, Masked: true}))
	}
	return all
}

// One network learns on graphs of several sizes, and acts on one that it has never seen.
func TestGroupsLearnForOtherSizes(t *testing.T) {
	for _, kind := range []string{"gat", "gcn"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			cfg := small(kind, AlgorithmPPO, 4)
			r, err := TrainGroups(context.Background(), cfg, sizes(4, 2, 4, 5), Options{Dir: t.TempDir()})
			if err != nil {
				t.Fatal(err)
			}
			other := sizes(16, 9)[0]
			p, err := LoadPolicy(r.Policy, other.Spec())
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			if reward := meanReward(t, p, other); !(reward > 0.95) {
				t.Errorf("mean reward %.3f on nine services, of at most 1", reward)
			}
		})
	}
}

// quickGroups is a run of a few iterations, warm start included.
func quickGroups() *Config {
	cfg := quick("gat", AlgorithmPPO)
	cfg.PPO.WarmStart = WarmStartConfig{Steps: 120, ExpertShare: 0.5, Pull: 1, PullSteps: 160}
	return cfg
}

// Every minibatch of an epoch is of one group, and all rows of all groups come once.
func TestGroupsEpoch(t *testing.T) {
	cfg := quickGroups()
	tr, err := newTrainer(cfg, sizes(4, 2, 3), Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.learner.close()
	g := tr.learner.(*ppoGroups)
	seen := map[*ppo]map[int]int{}
	for _, turn := range g.shuffle() {
		if seen[turn.member] == nil {
			seen[turn.member] = map[int]int{}
		}
		perm := turn.member.perm
		for _, row := range perm[turn.start:min(turn.start+cfg.PPO.MinibatchSize, len(perm))] {
			seen[turn.member][row]++
		}
	}
	for k, p := range g.members {
		if len(seen[p]) != 40 {
			t.Errorf("group %d: %d of 40 rows", k, len(seen[p]))
		}
		for row, n := range seen[p] {
			if n != 1 {
				t.Errorf("group %d, row %d comes %d times", k, row, n)
			}
		}
	}
	a, b := g.members[0], g.members[1]
	if a.world.obsNorm != b.world.obsNorm || a.world.rewards.Return != b.world.rewards.Return || a.update.stripes[0].params != b.update.stripes[0].params {
		t.Error("the groups do not share weights and statistics")
	}
}

func TestGroupsSameSeedSameBytes(t *testing.T) {
	run := func(cfg *Config) map[string][]byte {
		dir := t.TempDir()
		if _, err := TrainGroups(context.Background(), cfg, sizes(4, 2, 3, 4), Options{Dir: dir}); err != nil {
			t.Fatal(err)
		}
		return files(t, dir)
	}
	want := run(quickGroups())
	was := runtime.GOMAXPROCS(1)
	got := run(quickGroups())
	runtime.GOMAXPROCS(was)
	sameFiles(t, want, got)
	other := quickGroups()
	other.Seed = 2
	if bytes.Equal(run(other)[PolicyFile], want[PolicyFile]) {
		t.Error("another seed gives the same policy")
	}
}

// An interrupted run goes on where it stopped, in each phase of the warm start and whatever group it was stopped in.
func TestGroupsResume(t *testing.T) {
	whole := t.TempDir()
	if _, err := TrainGroups(context.Background(), quickGroups(), sizes(4, 2, 3, 4), Options{Dir: whole}); err != nil {
		t.Fatal(err)
	}
	want := files(t, whole)
	for _, stop := range []int{5, 15, 25} {
		dir, envs := t.TempDir(), sizes(4, 2, 3, 4)
		ctx, cancel := context.WithCancelCause(context.Background())
		envs[stop%3] = &stopExpert{stopAfter{envs[stop%3], stop, cancel}}
		_, err := TrainGroups(ctx, quickGroups(), envs, Options{Dir: dir})
		if !errors.Is(err, ErrInterrupted) {
			t.Fatalf("stopped after %d: %v", stop, err)
		}
		if _, err := TrainGroups(context.Background(), quickGroups(), sizes(4, 2, 3, 4), Options{Dir: dir, Resume: true}); err != nil {
			t.Fatal(err)
		}
		sameFiles(t, want, files(t, dir))
	}
}

func TestGroupsRefuse(t *testing.T) {
	for _, c := range []struct {
		name, kind, algorithm, want string
		envs                        []sim.VectorEnv
	}{
		{"mlp", "mlp", AlgorithmPPO, "an mlp is bound to the application that it was trained on", sizes(4, 2, 3)},
		{"sac", "gat", AlgorithmSAC, "algorithm sac cannot learn from several applications; use ppo", sizes(4, 2, 3)},
		{"features", "gat", AlgorithmPPO, "environments of group 1: made for the service features", append(sizes(4, 2), quickEnv())},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := TrainGroups(context.Background(), quick(c.kind, c.algorithm), c.envs, Options{Dir: t.TempDir()})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
