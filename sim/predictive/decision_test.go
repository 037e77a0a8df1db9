package predictive

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// predictions makes one prediction that counts for each number.
func predictions(replicas ...int32) []Prediction {
	var out []Prediction
	for i, r := range replicas {
		out = append(out, Prediction{Model: string(rune('a' + i)), Replicas: r})
	}
	return out
}

func TestCombine(t *testing.T) {
	for _, tc := range []struct {
		name       string
		of         DecisionType
		calculated int32
		predicted  []int32
		want       int32
		reason     Reason
		winner     int
	}{
		{"maximum is predicted", DecideMaximum, 3, []int32{2, 5, 4}, 5, ByModel, 1},
		{"maximum is calculated", DecideMaximum, 6, []int32{2, 5, 4}, 6, ByCalculation, NoModel},
		{"at equal counts the calculation wins", DecideMaximum, 5, []int32{2, 5}, 5, ByCalculation, NoModel},
		{"and then the first model", DecideMaximum, 1, []int32{5, 5}, 5, ByModel, 0},
		{"minimum is predicted", DecideMinimum, 3, []int32{2, 5, 1}, 1, ByModel, 2},
		{"minimum is calculated", DecideMinimum, 1, []int32{2, 5}, 1, ByCalculation, NoModel},
		{"minimum may be negative", DecideMinimum, 1, []int32{-4}, -4, ByModel, 0},
		{"mean rounds to the nearest", DecideMean, 3, []int32{4, 4}, 4, ByMean, NoModel}, // 11/3
		{"mean rounds down as well", DecideMean, 3, []int32{4, 3}, 3, ByMean, NoModel},   // 10/3
		{"half goes up", DecideMean, 3, []int32{4}, 4, ByMean, NoModel},                  // 3.5
		{"a mean below 0 is 0", DecideMean, 1, []int32{-9}, 0, ByMean, NoModel},
		{"a mean of large numbers", DecideMean, math.MaxInt32, []int32{math.MaxInt32}, math.MaxInt32, ByMean, NoModel},
		{"median of three", DecideMedian, 9, []int32{1, 4}, 4, ByMedian, NoModel},
		{"median of two is cut off", DecideMedian, 3, []int32{4}, 3, ByMedian, NoModel}, // 3.5
		{"towards 0", DecideMedian, -3, []int32{-4}, -3, ByMedian, NoModel},             // -3.5
		{"median of four", DecideMedian, 10, []int32{1, 7, 4}, 5, ByMedian, NoModel},    // (4 + 7) / 2
		{"mean without a prediction", DecideMean, 7, nil, 7, ByCalculation, NoModel},
		{"median without a prediction", DecideMedian, 7, nil, 7, ByCalculation, NoModel},
		{"minimum without a prediction", DecideMinimum, 7, nil, 7, ByCalculation, NoModel},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := Decision{Type: tc.of, Calculated: tc.calculated, Predictions: predictions(tc.predicted...)}
			d.combine(nil)
			if d.Replicas != tc.want || d.Reason != tc.reason || d.Winner != tc.winner {
				t.Errorf("%d by %s of model %d, want %d by %s of model %d", d.Replicas, d.Reason, d.Winner, tc.want, tc.reason, tc.winner)
			}
		})
	}
}

// TestCombineCounts: only predictions and histories that are too short take part.
func TestCombineCounts(t *testing.T) {
	for outcome, want := range map[Outcome]int32{Predicted: 1, TooFew: 1, NotDue: 5, Waiting: 5, Failed: 5} {
		d := Decision{Type: DecideMinimum, Calculated: 5, Predictions: []Prediction{{Outcome: outcome, Replicas: 1}}}
		if d.combine(nil); d.Replicas != want {
			t.Errorf("outcome %d: %d, want %d", outcome, d.Replicas, want)
		}
	}
}

