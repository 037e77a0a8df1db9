package sim

import (
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func scenarioSource(tb testing.TB, app *App, name string) *ScenarioSource {
	tb.Helper()
	path := filepath.Join("../configs/scenarios", name+".yaml")
	f, err := os.Open(path)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	sc, err := DecodeScenario(f, path)
	if err != nil {
		tb.Fatal(err)
	}
	src, err := NewScenarioSource(sc, app)
	if err != nil {
		tb.Fatal(err)
	}
	return src
}

func TestRushsaleProfile(t *testing.T) {
	app := onlineBoutique(t)
	src := scenarioSource(t, app, "rushsale")
	var ep Episode
	if err := src.Episode(3, &ep); err != nil {
		t.Fatal(err)
	}
	if ep.Ticks != 1500 || ep.WarmupTicks != 600 || len(ep.RPS) != 1500*len(app.Endpoints) || len(ep.Needed) != 300*len(app.Services) {
		t.Fatalf("lengths: %d ticks, %d warm-up, %d rates, %d needed", ep.Ticks, ep.WarmupTicks, len(ep.RPS), len(ep.Needed))
	}
	total := func(t int) float64 {
		sum := 0.0
		for e := range app.Endpoints {
			sum += ep.RPS[t*len(app.Endpoints)+e]
		}
		return sum
	}
	high, low := src.PeakRPS(), src.PeakRPS()/8
	for tick, level := range map[int]float64{0: low, 599: low, 779: low, 780: high, 1079: high, 1080: low, 1499: low} {
		if got := total(tick); math.Abs(got/level-1) > 0.1+1e-9 {
			t.Errorf("tick %d: %.1f requests/s, want %.1f within the noise of 10 %%", tick, got, level)
		}
	}
}

func TestEpisodesFollowTheSeed(t *testing.T) {
	app := onlineBoutique(t)
	src := scenarioSource(t, app, "fluctuating")
	var a, b, c Episode
	for seed, ep := range map[uint64]*Episode{1: &a, 2: &c} {
		if err := src.Episode(seed, ep); err != nil {
			t.Fatal(err)
		}
	}
	b.RPS = make([]float64, 7) // a reused episode must not matter
	if err := src.Episode(1, &b); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(a, b) {
		t.Error("one seed gave two loads")
	}
	if reflect.DeepEqual(a.RPS, c.RPS) {
		t.Error("two seeds gave one load")
	}
}

func TestDecodeScenarioRefuses(t *testing.T) {
	const good = "format: 1\nname: x\nlength_s: 900\nphases:\n  - {start_s: 0, level: 0.1}\n  - {start_s: 100, level: 0.5, end_level: 0.7}\n"
	if _, err := DecodeScenario(strings.NewReader(good), "s.yaml"); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ name, old, new, want string }{
		{"phases out of order", "start_s: 100", "start_s: 0", "s.yaml:6: phases[1].start_s: must come after the phase before"},
		{"negative level", "level: 0.5", "level: -1", "s.yaml:6: phases[1].level: levels must be at least 0"},
		{"absurd level", "level: 0.5", "level: 1e6", "s.yaml:6: phases[1].level: levels must be at least 0 and at most 1000, found 1e+06 to 0.7"},
		{"absurd rate", "level: 0.5", "level: 1e9}\n  - {start_s: 200, level: 1", "s.yaml:6: phases[1].level: levels must be at least 0 and at most 1000, found 1e+09 to 1e+09"},
		{"odd length", "length_s: 900", "length_s: 907", "s.yaml:3: length_s: must be a multiple of the control interval (15 s)"},
		{"unit", "length_s: 900", "unit: users", `unknown "users"; one of capacity, rps`},
		{"late first phase", "start_s: 0,", "start_s: 5,", "the first phase starts at 0"},
		{"noise", "length_s: 900", "noise: {max: 2}", "noise.max: must be at least 0 and below 1"},
		{"unknown key", "length_s", "length", `s.yaml:3: unknown key "length"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := DecodeScenario(strings.NewReader(strings.Replace(good, tc.old, tc.new, 1)), "s.yaml")
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
	sc, err := DecodeScenario(strings.NewReader(good+"mix: {nowhere: 1}\n"), "s.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewScenarioSource(sc, onlineBoutique(t)); err == nil || !strings.Contains(err.Error(), "no such endpoint; it has home") {
		t.Errorf("unknown endpoint: %v", err)
	}
}

func FuzzDecodeScenario(f *testing.F) {
	f.Add("format: 1\nname: x\nphases: [{start_s: 0, level: 1}]\n")
	f.Fuzz(func(_ *testing.T, text string) {
		_, _ = DecodeScenario(strings.NewReader(text), "s.yaml") // must not panic
	})
}
