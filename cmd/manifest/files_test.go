package manifest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// folder writes files and returns where they are.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

const small = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: NAME}\nspec: {template: {spec: {containers: [{name: c}]}}}\n"

func deployment(name string) string { return strings.ReplaceAll(small, "NAME", name) }

// TestFiles: which files of a folder are read, and in which order.
func TestFiles(t *testing.T) {
	root := folder(t, map[string]string{
		"b.yaml": deployment("b"), "a.yml": deployment("a"), "c/d.YAML": deployment("d"), "c/e/f.yaml": deployment("f"),
		"c.json":             `{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "j"}}`,
		"kustomization.yaml": "resources: [b.yaml]\n",
		"README.md":          "not: [read", ".hidden.yaml": "not: [read", ".git/config.yaml": "not: [read",
	})
	elsewhere := folder(t, map[string]string{"g.yaml": deployment("g"), "sub/h.yaml": deployment("h")})
	for from, to := range map[string]string{"link.yaml": "g.yaml", "linked": "sub"} {
		if err := os.Symlink(filepath.Join(elsewhere, to), filepath.Join(root, from)); err != nil {
			t.Skip(err) // not on every Windows
		}
	}
	set, err := Read(root)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, w := range set.Workloads {
		got = append(got, w.Name)
	}
	for _, s := range set.Skipped {
		got = append(got, label(s.Kind, s.Name))
	}
	if diff := cmp.Diff([]string{"a", "b", "d", "f", "g", `ConfigMap "j"`, `Kustomization`}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	single, err := Read(filepath.Join(root, "c", "d.YAML"))
	if err != nil || len(single.Workloads) != 1 {
		t.Errorf("one file: %v, error %v", single, err)
	}
}

// TestReadMistakes: what can be wrong with paths, and that the mistakes of all files come at once.
func TestReadMistakes(t *testing.T) {
	for _, tt := range []struct {
		name  string
		files map[string]string
		path  string
		want  []string
	}{
		{"no such path", nil, "none", []string{"no such file"}},
		{"no files", map[string]string{"README.md": ""}, "", []string{"no *.yaml, *.yml or *.json file in this folder"}},
		{"nothing to read", map[string]string{"a.yaml": "{apiVersion: v1, kind: Service}"}, "a.yaml",
			[]string{"a.yaml: nothing to read: none of its 1 objects is a HorizontalPodAutoscaler, a ScaledObject, a VerticalPodAutoscaler, a PredictiveHorizontalPodAutoscaler, a Deployment, a StatefulSet"}},
		{"several files", map[string]string{"a.yaml": "kind: K\n", "b.yaml": deployment("b"), "c.yaml": "x: [\n---\nweb\n", "values.yaml": "replicas: 3"}, "",
			[]string{"a.yaml:1: K: no apiVersion", "c.yaml:1: not valid YAML", `c.yaml:3: "web" is not a Kubernetes object`, "values.yaml:1: no kind: every Kubernetes object has one; if this is no manifest"}},
		{"twice in two files", map[string]string{"a.yaml": deployment("b"), "b.yaml": deployment("b")}, "", []string{`b.yaml:1: Deployment "b": is there already, in `}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			set, err := Read(filepath.Join(folder(t, tt.files), tt.path))
			if err == nil || set != nil {
				t.Fatalf("set %v, error %v", set, err)
			}
			lines := strings.Split(err.Error(), "\n")
			if len(lines) != len(tt.want) {
				t.Fatalf("%d lines, want %d:\n%v", len(lines), len(tt.want), err)
			}
			for i, want := range tt.want {
				if !strings.Contains(lines[i], want) {
					t.Errorf("line %q lacks %q", lines[i], want)
				}
			}
		})
	}
}
