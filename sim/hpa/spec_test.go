package hpa

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestSpecValidate: each rule of the API with its message, and all mistakes at once.
func TestSpecValidate(t *testing.T) {
	ok := func(change func(*Spec)) Spec {
		s := Spec{Name: "web", MaxReplicas: 5, Metrics: external(1), Behavior: &Behavior{
			ScaleUp: &ScalingRules{Policies: []Policy{{PodsPolicy, 1, 60}}}, ScaleDown: &ScalingRules{},
		}}
		change(&s)
		return s
	}
	metric := func(m MetricSpec) Spec { return ok(func(s *Spec) { s.Metrics = []MetricSpec{m} }) }
	toZero := DefaultConfig()
	toZero.ScaleToZero = true
	for _, tt := range []struct {
		name string
		spec Spec
		cfg  Config
		want []string // what the error contains; none: no error
	}{
		{"valid", ok(func(*Spec) {}), DefaultConfig(), nil},
		{"defaults alone", Spec{MaxReplicas: 1}, DefaultConfig(), nil},
		{"no max", ok(func(s *Spec) { s.MaxReplicas = 0 }), DefaultConfig(), []string{`hpa "web": spec.maxReplicas: 0: must be at least 1`}},
		{"min above max", ok(func(s *Spec) { s.MinReplicas = ptr(int32(6)) }), DefaultConfig(), []string{"maxReplicas: 5: must be at least minReplicas, which is 6"}},
		{"min negative", ok(func(s *Spec) { s.MinReplicas = ptr(int32(-1)) }), toZero, []string{"minReplicas: -1: must not be negative"}},
		{"min 0 without the feature", ok(func(s *Spec) { s.MinReplicas = ptr(int32(0)) }), DefaultConfig(), []string{"minReplicas: 0: must be at least 1", "HPAScaleToZero"}},
		{"min 0 with the feature", ok(func(s *Spec) { s.MinReplicas = ptr(int32(0)) }), toZero, nil},
		{"min 0 with resource metrics only", ok(func(s *Spec) { s.MinReplicas, s.Metrics = ptr(int32(0)), nil }), toZero, []string{"needs at least one Object or External metric"}},
		{"unknown type", metric(MetricSpec{Type: "Cheddar"}), DefaultConfig(), []string{`metrics[0].type: "Cheddar": must be one of "Resource"`}},
		{"resource", metric(MetricSpec{Type: ResourceMetric, Target: Target{Type: ValueTarget, ValueMillis: 1}}), DefaultConfig(),
			[]string{`metrics[0].resource: "": must be "cpu" or "memory"`, `metrics[0].target.type: "Value": must be one of ["Utilization" "AverageValue"]`}},
		{"container resource", metric(MetricSpec{Type: ContainerResourceMetric, Resource: CPU, Target: Target{Type: UtilizationTarget}}), DefaultConfig(),
			[]string{"metrics[0].container:", "metrics[0].target.averageUtilization: 0: must be above 0"}},
		{"pods", metric(MetricSpec{Type: PodsMetric, Target: Target{Type: UtilizationTarget, AverageUtilization: 1}}), DefaultConfig(),
			[]string{"metrics[0].name: a Pods metric must have one", `target.type: "Utilization"`}},
		{"object", metric(MetricSpec{Type: ObjectMetric, Name: "x", Target: Target{Type: ValueTarget, ValueMillis: -1}}), DefaultConfig(), []string{"target.value (thousandths): -1: must be above 0"}},
		{"external", metric(MetricSpec{Type: ExternalMetric, Name: "x", Target: Target{Type: AverageValueTarget, AverageValueMillis: 1, ValueMillis: 1}}), DefaultConfig(),
			[]string{`target.value (thousandths): 1: must not be set for a target of type "AverageValue"`}},
		{"windows", ok(func(s *Spec) {
			s.Behavior.ScaleUp.StabilizationWindowSeconds = ptr(int32(3601))
			s.Behavior.ScaleDown.StabilizationWindowSeconds = ptr(int32(-1))
		}), DefaultConfig(), []string{"behavior.scaleUp.stabilizationWindowSeconds: 3601: must be 0..3600", "behavior.scaleDown.stabilizationWindowSeconds: -1"}},
		{"select policy", ok(func(s *Spec) { s.Behavior.ScaleDown.SelectPolicy = "max" }), DefaultConfig(), []string{`behavior.scaleDown.selectPolicy: "max": must be one of "Max", "Min", "Disabled"`}},
		{"policies", ok(func(s *Spec) { s.Behavior.ScaleUp.Policies = []Policy{{PodsPolicy, 1, 1}, {"Pod", 0, 1801}} }), DefaultConfig(),
			[]string{`scaleUp.policies[1].type: "Pod"`, "scaleUp.policies[1].value: 0", "scaleUp.policies[1].periodSeconds: 1801: must be 1..1800"}},
		{"tolerance", ok(func(s *Spec) {
			s.Behavior.ScaleUp.Tolerance, s.Behavior.ScaleDown.Tolerance = ptr(-0.1), ptr(math.NaN())
		}), DefaultConfig(),
			[]string{"scaleUp.tolerance: -0.1", "scaleDown.tolerance: NaN"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.spec.Validate(tt.cfg)
			if len(tt.want) == 0 {
				if err != nil {
					t.Errorf("error %v, want none", err)
				}
				return
			}
			if err == nil {
				t.Fatal("no error")
			}
			for _, w := range tt.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("error %q lacks %q", err, w)
				}
			}
			if n := strings.Count(err.Error(), "\n") + 1; n != len(tt.want) && tt.name != "min 0 without the feature" {
				t.Errorf("%d errors, want %d:\n%v", n, len(tt.want), err)
			}
			if _, err := New(tt.spec, tt.cfg); err == nil {
				t.Error("New accepts it")
			}
		})
	}
}

