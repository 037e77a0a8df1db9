package hpa_test

import (
	"fmt"
	"time"

	"github.com/grlscaler/grlscaler/sim/hpa"
)

// Three pods that request 100 m of CPU each use 90 m, and then 20 m, under a target of 60 %.
func Example() {
	set, err := hpa.ParseSet("cpu-60")
	if err != nil {
		fmt.Println(err)
		return
	}
	web, err := hpa.New(set.Spec("web", "server", 1, 7), hpa.DefaultConfig())
	if err != nil {
		fmt.Println(err)
		return
	}
	container := hpa.Container{Name: "server", Requests: hpa.Requests{CPU: hpa.Millis(100)}}
	replicas := int32(3)
	for _, step := range []struct{ at, used int }{{0, 90}, {15, 55}, {30, 20}, {330, 20}} {
		now := time.Duration(step.at) * time.Second
		in := hpa.Inputs{SpecReplicas: replicas, StatusReplicas: replicas, Metrics: make([]hpa.MetricData, 1)}
		for i := range int(replicas) {
			in.Pods = append(in.Pods, hpa.Pod{
				Phase: hpa.Running, Ready: hpa.ReadyTrue, StartedAt: hpa.LongAgo, ReadyChangedAt: hpa.LongAgo,
				Containers: []hpa.Container{container},
			})
			in.Metrics[0].Samples = append(in.Metrics[0].Samples, hpa.Sample{Pod: i, At: now, Window: 15 * time.Second, Millis: int64(step.used)})
		}
		d := web.Sync(now, &in)
		fmt.Println(d.Explain())
		replicas = d.Desired
	}
	// Output:
	// 0s: 3 -> 5 replicas: cpu of container server proposes 5 (90 % of the request, target 60 %)
	// 15s: 5 replicas kept: cpu of container server proposes 5 (55 % of the request, target 60 %: within tolerance)
	// 30s: 5 replicas kept: cpu of container server proposes 2 (20 % of the request, target 60 %), ScaleDownStabilized at 5
	// 5m30s: 5 -> 2 replicas: cpu of container server proposes 2 (20 % of the request, target 60 %)
}
