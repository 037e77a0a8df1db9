package rl

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/grlscaler/grlscaler/internal/strictyaml"
	"github.com/grlscaler/grlscaler/sim"
	"gopkg.in/yaml.v3"
)

// configFormat is the newest format of policy configurations that this version reads.
const configFormat = 1

// The algorithms.
const (
	AlgorithmPPO = "ppo"
	AlgorithmSAC = "sac"
)

// Config is everything that a trained policy depends on. configs/policies has one for each published policy,
// with every key explained.
type Config struct {
	Format    int    `yaml:"format"`
	Name      string `yaml:"name"`
	Algorithm string `yaml:"algorithm"` // ppo or sac
	Seed      uint64 `yaml:"seed"`
	// TotalSteps is the length of the training in environment steps; 0 writes the untrained policy. PPO
	// finishes the rollout in which it is reached.
	TotalSteps int `yaml:"total_steps"`
	// CheckpointEvery is how many environment steps may pass between checkpoints; 0 = only at the end.
	CheckpointEvery int `yaml:"checkpoint_every"`
	// TorchThreads is over how many threads libtorch spreads one operation.
	TorchThreads int             `yaml:"torch_threads"`
	Encoder      EncoderConfig   `yaml:"encoder"`
	Normalize    NormalizeConfig `yaml:"normalize"`
	PPO          *PPOConfig      `yaml:"ppo,omitempty"` // nil unless the algorithm is ppo
	SAC          *SACConfig      `yaml:"sac,omitempty"` // nil unless the algorithm is sac
	Env          sim.EnvConfig   `yaml:"env"`
}

// EncoderConfig shapes the network between observation and heads.
type EncoderConfig struct {
	Kind string `yaml:"kind"` // mlp, gat or gcn
	// Hidden is the width of an embedding (gat, gcn) or of a layer (mlp).
	Hidden int `yaml:"hidden"`
	Layers int `yaml:"layers"`
	Heads  int `yaml:"heads"` // attention heads; gat alone
	// HeadHidden is the width of the layer between embeddings and logits; gat and gcn alone.
	HeadHidden int `yaml:"head_hidden"`
	// NoCalls leaves the calls between services out of the graph, for finding out what they are worth; gat and gcn alone.
	NoCalls bool `yaml:"no_calls,omitempty"`
}

// NormalizeConfig says what is normalised by running statistics.
type NormalizeConfig struct {
	Observations bool    `yaml:"observations"`
	Rewards      bool    `yaml:"rewards"`
	ClipObs      float64 `yaml:"clip_obs"`
	ClipReward   float64 `yaml:"clip_reward"`
}

// DefaultConfig returns the defaults for an algorithm, ppo or sac.
func DefaultConfig(algorithm string) *Config {
	c := &Config{
		Format: configFormat, Algorithm: algorithm, Seed: 1, TotalSteps: 500_000, CheckpointEvery: 50_000, TorchThreads: 1,
		Encoder:   EncoderConfig{Kind: "mlp", Hidden: 64, Layers: 2, Heads: 4, HeadHidden: 64},
		Normalize: NormalizeConfig{Observations: true, Rewards: true, ClipObs: 10, ClipReward: 10},
		Env:       sim.DefaultEnvConfig(),
	}
	switch algorithm {
	case AlgorithmPPO:
		ppo := DefaultPPO()
		c.PPO = &ppo
	case AlgorithmSAC:
		sac := DefaultSAC()
		c.SAC = &sac
	}
	return c
}

