package manifest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestVPA: all fields, and what is filled in where they are not given. TestReadAutoscalers has the usual ones.
func TestVPA(t *testing.T) {
	set := read(t, `
apiVersion: autoscaling.k8s.io/v1
kind: VerticalPodAutoscaler
metadata: {name: few}
spec:
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: few}
---
apiVersion: autoscaling.k8s.io/v1
kind: VerticalPodAutoscaler
metadata: {name: all}
spec:
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: all}
  updatePolicy: {updateMode: "Off", evictAfterOOMSeconds: 600}
  recommenders: [{name: default}]
  resourcePolicy:
    containerPolicies:
    - containerName: server
      mode: Auto
      controlledValues: RequestsAndLimits
      controlledResources: []
      maxAllowed: {memory: 1G}
      oomBumpUpRatio: 1.5
      oomMinBumpUp: 100Mi
      memoryAggregationIntervalSeconds: 3600
      memoryAggregationIntervalCount: 24
`)
	want := []VPA{
		{
			Object: Object{Source: Source{"in.yaml", 2}, APIVersion: "autoscaling.k8s.io/v1", Kind: "VerticalPodAutoscaler", Name: "few"},
			Target: Target{"Deployment", "few", "apps/v1"}, UpdateMode: UpdateRecreate,
		},
		{
			Object: Object{Source: Source{"in.yaml", 8}, APIVersion: "autoscaling.k8s.io/v1", Kind: "VerticalPodAutoscaler", Name: "all", Warnings: []string{
				"spec.updatePolicy.evictAfterOOMSeconds: has no effect: nothing is killed for want of memory in a simulation",
				"spec.resourcePolicy.containerPolicies[0].oomBumpUpRatio: has no effect: nothing is killed for want of memory in a simulation",
				"spec.resourcePolicy.containerPolicies[0].oomMinBumpUp: has no effect: nothing is killed for want of memory in a simulation",
				"spec.resourcePolicy.containerPolicies[0].memoryAggregationIntervalSeconds: a simulated recommender has its defaults, 8 intervals of 24 h",
				"spec.resourcePolicy.containerPolicies[0].memoryAggregationIntervalCount: a simulated recommender has its defaults, 8 intervals of 24 h",
			}},
			Target: Target{"Deployment", "all", "apps/v1"}, UpdateMode: UpdateOff, EvictAfterOOM: ptr(10 * time.Minute), Recommender: "default",
			Policies: []ContainerPolicy{{
				Container: "server", ControlledResources: []string{}, MaxAllowed: Resources{MemBytes: ptr(int64(1e9))},
				OOMBumpUpRatio: ptr(1.5), OOMMinBumpUpBytes: ptr(int64(100 << 20)),
				MemoryAggregationInterval: ptr(time.Hour), MemoryAggregationIntervalCount: ptr(int64(24)),
			}},
		},
	}
	if diff := cmp.Diff(want, set.VPAs); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
