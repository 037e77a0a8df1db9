package theory

import (
	"container/heap"
	"math"
	"testing"

	"github.com/grlscaler/grlscaler/sim/rng"
)

// ends is a heap of the amounts of service at which visits are done.
type ends []float64

func (h ends) Len() int           { return len(h) }
func (h ends) Less(i, j int) bool { return h[i] < h[j] }
func (h ends) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *ends) Push(x any)        { *h = append(*h, x.(float64)) }
func (h *ends) Pop() any {
	q := *h
	x := q[len(q)-1]
	*h = q[:len(q)-1]
	return x
}

// shared simulates a server that serves all alike, from empty, and returns the number of visits at two times.
func shared(s *rng.Stream, lambda float64, draw func(*rng.Stream) float64, at [2]float64) (n [2]float64) {
	var inside ends
	now, given := 0.0, 0.0 // given: service to each since the beginning
	next := s.ExpFloat64() / lambda
	for k := 0; k < 2; {
		done := math.Inf(1)
		if len(inside) > 0 {
			done = now + (inside[0]-given)*float64(len(inside))
		}
		to := min(next, done, at[k])
		if len(inside) > 0 {
			given += (to - now) / float64(len(inside))
		}
		now = to
		switch to {
		case at[k]:
			n[k] = float64(len(inside))
			k++
		case next:
			heap.Push(&inside, given+draw(s))
			next = now + s.ExpFloat64()/lambda
		default:
			heap.Pop(&inside)
		}
	}
	return n
}

// The number of visits grows as by brute force, within 4 standard errors over 40 runs.
func TestSharedOverloadAgainstBruteForce(t *testing.T) {
	one := func(*rng.Stream) float64 { return 1 }
	exponential := func(s *rng.Stream) float64 { return s.ExpFloat64() }
	erlang4 := func(s *rng.Stream) float64 {
		return (s.ExpFloat64() + s.ExpFloat64() + s.ExpFloat64() + s.ExpFloat64()) / 4
	}
	squared := func(s *rng.Stream) float64 { x := s.NormFloat64(); return x * x } // gamma of shape 1/2: cv √2
	for name, tc := range map[string]struct {
		cv   float64
		draw func(*rng.Stream) float64
	}{"deterministic": {0, one}, "Erlang-4": {0.5, erlang4}, "exponential": {1, exponential}, "gamma": {math.Sqrt2, squared}} {
		for _, lambda := range []float64{1.3, 2} {
			const runs, from, to = 40, 1000.0, 3000.0
			var rates []float64
			for r := range runs {
				n := shared(rng.New(1, name, int(10*lambda), r), lambda, tc.draw, [2]float64{from, to})
				rates = append(rates, (n[1]-n[0])/(to-from))
			}
			mean, se := 0.0, 0.0
			for _, x := range rates {
				mean += x / runs
			}
			for _, x := range rates {
				se += (x - mean) * (x - mean) / runs / (runs - 1)
			}
			want := SharedOverload{Lambda: lambda, Mean: 1, CV: tc.cv}.Growth()
			if math.Abs(mean-want) > 4*math.Sqrt(se) {
				t.Errorf("%s at %v: grows by %.4f ± %.4f, theory %.4f", name, lambda, mean, math.Sqrt(se), want)
			}
		}
	}
	near(t, "exponential", SharedOverload{3, 0.5, 1}.Growth(), 1, 1e-12)
	near(t, "stable", SharedOverload{1, 0.5, 0.7}.Growth(), 0, 0)
}
