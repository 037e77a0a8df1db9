package trace

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestImportCSV(t *testing.T) {
	no := NoValue()
	s := time.Second
	row := func(at time.Duration, name string, rps float64) EndpointRow {
		return EndpointRow{at, name, rps, no, no, no, no, no}
	}
	for _, c := range []struct {
		name, text string
		opt        ImportOptions
		want       []EndpointRow
		meta       Meta
	}{
		{"total", "t,rps\n0,1.5\n2,0\n4,3\n", ImportOptions{}, []EndpointRow{row(0, "all", 1.5), row(2*s, "all", 0), row(4*s, "all", 3)},
			Meta{Application: "any", Interval: 2 * s}},
		{"by endpoint, options", "t_min,home,cart\r\n0,1,2\r\n1,3,\r\n", ImportOptions{Application: "shop", Source: "me", Licence: "MIT"},
			[]EndpointRow{row(0, "home", 1), row(0, "cart", 2), row(60*s, "home", 3), row(60*s, "cart", no)},
			Meta{Application: "shop", Interval: 60 * s, Source: "me", Licence: "MIT"}},
		{"shifted", "\ufefft,rps\n1700000000,1\n1700000005,2\n", ImportOptions{}, []EndpointRow{row(0, "all", 1), row(5*s, "all", 2)},
			Meta{Application: "any", Interval: 5 * s, Notes: []string{"Times were shifted by -1700000000 s, so that the first row is at 0."}}},
		{"dates with a zone", "rps,time_utc\n7,1998-04-30T21:00Z\n8,1998-04-30T23:00+01:00\n", ImportOptions{},
			[]EndpointRow{row(0, "all", 7), row(3600*s, "all", 8)},
			Meta{Application: "any", Interval: time.Hour, Start: time.Date(1998, 4, 30, 21, 0, 0, 0, time.UTC)}},
		{"dates without", "date,rps\n2022-08-22 03:53:01.5,7\n2022-08-22 03:53:02.0,8\n", ImportOptions{Start: time.Date(2000, 1, 1, 1, 0, 0, 0, time.FixedZone("", 3600))},
			[]EndpointRow{row(0, "all", 7), row(s/2, "all", 8)},
			Meta{Application: "any", Interval: s / 2, Start: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC),
				Notes: []string{"The source's dates name no time zone and were taken as UTC."}}},
		{"averaged", "t,rps\n0,1\n1,3\n2,\n3,\n3.5,9\n4,11\n", ImportOptions{Interval: 2 * s},
			[]EndpointRow{row(0, "all", 2), row(2*s, "all", 9), row(4*s, "all", 11)},
			Meta{Application: "any", Interval: 2 * s, Notes: []string{"6 rows of the source were averaged into 3 intervals of 2 s (replicas: the last of each)."}}},
		{"gap", "t,rps\n0,1\n1,3\n4,5\n", ImportOptions{AllowGaps: true}, []EndpointRow{row(0, "all", 1), row(s, "all", 3), row(4*s, "all", 5)},
			Meta{Application: "any", Interval: s, Gaps: true, Notes: []string{"2 of 5 intervals have no rows in the source."}}},
		{"gaps allowed and none there", "t,rps\n0,1\n1,3\n", ImportOptions{AllowGaps: true}, []EndpointRow{row(0, "all", 1), row(s, "all", 3)},
			Meta{Application: "any", Interval: s}},
		{"one column of several", "t,ad,frontend\n0,1,4\n1,3,5\n", ImportOptions{RateColumn: "frontend"}, []EndpointRow{row(0, "all", 4), row(s, "all", 5)},
			Meta{Application: "any", Interval: s}},
		{"one row", "t,rps\n0,1\n", ImportOptions{Interval: 60 * s}, []EndpointRow{row(0, "all", 1)}, Meta{Application: "any", Interval: 60 * s}},
		{"a quoted name", "t,\"GET /cart\"\n0,1\n1,2\n", ImportOptions{}, []EndpointRow{row(0, "GET /cart", 1), row(s, "GET /cart", 2)}, Meta{Application: "any", Interval: s}},
	} {
		rec, err := ImportCSV(strings.NewReader(c.text), "load.csv", c.opt)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if c.meta.Source == "" {
			c.meta.Source = "imported from load.csv"
		}
		if d := cmp.Diff(&Recording{Meta: c.meta, Endpoints: c.want}, rec, cmpopts.EquateNaNs(), cmpopts.EquateEmpty()); d != "" {
			t.Errorf("%s: %s", c.name, d)
		}
	}
}

// TestBadImports holds one archive for each mistake in a file to be imported. The comment's line "import NAME [OPTION]"
// names the importer.
func TestBadImports(t *testing.T) {
	goldenArchives(t, "badimport", func(t *testing.T, ar *archive) string {
		fsys := unpack(t, ar)
		dir := t.TempDir()
		for name, f := range fsys {
			if err := os.WriteFile(filepath.Join(dir, name), f.Data, 0o666); err != nil {
				t.Fatal(err)
			}
		}
		var opt ImportOptions
		src := filepath.Join(dir, ar.files[0].name)
		for _, line := range strings.Split(ar.comment, "\n") {
			words, ok := strings.CutPrefix(line, "import ")
			if !ok {
				continue
			}
			name, rest, _ := strings.Cut(words, " ")
			opt.From = name
			switch rest {
			case "interval":
				opt.Interval = 10 * time.Second
			case "tiny":
				opt.Interval = time.Millisecond
			case "point":
				opt.Point = "p"
			case "rate":
				opt.RateColumn = "fronted"
			case "kbit":
				opt.KbitPerRequest = 5
			case "unit":
				opt.TrafficUnit = "bytes"
			case "dir":
				src = dir
			case "":
			default:
				t.Fatalf("unknown option %q", rest)
			}
		}
		rec, err := Import(src, opt)
		if err == nil || rec != nil {
			t.Fatalf("accepted: %v", err)
		}
		oneErrorPerLine(t, err)
		return strings.ReplaceAll(strings.ReplaceAll(err.Error(), dir+string(filepath.Separator), ""), dir, "DIR")
	})
}

