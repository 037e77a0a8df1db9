package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"gopkg.in/yaml.v3"
)

// path is where a field is in a document: keys (string) and indexes of lists (int).
type path []any

// at returns the path of something below p.
func (p path) at(steps ...any) path {
	out := make(path, 0, len(p)+len(steps))
	return append(append(out, p...), steps...)
}

var simpleKey = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*$`)

// String writes the path as Kubernetes' messages do: spec.metrics[0].type, metadata.annotations["example.com/a"].
func (p path) String() string {
	var b strings.Builder
	for i, step := range p {
		switch s := step.(type) {
		case int:
			fmt.Fprintf(&b, "[%d]", s)
		case string:
			switch {
			case !simpleKey.MatchString(s):
				fmt.Fprintf(&b, "[%q]", s)
			case i > 0:
				b.WriteString("." + s)
			default:
				b.WriteString(s)
			}
		}
	}
	return b.String()
}

// find returns the line in the file of what p leads to, and its node. If the document does not have it, the line is
// that of the last thing on the way and the node is nil.
func (d *document) find(p path) (line int, n *yaml.Node) {
	n = d.node
	at := n.Line
	for _, step := range p {
		key, value := child(n, step, 0)
		if value == nil {
			return d.before + at, nil
		}
		at, n = key.Line, value
	}
	return d.before + at, resolved(n)
}

// child finds the node of a step, and the node that has its line: the key, or the item itself. Explicit keys come
// before merged ones.
func child(n *yaml.Node, step any, depth int) (key, value *yaml.Node) {
	n = resolved(n)
	switch s := step.(type) {
	case int:
		if n.Kind == yaml.SequenceNode && s < len(n.Content) {
			return n.Content[s], n.Content[s]
		}
	case string:
		if n.Kind != yaml.MappingNode || depth > 10 {
			return nil, nil
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == s {
				return n.Content[i], n.Content[i+1]
			}
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Tag != "!!merge" {
				continue
			}
			for _, m := range merged(n.Content[i+1]) {
				if key, value := child(m, s, depth+1); value != nil {
					return key, value
				}
			}
		}
	}
	return nil, nil
}

// merged returns the mappings that the value of a merge key (<<) merges: one, or a list.
func merged(n *yaml.Node) []*yaml.Node {
	if list := resolved(n); list.Kind == yaml.SequenceNode {
		return list.Content
	}
	return []*yaml.Node{n}
}

// resolved follows an alias to what it stands for.
func resolved(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		return n.Alias
	}
	return n
}

// duplicates calls f for every key that its mapping has already, with the line of the first one. A merge key counts
// for what it merges if it does not come first: YAML lets the other key win, kubectl's library the merged one.
func duplicates(n *yaml.Node, p path, f func(p path, again *yaml.Node, first int)) {
	if n.Kind == yaml.SequenceNode {
		for i, c := range n.Content {
			duplicates(c, p.at(i), f)
		}
	}
	if n.Kind != yaml.MappingNode {
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		name := resolved(key).Value
		if resolved(key).Kind == yaml.ScalarNode { // Kubernetes refuses others
			if first, ok := seen[name]; ok {
				f(p.at(name), key, first)
			} else {
				seen[name] = key.Line
			}
		}
		if key.Tag == "!!merge" {
			for _, m := range merged(value) {
				for k := 0; k+1 < len(resolved(m).Content); k += 2 {
					name := resolved(m).Content[k].Value
					if first, ok := seen[name]; ok && name != key.Value {
						f(p.at(name), key, first)
					}
				}
			}
		}
		duplicates(value, p.at(name), f)
	}
}

// notFinite returns the first node that is an infinity or not a number, which JSON does not have.
func notFinite(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.ScalarNode && n.Tag == "!!float" && strings.Contains(n.Value, ".") && strings.ContainsAny(n.Value, "nN") {
		return n
	}
	for _, c := range n.Content {
		if found := notFinite(c); found != nil {
			return found
		}
	}
	return nil
}

// Bounds of a document whose aliases are written out. A document of a few hundred bytes can stand for gigabytes.
const (
	maxExpandedBytes = MaxFileBytes
	maxDepth         = 1000
)

// bounded refuses documents that would not fit into memory with their aliases written out, or that nest too deeply.
func bounded(n *yaml.Node) error {
	size, depth := extent(n, map[*yaml.Node][2]int{})
	switch {
	case depth > maxDepth:
		return fmt.Errorf("values are nested more than %d deep: not a manifest", maxDepth)
	case size > maxExpandedBytes:
		return errors.New("the aliases of the document stand for too much text: write it without them")
	}
	return nil
}

// extent returns the bytes and the depth of n with aliases written out. A node that contains itself counts once; it
// is refused by the decoder.
func extent(n *yaml.Node, known map[*yaml.Node][2]int) (size, depth int) {
	n = resolved(n)
	if n.Anchor != "" {
		if e, ok := known[n]; ok {
			return e[0], e[1]
		}
		known[n] = [2]int{}
	}
	size = len(n.Value) + 1
	for _, c := range n.Content {
		s, d := extent(c, known)
		size, depth = min(size+s, maxExpandedBytes+1), max(depth, d)
	}
	depth = min(depth+1, maxDepth+1)
	if n.Anchor != "" {
		known[n] = [2]int{size, depth}
	}
	return size, depth
}

// jsonNodes builds the nodes that yaml.v3 would have built from JSON. YAML's parser is no help there: it knows neither
// tabs nor pairs of surrogate escapes.
type jsonNodes struct {
	decoder *json.Decoder
	text    []byte
	offset  int // up to which lines were counted
	line    int
}

// value reads the next value, which is known to be valid.
func (j *jsonNodes) value() *yaml.Node {
	token, err := j.decoder.Token()
	if err != nil {
		return &yaml.Node{Kind: yaml.ScalarNode, Line: j.line}
	}
	n := &yaml.Node{Kind: yaml.ScalarNode, Line: j.count(), Value: fmt.Sprint(token)}
	delim, ok := token.(json.Delim)
	if !ok {
		return n
	}
	n.Value, n.Kind = "", yaml.SequenceNode
	if delim == '{' {
		n.Kind = yaml.MappingNode
	}
	for j.decoder.More() {
		n.Content = append(n.Content, j.value()) // keys are tokens like values
	}
	if _, err := j.decoder.Token(); err != nil { // the closing bracket
		return n
	}
	return n
}

// count returns the line of the token that was just read.
func (j *jsonNodes) count() int {
	end := int(j.decoder.InputOffset())
	j.line += bytes.Count(j.text[j.offset:end], []byte("\n"))
	j.offset = end
	return j.line
}
