package sim

import (
	"math"
	"testing"
)

// WakeShare is what the CPU that an engine reports was computed with: CPU = visits x (1 ms + WakeShare x 0.5 ms).
// The request-level engine runs with fixed times, so that only work in progress at a window's ends differs.
func TestWakeShare(t *testing.T) {
	app, err := decodeText(appYAML)
	if err != nil {
		t.Fatal(err)
	}
	app.Ops[1].CV, app.Ops[1].Dist, app.Ops[1].WakeMs = 0, Deterministic, 0.5
	app.compile()
	for name, engine := range map[string]Engine{"des": newDES(t, app, nil), "fluid": steady(t, app, []int{1, 1}, []float64{40}, 0)} {
		if err := engine.Reset(1, []int{1, 1}); err != nil {
			t.Fatal(err)
		}
		used, want, windows := 0.0, 0.0, 0.0
		for range 200 {
			engine.Step(TickLoad{[]float64{40}, []float64{40}})
			if engine.State().Window == 0 {
				continue
			}
			v := &engine.State().Services[1]
			used += v.CPUUsedMillis
			want += v.ServedRPS * (1 + 0.5*v.WakeShare)
			windows++
			// 100 visits/s of about 1.5 ms keep the replica busy for 15 % of the time.
			if v.WakeShare < 0.6 || v.WakeShare > 1 {
				t.Errorf("%s: wake share %v", name, v.WakeShare)
			}
		}
		if math.Abs(used-want) > 0.005*want { // work in progress at the ends of windows
			t.Errorf("%s: %v m of CPU, want %v", name, used/windows, want/windows)
		}
	}
}
