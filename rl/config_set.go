package rl

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/grlscaler/grlscaler/internal/strictyaml"
	"gopkg.in/yaml.v3"
)

// ErrSet is what every error of [Config.ApplySet] wraps.
var ErrSet = errors.New("--set")

// ApplySet returns a configuration with single values replaced, each given as key=value with a dotted key, as in
// ppo.learning_rate=1e-3 or env.scenarios=[peak, offpeak]; values are YAML. The result is validated as a whole,
// so that values that depend on each other can be set together. Errors wrap ErrSet and name the keys there are.
func (c *Config) ApplySet(sets []string) (*Config, error) {
	next := c
	for _, set := range sets {
		changed, err := next.applyOne(set)
		if err != nil {
			return nil, fmt.Errorf("%w %s: %w", ErrSet, set, err)
		}
		next = changed
	}
	if err := next.Validate(); err != nil {
		return nil, fmt.Errorf("%w %s: %w", ErrSet, strings.Join(sets, " "), err)
	}
	return next, nil
}

func (c *Config) applyOne(set string) (*Config, error) {
	key, value, ok := strings.Cut(set, "=")
	if !ok || key == "" {
		return nil, fmt.Errorf("give key=value, as in seed=7")
	}
	switch key {
	case "algorithm", "format":
		return nil, fmt.Errorf("%s cannot be changed; choose another --cfg", key)
	}
	var doc, val yaml.Node
	if err := yaml.Unmarshal(c.YAML(), &doc); err != nil {
		return nil, err
	}
	if err := yaml.Unmarshal([]byte(value), &val); err != nil || len(val.Content) != 1 {
		return nil, fmt.Errorf("%q is not a YAML value", value)
	}
	if err := replaceAt(doc.Content[0], "", strings.Split(key, "."), val.Content[0]); err != nil {
		return nil, err
	}
	text, err := yaml.Marshal(&doc)
	if err != nil {
		return nil, err
	}
	next := DefaultConfig(c.Algorithm)
	if _, err := strictyaml.Decode(bytes.NewReader(text), "", next); err != nil {
		// Only one value is new, so the error is about it; its place in the generated text says nothing.
		return nil, errors.New(generatedPlace.ReplaceAllString(err.Error(), ""))
	}
	return next, nil
}

var generatedPlace = regexp.MustCompile(`(?m)^:\d+: `)

// replaceAt puts value at a path of mapping keys below n. at is the path of n itself.
func replaceAt(n *yaml.Node, at string, path []string, value *yaml.Node) error {
	var keys []string
	for i := 0; i+1 < len(n.Content); i += 2 {
		keys = append(keys, n.Content[i].Value)
		if n.Content[i].Value != path[0] {
			continue
		}
		child, name := n.Content[i+1], strings.TrimPrefix(at+"."+path[0], ".")
		switch {
		case len(path) > 1 && child.Kind == yaml.MappingNode:
			return replaceAt(child, name, path[1:], value)
		case len(path) > 1:
			return fmt.Errorf("%s has no keys of its own", name)
		case child.Kind == yaml.MappingNode:
			return fmt.Errorf("%s is a section; set one of its keys: %s", name, keysOf(child, name))
		}
		n.Content[i+1] = value
		return nil
	}
	full := strings.TrimPrefix(at+"."+path[0], ".")
	if len(path) == 1 && slices.Contains(optionalKeys, full) {
		n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: path[0]}, value)
		return nil
	}
	for _, key := range optionalKeys {
		if rest, ok := strings.CutPrefix(key, strings.TrimPrefix(at+".", ".")); ok && !strings.Contains(rest, ".") {
			keys = append(keys, rest)
		}
	}
	if at == "" {
		return fmt.Errorf("unknown key %q; the keys are %s", path[0], strings.Join(keys, ", "))
	}
	return fmt.Errorf("unknown key %q; the keys of %s are %s", at+"."+path[0], at, strings.Join(keys, ", "))
}

// optionalKeys are the keys that a configuration's text leaves out while they have their default: values and lists, not sections.
var optionalKeys = optionalIn(reflect.TypeFor[Config](), "")

func optionalIn(t reflect.Type, at string) (keys []string) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		kind := f.Type
		if kind.Kind() == reflect.Pointer {
			kind = kind.Elem()
		}
		switch {
		case name == "" || name == "-":
		case kind.Kind() == reflect.Struct:
			keys = append(keys, optionalIn(kind, at+name+".")...)
		case strings.Contains(options, "omitempty"):
			keys = append(keys, at+name)
		}
	}
	return keys
}

func keysOf(n *yaml.Node, at string) string {
	var keys []string
	for i := 0; i+1 < len(n.Content); i += 2 {
		keys = append(keys, at+"."+n.Content[i].Value)
	}
	return strings.Join(keys, ", ")
}

// differences lists the keys in which two configurations differ, with both values: "ppo.epochs: 4, now 8".
func differences(was, now *Config) []string {
	flat := func(c *Config) ([]string, map[string]string) {
		var doc yaml.Node
		// The canonical form parses: this program wrote it.
		if err := yaml.Unmarshal(c.YAML(), &doc); err != nil {
			panic("rl: " + err.Error())
		}
		keys, values := []string{}, map[string]string{}
		flatten(doc.Content[0], "", func(key, value string) {
			keys = append(keys, key)
			values[key] = value
		})
		return keys, values
	}
	wasKeys, wasValues := flat(was)
	nowKeys, nowValues := flat(now)
	var list []string
	for _, k := range wasKeys {
		if v, ok := nowValues[k]; !ok {
			list = append(list, fmt.Sprintf("%s: %s, now absent", k, wasValues[k]))
		} else if v != wasValues[k] {
			list = append(list, fmt.Sprintf("%s: %s, now %s", k, wasValues[k], v))
		}
	}
	for _, k := range nowKeys {
		if _, ok := wasValues[k]; !ok {
			list = append(list, fmt.Sprintf("%s: absent, now %s", k, nowValues[k]))
		}
	}
	return list
}

// flatten calls f for every scalar below n; a list counts as one value.
func flatten(n *yaml.Node, at string, f func(key, value string)) {
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			flatten(n.Content[i+1], strings.TrimPrefix(at+"."+n.Content[i].Value, "."), f)
		}
	case yaml.SequenceNode:
		var items []string
		for _, c := range n.Content {
			flatten(c, "", func(key, value string) { items = append(items, strings.TrimPrefix(key+" "+value, " ")) })
		}
		f(at, "["+strings.Join(items, ", ")+"]")
	default:
		f(at, n.Value)
	}
}
