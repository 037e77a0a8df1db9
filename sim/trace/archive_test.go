package trace

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"testing"
)

// archive is a comment and some files in one text, in the txtar form: each file follows a line "-- NAME --".
type archive struct {
	comment string
	files   []archived
}

type archived struct {
	name string
	data []byte
}

var archiveMark = regexp.MustCompile(`(?m)^-- (\S+) --\n`)

func readArchive(t testing.TB, file string) *archive {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	marks := archiveMark.FindAllSubmatchIndex(data, -1)
	if len(marks) == 0 {
		t.Fatalf("%s holds no files", file)
	}
	a := &archive{comment: string(data[:marks[0][0]])}
	for i, m := range marks {
		end := len(data)
		if i+1 < len(marks) {
			end = marks[i+1][0]
		}
		a.files = append(a.files, archived{string(data[m[2]:m[3]]), bytes.Clone(data[m[1]:end])})
	}
	return a
}

func (a *archive) write(t testing.TB, file string) {
	t.Helper()
	var b bytes.Buffer
	b.WriteString(a.comment)
	for _, f := range a.files {
		fmt.Fprintf(&b, "-- %s --\n%s", f.name, f.data)
	}
	if err := os.WriteFile(file, b.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
}
