package vpa

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func ptr[T any](v T) *T { return &v }

// checkErrors compares the lines of an error with what each must contain.
func checkErrors(t *testing.T, err error, want []string) {
	t.Helper()
	if len(want) == 0 {
		if err != nil {
			t.Errorf("error %v, want none", err)
		}
		return
	}
	if err == nil {
		t.Fatal("no error")
	}
	for _, w := range want {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q lacks %q", err, w)
		}
	}
	if n := strings.Count(err.Error(), "\n") + 1; n != len(want) {
		t.Errorf("%d errors, want %d:\n%v", n, len(want), err)
	}
}

// TestSpecValidate: each rule with its message, and all mistakes at once.
func TestSpecValidate(t *testing.T) {
	policy := func(p ContainerPolicy) Spec { return Spec{Name: "web", ContainerPolicies: []ContainerPolicy{p}} }
	for _, tt := range []struct {
		name string
		spec Spec
		want []string // what the error's lines contain; none: no error
	}{
		{"empty", Spec{}, nil},
		{"everything", Spec{
			Name: "web", UpdateMode: ModeInPlaceOrRecreate, MinReplicas: ptr(int32(1)),
			EvictionRequirements: []EvictionRequirement{{[]Resource{CPU, Memory}, TargetHigherThanRequests}, {[]Resource{CPU}, TargetLowerThanRequests}},
			ContainerPolicies: []ContainerPolicy{
				{"server", ScalingAuto, Amounts{100, 1e8}, Amounts{100, 1e9}, []Resource{Memory, CPU}, RequestsOnly},
				{"sidecar", ScalingOff, Amounts{}, Amounts{}, []Resource{}, RequestsOnly},
				{"*", ScalingAuto, Amounts{CPUMillis: 100}, Amounts{MemoryBytes: 5}, nil, RequestsAndLimits},
			},
		}, nil},
		{"modes", Spec{UpdateMode: "recreate"},
			[]string{`vpa spec.updatePolicy.updateMode: "recreate": must be one of "Off", "Initial", "Recreate", "InPlaceOrRecreate", "Auto"`}},
		{"in place alone", Spec{UpdateMode: "InPlace"}, []string{`updateMode: "InPlace" is not supported: use "InPlaceOrRecreate"`}},
		{"unsupported, in one line", Spec{Name: "web", Unsupported: []string{"startupBoost", "recommenders"}},
			[]string{`vpa "web": spec: not supported: startupBoost, recommenders; leave them out`}},
		{"min replicas", Spec{Name: "web", MinReplicas: ptr(int32(0))}, []string{`vpa "web": spec.updatePolicy.minReplicas: 0: must be at least 1`}},
		{"eviction requirements",
			Spec{EvictionRequirements: []EvictionRequirement{{nil, TargetHigherThanRequests}, {[]Resource{"gpu", CPU, CPU}, "Higher"}}}, []string{
				`evictionRequirements[0].resources: none: must name "cpu", "memory" or both`,
				`evictionRequirements[1].resources[0]: "gpu": must be "cpu" or "memory"`,
				`evictionRequirements[1].resources[2]: "cpu": is there twice`,
				`evictionRequirements[1].changeRequirement: "Higher": must be "TargetHigherThanRequests" or "TargetLowerThanRequests"`,
			}},
		{"no container name", policy(ContainerPolicy{}), []string{`containerPolicies[0].containerName: must be a container's name, or "*"`}},
		{"two for one",
			Spec{ContainerPolicies: []ContainerPolicy{{ContainerName: "a"}, {ContainerName: "*"}, {ContainerName: "a"}, {ContainerName: "a"}}}, []string{
				`containerPolicies[2].containerName: "a": has a policy already, containerPolicies[0]; merge them`,
				`containerPolicies[3].containerName: "a": has a policy already, containerPolicies[0]`,
			}},
		{"container mode", policy(ContainerPolicy{ContainerName: "a", Mode: "On"}), []string{`containerPolicies[0].mode: "On": must be "Auto" or "Off"`}},
		{"off, with limits", policy(ContainerPolicy{ContainerName: "a", Mode: ScalingOff, ControlledValues: RequestsAndLimits}),
			[]string{`controlledValues: "RequestsAndLimits": must not be given for a container of mode "Off"`}},
		{"bounds", policy(ContainerPolicy{ContainerName: "a", MinAllowed: Amounts{-1, MaxAmount + 1}, MaxAllowed: Amounts{MaxAmount + 1, -1}}), []string{
			"minAllowed.cpu: -1: must be from 0 to 100000000000000", "maxAllowed.cpu: 100000000000001: must be from 0",
			"minAllowed.memory: 100000000000001: must be from 0", "maxAllowed.memory: -1: must be from 0",
		}},
		{"bounds crossed", policy(ContainerPolicy{ContainerName: "a", MinAllowed: Amounts{200, 0}, MaxAllowed: Amounts{100, 5}}),
			[]string{"maxAllowed.cpu: 100: must be at least minAllowed, which is 200"}},
		{"controlled resources", policy(ContainerPolicy{ContainerName: "a", ControlledResources: []Resource{Memory, "disk", Memory}}), []string{
			`controlledResources[1]: "disk": must be "cpu" or "memory"`, `controlledResources[2]: "memory": is there twice`,
		}},
		{"controlled values", policy(ContainerPolicy{ContainerName: "a", ControlledValues: "Limits"}),
			[]string{`controlledValues: "Limits": must be "RequestsAndLimits" or "RequestsOnly"`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			checkErrors(t, tt.spec.Validate(), tt.want)
			if _, err := NewUpdater(tt.spec, DefaultConfig()); (err != nil) != (len(tt.want) > 0) {
				t.Errorf("NewUpdater: %v", err)
			}
		})
	}
}

