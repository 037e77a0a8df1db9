package hpadiff

import (
	"strconv"
	"time"

	v2 "k8s.io/api/autoscaling/v2"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metricsapi "k8s.io/metrics/pkg/apis/metrics/v1beta1"

	"github.com/grlscaler/grlscaler/sim/hpa"
)

// origin is time 0 of package hpa: the start of every bubble.
var origin = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// kubeTime turns a time of package hpa into one of Kubernetes. What is near LongAgo becomes a time near Go's zero time.
func kubeTime(d time.Duration) metav1.Time {
	if d < hpa.LongAgo/2 {
		return metav1.Time{Time: time.Time{}.Add(d - hpa.LongAgo)}
	}
	return metav1.Time{Time: origin.Add(d)}
}

func milli(v int64) *resource.Quantity { return resource.NewMilliQuantity(v, resource.DecimalSI) }

func ptr[T any](v T) *T { return &v }

// resourceList is what is given of both resources, or nil for neither.
func resourceList(cpu, mem hpa.Quantity) v1.ResourceList {
	if !cpu.Set && !mem.Set {
		return nil
	}
	l := make(v1.ResourceList, 2)
	if cpu.Set {
		l[v1.ResourceCPU] = *milli(cpu.Millis)
	}
	if mem.Set {
		l[v1.ResourceMemory] = *milli(mem.Millis)
	}
	return l
}

// podSpec turns a template into the spec of its pods.
func podSpec(t *template) v1.PodSpec {
	var s v1.PodSpec
	for i, c := range t.containers {
		k := v1.Container{Name: c.Name, Resources: v1.ResourceRequirements{Requests: resourceList(c.Requests.CPU, c.Requests.Memory)}}
		if i >= len(t.containers)-t.sidecars {
			k.RestartPolicy = ptr(v1.ContainerRestartPolicyAlways)
			s.InitContainers = append(s.InitContainers, k)
		} else {
			s.Containers = append(s.Containers, k)
		}
	}
	if t.init {
		s.InitContainers = append(s.InitContainers, v1.Container{
			Name: "init", Resources: v1.ResourceRequirements{Requests: resourceList(hpa.Millis(1<<40), hpa.Millis(1<<40))},
		})
	}
	if t.level != nil {
		s.Resources = &v1.ResourceRequirements{Requests: resourceList(t.level.CPU, t.level.Memory)}
	}
	return s
}

var (
	kubePhases = map[hpa.Phase]v1.PodPhase{
		hpa.Pending: v1.PodPending, hpa.Running: v1.PodRunning, hpa.Succeeded: v1.PodSucceeded, hpa.Failed: v1.PodFailed, hpa.PhaseUnknown: v1.PodUnknown,
	}
	kubeReady = map[hpa.Ready]v1.ConditionStatus{
		hpa.ReadyTrue: v1.ConditionTrue, hpa.ReadyFalse: v1.ConditionFalse, hpa.ReadyUnknown: v1.ConditionUnknown,
	}
	podLabels = map[string]string{"app": "x"}
)

const podSelector = "app=x"

// kubePods are pods that are filled anew for every sync: making them costs more than what is tested.
type kubePods struct {
	all   []*v1.Pod
	specs map[*template]v1.PodSpec
}

func podName(i int) string { return "pod-" + strconv.Itoa(i) }

// fill returns the pods of a state; they are valid until the next call.
func (k *kubePods) fill(s *state) []*v1.Pod {
	for len(k.all) < len(s.pods) {
		k.all = append(k.all, &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: podName(len(k.all)), Labels: podLabels}})
	}
	if k.specs == nil {
		k.specs = map[*template]v1.PodSpec{}
	}
	for i := range s.pods {
		from, to := &s.pods[i], k.all[i]
		spec, ok := k.specs[s.of[i]]
		if !ok {
			spec = podSpec(s.of[i])
			k.specs[s.of[i]] = spec
		}
		to.Spec = spec
		to.DeletionTimestamp, to.Status.StartTime = nil, nil
		if from.Deleting {
			to.DeletionTimestamp = &metav1.Time{Time: origin.Add(s.now)}
		}
		if from.StartedAt != hpa.Unset {
			to.Status.StartTime = ptr(kubeTime(from.StartedAt))
		}
		to.Status.Phase = kubePhases[from.Phase]
		to.Status.Conditions = append(to.Status.Conditions[:0], v1.PodCondition{Type: v1.PodScheduled, Status: v1.ConditionTrue})
		if from.Ready != hpa.NoReadyCondition {
			to.Status.Conditions = append(to.Status.Conditions, v1.PodCondition{
				Type: v1.PodReady, Status: kubeReady[from.Ready], LastTransitionTime: kubeTime(from.ReadyChangedAt),
			})
		}
	}
	return k.all[:len(s.pods)]
}

