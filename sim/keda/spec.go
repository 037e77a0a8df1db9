package keda

import (
	"slices"

	"github.com/grlscaler/grlscaler/sim/hpa"
)

// Spec is a ScaledObject. Pointers and empty strings mean "not given"; see WithDefaults for what then holds. Fields bear the
// names of the API, except that metadata of triggers has types.
type Spec struct {
	Name                         string // of the ScaledObject, for messages and the HPA's name
	Annotations                  Annotations
	PollingIntervalSeconds       *int32 // at least 1; default 30. The decision does not depend on it: whoever polls keeps to it
	CooldownPeriodSeconds        *int32 // from the last active poll to the step to 0; default 300
	InitialCooldownPeriodSeconds *int32 // from creation to the step to 0 of an object that was never active; default 0
	// IdleReplicaCount is the replicas while nothing is active, below MinReplicaCount; default: none. KEDA's documentation
	// supports 0 alone: from any other count the HPA goes back to the minimum at its next sync.
	IdleReplicaCount *int32
	MinReplicaCount  *int32 // default 0
	MaxReplicaCount  *int32 // default 100
	Fallback         *Fallback
	HPAName          string            // advanced.horizontalPodAutoscalerConfig.name; default keda-hpa-<name>
	Behavior         *hpa.Behavior     // advanced.horizontalPodAutoscalerConfig.behavior
	Modifiers        *ScalingModifiers // advanced.scalingModifiers
	Triggers         []Trigger
}

// Fallback says what an external trigger reports that failed more than FailureThreshold times in a row.
type Fallback struct {
	FailureThreshold int32
	Replicas         int32
	Behavior         FallbackBehavior // default FallbackStatic
}

// FallbackBehavior says which replicas a fallback leads to.
type FallbackBehavior string

// The behaviours of a fallback.
const (
	FallbackStatic                  FallbackBehavior = "static"                  // Replicas
	FallbackCurrentReplicas         FallbackBehavior = "currentReplicas"         // the workload's present replicas
	FallbackCurrentReplicasIfHigher FallbackBehavior = "currentReplicasIfHigher" // the higher of the two
	FallbackCurrentReplicasIfLower  FallbackBehavior = "currentReplicasIfLower"  // the lower of the two
	FallbackScalingModifiers        FallbackBehavior = "scalingModifiers"        // what the formula makes of a trigger that is nil
)

// TriggerType says what a trigger asks.
type TriggerType string

// The types of triggers.
const (
	CPUTrigger        TriggerType = "cpu"
	MemoryTrigger     TriggerType = "memory"
	PrometheusTrigger TriggerType = "prometheus"
	CronTrigger       TriggerType = "cron"
)

// Trigger is one trigger of a ScaledObject. Of Resource, Prometheus and Cron only that of its type is set.
type Trigger struct {
	Type TriggerType
	Name string // unique where given
	// MetricType is AverageValue (the default) or Value for prometheus and cron; cpu and memory must say Utilization or
	// AverageValue.
	MetricType hpa.TargetType
	// UseCachedMetrics lets the HPA see what the last poll found instead of asking the source anew. Prometheus only.
	UseCachedMetrics bool
	Resource         Resource
	Prometheus       Prometheus
	Cron             Cron
}

// Resource is the metadata of a cpu or memory trigger.
type Resource struct {
	Utilization        int32  // percent of the request, for MetricType Utilization
	AverageValueMillis int64  // per pod, in millicores or thousandths of a byte, for MetricType AverageValue
	ContainerName      string // one container alone; default: the whole pod
}

// Prometheus is the metadata of a prometheus trigger.
type Prometheus struct {
	Query               string
	Threshold           float64 // the HPA's target, in steps of a thousandth
	ActivationThreshold float64 // active while the value is above it; default 0
	IgnoreNullValues    *bool   // take "no value" for 0 instead of a failure; default true
}

// Cron is the metadata of a cron trigger: active from each time at which Start fires until End fires next.
type Cron struct {
	Timezone        string // of the time zone database, such as "Europe/Berlin"
	Start, End      string // cron expressions of five fields
	DesiredReplicas int32
}

// External reports whether the HPA reads the trigger through KEDA, as an external metric, instead of from the cluster.
func (t *Trigger) External() bool { return t.Type != CPUTrigger && t.Type != MemoryTrigger }

// Defaults of a ScaledObject (documentation, "ScaledObject specification").
const (
	DefaultPollingIntervalSeconds       = 30
	DefaultCooldownPeriodSeconds        = 300
	DefaultInitialCooldownPeriodSeconds = 0
	DefaultMinReplicaCount              = 0
	DefaultMaxReplicaCount              = 100
)

// WithDefaults returns the object with everything filled in that was not given and has a default. The given object is left as
// it is.
func (s Spec) WithDefaults() Spec {
	fill := func(p **int32, v int32) {
		if *p == nil {
			*p = &v
		}
	}
	fill(&s.PollingIntervalSeconds, DefaultPollingIntervalSeconds)
	fill(&s.CooldownPeriodSeconds, DefaultCooldownPeriodSeconds)
	fill(&s.InitialCooldownPeriodSeconds, DefaultInitialCooldownPeriodSeconds)
	fill(&s.MinReplicaCount, DefaultMinReplicaCount)
	fill(&s.MaxReplicaCount, DefaultMaxReplicaCount)
	if s.HPAName == "" {
		s.HPAName = "keda-hpa-" + s.Name
	}
	if s.Fallback != nil && s.Fallback.Behavior == "" {
		f := *s.Fallback
		f.Behavior = FallbackStatic
		s.Fallback = &f
	}
	if s.Modifiers != nil && s.Modifiers.MetricType == "" {
		m := *s.Modifiers
		m.MetricType = hpa.AverageValueTarget
		s.Modifiers = &m
	}
	s.Triggers = slices.Clone(s.Triggers)
	for i := range s.Triggers {
		t := &s.Triggers[i]
		if t.MetricType == "" && (t.Type == PrometheusTrigger || t.Type == CronTrigger) {
			t.MetricType = hpa.AverageValueTarget
		}
		if t.Type == PrometheusTrigger && t.Prometheus.IgnoreNullValues == nil {
			yes := true
			t.Prometheus.IgnoreNullValues = &yes
		}
	}
	return s
}
