package sim

import (
	"fmt"
	"math"
)

// This file is the environment kind "gym_hpa": the spaces and rewards of gym-hpa (Santos et al., "gym-hpa: Efficient
// Auto-Scaling via Reinforcement Learning for Complex Microservice-based Applications in Kubernetes", NOMS 2023;
// repository jpedro1992/gym-hpa, files envs/online_boutique.py, envs/deployment.py, envs/util.py), on our engine.
//
// It differs on purpose: replica bounds are the application's (there 1 to 8); the simulator has no bytes, so traffic
// in and out are calls received and made per second (there kbit/s); memory is in MiB (there units of 100 kB, by
// a slip in the conversion); a step is one control interval of 15 s; an episode is truncated after 25 steps
// (there it terminates); latency is the mean over all requests of the interval (there Locust's mean of GET /cart since
// its start).

const (
	gymSteps     = 25 // MAX_STEPS
	gymMaxMove   = 7  // replicas that one action adds or stops
	gymMoves     = 1 + 2*gymMaxMove
	gymThreshold = 0.75 // target utilisation of requests
	gymCPUWeight = 0.7
	gymMemWeight = 0.3
)

// GymHPAFeatures of one service, in gym-hpa's order.
var GymHPAFeatures = []string{"replicas", "desired_replicas", "cpu_usage", "mem_usage", "traffic_in", "traffic_out"}

// gymHPA is the task. Its action is (service, move): move 0 none, 1 to 7 add so many replicas, 8 to 14 stop 1 to 7.
// Nothing is masked; a move beyond the bounds is blocked and punished.
type gymHPA struct {
	app       *App
	cfg       RewardConfig
	envSpec   EnvSpec
	view      *View
	edgesFrom [][]int // [service] indices of its outgoing edges
	blocked   bool
}

func newGymHPA(app *App, cfg RewardConfig) *gymHPA {
	g := &gymHPA{app: app, cfg: cfg, edgesFrom: make([][]int, len(app.Services))}
	for i, e := range app.Edges {
		g.edgesFrom[e.From] = append(g.edgesFrom[e.From], i)
	}
	g.envSpec = EnvSpec{
		Kind: KindGymHPA, Services: len(app.Services), ServiceFeatures: len(GymHPAFeatures), ServiceFeatureNames: GymHPAFeatures,
		Action: ActionSpec{Mode: KindGymHPA, PerService: 1, Global: gymMoves, NVec: []int{len(app.Services), gymMoves}},
	}
	return g
}

func (g *gymHPA) spec() *EnvSpec { return &g.envSpec }

func (g *gymHPA) begin(v *View) { g.view, g.blocked = v, false }

func (g *gymHPA) act(action []int32, dst []ScaleRequest) ([]ScaleRequest, bool, error) {
	if len(action) != 2 || action[0] < 0 || int(action[0]) >= len(g.app.Services) || action[1] < 0 || action[1] >= gymMoves {
		return dst, false, fmt.Errorf("gym_hpa action %v; want a service from 0 to %d and a move from 0 to %d", action, len(g.app.Services)-1, gymMoves-1)
	}
	s, move := int(action[0]), int(action[1])
	delta := move
	if move > gymMaxMove {
		delta = gymMaxMove - move
	}
	want := g.view.Services[s].Spec + delta
	g.blocked = want < g.app.Services[s].MinReplicas || want > g.app.Services[s].MaxReplicas
	if delta != 0 && !g.blocked {
		dst = append(dst, ScaleRequest{Service: s, Replicas: want, Pool: AnyPool})
	}
	return dst, true, nil
}

func (g *gymHPA) reward(v *View, terms RewardTerms, latencyMs float64) float64 {
	g.view = v
	switch g.cfg.Name {
	case RewardLatency:
		if g.blocked {
			return -g.cfg.LatencyCapMs
		}
		return latencyReward(latencyMs, g.cfg.LatencyCapMs)
	case RewardCost:
		if g.blocked {
			return -1
		}
		return costReward(g.app, v)
	}
	return g.cfg.Of(terms)
}

// latencyReward is get_latency_reward_online_boutique of gym-hpa: minus the latency, at worst minus the cap.
func latencyReward(ms, capMs float64) float64 { return -min(ms, capMs) }

// costReward is get_cost_reward of gym-hpa: the number of services that have as many replicas as desired.
func costReward(app *App, v *View) float64 {
	n := 0.0
	for s := range v.Services {
		if v.Services[s].Spec == gymDesired(&app.Services[s], &v.Services[s]) {
			n++
		}
	}
	return n
}

// gymUsage is CPU (millicores) and memory (MiB) of all pods of a service, in whole units.
func gymUsage(x *ServiceView) (cpu, mem float64) {
	return math.Trunc(x.CPUUsedMillis), math.Trunc(x.MemMiB * float64(x.Ready+x.Starting))
}

// gymDesired is update_replicas of gym-hpa's deployment.py: with n replicas, usage u and the target t = 0.75 of one
// replica's request in whole units, desired_r = ceil(n · u / (n · t)) for CPU and memory;
// desired = ceil(0.7 · desired_cpu + 0.3 · desired_mem), at least 1, at most the maximum. Products are rounded one by
// one, as there.
func gymDesired(svc *Service, x *ServiceView) int {
	n := float64(max(x.Spec, 1))
	desired := func(usage, request float64) float64 {
		target := math.Max(1, math.Trunc(gymThreshold*request))
		return math.Ceil(float64(n * (usage / float64(n*target))))
	}
	cpu, mem := gymUsage(x)
	c, m := desired(cpu, x.RequestMillis), desired(mem, svc.MemRequestMiB)
	want := math.Ceil(float64(gymCPUWeight*c) + float64(gymMemWeight*m))
	return int(min(max(want, 1), float64(svc.MaxReplicas)))
}

func (g *gymHPA) observe(row *Obs) {
	for s := range g.view.Services {
		x := &g.view.Services[s]
		cpu, mem := gymUsage(x)
		out := 0.0
		for _, i := range g.edgesFrom[s] {
			out += g.view.Edges[i].RPS
		}
		f := row.Services[s*len(GymHPAFeatures) : (s+1)*len(GymHPAFeatures)]
		f[0] = float32(x.Spec)
		f[1] = float32(gymDesired(&g.app.Services[s], x))
		f[2] = float32(cpu)
		f[3] = float32(mem)
		f[4] = float32(x.RPS)
		f[5] = float32(out)
	}
	for i := range row.Mask {
		row.Mask[i] = true
	}
}
