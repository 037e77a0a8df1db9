package validate

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/grlscaler/grlscaler/sim/trace"
)

// Table is a table before it is known whether a terminal or a document shows it.
type Table struct {
	Title  string
	Header []string
	Rows   [][]string
	Notes  []string // what a reader must know
}

// Markdown is the table as documents show it, without its title.
func (t *Table) Markdown() string {
	var b strings.Builder
	line := func(cells []string) { b.WriteString("| " + strings.Join(cells, " | ") + " |\n") }
	line(t.Header)
	rule := make([]string, len(t.Header))
	for i := range rule {
		rule[i] = "---"
	}
	line(rule)
	for _, r := range t.Rows {
		line(r)
	}
	for _, n := range t.Notes {
		b.WriteString("\n" + n + "\n")
	}
	return b.String()
}

// SummaryTable gives the errors of rows by quantity, for each kind of row and class.
func SummaryTable(rows []Row) Table {
	t := Table{Title: "Errors", Header: []string{"", "quantity", Unthrottled.String(), Throttled.String(), "saturated"}}
	for _, kind := range []Kind{AllRequests, OfEndpoint, OfService} {
		for _, q := range Quantities {
			line := []string{kind.String(), q.String()}
			known := 0
			for _, class := range Classes {
				s := Summarise(rows, q, class, IsKind(kind))
				known += s.N
				line = append(line, s.cell())
			}
			if known > 0 {
				t.Rows = append(t.Rows, line)
			}
		}
	}
	t.Notes = []string{fmt.Sprintf("Percent: median (90th percentile) of the absolute errors, median of the signed errors, number. Shares (throttled, errors): "+
		"percentage points. Throttled: a service on the path used its quota up in %.0f %% of its periods or more. Saturated: one used more than %.0f %% of its limit, "+
		"or was throttled in %.0f %% of the periods; there is no steady state to compare then. Means and medians of %.0f recorded requests or more, p95 of %.0f, p99 of %.0f.",
		100*ThrottledFrom, 100*SaturatedUtilisation, 100*SaturatedThrottling, Mean.least(), P95.least(), P99.least())}
	return t
}

// cell prints a Stat.
func (s Stat) cell() string {
	if s.N == 0 {
		return "-"
	}
	return significant(100*s.Median) + s.rest()
}

func (s Stat) rest() string {
	sign := "+"
	if s.Bias < 0 {
		sign = "-"
	}
	return fmt.Sprintf(" (%s) %s%s, %d", significant(100*s.P90), sign, significant(math.Abs(100*s.Bias)), s.N)
}

// OverviewTable has a line for each recording: all its requests.
func OverviewTable(results []*Result) Table {
	t := Table{Title: "Recorded and predicted, all requests", Header: []string{"recording", "class", "rps", "CPU m", "mean ms", "p95 ms"}}
	for _, res := range results {
		var rows []Row
		for i := range res.Rows {
			if res.Rows[i].Kind == AllRequests {
				rows = append(rows, res.Rows[i])
			}
		}
		if len(rows) == 0 {
			continue
		}
		class := rows[0].Class.String()
		if n := len(rows); n > 1 {
			class = fmt.Sprintf("%d intervals", n)
		}
		if res.Contended {
			class += " *"
		}
		t.Rows = append(t.Rows, []string{res.Recording, class, significant(medianOf(rows, func(v *Values) float64 { return v.RPS }, false)),
			pair(rows, CPU), pair(rows, Mean), pair(rows, P95)})
	}
	t.Notes = []string{"recorded/predicted, error in percent. Of several intervals: the medians, and the median of the absolute errors. * = other work shared the recorded machine."}
	return t
}

// DetailTables are the endpoints and the services of one recording, narrow enough for a terminal.
func DetailTables(res *Result) []Table {
	by := func(keep func(*Row) bool) (names []string, rows map[string][]Row) {
		rows = map[string][]Row{}
		for i := range res.Rows {
			if r := &res.Rows[i]; keep(r) {
				if rows[r.Name] == nil {
					names = append(names, r.Name)
				}
				rows[r.Name] = append(rows[r.Name], *r)
			}
		}
		return names, rows
	}
	make1 := func(title, first string, quantities []Quantity, keep func(*Row) bool) Table {
		t := Table{Title: res.Recording + ": " + title, Header: []string{first, "rps"}}
		for _, q := range quantities {
			t.Header = append(t.Header, q.header())
		}
		names, rows := by(keep)
		for _, name := range names {
			line := []string{name, significant(medianOf(rows[name], func(v *Values) float64 { return v.RPS }, false))}
			for _, q := range quantities {
				line = append(line, pair(rows[name], q))
			}
			t.Rows = append(t.Rows, line)
		}
		return t
	}
	return []Table{
		make1("requests", "endpoint", []Quantity{Mean, P50, P95, P99, Errors}, func(r *Row) bool { return r.Kind != OfService }),
		make1("services", "service", []Quantity{CPU, Throttling, Errors}, func(r *Row) bool { return r.Kind == OfService }),
		make1("visits of services, as their callers see them", "service", []Quantity{Mean, P50, P95, P99}, func(r *Row) bool { return r.Kind == OfService }),
	}
}

