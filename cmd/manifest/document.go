package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
	kubeyaml "sigs.k8s.io/yaml"
)

// document is one document of a file: its values as Kubernetes reads them, and the tree of nodes, which has the lines.
type document struct {
	file   string
	before int // lines of the file before the lines that node counts from 1
	node   *yaml.Node
	value  any // of encoding/json, numbers as json.Number
}

// chunk is the text of one document and the number of lines before it.
type chunk struct {
	before int
	text   []byte
}

var bom = []byte("\ufeff")

// text reads all documents of a file.
func (r *reader) text(name string, text []byte) {
	if bytes.HasPrefix(text, []byte{0xff, 0xfe}) || bytes.HasPrefix(text, []byte{0xfe, 0xff}) {
		r.failf(name, 1, "the text is UTF-16; save it as UTF-8 (PowerShell: Out-File -Encoding utf8)")
		return
	}
	if !utf8.Valid(text) {
		r.failf(name, invalidLine(text), "the text is not UTF-8; save it as UTF-8")
		return
	}
	// Files that were joined have a mark before each of their beginnings.
	text = bytes.ReplaceAll(bytes.TrimPrefix(text, bom), append([]byte("\n"), bom...), []byte("\n"))
	json := strings.EqualFold(filepath.Ext(name), ".json")
	if json || bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) {
		docs, err := jsonDocuments(name, text)
		if err == nil || json {
			for _, d := range docs {
				r.document(d)
			}
			if err != nil {
				r.errs = append(r.errs, err)
			}
			return
		}
		// A brace begins a mapping of YAML as well.
	}
	for _, c := range split(text) {
		if d := r.parse(name, c); d != nil {
			r.document(d)
		}
	}
}

func (r *reader) failf(name string, line int, format string, args ...any) {
	r.errs = append(r.errs, mistake{Source{name, line}, fmt.Sprintf(format, args...)})
}

// mistake is an error at some line.
type mistake struct {
	Source
	text string
}

func (m mistake) Error() string { return m.Source.String() + ": " + m.text }

// lineOf returns the line of a mistake.
func lineOf(err error) int {
	var m mistake
	errors.As(err, &m)
	return m.Line
}

// invalidLine returns the line of the first byte that is not UTF-8.
func invalidLine(text []byte) int {
	line := 1
	for len(text) > 0 {
		c, n := utf8.DecodeRune(text)
		if c == utf8.RuneError && n == 1 {
			break
		}
		if c == '\n' {
			line++
		}
		text = text[n:]
	}
	return line
}

// split cuts text where a line begins with a marker: --- begins a document and may be followed by its content, ...
// ends one. YAML forbids both at the beginning of a line inside any scalar (YAML 1.2, c-forbidden), so that this
// needs no parser, and a mistake in one document does not hide those of the next.
func split(text []byte) []chunk {
	var chunks []chunk
	begin, before, line := 0, 0, 0
	cut := func(end, next, nextLine int) {
		if c := (chunk{before, text[begin:end]}); len(bytes.TrimSpace(c.text)) > 0 {
			chunks = append(chunks, c)
		}
		begin, before = next, nextLine
	}
	for at := 0; at < len(text); line++ {
		end := len(text)
		if n := bytes.IndexByte(text[at:], '\n'); n >= 0 {
			end = at + n + 1
		}
		switch this := text[at:end]; {
		case isMarker(this, "---") && !onlyDirectives(text[begin:at]):
			cut(at, at, line)
		case isMarker(this, "..."):
			cut(at, end, line+1)
		}
		at = end
	}
	cut(len(text), len(text), line)
	return chunks
}

func isMarker(line []byte, marker string) bool {
	rest, ok := bytes.CutPrefix(line, []byte(marker))
	return ok && (len(rest) == 0 || strings.ContainsRune(" \t\r\n", rune(rest[0])))
}

// onlyDirectives reports whether text has a directive such as %YAML 1.1, which belongs to the document behind the
// next marker, and no content.
func onlyDirectives(text []byte) bool {
	found := false
	for line := range bytes.Lines(text) {
		switch line = bytes.TrimSpace(line); {
		case len(line) == 0 || line[0] == '#':
		case line[0] == '%':
			found = true
		default:
			return false
		}
	}
	return found
}

