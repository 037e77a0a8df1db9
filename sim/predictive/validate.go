package predictive

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/grlscaler/grlscaler/sim/hpa"
)

const (
	// MaxStored is the most counts that all models of an object may store. Upstream keeps them as JSON in one ConfigMap, which
	// holds 1 MiB, and a count with its time takes 45 bytes or more.
	MaxStored = 20000
	// MaxDuration bounds every duration of an object, so that sums with the clock cannot overflow.
	MaxDuration = 10 * 365 * 24 * time.Hour
	// MaxModels bounds the models of an object; upstream runs a Python program for each at every sync.
	MaxModels = 100
)

// validation collects mistakes, each with the path of the field.
type validation struct {
	prefix string
	errs   []error
}

func (v *validation) addf(path, format string, args ...any) {
	v.errs = append(v.errs, fmt.Errorf("%s%s: %s", v.prefix, path, fmt.Sprintf(format, args...)))
}

// Validate checks the object on top of its defaults: by the schema of upstream's CRD, by what its controller and statsmodels
// refuse at each sync, and by the limits of this package. It reports every mistake at once: each error names the field, the value
// found and the values allowed.
func (s Spec) Validate() error {
	d := s.WithDefaults()
	v := &validation{prefix: "predictive hpa spec."}
	if s.Name != "" {
		v.prefix = fmt.Sprintf("predictive hpa %q: spec.", s.Name)
	}
	if minR := *d.MinReplicas; minR < 0 {
		v.addf("minReplicas", "%d: must not be negative", minR)
	} else if d.MaxReplicas < max(minR, 1) {
		v.addf("maxReplicas", "%d: must be at least 1 and at least minReplicas, which is %d", d.MaxReplicas, minR)
	}
	v.duration("syncPeriod", d.SyncPeriod, time.Millisecond)
	switch d.DecisionType {
	case DecideMaximum, DecideMinimum, DecideMean, DecideMedian:
	default:
		v.addf("decisionType", "%q: must be one of %q, %q, %q, %q", d.DecisionType, DecideMaximum, DecideMinimum, DecideMean, DecideMedian)
	}
	v.models(d.Models)
	v.behavior(s.Behavior)
	return errors.Join(v.errs...)
}

func (v *validation) duration(path string, d, least time.Duration) {
	if d < least || d > MaxDuration {
		v.addf(path, "%v: must be %v..%v", d, least, MaxDuration)
	}
}

func (v *validation) models(models []ModelSpec) {
	if len(models) == 0 || len(models) > MaxModels {
		v.addf("models", "%d given: must be 1..%d; without a model use an HPA", len(models), MaxModels)
		return
	}
	first, stored := map[string]int{}, 0
	for i := range models {
		m, path := &models[i], fmt.Sprintf("models[%d]", i)
		if m.Name == "" {
			v.addf(path+".name", "must be given: histories are kept by it")
		} else if j, ok := first[m.Name]; ok {
			v.addf(path+".name", "%q: models[%d] has that name, and would share its history; give each model its own", m.Name, j)
		} else {
			first[m.Name] = i
		}
		if m.PerSyncPeriod < 1 {
			v.addf(path+".perSyncPeriod", "%d: must be at least 1", m.PerSyncPeriod)
		}
		v.duration(path+".startInterval", m.StartInterval, 0)
		v.duration(path+".resetDuration", m.ResetDuration, 0)
		if v.model(path, m) {
			stored += m.mostStored()
		}
	}
	if stored > MaxStored {
		v.addf("models", "they store up to %d counts together: must be at most %d, or they do not fit upstream's ConfigMap; "+
			"lower historySize, seasonalPeriods or storedSeasons", stored, MaxStored)
	}
}

// model checks what belongs to the type, and reports whether the size of the history is fit to be added up.
func (v *validation) model(path string, m *ModelSpec) bool {
	switch {
	case m.Type == LinearModel && m.Linear == nil, m.Type == HoltWintersModel && m.HoltWinters == nil:
		v.addf(path, "the settings of type %s are missing: give linear or holtWinters by the type", m.Type)
		return false
	case m.Type == LinearModel && m.HoltWinters != nil, m.Type == HoltWintersModel && m.Linear != nil:
		v.addf(path, "only the settings of type %s may be given", m.Type)
		return false
	case m.Type == LinearModel:
		v.duration(path+".linear.lookAhead", m.Linear.LookAhead, time.Millisecond)
		return v.count(path+".linear.historySize", m.Linear.HistorySize, 1)
	case m.Type == HoltWintersModel:
		return v.holtWinters(path+".holtWinters", m.HoltWinters)
	}
	v.addf(path+".type", "%q: must be %q or %q", m.Type, LinearModel, HoltWintersModel)
	return false
}

