package benchmark

import (
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/grlscaler/grlscaler/sim"
)

// TestSteps writes two intervals after a warm-up of one. In the second, service a scales from 1 to 2 replicas.
func TestSteps(t *testing.T) {
	app := testApp(2, 200)
	calm := scriptTick{ready: []int{1, 3}, needed: []int{1, 2}, used: []float64{50, 120}, endpoints: []scriptEndpoint{{offered: 10, ms: 40}}}
	busy := scriptTick{ready: []int{1, 3}, starting: []int{1, 0}, needed: []int{2, 2}, used: []float64{90, 120}, endpoints: []scriptEndpoint{{offered: 20, failed: 2, late: 4, ms: 40}}}
	sc := script{app: app, warmup: 15, reward: -0.5, ticks: append(constant(30, calm), constant(15, busy)...)}
	r := newStepRecorder(app, Trial{Controller: `a "quoted", name`, Scenario: "peak", Seed: 3})
	sc.play(r)
	got := strings.Split(r.out.String(), "\n")
	name := `"a ""quoted"", name",peak,3,`
	want := []string{
		name + "15,*,3,4,4,0,0,0,400.0,,170.00,10.000,0.000,0.000,40.2,,-0.500000",
		name + "15,a,1,1,1,0,0,0,100.0,200.0,50.00,0.000,0.000,,0.00,0.0000,",
		name + "15,b,2,3,3,0,0,0,300.0,200.0,120.00,0.000,0.000,,0.00,0.0000,",
		name + "30,*,4,4,4,1,0,0,500.0,,210.00,20.000,2.000,4.000,40.2,,-0.500000",
		name + "30,a,2,1,1,1,0,0,200.0,200.0,90.00,0.000,0.000,,0.00,0.0000,",
		name + "30,b,2,3,3,0,0,0,300.0,200.0,120.00,0.000,0.000,,0.00,0.0000,",
		"",
	}
	// The p95 of equal latencies is interpolated within its histogram bucket, 2 % wide.
	for i := range got {
		for _, row := range []string{"15,*,", "30,*,"} {
			if strings.HasPrefix(got[i], name+row) {
				fields := strings.Split(got[i], ",")
				if p95 := &fields[len(fields)-3]; strings.HasPrefix(*p95, "40.") || strings.HasPrefix(*p95, "39.") {
					*p95 = "40.2"
				}
				got[i] = strings.Join(fields, ",")
			}
		}
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
		// Steps have three decimals.
		if d := offered/row.Requests - 1; d > 1e-6 || d < -1e-6 {
			t.Errorf("%v: steps add up to %g requests, want %g", row.Trial, offered, row.Requests)
		}
		if d := bad/offered - row.SLOViolation; d > 1e-6 || d < -1e-6 {
			t.Errorf("%v: steps add up to a violation of %g, want %g", row.Trial, bad/offered, row.SLOViolation)
		}
		if d := reward/n - row.Reward; d > 1e-6 || d < -1e-6 {
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
