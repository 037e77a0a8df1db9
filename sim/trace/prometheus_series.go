package trace

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// promAnswer is an answer that was read: its series with their names, and what was found in it.
type promAnswer struct {
	*Quantity
	file  string
	step  int64 // usual distance between samples, ms; 0 = fewer than two in every series
	sure  bool  // there are enough distances to know it
	names map[rowName][]promSeries

	naming  naming
	series  int
	remarks []string
	found   []string // what was found in it, in words
}

// promSeries is a series of an answer.
type promSeries struct {
	pod     string
	samples []sample
	spans   []span
}

// notef adds to what is said of the answer, if n things were found.
func (a *promAnswer) notef(n int, one, many string) {
	switch {
	case n == 1:
		a.found = append(a.found, "1 "+one)
	case n > 1:
		a.found = append(a.found, fmt.Sprintf("%d %s", n, many))
	}
}

// readAnswer decodes an answer, names its series and checks their values.
func readAnswer(ans *Answer, opt *ImportOptions, out *findings) *promAnswer {
	q, ok := findQuantity(ans.Quantity)
	if !ok {
		out.errorf(CodeFileUnknown, ans.File, 0, "", nearQuantity(ans.Quantity), "%s is not the name of anything that can be imported", quoted(ans.Quantity))
		return nil
	}
	all, remarks := ans.decode(out)
	a := &promAnswer{Quantity: q, file: ans.File, names: map[rowName][]promSeries{}, remarks: remarks}
	a.naming = naming{table: q.table, labels: opt.Labels.orDefault(), rename: opt.Rename, used: map[string]int{}}
	if opt.Application != AnyApplication {
		a.naming.app = opt.Application
	}
	a.group(all, out)
	a.findStep()
	return a
}

// group sorts series by name.
func (a *promAnswer) group(all []apiSeries, out *findings) {
	containers := podsWithContainers(all)
	leftOutFor := map[string]int{}
	nameless, histograms := 0, 0
	check := checkedSamples{a: a, out: out}
	var total []promSeries // series without a name: all endpoints together, if none has one
	for i := range all {
		s := &all[i]
		if len(s.Values) == 0 {
			histograms += min(1, len(s.Histograms))
			continue
		}
		if name := s.Metric["__name__"]; rawCounter(name) && !a.Counter {
			a.refuseCounter(name, out)
			return
		}
		if why := a.leftOut(s.Metric, containers); why != "" {
			leftOutFor[why]++
			continue
		}
		series := promSeries{pod: s.Metric["namespace"] + "/" + s.Metric["pod"], samples: check.samples(s.Values)}
		switch name, ok := a.naming.name(s.Metric); {
		case !ok:
			nameless++
			total = append(total, series)
		case badName(name.a) != "":
			out.errorf(CodeName, a.file, 0, a.Name, "rename it with --rename", "%s %s", quoted(name.a), badName(name.a))
		case name.b != "" && badName(name.b) != "":
			out.errorf(CodeName, a.file, 0, a.Name, "rename it with --rename", "%s %s", quoted(name.b), badName(name.b))
		default:
			a.names[name] = append(a.names[name], series)
			a.series++
		}
	}
	check.report()
	for _, why := range sortedKeys(leftOutFor) {
		a.notef(leftOutFor[why], "series "+why+" was left out", "series "+why+" were left out")
	}
	a.notef(histograms, "series of native histograms was left out", "series of native histograms were left out: ask for histogram_quantile of them")
	switch {
	case len(a.names) == 0 && a.table == &endpointsTable && nameless > 0:
		a.names[rowName{a: TotalEndpoint}] = total
		a.series = len(total)
	case len(a.names) == 0 && nameless > 0 && out.errors == 0:
		out.errorf(CodeName, a.file, 0, a.Name, "name the label with "+labelFlag(a.table), "no series names %s: %s", a.whose(), labelNames(all))
	case nameless > 0:
		a.notef(nameless, "series without a name was left out", "series without a name were left out")
	}
}

// refuseCounter reports a counter that is given as a rate.
func (a *promAnswer) refuseCounter(metric string, out *findings) {
	cure := "ask for rate(" + metric + "{...}[1m])"
	for _, q := range Quantities() {
		if q.Counter && q.table == a.table && q.part == a.part {
			cure += ", or name the answer " + q.Name
			break
		}
	}
	out.errorf(CodeFileUnknown, a.file, 0, a.Name, cure, "holds the counter %s, not a rate or a mean", oneLine(metric))
}

// whose is what rows of the quantity's table are of.
func (a *promAnswer) whose() string {
	switch a.table {
	case &servicesTable:
		return "a service"
	case &nodesTable:
		return "a node"
	case &edgesTable:
		return "a calling and a called service"
	}
	return "an endpoint"
}

// labelFlag is the flag that names the label of a table's names.
func labelFlag(t *table) string {
	switch t {
	case &servicesTable:
		return "--" + string(OptionServiceLabel)
	case &nodesTable:
		return "--" + string(OptionNodeLabel)
	case &edgesTable:
		return "--" + string(OptionSourceLabel) + " and --" + string(OptionDestinationLabel)
	}
	return "--" + string(OptionEndpointLabel)
}

// checkedSamples checks the values of an answer and counts what is not a number.
type checkedSamples struct {
	a                        *promAnswer
	out                      *findings
	nan, inf, above, rounded int
}

// mostShare is the largest share that rounding and extrapolation explain: a rate over another may be a little above 1.
const mostShare = 1.1

