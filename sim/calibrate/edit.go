package calibrate

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// editor changes numbers of a YAML file where they stand. yaml.v3 finds the place; the text around it, comments,
// blank lines and order, stays as it is, which encoding the document anew would not grant.
type editor struct {
	name  string
	root  *yaml.Node
	lines []string
	edits []edit
}

// edit replaces length runes at a column of a line (both from 0) by text.
type edit struct {
	line, column, length int
	text                 string
	note                 note
	newLine              bool // text becomes a line of its own after this one
}

// note is what the comment of a changed line says of one number.
type note struct {
	key, value, se, was string
	tied                bool // only the mean with other operations is known that well
}

// text is the note; with its key where a line holds several numbers.
func (n note) text(withKey bool) string {
	s := n.value + " +- " + n.se
	if n.tied {
		s += tiedMark
	}
	s += " (was " + n.was + ")"
	if withKey {
		s = n.key + " " + s
	}
	return s
}

// newEditor parses a file. It must be one that decodes as an application.
func newEditor(name string, data []byte) (*editor, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(doc.Content) == 0 {
		return nil, fmt.Errorf("%s: the file is empty; a YAML mapping is needed", name)
	}
	return &editor{name: name, root: doc.Content[0], lines: strings.Split(string(data), "\n")}, nil
}

// find follows a path of keys and indices; nil if there is nothing.
func (e *editor) find(path ...any) *yaml.Node {
	n := e.root
	for _, p := range path {
		switch p := p.(type) {
		case string:
			_, n = child(n, p)
		case int:
			if n.Kind != yaml.SequenceNode || p >= len(n.Content) {
				return nil
			}
			n = n.Content[p]
		}
		if n == nil {
			return nil
		}
	}
	return n
}

// child returns the key and the value of a mapping.
func child(n *yaml.Node, key string) (k, v *yaml.Node) {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil, nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i], n.Content[i+1]
		}
	}
	return nil, nil
}

// set gives a key of the mapping at path a new number. after names keys of the mapping, best first, behind which the
// key is put if it is not there; sub, if not empty, is a key within a mapping that then is made as well.
func (e *editor) set(path []any, key, sub string, after []string, n note) error {
	parent := e.find(path...)
	if parent == nil {
		return fmt.Errorf("%s: %v: not found", e.name, path)
	}
	n.key = key
	if sub != "" {
		n.key = key + "." + sub
		if _, v := child(parent, key); v != nil && v.Kind == yaml.MappingNode && len(v.Content) > 0 {
			last := v.Content[len(v.Content)-2].Value
			return e.setIn(v, sub, []string{last}, n.value, n)
		}
		if _, v := child(parent, key); v != nil {
			return fmt.Errorf("%s:%d: %s: an empty mapping cannot be filled in place; write {%s: 0}", e.name, v.Line, key, sub)
		}
		return e.setIn(parent, key, after, "{"+sub+": "+n.value+"}", n)
	}
	return e.setIn(parent, key, after, n.value, n)
}

func (e *editor) setIn(parent *yaml.Node, key string, after []string, text string, n note) error {
	if _, v := child(parent, key); v != nil {
		column, err := e.place(v)
		if err != nil {
			return err
		}
		e.edits = append(e.edits, edit{line: v.Line - 1, column: column, length: utf8.RuneCountInString(v.Value), text: text, note: n})
		return nil
	}
	for _, a := range after {
		k, v := child(parent, a)
		if v == nil || v.Kind != yaml.ScalarNode {
			continue
		}
		column, err := e.place(v)
		if err != nil {
			continue
		}
		if parent.Style&yaml.FlowStyle != 0 {
			end := column + utf8.RuneCountInString(v.Value)
			e.edits = append(e.edits, edit{line: v.Line - 1, column: end, text: ", " + key + ": " + text, note: n})
		} else {
			e.edits = append(e.edits, edit{line: v.Line - 1, text: strings.Repeat(" ", k.Column-1) + key + ": " + text, note: n, newLine: true})
		}
		return nil
	}
	return fmt.Errorf("%s:%d: %s: there is no place for it; add %s: 0 by hand", e.name, parent.Line, key, key)
}

