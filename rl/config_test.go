package rl

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func decode(t *testing.T, text string) *Config {
	t.Helper()
	c, err := DecodeConfig(strings.NewReader(text), "f.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestDecodeConfigAppliesDefaults(t *testing.T) {
	got := decode(t, "name: x\nalgorithm: ppo\nppo: {epochs: 7}\nenv: {num_envs: 3}\n")
	want := DefaultConfig(AlgorithmPPO)
	want.Name, want.PPO.Epochs, want.Env.NumEnvs = "x", 7, 3
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if sac := decode(t, "name: x\nalgorithm: sac\n"); sac.PPO != nil || sac.SAC == nil || *sac.SAC != DefaultSAC() {
		t.Errorf("sac: %+v", sac)
	}
}

func TestDecodeConfigRefuses(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"unknown key", "name: x\nalgorithm: ppo\nppo:\n  lr: 1\n", []string{`f.yaml:4: unknown key "lr"`}},
		{"unknown env key", "name: x\nalgorithm: ppo\nenv:\n  seeds: 1\n", []string{`f.yaml:4: unknown key "seeds"`}},
		{"unknown algorithm", "name: x\nalgorithm: a3c\n", []string{`f.yaml:2: algorithm: unknown "a3c"; one of ppo, sac`}},
		{"second document", "name: x\nalgorithm: ppo\n---\nname: y\n", []string{"second YAML document"}},
		{"nothing", "", []string{"f.yaml: the file is empty"}},
		{"NaN", "name: x\nalgorithm: ppo\nppo: {gamma: .nan}\n", []string{"f.yaml:3: ppo.gamma: .nan is not a finite number"}},
		{"wrong type", "name: x\nalgorithm: ppo\nseed: many\n", []string{"f.yaml:3: found a text"}},
		{"negative seed", "name: x\nalgorithm: ppo\nseed: -1\n", []string{"f.yaml:3"}},
		{"fraction", "name: x\nalgorithm: ppo\ntotal_steps: 1.5\n", []string{"f.yaml:3: total_steps: 1.5 is not a whole number"}},
		{"newer format", "format: 2\nname: x\nalgorithm: ppo\n", []string{"f.yaml:1: format: 2; this version reads formats 1 to 1"}},
		{"advice without expert", "name: x\nalgorithm: sac\nsac: {advised_critics: true, n_step: 0}\n", []string{
			"f.yaml:3: sac.n_step: 0; must be from 1 to 1000", "f.yaml:3: sac.advised_critics: needs the expert of a warm start; set sac.warm_start.steps above 0"}},
		{"other algorithm's section", "name: x\nalgorithm: ppo\nsac: {tau: 0.1}\n", []string{"f.yaml:3: sac: not used by algorithm ppo"}},
		{"every mistake at once", "name: a/b\nalgorithm: sac\nencoder: {kind: gin, heads: 0}\nsac:\n  tau: 0\n  gamma: 1.1\nenv: {num_envs: 0}\n", []string{
			`f.yaml:1: name: "a/b"`, `f.yaml:3: encoder.kind: unknown "gin"; one of mlp, gat, gcn`, "encoder.heads: 0; must be from 1 to 64",
			"f.yaml:5: sac.tau: 0; must be above 0 and at most 1", "f.yaml:6: sac.gamma: 1.1; must be from 0 to 1", "f.yaml:7: env.num_envs: 0; must be from 1",
		}},
		{"random applications", "name: x\nalgorithm: sac\nenv:\n  app: random\n  random_apps: {count: 2, services_min: 5, services_max: 6}\n", []string{
			"encoder.kind: an mlp is bound to one application; with env.app random use gat or gcn", "f.yaml:2: algorithm: sac cannot learn from several applications",
		}},
		{"minibatch of one", "name: x\nalgorithm: ppo\nppo: {minibatch_size: 1}\n", []string{"ppo.minibatch_size: 1; must be from 2"}},
		{"minibatch above rollout", "name: x\nalgorithm: ppo\nppo: {minibatch_size: 99, rollout_steps: 2}\nenv: {num_envs: 4}\n", []string{"a rollout has only 8 decisions"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := DecodeConfig(strings.NewReader(c.text), "f.yaml")
			if err == nil {
				t.Fatal("accepted")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %q, want %q in it", err, want)
				}
			}
		})
	}
}

