package rl

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/grlscaler/grlscaler/gnn"
	"github.com/grlscaler/grlscaler/sim/rng"
)

// ppoOracleConfig is the config of a case of ppo.json and ppo_gnn.json.
type ppoOracleConfig struct {
	Semantics          string
	NVec               []int
	Activation         string
	LearningRate       float64    `json:"learning_rate"`
	ClipRange          float64    `json:"clip_range"`
	ClipRangeVF        *float64   `json:"clip_range_vf"`
	NormalizeAdvantage bool       `json:"normalize_advantage"`
	ClipVLoss          bool       `json:"clip_vloss"`
	EntCoef            float64    `json:"ent_coef"`
	VFCoef             float64    `json:"vf_coef"`
	MaxGradNorm        float64    `json:"max_grad_norm"`
	AdamEps            float64    `json:"adam_eps"`
	AdamBetas          [2]float64 `json:"adam_betas"`
	WeightDecay        float64    `json:"weight_decay"`
}

// ours translates to our configuration. CleanRL's value loss holds a factor 0.5 that ours has in value_coef;
// valueScale is what its published value_loss is of ours.
func (c ppoOracleConfig) ours(t *testing.T) (cfg PPOConfig, valueScale float64) {
	t.Helper()
	if c.WeightDecay != 0 {
		t.Fatalf("weight decay %v is not supported", c.WeightDecay)
	}
	cfg = PPOConfig{
		ClipRange: c.ClipRange, NormalizeAdvantage: c.NormalizeAdvantage, EntropyCoef: c.EntCoef,
		ValueCoef: c.VFCoef, MaxGradNorm: c.MaxGradNorm, AdamEps: c.AdamEps, ValueClip: ValueClipNone,
	}
	if c.Semantics == "cleanrl" {
		cfg.ValueCoef *= 0.5
		if c.ClipVLoss {
			cfg.ValueClip, cfg.ValueClipRange = ValueClipMax, c.ClipRange
		}
		return cfg, 0.5
	}
	if c.ClipRangeVF != nil {
		cfg.ValueClip, cfg.ValueClipRange = ValueClipOnly, *c.ClipRangeVF
	}
	return cfg, 1
}

// oracleParams builds weights with the given values.
func oracleParams(weights map[string]array) (*gnn.Params, error) {
	params := gnn.NewParams(rng.New(0, "unused").Rand)
	for _, name := range sortedKeys(weights) {
		w := weights[name]
		params.Add(name, func(dst []float32, _ []int64, _ *rand.Rand) { copy(dst, w.float32s()) }, w.dims()...)
	}
	return params, params.Build()
}

// sequential runs the Linears prefix.0, prefix.2, ... with an activation between them, and after the last one
// when activateLast is set, as torch's Sequential numbers them.
func sequential(s *gnn.Scope, params *gnn.Params, prefix, activation string, activateLast bool, x gnn.Tensor) gnn.Tensor {
	for i := 0; ; i += 2 {
		w := params.Lookup(fmt.Sprintf("%s.%d.weight", prefix, i))
		if w == nil {
			return x
		}
		x = s.Linear(x, w.T, params.Lookup(fmt.Sprintf("%s.%d.bias", prefix, i)).T)
		if activateLast || params.Lookup(fmt.Sprintf("%s.%d.weight", prefix, i+2)) != nil {
			x = activate(s, activation, x)
		}
	}
}

func activate(s *gnn.Scope, name string, x gnn.Tensor) gnn.Tensor {
	switch name {
	case "tanh":
		return s.Tanh(x)
	case "relu":
		return s.Relu(x)
	case "elu":
		return s.Elu(x)
	}
	s.Fail(fmt.Errorf("activation %q is unknown", name))
	return gnn.Tensor{}
}

func linear(s *gnn.Scope, params *gnn.Params, name string, x gnn.Tensor) gnn.Tensor {
	return s.Linear(x, params.Lookup(name+".weight").T, params.Lookup(name+".bias").T)
}

// separateNets is the policy of ppo.json: one network for logits, one for values.
func separateNets(params *gnn.Params, activation string, obs gnn.Tensor) forward {
	return func(s *gnn.Scope) (gnn.Tensor, gnn.Tensor) {
		if params.Lookup("actor.0.weight") != nil {
			return sequential(s, params, "actor", activation, false, obs),
				s.Squeeze(sequential(s, params, "critic", activation, false, obs), 1)
		}
		pi := sequential(s, params, "mlp_extractor.policy_net", activation, true, obs)
		vf := sequential(s, params, "mlp_extractor.value_net", activation, true, obs)
		return linear(s, params, "action_net", pi), s.Squeeze(linear(s, params, "value_net", vf), 1)
	}
}

func TestOraclePPO(t *testing.T) {
	o := oracleFile(t, "ppo.json")
	for _, c := range o.Cases {
		t.Run(c.Name, func(t *testing.T) {
			activation := decoded[ppoOracleConfig](t, c.Config).Activation
			checkPPO(t, o, c, func(s *gnn.Scope) (*gnn.Params, forward, error) {
				params, err := oracleParams(c.Weights)
				if err != nil {
					return nil, nil, err
				}
				return params, separateNets(params, activation, field[array](t, c.Inputs, "obs").tensor(s)), nil
			})
		})
	}
}

// forward is a network's forward pass on a case's observations.
type forward func(*gnn.Scope) (logits, values gnn.Tensor)

// whole is the forward pass of the only stripe.
func (f forward) whole(st *stripe, _, _ int) (logits, values gnn.Tensor) { return f(st.scope) }

// makeNetwork builds a case's network with the case's weights.
type makeNetwork func(s *gnn.Scope) (*gnn.Params, forward, error)

