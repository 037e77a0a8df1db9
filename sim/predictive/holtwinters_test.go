package predictive

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// hw is valid Holt-Winters settings, additive, in the order of time.
func hw(alpha, beta, gamma float64, m int) *HoltWinters {
	return &HoltWinters{
		Alpha: &alpha, Beta: &beta, Gamma: &gamma, Trend: Add, Seasonal: Add, SeasonalPeriods: m, StoredSeasons: 8,
		InitializationMethod: Heuristic, Chronological: true,
	}
}

func (h *HoltWinters) with(trend, seasonal Method) *HoltWinters {
	h.Trend, h.Seasonal = trend, seasonal
	return h
}

func (h *HoltWinters) known(level, trend, seasonal float64) *HoltWinters {
	h.InitializationMethod, h.InitialLevel, h.InitialTrend, h.InitialSeasonal = Known, &level, &trend, &seasonal
	return h
}

// pointsOf records a series, one count each 15 s.
func pointsOf(series []int32) []Point {
	var h []Point
	for i, y := range series {
		h = append(h, Point{time.Duration(i) * 15 * time.Second, y})
	}
	return h
}

func repeated(n int, ys ...int32) []int32 {
	var out []int32
	for i := range n {
		out = append(out, ys[i%len(ys)])
	}
	return out
}

// TestHoltWinters has numbers that can be followed by hand. Seasons of 2 need 12 counts.
func TestHoltWinters(t *testing.T) {
	for _, tc := range []struct {
		name   string
		model  *HoltWinters
		series []int32
		want   float64
	}{
		// Nothing is learned: level 3, after 12 steps of trend 0.5 and one more 3 + 13 * 0.5, and season 1.
		{"weights 0, additive", hw(0, 0, 0, 2).known(3, 0.5, 1), repeated(12, 9), 3 + 6.5 + 1},
		// 2 * 1.1^13 * 1.5.
		{"weights 0, multiplicative", hw(0, 0, 0, 2).with(Mul, Mul).known(2, 1.1, 1.5), repeated(12, 9), 2 * 3.4522712143931 * 1.5},
		{"weights 0, trend multiplicative", hw(0, 0, 0, 2).with(Mul, Add).known(2, 1.1, 1.5), repeated(12, 9), 2*3.4522712143931 + 1.5},
		{"weights 0, season multiplicative", hw(0, 0, 0, 2).with(Add, Mul).known(3, 0.5, 2), repeated(12, 9), 19},
		// alpha 1, beta 1, gamma 0: the level is the last count less its season, the trend the last step of that.
		{"weights 1, additive", hw(1, 1, 0, 2).known(0, 0, 1), []int32{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 4, 9}, 9 + 5},
		// Counts over a season of 2: levels 2, then 4.5; growth 4.5/2; next 4.5 * 2.25 * 2.
		{"weights 1, multiplicative", hw(1, 1, 0, 2).with(Mul, Mul).known(1, 1, 2), []int32{2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 4, 9}, 20.25},
		// alpha 0, gamma 1: level stays 5, and the season is that of the same place one cycle before, 8 - 5.
		{"seasons only, additive", hw(0, 0, 1, 2).known(5, 0, 0), repeated(12, 8, 4), 8},
		{"seasons only, the other", hw(0, 0, 1, 2).known(5, 0, 0), repeated(13, 8, 4), 4},
		{"seasons only, multiplicative", hw(0, 0, 1, 2).with(Mul, Mul).known(5, 1, 1), repeated(12, 8, 4), 8},
		// alpha 1/2 from level 0 without trend and season towards 8: 8 (1 - 2^-12).
		{"half way each step", hw(0.5, 0, 0, 2).known(0, 0, 0), repeated(12, 8), 8 * (1 - 1.0/4096)},
		// Exact seasons and no slope: the heuristic finds level and seasons, and the forecast goes on with them.
		{"heuristic, pure seasons", hw(0.9, 0.9, 0.3, 3), repeated(13, 1, 3, 1), 3}, // upstream's own: expects 3
		{"heuristic, pure seasons, multiplicative", hw(0.4, 0.4, 0.4, 4).with(Mul, Mul), repeated(16, 2, 4, 6, 8), 2},
		{"legacy, pure seasons", legacy(hw(0.4, 0.4, 0.4, 4)), repeated(17, 2, 4, 6, 8), 4},
		// 5 + 2 i, nothing learned. The moving average begins at i = m / 2 = 1, which the line takes for 1, so that its value at 0, 5,
		// is that of i = 0, where the recursion takes it for the one before: the forecast for i = 12 is 5 + 13 * 2, one step ahead.
		{"heuristic, a line", hw(0, 0, 0, 2), []int32{5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27}, 31},
		// Level (5 + 9 + 13 + 17 + 21 + 25) / 6 = 15, trend ((9 + 11) - (5 + 7)) / 4 = 2, season of i = 12: 5 - 15.
		{"legacy, a line", legacy(hw(0, 0, 0, 2)), []int32{5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27}, 15 + 13*2 - 10},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := newHoltWinters(tc.model).Predict(0, pointsOf(tc.series))
			if err != nil || !near(got, tc.want) {
				t.Errorf("%v %v, want %v", got, err, tc.want)
			}
		})
	}
}

