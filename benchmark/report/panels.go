package report

import (
	"fmt"
	"math"
	"slices"

	"github.com/grlscaler/grlscaler/internal/svg"
)

// Geometry of a panel, in units of which a screen shows about two for a pixel: three strips over one axis of time.
const (
	panelWidth, panelHeight = 660, 590
	panelLeft, panelRight   = 86, 648
)

var (
	loadStrip    = [2]int{132, 40} // from the bottom to the top
	replicaStrip = [2]int{332, 182}
	latencyStrip = [2]int{532, 382}
)

// panel draws load, replicas and p95 of one service under every controller of a section.
func panel(id string, sec *Section, service, most int) string {
	name := sec.Runs[0].Services[service].Name
	load, replicas, latency, needed := emptySpan(), emptySpan(), emptySpan(), emptySpan()
	var longest float64
	for i := range sec.Runs {
		s := &sec.Runs[i].Services[service]
		load.add(s.RPS...)
		replicas.add(s.Ready...)
		needed.add(s.Needed...)
		latency.add(completed(s.P95Ms)...)
		longest = max(longest, s.At[len(s.At)-1])
	}
	p := &svg.Picture{}
	p.Begin(panelWidth, panelHeight, "panel", id, title(name)+" over time", fmt.Sprintf("Load %s a second. %s replicas ready, %s needed. p95 %s ms. Each line is a controller.",
		load.words(), replicas.words(), needed.words(), latency.words()))
	x := &svg.Axis{Min: 0, Max: longest, From: panelLeft, To: panelRight}
	most2 := max(replicas.hi, needed.hi, 1)
	yLoad := &svg.Axis{Max: max(load.hi, 1e-3), From: loadStrip[0], To: loadStrip[1]}
	yReplicas := &svg.Axis{Max: most2, From: replicaStrip[0], To: replicaStrip[1]}
	yLatency := latencyAxis(latency, sec.SLOs, service == 0)
	frame(p, x, yLoad, "load, per second")
	frame(p, x, yReplicas, "replicas ready (grey: needed)")
	frame(p, x, yLatency, "p95, ms (logarithmic)")
	timeLabels(p, x, clockFor(longest), panelHeight-28)
	demand := &sec.Runs[0].Services[service]
	at, most1 := thin(startOf(demand), demand.Needed, most)
	p.Path("demand", band(at, nil, most1, longest, x, yReplicas))
	if service == 0 {
		for _, slo := range sec.SLOs {
			y := yLatency.At(slo)
			p.Path("slo", straight(panelLeft, y, panelRight, y))
		}
	}
	for i := range sec.Runs {
		r := &sec.Runs[i]
		s := &r.Services[service]
		p.Group(fmt.Sprintf("l c%d", r.Controller))
		at, v := thin(s.At, s.RPS, most)
		p.Path("", line(at, v, x, yLoad))
		at, v = thin(s.At, s.Ready, most)
		p.Path("", steps(at, v, x, yReplicas))
		at, v = thin(s.At, completed(s.P95Ms), most)
		p.Path("", line(at, v, x, yLatency))
		p.EndGroup()
	}
	return p.End()
}

// frame draws a strip's grid, numbers and name.
func frame(p *svg.Picture, x, y *svg.Axis, name string) {
	p.Text(panelLeft, y.To-12, "s", name)
	var grid svg.Pen
	for _, t := range y.Ticks(4) {
		grid.Up()
		grid.To(x.From, t.At)
		grid.To(x.To, t.At)
		p.Text(x.From-8, t.At+7, "e", t.Label)
	}
	p.Path("grid", grid.String())
}

// timeLabels writes the numbers of an axis of time, the last with its unit and kept inside.
func timeLabels(p *svg.Picture, x *svg.Axis, c clock, y int) {
	ticks := timeTicks(x, c, 6)
	for i, t := range ticks {
		if i == len(ticks)-1 && t.At > panelRight-40 {
			p.Text(panelWidth-2, y, "e", t.Label)
			break
		}
		p.Text(t.At, y, "m", t.Label)
	}
}

// latencyAxis holds all latencies, and the SLOs where they apply, between powers of ten.
func latencyAxis(seen span, slos []float64, withSLOs bool) *svg.Axis {
	if withSLOs {
		seen.add(slos...)
	}
	if seen.empty() {
		seen = span{1, 10}
	}
	lo, hi := math.Pow(10, math.Floor(math.Log10(seen.lo))), math.Pow(10, math.Ceil(math.Log10(seen.hi)))
	if !(hi > lo) {
		hi = 10 * lo
	}
	return &svg.Axis{Min: lo, Max: hi, From: latencyStrip[0], To: latencyStrip[1], Scale: svg.Log}
}

// completed makes a gap of intervals in which nothing was completed.
func completed(p95 []float64) []float64 {
	out := slices.Clone(p95)
	for i, v := range out {
		if !(v > 0) {
			out[i] = math.NaN()
		}
	}
	return out
}

// startOf gives when each interval began: what is the most in an interval holds from then on.
func startOf(s *Series) []float64 {
	out := make([]float64, len(s.At))
	for i := range s.At {
		if i > 0 {
			out[i] = s.At[i-1]
		} else if len(s.At) > 1 {
			out[i] = max(s.At[0]-(s.At[1]-s.At[0]), 0)
		}
	}
	return out
}

func straight(x0, y0, x1, y1 int) string {
	var pen svg.Pen
	pen.To(x0, y0)
	pen.To(x1, y1)
	return pen.String()
}
