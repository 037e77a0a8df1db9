package trace

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// sameRecording compares recordings by value; a nil and an empty table or map are the same.
// Warnings are left out: they are about a file that was read.
func sameRecording(a, b *Recording) string {
	return cmp.Diff(a, b, cmpopts.EquateNaNs(), cmpopts.EquateEmpty(), cmpopts.IgnoreFields(Recording{}, "Warnings"))
}

// small is a recording with every table, missing values and a gap.
func small() *Recording {
	no := NoValue()
	s := time.Second
	return &Recording{
		Meta: Meta{
			Application: "shop", Interval: 10 * s, Start: time.Date(2025, 6, 30, 12, 0, 0, 500e6, time.UTC), Source: "made up: by hand", Licence: "Apache-2.0",
			CPULimitMillis: map[string]float64{"web": 200, "db": 125.5}, Gaps: true, Notes: []string{"one: two", "yes", "#3"},
		},
		Endpoints: []EndpointRow{{0, "home", 1, 2, 3, 4, 0.5, no}, {0, "GET /cart", 0, no, no, no, no, no}, {20 * s, "home", 1.0 / 3, 1e-7, 1e-3, 1e8, 1, no}},
		Services: []ServiceRow{
			{0, "web", 2, 1, 100.25, 64, 7, 1, 2, 3, 0, 80, 90, 0.25, no}, {0, "db", 1, no, no, no, no, no, no, no, no, no, no, no, no},
			{20 * s, "web", 0, 0, 0, 0, 0, no, no, no, no, no, no, no, no}, {20 * s, "db", no, no, no, no, no, no, no, no, no, no, no, no, no},
		},
		Edges: []EdgeRow{{10 * s, "web", "db", 3, 1, 0}, {10 * s, "db", "web", 0, no, no}},
		Nodes: []NodeRow{{0, "n1", "", 2000, 8192, 500, 100}, {20 * s, "n2", "big", 4000, 8192, no, no}},
	}
}

func TestWriteRead(t *testing.T) {
	for _, plain := range []bool{false, true} {
		dir := filepath.Join(t.TempDir(), "a", "rec")
		if err := Write(dir, small(), WriteOptions{Plain: plain}); err != nil {
			t.Fatal(err)
		}
		got, err := Read(dir)
		if err != nil {
			t.Fatal(err)
		}
		if d := sameRecording(small(), got); d != "" {
			t.Error(d)
		}
		rep := Validate(dir, ReadOptions{})
		if rep.Errors != 0 || rep.Warnings == 0 || len(rep.Tables) != 4 || rep.Tables[1].Rows != 4 || rep.Tables[2].End != 20*time.Second {
			t.Errorf("report %+v", rep)
		}
	}
}

// TestPlainBytes shows what is written, to the byte.
func TestPlainBytes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "rec")
	if err := Write(dir, small(), WriteOptions{Plain: true}); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	for _, name := range []string{"meta.yaml", "endpoints.csv", "services.csv", "edges.csv", "nodes.csv"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "-- %s --\n%s", name, data)
	}
	golden(t, "testdata/written.txt", b.Bytes())
	if bytes.Contains(b.Bytes(), []byte("NaN")) {
		t.Error("NaN was written")
	}
}

// golden compares got with a file.
func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, got, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s: -want +got\n%s", file, d)
	}
}

