package manifest

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/grlscaler/grlscaler/sim/hpa"
)

func ptr[T any](v T) *T { return &v }

// read decodes text that must be without mistakes.
func read(t *testing.T, text string) *Set {
	t.Helper()
	set, err := Decode(strings.NewReader(text), "in.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// TestReadShop: one file of Deployments and Services, one of HPAs, as a shop has them.
func TestReadShop(t *testing.T) {
	set, err := Read("testdata/boutique")
	if err != nil {
		t.Fatal(err)
	}
	if h, w, s := len(set.HPAs), len(set.Workloads), len(set.Skipped); h != 10 || w != 11 || s != 11 || len(set.Warnings()) != 0 {
		t.Errorf("%d HPAs, %d workloads, %d skipped, warnings %q; want 10, 11, 11 and none", h, w, s, set.Warnings())
	}
	wantWorkload := Workload{
		Object:           Object{Source: Source{"testdata/boutique/deployments.yaml", 2}, APIVersion: "apps/v1", Kind: "Deployment", Name: "adservice"},
		TerminationGrace: 5 * time.Second,
		Containers: []Container{{
			Name:      "server",
			Requests:  Resources{ptr(int64(200)), ptr(int64(180 << 20))},
			Limits:    Resources{ptr(int64(300)), ptr(int64(300 << 20))},
			Readiness: &Probe{20 * time.Second, 15 * time.Second, time.Second, 3, 1},
		}},
	}
	if diff := cmp.Diff(wantWorkload, set.Workloads[0]); diff != "" {
		t.Errorf("workload (-want +got):\n%s", diff)
	}
	wantHPA := HPA{
		Object: Object{Source: Source{"testdata/boutique/hpas.yaml", 2}, APIVersion: "autoscaling/v2", Kind: "HorizontalPodAutoscaler", Name: "adservice"},
		Target: Target{"Deployment", "adservice", "apps/v1"},
		Spec: hpa.Spec{Name: "adservice", MinReplicas: ptr(int32(1)), MaxReplicas: 7, Metrics: []hpa.MetricSpec{
			{Type: hpa.ResourceMetric, Resource: hpa.CPU, Target: hpa.Target{Type: hpa.UtilizationTarget, AverageUtilization: 60}},
		}},
		Sources: make([]MetricSource, 1),
	}
	if diff := cmp.Diff(wantHPA, set.HPAs[0]); diff != "" {
		t.Errorf("HPA (-want +got):\n%s", diff)
	}
	wantSkipped := Skipped{Source{"testdata/boutique/deployments.yaml", 32}, "v1", "Service", "", "adservice"}
	if diff := cmp.Diff(wantSkipped, set.Skipped[0]); diff != "" {
		t.Errorf("skipped (-want +got):\n%s", diff)
	}
	for _, h := range set.HPAs {
		if _, err := hpa.New(h.Spec, hpa.DefaultConfig()); err != nil {
			t.Errorf("%s: %v", h.Source, err)
		}
	}
}

// TestReadAutoscalers: a ScaledObject, a VPA, workloads with everything that is read, and an HPA in a List in JSON.
func TestReadAutoscalers(t *testing.T) {
	set, err := Read("testdata/autoscalers")
	if err != nil {
		t.Fatal(err)
	}
	folder := "testdata/autoscalers/"
	query := "sum(rate(http_requests_total{service=\"checkout\"}[1m]))\n---\n# the line above is part of the query\n"
	want := &Set{
		HPAs: []HPA{{
			Object: Object{
				Source: Source{folder + "web.json", 5}, APIVersion: "autoscaling/v2", Kind: "HorizontalPodAutoscaler", Name: "web",
				Annotations: map[string]string{"note": "café 😀"},
			},
			Target: Target{"Deployment", "web", "apps/v1"},
			Spec: hpa.Spec{Name: "web", MinReplicas: ptr(int32(2)), MaxReplicas: 12, Metrics: []hpa.MetricSpec{
				{Type: hpa.ObjectMetric, Name: "requests_per_second", Target: hpa.Target{Type: hpa.ValueTarget, ValueMillis: 2_000_000}},
			}},
			Sources: []MetricSource{{
				Selector:  &metav1.LabelSelector{MatchLabels: map[string]string{"verb": "GET"}},
				Described: &Target{"Ingress", "main", "networking.k8s.io/v1"},
			}},
		}},
		ScaledObjects: []ScaledObject{{
			Object: Object{Source: Source{folder + "checkout.yaml", 40}, APIVersion: "keda.sh/v1alpha1", Kind: "ScaledObject", Namespace: "shop", Name: "checkout"},
			Target: Target{"Deployment", "checkout", "apps/v1"}, PollingInterval: ptr(15 * time.Second), CooldownPeriod: ptr(2 * time.Minute),
			MinReplicaCount: ptr(int32(0)), MaxReplicaCount: ptr(int32(20)), Fallback: &Fallback{3, 6, "static"}, HPAName: "keda-hpa-checkout",
			Behavior: &hpa.Behavior{ScaleDown: &hpa.ScalingRules{StabilizationWindowSeconds: ptr(int32(60)), Policies: []hpa.Policy{{Type: hpa.PercentPolicy, Value: 50, PeriodSeconds: 30}}}},
			Triggers: []Trigger{{
				Type: "prometheus", MetricType: hpa.AverageValueTarget, Authentication: "TriggerAuthentication/prometheus",
				Metadata: map[string]string{"serverAddress": "http://prometheus.monitoring:9090", "query": query, "threshold": "40", "activationThreshold": "0.5"},
			}},
		}},
		VPAs: []VPA{{
			Object: Object{Source: Source{folder + "orders.yml", 20}, APIVersion: "autoscaling.k8s.io/v1", Kind: "VerticalPodAutoscaler", Name: "orders"},
			Target: Target{"StatefulSet", "orders", "apps/v1"}, UpdateMode: UpdateInPlaceOrRecreate, MinReplicas: ptr(int32(1)),
			EvictionRequirements: []EvictionRequirement{{[]string{"cpu", "memory"}, "TargetHigherThanRequests"}},
			Policies: []ContainerPolicy{
				{
					Container: "db", ControlledResources: []string{"cpu", "memory"}, RequestsOnly: true,
					MinAllowed: Resources{ptr(int64(100)), ptr(int64(256 << 20))}, MaxAllowed: Resources{ptr(int64(2000)), ptr(int64(4 << 30))},
				},
				{Container: "*", Off: true},
			},
		}},
		Workloads: []Workload{
			{
				Object:   Object{Source: Source{folder + "checkout.yaml", 2}, APIVersion: "apps/v1", Kind: "Deployment", Namespace: "shop", Name: "checkout"},
				Replicas: ptr(int32(3)), TerminationGrace: 45 * time.Second,
				Containers: []Container{
					{
						Name:     "server",
						Requests: Resources{ptr(int64(250)), ptr(int64(128 << 20))}, Limits: Resources{ptr(int64(1000)), ptr(int64(256 << 20))},
						Readiness: &Probe{5 * time.Second, 10 * time.Second, time.Second, 3, 1}, Startup: &Probe{0, 2 * time.Second, time.Second, 30, 1},
					},
					// A limit without a request is the request.
					{Name: "log", Requests: Resources{ptr(int64(100)), ptr(int64(32e6))}, Limits: Resources{ptr(int64(100)), ptr(int64(32e6))}},
					{Name: "proxy", Sidecar: true, Requests: Resources{ptr(int64(50)), ptr(int64(64 << 20))}},
				},
			},
			{
				Object:           Object{Source: Source{folder + "orders.yml", 1}, APIVersion: "apps/v1", Kind: "StatefulSet", Name: "orders"},
				TerminationGrace: 30 * time.Second,
				Containers:       []Container{{Name: "db", Requests: Resources{ptr(int64(500)), ptr(int64(1 << 30))}}},
			},
		},
	}
	if diff := cmp.Diff(want, set); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestLists: the generic list, typed lists whose items may leave out what the list says, and lists in lists.
func TestLists(t *testing.T) {
	set := read(t, `
apiVersion: v1
kind: List
metadata: {resourceVersion: ""}
items:
- apiVersion: v1
  kind: List
  items:
  - {apiVersion: v1, kind: Secret, metadata: {name: s, namespace: n}}
- apiVersion: apps/v1
  kind: DeploymentList
  items:
  - metadata: {name: a}
    spec: {template: {spec: {containers: [{name: c}]}}}
  - apiVersion: apps/v1
    kind: Deployment
    metadata: {name: b}
    spec: {template: {spec: {containers: [{name: c}]}}}
- null
---
{apiVersion: v1, kind: List}
---
# A kind of somebody's own that only ends like a list.
{apiVersion: example.com/v1, kind: AllowList, metadata: {name: l}, spec: {}}
---
# And one that has the name of a kind that is read.
{apiVersion: apps.kruise.io/v1beta1, kind: StatefulSet, metadata: {name: k}, spec: {lifecycle: {}}}
`)
	var got []string
	for _, w := range set.Workloads {
		got = append(got, w.Source.String()+" "+w.Label())
	}
	for _, s := range set.Skipped {
		got = append(got, s.Source.String()+" "+label(s.Kind, s.Name))
	}
	want := []string{`in.yaml:13 Deployment "a"`, `in.yaml:15 Deployment "b"`, `in.yaml:9 Secret "s"`, `in.yaml:24 AllowList "l"`, `in.yaml:27 StatefulSet "k"`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
