package sim

import (
	"fmt"
	"math"
	"slices"
)

// This file is the environment kind "gym_hpa": the spaces and rewards of gym-hpa (Santos et al., "gym-hpa: Efficient
// Auto-Scaling via Reinforcement Learning for Complex Microservice-based Applications in Kubernetes", NOMS 2023;
// repository jpedro1992/gym-hpa at 13e12c1, files envs/online_boutique.py, envs/redis.py, envs/deployment.py, envs/util.py), on
// our engine, or on recorded rows as gym-hpa's own simulation has it (gymrows.go). docs/gymhpa.md lists every difference.

const (
	gymSteps     = 25 // MAX_STEPS
	gymMinPods   = 1  // MIN_REPLICATION
	gymMaxPods   = 8  // MAX_REPLICATION
	gymMaxMove   = 7  // replicas that one action adds or stops
	gymMoves     = 1 + 2*gymMaxMove
	gymThreshold = 0.75 // target utilisation of requests
	gymCPUWeight = 0.7
	gymMemWeight = 0.3
)

// GymHPAFeatures of one service, in gym-hpa's order.
var GymHPAFeatures = []string{"replicas", "desired_replicas", "cpu_usage", "mem_usage", "traffic_in", "traffic_out"}

// gymOrders lists the Deployments of gym-hpa's two applications in its order (its DEPLOYMENTS), under our names. Other services of such an
// application, like redis' client, are neither seen nor scaled nor counted.
var gymOrders = map[string][]string{
	"online_boutique": {"recommendation", "productcatalog", "cart", "ad", "payment", "shipping", "currency", "redis", "checkout", "frontend", "email"},
	"redis":           {"leader", "follower"},
}

// gymServices are the services of an application that gym_hpa is about, in its order: all, in their own order, unless it is one of
// gym-hpa's two.
func gymServices(app *App) []int {
	var list []int
	for _, name := range gymOrders[app.Name] {
		list = append(list, app.ServiceIndex(name))
	}
	if len(list) > 0 && !slices.Contains(list, -1) {
		return list
	}
	list = list[:0]
	for s := range app.Services {
		list = append(list, s)
	}
	return list
}

// gymService is one Deployment as gym-hpa sees it.
type gymService struct {
	pods, min, max         int
	cpu, mem               float64 // of all pods: millicores, MiB
	in, out                float64 // traffic
	cpuRequest, memRequest float64 // of one pod
}

// newGymService is a service without pods. Bounds are gym-hpa's, or the application's where those are narrower or lie beyond them.
func newGymService(svc *Service) gymService {
	least := max(gymMinPods, svc.MinReplicas)
	return gymService{
		min: least, max: max(least, min(gymMaxPods, svc.MaxReplicas)),
		cpuRequest: svc.CPURequestMillis, memRequest: svc.MemRequestMiB,
	}
}

// see takes replicas and usage from a view. gym-hpa cuts usage to whole units.
func (d *gymService) see(x *ServiceView) {
	d.pods, d.cpuRequest = x.Spec, x.RequestMillis
	d.cpu, d.mem = math.Trunc(x.CPUUsedMillis), math.Trunc(x.MemMiB*float64(x.Ready+x.Starting))
	d.in = x.RPS
}

// desired is update_replicas of gym-hpa's deployment.py: with n replicas, usage u and the target t = 0.75 of one
// replica's request in whole units, desired_r = ceil(n · u / (n · t)) for CPU and memory;
// desired = ceil(0.7 · desired_cpu + 0.3 · desired_mem), at least 1, at most the maximum. Products are rounded one by
// one, as there.
func (d *gymService) desired() int {
	n := float64(max(d.pods, 1))
	one := func(usage, request float64) float64 {
		target := math.Max(1, math.Trunc(gymThreshold*request))
		return math.Ceil(float64(n * (usage / float64(n*target))))
	}
	want := math.Ceil(float64(gymCPUWeight*one(d.cpu, d.cpuRequest)) + float64(gymMemWeight*one(d.mem, d.memRequest)))
	return int(min(max(want, 1), float64(d.max)))
}

// gymCost is get_cost_reward of gym-hpa's util.py: the number of services that have as many replicas as desired.
func gymCost(services []gymService) float64 {
	n := 0.0
	for i := range services {
		if services[i].pods == services[i].desired() {
			n++
		}
	}
	return n
}

// costReward is the same over all services of an application.
func costReward(app *App, v *View) float64 {
	n := 0.0
	for s := range v.Services {
		d := newGymService(&app.Services[s])
		d.max = app.Services[s].MaxReplicas
		d.see(&v.Services[s])
		if d.pods == d.desired() {
			n++
		}
	}
	return n
}