// TestSpecDefaults: what is filled in, and that nothing is written into what was given.
func TestSpecDefaults(t *testing.T) {
	both := []Resource{CPU, Memory}
	for _, tt := range []struct {
		name        string
		given, want Spec
	}{
		{"nothing given", Spec{}, Spec{UpdateMode: ModeRecreate, MinReplicas: ptr(int32(2)), ContainerPolicies: []ContainerPolicy{}}},
		{"Auto is Recreate", Spec{UpdateMode: ModeAuto},
			Spec{UpdateMode: ModeRecreate, MinReplicas: ptr(int32(2)), ContainerPolicies: []ContainerPolicy{}}},
		{"what is given stays", Spec{
			UpdateMode: ModeOff, MinReplicas: ptr(int32(5)),
			ContainerPolicies: []ContainerPolicy{{"a", ScalingOff, Amounts{1, 2}, Amounts{3, 4}, []Resource{}, RequestsOnly}, {ContainerName: "*"}},
		}, Spec{
			UpdateMode: ModeOff, MinReplicas: ptr(int32(5)),
			ContainerPolicies: []ContainerPolicy{
				{"a", ScalingOff, Amounts{1, 2}, Amounts{3, 4}, []Resource{}, RequestsOnly},
				{"*", ScalingAuto, Amounts{}, Amounts{}, both, RequestsAndLimits},
			},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, tt.given.WithDefaults(DefaultConfig())); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			for _, p := range tt.given.ContainerPolicies {
				if p.ContainerName == "*" && p.Mode != "" {
					t.Error("the given object was changed")
				}
			}
		})
	}
	cfg := DefaultConfig()
	cfg.MinReplicas = 3
	if got := (Spec{}).WithDefaults(cfg); *got.MinReplicas != 3 {
		t.Errorf("minReplicas %d, want the updater's", *got.MinReplicas)
	}
}

// TestSpecPolicy: a container's own policy, else that for any, else one that bounds nothing; the order plays no part.
func TestSpecPolicy(t *testing.T) {
	own, anyone := ContainerPolicy{ContainerName: "a", MinAllowed: Amounts{1, 1}}, ContainerPolicy{ContainerName: "*", MinAllowed: Amounts{2, 2}}
	for _, tt := range []struct {
		name      string
		policies  []ContainerPolicy
		container string
		want      int64
	}{
		{"own", []ContainerPolicy{own, anyone}, "a", 1},
		{"own, listed last", []ContainerPolicy{anyone, own}, "a", 1},
		{"any", []ContainerPolicy{own, anyone}, "b", 2},
		{"none", []ContainerPolicy{own}, "b", 0},
		{"no policies", nil, "b", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := Spec{ContainerPolicies: tt.policies}
			p := s.Policy(tt.container)
			if p.MinAllowed.CPUMillis != tt.want || p.Mode != ScalingAuto || p.ControlledValues != RequestsAndLimits || len(p.ControlledResources) != 2 {
				t.Errorf("%+v, want one that allows %d and more, with defaults", p, tt.want)
			}
			p.ControlledResources[0] = "spoilt"
			if again := s.Policy(tt.container); again.ControlledResources[0] != CPU {
				t.Error("a policy can be spoilt through another")
			}
		})
	}
}
