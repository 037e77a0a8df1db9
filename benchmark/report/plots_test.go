package report

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/grlscaler/grlscaler/internal/svg"
)

// TestThinKeepsPeaks: whatever the length, a thinned line is part of the line, in its order, and has the highest and the lowest point of
// every span.
func TestThinKeepsPeaks(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 2))
		n, most := 1+r.IntN(500), 2+r.IntN(60)
		at, v := make([]float64, n), make([]float64, n)
		for i := range v {
			at[i], v[i] = float64(15*i), float64(r.IntN(1000))
			if r.IntN(20) == 0 {
				v[i] = math.NaN()
			}
		}
		x, y := thin(at, v, most)
		if len(x) != len(y) || len(x) > most {
			t.Fatalf("seed %d: %d points, %d were asked for at most", seed, len(x), most)
		}
		for i := range x {
			k := int(x[i]) / 15
			if v[k] != y[i] && !(math.IsNaN(v[k]) && math.IsNaN(y[i])) || i > 0 && x[i] <= x[i-1] {
				t.Fatalf("seed %d: point %d of the thinned line is %g at %g", seed, i, y[i], x[i])
			}
		}
		if n <= most {
			continue
		}
		k := spanLength(n, most)
		for i := 0; i < n; i += k {
			want, got := emptySpan(), emptySpan()
			want.add(v[i:min(i+k, n)]...)
			for j := range x {
				if x[j] >= at[i] && x[j] <= at[min(i+k, n)-1] {
					got.add(y[j])
				}
			}
			if want != got {
				t.Fatalf("seed %d: from %d on the line spans %v, thinned %v", seed, i, want, got)
			}
		}
	}
}

func TestLinesHaveGaps(t *testing.T) {
	ax, ay := &svg.Axis{Max: 10, To: 100}, &svg.Axis{Max: 10, From: 100}
	if got := line([]float64{0, 1, 2, 3, 4}, []float64{0, 5, math.NaN(), 5, 10}, ax, ay); got != "M0 100l10-50M30 50l10-50" {
		t.Errorf("line %q", got)
	}
	// Two replicas for 10 s, then one: the number holds until the next.
	if got := steps([]float64{0, 10}, []float64{2, 1}, ax, ay); got != "M0 80h100v10" {
		t.Errorf("steps %q", got)
	}
	if got := band([]float64{0, 5}, nil, []float64{2, 1}, 10, ax, ay); got != "M0 80h50v10h50v10h-100z" {
		t.Errorf("band %q", got)
	}
}

func demand(needed, ready []float64) *Series {
	s := &Series{Name: "a", Needed: needed, Ready: ready, Starting: make([]float64, len(needed)), Pending: make([]float64, len(needed)), Spec: ready}
	for i := range needed {
		s.At = append(s.At, 15*float64(i+1))
	}
	return s
}

func TestLargestStep(t *testing.T) {
	none := *demand([]float64{9, 9, 9, 9, 9, 9}, make([]float64, 6)) // the application, which is not looked at
	for _, c := range []struct {
		name     string
		services [][]float64
		want     step
		ok       bool
	}{
		{"never", [][]float64{{3, 2, 1}}, step{}, false},
		{"at once", [][]float64{{1, 1, 5, 5, 6, 6}}, step{1, 30, 1, 6}, true}, // the next rise is within a minute
		{"of two services", [][]float64{{1, 2, 2, 2, 2, 2}, {4, 4, 4, 4, 4, 8}}, step{2, 75, 4, 8}, true},
		{"too slow to be one step", [][]float64{{1, 2, 3, 4, 5, 6}}, step{1, 15, 1, 5}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			run := Run{Services: []Series{none}}
			for _, v := range c.services {
				run.Services = append(run.Services, *demand(v, v))
			}
			if got, ok := largestStep(&Section{Runs: []Run{run}}); got != c.want || ok != c.ok {
				t.Errorf("step %+v %v, want %+v %v", got, ok, c.want, c.ok)
			}
		})
	}
	if _, ok := largestStep(&Section{}); ok {
		t.Error("a step without runs")
	}
}

