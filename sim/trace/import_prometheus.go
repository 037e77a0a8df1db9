package trace

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"time"
)

// ImportPrometheus makes a recording of answers to range queries; docs/import.md says how.
//
// A value at time T is that of the step that ends at T, as rate(x[step]) is. Rows are as far apart as the steps of the answer with the
// longest ones, or as opt.Interval says: rates, CPU and memory are then means over the interval, each value weighted by its part inside;
// replicas are the last sample's; error rates and mean latencies are means over requests; percentiles cannot be joined and are left
// out. An interval of which less than half is known has no value. Counters become rates from one sample to the next: a
// counter that fell began again at 0, as Prometheus' rate has it, and nothing is extrapolated beyond a series' first and last sample.
//
// The notes say for each answer how many series it has, by which labels they were named, and what was missing or not a number.
func ImportPrometheus(answers []Answer, opt ImportOptions) (*Recording, error) {
	out := newFindings(0)
	p := &promImport{opt: opt, out: out, parts: map[*table]map[rowName]*promParts{}}
	for i := range answers {
		if a := readAnswer(&answers[i], &opt, out); a != nil {
			p.answers = append(p.answers, a)
		}
	}
	slices.SortStableFunc(p.answers, func(a, b *promAnswer) int { return quantityOrder(a.Name) - quantityOrder(b.Name) })
	p.fit()
	if err := out.err(); err != nil {
		return nil, err
	}
	rec := &Recording{Meta: opt.meta(AnyApplication, "imported from answers of Prometheus", "")}
	p.rec = rec
	p.leaveOutEmpty()
	if len(p.answers) == 0 {
		return nil, errors.New("no answer holds a series; check the names of metrics and labels in the queries, " +
			"and that a window holds two scrapes: rate(x[15s]) of what is scraped every 15 s is empty")
	}
	if err := p.findIntervals(); err != nil {
		return nil, err
	}
	for _, a := range p.answers {
		p.resample(a)
	}
	p.derive()
	p.trim()
	p.addRows()
	p.note()
	if err := out.err(); err != nil {
		return nil, err
	}
	return opt.checked(rec)
}

// importPrometheus reads saved answers.
func importPrometheus(src string, opt ImportOptions) (*Recording, error) {
	answers, err := ReadAnswers(src)
	if err != nil {
		return nil, err
	}
	if opt.Source == "" {
		opt.Source = "imported from answers of Prometheus in " + filepath.Base(src)
	}
	return ImportPrometheus(answers, opt)
}

// ImportAnswers does for answers what [Import] does for files; src is their origin, for messages.
func ImportAnswers(src string, answers []Answer, opt ImportOptions) (*Recording, error) {
	opt.From = "prometheus"
	all := Importers()
	i := slices.IndexFunc(all, func(m Importer) bool { return m.Name == opt.From })
	return all[i].with(src, opt, func(_ string, opt ImportOptions) (*Recording, error) { return ImportPrometheus(answers, opt) })
}

// quantityOrder is the place of a quantity among all.
func quantityOrder(name string) int {
	return slices.IndexFunc(Quantities(), func(q Quantity) bool { return q.Name == name })
}

// promParts is what is known of one name: a series of intervals for each part, nil where there was no answer.
type promParts [partsCount][]float64

// promImport is an import under way.
type promImport struct {
	opt      ImportOptions
	out      *findings
	rec      *Recording
	answers  []*promAnswer
	iv       intervals
	parts    map[*table]map[rowName]*promParts
	from, to int // intervals that become rows
	notes    []string
}

// has finds the answer of one part of a table.
func (p *promImport) has(t *table, parts ...part) *promAnswer {
	for _, a := range p.answers {
		if a.table == t && slices.Contains(parts, a.part) {
			return a
		}
	}
	return nil
}

// fit checks that no two answers say the same, and that those that are of use only together are together.
func (p *promImport) fit() {
	for i, a := range p.answers {
		for _, b := range p.answers[:i] {
			if a.table == b.table && (a.part == b.part || alternative(a.part, b.part) || alternative(b.part, a.part)) {
				p.out.errorf(CodeFileTwice, a.file, 0, a.Name, "leave one of them out", "says the same as %s", b.Name)
			}
		}
		for _, need := range needs(a.part) {
			if p.has(a.table, need) == nil {
				p.out.errorf(CodeFileUnknown, a.file, 0, a.Name, "give both, or leave this one out", "is of no use without %s", quantityNames(a.table, need))
			}
		}
	}
}

