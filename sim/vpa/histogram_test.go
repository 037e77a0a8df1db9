package vpa

import (
	"math"
	"strings"
	"testing"
	"time"
)

const day = 24 * time.Hour

func newHistogram(t testing.TB, b Buckets) *Histogram {
	t.Helper()
	h, err := NewHistogram(b, day)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// TestHistogramBuckets: the percentile of one sample is the end of its bucket. Ends are 0.01, 0.01 + 0.0105, and so on:
// bucket n begins at 0.01 * (1.05^n - 1) / 0.05, and the last one where that is 1000 or more, n = 175.
func TestHistogramBuckets(t *testing.T) {
	last := 0.01 * (math.Pow(1.05, 175) - 1) / 0.05
	if last < 1000 || last > 1050 {
		t.Fatalf("the last bucket begins at %v", last)
	}
	for _, tt := range []struct {
		name        string
		value, want float64
	}{
		{"nothing", 0, 0.01},
		{"less than nothing", -3, 0.01},
		{"just in the first", 0.00999, 0.01},
		{"in the second", 0.0101, 0.0205},
		{"at its end", 0.0204, 0.0205},
		{"in the third", 0.0206, 0.031525},
		{"a tenth", 0.1, 0.01 * (math.Pow(1.05, 9) - 1) / 0.05}, // 1.05^8 = 1.477, 1.05^9 = 1.551; 0.1 is at 1.5
		{"one", 1, 0.01 * (math.Pow(1.05, 37) - 1) / 0.05},      // 1.05^36 = 5.79, 1.05^37 = 6.08; 1 is at 6
		{"in the last", 1040, last},
		{"beyond all", 1e6, last},
		{"infinite", math.Inf(1), last},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHistogram(t, CPUBuckets)
			h.Add(0, tt.value, 0.1)
			for _, p := range []float64{0, 0.5, 1} {
				if got := h.Percentile(p); math.Abs(got-tt.want) > 1e-12*tt.want {
					t.Errorf("percentile %v of %v: %v, want %v", p, tt.value, got, tt.want)
				}
			}
		})
	}
}

// TestHistogramPercentile: the weight is walked from the bottom until it reaches the fraction, without interpolation.
func TestHistogramPercentile(t *testing.T) {
	end := func(h *Histogram, v float64) float64 { return h.starts[h.bucket(v)+1] }
	type sample struct {
		at            time.Duration
		value, weight float64
	}
	for _, tt := range []struct {
		name    string
		samples []sample
		p       float64
		want    float64 // a value in the bucket; 0: the histogram is empty
	}{
		{"empty", nil, 0.9, 0},
		{"below a step", []sample{{0, 1, 1}, {0, 2, 1}}, 0.49, 1},
		{"at a step", []sample{{0, 1, 1}, {0, 2, 1}}, 0.5, 1},
		{"above a step", []sample{{0, 1, 1}, {0, 2, 1}}, 0.51, 2},
		{"nine of ten", []sample{{0, 1, 9}, {0, 5, 1}}, 0.9, 1},
		{"all", []sample{{0, 1, 9}, {0, 5, 1}}, 1, 5},
		{"none", []sample{{0, 1, 9}, {0, 5, 1}}, 0, 1},
		// A day later a sample weighs twice as much: 1 + 2 * 0.5.
		{"a day older, at the step", []sample{{0, 1, 1}, {day, 2, 0.5}}, 0.5, 1},
		{"a day older, above the step", []sample{{0, 1, 1}, {day, 2, 0.5}}, 0.501, 2},
		{"half a day older", []sample{{0, 1, 1}, {day / 2, 2, 1}}, 1 / (1 + math.Sqrt2) * 0.999, 1},
		{"half a day older, beyond", []sample{{0, 1, 1}, {day / 2, 2, 1}}, 1 / (1 + math.Sqrt2) * 1.001, 2},
		{"older than the first", []sample{{0, 2, 1}, {-day, 1, 2}}, 0.5, 1},
		{"not a number", []sample{{0, math.NaN(), 1}}, 0.5, 0},
		{"no weight", []sample{{0, 1, 0}, {0, 1, -1}, {0, 1, math.NaN()}, {0, 1, math.Inf(1)}}, 0.5, 0},
		{"a weight as good as none", []sample{{0, 1, 0.00009}}, 0.5, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHistogram(t, CPUBuckets)
			for _, s := range tt.samples {
				h.Add(s.at, s.value, s.weight)
			}
			want := 0.0
			if tt.want != 0 {
				want = end(h, tt.want)
			}
			if got := h.Percentile(tt.p); got != want {
				t.Errorf("%v, want %v", got, want)
			}
			if h.Empty() != (tt.want == 0) {
				t.Errorf("empty: %v", h.Empty())
			}
		})
	}
}

