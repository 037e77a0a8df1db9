package trace

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFind(t *testing.T) {
	root := t.TempDir()
	for _, f := range []string{"b/meta.yaml", "a/z/meta.yaml", "a/y/meta.yaml", "a/y/deeper/meta.yaml", "a/.y.tmp-1/new/meta.yaml", "empty/notes.txt"} {
		f = filepath.Join(root, f)
		if err := os.MkdirAll(filepath.Dir(f), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(f, nil, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(root)
	for _, c := range []struct {
		name     string
		in, want []string
	}{
		{"one recording", []string{"b"}, []string{"b"}},
		{"all below", []string{"."}, []string{"a/y", "a/z", "b"}},
		{"in the order given", []string{"b", "a"}, []string{"b", "a/y", "a/z"}},
		{"none below, and not there", []string{"empty", "missing"}, []string{"empty", "missing"}},
	} {
		got, err := Find(c.in...)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s: %s", c.name, d)
		}
	}
}
