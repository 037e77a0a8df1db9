package benchmark

import (
	"math"
	"strings"
	"testing"

	"github.com/grlscaler/grlscaler/sim/rng"
)

// TestStandardErrors: of one task the textbooks' s/√n, and for the interquartile mean of 1..8 the winsorised 3,3,3,4,5,6,6,6: squares
// 14, variance 2, over the half that is left √(2·8)/4 = 1, with the 3 degrees of freedom of the four that are left (Yuen 1974).
func TestStandardErrors(t *testing.T) {
	m := MeasureMean([][]float64{{1, 2, 3, 4}})
	near(t, "mean", m.Value, 2.5)
	near(t, "s/√n", m.StdErr, math.Sqrt(5.0/3/4))
	near(t, "freedom", m.Freedom, 3)
	two := MeasureMean([][]float64{{1, 2, 3, 4}, {10, 20, 30, 40}})
	near(t, "mean of two tasks", two.Value, 13.75)
	near(t, "its error", two.StdErr, math.Sqrt(5.0/12+500.0/12)/2)
	near(t, "its freedom (Welch)", two.Freedom, 3*101*101/(1+100.0*100))
	q := MeasureIQM()([][]float64{{8, 1, 7, 2, 6, 3, 5, 4}})
	near(t, "iqm", q.Value, 4.5)
	near(t, "its error", q.StdErr, 1)
	near(t, "its freedom", q.Freedom, 7*0.5)
}

func TestStudentized(t *testing.T) {
	student := 2.5 + 3.182446305284263*math.Sqrt(5.0/12) // 97.5 % point of 3 degrees of freedom
	for _, c := range []struct {
		name      string
		tasks     [][]float64
		low, high float64
		valid     bool
	}{
		{"constant: width 0", [][]float64{{3, 3, 3}}, 3, 3, true},
		{"constant but for rounding: width 0", [][]float64{{0.1, 0.3 - 0.2, 0.1}}, 0.1, 0.1, true},
		{"one run has none", [][]float64{{3}}, 0, 0, false},
		{"one run in one task of two: none", [][]float64{{1, 2}, {3}}, 0, 0, false},
		{"no tasks: none", nil, 0, 0, false},
		{"four runs: Student's", [][]float64{{1, 2, 3, 4}}, 5 - student, student, true},
		// Of ten runs with one that differs 0.9^10 = 35 % of the redrawn samples are constant: Student's, 2.262157 of 9 degrees.
		{"mostly constant: Student's", [][]float64{{0, 0, 0, 0, 0, 0, 0, 0, 0, 1}}, 0.1 - 0.2262157162798205, 0.1 + 0.2262157162798205, true},
	} {
		got, err := Studentized(c.tasks, MeasureMean, 500, rng.New(1, "test"))
		if err != nil || got.Valid != c.valid || math.Abs(got.Low-c.low) > 1e-9 || math.Abs(got.High-c.high) > 1e-9 {
			t.Errorf("%s: %+v, %v, want [%g, %g]", c.name, got, err, c.low, c.high)
		}
	}
	if _, err := Studentized([][]float64{{1, math.NaN()}}, MeasureMean, 10, rng.New(1, "x")); err == nil || !strings.Contains(err.Error(), "must be finite") {
		t.Errorf("NaN: error %v", err)
	}
}

// TestStudentizedLeansTheWayOfTheTail: skewed scores have a longer interval on the long side.
func TestStudentizedLeansTheWayOfTheTail(t *testing.T) {
	x := []float64{1, 1.1, 1.2, 1.3, 1.4, 1.5, 1.7, 2, 3, 6}
	iv, err := Studentized([][]float64{x}, MeasureMean, 2000, rng.New(1, "test"))
	if m := Mean(x); err != nil || !(iv.High-m > 1.5*(m-iv.Low)) || iv.Low <= 1 {
		t.Errorf("%+v, %v round %g", iv, err, Mean(x))
	}
}

func TestRatio(t *testing.T) {
	b := [][]float64{{1, 2, 3, 4, 5, 6, 7, 8}, {2, 2, 2, 2, 2, 2, 2, 3}}
	twice := [][]float64{{2, 4, 6, 8, 10, 12, 14, 16}, {4, 4, 4, 4, 4, 4, 4, 6}}
	v, iv, runs := ratio(twice, b, 200, rng.New(1, "test"))
	if v != 2 || !iv.Valid || math.Abs(iv.Low-2) > 1e-9 || math.Abs(iv.High-2) > 1e-9 || runs != 16 {
		t.Errorf("every run twice the other: %g, %+v of %d runs", v, iv, runs)
	}
	if v, iv, _ := ratio(b, [][]float64{make([]float64, 8), make([]float64, 8)}, 200, rng.New(1, "test")); !math.IsNaN(v) || iv.Valid {
		t.Errorf("over nothing: %g, %+v", v, iv)
	}
	if v, _, _ := ratio(b, b[:1], 200, rng.New(1, "test")); !math.IsNaN(v) {
		t.Errorf("runs that do not pair: %g", v)
	}
	// An opponent that violates in two runs of eight: redrawn to nothing in 0.75^8 = 10 %, so Student's, and finite.
	if _, iv, _ := ratio(b[:1], [][]float64{{0, 0, 0, 0, 0, 0, 1, 2}}, 500, rng.New(1, "test")); !iv.Valid || math.IsInf(iv.High, 0) || math.IsNaN(iv.Low) {
		t.Errorf("mostly nothing: %+v", iv)
	}
}

// TestDeltaIntervalOfCompleteSeparation has a width: with p = 1 its lower end solves 1-p = z √(p(1-p)(1 + 9(1-p)/(2-p) + 9p/(1+p))/100).
func TestDeltaIntervalOfCompleteSeparation(t *testing.T) {
	above, below := make([]float64, 10), make([]float64, 10)
	for i := range above {
		above[i] = 1
	}
	iv := deltaInterval([][]float64{above}, [][]float64{below})
	p := (1 + iv.Low) / 2
	z := (1 - p) / math.Sqrt(p*(1-p)*(1+9*(1-p)/(2-p)+9*p/(1+p))/100)
	if iv.High != 1 || math.Abs(z-1.959963984540054) > 1e-6 || iv.Low < 0.3 || iv.Low > 0.8 {
		t.Errorf("%+v, its lower end is %g standard errors away", iv, z)
	}
	if back := deltaInterval([][]float64{below}, [][]float64{above}); math.Abs(back.High+iv.Low) > 1e-9 || back.Low != -1 {
		t.Errorf("%+v is not the mirror image of %+v", back, iv)
	}
	if iv := deltaInterval([][]float64{{1}}, [][]float64{below}); iv.Valid {
		t.Errorf("one run: %+v", iv)
	}
}

// TestWilson is the example of Newcombe 1998, table I: 81 of 263 gives 0.2553 to 0.3662.
func TestWilson(t *testing.T) {
	if iv := wilson(81.0/263, 263); math.Abs(iv.Low-0.2553) > 5e-5 || math.Abs(iv.High-0.3662) > 5e-5 {
		t.Errorf("%+v", iv)
	}
	if iv := wilson(1, 10); iv.High != 1 || !(iv.Low < 0.75) {
		t.Errorf("all of ten: %+v", iv)
	}
}