// TestHistogramSubtract: a sample that is taken out leaves nothing, and never less than nothing.
func TestHistogramSubtract(t *testing.T) {
	h := newHistogram(t, MemoryBuckets)
	h.Add(0, 2e8, 1)
	h.Add(3*time.Hour, 7e8, 1)
	h.Add(3*time.Hour, 7e8, 1)
	h.Subtract(3*time.Hour, 7e8, 1)
	one := newHistogram(t, MemoryBuckets)
	one.Add(0, 2e8, 1)
	one.Add(3*time.Hour, 7e8, 1)
	for _, p := range []float64{0.1, 0.4, 0.5, 0.9} {
		if a, b := h.Percentile(p), one.Percentile(p); a != b {
			t.Errorf("percentile %v: %v, want %v", p, a, b)
		}
	}
	h.Subtract(3*time.Hour, 7e8, 5)
	if top := h.Percentile(1); top != one.Percentile(0.1) || math.Abs(h.total-1) > 1e-12 {
		t.Errorf("the upper bucket is still there: %v, total %v", top, h.total)
	}
	h.Subtract(0, 2e8, 0.99995)
	if !h.Empty() || h.Percentile(0.5) != 0 || math.Abs(h.total) > 1e-12 {
		t.Errorf("left: %v, total %v", h.Percentile(0.5), h.total)
	}
	h.Add(time.Hour, 5e8, 1)
	if h.Percentile(0) != h.Percentile(1) || h.Empty() {
		t.Error("does not take samples any more")
	}
}

// TestHistogramYears: over ten years of hourly samples no weight grows beyond bounds, and what is left is what the last
// months alone would give.
func TestHistogramYears(t *testing.T) {
	const years, months = 10 * 365 * day, 60 * day
	value := func(at time.Duration) float64 {
		return 0.2 + 3*math.Abs(math.Sin(float64(at/time.Hour)*0.37)) + float64(at)/float64(years)
	}
	long, short := newHistogram(t, CPUBuckets), newHistogram(t, CPUBuckets)
	for at := time.Duration(0); at <= years; at += time.Hour {
		long.Add(at, value(at), 0.1)
		if at > years-months {
			short.Add(at, value(at), 0.1)
		}
		if !(long.total < 10*math.Exp2(maxHalfLives)) {
			t.Fatalf("after %v all weighs %v", at, long.total)
		}
	}
	var sum float64
	for _, w := range long.weights {
		if w < 0 || math.IsNaN(w) {
			t.Fatalf("a bucket weighs %v", w)
		}
		sum += w
	}
	if math.Abs(sum-long.total) > 1e-9*sum {
		t.Errorf("buckets weigh %v, the total says %v", sum, long.total)
	}
	for p := 0.01; p < 1; p += 0.01 {
		if a, b := long.Percentile(p), short.Percentile(p); a != b {
			t.Errorf("percentile %.2f: %v, of the last months %v", p, a, b)
		}
	}
	long.Add(200*365*day, 7, 0.1)
	if p := long.Percentile(0); p != long.starts[long.bucket(7)+1] {
		t.Errorf("after two centuries of nothing the past still counts: %v", p)
	}
}

func TestNewHistogramRefuses(t *testing.T) {
	for _, tt := range []struct {
		name     string
		b        Buckets
		halfLife time.Duration
		want     []string
	}{
		{"all wrong", Buckets{math.NaN(), -1, math.Inf(1)}, 0, []string{"first NaN", "max -1", "growth +Inf", "half-life 0s"}},
		{"too many", Buckets{1, 1e9, 1e-9}, day, []string{"must be at most 100000; let it grow faster"}},
		{"no growth that counts", Buckets{1, 1e9, 1e-300}, day, []string{"must be at most 100000"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := NewHistogram(tt.b, tt.halfLife)
			if err == nil {
				t.Fatal("no error")
			}
			for _, w := range tt.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("error %q lacks %q", err, w)
				}
			}
			if n := strings.Count(err.Error(), "\n") + 1; n != len(tt.want) {
				t.Errorf("%d errors, want %d:\n%v", n, len(tt.want), err)
			}
		})
	}
}

func TestHistogramAllocatesNothing(t *testing.T) {
	h, at := newHistogram(t, CPUBuckets), time.Duration(0)
	if n := testing.AllocsPerRun(1000, func() {
		at += 7 * day // renormalised every fifteenth time
		h.Add(at, 0.3, 0.1)
		h.Add(at, 2.5, 0.1)
		h.Subtract(at, 2.5, 0.1)
		h.Percentile(0.9)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
