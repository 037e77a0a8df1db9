package rl

// BootstrapTruncated adds gamma*V(last observation) to the reward of every step whose episode was cut off by
// a limit, in place. Such an episode would have gone on, so the value of what it missed belongs to the return;
// an episode that terminated gets nothing (Pardo et al., "Time Limits in Reinforcement Learning", ICML 2018,
// equation 6; Stable-Baselines3's collect_rollouts does the same).
//
// All slices have one entry per step and environment. terminalValues is read only where a step was truncated
// and did not terminate.
func BootstrapTruncated(gamma float64, rewards []float32, terminated, truncated []bool, terminalValues []float32) {
	for i, cut := range truncated {
		if cut && !terminated[i] {
			rewards[i] += float32(gamma * float64(terminalValues[i]))
		}
	}
}

// GAE computes generalised advantage estimates (Schulman et al., "High-Dimensional Continuous Control Using
// Generalized Advantage Estimation", ICLR 2016, equation 16) backwards over a rollout of len(lastValues)
// environments:
//
//	delta_t = r_t + gamma*V(s_t+1)*(1 - done_t) - V(s_t)
//	A_t     = delta_t + gamma*lambda*(1 - done_t)*A_t+1
//	return_t = A_t + V(s_t)
//
// rewards, values, terminated, truncated, advantages and returns are [steps, envs], row-major; done_t is
// terminated or truncated. lastValues is V of the observation after the last step. Rewards are taken as they are:
// see [BootstrapTruncated]. The recursion runs in float64.
func GAE(gamma, lambda float64, rewards, values []float32, terminated, truncated []bool, lastValues, advantages, returns []float32) {
	envs := len(lastValues)
	for e := range envs {
		next, advantage := float64(lastValues[e]), 0.0
		for i := len(rewards) - envs + e; i >= 0; i -= envs {
			goesOn := 1.0
			if terminated[i] || truncated[i] {
				goesOn = 0
			}
			v := float64(values[i])
			delta := float64(rewards[i]) + gamma*next*goesOn - v
			advantage = delta + gamma*lambda*goesOn*advantage
			advantages[i] = float32(advantage)
			returns[i] = float32(advantage + v)
			next = v
		}
	}
}
