package keda

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/grlscaler/grlscaler/sim/hpa"
)

func TestWithDefaults(t *testing.T) {
	given := Spec{
		Name: "web", Fallback: &Fallback{FailureThreshold: 2, Replicas: 3},
		Triggers: []Trigger{prometheus(10), {Type: CronTrigger}, {Type: CPUTrigger}},
	}
	want := Spec{
		Name: "web", PollingIntervalSeconds: ptr(int32(30)), CooldownPeriodSeconds: ptr(int32(300)), InitialCooldownPeriodSeconds: ptr(int32(0)),
		MinReplicaCount: ptr(int32(0)), MaxReplicaCount: ptr(int32(100)), HPAName: "keda-hpa-web",
		Fallback: &Fallback{FailureThreshold: 2, Replicas: 3, Behavior: FallbackStatic},
		Triggers: []Trigger{
			{Type: PrometheusTrigger, MetricType: hpa.AverageValueTarget, Prometheus: Prometheus{
				Query: given.Triggers[0].Prometheus.Query, Threshold: 10, IgnoreNullValues: ptr(true),
			}},
			{Type: CronTrigger, MetricType: hpa.AverageValueTarget},
			{Type: CPUTrigger},
		},
	}
	before := given.Triggers[0]
	got := given.WithDefaults()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, got.WithDefaults()); diff != "" {
		t.Errorf("twice (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(before, given.Triggers[0]); diff != "" || given.Fallback.Behavior != "" {
		t.Errorf("the given object was changed (-before +after):\n%s", diff)
	}
	kept := Spec{
		PollingIntervalSeconds: ptr(int32(5)), CooldownPeriodSeconds: ptr(int32(0)), InitialCooldownPeriodSeconds: ptr(int32(9)), MinReplicaCount: ptr(int32(2)),
		MaxReplicaCount: ptr(int32(4)), IdleReplicaCount: ptr(int32(0)), HPAName: "mine", Fallback: &Fallback{Behavior: FallbackCurrentReplicas},
		Triggers: []Trigger{{Type: PrometheusTrigger, MetricType: hpa.ValueTarget, Prometheus: Prometheus{IgnoreNullValues: ptr(false)}}},
	}
	if diff := cmp.Diff(kept, kept.WithDefaults()); diff != "" {
		t.Errorf("what was given was changed (-given +got):\n%s", diff)
	}
}

