package hpa

import "time"

// Spec is an HPA object. Pointers and empty strings mean "not given"; see WithDefaults for what then holds.
type Spec struct {
	Name        string // for messages
	MinReplicas *int32 // default 1; 0 needs Config.ScaleToZero and an object or external metric
	MaxReplicas int32  // required
	Metrics     []MetricSpec
	// Behavior nil is not the same as an empty one: without behavior from 3 replicas max(2*3, 4) = 6 are allowed,
	// with default policies max(3+4, 2*3) = 7.
	Behavior *Behavior
}

// MetricType says where a metric comes from.
type MetricType string

// The types of metrics.
const (
	ResourceMetric          MetricType = "Resource"          // a resource, over all containers of a pod
	ContainerResourceMetric MetricType = "ContainerResource" // a resource of one container
	PodsMetric              MetricType = "Pods"              // a value of each pod
	ObjectMetric            MetricType = "Object"            // one value of some object
	ExternalMetric          MetricType = "External"          // values from outside the cluster, summed
)

// MetricSpec is one metric of an HPA.
type MetricSpec struct {
	Type      MetricType
	Name      string   // of a pods, object or external metric
	Resource  Resource // of a resource or container resource metric
	Container string   // of a container resource metric
	Target    Target
}

// TargetType says what a metric is compared with.
type TargetType string

// The types of targets.
const (
	UtilizationTarget  TargetType = "Utilization"  // percent of the request; resource metrics
	AverageValueTarget TargetType = "AverageValue" // per pod; all metrics
	ValueTarget        TargetType = "Value"        // in total; object and external metrics
)

// Target is what a metric should be. Only the field of its type is set.
type Target struct {
	Type               TargetType
	AverageUtilization int32 // percent of the request
	AverageValueMillis int64
	ValueMillis        int64
}

// Behavior limits scaling in each direction. A direction that is nil has its defaults.
type Behavior struct {
	ScaleUp, ScaleDown *ScalingRules
}

// ScalingRules are the rules of one direction.
type ScalingRules struct {
	StabilizationWindowSeconds *int32       // 0..3600; default 0 up, Config.DownscaleStabilization down
	SelectPolicy               SelectPolicy // default MaxSelect
	Policies                   []Policy     // a given list replaces the default list as a whole
	Tolerance                  *float64     // fraction, at least 0; default Config.Tolerance
}

// SelectPolicy says which of several policies holds.
type SelectPolicy string

// The ways to select a policy.
const (
	MaxSelect      SelectPolicy = "Max" // the one that allows most change
	MinSelect      SelectPolicy = "Min" // the one that allows least
	DisabledSelect SelectPolicy = "Disabled"
)

// PolicyType says what a policy counts in.
type PolicyType string

// The types of policies.
const (
	PodsPolicy    PolicyType = "Pods"
	PercentPolicy PolicyType = "Percent" // of the replicas at the beginning of the period
)

// Policy allows a change of Value within PeriodSeconds.
type Policy struct {
	Type          PolicyType
	Value         int32 // at least 1
	PeriodSeconds int32 // 1..1800
}

// WithDefaults returns the object as the API server stores it: minReplicas 1, CPU at 80 % of the request if there are
// no metrics, and, if there is a behavior, its missing parts: up at once by 4 pods or 100 % each 15 s, whichever is
// more; down by 100 % each 15 s. The scale-down window stays unset, because the controller's flag fills it.
func (s Spec) WithDefaults() Spec {
	if s.MinReplicas == nil {
		s.MinReplicas = ptr(int32(1))
	}
	if len(s.Metrics) == 0 {
		s.Metrics = []MetricSpec{{
			Type: ResourceMetric, Resource: CPU, Target: Target{Type: UtilizationTarget, AverageUtilization: 80},
		}}
	}
	if s.Behavior != nil {
		up := ScalingRules{
			StabilizationWindowSeconds: ptr(int32(0)), SelectPolicy: MaxSelect,
			Policies: []Policy{{PodsPolicy, 4, 15}, {PercentPolicy, 100, 15}},
		}
		down := ScalingRules{SelectPolicy: MaxSelect, Policies: []Policy{{PercentPolicy, 100, 15}}}
		s.Behavior = &Behavior{
			ScaleUp: up.overriddenBy(s.Behavior.ScaleUp), ScaleDown: down.overriddenBy(s.Behavior.ScaleDown),
		}
	}
	return s
}

func (r ScalingRules) overriddenBy(given *ScalingRules) *ScalingRules {
	if given == nil {
		return &r
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
	if given.Tolerance != nil {
		r.Tolerance = given.Tolerance
	}
	return &r
}

func ptr[T any](v T) *T { return &v }

// behavior is a Behavior resolved against a Config.
type behavior struct{ up, down rules }

// resolve turns defaulted rules into durations; window fills an unset one, in whole seconds (upstream
// maybeInitScaleDownStabilizationWindow).
func (r *ScalingRules) resolve(window time.Duration) rules {
	window = window.Truncate(time.Second)
	if r.StabilizationWindowSeconds != nil {
		window = time.Duration(*r.StabilizationWindowSeconds) * time.Second
	}
	out := rules{window: window, selection: r.SelectPolicy}
	for _, p := range r.Policies {
		period := time.Duration(p.PeriodSeconds) * time.Second
		out.policies = append(out.policies, policy{p.Type, p.Value, period})
		out.longest = max(out.longest, period)
	}
	return out
}

// tolerance returns the tolerance that holds for an HPA with this behavior.
func (b *Behavior) tolerance(c *Config) Tolerance {
	t := c.Tolerance
	if b == nil || !c.PerHPATolerance {
		return t
	}
	if b.ScaleUp != nil && b.ScaleUp.Tolerance != nil {
		t.Up = *b.ScaleUp.Tolerance
	}
	if b.ScaleDown != nil && b.ScaleDown.Tolerance != nil {
		t.Down = *b.ScaleDown.Tolerance
	}
	return t
}
