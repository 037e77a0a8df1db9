package manifest

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/grlscaler/grlscaler/sim/hpa"
)

// hpaWith is an HPA with the given lines in its spec.
func hpaWith(version, spec string) string {
	return fmt.Sprintf("apiVersion: autoscaling/%s\nkind: HorizontalPodAutoscaler\nmetadata: {name: web}\nspec:\n"+
		"  maxReplicas: 9\n  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}\n%s", version, spec)
}

// TestMetrics: every type of metric and target, and that what hpa.Spec has no place for is beside it.
func TestMetrics(t *testing.T) {
	labels := &metav1.LabelSelector{MatchLabels: map[string]string{"queue": "mail"}, MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "zone", Operator: "Exists"}}}
	selector := "selector: {matchLabels: {queue: mail}, matchExpressions: [{key: zone, operator: Exists}]}"
	for _, tt := range []struct {
		name, metric string
		want         hpa.MetricSpec
		source       MetricSource
	}{
		{"resource utilisation", "type: Resource, resource: {name: memory, target: {type: Utilization, averageUtilization: 80}}",
			hpa.MetricSpec{Type: hpa.ResourceMetric, Resource: hpa.Memory, Target: hpa.Target{Type: hpa.UtilizationTarget, AverageUtilization: 80}}, MetricSource{}},
		// 1.5 GiB are 1610612736 bytes.
		{"resource value", "type: Resource, resource: {name: memory, target: {type: AverageValue, averageValue: 1.5Gi}}",
			hpa.MetricSpec{Type: hpa.ResourceMetric, Resource: hpa.Memory, Target: hpa.Target{Type: hpa.AverageValueTarget, AverageValueMillis: 1_610_612_736_000}}, MetricSource{}},
		{"container", "type: ContainerResource, containerResource: {name: cpu, container: server, target: {type: AverageValue, averageValue: 0.25}}",
			hpa.MetricSpec{Type: hpa.ContainerResourceMetric, Resource: hpa.CPU, Container: "server", Target: hpa.Target{Type: hpa.AverageValueTarget, AverageValueMillis: 250}}, MetricSource{}},
		{"pods", "type: Pods, pods: {metric: {name: rps, " + selector + "}, target: {type: AverageValue, averageValue: 1k}}",
			hpa.MetricSpec{Type: hpa.PodsMetric, Name: "rps", Target: hpa.Target{Type: hpa.AverageValueTarget, AverageValueMillis: 1_000_000}}, MetricSource{Selector: labels}},
		{"object value", "type: Object, object: {metric: {name: rps}, describedObject: {kind: Ingress, name: main}, target: {type: Value, value: 100m}}",
			hpa.MetricSpec{Type: hpa.ObjectMetric, Name: "rps", Target: hpa.Target{Type: hpa.ValueTarget, ValueMillis: 100}}, MetricSource{Described: &Target{Kind: "Ingress", Name: "main"}}},
		{"object per pod", "type: Object, object: {metric: {name: rps}, describedObject: {kind: Ingress, name: main}, target: {type: AverageValue, averageValue: 3}}",
			hpa.MetricSpec{Type: hpa.ObjectMetric, Name: "rps", Target: hpa.Target{Type: hpa.AverageValueTarget, AverageValueMillis: 3000}}, MetricSource{Described: &Target{Kind: "Ingress", Name: "main"}}},
		{"external", "type: External, external: {metric: {name: depth, " + selector + `}, target: {type: Value, value: "2e3"}}`,
			hpa.MetricSpec{Type: hpa.ExternalMetric, Name: "depth", Target: hpa.Target{Type: hpa.ValueTarget, ValueMillis: 2_000_000}}, MetricSource{Selector: labels}},
		// The greatest value whose thousandths fit.
		{"external, large", "type: External, external: {metric: {name: depth}, target: {type: AverageValue, averageValue: 9223372036854775807m}}",
			hpa.MetricSpec{Type: hpa.ExternalMetric, Name: "depth", Target: hpa.Target{Type: hpa.AverageValueTarget, AverageValueMillis: math.MaxInt64}}, MetricSource{}},
		{"the value counts, not the type", "type: Resource, resource: {name: cpu, target: {type: Utilization, averageValue: 100m}}",
			hpa.MetricSpec{Type: hpa.ResourceMetric, Resource: hpa.CPU, Target: hpa.Target{Type: hpa.AverageValueTarget, AverageValueMillis: 100}}, MetricSource{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := read(t, hpaWith("v2", "  metrics:\n  - {"+tt.metric+"}\n")).HPAs[0]
			if diff := cmp.Diff([]hpa.MetricSpec{tt.want}, h.Spec.Metrics); diff != "" {
				t.Errorf("metric (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff([]MetricSource{tt.source}, h.Sources); diff != "" {
				t.Errorf("source (-want +got):\n%s", diff)
			}
			if _, err := hpa.New(h.Spec, hpa.DefaultConfig()); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestV1: the older version has CPU alone, in percent; without it the API server fills in 80 %, as hpa does.
func TestV1(t *testing.T) {
	for _, tt := range []struct {
		spec    string
		percent int32
	}{{"  targetCPUUtilizationPercentage: 55\n  minReplicas: 2\n", 55}, {"  minReplicas: 2\n", 80}} {
		h := read(t, hpaWith("v1", tt.spec)).HPAs[0]
		want := []hpa.MetricSpec{{Type: hpa.ResourceMetric, Resource: hpa.CPU, Target: hpa.Target{Type: hpa.UtilizationTarget, AverageUtilization: tt.percent}}}
		if diff := cmp.Diff(want, h.Spec.WithDefaults().Metrics); diff != "" || *h.Spec.MinReplicas != 2 || len(h.Sources) != len(h.Spec.Metrics) {
			t.Errorf("spec %+v with sources %+v (-want +got):\n%s", h.Spec, h.Sources, diff)
		}
	}
}

// TestBehavior: what is given is there, what is not stays nil, as hpa's defaults depend on it.
func TestBehavior(t *testing.T) {
	for _, tt := range []struct {
		name, spec string
		want       *hpa.Behavior
	}{
		{"none", "", nil},
		{"empty", "  behavior: {}\n", &hpa.Behavior{}},
		{"null", "  behavior: {scaleUp: null}\n", &hpa.Behavior{}},
		{"a direction without rules", "  behavior: {scaleUp: {}}\n", &hpa.Behavior{ScaleUp: &hpa.ScalingRules{}}},
		{"all", "  behavior: {scaleDown: {stabilizationWindowSeconds: 0, selectPolicy: Disabled, tolerance: 0, policies: [{type: Pods, value: 2, periodSeconds: 60}, {type: Percent, value: 10, periodSeconds: 1800}]}}\n",
			&hpa.Behavior{ScaleDown: &hpa.ScalingRules{
				StabilizationWindowSeconds: ptr(int32(0)), SelectPolicy: hpa.DisabledSelect, Tolerance: ptr(0.0),
				Policies: []hpa.Policy{{Type: hpa.PodsPolicy, Value: 2, PeriodSeconds: 60}, {Type: hpa.PercentPolicy, Value: 10, PeriodSeconds: 1800}},
			}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, read(t, hpaWith("v2", tt.spec)).HPAs[0].Spec.Behavior); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestTolerance: the number is the one that the controller computes from what the API server has stored: 0.3 is stored
// as 300m, and 300 * 0.001 is 0.3, but 3 * 0.1 would be 0.30000000000000004.
func TestTolerance(t *testing.T) {
	milli := math.Pow10(-3)
	for written, want := range map[string]float64{
		"0.3": 0.3, "300m": 0.3, "0.6": 0.6, `"0.05"`: 0.05, "100m": 0.1, "0": 0, "1": 1, "1.5": 1500 * milli, "2k": 2000,
		"0.0005": 500 * math.Pow10(-6),
	} {
		h := read(t, hpaWith("v2", "  behavior: {scaleUp: {tolerance: "+written+"}}\n")).HPAs[0]
		if got := *h.Spec.Behavior.ScaleUp.Tolerance; got != want {
			t.Errorf("tolerance %s is %v, want %v", written, got, want)
		}
	}
}

// TestMergedValues: anchors, aliases and merge keys mean what they mean to kubectl.
func TestMergedValues(t *testing.T) {
	text := strings.Join([]string{
		"  behavior:",
		"    scaleUp: &rules",
		"      stabilizationWindowSeconds: &window 30",
		"      policies: [&policy {type: Pods, value: 1, periodSeconds: 15}]",
		"    scaleDown:",
		"      <<: *rules",
		"      stabilizationWindowSeconds: 300",
		"      policies: [*policy, {<<: *policy, value: 5, periodSeconds: *window}]",
	}, "\n")
	want := &hpa.Behavior{
		ScaleUp: &hpa.ScalingRules{StabilizationWindowSeconds: ptr(int32(30)), Policies: []hpa.Policy{{Type: hpa.PodsPolicy, Value: 1, PeriodSeconds: 15}}},
		ScaleDown: &hpa.ScalingRules{StabilizationWindowSeconds: ptr(int32(300)), Policies: []hpa.Policy{
			{Type: hpa.PodsPolicy, Value: 1, PeriodSeconds: 15}, {Type: hpa.PodsPolicy, Value: 5, PeriodSeconds: 30},
		}},
	}
	if diff := cmp.Diff(want, read(t, hpaWith("v2", text)).HPAs[0].Spec.Behavior); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestStatusIsNotRead: what kubectl get -o yaml adds does no harm, whatever the cluster's version.
func TestStatusIsNotRead(t *testing.T) {
	text := strings.Replace(hpaWith("v1", "status: {unheardOf: true}\n"), "name: web}",
		`name: web, uid: u, creationTimestamp: null, managedFields: [{fieldsV1: {"f:spec": {}}, time: "2026-01-02T03:04:05Z"}]}`, 1)
	if set := read(t, text); len(set.HPAs) != 1 || len(set.Warnings()) != 0 {
		t.Errorf("%d HPAs, warnings %q", len(set.HPAs), set.Warnings())
	}
}
