package manifest

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestDocuments: how text is split into documents, and the lines of what is in them. Objects are of kind K, which is
// skipped; want has line:name of each.
func TestDocuments(t *testing.T) {
	k := func(name string) string { return "apiVersion: v1\nkind: K\nmetadata: {name: " + name + "}\n" }
	for _, tt := range []struct {
		name, file, text string
		want             []string
	}{
		{"nothing", "a.yaml", "", nil},
		{"comments alone", "a.yaml", "# one\n---\n# two\n\n---\n", nil},
		{"null", "a.yaml", "null\n---\n~\n---\n", nil},
		{"one", "a.yaml", k("a"), []string{"1:a"}},
		{"no end of line", "a.yaml", strings.TrimSuffix(k("a"), "\n"), []string{"1:a"}},
		{"marker first", "a.yaml", "---\n" + k("a"), []string{"2:a"}},
		{"two", "a.yaml", k("a") + "---\n" + k("b"), []string{"1:a", "5:b"}},
		{"comment behind the marker", "a.yaml", k("a") + "--- # next\n\n# about b\n" + k("b"), []string{"1:a", "7:b"}},
		{"content behind the marker", "a.yaml", "--- {apiVersion: v1, kind: K, metadata: {name: a}}\n---\t{apiVersion: v1, kind: K, metadata: {name: b}}\n", []string{"1:a", "2:b"}},
		{"no marker", "a.yaml", "apiVersion: v1\nkind: K\nmetadata:\n  name: a\n  annotations: {x: --- y}\n", []string{"1:a"}},
		{"marker inside a block", "a.yaml", "apiVersion: v1\nkind: K\ndata:\n  x: |\n    ---\n    kind: Deployment\n  y: >-\n    a\n    --- b\nmetadata: {name: a}\n---\n" + k("b"), []string{"1:a", "12:b"}},
		{"end of document", "a.yaml", k("a") + "...\n# between\n" + k("b") + "...\n", []string{"1:a", "6:b"}},
		{"directive", "a.yaml", "# head\n%YAML 1.1\n---\n" + k("a") + "...\n%YAML 1.1\n--- # b\n" + k("b"), []string{"4:a", "10:b"}},
		{"windows", "a.yaml", strings.ReplaceAll("# c\n"+k("a")+"---\n"+k("b")+"...\n"+k("c"), "\n", "\r\n"), []string{"2:a", "6:b", "10:c"}},
		{"byte order mark", "a.yaml", "\ufeff" + k("a"), []string{"1:a"}},
		{"byte order marks of joined files", "a.yaml", "\ufeff---\n" + k("a") + "\ufeff---\n\ufeff" + k("b") + "---\n\ufeff" + k("c"), []string{"2:a", "6:b", "10:c"}},
		{"anchors", "a.yaml", "x-common: &m {name: a}\napiVersion: v1\nkind: K\nmetadata: {<<: *m}\n", []string{"1:a"}},
		{"json in yaml", "a.yaml", "{\n\t\"apiVersion\": \"v1\", \"kind\": \"K\",\n\t\"metadata\": {\"name\": \"a\"}}\n", []string{"1:a"}},
		{"flow mapping", "a.yaml", "{apiVersion: v1, kind: K, metadata: {name: a}}\n---\n" + k("b"), []string{"1:a", "3:b"}},
		{"stream of json", "a.json", "\n{\"apiVersion\": \"v1\", \"kind\": \"K\"}\n\n{\"apiVersion\": \"v1\",\n\"kind\": \"K\", \"metadata\": {\"name\": \"b\"}} ", []string{"2:", "4:b"}},
		{"empty json", "a.json", " \n", nil},
		{"json null", "a.json", "null", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			set, err := Decode(strings.NewReader(tt.text), tt.file)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, s := range set.Skipped {
				got = append(got, fmt.Sprintf("%d:%s", s.Source.Line, s.Name))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestRefusedText: text that no editor shows, so that it is not in testdata.
func TestRefusedText(t *testing.T) {
	alias := "apiVersion: v1\nkind: K\na0: &a0 [" + strings.Repeat("x", 1000) + "]\n"
	for i := 1; i < 40; i++ {
		alias += fmt.Sprintf("a%d: &a%d [*a%d, *a%d]\n", i, i, i-1, i-1)
	}
	deep := "apiVersion: v1\nkind: K\na0: &a0 [x]\n"
	for i := 1; i < 40; i++ {
		deep += fmt.Sprintf("a%d: &a%d %s*a%d%s\n", i, i, strings.Repeat("[", 50), i-1, strings.Repeat("]", 50))
	}
	for _, tt := range []struct{ name, file, text, want string }{
		{"UTF-16 LE", "a.yaml", "\xff\xfea\x00:\x00", "a.yaml:1: the text is UTF-16; save it as UTF-8"},
		{"UTF-16 BE", "a.yaml", "\xfe\xff\x00a\x00:", "a.yaml:1: the text is UTF-16; save it as UTF-8"},
		{"Latin 1", "a.yaml", "# a\nx: caf\xe9\n", "a.yaml:2: the text is not UTF-8"},
		{"control character", "a.yaml", "x: \x01\n", "a.yaml:1: not valid YAML near this line: control characters are not allowed"},
		{"aliases that explode", "a.yaml", alias, "a.yaml:1: the aliases of the document stand for too much text"},
		{"aliases that nest", "a.yaml", deep, "a.yaml:1: values are nested more than 1000 deep"},
		{"depth", "a.yaml", strings.Repeat("[", 5000), "a.yaml:1: not valid YAML"},
		{"depth of JSON", "a.json", strings.Repeat("[", 5000) + strings.Repeat("]", 5000), "a.json:1: not valid JSON: values are nested more than 1000 deep"},
		{"more depth of JSON", "a.json", strings.Repeat("[", 50_000) + strings.Repeat("]", 50_000), "a.json:1: not valid JSON: invalid character '[' exceeded max depth"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Decode(strings.NewReader(tt.text), tt.file)
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v, want one line with %q", err, tt.want)
			}
		})
	}
}

// TestTooLarge: a stream is not read on behind the bound.
func TestTooLarge(t *testing.T) {
	in := bytes.NewReader(bytes.Repeat([]byte("# comment\n"), MaxFileBytes/10+10))
	_, err := Decode(in, "a.yaml")
	if err == nil || !strings.Contains(err.Error(), "a.yaml: larger than 64 MiB") {
		t.Errorf("error %v", err)
	}
	if _, err := Decode(bytes.NewReader(bytes.Repeat([]byte("#"), MaxFileBytes)), "a.yaml"); err != nil {
		t.Errorf("a file of the greatest size: %v", err)
	}
}

// TestPath: paths in messages, and the lines they lead to.
func TestPath(t *testing.T) {
	for _, tt := range []struct {
		p    path
		want string
	}{
		{nil, ""},
		{path{"spec", "metrics", 0, "type"}, "spec.metrics[0].type"},
		{path{"metadata", "annotations", "example.com/a b"}, `metadata.annotations["example.com/a b"]`},
		{path{"a\nb"}, `["a\nb"]`},
	} {
		if got := tt.p.String(); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
		if tt.p.at("x").String() == tt.want {
			t.Errorf("%q has nothing below it", tt.want)
		}
	}
	if diff := cmp.Diff(path{"behavior", "scaleUp", "policies", 12, "value"}, parsePath("behavior.scaleUp.policies[12].value")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
