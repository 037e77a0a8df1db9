package sim

import "time"

// Engine advances simulated time. There are two implementations of one meaning: [Fluid] computes flows and
// latency distributions analytically; the request-level engine simulates every request.
//
// Call order: Reset, then any mix of Scale and Step. The engine owns [State] and rewrites it in Step and Scale;
// a caller that keeps numbers copies them. An engine belongs to one goroutine and starts none itself.
type Engine interface {
	// Reset puts the cluster at time 0 with the given replicas (one per service, clamped to its bounds), all
	// of them Ready, at the nominal quota, on nodes chosen by the scheduler. seed names the streams.
	Reset(seed uint64, replicas []int) error
	// Step advances one tick of [Tick] with the load offered in it.
	Step(load TickLoad)
	// Scale carries out one request at the present time and says what became of it.
	Scale(req ScaleRequest) ScaleResult
	// Happen lets an event happen at the present time; its Tick is not looked at. Reset undoes it.
	Happen(e *Event)
	// State is the truth at the present time.
	State() *State
	// AddLatencies adds the end-to-end latencies of the requests that completed in the last window (State.Window)
	// to one histogram per endpoint.
	AddLatencies(perEndpoint []Histogram)
}

// Tick is the engine's time step.
const Tick = time.Second

// ControlInterval is the time between two decisions of a controller.
const ControlInterval = 15 * time.Second

// TicksPerInterval is the number of ticks in a control interval.
const TicksPerInterval = int(ControlInterval / Tick)

// WindowTicks is the length of the window over which an engine evaluates latencies. The queueing formulas
// describe a stationary state at a given intensity, which a 1 s count is too short to show.
const WindowTicks = 5

// TickLoad is the load offered in one tick.
type TickLoad struct {
	RPS      []float64 // intensity of each endpoint, requests/s: what the arrivals were drawn with
	Arrivals []float64 // requests of each endpoint that arrive in the tick, whole numbers
}

// ScaleRequest is one wish of a controller for one service.
type ScaleRequest struct {
	Service     int     // index into App.Services
	Replicas    int     // wanted number of replicas (spec); KeepReplicas leaves it
	QuotaMillis float64 // wanted CPU limit of each replica; 0 leaves it. The CPU request follows in proportion
	Pool        int     // pool that new pods are placed in; AnyPool lets the scheduler choose

	// Pods is what becomes of single pods, and of those that are made later; nil for nothing. It is the controller's.
	Pods *PodChanges
}

// PodChanges are changes to pods of one service beside their number.
type PodChanges struct {
	// Template is what pods that are made from now on request and may use; those that are there keep what they have. The zero value
	// leaves it as it is.
	Template PodResources
	// Resize and Evict are IDs. Pods in Resize get the template's resources in place, as far as their nodes have room; those in Evict end
	// as if they had been scaled away, and for each a new one is made at once. Pods that are not there, or on their way
	// out, are passed over.
	Resize, Evict []int64
}

// PodResources are what one pod requests and what it is limited to.
type PodResources struct {
	RequestMillis, LimitMillis float64 // CPU, millicores
	MemRequestMiB, MemLimitMiB float64
}

const (
	KeepReplicas = -1 // in ScaleRequest.Replicas: leave the number of replicas
	AnyPool      = -1 // in ScaleRequest.Pool: any node pool
)

// ScaleResult says what a request changed after clamping to the service's bounds.
type ScaleResult struct {
	Added, Removed int  // pods created and told to end
	QuotaChanged   bool // the CPU limit of the replicas changed

	TemplateChanged  bool // what new pods get changed
	Resized, Evicted int  // pods
}

// State is what is true in the cluster. Slices are indexed like App.Services, the nodes of App.Pools in
// order, and App.Endpoints.
type State struct {
	At        time.Duration
	Services  []ServiceState
	Nodes     []NodeState
	Endpoints []EndpointState
	// Window is the number of ticks that the flows and latencies below cover. It is set on the tick that ends a
	// window and 0 on all others, when those fields are stale and must not be read: whoever accumulates them
	// does so only where Window > 0, weighted with Window ticks. Windows end at multiples of WindowTicks, and
	// early when the ready replicas or quotas change, so both are constant within a window. Pod counts, quotas
	// and Placed are always those of the present time.
	Window int
	// Placed[s*len(Nodes)+n] is the number of pods of service s on node n (Starting, Ready and Terminating).
	Placed []int

	// version counts changes of pods and quotas since Reset; 0 where nobody counts.
	version uint64
}

// Version changes whenever pods come, go or change their phase, and with quotas; until then pod counts, quotas and Placed are what they
// were. It is 0 where the engine does not count; two runs may have the same.
func (s *State) Version() uint64 { return s.version }

// ServiceState is the truth about one service.
type ServiceState struct {
	Spec        int // replicas last asked for; while a rolling update goes on more or fewer pods are there
	Ready       int // pods that serve
	Starting    int // pods on a node, not yet ready
	Pending     int // pods that no node has room for
	Terminating int // pods that drain
	// QuotaMillis is the CPU limit of one replica: the mean over the pods that are sent visits and serve them, where they differ.
	QuotaMillis float64
	// What one replica requests, and its memory limit: means over Ready and Starting pods, where they differ.
	RequestMillis, MemRequestMiB, MemLimitMiB float64

	// Means over the last window (State.Window).
	ArrivalRPS    float64 // visits/s that reach the service (its own throttling not yet applied)
	ServedRPS     float64 // visits/s that it completes
	FailedRPS     float64 // visits/s that failed: refused, given up after a timeout, or for a call's sake
	RefusedRPS    float64 // of these, those that no replica took in (request-level engine)
	CancelledRPS  float64 // visits/s that ended because their callers gave up, neither served nor failed (request-level engine)
	CPUUsedMillis float64 // CPU used by all its pods, starting ones included
	Backlog       float64 // visits waiting beyond what flows in a steady state
	MemMiB        float64 // memory of one replica

	Throttled float64 // share of 100 ms periods in which a replica used its quota up
	MeanMs    float64 // latency of one visit as its caller sees it, calls included: mean
	OwnMs     float64 // of that, time in the service itself: all but the waits for calls
	StallMs   float64 // of that, time in stalls of a replica that has used its quota up
	P95Ms     float64 // and 95th percentile
	WakeShare float64 // share of the wake-up CPU (Operation.WakeMs) that its visits pay: that of idle replicas that they find
	ErrorRate float64 // share of visits that failed
	// Overflow is the number of visits (at the entry, requests too) that the request-level engine refused in the
	// last window to keep its memory bounded (DESOptions): above 0, an overload is worse than it shows.
	Overflow float64
}

