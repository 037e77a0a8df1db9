package trace

import (
	"fmt"
	"math"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"
)

// maxNames bounds the distinct names of a table, so that a broken file cannot fill the memory with them.
const maxNames = 100_000

// checker holds the rules for the rows of one table. Reader and writer use the same one, so what Write accepts
// Read accepts too.
type checker struct {
	t        *table
	file     string
	interval int64 // ns; 0 = not known, then nothing that needs it is checked
	gaps     bool  // rows may be missing
	fill     bool  // missing rows are to be filled
	out      *findings
	app      *Application
	limits   map[string]float64 // CPU limit of one replica of each service, where known

	most  [maxValues]float64
	whole [maxValues]bool
	level [maxValues]bool

	names  map[string]int32   // text -> id
	texts  []string           // id -> text
	keys   map[[2]int32]int32 // ids of the key's texts -> index into states
	states []keyState

	rows   int
	block  int   // number of different times so far
	last   int64 // the last one, ns; -1 before the first
	broken bool  // a row could not be placed: gaps may only be where it should have been and are not reported
	holes  []hole

	mostCPU     float64 // services: the largest cpu_m of a row
	mostCPULine int
	nodeCPU     float64 // nodes: cpu_m of all nodes at the present time, and the largest of any time
	mostNodeCPU float64
}

// hole is a gap that was found. Gaps are reported at the end, when it is known whether every row had its place.
type hole struct {
	line  int
	clock bool // too long to be filled
	cause string
}

// maxHoles is how many gaps of one table are counted.
const maxHoles = 1000

// keyState is where one name's series of rows has got to.
type keyState struct {
	label string
	block int   // block of its last row, from 1
	last  int64 // time of its last row, ns
	rows  int
	empty [maxValues]emptyCells
	wide  float64 // services: replicas in its last row
}

// emptyCells are the cells of one column of a series that hold nothing.
type emptyCells struct {
	n, line int // how many, and the line of the first
}

func newChecker(t *table, file string, meta *Meta, opt *ReadOptions, out *findings) *checker {
	c := &checker{
		t: t, file: file, interval: int64(meta.Interval), gaps: opt.AllowGaps || meta.Gaps || opt.Fill, fill: opt.Fill, out: out,
		names: map[string]int32{}, keys: map[[2]int32]int32{}, last: -1, app: opt.App, limits: meta.CPULimitMillis,
	}
	for i, col := range t.values() {
		_, c.most[i] = col.kind.unit()
		c.whole[i] = col.kind == kindCount
		c.level[i] = col.kind.level()
	}
	return c
}

// name interns a name of column col and checks it when it is new. ok is false if it cannot be used.
func (c *checker) name(line int, col *column, text string) (id int32, ok bool) {
	if id, ok = c.names[text]; ok {
		return id, true
	}
	if cause := badName(text); cause != "" {
		if text != "" || col.kind == kindName {
			c.out.errorf(CodeName, c.file, line, col.name, "use 1 to 253 printable characters without commas and quotation marks",
				"%s %s", quoted(text), cause)
			return 0, false
		}
	}
	if len(c.names) >= maxNames {
		c.out.errorf(CodeName, c.file, line, col.name, "a name stands for a service or route, not for a single request or pod",
			"more than %d different names", maxNames)
		return 0, false
	}
	id = int32(len(c.names))
	c.names[text] = id
	c.texts = append(c.texts, text)
	c.known(line, col, text)
	return id, true
}

// badName says what is wrong with a name, or "".
func badName(s string) string {
	if s == "" {
		return "is empty"
	}
	if len(s) > 253 { // the longest name that Kubernetes knows
		return "is too long"
	}
	if !utf8.ValidString(s) {
		return "is not UTF-8"
	}
	if s[0] == ' ' || s[len(s)-1] == ' ' {
		return "begins or ends with a space"
	}
	for _, r := range s {
		if r == ',' || r == '"' || !unicode.IsPrint(r) {
			return fmt.Sprintf("contains %q", r)
		}
	}
	return ""
}