// latencyReward is get_latency_reward_online_boutique and _redis: minus the latency, at worst minus the cap.
func latencyReward(ms, capMs float64) float64 { return -min(ms, capMs) }

// gymHPA is the task. Its action is (service, move): move 0 none, 1 to 7 add so many replicas, 8 to 14 stop 1 to 7.
// Nothing is masked; a move beyond the bounds is blocked and punished.
type gymHPA struct {
	cfg       RewardConfig
	envSpec   EnvSpec
	app       *App
	index     []int // [service of the task] its index in app.Services
	edgesFrom [][]int
	services  []gymService
	blocked   bool
}

func newGymHPA(app *App, cfg RewardConfig) *gymHPA {
	g := &gymHPA{app: app, cfg: cfg, index: gymServices(app)}
	for _, s := range g.index {
		var edges []int
		for i, e := range app.Edges {
			if e.From == s {
				edges = append(edges, i)
			}
		}
		g.edgesFrom = append(g.edgesFrom, edges)
		g.services = append(g.services, newGymService(&app.Services[s]))
	}
	n := len(g.index)
	g.envSpec = EnvSpec{
		Kind: KindGymHPA, Services: n, ServiceFeatures: len(GymHPAFeatures), ServiceFeatureNames: GymHPAFeatures,
		Action: ActionSpec{Mode: KindGymHPA, PerService: 1, Global: gymMoves, NVec: []int{n, gymMoves}},
	}
	return g
}

func (g *gymHPA) spec() *EnvSpec { return &g.envSpec }

// initialRange of a service that the task is not about is the application's number.
func (g *gymHPA) initialRange(s int) (lo, hi int) {
	if i := slices.Index(g.index, s); i >= 0 {
		return g.services[i].min, g.services[i].max
	}
	n := g.app.Services[s].InitialReplicas
	return n, n
}

func (g *gymHPA) begin(v *View) {
	g.see(v)
	g.blocked = false
}

func (g *gymHPA) see(v *View) {
	for i, s := range g.index {
		d := &g.services[i]
		d.see(&v.Services[s])
		d.out = 0
		for _, e := range g.edgesFrom[i] {
			d.out += v.Edges[e].RPS
		}
	}
}

// move reads an action: the service, and how many replicas it is to have. It notes whether that is within the bounds.
func (g *gymHPA) move(action []int32) (i, want int, err error) {
	if len(action) != 2 || action[0] < 0 || int(action[0]) >= len(g.services) || action[1] < 0 || action[1] >= gymMoves {
		return 0, 0, fmt.Errorf("gym_hpa action %v; want a service from 0 to %d and a move from 0 to %d", action, len(g.services)-1, gymMoves-1)
	}
	i = int(action[0])
	delta := int(action[1])
	if delta > gymMaxMove {
		delta = gymMaxMove - delta
	}
	d := &g.services[i]
	want = d.pods + delta
	// Upstream checks the bound that a move goes towards, and "none" nothing.
	g.blocked = delta > 0 && want > d.max || delta < 0 && want < d.min
	return i, want, nil
}

func (g *gymHPA) act(action []int32, dst []ScaleRequest) ([]ScaleRequest, bool, error) {
	i, want, err := g.move(action)
	if err != nil {
		return dst, false, err
	}
	if want != g.services[i].pods && !g.blocked {
		dst = append(dst, ScaleRequest{Service: g.index[i], Replicas: want, Pool: AnyPool})
	}
	return dst, true, nil
}

func (g *gymHPA) reward(v *View, terms RewardTerms, latencyMs float64) float64 {
	g.see(v)
	if g.cfg.Name == RewardSLOCost {
		return g.cfg.Of(terms)
	}
	return g.judge(latencyMs)
}

// judge is get_reward of gym-hpa's environments.
func (g *gymHPA) judge(latencyMs float64) float64 {
	switch {
	case g.cfg.Name == RewardCost && g.blocked:
		return -1
	case g.cfg.Name == RewardCost:
		return gymCost(g.services)
	case g.blocked:
		return -g.cfg.LatencyCapMs
	}
	return latencyReward(latencyMs, g.cfg.LatencyCapMs)
}

func (g *gymHPA) observe(row *Obs) {
	for i := range g.services {
		d := &g.services[i]
		f := row.Services[i*len(GymHPAFeatures) : (i+1)*len(GymHPAFeatures)]
		f[0] = float32(d.pods)
		f[1] = float32(d.desired())
		f[2] = float32(d.cpu)
		f[3] = float32(d.mem)
		f[4] = float32(d.in)
		f[5] = float32(d.out)
	}
	for i := range row.Mask {
		row.Mask[i] = true
	}
}
