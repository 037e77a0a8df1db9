package sim

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/grlscaler/grlscaler/sim/vpa"
)

// vpaApp is a service whose two replicas request 500 m and use 100 m each at 40 requests/s of 5 ms.
func vpaApp(t *testing.T, change ...string) (*App, *Episode) {
	t.Helper()
	app, err := decodeText(strings.NewReplacer(append(change, "cpu_request_m: 200", "cpu_request_m: 500", "min: 0", "min: 1")...).Replace(zeroYAML))
	if err != nil {
		t.Fatal(err)
	}
	return app, &Episode{Name: "level"}
}

// level fills an episode with an even load.
func level(ep *Episode, d time.Duration, rps float64) {
	ep.Ticks = int(d / Tick)
	ep.Needed, ep.RPS = make([]int, ep.Ticks/WindowTicks), ep.RPS[:0]
	for range ep.Ticks {
		ep.RPS = append(ep.RPS, rps)
	}
}

// quickVPA is a recommender that is sure of itself after minutes, where the default takes a day.
func quickVPA() vpa.Config {
	cfg := vpa.DefaultConfig()
	cfg.CPU.ConfidenceInterval, cfg.Memory.ConfidenceInterval = 5*time.Minute, 5*time.Minute
	cfg.PodMinimum.MemoryBytes = 16 << 20
	return cfg
}

func runVPA(t *testing.T, app *App, engine Engine, ep *Episode, cfg vpa.Config, spec vpa.Spec, with ...Controller) *vpaRecorder {
	t.Helper()
	c, err := NewVPA("vpa", cfg, func(*App, int) *vpa.Spec { return &spec })
	if err != nil {
		t.Fatal(err)
	}
	rec := &vpaRecorder{least: math.MaxInt}
	if err := RunController(app, engine, ep, NewGroup("both", append(with, c)...), 1, MetricsConfig{}, rec); err != nil {
		t.Fatal(err)
	}
	return rec
}

// By the defaults it takes hours until the bounds are narrow enough; then both pods are replaced, a minute apart, by ones of about 1.15
// times the 90th percentile of use, with a limit in the same ratio. Off and a single pod are left alone.
func TestVPAEvictsTowardsUse(t *testing.T) {
	app, ep := vpaApp(t)
	engine, err := NewFluid(app, FluidOptions{FitVisits: 1e4})
	if err != nil {
		t.Fatal(err)
	}
	level(ep, 30*time.Hour, 40)
	ep.Initial = []int{2}
	none := []vpa.ContainerPolicy{{ContainerName: vpa.AnyContainer, ControlledResources: []vpa.Resource{vpa.CPU}}}
	rec := runVPA(t, app, engine, ep, vpa.DefaultConfig(), vpa.Spec{Name: "web", ContainerPolicies: none})
	// By buckets of 5 % and with what arrivals vary.
	if math.Abs(rec.last.RequestMillis/120-1) > 0.15 || math.Abs(rec.last.QuotaMillis/rec.last.RequestMillis-2) > 0.01 {
		t.Errorf("request %v m of a limit of %v m, want about 120 of 240; %v", rec.last.RequestMillis, rec.last.QuotaMillis, rec.reasons)
	}
	all := strings.Join(rec.reasons, "\n")
	if !strings.Contains(all, "web kept 2 replicas by vpa; evicted 1 (OutsideBounds): a request of 500 m and 64 MiB becomes 1") || rec.least != 1 {
		t.Errorf("at least %d were ready; reasons:\n%s", rec.least, all)
	}
	if first, second := rec.at[0], rec.at[1]; first < time.Hour || second-first < time.Minute {
		t.Errorf("evictions at %v", rec.at)
	}
	for _, mode := range []vpa.UpdateMode{vpa.ModeOff, vpa.ModeInitial} {
		if rec := runVPA(t, app, engine, ep, vpa.DefaultConfig(), vpa.Spec{Name: "web", UpdateMode: mode}); rec.last.QuotaMillis != 1000 || len(rec.reasons) > 0 || rec.least != 2 {
			t.Errorf("mode %s: %+v, %v", mode, rec.last, rec.reasons)
		}
	}
	ep.Initial = []int{1}
	if rec := runVPA(t, app, engine, ep, vpa.DefaultConfig(), vpa.Spec{Name: "web"}); len(rec.reasons) > 0 {
		t.Errorf("one pod: %v", rec.reasons)
	}
}

