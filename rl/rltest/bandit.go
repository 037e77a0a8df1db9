package rltest

import (
	"encoding/json"
	"fmt"

	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/rng"
)

// BanditConfig describes a contextual bandit on a graph.
type BanditConfig struct {
	Envs, Services, Choices int
	// FromCaller shows the right action of a service at its caller, so that a policy must look along the edges.
	// The services form a ring: service i calls service i+1.
	FromCaller bool
	// Masked forbids half of the wrong actions, chosen anew each time. Taking one is an error.
	Masked bool
	// Select has one decision for all services: a row of logits for (service, choice) pairs and "nothing".
	// One service at a time shows what to do.
	Select bool
}

// Bandit is a contextual bandit: each service shows which of its actions is right (one-hot, beside a feature
// of noise). The reward is the share of services that got it, and every episode is one step long, so the best
// mean reward is 1 and that of random actions 1/Choices (with Select 1/(Services*Choices+1)).
type Bandit struct {
	cfg    BanditConfig
	spec   sim.EnvSpec
	stream *rng.Stream
	target []int  // right action of each service of each environment; -1 = none
	mask   []bool // as last shown
}

var _ sim.ExpertEnv = (*Bandit)(nil)

// NewBandit returns a bandit that has not been reset.
func NewBandit(cfg BanditConfig) *Bandit {
	b := &Bandit{cfg: cfg, stream: rng.New(0, "bandit"), target: make([]int, cfg.Envs*cfg.Services)}
	b.spec = sim.EnvSpec{
		Kind: "bandit", Services: cfg.Services, Nodes: 2, ServiceFeatures: cfg.Choices + 1, NodeFeatures: 1,
		EdgeFeatures: 1, Scalars: 1,
		Action: sim.ActionSpec{Mode: "joint", PerService: cfg.Choices},
	}
	for s := range cfg.Services {
		b.spec.Edges = append(b.spec.Edges, sim.Edge{From: s, To: (s + 1) % cfg.Services})
		b.spec.Action.NVec = append(b.spec.Action.NVec, cfg.Choices)
	}
	if cfg.Select {
		b.spec.Action = sim.ActionSpec{Mode: "select", PerService: cfg.Choices, Global: 1, NVec: []int{cfg.Services*cfg.Choices + 1}}
	}
	b.spec.ServiceFeatureNames = names("hint", cfg.Choices+1)
	b.spec.NodeFeatureNames, b.spec.EdgeFeatureNames, b.spec.ScalarNames = names("node", 1), names("edge", 1), names("scalar", 1)
	b.mask = make([]bool, cfg.Envs*b.spec.MaskWidth())
	return b
}

func names(prefix string, n int) []string {
	v := make([]string, n)
	for i := range v {
		v[i] = fmt.Sprintf("%s%d", prefix, i)
	}
	return v
}

// Spec describes the bandit.
func (b *Bandit) Spec() *sim.EnvSpec { return &b.spec }

// NumEnvs is the number of environments.
func (b *Bandit) NumEnvs() int { return b.cfg.Envs }

// Reset starts from the seed.
func (b *Bandit) Reset(seed uint64, obs *sim.Obs) error {
	b.stream = rng.New(seed, "bandit")
	b.draw()
	b.show(obs)
	return nil
}

// draw chooses the next right actions and masks.
func (b *Bandit) draw() {
	width := b.spec.MaskWidth()
	for e := range b.cfg.Envs {
		target, mask := b.target[e*b.cfg.Services:(e+1)*b.cfg.Services], b.mask[e*width:(e+1)*width]
		only := b.stream.IntN(b.cfg.Services)
		for s := range target {
			target[s] = b.stream.IntN(b.cfg.Choices)
			if b.cfg.Select && s != only {
				target[s] = -1
			}
			for a := range b.cfg.Choices {
				mask[s*b.cfg.Choices+a] = !b.cfg.Masked || a == target[s] || b.stream.IntN(2) == 0
			}
			if target[s] < 0 {
				mask[s*b.cfg.Choices] = true
			}
		}
		if b.cfg.Select {
			mask[width-1] = true
		}
	}
}

