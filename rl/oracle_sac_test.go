package rl

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/grlscaler/grlscaler/gnn"
	"github.com/grlscaler/grlscaler/sim/rng"
)

type sacOracleConfig struct {
	Semantics          string
	NActions           int `json:"n_actions"`
	Activation         string
	Gamma, Tau         float64
	PolicyLR           float64 `json:"policy_lr"`
	QLR                float64 `json:"q_lr"`
	AlphaLR            float64 `json:"alpha_lr"`
	AdamEps            float64 `json:"adam_eps"`
	Autotune           bool
	TargetEntropy      float64 `json:"target_entropy"`
	TargetEntropyScale float64 `json:"target_entropy_scale"`
	LogAlpha           float64 `json:"log_alpha"`
	Alpha              float64
}

func (c sacOracleConfig) ours() SACConfig {
	cfg := SACConfig{
		PolicyLearningRate: c.PolicyLR, QLearningRate: c.QLR, AlphaLearningRate: c.AlphaLR,
		Gamma: c.Gamma, Tau: c.Tau, AutoAlpha: c.Autotune, Alpha: c.Alpha,
		TargetEntropyScale: c.TargetEntropyScale, AdamEps: c.AdamEps, Form: SACSum,
	}
	if c.Semantics == "cleanrl" {
		cfg.Form, cfg.AlphaLearningRate = SACMean, c.QLR
	}
	return cfg
}

// namedSet builds the weights of a case whose names start with one of the prefixes, without the suffix that
// marks targets.
func namedSet(weights map[string]array, suffix string, prefixes ...string) (*gnn.Params, error) {
	set := map[string]array{}
	for name, w := range weights {
		for _, p := range prefixes {
			if rest, ok := strings.CutPrefix(name, p+suffix+"."); ok {
				set[p+"."+rest] = w
			}
		}
	}
	return oracleParams(set)
}

