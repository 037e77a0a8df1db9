package tune

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/grlscaler/grlscaler/benchmark"
)

// TestByScenario: on each load a controller of found settings does what these do alone, and on others what is meant for them.
func TestByScenario(t *testing.T) {
	plan := stepPlan(t)
	plan.Seeds = []uint64{7}
	low, high := find(t, Options{Trials: 1, Seed: 1}).All[0], Candidate{}
	for s := range plan.App.Services {
		b := boundsOf(&plan.App.Services[s])
		p := b.defaults(90)
		p.MinReplicas = b.maxReplicas
		high.Params = append(high.Params, p)
	}
	name := plan.Sources[0].Source.Name()
	plan.Controllers = []benchmark.ControllerSpec{
		Controller("low", &low), Controller("high", &high),
		ByScenario("first low", map[string]*Candidate{name: &low}, &high), ByScenario("all high", nil, &high),
	}
	res, err := benchmark.Run(t.Context(), &plan, benchmark.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(res.Rows); i += 4 {
		want := res.Rows[i+1].Metrics
		if res.Rows[i].Scenario == name {
			want = res.Rows[i].Metrics
		}
		if res.Rows[i].Metrics == res.Rows[i+1].Metrics {
			t.Fatal("the two settings do the same: this test sees nothing")
		}
		if diff := cmp.Diff(want, res.Rows[i+2].Metrics); diff != "" {
			t.Errorf("%s (-alone +by scenario):\n%s", res.Rows[i].Scenario, diff)
		}
		if diff := cmp.Diff(res.Rows[i+1].Metrics, res.Rows[i+3].Metrics); diff != "" {
			t.Errorf("%s (-alone +for all):\n%s", res.Rows[i].Scenario, diff)
		}
	}
	plan.Controllers = []benchmark.ControllerSpec{ByScenario("none", map[string]*Candidate{"elsewhere": &low}, nil)}
	if _, err := benchmark.Run(t.Context(), &plan, benchmark.Options{}); err == nil || !strings.Contains(err.Error(), "no settings were searched for "+name) {
		t.Errorf("a load without settings: %v", err)
	}
	if a, b := ByScenario("x", map[string]*Candidate{"a": &low}, &high), ByScenario("x", map[string]*Candidate{"b": &low}, &high); a.Hash == b.Hash {
		t.Error("settings for another load have the same hash")
	}
}

func TestSavedSettings(t *testing.T) {
	plan := stepPlan(t)
	o := Options{Trials: 25, Seed: 1}
	found := find(t, o)
	path := filepath.Join(t.TempDir(), "settings.json")
	if _, _, ok, err := Load(path, "k", plan.App); ok || err != nil {
		t.Errorf("no file: %t, %v", ok, err)
	}
	data, err := Save(plan.App, "k", "v1", o.Objective, found)
	if err != nil {
		t.Fatal(err)
	}
	write := func(data []byte) {
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(data)
	saved, c, ok, err := Load(path, "k", plan.App)
	if err != nil || !ok || !slices.Equal(c.Params, found.Best.Params) || c.Score != found.Best.Score || saved.Trials != 25 || saved.Version != "v1" || saved.About != found.Best.Describe() {
		t.Errorf("%+v, %+v, %t, %v", saved, c, ok, err)
	}
	text := string(data)
	for _, x := range []struct{ name, file, key, want string }{
		{"half of it", text[:len(text)/2], "k", "delete it"},
		{"a newer format", strings.Replace(text, `"format": 1`, `"format": 9`, 1), "k", "format 9, this version reads up to 1"},
		{"another search", text, "other", "another search"},
		{"another service", strings.Replace(text, `"`+plan.App.Services[0].Name+`"`, `"nobody"`, 1), "k", "do not fit the service"},
		{"more replicas than there may be", strings.Replace(text, `"MinReplicas": 1`, `"MinReplicas": 1000`, 1), "k", "do not fit the service"},
	} {
		write([]byte(x.file))
		if _, _, ok, err := Load(path, x.key, plan.App); ok || err == nil || !strings.Contains(err.Error(), x.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %t, %v; want the file and %q", x.name, ok, err, x.want)
		}
	}
}