func legacy(h *HoltWinters) *HoltWinters {
	h.InitializationMethod = LegacyHeuristic
	return h
}

// TestUpstreamHoltWinters is the rest of upstream's own tests (algorithms/holt_winters/test_holt_winters.py) that predict. The
// third means to ask for legacy-heuristic, but spells the key so that the script takes the default.
func TestUpstreamHoltWinters(t *testing.T) {
	for _, tc := range []struct {
		name   string
		model  *HoltWinters
		series []int32
		want   int32
	}{
		{"additive", hw(0.9, 0.9, 0.3, 3), repeated(13, 1, 3, 1), 3},
		{"multiplicative trend", hw(0.3, 0.3, 0.9, 3).with(Mul, Add), repeated(15, 1, 3, 1), 1},
		{"multiplicative season", hw(0.005, 0.9, 0.4, 3).with(Add, Mul), []int32{1, 1, 1, 1, 2, 1, 1, 3, 1, 1, 4, 1, 1, 5, 1, 1, 6, 1, 1}, 6},
	} {
		v, err := newHoltWinters(tc.model).Predict(0, pointsOf(tc.series))
		if got, _ := ceilReplicas(v); err != nil || got != tc.want {
			t.Errorf("%s: %v (%d) %v, want %d", tc.name, v, got, err, tc.want)
		}
	}
}

// TestHoltWintersNeeds: 2 seasons and 10 + 2 * (m / 2) counts.
func TestHoltWintersNeeds(t *testing.T) {
	for m, need := range map[int]int{2: 12, 3: 12, 4: 14, 9: 18, 10: 20, 11: 22, 12: 24, 240: 480} {
		h := newHoltWinters(hw(0.5, 0.5, 0.5, m))
		if got := h.MinObservations(); got != need {
			t.Errorf("seasons of %d: %d, want %d", m, got, need)
		}
		if _, err := h.Predict(0, pointsOf(repeated(need-1, 3))); !errors.Is(err, ErrTooFew) {
			t.Errorf("seasons of %d, %d counts: %v", m, need-1, err)
		}
		if v, err := h.Predict(0, pointsOf(repeated(need, 3))); err != nil || !near(v, 3) {
			t.Errorf("seasons of %d, %d counts of 3: %v %v", m, need, v, err)
		}
	}
}

