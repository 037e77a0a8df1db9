package hpa

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Set is a family of HPAs, one for each service of an application, that hold CPU, memory or both at some percentage of
// the request. Its name is "cpu-60", "mem-80" or "cpu-60-mem-80".
type Set struct {
	CPUPercent int32 // target for CPU; 0 for none
	MemPercent int32 // target for memory; 0 for none
}

// MaxSetPercent is the highest target that a set's name may have.
const MaxSetPercent = 1000

// StandardSets are the sets that benchmarks compare: CPU at 20, 40, 60 and 80 %, each without memory and with memory at 40
// and 80 %, and memory alone.
func StandardSets() []Set {
	var sets []Set
	for _, cpu := range []int32{20, 40, 60, 80, 0} {
		for _, mem := range []int32{0, 40, 80} {
			if cpu != 0 || mem != 0 {
				sets = append(sets, Set{cpu, mem})
			}
		}
	}
	return sets
}

// String returns the set's name.
func (s Set) String() string {
	var parts []string
	if s.CPUPercent != 0 {
		parts = append(parts, fmt.Sprintf("cpu-%d", s.CPUPercent))
	}
	if s.MemPercent != 0 {
		parts = append(parts, fmt.Sprintf("mem-%d", s.MemPercent))
	}
	return strings.Join(parts, "-")
}

// ParseSet reads a set's name.
func ParseSet(name string) (Set, error) {
	s, err := parseSet(name)
	if err != nil {
		return Set{}, fmt.Errorf("hpa set %q: %w (allowed: cpu-P, mem-P or cpu-P-mem-P, P in 1..%d, such as cpu-60 or cpu-60-mem-80)",
			name, err, MaxSetPercent)
	}
	return s, nil
}

func parseSet(name string) (s Set, err error) {
	parts := strings.Split(name, "-")
	if len(parts) != 2 && len(parts) != 4 {
		return s, errors.New("not a name of this form")
	}
	for i := 0; i < len(parts); i += 2 {
		v, err := strconv.Atoi(parts[i+1])
		if err != nil || v < 1 || v > MaxSetPercent || strconv.Itoa(v) != parts[i+1] {
			return s, fmt.Errorf("%q is not a percentage", parts[i+1])
		}
		switch {
		case parts[i] == "cpu" && i == 0:
			s.CPUPercent = int32(v)
		case parts[i] == "mem" && s.MemPercent == 0:
			s.MemPercent = int32(v)
		default:
			return s, fmt.Errorf("unexpected %q", parts[i])
		}
	}
	return s, nil
}

// Spec returns the HPA of one workload: ContainerResource metrics on the container, CPU before memory, no behavior.
func (s Set) Spec(name, container string, minReplicas, maxReplicas int32) Spec {
	spec := Spec{Name: name, MinReplicas: &minReplicas, MaxReplicas: maxReplicas}
	for _, m := range []struct {
		res     Resource
		percent int32
	}{{CPU, s.CPUPercent}, {Memory, s.MemPercent}} {
		if m.percent != 0 {
			spec.Metrics = append(spec.Metrics, MetricSpec{
				Type: ContainerResourceMetric, Resource: m.res, Container: container,
				Target: Target{Type: UtilizationTarget, AverageUtilization: m.percent},
			})
		}
	}
	return spec
}