func TestValidate(t *testing.T) {
	cpu := Trigger{Type: CPUTrigger, MetricType: hpa.UtilizationTarget, Resource: Resource{Utilization: 60}}
	memory := Trigger{Type: MemoryTrigger, MetricType: hpa.AverageValueTarget, Resource: Resource{AverageValueMillis: 1 << 30}}
	cron := Trigger{Type: CronTrigger, Cron: Cron{"Europe/Berlin", "0 8 * * 1-5", "0 18 * * 1-5", 4}}
	with := func(t Trigger, edit func(*Trigger)) Spec {
		edit(&t)
		return Spec{Name: "web", MinReplicaCount: ptr(int32(1)), Triggers: []Trigger{t}}
	}
	const at = `scaled object "web": spec.triggers[0].`
	for _, c := range []struct {
		name string
		spec Spec
		want string
	}{
		{"everything", Spec{
			Name: "web", PollingIntervalSeconds: ptr(int32(5)), IdleReplicaCount: ptr(int32(0)), MinReplicaCount: ptr(int32(1)), MaxReplicaCount: ptr(int32(1)),
			Fallback: &Fallback{1, 2, FallbackCurrentReplicasIfLower}, Behavior: &hpa.Behavior{}, Triggers: []Trigger{cpu, memory, prometheus(0.001), cron},
		}, ""},
		{"nothing", Spec{}, "scaled object spec.triggers: there must be at least one"},
		{"another type", with(Trigger{Type: "kafka"}, func(*Trigger) {}),
			at + `type: "kafka": is not simulated: must be one of "cpu", "memory", "prometheus", "cron"; say what it measures as a "prometheus" trigger`},
		{"several mistakes", Spec{
			Name: "web", PollingIntervalSeconds: ptr(int32(0)), CooldownPeriodSeconds: ptr(int32(-1)), InitialCooldownPeriodSeconds: ptr(int32(-2)),
			MinReplicaCount: ptr(int32(-1)), MaxReplicaCount: ptr(int32(0)), Annotations: Annotations{PausedReplicas: ptr(int32(-4))},
			Fallback: &Fallback{-1, -2, "sometimes"}, Triggers: []Trigger{prometheus(1)},
		}, `scaled object "web": spec.pollingInterval: 0: must be at least 1 second (default 30)
scaled object "web": spec.cooldownPeriod: -1: must not be negative (default 300)
scaled object "web": spec.initialCooldownPeriod: -2: must not be negative (default 0)
scaled object "web": spec.minReplicaCount: -1: must not be negative
scaled object "web": spec.maxReplicaCount: 0: must be at least 1, where minReplicaCount is -1
scaled object "web": metadata.annotations[autoscaling.keda.sh/paused-replicas]: -4: must be at least 0
scaled object "web": spec.fallback.failureThreshold: -1: must not be negative
scaled object "web": spec.fallback.replicas: -2: must not be negative
scaled object "web": spec.fallback.behavior: "sometimes": must be one of "static" (the default), "currentReplicas", "currentReplicasIfHigher", "currentReplicasIfLower", "scalingModifiers"`},
		{"maximum below the minimum", Spec{Name: "web", MinReplicaCount: ptr(int32(5)), MaxReplicaCount: ptr(int32(4)), Triggers: []Trigger{cron}},
			`scaled object "web": spec.maxReplicaCount: 4: must be at least 5, where minReplicaCount is 5`},
		{"idle count at the minimum", Spec{Name: "web", IdleReplicaCount: ptr(int32(0)), Triggers: []Trigger{cron}},
			`scaled object "web": spec.idleReplicaCount: 0: must be at least 0 and below minReplicaCount, which is 0; left out, minReplicaCount 0 goes to 0 by itself`},
		{"negative idle count", Spec{Name: "web", MinReplicaCount: ptr(int32(1)), IdleReplicaCount: ptr(int32(-1)), Triggers: []Trigger{cron}},
			`scaled object "web": spec.idleReplicaCount: -1: must be at least 0 and below minReplicaCount, which is 1; left out, minReplicaCount 0 goes to 0 by itself`},
		{"cpu alone down to zero", Spec{Name: "web", Triggers: []Trigger{cpu, memory}},
			`scaled object "web": spec.minReplicaCount: 0: must be at least 1 where all triggers are of type "cpu" or "memory", which are always active; or add a trigger of another type`},
		{"a fallback for cpu", Spec{Name: "web", MinReplicaCount: ptr(int32(1)), Fallback: &Fallback{}, Triggers: []Trigger{cpu}},
			`scaled object "web": spec.fallback: needs at least one trigger that is neither "cpu" nor "memory": those have no fallback`},
		{"names", Spec{Name: "web", Triggers: []Trigger{{Type: CronTrigger, Name: "a", Cron: cron.Cron}, {Type: CronTrigger, Name: "a", Cron: cron.Cron}, cron, cron}},
			`scaled object "web": spec.triggers[1].name: "a": triggers[0] has this name already; each must have its own`},
		{"behaviour", Spec{Name: "web", Behavior: &hpa.Behavior{ScaleUp: &hpa.ScalingRules{SelectPolicy: "Most"}, ScaleDown: &hpa.ScalingRules{StabilizationWindowSeconds: ptr(int32(4000))}},
			Triggers: []Trigger{cron}},
			`scaled object "web": spec.advanced.horizontalPodAutoscalerConfig: hpa spec.behavior.scaleUp.selectPolicy: "Most": must be one of "Max", "Min", "Disabled"
scaled object "web": spec.advanced.horizontalPodAutoscalerConfig: hpa spec.behavior.scaleDown.stabilizationWindowSeconds: 4000: must be 0..3600`},
		{"cpu without metric type", with(cpu, func(t *Trigger) { t.MetricType = "" }), at + `metricType: "": must be "Utilization" or "AverageValue" for a trigger of type "cpu"`},
		{"cpu as Value", with(cpu, func(t *Trigger) { t.MetricType = hpa.ValueTarget }), at + `metricType: "Value": must be "Utilization" or "AverageValue" for a trigger of type "cpu"`},
		{"cpu without value", with(cpu, func(t *Trigger) { t.Resource.Utilization = 0 }), at + `metadata.value: 0: must be at least 1 percent of the request`},
		{"cpu with both values", with(cpu, func(t *Trigger) { t.Resource.AverageValueMillis = 5 }), at + `metadata.value: 5 thousandths: must not be set for metricType "Utilization"`},
		{"memory without value", with(memory, func(t *Trigger) { t.Resource = Resource{} }), at + `metadata.value: 0 thousandths: must be at least 1`},
		{"memory with both values", with(memory, func(t *Trigger) { t.Resource.Utilization = 5 }), at + `metadata.value: 5 percent: must not be set for metricType "AverageValue"`},
		{"cached cpu", with(cpu, func(t *Trigger) { t.UseCachedMetrics = true }), at + `useCachedMetrics: true: must not be set for a trigger of type "cpu"`},
		{"cached cron", with(cron, func(t *Trigger) { t.UseCachedMetrics = true }), at + `useCachedMetrics: true: must not be set for a trigger of type "cron"`},
		{"fields of others", with(prometheus(1), func(t *Trigger) { t.Resource.ContainerName, t.Cron.Start = "server", "x" }),
			at + `metadata: has fields of a cpu or memory trigger, but the type is "prometheus"
` + at + `metadata: has fields of a cron trigger, but the type is "prometheus"`},
		{"fields of prometheus", with(cpu, func(t *Trigger) { t.Prometheus.Query = "up" }), at + `metadata: has fields of a prometheus trigger, but the type is "cpu"`},
		{"prometheus as Utilization", with(prometheus(1), func(t *Trigger) { t.MetricType = hpa.UtilizationTarget }),
			at + `metricType: "Utilization": must be "AverageValue" (the default) or "Value" for a trigger of type "prometheus"`},
		{"no query", with(prometheus(1), func(t *Trigger) { t.Prometheus.Query = "" }), at + `metadata.query: there must be one, such as sum(rate(http_requests_total[2m]))`},
		{"no threshold", with(prometheus(0), func(*Trigger) {}), at + `metadata.threshold: 0: must be a finite number of at least 0.001`},
		{"threshold below a thousandth", with(prometheus(0.0004), func(*Trigger) {}), at + `metadata.threshold: 0.0004: must be a finite number of at least 0.001`},
		{"NaN", with(prometheus(math.NaN()), func(t *Trigger) { t.Prometheus.ActivationThreshold = math.Inf(1) }),
			at + `metadata.threshold: NaN: must be a finite number of at least 0.001
` + at + `metadata.activationThreshold: +Inf: must be a finite number`},
		{"cron", with(Trigger{Type: CronTrigger}, func(t *Trigger) { t.Cron = Cron{"Local", "@daily", "0 8 * * 8", 0} }),
			at + `metadata.timezone: "Local": must be a name of the time zone database, such as "Europe/Berlin" or "Etc/UTC"
` + at + `metadata.start: "@daily": must be a cron expression of five fields, minute, hour, day of month, month and day of week, such as "0 8 * * 1-5" (parser does not accept descriptors: @daily)
` + at + `metadata.end: "0 8 * * 8": must be a cron expression of five fields, minute, hour, day of month, month and day of week, such as "0 8 * * 1-5" (end of range (8) above maximum (6): 8)
` + at + `metadata.desiredReplicas: 0: must be at least 1`},
		{"start is end", with(cron, func(t *Trigger) { t.Cron.End = t.Cron.Start }), at + `metadata.end: "0 8 * * 1-5": must differ from start`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := ""
			if err := c.spec.Validate(); err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
			_, hpaErr := c.spec.HPA()
			_, newErr := New(c.spec, epoch)
			if (hpaErr == nil) != (c.want == "") || (newErr == nil) != (c.want == "") {
				t.Errorf("HPA: %v; New: %v", hpaErr, newErr)
			}
		})
	}
}

