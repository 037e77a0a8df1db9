package trace

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// TestImportGymHPAOnlineBoutique imports a made-up file with gym-hpa's 78 columns for its eleven services. For
// service i (from 0) and row k its numbers are: CPU 10(i+1)+k, memory 100+i+k, traffic 20(i+1)+k and 30(i+1)+k, pods
// 1+(i+k)%3.
func TestImportGymHPAOnlineBoutique(t *testing.T) {
	rec, err := Import("testdata/gymhpa/online_boutique.csv", ImportOptions{From: "gym-hpa"})
	if err != nil {
		t.Fatal(err)
	}
	if m := rec.Meta; m.Application != "online_boutique" || m.Interval != 5*time.Second || !m.Start.Equal(time.Date(2022, 5, 4, 10, 0, 0, 0, time.UTC)) || m.Gaps {
		t.Errorf("%+v", m)
	}
	names := []string{"recommendation", "productcatalog", "cart", "ad", "payment", "shipping", "currency", "redis", "checkout", "frontend", "email"}
	if !slices.Equal(rec.ServiceNames(), names) {
		t.Errorf("services %v", rec.ServiceNames())
	}
	if len(rec.Endpoints) != 0 || Inspect(rec).Replayable {
		t.Error("rates out of nothing")
	}
	_, err = LoadFromRecording(rec, []string{"home"}, LoadOptions{})
	wantErr(t, err, "cannot be replayed")
	no := NoValue()
	for n, row := range rec.Services {
		k, i := n/len(names), n%len(names)
		f := func(v int) float64 { return float64(v) }
		want := ServiceRow{time.Duration(k) * 5 * time.Second, names[i], f(1 + (i+k)%3), no, f(10*(i+1) + k), f(100 + i + k), no, no, no, no, no,
			f(20*(i+1) + k), f(30*(i+1) + k), no, no}
		if d := cmp.Diff(want, row, cmpopts.EquateNaNs()); d != "" {
			t.Error(d)
		}
	}
	if len(rec.Services) != 4*len(names) {
		t.Errorf("%d rows", len(rec.Services))
	}
	// What is assumed and left out is said, and stays with the recording.
	all := strings.Join(rec.Meta.Notes, "\n")
	for _, part := range []string{"millicores", "counts twice", "memory as the rate of change", "latency was left out", "desired_replicas",
		"calls it kbit/s", "cannot be replayed", "taken as UTC"} {
		if !strings.Contains(all, part) {
			t.Errorf("no note says %q", part)
		}
	}
}

// TestImportGymHPARedis imports steps of a training run, irregular in time, with an estimate of the rate.
func TestImportGymHPARedis(t *testing.T) {
	text := "Unnamed: 0,date,redis-leader_num_pods,redis-leader_cpu_usage,redis-leader_traffic_in,redis-leader_cpu_limit," +
		"redis-follower_num_pods,redis-follower_cpu_usage,redis-follower_traffic_in\n" +
		"0,2022-05-04 10:00:00,1,100,40,500,2,10,1\n" +
		"1,2022-05-04 10:00:04,2,200,60,500,3,20,3\n" + // the same 10 s: means, and the last number of pods
		"2,2022-05-04 10:00:04,,300,,500,,30,\n" +
		"3,2022-05-04 10:00:31,3,400,10,500,1,40,2\n" // 10 to 29 s: a gap
	opt := ImportOptions{Interval: 10 * time.Second, AllowGaps: true, KbitPerRequest: 5, TrafficUnit: TrafficKbyte, Licence: "none known"}
	rec, err := ImportGymHPA(strings.NewReader(text), "obs.csv", opt)
	if err != nil {
		t.Fatal(err)
	}
	no := NoValue()
	s := time.Second
	want := &Recording{
		Meta: Meta{Application: "redis", Interval: 10 * s, Start: time.Date(2022, 5, 4, 10, 0, 0, 0, time.UTC),
			Source: "imported from gym-hpa's obs.csv", Licence: "none known", Gaps: true},
		Services: []ServiceRow{
			{0, "leader", 2, no, 200, no, no, no, no, no, no, 400, no, no, no}, // (40+60)/2 kB/s
			{0, "follower", 3, no, 20, no, no, no, no, no, no, 16, no, no, no},
			{30 * s, "leader", 3, no, 400, no, no, no, no, no, no, 80, no, no, no},
			{30 * s, "follower", 1, no, 40, no, no, no, no, no, no, 16, no, no, no},
		},
		Endpoints: []EndpointRow{{0, "all", 80, no, no, no, no, no}, {30 * s, "all", 16, no, no, no, no, no}},
	}
	notes := strings.Join(rec.Meta.Notes, "\n")
	rec.Meta.Notes = nil
	if d := cmp.Diff(want, rec, cmpopts.EquateNaNs()); d != "" {
		t.Error(d)
	}
	for _, part := range []string{"multiplied by 8", "rps is an estimate: traffic received by leader over 5 kbit per request",
		"4 rows of the source were averaged into 2 intervals of 10 s", "2 of 4 intervals have no rows"} {
		if !strings.Contains(notes, part) {
			t.Errorf("no note says %q", part)
		}
	}
	if strings.Contains(notes, "cannot be replayed") {
		t.Error("a rate was estimated, and a note denies it")
	}
}

func TestImportGymHPAOtherApplication(t *testing.T) {
	text := "date,web_num_pods,web_cpu_usage\n2022-05-04 10:00:00,1,100\n2022-05-04 10:00:05,1,100\n"
	rec, err := ImportGymHPA(strings.NewReader(text), "obs.csv", ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if rec.Meta.Application != AnyApplication || rec.Services[0].Service != "web" {
		t.Errorf("%+v", rec)
	}
	for _, k := range []float64{-1, NoValue()} {
		_, err := ImportGymHPA(strings.NewReader(text), "obs.csv", ImportOptions{KbitPerRequest: k})
		wantErr(t, err, "kbit per request is not a number from 0")
	}
}

// TestServiceNames: the table is one to one within an application.
func TestServiceNames(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range ServiceNames() {
		name, app := renamed(s.Kubernetes)
		if name != s.Name || app == "" || seen[s.Kubernetes] || seen["name "+s.Name] {
			t.Errorf("%+v: %q of %q", s, name, app)
		}
		seen[s.Kubernetes], seen["name "+s.Name] = true, true
	}
	if name, app := renamed("web"); name != "web" || app != "" {
		t.Errorf("web is %s of %q", name, app)
	}
}