func TestWriteIsByteStable(t *testing.T) {
	read := func(dir string) string {
		var all strings.Builder
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			data, err := os.ReadFile(filepath.Join(dir, e.Name()))
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&all, "%s %x\n", e.Name(), data)
		}
		return all.String()
	}
	a, b := filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "quite another name")
	for _, dir := range []string{a, b} {
		if err := Write(dir, small(), WriteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if read(a) != read(b) {
		t.Error("the same recording was written as different bytes")
	}
	again, err := Read(a)
	if err != nil {
		t.Fatal(err)
	}
	c := filepath.Join(t.TempDir(), "c")
	if err := Write(c, again, WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	if read(a) != read(c) {
		t.Error("reading and writing changes bytes")
	}
}

// TestWriteReplaces checks what happens to a directory that exists, and that nothing is left beside it.
func TestWriteReplaces(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "rec")
	write := func(change func(*Recording), opt WriteOptions) error {
		rec := small()
		change(rec)
		return Write(dir, rec, opt)
	}
	same := func(*Recording) {}
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := write(same, WriteOptions{}); err != nil {
		t.Fatal("an empty directory:", err)
	}
	wantErr(t, write(same, WriteOptions{}), "exists and is not empty")
	if err := write(func(r *Recording) { r.Edges, r.Meta.Application = nil, "other" }, WriteOptions{Replace: true, Plain: true}); err != nil {
		t.Fatal(err)
	}
	if got, err := Read(dir); err != nil || got.Meta.Application != "other" || len(got.Edges) != 0 {
		t.Errorf("%+v %v", got, err)
	}
	wantErr(t, write(func(r *Recording) { r.Meta.Application = "" }, WriteOptions{Replace: true}), `meta.yaml: application: "" is empty`)
	if err := os.WriteFile(filepath.Join(dir, "thesis.txt"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	wantErr(t, write(same, WriteOptions{Replace: true}), "thesis.txt in the directory is not part of a recording")
	if got, err := Read(dir); err != nil || got.Meta.Application != "other" {
		t.Errorf("a refused write changed the recording: %v", err)
	}
	file := filepath.Join(parent, "file")
	if err := os.WriteFile(file, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	wantErr(t, Write(file, small(), WriteOptions{}), "not a directory")
	wantErr(t, Write(filepath.Join(file, "rec"), small(), WriteOptions{}), "not a directory")
	entries, err := os.ReadDir(parent)
	if err != nil || len(entries) != 2 {
		t.Errorf("left behind: %v %v", entries, err)
	}
}

func TestWriteUnwritable(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root may write anywhere")
	}
	parent := t.TempDir()
	if err := os.Chmod(parent, 0o555); err != nil {
		t.Fatal(err)
	}
	wantErr(t, Write(filepath.Join(parent, "rec"), small(), WriteOptions{}), "permission denied")
}

func TestReadUnreadable(t *testing.T) {
	dir := t.TempDir()
	wantErr(t, errOf(Read(filepath.Join(dir, "none"))), `none": there is no meta.yaml`)
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	wantErr(t, errOf(Read(file)), "not a directory")
	if err := Write(filepath.Join(dir, "rec"), small(), WriteOptions{Plain: true}); err != nil {
		t.Fatal(err)
	}
	table := filepath.Join(dir, "rec", "nodes.csv")
	if err := os.Remove(table); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("nowhere", table); err != nil {
		t.Fatal(err)
	}
	wantErr(t, errOf(Read(filepath.Join(dir, "rec"))), "nodes.csv: cannot be read")
}

func errOf(_ *Recording, err error) error { return err }

func wantErr(t *testing.T, err error, part string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), part) {
		t.Errorf("error %v, want one with %q", err, part)
	}
}

// TestCheckRefuses changes one thing of a sound recording for each rule that only memory can break, or that Write must
// enforce like Read.
func TestCheckRefuses(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Recording)
		want   string
	}{
		{"no tables", func(r *Recording) { *r = Recording{Meta: r.Meta} }, "there is no table; a recording needs at least one row"},
		{"interval", func(r *Recording) { r.Meta.Interval = time.Millisecond }, "meta.yaml: interval_s: 0.001 is not from 0.1 to 86400; give the seconds between rows"},
		{"interval too fine", func(r *Recording) { r.Meta.Interval = 10*time.Second + 1 },
			"meta.yaml: interval_s: 10.000000001 is not from 0.1 to 86400; give the seconds between rows"},
		{"year", func(r *Recording) { r.Meta.Start = time.Date(12000, 1, 1, 0, 0, 0, 0, time.UTC) },
			"meta.yaml: start: year 12000 cannot be written; leave it out if it is not known"},
		{"infinite", func(r *Recording) { r.Endpoints[0].RPS = math.Inf(1) },
			"endpoints.csv:2: rps: +Inf is not a number; leave the cell empty where there is no value"},
		{"negative", func(r *Recording) { r.Services[1].MemMiB = -1 },
			"services.csv:3: mem_mib: -1 is negative; give a number from 0 up, or leave the cell empty"},
		{"time", func(r *Recording) { r.Nodes[0].At = -10 * time.Second }, "nodes.csv:2: t: -10 s is out of range; times count from the start"},
		{"name", func(r *Recording) { r.Edges[1].Dst = "a\nb" },
			`edges.csv:3: dst: "a\nb" contains '\n'; use 1 to 253 printable characters without commas and quotation marks`},
		{"duplicate edge", func(r *Recording) { r.Edges[1] = r.Edges[0] },
			"edges.csv:3: a second row of web -> db at t=10; keep one row for each time and name"},
		{"grid", func(r *Recording) { r.Nodes[1].At += time.Microsecond },
			"nodes.csv:3: t: 20.000001 is not a multiple of the interval of 10 s; times count from 0 in steps of interval_s"},
	} {
		rec := small()
		c.change(rec)
		err := rec.Check()
		if c.name == "interval too fine" || c.name == "interval" { // every time is off the grid as well
			err = fmt.Errorf("%s", strings.SplitN(err.Error(), "\n", 2)[0])
		}
		if err == nil || err.Error() != c.want {
			t.Errorf("%s: got\n%v\nwant\n%s", c.name, err, c.want)
		}
	}
	if err := small().Check(); err != nil {
		t.Error(err)
	}
}

