package rltest

import (
	"encoding/json"
	"fmt"

	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/rng"
)

// Synthetic has the shape of the real environment (11 services in a call tree, 4 nodes, joint actions of 5
// replica changes and 5 quota steps for each service) and costs next to nothing: what is left of a training
// run's time is the learner's. Observations walk at random; the reward is the share of services whose replica
// change matches the sign of their first feature.
type Synthetic struct {
	spec   sim.EnvSpec
	envs   int
	limit  int
	stream *rng.Stream
	obs    *sim.Obs
	steps  []int
}

var _ sim.VectorEnv = (*Synthetic)(nil)

// The shape, as in the cluster environment of Online Boutique.
const (
	synServices, synNodes               = 11, 4
	synServiceFeatures, synNodeFeatures = 14, 5
	synEdgeFeatures, synScalars         = 3, 5
	synDeltas, synQuotas                = 5, 5
	synEpisode                          = 60
)

// synEdges is the call graph of Online Boutique: the frontend, checkout and recommendation call others.
var synEdges = []sim.Edge{
	{From: 0, To: 1}, {From: 0, To: 2}, {From: 0, To: 3}, {From: 0, To: 4}, {From: 0, To: 5}, {From: 0, To: 6}, {From: 0, To: 7},
	{From: 4, To: 8}, {From: 4, To: 9}, {From: 4, To: 1}, {From: 4, To: 2}, {From: 4, To: 3}, {From: 4, To: 6},
	{From: 5, To: 1}, {From: 2, To: 10},
}

// NewSynthetic returns envs environments whose episodes are cut off after 60 steps.
func NewSynthetic(envs int) *Synthetic {
	s := &Synthetic{envs: envs, limit: synEpisode, stream: rng.New(0, "synthetic"), steps: make([]int, envs)}
	s.spec = sim.EnvSpec{
		Kind: "synthetic", Services: synServices, Nodes: synNodes, Edges: synEdges,
		ServiceFeatures: synServiceFeatures, NodeFeatures: synNodeFeatures, EdgeFeatures: synEdgeFeatures, Scalars: synScalars,
		Action:              sim.ActionSpec{Mode: "joint", PerService: synDeltas + synQuotas},
		ServiceFeatureNames: names("service", synServiceFeatures), NodeFeatureNames: names("node", synNodeFeatures),
		EdgeFeatureNames: names("edge", synEdgeFeatures), ScalarNames: names("scalar", synScalars),
	}
	for range synServices {
		s.spec.Action.NVec = append(s.spec.Action.NVec, synDeltas, synQuotas)
	}
	s.obs = sim.NewObs(&s.spec, envs)
	return s
}

// Spec describes the environment.
func (s *Synthetic) Spec() *sim.EnvSpec { return &s.spec }

// NumEnvs is the number of environments.
func (s *Synthetic) NumEnvs() int { return s.envs }

// Reset starts from the seed.
func (s *Synthetic) Reset(seed uint64, obs *sim.Obs) error {
	s.stream = rng.New(seed, "synthetic")
	clear(s.steps)
	for _, v := range [][]float32{s.obs.Services, s.obs.Nodes, s.obs.Edges, s.obs.Scalars} {
		for i := range v {
			v[i] = float32(s.stream.Float64())
		}
	}
	for i := range s.obs.RunsOn {
		s.obs.RunsOn[i] = float32(s.stream.IntN(2))
	}
	for i := range s.obs.Mask {
		s.obs.Mask[i] = true
	}
	copyObs(obs, s.obs)
	return nil
}

func copyObs(dst, src *sim.Obs) {
	copy(dst.Services, src.Services)
	copy(dst.Nodes, src.Nodes)
	copy(dst.Edges, src.Edges)
	copy(dst.RunsOn, src.RunsOn)
	copy(dst.Scalars, src.Scalars)
	copy(dst.Mask, src.Mask)
}

// Step moves one feature of each service and one mask entry.
func (s *Synthetic) Step(actions []int32, obs, final *sim.Obs, rewards []float32, terminated, truncated []bool) error {
	width := s.spec.MaskWidth()
	for e := range s.envs {
		hits := 0
		for i := range synServices {
			x := &s.obs.Services[(e*synServices+i)*synServiceFeatures]
			if delta := actions[e*2*synServices+2*i]; (delta > synDeltas/2) == (*x > 0.5) {
				hits++
			}
			*x = float32(s.stream.Float64())
		}
		rewards[e], terminated[e] = float32(hits)/synServices, false
		s.steps[e]++
		truncated[e] = s.steps[e] >= s.limit
		if truncated[e] {
			s.steps[e] = 0
		}
		// One of the five replica changes of one service is forbidden, or allowed again; the middle one
		// ("nothing") always stays.
		if a := s.stream.IntN(width); a%synDeltas != synDeltas/2 {
			s.obs.Mask[e*width+a] = !s.obs.Mask[e*width+a]
		}
	}
	copyObs(final, s.obs)
	copyObs(obs, s.obs)
	return nil
}

type syntheticState struct {
	Stream []byte
	Steps  []int
	Obs    *sim.Obs
}

// Save returns the state.
func (s *Synthetic) Save() ([]byte, error) {
	stream, err := s.stream.MarshalBinary()
	if err != nil {
		return nil, err
	}
	return json.Marshal(syntheticState{stream, s.steps, s.obs})
}

// Load continues from a saved state.
func (s *Synthetic) Load(data []byte, obs *sim.Obs) error {
	var st syntheticState
	if err := json.Unmarshal(data, &st); err != nil {
		return fmt.Errorf("synthetic: %w", err)
	}
	if st.Obs == nil || len(st.Steps) != s.envs || len(st.Obs.Mask) != len(s.obs.Mask) {
		return fmt.Errorf("synthetic: a state of %d environments for %d", len(st.Steps), s.envs)
	}
	copy(s.steps, st.Steps)
	copyObs(s.obs, st.Obs)
	if err := s.stream.UnmarshalBinary(st.Stream); err != nil {
		return err
	}
	copyObs(obs, s.obs)
	return nil
}