// TestHPA: the HPA that KEDA makes (upstream newHPAForScaledObject).
func TestHPA(t *testing.T) {
	cpu := Trigger{Type: CPUTrigger, MetricType: hpa.UtilizationTarget, Resource: Resource{Utilization: 60}}
	utilization := hpa.Target{Type: hpa.UtilizationTarget, AverageUtilization: 60}
	given := &hpa.Behavior{ScaleDown: &hpa.ScalingRules{StabilizationWindowSeconds: ptr(int32(60)), SelectPolicy: hpa.MinSelect}}
	rate := prometheus(10)
	external := func(name string, target hpa.Target) hpa.MetricSpec {
		return hpa.MetricSpec{Type: hpa.ExternalMetric, Name: name, Target: target}
	}
	perPod := func(millis int64) hpa.Target {
		return hpa.Target{Type: hpa.AverageValueTarget, AverageValueMillis: millis}
	}
	for _, c := range []struct {
		name     string
		spec     Spec
		want     hpa.Spec
		triggers []int
	}{
		{"defaults", Spec{Name: "web", Triggers: []Trigger{rate}},
			hpa.Spec{Name: "keda-hpa-web", MinReplicas: ptr(int32(1)), MaxReplicas: 100, Metrics: []hpa.MetricSpec{external("s0-prometheus", perPod(10_000))}}, []int{0}},
		{"a minimum and a name", Spec{Name: "web", HPAName: "mine", MinReplicaCount: ptr(int32(3)), MaxReplicaCount: ptr(int32(9)), Triggers: []Trigger{rate}},
			hpa.Spec{Name: "mine", MinReplicas: ptr(int32(3)), MaxReplicas: 9, Metrics: []hpa.MetricSpec{external("s0-prometheus", perPod(10_000))}}, []int{0}},
		{"metrics are sorted by type", Spec{Name: "web", Triggers: []Trigger{
			cpu,
			{Type: PrometheusTrigger, MetricType: hpa.ValueTarget, Prometheus: Prometheus{Query: "q", Threshold: 0.5}},
			{Type: MemoryTrigger, MetricType: hpa.AverageValueTarget, Resource: Resource{AverageValueMillis: 7000, ContainerName: "server"}},
			{Type: CronTrigger, Cron: Cron{"America/New_York", "0 */2 * * ?", "15,45 8 * * MON-FRI", 6}},
		}}, hpa.Spec{Name: "keda-hpa-web", MinReplicas: ptr(int32(1)), MaxReplicas: 100, Metrics: []hpa.MetricSpec{
			{Type: hpa.ContainerResourceMetric, Resource: hpa.Memory, Container: "server", Target: perPod(7000)},
			external("s1-prometheus", hpa.Target{Type: hpa.ValueTarget, ValueMillis: 500}),
			external("s3-cron-America-New_York-0xSl2xxQm-15,458xxMON-FRI", perPod(1000)),
			{Type: hpa.ResourceMetric, Resource: hpa.CPU, Target: utilization},
		}}, []int{2, 1, 3, 0}},
		{"behaviour is handed on", Spec{Name: "web", Behavior: given, Triggers: []Trigger{rate}}, hpa.Spec{
			Name: "keda-hpa-web", MinReplicas: ptr(int32(1)), MaxReplicas: 100, Behavior: given, Metrics: []hpa.MetricSpec{external("s0-prometheus", perPod(10_000))},
		}, []int{0}},
		{"scale-in paused", Spec{Name: "web", Annotations: Annotations{PausedScaleIn: true}, Behavior: given, Triggers: []Trigger{rate}}, hpa.Spec{
			Name: "keda-hpa-web", MinReplicas: ptr(int32(1)), MaxReplicas: 100, Metrics: []hpa.MetricSpec{external("s0-prometheus", perPod(10_000))},
			Behavior: &hpa.Behavior{ScaleDown: &hpa.ScalingRules{StabilizationWindowSeconds: ptr(int32(60)), SelectPolicy: hpa.DisabledSelect}},
		}, []int{0}},
		{"scale-out paused without a behaviour", Spec{Name: "web", Annotations: Annotations{PausedScaleOut: true}, Triggers: []Trigger{rate}}, hpa.Spec{
			Name: "keda-hpa-web", MinReplicas: ptr(int32(1)), MaxReplicas: 100, Metrics: []hpa.MetricSpec{external("s0-prometheus", perPod(10_000))},
			Behavior: &hpa.Behavior{ScaleUp: &hpa.ScalingRules{SelectPolicy: hpa.DisabledSelect}},
		}, []int{0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := c.spec.HPA()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.triggers, c.spec.HPATriggers()); diff != "" {
				t.Errorf("triggers (-want +got):\n%s", diff)
			}
		})
	}
	if given.ScaleDown.SelectPolicy != hpa.MinSelect {
		t.Error("the given behaviour was changed")
	}
}

