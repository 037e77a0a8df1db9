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
	out      *findings

	most  [maxValues]float64
	whole [maxValues]bool

	names  map[string]int32   // text -> id
	texts  []string           // id -> text
	keys   map[[2]int32]int32 // ids of the key's texts -> index into states
	states []keyState

	rows   int
	block  int   // number of different times so far
	last   int64 // the last one, ns; -1 before the first
	broken bool  // a row could not be placed: gaps may only be where it should have been and are not reported
	holes  []hole
}

// hole is a gap that was found. Gaps are reported at the end, when it is known whether every row had its place.
type hole struct {
	line  int
	cause string
}

// maxHoles is how many gaps of one table are counted.
const maxHoles = 1000

// keyState is where one name's series of rows has got to.
type keyState struct {
	label string
	block int   // block of its last row, from 1
	last  int64 // time of its last row, ns
}

func newChecker(t *table, file string, interval time.Duration, gaps bool, out *findings) *checker {
	c := &checker{
		t: t, file: file, interval: int64(interval), gaps: gaps, out: out,
		names: map[string]int32{}, keys: map[[2]int32]int32{}, last: -1,
	}
	for i, col := range t.values() {
		_, c.most[i] = col.kind.unit()
		c.whole[i] = col.kind == kindCount
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
		c.broken = true
		c.out.errorf(CodeTimeOrder, c.file, line, "t", "sort the rows by t", "%s comes after %s", seconds(at), seconds(c.last))
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
	key := [2]int32{ids[0], -1}
	if c.t.keys == 2 {
		key[1] = ids[1]
	}
	i, known := c.keys[key]
	if !known {
		i = int32(len(c.states))
		c.keys[key] = i
		c.states = append(c.states, keyState{label: c.label(row), last: -1})
	}
	s := &c.states[i]
	if s.block == c.block {
		c.out.errorf(CodeDuplicate, c.file, line, "", "keep one row for each time and name", "a second row of %s at t=%s", s.label, seconds(at))
		return
	}
	if c.t.dense && s.block != c.block-1 {
		if s.block == 0 {
			c.gap(line, "%s has no row before t=%s", s.label, seconds(at))
		} else {
			c.gap(line, "%s has no row between t=%s and t=%s", s.label, seconds(s.last), seconds(at))
		}
	}
	s.block, s.last = c.block, at
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
			c.gap(line, "no rows at t=%s", seconds(expected))
		} else {
			c.gap(line, "no rows at %d times, t=%s to t=%s", n, seconds(expected), seconds(at-c.interval))
		}
	}
	c.last = at
}

// finish checks what only the end of the table shows.
func (c *checker) finish() {
	if c.rows == 0 {
		c.out.errorf(CodeNoRows, c.file, 0, "", "remove the file if there is nothing to say", "has a header but no rows")
		return
	}
	for i := range c.states {
		if s := &c.states[i]; c.t.dense && s.block != c.block {
			c.gap(0, "%s has no row after t=%s, the table ends at t=%s", s.label, seconds(s.last), seconds(c.last))
		}
	}
	c.reportGaps()
}

// gap notes that rows are missing.
func (c *checker) gap(line int, cause string, args ...any) {
	if !c.broken && c.interval > 0 && len(c.holes) < maxHoles {
		c.holes = append(c.holes, hole{line, fmt.Sprintf(cause, args...)})
	}
}

// reportGaps reports what gap noted, unless an earlier mistake may be why rows are missing.
func (c *checker) reportGaps() {
	if c.broken {
		return
	}
	sev, cure := SeverityError, "add the rows, cells empty where nothing is known, or set gaps: true in meta.yaml"
	if c.gaps {
		sev, cure = SeverityWarning, ""
	}
	for _, h := range c.holes {
		c.out.add(Finding{Severity: sev, Code: CodeGap, File: c.file, Line: h.line, Cause: h.cause, Cure: cure})
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
