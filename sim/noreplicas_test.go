package sim

import "testing"

// A service without ready replicas refuses its visits at once in both engines: nothing waits for the first replica.
func TestNoReplicasRefuse(t *testing.T) {
	app, err := decodeText(zeroYAML)
	if err != nil {
		t.Fatal(err)
	}
	fluid, err := NewFluid(app, FluidOptions{FitVisits: 1e4})
	if err != nil {
		t.Fatal(err)
	}
	des, err := NewDES(app, DESOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for name, engine := range map[string]Engine{"fluid": fluid, "des": des} {
		if err := engine.Reset(1, []int{1}); err != nil {
			t.Fatal(err)
		}
		failed, late := 0.0, 0.0
		for at := range 90 {
			switch at {
			case 30:
				engine.Scale(ScaleRequest{Replicas: 0, Pool: AnyPool})
			case 60:
				engine.Scale(ScaleRequest{Replicas: 2, Pool: AnyPool})
			}
			engine.Step(TickLoad{RPS: []float64{20}, Arrivals: []float64{20}})
			if st := engine.State(); st.Window > 0 {
				failed += st.Endpoints[0].Failed
				late += st.Endpoints[0].Late
				if st.Services[0].Backlog > 1 {
					t.Errorf("%s: %v visits wait at %d s", name, st.Services[0].Backlog, at)
				}
			}
		}
		// 30 s without, and 2 to 3 s until a new replica is ready.
		if failed < 600 || failed > 680 || late > 1 {
			t.Errorf("%s: %v requests failed and %v were late, want 600 to 680 and none", name, failed, late)
		}
	}
}
