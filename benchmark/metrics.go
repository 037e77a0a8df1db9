package benchmark

import "math"

// Metrics is what one trial comes to. Shares are 0..1 here and percent where they are printed. All integrals
// run over the counted part of the episode, tick by tick (1 s); a CPU-second of service i costs
//
//	w_i(t) = mean price of the nodes that its pods are on; while it has none the last such price, at first the
//	         cheapest pool's
//
// and all w_i are 1 when every pool is free of charge. With one pool, or pools of one price, w_i is that price,
// exactly as defined. With pools of several prices it is an approximation: demand is priced where the
// service happens to run, so that supply and demand of a service are compared at one price and CAF stays
// 1 + O + (κ-1)U; what a dear pool costs shows in Cost.
type Metrics struct {
	Seconds  float64 // length of the counted part
	Requests float64 // requests offered

	// SLOViolation = (requests late or failed) / (requests offered). Requests are counted in the window in which
	// they end; the share is capped at 1, which backlog from the warm-up could exceed.
	SLOViolation float64
	// WindowViolation = (control intervals of 15 s in which the p95 of at least one endpoint is above its SLO)
	// / (control intervals). A failed request counts as later than any bound.
	WindowViolation float64
	// ErrorRate = (requests failed) / (requests offered), capped like SLOViolation.
	ErrorRate float64
	// Latency of completed requests, all endpoints merged into one histogram.
	MeanMs, P50Ms, P95Ms, P99Ms float64

	// Slack = Σ∫ w_i (a_i - u_i)⁺ dt / Σ∫ w_i a_i dt: a_i the CPU requests of ready and starting pods, u_i the
	// CPU that the service's pods use, both as means over an engine window (5 s at most), as the reward has it.
	Slack float64

	// Scaling lag: from each tick in which d_i is above s_i and was not before, the seconds until s_i ≥ d_i
	// again. An episode under way when the counted part begins starts there; one still open at the end
	// counts with its length so far and is counted in LagOpen. Without an episode the lag is 0.
	LagMeanS, LagP95S float64
	LagCount, LagOpen float64

	// CAF = Σ∫ w_i [s_i + κ (d_i - s_i)⁺] dt / Σ∫ w_i d_i dt = 1 + O + (κ-1) U, κ = 5: the CPU that was paid for,
	// the missing CPU at κ times its price, relative to what was needed. At least 1. NaN if nothing was needed.
	// s_i = ready replicas x CPU request, d_i = replicas of the demand curve x nominal CPU request.
	CAF        float64
	OverShare  float64 // O = Σ∫ w_i (s_i - d_i)⁺ dt / Σ∫ w_i d_i dt
	UnderShare float64 // U = Σ∫ w_i (d_i - s_i)⁺ dt / Σ∫ w_i d_i dt

	// The elasticity metrics of SPEC's cloud group (Herbst et al. 2018, "Quantifying Cloud Performance and
	// Dependability", ACM TOMPECS 3(4), section 4.2), for each service and then averaged over the services, T the length:
	//
	//	θ_U = 1/T ∫ (d - s)⁺ / d dt        accuracy, under-provisioned
	//	θ_O = 1/T ∫ (s - d)⁺ / d dt        accuracy, over-provisioned
	//	τ_U = 1/T ∫ [d > s] dt             time share, under-provisioned
	//	τ_O = 1/T ∫ [s > d] dt             time share, over-provisioned
	//	υ   = 1/T' ∫ min(|sgn Δs - sgn Δd|, 1) dt   instability
	//
	// Where d = 0, θ is relative to one replica. Δ is the change over one control interval, and T' leaves out
	// the first, before which there is nothing to compare with.
	ThetaU, ThetaO, TauU, TauO, Instability float64

	Replicas  float64 // mean number of ready and starting pods, all services together
	CoreHours float64 // ∫ CPU requests of the pods that hold room on a node: ready, starting and terminating
	Cost      float64 // Σ∫ w_i of the same; in the currency of the pools' price

	ScaleActions float64 // requests of the controller that added or removed pods or changed a quota
	Reversals    float64 // of these, those in the direction opposite to the service's previous one
	// Overflow is the number of visits (at the entry: requests) that the request-level engine refused to bound its memory,
	// warm-up included. Above 0, an overload is worse than the other numbers show.
	Overflow float64
	Reward   float64 // mean over the control intervals, with the default weights (docs/training.md)
}

// Column describes one metric as tables and files show it.
type Column struct {
	Key      string  // in CSV files
	Label    string  // in tables
	Factor   float64 // printed = Factor x value
	Decimals int     // in CSV files
	Doc      string
	of       func(m *Metrics) *float64
}

// Of returns the value of the column as it is printed: in percent where Factor is 100.
func (c *Column) Of(m *Metrics) float64 { return c.Factor * *c.of(m) }

// sign is 1 where less is better, -1 for the reward.
func (c *Column) sign() float64 {
	if c.Key == "reward" {
		return -1
	}
	return 1
}

