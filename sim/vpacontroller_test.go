package sim

import (
	"math"
	"strings"
	"testing"

	"github.com/grlscaler/grlscaler/sim/vpa"
)

// A service that asks for five times what it uses is resized to about 1.15 times its 90th percentile, requests and limits in
// proportion, once there is history enough for the bounds to be narrow; and one in mode Off is left alone.
func TestVPAResizesTowardsUse(t *testing.T) {
	app, err := decodeText(strings.NewReplacer("cpu_request_m: 200", "cpu_request_m: 500", "min: 0", "min: 2").Replace(zeroYAML))
	if err != nil {
		t.Fatal(err)
	}
	engine, err := NewFluid(app, FluidOptions{FitVisits: 1e4})
	if err != nil {
		t.Fatal(err)
	}
	const hours = 30
	ep := Episode{Name: "level", Ticks: hours * 3600, Needed: make([]int, hours*3600/WindowTicks)}
	for range ep.Ticks {
		ep.RPS = append(ep.RPS, 40) // 200 m of work, 100 m each of two
	}
	for _, mode := range []vpa.UpdateMode{vpa.ModeRecreate, vpa.ModeOff} {
		c, err := NewVPA("vpa", vpa.DefaultConfig(), func(*App, int) *vpa.Spec { return &vpa.Spec{Name: "web", UpdateMode: mode} })
		if err != nil {
			t.Fatal(err)
		}
		rec := &vpaRecorder{}
		if err := RunController(app, engine, &ep, c, 1, MetricsConfig{}, rec); err != nil {
			t.Fatal(err)
		}
		if mode == vpa.ModeOff {
			if rec.last != 1000 || len(rec.reasons) > 0 {
				t.Errorf("mode Off: limit %v m, %v", rec.last, rec.reasons)
			}
			continue
		}
		// A limit of twice the request, as before: about 2 x 115 m, by buckets of 5 % and with what arrivals vary.
		if math.Abs(rec.last/240-1) > 0.15 {
			t.Errorf("limit %v m after %d h, want about 240 m; %v", rec.last, hours, rec.reasons)
		}
		if all := strings.Join(rec.reasons, "\n"); !strings.Contains(all, "web kept 2 replicas by vpa: cpu request was 500 against a target of ") || !strings.Contains(all, "OutsideBounds: CPU limit ") {
			t.Errorf("reasons:\n%s", all)
		}
	}
}

type vpaRecorder struct {
	last    float64
	reasons []string
}

func (r *vpaRecorder) RecordTick(*TickRecord)         {}
func (r *vpaRecorder) RecordInterval(*IntervalRecord) {}
func (r *vpaRecorder) RecordDecision(d *DecisionRecord) {
	r.last = d.View.Services[0].QuotaMillis
	for i := range d.Reasons {
		r.reasons = append(r.reasons, d.Reasons[i].Sentence("web"))
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
		{vpa.Spec{Name: "web", ContainerPolicies: []vpa.ContainerPolicy{{ContainerName: "*", ControlledValues: vpa.RequestsOnly}}}, "RequestsOnly: simulated requests and limits change together"},
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
