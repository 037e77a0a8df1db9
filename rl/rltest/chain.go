package rltest

import (
	"encoding/json"
	"fmt"

	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/rng"
)

// ChainConfig describes a chain of states.
type ChainConfig struct {
	Envs   int
	Length int // states 0 ... Length-1; reaching the last ends the episode with reward 1
	Limit  int // steps after which an episode is truncated; 0 = none
	// Forever has no goal: being in the last state pays 1 a step and episodes end by truncation alone, so that
	// V of the last state is 1/(1-gamma) only if truncation is bootstrapped.
	Forever bool
}

// Chain is a Markov decision process of one service and two actions, back and forth. A step to the left of
// state 0 stays there and pays 0.01: a policy that does not look ahead never leaves. The best policy always goes
// right: an episode's reward is 1 and its length Length-1.
type Chain struct {
	cfg    ChainConfig
	spec   sim.EnvSpec
	stream *rng.Stream
	at     []int
	steps  []int
}

var _ sim.VectorEnv = (*Chain)(nil)

// NewChain returns a chain that has not been reset.
func NewChain(cfg ChainConfig) *Chain {
	return &Chain{
		cfg: cfg, stream: rng.New(0, "chain"), at: make([]int, cfg.Envs), steps: make([]int, cfg.Envs),
		spec: sim.EnvSpec{
			Kind: "chain", Services: 1, Nodes: 1, ServiceFeatures: cfg.Length, NodeFeatures: 1, EdgeFeatures: 1, Scalars: 1,
			Edges:  []sim.Edge{{From: 0, To: 0}},
			Action: sim.ActionSpec{Mode: "joint", PerService: 2, NVec: []int{2}},

			ServiceFeatureNames: names("state", cfg.Length), NodeFeatureNames: names("node", 1),
			EdgeFeatureNames: names("edge", 1), ScalarNames: names("scalar", 1),
		},
	}
}

// Spec describes the chain.
func (c *Chain) Spec() *sim.EnvSpec { return &c.spec }

// NumEnvs is the number of environments.
func (c *Chain) NumEnvs() int { return c.cfg.Envs }

// Reset starts every environment in one of the first two states.
func (c *Chain) Reset(seed uint64, obs *sim.Obs) error {
	c.stream = rng.New(seed, "chain")
	for e := range c.at {
		c.start(e)
	}
	c.show(obs)
	return nil
}

func (c *Chain) start(e int) { c.at[e], c.steps[e] = c.stream.IntN(2), 0 }

func (c *Chain) show(obs *sim.Obs) {
	clear(obs.Services)
	for e, at := range c.at {
		obs.Services[e*c.cfg.Length+at] = 1
	}
	fill(obs.Nodes, 0)
	fill(obs.Edges, 1)
	fill(obs.RunsOn, 1)
	fill(obs.Scalars, 0)
	for i := range obs.Mask {
		obs.Mask[i] = true
	}
}

// Step moves every environment left (0) or right (1).
func (c *Chain) Step(actions []int32, obs, final *sim.Obs, rewards []float32, terminated, truncated []bool) error {
	last := c.cfg.Length - 1
	for e := range c.at {
		rewards[e], terminated[e] = 0, false
		switch {
		case actions[e] == 0 && c.at[e] == 0:
			rewards[e] = 0.01
		case actions[e] == 0:
			c.at[e]--
		default:
			c.at[e] = min(c.at[e]+1, last)
		}
		if c.at[e] == last {
			rewards[e] = 1
			terminated[e] = !c.cfg.Forever
		}
		c.steps[e]++
		truncated[e] = !terminated[e] && c.cfg.Limit > 0 && c.steps[e] >= c.cfg.Limit
	}
	c.show(final)
	for e := range c.at {
		if terminated[e] || truncated[e] {
			c.start(e)
		}
	}
	c.show(obs)
	return nil
}

type chainState struct {
	Stream    []byte
	At, Steps []int
}

// Save returns the state.
func (c *Chain) Save() ([]byte, error) {
	stream, err := c.stream.MarshalBinary()
	if err != nil {
		return nil, err
	}
	return json.Marshal(chainState{stream, c.at, c.steps})
}

// Load continues from a saved state.
func (c *Chain) Load(data []byte, obs *sim.Obs) error {
	var st chainState
	if err := json.Unmarshal(data, &st); err != nil {
		return fmt.Errorf("chain: %w", err)
	}
	if len(st.At) != len(c.at) || len(st.Steps) != len(c.steps) {
		return fmt.Errorf("chain: a state of %d environments for %d", len(st.At), len(c.at))
	}
	copy(c.at, st.At)
	copy(c.steps, st.Steps)
	if err := c.stream.UnmarshalBinary(st.Stream); err != nil {
		return err
	}
	c.show(obs)
	return nil
}
