package sim

import (
	"math"
	"slices"
	"testing"
)

// Every episode of a family is finite, below what the application can serve, what its seed says, and its demand curve is that of its load.
func TestFamilyEpisodes(t *testing.T) {
	app := onlineBoutique(t)
	f, err := NewFamily(app, 0)
	if err != nil {
		t.Fatal(err)
	}
	planner := NewPlanner(app)
	var ep, again Episode
	steady, moving := 0, 0
	for seed := range uint64(200) {
		if err := f.Episode(seed, &ep); err != nil {
			t.Fatal(err)
		}
		if ep.Ticks != familyWarmup+familyLength || ep.WarmupTicks != familyWarmup || len(ep.RPS) != ep.Ticks*len(app.Endpoints) || len(ep.Needed) != ep.Ticks/WindowTicks*len(app.Services) {
			t.Fatalf("seed %d: %d ticks, %d rates, %d needed", seed, ep.Ticks, len(ep.RPS), len(ep.Needed))
		}
		low, high := math.Inf(1), 0.0
		for tick := range ep.Ticks {
			total := 0.0
			for _, rps := range ep.RPS[tick*len(app.Endpoints) : (tick+1)*len(app.Endpoints)] {
				total += rps
			}
			if !(total > 0) || math.IsInf(total, 0) {
				t.Fatalf("seed %d, tick %d: %v requests/s", seed, tick, total)
			}
			if tick >= familyWarmup {
				low, high = min(low, total), max(high, total)
			}
		}
		// Noise alone is at most 20 % either way.
		if high/low <= 1.2/0.8 {
			steady++
		} else if high/low > 3 {
			moving++
		}
		w := int(seed) % (ep.Ticks / WindowTicks)
		if needed := ep.Needed[w*len(app.Services) : (w+1)*len(app.Services)]; !planner.Feasible(ep.RPS[w*WindowTicks*len(app.Endpoints):(w*WindowTicks+1)*len(app.Endpoints)], needed) {
			t.Errorf("seed %d: %v does not carry window %d", seed, needed, w)
		}
		if err := f.Episode(seed, &again); err != nil || !slices.Equal(ep.RPS, again.RPS) || !slices.Equal(ep.Needed, again.Needed) {
			t.Fatalf("seed %d gives another episode the second time (%v)", seed, err)
		}
	}
	if steady < 30 || moving < 60 {
		t.Errorf("of 200 episodes %d are steady and %d move by more than three times; a family has more of both", steady, moving)
	}
}

// Changes of level are at least a minute apart, and within the counted part.
func TestFamilyChanges(t *testing.T) {
	for seed := range uint64(500) {
		r := newStream(seed)
		times, levels := drawChanges(r, 0.5, r.Float64)
		if len(times) != len(levels) || len(times) < 2 || len(times) > 5 || times[0] != 0 || levels[0] != 0.5 {
			t.Fatalf("seed %d: times %v, levels %v", seed, times, levels)
		}
		for i := 1; i < len(times); i++ {
			if times[i]-times[i-1] < 60 || times[i] > familyLength-60+1e-9 {
				t.Errorf("seed %d: times %v", seed, times)
			}
		}
	}
}