// sampleName is the pod's name; pods that are gone have names of their own.
func sampleName(pod, sample int) string {
	if pod == hpa.Gone {
		return "gone-" + strconv.Itoa(sample)
	}
	return podName(pod)
}

// podMetrics is what the resource metrics API returns.
func podMetrics(usage []hpa.PodUsage) []metricsapi.PodMetrics {
	items := make([]metricsapi.PodMetrics, len(usage))
	for i := range usage {
		u := &usage[i]
		items[i] = metricsapi.PodMetrics{
			ObjectMeta: metav1.ObjectMeta{Name: sampleName(u.Pod, i)}, Timestamp: kubeTime(u.At), Window: metav1.Duration{Duration: u.Window},
			Containers: make([]metricsapi.ContainerMetrics, len(u.Containers)),
		}
		for k, c := range u.Containers {
			items[i].Containers[k] = metricsapi.ContainerMetrics{Name: c.Name, Usage: resourceList(c.CPU, c.Memory)}
		}
	}
	return items
}

// kubeHPA turns a spec into the object that a user would write.
func kubeHPA(namespace string, s *hpa.Spec) *v2.HorizontalPodAutoscaler {
	h := &v2.HorizontalPodAutoscaler{ObjectMeta: metav1.ObjectMeta{Name: "hpa", Namespace: namespace, UID: "uid"}}
	h.Spec = v2.HorizontalPodAutoscalerSpec{
		ScaleTargetRef: v2.CrossVersionObjectReference{Kind: "Deployment", Name: "x", APIVersion: "apps/v1"},
		MinReplicas:    s.MinReplicas, MaxReplicas: s.MaxReplicas,
	}
	for i := range s.Metrics {
		h.Spec.Metrics = append(h.Spec.Metrics, kubeMetric(&s.Metrics[i]))
	}
	if s.Behavior != nil {
		h.Spec.Behavior = &v2.HorizontalPodAutoscalerBehavior{ScaleUp: kubeRules(s.Behavior.ScaleUp), ScaleDown: kubeRules(s.Behavior.ScaleDown)}
	}
	return h
}

func kubeRules(r *hpa.ScalingRules) *v2.HPAScalingRules {
	if r == nil {
		return nil
	}
	k := &v2.HPAScalingRules{StabilizationWindowSeconds: r.StabilizationWindowSeconds}
	if r.SelectPolicy != "" {
		k.SelectPolicy = ptr(v2.ScalingPolicySelect(r.SelectPolicy))
	}
	for _, p := range r.Policies {
		k.Policies = append(k.Policies, v2.HPAScalingPolicy{Type: v2.HPAScalingPolicyType(p.Type), Value: p.Value, PeriodSeconds: p.PeriodSeconds})
	}
	if r.Tolerance != nil {
		setTolerance(k, *r.Tolerance)
	}
	return k
}

func kubeMetric(m *hpa.MetricSpec) v2.MetricSpec {
	k := v2.MetricSpec{Type: v2.MetricSourceType(m.Type)}
	target := v2.MetricTarget{Type: v2.MetricTargetType(m.Target.Type)}
	switch m.Target.Type {
	case hpa.UtilizationTarget:
		target.AverageUtilization = &m.Target.AverageUtilization
	case hpa.AverageValueTarget:
		target.AverageValue = milli(m.Target.AverageValueMillis)
	case hpa.ValueTarget:
		target.Value = milli(m.Target.ValueMillis)
	}
	name := v2.MetricIdentifier{Name: m.Name}
	switch m.Type {
	case hpa.ResourceMetric:
		k.Resource = &v2.ResourceMetricSource{Name: v1.ResourceName(m.Resource), Target: target}
	case hpa.ContainerResourceMetric:
		k.ContainerResource = &v2.ContainerResourceMetricSource{Name: v1.ResourceName(m.Resource), Container: m.Container, Target: target}
	case hpa.PodsMetric:
		k.Pods = &v2.PodsMetricSource{Metric: name, Target: target}
	case hpa.ObjectMetric:
		k.Object = &v2.ObjectMetricSource{DescribedObject: describedObject, Metric: name, Target: target}
	case hpa.ExternalMetric:
		k.External = &v2.ExternalMetricSource{Metric: name, Target: target}
	}
	return k
}

var describedObject = v2.CrossVersionObjectReference{Kind: "Ingress", Name: "in", APIVersion: "networking.k8s.io/v1"}
