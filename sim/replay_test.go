package sim

import (
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/grlscaler/grlscaler/sim/trace"
)

// rising is a recording of 2 minutes with 30 s intervals and total rates 10, 20, 30, 40.
func rising(tb testing.TB) *trace.Recording {
	tb.Helper()
	rec, err := trace.ImportCSV(strings.NewReader("t,rps\n0,10\n30,20\n60,30\n90,40\n"), "rates.csv", trace.ImportOptions{From: "csv"})
	if err != nil {
		tb.Fatal(err)
	}
	return rec
}

func TestReplayRepeatsTheRecording(t *testing.T) {
	app := onlineBoutique(t)
	src, err := NewReplaySource("rising", rising(t), app, ReplayOptions{Scale: 2})
	if err != nil {
		t.Fatal(err)
	}
	var ep Episode
	if err := src.Episode(1, &ep); err != nil {
		t.Fatal(err)
	}
	if ep.Ticks != 720 || ep.WarmupTicks != 600 {
		t.Fatalf("%d ticks, %d of warm-up; want 720 and 600", ep.Ticks, ep.WarmupTicks)
	}
	nE := len(app.Endpoints)
	for tick, want := range map[int]float64{600: 20, 629: 20, 630: 40, 719: 80, 0: 30, 599: 30} { // warm-up: mean of the first minute
		sum := 0.0
		for e := range nE {
			sum += ep.RPS[tick*nE+e]
		}
		if math.Abs(sum-want) > 1e-9 {
			t.Errorf("tick %d: %v requests/s, want %v", tick, sum, want)
		}
	}
	want := make([]int, len(app.Services))
	NewPlanner(app).Needed(mixOf(app, 80), want)
	if got := ep.Needed[len(ep.Needed)-len(want):]; !reflect.DeepEqual(got, want) {
		t.Errorf("demand of the last window %v, want %v", got, want)
	}
}

func TestReplayDrawsWindows(t *testing.T) {
	app := onlineBoutique(t)
	src, err := NewReplaySource("rising", rising(t), app, ReplayOptions{Window: 30 * time.Second, Warmup: -1})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[float64]bool{}
	var ep Episode
	for seed := range uint64(40) {
		if err := src.Episode(seed, &ep); err != nil {
			t.Fatal(err)
		}
		if ep.Ticks != 30 || ep.WarmupTicks != 0 {
			t.Fatalf("%d ticks, %d of warm-up", ep.Ticks, ep.WarmupTicks)
		}
		seen[math.Round(ep.RPS[0]/app.Endpoints[0].Weight)] = true
	}
	if len(seen) != 4 {
		t.Errorf("40 seeds began at levels %v, want all of 10, 20, 30, 40", seen)
	}
}

func TestReplayRefusesShortRecordings(t *testing.T) {
	rec, err := trace.ImportCSV(strings.NewReader("t,rps\n0,10\n5,20\n"), "rates.csv", trace.ImportOptions{From: "csv"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewReplaySource("short", rec, onlineBoutique(t), ReplayOptions{}); err == nil || !strings.Contains(err.Error(), "at least one control interval (15s) is needed") {
		t.Errorf("got %v", err)
	}
}

// TestPlansDoNotDependOnEachOther: not on the core that makes them, nor on what its planner was asked before.
func TestPlansDoNotDependOnEachOther(t *testing.T) {
	app := onlineBoutique(t)
	plans := make([]windowPlan, 3*plansPerCore)
	for i := range plans {
		rps := mixOf(app, 10+float64(i*37%len(plans))*4)
		rps[i%len(rps)] *= 1.5
		plans[i] = windowPlan{rps, make([]int, len(app.Services))}
	}
	planAll(app, NewPlanner(app), plans)
	for i := range plans {
		want := make([]int, len(app.Services))
		NewPlanner(app).Needed(plans[i].rps, want)
		if !slices.Equal(plans[i].row, want) {
			t.Errorf("load %d needs %v, want %v", i, plans[i].row, want)
		}
	}
}
