//go:build !k8s132

package hpadiff

import (
	"context"
	"math"
	"testing"
	"unsafe"

	v2 "k8s.io/api/autoscaling/v2"
	v1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/kubernetes/pkg/controller/podautoscaler"

	"github.com/grlscaler/grlscaler/sim/hpa"
)

// What differs between the APIs of releases: this file is for 1.33 and later, release132_test.go for 1.31 and 1.32.

// oneTolerance says that there is one tolerance for both directions and all HPAs.
const oneTolerance = false

// setTolerance gives rules a tolerance, which the API has since 1.33.
func setTolerance(r *v2.HPAScalingRules, t float64) { r.Tolerance = milli(int64(math.Round(t * 1000))) }

// tolerances makes what the calculator takes. Its fields are not exported; TestTolerances holds their order.
func tolerances(t hpa.Tolerance) podautoscaler.Tolerances {
	fields := struct{ down, up float64 }{t.Down, t.Up}
	return *(*podautoscaler.Tolerances)(unsafe.Pointer(&fields))
}

func TestTolerances(t *testing.T) {
	const want = "[down:10.0%, up:20.0%]"
	if unsafe.Sizeof(podautoscaler.Tolerances{}) != 2*unsafe.Sizeof(1.0) {
		t.Fatalf("Tolerances has %d bytes", unsafe.Sizeof(podautoscaler.Tolerances{}))
	}
	if got := tolerances(hpa.Tolerance{Down: 0.1, Up: 0.2}).String(); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// upstream is the real calculator with a tolerance.
type upstream struct {
	calc *podautoscaler.ReplicaCalculator
	tol  podautoscaler.Tolerances
}

func newUpstream(c *cluster, cfg *hpa.Config, t hpa.Tolerance) upstream {
	return upstream{
		calc: podautoscaler.NewReplicaCalculator(c.metricsClient(), podLister{c: c}, cfg.CPUInitializationPeriod, cfg.InitialReadinessDelay),
		tol:  tolerances(t),
	}
}

func (u upstream) utilization(replicas, target int32, res hpa.Resource, container string) (int32, int32, int64, error) {
	n, util, usage, _, err := u.calc.GetResourceReplicas(context.Background(), replicas, target, v1.ResourceName(res), u.tol, "0", selector, container)
	return n, util, usage, err
}

func (u upstream) resource(replicas int32, target int64, res hpa.Resource, container string) (int32, int64, error) {
	n, usage, _, err := u.calc.GetRawResourceReplicas(context.Background(), replicas, target, v1.ResourceName(res), u.tol, "0", selector, container)
	return n, usage, err
}

func (u upstream) pods(replicas int32, target int64) (int32, int64, error) {
	n, usage, _, err := u.calc.GetMetricReplicas(replicas, target, "m0", u.tol, "0", selector, selector)
	return n, usage, err
}

func (u upstream) object(replicas int32, target int64) (int32, int64, error) {
	n, usage, _, err := u.calc.GetObjectMetricReplicas(replicas, target, "m0", u.tol, "0", &describedObject, selector, selector)
	return n, usage, err
}

func (u upstream) objectPerPod(replicas int32, target int64) (int32, int64, error) {
	n, usage, _, err := u.calc.GetObjectPerPodMetricReplicas(replicas, target, "m0", u.tol, "0", &describedObject, selector)
	return n, usage, err
}

func (u upstream) external(replicas int32, target int64) (int32, int64, error) {
	n, usage, _, err := u.calc.GetExternalMetricReplicas(replicas, target, "m0", u.tol, "0", nil, selector)
	return n, usage, err
}

func (u upstream) externalPerPod(replicas int32, target int64) (int32, int64, error) {
	n, usage, _, err := u.calc.GetExternalPerPodMetricReplicas(replicas, target, "m0", u.tol, "0", nil)
	return n, usage, err
}

// AddEventHandlerWithOptions is how 1.38 asks.
func (i informer) AddEventHandlerWithOptions(h cache.ResourceEventHandler, _ cache.HandlerOptions) (cache.ResourceEventHandlerRegistration, error) {
	i.c.handler = h
	return nil, nil
}
