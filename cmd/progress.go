package cmd

import (
	"fmt"
	"time"
)

// progressEvery is how often a line of progress is printed where there is no terminal.
const progressEvery = 10 * time.Second

// reporter prints progress: it rewrites one line on a terminal, and prints a plain line now and then elsewhere.
type reporter struct {
	w      *world
	quiet  bool
	last   time.Time
	open   bool // the terminal's line is not ended yet
	length int
}

// line shows a state of progress. Elsewhere than on a terminal it is dropped unless it is time, or final.
func (r *reporter) line(final bool, format string, args ...any) {
	if r.quiet {
		return
	}
	now := r.w.now()
	text := fmt.Sprintf(format, args...)
	if r.w.terminal {
		if !final && now.Sub(r.last) < progressEvery/50 {
			return
		}
		fmt.Fprintf(r.w.stderr, "\r%-*s", r.length, text)
		r.length, r.open = len(text), true
		if final {
			r.end()
		}
	} else if final || r.last.IsZero() || now.Sub(r.last) >= progressEvery {
		fmt.Fprintln(r.w.stderr, text)
	} else {
		return
	}
	r.last = now
}

// end ends the terminal's line, so that other output starts on a new one.
func (r *reporter) end() {
	if r.open {
		fmt.Fprintln(r.w.stderr)
		r.open, r.length = false, 0
	}
}

// short prints a duration to the second.
func short(d time.Duration) string { return d.Round(time.Second).String() }
