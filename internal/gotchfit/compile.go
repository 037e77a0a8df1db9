package gotchfit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// maxRounds bounds how often the wrappers are compiled. Two suffice in
// practice: one that finds the failing functions, one that finds none.
const maxRounds = 6

// compiler is a C++ compiler with the arguments that find libtorch.
type compiler struct {
	path string
	args []string
}

// compileError is one error message of the compiler.
type compileError struct {
	// file is the name without its directory.
	file string
	line int
	text string
}

// fitWrappers compiles main, a file in dir that includes the other files of
// sources, to object, disabling the functions that fail, and returns their
// names, sorted. sources maps the name of each file whose functions may be
// disabled to its text and is updated.
func (c compiler) fitWrappers(ctx context.Context, dir, main, object string, sources map[string]string) ([]string, error) {
	disabled := map[string]bool{}
	for round := range maxRounds {
		for name, text := range sources {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				return nil, err
			}
		}
		// The first round expects failures, so it does not generate code.
		out := object
		if round == 0 {
			out = ""
		}
		failures, err := c.compile(ctx, dir, main, out)
		if err != nil {
			return nil, err
		}
		if len(failures) == 0 && out != "" {
			return slices.Sorted(maps.Keys(disabled)), nil
		}
		failing, err := blame(failures, sources)
		if err != nil {
			return nil, err
		}
		for name := range failing {
			if disabled[name] {
				return nil, fmt.Errorf("%s still fails to compile after its body was replaced", name)
			}
			disabled[name] = true
		}
		for name, text := range sources {
			sources[name] = disable(text, failing)
		}
	}
	return nil, fmt.Errorf("%s still fails to compile after %d rounds", main, maxRounds)
}

// blame returns the names of the functions in which the errors lie.
func blame(failures []compileError, sources map[string]string) (map[string]bool, error) {
	parsed := map[string][]wrapper{}
	out := map[string]bool{}
	for _, f := range failures {
		text, ok := sources[f.file]
		if !ok {
			return nil, fmt.Errorf("%s:%d: %s (not in gotch's wrappers: is this libtorch complete?)", f.file, f.line, f.text)
		}
		if parsed[f.file] == nil {
			parsed[f.file] = parseWrappers(text)
		}
		i := slices.IndexFunc(parsed[f.file], func(w wrapper) bool { return w.first <= f.line && f.line <= w.last })
		if i < 0 {
			return nil, fmt.Errorf("%s:%d: %s (outside any wrapper function)", f.file, f.line, f.text)
		}
		out[parsed[f.file][i].name] = true
	}
	return out, nil
}

// compile compiles dir/main to object, or only checks it if object is "", and
// returns the errors the compiler found in it.
func (c compiler) compile(ctx context.Context, dir, main, object string) ([]compileError, error) {
	args := []string{"-w", "-fmax-errors=0"}
	if object == "" {
		args = append(args, "-fsyntax-only")
	} else {
		args = append(args, "-O2", "-fPIC", "-c", "-o", object)
	}
	cmd := exec.CommandContext(ctx, c.path, slices.Concat(args, c.args, []string{main})...)
	cmd.Dir = dir
	// Messages must be in English to be understood.
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	err := cmd.Run()
	if err == nil {
		return nil, nil
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return nil, fmt.Errorf("running the C++ compiler: %w", err)
	}
	failures := parseErrors(stderr.String())
	if len(failures) == 0 {
		return nil, fmt.Errorf("the C++ compiler %s failed without naming a line (%w): %s", c.path, err, lastLine(stderr.String()))
	}
	return failures, nil
}

var (
	// "file: In instantiation of ...:", "file: In function ...:", "file: At
	// global scope:" begin the messages about another place.
	contextLine  = regexp.MustCompile(`^[^ ]+: (?:In|At) .*:$`)
	errorLine    = regexp.MustCompile(`^(.+?):(\d+):(?:\d+:)? (?:fatal )?error: (.*)$`)
	requiredLine = regexp.MustCompile(`^(.+?):(\d+):(?:\d+:)?\s+required from here`)
)

// parseErrors reads the error messages out of the compiler's output. Errors
// in a template of a library count where the wrapper uses it, which the
// compiler says once before them.
func parseErrors(output string) []compileError {
	var out []compileError
	var user *compileError
	for line := range strings.Lines(output) {
		line = strings.TrimRight(line, "\r\n")
		if contextLine.MatchString(line) {
			user = nil
		}
		if m := requiredLine.FindStringSubmatch(line); m != nil {
			user = &compileError{file: filepath.Base(m[1])}
			user.line, _ = strconv.Atoi(m[2])
			continue
		}
		m := errorLine.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		e := compileError{file: filepath.Base(m[1]), text: m[3]}
		e.line, _ = strconv.Atoi(m[2])
		if user != nil && filepath.IsAbs(m[1]) {
			e.file, e.line = user.file, user.line
		}
		out = append(out, e)
	}
	return out
}

// identity returns the compiler's name and version.
func (c compiler) identity(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, c.path, "--version").Output()
	if errors.Is(err, exec.ErrNotFound) {
		return "", fmt.Errorf("no C++ compiler %s: install the package g++, or set CXX to another", c.path)
	} else if err != nil {
		return "", fmt.Errorf("%s --version: %w", c.path, err)
	}
	first, _, _ := strings.Cut(string(out), "\n")
	return first, nil
}

func lastLine(s string) string {
	s = strings.TrimSpace(s)
	return s[strings.LastIndexByte(s, '\n')+1:]
}