// TestImportersKnowTheirOptions: every importer's options are accepted, every other one refused by name.
func TestImportersKnowTheirOptions(t *testing.T) {
	set := map[Option]func(*ImportOptions){
		OptionInterval:       func(o *ImportOptions) { o.Interval = 5 * time.Second },
		OptionAllowGaps:      func(o *ImportOptions) { o.AllowGaps = true },
		OptionRateColumn:     func(o *ImportOptions) { o.RateColumn = "rps" },
		OptionKbitPerRequest: func(o *ImportOptions) { o.KbitPerRequest = 2 },
		OptionTrafficUnit:    func(o *ImportOptions) { o.TrafficUnit = TrafficKbyte },
		OptionPoint:          func(o *ImportOptions) { o.Point = "up" },
		OptionWarmUp:         func(o *ImportOptions) { o.WarmUp = true },

		OptionServiceLabel:     func(o *ImportOptions) { o.Labels.Service = []string{"service"} },
		OptionEndpointLabel:    func(o *ImportOptions) { o.Labels.Endpoint = []string{"endpoint"} },
		OptionNodeLabel:        func(o *ImportOptions) { o.Labels.Node = []string{"node"} },
		OptionSourceLabel:      func(o *ImportOptions) { o.Labels.Source = []string{"source"} },
		OptionDestinationLabel: func(o *ImportOptions) { o.Labels.Destination = []string{"destination"} },
		OptionRename:           func(o *ImportOptions) { o.Rename = map[string]string{"a": "b"} },
		OptionAbsentIsZero:     func(o *ImportOptions) { o.AbsentIsZero = true },
	}
	dir := t.TempDir()
	files := map[string]string{
		"csv":      "t,rps\n0,1\n5,2\n",
		"gym-hpa":  "date,frontend_num_pods,frontend_cpu_usage,frontend_traffic_in\n2022-01-01 00:00:00,1,2,8\n2022-01-01 00:00:05,1,2,8\n",
		"recorded": "",
		"prometheus": `{"endpoint_rps":{"status":"success","data":{"resultType":"matrix","result":[
			{"metric":{"endpoint":"a"},"values":[[5,"1"],[10,"1"]]}]}}}`,
		"locust": "Timestamp,Name,Requests/s,Failures/s\n100,a,1,0\n105,a,2,0\n110,a,2,0\n",
	}
	for _, imp := range Importers() {
		src := filepath.Join(dir, imp.Name)
		if imp.Name == "recorded" {
			src = "testdata/recorded"
		} else if err := os.WriteFile(src, []byte(files[imp.Name]), 0o666); err != nil {
			t.Fatal(err)
		}
		for _, name := range sortedKeys(set) {
			opt := ImportOptions{From: imp.Name}
			if imp.Name == "recorded" {
				opt.Point = "up"
			}
			set[name](&opt)
			_, err := Import(src, opt)
			known := false
			for _, o := range imp.Options {
				known = known || o == name
			}
			if known && err != nil {
				t.Errorf("%s with %s: %v", imp.Name, name, err)
			}
			if !known {
				wantErr(t, err, "option "+string(name)+" is not for this importer")
			}
		}
	}
	_, err := Import("x", ImportOptions{From: "cvs"})
	wantErr(t, err, `there is no importer "cvs"; did you mean "csv"?`)
	_, err = Import(filepath.Join(dir, "none"), ImportOptions{From: "csv"})
	wantErr(t, err, "no such file")
}

// trafficEnv names a directory of public traffic shapes as CSV, which are not in the repository.
const trafficEnv = "GRLSCALER_TRAFFIC"

// TestTrafficShapes imports every shape there and replays it.
func TestTrafficShapes(t *testing.T) {
	dir := os.Getenv(trafficEnv)
	if dir == "" {
		t.Skipf("set %s to a directory of CSV files with rates to import them all", trafficEnv)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.csv*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		opt := ImportOptions{From: "csv"}
		rec, err := Import(file, opt)
		if err == nil && len(rec.EndpointNames()) > 0 { // rates by service: the frontend's is the total
			opt.RateColumn = "frontend"
			rec, err = Import(file, opt)
		}
		if err != nil {
			t.Error(err)
			continue
		}
		out := filepath.Join(t.TempDir(), "rec")
		if err := Write(out, rec, WriteOptions{}); err != nil {
			t.Error(err)
			continue
		}
		again, err := Read(out)
		if err != nil {
			t.Error(err)
			continue
		}
		if d := sameRecording(rec, again); d != "" {
			t.Error(d)
		}
		l, err := LoadFromRecording(again, []string{"home", "cart"}, LoadOptions{Weights: []float64{3, 1}})
		if err != nil {
			t.Error(err)
			continue
		}
		s := Inspect(again)
		t.Logf("%s: %v every %v, mean %.1f, largest %.1f requests/s", filepath.Base(file), s.Duration, rec.Meta.Interval, s.Total.MeanRPS, s.Total.MaxRPS)
		if r := l.Requests(); r <= 0 || r < 0.999*s.Total.Requests || r > 1.001*s.Total.Requests {
			t.Errorf("%s: %v requests in the load, %v in the recording", file, r, s.Total.Requests)
		}
	}
}
