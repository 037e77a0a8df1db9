package rltest

import (
	"strings"
	"testing"

	"github.com/grlscaler/grlscaler/sim"
)

func TestConformance(t *testing.T) {
	for name, make := range map[string]func() sim.VectorEnv{
		"bandit": func() sim.VectorEnv { return NewBandit(BanditConfig{Envs: 3, Services: 4, Choices: 3, Masked: true}) },
		"select": func() sim.VectorEnv {
			return NewBandit(BanditConfig{Envs: 3, Services: 4, Choices: 3, Select: true, Masked: true})
		},
		"neighbour": func() sim.VectorEnv {
			return NewBandit(BanditConfig{Envs: 3, Services: 4, Choices: 3, FromCaller: true})
		},
		"chain":     func() sim.VectorEnv { return NewChain(ChainConfig{Envs: 8, Length: 5, Limit: 9}) },
		"forever":   func() sim.VectorEnv { return NewChain(ChainConfig{Envs: 8, Length: 3, Limit: 9, Forever: true}) },
		"synthetic": func() sim.VectorEnv { return NewSynthetic(2) },
	} {
		t.Run(name, func(t *testing.T) { TestEnv(t, make, 100) })
	}
}

func TestBanditRewards(t *testing.T) {
	b := NewBandit(BanditConfig{Envs: 2, Services: 3, Choices: 4})
	obs, final := sim.NewObs(b.Spec(), 2), sim.NewObs(b.Spec(), 2)
	if err := b.Reset(1, obs); err != nil {
		t.Fatal(err)
	}
	actions := make([]int32, 6)
	for i := range actions {
		for a := range 4 {
			if obs.Services[i*5+a] == 1 {
				actions[i] = int32(a)
			}
		}
	}
	actions[5] = (actions[5] + 1) % 4
	rewards, terminated, truncated := make([]float32, 2), make([]bool, 2), make([]bool, 2)
	if err := b.Step(actions, obs, final, rewards, terminated, truncated); err != nil {
		t.Fatal(err)
	}
	if rewards[0] != 1 || rewards[1] != float32(2)/3 || !terminated[0] || truncated[0] {
		t.Errorf("rewards %v, terminated %v, truncated %v", rewards, terminated, truncated)
	}
}

func TestBanditRefusesMaskedActions(t *testing.T) {
	b := NewBandit(BanditConfig{Envs: 1, Services: 1, Choices: 30, Masked: true})
	obs, final := sim.NewObs(b.Spec(), 1), sim.NewObs(b.Spec(), 1)
	if err := b.Reset(1, obs); err != nil {
		t.Fatal(err)
	}
	for a, ok := range obs.Mask {
		if !ok {
			err := b.Step([]int32{int32(a)}, obs, final, make([]float32, 1), make([]bool, 1), make([]bool, 1))
			if err == nil || !strings.Contains(err.Error(), "was masked") {
				t.Errorf("action %d: %v", a, err)
			}
			return
		}
	}
	t.Fatal("nothing was masked")
}

func TestChainPaysAtTheEnd(t *testing.T) {
	c := NewChain(ChainConfig{Envs: 1, Length: 3, Limit: 5})
	obs, final := sim.NewObs(c.Spec(), 1), sim.NewObs(c.Spec(), 1)
	if err := c.Reset(1, obs); err != nil {
		t.Fatal(err)
	}
	r, term, trunc := make([]float32, 1), make([]bool, 1), make([]bool, 1)
	total, steps := float32(0), 0
	for !term[0] {
		if err := c.Step([]int32{1}, obs, final, r, term, trunc); err != nil {
			t.Fatal(err)
		}
		total += r[0]
		steps++
	}
	if total != 1 || steps > 2 || final.Services[2] != 1 || obs.Services[2] == 1 {
		t.Errorf("reward %v after %d steps, last observation %v, next %v", total, steps, final.Services, obs.Services)
	}
	for i := range 5 { // five steps to the left are cut off
		if err := c.Step([]int32{0}, obs, final, r, term, trunc); err != nil {
			t.Fatal(err)
		}
		if trunc[0] != (i == 4) || term[0] {
			t.Errorf("step %d: terminated %v, truncated %v", i, term, trunc)
		}
	}
}
