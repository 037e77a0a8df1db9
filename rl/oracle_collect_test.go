package rl

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"testing"
)

func TestOracleGAE(t *testing.T) {
	o := oracleFile(t, "gae.json")
	tol := o.tolerance(t, "")
	for _, c := range o.Cases {
		t.Run(c.Name, func(t *testing.T) {
			cfg := decoded[struct {
				Gamma     float64
				GAELambda float64 `json:"gae_lambda"`
			}](t, c.Config)
			in := func(key string) array { return field[array](t, c.Inputs, key) }
			rewards, values := in("rewards").float32s(), in("values").float32s()
			terminated, truncated := in("terminated").bools(), in("truncated").bools()
			type result struct{ Advantages, Returns array }
			sb3 := field[result](t, c.Expected, "sb3")
			cleanrl := field[result](t, c.Expected, "cleanrl")
			bootstrapped := decoded[struct {
				Rewards array `json:"rewards_after_bootstrap"`
			}](t, c.Expected["sb3"])

			advantages, returns := make([]float32, len(rewards)), make([]float32, len(rewards))
			GAE(cfg.Gamma, cfg.GAELambda, rewards, values, terminated, truncated, in("last_values").float32s(), advantages, returns)
			tol.all(t, "advantages without bootstrap", advantages, cleanrl.Advantages)
			tol.all(t, "returns without bootstrap", returns, cleanrl.Returns)

			BootstrapTruncated(cfg.Gamma, rewards, terminated, truncated, in("terminal_values").float32s())
			tol.all(t, "rewards after bootstrap", rewards, bootstrapped.Rewards)
			GAE(cfg.Gamma, cfg.GAELambda, rewards, values, terminated, truncated, in("last_values").float32s(), advantages, returns)
			tol.all(t, "advantages", advantages, sb3.Advantages)
			tol.all(t, "returns", returns, sb3.Returns)

			// What the references call episode_starts is done, one step later.
			starts, envs := in("episode_starts").bools(), len(in("last_values").Data)
			for i := range starts[envs:] {
				if starts[i+envs] != (terminated[i] || truncated[i]) {
					t.Fatalf("episode_starts[%d] disagrees with the step before", i+envs)
				}
			}
		})
	}
}

func TestOracleNorm(t *testing.T) {
	o := oracleFile(t, "norm.json")
	for _, c := range o.Cases {
		t.Run(c.Name, func(t *testing.T) {
			// The kind of a case shows in its inputs.
			switch {
			case has(c.Inputs, "batches"):
				checkRunningMeanStd(t, o, c)
			case has(c.Inputs, "raw_obs"):
				checkVecNormalize(t, o, c)
			case has(c.Inputs, "mean"):
				checkFrozen(t, o, c)
			case has(c.Inputs, "cases"):
				checkExplainedVariance(t, o, c)
			default:
				t.Fatalf("a case with inputs %v is of no known kind", sortedKeys(c.Inputs))
			}
		})
	}
}

func has(object map[string]json.RawMessage, key string) bool { _, ok := object[key]; return ok }

func checkRunningMeanStd(t *testing.T, o oracle, c oracleCase) {
	tol := o.tolerance(t, "")
	batches := field[[]array](t, c.Inputs, "batches")
	want := field[[]struct {
		Mean, Var array
		Count     float64
	}](t, c.Expected, "after_each_batch")
	cfg := decoded[struct {
		Count float64 `json:"initial_count"`
	}](t, c.Config)
	r := NewRunningMeanStd(batches[0].Shape[1])
	if r.Count != cfg.Count {
		t.Fatalf("the count starts at %v, want %v", r.Count, cfg.Count)
	}
	for i, b := range batches {
		r.Update(b.float32s())
		compareStatistics(t, tol, fmt.Sprintf("after batch %d: ", i), r, want[i].Mean, want[i].Var)
		tol.near(t, fmt.Sprintf("count after batch %d", i), r.Count, want[i].Count)
	}
}

