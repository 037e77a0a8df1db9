package manifest

import (
	"math"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

// Workload is a Deployment or a StatefulSet.
type Workload struct {
	Object
	Replicas         *int32 // nil is "not given"; the API server makes it 1 when it creates the object
	Containers       []Container
	TerminationGrace time.Duration // default 30 s (filled in)
}

// Container is a container of a workload's pods.
type Container struct {
	Name string
	// Sidecar is an init container that keeps running (restartPolicy: Always). HPAs count it like the others.
	Sidecar bool
	// Requests are as pods get them: a limit without a request is the request as well (SetDefaults_Pod).
	Requests, Limits   Resources
	Readiness, Startup *Probe // nil: none
}

// Probe says when a container counts as ready or as started. Defaults are filled in (SetDefaults_Probe).
type Probe struct {
	InitialDelay     time.Duration // default 0
	Period           time.Duration // default 10 s
	Timeout          time.Duration // default 1 s
	FailureThreshold int32         // failures in a row; default 3
	SuccessThreshold int32         // successes in a row; default 1, and 1 for startup
}

// readWorkload reads a Deployment or a StatefulSet.
func (o *object) readWorkload() {
	var meta *metav1.ObjectMeta
	var pod *corev1.PodTemplateSpec
	out := Workload{}
	if o.meta.Kind == "Deployment" {
		in, ok := decode[appsv1.Deployment](o)
		if !ok {
			return
		}
		meta, pod, out.Replicas = &in.ObjectMeta, &in.Spec.Template, in.Spec.Replicas
	} else {
		in, ok := decode[appsv1.StatefulSet](o)
		if !ok {
			return
		}
		meta, pod, out.Replicas = &in.ObjectMeta, &in.Spec.Template, in.Spec.Replicas
		if in.Spec.PodManagementPolicy != appsv1.ParallelPodManagement {
			o.warnf(path{"spec", "podManagementPolicy"},
				"pods start one after another in a cluster (OrderedReady, the default); in a simulation they start together")
		}
	}
	o.metadata(meta)
	at := path{"spec"}
	if out.Replicas != nil && *out.Replicas < 0 {
		o.errorf(at.at("replicas"), "%d: must not be negative", *out.Replicas)
	}
	o.pod(at.at("template", "spec"), &pod.Spec, &out)
	if o.badness == 0 {
		out.Object = o.meta
		o.r.set.Workloads = append(o.r.set.Workloads, out)
	}
}

// pod reads what the pods of a workload are.
func (o *object) pod(p path, in *corev1.PodSpec, w *Workload) {
	w.TerminationGrace = 30 * time.Second
	if s := in.TerminationGracePeriodSeconds; s != nil {
		w.TerminationGrace = time.Duration(min(*s, math.MaxInt64/int64(time.Second))) * time.Second
		if *s < 0 || *s > math.MaxInt32 {
			o.errorf(p.at("terminationGracePeriodSeconds"), "%d: must be 0 to %d", *s, math.MaxInt32)
		}
	}
	if len(in.Containers) == 0 {
		o.errorf(p.at("containers"), "missing: pods need at least one container")
	}
	for i := range in.Containers {
		at := p.at("containers", i)
		if in.Containers[i].Lifecycle != nil && in.Containers[i].Lifecycle.PreStop != nil {
			o.warnf(at.at("lifecycle", "preStop"), "is not run in a simulation; pods end by themselves within the grace period")
		}
		w.Containers = append(w.Containers, o.container(at, &in.Containers[i]))
	}
	for i := range in.InitContainers {
		c, at := &in.InitContainers[i], p.at("initContainers", i)
		if c.RestartPolicy == nil || *c.RestartPolicy != corev1.ContainerRestartPolicyAlways {
			o.warnf(at, "%s: the time that it takes is not simulated", show(c.Name))
			continue
		}
		sidecar := o.container(at, c)
		sidecar.Sidecar = true
		w.Containers = append(w.Containers, sidecar)
	}
	seen := map[string]bool{}
	for _, c := range w.Containers {
		if seen[c.Name] && c.Name != "" {
			o.errorf(p.at("containers"), "%s: two containers have this name", show(c.Name))
		}
		seen[c.Name] = true
	}
	if len(in.ReadinessGates) > 0 {
		o.warnf(p.at("readinessGates"), "are not simulated")
	}
	if in.Resources != nil {
		o.warnf(p.at("resources"), "requests and limits of pods are not simulated; those of containers are")
	}
}

func (o *object) container(p path, in *corev1.Container) Container {
	out := Container{Name: in.Name}
	switch {
	case in.Name == "":
		o.errorf(p.at("name"), "missing: give the container a name")
	case len(validation.IsDNS1123Label(in.Name)) > 0:
		o.errorf(p.at("name"), "%s: "+dnsLabel, show(in.Name))
	}
	at := p.at("resources")
	before := o.badness
	out.Requests = o.resources(at.at("requests"), in.Resources.Requests)
	out.Limits = o.resources(at.at("limits"), in.Resources.Limits)
	if o.badness == before {
		o.above(at.at("requests"), out.Requests, out.Limits, "the limit")
	}
	if out.Requests.CPUMillis == nil {
		out.Requests.CPUMillis = copied(out.Limits.CPUMillis)
	}
	if out.Requests.MemBytes == nil {
		out.Requests.MemBytes = copied(out.Limits.MemBytes)
	}
	out.Readiness = o.probe(p.at("readinessProbe"), in.ReadinessProbe)
	out.Startup = o.probe(p.at("startupProbe"), in.StartupProbe)
	if s := out.Startup; s != nil && s.SuccessThreshold > 1 {
		o.errorf(p.at("startupProbe", "successThreshold"), "%d: must be 1", s.SuccessThreshold)
	}
	return out
}

func (o *object) probe(p path, in *corev1.Probe) *Probe {
	if in == nil {
		return nil
	}
	out := &Probe{}
	for _, f := range []struct {
		name  string
		given int32
		usual int32 // for 0
		count *int32
		time  *time.Duration
	}{
		{"initialDelaySeconds", in.InitialDelaySeconds, 0, nil, &out.InitialDelay},
		{"periodSeconds", in.PeriodSeconds, 10, nil, &out.Period},
		{"timeoutSeconds", in.TimeoutSeconds, 1, nil, &out.Timeout},
		{"failureThreshold", in.FailureThreshold, 3, &out.FailureThreshold, nil},
		{"successThreshold", in.SuccessThreshold, 1, &out.SuccessThreshold, nil},
	} {
		v := f.given
		if v == 0 {
			v = f.usual
		}
		if v < 0 {
			o.errorf(p.at(f.name), "%d: must not be negative", v)
		}
		if f.count != nil {
			*f.count = v
		} else {
			*f.time = time.Duration(v) * time.Second
		}
	}
	return out
}

func copied(n *int64) *int64 {
	if n == nil {
		return nil
	}
	v := *n
	return &v
}
