package sim

import (
	"math"
	"slices"
	"strings"
	"time"
)

// Features of an observation. All are finite and of order 1; a network may still normalise them.
//
//	lg(x)       = log2, drawn linearly between powers of two (where it is exact): a tenth of log's time
//	logMs(x)    = lg(1 + x) / 10, at most 2: 0.1 at 1 ms, 0.66 at 100 ms, 1 at 1.02 s
//	logRPS(x)   = lg(1 + x) / 10, at most 2
//	change(a,b) = (a - b) / (a + b + 1), from -1 to 1: a now, b one scrape earlier
var (
	// ServiceFeatures of one service.
	ServiceFeatures = []string{
		"cpu_utilisation", // CPU used / CPU limit of the ready replicas; at most 2 (starting pods use CPU too)
		"mem_utilisation", // memory of a replica / its limit; at most 2
		"p95",             // logMs of the 95th percentile of a visit
		"stateful",        // 1 for a stateful service
		"efficiency",      // CPU used / CPU requested of ready and starting replicas; at most 4
		"ready",           // replicas that are ready, starting and pending / max replicas
		"starting",
		"pending",
		"load",         // visits/s × CPU per visit / CPU limit of max replicas at the nominal quota; at most 4
		"load_change",  // change of visits/s
		"error_rate",   // share of visits that failed
		"quota",        // lg(quota / nominal quota) / 2, from -2 to 2
		"throttled",    // share of 100 ms periods with the quota used up
		"position",     // (wanted - min) / (max - min) replicas, 1 if max = min
		"replica_step", // 1 / max replicas: what one more replica changes
		"request",      // CPU request of one replica / 1 core, at most 4
		// What the load at the entry announces: the CPU that the service needs once all of it arrives there, whatever a
		// saturated caller lets through now. In replicas, at their present limit.
		"announced",       // / max replicas, at most 4
		"announced_busy",  // / wanted replicas, at most 4: their utilisation to come
		"announced_gap",   // (announced - wanted) / 4 units of change, from -2 to 2
		"announced_trend", // the same for the load of the next scrape, if it goes on rising as from the last to this one
	}
	// NodeFeatures of one cluster node.
	NodeFeatures = []string{
		"cpu_free", // allocatable less requested / allocatable
		"mem_free",
		"speed", // speed factor, at most 4
		"price", // price of a core-hour / the dearest pool's
	}
	// EdgeFeatures of one call edge.
	EdgeFeatures = []string{
		"rate", // logRPS of calls/s
		"p95",  // logMs
		"error_rate",
	}
	// ScalarFeatures of the whole cluster.
	ScalarFeatures = []string{
		"cluster_cpu",    // CPU used / allocatable
		"slo_violation",  // share of requests late or failed in the last scrape window
		"entry_load",     // logRPS of requests/s at the entry
		"entry_change",   // change of requests/s
		"entry_before_2", // logRPS of requests/s at the entry, two, three and four scrapes before the last
		"entry_before_3",
		"entry_before_4",
		"entry_peak",        // logRPS of the highest requests/s at the entry of the last 10 minutes
		"since_last_action", // time since the last action that changed anything / 300 s, at most 1
		"decisions_left",    // share of the interval's decisions that are left; 1 in joint mode
	}
)

// sinceActionCap is the time since the last action that counts as 1: the HPA's downscale stabilisation.
const sinceActionCap = 300 * time.Second

// Observer turns views into observations. It holds no state and may be shared.
type Observer struct {
	app     *App
	actions *Actions
	spec    EnvSpec
	traits  []observedTraits // [service]
	maxCost float64
	hidden  []hiddenFeature
	// cpu[e*services+s] is the CPU (millicore-seconds) that a request at endpoint e costs service s, wake-ups left out.
	cpu []float64
}

// observedTraits are the constants that a service's features are relative to.
type observedTraits struct {
	invCap                  float64 // CPU seconds of one visit / CPU of max replicas: s/visit
	perReplica              float64 // 1 / max replicas
	memLimitMiB, limitMilli float64
	minReplicas             int
	perStep                 float64 // 1 / (max - min) replicas, 0 without a choice
	stateful                float32
}

