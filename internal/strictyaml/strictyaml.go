// Package strictyaml decodes one YAML document strictly and remembers on which line each value stands, so that
// a mistake found later can be reported as file:line.
//
// Strict means: unknown and duplicate keys, a second document, an empty document, and numbers that are not
// finite are errors.
package strictyaml

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// Document knows the name of the file and the line of each value.
type Document struct {
	Name  string
	lines map[string]int
}

// Decode reads one document from r into v, a pointer to a struct that already holds the defaults. name is the
// file's name for messages.
func Decode(r io.Reader, name string, v any) (*Document, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	doc := &Document{Name: name, lines: map[string]int{}}
	var root yaml.Node
	if err := yaml.Unmarshal(data, &root); err != nil {
		return nil, doc.rewrite(err)
	}
	if root.Kind == 0 || len(root.Content) == 0 {
		return nil, fmt.Errorf("%s: the file is empty; a YAML mapping is needed", name)
	}
	var problems []error
	doc.walk(root.Content[0], reflect.TypeOf(v), "", 0, &problems)
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	if err := dec.Decode(v); err != nil {
		return nil, doc.rewrite(err)
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: a second YAML document follows; keep one document per file", name)
	}
	return doc, nil
}

// maxDepth bounds nesting; configuration files are a few levels deep.
const maxDepth = 50

// walk notes the lines and checks what the decoder would let pass: numbers that are not finite, and fractions
// for whole numbers, which it would cut off. t is the type that n will be decoded into, nil if not known.
func (d *Document) walk(n *yaml.Node, t reflect.Type, path string, depth int, problems *[]error) {
	if depth > maxDepth {
		*problems = append(*problems, fmt.Errorf("%s:%d: nested deeper than %d levels", d.Name, n.Line, maxDepth))
		return
	}
	d.lines[path] = n.Line
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i].Value
			if path != "" {
				key = path + "." + key
			}
			d.walk(n.Content[i+1], fieldType(t, n.Content[i].Value), key, depth+1, problems)
		}
	case yaml.SequenceNode:
		var elem reflect.Type
		if t != nil && (t.Kind() == reflect.Slice || t.Kind() == reflect.Array) {
			elem = t.Elem()
		}
		for i, c := range n.Content {
			d.walk(c, elem, path+"["+strconv.Itoa(i)+"]", depth+1, problems)
		}
	case yaml.ScalarNode:
		if n.Tag == "!!float" {
			if f, err := strconv.ParseFloat(strings.TrimPrefix(n.Value, "+"), 64); n.Value != "" &&
				(strings.Contains(strings.ToLower(n.Value), "nan") || strings.Contains(strings.ToLower(n.Value), "inf") ||
					(err == nil && (math.IsNaN(f) || math.IsInf(f, 0)))) {
				*problems = append(*problems, fmt.Errorf("%s:%d: %s: %s is not a finite number", d.Name, n.Line, path, n.Value))
			} else if t != nil && t.Kind() >= reflect.Int && t.Kind() <= reflect.Uint64 && f != math.Trunc(f) {
				*problems = append(*problems, fmt.Errorf("%s:%d: %s: %s is not a whole number", d.Name, n.Line, path, n.Value))
			}
		}
	case yaml.AliasNode:
		*problems = append(*problems, fmt.Errorf("%s:%d: %s: YAML aliases (*%s) are not supported; write the value out", d.Name, n.Line, path, n.Value))
	}
}

// fieldType is the type of the field of struct t (or of the values of map t) that key is decoded into.
func fieldType(t reflect.Type, key string) reflect.Type {
	if t == nil {
		return nil
	}
	switch t.Kind() {
	case reflect.Map:
		return t.Elem()
	case reflect.Struct:
		for i := range t.NumField() {
			name, options, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
			if name == key {
				return t.Field(i).Type
			}
			if strings.Contains(options, "inline") {
				if ft := fieldType(t.Field(i).Type, key); ft != nil {
					return ft
				}
			}
		}
	}
	return nil
}

// Errorf makes an error that names the file and the line of the value at path ("services[2].cpu_limit_m"), or
// of the nearest value around it.
func (d *Document) Errorf(path, format string, args ...any) error {
	return fmt.Errorf("%s:%d: %s: %s", d.Name, d.Line(path), path, fmt.Sprintf(format, args...))
}

// Split takes joined errors apart, however they are nested: one error for each mistake, none for nil.
func Split(err error) []error {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var out []error
	for _, e := range joined.Unwrap() {
		out = append(out, Split(e)...)
	}
	return out
}

// Line is the line of the value at path, or of the nearest value around it; 1 if nothing is known.
func (d *Document) Line(path string) int {
	for {
		if line, ok := d.lines[path]; ok && line > 0 {
			return line
		}
		cut := strings.LastIndexAny(path, ".[")
		if cut < 0 {
			break
		}
		path = path[:cut]
	}
	return 1
}

var (
	lineText     = regexp.MustCompile(`^(?:yaml: )?line (\d+): (.*)$`)
	unknownField = regexp.MustCompile(`^field (\S+) not found in type .+$`)
	wrongType    = regexp.MustCompile("^cannot unmarshal !!(\\w+) (`[^`]*` )?into (\\S+)$")
	duplicateKey = regexp.MustCompile(`^mapping key "([^"]*)" already defined at line (\d+)$`)
)

// rewrite turns the decoder's errors into file:line: messages in the user's words.
func (d *Document) rewrite(err error) error {
	var texts []string
	var te *yaml.TypeError
	if errors.As(err, &te) {
		texts = te.Errors
	} else {
		texts = []string{err.Error()}
	}
	out := make([]error, 0, len(texts))
	for _, text := range texts {
		line := 0
		if m := lineText.FindStringSubmatch(text); m != nil {
			line, _ = strconv.Atoi(m[1])
			text = m[2]
		}
		switch {
		case unknownField.MatchString(text):
			text = fmt.Sprintf("unknown key %q; check its spelling and indentation", unknownField.FindStringSubmatch(text)[1])
		case duplicateKey.MatchString(text):
			m := duplicateKey.FindStringSubmatch(text)
			text = fmt.Sprintf("key %q is given twice, first on line %s; remove one", m[1], m[2])
		case wrongType.MatchString(text):
			m := wrongType.FindStringSubmatch(text)
			text = fmt.Sprintf("found a %s %swhere %s is needed", yamlKind(m[1]), m[2], goKind(m[3]))
		}
		text = strings.TrimPrefix(text, "yaml: ")
		if line > 0 {
			out = append(out, fmt.Errorf("%s:%d: %s", d.Name, line, text))
		} else {
			out = append(out, fmt.Errorf("%s: %s", d.Name, text))
		}
	}
	return errors.Join(out...)
}

func yamlKind(tag string) string {
	switch tag {
	case "map":
		return "mapping"
	case "seq":
		return "list"
	case "str":
		return "text"
	case "bool":
		return "true/false value"
	}
	return tag
}

func goKind(t string) string {
	switch {
	case t == "time.Duration":
		return "a duration like 15s or 2m"
	case strings.HasPrefix(t, "[]"):
		return "a list"
	case strings.HasPrefix(t, "map"), strings.Contains(t, "."):
		return "a mapping"
	case strings.HasPrefix(t, "uint"):
		return "a whole number of at least 0"
	case strings.HasPrefix(t, "int"):
		return "a whole number"
	case strings.HasPrefix(t, "float"):
		return "a number"
	case t == "bool":
		return "true or false"
	case t == "string":
		return "text"
	}
	return t
}