// alternative reports whether b is another way to say what a says.
func alternative(a, b part) bool {
	switch a {
	case partErrorRate:
		return b == partFailures
	case partMean:
		return b == partLatencySum || b == partLatencyCount
	case partThrottled:
		return b == partThrottledPeriods || b == partPeriods
	}
	return false
}

// needs lists the parts without which one is of no use.
func needs(a part) []part {
	switch a {
	case partFailures:
		return []part{partRPS}
	case partLatencySum:
		return []part{partLatencyCount}
	case partLatencyCount:
		return []part{partLatencySum}
	case partThrottledPeriods:
		return []part{partPeriods}
	case partPeriods:
		return []part{partThrottledPeriods}
	}
	return nil
}

// quantityNames names the answers that can give a part.
func quantityNames(t *table, a part) string {
	text := ""
	for _, q := range Quantities() {
		if q.table == t && q.part == a {
			if text != "" {
				text += " or "
			}
			text += q.Name
		}
	}
	return text
}

// leaveOutEmpty drops answers without series, with a warning each.
func (p *promImport) leaveOutEmpty() {
	p.answers = slices.DeleteFunc(p.answers, func(a *promAnswer) bool {
		for _, remark := range a.remarks {
			p.warn(a, "Prometheus remarked: "+oneLine(visible(remark)))
		}
		if first, _ := a.ends(); first < math.MaxInt64 {
			return false
		}
		cause := "Prometheus found no series"
		for _, f := range a.found {
			cause += "; " + f
		}
		p.warn(a, cause)
		return true
	})
}

// warn adds a warning that goes with the recording, and stays in its notes.
func (p *promImport) warn(a *promAnswer, cause string) {
	f := Finding{Severity: SeverityWarning, Code: CodeMissing, File: a.file, Column: a.Name, Cause: cause}
	p.rec.Warnings = append(p.rec.Warnings, f)
	p.notes = append(p.notes, fmt.Sprintf("%s: %s.", a.Name, cause))
}

// findIntervals chooses the interval, turns samples into spans, and finds which time the answers cover.
func (p *promImport) findIntervals() error {
	var coarsest *promAnswer
	for _, sure := range []bool{true, false} {
		for _, a := range p.answers {
			if a.sure == sure && a.step > 0 && a.join != joinReplica && (coarsest == nil || a.step > coarsest.step) {
				coarsest = a
			}
		}
		if coarsest != nil && coarsest.sure {
			break
		}
	}
	interval := p.opt.Interval
	switch {
	case interval == 0 && coarsest == nil:
		return errors.New("no series has two samples, so the time between them is not known; ask for a longer range, or give an interval")
	case interval == 0:
		interval = time.Duration(coarsest.step) * time.Millisecond
	case interval%time.Millisecond != 0:
		return fmt.Errorf("an interval of %v is not a whole number of milliseconds", interval)
	case coarsest != nil && coarsest.sure && float64(interval.Milliseconds()) < (1-stepTolerance)*float64(coarsest.step):
		return fmt.Errorf("an interval of %v is shorter than the steps of %s, %s s; give at least that, or none", interval, coarsest.Name, seconds(coarsest.step*1e6))
	}
	if interval < minInterval || interval > maxInterval {
		return fmt.Errorf("samples are %v apart, which is not from %v to %v; give an interval", interval, minInterval, maxInterval)
	}
	p.rec.Meta.Interval = interval
	p.iv.length = interval.Milliseconds()
	end := int64(0)
	p.iv.origin = math.MaxInt64
	names, samples := 0, 0
	for _, a := range p.answers {
		if !a.sure {
			a.step = p.iv.length
		}
		a.findSpans()
		names += len(a.names)
		if a.join == joinReplica {
			continue
		}
		for _, all := range a.names {
			for _, s := range all {
				if n := len(s.spans); n > 0 {
					p.iv.origin, end = min(p.iv.origin, s.spans[0].from), max(end, s.spans[n-1].to)
					samples = max(samples, n)
				}
			}
		}
	}
	if end == 0 {
		return errors.New("no answer holds a number over time; ask for a longer range")
	}
	n := (end - p.iv.origin + p.iv.length - 1) / p.iv.length
	switch {
	case tooSparse(n, samples):
		return fmt.Errorf("no series has more than %d samples in %d intervals of %v; check the times, or give a longer interval", samples, n, interval)
	case n > maxLoadValues/int64(max(names, 1)):
		return fmt.Errorf("%d intervals of %v for %d names are too many; give a longer interval", n, interval, names)
	}
	p.iv.n = int(n)
	return nil
}