// checkPPO runs the product's own update on a case's minibatch: once for the losses and the gradients before
// clipping, then three times for the weights.
func checkPPO(t *testing.T, o oracle, c oracleCase, network makeNetwork) {
	spec := decoded[ppoOracleConfig](t, c.Config)
	cfg, valueScale := spec.ours(t)
	parts, err := NewParts(spec.NVec)
	if err != nil {
		t.Fatal(err)
	}
	onTorch(t, func(s *gnn.Scope) error {
		batch := oracleMinibatch(t, c)

		params, forward, err := network(s)
		if err != nil {
			return err
		}
		checkPPOTerms(t, s, o, c, &cfg, valueScale, parts, batch, forward)

		unclipped := cfg
		unclipped.MaxGradNorm = math.Inf(1)
		u := oracleUpdater(t, &unclipped, spec, parts, params)
		st, err := u.step(0, batch, forward.whole)
		if err != nil {
			return err
		}
		o.tolerance(t, "grads").near(t, "grad norm", st.GradNorm, field[float64](t, c.Expected, "grad_norm_before_clip"))
		for name, want := range field[map[string]array](t, c.Expected, "grads_before_clip") {
			o.tolerance(t, "grads").all(t, "gradient of "+name, params.GradsOf(params.Lookup(name)), want)
		}
		for name, want := range field[map[string]float64](t, c.Expected, "grad_norm_per_param_before_clip") {
			o.tolerance(t, "grads").near(t, "grad norm of "+name, norm(params.GradsOf(params.Lookup(name))), want)
		}
		return checkPPOSteps(t, s, o, c, spec, &cfg, parts, batch, network)
	})
}

func narrow(v []float64) []float32 {
	out := make([]float32, len(v))
	for i, x := range v {
		out[i] = float32(x)
	}
	return out
}

func norm(v []float32) float64 {
	sum := 0.0
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	return math.Sqrt(sum)
}

func oracleMinibatch(t *testing.T, c oracleCase) *ppoMinibatch {
	in := func(key string) array { return field[array](t, c.Inputs, key) }
	b := &ppoMinibatch{
		actions: in("actions").int32s(), oldLogProb: in("old_log_prob").float32s(), oldValues: in("old_values").float32s(),
		advantages: in("advantages").float32s(), returns: in("returns").float32s(),
	}
	if has(c.Inputs, "action_masks") {
		b.mask = in("action_masks").bools()
	}
	return b
}

func oracleUpdater(t *testing.T, cfg *PPOConfig, spec ppoOracleConfig, parts *Parts, params *gnn.Params) *ppoUpdater {
	t.Helper()
	adam, err := gnn.NewAdam(params, gnn.AdamConfig{Beta1: spec.AdamBetas[0], Beta2: spec.AdamBetas[1], Eps: cfg.AdamEps})
	if err != nil {
		t.Fatal(err)
	}
	return &ppoUpdater{cfg: cfg, loss: newPPOLoss(cfg, parts, 1), stripes: stripes{{params: params, scope: gnn.NewScope()}}, adam: adam}
}

// checkPPOTerms compares the losses and what they are made of. Only SB3's cases list everything.
func checkPPOTerms(t *testing.T, s *gnn.Scope, o oracle, c oracleCase, cfg *PPOConfig, valueScale float64, parts *Parts, batch *ppoMinibatch, forward forward) {
	t.Helper()
	logits, values := forward(s)
	l := newPPOLoss(cfg, parts, batch.size())
	s.CopyTo(l.logits, logits)
	s.CopyTo(l.values, values)
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	st, err := l.compute(batch)
	if err != nil {
		t.Fatal(err)
	}
	for key, got := range map[string][]float32{
		"logits": l.logits, "values": l.values, "log_prob": narrow(l.logProb), "entropy": narrow(l.entropy),
		"ratio": narrow(l.ratio), "advantages_used": narrow(l.advantages),
	} {
		if has(c.Expected, key) {
			o.tolerance(t, key).all(t, key, got, field[array](t, c.Expected, key))
		}
	}
	for key, got := range map[string]float64{
		"policy_loss": st.PolicyLoss, "value_loss": valueScale * st.ValueLoss, "entropy_loss": -st.Entropy, "entropy_mean": st.Entropy,
		"approx_kl": st.ApproxKL, "clip_fraction": st.ClipFraction, "loss": st.Loss,
	} {
		if has(c.Expected, key) {
			o.tolerance(t, key).near(t, key, got, field[float64](t, c.Expected, key))
		} else if !strings.HasPrefix(key, "entropy_") {
			t.Errorf("the case has no %q", key)
		}
	}
}

// checkPPOSteps does three optimiser steps on the same minibatch from the case's weights.
func checkPPOSteps(t *testing.T, s *gnn.Scope, o oracle, c oracleCase, spec ppoOracleConfig, cfg *PPOConfig, parts *Parts, batch *ppoMinibatch, network makeNetwork) error {
	params, forward, err := network(s)
	if err != nil {
		return err
	}
	u := oracleUpdater(t, cfg, spec, parts, params)
	norms := field[[]float64](t, c.Expected, "grad_norms_of_3_steps")
	for i, want := range norms {
		st, err := u.step(spec.LearningRate, batch, forward.whole)
		if err != nil {
			return err
		}
		o.tolerance(t, "grads").near(t, fmt.Sprintf("grad norm of step %d", i+1), st.GradNorm, want)
		group := fmt.Sprintf("params_after_%d_step", i+1)
		if i > 0 {
			group += "s"
		}
		if !has(c.Expected, group) {
			continue
		}
		for name, want := range field[map[string]array](t, c.Expected, group) {
			o.tolerance(t, group).all(t, group+": "+name, params.ValuesOf(params.Lookup(name)), want)
		}
	}
	return nil
}
