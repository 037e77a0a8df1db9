package sim

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

func TestLogTable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := math.Exp(rapid.Float64Range(-300, 300).Draw(t, "ln x"))
		if got, want := logs.of(x), math.Log(x); math.Abs(got-want) > 1e-11+1e-15*math.Abs(want) {
			t.Fatalf("ln %g is %.17g, want %.17g", x, got, want)
		}
	})
}

// The bucket of a number is the first whose upper edge is above, whichever way it is found.
func TestBucketsBySearch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ms := math.Exp(rapid.Float64Range(-8, 18).Draw(t, "ln ms"))
		if rapid.Bool().Draw(t, "edge") {
			ms = histEdge(rapid.IntRange(0, histBuckets-1).Draw(t, "bucket"))
		}
		want := 0
		for ms > histMinMs && want < histBuckets-1 && ms >= histEdge(want) {
			want++
		}
		if got := bucketOf(ms); got != want {
			t.Fatalf("%g ms is in bucket %d, want %d", ms, got, want)
		}
	})
}
