package rl

import "math"

// episodeWindow is over how many episodes the logged means run (Stable-Baselines3's stats_window_size).
const episodeWindow = 100

// episodes follows the total reward and the length of each environment's episode.
type episodes struct {
	Reward []float64 // so far, of each environment's episode
	Length []int64
	*endedEpisodes
}

// endedEpisodes are shared by all groups of environments.
type endedEpisodes struct {
	Ended            int64
	Rewards, Lengths []float64 // of the last ones, as rings
}

func newEpisodes(envs int) *episodes {
	return &episodes{Reward: make([]float64, envs), Length: make([]int64, envs), endedEpisodes: &endedEpisodes{}}
}

// add counts one step of every environment. rewards are raw.
func (ep *episodes) add(rewards []float32, terminated, truncated []bool) {
	for e, r := range rewards {
		ep.Reward[e] += float64(r)
		ep.Length[e]++
		if !terminated[e] && !truncated[e] {
			continue
		}
		if len(ep.Rewards) < episodeWindow {
			ep.Rewards, ep.Lengths = append(ep.Rewards, 0), append(ep.Lengths, 0)
		}
		at := ep.Ended % episodeWindow
		ep.Rewards[at], ep.Lengths[at] = ep.Reward[e], float64(ep.Length[e])
		ep.Ended++
		ep.Reward[e], ep.Length[e] = 0, 0
	}
}

// means are over the last episodes; NaN before one has ended.
func (ep *episodes) means() (reward, length float64) {
	return mean(ep.Rewards), mean(ep.Lengths)
}

// mean is NaN for nothing.
func mean(v []float64) float64 {
	if len(v) == 0 {
		return math.NaN()
	}
	sum := 0.0
	for _, x := range v {
		sum += x
	}
	return sum / float64(len(v))
}
