package rl

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// Schulman et al. 2016, equation 16: A_t = sum_l (gamma·lambda)^l delta_t+l, the sum ending with the episode. The
// implementation is the backward recursion; this is the sum itself.
func TestGAEIsTheSumOfEquation16(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		steps, envs := rapid.IntRange(1, 12).Draw(t, "steps"), rapid.IntRange(1, 3).Draw(t, "envs")
		gamma, lambda := rapid.Float64Range(0, 1).Draw(t, "gamma"), rapid.Float64Range(0, 1).Draw(t, "lambda")
		n := steps * envs
		floats := func(name string, n int) []float32 {
			return rapid.SliceOfN(rapid.Float32Range(-5, 5), n, n).Draw(t, name)
		}
		rewards, values, last := floats("rewards", n), floats("values", n), floats("last", envs)
		bools := func(name string) []bool { return rapid.SliceOfN(rapid.Bool(), n, n).Draw(t, name) }
		terminated, truncated := bools("terminated"), bools("truncated")
		advantages, returns := make([]float32, n), make([]float32, n)
		GAE(gamma, lambda, rewards, values, terminated, truncated, last, advantages, returns)

		for e := range envs {
			value := func(step int) float64 {
				if step == steps {
					return float64(last[e])
				}
				return float64(values[step*envs+e])
			}
			for start := range steps {
				sum, weight := 0.0, 1.0
				for l := start; l < steps; l++ {
					i := l*envs + e
					next := gamma * value(l+1)
					if terminated[i] || truncated[i] {
						next = 0
					}
					sum += weight * (float64(rewards[i]) + next - value(l))
					weight *= gamma * lambda
					if terminated[i] || truncated[i] {
						break
					}
				}
				i := start*envs + e
				if math.Abs(float64(advantages[i])-sum) > 1e-4 || math.Abs(float64(returns[i])-sum-value(start)) > 1e-4 {
					t.Fatalf("step %d: advantage %v, want %v", start, advantages[i], sum)
				}
			}
		}
	})
}

// A reward of 1 for ever is worth 1/(1-gamma) whenever one looks. With that value function every advantage is 0,
// whether the episode is cut off or not, if and only if truncation is bootstrapped.
func TestTruncationIsBootstrapped(t *testing.T) {
	const gamma = 0.9
	worth := float32(1 / (1 - gamma))
	rewards := []float32{1, 1, 1}
	values := []float32{worth, worth, worth}
	truncated := []bool{false, true, false}
	none := make([]bool, 3)
	advantages, returns := make([]float32, 3), make([]float32, 3)
	BootstrapTruncated(gamma, rewards, none, truncated, []float32{0, worth, 0})
	GAE(gamma, 0.95, rewards, values, none, truncated, []float32{worth}, advantages, returns)
	for i := range advantages {
		if math.Abs(float64(advantages[i])) > 1e-5 || math.Abs(float64(returns[i]-worth)) > 1e-5 {
			t.Errorf("step %d: advantage %v, return %v, want 0 and %v", i, advantages[i], returns[i], worth)
		}
	}
}

// An episode that terminates has no value left, even if a limit would have cut it off in the same step.
func TestTerminationIsNotBootstrapped(t *testing.T) {
	rewards := []float32{1, 1}
	BootstrapTruncated(0.9, rewards, []bool{true, true}, []bool{false, true}, []float32{5, 5})
	if rewards[0] != 1 || rewards[1] != 1 {
		t.Errorf("rewards became %v", rewards)
	}
}
