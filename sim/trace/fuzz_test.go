package trace

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// accepted checks what must hold for a recording that a reader or importer let through: it is sound by Check, and
// written and read it is the same.
func accepted(t *testing.T, rec *Recording) {
	t.Helper()
	if err := rec.Check(); err != nil {
		t.Fatalf("accepted, but not sound: %v", err)
	}
	fsys := fstest.MapFS{}
	meta, err := rec.Meta.encode()
	if err != nil {
		t.Fatal(err)
	}
	fsys[metaFile] = &fstest.MapFile{Data: meta}
	for _, tab := range tables {
		if rows := rowsOf(rec, tab); rows.len() > 0 {
			var b bytes.Buffer
			if err := writeTable(&b, tab, rows); err != nil {
				t.Fatal(err)
			}
			fsys[tab.name+".csv"] = &fstest.MapFile{Data: b.Bytes()}
		}
	}
	again, err := ReadFS(fsys, ReadOptions{})
	if err != nil {
		t.Fatalf("accepted, but not when written: %v", err)
	}
	if d := sameRecording(rec, again); d != "" {
		t.Fatal(d)
	}
	Inspect(rec)
}

// oneErrorPerLine checks the form of an error message: no line is empty or holds control characters.
func oneErrorPerLine(t *testing.T, err error) {
	t.Helper()
	for _, line := range strings.Split(err.Error(), "\n") {
		if !printable(line) || line == "" {
			t.Fatalf("message %q", err)
		}
	}
}

// seeds adds the files of archives to a corpus.
func seeds(f *testing.F, pattern string, file func(fstest.MapFS)) {
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, name := range files {
		file(unpack(f, readArchive(f, name)))
	}
}

func FuzzReadTable(f *testing.F) {
	seeds(f, "testdata/bad/*.txtar", func(fsys fstest.MapFS) {
		for i, tab := range tables {
			for _, name := range []string{tab.name + ".csv", tab.name + ".csv.gz"} {
				if fsys[name] != nil && len(fsys[name].Data) < 4096 {
					f.Add(uint8(i), strings.HasSuffix(name, ".gz"), fsys[name].Data)
				}
			}
		}
	})
	rec := small()
	for i, tab := range tables {
		var b bytes.Buffer
		if err := writeTable(&b, tab, rowsOf(rec, tab)); err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(i), false, b.Bytes())
		f.Add(uint8(i), true, zipped(f, b.Bytes()))
		f.Add(uint8(i+16), false, b.Bytes())
		f.Add(uint8(i+32), false, b.Bytes())
	}
	shop := &Application{Name: "shop", Endpoints: []string{"home", "cart"}, Services: []string{"web", "db"}}
	f.Fuzz(func(t *testing.T, which uint8, gz bool, data []byte) {
		opt := ReadOptions{Fill: which&16 != 0}
		if which&32 != 0 {
			opt.App = shop
			shop.LoadOnly = which&64 != 0
		}
		name := tables[int(which)%len(tables)].name + ".csv"
		if gz {
			name += ".gz"
		}
		fsys := fstest.MapFS{
			metaFile: {Data: []byte("format: 1\napplication: shop\ninterval_s: 5\ngaps: true\n")},
			name:     {Data: data},
		}
		rec, err := ReadFS(fsys, opt)
		if rep := ValidateFS(fsys, opt); (rep.Errors > 0) != (err != nil) {
			t.Fatalf("Validate counts %d errors, Read says %v", rep.Errors, err)
		}
		if err != nil {
			oneErrorPerLine(t, err)
			return
		}
		accepted(t, rec)
		if opt.Fill && rec.Meta.Gaps {
			t.Fatalf("not filled: %+v", rec)
		}
	})
}

func FuzzReadMeta(f *testing.F) {
	seeds(f, "testdata/bad/meta*.txtar", func(fsys fstest.MapFS) { f.Add(fsys[metaFile].Data) })
	meta, err := small().Meta.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(meta)
	f.Fuzz(func(t *testing.T, data []byte) {
		fsys := fstest.MapFS{metaFile: {Data: data}, "endpoints.csv": {Data: []byte("t,endpoint,rps\n0,home,1\n")}}
		rec, err := ReadFS(fsys, ReadOptions{})
		if err != nil {
			oneErrorPerLine(t, err)
			return
		}
		accepted(t, rec)
	})
}

func FuzzImportCSV(f *testing.F) {
	seeds(f, "testdata/badimport/csv*.txtar", func(fsys fstest.MapFS) {
		if fsys["load.csv"] != nil {
			f.Add(int64(0), fsys["load.csv"].Data)
			f.Add(int64(10_000), fsys["load.csv"].Data)
		}
	})
	f.Add(int64(0), []byte("date,home,cart\n2022-05-04 10:00:00,1,2\n2022-05-04 10:00:05,3,\n"))
	f.Fuzz(func(t *testing.T, intervalMs int64, data []byte) {
		opt := ImportOptions{AllowGaps: len(data)%2 == 0, Fill: len(data)%3 == 0}
		if ms := intervalMs % 86_400_000; ms >= 100 {
			opt.Interval = time.Duration(ms) * time.Millisecond
		}
		rec, err := ImportCSV(bytes.NewReader(data), "load.csv", opt)
		if err != nil {
			oneErrorPerLine(t, err)
			return
		}
		accepted(t, rec)
	})
}