func TestLagAfterStep(t *testing.T) {
	st := &step{1, 30, 1, 4} // from the third interval on
	for _, c := range []struct {
		name          string
		needed, ready []float64
		want          lag
		words         string
	}{
		{"ready in time", []float64{1, 1, 4, 4}, []float64{1, 4, 4, 4}, lag{}, "no lag"},
		{"ready after two intervals", []float64{1, 1, 4, 4, 4}, []float64{1, 1, 1, 3, 4}, lag{seconds: 45, missed: true}, "lag about 45 s"},
		{"never ready", []float64{1, 1, 4, 4, 4}, []float64{1, 1, 1, 3, 3}, lag{seconds: 45, missed: true, open: true}, "over 45 s, open"},
		{"short before the step alone", []float64{3, 1, 4, 4}, []float64{1, 1, 4, 4}, lag{}, "no lag"},
		{"falls behind at the second rise", []float64{1, 1, 4, 6, 6}, []float64{1, 1, 4, 4, 6}, lag{seconds: 30, missed: true}, "lag about 30 s"},
	} {
		got := lagAfterStep(demand(c.needed, c.ready), st)
		if got != c.want || got.words() != c.words {
			t.Errorf("%s: %+v (%s), want %+v (%s)", c.name, got, got.words(), c.want, c.words)
		}
	}
}

func TestParetoFront(t *testing.T) {
	controllers := []Controller{{Name: "a"}, {Name: "b"}, {Name: "c"}, {Name: "d"}, {Name: "bound", Kind: KindBound}}
	var points []Point
	for i, p := range [][2]float64{{3, 1}, {1, 9}, {3, 2}, {2, 9}, {0, 0}} {
		points = append(points, Point{i, Value{Value: p[0]}, Value{Value: p[1]}})
	}
	// c costs what a costs and is worse; d is as bad as b and dearer; the bound does not count.
	if got := paretoFront(points, controllers); !slices.Equal(got, []int{1, 0}) {
		t.Errorf("front %v, want b and a", got)
	}
}

// TestLabelsDoNotCoverEachOther with a full benchmark's controllers at places drawn at random; where there is room for all, all have it.
func TestLabelsDoNotCoverEachOther(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 3))
		var boxes []box
		var at [][2]int
		for range 14 {
			x, y := paretoLeft+r.IntN(paretoRight-paretoLeft), paretoTop+r.IntN(paretoBottom-paretoTop)
			at = append(at, [2]int{x, y})
			boxes = append(boxes, box{x - 7, y - 7, x + 7, y + 7})
		}
		for _, p := range at {
			b := place(p[0], p[1], 10, boxes)
			for i := range boxes {
				if b.overlap(&boxes[i]) > 0 {
					t.Errorf("seed %d: label %v covers %v", seed, b, boxes[i])
				}
			}
			if b.x0 < 0 || b.x1 > paretoWidth || b.y0 < 0 || b.y1 > paretoHeight {
				t.Errorf("seed %d: label %v is outside of the plot", seed, b)
			}
			boxes = append(boxes, b)
		}
	}
	if b := place(200, 200, 500, nil); b.x0 < 0 {
		t.Errorf("a name wider than the plot begins at %d", b.x0)
	}
}

func TestWords(t *testing.T) {
	for _, c := range []struct {
		s    float64
		want string
	}{{45, "45 s"}, {150, "2.5 min"}, {9000, "2.5 h"}, {864000, "10 d"}} {
		if got := duration(c.s); got != c.want {
			t.Errorf("%g s is %q, want %q", c.s, got, c.want)
		}
	}
	for _, c := range []struct {
		s    span
		want string
	}{{emptySpan(), "no number"}, {span{2, 2}, "2"}, {span{0.123456, 98765}, "0.123 to 98.8k"}} {
		if got := c.s.words(); got != c.want {
			t.Errorf("%v is %q, want %q", c.s, got, c.want)
		}
	}
}
