//go:build k8s132

package hpadiff

import (
	"context"

	v2 "k8s.io/api/autoscaling/v2"
	v1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/controller/podautoscaler"

	"github.com/grlscaler/grlscaler/sim/hpa"
)

const oneTolerance = true

func setTolerance(*v2.HPAScalingRules, float64) { panic("hpadiff: no tolerance per HPA before 1.33") }

// upstream is the real calculator with a tolerance.
type upstream struct {
	calc *podautoscaler.ReplicaCalculator
}

func newUpstream(c *cluster, cfg *hpa.Config, t hpa.Tolerance) upstream {
	return upstream{podautoscaler.NewReplicaCalculator(c.metricsClient(), podLister{c: c}, t.Up, cfg.CPUInitializationPeriod, cfg.InitialReadinessDelay)}
}

func (u upstream) utilization(replicas, target int32, res hpa.Resource, container string) (int32, int32, int64, error) {
	n, util, usage, _, err := u.calc.GetResourceReplicas(context.Background(), replicas, target, v1.ResourceName(res), "0", selector, container)
	return n, util, usage, err
}

func (u upstream) resource(replicas int32, target int64, res hpa.Resource, container string) (int32, int64, error) {
	n, usage, _, err := u.calc.GetRawResourceReplicas(context.Background(), replicas, target, v1.ResourceName(res), "0", selector, container)
	return n, usage, err
}

func (u upstream) pods(replicas int32, target int64) (int32, int64, error) {
	n, usage, _, err := u.calc.GetMetricReplicas(replicas, target, "m0", "0", selector, selector)
	return n, usage, err
}

func (u upstream) object(replicas int32, target int64) (int32, int64, error) {
	n, usage, _, err := u.calc.GetObjectMetricReplicas(replicas, target, "m0", "0", &describedObject, selector, selector)
	return n, usage, err
}

func (u upstream) objectPerPod(replicas int32, target int64) (int32, int64, error) {
	n, usage, _, err := u.calc.GetObjectPerPodMetricReplicas(replicas, target, "m0", "0", &describedObject, selector)
	return n, usage, err
}

func (u upstream) external(replicas int32, target int64) (int32, int64, error) {
	n, usage, _, err := u.calc.GetExternalMetricReplicas(replicas, target, "m0", "0", nil, selector)
	return n, usage, err
}

func (u upstream) externalPerPod(replicas int32, target int64) (int32, int64, error) {
	n, usage, _, err := u.calc.GetExternalPerPodMetricReplicas(replicas, target, "m0", "0", nil)
	return n, usage, err
}
