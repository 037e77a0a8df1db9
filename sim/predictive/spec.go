package predictive

import (
	"slices"
	"time"

	"github.com/grlscaler/grlscaler/sim/hpa"
)

// Spec is a PredictiveHorizontalPodAutoscaler object, without its metrics: those are for whoever calculates. Zero values mean
// "not given"; see WithDefaults for what then holds.
type Spec struct {
	Name         string        // for messages
	MinReplicas  *int32        // default 1; used by Settle
	MaxReplicas  int32         // required; used by Settle
	SyncPeriod   time.Duration // distance of two syncs, to which the caller keeps; default 15 s
	DecisionType DecisionType  // default DecideMaximum
	Models       []ModelSpec
	Behavior     *hpa.Behavior // used by Settle; without tolerances, which a PHPA's does not have
}

// DecisionType says how the calculated count and the predicted ones become one.
type DecisionType string

// The decision types.
const (
	DecideMaximum DecisionType = "maximum"
	DecideMinimum DecisionType = "minimum"
	DecideMean    DecisionType = "mean"   // rounded to the nearest, halves away from 0
	DecideMedian  DecisionType = "median" // of an even number: the mean of the middle two, truncated
)

// ModelType says which of a ModelSpec's models is meant.
type ModelType string

// The types of models.
const (
	LinearModel      ModelType = "Linear"
	HoltWintersModel ModelType = "HoltWinters"
)

// ModelSpec is one model of an object.
type ModelSpec struct {
	Type ModelType
	Name string // required, and unique in the object
	// PerSyncPeriod is the number of syncs from one prediction to the next; counts are recorded at each. Default 1.
	PerSyncPeriod int
	// StartInterval holds the model off until the next multiple of it. 0 for none.
	StartInterval time.Duration
	// ResetDuration is how old the newest recorded count may be; a history that is older is cleared. 0 for any age.
	ResetDuration time.Duration
	Linear        *Linear      // of type Linear
	HoltWinters   *HoltWinters // of type HoltWinters
}

// Linear predicts by the least-squares line through the recorded counts.
type Linear struct {
	LookAhead   time.Duration // how far from now it is read off; at least 1 ms
	HistorySize int           // counts that are stored, to which the present one comes; at least 1
}

// Method says how a component of Holt-Winters goes in. The long words are upstream's too; WithDefaults makes them short.
type Method string

// The methods.
const (
	Add            Method = "add"
	Mul            Method = "mul"
	Additive       Method = "additive"
	Multiplicative Method = "multiplicative"
)

// Initialization says how the recursions of Holt-Winters start.
type Initialization string

// The ways to start. Estimated is Heuristic, because nothing is estimated: the package's documentation says why.
const (
	Estimated       Initialization = "estimated"
	Heuristic       Initialization = "heuristic"
	LegacyHeuristic Initialization = "legacy-heuristic"
	Known           Initialization = "known"
)

// HoltWinters predicts the next count by triple exponential smoothing.
type HoltWinters struct {
	Alpha, Beta, Gamma *float64 // weight of the newest in level, trend and season: 0..1, required
	Trend, Seasonal    Method   // required
	SeasonalPeriods    int      // syncs in a season; at least 2
	// StoredSeasons is the number of seasons that are stored; one more fills up before the oldest goes.
	StoredSeasons        int
	DampedTrend          bool           // must be false: upstream fails with it
	InitializationMethod Initialization // default Estimated
	// The initial values are required for Known and refused otherwise. All seasons start with the one InitialSeasonal.
	InitialLevel, InitialTrend, InitialSeasonal *float64
	// Chronological hands the history over in the order of time. Upstream does not: the package's documentation says how it
	// does. Default false.
	Chronological bool
}

// MinObservations is the number of counts from which a prediction is made (upstream holtwinters.GetPrediction).
func (h *HoltWinters) MinObservations() int {
	return max(2*h.SeasonalPeriods, heuristicObservations+2*(h.SeasonalPeriods/2))
}