// samples is a series' values, NoValue for those that are not finite.
func (c *checkedSamples) samples(all []sample) []sample {
	a := c.a
	share := a.part == partErrorRate || a.part == partThrottled
	count := a.part == partReplicas || a.part == partReady
	kept := make([]sample, 0, len(all))
	for i, s := range all {
		if i > 0 && s.at <= all[i-1].at {
			c.out.errorf(CodeTimeOrder, a.file, 0, a.Name, "save the answer again as it was sent", "%s comes after %s in a series", stamp(s.at), stamp(all[i-1].at))
			return kept
		}
		switch {
		case s.v != s.v:
			c.nan++
		case math.IsInf(s.v, 0):
			c.inf++
			s.v = NoValue()
		case s.v < 0 && share && s.v > -1e-6:
			c.rounded++
			s.v = 0
		case s.v < 0:
			c.bad(CodeNegative, s, "is negative", "ask for rate(...) of counters, not deriv or delta")
		case share && s.v > mostShare:
			c.bad(CodeFraction, s, "is above 1", "divide by 100 if it is in percent")
		case share && s.v > 1:
			c.above++
			s.v = 1
		case count && s.v != math.Trunc(s.v):
			c.bad(CodeWhole, s, "is not a whole number", "replicas are counted: ask for the gauge itself, not its mean")
		}
		kept = append(kept, s)
	}
	return kept
}

func (c *checkedSamples) bad(code Code, s sample, cause, cure string) {
	c.out.errorf(code, c.a.file, 0, c.a.Name, cure, "%s at %s %s", short(s.v), stamp(s.at), cause)
}

// report says what was counted.
func (c *checkedSamples) report() {
	c.a.notef(c.nan, "value is NaN and counts as missing", "values are NaN and count as missing")
	c.a.notef(c.inf, "value is infinite and counts as missing", "values are infinite and count as missing")
	c.a.notef(c.above, "value a little above 1 was set to 1", "values a little above 1 were set to 1")
	c.a.notef(c.rounded, "value a little below 0 was set to 0", "values a little below 0 were set to 0")
}

// stamp formats a time of Prometheus.
func stamp(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.999Z07:00") }

// sureDistances is how many equal distances between samples show the step of an answer: a series that is there now and then may have
// any distance.
const sureDistances = 3

// findStep finds the usual distance between samples: one of the small ones, as samples may be missing, to the second where it is
// near one.
func (a *promAnswer) findStep() {
	var d []int64
	for _, all := range a.names {
		for _, s := range all {
			for i := 1; i < len(s.samples); i++ {
				d = append(d, s.samples[i].at-s.samples[i-1].at)
			}
		}
	}
	if len(d) == 0 {
		return
	}
	slices.Sort(d)
	step := float64(d[len(d)/10])
	equal := 0
	for _, x := range d {
		if math.Abs(float64(x)-step) <= stepTolerance*step {
			equal++
		}
	}
	if whole := math.Round(step/1000) * 1000; whole > 0 && math.Abs(whole-step) <= stepTolerance*step {
		step = whole
	}
	a.step, a.sure = int64(step), equal >= sureDistances
}

// findSpans turns samples into values over time, counters into rates, and counts what is missing.
func (a *promAnswer) findSpans() {
	missing, passing, resets := 0, 0, 0
	first, last := a.ends()
	for _, name := range a.sortedNames() {
		for i := range a.names[name] {
			s := &a.names[name][i]
			if len(s.samples) == 0 {
				continue
			}
			if s.samples[0].at > first || s.samples[len(s.samples)-1].at < last {
				passing++
			}
			for k, now := range s.samples {
				from := now.at - a.step
				if k > 0 {
					before := s.samples[k-1]
					if away := now.at - before.at; a.connected(away) {
						from = max(from, before.at)
						if a.Counter {
							from = before.at
						}
					} else {
						missing += max(1, int(math.Round(float64(away)/float64(a.step)))-1)
					}
				}
				v := now.v
				if a.Counter {
					if k == 0 || from != s.samples[k-1].at {
						continue
					}
					// A counter that fell began again at 0, as Prometheus' rate has it.
					if before := s.samples[k-1].v; v < before {
						resets++
					} else {
						v -= before
					}
					v /= float64(now.at-from) / 1000
				}
				if Has(v) {
					s.spans = append(s.spans, span{from, now.at, v * a.scale})
				}
			}
		}
	}
	a.notef(missing, "sample is missing within series", "samples are missing within series")
	a.notef(passing, "series is not there all the time", "series are not there all the time")
	a.notef(resets, "counter reset", "counter resets")
}

// connected reports whether samples at that distance follow each other, none missing between them.
func (a *promAnswer) connected(away int64) bool { return 2*away < 3*a.step }

// ends are the times of the first and the last sample of an answer.
func (a *promAnswer) ends() (first, last int64) {
	first = math.MaxInt64
	for _, all := range a.names {
		for _, s := range all {
			if n := len(s.samples); n > 0 {
				first, last = min(first, s.samples[0].at), max(last, s.samples[n-1].at)
			}
		}
	}
	return first, last
}

func (a *promAnswer) sortedNames() []rowName {
	names := make([]rowName, 0, len(a.names))
	for n := range a.names {
		names = append(names, n)
	}
	slices.SortFunc(names, func(x, y rowName) int {
		if c := strings.Compare(x.a, y.a); c != 0 {
			return c
		}
		return strings.Compare(x.b, y.b)
	})
	return names
}

// summary is what the notes say of the answer.
func (a *promAnswer) summary() string {
	text := fmt.Sprintf("%s: %d series%s, %s", a.Name, a.series, a.naming.by(), counted(len(a.names), "name"))
	if a.step > 0 {
		text += fmt.Sprintf(", every %s s", seconds(a.step*1e6))
	}
	if len(a.found) > 0 {
		text += "; " + strings.Join(a.found, "; ")
	}
	return text + "."
}
