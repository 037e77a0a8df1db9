package sim

import (
	"math"
	"strings"
	"testing"
)

// front makes two calls of back in a row, with 1 ms of its own work between; back works 1 ms and has slept after 2 ms
// (time constant). At 1 request/s the first call pays all of wake_ms, the second 1 - e^(-1/2) of it while one replica
// serves both, all of it with two replicas in turn.
func TestSleep(t *testing.T) {
	text := strings.NewReplacer("cpu_ms: 2\n        cv: 0.5", "cpu_ms: 3", "mean: 2.5", "mean: 2", "{name: get, cpu_ms: 1, cv: 1}", "{name: get, cpu_ms: 0.5, wake_ms: 0.5}",
		"  - name: back\n", "  - name: back\n    sleep_ms: 2\n").Replace(appYAML)
	app, err := decodeText(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		replicas int
		share    float64
	}{
		{1, (1 + 1 - math.Exp(-0.5)) / 2},
		{2, 1},
	} {
		d := newDES(t, app, []int{1, tc.replicas})
		sum, windows := 0.0, 0.0
		for range 200 {
			d.Step(TickLoad{[]float64{1}, []float64{1}})
			if d.State().Window > 0 {
				sum += d.State().Services[1].WakeShare
				windows++
			}
		}
		if got := sum / windows; math.Abs(got-tc.share) > 0.01 { // two requests in one ms in 200 s: 0.1 % of them
			t.Errorf("%d replicas: visits pay %.4f of the wake-up cost, want %.4f", tc.replicas, got, tc.share)
		}
		// The fluid engine takes a visit's time with its wake-up in full, so calls are 1 ms and the gap is the same.
		f := steady(t, app, []int{1, tc.replicas}, []float64{1}, 5)
		if got := f.State().Services[1].WakeShare; math.Abs(got-tc.share) > 0.005 { // at a load of nearly nothing
			t.Errorf("fluid, %d replicas: visits pay %.4f of the wake-up cost, want %.4f", tc.replicas, got, tc.share)
		}
	}
}

// What runs after a call found the replica idle for the time of the call: front, alone, pays 1 + 2 (1 - e^(-1/2)) of
// 3 chunks' wake-ups.
func TestSleepDuringCalls(t *testing.T) {
	text := strings.NewReplacer("cpu_ms: 2\n        cv: 0.5", "cpu_ms: 1\n        wake_ms: 1", "mean: 2.5", "mean: 2", "{name: get, cpu_ms: 1, cv: 1}", "{name: get, cpu_ms: 1}",
		"  - name: front\n", "  - name: front\n    sleep_ms: 2\n").Replace(appYAML)
	app, err := decodeText(text)
	if err != nil {
		t.Fatal(err)
	}
	want := (1 + 2*(1-math.Exp(-0.5))) / 3
	d := newDES(t, app, []int{1, 1})
	sum, windows := 0.0, 0.0
	for range 200 {
		d.Step(TickLoad{[]float64{1}, []float64{1}})
		if d.State().Window > 0 {
			sum += d.State().Services[0].WakeShare
			windows++
		}
	}
	if got := sum / windows; math.Abs(got-want) > 0.01 {
		t.Errorf("des: %.4f, want %.4f", got, want)
	}
	f := steady(t, app, []int{1, 1}, []float64{1}, 5)
	if got := f.State().Services[0].WakeShare; math.Abs(got-want) > 0.005 {
		t.Errorf("fluid: %.4f, want %.4f", got, want)
	}
}
