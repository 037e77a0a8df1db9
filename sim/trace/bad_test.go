package trace

import (
	"bytes"
	"compress/gzip"
	"flag"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

var update = flag.Bool("update", false, "rewrite the expected output in testdata and docs")

// zipped returns data as a gzip file.
func zipped(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// unpack makes a file system of an archive's files. The lines of its comment that begin with a command change a file:
// gzip FILE, cut FILE N (bytes from the end), keep FILE N (bytes from the start), damage FILE (a byte of the
// checksum), repeat FILE (its last line becomes one of 100 kB), latin1 FILE.
func unpack(t testing.TB, ar *archive) fstest.MapFS {
	t.Helper()
	fsys := fstest.MapFS{}
	for _, f := range ar.files {
		if f.name != "want" {
			fsys[f.name] = &fstest.MapFile{Data: f.data}
		}
	}
	for _, line := range strings.Split(ar.comment, "\n") {
		words := strings.Fields(line)
		if len(words) < 2 || fsys[words[1]] == nil { // a remark, or an option of badOptions
			continue
		}
		f := fsys[words[1]]
		n := 0
		if len(words) == 3 {
			if _, err := fmt.Sscan(words[2], &n); err != nil {
				t.Fatal(err)
			}
		}
		switch words[0] {
		case "gzip":
			f.Data = zipped(t, f.Data)
		case "cut":
			f.Data = f.Data[:len(f.Data)-n]
		case "keep":
			f.Data = f.Data[:n]
		case "damage": // the last eight bytes are checksum and length
			f.Data[len(f.Data)-6] ^= 0xff
		case "repeat":
			f.Data = append(bytes.TrimSuffix(f.Data, []byte("\n")), bytes.Repeat([]byte("0"), 100_000)...)
		case "latin1":
			f.Data = bytes.ReplaceAll(f.Data, []byte("é"), []byte{0xe9})
		default:
			t.Fatalf("unknown command %q", line)
		}
	}
	return fsys
}

// goldenArchives runs check on each archive of a directory and compares what it returns with the file "want".
func goldenArchives(t *testing.T, dir string, check func(t *testing.T, ar *archive) string) {
	files, err := filepath.Glob(filepath.Join("testdata", dir, "*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatal("no archives", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			ar := readArchive(t, file)
			got := check(t, ar) + "\n"
			want := &ar.files[len(ar.files)-1]
			if want.name != "want" {
				t.Fatal("the last file is not want")
			}
			if *update {
				want.data = []byte(got)
				ar.write(t, file)
			}
			if got != string(want.data) {
				t.Errorf("got\n%s\nwant\n%s", got, want.data)
			}
		})
	}
}

// badOptions are what lines of an archive's comment ask for: fill, or application ENDPOINTS SERVICES, the names with commas.
func badOptions(ar *archive) (opt ReadOptions) {
	for _, line := range strings.Split(ar.comment, "\n") {
		words := strings.Fields(line)
		switch {
		case line == "fill":
			opt.Fill = true
		case len(words) == 3 && words[0] == "application":
			opt.App = &Application{Name: "shop", Endpoints: strings.Split(words[1], ","), Services: strings.Split(words[2], ",")}
		}
	}
	return opt
}

// TestBadRecordings holds one archive for each way in which a recording can be wrong, with the message that a user
// gets. Between them they break every rule in Codes.
func TestBadRecordings(t *testing.T) {
	seen := map[Code]bool{}
	goldenArchives(t, "bad", func(t *testing.T, ar *archive) string {
		fsys := unpack(t, ar)
		opt := badOptions(ar)
		rec, err := ReadFS(fsys, opt)
		if err == nil || rec != nil {
			t.Fatalf("accepted: %v", err)
		}
		opt.MaxFindings = 1000
		rep := ValidateFS(fsys, opt)
		var codes []string
		for _, f := range rep.Findings {
			seen[f.Code] = true
			codes = append(codes, string(f.Code))
		}
		if rep.Errors == 0 {
			t.Error("Validate found nothing")
		}
		slices.Sort(codes)
		return strings.Join(slices.Compact(codes), " ") + "\n" + err.Error()
	})
	// These need something other than a broken recording; their tests are elsewhere.
	elsewhere := []Code{CodeFileRead, CodeLength}
	for _, c := range Codes() {
		if !seen[c.Code] && !slices.Contains(elsewhere, c.Code) {
			t.Errorf("no archive breaks the rule %q", c.Code)
		}
	}
}

// TestTooManyNames: a file with a name for each request is refused rather than kept.
func TestTooManyNames(t *testing.T) {
	var b strings.Builder
	b.WriteString("t,endpoint,rps\n")
	for i := range maxNames + 2 {
		fmt.Fprintf(&b, "0,r%d,1\n", i)
	}
	fsys := fstest.MapFS{
		metaFile:        {Data: []byte("format: 1\napplication: shop\ninterval_s: 5\n")},
		"endpoints.csv": {Data: []byte(b.String())},
	}
	_, err := ReadFS(fsys, ReadOptions{})
	wantErr(t, err, "endpoints.csv:100002: endpoint: more than 100000 different names; a name stands for a service or route")
}
