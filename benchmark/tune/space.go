package tune

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/hpa"
	"github.com/grlscaler/grlscaler/sim/rng"
)

// Params are the settings of one HPA that the search varies. The zero values of the windows and policies are Kubernetes'
// defaults.
type Params struct {
	CPUPercent  int32 // target: CPU in percent of the request
	MinReplicas int32
	Up, Down    Rules
}

// Rules are the scaling rules of one direction. The zero value leaves the direction to its defaults.
type Rules struct {
	WindowS int32 // stabilisation window; UnsetWindow leaves the default
	Policy  Policy
}

// Policy bounds the change within a period; the zero value leaves the default policies.
type Policy struct {
	Type    hpa.PolicyType
	Value   int32
	PeriodS int32
}

// unset is a window that is left to its default: 0 s up, 300 s down.
const unset = -1

// The values that windows and policies are drawn from: the default, and what manuals and charts of well-known projects use.
var (
	upWindows    = []int32{unset, 15, 30, 60, 120}
	downWindows  = []int32{unset, 0, 30, 60, 120, 180, 600}
	upPolicies   = []Policy{{}, {hpa.PercentPolicy, 100, 15}, {hpa.PercentPolicy, 900, 15}, {hpa.PodsPolicy, 1, 15}, {hpa.PodsPolicy, 2, 15}, {hpa.PodsPolicy, 10, 15}}
	downPolicies = []Policy{{}, {hpa.PercentPolicy, 10, 60}, {hpa.PercentPolicy, 25, 60}, {hpa.PercentPolicy, 50, 60}, {hpa.PodsPolicy, 1, 60}, {hpa.PodsPolicy, 2, 60}}
)

// leastPercent is the lowest target that is tried: below it every load needs the most replicas.
const leastPercent = 10

// bounds are what the settings of one service may be.
type bounds struct {
	minReplicas, maxReplicas int32
	mostPercent              int32 // of the request; what all of the limit would be, less a twentieth
}

func boundsOf(svc *sim.Service) bounds {
	most := 100.0
	if svc.CPURequestMillis > 0 {
		most = 95 * svc.CPULimitMillis / svc.CPURequestMillis
	}
	return bounds{int32(max(svc.MinReplicas, 1)), int32(svc.MaxReplicas), int32(min(max(most, leastPercent+1), hpa.MaxSetPercent))}
}

// defaults are an HPA as kubectl autoscale makes it, at some target.
func (b *bounds) defaults(percent int32) Params {
	return Params{CPUPercent: min(percent, b.mostPercent), MinReplicas: b.minReplicas, Up: Rules{WindowS: unset}, Down: Rules{WindowS: unset}}
}

// draw gives any settings: targets evenly, minima mostly small, every second direction at its defaults.
func (b *bounds) draw(r *rng.Stream) Params {
	p := b.defaults(leastPercent + int32(r.IntN(int(b.mostPercent-leastPercent)+1)))
	p.MinReplicas = b.drawMin(r)
	p.Up, p.Down = drawRules(r, upWindows, upPolicies), drawRules(r, downWindows, downPolicies)
	return p
}

// drawMin is the least replicas and, every second time, up to half of the range above.
func (b *bounds) drawMin(r *rng.Stream) int32 {
	above := int(b.maxReplicas-b.minReplicas) / 2
	if above < 1 || r.IntN(2) == 0 {
		return b.minReplicas
	}
	return b.minReplicas + int32(1+r.IntN(above))
}

func drawRules(r *rng.Stream, windows []int32, policies []Policy) Rules {
	if r.IntN(2) == 0 {
		return Rules{WindowS: unset}
	}
	return Rules{WindowS: windows[r.IntN(len(windows))], Policy: policies[r.IntN(len(policies))]}
}

