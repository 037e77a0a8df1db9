package benchmark

import (
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/grlscaler/grlscaler/sim"
)

// TestSteps writes two intervals after a warm-up of one. In the second, service a scales from 1 to 2 replicas, and
// endpoint B, slow before, is fast.
func TestSteps(t *testing.T) {
	app := testApp(2, 200, 200)
	calm := scriptTick{ready: []int{1, 3}, needed: []int{1, 2}, used: []float64{50, 120}, endpoints: []scriptEndpoint{{offered: 10, ms: 40}, {offered: 5, ms: 90}}}
	busy := scriptTick{ready: []int{1, 3}, starting: []int{1, 0}, needed: []int{2, 2}, used: []float64{90, 120},
		endpoints: []scriptEndpoint{{offered: 20, failed: 2, late: 4, ms: 40}, {offered: 5, late: 1, ms: 20}}}
	sc := script{app: app, warmup: 15, reward: -0.5, ticks: append(constant(30, calm), constant(15, busy)...)}
	r := newStepRecorder(app, Trial{Controller: `a "quoted", name`, Scenario: "peak", Seed: 3}, Span{})
	sc.play(r)
	p95 := func(ms float64) string { // what a histogram of nothing but ms and shorter ones says, if at least 5 % are ms
		var h sim.Histogram
		h.Add(ms, 1)
		return formatFixed(h.QuantileMs(1), 0)
	}
	got := strings.Split(r.out.String(), "\n")
	for i := range got {
		if f := strings.Split(got[i], ","); len(f) > 5 && strings.Contains(got[i], ",*,") {
			v := parse(t, f[len(f)-3])
			f[len(f)-3] = formatFixed(v, 0)
			got[i] = strings.Join(f, ",")
		}
	}
	name := `"a ""quoted"", name",peak,3,`
	want := []string{
		name + "15,*,3,4,4,0,0,0,400.0,,170.00,15.000,0.000,0.000," + p95(90) + ",,-0.500000",
		name + "15,a,1,1,1,0,0,0,100.0,200.0,50.00,0.000,0.000,,0.00,0.0000,",
		name + "15,b,2,3,3,0,0,0,300.0,200.0,120.00,0.000,0.000,,0.00,0.0000,",
		name + "30,*,4,4,4,1,0,0,500.0,,210.00,25.000,2.000,5.000," + p95(40) + ",,-0.500000",
		name + "30,a,2,1,1,1,0,0,200.0,200.0,90.00,0.000,0.000,,0.00,0.0000,",
		name + "30,b,2,3,3,0,0,0,300.0,200.0,120.00,0.000,0.000,,0.00,0.0000,",
		"",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestStepsAgreeWithMetrics: on a real run, what the steps add up to is what the accumulator says.
func TestStepsAgreeWithMetrics(t *testing.T) {
	p := realPlan(t)
	res, err := Run(t.Context(), p, Options{Only: []int{2, 11}})
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range res.Rows {
		var bad, offered, reward, n, used float64
		for line := range strings.Lines(string(row.Steps)) {
			f := strings.Split(strings.TrimSuffix(line, "\n"), ",")
			if f[4] != AllServices {
				continue
			}
			n++
			offered += parse(t, f[14]) * sim.ControlInterval.Seconds()
			bad += (parse(t, f[15]) + parse(t, f[16])) * sim.ControlInterval.Seconds()
			reward += parse(t, f[19])
			used += parse(t, f[13])
		}
		if n*sim.ControlInterval.Seconds() != row.Seconds || used <= 0 {
			t.Fatalf("%v: %g intervals for %g s", row.Trial, n, row.Seconds)
		}
		// Steps have three decimals, so a share of 1e-5 may be rounding.
		if d := offered/row.Requests - 1; d > 1e-5 || d < -1e-5 {
			t.Errorf("%v: steps add up to %g requests, want %g", row.Trial, offered, row.Requests)
		}
		if d := bad/offered - row.SLOViolation; d > 1e-5 || d < -1e-5 {
			t.Errorf("%v: steps add up to a violation of %g, want %g", row.Trial, bad/offered, row.SLOViolation)
		}
		if d := reward/n - row.Reward; d > 1e-5 || d < -1e-5 {
			t.Errorf("%v: steps have a mean reward of %g, want %g", row.Trial, reward/n, row.Reward)
		}
	}
	if len(res.Rows) != 2 || res.Rows[1].Steps == nil {
		t.Fatal("no steps")
	}
}

func parse(t *testing.T, s string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
