package manifest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/grlscaler/grlscaler/sim/hpa"
)

// TestScaledObject: all fields, and what is filled in where they are not given.
func TestScaledObject(t *testing.T) {
	set := read(t, `
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: few}
spec:
  scaleTargetRef: {name: few}
  triggers:
  - {type: rabbitmq, metadata: {queueName: mail}}
---
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: all, annotations: {scaledobject.keda.sh/transfer-hpa-ownership: "true"}}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: StatefulSet, name: all, envSourceContainerName: server}
  pollingInterval: 1
  initialCooldownPeriod: 0
  cooldownPeriod: 0
  idleReplicaCount: 0
  minReplicaCount: 1
  maxReplicaCount: 1
  fallback: {failureThreshold: 0, replicas: 0, behavior: currentReplicasIfHigher}
  advanced:
    restoreToOriginalReplicaCount: true
    horizontalPodAutoscalerConfig:
      name: all-hpa
      behavior: {scaleUp: {tolerance: 50m, stabilizationWindowSeconds: 0}}
    scalingModifiers: {formula: (a + b) / 2, target: "2.5", activationTarget: "1", metricType: Value}
  triggers:
  - type: cpu
    metricType: Utilization
    metadata: {value: "60", containerName: server}
  - type: memory
    metricType: AverageValue
    metadata: {value: 300Mi}
  - type: prometheus
    name: a
    metricType: Value
    useCachedMetrics: true
    metadata: {serverAddress: http://p, query: up, threshold: "0.5"}
    authenticationRef: {name: p, kind: ClusterTriggerAuthentication}
  - type: cron
    metadata: {timezone: Europe/Rome, start: 0 8 * * *, end: 0 18 * * *, desiredReplicas: "4"}
`)
	prometheus := map[string]string{"serverAddress": "http://p", "query": "up", "threshold": "0.5"}
	cron := map[string]string{"timezone": "Europe/Rome", "start": "0 8 * * *", "end": "0 18 * * *", "desiredReplicas": "4"}
	want := []ScaledObject{
		{
			Object: Object{Source: Source{"in.yaml", 2}, APIVersion: "keda.sh/v1alpha1", Kind: "ScaledObject", Name: "few"},
			Target: Target{"Deployment", "few", "apps/v1"}, HPAName: "keda-hpa-few",
			Triggers: []Trigger{{Type: "rabbitmq", MetricType: hpa.AverageValueTarget, Metadata: map[string]string{"queueName": "mail"}}},
		},
		{
			Object: Object{
				Source: Source{"in.yaml", 10}, APIVersion: "keda.sh/v1alpha1", Kind: "ScaledObject", Name: "all",
				Annotations: map[string]string{"scaledobject.keda.sh/transfer-hpa-ownership": "true"},
			},
			Target: Target{"StatefulSet", "all", "apps/v1"}, EnvSourceContainer: "server", HPAName: "all-hpa", RestoreToOriginalReplicaCount: true,
			PollingInterval: ptr(time.Second), InitialCooldownPeriod: ptr(time.Duration(0)), CooldownPeriod: ptr(time.Duration(0)),
			IdleReplicaCount: ptr(int32(0)), MinReplicaCount: ptr(int32(1)), MaxReplicaCount: ptr(int32(1)),
			Fallback:         &Fallback{0, 0, "currentReplicasIfHigher"},
			Behavior:         &hpa.Behavior{ScaleUp: &hpa.ScalingRules{StabilizationWindowSeconds: ptr(int32(0)), Tolerance: ptr(0.05)}},
			ScalingModifiers: &ScalingModifiers{"(a + b) / 2", 2.5, 1, "Value"},
			Triggers: []Trigger{
				{Type: "cpu", MetricType: hpa.UtilizationTarget, Metadata: map[string]string{"value": "60", "containerName": "server"}},
				{Type: "memory", MetricType: hpa.AverageValueTarget, Metadata: map[string]string{"value": "300Mi"}},
				{Type: "prometheus", Name: "a", MetricType: hpa.ValueTarget, UseCachedMetrics: true, Metadata: prometheus, Authentication: "ClusterTriggerAuthentication/p"},
				{Type: "cron", MetricType: hpa.AverageValueTarget, Metadata: cron},
			},
		},
	}
	if diff := cmp.Diff(want, set.ScaledObjects); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestIdleReplicas: KEDA counts a given minReplicaCount of 0 as 1, so that an idleReplicaCount of 0 is below it.
func TestIdleReplicas(t *testing.T) {
	set := read(t, "{apiVersion: keda.sh/v1alpha1, kind: ScaledObject, metadata: {name: a}, spec: {scaleTargetRef: {name: a}, "+
		"idleReplicaCount: 0, minReplicaCount: 0, triggers: [{type: kafka, metadata: {}}]}}")
	if so := set.ScaledObjects[0]; *so.IdleReplicaCount != 0 || *so.MinReplicaCount != 0 || so.MaxReplicaCount != nil {
		t.Errorf("idle %v, min %v, max %v", so.IdleReplicaCount, so.MinReplicaCount, so.MaxReplicaCount)
	}
}
