package manifest

import (
	"regexp"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/grlscaler/grlscaler/sim/hpa"
	"github.com/grlscaler/grlscaler/sim/predictive"
)

// PHPA is a PredictiveHorizontalPodAutoscaler (jthomperoo/predictive-horizontal-pod-autoscaler 0.13).
type PHPA struct {
	Object
	Target Target
	// Metrics are those that the count is calculated from, CPU at 80 % of the request where there are none; Sources are as an HPA's.
	Metrics []hpa.MetricSpec
	Sources []MetricSource
	// Rules are the models and what is made of their predictions, Config by what the count is calculated: both valid.
	Rules  predictive.Spec
	Config hpa.Config
}

// predictiveAutoscaler has the fields of the custom resource (api/v1alpha1/predictivehorizontalpodautoscaler_types.go, v0.13.2).
type predictiveAutoscaler struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`
	Spec              struct {
		ScaleTargetRef          autoscalingv2.CrossVersionObjectReference      `json:"scaleTargetRef"`
		MinReplicas             *int32                                         `json:"minReplicas,omitempty"`
		MaxReplicas             int32                                          `json:"maxReplicas"`
		Metrics                 []autoscalingv2.MetricSpec                     `json:"metrics,omitempty"`
		Behavior                *autoscalingv2.HorizontalPodAutoscalerBehavior `json:"behavior,omitempty"`
		CPUInitializationPeriod *int                                           `json:"cpuInitializationPeriod,omitempty"`
		InitialReadinessDelay   *int                                           `json:"initialReadinessDelay,omitempty"`
		Tolerance               *float64                                       `json:"tolerance,omitempty"`
		SyncPeriod              *int                                           `json:"syncPeriod,omitempty"`
		Models                  []predictiveModel                              `json:"models"`
		DecisionType            *string                                        `json:"decisionType,omitempty"`
	} `json:"spec"`
}

type predictiveModel struct {
	Type               string           `json:"type"`
	Name               string           `json:"name"`
	StartInterval      *metav1.Duration `json:"startInterval,omitempty"`
	ResetDuration      *metav1.Duration `json:"resetDuration,omitempty"`
	CalculationTimeout *int             `json:"calculationTimeout,omitempty"`
	PerSyncPeriod      *int             `json:"perSyncPeriod,omitempty"`
	Linear             *struct {
		HistorySize int `json:"historySize"`
		LookAhead   int `json:"lookAhead"`
	} `json:"linear,omitempty"`
	HoltWinters *predictiveSeasons `json:"holtWinters,omitempty"`
}

type predictiveSeasons struct {
	Alpha                  *float64 `json:"alpha,omitempty"`
	Beta                   *float64 `json:"beta,omitempty"`
	Gamma                  *float64 `json:"gamma,omitempty"`
	Trend                  string   `json:"trend"`
	Seasonal               string   `json:"seasonal"`
	SeasonalPeriods        int      `json:"seasonalPeriods"`
	StoredSeasons          int      `json:"storedSeasons"`
	DampedTrend            *bool    `json:"dampedTrend,omitempty"`
	InitializationMethod   *string  `json:"initializationMethod,omitempty"`
	InitialLevel           *float64 `json:"initialLevel,omitempty"`
	InitialTrend           *float64 `json:"initialTrend,omitempty"`
	InitialSeasonal        *float64 `json:"initialSeasonal,omitempty"`
	RuntimeTuningFetchHook *struct {
		Type    string `json:"type"`
		Timeout int    `json:"timeout"`
		HTTP    *struct {
			Method        string            `json:"method"`
			URL           string            `json:"url"`
			Headers       map[string]string `json:"headers,omitempty"`
			SuccessCodes  []int             `json:"successCodes"`
			ParameterMode string            `json:"parameterMode"`
		} `json:"http,omitempty"`
	} `json:"runtimeTuningFetchHook,omitempty"`
}

// syncs is how often simulated objects can sync.
const syncs = 15 * time.Second

// readPHPA reads the object and checks it as its schema, its controller and package predictive do.
func (o *object) readPHPA() {
	in, ok := decode[predictiveAutoscaler](o)
	if !ok {
		return
	}
	o.metadata(&in.ObjectMeta)
	at, spec := path{"spec"}, &in.Spec
	out := PHPA{Target: Target(spec.ScaleTargetRef), Config: predictive.HPAConfig()}
	o.group(at.at("scaleTargetRef"), o.target(at.at("scaleTargetRef"), out.Target))
	for i := range spec.Metrics {
		m, source := o.metric(at.at("metrics", i), &spec.Metrics[i])
		out.Metrics, out.Sources = append(out.Metrics, m), append(out.Sources, source)
	}
	out.Rules = predictive.Spec{MinReplicas: spec.MinReplicas, MaxReplicas: spec.MaxReplicas, Behavior: o.behavior(at.at("behavior"), spec.Behavior)}
	o.phpaConfig(at, spec.CPUInitializationPeriod, spec.InitialReadinessDelay, spec.Tolerance, &out.Config)
	if d, ok := o.span(at.at("syncPeriod"), spec.SyncPeriod, time.Millisecond, 1); ok {
		out.Rules.SyncPeriod = d
		out.Config.SyncPeriod = max((d+syncs-1)/syncs*syncs, syncs)
		if d != out.Config.SyncPeriod {
			o.warnf(at.at("syncPeriod"), "%d: a simulation syncs at multiples of %v, here every %v, and the counts that models store are as far apart", *spec.SyncPeriod, syncs, out.Config.SyncPeriod)
		}
	}
	out.Rules.DecisionType = predictive.DecisionType(o.word(at.at("decisionType"), spec.DecisionType))
	for i := range spec.Models {
		out.Rules.Models = append(out.Rules.Models, o.phpaModel(at.at("models", i), &spec.Models[i]))
	}
	o.validatePHPA(&out)
	if o.badness == 0 {
		out.Object, out.Rules.Name = o.meta, o.meta.Name
		o.r.set.PHPAs = append(o.r.set.PHPAs, out)
	}
}

// metrics are the object's, or the default one.
func (p *PHPA) metrics() []hpa.MetricSpec {
	return hpa.Spec{MaxReplicas: 1, Metrics: p.Metrics}.WithDefaults().Metrics
}

// phpaConfig takes over what an HPA has as flags of the controller manager.
func (o *object) phpaConfig(p path, initialization, readiness *int, tolerance *float64, cfg *hpa.Config) {
	cfg.ScaleToZero = true
	if d, ok := o.span(p.at("cpuInitializationPeriod"), initialization, time.Second, 0); ok {
		cfg.CPUInitializationPeriod = d
	}
	if d, ok := o.span(p.at("initialReadinessDelay"), readiness, time.Second, 0); ok {
		cfg.InitialReadinessDelay = d
	}
	if tolerance == nil {
		return
	}
	cfg.Tolerance.Up, cfg.Tolerance.Down = *tolerance, *tolerance
	if cfg.Validate() != nil { // nothing else can be wrong with it
		o.errorf(p.at("tolerance"), "%v: must be a share of at least 0, such as 0.1", *tolerance)
	}
}

func (o *object) phpaModel(p path, in *predictiveModel) predictive.ModelSpec {
	out := predictive.ModelSpec{Type: predictive.ModelType(in.Type), Name: in.Name}
	if n := in.PerSyncPeriod; n != nil {
		if out.PerSyncPeriod = *n; *n < 1 {
			o.errorf(p.at("perSyncPeriod"), "%d: must be at least 1", *n)
		}
	}
	if in.StartInterval != nil {
		out.StartInterval = in.StartInterval.Duration
	}
	if in.ResetDuration != nil {
		out.ResetDuration = in.ResetDuration.Duration
	}
	if in.CalculationTimeout != nil {
		o.warnf(p.at("calculationTimeout"), "calculations take no time in a simulation")
	}
	if l := in.Linear; l != nil {
		ahead, _ := o.span(p.at("linear", "lookAhead"), &l.LookAhead, time.Second, 1)
		out.Linear = &predictive.Linear{LookAhead: max(ahead, time.Second), HistorySize: l.HistorySize}
	}
	if h := in.HoltWinters; h != nil {
		at := p.at("holtWinters")
		out.HoltWinters = &predictive.HoltWinters{
			Alpha: h.Alpha, Beta: h.Beta, Gamma: h.Gamma, Trend: predictive.Method(h.Trend), Seasonal: predictive.Method(h.Seasonal),
			SeasonalPeriods: h.SeasonalPeriods, StoredSeasons: h.StoredSeasons, DampedTrend: h.DampedTrend != nil && *h.DampedTrend,
			InitializationMethod: predictive.Initialization(o.word(at.at("initializationMethod"), h.InitializationMethod)),
			InitialLevel:         h.InitialLevel, InitialTrend: h.InitialTrend, InitialSeasonal: h.InitialSeasonal,
		}
		if h.RuntimeTuningFetchHook != nil && h.Alpha != nil && h.Beta != nil && h.Gamma != nil { // else it is missed
			o.warnf(at.at("runtimeTuningFetchHook"), "is not asked in a simulation: alpha, beta and gamma hold as they are given")
		}
	}
	return out
}

// word is a text that may be left out, but not be empty.
func (o *object) word(p path, given *string) string {
	if given == nil {
		return ""
	}
	if *given == "" {
		o.errorf(p, `"": must not be empty: leave it out for the default`)
	}
	return *given
}

// span converts a number of units that must be at least low.
func (o *object) span(p path, n *int, unit time.Duration, low int) (time.Duration, bool) {
	if n == nil {
		return 0, false
	}
	if most := int(predictive.MaxDuration / unit); *n < low || *n > most {
		o.errorf(p, "%d: must be from %d to %d", *n, low, most)
		return 0, false
	}
	return time.Duration(*n) * unit, true
}

var predictivePath = regexp.MustCompile(`^predictive hpa spec\.([^:]+): (.*)$`)

// validatePHPA reports what the packages that run the object find wrong with it.
func (o *object) validatePHPA(p *PHPA) {
	before := o.badness
	for _, err := range joined(p.Rules.Validate()) {
		m := predictivePath.FindStringSubmatch(err.Error())
		if m == nil {
			o.errorf(nil, "%v", err)
			continue
		}
		at := path{"spec"}.at(parsePath(m[1])...)
		if m[1] == "maxReplicas" && !o.given(at) {
			o.errorf(at, "missing: a predictive HPA needs it")
			continue
		}
		o.errorf(at, "%s", m[2])
	}
	if o.badness > before {
		return
	}
	spec := hpa.Spec{MinReplicas: p.Rules.MinReplicas, MaxReplicas: p.Rules.MaxReplicas, Metrics: p.Metrics}
	for _, err := range joined(spec.Validate(p.Config)) {
		m := specPath.FindStringSubmatch(err.Error())
		switch {
		case before > 0: // said already, with the names of the manifest
		case m == nil:
			o.errorf(nil, "%v", err)
		default:
			o.errorf(path{"spec"}.at(parsePath(m[1])...), "%s", m[2])
		}
	}
}
