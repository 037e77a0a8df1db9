package manifest

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "write what Decode says into testdata/mistakes")

// TestMistakes: testdata/mistakes/*.txtar has documents, each followed by a file NAME.want with the mistakes, one a
// line, or with the warnings if there is no mistake.
func TestMistakes(t *testing.T) {
	archives, err := filepath.Glob("testdata/mistakes/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatalf("archives %v, error %v", archives, err)
	}
	for _, name := range archives {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]string{}
		for _, f := range archive.Files {
			if base, ok := strings.CutSuffix(f.Name, ".want"); ok {
				want[base] = string(f.Data)
			}
		}
		out := &txtar.Archive{Comment: archive.Comment}
		for _, f := range archive.Files {
			if strings.HasSuffix(f.Name, ".want") {
				continue
			}
			got := said(f.Data, f.Name)
			out.Files = append(out.Files, f, txtar.File{Name: f.Name + ".want", Data: []byte(got)})
			t.Run(filepath.Base(name)+"/"+f.Name, func(t *testing.T) {
				if got == "" {
					t.Error("neither a mistake nor a warning")
				}
				if diff := cmp.Diff(want[f.Name], got); diff != "" && !*update {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		}
		if *update {
			if err := os.WriteFile(name, txtar.Format(out), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// said returns the mistakes, or the warnings, of a document.
func said(text []byte, name string) string {
	set, err := Decode(bytes.NewReader(text), name)
	if err != nil {
		return err.Error() + "\n"
	}
	var b strings.Builder
	for _, w := range set.Warnings() {
		b.WriteString("warning: " + w + "\n")
	}
	return b.String()
}
