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

// shipped lists them with the options other than the point's name that made them.
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

// TestShippedAreImported makes every shipped recording again from the raw files and compares. With -update it
// writes them.
func TestShippedAreImported(t *testing.T) {
	raw := os.Getenv(rawEnv)
	if raw == "" {
		t.Skipf("set %s to the directory of the raw files to make the shipped recordings again", rawEnv)
	}
	for _, s := range shipped {
		rec, err := Import(raw, ImportOptions{From: "recorded", Point: s.name, Interval: s.interval})
		if err != nil {
			t.Fatal(err)
		}
		dir := filepath.Join(shippedDir, s.name)
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
			t.Errorf("%s: -imported +shipped\n%s", s.name, d)
		}
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
		if !e.IsDir() {
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