// mutate changes one setting.
func (b *bounds) mutate(p Params, r *rng.Stream) Params {
	switch r.IntN(6) {
	case 0, 1, 2: // the target matters most: by about a tenth
		step := max(1, int32(math.Abs(r.NormFloat64())*0.1*float64(p.CPUPercent)+0.5))
		if r.IntN(2) == 0 {
			step = -step
		}
		p.CPUPercent = min(max(p.CPUPercent+step, leastPercent), b.mostPercent)
	case 3:
		p.MinReplicas = b.drawMin(r)
	case 4:
		p.Up = drawRules(r, upWindows, upPolicies)
	default:
		p.Down = drawRules(r, downWindows, downPolicies)
	}
	return p
}

// behavior is nil where both directions are left to their defaults: an HPA without behavior has another limit.
func (p *Params) behavior() *hpa.Behavior {
	if p.Up == (Rules{WindowS: unset}) && p.Down == (Rules{WindowS: unset}) {
		return nil
	}
	return &hpa.Behavior{ScaleUp: p.Up.rules(), ScaleDown: p.Down.rules()}
}

func (r Rules) rules() *hpa.ScalingRules {
	if r == (Rules{WindowS: unset}) {
		return nil
	}
	out := &hpa.ScalingRules{}
	if r.WindowS != unset {
		out.StabilizationWindowSeconds = &r.WindowS
	}
	if r.Policy != (Policy{}) {
		out.Policies = []hpa.Policy{{Type: r.Policy.Type, Value: r.Policy.Value, PeriodSeconds: r.Policy.PeriodS}}
	}
	return out
}

// Spec is the HPA of a service with these settings.
func (p *Params) Spec(name string, maxReplicas int) hpa.Spec {
	return hpa.Spec{
		Name: name, MinReplicas: &p.MinReplicas, MaxReplicas: int32(maxReplicas), Behavior: p.behavior(),
		Metrics: []hpa.MetricSpec{{Type: hpa.ResourceMetric, Resource: hpa.CPU, Target: hpa.Target{Type: hpa.UtilizationTarget, AverageUtilization: p.CPUPercent}}},
	}
}

// String is short and says everything: "cpu 62 %, min 2, up 60s, down 120s 10 %/60s".
func (p Params) String() string {
	out := []string{fmt.Sprintf("cpu %d %%", p.CPUPercent)}
	if p.MinReplicas > 1 {
		out = append(out, fmt.Sprintf("min %d", p.MinReplicas))
	}
	for _, d := range []struct {
		name string
		r    Rules
	}{{"up", p.Up}, {"down", p.Down}} {
		if s := d.r.String(); s != "" {
			out = append(out, d.name+s)
		}
	}
	return strings.Join(out, ", ")
}

// String has a space in front, or is empty.
func (r Rules) String() string {
	s := ""
	if r.WindowS != unset {
		s = " " + strconv.Itoa(int(r.WindowS)) + "s"
	}
	switch r.Policy.Type {
	case hpa.PercentPolicy:
		s += fmt.Sprintf(" %d %%/%ds", r.Policy.Value, r.Policy.PeriodS)
	case hpa.PodsPolicy:
		s += fmt.Sprintf(" %d pods/%ds", r.Policy.Value, r.Policy.PeriodS)
	}
	return s
}

// Candidate is one HPA for each service.
type Candidate struct {
	Params []Params // by service
	Score  Score

	shared *Params // before the bounds of each service, nil where each has its own
}

// Describe says what the candidate sets: once if all services share it, within what their limits allow, else the range of targets.
func (c *Candidate) Describe() string {
	if c.shared != nil {
		return c.shared.String()
	}
	lo, hi := c.Params[0].CPUPercent, c.Params[0].CPUPercent
	for _, p := range c.Params {
		lo, hi = min(lo, p.CPUPercent), max(hi, p.CPUPercent)
	}
	return fmt.Sprintf("cpu %d to %d %%, each service its own", lo, hi)
}

// key identifies the settings.
func (c *Candidate) key() string { return fmt.Sprint(c.Params) }