// place finds the column (in runes, from 0) at which a plain scalar stands.
func (e *editor) place(v *yaml.Node) (int, error) {
	if v.Kind == yaml.ScalarNode && v.Style == 0 && v.Anchor == "" && v.Line >= 1 && v.Line <= len(e.lines) {
		line := []rune(e.lines[v.Line-1])
		if c := v.Column - 1; c >= 0 && c <= len(line) && strings.HasPrefix(string(line[c:]), v.Value) {
			return c, nil
		}
	}
	return 0, fmt.Errorf("%s:%d: cannot be changed where it stands; write a plain value on one line", e.name, v.Line)
}

// bytes is the file with all edits made.
func (e *editor) bytes() []byte {
	byLine := map[int][]edit{}
	for _, d := range e.edits {
		byLine[d.line] = append(byLine[d.line], d)
	}
	var out bytes.Buffer
	for i, line := range e.lines {
		if i > 0 {
			out.WriteByte('\n')
		}
		edits := byLine[i]
		var inside, below []edit
		for _, d := range edits {
			if d.newLine {
				below = append(below, d)
			} else {
				inside = append(inside, d)
			}
		}
		out.WriteString(apply(line, inside))
		for _, d := range below {
			out.WriteString("\n" + withNotes(d.text, []note{d.note}))
		}
	}
	return out.Bytes()
}

// apply makes the edits of one line, from its end so that columns stay valid, and notes them.
func apply(line string, edits []edit) string {
	if len(edits) == 0 {
		return line
	}
	carriage := strings.HasSuffix(line, "\r")
	line = strings.TrimSuffix(line, "\r")
	ordered := slices.Clone(edits)
	slices.Reverse(ordered) // of several insertions at one place the last asked for is made first, so it ends up last
	slices.SortStableFunc(ordered, func(a, b edit) int { return b.column - a.column })
	runes := []rune(line)
	for _, d := range ordered {
		runes = slices.Concat(runes[:d.column], []rune(d.text), runes[d.column+d.length:])
	}
	slices.SortStableFunc(edits, func(a, b edit) int { return a.column - b.column })
	notes := make([]note, len(edits))
	for i, d := range edits {
		notes[i] = d.note
	}
	out := withNotes(string(runes), notes)
	if carriage {
		out += "\r"
	}
	return out
}

// fittedMark begins what this package writes into comments.
const fittedMark = "# fitted: "

// tiedMark follows a standard error that holds for the mean of several operations.
const tiedMark = " tied"

var oldNote = regexp.MustCompile(`^(?:([\w.]+) )?(\S+) \+- (\S+)(` + tiedMark + `)? \(was (\S+)\)$`)

// withNotes puts notes into a line's comment, in place of older ones on the same keys and before what else it says.
func withNotes(line string, notes []note) string {
	code, comment := splitComment(line)
	rest := strings.TrimSpace(strings.TrimPrefix(comment, "#"))
	all := notes
	if strings.HasPrefix(comment, fittedMark) {
		old, after, _ := strings.Cut(strings.TrimPrefix(comment, fittedMark), "; ")
		rest = after
		for part := range strings.SplitSeq(old, ", ") {
			m := oldNote.FindStringSubmatch(part)
			if m == nil || m[1] == "" || slices.ContainsFunc(notes, func(n note) bool { return n.key == m[1] }) {
				continue
			}
			all = append(all, note{key: m[1], value: m[2], se: m[3], was: m[5], tied: m[4] != ""})
		}
	}
	texts := make([]string, len(all))
	for i, n := range all {
		texts[i] = n.text(len(all) > 1 || manyNumbers(code))
	}
	out := strings.TrimRight(code, " \t") + " " + fittedMark + strings.Join(texts, ", ")
	if rest != "" {
		out += "; " + rest
	}
	return out
}

// manyNumbers tells whether a line holds more than one number, so that a note must name its key.
func manyNumbers(code string) bool {
	numbers := 0
	for _, word := range strings.FieldsFunc(code, func(r rune) bool { return strings.ContainsRune(" \t,{}[]:", r) }) {
		if _, err := strconv.ParseFloat(word, 64); err == nil {
			numbers++
		}
	}
	return numbers > 1
}

// splitComment cuts a line before the # that begins its comment.
func splitComment(line string) (code, comment string) {
	quote, before := rune(0), ' '
	for i, r := range line {
		switch {
		case quote != 0:
			if r == quote {
				quote = 0
			}
		case (r == '"' || r == '\'') && strings.ContainsRune(" \t[{,:", before):
			quote = r
		case r == '#' && (before == ' ' || before == '\t'):
			return line[:i], line[i:]
		}
		before = r
	}
	return line, ""
}