func TestToMillis(t *testing.T) {
	for _, c := range []struct {
		value float64
		want  int64
	}{
		{0, 0}, {0.0004, 0}, {0.0006, 1}, {-0.0006, -1}, {0.29, 290}, {100.5, 100_500},
		{math.MaxFloat64, math.MaxInt64}, {-math.MaxFloat64, math.MinInt64}, {math.Inf(1), math.MaxInt64}, {math.NaN(), 0},
	} {
		if got := toMillis(c.value); got != c.want {
			t.Errorf("%v: %d, want %d", c.value, got, c.want)
		}
	}
}

// TestMetricName compares with names in upstream's own test of the cron scaler.
func TestMetricName(t *testing.T) {
	cron := func(start, end string) Trigger {
		return Trigger{Type: CronTrigger, Cron: Cron{Timezone: "Etc/UTC", Start: start, End: end}}
	}
	for _, c := range []struct {
		trigger Trigger
		index   int
		want    string
	}{
		{cron("0 0 * * Thu", "59 23 * * Thu"), 0, "s0-cron-Etc-UTC-00xxThu-5923xxThu"},
		{cron("0 */2 * * *", "0 1-23/2 * * *"), 1, "s1-cron-Etc-UTC-0xSl2xxx-01-23Sl2xxx"},
		{prometheus(1), 2, "s2-prometheus"},
		{Trigger{Type: CPUTrigger}, 3, "cpu"},
		{Trigger{Type: MemoryTrigger}, 3, "memory"},
	} {
		if got := c.trigger.MetricName(c.index); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