// mostStored is the largest number of counts that a model stores from one sync to the next.
func (m *ModelSpec) mostStored() int {
	if m.Type == HoltWintersModel {
		return m.HoltWinters.SeasonalPeriods*(m.HoltWinters.StoredSeasons+1) - 1
	}
	return m.Linear.HistorySize
}

// WithDefaults returns the object as the controller takes it. What s holds is copied, not changed.
func (s Spec) WithDefaults() Spec {
	if s.MinReplicas == nil {
		s.MinReplicas = ptr(int32(1))
	}
	if s.SyncPeriod == 0 {
		s.SyncPeriod = 15 * time.Second
	}
	if s.DecisionType == "" {
		s.DecisionType = DecideMaximum
	}
	s.Models = slices.Clone(s.Models)
	for i := range s.Models {
		m := &s.Models[i]
		if m.PerSyncPeriod == 0 {
			m.PerSyncPeriod = 1
		}
		if m.Linear != nil {
			m.Linear = ptr(*m.Linear)
		}
		if m.HoltWinters != nil {
			m.HoltWinters = ptr(*m.HoltWinters)
			m.HoltWinters.Trend, m.HoltWinters.Seasonal = m.HoltWinters.Trend.short(), m.HoltWinters.Seasonal.short()
			if m.HoltWinters.InitializationMethod == "" {
				m.HoltWinters.InitializationMethod = Estimated
			}
		}
	}
	up, down := defaultRules()
	if s.Behavior != nil {
		up, down = overridden(up, s.Behavior.ScaleUp), overridden(down, s.Behavior.ScaleDown)
	}
	s.Behavior = &hpa.Behavior{ScaleUp: &up, ScaleDown: &down}
	return s
}

func (m Method) short() Method {
	switch m {
	case Additive:
		return Add
	case Multiplicative:
		return Mul
	}
	return m
}

// defaultRules are upstream's defaultUpscale and defaultDownscale.
func defaultRules() (up, down hpa.ScalingRules) {
	up = hpa.ScalingRules{
		StabilizationWindowSeconds: ptr(int32(0)), SelectPolicy: hpa.MaxSelect,
		Policies: []hpa.Policy{{Type: hpa.PercentPolicy, Value: 100, PeriodSeconds: 60}, {Type: hpa.PodsPolicy, Value: 4, PeriodSeconds: 60}},
	}
	down = hpa.ScalingRules{
		StabilizationWindowSeconds: ptr(int32(300)), SelectPolicy: hpa.MaxSelect,
		Policies: []hpa.Policy{{Type: hpa.PercentPolicy, Value: 100, PeriodSeconds: 60}},
	}
	return up, down
}

// overridden fills in what is given (upstream copyHPAScalingRules).
func overridden(r hpa.ScalingRules, given *hpa.ScalingRules) hpa.ScalingRules {
	if given == nil {
		return r
	}
	if given.StabilizationWindowSeconds != nil {
		r.StabilizationWindowSeconds = given.StabilizationWindowSeconds
	}
	if given.SelectPolicy != "" {
		r.SelectPolicy = given.SelectPolicy
	}
	if len(given.Policies) > 0 {
		r.Policies = given.Policies
	}
	return r
}

// HPAConfig is what an HPA's calculation goes by under a PHPA with default settings (upstream's default constants and
// k8shorizmetrics' replicas.ReplicaCalculator): an HPA's, but a CPU initialization period of 30 s and the tolerance rule until 1.32.
func HPAConfig() hpa.Config {
	cfg := hpa.DefaultConfig()
	cfg.CPUInitializationPeriod = 30 * time.Second
	cfg.Tolerance.Rule = hpa.ToleranceDistance
	cfg.PerHPATolerance = false
	return cfg
}

func ptr[T any](v T) *T { return &v }
