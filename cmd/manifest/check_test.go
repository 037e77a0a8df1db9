package manifest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"gopkg.in/yaml.v3"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	kubejson "sigs.k8s.io/json"
)

// schemas are the types that objects are decoded into.
var schemas = []reflect.Type{
	reflect.TypeFor[autoscalingv2.HorizontalPodAutoscaler](), reflect.TypeFor[autoscalingv1.HorizontalPodAutoscaler](),
	reflect.TypeFor[appsv1.Deployment](), reflect.TypeFor[appsv1.StatefulSet](),
	reflect.TypeFor[scaledObject](), reflect.TypeFor[verticalPodAutoscaler](), reflect.TypeFor[predictiveAutoscaler](),
}

// valuesOf returns the documents of text that can be parsed.
func valuesOf(text []byte) []any {
	var values []any
	if docs, err := jsonDocuments("x", text); err == nil {
		for _, d := range docs {
			values = append(values, d.value)
		}
		return values
	}
	for _, c := range split(text) {
		if d := (&reader{}).parse("x", c); d != nil {
			values = append(values, d.value)
		}
	}
	return values
}

// structureAgrees compares structure with the strict decoder of the API server, which finds unknown fields and the first
// value of another type: both accept a value or both refuse it.
func structureAgrees(t reporter, v any) {
	t.Helper()
	fields, ok := v.(map[string]any)
	if !ok {
		return
	}
	data, err := json.Marshal(fields)
	if err != nil {
		t.Errorf("%v", err)
		return
	}
	for _, schema := range schemas {
		r := &reader{}
		o := &object{r: r, doc: &document{file: "x", node: &yaml.Node{}}}
		o.structure(fields, schema, nil)
		strict, err := kubejson.UnmarshalStrict(data, reflect.New(schema).Interface())
		theirs := len(strict) > 0 || err != nil
		if mine := o.badness > 0; mine != theirs && !stricterQuantity(r.errs) {
			t.Errorf("%v: %v; the decoder says %v %v:\n%s", schema, r.errs, strict, err, data)
		}
	}
}

// stricterQuantity reports whether all mistakes are about quantities, of which Kubernetes accepts more (TestQuantityForms).
func stricterQuantity(errs []error) bool {
	for _, err := range errs {
		if !strings.Contains(err.Error(), "quantity") {
			return false
		}
	}
	return len(errs) > 0
}

// TestStructure: all documents of testdata against all types.
func TestStructure(t *testing.T) {
	n := 0
	for _, text := range corpus(t) {
		for _, v := range valuesOf(text) {
			structureAgrees(t, v)
			n++
		}
	}
	if n < 80 {
		t.Errorf("%d documents", n)
	}
}

// corpus returns the files of testdata, archives by their parts.
func corpus(t testing.TB) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	var files []string
	for _, folder := range []string{"boutique", "autoscalers", "predictive", "mistakes"} {
		found, err := filepath.Glob("testdata/" + folder + "/*")
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: files %v, error %v", folder, found, err)
		}
		files = append(files, found...)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if filepath.Ext(name) != ".txtar" {
			out[name] = data
			continue
		}
		for _, f := range txtar.Parse(data).Files {
			if !strings.HasSuffix(f.Name, ".want") {
				out[name+"/"+f.Name] = f.Data
			}
		}
	}
	return out
}

// TestFieldHints: what is said about an unknown field.
func TestFieldHints(t *testing.T) {
	o := &object{meta: Object{Kind: "ScaledObject"}}
	many := make([]string, maxListed+1)
	for i := range many {
		many[i] = strings.Repeat("x", 30+i)
	}
	for _, tt := range []struct {
		key   string
		known []string
		want  string
	}{
		{"maxreplicas", []string{"maxReplicas", "minReplicas"}, `names are case-sensitive: write "maxReplicas"`},
		{"maxReplica", []string{"maxReplicas", "minReplicas"}, `did you mean "maxReplicas"?`},
		{"nmae", []string{"kind", "name"}, `did you mean "name"?`},
		{"zone", []string{"kind", "name"}, "allowed are kind, name"},
		{"zone", many, "Kubernetes 1.35 does not have it here: remove it, or look up where it belongs (kubectl explain)"},
		{"deploymentName", []string{"name"}, "KEDA 2 has name"},
	} {
		if got := o.fieldHint(tt.key, tt.known); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.key, got, tt.want)
		}
	}
}

// TestRelease: the release that messages name is the one that is required.
func TestRelease(t *testing.T) {
	mod, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	minor := strings.TrimPrefix(release, "1.")
	for _, module := range []string{"k8s.io/api", "k8s.io/apimachinery"} {
		if !strings.Contains(string(mod), module+" v0."+minor+".") {
			t.Errorf("go.mod does not require %s v0.%s", module, minor)
		}
	}
}

// TestEdits: Levenshtein's distance, cut off at the bound.
func TestEdits(t *testing.T) {
	for _, tt := range []struct {
		a, b        string
		bound, want int
	}{{"", "", 5, 0}, {"kitten", "sitting", 9, 3}, {"kitten", "sitting", 2, 2}, {"Name", "name", 9, 0}, {"abc", "", 9, 3}, {"ab", "ba", 9, 2}} {
		if got := edits(tt.a, tt.b, tt.bound); got != tt.want {
			t.Errorf("%q to %q: %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}
