package trace

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const gymHeader = "date,redis-leader_num_pods,redis-leader_desired_replicas,redis-leader_cpu_usage,redis-leader_mem_usage,redis-leader_traffic_in," +
	"redis-leader_traffic_out,redis-leader_latency,redis-follower_num_pods,redis-follower_desired_replicas,redis-follower_cpu_usage," +
	"redis-follower_mem_usage,redis-follower_traffic_in,redis-follower_traffic_out,redis-follower_latency\n"

// Two rows of Redis, the second older than the first, as where files of two runs were put together.
const gymBody = "2022-05-04 10:00:00,1,2,100,30,5,6,1.25,8,9,20,3,7,8,1.25\n2022-05-03 10:00:00,2,2,200.5,31,0,6,0,1,1,21,3,7,8,0\n"

// The file is the same with a header, without one (gym-hpa writes none), gzipped, and with columns in another order.
func TestReadGymTable(t *testing.T) {
	want := [][]GymSample{
		{{1, 100, 30, 5, 6, 1.25}, {8, 20, 3, 7, 8, 1.25}},
		{{2, 200.5, 31, 0, 6, 0}, {1, 21, 3, 7, 8, 0}},
	}
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		return path
	}
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	if _, err := z.Write([]byte(gymHeader + gymBody)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{
		"header": write("a.csv", gymHeader+gymBody), "no header": write("b.csv", gymBody), "mark": write("c.csv", "\ufeff"+gymBody),
		"row numbers": write("d.csv", "Unnamed: 0,"+gymHeader+"0,"+strings.Replace(gymBody, "\n", "\n1,", 1)), "gzip": write("e.csv.gz", zipped.String()),
	} {
		got, err := ReadGymTable(path)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if d := cmp.Diff(&GymTable{File: path, Services: []string{"leader", "follower"}, Rows: want}, got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	other, err := readGymTable(strings.NewReader("b_num_pods,b_cpu_usage,b_latency,b_mem_usage,b_traffic_out,b_traffic_in\n3,1,2,4,5,6\n"), "obs.csv")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([][]GymSample{{{3, 1, 4, 6, 5, 2}}}, other.Rows); d != "" {
		t.Error(d)
	}
}

// A file without a header is imported as well.
func TestImportGymHPAWithoutHeader(t *testing.T) {
	body := "2022-05-04 10:00:00,1,2,100,30,5,6,1.25,8,9,20,3,7,8,1.25\n2022-05-04 10:00:05,2,2,200,31,0,6,0,1,1,21,3,7,8,0\n"
	with, err := ImportGymHPA(strings.NewReader(gymHeader+body), "obs.csv", ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	without, err := ImportGymHPA(strings.NewReader(body), "obs.csv", ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if d := sameRecording(with, without); d != "" || len(with.Services) != 4 {
		t.Errorf("%d rows: %s", len(with.Services), d)
	}
	_, err = ImportGymHPA(strings.NewReader(body+"2022-05-04 10:00:10,x,2,200,31,0,6,0,1,1,21,3,7,8,0\n"), "obs.csv", ImportOptions{})
	wantErr(t, err, `obs.csv:3: redis-leader_num_pods: "x" is not a number`)
	_, err = ImportGymHPA(strings.NewReader(strings.Replace(body, ",100,", ",-100,", 1)), "obs.csv", ImportOptions{})
	wantErr(t, err, `obs.csv:1: redis-leader_cpu_usage: -100 is negative`)
}

// Each mistake is one line with file, line, column, cause and cure.
func TestReadGymTableRefuses(t *testing.T) {
	row := func(change ...string) string { return gymHeader + strings.NewReplacer(change...).Replace(gymBody) }
	for _, tc := range []struct{ name, text, want string }{
		{"empty", "", "obs.csv: is empty; give a file with a header line"},
		{"no rows", gymHeader, "obs.csv: has a header but no rows; give a file with rows"},
		{"a column", "date,web_num_pods,web_cpu_usage,web_mem_usage,web_traffic_in,web_latency\n",
			"obs.csv:1: web_traffic_out: the column is missing; export it too: a row shows all that gym-hpa observes"},
		{"a required column", "date,web_num_pods,web_mem_usage,web_traffic_in,web_traffic_out,web_latency\n", "obs.csv:1: web_cpu_usage: the column is missing; export it too"},
		{"another table", "t,rps\n0,1\n", `obs.csv:1: unknown column "rps"; columns are date and <service>_num_pods, _desired_replicas, _cpu_usage, _mem_usage, _traffic_in, _traffic_out, _latency`},
		{"rows of another width", strings.Replace(gymBody, ",1.25\n", "\n", 1), "obs.csv:1: there is no header, and 14 fields are not the 78 or 15 that gym-hpa writes; add a header line: date and <service>_num_pods, "},
		{"fields", gymHeader + "2022-05-04 10:00:00,1\n", "obs.csv:2: 2 fields where there are 15 columns; give each column a field"},
		{"text", row("200.5", "much"), `obs.csv:3: redis-leader_cpu_usage: "much" is not a number; write a plain decimal number such as 12.5, without unit or spaces`},
		{"an empty cell", row("200.5", ""), `obs.csv:3: redis-leader_cpu_usage: "" is not a number`},
		{"NaN", row("200.5", "nan"), `obs.csv:3: redis-leader_cpu_usage: "nan" is not a number`},
		{"negative", row("200.5", "-1"), "obs.csv:3: redis-leader_cpu_usage: -1 is negative; give a number from 0 up, or remove the row"},
		{"huge", row("200.5", "1e300"), "obs.csv:3: redis-leader_cpu_usage: 1e+300 is too large to be meant; check the unit"},
		{"half a pod", row("00,2,2,", "00,2.5,2,"), "obs.csv:3: redis-leader_num_pods: 2.5 is not a whole number; replicas are counted"},
		{"no pod", row("00,2,2,", "00,0,2,"), "obs.csv:3: redis-leader_num_pods: 0 replicas; gym-hpa has 1 to 8 replicas: remove the row"},
		{"nine pods", row("00,2,2,", "00,9,2,"), "obs.csv:3: redis-leader_num_pods: 9 replicas; gym-hpa has 1 to 8 replicas: remove the row"},
		{"a quotation mark", gymHeader + "\"2022,1\n", "obs.csv:2: a quotation mark that does not close; names need no quotation marks"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := readGymTable(strings.NewReader(tc.text), "obs.csv")
			if err == nil {
				t.Fatal("accepted")
			}
			first, _, _ := strings.Cut(err.Error(), "\n")
			if !strings.HasPrefix(first, tc.want) {
				t.Errorf("got  %s\nwant %s", err, tc.want)
			}
		})
	}
	if _, err := ReadGymTable("nowhere.csv"); err == nil || !strings.Contains(err.Error(), "reading rows of gym-hpa: open nowhere.csv") {
		t.Error(err)
	}
	if _, err := ReadGymTable("testdata/gymhpa/online_boutique.csv"); err != nil {
		t.Error(err)
	}
}

// Whatever the file: an error of one line for each mistake, or rows that can be drawn from.
func FuzzReadGymTable(f *testing.F) {
	f.Add([]byte(gymHeader + gymBody))
	f.Add([]byte(gymBody))
	f.Add([]byte("b_num_pods,b_cpu_usage,b_latency,b_mem_usage,b_traffic_out,b_traffic_in\n3,1,2,4,5,6\n"))
	data, err := os.ReadFile("testdata/gymhpa/online_boutique.csv")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		table, err := readGymTable(bytes.NewReader(data), "obs.csv")
		if err != nil {
			oneErrorPerLine(t, err)
			return
		}
		if len(table.Rows) == 0 || len(table.Services) == 0 {
			t.Fatalf("%d rows of %d services", len(table.Rows), len(table.Services))
		}
		for _, row := range table.Rows {
			if len(row) != len(table.Services) {
				t.Fatalf("%d of %d services", len(row), len(table.Services))
			}
			for _, x := range row {
				if x.Pods < 1 || x.Pods > gymMaxPods {
					t.Fatalf("%d replicas", x.Pods)
				}
				for _, v := range []float64{x.CPUMillis, x.MemMiB, x.TrafficIn, x.TrafficOut, x.LatencyMs} {
					if !(v >= 0 && v <= maxGymNumber) {
						t.Fatalf("number %v", v)
					}
				}
			}
		}
	})
}
