package trace

import (
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

// shippedDir is where the recordings are that come with the repository.
const shippedDir = "../../testdata/recordings"

// shipped lists them with the options other than the point's name that made them. The steady grid comes on top: see gridDir.
var shipped = []struct {
	name     string
	interval time.Duration
}{
	{"h_rushsale", 0},
	{"s_startup_q0.3", 2 * time.Second},
	{"s_startup_q1.0", 2 * time.Second},
	{"t1_step_frontend", 0},
	{"t2_step_currency", 0},
	{"t4_jvm_python_cold", 0},
	{"t5_loss_and_return", 0},
	{"t6_step_official_limits", 0},
}

// gridDir holds one recording for each run at constant load, of one row for its whole minute, so that percentiles
// are those of all its requests.
const gridDir = "grid"

const gridInterval = time.Minute

// TestGridIsImported makes the grid again from the raw files and compares. With -update it writes it.
func TestGridIsImported(t *testing.T) {
	raw := os.Getenv(rawEnv)
	if raw == "" {
		t.Skipf("set %s to the directory of the raw files to make the shipped grid again", rawEnv)
	}
	points, err := MatchRecorded(os.DirFS(raw), "g*")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range points {
		compareShipped(t, raw, filepath.Join(shippedDir, gridDir, p), ImportOptions{From: "recorded", Point: p, Interval: gridInterval})
	}
}

// TestGrid checks what every recording of the grid must hold.
func TestGrid(t *testing.T) {
	dirs, err := Find(filepath.Join(shippedDir, gridDir))
	if err != nil {
		t.Fatal(err)
	}
	contended, withCalls := 0, 0
	for _, dir := range dirs {
		checkShipped(t, dir)
		rec, err := Read(dir)
		if err != nil {
			t.Fatal(err)
		}
		if rec.Duration() != gridInterval || len(rec.Services) != 11 {
			t.Errorf("%s: %v, %d rows of services", dir, rec.Duration(), len(rec.Services))
		}
		if rec.Meta.Contended {
			contended++
		}
		for _, r := range rec.Services {
			if r.Service != "redis" && !(r.MeanMs > 0 && r.RPS > 0) {
				t.Errorf("%s: %s has mean latency %v at %v calls/s", dir, r.Service, r.MeanMs, r.RPS)
			}
			if r.Service == "currency" && Has(r.P95Ms) {
				withCalls++
			}
		}
	}
	// 36 runs, 21 of them on a machine with other work, and calls kept one by one for 12.
	if len(dirs) != 36 || contended != 21 || withCalls != 12 {
		t.Errorf("%d runs, %d contended, %d with calls", len(dirs), contended, withCalls)
	}
}

// TestShippedAreImported makes every shipped recording again from the raw files and compares. With -update it
// writes them.
func TestShippedAreImported(t *testing.T) {
	raw := os.Getenv(rawEnv)
	if raw == "" {
		t.Skipf("set %s to the directory of the raw files to make the shipped recordings again", rawEnv)
	}
	for _, s := range shipped {
		compareShipped(t, raw, filepath.Join(shippedDir, s.name), ImportOptions{From: "recorded", Point: s.name, Interval: s.interval})
	}
}

func compareShipped(t *testing.T, raw, dir string, opt ImportOptions) {
	t.Helper()
	rec, err := Import(raw, opt)
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := Write(dir, rec, WriteOptions{Replace: true}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(rec, got, cmpopts.EquateNaNs()); d != "" {
		t.Errorf("%s: -imported +shipped\n%s", dir, d)
	}
}

// TestShipped checks what every shipped recording must hold, and that README.md and the list above know them all.
func TestShipped(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join(shippedDir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(shippedDir)
	if err != nil {
		t.Fatal(err)
	}
	var bytes int64
	var names []string
	for _, e := range entries {
		if !e.IsDir() || e.Name() == gridDir {
			continue
		}
		names = append(names, e.Name())
		t.Run(e.Name(), func(t *testing.T) { checkShipped(t, filepath.Join(shippedDir, e.Name())) })
		if !strings.Contains(string(readme), "`"+e.Name()+"`") {
			t.Errorf("README.md does not mention %s", e.Name())
		}
	}
	var want []string
	for _, s := range shipped {
		want = append(want, s.name)
	}
	if !slices.Equal(names, want) {
		t.Errorf("there are %v, listed are %v", names, want)
	}
	if err := filepath.Walk(shippedDir, func(_ string, info os.FileInfo, err error) error {
		bytes += info.Size()
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if bytes > 2<<20 {
		t.Errorf("the recordings take %d bytes", bytes)
	}
}

func checkShipped(t *testing.T, dir string) {
	rep := Validate(dir, ReadOptions{})
	if len(rep.Findings) > 0 {
		t.Errorf("findings: %v", rep.Findings)
	}
	rec, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	endpoints := []string{"home", "product", "cart_view", "cart_add", "set_currency", "checkout"}
	load, err := LoadFromRecording(rec, endpoints, LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(load.Warnings) > 0 || load.Duration() != rec.Duration() {
		t.Errorf("load of %v with warnings %q", load.Duration(), load.Warnings)
	}
	var services []string
	for _, s := range ServiceNames()[:11] {
		services = append(services, s.Name)
	}
	slices.Sort(services)
	if d := cmp.Diff(services, rec.ServiceNames()); d != "" {
		t.Error(d)
	}
	// The frontend receives every request once, counted at another place and by the second.
	var frontend, other float64
	for _, r := range rec.Services {
		if r.Service == "frontend" {
			frontend += r.RPS * rec.Meta.Interval.Seconds()
		} else if !Has(r.CPUMillis) || !Has(r.MemMiB) {
			t.Errorf("%s at %v: no CPU or memory", r.Service, r.At)
		}
		// A replica uses no more than its limit, give or take a period at either end of the interval.
		if most := r.Replicas*rec.Meta.CPULimitMillis[r.Service]*1.1 + 30; r.CPUMillis > most {
			t.Errorf("%s at %v: %v millicores of %v", r.Service, r.At, r.CPUMillis, most)
		}
		other += r.CPUMillis
	}
	if math.Abs(frontend-load.Requests()) > 0.01*load.Requests()+3 {
		t.Errorf("%v requests at the frontend, %v by endpoint", frontend, load.Requests())
	}
	if other == 0 {
		t.Error("no CPU used")
	}
}
