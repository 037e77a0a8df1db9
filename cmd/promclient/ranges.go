package promclient

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"
)

// MaxPoints is how many points of a series a server gives in one answer: Prometheus refuses more (web/api/v1, query_range).
const MaxPoints = 11_000

// Range is the time that is asked for, in steps. The value at a time is that of the step that ends there, so the first is asked for at
// From + Step and the last at To.
type Range struct {
	From, To time.Time
	Step     time.Duration
}

// Aligned is the range with both ends on a multiple of the step since 1970, as servers that cache answers want it: asked twice, it is the
// same. The end is never later, so that the last step is over.
func (r Range) Aligned() Range {
	if r.Step > 0 {
		down := func(t time.Time) time.Time {
			ms, step := t.UnixMilli(), r.Step.Milliseconds()
			return time.UnixMilli(ms - ms%max(step, 1)).UTC()
		}
		r.From, r.To = down(r.From), down(r.To)
	}
	return r
}

// mostSteps bounds the length of a range: ten years in steps of a minute.
const mostSteps = 5_300_000

// Check says what is wrong with a range.
func (r Range) Check() error {
	switch {
	case r.Step < 100*time.Millisecond || r.Step > 24*time.Hour || r.Step%time.Millisecond != 0:
		return fmt.Errorf("a step of %v is not from 100ms to 24h, or not a whole number of milliseconds", r.Step)
	case r.From.UnixMilli() < 0:
		return fmt.Errorf("%s is before 1970", r.From.Format(time.RFC3339))
	case r.To.Sub(r.From) < 2*r.Step:
		return fmt.Errorf("from %s to %s there are not two steps of %v", r.From.Format(time.RFC3339), r.To.Format(time.RFC3339), r.Step)
	case int64(r.To.Sub(r.From)/r.Step) > mostSteps:
		return fmt.Errorf("%d steps of %v are too many; ask for a shorter range or longer steps", r.To.Sub(r.From)/r.Step, r.Step)
	}
	return nil
}

// Steps is how many steps there are.
func (r Range) Steps() int { return int(r.To.Sub(r.From) / r.Step) }

// Parts cuts a range into those of at most points steps each, which follow each other.
func (r Range) Parts(points int) []Range {
	var parts []Range
	for from := r.From; from.Before(r.To); {
		to := from.Add(time.Duration(points) * r.Step)
		if to.After(r.To) {
			to = r.To
		}
		parts = append(parts, Range{from, to, r.Step})
		from = to
	}
	return parts
}

// parameters are those of query_range.
func (r Range) parameters(query string) url.Values {
	return url.Values{"query": {query}, "start": {unix(r.From.Add(r.Step))}, "end": {unix(r.To)}, "step": {unix(time.UnixMilli(r.Step.Milliseconds()))}}
}

// unix is a time in seconds since 1970.
func unix(t time.Time) string { return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', -1, 64) }

// ParseTime reads an RFC 3339 time, "now", or a time before now such as -24h or -7d.
func ParseTime(text string, now time.Time) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t.UTC(), nil
	}
	bad := errors.New("not a time like 2025-11-28T08:00:00Z, -24h, -7d or now")
	if text == "now" {
		return now.UTC(), nil
	}
	if len(text) < 3 || text[0] != '-' {
		return time.Time{}, bad
	}
	if n, err := strconv.ParseFloat(text[1:len(text)-1], 64); err == nil && text[len(text)-1] == 'd' && n >= 0 && n < 1e5 {
		return now.Add(-time.Duration(n * 24 * float64(time.Hour))).UTC(), nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d > 0 {
		return time.Time{}, bad
	}
	return now.Add(d).UTC(), nil
}
