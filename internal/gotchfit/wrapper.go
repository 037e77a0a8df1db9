package gotchfit

import (
	"fmt"
	"regexp"
	"strings"
)

// wrapper is one function definition of gotch's C++ side that Go may call.
type wrapper struct {
	name string
	// result is the result type as written, "void" or "tensor *".
	result string
	// first and last are the lines of the definition, counted from 1.
	first, last int
	// open is the offset of the body's opening brace, end that of the first
	// byte after its closing one.
	open, end int
}

// definition matches the beginning of a function that Go may call, up to the
// parenthesis: at_ and atg_ are for tensors, ato_ for optimisers, ats_ for
// scalars, atc_ for CUDA, atm_ for modules, ati_ for values. Templates have
// no C name, so "template <...> T at_..." on one line does not match.
var definition = regexp.MustCompile(`(?m)^([A-Za-z_][\w: ]*?[ *]+)(at[gosmci]?_\w+)\(`)

// parseWrappers finds the wrapper functions of a C++ file in gotch's layout: a
// definition starts in the first column, and its body is closed on the line
// that opens it or by the first line that begins with a brace.
func parseWrappers(src string) []wrapper {
	var out []wrapper
	for at := 0; at < len(src); {
		m := definition.FindStringSubmatchIndex(src[at:])
		if m == nil {
			break
		}
		start, next := at+m[0], at+m[1]
		w := wrapper{
			result: strings.TrimSpace(src[at+m[2] : at+m[3]]),
			name:   src[at+m[4] : at+m[5]],
		}
		at = next
		body := strings.IndexAny(src[next:], "{;")
		if body < 0 {
			break
		}
		w.open = next + body
		if src[w.open] == ';' { // a declaration
			continue
		}
		w.end = bodyEnd(src, w.open)
		w.first = 1 + strings.Count(src[:start], "\n")
		w.last = 1 + strings.Count(src[:w.end], "\n")
		out = append(out, w)
		at = w.end
	}
	return out
}

// bodyEnd returns the offset after the closing brace of the body that opens at
// open.
func bodyEnd(src string, open int) int {
	line, _, _ := strings.Cut(src[open:], "\n")
	if strings.Count(line, "{") == strings.Count(line, "}") {
		return open + strings.LastIndexByte(line, '}') + 1
	}
	if end := strings.Index(src[open:], "\n}"); end >= 0 {
		return open + end + len("\n}")
	}
	return len(src)
}

// disable gives the named functions a body that throws, so that the file
// compiles for the sake of the others.
func disable(src string, names map[string]bool) string {
	wrappers := parseWrappers(src)
	var b strings.Builder
	at := 0
	for _, w := range wrappers {
		if names[w.name] {
			b.WriteString(src[at:w.open])
			b.WriteString(throwingBody(w))
			at = w.end
		}
	}
	return b.String() + src[at:]
}

// throwingBody is a function body that raises an error naming the function.
// PROTECT is gotch's macro that keeps an exception's text for Go.
func throwingBody(w wrapper) string {
	result := ""
	if w.result != "void" {
		result = "  return {};\n"
	}
	return fmt.Sprintf("{\n  PROTECT(throw std::runtime_error(\"%s: not available in this libtorch\");)\n%s}", w.name, result)
}