func compareStatistics(t *testing.T, tol tolerance, when string, r *RunningMeanStd, mean, variance array) {
	t.Helper()
	for i := range mean.Data {
		tol.near(t, fmt.Sprintf("%smean[%d]", when, i), r.Mean[i], float64(mean.Data[i]))
		tol.near(t, fmt.Sprintf("%svar[%d]", when, i), r.Var[i], float64(variance.Data[i]))
	}
}

func checkVecNormalize(t *testing.T, o oracle, c oracleCase) {
	tol, obsTol := o.tolerance(t, ""), o.tolerance(t, "obs")
	cfg := decoded[struct {
		ClipObs    float64 `json:"clip_obs"`
		ClipReward float64 `json:"clip_reward"`
		Gamma      float64
		Epsilon    float64
		Envs       int `json:"n_envs"`
	}](t, c.Config)
	if cfg.Epsilon != normEpsilon {
		t.Fatalf("epsilon %v is not ours, %v", cfg.Epsilon, normEpsilon)
	}
	raw, rewards := field[[]array](t, c.Inputs, "raw_obs"), field[[]array](t, c.Inputs, "raw_reward")
	done, terminal := field[[]array](t, c.Inputs, "done"), field[[]array](t, c.Inputs, "raw_terminal_obs")
	steps := field[[]map[string]json.RawMessage](t, c.Expected, "steps")

	width := raw[0].Shape[1]
	obs, reward := NewRunningMeanStd(width), NewRewardNormalizer(cfg.Envs, cfg.Gamma, cfg.ClipReward)
	for i, want := range steps {
		when := fmt.Sprintf("step %d: ", i)
		x := raw[i].float32s()
		obs.Update(x)
		obs.Normalize(x, cfg.ClipObs)
		obsTol.all(t, when+"obs", x, field[array](t, want, "obs"))
		if i == 0 { // reset: no reward yet
			continue
		}
		r, ended := rewards[i-1].float32s(), done[i-1].bools()
		reward.Update(r, ended, make([]bool, len(ended)))
		reward.Normalize(r)
		tol.all(t, when+"reward", r, field[array](t, want, "reward"))
		compareStatistics(t, tol, when, obs, field[array](t, want, "obs_mean"), field[array](t, want, "obs_var"))
		tol.near(t, when+"ret_mean", reward.Return.Mean[0], field[float64](t, want, "ret_mean"))
		tol.near(t, when+"ret_var", reward.Return.Var[0], field[float64](t, want, "ret_var"))
		for e, sum := range field[array](t, want, "returns_after_reset").float64s() {
			tol.near(t, fmt.Sprintf("%sreturn sum %d", when, e), reward.Sums[e], sum)
		}
		for env, last := range field[map[string]array](t, want, "terminal_obs_normalized") {
			e, err := strconv.Atoi(env)
			if err != nil {
				t.Fatal(err)
			}
			x := slices.Clone(terminal[i-1].float32s()[e*width : (e+1)*width])
			obs.Normalize(x, cfg.ClipObs)
			obsTol.all(t, when+"terminal obs", x, last)
		}
	}
}

func checkFrozen(t *testing.T, o oracle, c oracleCase) {
	cfg := decoded[struct {
		ClipObs float64 `json:"clip_obs"`
	}](t, c.Config)
	r := &RunningMeanStd{Mean: field[array](t, c.Inputs, "mean").float64s(), Var: field[array](t, c.Inputs, "var").float64s(), Count: 1}
	x := field[array](t, c.Inputs, "obs").float32s()
	r.Normalize(x, cfg.ClipObs)
	o.tolerance(t, "obs").all(t, "obs", x, field[array](t, c.Expected, "obs"))
}

func checkExplainedVariance(t *testing.T, o oracle, c oracleCase) {
	for _, e := range field[[]struct {
		Name  string
		YPred array  `json:"y_pred"`
		YTrue array  `json:"y_true"`
		Want  number `json:"explained_variance"`
	}](t, c.Inputs, "cases") {
		got := ExplainedVariance(e.YPred.float32s(), e.YTrue.float32s())
		o.tolerance(t, "").near(t, e.Name, got, float64(e.Want))
	}
}
