package cmd

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/rng"
)

// phase is what users and a controller do from a minute of the simulation on.
type phase struct {
	minutes  int
	rps      []float64 // of each endpoint
	replicas []int     // of each service
}

// exporter shows a cluster, which the request-level engine simulates, the way Istio's proxies, cAdvisor and kube-state-metrics do: as
// counters and histograms in Prometheus's text format. Every scrape finds the cluster step later, whenever it comes, and samples
// carry the simulated time: an hour passes in as many scrapes as it has steps, and what is collected does not depend on the clock.
type exporter struct {
	start  time.Time // time 0 of the simulation
	step   time.Duration
	phases []phase

	mu       sync.Mutex
	app      *sim.App
	engine   sim.Engine
	arrivals *rng.Stream
	ticks    int
	load     sim.TickLoad
	pods     []sim.PodInfo
	seen     []replicaTruth
	again    bool

	requests, failed []float64 // [endpoint]
	latencies        []sim.Histogram
	visits           []visitCounters // [service]
	podCPU           map[int64]*podCounters
	nodeCPU          []float64
}

type visitCounters struct{ served, failed, latencyMs float64 }

type podCounters struct {
	cpu, periods, throttled float64
	there                   bool
}

// replicaTruth is how many replicas there were when a scrape saw them.
type replicaTruth struct {
	at              time.Time
	replicas, ready []int // [service]
}

// newExporter begins at start with the first phase.
func newExporter(t *testing.T, app *sim.App, start time.Time, step time.Duration, seed uint64, phases ...phase) *exporter {
	t.Helper()
	engine, err := sim.NewDES(app, sim.DESOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := engine.Reset(seed, phases[0].replicas); err != nil {
		t.Fatal(err)
	}
	return &exporter{
		start: start, step: step, phases: phases, app: app, engine: engine, arrivals: rng.New(seed, "arrivals"),
		load:     sim.TickLoad{Arrivals: make([]float64, len(app.Endpoints))},
		requests: make([]float64, len(app.Endpoints)), failed: make([]float64, len(app.Endpoints)), latencies: make([]sim.Histogram, len(app.Endpoints)),
		visits: make([]visitCounters, len(app.Services)), podCPU: map[int64]*podCounters{}, nodeCPU: make([]float64, len(engine.State().Nodes)),
	}
}

// minutes is how long the phases are.
func (x *exporter) minutes() (n int) {
	for _, p := range x.phases {
		n += p.minutes
	}
	return n
}

// now is the simulated time.
func (x *exporter) now() time.Time { return x.start.Add(x.engine.State().At) }

// over tells whether the last phase is over.
func (x *exporter) over() bool { return x.engine.State().At >= time.Duration(x.minutes())*time.Minute }

// done tells the same from outside, once what the last scrape saw has been asked for again.
func (x *exporter) done() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.again
}

// ServeHTTP lets a step pass, and shows what is then. After the last phase time stands still.
func (x *exporter) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	x.mu.Lock()
	defer x.mu.Unlock()
	w.Header().Set("Content-Type", "text/plain; version=0.0.4")
	if x.over() {
		x.again = true
		fmt.Fprint(w, x.text())
		return
	}
	for range int(x.step / sim.Tick) {
		x.tick()
	}
	truth := replicaTruth{at: x.now()}
	for s := range x.app.Services {
		v := &x.engine.State().Services[s]
		truth.replicas, truth.ready = append(truth.replicas, v.Ready+v.Starting+v.Pending), append(truth.ready, v.Ready)
	}
	x.seen = append(x.seen, truth)
	fmt.Fprint(w, x.text())
}

// tick simulates a second and adds to the counters what windows that end in it tell.
func (x *exporter) tick() {
	minute, second := x.ticks/60, x.ticks%60
	x.ticks++
	p := x.phases[len(x.phases)-1]
	for i := range x.phases {
		if minute < x.phases[i].minutes {
			p = x.phases[i]
			break
		}
		minute -= x.phases[i].minutes
	}
	if minute == 0 && second == 30 { // replicas follow the load half a minute later
		for s, n := range p.replicas {
			x.engine.Scale(sim.ScaleRequest{Service: s, Replicas: n, Pool: sim.AnyPool})
		}
	}
	x.load.RPS = p.rps
	for e, rps := range p.rps {
		x.load.Arrivals[e] = x.arrivals.Poisson(rps)
	}
	x.engine.Step(x.load)
	st := x.engine.State()
	x.pods = x.engine.(sim.PodLister).Pods(x.pods[:0])
	if st.Window == 0 {
		return
	}
	seconds := float64(st.Window)
	x.engine.AddLatencies(x.latencies)
	for e := range st.Endpoints {
		x.requests[e] += st.Endpoints[e].Offered
		x.failed[e] += st.Endpoints[e].Failed
	}
	for s := range st.Services {
		v, c := &st.Services[s], &x.visits[s]
		c.served += v.ServedRPS * seconds
		c.failed += v.FailedRPS * seconds
		c.latencyMs += v.MeanMs * v.ServedRPS * seconds
	}
	for _, c := range x.podCPU {
		c.there = false
	}
	for i := range x.pods {
		pod := &x.pods[i]
		if pod.Phase == sim.PodPending {
			continue
		}
		c := x.podCPU[pod.ID]
		if c == nil {
			c = &podCounters{}
			x.podCPU[pod.ID] = c
		}
		c.there = true
		ran := min(seconds, (st.At - pod.StartedAt).Seconds())
		c.cpu += pod.CPUUsedMillis / 1000 * ran
		c.periods += 10 * ran
		c.throttled += 10 * ran * st.Services[pod.Service].Throttled
	}
	for n := range st.Nodes {
		x.nodeCPU[n] += st.Nodes[n].CPUUsedMillis / 1000 * seconds
	}
}

