package sim

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/grlscaler/grlscaler/sim/hpa"
)

// servedView is a view of one service with two ready pods, of which metrics say so much.
func servedView(at time.Duration, scraped bool, rps float64) *View {
	v := podsView(at, nil, nil)
	v.Scraped = scraped
	v.Services = v.Services[:1]
	v.Services[0] = ServiceView{Spec: 2, Ready: 2, RPS: rps, MeanMs: 50, P95Ms: 200, ErrorRate: 0.25, CPUUsedMillis: 300, Backlog: 12}
	v.Cluster.EntryRPS, v.Cluster.SLOViolation = 7, 0.125
	v.Pods = []PodView{{Phase: PodReady}, {Phase: PodReady}, {Phase: PodStarting}, {Phase: PodTerminating}}
	v.PodStart = []int{0, 4}
	return v
}

func TestServedMetricValues(t *testing.T) {
	v := servedView(0, true, 40)
	for _, tc := range []struct {
		m    ServedMetric
		want float64
	}{
		{ServedMetric{Quantity: RequestsPerSecond}, 40},
		{ServedMetric{Quantity: RequestsPerSecond, Service: Entry}, 7},
		{ServedMetric{Quantity: RequestsPerPod}, 20},
		{ServedMetric{Quantity: RequestsInFlight}, 2}, // 40/s x 50 ms
		{ServedMetric{Quantity: MeanLatency, Factor: 0.001}, 0.05},
		{ServedMetric{Quantity: P95Latency}, 200},
		{ServedMetric{Quantity: ErrorShare}, 0.25},
		{ServedMetric{Quantity: CPUUsage}, 300},
		{ServedMetric{Quantity: Backlog}, 12},
		{ServedMetric{Quantity: SLOViolations, Service: Entry}, 0.125},
	} {
		if got, ok := tc.m.of(v); !ok || math.Abs(got-tc.want) > 1e-12 {
			t.Errorf("%+v is %v, %t; want %v", tc.m, got, ok, tc.want)
		}
		v.Scraped = false
		if _, ok := tc.m.of(v); ok {
			t.Errorf("%+v has a value before the first scrape", tc.m)
		}
		v.Scraped = true
	}
}

func TestServedMetricRefusals(t *testing.T) {
	app := &App{Services: []Service{{Name: "a"}}}
	for _, tc := range []struct {
		m    ServedMetric
		want string
	}{
		{ServedMetric{Quantity: "queue"}, `"queue" is not served; one of [rps`},
		{ServedMetric{Quantity: P95Latency, Service: Entry}, "p95_ms needs a service"},
		{ServedMetric{Quantity: SLOViolations}, "of no service"},
		{ServedMetric{Quantity: RequestsPerSecond, Service: 1}, "service 1 of 1"},
		{ServedMetric{Quantity: RequestsPerSecond, Factor: math.NaN()}, "factor NaN"},
		{ServedMetric{Quantity: RequestsPerSecond, Age: 2 * time.Hour}, "age 2h0m0s"},
	} {
		if err := tc.m.Validate(app); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%+v: %v, want %q", tc.m, err, tc.want)
		}
	}
}

// A metric of some age is what it was then, rounded up to whole intervals, and not there until then.
func TestServedMetricAge(t *testing.T) {
	for _, tc := range []struct {
		age  time.Duration
		late int
	}{{0, 0}, {time.Second, 1}, {15 * time.Second, 1}, {16 * time.Second, 2}, {time.Minute, 4}} {
		r := newMetricReader(ServedMetric{Quantity: RequestsPerSecond, Age: tc.age}, ControlInterval)
		for range 2 {
			for i := range 10 {
				got, ok := r.read(servedView(0, true, float64(100+i)))
				if ok != (i >= tc.late) || ok && got != float64(100+i-tc.late) {
					t.Errorf("age %v, reading %d: %v, %t", tc.age, i, got, ok)
				}
			}
			r.reset()
		}
	}
}

// External metrics are divided by the target, pods metrics shared by the pods that serve, and before the first scrape both fail,
// so that nothing is scaled down for want of a value.
func TestHPAOnServedMetrics(t *testing.T) {
	app := &App{Services: []Service{{Name: "a", MinReplicas: 1, MaxReplicas: 20}}}
	one := int32(1)
	for _, tc := range []struct {
		name   string
		metric hpa.MetricSpec
		want   int // for 40 requests/s and two pods
	}{
		{"external average", hpa.MetricSpec{Type: hpa.ExternalMetric, Name: "rps", Target: hpa.Target{Type: hpa.AverageValueTarget, AverageValueMillis: 12_000}}, 4}, // ceil(40/12)
		{"external value", hpa.MetricSpec{Type: hpa.ExternalMetric, Name: "rps", Target: hpa.Target{Type: hpa.ValueTarget, ValueMillis: 25_000}}, 4},                 // ceil(40/25 x 2)
		{"object value", hpa.MetricSpec{Type: hpa.ObjectMetric, Name: "rps", Target: hpa.Target{Type: hpa.ValueTarget, ValueMillis: 20_000}}, 4},
		{"pods", hpa.MetricSpec{Type: hpa.PodsMetric, Name: "rps", Target: hpa.Target{Type: hpa.AverageValueTarget, AverageValueMillis: 10_000}}, 4}, // 20 each, and 0 for the pod that starts
	} {
		h, err := NewHPA(tc.name, hpa.DefaultConfig(), func(*App, int) *hpa.Spec {
			return &hpa.Spec{Name: "a", MinReplicas: &one, MaxReplicas: 20, Metrics: []hpa.MetricSpec{tc.metric}}
		})
		if err != nil {
			t.Fatal(err)
		}
		h.Serve = func(_ *App, s int, m *hpa.MetricSpec) (ServedMetric, error) {
			if m.Name != "rps" {
				return ServedMetric{}, errors.New("unknown")
			}
			return ServedMetric{Quantity: RequestsPerSecond, Service: s}, nil
		}
		var reasons []hpa.Path
		h.Observe = func(_ int, d *hpa.Decision) { reasons = append(reasons, d.Path) }
		if err := h.Reset(app, 1); err != nil {
			t.Fatal(err)
		}
		got, err := h.Decide(servedView(0, false, 0), nil)
		if err != nil || len(got) != 0 {
			t.Errorf("%s: before the first scrape: %+v, %v", tc.name, got, err)
		}
		got, err = h.Decide(servedView(15*time.Second, true, 40), nil)
		if diff := cmp.Diff([]ScaleRequest{{Replicas: tc.want, Pool: AnyPool}}, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", tc.name, err, diff)
		}
		if fmt.Sprint(reasons) != fmt.Sprint([]hpa.Path{hpa.PathFailed, hpa.PathMetrics}) {
			t.Errorf("%s: paths %v", tc.name, reasons)
		}
	}
}
