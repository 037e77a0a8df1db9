package rl

// nStep computes the n-step returns of a batch of transitions and what their bootstraps are multiplied with:
//
//	R_i        = r_0 + gamma·r_1 + ... + gamma^(k-1)·r_(k-1), k = steps[i]
//	discount_i = gamma^k, and 0 where the episode terminated: a truncation does not stop the bootstrap
//
// rewards is [rows, n], normalised. Later actions come from the policy that collected them, without correction: with
// few steps the bias is small beside what a reward's faster way back is worth (Hessel et al., "Rainbow", 2018, figure 4).
func nStep(gamma float64, rewards []float32, n int, steps []int, ended []uint8, returns, discounts []float32) {
	for i, k := range steps {
		sum, g := 0.0, 1.0
		for _, r := range rewards[i*n : i*n+k] {
			sum += g * float64(r)
			g *= gamma
		}
		if ended[i] == wasTerminated {
			g = 0
		}
		returns[i], discounts[i] = float32(sum), float32(g)
	}
}