// NodeState is the truth about one node.
type NodeState struct {
	Pool             int
	CPUMillis        float64 // allocatable
	MemMiB           float64 // allocatable
	CPURequestedM    float64 // sum of the requests of its pods
	MemRequestedMiB  float64
	CPUUsedMillis    float64 // over the last window
	MemUsedMiB       float64
	SpeedFactor      float64 // work per CPU-second relative to the application's reference platform
	PricePerCoreHour float64
	Pods             int
}

// EndpointState counts the requests of one endpoint over the last window.
type EndpointState struct {
	Offered float64 // requests that arrived
	Failed  float64 // requests that timed out or were refused
	Late    float64 // completed requests above the SLO
	MeanMs  float64
	P95Ms   float64
}

// Controller decides how many replicas (and how much CPU) each service should have.
//
// Reset is called before each run, Decide once every control interval with the view at that time. The view
// and its slices belong to the caller and are valid during the call. Decide appends its requests to dst and
// returns it; an error ends the run. A controller belongs to one goroutine.
type Controller interface {
	Name() string
	Reset(app *App, seed uint64) error
	Decide(v *View, dst []ScaleRequest) ([]ScaleRequest, error)
}

// View is what a controller may see: objects of the API server as they are now (replicas, phases), metrics as
// the last visible scrape gave them.
type View struct {
	At       time.Duration
	Interval time.Duration // time to the next decision
	Services []ServiceView
	Nodes    []NodeView
	Placed   []int      // like State.Placed
	Edges    []EdgeView // one per service-to-service call of the application (App.Edges order)
	Entry    []float64  // requests/s offered at each endpoint
	Cluster  ClusterView
	Scraped  bool // false before the first scrape is visible, when all metrics are 0 for want of any
	// Pods is filled only for a controller that asks for it (PodWatcher), grouped by service:
	// those of service s are Pods[PodStart[s]:PodStart[s+1]].
	Pods     []PodView
	PodStart []int
}

// PodWatcher is a controller that needs View.Pods. The HPA does; policies do not.
type PodWatcher interface{ WatchesPods() bool }

// ServiceView is one service as a controller sees it. Metrics are averages over the last visible scrape window.
type ServiceView struct {
	Spec, Ready, Starting, Pending, Terminating int
	QuotaMillis, RequestMillis                  float64

	CPUUsedMillis float64 // sum over its sampled pods
	MemMiB        float64 // mean of its sampled pods
	RPS           float64
	PrevRPS       float64 // the same one scrape earlier
	MeanMs, P95Ms float64
	ErrorRate     float64
	Throttled     float64
	Backlog       float64 // visits that wait in it, as of the scrape

	// Lost are the sources that gave nothing in the last scrape ([MetricFault]). Their numbers above are those of the last scrape
	// that had some.
	Lost MetricSource
}

// NodeView is one node as a controller sees it.
type NodeView struct {
	Pool                      int
	CPUMillis, MemMiB         float64 // allocatable
	FreeCPUMillis, FreeMemMiB float64 // allocatable less requests
	CPUUsedMillis             float64
	SpeedFactor               float64
	PricePerCoreHour          float64
}

// EdgeView is the traffic from one service to another.
type EdgeView struct {
	RPS, P95Ms, ErrorRate float64
}

// ClusterView holds what is not about one service.
type ClusterView struct {
	CPUUtilisation  float64               // CPU used over allocatable, all nodes
	SLOViolation    float64               // share of entry requests late or failed in the last scrape window
	EntryRPS        float64               // requests/s at the entry
	EntryPrevRPS    float64               // one scrape earlier
	EntryBefore     [EntryHistory]float64 // requests/s at the entry two, three, ... scrapes earlier
	EntryPeak       float64               // the highest requests/s at the entry of the last 10 minutes
	SinceLastAction time.Duration         // since the last request that changed anything
	Lost            MetricSource          // as [ServiceView.Lost], of what is not about one service
}

// EntryHistory is how many scrapes before the one before the last a view shows of the entry's rate.
const EntryHistory = 3

// PodPhase is a pod's phase, with Kubernetes' Pending split in two.
type PodPhase uint8

const (
	PodPending     PodPhase = iota // no node has room for it
	PodStarting                    // on a node; its process runs but it is not ready
	PodReady                       // serves
	PodTerminating                 // has a deletion timestamp and drains
)

// PodView is one pod as the API server and the metrics API show it.
type PodView struct {
	ID             int64
	Phase          PodPhase
	CreatedAt      time.Duration
	StartedAt      time.Duration // kubelet's start time; meaningless while PodPending
	ReadyChangedAt time.Duration // last transition of the Ready condition
	PodResources
	HasSample    bool
	SampleAt     time.Duration // end of the sample's window
	SampleWindow time.Duration
	CPUMillis    float64 // mean over the window
	MemMiB       float64
}
