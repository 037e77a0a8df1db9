package tune

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// The front holds exactly the candidates that no other dominates, once for each score, and the best by any objective that
// grows with violations and cost is on it.
func TestFrontIsWhatNothingDominates(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var all []Candidate
		for range rapid.IntRange(1, 30).Draw(t, "n") {
			all = append(all, Candidate{Score: Score{SLOViolation: float64(rapid.IntRange(0, 9).Draw(t, "v")) / 10, Cost: float64(rapid.IntRange(0, 9).Draw(t, "c"))}})
		}
		front := Front(all)
		for _, c := range all {
			dominated := slices.ContainsFunc(all, func(o Candidate) bool { return o.Score.dominates(&c.Score) })
			on := 0
			for _, f := range front {
				if f.Score == c.Score {
					on++
				}
			}
			if want := map[bool]int{false: 1, true: 0}[dominated]; on != want {
				t.Fatalf("score %+v is on the front %d times, want %d", c.Score, on, want)
			}
		}
		bound := Objective{Bounded: true, MostViolation: float64(rapid.IntRange(0, 9).Draw(t, "bound")) / 10}
		best := bound.Best(all)
		if !slices.ContainsFunc(front, func(f Candidate) bool { return f.Score == best.Score }) {
			t.Fatalf("the best by %s, %+v, is not on the front", bound, best.Score)
		}
		for _, c := range all {
			if bound.Meets(&c.Score) && (!bound.Meets(&best.Score) || c.Score.Cost < best.Score.Cost) {
				t.Fatalf("by %s %+v is better than %+v", bound, c.Score, best.Score)
			}
		}
	})
}

func TestParseObjective(t *testing.T) {
	for _, tc := range []struct {
		text string
		want Objective
		bad  bool
	}{
		{text: "caf"},
		{text: "slo<=1", want: Objective{Bounded: true, MostViolation: 0.01}},
		{text: "slo<=0", want: Objective{Bounded: true}},
		{text: "slo<=2.5%", want: Objective{Bounded: true, MostViolation: 0.025}},
		{text: "slo<=101", bad: true},
		{text: "slo<=-1", bad: true},
		{text: "slo<=NaN", bad: true},
		{text: "slo<1", bad: true},
		{text: "", bad: true},
	} {
		got, err := ParseObjective(tc.text)
		if (err != nil) != tc.bad || got != tc.want {
			t.Errorf("%q: %+v, %v; want %+v", tc.text, got, err, tc.want)
		}
		if err == nil {
			if again, err := ParseObjective(got.String()); err != nil || again != got {
				t.Errorf("%q is written as %q, which gives %+v, %v", tc.text, got, again, err)
			}
		}
	}
}
