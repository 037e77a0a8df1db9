package cmd

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1 // the command could not do what was asked
	exitUsage  = 2 // the command line is wrong
)

// usageError is a mistake on the command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// hinted is an error with the way out of it.
type hinted struct {
	error
	hint string
}

func (e hinted) Unwrap() error { return e.error }

// withHint adds what the user can do about err.
func withHint(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return hinted{err, fmt.Sprintf(format, args...)}
}

// exitCode maps an error to the process's exit code.
func exitCode(err error) int {
	var usage usageError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &usage):
		return exitUsage
	}
	return exitFailed
}

// message is the line (several mistakes: one line each) that the user sees.
func message(err error) string {
	if errors.Is(err, context.Canceled) {
		var h hinted
		if errors.As(err, &h) {
			return "interrupted; " + h.hint
		}
		return "interrupted"
	}
	text := err.Error()
	var h hinted
	if errors.As(err, &h) {
		text += "; " + h.hint
	}
	var usage usageError
	if errors.As(err, &usage) && !strings.Contains(text, "--help") {
		text += " (see grlscaler help)"
	}
	lines := strings.Split(text, "\n")
	return strings.Join(lines, "\ngrlscaler: ")
}
