package rl

import (
	"fmt"
	"math"

	"github.com/grlscaler/grlscaler/sim"
)

// BudgetConfig makes a training keep to a budget of violating requests: maximise the reward subject to a mean share of late or failed
// requests, by a Lagrange multiplier that rises while the share is above the budget and falls while it is below (Altman, "Constrained Markov
// Decision Processes", 1999; as "PPO-Lagrangian" in Ray, Achiam and Amodei, "Benchmarking Safe Exploration in Deep Reinforcement
// Learning", 2019).
//
// What counts is what the trained policy will do, which takes the most probable action. So the first half of the environments acts
// like that: their violations move the multiplier, and the policy learns nothing from their rewards. The other half explores.
//
// These have the application and the metrics as they are configured, none of their variations: the budget is for that application, and what
// varies violates more.
//
// What is learnt from is reward - weight · share, share being an interval's late or failed requests over the mean number of requests
// in an interval of its episode (sim.ViolationEnv).
type BudgetConfig struct {
	Violations float64 `yaml:"violations"` // share of requests that may be late or failed, averaged over episodes; 0 = no budget
	Multiplier float64 `yaml:"multiplier"` // at first, and during a warm start
	Rate       float64 `yaml:"rate"`       // largest change of its logarithm from one rollout to the next
}

// Bounds of the multiplier.
const (
	minMultiplier = 1e-3
	maxMultiplier = 1e4
)

// The share that moves the multiplier is averaged over about budgetMemory rollouts, and later over a tenth of all of them: a few surges make most
// of the violations, and one rollout holds few of them. While the policy still moves fast, so must the average.
const (
	budgetMemory     = 30.0
	budgetMemoryLate = 0.1
)

// budgetProportional is by how much more or less than the multiplier violations weigh while their share is off: the logarithm for a share of
// twice the budget. What only adds up (the multiplier) swings about the budget (Stooke, Achiam and Abbeel, "Responsive Safety in
// Reinforcement Learning by PID Lagrangian Methods", 2020).
const budgetProportional = 1.0

func (b *BudgetConfig) check(k *checker) {
	k.in("ppo.budget.violations", b.Violations, 0, 0.5)
	k.want(b.Multiplier >= minMultiplier && b.Multiplier <= maxMultiplier, "ppo.budget.multiplier", "%v; must be from %v to %v", b.Multiplier, minMultiplier, maxMultiplier)
	k.above("ppo.budget.rate", b.Rate, 1)
}

// budget keeps a training to a share of violating requests.
type budget struct {
	cfg   *BudgetConfig
	env   sim.ViolationEnv
	share []float32 // [envs] of the last step

	multiplier float64
	rollouts   float64 // measured
	greedy     int     // environments that act as the trained policy will, the first
	sum, steps float64 // since the last update, of those
	mean       float64 // of the shares, the newest weighing most
}

func greedyEnvs(envs int) int { return max(1, envs/2) }

// GreedyEnvs is how many environments, the first, act as the trained policy will, so that the budget can be measured on them; 0 without one.
func (c *Config) GreedyEnvs() int {
	if c.PPO == nil || c.PPO.Budget.Violations == 0 {
		return 0
	}
	return greedyEnvs(c.Env.NumEnvs)
}

func newBudget(cfg *BudgetConfig, w *world) (*budget, error) {
	env, ok := w.env.(sim.ViolationEnv)
	if !ok {
		return nil, fmt.Errorf("ppo.budget: the environment %T does not count violations; set ppo.budget.violations to 0", w.env)
	}
	return &budget{cfg: cfg, env: env, share: make([]float32, w.envs), greedy: greedyEnvs(w.envs), multiplier: cfg.Multiplier, mean: cfg.Violations}, nil
}

// charge takes the last step's violations off its rewards.
func (b *budget) charge(rewards []float32) {
	b.env.Violations(b.share)
	weight := b.weight()
	for e, share := range b.share {
		rewards[e] -= float32(weight) * share
		if e < b.greedy {
			b.sum += float64(share)
		}
	}
	b.steps += float64(b.greedy)
}

// undrawn marks the decisions that were not drawn in a rollout of so many rows, of so many environments.
func (b *budget) undrawn(rows, envs int) []bool {
	marks := make([]bool, rows)
	for i := range marks {
		marks[i] = i%envs < b.greedy
	}
	return marks
}

// update moves the multiplier after a rollout; hold leaves it as it is and only follows the share.
func (b *budget) update(hold bool) {
	if b.steps == 0 {
		return
	}
	b.rollouts++
	b.mean += (b.sum/b.steps - b.mean) / max(budgetMemory, budgetMemoryLate*b.rollouts)
	b.sum, b.steps = 0, 0
	if hold {
		return
	}
	b.multiplier = max(minMultiplier, min(maxMultiplier, b.multiplier*math.Exp(b.cfg.Rate*b.over())))
}

// over is by how much the share is above the budget, relative to it, from -1 to 1.
func (b *budget) over() float64 { return max(-1, min(1, b.mean/b.cfg.Violations-1)) }

// weight is what an interval's share of violations costs.
func (b *budget) weight() float64 { return b.multiplier * math.Exp(budgetProportional*b.over()) }