// NewObserver makes the observer for an application and its actions.
func NewObserver(app *App, actions *Actions) *Observer {
	o := &Observer{app: app, actions: actions, traits: make([]observedTraits, len(app.Services)), cpu: app.graph.svcCPU}
	o.spec = EnvSpec{
		Kind: KindCluster, Services: len(app.Services), Nodes: app.NumNodes(), Edges: slices.Clone(app.Edges),
		ServiceFeatures: len(ServiceFeatures), NodeFeatures: len(NodeFeatures), EdgeFeatures: len(EdgeFeatures), Scalars: len(ScalarFeatures),
		ServiceFeatureNames: slices.Clone(ServiceFeatures), NodeFeatureNames: slices.Clone(NodeFeatures),
		EdgeFeatureNames: slices.Clone(EdgeFeatures), ScalarNames: slices.Clone(ScalarFeatures),
		Action: actions.Spec(),
	}
	for _, p := range app.Pools {
		o.maxCost = max(o.maxCost, p.PricePerCoreHour)
	}
	for s := range app.Services {
		// CPU-ms of one visit, averaged over the default mix.
		cpu, visits := 0.0, 0.0
		for e := range app.Endpoints {
			cpu += app.Endpoints[e].Weight * app.graph.svcCPU[e*len(app.Services)+s]
			visits += app.Endpoints[e].Weight * app.graph.svcVisit[e*len(app.Services)+s]
		}
		svc := &app.Services[s]
		t := observedTraits{perReplica: 1 / float64(svc.MaxReplicas), memLimitMiB: svc.MemLimitMiB, limitMilli: svc.CPULimitMillis, minReplicas: svc.MinReplicas}
		// CPU-ms/s is millicores.
		t.invCap = ratio(cpu, visits) / (float64(svc.MaxReplicas) * svc.CPULimitMillis)
		if svc.Stateful {
			t.stateful = 1
		}
		if svc.MaxReplicas > svc.MinReplicas {
			t.perStep = 1 / float64(svc.MaxReplicas-svc.MinReplicas)
		}
		o.traits[s] = t
	}
	return o
}

// Spec describes observations and actions.
func (o *Observer) Spec() *EnvSpec { return &o.spec }

// Observe writes the observation of view v, its mask included, into row, a batch of one. decisionsLeft is the
// share of the interval's decisions that are left.
func (o *Observer) Observe(v *View, decisionsLeft float64, row *Obs) {
	rise := 1.0 // the entry's rate at the next scrape / at the last one, if it goes on rising
	if c := &v.Cluster; c.EntryRPS > c.EntryPrevRPS {
		rise = 2 - ratio(c.EntryPrevRPS, c.EntryRPS)
	}
	for s := range v.Services {
		cpu := 0.0
		for e, rps := range v.Entry {
			cpu += rps * o.cpu[e*len(v.Services)+s]
		}
		o.service(s, &v.Services[s], cpu, rise, row.Services[s*len(ServiceFeatures):(s+1)*len(ServiceFeatures)])
	}
	for i := range v.Nodes {
		n := &v.Nodes[i]
		out := row.Nodes[i*len(NodeFeatures) : (i+1)*len(NodeFeatures)]
		out[0] = feature(ratio(n.FreeCPUMillis, n.CPUMillis), -1, 1)
		out[1] = feature(ratio(n.FreeMemMiB, n.MemMiB), -1, 1)
		out[2] = feature(n.SpeedFactor, 0, 4)
		out[3] = feature(ratio(n.PricePerCoreHour, o.maxCost), 0, 1)
	}
	for i := range v.Edges {
		e := &v.Edges[i]
		out := row.Edges[i*len(EdgeFeatures) : (i+1)*len(EdgeFeatures)]
		out[0] = logScale(e.RPS)
		out[1] = logScale(e.P95Ms)
		out[2] = feature(e.ErrorRate, 0, 1)
	}
	for i, k := range v.Placed {
		row.RunsOn[i] = float32(k)
	}
	c := &v.Cluster
	out := row.Scalars[:len(ScalarFeatures)]
	out[0] = feature(c.CPUUtilisation, 0, 1)
	out[1] = feature(c.SLOViolation, 0, 1)
	out[2] = logScale(c.EntryRPS)
	out[3] = change(c.EntryRPS, c.EntryPrevRPS)
	for i, rps := range c.EntryBefore {
		out[4+i] = logScale(rps)
	}
	out[7] = logScale(c.EntryPeak)
	out[8] = feature(float64(c.SinceLastAction)/float64(sinceActionCap), 0, 1)
	out[9] = feature(decisionsLeft, 0, 1)
	o.hide(row)
	o.actions.Mask(v, row.Mask)
}

