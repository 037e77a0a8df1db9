package manifest_test

import (
	"fmt"
	"strings"

	"github.com/grlscaler/grlscaler/cmd/manifest"
)

// A shop's folder has Deployments, Services and an autoscaler for each service.
func Example() {
	set, err := manifest.Read("testdata/boutique")
	if err != nil {
		fmt.Println(err)
		return
	}
	h := set.HPAs[5]
	fmt.Printf("%s: %s scales %s to at most %d replicas\n", h.Source, h.Label(), h.Target, h.Spec.MaxReplicas)
	for _, w := range set.Workloads {
		if w.Name == h.Target.Name {
			fmt.Printf("%s: %s requests %dm of CPU\n", w.Source, w.Label(), *w.Containers[0].Requests.CPUMillis)
		}
	}
	fmt.Printf("%d objects are skipped, such as %s %q\n", len(set.Skipped), set.Skipped[0].Kind, set.Skipped[0].Name)
	// Output:
	// testdata/boutique/hpas.yaml:72: HorizontalPodAutoscaler "frontend" scales Deployment "frontend" to at most 7 replicas
	// testdata/boutique/deployments.yaml:206: Deployment "frontend" requests 100m of CPU
	// 11 objects are skipped, such as Service "adservice"
}

// Each mistake is a line of its own.
func ExampleDecode() {
	_, err := manifest.Decode(strings.NewReader(`
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec:
  maxReplica: 10
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  metrics:
  - type: Resource
    resource: {name: cpu, target: {type: Utilization, averageUtilization: "60"}}
`), "web.yaml")
	fmt.Println(err)
	// Output:
	// web.yaml:6: HorizontalPodAutoscaler "web": spec.maxReplica: unknown field; did you mean "maxReplicas"?
	// web.yaml:10: HorizontalPodAutoscaler "web": spec.metrics[0].resource.target.averageUtilization: "60": must be a number: write it without quotes
}