// DecodeConfig reads one policy configuration over the defaults, strictly: unknown keys, a second document,
// numbers that are not finite and values out of range are errors that name file, line and key. name is the file's
// name for messages.
func DecodeConfig(r io.Reader, name string) (*Config, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	// The algorithm decides which defaults apply, so it is looked up first; what is wrong with the file is said by
	// the strict pass.
	var peek struct {
		Algorithm string `yaml:"algorithm"`
	}
	_ = yaml.Unmarshal(data, &peek)
	c := DefaultConfig(peek.Algorithm)
	doc, err := strictyaml.Decode(bytes.NewReader(data), name, c)
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, m := range c.mistakes() {
		errs = append(errs, doc.Errorf(m.key, "%s", m.text))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return c, nil
}

// YAML is the configuration in its canonical form: all keys, in order, without comments.
func (c *Config) YAML() []byte {
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	// Encoding plain structs to memory cannot fail.
	if err := errors.Join(e.Encode(c), e.Close()); err != nil {
		panic("rl: " + err.Error())
	}
	return b.Bytes()
}

// Hash identifies what is trained: SHA-256 of the canonical form, without the keys that the result does not
// depend on (checkpoint_every, env.workers).
func (c *Config) Hash() string {
	same := *c
	same.CheckpointEvery, same.Env.Workers = 0, 0
	sum := sha256.Sum256(same.YAML())
	return hex.EncodeToString(sum[:])
}

// Gamma is the discount factor of the algorithm in use.
func (c *Config) Gamma() float64 {
	if c.SAC != nil {
		return c.SAC.Gamma
	}
	return c.PPO.Gamma
}

// Validate reports every mistake at once, each with its key.
func (c *Config) Validate() error {
	var errs []error
	for _, m := range c.mistakes() {
		errs = append(errs, fmt.Errorf("%s: %s", m.key, m.text))
	}
	return errors.Join(errs...)
}

type mistake struct{ key, text string }

// checker collects mistakes.
type checker struct{ list []mistake }

func (k *checker) want(ok bool, key, format string, args ...any) {
	if !ok {
		k.list = append(k.list, mistake{key, fmt.Sprintf(format, args...)})
	}
}

// in checks that v lies in [lo, hi]; NaN does not.
func (k *checker) in(key string, v, lo, hi float64) {
	k.want(v >= lo && v <= hi, key, "%v; must be from %v to %v", v, lo, hi)
}

// above checks that v is positive and at most hi.
func (k *checker) above(key string, v, hi float64) {
	k.want(v > 0 && v <= hi, key, "%v; must be above 0 and at most %v", v, hi)
}

func (k *checker) count(key string, v, lo, hi int) {
	k.want(v >= lo && v <= hi, key, "%d; must be from %d to %d", v, lo, hi)
}

func (c *Config) mistakes() []mistake {
	var k checker
	k.want(c.Format >= 1 && c.Format <= configFormat, "format", "%d; this version reads formats 1 to %d", c.Format, configFormat)
	k.want(c.Name != "" && !strings.ContainsAny(c.Name, "/\\ \t\n"), "name", "%q; a name without spaces and slashes is needed", c.Name)
	k.count("total_steps", c.TotalSteps, 0, math.MaxInt32)
	k.count("checkpoint_every", c.CheckpointEvery, 0, math.MaxInt32)
	k.count("torch_threads", c.TorchThreads, 1, 256)
	c.Encoder.check(&k)
	k.above("normalize.clip_obs", c.Normalize.ClipObs, 1e6)
	k.above("normalize.clip_reward", c.Normalize.ClipReward, 1e6)
	switch c.Algorithm {
	case AlgorithmPPO:
		k.want(c.SAC == nil, "sac", "not used by algorithm ppo; remove the section")
		k.want(c.PPO != nil, "ppo", "missing; algorithm ppo needs it")
		if c.PPO != nil {
			c.PPO.check(&k, c.Env.NumEnvs)
		}
	case AlgorithmSAC:
		k.want(c.PPO == nil, "ppo", "not used by algorithm sac; remove the section")
		k.want(c.SAC != nil, "sac", "missing; algorithm sac needs it")
		if c.SAC != nil {
			c.SAC.check(&k)
		}
	default:
		k.want(false, "algorithm", "unknown %q; one of %s, %s", c.Algorithm, AlgorithmPPO, AlgorithmSAC)
	}
	if c.Env.App == sim.AppRandom {
		k.want(c.Encoder.Kind != "mlp", "encoder.kind", "an mlp is bound to one application; with env.app %s use gat or gcn", sim.AppRandom)
		k.want(c.Algorithm == AlgorithmPPO, "algorithm", "%s cannot learn from several applications; with env.app %s use %s", c.Algorithm, sim.AppRandom, AlgorithmPPO)
	}
	for _, err := range strictyaml.Split(c.Env.Validate()) {
		key, text, _ := strings.Cut(err.Error(), ": ")
		k.want(false, "env."+key, "%s", text)
	}
	return k.list
}

func (e EncoderConfig) check(k *checker) {
	switch e.Kind {
	case "mlp", "gat", "gcn":
	default:
		k.want(false, "encoder.kind", "unknown %q; one of mlp, gat, gcn", e.Kind)
	}
	k.count("encoder.hidden", e.Hidden, 1, 4096)
	k.count("encoder.layers", e.Layers, 1, 16)
	k.count("encoder.heads", e.Heads, 1, 64)
	k.count("encoder.head_hidden", e.HeadHidden, 1, 4096)
}

func (p *PPOConfig) check(k *checker, envs int) {
	k.count("ppo.rollout_steps", p.RolloutSteps, 1, 1<<20)
	k.count("ppo.minibatch_size", p.MinibatchSize, 2, 1<<20)
	k.want(envs < 1 || p.RolloutSteps < 1 || p.MinibatchSize <= p.RolloutSteps*envs, "ppo.minibatch_size",
		"%d; a rollout has only %d decisions (rollout_steps x env.num_envs)", p.MinibatchSize, p.RolloutSteps*envs)
	k.count("ppo.epochs", p.Epochs, 1, 1000)
	k.above("ppo.learning_rate", p.LearningRate, 10)
	k.in("ppo.gamma", p.Gamma, 0, 1)
	k.in("ppo.gae_lambda", p.GAELambda, 0, 1)
	k.above("ppo.clip_range", p.ClipRange, 10)
	k.want(p.ValueClip == ValueClipNone || p.ValueClip == ValueClipOnly || p.ValueClip == ValueClipMax, "ppo.value_clip",
		"unknown %q; one of %s, %s, %s", p.ValueClip, ValueClipNone, ValueClipOnly, ValueClipMax)
	k.above("ppo.value_clip_range", p.ValueClipRange, 1e6)
	k.in("ppo.entropy_coef", p.EntropyCoef, 0, 100)
	k.in("ppo.value_coef", p.ValueCoef, 0, 100)
	k.above("ppo.max_grad_norm", p.MaxGradNorm, 1e9)
	k.in("ppo.target_kl", p.TargetKL, 0, 100)
	k.above("ppo.adam_eps", p.AdamEps, 1)
	p.Budget.check(k)
	p.WarmStart.check(k, "ppo.warm_start")
}

func (w *WarmStartConfig) check(k *checker, key string) {
	k.count(key+".steps", w.Steps, 0, math.MaxInt32)
	k.in(key+".expert_share", w.ExpertShare, 0, 1)
	k.in(key+".pull", w.Pull, 0, 1e3)
	k.count(key+".pull_steps", w.PullSteps, 0, math.MaxInt32)
}

func (s *SACConfig) check(k *checker) {
	k.count("sac.buffer_size", s.BufferSize, 1, 1<<26)
	k.count("sac.learning_starts", s.LearningStarts, 1, 1<<26)
	k.want(s.LearningStarts <= s.BufferSize, "sac.learning_starts", "%d; it must be at most buffer_size (%d)", s.LearningStarts, s.BufferSize)
	k.count("sac.batch_size", s.BatchSize, 1, 1<<20)
	k.count("sac.train_every", s.TrainEvery, 1, 1<<20)
	k.count("sac.gradient_steps", s.GradientSteps, 1, 1<<20)
	k.above("sac.policy_learning_rate", s.PolicyLearningRate, 10)
	k.above("sac.q_learning_rate", s.QLearningRate, 10)
	k.above("sac.alpha_learning_rate", s.AlphaLearningRate, 10)
	k.in("sac.gamma", s.Gamma, 0, 1)
	k.count("sac.n_step", s.NStep, 1, 1000)
	k.above("sac.tau", s.Tau, 1)
	k.above("sac.alpha", s.Alpha, 1e6)
	k.in("sac.target_entropy_scale", s.TargetEntropyScale, 0, 1)
	k.want(s.Form == SACSum || s.Form == SACMean, "sac.form", "unknown %q; one of %s, %s", s.Form, SACSum, SACMean)
	k.in("sac.max_grad_norm", s.MaxGradNorm, 0, 1e9)
	k.above("sac.adam_eps", s.AdamEps, 1)
	k.count("sac.log_every", s.LogEvery, 1, math.MaxInt32)
	s.WarmStart.check(k, "sac.warm_start")
	k.want(!s.AdvisedCritics || s.WarmStart.Steps > 0, "sac.advised_critics", "needs the expert of a warm start; set sac.warm_start.steps above 0")
}