// resample puts the values of an answer on the intervals.
func (p *promImport) resample(a *promAnswer) {
	if a.join == joinReplica {
		p.perReplica(a)
		return
	}
	p.noteStep(a)
	partial, byTime, dropped := 0, 0, 0
	longer := float64(p.iv.length) > (1+stepTolerance)*float64(a.step)
	for _, name := range a.sortedNames() {
		all := a.names[name]
		if single := a.join == joinWhole || a.join == joinWeight || a.join == joinMean; single && len(all) > 1 {
			p.out.errorf(CodeDuplicate, a.file, 0, a.Name, "join them in the query: "+joinHint(a.part), "%d series are called %s, and %s of several cannot be joined",
				len(all), name, joinWord(a.part))
			continue
		}
		var values []float64
		switch a.join {
		case joinLast:
			lists := make([][]span, len(all))
			for i := range all {
				lists[i] = all[i].spans
			}
			values = lasts(&p.iv, lists, a.step)
		case joinWhole:
			if values = wholes(&p.iv, all[0].spans); longer {
				dropped += len(all[0].spans)
				fillNoValue(values)
			}
		case joinWeight:
			n := 0
			if values, n = weighted(&p.iv, all[0].spans, p.requests(a.table, name)); longer {
				byTime += n
			}
		default:
			t := newTotals(&p.iv)
			for i := range all {
				t.add(all[i].spans)
			}
			n := 0
			values, n = t.means()
			partial += n
		}
		p.set(a.table, name, a.part, values)
	}
	a.notef(partial, "interval is known in part, and its mean is that of the part", "intervals are known in part, and their means are those of the parts")
	a.notef(byTime, "interval is a mean over time, as the rate of requests is not known", "intervals are means over time, as the rate of requests is not known")
	a.notef(dropped, "value was left out, as percentiles of shorter steps cannot be joined", "values were left out, as percentiles of shorter steps cannot be joined")
	if p.opt.AbsentIsZero && a.part == partRPS && a.table != &edgesTable {
		a.notef(p.absentIsZero(a), "missing rate beside others was set to 0", "missing rates beside others were set to 0")
	}
}

// noteStep says how the steps of an answer fit the intervals.
func (p *promImport) noteStep(a *promAnswer) {
	first := int64(math.MaxInt64)
	for _, all := range a.names {
		for _, s := range all {
			if len(s.spans) > 0 {
				first = min(first, s.spans[0].from)
			}
		}
	}
	if first == math.MaxInt64 || float64(p.iv.length) > (1+stepTolerance)*float64(a.step) {
		return
	}
	if off := (first - p.iv.origin) % p.iv.length; min(off, p.iv.length-off) > int64(stepTolerance*float64(p.iv.length)) {
		a.found = append(a.found, fmt.Sprintf("its steps begin %s s after those of the rows, so values are shared out over the intervals that they overlap", seconds(off*1e6)))
	}
}

// joinWord is what cannot be joined.
func joinWord(a part) string {
	switch a {
	case partErrorRate, partThrottled:
		return "shares"
	case partMean:
		return "means"
	}
	return "percentiles"
}

// joinHint is how it is done in PromQL.
func joinHint(a part) string {
	switch a {
	case partErrorRate, partThrottled:
		return "sum by (NAME) (rate(...)) / sum by (NAME) (rate(...))"
	case partMean:
		return "sum by (NAME) (rate(..._sum[1m])) / sum by (NAME) (rate(..._count[1m]))"
	}
	return "histogram_quantile(0.95, sum by (le, NAME) (rate(..._bucket[1m])))"
}

// requests maps the end of each step to the rate of requests of a name.
func (p *promImport) requests(t *table, name rowName) map[int64]float64 {
	a := p.has(t, partRPS)
	if a == nil {
		return nil
	}
	rates := map[int64]float64{}
	for _, s := range a.names[name] {
		for _, x := range s.spans {
			rates[x.to] += x.v
		}
	}
	return rates
}

// set keeps the values of one part of a name.
func (p *promImport) set(t *table, name rowName, a part, values []float64) {
	if p.parts[t] == nil {
		p.parts[t] = map[rowName]*promParts{}
	}
	if p.parts[t][name] == nil {
		p.parts[t][name] = &promParts{}
	}
	p.parts[t][name][a] = values
}

// absentIsZero sets rates to 0 that are missing at a time at which others of the answer are there.
func (p *promImport) absentIsZero(a *promAnswer) (n int) {
	names := a.sortedNames()
	for k := range p.iv.n {
		some := false
		for _, name := range names {
			some = some || Has(p.parts[a.table][name][a.part][k])
		}
		for _, name := range names {
			if v := p.parts[a.table][name][a.part]; some && !Has(v[k]) {
				v[k] = 0
				n++
			}
		}
	}
	return n
}
