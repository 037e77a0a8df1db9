package keda

import (
	"errors"
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // so that time zones are known on machines that have none
	"unicode"

	"github.com/robfig/cron/v3"
)

// cronParser reads the five fields of a crontab, as KEDA's cron scaler does: no seconds, no "@daily".
var cronParser = cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)

// cronLookBack is how far back a firing is looked for: the longest that any date keeps away, as 29 February does from 1896 to
// 1904. The library's own horizon is shorter, the five calendar years after the present one, but from a moment at which
// nothing fires for so long the halving in last never starts.
const cronLookBack = 8 * 366 * 24 * time.Hour

// expression is a cron expression in a time zone. Two traps of daylight saving time, both the library's: a time of day that
// the change skips does not fire that day, and one that comes twice fires twice.
type expression struct{ spec *cron.SpecSchedule }

// parseCron reads an expression of five fields.
func parseCron(text string, zone *time.Location) (expression, error) {
	spec, err := parseFields(text)
	if err != nil {
		return expression{}, fmt.Errorf("%q: must be a cron expression of five fields, minute, hour, day of month, month and day of week, "+
			"such as \"0 8 * * 1-5\" (%s)", text, oneLine(err.Error()))
	}
	spec.Location = zone
	return expression{spec}, nil
}

func parseFields(text string) (*cron.SpecSchedule, error) {
	if strings.Contains(text, "TZ=") { // the library would take it, and panics if no space follows
		return nil, errors.New("the time zone is given beside it")
	}
	parsed, err := cronParser.Parse(text)
	if err != nil {
		return nil, err
	}
	spec, ok := parsed.(*cron.SpecSchedule)
	if !ok {
		return nil, errors.New("not of this form")
	}
	const star = 1 << 63 // the library's mark for a field that was "*"
	for _, f := range []struct {
		name string
		bits uint64
	}{{"minute", spec.Minute}, {"hour", spec.Hour}, {"day of month", spec.Dom}, {"month", spec.Month}, {"day of week", spec.Dow}} {
		if f.bits&^star == 0 { // from "," alone
			return nil, fmt.Errorf("no value for %s", f.name)
		}
	}
	utc := *spec
	utc.Location = time.UTC
	if utc.Next(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() { // a leap year is among the five that it looks ahead
		return nil, errors.New("there is no such day")
	}
	return spec, nil
}

// oneLine makes a library's message fit into one.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
}

// loadZone finds a time zone by name. The machine's own zone is refused: results must not depend on it.
func loadZone(name string) (*time.Location, error) {
	if name != "" && name != "Local" {
		if zone, err := time.LoadLocation(name); err == nil {
			return zone, nil
		}
	}
	return nil, fmt.Errorf("%q: must be a name of the time zone database, such as \"Europe/Berlin\" or \"Etc/UTC\"", name)
}

// next is the first firing after t; false if there is none in the library's five years.
func (e expression) next(t time.Time) (time.Time, bool) {
	n := e.spec.Next(t)
	return n, !n.IsZero()
}

// fired reports whether the expression fires after from and no later than t.
func (e expression) fired(from, t time.Time) bool {
	n, ok := e.next(from)
	return ok && !n.After(t)
}

// last is the latest firing no later than t; false if there is none within cronLookBack. The library only looks ahead: the
// first firing after x comes no earlier for a later x, so the last one is found by halving.
func (e expression) last(t time.Time) (time.Time, bool) {
	t = t.Truncate(time.Second) // firings are on whole seconds
	span := time.Minute
	for !e.fired(t.Add(-span), t) {
		if span == cronLookBack {
			return time.Time{}, false
		}
		span = min(2*span, cronLookBack)
	}
	for early, late := t.Add(-span), t; ; {
		half := late.Sub(early) / 2
		if half < time.Second {
			return e.next(early)
		}
		if mid := early.Add(half.Truncate(time.Second)); e.fired(mid, t) {
			early = mid
		} else {
			late = mid
		}
	}
}

// window is the time in which a cron trigger is active.
type window struct {
	start, end expression
	desired    int32
}

// active reports whether t lies in the window: the next end comes no later than the next start (upstream
// GetMetricsAndActivity of the cron scaler). The moment at which start fires is inside, that of end is outside. An
// expression with no firing ahead counts as infinitely far.
func (w *window) active(t time.Time) bool {
	end, ends := w.end.next(t)
	start, starts := w.start.next(t)
	return ends && (!starts || !start.Before(end))
}