// featureGroups are the parts of an observation that have named features.
var featureGroups = []struct {
	name     string
	features []string
	of       func(*Obs) []float32
}{
	{"services", ServiceFeatures, func(o *Obs) []float32 { return o.Services }},
	{"nodes", NodeFeatures, func(o *Obs) []float32 { return o.Nodes }},
	{"edges", EdgeFeatures, func(o *Obs) []float32 { return o.Edges }},
	{"scalars", ScalarFeatures, func(o *Obs) []float32 { return o.Scalars }},
}

// hiddenFeature is a feature that is shown as 0.
type hiddenFeature struct{ group, index int }

// findFeature finds GROUP.NAME.
func findFeature(name string) (group, index int, ok bool) {
	part, feature, _ := strings.Cut(name, ".")
	for g := range featureGroups {
		if i := slices.Index(featureGroups[g].features, feature); featureGroups[g].name == part && i >= 0 {
			return g, i, true
		}
	}
	return 0, 0, false
}

// hiding is o with the listed features shown as 0; names that are unknown are left out.
func (o *Observer) hiding(names []string) *Observer {
	for _, name := range names {
		if g, i, ok := findFeature(name); ok {
			o.hidden = append(o.hidden, hiddenFeature{g, i})
		}
	}
	return o
}

func (o *Observer) hide(row *Obs) {
	for _, h := range o.hidden {
		group := &featureGroups[h.group]
		values := group.of(row)
		for i := h.index; i < len(values); i += len(group.features) {
			values[i] = 0
		}
	}
}

// service writes the features of one service, whose announced CPU (millicores) and the entry's rise are given.
func (o *Observer) service(s int, x *ServiceView, announced, rise float64, out []float32) {
	t := &o.traits[s]
	out = out[:20]
	out[0] = feature(ratio(x.CPUUsedMillis, x.QuotaMillis*float64(x.Ready)), 0, 2)
	out[1] = feature(ratio(x.MemMiB, t.memLimitMiB), 0, 2)
	out[2] = logScale(x.P95Ms)
	out[3] = t.stateful
	out[4] = feature(ratio(x.CPUUsedMillis, x.RequestMillis*float64(x.Ready+x.Starting)), 0, 4)
	out[5] = float32(float64(x.Ready) * t.perReplica)
	out[6] = float32(float64(x.Starting) * t.perReplica)
	out[7] = float32(float64(x.Pending) * t.perReplica)
	out[8] = feature(x.RPS*t.invCap, 0, 4)
	out[9] = change(x.RPS, x.PrevRPS)
	out[10] = feature(x.ErrorRate, 0, 1)
	out[11] = feature(lg(x.QuotaMillis/t.limitMilli)/2, -2, 2)
	out[12] = feature(x.Throttled, 0, 1)
	out[13] = 1
	if t.perStep > 0 {
		out[13] = float32(float64(x.Spec-t.minReplicas) * t.perStep)
	}
	out[14] = float32(t.perReplica)
	out[15] = feature(x.RequestMillis/1000, 0, 4)
	need, wanted := ratio(announced, x.QuotaMillis), float64(x.Spec)
	out[16] = feature(need*t.perReplica, 0, 4)
	out[17] = feature(ratio(need, wanted), 0, 4)
	reach := 4 * float64(changeUnit(x.Spec))
	out[18] = feature((need-wanted)/reach, -2, 2)
	out[19] = feature((need*rise-wanted)/reach, -2, 2)
}

// feature clamps to [lo, hi]; what is not a number becomes lo.
func feature(x, lo, hi float64) float32 {
	if !(x > lo) {
		return float32(lo)
	}
	if x > hi {
		return float32(hi)
	}
	return float32(x)
}

// lg is log2 at powers of two and straight between them, for positive normal x: the exponent and the fraction of a
// float64, read as one number.
func lg(x float64) float64 {
	return float64(math.Float64bits(x))/(1<<52) - 1023
}

// logScale is logMs and logRPS.
func logScale(x float64) float32 {
	if !(x > 0) {
		return 0
	}
	return feature(lg(1+x)/10, 0, 2)
}

// change is the relative change from b to a.
func change(a, b float64) float32 { return feature((a-b)/(a+b+1), -1, 1) }