func (q Quantity) header() string {
	switch {
	case q == CPU:
		return "CPU m"
	case q.Share():
		return q.String() + " %"
	}
	return q.String() + " ms"
}

// medianOf is the median over rows of a number, recorded or predicted; NoValue where none is known.
func medianOf(rows []Row, of func(*Values) float64, predicted bool) float64 {
	var all []float64
	for i := range rows {
		v := &rows[i].Recorded
		if predicted {
			v = &rows[i].Predicted
		}
		if x := of(v); trace.Has(x) {
			all = append(all, x)
		}
	}
	if len(all) == 0 {
		return trace.NoValue()
	}
	slices.Sort(all)
	return quantile(all, 0.5)
}

// pair prints recorded/predicted and the error of one row, or medians of several.
func pair(rows []Row, q Quantity) string {
	recorded, predicted := medianOf(rows, q.of, false), medianOf(rows, q.of, true)
	if !trace.Has(recorded) || !trace.Has(predicted) {
		return "-"
	}
	if q.Share() {
		return fmt.Sprintf("%s/%s", significant(100*recorded), significant(100*predicted))
	}
	var errs []float64
	for i := range rows {
		if e, ok := rows[i].Error(q); ok {
			errs = append(errs, e)
		}
	}
	text := significant(recorded) + "/" + significant(predicted)
	switch s := newStat(errs); {
	case len(errs) == 0: // too few requests, or too little CPU, to tell
	case len(rows) == 1:
		text += fmt.Sprintf(" %+.0f%%", 100*s.Bias)
	default:
		text += fmt.Sprintf(" %.0f%%", 100*s.Median)
	}
	return text
}

// significant prints three digits, or as many as stand before the point.
func significant(v float64) string {
	switch a := math.Abs(v); {
	case !trace.Has(v):
		return "-"
	case a < 0.0005:
		return "0"
	case a < 0.0095:
		return fmt.Sprintf("%.1g", v)
	case a < 0.995:
		return fmt.Sprintf("%.2f", v)
	case a < 99.5:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}

// CrossingTable prints crossings.
func CrossingTable(list []Crossing) Table {
	t := Table{Title: "Load at which the p95 of all requests leaves its bound", Header: []string{"between", "bottleneck", "bound ms", "recorded rps", "predicted rps", "replicas", "predicted"}}
	within := 0
	for _, c := range list {
		t.Rows = append(t.Rows, []string{c.From + " - " + c.To, c.Bottleneck, significant(c.BoundMs), significant(c.RecordedRPS),
			fmt.Sprintf("%s %+.0f%%", significant(c.PredictedRPS), 100*(c.PredictedRPS/c.RecordedRPS-1)), fmt.Sprint(c.Replicas), fmt.Sprint(c.PredictedReplicas)})
		if c.Within(1) {
			within++
		}
	}
	t.Notes = []string{fmt.Sprintf("Within one replica: %d of %d. Recorded: interpolated between two runs with equal limits and replicas; predicted rps: where the simulator leaves "+
		"the bound with those replicas; predicted replicas: how many of the bottleneck it needs at the recorded load.", within, len(list))}
	return t
}

// Within tells whether the predicted replicas are at most n off.
func (c *Crossing) Within(n int) bool {
	return c.PredictedReplicas >= c.Replicas-n && c.PredictedReplicas <= c.Replicas+n
}

// StartUpTable prints start-up times.
func StartUpTable(list []StartUp) Table {
	t := Table{Title: "Start-up times", Header: []string{"recording", "service", "limit m", "starts", "recorded s", "CPU/limit s", "and probes s"}}
	short := 0
	for _, u := range list {
		if u.RecordedSeconds == 0 {
			short++
			continue
		}
		t.Rows = append(t.Rows, []string{u.Recording, u.Service, significant(u.LimitMillis), fmt.Sprint(u.Starts), significant(u.RecordedSeconds),
			significant(u.CPUSeconds), significant(u.CPUSeconds + u.FixedSeconds)})
	}
	t.Notes = []string{"Recorded: mean over the starts, uncertain by about half the recording's interval. CPU/limit: what the replica needs until it is ready over its limit; " +
		"and probes: with the application's fixed part and half its jitter, for a recording of a cluster."}
	if short > 0 {
		t.Notes[0] += fmt.Sprintf(" %d more start too fast for the interval to show.", short)
	}
	return t
}

// DrainTable prints how backlogs went.
func DrainTable(list []Drain) Table {
	t := Table{Title: "Backlog after an overload", Header: []string{"recording", "at", "backlog, requests", "drained in s", "error"}}
	for _, d := range list {
		t.Rows = append(t.Rows, []string{d.Recording, d.At.String(), significant(d.RecordedBacklog) + "/" + significant(d.PredictedBacklog),
			significant(d.RecordedSeconds) + "/" + significant(d.PredictedSeconds), fmt.Sprintf("%+.1f s", d.PredictedSeconds-d.RecordedSeconds)})
	}
	t.Notes = []string{"recorded/predicted. Backlog: rate times mean latency before more replicas came or load went, above the level that followed. Drained: twice the area " +
		"above that level over the backlog; nothing shorter than an interval of the recording shows."}
	return t
}