func FuzzImportGymHPA(f *testing.F) {
	seeds(f, "testdata/badimport/gym*.txtar", func(fsys fstest.MapFS) { f.Add(0.0, false, fsys["obs.csv"].Data) })
	data, err := os.ReadFile("testdata/gymhpa/online_boutique.csv")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(2.5, true, data)
	f.Fuzz(func(t *testing.T, kbit float64, gaps bool, data []byte) {
		rec, err := ImportGymHPA(bytes.NewReader(data), "obs.csv", ImportOptions{KbitPerRequest: kbit, AllowGaps: gaps})
		if err != nil {
			oneErrorPerLine(t, err)
			return
		}
		accepted(t, rec)
	})
}

func FuzzImportRecorded(f *testing.F) {
	fsys := handRun()
	calls := []byte("point,t_s,service,latency_ms\nhand,0.5,web,3\nhand,1.5,db,1\n")
	f.Add(int64(2_000_000), false, fsys["transient_points.csv"].Data, fsys["transient_requests.csv"].Data, fsys["transient_replicas_1s.csv"].Data, calls)
	f.Add(int64(700_000), true, fsys["transient_points.csv"].Data, fsys["transient_requests.csv"].Data, fsys["transient_replicas_1s.csv"].Data, []byte(nil))
	f.Fuzz(func(t *testing.T, intervalUs int64, warmUp bool, points, requests, seconds, calls []byte) {
		fsys := fstest.MapFS{"transient_points.csv": {Data: points}, "transient_requests.csv": {Data: requests}, "transient_replicas_1s.csv": {Data: seconds}}
		if len(calls) > 0 {
			fsys["transient_calls_raw.csv"] = &fstest.MapFile{Data: calls}
		}
		opt := ImportOptions{Point: "hand", WarmUp: warmUp, Fill: len(seconds)%2 == 0}
		// A run may last 12 days: an interval in proportion keeps the fuzzer from waiting for long tables.
		if us := intervalUs % 86_400_000_000; us >= 500_000 {
			opt.Interval = time.Duration(us) * time.Microsecond
		}
		rec, err := ImportRecorded(fsys, opt)
		if err != nil {
			oneErrorPerLine(t, err)
			return
		}
		accepted(t, rec)
	})
}

func FuzzImportPrometheus(f *testing.F) {
	seeds(f, "testdata/badimport/prom_*.txtar", func(fsys fstest.MapFS) {
		for name, file := range fsys {
			if quantity, ok := answerName(name); ok && len(file.Data) < 2048 {
				f.Add(uint8(quantityOrder(quantity)+1), int64(0), file.Data)
			}
		}
	})
	f.Add(uint8(0), int64(30_000), []byte(`{"endpoint_rps":`+string(answerText(promLine{"endpoint=a", t0, 15, vals(1, 2, 3, 4)}))+
		`,"endpoint_p95_ms":`+string(answerText(promLine{"endpoint=a", t0, 15, vals(1, 2, 3, 4)}))+
		`,"service_cpu_seconds_total":`+string(answerText(promLine{"pod=a-0", t0 + 7, 15, vals(1, 2, 0, 4)}))+`}`))
	f.Add(uint8(1), int64(0), answerText(promLine{"endpoint=a", t0, 15, []any{"NaN", "+Inf", 1.0, 1e300}}))
	all := Quantities()
	f.Fuzz(func(t *testing.T, which uint8, intervalMs int64, data []byte) {
		opt := ImportOptions{AllowGaps: len(data)%2 == 0, Fill: len(data)%3 == 0, AbsentIsZero: len(data)%5 == 0}
		if ms := intervalMs % 86_400_000; ms >= 100 {
			opt.Interval = time.Duration(ms) * time.Millisecond
		}
		out := newFindings(0)
		var answers []Answer
		if i := int(which) % (len(all) + 1); i == 0 {
			answers = splitAnswers("answers.json", data, out)
		} else {
			answers = []Answer{{Quantity: all[i-1].Name, File: "answer.json", Data: data}}
		}
		if err := out.err(); err != nil {
			oneErrorPerLine(t, err)
			return
		}
		rec, err := ImportPrometheus(answers, opt)
		if err != nil {
			oneErrorPerLine(t, err)
			return
		}
		accepted(t, rec)
	})
}

func FuzzImportLocust(f *testing.F) {
	seeds(f, "testdata/badimport/locust*.txtar", func(fsys fstest.MapFS) {
		if fsys["h.csv"] != nil {
			f.Add(int64(0), fsys["h.csv"].Data)
		}
	})
	data, err := os.ReadFile("testdata/locust/aggregated.csv")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(int64(3000), data)
	f.Add(int64(5000), []byte(locustHeader+"100,1,,Aggregated,0,0,N/A,N/A,N/A,N/A,0,0,0\n110,1,GET,a,9,9,1,2,3,4,150,0,1\n120,1,GET,a,9,9,1,2,3,2,20,0,1\n"))
	f.Fuzz(func(t *testing.T, intervalMs int64, data []byte) {
		opt := ImportOptions{AllowGaps: len(data)%2 == 0, Fill: len(data)%3 == 0}
		if ms := intervalMs % 86_400_000; ms >= 100 {
			opt.Interval = time.Duration(ms) * time.Millisecond
		}
		rec, err := ImportLocust(bytes.NewReader(data), "h.csv", opt)
		if err != nil {
			oneErrorPerLine(t, err)
			return
		}
		accepted(t, rec)
	})
}
