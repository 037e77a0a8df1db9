package trace

import (
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"io"
	"io/fs"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// rawRun is one run's raw rows, read without any code of the importer: column name -> text.
type rawRun struct {
	requests, seconds []map[string]string
	duration, warmUp  float64
}

func readRaw(t *testing.T, fsys fs.FS, file, point string) []map[string]string {
	t.Helper()
	data, err := fs.ReadFile(fsys, file)
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasSuffix(file, ".gz") {
		z, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		if data, err = io.ReadAll(z); err != nil {
			t.Fatal(err)
		}
	}
	all, err := csv.NewReader(bytes.NewReader(data)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var rows []map[string]string
	for _, rec := range all[1:] {
		row := map[string]string{}
		for i, v := range rec {
			row[all[0][i]] = v
		}
		if row["point"] == point {
			rows = append(rows, row)
		}
	}
	return rows
}

func num(t *testing.T, row map[string]string, col string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(row[col], 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// checkAgainstRaw compares every number of a recording with one found by brute force: requests are counted one by one, and
// the means over seconds are sums over steps of 10 ms, the resolution of the raw times, so that parts of seconds
// need no arithmetic.
func checkAgainstRaw(t *testing.T, rec *Recording, run rawRun, warmUp bool) {
	t.Helper()
	interval := rec.Meta.Interval.Seconds()
	from := 0.0
	if warmUp {
		from = -run.warmUp
	}
	steps := int(math.Floor((run.duration-from)/interval + 1e-9))
	type key struct {
		k    int
		name string
	}
	ends := map[key]EndpointRow{}
	for _, r := range rec.Endpoints {
		ends[key{int(r.At / rec.Meta.Interval), r.Endpoint}] = r
	}
	servs := map[key]ServiceRow{}
	for _, r := range rec.Services {
		servs[key{int(r.At / rec.Meta.Interval), r.Service}] = r
	}
	near := func(what string, k int, name string, got, want, tol float64) {
		t.Helper()
		if Has(got) != Has(want) || math.Abs(got-want) > tol+1e-9 {
			t.Errorf("interval %d, %s: %s = %v, want %v", k, name, what, got, want)
		}
	}
	inside := 0
	for k := range steps {
		a := from + float64(k)*interval
		b := a + interval
		lat := map[string][]float64{}
		bad := map[string]float64{}
		for _, r := range run.requests {
			if at := num(t, r, "t_s"); tick(at) < tick(a) || tick(at) >= tick(b) {
				continue
			}
			inside++
			for _, n := range []string{r["endpoint"], "all"} {
				lat[n] = append(lat[n], num(t, r, "latency_ms"))
				if num(t, r, "status") >= 400 {
					bad[n]++
				}
			}
		}
		for id, row := range ends {
			if id.k != k {
				continue
			}
			l := lat[id.name]
			near("rps", k, id.name, row.RPS, float64(len(l))/interval, 1e-6)
			near("p50", k, id.name, row.P50Ms, bruteQuantile(l, 50), 5e-4)
			near("p95", k, id.name, row.P95Ms, bruteQuantile(l, 95), 5e-4)
			near("p99", k, id.name, row.P99Ms, bruteQuantile(l, 99), 5e-4)
			near("mean", k, id.name, row.MeanMs, bruteMean(l), 5e-4)
			if len(l) > 0 {
				near("error_rate", k, id.name, row.ErrorRate, bad[id.name]/float64(len(l)), 1e-6)
			}
			delete(lat, id.name)
		}
		near("p95 of all", k, "frontend", servs[key{k, "frontend"}].P95Ms, bruteQuantile(lat["all"], 95), 5e-4)
		delete(lat, "all")
		if len(lat) > 0 {
			t.Errorf("interval %d: no rows for %v", k, lat)
		}
		for id, row := range servs {
			if id.k == k {
				checkServiceRow(t, run, row, a, b, func(what string, got, want, tol float64) { t.Helper(); near(what, k, id.name, got, want, tol) })
			}
		}
	}
	if got := len(ends) + len(servs); got != steps*(len(rec.EndpointNames())+len(rec.ServiceNames())) {
		t.Errorf("%d rows for %d intervals", got, steps)
	}
	var requests float64
	for _, r := range rec.Endpoints {
		requests += r.RPS * interval
	}
	near("requests", -1, "all", requests, float64(inside), 1e-3)
}

// tick counts in 0.1 ms, the resolution of the requests' times, so that 27 * 0.2 is 5.4.
func tick(s float64) int { return int(math.Round(s * 1e4)) }

// bruteQuantile is the smallest latency that at least p percent of them do not exceed.
func bruteQuantile(l []float64, p int) float64 {
	best := math.NaN()
	for _, v := range l {
		n := 0
		for _, w := range l {
			if w <= v {
				n++
			}
		}
		if 100*n >= p*len(l) && !(v >= best) {
			best = v
		}
	}
	return best
}

// bruteMean is the mean of latencies; not a number without any.
func bruteMean(l []float64) float64 {
	sum := 0.0
	for _, v := range l {
		sum += v
	}
	return sum / float64(len(l))
}

func checkServiceRow(t *testing.T, run rawRun, row ServiceRow, a, b float64, near func(what string, got, want, tol float64)) {
	t.Helper()
	const slot = 0.01
	var cpu, mem, started, done, failed, latency, periods, throttled float64
	covered := map[int]bool{}
	last, replicas, ready := math.Inf(-1), 0.0, 0.0
	for _, s := range run.seconds {
		end := num(t, s, "t_s")
		if end-1 >= b || end <= a {
			continue
		}
		ours := s["service"] == row.Service
		for i := range 100 {
			mid := end - 1 + (float64(i)+0.5)*slot
			if mid < a || mid >= b {
				continue
			}
			covered[int(math.Round((mid-a)/slot-0.5))] = true
			if !ours {
				continue
			}
			mem += slot * num(t, s, "mem_mib")
			started += slot * num(t, s, "started")
			done += slot * num(t, s, "done")
			failed += slot * num(t, s, "errors")
			latency += slot * num(t, s, "done") * num(t, s, "lat_mean_ms")
			if num(t, s, "nr_periods") <= 11 {
				cpu += slot * num(t, s, "cpu_m")
				periods += slot * num(t, s, "nr_periods")
				throttled += slot * num(t, s, "nr_throttled")
			}
		}
		if end > b || end < last {
			continue
		}
		if end > last {
			last, replicas, ready = end, 0, 0
		}
		if ours && s["state"] == "active" {
			ready++
		}
		if ours && (s["state"] == "active" || s["state"] == "starting") {
			replicas++
		}
	}
	if math.IsInf(last, -1) { // no second ends in an interval this short
		replicas, ready = math.NaN(), math.NaN()
	}
	length := float64(len(covered)) * slot
	near("cpu_m", row.CPUMillis, cpu/length, 5e-3)
	near("mem_mib", row.MemMiB, mem/length, 5e-3)
	near("replicas", row.Replicas, replicas, 0)
	near("ready", row.Ready, ready, 0)
	near("throttled", row.Throttled, throttled/periods, 5e-5)
	if row.Service == "redis" {
		near("rps", row.RPS, math.NaN(), 0)
		return
	}
	near("rps", row.RPS, started/length, 5e-4)
	near("error_rate", row.ErrorRate, failed/done, 5e-7)
	if row.Service != "frontend" { // its latency is that of the requests
		near("mean_ms", row.MeanMs, latency/done, 5e-4)
	}
}

func loadRaw(t *testing.T, fsys fs.FS, point string) rawRun {
	p := readRaw(t, fsys, "transient_points.csv", point)
	if len(p) != 1 {
		t.Fatalf("%d runs %q", len(p), point)
	}
	return rawRun{
		requests: readRaw(t, fsys, "transient_requests.csv.gz", point), seconds: readRaw(t, fsys, "transient_replicas_1s.csv.gz", point),
		duration: num(t, p[0], "duration_s"), warmUp: num(t, p[0], "warmup_s"),
	}
}

func TestRecordedAgainstRaw(t *testing.T) {
	fsys := os.DirFS("testdata/recorded")
	for _, point := range []string{"up", "drain", "parked"} {
		run := loadRaw(t, fsys, point)
		for _, opt := range []ImportOptions{{}, {Interval: 2 * time.Second}, {Interval: 1500 * time.Millisecond, WarmUp: true}, {Interval: 200 * time.Millisecond}} {
			opt.Point = point
			rec, err := ImportRecorded(fsys, opt)
			if err != nil {
				t.Fatalf("%s %v: %v", point, opt.Interval, err)
			}
			checkAgainstRaw(t, rec, run, opt.WarmUp)
		}
	}
}

// rawEnv names the directory of the whole raw files, which are not in the repository.
const rawEnv = "GRLSCALER_RECORDED"

func TestRecordedAgainstWholeRaw(t *testing.T) {
	dir := os.Getenv(rawEnv)
	if dir == "" {
		t.Skipf("set %s to the directory of the raw files to check all of them", rawEnv)
	}
	fsys := os.DirFS(dir)
	points, err := RecordedPoints(fsys)
	if err != nil {
		t.Fatal(err)
	}
	for _, point := range points {
		if len(readRaw(t, fsys, "transient_points.csv", point)) == 0 {
			continue // a steady run: the same code, and too many to check by brute force
		}
		rec, err := ImportRecorded(fsys, ImportOptions{Point: point})
		if err != nil {
			t.Fatal(err)
		}
		checkAgainstRaw(t, rec, loadRaw(t, fsys, point), false)
	}
}

// handRun is a run small enough to do by hand: 4 s after 1 s of warm-up, seconds that end at x.5, two replicas of web
// of which b starts at 2 s in a cgroup with a past, and five requests.
func handRun() fstest.MapFS {
	return fstest.MapFS{
		"transient_points.csv": {Data: []byte("point,kind,quota_scale,warmup_s,duration_s,idle_frac_mean,quota_m_web\nhand,transient,0.50,1,4.3,0.099,100\n")},
		"transient_requests.csv": {Data: []byte(`point,t_s,seq,endpoint,latency_ms,status
hand,-0.5,1,home,9,200
hand,0,2,home,10,200
hand,1.9999,3,home,30,500
other,1,3,home,30,500
hand,2,4,cart,7,302
hand,0.5,5,home,20,399
hand,4.1,6,cart,8,200
`)},
		"transient_replicas_1s.csv": {Data: []byte(`point,t_s,service,replica,state,cpu_m,mem_mib,nr_periods,nr_throttled,started,done,errors,lat_mean_ms
hand,-0.5,web,a,active,90,10,10,5,1,1,0,99
hand,0.5,web,a,active,10,20,10,0,2,2,0,10
hand,1.5,web,a,active,20,20,10,2,2,2,1,20
hand,2.5,web,a,active,40,20,10,4,4,4,0,30
hand,2.5,web,b,starting,5000,30,300,200,0,0,0,0
hand,3.5,web,a,draining,40,20,8,4,4,4,0,15
hand,3.5,web,b,active,60,30,2,1,0,0,0,0
hand,4.5,web,b,active,80,30,10,0,6,6,6,7
`)},
		"transient_system_1s.csv": {Data: []byte(`point,t_s,busy_cores
hand,-0.5,2
hand,0.5,1
hand,1.5,0.5
hand,2.5,0.25
other,2.5,2
hand,3.5,0.75
hand,4.5,2
`)},
		"transient_calls_raw.csv": {Data: []byte(`point,t_s,seq,service,latency_ms
hand,-0.1,2,web,99
hand,0.1,2,web,11
other,0.2,2,web,99
hand,1.9,2,web,22
hand,4.2,2,web,99
`)},
	}
}

func TestRecordedByHand(t *testing.T) {
	rec, err := ImportRecorded(handRun(), ImportOptions{Point: "hand", Interval: 2 * time.Second, Source: "s", Licence: "l"})
	if err != nil {
		t.Fatal(err)
	}
	no := NoValue()
	s := time.Second
	want := &Recording{
		Meta: Meta{
			Application: "online_boutique", Interval: 2 * s, Source: "s", Licence: "l", CPULimitMillis: map[string]float64{"web": 100}, Contended: true,
			Notes: []string{
				"CPU limits are 0.50 times the official ones.",
				"t = 0 is the start of the run; its warm-up of 1 s is left out.",
				"4 of 6 requests started in the intervals kept.",
				"The last 0.3 s, less than an interval, are left out.",
				"Other work shared the machine, which was idle 9.9 % of the time: latencies are in part its doing.",
				"CPU and throttling of 1 replica-seconds are left out: their counters hold more than one second (first second of a replica in a cgroup used before).",
				"Percentiles are by nearest rank; the 99th of few requests is their maximum.",
				"Requests are what reached the frontend: within one task of the load generator a request waits for the one before it.",
			},
		},
		Endpoints: []EndpointRow{
			{0, "cart", 0, no, no, no, no, no},
			{0, "home", 1.5, 20, 30, 30, 0.333333, 20}, // 10, 20, 30 ms in 2 s; status 399 is none of an error's
			{2 * s, "cart", 0.5, 7, 7, 7, 0, 7},
			{2 * s, "home", 0, no, no, no, no, no},
		},
		Services: []ServiceRow{
			// 0-2 s: half of the second to 0.5, all of that to 1.5, half of that to 2.5: cpu (5+20+20)/2; memory of b for half a
			// second: (10+20+10+15)/2; calls (1+2+2)/2; failed 1 of 5; periods 5+10+5, throttled 0+2+2. The last second that
			// ends inside ends at 1.5: one replica. Mean of 1 call of 10 ms, 2 of 20 ms, 2 of 30 ms; percentiles of the calls
			// of 11 and 22 ms that started inside.
			{0, "web", 1, 1, 22.5, 27.5, 2.5, 11, 22, 22, 0.2, no, no, 0.2, 22},
			// 2-4 s: cpu (20 + 40+60 + 40)/2; memory (10+15 + 20+30 + 15)/2; calls (2+4+3)/2; failed 3 of 9; throttled 2+4+1+0
			// of 5+8+2+5. At 3.5 s a drains, b is active. Mean of 2 calls of 30 ms, 4 of 15 ms and 3 of 7 ms; none started.
			{2 * s, "web", 1, 1, 80, 45, 4.5, no, no, no, 0.333333, no, no, 0.35, 15.667},
		},
		Nodes: []NodeRow{
			{0, "machine", "", 2000, 24576, 562.5, no},     // half a second of 1 core, one of 0.5, half of 0.25
			{2 * s, "machine", "", 2000, 24576, 937.5, no}, // half of 0.25, 0.75, half of 2
		},
	}
	if d := cmp.Diff(want, rec, cmpopts.EquateNaNs()); d != "" {
		t.Error(d)
	}
}

func TestMatchRecorded(t *testing.T) {
	fsys := handRun()
	fsys["grid_points.csv"] = &fstest.MapFile{Data: []byte("point,kind,quota_scale,warmup_s,duration_s,idle_frac_mean\ng1,steady,1,6,60,0\ng2r,steady,1,6,60,0.5\n")}
	for pattern, want := range map[string]string{
		"*":   "hand g1 g2r",
		"g*":  "g1 g2r",
		"g?":  "g1",
		"x*":  `no run matches "x*"; there are hand, g1, g2r`,
		"g[1": `"g[1" is not a pattern: syntax error in pattern; write one like g*`,
	} {
		names, err := MatchRecorded(fsys, pattern)
		got := strings.Join(names, " ")
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", pattern, got, want)
		}
	}
}

func TestRecordedRefuses(t *testing.T) {
	change := func(file, from, to string) fstest.MapFS {
		fsys := handRun()
		text := string(fsys[file].Data)
		if !strings.Contains(text, from) {
			t.Fatalf("%s does not hold %q", file, from)
		}
		fsys[file] = &fstest.MapFile{Data: []byte(strings.Replace(text, from, to, 1))}
		return fsys
	}
	points, requests, seconds := "transient_points.csv", "transient_requests.csv", "transient_replicas_1s.csv"
	for _, c := range []struct {
		name string
		fsys fstest.MapFS
		opt  ImportOptions
		want string
	}{
		{"no files", fstest.MapFS{}, ImportOptions{Point: "hand"}, `there is no transient_points.csv: file does not exist`},
		{"no point named", handRun(), ImportOptions{}, `no run was named; there are hand`},
		{"no such point", handRun(), ImportOptions{Point: "hans"}, `there is no run "hans"; did you mean "hand"?`},
		{"long interval", handRun(), ImportOptions{Point: "hand", Interval: time.Minute}, `an interval of 1m0s is longer than the run of 4.3s; give a shorter one`},
		{"column gone", change(points, "warmup_s", "warm"), ImportOptions{Point: "hand"},
			`transient_points.csv:1: warmup_s: the column is missing; give the raw files as they were recorded`},
		{"fields", change(requests, "9,200\n", "9\n"), ImportOptions{Point: "hand"},
			`transient_requests.csv:2: another number of fields than the header; give the raw files as they were recorded`},
		{"no number", change(requests, "30,500", "slow,500"), ImportOptions{Point: "hand"},
			`transient_requests.csv:4: latency_ms: "slow" is not a number; write a plain decimal number such as 12.5, without unit or spaces`},
		{"negative", change(seconds, "10,20,10", "-10,20,10"), ImportOptions{Point: "hand"}, `transient_replicas_1s.csv:3: cpu_m: -10 is negative`},
		{"shares", change(seconds, "10,0,2,2,0", "10,11,2,2,3"), ImportOptions{Point: "hand"},
			`transient_replicas_1s.csv:3: 11 of 10 periods throttled, 3 of 2 calls failed; give the raw files as they were recorded`},
		{"time", change(seconds, "4.5,web", "4e9,web"), ImportOptions{Point: "hand"},
			`transient_replicas_1s.csv:9: t_s: 4e+09 s is out of range; times are in seconds from the run's start`},
		{"machine", change("transient_system_1s.csv", "0.5,1\n", "0.5,-1\n"), ImportOptions{Point: "hand"}, `transient_system_1s.csv:3: busy_cores: -1 is negative`},
		{"call", change("transient_calls_raw.csv", "web,11", "web,-11"), ImportOptions{Point: "hand"}, `transient_calls_raw.csv:3: latency_ms: -11 is negative`},
		{"name", change(requests, "cart,7", ",7"), ImportOptions{Point: "hand"}, `transient_requests.csv:6: endpoint: "" is empty`},
		{"run of no length", change(points, "1,4.3", "1,0"), ImportOptions{Point: "hand"}, `transient_points.csv:2: duration_s: a run of 0s after 1s`},
	} {
		_, err := ImportRecorded(c.fsys, c.opt)
		if err == nil || err.Error() != c.want {
			t.Errorf("%s: got\n%v\nwant\n%s", c.name, err, c.want)
		}
	}
}
