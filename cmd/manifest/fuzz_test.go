package manifest

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/grlscaler/grlscaler/sim/hpa"
	"github.com/grlscaler/grlscaler/sim/predictive"
)

// FuzzDecode: no text makes it panic, every mistake is one line that names the file, what is accepted is valid for the
// packages that use it, and fields are accepted if and only if the API server's decoder accepts them.
func FuzzDecode(f *testing.F) {
	for name, text := range corpus(f) {
		if !strings.Contains(name, "boutique") { // long, and all alike
			f.Add(text)
		}
	}
	for _, s := range []string{
		"", "---", "...\n---", "{}", "[]", "\ufeff", "\r\n---\r\n", "%YAML 1.1\n---\na: b", "a: &a {<<: *a}", "- &a [*a]", "? {a: b}\n: c", "{1: 2, 1.5: 3, true: 4}",
		"apiVersion: v1\nkind: List\nitems: [1, {}, {kind: List, items: [[]]}]", "x: !!binary aGVsbG8=", "x: 2026-01-02", "x: 0o17", "x: 1e400", "{\"a\": 1} {\"b\": 2}",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) { decodesSoundly(t, text) })
}

// reporter is a test of testing or of rapid.
type reporter interface {
	Helper()
	Errorf(format string, args ...any)
}

// decodesSoundly checks what FuzzDecode says of one text.
func decodesSoundly(t reporter, text []byte) {
	t.Helper()
	set, err := Decode(bytes.NewReader(text), "in.yaml")
	if err != nil {
		for _, line := range strings.Split(err.Error(), "\n") {
			if !strings.HasPrefix(line, "in.yaml:") {
				t.Errorf("line %q does not name the file", line)
			}
		}
		if n := strings.Count(err.Error(), "\n") + 1; n != len(joined(err)) {
			t.Errorf("%d mistakes in %d lines:\n%v", len(joined(err)), n, err)
		}
	} else {
		acceptable(t, set)
	}
	for _, v := range valuesOf(text) {
		structureAgrees(t, v)
	}
}

// acceptable checks that what was accepted is valid for the packages that use it.
func acceptable(t reporter, set *Set) {
	t.Helper()
	config := hpa.DefaultConfig()
	config.ScaleToZero = true
	for _, h := range set.HPAs {
		if _, err := hpa.New(h.Spec, config); err != nil || len(h.Sources) != len(h.Spec.Metrics) || h.Target.Name == "" {
			t.Errorf("%s: %v", h.Source, err)
		}
	}
	for _, so := range set.ScaledObjects {
		if _, err := hpa.New(hpa.Spec{MaxReplicas: 1, Behavior: so.Behavior}, config); err != nil || len(so.Triggers) == 0 || so.Target.Name == "" {
			t.Errorf("%s: %v", so.Source, err)
		}
	}
	for _, v := range set.VPAs {
		if v.Target.Name == "" || v.UpdateMode == "" {
			t.Errorf("%s: target %v, mode %q", v.Source, v.Target, v.UpdateMode)
		}
	}
	for _, p := range set.PHPAs {
		if _, err := predictive.New(p.Rules); err != nil || p.Config.Validate() != nil || p.Target.Name == "" || len(p.Sources) != len(p.Metrics) {
			t.Errorf("%s: %v, %v", p.Source, err, p.Config.Validate())
		}
		if _, err := hpa.New(hpa.Spec{MinReplicas: p.Rules.MinReplicas, MaxReplicas: p.Rules.MaxReplicas, Metrics: p.Metrics}, p.Config); err != nil {
			t.Errorf("%s: %v", p.Source, err)
		}
	}
	for _, w := range set.Workloads {
		if len(w.Containers) == 0 || w.TerminationGrace < 0 || w.Name == "" {
			t.Errorf("%s: %+v", w.Source, w)
		}
	}
	for _, w := range set.Warnings() {
		if strings.Contains(w, "\n") || !strings.HasPrefix(w, "in.yaml:") {
			t.Errorf("warning %q", w)
		}
	}
}

// TestChangedDocuments: documents of testdata with some of their values, keys and items changed, which a fuzzer that
// changes bytes seldom gets through the parser.
func TestChangedDocuments(t *testing.T) {
	var values []any
	texts := corpus(t)
	for _, name := range keys(texts) {
		if !strings.Contains(name, "boutique") {
			values = append(values, valuesOf(texts[name])...)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		v := changed(t, rapid.SampledFrom(values).Draw(t, "document"), rapid.IntRange(1, 20).Draw(t, "rarity"))
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		decodesSoundly(t, text)
	})
}

// changed returns a copy of v in which about one of rarity values is another.
func changed(t *rapid.T, v any, rarity int) any {
	if rapid.IntRange(0, rarity).Draw(t, "change") == 0 {
		return rapid.SampledFrom([]any{
			nil, true, "", "x", "a\nb", "-1", "1e40", "Off", "5", "12Ki", json.Number("0"), json.Number("-1"), json.Number("0.5"), json.Number("1e30"),
			json.Number("2147483647"), json.Number("9223372036854775807"), []any{}, []any{nil}, map[string]any{}, map[string]any{"x\ny": "z"},
		}).Draw(t, "value")
	}
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for _, k := range keys(v) {
			out[k] = changed(t, v[k], rarity)
		}
		return out
	case []any:
		out := []any{}
		for _, item := range v {
			for range rapid.SampledFrom([]int{1, 1, 1, 1, 1, 0, 2}).Draw(t, "times") {
				out = append(out, changed(t, item, rarity))
			}
		}
		return out
	}
	return v
}