// clip keeps an interval to what the metric can be: the reward is at most 0, a CAF at least 1, all others at least 0; a share of something is at
// most all of it.
func (c *Column) clip(iv *Interval) {
	low, high := 0.0, math.Inf(1)
	switch c.Key {
	case "reward":
		low, high = math.Inf(-1), 0
	case "caf":
		low = 1
	case "over_pct", "under_pct", "theta_u_pct", "theta_o_pct": // relative to demand
	default:
		if c.Factor == 100 {
			high = 100
		}
	}
	if iv.Valid {
		iv.Low, iv.High = min(max(iv.Low, low), high), max(min(iv.High, high), low)
	}
}

// Columns lists the metrics in the order of runs.csv.
var Columns = []Column{
	{"slo_violate_pct", "SLO_violate%", 100, 4, "share of requests late or failed", func(m *Metrics) *float64 { return &m.SLOViolation }},
	{"slack_pct", "Slack%", 100, 4, "unused share of allocated CPU, price-weighted", func(m *Metrics) *float64 { return &m.Slack }},
	{"scaling_lag_s", "Lag s", 1, 4, "scaling lag, mean over the episodes", func(m *Metrics) *float64 { return &m.LagMeanS }},
	{"caf", "CAF", 1, 6, "cost amplification factor", func(m *Metrics) *float64 { return &m.CAF }},
	{"windows_violate_pct", "windows%", 100, 4, "share of 15 s windows in which the p95 of an endpoint is above its SLO", func(m *Metrics) *float64 { return &m.WindowViolation }},
	{"scaling_lag_p95_s", "Lag p95 s", 1, 4, "scaling lag, 95th percentile", func(m *Metrics) *float64 { return &m.LagP95S }},
	{"scaling_lag_count", "lags", 1, 0, "episodes of scaling lag", func(m *Metrics) *float64 { return &m.LagCount }},
	{"scaling_lag_open", "open", 1, 0, "of these, still open at the end", func(m *Metrics) *float64 { return &m.LagOpen }},
	{"over_pct", "O%", 100, 4, "over-provisioned share of demand, price-weighted", func(m *Metrics) *float64 { return &m.OverShare }},
	{"under_pct", "U%", 100, 4, "under-provisioned share of demand, price-weighted", func(m *Metrics) *float64 { return &m.UnderShare }},
	{"mean_ms", "mean ms", 1, 3, "mean latency", func(m *Metrics) *float64 { return &m.MeanMs }},
	{"p50_ms", "p50 ms", 1, 3, "median latency", func(m *Metrics) *float64 { return &m.P50Ms }},
	{"p95_ms", "p95 ms", 1, 3, "95th percentile of the latency", func(m *Metrics) *float64 { return &m.P95Ms }},
	{"p99_ms", "p99 ms", 1, 3, "99th percentile of the latency", func(m *Metrics) *float64 { return &m.P99Ms }},
	{"error_pct", "errors%", 100, 4, "share of requests failed", func(m *Metrics) *float64 { return &m.ErrorRate }},
	{"replicas", "replicas", 1, 4, "mean number of ready and starting pods", func(m *Metrics) *float64 { return &m.Replicas }},
	{"core_hours", "core h", 1, 6, "CPU requests of all pods on nodes, integrated", func(m *Metrics) *float64 { return &m.CoreHours }},
	{"cost", "cost", 1, 6, "what these cost", func(m *Metrics) *float64 { return &m.Cost }},
	{"scale_actions", "actions", 1, 0, "requests that changed something", func(m *Metrics) *float64 { return &m.ScaleActions }},
	{"reversals", "reversals", 1, 0, "of these, opposite to the service's previous one", func(m *Metrics) *float64 { return &m.Reversals }},
	{"overflow", "overflow", 1, 0, "visits refused to bound the engine's memory", func(m *Metrics) *float64 { return &m.Overflow }},
	{"theta_u_pct", "θ_U%", 100, 4, "SPEC accuracy, under-provisioned", func(m *Metrics) *float64 { return &m.ThetaU }},
	{"theta_o_pct", "θ_O%", 100, 4, "SPEC accuracy, over-provisioned", func(m *Metrics) *float64 { return &m.ThetaO }},
	{"tau_u_pct", "τ_U%", 100, 4, "SPEC time share, under-provisioned", func(m *Metrics) *float64 { return &m.TauU }},
	{"tau_o_pct", "τ_O%", 100, 4, "SPEC time share, over-provisioned", func(m *Metrics) *float64 { return &m.TauO }},
	{"instability_pct", "υ%", 100, 4, "SPEC instability", func(m *Metrics) *float64 { return &m.Instability }},
	{"reward", "reward", 1, 6, "mean reward of a control interval", func(m *Metrics) *float64 { return &m.Reward }},
	{"requests", "requests", 1, 2, "requests offered", func(m *Metrics) *float64 { return &m.Requests }},
	{"seconds", "seconds", 1, 0, "length of the counted part", func(m *Metrics) *float64 { return &m.Seconds }},
}

// ColumnByKey returns the column with this key, nil if there is none.
func ColumnByKey(key string) *Column {
	for i := range Columns {
		if Columns[i].Key == key {
			return &Columns[i]
		}
	}
	return nil
}
