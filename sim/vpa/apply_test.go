package vpa

import (
	"math"
	"testing"
)

// TestApply: what a container gets that would have had something else.
func TestApply(t *testing.T) {
	rec := Recommendation{Container: "app", Target: Amounts{300, 6e8}, Lower: Amounts{200, 4e8}, Upper: Amounts{400, 8e8}}
	cpuOnly := rec
	cpuOnly.Target.MemoryBytes, cpuOnly.Lower.MemoryBytes, cpuOnly.Upper.MemoryBytes = 0, 0, 0
	with := func(p ContainerPolicy) Spec {
		p.ContainerName = "*"
		return Spec{ContainerPolicies: []ContainerPolicy{p}}
	}
	for _, tt := range []struct {
		name       string
		spec       Spec
		rec        Recommendation
		have, want Resources
	}{
		{"limits keep their ratio", Spec{}, rec, Resources{Amounts{100, 2e8}, Amounts{250, 3e8}}, Resources{Amounts{300, 6e8}, Amounts{750, 9e8}}},
		// 300 * 11/7 = 471.4, 6e8 * 11/7 = 942857142.9
		{"rounded down", Spec{}, rec, Resources{Amounts{7, 7}, Amounts{11, 11}}, Resources{Amounts{300, 6e8}, Amounts{471, 942857142}}},
		{"limits equal to requests", Spec{}, rec, Resources{Amounts{100, 2e8}, Amounts{100, 2e8}}, Resources{Amounts{300, 6e8}, Amounts{300, 6e8}}},
		{"limits without requests", Spec{}, rec, Resources{Limit: Amounts{100, 2e8}}, Resources{Amounts{300, 6e8}, Amounts{300, 6e8}}},
		{"no limits", Spec{}, rec, Resources{Request: Amounts{100, 2e8}}, Resources{Request: Amounts{300, 6e8}}},
		{"nothing", Spec{}, rec, Resources{}, Resources{Request: Amounts{300, 6e8}}},
		{"a limit beyond counting", Spec{}, rec, Resources{Amounts{1, 1}, Amounts{math.MaxInt64, math.MaxInt64}},
			Resources{Amounts{300, 6e8}, Amounts{math.MaxInt64, math.MaxInt64}}},
		{"CPU alone is recommended", Spec{}, cpuOnly, Resources{Amounts{100, 2e8}, Amounts{250, 3e8}}, Resources{Amounts{300, 2e8}, Amounts{750, 3e8}}},
		{"CPU alone is controlled", with(ContainerPolicy{ControlledResources: []Resource{CPU}}), rec, Resources{Amounts{100, 2e8}, Amounts{250, 3e8}},
			Resources{Amounts{300, 2e8}, Amounts{750, 3e8}}},
		{"requests only", with(ContainerPolicy{ControlledValues: RequestsOnly}), rec, Resources{Amounts{100, 2e8}, Amounts{900, 9e8}},
			Resources{Amounts{300, 6e8}, Amounts{900, 9e8}}},
		{"requests only, up to the limits", with(ContainerPolicy{ControlledValues: RequestsOnly}), rec,
			Resources{Amounts{100, 2e8}, Amounts{250, 3e8}}, Resources{Amounts{250, 3e8}, Amounts{250, 3e8}}},
		{"within the policy's bounds", with(ContainerPolicy{MinAllowed: Amounts{350, 1e8}, MaxAllowed: Amounts{500, 5e8}}), rec,
			Resources{Amounts{100, 1e8}, Amounts{200, 2e8}}, Resources{Amounts{350, 5e8}, Amounts{700, 10e8}}},
		{"a container that is off", with(ContainerPolicy{Mode: ScalingOff}), rec, Resources{Amounts{100, 2e8}, Amounts{250, 3e8}},
			Resources{Amounts{100, 2e8}, Amounts{250, 3e8}}},
		{"off", Spec{UpdateMode: ModeOff}, rec, Resources{Amounts{100, 2e8}, Amounts{250, 3e8}}, Resources{Amounts{100, 2e8}, Amounts{250, 3e8}}},
		{"initial", Spec{UpdateMode: ModeInitial}, rec, Resources{Amounts{100, 2e8}, Amounts{}}, Resources{Amounts{300, 6e8}, Amounts{}}},
		{"no recommendation", Spec{}, Recommendation{Container: "app"}, Resources{Amounts{100, 2e8}, Amounts{250, 3e8}},
			Resources{Amounts{100, 2e8}, Amounts{250, 3e8}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.spec.Apply(tt.rec, tt.have); got != tt.want {
				t.Errorf("%+v, want %+v", got, tt.want)
			}
		})
	}
}