// parse parses the text of a document twice: yaml.v3 gives the lines, sigs.k8s.io/yaml the values, which are those
// that kubectl sends (YAML 1.1: an unquoted yes is true). It returns nil for comments alone and for a mistake.
func (r *reader) parse(name string, c chunk) *document {
	d := &document{file: name, before: c.before, node: &yaml.Node{}}
	decoder := yaml.NewDecoder(bytes.NewReader(c.text))
	if err := decoder.Decode(d.node); err != nil {
		if !errors.Is(err, io.EOF) {
			r.syntax(name, c, err)
		}
		return nil
	}
	if len(d.node.Content) == 0 || d.node.Content[0].Tag == "!!null" {
		return nil
	}
	if err := decoder.Decode(&yaml.Node{}); !errors.Is(err, io.EOF) {
		r.failf(name, c.before+1, "the document does not end where the next one begins: separate documents by a line of ---")
		return nil
	}
	d.node = d.node.Content[0]
	if err := bounded(d.node); err != nil {
		r.failf(name, d.before+d.node.Line, "%v", err)
		return nil
	}
	if n := notFinite(d.node); n != nil {
		r.failf(name, d.before+n.Line, "%s: numbers must be finite", n.Value)
		return nil
	}
	data, err := kubeyaml.YAMLToJSON(c.text)
	if err == nil {
		d.value, err = plain(data)
	}
	if err != nil {
		r.syntax(name, c, err)
		return nil
	}
	return d
}

// plain decodes JSON without a loss of digits.
func plain(data []byte) (any, error) {
	var v any
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	err := decoder.Decode(&v)
	return v, err
}

var yamlLine = regexp.MustCompile(`^yaml: line (\d+): `)

// syntax reports text that is not YAML. The parser's line may be one off, as it counts from where it noticed.
func (r *reader) syntax(name string, c chunk, err error) {
	message := strings.Join(strings.Fields(err.Error()), " ")
	line := c.before + 1
	if m := yamlLine.FindStringSubmatch(message); m != nil {
		message = message[len(m[0]):]
		n, _ := strconv.Atoi(m[1]) // digits, as the expression says; a number too long leaves the first line
		line = c.before + min(max(n, 1), bytes.Count(c.text, []byte("\n"))+1)
	}
	hint := ""
	if bytes.Contains(c.text, []byte("{{")) {
		hint = "; this looks like a template: render it first (helm template)"
	}
	r.failf(name, line, "not valid YAML near this line: %s%s", strings.TrimPrefix(message, "yaml: "), hint)
}

// jsonDocuments reads a stream of JSON values, one behind the other.
func jsonDocuments(name string, text []byte) ([]*document, error) {
	var docs []*document
	decoder := json.NewDecoder(bytes.NewReader(text))
	counted, line := 0, 1
	lineAt := func(offset int) int {
		line += bytes.Count(text[counted:offset], []byte("\n"))
		counted = offset
		return line
	}
	for {
		var raw json.RawMessage
		err := decoder.Decode(&raw)
		if errors.Is(err, io.EOF) {
			return docs, nil
		}
		d := &document{file: name}
		if err == nil {
			d.before = lineAt(int(decoder.InputOffset())-len(raw)) - 1
			n := jsonNodes{decoder: json.NewDecoder(bytes.NewReader(raw)), text: raw, line: 1}
			d.node = n.value()
			if err = bounded(d.node); err == nil {
				d.value, err = plain(raw)
			}
		}
		if err != nil {
			at := int(decoder.InputOffset())
			if syntax := (*json.SyntaxError)(nil); errors.As(err, &syntax) {
				at = max(at, int(syntax.Offset))
			} else if errors.Is(err, io.ErrUnexpectedEOF) {
				at = len(text)
			}
			return docs, mistake{Source{name, lineAt(min(at, len(text)))}, "not valid JSON: " + err.Error()}
		}
		docs = append(docs, d)
	}
}
