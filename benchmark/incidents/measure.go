package incidents

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/grlscaler/grlscaler/sim"
)

// Measure is a number that the report behind an incident gives, or that shows what it says.
type Measure struct {
	What  string        // one of Measures
	After time.Duration // of the counted part: the event from which it counts
	// Anchor is the report's number, NaN where it gives none, +Inf for never.
	Anchor float64
	// What the HPA by Kubernetes' defaults must come to here (a test), and why that is not the anchor.
	From, To float64
	Why      string
}

// measure is a way to get one number out of a run.
type measure struct {
	name, title string
	of          func(r *recorder, o *Outcome, after time.Duration) float64
}

// measures are those that a file can name.
var measures = []measure{
	{"mean_pods", "mean pods", func(_ *recorder, o *Outcome, _ time.Duration) float64 { return o.MeanPods }},
	{"peak_pods", "most pods", func(r *recorder, _ *Outcome, after time.Duration) float64 { n, _ := r.peakAfter(after); return n }},
	{"peak_s", "s until most pods", func(r *recorder, _ *Outcome, after time.Duration) float64 { _, s := r.peakAfter(after); return s }},
	{"least_pods", "fewest pods", func(r *recorder, _ *Outcome, after time.Duration) float64 { return r.leastAfter(after) }},
	{"end_pods", "pods at the end", func(r *recorder, _ *Outcome, _ time.Duration) float64 { return float64(r.specs[len(r.specs)-1].pods) }},
	{"raise_s", "s until more pods", func(r *recorder, _ *Outcome, after time.Duration) float64 { return r.firstChange(after, +1) }},
	{"fall_s", "s until fewer pods", func(r *recorder, _ *Outcome, after time.Duration) float64 { return r.firstChange(after, -1) }},
	{"violations_pct", "violations %", func(_ *recorder, o *Outcome, _ time.Duration) float64 { return 100 * o.Violation }},
	{"recovery_s", "s to recover", func(_ *recorder, o *Outcome, _ time.Duration) float64 { return o.Recover.Seconds() }},
	{"changes_per_hour", "changes/h", func(_ *recorder, o *Outcome, _ time.Duration) float64 { return o.Changes }},
	{"end_request_m", "request at the end, m", func(r *recorder, _ *Outcome, _ time.Duration) float64 { return r.requestMillis }},
}

// violations is what an incident is measured by that names nothing.
var violations = Measure{What: "violations_pct", Anchor: math.NaN()}

// Measures names them.
func Measures() []string {
	var names []string
	for _, m := range measures {
		names = append(names, m.name)
	}
	return names
}

func measureNamed(name string) *measure {
	if i := slices.IndexFunc(measures, func(m measure) bool { return m.name == name }); i >= 0 {
		return &measures[i]
	}
	return nil
}

// Title is the measure in words, with its unit.
func (m *Measure) Title() string { return measureNamed(m.What).title }

// specAt is how many replicas are wanted from a time of the counted part on.
type specAt struct {
	at   time.Duration
	pods int
}

// note remembers how many replicas are wanted.
func (r *recorder) note(at time.Duration, pods int) {
	if n := len(r.specs); n == 0 || r.specs[n-1].pods != pods {
		r.specs = append(r.specs, specAt{at, pods})
	}
}

// since is what is wanted at a time and after it.
func (r *recorder) since(after time.Duration) []specAt {
	i := 0
	for i+1 < len(r.specs) && r.specs[i+1].at <= after {
		i++
	}
	return r.specs[i:]
}

func (r *recorder) peakAfter(after time.Duration) (pods, seconds float64) {
	best := specAt{after, -1}
	for _, x := range r.since(after) {
		if x.pods > best.pods {
			best = x
		}
	}
	return float64(best.pods), max(best.at-after, 0).Seconds()
}

func (r *recorder) leastAfter(after time.Duration) float64 {
	least := math.Inf(1)
	for _, x := range r.since(after) {
		least = min(least, float64(x.pods))
	}
	return least
}

// firstChange is the time from an event to the first change in a direction; never is infinite.
func (r *recorder) firstChange(after time.Duration, direction int) float64 {
	list := r.since(after)
	for i := 1; i < len(list); i++ {
		if direction*(list[i].pods-list[i-1].pods) > 0 {
			return (list[i].at - after).Seconds()
		}
	}
	return math.Inf(1)
}

// measured are the incident's measures of a run.
func (r *recorder) measured(list []Measure, o *Outcome) []float64 {
	var out []float64
	for i := range list {
		out = append(out, measureNamed(list[i].What).of(r, o, list[i].After))
	}
	return out
}

// measureFile is a Measure in a file.
type measureFile struct {
	Measure string   `yaml:"measure"`
	AfterS  int      `yaml:"after_s"`
	Anchor  *float64 `yaml:"anchor"`
	From    *float64 `yaml:"from"`
	To      *float64 `yaml:"to"`
	Why     string   `yaml:"why"`
}

func (x *Incident) decodeMeasures(list []measureFile, bad func(format string, args ...any)) {
	for i := range list {
		f := &list[i]
		m := Measure{What: f.Measure, After: time.Duration(f.AfterS) * time.Second, Anchor: math.NaN(), From: math.Inf(-1), To: math.Inf(1), Why: f.Why}
		for _, n := range []struct {
			from *float64
			to   *float64
		}{{f.Anchor, &m.Anchor}, {f.From, &m.From}, {f.To, &m.To}} {
			if n.from != nil {
				*n.to = *n.from
			}
		}
		if measureNamed(f.Measure) == nil {
			bad("compare[%d]: measure: %q: one of %s", i, f.Measure, strings.Join(Measures(), ", "))
		}
		if f.AfterS < 0 || f.AfterS%int(sim.Tick.Seconds()) != 0 {
			bad("compare[%d]: after_s: %d: must be at least 0", i, f.AfterS)
		}
		if !(m.From <= m.To) {
			bad("compare[%d]: from %v, to %v: must be a range", i, m.From, m.To)
		}
		if f.Anchor != nil && (f.From == nil || f.To == nil) {
			bad("compare[%d]: anchor: %v: say with from and to what it must come to here", i, m.Anchor)
		}
		x.Compare = append(x.Compare, m)
	}
}

// Format writes a measured number: a dash where there is none, never where it is infinite.
func Format(v float64) string {
	switch {
	case math.IsNaN(v):
		return "-"
	case math.IsInf(v, 0):
		return "never"
	case v != math.Trunc(v) && v < 100:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}
