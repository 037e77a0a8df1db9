package rl

import (
	"context"
	"encoding/csv"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/grlscaler/grlscaler/rl/rltest"
	"github.com/grlscaler/grlscaler/sim"
)

// tempting pays 1 for action 0 of its only service, each time at the price of a violation.
type tempting struct {
	*rltest.Bandit
	violations []float32
}

func newTempting(envs int) *tempting {
	return &tempting{rltest.NewBandit(rltest.BanditConfig{Envs: envs, Services: 1, Choices: 2}), make([]float32, envs)}
}

func (e *tempting) Step(actions []int32, obs, final *sim.Obs, rewards []float32, terminated, truncated []bool) error {
	err := e.Bandit.Step(actions, obs, final, rewards, terminated, truncated)
	for i, a := range actions {
		e.violations[i] = float32(1 - a)
		rewards[i] = e.violations[i]
	}
	return err
}

func (e *tempting) Violations(dst []float32) { copy(dst, e.violations) }

// Without a budget the policy takes every temptation; with one of 20 % it takes about every fifth, and the multiplier ends near 1, where the two
// actions are worth the same.
func TestBudgetIsKept(t *testing.T) {
	cfg := small("mlp", AlgorithmPPO, 16)
	cfg.TotalSteps, cfg.PPO.LinearDecay, cfg.PPO.EntropyCoef = 60_000, false, 0.3
	cfg.PPO.Budget = BudgetConfig{Violations: 0.2, Multiplier: 0.5, Rate: 0.02}
	dir := t.TempDir()
	if _, err := Train(context.Background(), cfg, newTempting(16), Options{Dir: dir}); err != nil {
		t.Fatal(err)
	}
	shares, multipliers := column(t, dir, "rollout/slo_violation"), column(t, dir, "train/slo_multiplier")
	half := len(shares) / 2
	if share := meanOf(shares[half:]); math.Abs(share-0.2) > 0.06 {
		t.Errorf("share of violations %.3f, want the budget of 0.2", share)
	}
	if m := meanOf(multipliers[half:]); m < 0.7 || m > 1.5 {
		t.Errorf("multiplier %.2f, want about 1", m)
	}
	cfg.PPO.Budget.Violations, cfg.PPO.EntropyCoef = 0, 0.02
	free := t.TempDir()
	if _, err := Train(context.Background(), cfg, newTempting(16), Options{Dir: free}); err != nil {
		t.Fatal(err)
	}
	rewards := column(t, free, "rollout/ep_rew_mean")
	if last := rewards[len(rewards)-1]; last < 0.95 {
		t.Errorf("reward %.3f without a budget, want 1", last)
	}
	if cells := column(t, free, "train/slo_multiplier"); !math.IsNaN(cells[0]) {
		t.Errorf("a multiplier of %v without a budget", cells[0])
	}
}

func TestBudgetNeedsCounts(t *testing.T) {
	cfg := quick("mlp", AlgorithmPPO)
	cfg.PPO.Budget.Violations = 0.1
	_, err := Train(context.Background(), cfg, quickEnv(), Options{Dir: t.TempDir()})
	if err == nil || !strings.Contains(err.Error(), "ppo.budget") {
		t.Errorf("training without counts: %v", err)
	}
}

// The multiplier moves by at most its rate, within its bounds, and stays where it is while it is held.
func TestBudgetMultiplier(t *testing.T) {
	b := budget{cfg: &BudgetConfig{Violations: 0.01, Multiplier: 5, Rate: 0.1}, multiplier: 5, mean: 0.01}
	move := func(share float64, hold bool) float64 {
		before := b.multiplier
		b.sum, b.steps = share*100, 100
		b.update(hold)
		return math.Log(b.multiplier / before)
	}
	if d := move(1, true); d != 0 || b.mean <= 0.01 {
		t.Errorf("held: moved by %v, mean %v", d, b.mean)
	}
	if d := move(1, false); math.Abs(d-0.1) > 1e-12 {
		t.Errorf("far above the budget: moved by %v, want the rate", d)
	}
	for range 2000 {
		move(0, false)
	}
	if b.multiplier != minMultiplier {
		t.Errorf("far below the budget for long: %v, want the least", b.multiplier)
	}
}

// column is one column of a run's learning curve; empty cells are NaN.
func column(t *testing.T, dir, name string) []float64 {
	t.Helper()
	f, err := os.Open(filepath.Join(dir, ProgressFile))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for i, head := range rows[0] {
		if head != name {
			continue
		}
		var out []float64
		for _, row := range rows[1:] {
			x, err := strconv.ParseFloat(row[i], 64)
			if err != nil {
				x = math.NaN()
			}
			out = append(out, x)
		}
		return out
	}
	t.Fatalf("no column %s", name)
	return nil
}

func meanOf(v []float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += x
	}
	return sum / float64(len(v))
}