func (v *validation) count(path string, n, least int) bool {
	if n < least || n > MaxStored {
		v.addf(path, "%d: must be %d..%d", n, least, MaxStored)
		return false
	}
	return true
}

func (v *validation) holtWinters(path string, h *HoltWinters) bool {
	for _, c := range []struct {
		name  string
		value *float64
	}{{"alpha", h.Alpha}, {"beta", h.Beta}, {"gamma", h.Gamma}} {
		switch {
		case c.value == nil:
			v.addf(path+"."+c.name, "must be given, 0..1: runtimeTuningFetchHook, which would fetch it, is not supported")
		case !(*c.value >= 0 && *c.value <= 1):
			v.addf(path+"."+c.name, "%v: must be 0..1", *c.value)
		}
	}
	for _, m := range []struct {
		name  string
		value Method
	}{{"trend", h.Trend}, {"seasonal", h.Seasonal}} {
		if m.value != Add && m.value != Mul {
			v.addf(path+"."+m.name, "%q: must be one of %q, %q, %q, %q", m.value, Add, Additive, Mul, Multiplicative)
		}
	}
	if h.DampedTrend {
		v.addf(path+".dampedTrend", "true: must be false; upstream passes no damping coefficient, and every prediction fails")
	}
	v.initial(path, h)
	// statsmodels: "seasonal_periods must be larger than 1".
	sized := v.count(path+".seasonalPeriods", h.SeasonalPeriods, 2)
	sized = v.count(path+".storedSeasons", h.StoredSeasons, 1) && sized
	if !sized {
		return false
	}
	if most, need := h.SeasonalPeriods*(h.StoredSeasons+1), h.MinObservations(); most < need {
		v.addf(path+".storedSeasons", "%d: must be at least %d; with %d seasonalPeriods a prediction needs %d counts, and never are there more than %d",
			h.StoredSeasons, (need+h.SeasonalPeriods-1)/h.SeasonalPeriods-1, h.SeasonalPeriods, need, most)
	}
	return true
}

// initial checks the initial values: "known" needs all, and statsmodels refuses them with every other method.
func (v *validation) initial(path string, h *HoltWinters) {
	switch h.InitializationMethod {
	case Known, Estimated, Heuristic, LegacyHeuristic:
	default:
		v.addf(path+".initializationMethod", "%q: must be one of %q, %q, %q, %q", h.InitializationMethod, Estimated, Heuristic, LegacyHeuristic, Known)
		return
	}
	for _, i := range []struct {
		name  string
		value *float64
	}{{"initialLevel", h.InitialLevel}, {"initialTrend", h.InitialTrend}, {"initialSeasonal", h.InitialSeasonal}} {
		switch known := h.InitializationMethod == Known; {
		case known && i.value == nil:
			v.addf(path+"."+i.name, "must be given for initializationMethod %q", Known)
		case !known && i.value != nil:
			v.addf(path+"."+i.name, "%v: must not be given for initializationMethod %q; statsmodels refuses it", *i.value, h.InitializationMethod)
		case known && (math.IsNaN(*i.value) || math.IsInf(*i.value, 0)):
			v.addf(path+"."+i.name, "%v: must be a finite number", *i.value)
		}
	}
}

// behavior checks scaling rules as package hpa does.
func (v *validation) behavior(b *hpa.Behavior) {
	if b == nil {
		return
	}
	for _, r := range []struct {
		name  string
		rules *hpa.ScalingRules
	}{{"scaleUp", b.ScaleUp}, {"scaleDown", b.ScaleDown}} {
		if r.rules != nil && r.rules.Tolerance != nil {
			v.addf("behavior."+r.name+".tolerance", "%v: must not be given; tolerance belongs to the calculated count", *r.rules.Tolerance)
		}
	}
	// Nothing else is wrong with this object, and each error begins with "hpa spec.", as it has no name.
	err := hpa.Spec{MaxReplicas: 1, Behavior: withoutTolerance(b)}.Validate(hpa.DefaultConfig())
	if list, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range list.Unwrap() {
			v.errs = append(v.errs, errors.New(v.prefix+strings.TrimPrefix(e.Error(), "hpa spec.")))
		}
	}
}

func withoutTolerance(b *hpa.Behavior) *hpa.Behavior {
	strip := func(r *hpa.ScalingRules) *hpa.ScalingRules {
		if r == nil {
			return nil
		}
		out := *r
		out.Tolerance = nil
		return &out
	}
	return &hpa.Behavior{ScaleUp: strip(b.ScaleUp), ScaleDown: strip(b.ScaleDown)}
}