func TestYAMLRoundTrips(t *testing.T) {
	for _, algorithm := range []string{AlgorithmPPO, AlgorithmSAC} {
		c := DefaultConfig(algorithm)
		c.Name, c.Encoder.Hidden = "x", 17
		if d := cmp.Diff(c, decode(t, string(c.YAML()))); d != "" {
			t.Error(d)
		}
	}
}

func TestHash(t *testing.T) {
	c := DefaultConfig(AlgorithmPPO)
	c.Name = "x"
	for _, set := range []string{"seed=2", "total_steps=9", "ppo.clip_range=0.3", "env.reward.slack=2", "env.scenarios=[peak]"} {
		other, err := c.ApplySet([]string{set})
		if err != nil {
			t.Fatal(err)
		}
		if other.Hash() == c.Hash() {
			t.Errorf("%s does not change the hash", set)
		}
	}
	for _, set := range []string{"checkpoint_every=7", "env.workers=2"} {
		other, err := c.ApplySet([]string{set})
		if err != nil {
			t.Fatal(err)
		}
		if other.Hash() != c.Hash() {
			t.Errorf("%s changes the hash", set)
		}
	}
}

func TestApplySet(t *testing.T) {
	c := DefaultConfig(AlgorithmPPO)
	c.Name = "x"
	got, err := c.ApplySet([]string{"ppo.rollout_steps=2", "ppo.minibatch_size=32", "ppo.learning_rate=1e-3", "env.scenarios=[peak, offpeak]", "ppo.value_clip=max"})
	if err != nil {
		t.Fatal(err)
	}
	want := decode(t, string(c.YAML()))
	want.PPO.RolloutSteps, want.PPO.MinibatchSize, want.PPO.LearningRate, want.PPO.ValueClip = 2, 32, 1e-3, ValueClipMax
	want.Env.Scenarios = []string{"peak", "offpeak"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if c.PPO.RolloutSteps == 2 {
		t.Error("the original changed")
	}
	// Keys that the text leaves out while they have their default can be set too, and set back.
	hidden, err := c.ApplySet([]string{"env.hide=[scalars.entry_peak]", "encoder.no_calls=true"})
	if err != nil || !hidden.Encoder.NoCalls || !slices.Equal(hidden.Env.Hide, []string{"scalars.entry_peak"}) {
		t.Fatalf("%+v, %v", hidden, err)
	}
	if back, err := hidden.ApplySet([]string{"env.hide=[]", "encoder.no_calls=false"}); err != nil || back.Hash() != c.Hash() {
		t.Errorf("set back: %+v, %v", back, err)
	}
	for _, bad := range []struct{ set, want string }{
		{"ppo.lr=1", `--set ppo.lr=1: unknown key "ppo.lr"; the keys of ppo are rollout_steps, minibatch_size,`},
		{"sac.tau=1", `unknown key "sac"; the keys are format, name,`},
		{"encoder.calls=1", "the keys of encoder are kind, hidden, layers, heads, head_hidden, no_calls"},
		{"seed", "--set seed: give key=value"},
		{"seed=many", "--set seed=many: found a text `many` where a whole number of at least 0 is needed"},
		{"seed.x=1", "seed has no keys of its own"},
		{"ppo=1", "ppo is a section; set one of its keys: ppo.rollout_steps"},
		{"algorithm=sac", "algorithm cannot be changed; choose another --cfg"},
		{"ppo.gamma=.nan", "ppo.gamma: .nan is not a finite number"},
		{"ppo.epochs=0", "--set ppo.epochs=0: ppo.epochs: 0; must be from 1 to 1000"},
		{"env.num_envs=[1", "is not a YAML value"},
	} {
		_, err := c.ApplySet([]string{bad.set})
		if err == nil || !errors.Is(err, ErrSet) || !strings.Contains(err.Error(), bad.want) {
			t.Errorf("--set %s: got %v, want %q", bad.set, err, bad.want)
		}
	}
}

func TestDifferences(t *testing.T) {
	a := DefaultConfig(AlgorithmPPO)
	b := DefaultConfig(AlgorithmPPO)
	b.PPO.Epochs, b.Env.Scenarios = 8, []string{"peak"}
	want := []string{"ppo.epochs: 4, now 8", "env.scenarios: [offpeak, peak, rushsale, fluctuating], now [peak]"}
	if d := cmp.Diff(want, differences(a, b)); d != "" {
		t.Error(d)
	}
}