// istioBuckets are the upper edges of Istio's latency histogram, in ms (Envoy's defaults, as far as requests here reach).
var istioBuckets = []float64{0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000}

// text writes the state in Prometheus's text format.
func (x *exporter) text() string {
	var b strings.Builder
	st, ms := x.engine.State(), x.now().UnixMilli()
	put := func(series string, value float64) { fmt.Fprintf(&b, "%s %v %d\n", series, value, ms) }
	entry := x.app.Services[x.app.Entry].Name
	requests := func(reporter, from, to, route string, total, failed float64) string {
		labels := fmt.Sprintf(`reporter=%q,source_workload=%q,source_workload_namespace="shop",destination_workload=%q,destination_workload_namespace="shop",request_operation=%q`,
			reporter, from, to, route)
		put(`istio_requests_total{`+labels+`,response_code="200"}`, total-failed)
		put(`istio_requests_total{`+labels+`,response_code="503"}`, failed)
		return labels
	}
	for e := range x.app.Endpoints {
		h := &x.latencies[e]
		labels := requests("destination", "unknown", entry, x.app.Endpoints[e].Name, h.Count()+x.failed[e], x.failed[e])
		for _, le := range istioBuckets {
			put(fmt.Sprintf(`istio_request_duration_milliseconds_bucket{%s,le="%v"}`, labels, le), h.CountBelow(le))
		}
		put(`istio_request_duration_milliseconds_bucket{`+labels+`,le="+Inf"}`, h.Count())
		put(`istio_request_duration_milliseconds_sum{`+labels+`}`, h.MeanMs()*h.Count())
		put(`istio_request_duration_milliseconds_count{`+labels+`}`, h.Count())
	}
	// Services below: each has one caller here. The engine tells their mean latency, not its distribution.
	for _, edge := range x.app.Edges {
		from, to, c := x.app.Services[edge.From].Name, x.app.Services[edge.To].Name, &x.visits[edge.To]
		requests("source", from, to, "unknown", c.served+c.failed, c.failed)
		labels := requests("destination", from, to, "unknown", c.served+c.failed, c.failed)
		put(`istio_request_duration_milliseconds_sum{`+labels+`}`, c.latencyMs)
		put(`istio_request_duration_milliseconds_count{`+labels+`}`, c.served)
	}
	slices.SortFunc(x.pods, func(a, b sim.PodInfo) int { return int(a.ID - b.ID) })
	for i := range x.pods {
		pod := &x.pods[i]
		c := x.podCPU[pod.ID]
		if c == nil || !c.there {
			continue
		}
		svc := &x.app.Services[pod.Service]
		labels := fmt.Sprintf(`{namespace="shop",pod="%s-5d9c7b8f4-%s",container="server"`, svc.Name, podSuffix(pod.ID))
		put("container_cpu_usage_seconds_total"+labels+"}", c.cpu)
		put("container_cpu_cfs_periods_total"+labels+"}", c.periods)
		put("container_cpu_cfs_throttled_periods_total"+labels+"}", c.throttled)
		put("container_memory_working_set_bytes"+labels+"}", st.Services[pod.Service].MemMiB*(1<<20))
		put("kube_pod_container_resource_limits"+labels+`,resource="cpu"}`, st.Services[pod.Service].QuotaMillis/1000)
		put("kube_pod_container_resource_requests"+labels+`,resource="cpu"}`, st.Services[pod.Service].RequestMillis/1000)
	}
	for s := range x.app.Services {
		v := &st.Services[s]
		labels := fmt.Sprintf(`{namespace="shop",deployment=%q}`, x.app.Services[s].Name)
		put("kube_deployment_status_replicas"+labels, float64(v.Ready+v.Starting+v.Pending))
		put("kube_deployment_status_replicas_ready"+labels, float64(v.Ready))
	}
	for n := range st.Nodes {
		put(fmt.Sprintf(`kube_node_status_allocatable{node="n%d",resource="cpu"}`, n), st.Nodes[n].CPUMillis/1000)
		put(fmt.Sprintf(`kube_node_status_allocatable{node="n%d",resource="memory"}`, n), st.Nodes[n].MemMiB*(1<<20))
		put(fmt.Sprintf(`container_cpu_usage_seconds_total{id="/",node="n%d"}`, n), x.nodeCPU[n])
	}
	return b.String()
}

// podSuffix is an ID in the letters that Kubernetes makes names of pods from.
func podSuffix(id int64) string {
	const letters = "bcdfghjklmnpqrstvwxz2456789"
	var b [5]byte
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = letters[id%int64(len(letters))]
		id /= int64(len(letters))
	}
	return string(b[:])
}
