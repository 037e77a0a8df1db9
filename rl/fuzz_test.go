package rl

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/grlscaler/grlscaler/configs"
	"github.com/grlscaler/grlscaler/rl/rltest"
	"github.com/grlscaler/grlscaler/rl/safetensors"
	"github.com/grlscaler/grlscaler/sim"
)

// What is accepted is valid, and the same when written and read again.
func FuzzDecodeConfig(f *testing.F) {
	for _, name := range configs.Names(configs.Policies) {
		file, err := configs.Read(configs.Policies, name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(file.Data))
	}
	f.Add("name: x\nalgorithm: sac\nsac: {gamma: 0.9}\nenv: {action: {mode: select}}\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := DecodeConfig(strings.NewReader(text), "f.yaml")
		if err != nil {
			return
		}
		if err := c.Validate(); err != nil {
			t.Fatalf("accepted, but not valid: %v", err)
		}
		again, err := DecodeConfig(bytes.NewReader(c.YAML()), "again.yaml")
		if err != nil {
			t.Fatalf("accepted, but not as written: %v\n%s", err, c.YAML())
		}
		if d := cmp.Diff(c.YAML(), again.YAML()); d != "" || c.Hash() != again.Hash() {
			t.Fatal(d)
		}
	})
}

func FuzzApplySet(f *testing.F) {
	for _, s := range []string{"seed=7", "ppo.learning_rate=1e-3", "env.scenarios=[peak, offpeak]", "env.action={mode: select}", "encoder.heads=&a 2", "a.b.c=", "env=*x", "ppo=", "=="} {
		f.Add(s)
	}
	base := DefaultConfig(AlgorithmPPO)
	base.Name = "x"
	f.Fuzz(func(t *testing.T, set string) {
		c, err := base.ApplySet([]string{set})
		if err != nil {
			return
		}
		if err := c.Validate(); err != nil {
			t.Fatalf("%q gives a configuration that is not valid: %v", set, err)
		}
	})
}

// tinyPolicy makes a policy file of three services.
func tinyPolicy(f *testing.F) []byte {
	f.Helper()
	env := rltest.NewBandit(rltest.BanditConfig{Envs: 4, Services: 3, Choices: 3})
	cfg := quick("mlp", AlgorithmPPO)
	cfg.TotalSteps, cfg.Encoder.Hidden = 40, 2
	r, err := Train(f.Context(), cfg, env, Options{Dir: f.TempDir()})
	if err != nil {
		f.Fatal(err)
	}
	data, err := os.ReadFile(r.Policy)
	if err != nil {
		f.Fatal(err)
	}
	return data
}

// A policy file whose description of the environment, counts or weights are anything at all is refused or acts.
func FuzzLoadPolicy(f *testing.F) {
	good := tinyPolicy(f)
	file, err := safetensors.Decode(good)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(file.Metadata["environment"], "40", "1", []byte{})
	f.Add(strings.Replace(file.Metadata["environment"], `"Services":3`, `"Services":-3`, 1), "0", "-1", []byte{0xff, 0xff, 0xff, 0x7f})
	f.Add(`{"Services":1000000000,"Action":{"NVec":[1000000000]}}`, "x", "", []byte{1})
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, environment, steps, iterations string, weights []byte) {
		file, err := safetensors.Decode(good)
		if err != nil {
			t.Fatal(err)
		}
		file.Metadata["environment"], file.Metadata["steps"], file.Metadata["iterations"] = environment, steps, iterations
		var b bytes.Buffer
		if _, err := file.WriteTo(&b); err != nil {
			t.Skip() // not a text that a file can hold
		}
		data := b.Bytes()
		copy(data[max(0, len(data)-len(weights)):], weights) // the last array's bytes
		path := filepath.Join(dir, "p.safetensors")
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		p, err := LoadPolicy(path, nil)
		if err != nil {
			return
		}
		defer func() {
			if err := p.Close(); err != nil {
				t.Error(err)
			}
		}()
		obs := sim.NewObs(&p.Spec, 1)
		for i := range obs.Mask {
			obs.Mask[i] = true
		}
		actions := make([]int32, len(p.Spec.Action.NVec))
		if err := p.Act(obs, nil, actions); err != nil {
			t.Fatal(err)
		}
		for i, a := range actions {
			if a < 0 || int(a) >= p.Spec.Action.NVec[i] {
				t.Fatalf("choice %d of %d", a, p.Spec.Action.NVec[i])
			}
		}
	})
}

// Weights that are not numbers would spread to every choice without a word.
func TestStateRefusesNaN(t *testing.T) {
	f := safetensors.New()
	safetensors.Add(f, "weights.a", []int{3}, []float32{1, 2, float32(math.NaN())})
	safetensors.Add(f, "mean", []int{2}, []float64{math.Inf(-1), 0})
	for name, want := range map[string]string{"weights.a": `array "weights.a" holds NaN (element 2)`, "mean": `array "mean" holds -Inf (element 0)`} {
		st := &state{file: f, loading: true}
		if name == "mean" {
			fixed(st, name, make([]float64, 2))
		} else {
			fixed(st, name, make([]float32, 3))
		}
		if st.err == nil || !strings.Contains(st.err.Error(), want) {
			t.Errorf("got %v, want %s", st.err, want)
		}
	}
}

// A learning curve is cut back to whole rows of at most so many steps, whatever is in the file.
func FuzzWholeRows(f *testing.F) {
	f.Add("10,1\n20,2\n30,", 20)
	f.Add("10,1\nx\n20,2\n", 100)
	f.Fuzz(func(t *testing.T, text string, steps int) {
		n := wholeRows([]byte(text), 0, steps)
		if n < 0 || n > len(text) || n > 0 && text[n-1] != '\n' {
			t.Fatalf("%d of %d bytes", n, len(text))
		}
		if again := wholeRows([]byte(text[:n]), 0, steps); again != n {
			t.Fatalf("%d bytes, then %d", n, again)
		}
	})
}

// The description of an environment that a file holds is checked before networks of its size are made.
func FuzzCheckSpec(f *testing.F) {
	good, err := json.Marshal(quickEnv().Spec())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Fuzz(func(t *testing.T, data []byte) {
		var spec sim.EnvSpec
		if json.Unmarshal(data, &spec) != nil || checkSpec(&spec) != nil || spec.Services*max(spec.Nodes, spec.ServiceFeatures, spec.Action.PerService) > 1e5 {
			return
		}
		obs := sim.NewObs(&spec, 1)
		sum := 0
		for _, n := range spec.Action.NVec {
			sum += n
		}
		if len(obs.Mask) != sum {
			t.Fatalf("masks of %d for %d choices", len(obs.Mask), sum)
		}
	})
}
