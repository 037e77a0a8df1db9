package sim

import (
	"slices"
	"testing"

	"github.com/grlscaler/grlscaler/sim/rng"
)

// rewardLog keeps the rewards of a run.
type rewardLog struct{ rewards []float64 }

func (*rewardLog) RecordDecision(*DecisionRecord)     {}
func (*rewardLog) RecordTick(*TickRecord)             {}
func (l *rewardLog) RecordInterval(r *IntervalRecord) { l.rewards = append(l.rewards, r.Reward) }

// A policy meets the same in a benchmark as in training: on one episode without warm-up, with the same actions, an
// environment and an agent under RunController see the same observations and get the same rewards, in every mode.
func TestAgentSeesWhatTheEnvironmentShows(t *testing.T) {
	app := chainApp(t)
	ep := constantEpisode(app, 600, 60)
	for _, mode := range []string{ActionJoint, ActionSelect} {
		t.Run(mode, func(t *testing.T) {
			cfg := DefaultEnvConfig()
			cfg.Initial, cfg.Action.Mode = InitialApp, mode
			e := newTestEnv(t, app, cfg, constantSource{ep}, 1)
			var seen [][]float32
			var rewards []float64
			e.random = rng.New(9, "agent")
			for range 600 {
				seen = append(seen, slices.Concat(e.obs.Services, e.obs.Scalars, e.obs.Nodes, e.obs.RunsOn))
				e.randomStep(t)
				if e.rewards[0] != 0 {
					rewards = append(rewards, float64(e.rewards[0]))
				}
				if e.truncated[0] {
					break
				}
			}
			random, k := rng.New(9, "agent"), 0
			var agent *Agent
			agent, err := NewAgent("test", app, cfg, func(obs *Obs, action []int32) error {
				if got := slices.Concat(obs.Services, obs.Scalars, obs.Nodes, obs.RunsOn); k >= len(seen) || !slices.Equal(got, seen[k]) {
					t.Fatalf("observation %d differs from the environment's", k)
				}
				k++
				RandomAction(agent.Spec(), obs.Mask, random, action)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			engine, err := NewFluid(app, FluidOptions{})
			if err != nil {
				t.Fatal(err)
			}
			var log rewardLog
			if err := RunController(app, engine, ep, agent, rng.Derive(1, "episode", 0, 0), MetricsConfig{}, &log); err != nil {
				t.Fatal(err)
			}
			if k != len(seen) || len(log.rewards) != 40 || len(rewards) != 40 {
				t.Fatalf("%d observations of %d, %d and %d rewards", k, len(seen), len(log.rewards), len(rewards))
			}
			for i, r := range log.rewards {
				if float32(r) != float32(rewards[i]) {
					t.Errorf("interval %d: reward %v in the benchmark, %v in training", i, r, rewards[i])
				}
			}
		})
	}
}

// An agent fits any application of the same form, and says so where it does not.
func TestAgentRefusesOtherApplications(t *testing.T) {
	a, err := NewAgent("test", chainApp(t), DefaultEnvConfig(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Reset(oneApp(t), 1); err == nil {
		t.Error("an agent for three services took an application of one")
	}
	if err := a.Reset(chainApp(t), 1); err != nil {
		t.Errorf("another copy of the same application: %v", err)
	}
	cfg := DefaultEnvConfig()
	cfg.Action.MaxDelta = 0
	if _, err := NewAgent("test", chainApp(t), cfg, nil); err == nil {
		t.Error("a bad action configuration was accepted")
	}
}