// values checks the numbers of a row, NoValue left out.
func (c *checker) values(line int, v *[maxValues]float64) {
	cols := c.t.values()
	for i := range cols {
		x := v[i]
		if x >= 0 && x <= c.most[i] && !(c.whole[i] && x != math.Trunc(x)) || x != x {
			continue
		}
		c.badValue(line, &cols[i], x, c.most[i])
	}
	p := &c.t.pairs
	if p.p50 >= 0 && (v[p.p50] > v[p.p95] || v[p.p95] > v[p.p99] || v[p.p50] > v[p.p99]) {
		c.out.errorf(CodePercentiles, c.file, line, "", "check whether columns are swapped",
			"p50 %s, p95 %s, p99 %s ms do not rise", short(v[p.p50]), short(v[p.p95]), short(v[p.p99]))
	}
	if p.ready >= 0 && v[p.ready] > v[p.replicas] {
		c.out.errorf(CodeReady, c.file, line, "ready", "replicas counts ready and starting pods",
			"%s ready of %s replicas", short(v[p.ready]), short(v[p.replicas]))
	}
}

func (c *checker) badValue(line int, col *column, x, most float64) {
	switch {
	case math.IsInf(x, 0):
		c.out.errorf(CodeNotFinite, c.file, line, col.name, "leave the cell empty where there is no value", "%v is not a number", x)
	case x < 0:
		c.out.errorf(CodeNegative, c.file, line, col.name, "give a number from 0 up, or leave the cell empty", "%s is negative", short(x))
	case col.kind == kindFraction:
		c.out.errorf(CodeFraction, c.file, line, col.name, "give a share from 0 to 1; 5 % is 0.05", "%s is above 1", short(x))
	case x > most:
		unit, _ := col.kind.unit()
		c.out.errorf(CodeTooLarge, c.file, line, col.name, "check the unit, which is "+unit, "%s is above %s", short(x), short(most))
	default:
		c.out.errorf(CodeWhole, c.file, line, col.name, "replicas are counted, not averaged", "%s is not a whole number", short(x))
	}
}

// short formats a number for a message.
func short(v float64) string {
	if !Has(v) {
		return "(none)"
	}
	return strconv.FormatFloat(v, 'g', 6, 64)
}

// place checks a row's time and key against the rows before it. ids are what name returned for the row's texts.
func (c *checker) place(line int, row *cells, ids [maxTexts]int32) {
	c.rows++
	at := row.at
	if at < c.last {
		c.goesBack(line, at, row, ids)
		return
	}
	if c.interval > 0 && at%c.interval != 0 {
		c.broken = true
		c.out.errorf(CodeTimeGrid, c.file, line, "t", "times count from 0 in steps of interval_s",
			"%s is not a multiple of the interval of %s s", seconds(at), seconds(c.interval))
		return
	}
	if at > c.last {
		c.newTime(line, at)
	}
	s := c.state(row, ids)
	if s.block == c.block {
		c.out.errorf(CodeDuplicate, c.file, line, "", "keep one row for each time and name", "a second row of %s at t=%s", s.label, seconds(at))
		return
	}
	if c.t.dense && s.block != c.block-1 {
		if s.block == 0 {
			c.gap(line, at/max(c.interval, 1), "%s has no row before t=%s", s.label, seconds(at))
		} else {
			c.gap(line, (at-s.last)/max(c.interval, 1)-1, "%s has no row between t=%s and t=%s", s.label, seconds(s.last), seconds(at))
		}
	}
	s.block, s.last = c.block, at
	c.together(line, row, s)
}

// state finds the series that a row belongs to.
func (c *checker) state(row *cells, ids [maxTexts]int32) *keyState {
	key := [2]int32{ids[0], -1}
	if c.t.keys == 2 {
		key[1] = ids[1]
	}
	i, known := c.keys[key]
	if !known {
		i = int32(len(c.states))
		c.keys[key] = i
		c.states = append(c.states, keyState{label: c.label(row), last: -1, wide: NoValue()})
	}
	return &c.states[i]
}

// goesBack reports a row whose time is before that of the row above, and goes on from there: what follows a clock that was
// set back is in order again.
func (c *checker) goesBack(line int, at int64, row *cells, ids [maxTexts]int32) {
	c.broken = true
	s := c.state(row, ids)
	if s.last > at {
		c.out.errorf(CodeClock, c.file, line, "t", "give seconds since the start, which no clock change moves, and sort rows that are out of order",
			"the time of %s goes back by %s s, from %s to %s%s", s.label, seconds(s.last-at), seconds(s.last), seconds(at), summerTime(s.last-at, c.interval))
	} else {
		c.out.errorf(CodeTimeOrder, c.file, line, "t", "sort the rows by t", "%s comes after %s", seconds(at), seconds(c.last))
	}
	c.block++
	c.last = at
	s.block, s.last = c.block, at
}

