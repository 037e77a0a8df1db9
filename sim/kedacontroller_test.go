package sim

import (
	"strings"
	"testing"
	"time"

	"github.com/grlscaler/grlscaler/sim/hpa"
	"github.com/grlscaler/grlscaler/sim/keda"
)

const zeroYAML = `format: 1
name: zero
services:
  - name: web
    cpu_request_m: 200
    cpu_limit_m: 1000
    mem_request_mib: 64
    mem_limit_mib: 128
    replicas: {min: 0, max: 10, initial: 2}
    startup: {fixed_s: 2}
    operations:
      - {name: get, cpu_ms: 5}
endpoints:
  - {name: page, op: web.get, weight: 1, slo_ms: 100}
pools:
  - {name: small, nodes: 4, cpu_m: 4000, mem_mib: 16000, price_per_core_hour: 0.04}
`

func scaledObject() keda.Spec {
	cooldown := int32(60)
	return keda.Spec{Name: "web", CooldownPeriodSeconds: &cooldown, MaxReplicaCount: new32(10),
		Triggers: []keda.Trigger{{Type: keda.PrometheusTrigger, Prometheus: keda.Prometheus{Query: "rps", Threshold: 20}}}}
}

func new32(n int32) *int32 { return &n }

func newTestKEDA(tb testing.TB, spec keda.Spec) *KEDA {
	tb.Helper()
	k, err := NewKEDA("keda", hpa.DefaultConfig(), KEDAObjects{
		Spec: func(*App, int) *keda.Spec { return &spec },
		Serve: func(_ *App, s int, _ *keda.Trigger) (ServedMetric, error) {
			return ServedMetric{Quantity: RequestsPerSecond, Service: Entry}, nil
		},
	})
	if err != nil {
		tb.Fatal(err)
	}
	return k
}

// kedaRun gives the wanted replicas of the one service after each decision.
func kedaRun(t *testing.T, spec keda.Spec, seconds int, load func(at int) float64) (want []int, reasons []string) {
	t.Helper()
	app, err := decodeText(zeroYAML)
	if err != nil {
		t.Fatal(err)
	}
	engine, err := NewFluid(app, FluidOptions{FitVisits: 1e4})
	if err != nil {
		t.Fatal(err)
	}
	ep := Episode{Name: "bursts", Ticks: seconds, Needed: make([]int, (seconds+WindowTicks-1)/WindowTicks)}
	for at := range seconds {
		ep.RPS = append(ep.RPS, load(at))
	}
	rec := &kedaRecorder{}
	k := newTestKEDA(t, spec)
	for range 2 { // a controller can be used again
		*rec = kedaRecorder{}
		if err := RunController(app, engine, &ep, k, 1, MetricsConfig{}, rec); err != nil {
			t.Fatal(err)
		}
	}
	return rec.want, rec.reasons
}

type kedaRecorder struct {
	want    []int
	reasons []string
}

func (r *kedaRecorder) RecordTick(*TickRecord)         {}
func (r *kedaRecorder) RecordInterval(*IntervalRecord) {}
func (r *kedaRecorder) RecordDecision(d *DecisionRecord) {
	n := d.View.Services[0].Spec
	for _, q := range d.Requests {
		n = q.Replicas
	}
	r.want = append(r.want, n)
	for i := range d.Reasons {
		r.reasons = append(r.reasons, d.At.String()+" "+d.Reasons[i].Sentence("web"))
	}
}

// Load stops at 300 s: the HPA holds for its window, but once the cooldown of 60 s since the last active poll is over, the operator
// takes everything away, from whatever count. Load at 600 s wakes it up again at the next poll that sees it.
func TestKEDAToZeroAndBack(t *testing.T) {
	want, reasons := kedaRun(t, scaledObject(), 900, func(at int) float64 {
		if at >= 300 && at < 600 {
			return 0
		}
		return 100
	})
	at := func(second int) int { return want[second/15] }
	if n := at(285); n < 5 || n > 6 { // 100/20, and the noise of arrivals
		t.Errorf("%d replicas at 285 s, want 5 or 6", n)
	}
	// Scrapes show a window of 15 s: the last poll to see load is at 300 s, or at 330 s with what lags behind. More than 60 s later,
	// on the grid of 30 s, it is over.
	if at(375) == 0 || at(465) != 0 {
		t.Errorf("%d replicas at 375 s and %d at 465 s, want some and 0", at(375), at(465))
	}
	if at(585) != 0 || at(660) < 1 || at(885) < 5 || at(885) > 6 {
		t.Errorf("%d, %d and %d replicas at 585, 660 and 885 s; want 0, some and 5 or 6", at(585), at(660), at(885))
	}
	all := strings.Join(reasons, "\n")
	for _, text := range []string{"to 0 replicas by keda; no trigger is active, the cooldown is over", "web went from 0 to 1 replica by keda; a trigger is active",
		"against a target of 20 per pod, which alone gives 5"} {
		if !strings.Contains(all, text) {
			t.Errorf("no reason says %q:\n%s", text, all)
		}
	}
}

// With a minimum it stays there, whatever the triggers say.
func TestKEDAKeepsItsMinimum(t *testing.T) {
	spec := scaledObject()
	spec.MinReplicaCount = new32(2)
	want, _ := kedaRun(t, spec, 900, func(int) float64 { return 0 })
	for i, n := range want {
		if n != 2 {
			t.Fatalf("%d replicas after decision %d, want 2: %v", n, i, want)
		}
	}
}

func TestKEDARefusals(t *testing.T) {
	app, err := decodeText(zeroYAML)
	if err != nil {
		t.Fatal(err)
	}
	spec := scaledObject()
	spec.Triggers[0].Prometheus.Threshold = -1
	if err := newTestKEDA(t, spec).Reset(app, 1); err == nil || !strings.Contains(err.Error(), "service web: ") || !strings.Contains(err.Error(), "threshold") {
		t.Errorf("a negative threshold: %v", err)
	}
	k := newTestKEDA(t, scaledObject())
	k.objects.Serve = func(*App, int, *keda.Trigger) (ServedMetric, error) { return ServedMetric{Quantity: "queue"}, nil }
	if err := k.Reset(app, 1); err == nil || !strings.Contains(err.Error(), `service web: scaledobject "web": triggers[0]: metric: "queue" is not served`) {
		t.Errorf("a metric that nothing serves: %v", err)
	}
}

func TestKEDADecideAllocatesNothing(t *testing.T) {
	app, err := decodeText(zeroYAML)
	if err != nil {
		t.Fatal(err)
	}
	k := newTestKEDA(t, scaledObject())
	if err := k.Reset(app, 1); err != nil {
		t.Fatal(err)
	}
	v := servedView(0, true, 40)
	var requests []ScaleRequest
	decide := func() {
		v.At += 15 * time.Second
		requests, err = k.Decide(v, requests[:0])
	}
	decide()
	if n := testing.AllocsPerRun(100, decide); n != 0 || err != nil {
		t.Errorf("%v allocations a decision, %v", n, err)
	}
}
