package sim

import (
	"slices"
	"testing"
)

// gym-hpa's rule by hand. A service requests 100 m and 64 MiB: targets are int(75) = 75 m and int(48) = 48 MiB.
func TestGymDesired(t *testing.T) {
	svc := &Service{CPURequestMillis: 100, MemRequestMiB: 64, MinReplicas: 1, MaxReplicas: 20} // gym-hpa has at most 8
	for _, tc := range []struct {
		name     string
		spec     int
		cpu, mem float64 // of all pods
		want     int
	}{
		{"idle", 3, 0, 0, 1},                                // ceil(0) + ceil(0) = 0, at least 1
		{"exactly at target", 2, 150, 96, 2},                // ceil(0.7·2 + 0.3·2)
		{"a little more CPU", 2, 151, 96, 3},                // CPU wants 3: ceil(2.1 + 0.6)
		{"mostly memory", 1, 10, 200, 3},                    // CPU 1, memory ceil(4.17) = 5: ceil(0.7 + 1.5)
		{"over the maximum", 8, 2000, 96, 8},                // CPU 27: 18.9 + 0.6
		{"fractions are cut off", 2, 150.99, 96.99, 2},      // int(150.99) = 150, int(96.99) = 96
		{"one replica, three times the use", 1, 225, 48, 3}, // CPU 3, memory 1: 2.1 + 0.3
	} {
		x := ServiceView{Spec: tc.spec, Ready: tc.spec, RequestMillis: 100, CPUUsedMillis: tc.cpu, MemMiB: tc.mem / float64(tc.spec)}
		d := newGymService(svc)
		d.see(&x)
		if got := d.desired(); got != tc.want {
			t.Errorf("%s: %d, want %d", tc.name, got, tc.want)
		}
	}
}

// constantSource is a load source of one constant episode.
type constantSource struct{ ep *Episode }

func (c constantSource) Name() string { return "constant" }

func (c constantSource) Episode(_ uint64, ep *Episode) error {
	ep.Name, ep.Ticks, ep.WarmupTicks = c.ep.Name, c.ep.Ticks, c.ep.WarmupTicks
	ep.RPS = append(ep.RPS[:0], c.ep.RPS...)
	ep.Needed = append(ep.Needed[:0], c.ep.Needed...)
	ep.Initial = append(ep.Initial[:0], c.ep.Initial...)
	return nil
}

// gymEnv is gym_hpa on Online Boutique, starting with the application's replicas (1 of 1 to 7 each).
func gymEnv(t *testing.T, reward string) *testEnv {
	t.Helper()
	app := onlineBoutique(t)
	cfg := DefaultEnvConfig()
	cfg.Kind, cfg.Reward.Name, cfg.Initial = KindGymHPA, reward, InitialApp
	ep := constantEpisode(app, 1200, 20)
	return newTestEnv(t, app, cfg, constantSource{ep}, 1)
}

// gym-hpa's spaces: 66 numbers, MultiDiscrete [11, 15], 25 steps, nothing masked.
func TestGymSpaces(t *testing.T) {
	e := gymEnv(t, RewardCost)
	spec := e.Spec()
	if len(e.obs.Services) != 66 || len(e.obs.Nodes)+len(e.obs.Edges)+len(e.obs.RunsOn)+len(e.obs.Scalars) != 0 {
		t.Errorf("an observation has %d numbers, want 66", len(e.obs.Services))
	}
	if !slices.Equal(spec.Action.NVec, []int{11, 15}) || spec.MaskWidth() != 26 || slices.Contains(e.obs.Mask, false) {
		t.Errorf("actions %+v, mask %v", spec.Action, e.obs.Mask)
	}
	for step := 1; step <= 60; step++ {
		e.randomStep(t)
		if got, want := e.truncated[0], step%25 == 0; got != want {
			t.Errorf("step %d: truncated %v, want %v", step, got, want)
		}
	}
}

// The services stand in gym-hpa's order, whatever the application file's is.
func TestGymOrder(t *testing.T) {
	e := gymEnv(t, RewardCost)
	names := []string{"recommendation", "productcatalog", "cart", "ad", "payment", "shipping", "currency", "redis", "checkout", "frontend", "email"}
	for i, name := range names {
		before := e.envs[0].session.View().Services[e.envs[0].app.ServiceIndex(name)].Spec
		e.actions[0], e.actions[1] = int32(i), 2
		e.step(t)
		s := e.envs[0].app.ServiceIndex(name)
		if got := e.envs[0].session.View().Services[s].Spec; got != before+2 || e.obs.Services[i*6] != float32(got) {
			t.Errorf("two more replicas of number %d: %s has %d, shown are %v", i, name, got, e.obs.Services[i*6])
		}
	}
}

// gymRedis is gym_hpa on Redis, with the application's replicas.
func gymRedis(t *testing.T, reward string) *testEnv {
	t.Helper()
	app := loadApp(t, "../configs/apps/redis.yaml")
	cfg := DefaultEnvConfig()
	cfg.Kind, cfg.App, cfg.Reward.Name, cfg.Reward.LatencyCapMs, cfg.Initial = KindGymHPA, "redis", reward, 250, InitialApp
	return newTestEnv(t, app, cfg, constantSource{constantEpisode(app, 1200, 200)}, 1)
}

