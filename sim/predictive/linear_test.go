package predictive

import (
	"errors"
	"math"
	"testing"
	"time"

	"gonum.org/v1/gonum/stat"
	"pgregory.net/rapid"
)

const second = time.Second

// at makes points of (seconds, replicas) pairs.
func at(pairs ...int) []Point {
	var h []Point
	for i := 0; i < len(pairs); i += 2 {
		h = append(h, Point{time.Duration(pairs[i]) * second, int32(pairs[i+1])})
	}
	return h
}

// near allows for what 64-bit sums in another order differ by, which recursions may amplify.
func near(a, b float64) bool { return math.Abs(a-b) <= 1e-9*max(1, math.Abs(a), math.Abs(b)) }

func TestLinear(t *testing.T) {
	rise := at(33, 1, 43, 2, 53, 3, 63, 4) // 1 replica each 10 s: 4 + (t - 63)/10
	for _, tc := range []struct {
		name    string
		now     int
		ahead   time.Duration
		history []Point
		value   float64
		want    int32
	}{
		// The first three are upstream's own (algorithms/linear_regression/test_linear_regression.py), "now" with its 0 ms.
		{"now", 72, 0, rise, 4.9, 5},
		{"10 s ahead", 72, 10 * second, rise, 5.9, 6},
		{"15 s ahead", 72, 15 * second, rise, 6.4, 7},
		{"exactly whole", 63, 20 * second, rise, 6, 6},
		{"one point", 60, 90 * second, at(60, 7), 7, 7},
		{"two points", 15, 15 * second, at(0, 2, 15, 5), 8, 8},
		{"falling below zero", 30, 60 * second, at(0, 5, 15, 3, 30, 1), -7, -7},
		{"constant", 45, 600 * second, at(0, 3, 15, 3, 30, 3, 45, 3), 3, 3},
		// t = 0, 10, 40, y = 1, 4, 1: means 50/3 and 2, sums of products -20 and 2600/3, so slope -3/130, and at 50 s
		// 2 - 3/130 * 100/3 = 2 - 10/13.
		{"unevenly spaced", 40, 10 * second, at(0, 1, 10, 4, 40, 1), 2 - 10.0/13, 2},
		{"two at one time", 15, 15 * second, at(0, 2, 15, 4, 15, 6), 8, 8}, // through (0, 2) and the mean (15, 5)
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := &Linear{LookAhead: tc.ahead, HistorySize: 6}
			v, err := l.Predict(time.Duration(tc.now)*second, tc.history)
			if err != nil || !near(v, tc.value) {
				t.Fatalf("%v %v, want %v", v, err, tc.value)
			}
			if got, err := ceilReplicas(v); got != tc.want || err != nil {
				t.Errorf("%d %v, want %d", got, err, tc.want)
			}
		})
	}
	l := &Linear{LookAhead: second, HistorySize: 6}
	if _, err := l.Predict(0, nil); !errors.Is(err, ErrNoHistory) {
		t.Errorf("without a history: %v", err)
	}
	if _, err := l.Predict(20*second, at(20, 1, 20, 5)); !errors.Is(err, ErrSameTime) {
		t.Errorf("at one time: %v", err)
	}
}

// TestPropertyLinear: gonum's regression over the same points, a constant from constants, and nothing odd from anything.
func TestPropertyLinear(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := rapid.Int64Range(0, 1e6).Draw(t, "first")
		var h []Point
		var xs, ys []float64
		constant := rapid.Bool().Draw(t, "constant")
		replicas := rapid.Int32Range(0, 1000).Draw(t, "replicas")
		for range rapid.IntRange(2, 40).Draw(t, "points") {
			now += rapid.Int64Range(1, 100).Draw(t, "pause")
			if !constant {
				replicas = rapid.Int32Range(0, 1000).Draw(t, "replicas")
			}
			h = append(h, Point{time.Duration(now) * second, replicas})
			xs, ys = append(xs, float64(now)), append(ys, float64(replicas))
		}
		l := &Linear{LookAhead: time.Duration(rapid.IntRange(1, 3600).Draw(t, "ahead")) * second, HistorySize: 100}
		got, err := l.Predict(time.Duration(now)*second, h)
		if err != nil {
			t.Fatal(err)
		}
		if constant && got != float64(replicas) {
			t.Fatalf("%v from %d everywhere", got, replicas)
		}
		a, b := stat.LinearRegression(xs, ys, nil, false)
		// gonum's times are up to 1e6 s from their origin, which costs it digits.
		if want := a + b*(float64(now)+l.LookAhead.Seconds()); !(got-want < 1e-6*(1+want*want) && want-got < 1e-6*(1+want*want)) {
			t.Fatalf("%v, gonum %v", got, want)
		}
	})
}