// Both engines evict, and what pods request of CPU and memory, nodes and costs see; a pod that starts anyway has it in mode Initial too; requests
// alone can be set; and a pod without a CPU limit gets none.
func TestVPAModes(t *testing.T) {
	app, ep := vpaApp(t, "startup: {fixed_s: 2}", "startup: {fixed_s: 20}")
	level(ep, 20*time.Minute, 40)
	ep.Initial = []int{2}
	requestsOnly := []vpa.ContainerPolicy{{ContainerName: vpa.AnyContainer, ControlledValues: vpa.RequestsOnly}}
	for _, e := range bothEngines(t, app) {
		recreate := runVPA(t, app, e.Engine, ep, quickVPA(), vpa.Spec{Name: "web", UpdateMode: vpa.ModeAuto})
		v, mem := recreate.last, 0.0
		for _, n := range e.State().Nodes {
			mem += n.MemRequestedMiB
		}
		if v.RequestMillis > 150 || v.RequestMillis < 100 || v.MemRequestMiB < 16 || v.MemRequestMiB > 20 || math.Abs(v.MemLimitMiB/v.MemRequestMiB-2) > 1e-6 || math.Abs(mem-2*v.MemRequestMiB) > 1e-6 {
			t.Errorf("%s: %+v, nodes hold %v MiB", e.name, v, mem)
		}
		if recreate.least != 1 || recreate.at[len(recreate.at)-1] > 10*time.Minute {
			t.Errorf("%s: at least %d were ready, evictions at %v", e.name, recreate.least, recreate.at)
		}
		scaled := runVPA(t, app, e.Engine, ep, quickVPA(), vpa.Spec{Name: "web", UpdateMode: vpa.ModeInitial}, &stepUp{at: 15 * time.Minute, to: 3})
		pods := e.pods()
		if len(scaled.reasons) > 0 || pods[0].RequestMillis != 500 || pods[2].RequestMillis > 150 || pods[2].MemRequestMiB > 20 {
			t.Errorf("%s: Initial: %+v", e.name, pods)
		}
		only := runVPA(t, app, e.Engine, ep, quickVPA(), vpa.Spec{Name: "web", ContainerPolicies: requestsOnly}).last
		if only.QuotaMillis != 1000 || only.RequestMillis > 150 || only.MemLimitMiB != 128 {
			t.Errorf("%s: RequestsOnly: %+v", e.name, only)
		}
		c, err := NewVPA("vpa", quickVPA(), func(*App, int) *vpa.Spec { return &vpa.Spec{Name: "web"} })
		if err != nil {
			t.Fatal(err)
		}
		c.Unlimited = func(int) bool { return true }
		free := &vpaRecorder{}
		if err := RunController(app, e.Engine, ep, c, 1, MetricsConfig{}, free); err != nil || free.last.QuotaMillis != 1000 || free.last.RequestMillis > 150 {
			t.Errorf("%s: without a CPU limit: %+v, %v", e.name, free.last, err)
		}
	}
}

// InPlaceOrRecreate resizes without a restart. A pod whose node has no room waits for five minutes and is evicted then.
func TestVPAInPlace(t *testing.T) {
	app, ep := vpaApp(t)
	level(ep, 20*time.Minute, 40)
	ep.Initial = []int{2}
	for _, e := range bothEngines(t, app) {
		rec := runVPA(t, app, e.Engine, ep, quickVPA(), vpa.Spec{Name: "web", UpdateMode: vpa.ModeInPlaceOrRecreate})
		if rec.least != 2 || rec.last.RequestMillis > 150 || e.pods()[1].ID != 1 || !strings.Contains(rec.reasons[0], "; resized 1 in place (OutsideBounds): a request of 500 m") {
			t.Errorf("%s: at least %d ready, %+v, %v", e.name, rec.least, rec.last, rec.reasons)
		}
	}
	app, _ = vpaApp(t, "cpu_request_m: 200", "cpu_request_m: 60", "nodes: 4, cpu_m: 4000", "nodes: 2, cpu_m: 100")
	for _, e := range bothEngines(t, app) {
		rec := runVPA(t, app, e.Engine, ep, quickVPA(), vpa.Spec{Name: "web", UpdateMode: vpa.ModeInPlaceOrRecreate})
		resized, evicted := -1, -1
		for i, r := range rec.reasons {
			if resized < 0 && strings.Contains(r, "resized 1 in place") {
				resized = i
			}
			if evicted < 0 && strings.Contains(r, "evicted 1") {
				evicted = i
			}
		}
		if resized < 0 || evicted < 0 || rec.at[evicted]-rec.at[resized] != 6*time.Minute {
			t.Errorf("%s: %v at %v", e.name, rec.reasons, rec.at)
		}
	}
}

// stepUp asks for replicas of service 0 from a time on.
type stepUp struct {
	at time.Duration
	to int
}

func (c *stepUp) Name() string             { return "step" }
func (c *stepUp) Reset(*App, uint64) error { return nil }
func (c *stepUp) Decide(v *View, dst []ScaleRequest) ([]ScaleRequest, error) {
	if v.At >= c.at {
		dst = append(dst, ScaleRequest{Replicas: c.to, Pool: AnyPool})
	}
	return dst, nil
}

type vpaRecorder struct {
	last    ServiceState
	least   int // ready replicas
	reasons []string
	at      []time.Duration // of each reason
}

func (r *vpaRecorder) RecordTick(t *TickRecord) {
	r.last = t.State.Services[0]
	r.least = min(r.least, r.last.Ready)
}
func (r *vpaRecorder) RecordInterval(*IntervalRecord) {}
func (r *vpaRecorder) RecordDecision(d *DecisionRecord) {
	for i := range d.Reasons {
		if d.Reasons[i].Rule == "vpa" {
			r.reasons, r.at = append(r.reasons, d.Reasons[i].Sentence("web")), append(r.at, d.At)
		}
	}
}

func TestVPARefusals(t *testing.T) {
	app, err := decodeText(zeroYAML)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		spec vpa.Spec
		want string
	}{
		{vpa.Spec{Name: "web", UpdateMode: "Sometimes"}, "service web: "},
		{vpa.Spec{Name: "web", MinReplicas: new32(0)}, "service web: "},
	} {
		c, err := NewVPA("vpa", vpa.DefaultConfig(), func(*App, int) *vpa.Spec { return &tc.spec })
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Reset(app, 1); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%+v: %v, want %q", tc.spec, err, tc.want)
		}
	}
}
