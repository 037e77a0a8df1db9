package hpa

import (
	"fmt"
	"math"
	"time"
)

// Gone is the Sample.Pod of a pod that is not in the list (any more). Its sample counts in the mean of average-value
// rules and in the number of samples.
const Gone = -1

// Sample is one pod's value of one metric.
type Sample struct {
	Pod    int           // index into the pods, or Gone; at most one sample a pod
	At     time.Duration // end of the window
	Window time.Duration // length of the window that the value is a mean over
	Millis int64         // usage of the resource, or the value of a pods metric
}

// MetricData is what could be had for one metric of the HPA at one sync.
type MetricData struct {
	// Err says that the metric could not be had (ErrMetricsAPI or another); the rest is then ignored.
	Err error
	// Samples are those of a Resource, ContainerResource or Pods metric.
	Samples []Sample
	// ValuesMillis are the values of an External metric, which are summed, or the one value of an Object metric.
	ValuesMillis []int64
}

// PodUsage is what the resource metrics API says about one pod.
type PodUsage struct {
	Pod        int // index into the pods, or Gone
	At, Window time.Duration
	Containers []ContainerUsage
}

// ContainerUsage is the usage of one container.
type ContainerUsage struct {
	Name        string
	CPU, Memory Quantity // millicores; thousandths of a byte
}

func (u ContainerUsage) of(res Resource) Quantity {
	return Requests{CPU: u.CPU, Memory: u.Memory}.Of(res)
}

// AppendSamples appends to dst the samples of a resource: the sum over a pod's containers, or, if container is not
// empty, that container's usage alone. A pod without containers, or one of whose containers lacks the resource, gives
// no sample. If a pod lacks the named container, that is ErrMissingContainerMetric for the whole metric, unless
// lenient, when the pod merely has no sample (since kubernetes/kubernetes#127193).
func AppendSamples(dst []Sample, usage []PodUsage, res Resource, container string, lenient bool) ([]Sample, error) {
	start := len(dst)
	for i := range usage {
		u := &usage[i]
		sum, ok, found := int64(0), len(u.Containers) > 0, container == ""
		for j := range u.Containers {
			c := &u.Containers[j]
			if container != "" && container != c.Name {
				continue
			}
			found = true
			q := c.of(res)
			ok = ok && q.Set
			sum = addSat(sum, q.Millis)
		}
		if !found {
			if lenient {
				continue
			}
			return dst[:start], fmt.Errorf("%w: %s", ErrMissingContainerMetric, container)
		}
		if ok {
			dst = append(dst, Sample{Pod: u.Pod, At: u.At, Window: u.Window, Millis: sum})
		}
	}
	return dst, nil
}

// addSat is a+b, held at the ends of int64.
func addSat(a, b int64) int64 {
	s := a + b
	if a > 0 && b > 0 && s < 0 {
		return math.MaxInt64
	}
	if a < 0 && b < 0 && s >= 0 {
		return math.MinInt64
	}
	return s
}

// mulSat is a*b for b > 0, held at the ends of int64.
func mulSat(a, b int64) int64 {
	switch {
	case a > math.MaxInt64/b:
		return math.MaxInt64
	case a < math.MinInt64/b:
		return math.MinInt64
	}
	return a * b
}

// ceilReplicas rounds up to a replica count, held at the ends of int32. NaN (nothing against nothing) is 0.
func ceilReplicas(x float64) int32 {
	x = math.Ceil(x)
	switch {
	case x >= math.MaxInt32:
		return math.MaxInt32
	case x <= math.MinInt32:
		return math.MinInt32
	case math.IsNaN(x):
		return 0
	}
	return int32(x)
}

// ceilMillis rounds up to an amount, held at the ends of int64. NaN is 0.
func ceilMillis(x float64) int64 {
	x = math.Ceil(x)
	switch {
	case x >= math.MaxInt64: // the constant becomes 2^63 as a float64
		return math.MaxInt64
	case x <= math.MinInt64:
		return math.MinInt64
	case math.IsNaN(x):
		return 0
	}
	return int64(x)
}