// TestTexts: however a text is folded in meta.yaml or in memory, it is one line.
func TestTexts(t *testing.T) {
	rec := small()
	rec.Meta.Notes = []string{" two\n\tlines ", ""}
	dir := filepath.Join(t.TempDir(), "rec")
	if err := Write(dir, rec, WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	meta := filepath.Join(dir, "meta.yaml")
	data, err := os.ReadFile(meta)
	if err != nil {
		t.Fatal(err)
	}
	data = bytes.Replace(data, []byte("source: 'made up: by hand'"), []byte("source: |\n  made up:\n  by hand"), 1)
	if err := os.WriteFile(meta, data, 0o666); err != nil {
		t.Fatal(err)
	}
	got, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got.Meta.Source != "made up: by hand" || !slices.Equal(got.Meta.Notes, []string{"two lines", ""}) {
		t.Errorf("%+v", got.Meta)
	}
}

func TestGapsAllowed(t *testing.T) {
	rec := small()
	rec.Meta.Gaps = false
	wantErr(t, rec.Check(), "no rows at t=10")
	dir := filepath.Join(t.TempDir(), "rec")
	if err := Write(dir, small(), WriteOptions{Plain: true}); err != nil {
		t.Fatal(err)
	}
	meta := filepath.Join(dir, "meta.yaml")
	data, err := os.ReadFile(meta)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(meta, bytes.Replace(data, []byte("gaps: true\n"), nil, 1), 0o666); err != nil {
		t.Fatal(err)
	}
	wantErr(t, errOf(Read(dir)), "endpoints.csv:4: no rows at t=10; add the rows")
	if _, err := ReadWith(dir, ReadOptions{AllowGaps: true}); err != nil {
		t.Error(err)
	}
	rep := Validate(dir, ReadOptions{AllowGaps: true})
	if rep.Errors != 0 || !slices.ContainsFunc(rep.Findings, func(f Finding) bool { return f.Code == CodeGap && f.Severity == SeverityWarning }) ||
		!slices.ContainsFunc(rep.Findings, func(f Finding) bool { return f.Code == CodeLength }) {
		t.Errorf("%+v", rep)
	}
}