// summerTime says what a jump of the clock by about an hour may be.
func summerTime(jump, interval int64) string {
	if d := jump - int64(time.Hour); d >= -interval && d <= interval {
		return ": about an hour, as where summer time ends or begins"
	}
	return ""
}

// label names a row's key for messages.
func (c *checker) label(row *cells) string {
	if c.t.keys == 2 {
		return row.texts[0] + " -> " + row.texts[1]
	}
	return row.texts[0]
}

// newTime begins the rows of a later time.
func (c *checker) newTime(line int, at int64) {
	c.block++
	expected := int64(0)
	if c.last >= 0 {
		expected = c.last + c.interval
	}
	if c.interval > 0 && !c.t.sparse && at != expected {
		if n := (at - expected) / c.interval; n == 1 {
			c.gap(line, 1, "no rows at t=%s", seconds(expected))
		} else {
			c.gap(line, n, "no rows at %d times, t=%s to t=%s%s", n, seconds(expected), seconds(at-c.interval), summerTime(at-expected, c.interval))
		}
	}
	c.last = at
	c.mostNodeCPU, c.nodeCPU = max(c.mostNodeCPU, c.nodeCPU), 0
}

// finish checks what only the end of the table shows.
func (c *checker) finish() {
	if c.rows == 0 {
		c.out.errorf(CodeNoRows, c.file, 0, "", "remove the file if there is nothing to say", "has a header but no rows")
		return
	}
	for i := range c.states {
		if s := &c.states[i]; c.t.dense && s.block != c.block {
			c.gap(0, (c.last-s.last)/max(c.interval, 1), "%s has no row after t=%s, the table ends at t=%s", s.label, seconds(s.last), seconds(c.last))
		}
	}
	c.mostNodeCPU = max(c.mostNodeCPU, c.nodeCPU)
	c.reportGaps()
	c.reportEmpty()
}

// gap notes that n rows of a series, or all rows of n times, are missing.
func (c *checker) gap(line int, n int64, cause string, args ...any) {
	if !c.broken && c.interval > 0 && len(c.holes) < maxHoles {
		c.holes = append(c.holes, hole{line, n > MaxFill, fmt.Sprintf(cause, args...)})
	}
}

// reportGaps reports what gap noted, unless an earlier mistake may be why rows are missing.
func (c *checker) reportGaps() {
	if c.broken {
		return
	}
	for _, h := range c.holes {
		f := Finding{Severity: SeverityWarning, Code: CodeGap, File: c.file, Line: h.line, Cause: h.cause}
		switch {
		case h.clock && c.fill:
			f.Severity, f.Code = SeverityError, CodeClock
			f.Cure = fmt.Sprintf("a gap of more than %d intervals is not filled: cut the recording in two there, or correct the times", MaxFill)
		case h.clock && !c.gaps:
			f.Severity, f.Code = SeverityError, CodeClock
			f.Cure = "cut the recording in two there, correct the times if the clock was set, or set gaps: true in meta.yaml"
		case !c.gaps:
			f.Severity = SeverityError
			f.Cure = "add the rows, cells empty where nothing is known, fill them with --fill, or set gaps: true in meta.yaml"
		}
		c.out.add(f)
	}
}

// end is the time at which the last row's interval ends.
func (c *checker) end() time.Duration { return time.Duration(c.last + c.interval) }

// seconds formats nanoseconds as seconds, without trailing zeros.
func seconds(ns int64) string { return string(appendSeconds(nil, ns)) }

// appendSeconds appends a time in seconds with as many decimals as it needs. Unlike a float it is exact.
func appendSeconds(b []byte, ns int64) []byte {
	if ns < 0 {
		b = append(b, '-')
		ns = -ns
	}
	b = strconv.AppendInt(b, ns/1e9, 10)
	frac := ns % 1e9
	if frac == 0 {
		return b
	}
	b = append(b, '.')
	for unit := int64(1e8); frac > 0; unit /= 10 {
		b = append(b, byte('0'+frac/unit))
		frac %= unit
	}
	return b
}
