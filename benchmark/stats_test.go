package benchmark

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/grlscaler/grlscaler/sim/rng"
	"pgregory.net/rapid"
)

func TestQuantileInterpolatesBetweenRanks(t *testing.T) {
	x := []float64{1, 2, 4, 8, 16}
	for _, c := range []struct{ p, want float64 }{
		{0, 1}, {1, 16}, {0.5, 4},
		{0.95, 14.4},            // rank 3.8: 8 + 0.8*8
		{0.125, 1.5},            // rank 0.5
		{0.9999, 16 - 8*0.0004}, // rank 3.9996
	} {
		if got := Quantile(x, c.p); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("Quantile(%g) = %g, want %g", c.p, got, c.want)
		}
	}
	if got := Quantile([]float64{7}, 0.95); got != 7 {
		t.Errorf("quantile of one value = %g, want 7", got)
	}
}

func TestMeanOfTasksCountsTasksAlike(t *testing.T) {
	// Task means 2 and 10, although the first has three runs.
	if got := MeanOfTasks([][]float64{{1, 2, 3}, {10}}); got != 6 {
		t.Errorf("got %g, want 6", got)
	}
}

func TestBootstrapIntervals(t *testing.T) {
	tests := []struct {
		name  string
		tasks [][]float64
		want  Interval
	}{
		{"constant sample has width 0", [][]float64{{3, 3, 3, 3}}, Interval{3, 3, true}},
		{"one run has none", [][]float64{{3}}, Interval{}},
		{"one run in one task of two: none", [][]float64{{1, 2, 3}, {3}}, Interval{}},
		{"no tasks: none", nil, Interval{}},
		{"an empty task: none", [][]float64{{}}, Interval{}},
		// Redrawing 0 and 1 gives means 0, 1/2, 1 with probabilities 1/4, 1/2, 1/4: both tails are beyond 2.5 %.
		{"two runs span their range", [][]float64{{0, 1}}, Interval{0, 1, true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Bootstrap(tt.tasks, MeanOfTasks, 2000, rng.New(1, "test"))
			if err != nil || got != tt.want {
				t.Errorf("got %+v, %v, want %+v", got, err, tt.want)
			}
		})
	}
}

// TestBootstrapMatchesNormalTheory: for many runs the percentile interval of the mean is mean ± 1.96 sd/sqrt(n).
func TestBootstrapMatchesNormalTheory(t *testing.T) {
	s := rng.New(7, "test")
	runs := make([]float64, 400)
	for i := range runs {
		runs[i] = s.NormFloat64()
	}
	m, v := Mean(runs), 0.0
	for _, x := range runs {
		v += (x - m) * (x - m)
	}
	want := 1.96 * math.Sqrt(v/400) / 20
	got, err := Bootstrap([][]float64{runs}, MeanOfTasks, 20000, rng.New(1, "boot"))
	if err != nil {
		t.Fatal(err)
	}
	// The 2.5 % point of 20,000 draws has a standard error of about 1.9 % of the half-width; five of those.
	if math.Abs(got.HalfWidth()-want) > 0.1*want || math.Abs((got.High+got.Low)/2-m) > 0.1*want {
		t.Errorf("interval %+v, want %g ± %g", got, m, want)
	}
}

// TestBootstrapIsStratified: tasks of different level but no spread within must give width 0; redrawing across
// tasks would not.
func TestBootstrapIsStratified(t *testing.T) {
	got, err := Bootstrap([][]float64{{1, 1, 1}, {9, 9, 9}}, MeanOfTasks, 500, rng.New(1, "test"))
	if err != nil || got != (Interval{5, 5, true}) {
		t.Errorf("got %+v, %v, want [5, 5]", got, err)
	}
}

func TestBootstrapRefuses(t *testing.T) {
	for _, c := range []struct {
		name  string
		score float64
		reps  int
		s     *rng.Stream
		want  string
	}{
		{"NaN", math.NaN(), 10, rng.New(1, "x"), "must be finite"},
		{"infinity", math.Inf(1), 10, rng.New(1, "x"), "must be finite"},
		{"no repetitions", 1, 0, rng.New(1, "x"), "at least 1"},
		{"no stream", 1, 10, nil, "no random stream"},
	} {
		if _, err := Bootstrap([][]float64{{c.score, 1}}, MeanOfTasks, c.reps, c.s); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", c.name, err, c.want)
		}
	}
}

func TestPairedDifferencesRefusesUnequalRuns(t *testing.T) {
	if d, err := PairedDifferences([][]float64{{3, 5}}, [][]float64{{1, 1}}); err != nil || !slices.Equal(d[0], []float64{2, 4}) {
		t.Errorf("got %v, %v, want [2 4]", d, err)
	}
	if _, err := PairedDifferences([][]float64{{1, 2}}, [][]float64{{1}}); err == nil {
		t.Error("runs of different number were paired")
	}
	if _, err := PairedDifferences([][]float64{{1}}, nil); err == nil {
		t.Error("tasks of different number were paired")
	}
}

func TestStatisticsProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		score := rapid.Float64Range(-100, 100)
		a := rapid.SliceOfN(score, 1, 12).Draw(t, "a")
		b := rapid.SliceOfN(score, 1, 12).Draw(t, "b")
		d := CliffsDelta(a, b)
		if d < -1 || d > 1 || d != -CliffsDelta(b, a) {
			t.Fatalf("Cliff's delta %g and %g: not antisymmetric within [-1, 1]", d, CliffsDelta(b, a))
		}
		lo, hi := slices.Min(a), slices.Max(a)
		iqm := IQM()([][]float64{a})
		if iqm < lo-1e-9 || iqm > hi+1e-9 {
			t.Fatalf("IQM %g outside [%g, %g]", iqm, lo, hi)
		}
		iv, err := Bootstrap([][]float64{a}, IQM(), 50, rng.New(3, "property"))
		if err != nil {
			t.Fatal(err)
		}
		if iv.Valid != (len(a) > 1) || (iv.Valid && (iv.Low > iv.High || iv.Low < lo-1e-9 || iv.High > hi+1e-9)) {
			t.Fatalf("interval %+v of %v", iv, a)
		}
	})
}