// TestHoltWintersOrder: as upstream hands the history over, stored counts come newest first and the present one last.
func TestHoltWintersOrder(t *testing.T) {
	series := []int32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13}
	h := newHoltWinters(hw(0.9, 0.2, 0.1, 2))
	h.fillSeries(pointsOf(series))
	if h.ys[0] != 1 || h.ys[11] != 12 || h.ys[12] != 13 {
		t.Errorf("in the order of time: %v", h.ys)
	}
	h.Chronological = false
	h.fillSeries(pointsOf(series))
	if h.ys[0] != 12 || h.ys[11] != 1 || h.ys[12] != 13 {
		t.Errorf("as upstream: %v", h.ys)
	}
}

// TestKeep: upstream's comment has 7 counts with seasons of 3 and 2 stored ones: nothing goes before 9 are there.
func TestKeep(t *testing.T) {
	h := hw(0.5, 0.5, 0.5, 3)
	h.StoredSeasons = 2
	for n, want := range map[int]int{1: 1, 6: 6, 7: 7, 8: 8, 9: 6, 10: 7, 12: 6, 13: 7} {
		if got := newHoltWinters(h).Keep(n); got != want {
			t.Errorf("Holt-Winters keeps %d of %d, want %d", got, n, want)
		}
	}
	l := &Linear{HistorySize: 6}
	for n, want := range map[int]int{1: 1, 6: 6, 7: 6, 9: 6} {
		if got := l.Keep(n); got != want {
			t.Errorf("linear keeps %d of %d, want %d", got, n, want)
		}
	}
}

func genHoltWinters(t *rapid.T) *HoltWinters {
	weight := rapid.Float64Range(0, 1)
	h := hw(weight.Draw(t, "alpha"), weight.Draw(t, "beta"), weight.Draw(t, "gamma"), rapid.IntRange(2, 12).Draw(t, "season"))
	method := rapid.SampledFrom([]Method{Add, Mul, Additive, Multiplicative})
	h.with(method.Draw(t, "trend"), method.Draw(t, "seasonal"))
	h.InitializationMethod = rapid.SampledFrom([]Initialization{Estimated, Heuristic, LegacyHeuristic}).Draw(t, "start")
	h.Chronological = rapid.Bool().Draw(t, "chronological")
	return h
}

// TestPropertyHoltWintersConstant: constant counts predict themselves, whatever the settings.
func TestPropertyHoltWintersConstant(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHoltWinters(genHoltWinters(t))
		replicas := rapid.Int32Range(1, 100000).Draw(t, "replicas")
		n := h.MinObservations() + rapid.IntRange(0, 50).Draw(t, "more")
		v, err := h.Predict(0, pointsOf(repeated(n, replicas)))
		if got, ceilErr := ceilReplicas(v); err != nil || ceilErr != nil || got != replicas {
			t.Fatalf("%v (%d), %v, %v from %d everywhere", v, got, err, ceilErr, replicas)
		}
	})
}

// TestPropertyHoltWintersShift: additive smoothing follows a shift of all counts and turns with a season; multiplicative follows a
// factor.
func TestPropertyHoltWintersShift(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHoltWinters(genHoltWinters(t))
		n := h.MinObservations() + rapid.IntRange(0, 30).Draw(t, "more")
		series := rapid.SliceOfN(rapid.Int32Range(5, 50), n, n).Draw(t, "series")
		base, err := h.Predict(0, pointsOf(series))
		if err != nil {
			t.Fatal(err)
		}
		by := rapid.Int32Range(2, 9).Draw(t, "by")
		moved := make([]int32, n)
		var want float64
		switch {
		case !h.mulTrend && !h.mulSeas:
			for i, y := range series {
				moved[i] = y + by
			}
			want = base + float64(by)
		default: // a factor goes through every mix
			for i, y := range series {
				moved[i] = y * by
			}
			want = base * float64(by)
		}
		got, err := h.Predict(0, pointsOf(moved))
		scale := 1e-7 * (1 + want*want)
		if err != nil || got-want > scale || want-got > scale {
			t.Fatalf("%v by %d: %v %v, want %v", base, by, got, err, want)
		}
	})
}
