package trace

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var sameSummary = []cmp.Option{cmpopts.EquateNaNs(), cmpopts.IgnoreUnexported(EndpointSummary{}), cmpopts.EquateApprox(0, 1e-9)}

func TestInspect(t *testing.T) {
	no := NoValue()
	s := time.Second
	rec := &Recording{
		Meta: Meta{Application: "shop", Interval: 10 * s, Licence: "MIT", CPULimitMillis: map[string]float64{"web": 200}},
		Endpoints: []EndpointRow{
			{0, "home", 2, 1, 10, 11, 0.5, no}, {0, "cart", 4, 1, 20, 21, 0, no}, {0, "all", 6, 1, 15, 21, no, no},
			{10 * s, "home", 6, 1, 30, 31, 0, no}, {10 * s, "cart", no, no, no, no, no, no}, {10 * s, "all", no, no, no, no, no, no},
			{20 * s, "home", 6, 1, 5, 6, no, no}, {20 * s, "cart", 0, no, no, no, no, no}, {20 * s, "all", 6, 1, 25, 26, no, no},
		},
		Services: []ServiceRow{
			{0, "web", 1, 1, 100, 50, 5, no, no, no, no, no, no, 0.1, no}, {0, "db", no, no, no, no, no, no, no, no, no, no, no, no, no},
			{10 * s, "web", 3, 1, 300, 70, no, no, no, no, no, no, no, 0.3, no}, {10 * s, "db", 2, no, no, no, no, no, no, no, no, no, no, no, no},
		},
	}
	got := Inspect(rec)
	want := &Summary{
		Meta: rec.Meta, Duration: 30 * s, Tables: []TableSummary{{"endpoints", 9}, {"services", 4}}, Replayable: true,
		// The total of the second interval is not known; failed are 10 of 20 at home and 0 of 40, 60 elsewhere.
		Total: EndpointSummary{Name: "all", MeanRPS: 6, MaxRPS: 6, Requests: 120, ErrorRate: 10.0 / 120, WorstP95Ms: 25, WorstP95At: 20 * s},
		Endpoints: []EndpointSummary{
			{Name: "home", MeanRPS: 14.0 / 3, MaxRPS: 6, MaxAt: 10 * s, Requests: 140, ErrorRate: 10.0 / 80, WorstP95Ms: 30, WorstP95At: 10 * s},
			{Name: "cart", MeanRPS: 2, MaxRPS: 4, Requests: 40, ErrorRate: 0, WorstP95Ms: 20},
		},
		Services: []ServiceSummary{
			{"web", 1, 3, 200, 300, 60, 5, 0.2, 200},
			{"db", 2, 2, no, no, no, no, no, no},
		},
		Missing: []string{
			"2 of 9 request rates: a replay needs a window without them, or --fill",
			"calls between services", "nodes", "wall-clock start", "source",
		},
	}
	if d := cmp.Diff(want, got, sameSummary...); d != "" {
		t.Error(d)
	}
}

func TestInspectMissing(t *testing.T) {
	no := NoValue()
	meta := Meta{Application: "any", Interval: time.Second, Source: "s", Licence: "l", Start: time.Unix(0, 0)}
	for _, c := range []struct {
		name       string
		rec        Recording
		replayable bool
		want       []string
	}{
		{"a total alone", Recording{Endpoints: []EndpointRow{{0, "all", 1, no, no, no, no, no}}}, true, []string{
			"rates by endpoint: a replay spreads the total over the application's endpoint mix",
			"latency by endpoint: a replay cannot be compared with what was recorded", "services: nothing to calibrate by", "calls between services", "nodes"}},
		{"no rates", Recording{Services: []ServiceRow{{0, "web", 1, 1, 1, 1, 1, no, no, no, no, no, no, no, no}}}, false, []string{
			"no request rates: the recording cannot be replayed", "CPU limits (cpu_limit_m in meta.yaml): latency and throttling cannot be calibrated",
			"calls between services", "nodes"}},
		{"no CPU", Recording{Services: []ServiceRow{{0, "web", 1, 1, no, 1, 1, no, no, no, no, no, no, no, no}},
			Edges: []EdgeRow{{0, "a", "b", 1, no, no}}, Nodes: []NodeRow{{0, "n", "", 1, 1, no, no}}}, false, []string{
			"no request rates: the recording cannot be replayed", "CPU by service: nothing to calibrate by"}},
	} {
		c.rec.Meta = meta
		got := Inspect(&c.rec)
		if d := cmp.Diff(c.want, got.Missing); d != "" || got.Replayable != c.replayable {
			t.Errorf("%s: %v %s", c.name, got.Replayable, d)
		}
	}
}
