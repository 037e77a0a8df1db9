package sim

// NewView makes a view with room for the application.
func NewView(app *App) *View {
	return &View{
		Interval: ControlInterval,
		Services: make([]ServiceView, len(app.Services)),
		Nodes:    make([]NodeView, app.NumNodes()),
		Placed:   make([]int, len(app.Services)*app.NumNodes()),
		Edges:    make([]EdgeView, len(app.Edges)),
		Entry:    make([]float64, len(app.Endpoints)),
		PodStart: make([]int, len(app.Services)+1),
	}
}

// nothingScraped is what is known of a service before the first scrape.
var nothingScraped serviceScrape

// View fills v: objects as the API server has them now (st), metrics of the last visible scrape, all of them 0
// before the first. v was made by [NewView]; SinceLastAction is left to the caller.
func (m *Metrics) View(st *State, v *View) {
	sc := m.visible(st.At)
	v.At, v.Scraped = st.At, sc != nil
	for i := range st.Services {
		s, o := &st.Services[i], &v.Services[i]
		o.Spec, o.Ready, o.Starting, o.Pending, o.Terminating = s.Spec, s.Ready, s.Starting, s.Pending, s.Terminating
		o.QuotaMillis, o.RequestMillis = s.QuotaMillis, s.RequestMillis
		x := &nothingScraped
		if sc != nil {
			x = &sc.services[i]
		}
		o.CPUUsedMillis, o.MemMiB, o.RPS, o.PrevRPS = x.cpu, x.mem, x.rps, x.prevRPS
		o.MeanMs, o.P95Ms, o.ErrorRate, o.Throttled = x.mean, x.p95, x.errorRate, x.throttled
		o.Backlog, o.Lost = x.backlog, x.lost
	}
	for i := range st.Nodes {
		n, o := &st.Nodes[i], &v.Nodes[i]
		o.Pool, o.CPUMillis, o.MemMiB = n.Pool, n.CPUMillis, n.MemMiB
		o.FreeCPUMillis, o.FreeMemMiB = n.CPUMillis-n.CPURequestedM, n.MemMiB-n.MemRequestedMiB
		o.SpeedFactor, o.PricePerCoreHour, o.CPUUsedMillis = n.SpeedFactor, n.PricePerCoreHour, 0
	}
	copy(v.Placed, st.Placed)
	since := v.Cluster.SinceLastAction
	if sc == nil {
		clear(v.Edges)
		clear(v.Entry)
		v.Cluster = ClusterView{SinceLastAction: since}
	} else {
		for i, cpu := range sc.nodeCPU {
			v.Nodes[i].CPUUsedMillis = cpu
		}
		copy(v.Edges, sc.edges)
		copy(v.Entry, sc.entry)
		v.Cluster = sc.cluster
		v.Cluster.SinceLastAction = since
	}
	if m.pods != nil {
		m.pods.view(st, sc, v)
	}
}

// edgeShares splits the visits of a service over its callers.
//
// The engine counts visits per service, the mesh per edge. What fraction of a service's visits comes over an
// edge follows from the load mix: with λ_e requests/s at endpoint e and k_e the mean number of calls over the edge
// per request, share = Σ_e λ_e k_e / Σ_e λ_e v_e, v_e the service's visits per request; upstream throttling is
// taken to cut all edges of a service alike. Latency and errors are those of the service as its callers see them.
type edgeShares struct {
	to     []int
	calls  []float64 // [edge*endpoints+endpoint] k_e
	visits []float64 // [service*endpoints+endpoint] v_e
	all    []float64 // [service] Σ_e λ_e v_e, while fill runs
}

func newEdgeShares(app *App) edgeShares {
	nE, nOps := len(app.Endpoints), len(app.Ops)
	x := edgeShares{calls: make([]float64, len(app.Edges)*nE), visits: make([]float64, nE*len(app.Services)), all: make([]float64, len(app.Services))}
	for i, edge := range app.Edges {
		x.to = append(x.to, edge.To)
		for o := range app.Ops {
			if app.Ops[o].Service != edge.From {
				continue
			}
			for _, c := range app.Ops[o].Calls {
				if app.Ops[c.Op].Service != edge.To {
					continue
				}
				for e := range nE {
					x.calls[i*nE+e] += app.graph.visits[e*nOps+o] * c.Mean
				}
			}
		}
	}
	for e := range nE {
		for o := range app.Ops {
			x.visits[app.Ops[o].Service*nE+e] += app.graph.visits[e*nOps+o]
		}
	}
	return x
}

// fill sets the edges of a scrape from its services and the requests offered at each endpoint.
func (x *edgeShares) fill(sc *scrape, offered []float64) {
	nE := len(offered)
	for to := range x.all {
		all := 0.0
		visits := x.visits[to*nE : (to+1)*nE]
		for e, n := range offered {
			all += n * visits[e]
		}
		x.all[to] = all
	}
	for i, to := range x.to {
		over := 0.0
		calls := x.calls[i*nE : (i+1)*nE]
		for e, n := range offered {
			over += n * calls[e]
		}
		s := &sc.services[to]
		sc.edges[i] = EdgeView{RPS: s.rps * ratio(over, x.all[to]), P95Ms: s.p95, ErrorRate: s.errorRate}
	}
}
