package hpadiff

import (
	"context"
	"errors"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	metricsclient "k8s.io/kubernetes/pkg/controller/podautoscaler/metrics"
	customapi "k8s.io/metrics/pkg/apis/custom_metrics/v1beta2"
	externalapi "k8s.io/metrics/pkg/apis/external_metrics/v1beta1"
	metricsapi "k8s.io/metrics/pkg/apis/metrics/v1beta1"
	resourceclient "k8s.io/metrics/pkg/client/clientset/versioned/typed/metrics/v1beta1"
	customclient "k8s.io/metrics/pkg/client/custom_metrics"
	externalclient "k8s.io/metrics/pkg/client/external_metrics"
)

var errAPI = errors.New("the API is down")

// metricsClient is the real metrics client over this cluster's APIs.
func (c *cluster) metricsClient() metricsclient.MetricsClient {
	return metricsclient.NewRESTMetricsClient(podMetricses{c: c}, customMetrics{c: c}, externalMetrics{c: c})
}

type podMetricses struct {
	resourceclient.PodMetricsInterface
	c         *cluster
	namespace string
}

func (m podMetricses) PodMetricses(namespace string) resourceclient.PodMetricsInterface {
	return podMetricses{c: m.c, namespace: namespace}
}

func (m podMetricses) List(context.Context, metav1.ListOptions) (*metricsapi.PodMetricsList, error) {
	p := m.c.at(m.namespace)
	if p.state.usageFails {
		return nil, errAPI
	}
	return &metricsapi.PodMetricsList{Items: p.items}, nil
}

type customMetrics struct {
	customclient.MetricsInterface
	c         *cluster
	namespace string
}

func (m customMetrics) RootScopedMetrics() customclient.MetricsInterface { return nil }

func (m customMetrics) NamespacedMetrics(namespace string) customclient.MetricsInterface {
	return customMetrics{c: m.c, namespace: namespace}
}

func (m customMetrics) GetForObjects(_ schema.GroupKind, _ labels.Selector, name string, _ labels.Selector) (*customapi.MetricValueList, error) {
	d := m.c.at(m.namespace).metric(name)
	if d.fails {
		return nil, errAPI
	}
	list := &customapi.MetricValueList{Items: make([]customapi.MetricValue, len(d.samples))}
	for i := range d.samples {
		s := &d.samples[i]
		v := &list.Items[i]
		v.DescribedObject.Name = sampleName(s.Pod, i)
		v.Timestamp, v.Value = kubeTime(s.At), *milli(s.Millis)
		if s.Window != time.Minute { // what no window means
			v.WindowSeconds = ptr(int64(s.Window / time.Second))
		}
	}
	return list, nil
}

func (m customMetrics) GetForObject(_ schema.GroupKind, _, name string, _ labels.Selector) (*customapi.MetricValue, error) {
	d := m.c.at(m.namespace).metric(name)
	if d.fails {
		return nil, errAPI
	}
	return &customapi.MetricValue{Value: *milli(d.values[0])}, nil
}

type externalMetrics struct {
	c         *cluster
	namespace string
}

func (m externalMetrics) NamespacedMetrics(namespace string) externalclient.MetricsInterface {
	return externalMetrics{c: m.c, namespace: namespace}
}

func (m externalMetrics) List(name string, _ labels.Selector) (*externalapi.ExternalMetricValueList, error) {
	d := m.c.at(m.namespace).metric(name)
	if d.fails {
		return nil, errAPI
	}
	list := &externalapi.ExternalMetricValueList{}
	for _, v := range d.values {
		list.Items = append(list.Items, externalapi.ExternalMetricValue{Value: *milli(v)})
	}
	return list, nil
}