// Redis as upstream has it: leader and follower, 12 numbers, MultiDiscrete [2, 15], a request of 250 MiB each. Our client, where the load
// enters, is neither seen nor scaled nor counted.
func TestGymRedis(t *testing.T) {
	e := gymRedis(t, RewardCost)
	if len(e.obs.Services) != 12 || !slices.Equal(e.Spec().Action.NVec, []int{2, 15}) {
		t.Fatalf("%d numbers, actions %v; want 12 and [2 15]", len(e.obs.Services), e.Spec().Action.NVec)
	}
	app := e.envs[0].app
	for _, name := range []string{"leader", "follower"} {
		svc := &app.Services[app.ServiceIndex(name)]
		if svc.CPURequestMillis != 250 || svc.CPULimitMillis != 500 || svc.MemRequestMiB != 250 || svc.MemLimitMiB != 500 {
			t.Errorf("%s: %+v; gym-hpa has 250 m to 500 m and 250 MiB to 500 MiB", name, svc)
		}
	}
	client := app.ServiceIndex("client")
	cfg := DefaultEnvConfig()
	cfg.Kind, cfg.App, cfg.Reward.Name = KindGymHPA, "redis", RewardCost // replicas at the start are random
	e = newTestEnv(t, app, cfg, constantSource{constantEpisode(app, 1200, 200)}, 1)
	for range 60 {
		e.randomStep(t)
		if got := e.envs[0].session.View().Services[client].Spec; got != app.Services[client].InitialReplicas {
			t.Fatalf("client has %d replicas", got)
		}
		if e.rewards[0] > 2 {
			t.Fatalf("a cost reward of %v from two services", e.rewards[0])
		}
	}
	e = gymRedis(t, RewardLatency)
	e.actions[0], e.actions[1] = 0, 14 // stop 7 of 1
	e.step(t)
	if e.rewards[0] != -250 {
		t.Errorf("a blocked move costs %v, want -250", e.rewards[0])
	}
	e.actions[1] = 0
	e.step(t)
	if e.rewards[0] >= 0 || e.rewards[0] < -20 {
		t.Errorf("latency reward %v at a low load", e.rewards[0])
	}
}

// gym-hpa has 1 to 8 replicas, whatever more an application allows.
func TestGymBounds(t *testing.T) {
	app := loadApp(t, "../configs/apps/online_boutique.yaml")
	for s := range app.Services {
		app.Services[s].MinReplicas, app.Services[s].MaxReplicas = 0, 20
	}
	cfg := DefaultEnvConfig()
	cfg.Kind, cfg.Reward.Name, cfg.Initial = KindGymHPA, RewardCost, InitialApp
	e := newTestEnv(t, app, cfg, constantSource{constantEpisode(app, 1200, 20)}, 1)
	for i, tc := range []struct {
		move     int32
		replicas float32
		blocked  bool
	}{{8, 1, true}, {7, 8, false}, {1, 8, true}, {0, 8, false}, {14, 1, false}} {
		e.actions[0], e.actions[1] = 9, tc.move
		e.step(t)
		if got := e.obs.Services[9*6]; got != tc.replicas || tc.blocked != (e.rewards[0] == -1) {
			t.Errorf("move %d: %v replicas, reward %v, want %v and blocked %v", i, got, e.rewards[0], tc.replicas, tc.blocked)
		}
	}
}

// Moves of service 0 (1 to 7 replicas, 1 at first): add 3, stop 2, add 7 (blocked), stop 7 (blocked), none.
func TestGymMoves(t *testing.T) {
	for _, reward := range []string{RewardCost, RewardLatency, RewardSLOCost} {
		e := gymEnv(t, reward)
		penalty := map[string]float32{RewardCost: -1, RewardLatency: -3000}[reward]
		for i, tc := range []struct {
			move     int32
			replicas float32
			blocked  bool
		}{{3, 4, false}, {9, 2, false}, {7, 2, true}, {14, 2, true}, {0, 2, false}} {
			e.actions[0], e.actions[1] = 0, tc.move
			e.step(t)
			if got := e.obs.Services[0]; got != tc.replicas {
				t.Errorf("%s, move %d: %v replicas, want %v", reward, i, got, tc.replicas)
			}
			if reward != RewardSLOCost && tc.blocked != (e.rewards[0] == penalty) {
				t.Errorf("%s, move %d: reward %v, blocked %v", reward, i, e.rewards[0], tc.blocked)
			}
			if reward == RewardCost && !tc.blocked {
				same := float32(0)
				for s := range 11 {
					if e.obs.Services[s*6] == e.obs.Services[s*6+1] {
						same++
					}
				}
				if e.rewards[0] != same {
					t.Errorf("move %d: cost reward %v, %v services have what is desired", i, e.rewards[0], same)
				}
			}
			if reward == RewardLatency && !tc.blocked && (e.rewards[0] >= 0 || e.rewards[0] < -200) {
				t.Errorf("move %d: latency reward %v at a low load", i, e.rewards[0])
			}
		}
	}
	e := gymEnv(t, RewardCost)
	for _, bad := range [][]int32{{11, 0}, {0, 15}, {-1, 0}, {0, -1}} {
		copy(e.actions, bad)
		if err := e.Step(e.actions, e.obs, e.final, e.rewards, e.terminated, e.truncated); err == nil {
			t.Errorf("action %v was accepted", bad)
		}
		if err := e.Reset(1, e.obs); err != nil {
			t.Fatal(err)
		}
	}
}

// util.py: -latency, at worst -3000.
func TestLatencyReward(t *testing.T) {
	for ms, want := range map[float64]float64{0: 0, 12.5: -12.5, 3000: -3000, 3000.1: -3000, 1e9: -3000} {
		if got := latencyReward(ms, 3000); got != want {
			t.Errorf("%v ms: %v, want %v", ms, got, want)
		}
	}
}