// TestPropertyCombine: the result lies between the smallest and the largest count, or is the 0 of a mean below it; the order of
// the models plays no part.
func TestPropertyCombine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOfN(rapid.Int32(), 1, 9).Draw(t, "counts")
		for _, of := range []DecisionType{DecideMaximum, DecideMinimum, DecideMean, DecideMedian} {
			d := Decision{Type: of, Calculated: all[0], Predictions: predictions(all[1:]...)}
			d.combine(nil)
			if lo, hi := slices.Min(all), slices.Max(all); (d.Replicas < lo || d.Replicas > hi) && !(of == DecideMean && d.Replicas == 0 && lo < 0) {
				t.Fatalf("%s of %v is %d", of, all, d.Replicas)
			}
			e := Decision{Type: of, Calculated: all[0], Predictions: predictions(rapid.Permutation(all[1:]).Draw(t, "order")...)}
			if e.combine(nil); e.Replicas != d.Replicas || e.Reason != d.Reason {
				t.Fatalf("%s of %v is %d, in another order %d", of, all, d.Replicas, e.Replicas)
			}
		}
	})
}

func TestCeilReplicas(t *testing.T) {
	for _, tc := range []struct {
		v    float64
		want int32
		err  error
	}{
		{3, 3, nil}, {3.0000000000000004, 3, nil}, {3.000001, 4, nil}, {2.9999999, 3, nil},
		{0, 0, nil}, {1e-13, 0, nil}, {0.01, 1, nil},
		{-0.5, 0, nil}, {-3.5, -3, nil}, {20000.000001, 20000, nil}, {1e9 + 0.5, 1e9 + 1, nil},
		{math.MaxInt32, math.MaxInt32, nil}, {math.MinInt32, math.MinInt32, nil},
		{math.MaxInt32 + 5, 0, ErrOutOfRange}, {math.MinInt32 - 5, 0, ErrOutOfRange}, {1e300, 0, ErrOutOfRange},
		{math.NaN(), 0, ErrNotFinite}, {math.Inf(1), 0, ErrNotFinite}, {math.Inf(-1), 0, ErrNotFinite},
	} {
		if got, err := ceilReplicas(tc.v); got != tc.want || !errors.Is(err, tc.err) {
			t.Errorf("%v: %d %v, want %d %v", tc.v, got, err, tc.want, tc.err)
		}
	}
}

func TestWholeSeconds(t *testing.T) {
	for at, want := range map[time.Duration]time.Duration{
		0: 0, 1: 0, second - 1: 0, second: second, 90*second + 999*time.Millisecond: 90 * second, -1: -second, -second: -second, -second - 1: -2 * second,
	} {
		if got := wholeSeconds(at); got != want {
			t.Errorf("%v: %v, want %v", at, got, want)
		}
	}
}

func TestExplain(t *testing.T) {
	d := Decision{At: time.Minute, Type: DecideMaximum, Calculated: 3, Predictions: []Prediction{
		{Model: "line", Replicas: 5, Value: 4.25}, {Model: "day", Outcome: TooFew, Points: 7, Err: ErrTooFew}, {Model: "week", Outcome: NotDue},
		{Model: "hour", Outcome: Waiting}, {Model: "growth", Outcome: Failed, Err: ErrNotPositive},
	}}
	d.combine(nil)
	want := "1m0s: 5 replicas, the maximum, from line: calculated 3, line predicts 5 (4.25), day has too few counts, 7, and stands for 0, " +
		"week is not due, hour waits for its start, growth failed (" + ErrNotPositive.Error() + ")"
	if got := d.Explain(); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	d.Predictions = d.Predictions[2:]
	if d.combine(nil); !strings.HasPrefix(d.Explain(), "1m0s: 3 replicas, as calculated: calculated 3, week") {
		t.Error(d.Explain())
	}
	d.Type, d.Predictions = DecideMean, predictions(6)
	if d.combine(nil); d.Explain() != "1m0s: 5 replicas, the mean: calculated 3, a predicts 6 (0)" { // 4.5
		t.Error(d.Explain())
	}
}
