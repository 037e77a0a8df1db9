package benchmark

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/grlscaler/grlscaler/sim"
)

// The worst span is the first with most violations among all of its length, found by trying all.
func TestWorstSpan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 150).Draw(t, "intervals")
		bad := rapid.SliceOfN(rapid.IntRange(0, 5), n, n).Draw(t, "violations")
		var w worstSpan
		for i, v := range bad {
			w.add(float64(v), float64(10+i%3))
		}
		length := min(len(w.ring), n)
		want := Worst{Violations: -1}
		for from := 0; from+length <= n; from++ {
			x := Worst{At: time.Duration(from) * sim.ControlInterval}
			for i := from; i < from+length; i++ {
				x.Violations += float64(bad[i])
				x.Requests += float64(10 + i%3)
			}
			if x.Violations > want.Violations {
				want = x
			}
		}
		if w.worst.At != want.At || math.Abs(w.worst.Violations-want.Violations) > 1e-9 || math.Abs(w.worst.Requests-want.Requests) > 1e-9 {
			t.Fatalf("found %+v, want %+v", w.worst, want)
		}
	})
}
