package benchmark

import (
	"math"
	"testing"

	"github.com/grlscaler/grlscaler/sim/rng"
)

func TestSignFlip(t *testing.T) {
	same := make([]float64, 20)
	for i := range same {
		same[i] = 1 + float64(i)
	}
	for _, c := range []struct {
		name string
		diff [][]float64
		want float64
	}{
		{"three of one sign: 2 of 8", [][]float64{{1, 2, 3}}, 0.25},
		{"ten of one sign: 2 of 1024", [][]float64{{-1, -2, -3, -4, -5, -6, -7, -8, -9, -10}}, 2.0 / 1024},
		// ±1 ±2 ±3: |sum| of 1+2-3 is 0, and all are at least that.
		{"no difference in the mean", [][]float64{{1, 2, -3}}, 1},
		{"no difference at all", [][]float64{{0, 0}}, 1},
		// Weighted by their tasks: 3 and 1/2 + 1/2 each way; |sum| at least 4: 3 and both halves of one sign, 2 of 8.
		{"tasks count alike", [][]float64{{3}, {1, 1}}, 0.25},
		{"drawn: none of 20,000 is as far", [][]float64{same}, 1.0 / 20_001},
	} {
		if got := SignFlip(c.diff, rng.New(1, "signs")); got != c.want {
			t.Errorf("%s: p = %g, want %g", c.name, got, c.want)
		}
	}
}

// TestSignFlipKeepsItsLevel: where there is no difference, p is at most 5 % in 5 % of cases; 4,000 cases have a standard deviation of 0.34
// percentage points, of which four are allowed.
func TestSignFlipKeepsItsLevel(t *testing.T) {
	s := rng.New(3, "level")
	low := 0
	const cases = 4000
	for range cases {
		if SignFlip(drawTasks(s, 1, 8, shapes[0].draw), s) <= 0.05 {
			low++
		}
	}
	// With 8 runs p is a multiple of 2/256: at most 12/256 = 4.69 % counts.
	if share := float64(low) / cases; math.Abs(share-12.0/256) > 4*0.0034 {
		t.Errorf("%.2f %% of the p-values are at most 5 %%, want 4.69 %%", 100*share)
	}
}

// TestHolm is worked out by hand: 0.005·4, 0.01·3, 0.03·2, then 0.04·1 raised to the one before.
func TestHolm(t *testing.T) {
	got := Holm([]float64{0.01, 0.04, math.NaN(), 0.03, 0.005})
	for i, want := range []float64{0.03, 0.06, math.NaN(), 0.06, 0.02} {
		if math.Abs(got[i]-want) > 1e-15 || math.IsNaN(want) != math.IsNaN(got[i]) {
			t.Errorf("p-value %d becomes %g, want %g", i, got[i], want)
		}
	}
	if got := Holm([]float64{0.6, 0.9}); got[0] != 1 || got[1] != 1 {
		t.Errorf("%v, want no p-value above 1", got)
	}
}

// TestNothingIsClaimedFromThreeSeeds: no p-values, no verdicts; from four on there are, corrected within a scenario and not overall.
func TestNothingIsClaimedFromThreeSeeds(t *testing.T) {
	three := summarise(t, madeTuned(1, 2, 3))
	for i := range three.Parts {
		for k := range three.Parts[i].Comparisons {
			if c := &three.Parts[i].Comparisons[k]; !math.IsNaN(c.P) || !math.IsNaN(c.PHolm) || !c.DeltaRange.Valid {
				t.Errorf("%s: p = %g, corrected %g, interval %+v", three.Parts[i].Name, c.P, c.PHolm, c.DeltaRange)
			}
		}
		for k := range three.Parts[i].Sensitivity {
			if w := three.Parts[i].Sensitivity[k].Difference.Judge(0, 3); w != "" {
				t.Errorf("a verdict %q from three seeds", w)
			}
		}
	}
	ten := summarise(t, madeTuned(1, 2, 3, 4, 5, 6, 7, 8, 9, 10))
	if ten.Opponent != TunedHPA {
		t.Fatalf("opponent %q", ten.Opponent)
	}
	peak, overall := ten.Parts[0].Against("gat_ppo", "caf"), ten.Parts[2].Against("gat_ppo", "caf")
	near(t, "p of ten differences of one sign", peak.P, 2.0/1024)
	near(t, "twice that for two scenarios", peak.PHolm, 4.0/1024)
	near(t, "p overall", overall.PHolm, overall.P)
	near(t, "probability of improvement", peak.Improvement, (1-peak.Delta)/2)
	reward := ten.Parts[0].Against("gat_ppo", "reward")
	if !(reward.Improvement > 0.9) || !(reward.Difference.Value > 0) || !math.IsNaN(reward.Ratio.Value) {
		t.Errorf("the better reward: %+v", reward)
	}
}
