package rl

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/grlscaler/grlscaler/gnn"
	"github.com/grlscaler/grlscaler/rl/safetensors"
	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/rng"
)

// Policy is a trained policy, ready to act: the network, the observation statistics that it was trained with
// (frozen), and where it comes from. It holds a torch thread of its own until Close. It serves one caller at a
// time; who needs several at once loads several.
type Policy struct {
	Config *Config     // what it was trained with
	Spec   sim.EnvSpec // what it acts on
	Steps  int         // environment steps that it was trained for

	torch   *gnn.Torch
	params  *gnn.Params
	net     *network
	norm    *ObsNormalizer
	scope   *gnn.Scope
	sampler *Sampler
	obs     *sim.Obs  // normalised
	logits  []float32 // [rows, width]
}

// LoadPolicy reads a policy file that [Train] wrote. spec is what the policy shall act on, nil for what it was
// trained on. A graph policy acts on other numbers of services, nodes and calls too, as long as their features
// and actions are the same; an mlp does not.
func LoadPolicy(path string, spec *sim.EnvSpec) (*Policy, error) {
	f, h, err := readFile(path, policyKind)
	if err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	if spec == nil {
		spec = &h.spec
	}
	p, err := newPolicy(f, h, spec)
	if err != nil {
		return nil, fmt.Errorf("policy: %s: %w", path, err)
	}
	return p, nil
}

