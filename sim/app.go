package sim

import (
	"slices"
	"time"
)

// App describes an application and the cluster that it runs on. [DecodeApp] reads it from YAML, validates and
// compiles it. It is not changed afterwards and may be shared by any number of engines.
type App struct {
	Name      string
	Services  []Service
	Ops       []Operation
	Endpoints []Endpoint
	Pools     []Pool

	Edges []Edge // service-to-service calls, ordered by caller, then callee
	Entry int    // the service that the endpoints belong to

	// Warnings are what is probably not meant: services that no request reaches, replicas that find no room. Each names
	// file, line and key.
	Warnings []string

	graph compiled
}

// Service is one deployment.
type Service struct {
	Name             string
	CPURequestMillis float64
	CPULimitMillis   float64 // nominal quota of one replica
	MemRequestMiB    float64
	MemLimitMiB      float64
	MinReplicas      int
	MaxReplicas      int
	InitialReplicas  int

	StartupFixed  time.Duration // scheduling, image, container start, the readiness probe's initial delay
	StartupJitter time.Duration // uniform on top: the readiness probe's period
	StartupCPUMs  float64       // CPU that a pod needs before it can answer; it runs at its limit meanwhile
	WarmupCalls   float64       // visits after which the extra CPU of a cold replica has fallen to 1/e
	WarmupFactor  float64       // CPU per visit of a cold replica relative to a warm one; 1 = no warm-up
	WarmupCPUMs   float64       // CPU that a pod uses beside its requests once it is ready, on one core at most: compiling, filling caches
	Grace         time.Duration // how long a removed pod drains
	RemovalLag    time.Duration // how long balancers go on sending to a removed pod
	PreStop       time.Duration // how long a removed pod serves as before, its preStop hook; then it takes no new visits

	Stateful      bool
	Workers       int     // visits that one replica runs at once, calls that they wait for included; 0 = no limit
	Cores         int     // cores that one replica can use at once, up to its quota
	MaxVisits     int     // visits that one replica takes in, waiting ones included; it refuses others. 0 = no limit
	Balancing     string  // one of Balancings; the fluid engine spreads evenly whatever it says
	BaseCPUMillis float64 // CPU of an idle replica
	SleepMs       float64 // work that finds a replica idle for t ms pays WakeMs (1 - e^(-t/SleepMs)); 0 = all of it at once
	MemBaseMiB    float64 // memory of an idle replica
	MemPerRPSMiB  float64 // and what each visit/s adds to a replica's
}

// Balancings lists the ways of spreading visits over replicas.
var Balancings = []string{"round_robin", "least_outstanding", "random", "per_connection", SharedQueue}

// SharedQueue is the balancing of workers that take visits from one queue, as consumers of a message broker do.
const SharedQueue = "shared_queue"

// Operation is one method of a service.
type Operation struct {
	Name     string // service.method
	Service  int
	CPUMs    float64 // CPU per visit of a busy replica, ms on the reference platform
	WakeMs   float64 // CPU on top when visits come one by one and find the replica idle
	CV       float64 // coefficient of variation of CPUMs
	Dist     Dist    // distribution of CPUMs
	WaitMs   float64 // wait per visit that uses no CPU
	WaitCV   float64
	WaitDist Dist
	Parallel bool // calls run at once rather than one after another
	Calls    []Call
}

// Dist names the distribution of a time, given its mean and coefficient of variation. The fluid engine uses these
// two alone.
type Dist string

const (
	Exponential   Dist = "exponential"
	Gamma         Dist = "gamma" // Erlang-k for a coefficient of variation of 1/sqrt(k)
	LogNormal     Dist = "lognormal"
	Deterministic Dist = "deterministic"
)

// Call is one edge of the call graph.
type Call struct {
	Op        int     // callee
	Mean      float64 // mean count per visit of the caller
	TimeoutMs float64 // the caller stops waiting then; 0 = no timeout of its own
	Optional  bool    // a failure or timeout does not fail the caller
	// Retries is how often a call that failed or timed out is tried again. RetryBudget, if above 0, is the most
	// retries that one replica of the caller makes for each call that it makes anew. The fluid engine does not retry.
	Retries     int
	RetryBudget float64
}

// Endpoint is a route of the entry service.
type Endpoint struct {
	Name      string
	Op        int
	Weight    float64 // share of the default load mix; the weights of all endpoints add up to 1
	SLOMs     float64 // at least 95 % of the requests should be faster
	TimeoutMs float64 // the client gives up then
	// Retries is how often clients try a failed request again; RetryBudget, if above 0, bounds the retries of all
	// clients by that many for each request made anew. The fluid engine does not retry.
	Retries     int
	RetryBudget float64
}

// Pool is a group of equal nodes.
type Pool struct {
	Name             string
	Nodes            int           // at the start, and at least
	MaxNodes         int           // with those that a cluster autoscaler adds for pending pods; below Nodes: none
	NodeDelay        time.Duration // from a pod that finds no room to the new node
	NodeIdle         time.Duration // after which an empty node of those goes
	CPUMillis        float64       // allocatable per node
	MemMiB           float64       // allocatable per node
	SpeedFactor      float64       // work per CPU-second relative to the reference platform
	PricePerCoreHour float64
}

// Edge is a call from one service to another, whatever the operations.
type Edge struct{ From, To int }

// ServiceIndex returns the index of the named service, -1 if there is none.
func (a *App) ServiceIndex(name string) int {
	for i := range a.Services {
		if a.Services[i].Name == name {
			return i
		}
	}
	return -1
}

// NumNodes is the number of nodes of all pools, those that may be added included.
func (a *App) NumNodes() int {
	n := 0
	for i := range a.Pools {
		n += a.Pools[i].Most()
	}
	return n
}

// Most is the number of nodes that a pool can have.
func (p *Pool) Most() int { return max(p.Nodes, p.MaxNodes) }

// Variant is a copy whose services and pools may be given other resources, replicas and start-up times before an engine is made
// of it. Operations and endpoints are shared and must stay as they are. The fluid engine's response is measured anew.
func (a *App) Variant() *App {
	v := *a
	v.Services, v.Pools = slices.Clone(a.Services), slices.Clone(a.Pools)
	v.graph.lazy = &lazyResponse{}
	return &v
}

// InitialReplicas returns the replicas that each service starts with.
func (a *App) InitialReplicas() []int {
	out := make([]int, len(a.Services))
	for i := range a.Services {
		out[i] = a.Services[i].InitialReplicas
	}
	return out
}

// EndpointNames lists the endpoints in order.
func (a *App) EndpointNames() []string {
	out := make([]string, len(a.Endpoints))
	for i := range a.Endpoints {
		out[i] = a.Endpoints[i].Name
	}
	return out
}