func TestConfigValidate(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
	bad := Config{
		SyncPeriod: -1, DownscaleStabilization: -1, CPUInitializationPeriod: -1, InitialReadinessDelay: -1,
		Tolerance: Tolerance{math.NaN(), math.Inf(1), 9}, ScaleUpFactor: 0.5, ScaleUpMinimum: math.NaN(),
	}
	err := bad.Validate()
	if err == nil || strings.Count(err.Error(), "\n") != 8 {
		t.Errorf("want 9 errors, got %v", err)
	}
	if _, err := New(Spec{MaxReplicas: 1}, bad); err == nil {
		t.Error("New accepts it")
	}
}

// TestSpecDefaults: what the API server fills in, and that it does not write into what it was given.
func TestSpecDefaults(t *testing.T) {
	d := Spec{MaxReplicas: 3}.WithDefaults()
	want := Spec{MinReplicas: ptr(int32(1)), MaxReplicas: 3, Metrics: []MetricSpec{
		{Type: ResourceMetric, Resource: CPU, Target: Target{Type: UtilizationTarget, AverageUtilization: 80}},
	}}
	if diff := cmp.Diff(want, d); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	given := Spec{MaxReplicas: 3, Behavior: &Behavior{ScaleDown: &ScalingRules{Policies: []Policy{{PodsPolicy, 1, 60}}}}}
	d = given.WithDefaults()
	wantBehavior := &Behavior{
		ScaleUp: &ScalingRules{
			StabilizationWindowSeconds: ptr(int32(0)), SelectPolicy: MaxSelect,
			Policies: []Policy{{PodsPolicy, 4, 15}, {PercentPolicy, 100, 15}},
		},
		ScaleDown: &ScalingRules{SelectPolicy: MaxSelect, Policies: []Policy{{PodsPolicy, 1, 60}}},
	}
	if diff := cmp.Diff(wantBehavior, d.Behavior); diff != "" {
		t.Errorf("behavior (-want +got):\n%s", diff)
	}
	if given.Behavior.ScaleUp != nil || given.Behavior.ScaleDown.SelectPolicy != "" {
		t.Error("the given behavior was changed")
	}
	if down := d.Behavior.ScaleDown.resolve(time.Minute); down.window != time.Minute || down.longest != time.Minute {
		t.Errorf("scale-down rules %+v", down)
	}
}

// TestSpecTolerance: an HPA's own tolerances hold only where the cluster has the feature.
func TestSpecTolerance(t *testing.T) {
	b := &Behavior{ScaleUp: &ScalingRules{Tolerance: ptr(0.01)}, ScaleDown: &ScalingRules{Tolerance: ptr(0.9)}}
	cfg := DefaultConfig()
	if got := b.tolerance(&cfg); got != (Tolerance{Up: 0.01, Down: 0.9}) {
		t.Errorf("%+v", got)
	}
	cfg.PerHPATolerance = false
	if got := b.tolerance(&cfg); got != cfg.Tolerance {
		t.Errorf("without the feature: %+v", got)
	}
}

func TestSets(t *testing.T) {
	var names []string
	for _, s := range StandardSets() {
		names = append(names, s.String())
		if back, err := ParseSet(s.String()); err != nil || back != s {
			t.Errorf("%s: parsed back as %+v, error %v", s, back, err)
		}
		spec := s.Spec("web", "server", 1, 7)
		if err := spec.Validate(DefaultConfig()); err != nil {
			t.Errorf("%s: %v", s, err)
		}
	}
	want := strings.Fields(`cpu-20 cpu-20-mem-40 cpu-20-mem-80 cpu-40 cpu-40-mem-40 cpu-40-mem-80 cpu-60 cpu-60-mem-40
		cpu-60-mem-80 cpu-80 cpu-80-mem-40 cpu-80-mem-80 mem-40 mem-80`)
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	wantMetrics := []MetricSpec{
		{Type: ContainerResourceMetric, Resource: CPU, Container: "server", Target: Target{Type: UtilizationTarget, AverageUtilization: 60}},
		{Type: ContainerResourceMetric, Resource: Memory, Container: "server", Target: Target{Type: UtilizationTarget, AverageUtilization: 80}},
	}
	if diff := cmp.Diff(wantMetrics, Set{60, 80}.Spec("web", "server", 1, 7).Metrics); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
}

func TestParseSetErrors(t *testing.T) {
	for _, name := range []string{
		"", "cpu", "cpu-", "cpu-0", "cpu--5", "cpu-1001", "cpu-060", "cpu-+60", "cpu-60%", "gpu-60", "cpu-60-", "cpu-60-mem",
		"cpu-60-cpu-70", "mem-40-mem-50", "mem-40-cpu-60", "cpu-60-mem-80-mem-40", "CPU-60", " cpu-60",
	} {
		_, err := ParseSet(name)
		if err == nil || !strings.Contains(err.Error(), "cpu-60-mem-80") {
			t.Errorf("%q: error %v", name, err)
		}
	}
}

func FuzzParseSet(f *testing.F) {
	for _, s := range StandardSets() {
		f.Add(s.String())
	}
	f.Add("cpu-1-mem-1000")
	f.Add("mem-40-cpu-60")
	f.Fuzz(func(t *testing.T, name string) {
		s, err := ParseSet(name)
		if err != nil {
			if s != (Set{}) {
				t.Errorf("%q: %+v with error %v", name, s, err)
			}
			return
		}
		if s.String() != name {
			t.Errorf("%q parsed as %q", name, s)
		}
		if err := s.Spec("x", "server", 1, 7).Validate(DefaultConfig()); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	})
}
