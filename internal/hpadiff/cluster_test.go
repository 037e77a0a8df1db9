package hpadiff

import (
	"context"
	"fmt"
	"strconv"
	"time"

	asv1 "k8s.io/api/autoscaling/v1"
	v2 "k8s.io/api/autoscaling/v2"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	hpaclient "k8s.io/client-go/kubernetes/typed/autoscaling/v2"
	coreclient "k8s.io/client-go/kubernetes/typed/core/v1"
	hpalisters "k8s.io/client-go/listers/autoscaling/v2"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/scale"
	"k8s.io/client-go/tools/cache"
	metricsapi "k8s.io/metrics/pkg/apis/metrics/v1beta1"
)

// cluster answers the real code from memory. Each HPA has a namespace of its own, called by its index.
type cluster struct {
	places  []*place
	handler cache.ResourceEventHandler // what the controller wants to be told of HPAs
}

// place is one namespace: an HPA, its target and what the metrics APIs know.
type place struct {
	state   *state // what the present sync finds
	pods    []*v1.Pod
	items   []metricsapi.PodMetrics
	kube    kubePods
	object  *v2.HorizontalPodAutoscaler // with the status that was last written
	spec    int32                       // the target's replicas
	syncs   int
	written int // times that the scale was written in the present sync
	// begin makes the state that a sync finds; nil for a place without an HPA.
	begin func(now time.Duration) *state
}

// find is what the present sync finds.
func (p *place) find(s *state) {
	p.state, p.pods, p.items = s, p.kube.fill(s), podMetrics(s.usage)
}

func (c *cluster) at(namespace string) *place {
	i, err := strconv.Atoi(namespace)
	if err != nil {
		panic(fmt.Sprintf("hpadiff: namespace %q", namespace))
	}
	return c.places[i]
}

// metric is the data of the metric called "m" and its index.
func (p *place) metric(name string) *data {
	i, err := strconv.Atoi(name[1:])
	if err != nil {
		panic(fmt.Sprintf("hpadiff: metric %q", name))
	}
	return &p.state.metrics[i]
}

// podLister lists the pods of a namespace; all of them match the one selector that there is.
type podLister struct {
	corelisters.PodLister
	c *cluster
}

func (l podLister) Pods(namespace string) corelisters.PodNamespaceLister {
	return podsOf{place: l.c.at(namespace)}
}

type podsOf struct {
	corelisters.PodNamespaceLister
	place *place
}

func (l podsOf) List(s labels.Selector) ([]*v1.Pod, error) {
	if s.String() != podSelector {
		return nil, fmt.Errorf("selector %q", s)
	}
	return l.place.pods, nil
}

// informer is that of HPAs and of pods: it takes the handler and says that it has synced.
type informer struct {
	cache.SharedIndexInformer
	c *cluster
}

func (i informer) HasSynced() bool { return true }

func (i informer) AddEventHandlerWithResyncPeriod(h cache.ResourceEventHandler, _ time.Duration) (cache.ResourceEventHandlerRegistration, error) {
	i.c.handler = h
	return nil, nil
}

type podInformer struct{ c *cluster }

func (i podInformer) Informer() cache.SharedIndexInformer { return informer{c: i.c} }
func (i podInformer) Lister() corelisters.PodLister       { return podLister{c: i.c} }

type hpaInformer struct{ c *cluster }

func (i hpaInformer) Informer() cache.SharedIndexInformer              { return informer{c: i.c} }
func (i hpaInformer) Lister() hpalisters.HorizontalPodAutoscalerLister { return hpaLister{c: i.c} }

type hpaLister struct {
	hpalisters.HorizontalPodAutoscalerLister
	c *cluster
}

func (l hpaLister) HorizontalPodAutoscalers(namespace string) hpalisters.HorizontalPodAutoscalerNamespaceLister {
	return hpaOf{place: l.c.at(namespace)}
}

type hpaOf struct {
	hpalisters.HorizontalPodAutoscalerNamespaceLister
	place *place
}

// Get is the beginning of a sync.
func (h hpaOf) Get(string) (*v2.HorizontalPodAutoscaler, error) {
	p := h.place
	p.syncs++
	p.written = 0
	p.find(p.begin(time.Since(origin)))
	return p.object, nil
}

// hpaClient takes the status of HPAs.
type hpaClient struct {
	hpaclient.HorizontalPodAutoscalerInterface
	c *cluster
}

func (h hpaClient) HorizontalPodAutoscalers(string) hpaclient.HorizontalPodAutoscalerInterface {
	return h
}

func (h hpaClient) UpdateStatus(_ context.Context, o *v2.HorizontalPodAutoscaler, _ metav1.UpdateOptions) (*v2.HorizontalPodAutoscaler, error) {
	p := h.c.at(o.Namespace)
	// Only the status is taken: the controller fills in defaults of its own in the copy that it works on.
	p.object = p.object.DeepCopy()
	p.object.Status = o.Status
	return p.object, nil
}

// scales is the scale subresource of the targets.
type scales struct {
	scale.ScaleInterface
	place *place
	c     *cluster
}

func (s scales) Scales(namespace string) scale.ScaleInterface {
	return scales{place: s.c.at(namespace)}
}

func (s scales) Get(context.Context, schema.GroupResource, string, metav1.GetOptions) (*asv1.Scale, error) {
	return &asv1.Scale{
		Spec: asv1.ScaleSpec{Replicas: s.place.state.spec}, Status: asv1.ScaleStatus{Replicas: s.place.state.status, Selector: podSelector},
	}, nil
}

func (s scales) Update(_ context.Context, _ schema.GroupResource, o *asv1.Scale, _ metav1.UpdateOptions) (*asv1.Scale, error) {
	s.place.spec = o.Spec.Replicas
	s.place.written++
	return o, nil
}

// mapper knows one kind of target.
type mapper struct{ meta.RESTMapper }

func (mapper) RESTMappings(gk schema.GroupKind, _ ...string) ([]*meta.RESTMapping, error) {
	return []*meta.RESTMapping{{Resource: schema.GroupVersionResource{Group: gk.Group, Version: "v1", Resource: "deployments"}}}, nil
}

// events takes events and forgets them.
type events struct{ coreclient.EventInterface }

func (e events) Events(string) coreclient.EventInterface { return e }

func (e events) CreateWithEventNamespace(o *v1.Event) (*v1.Event, error)          { return o, nil }
func (e events) UpdateWithEventNamespace(o *v1.Event) (*v1.Event, error)          { return o, nil }
func (e events) PatchWithEventNamespace(o *v1.Event, _ []byte) (*v1.Event, error) { return o, nil }

func (e events) CreateWithEventNamespaceWithContext(_ context.Context, o *v1.Event) (*v1.Event, error) {
	return o, nil
}

func (e events) UpdateWithEventNamespaceWithContext(_ context.Context, o *v1.Event) (*v1.Event, error) {
	return o, nil
}

func (e events) PatchWithEventNamespaceWithContext(_ context.Context, o *v1.Event, _ []byte) (*v1.Event, error) {
	return o, nil
}
