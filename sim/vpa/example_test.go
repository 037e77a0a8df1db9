package vpa_test

import (
	"fmt"
	"time"

	"github.com/grlscaler/grlscaler/sim/vpa"
)

// Four pods request 100 m and 512 MiB. They use 400 m, and 200 MB at most, so that they are
// replaced as soon as an hour of samples has brought the lower bound near the target, two at a time.
func Example() {
	spec, cfg := vpa.Spec{Name: "web"}, vpa.DefaultConfig()
	recommender, err := vpa.NewRecommender(spec, "server", 1, cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	updater, err := vpa.NewUpdater(spec, cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	before := vpa.Resources{
		Request: vpa.Amounts{CPUMillis: 100, MemoryBytes: 512 << 20},
		Limit:   vpa.Amounts{CPUMillis: 500, MemoryBytes: 512 << 20},
	}
	pods := make([]vpa.Pod, 4)
	for i := range pods {
		pods[i].Containers = []vpa.Container{{Name: "server", Resources: before}}
	}
	for now := time.Duration(0); now <= 2*time.Hour; now += cfg.RecommenderInterval {
		for i := range pods {
			recommender.AddCPU(now, 400)
			recommender.AddMemory(int64(i), now, 200e6)
		}
		rec, ok := recommender.Recommendation(now)
		if !ok || now%time.Hour != 0 {
			continue
		}
		fmt.Printf("%v: CPU %d m, from %d m to %d m\n", now, rec.Target.CPUMillis, rec.Lower.CPUMillis, rec.Upper.CPUMillis)
		plan := updater.Plan(now, &vpa.Inputs{Replicas: 4, Pods: pods, Recommendations: []vpa.Recommendation{rec}})
		for i, v := range plan.Verdicts {
			fmt.Printf("  pod %d: %s\n", i, v.Reason)
		}
		for _, i := range plan.Evict {
			after := spec.Apply(rec, before)
			pods[i] = vpa.Pod{StartedAt: now, Containers: []vpa.Container{{Name: "server", Resources: after}}}
			fmt.Printf("  pod %d: %+v\n", i, after)
		}
	}
	// Output:
	// 0s: CPU 476 m, from 25 m to 100000000000000 m
	//   pod 0: Young
	//   pod 1: Young
	//   pod 2: Young
	//   pod 3: Young
	// 1h0m0s: CPU 476 m, from 453 m to 11900 m
	//   pod 0: OutsideBounds
	//   pod 1: OutsideBounds
	//   pod 2: Disruption
	//   pod 3: Disruption
	//   pod 0: {Request:{CPUMillis:476 MemoryBytes:262144000} Limit:{CPUMillis:2380 MemoryBytes:262144000}}
	//   pod 1: {Request:{CPUMillis:476 MemoryBytes:262144000} Limit:{CPUMillis:2380 MemoryBytes:262144000}}
	// 2h0m0s: CPU 476 m, from 464 m to 6188 m
	//   pod 0: Young
	//   pod 1: Young
	//   pod 2: OutsideBounds
	//   pod 3: OutsideBounds
	//   pod 2: {Request:{CPUMillis:476 MemoryBytes:262144000} Limit:{CPUMillis:2380 MemoryBytes:262144000}}
	//   pod 3: {Request:{CPUMillis:476 MemoryBytes:262144000} Limit:{CPUMillis:2380 MemoryBytes:262144000}}
}
