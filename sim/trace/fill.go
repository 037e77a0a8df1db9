package trace

import (
	"fmt"
)

// MaxFill is how many missing values in a row [Recording.Fill] bridges. More are no gap but another recording, or a clock that
// was set.
const MaxFill = 60

// Fill bridges gaps: in tables endpoints and services every name gets a row at every time, and an empty cell of a rate, a
// count of replicas, CPU, memory or network traffic the value before it (at the start: the first one after it). Latencies and
// shares stay empty: what happened in an interval does not follow from the one before. In table nodes a time without rows
// gets those of the time before. What was done is returned as warnings, one for each table, and added to the notes.
//
// It is an error if more than [MaxFill] values in a row are missing, or more of a table than is there.
func (r *Recording) Fill() ([]Finding, error) {
	var done []Finding
	out := newFindings(0)
	for _, t := range []*table{&endpointsTable, &servicesTable, &nodesTable} {
		old := rowsOf(r, t)
		if old.len() == 0 {
			continue
		}
		f := filler{t: t, old: old, interval: int64(r.Meta.Interval), out: out}
		filled := rowsOf(&Recording{}, t)
		if t.dense {
			f.series(filled)
		} else {
			f.nodes(filled)
		}
		switch {
		case out.errors > 0:
		case f.rows > old.len() || f.cells > old.len()*len(t.values()):
			out.errorf(CodeFill, t.name+".csv", 0, "", "record again", "%s and %s are missing, more than there are", counted(f.rows, "row"), counted(f.cells, "cell"))
		case f.rows+f.cells > 0:
			done = append(done, Finding{Severity: SeverityWarning, Code: CodeFill, File: t.name + ".csv", Cause: fmt.Sprintf(
				"%s and %s were filled with the values before them, the first at t=%s", counted(f.rows, "missing row"), counted(f.cells, "empty cell"), seconds(f.first))})
			r.replace(t, filled)
		}
	}
	if err := out.err(); err != nil {
		return nil, err
	}
	for i := range done {
		r.Meta.Notes = append(r.Meta.Notes, done[i].Error()+".")
	}
	r.Meta.Gaps = false
	return done, nil
}

// counted is a number of things.
func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// replace puts other rows in place of a table's.
func (r *Recording) replace(t *table, by rows) {
	switch x := by.(type) {
	case *endpointRows:
		r.Endpoints = *x
	case *serviceRows:
		r.Services = *x
	case *nodeRows:
		r.Nodes = *x
	}
}

// filler fills one table.
type filler struct {
	t           *table
	old         rows
	interval    int64
	out         *findings
	rows, cells int   // filled
	first       int64 // time of the first
}

// oneSeries is one name in a table.
type oneSeries struct {
	text    string
	values  [maxValues]float64 // the last known ones, at first the first known
	known   [maxValues]bool    // there is a value at some time
	missing [maxValues]int     // in a row
	from    [maxValues]int     // line of the first of them; 0 = its row is missing, too
	absent  int                // rows in a row
	row     int                // of this time; -1 = none
}

// series fills a table in which every name has a row at every time.
func (f *filler) series(to rows) {
	list, index := f.names()
	var c cells
	n := f.old.len()
	f.old.get(n-1, &c)
	end := c.at
	i := 0
	for at := int64(0); at <= end && f.out.errors == 0 && f.rows <= n; at += f.interval {
		for k := range list {
			list[k].row = -1
		}
		for ; i < n; i++ {
			f.old.get(i, &c)
			if c.at != at {
				break
			}
			s := &list[index[c.texts[0]]]
			s.row, s.absent = i, 0
			f.hold(s, &c)
			to.add(&c)
		}
		for k := range list {
			if s := &list[k]; s.row < 0 {
				c.fill(at, s.text, "")
				if s.absent++; f.tooLong(s.absent, 0, s.text, "rows", at) {
					return
				}
				f.note(at)
				f.rows++
				f.hold(s, &c)
				to.add(&c)
			}
		}
	}
}

// names lists the series, each with the first value of every level.
func (f *filler) names() ([]oneSeries, map[string]int) {
	var list []oneSeries
	index := map[string]int{}
	var c cells
	for i := range f.old.len() {
		f.old.get(i, &c)
		k, ok := index[c.texts[0]]
		if !ok {
			k = len(list)
			index[c.texts[0]] = k
			list = append(list, oneSeries{text: c.texts[0]})
		}
		for v, col := range f.t.values() {
			if x := c.values[v]; col.kind.level() && Has(x) && !list[k].known[v] {
				list[k].values[v], list[k].known[v] = x, true
			}
		}
	}
	return list, index
}

// hold gives the empty levels of a row the last known values. Cells of a row that was missing itself count with the row.
func (f *filler) hold(s *oneSeries, c *cells) {
	for v, col := range f.t.values() {
		if !col.kind.level() || !s.known[v] {
			continue
		}
		if Has(c.values[v]) {
			s.values[v], s.missing[v] = c.values[v], 0
			continue
		}
		c.values[v] = s.values[v]
		if s.row >= 0 {
			f.note(c.at)
			f.cells++
		}
		if s.missing[v] == 0 {
			s.from[v] = 0
			if s.row >= 0 {
				s.from[v] = s.row + 2 // the header is line 1
			}
		}
		if s.missing[v]++; f.tooLong(s.missing[v], s.from[v], s.text, col.name, c.at) {
			return
		}
	}
}

// nodes fills times without any node.
func (f *filler) nodes(to rows) {
	var c cells
	var last []cells
	expected, missing := int64(0), 0
	for i, n := 0, f.old.len(); i < n; {
		f.old.get(i, &c)
		at := c.at
		var now []cells
		for ; i < n; i++ {
			f.old.get(i, &c)
			if c.at != at {
				break
			}
			now = append(now, c)
		}
		if last == nil {
			last = now
		}
		missing = 0
		for ; expected < at; expected += f.interval {
			if missing++; f.tooLong(missing, 0, "every node", "rows", expected) {
				return
			}
			for _, c := range last {
				c.at = expected
				f.note(expected)
				f.rows++
				to.add(&c)
			}
		}
		for k := range now {
			to.add(&now[k])
		}
		last, expected = now, at+f.interval
	}
}

func (f *filler) note(at int64) {
	if f.rows+f.cells == 0 || at < f.first {
		f.first = at
	}
}

// tooLong reports a gap that is not to be bridged.
func (f *filler) tooLong(n, line int, name, what string, at int64) bool {
	if n <= MaxFill {
		return false
	}
	f.out.errorf(CodeFill, f.t.name+".csv", line, "", fmt.Sprintf("no more than %d in a row are filled: cut the recording in two there", MaxFill),
		"%s has no %s from t=%s to t=%s and on", name, what, seconds(at-int64(n-1)*f.interval), seconds(at))
	return true
}