func newPolicy(f *safetensors.File, h *header, spec *sim.EnvSpec) (*Policy, error) {
	if err := compatible(h.config.Encoder.Kind, &h.spec, spec); err != nil {
		return nil, err
	}
	parts, err := NewParts(spec.Action.NVec)
	if err != nil {
		return nil, err
	}
	torch, err := gnn.StartTorch(1)
	if err != nil {
		return nil, err
	}
	p := &Policy{Config: h.config, Spec: *spec, Steps: h.steps, torch: torch, scope: gnn.NewScope(), sampler: NewSampler(parts)}
	if h.config.Normalize.Observations {
		p.norm = NewObsNormalizer(spec, h.config.Normalize.ClipObs)
	}
	if err := torch.Do(func() error { return p.build(f) }); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// build makes the network and fills it from the file.
func (p *Policy) build(f *safetensors.File) (err error) {
	// The first weights are overwritten at once; where they come from does not matter.
	p.params = gnn.NewParams(rng.New(0, "overwritten").Rand)
	if p.Config.Algorithm == AlgorithmSAC {
		p.net, err = newScorer(p.params, "actor", p.Config.Encoder, &p.Spec, 0.01)
	} else {
		p.net, err = newActorCritic(p.params, p.Config.Encoder, &p.Spec)
	}
	if err != nil {
		return err
	}
	if err := p.params.Build(); err != nil {
		return err
	}
	st := &state{file: f, loading: true}
	st.normalizer(p.norm)
	st.params("weights.", p.params)
	return st.err
}

// compatible reports why a policy made for one environment cannot act in another.
func compatible(kind string, made, now *sim.EnvSpec) error {
	for _, n := range []struct {
		what      string
		made, now []string
	}{
		{"service features", made.ServiceFeatureNames, now.ServiceFeatureNames}, {"node features", made.NodeFeatureNames, now.NodeFeatureNames},
		{"edge features", made.EdgeFeatureNames, now.EdgeFeatureNames}, {"scalars", made.ScalarNames, now.ScalarNames},
	} {
		if !slices.Equal(n.made, n.now) {
			return fmt.Errorf("made for the %s %v; here they are %v: train again", n.what, n.made, n.now)
		}
	}
	a, b := made.Action, now.Action
	if made.Kind != now.Kind || a.Mode != b.Mode || a.PerService != b.PerService || a.Global != b.Global {
		return fmt.Errorf("made for %s with %s actions, %d for each service and %d for all; here it is %s with %s, %d and %d: train again",
			made.Kind, a.Mode, a.PerService, a.Global, now.Kind, b.Mode, b.PerService, b.Global)
	}
	if kind == "mlp" && (made.Services != now.Services || made.Nodes != now.Nodes || !slices.Equal(made.Edges, now.Edges)) {
		return fmt.Errorf("an mlp is bound to the application that it was trained on, %d services on %d nodes with %d calls; here are %d, %d and %d: train one for this application, or use a graph policy",
			made.Services, made.Nodes, len(made.Edges), now.Services, now.Nodes, len(now.Edges))
	}
	return nil
}

// Act chooses an action for each of a batch of raw observations: the most probable one of each part where stream
// is nil, else one drawn with the policy's probabilities. actions is [rows, len(Spec.Action.NVec)]; its length
// says how many rows there are. obs is not changed.
func (p *Policy) Act(obs *sim.Obs, stream *rng.Stream, actions []int32) error {
	parts := len(p.sampler.parts.NVec)
	rows, width := len(actions)/parts, p.sampler.parts.Width
	if rows == 0 || len(actions)%parts != 0 || len(obs.Mask) < rows*width {
		return fmt.Errorf("policy: room for %d choices of %d parts, %d of %d mask entries", len(actions), parts, len(obs.Mask), rows*width)
	}
	if len(p.logits) < rows*width {
		p.logits, p.obs = make([]float32, rows*width), sim.NewObs(&p.Spec, rows)
	}
	copyRows(&p.Spec, p.obs, 0, obs, 0, rows)
	seen, logits := rowsOf(&p.Spec, p.obs, 0, rows), p.logits[:rows*width]
	if p.norm != nil {
		p.norm.Normalize(&seen)
	}
	err := p.torch.Do(func() error {
		defer p.scope.Reset()
		gnn.NoGrad(func() { p.scope.CopyTo(logits, p.net.logits(p.scope, p.net.load(p.scope, &seen, rows))) })
		return p.scope.Err()
	})
	if err != nil {
		return fmt.Errorf("policy: %w", err)
	}
	for i := range rows {
		row, mask, action := logits[i*width:(i+1)*width], seen.Mask[i*width:(i+1)*width], actions[i*parts:(i+1)*parts]
		if stream == nil {
			err = p.sampler.Mode(row, mask, action)
		} else {
			_, err = p.sampler.Sample(stream, row, mask, action)
		}
		if err != nil {
			return fmt.Errorf("policy: %w", err)
		}
	}
	return nil
}

// Close frees the network and ends the torch thread. Closing twice is fine.
func (p *Policy) Close() error {
	err := p.torch.Do(func() error {
		p.scope.Close()
		if p.params != nil {
			p.params.Close()
		}
		return nil
	})
	p.torch.Close()
	if errors.Is(err, gnn.ErrTorchClosed) {
		return nil
	}
	return err
}

// Controller runs a policy as a controller: deterministically, on the observations of the environment that it was
// trained in. It belongs to one goroutine and must be closed.
type Controller struct {
	*sim.Agent
	policy *Policy
}

var _ sim.Controller = (*Controller)(nil)

// NewController loads the policy in a file for an application. name is what results are listed under.
func NewController(name, path string, app *sim.App) (*Controller, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	return DecodeController(name, path, data, app)
}

// DecodeController is [NewController] for the bytes of a policy file; path is for messages.
func DecodeController(name, path string, data []byte, app *sim.App) (*Controller, error) {
	f, h, err := decodeFile(data, path, policyKind)
	if err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	c := &Controller{}
	if c.Agent, err = sim.NewAgent(name, app, h.config.Env, c.act); err != nil {
		return nil, fmt.Errorf("policy: %s: %w", path, err)
	}
	if c.policy, err = newPolicy(f, h, c.Spec()); err != nil {
		return nil, fmt.Errorf("policy: %s: application %s: %w", path, app.Name, err)
	}
	return c, nil
}

func (c *Controller) act(obs *sim.Obs, action []int32) error { return c.policy.Act(obs, nil, action) }

// Close frees the policy.
func (c *Controller) Close() error { return c.policy.Close() }