func oracleSAC(t *testing.T, c oracleCase, spec sacOracleConfig, cfg *SACConfig) *sacUpdater {
	t.Helper()
	must := func(p *gnn.Params, err error) *gnn.Params {
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	parts, err := NewParts([]int{spec.NActions})
	if err != nil {
		t.Fatal(err)
	}
	logAlpha := gnn.NewParams(rng.New(0, "unused").Rand)
	logAlpha.Add("log_alpha", func(w []float32, _ []int64, _ *rand.Rand) { w[0] = float32(spec.LogAlpha) }, 1)
	if err := logAlpha.Build(); err != nil {
		t.Fatal(err)
	}
	u := &sacUpdater{
		cfg: cfg, parts: parts, logAlpha: logAlpha,
		actor:   must(namedSet(c.Weights, "", "actor")),
		critics: must(namedSet(c.Weights, "", "qf1", "qf2")),
		targets: must(namedSet(c.Weights, "_target", "qf1", "qf2")),
	}
	if err := u.newOptimisers(); err != nil {
		t.Fatal(err)
	}
	return u
}

func TestOracleDiscreteSAC(t *testing.T) {
	o := oracleFile(t, "dsac.json")
	for _, c := range o.Cases {
		t.Run(c.Name, func(t *testing.T) { checkSAC(t, o, c) })
	}
}

func checkSAC(t *testing.T, o oracle, c oracleCase) {
	spec := decoded[sacOracleConfig](t, c.Config)
	cfg := spec.ours()
	onTorch(t, func(s *gnn.Scope) error {
		u := oracleSAC(t, c, spec, &cfg)
		in := func(key string) array { return field[array](t, c.Inputs, key) }
		obs, next := in("obs").tensor(s), in("next_obs").tensor(s)
		n := len(in("rewards").Data)
		discounts, target := make([]float32, n), make([]float32, n)
		for i, ended := range in("terminated").bools() {
			if !ended {
				discounts[i] = float32(cfg.Gamma)
			}
		}
		all := make([]bool, n*spec.NActions)
		for i := range all {
			all[i] = true
		}
		u.parts.targetEntropies(spec.TargetEntropyScale, all, target)
		b := &sacMinibatch{
			actions: s.View(in("actions").tensor(s), -1, 1), returns: in("rewards").tensor(s),
			discounts: s.Float32s(discounts, int64(n)), targetEntropy: s.Float32s(target, int64(n)),
		}
		net := func(p *gnn.Params, name string, x gnn.Tensor) func(*gnn.Scope) gnn.Tensor {
			return func(s *gnn.Scope) gnn.Tensor { return sequential(s, p, name+".net", spec.Activation, false, x) }
		}
		two := func(p *gnn.Params, x gnn.Tensor) func(*gnn.Scope) (gnn.Tensor, gnn.Tensor) {
			return func(s *gnn.Scope) (gnn.Tensor, gnn.Tensor) { return net(p, "qf1", x)(s), net(p, "qf2", x)(s) }
		}
		f := sacForward{
			actor: net(u.actor, "actor", obs), nextActor: net(u.actor, "actor", next),
			critics: two(u.critics, obs), nextTargets: two(u.targets, next),
		}
		checkSACBefore(t, s, o, c, spec, u, b, f)
		st, err := stepSAC(u, s, b, f)
		if err != nil {
			return err
		}
		checkSACAfter(t, s, o, c, spec, u, f, st)
		return nil
	})
}

// checkSACBefore compares what the update starts from.
func checkSACBefore(t *testing.T, s *gnn.Scope, o oracle, c oracleCase, spec sacOracleConfig, u *sacUpdater, b *sacMinibatch, f sacForward) {
	t.Helper()
	alpha := u.alpha()
	if has(c.Expected, "alpha_before") {
		o.tolerance(t, "").near(t, "alpha_before", alpha, field[float64](t, c.Expected, "alpha_before"))
	}
	if has(c.Expected, "target_entropy") {
		for _, h := range s.ToFloat32s(b.targetEntropy) {
			o.tolerance(t, "").near(t, "target_entropy", float64(h), field[float64](t, c.Expected, "target_entropy"))
		}
	} else if spec.TargetEntropy != 0 {
		o.tolerance(t, "").near(t, "target_entropy", float64(s.ToFloat32s(b.targetEntropy)[0]), spec.TargetEntropy)
	}
	gnn.NoGrad(func() {
		compare := func(key string, got gnn.Tensor) {
			if has(c.Expected, key) {
				o.tolerance(t, key).all(t, key, s.ToFloat32s(got), field[array](t, c.Expected, key))
			}
		}
		q1, q2 := f.critics(s)
		v1, v2 := u.valueOf(s, q1, b.actions), u.valueOf(s, q2, b.actions)
		y := u.target(s, alpha, b, f)
		compare("next_q_value", y)
		compare("qf1_a_values", v1)
		compare("qf2_a_values", v2)
		logp := u.parts.LogSoftmax(s, f.actor(s))[0]
		compare("log_pi", logp)
		compare("action_probs", s.Exp(logp))
		for i, v := range []gnn.Tensor{v1, v2} {
			for _, key := range []string{fmt.Sprintf("qf%d_loss", i+1), fmt.Sprintf("critic%d_loss", i+1)} {
				if has(c.Expected, key) {
					o.tolerance(t, key).near(t, key, s.Item(s.Mean(s.Square(s.Sub(v, y)))), field[float64](t, c.Expected, key))
				}
			}
		}
	})
}

// checkSACAfter compares losses, gradients and weights of the update that was done.
func checkSACAfter(t *testing.T, s *gnn.Scope, o oracle, c oracleCase, spec sacOracleConfig, u *sacUpdater, f sacForward, st sacStats) {
	t.Helper()
	scalar := func(key string, got float64) {
		if has(c.Expected, key) {
			o.tolerance(t, key).near(t, key, got, field[float64](t, c.Expected, key))
		}
	}
	scalar("qf_loss", st.CriticLoss)
	scalar("actor_loss", st.ActorLoss)
	scalar("alpha_loss", st.AlphaLoss)
	scalar("alpha_after", st.Alpha)
	if spec.Autotune {
		scalar("log_alpha_after", float64(u.logAlpha.Values()[0]))
	}
	if has(c.Expected, "critic1_loss") {
		want := field[float64](t, c.Expected, "critic1_loss") + field[float64](t, c.Expected, "critic2_loss")
		o.tolerance(t, "").near(t, "sum of the critics' losses", st.CriticLoss, want)
	}
	gnn.NoGrad(func() {
		if key := "min_qf_values_after_critic_step"; has(c.Expected, key) {
			q1, q2 := f.critics(s)
			o.tolerance(t, key).all(t, key, s.ToFloat32s(s.Minimum(q1, q2)), field[array](t, c.Expected, key))
		}
	})
	grads := func(key string, params *gnn.Params) {
		if !has(c.Expected, key) {
			return
		}
		for name, want := range field[map[string]array](t, c.Expected, key) {
			o.tolerance(t, "grads").all(t, "gradient of "+name, params.GradsOf(params.Lookup(name)), want)
		}
	}
	grads("critic_grads", u.critics)
	grads("actor_grads", u.actor)
	for name, want := range field[map[string]array](t, c.Expected, "params_after_1_update") {
		params, key := u.actor, name
		switch {
		case strings.Contains(name, "_target."):
			params, key = u.targets, strings.Replace(name, "_target.", ".", 1)
		case strings.HasPrefix(name, "qf"):
			params = u.critics
		}
		o.tolerance(t, "params_after_1_update").all(t, name, params.ValuesOf(params.Lookup(key)), want)
	}
}

func TestOracleTargetEntropy(t *testing.T) {
	var file struct {
		TargetEntropy []struct {
			N       int     `json:"n_actions"`
			CleanRL float64 `json:"cleanrl"`
		} `json:"target_entropy"`
	}
	if err := json.Unmarshal(oracleBytes(t, "dsac.json"), &file); err != nil {
		t.Fatal(err)
	}
	for _, e := range file.TargetEntropy {
		parts, err := NewParts([]int{e.N})
		if err != nil {
			t.Fatal(err)
		}
		mask, got := make([]bool, e.N), make([]float32, 1)
		for i := range mask {
			mask[i] = true
		}
		parts.targetEntropies(0.89, mask, got)
		if math.Abs(float64(got[0])-e.CleanRL) > 1e-6*e.CleanRL {
			t.Errorf("%d actions: %v, want %v", e.N, got[0], e.CleanRL)
		}
	}
}
