package trace

import (
	"math"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// files makes the file system of a recording with an interval of 5 s.
func files(tables map[string]string) fstest.MapFS {
	fsys := fstest.MapFS{metaFile: {Data: []byte("format: 1\napplication: shop\ninterval_s: 5\n")}}
	for name, text := range tables {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return fsys
}

func TestFill(t *testing.T) {
	no := NoValue()
	s := 5 * time.Second
	fsys := files(map[string]string{
		// home: the first cell and a later one are empty, two rows are missing; cart comes late.
		"endpoints.csv": "t,endpoint,rps,p95_ms\n0,home,,\n5,home,2,30\n10,home,,\n15,cart,3,9\n20,cart,3,9\n25,home,7,50\n25,cart,1,9\n",
		"services.csv":  "t,service,replicas,cpu_m,throttled\n0,web,2,100,0.5\n10,web,,90,0.25\n15,web,3,80,\n20,web,3,80,\n25,web,3,80,\n",
		"nodes.csv":     "t,node,cpu_m,mem_mib\n0,a,4000,8000\n0,b,4000,8000\n5,a,4000,8000\n15,a,4000,8000\n20,a,4000,8000\n25,a,4000,8000\n",
	})
	if _, err := ReadFS(fsys, ReadOptions{}); err == nil {
		t.Fatal("read without being asked to fill gaps")
	}
	rec, err := ReadFS(fsys, ReadOptions{Fill: true})
	if err != nil {
		t.Fatal(err)
	}
	row := func(k int, e string, rps, p95 float64) EndpointRow {
		return EndpointRow{time.Duration(k) * s, e, rps, no, p95, no, no, no}
	}
	want := []EndpointRow{
		row(0, "home", 2, no), row(0, "cart", 3, no), row(1, "home", 2, 30), row(1, "cart", 3, no), row(2, "home", 2, no), row(2, "cart", 3, no),
		row(3, "cart", 3, 9), row(3, "home", 2, no), row(4, "cart", 3, 9), row(4, "home", 2, no), row(5, "home", 7, 50), row(5, "cart", 1, 9),
	}
	same := cmp.Comparer(func(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) })
	if d := cmp.Diff(want, rec.Endpoints, same); d != "" {
		t.Error(d)
	}
	if got := rec.Services[1]; got.At != s || got.Replicas != 2 || got.CPUMillis != 100 || Has(got.Throttled) {
		t.Errorf("the missing row is %+v, want the replicas and CPU of the row before, and no throttling", got)
	}
	if got := rec.Services[2]; got.Replicas != 2 || got.CPUMillis != 90 {
		t.Errorf("the missing count of replicas: %+v", got)
	}
	var at []time.Duration
	for _, n := range rec.Nodes {
		at = append(at, n.At)
	}
	if !slices.Equal(at, []time.Duration{0, 0, s, 2 * s, 3 * s, 4 * s, 5 * s}) {
		t.Errorf("nodes at %v: only the time without any node is a gap", at)
	}
	var told []string
	for _, f := range rec.Warnings {
		if f.Code == CodeFill {
			told = append(told, f.Error())
		}
	}
	wantTold := []string{
		"endpoints.csv: 5 missing rows and 2 empty cells were filled with the values before them, the first at t=0",
		"services.csv: 1 missing row and 1 empty cell were filled with the values before them, the first at t=5",
		"nodes.csv: 1 missing row and 0 empty cells were filled with the values before them, the first at t=10",
	}
	if d := cmp.Diff(wantTold, told); d != "" {
		t.Error(d)
	}
	for i, note := range rec.Meta.Notes {
		if note != wantTold[i]+"." {
			t.Errorf("note %q", note)
		}
	}
	if rec.Meta.Gaps {
		t.Error("there are no gaps any more")
	}
	if err := rec.Check(); err != nil {
		t.Error(err)
	}
}

// What is no gap is not bridged: an hour without rows, a clock that was set, a table of which most is missing.
func TestFillRefuses(t *testing.T) {
	var half strings.Builder
	half.WriteString("t,endpoint,rps\n")
	for k := range 10 {
		half.WriteString(seconds(int64(k*12*int(5*time.Second))) + ",home,1\n")
	}
	var cells strings.Builder
	cells.WriteString("t,endpoint,rps\n0,home,1\n")
	for k := 1; k < 100; k++ {
		cells.WriteString(seconds(int64(k)*int64(5*time.Second)) + ",home,\n")
	}
	for _, tc := range []struct{ name, text, want string }{
		{"an hour", "t,endpoint,rps\n0,home,1\n5,home,1\n3605,home,1\n", "endpoints.csv:4: no rows at 719 times, t=10 to t=3600: about an hour, as where summer time ends or begins; a gap of more than 60 intervals is not filled: cut the recording in two there, or correct the times"},
		{"back", "t,endpoint,rps\n0,home,1\n5,home,1\n0,home,1\n5,home,1\n", "endpoints.csv:4: t: the time of home goes back by 5 s, from 5 to 0; give seconds since the start"},
		{"most of it", half.String(), "endpoints.csv: 11 rows and 0 cells are missing, more than there are; record again"},
		{"no rates", cells.String(), "endpoints.csv:3: home has no rps from t=5 to t=305 and on; no more than 60 in a row are filled: cut the recording in two there"},
		{"duplicate", "t,endpoint,rps\n0,home,1\n0,home,1\n", "endpoints.csv:3: a second row of home at t=0"},
	} {
		_, err := ReadFS(files(map[string]string{"endpoints.csv": tc.text}), ReadOptions{Fill: true})
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got\n%v\nwant\n%s", tc.name, err, tc.want)
		}
	}
}

// A sound recording from which rows and cells were taken at random has rows at every time and no holes after Fill, and the
// numbers that were not taken are as they were.
func TestFillProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const steps = 40
		rec := &Recording{Meta: Meta{Application: "shop", Interval: time.Second, Gaps: true}}
		names := []string{"a", "b", "c"}[:rapid.IntRange(1, 3).Draw(t, "names")]
		no := NoValue()
		skipped := map[string]bool{} // never two in a row, or more would be missing than is there
		for k := range steps {
			for _, name := range names {
				skipped[name] = k > 0 && k < steps-1 && !skipped[name] && rapid.Bool().Draw(t, "skip")
				if skipped[name] {
					continue
				}
				v := float64(rapid.IntRange(0, 5).Draw(t, "rps"))
				if k > 0 && v == 5 {
					v = no
				}
				rec.Endpoints = append(rec.Endpoints, EndpointRow{time.Duration(k) * time.Second, name, v, no, no, no, no, no})
			}
		}
		before := slices.Clone(rec.Endpoints)
		if _, err := rec.Fill(); err != nil {
			t.Fatal(err)
		}
		if err := rec.Check(); err != nil { // without gaps: a row for each time and name
			t.Fatal(err)
		}
		if len(rec.Endpoints) != steps*len(names) {
			t.Fatalf("%d rows", len(rec.Endpoints))
		}
		i := 0
		for _, row := range rec.Endpoints {
			if !Has(row.RPS) {
				t.Fatalf("no rate in %+v", row)
			}
			if i < len(before) && row.At == before[i].At && row.Endpoint == before[i].Endpoint {
				if Has(before[i].RPS) && row.RPS != before[i].RPS {
					t.Fatalf("%+v became %+v", before[i], row)
				}
				i++
			}
		}
		if i != len(before) {
			t.Fatalf("only %d of %d rows are left in order", i, len(before))
		}
	})
}
