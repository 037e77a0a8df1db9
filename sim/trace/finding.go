package trace

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// Severity says whether a finding makes a recording unusable.
type Severity uint8

const (
	// SeverityError is a mistake: the recording is refused.
	SeverityError Severity = iota
	// SeverityWarning is something that a reader should know: the recording is used all the same.
	SeverityWarning
)

// String returns "error" or "warning".
func (s Severity) String() string {
	if s == SeverityWarning {
		return "warning"
	}
	return "error"
}

// Finding is one thing that is wrong with a recording or with a file to be imported. As an error it reads
// "file:line: column: cause; cure", with the parts that do not apply left out.
type Finding struct {
	Severity Severity
	Code     Code
	File     string // name within the recording's directory, or of the imported file; "" = the whole recording
	Line     int    // from 1, the header's line; 0 = the whole file
	Column   string // column of a table or key of meta.yaml; "" = the whole line
	Cause    string
	Cure     string
}

// Error returns the finding on one line.
func (f *Finding) Error() string {
	var b strings.Builder
	if f.File != "" {
		b.WriteString(f.File)
		if f.Line > 0 {
			fmt.Fprintf(&b, ":%d", f.Line)
		}
		b.WriteString(": ")
	}
	if f.Column != "" {
		b.WriteString(f.Column + ": ")
	}
	b.WriteString(f.Cause)
	if f.Cure != "" {
		b.WriteString("; " + f.Cure)
	}
	return visible(b.String())
}

// visible replaces what a terminal should not be sent: a file's text may be in the message.
func visible(s string) string {
	if printable(s) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '\uFFFD'
	}, s)
}

// DefaultMaxFindings is how many errors are kept when an option does not say otherwise.
const DefaultMaxFindings = 10

// perGroup is how many findings with the same code, file and column are kept, so that one wrong column does not
// hide a second mistake.
const perGroup = 3

type findingGroup struct {
	file, column string
	code         Code
}

// findings collects what is wrong, up to a limit, and counts the rest. Errors and warnings have a limit each.
type findings struct {
	max      int
	kept     []Finding
	groups   map[findingGroup]int
	errors   int // all errors, kept or not
	warnings int
	keptErrs int
}

func newFindings(limit int) *findings {
	if limit <= 0 {
		limit = DefaultMaxFindings
	}
	return &findings{max: limit, groups: map[findingGroup]int{}}
}

// wants counts a finding and says whether it will be kept: the caller need not word one that is not.
func (l *findings) wants(sev Severity, code Code, file, column string) bool {
	g := findingGroup{file, column, code}
	l.groups[g]++
	kept := l.keptErrs
	if sev == SeverityError {
		l.errors++
	} else {
		l.warnings++
		kept = len(l.kept) - l.keptErrs
	}
	return l.groups[g] <= perGroup && kept < l.max
}

func (l *findings) keep(f Finding) {
	l.kept = append(l.kept, f)
	if f.Severity == SeverityError {
		l.keptErrs++
	}
}

// add counts f and keeps it if there is room.
func (l *findings) add(f Finding) {
	if l.wants(f.Severity, f.Code, f.File, f.Column) {
		l.keep(f)
	}
}

// errorf adds an error.
func (l *findings) errorf(code Code, file string, line int, column, cure, cause string, args ...any) {
	if !l.wants(SeverityError, code, file, column) {
		return
	}
	l.keep(Finding{Code: code, File: file, Line: line, Column: column, Cure: cure, Cause: fmt.Sprintf(cause, args...)})
}

// err joins the errors that were kept, or returns nil if there were none at all.
func (l *findings) err() error {
	if l.errors == 0 {
		return nil
	}
	var errs []error
	for i := range l.kept {
		if l.kept[i].Severity == SeverityError {
			f := l.kept[i]
			errs = append(errs, &f)
		}
	}
	if more := l.errors - len(errs); more > 0 {
		errs = append(errs, fmt.Errorf("and %d more", more))
	}
	return errors.Join(errs...)
}

// quoted shows text that was found in a file: quoted, and cut if it is long.
func quoted(text string) string {
	const most = 40
	if len(text) > most {
		return fmt.Sprintf("%q...", text[:most])
	}
	return fmt.Sprintf("%q", text)
}

// nearest returns the name in names that text was probably meant to be, or "".
func nearest(text string, names []string) string {
	best, bestAt := 3, ""
	for _, n := range names {
		if d := editDistance(strings.ToLower(text), n); d < best && d < len(n) {
			best, bestAt = d, n
		}
	}
	return bestAt
}

// editDistance is the Levenshtein distance in bytes, for texts short enough to be names.
func editDistance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 1 << 30
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diag := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			next := min(row[j+1]+1, row[j]+1, diag+cost)
			diag, row[j+1] = row[j+1], next
		}
	}
	return row[len(b)]
}

// didYouMean is the cure for an unknown name.
func didYouMean(text string, names []string) string {
	if n := nearest(text, names); n != "" {
		return fmt.Sprintf("did you mean %q?", n)
	}
	sorted := slices.Clone(names)
	slices.Sort(sorted)
	return "known are " + strings.Join(sorted, ", ")
}