// show writes the observations. The noise feature is a hash of the state, so that showing twice is the same.
func (b *Bandit) show(obs *sim.Obs) {
	clear(obs.Services)
	width := b.spec.ServiceFeatures
	for i, target := range b.target {
		at := i
		if b.cfg.FromCaller {
			s := i % b.cfg.Services
			at = i - s + (s+b.cfg.Services-1)%b.cfg.Services
		}
		if target >= 0 {
			obs.Services[at*width+target] = 1
		}
		obs.Services[i*width+width-1] = float32((i*7+target*3)%5) / 5
	}
	fill(obs.Nodes, 0.5)
	fill(obs.Edges, 1)
	fill(obs.Scalars, -1)
	for i := range obs.RunsOn {
		obs.RunsOn[i] = float32(i % 2)
	}
	copy(obs.Mask, b.mask)
}

func fill(v []float32, x float32) {
	for i := range v {
		v[i] = x
	}
}

// Step rewards the share of services that got their right action.
func (b *Bandit) Step(actions []int32, obs, final *sim.Obs, rewards []float32, terminated, truncated []bool) error {
	for e := range b.cfg.Envs {
		r, err := b.reward(e, actions[e*len(b.spec.Action.NVec):(e+1)*len(b.spec.Action.NVec)])
		if err != nil {
			return err
		}
		rewards[e], terminated[e], truncated[e] = r, true, false
	}
	b.show(final)
	b.draw()
	b.show(obs)
	return nil
}

func (b *Bandit) reward(e int, actions []int32) (float32, error) {
	mask := b.mask[e*b.spec.MaskWidth() : (e+1)*b.spec.MaskWidth()]
	target := b.target[e*b.cfg.Services : (e+1)*b.cfg.Services]
	if b.cfg.Select {
		a := int(actions[0])
		if !mask[a] {
			return 0, fmt.Errorf("bandit: action %d was masked", a)
		}
		s := a / b.cfg.Choices
		if s < b.cfg.Services && target[s] == a%b.cfg.Choices {
			return 1, nil
		}
		return 0, nil
	}
	hits := 0
	for s, a := range actions {
		if !mask[s*b.cfg.Choices+int(a)] {
			return 0, fmt.Errorf("bandit: action %d of service %d was masked", a, s)
		}
		if int(a) == target[s] {
			hits++
		}
	}
	return float32(hits) / float32(b.cfg.Services), nil
}

type banditState struct {
	Stream []byte
	Target []int
	Mask   []bool
}

// Save returns the state.
func (b *Bandit) Save() ([]byte, error) {
	stream, err := b.stream.MarshalBinary()
	if err != nil {
		return nil, err
	}
	return json.Marshal(banditState{stream, b.target, b.mask})
}

// Load continues from a saved state.
func (b *Bandit) Load(data []byte, obs *sim.Obs) error {
	var st banditState
	if err := json.Unmarshal(data, &st); err != nil {
		return fmt.Errorf("bandit: %w", err)
	}
	if len(st.Target) != len(b.target) || len(st.Mask) != len(b.mask) {
		return fmt.Errorf("bandit: a state of %d services for %d", len(st.Target), len(b.target))
	}
	copy(b.target, st.Target)
	copy(b.mask, st.Mask)
	if err := b.stream.UnmarshalBinary(st.Stream); err != nil {
		return err
	}
	b.show(obs)
	return nil
}

// Expert knows the right actions.
func (b *Bandit) Expert(actions []int32) error {
	if !b.cfg.Select {
		for i, target := range b.target {
			actions[i] = int32(target)
		}
		return nil
	}
	for e := range actions {
		for s, target := range b.target[e*b.cfg.Services : (e+1)*b.cfg.Services] {
			if target >= 0 {
				actions[e] = int32(s*b.cfg.Choices + target)
			}
		}
	}
	return nil
}
