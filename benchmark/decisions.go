package benchmark

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/grlscaler/grlscaler/sim"
)

// decisionsHeader is the first line of decisions.csv. After the trial (controller, scenario, seed):
//
//	t_s             when it was decided, seconds from the start of the counted part
//	from, to        spec replicas as found, and asked for
//	rule            what decided: hpa, oracle, action of a policy, ...
//	metric          the metric that decided, empty for none; value and target in unit, and the replicas that they alone give
//	limits          what kept the result from what was proposed, name:replicas, several separated by spaces
//	note            anything else
const decisionsHeader = "controller,scenario,seed,t_s,service,from,to,rule,metric,value,target,unit,proposed,limits,note\n"

// decisionRecorder writes the reasons of the counted part of a run as rows of decisions.csv.
type decisionRecorder struct {
	app    *sim.App
	prefix string // controller,scenario,seed,
	span   Span
	out    bytes.Buffer
	start  float64 // seconds at which the counted part begins, -1 before
}

var _ sim.Recorder = (*decisionRecorder)(nil)

func newDecisionRecorder(app *sim.App, prefix string, span Span) *decisionRecorder {
	return &decisionRecorder{app: app, prefix: prefix, span: span, start: -1}
}

// RecordTick does nothing.
func (r *decisionRecorder) RecordTick(*sim.TickRecord) {}

// RecordInterval does nothing.
func (r *decisionRecorder) RecordInterval(*sim.IntervalRecord) {}

// RecordDecision writes a row for each reason.
func (r *decisionRecorder) RecordDecision(d *sim.DecisionRecord) {
	if !d.Counted {
		return
	}
	if r.start < 0 {
		r.start = d.At.Seconds()
	}
	if !r.span.holds(d.At.Seconds() - r.start) {
		return
	}
	at := formatFixed(d.At.Seconds()-r.start, 0)
	for i := range d.Reasons {
		x := &d.Reasons[i]
		metric := []string{"", "", "", "", ""}
		if x.Metric != "" {
			metric = []string{csvField(x.Metric), exact(x.Value), exact(x.Target), csvField(x.Unit), strconv.Itoa(x.Proposed)}
		}
		limits := make([]string, len(x.Limits))
		for k, l := range x.Limits {
			limits[k] = l.Name + ":" + strconv.Itoa(l.At)
		}
		r.out.WriteString(r.prefix + at + "," + csvField(r.app.Services[x.Service].Name) + "," + strconv.Itoa(x.From) + "," + strconv.Itoa(x.To) + "," +
			csvField(x.Rule) + "," + strings.Join(metric, ",") + "," + csvField(strings.Join(limits, " ")) + "," + csvField(x.Note) + "\n")
	}
}

// exact is the shortest text that reads back as the same number.
func exact(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }
