package tune

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Score is what a candidate comes to: means over the loads of the means over the seeds.
type Score struct {
	SLOViolation float64 // share of the requests
	Cost         float64 // of the CPU requests of all pods; core hours where pools have no price
	CAF          float64
	Replicas     float64
}

// dominates tells whether s is at least as good as t in violations and cost, and better in one.
func (s *Score) dominates(t *Score) bool {
	return s.SLOViolation <= t.SLOViolation && s.Cost <= t.Cost && (s.SLOViolation < t.SLOViolation || s.Cost < t.Cost)
}

// Front returns the candidates that no other one dominates, the cheapest first; of equals the first.
func Front(all []Candidate) []Candidate {
	sorted := slices.Clone(all)
	slices.SortStableFunc(sorted, func(a, b Candidate) int {
		return cmp.Or(cmp.Compare(a.Score.Cost, b.Score.Cost), cmp.Compare(a.Score.SLOViolation, b.Score.SLOViolation))
	})
	var front []Candidate
	least := math.Inf(1)
	for _, c := range sorted {
		if c.Score.SLOViolation < least {
			front = append(front, c)
			least = c.Score.SLOViolation
		}
	}
	return front
}

// Objective says which candidate is best.
type Objective struct {
	// MostViolation, if Bounded, is the share of requests that may violate their SLO: the cheapest candidate within it is best.
	// Without a bound the one with the lowest CAF is.
	Bounded       bool
	MostViolation float64
}

// ParseObjective reads "caf" or "slo<=X", X in percent.
func ParseObjective(text string) (Objective, error) {
	if text == "caf" {
		return Objective{}, nil
	}
	if x, ok := strings.CutPrefix(text, "slo<="); ok {
		v, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(x, "%")), 64)
		if err == nil && v >= 0 && v <= 100 {
			return Objective{Bounded: true, MostViolation: v / 100}, nil
		}
		return Objective{}, fmt.Errorf("objective %q: %q is not a percentage from 0 to 100", text, x)
	}
	return Objective{}, fmt.Errorf("objective %q: one of caf, slo<=X with X in percent", text)
}

// String is what ParseObjective reads.
func (o Objective) String() string {
	if o.Bounded {
		return "slo<=" + strconv.FormatFloat(100*o.MostViolation, 'g', -1, 64)
	}
	return "caf"
}

// Meets tells whether a score is within the bound.
func (o Objective) Meets(s *Score) bool { return !o.Bounded || s.SLOViolation <= o.MostViolation }

// Compare orders scores, the better one first. Outside the bound fewer violations are better, whatever they cost.
func (o Objective) Compare(a, b *Score) int {
	if !o.Bounded {
		return cmp.Or(cmp.Compare(a.CAF, b.CAF), cmp.Compare(a.Cost, b.Cost))
	}
	meetsA, meetsB := o.Meets(a), o.Meets(b)
	switch {
	case meetsA != meetsB && meetsA:
		return -1
	case meetsA != meetsB:
		return 1
	case meetsA:
		return cmp.Or(cmp.Compare(a.Cost, b.Cost), cmp.Compare(a.SLOViolation, b.SLOViolation))
	}
	return cmp.Or(cmp.Compare(a.SLOViolation, b.SLOViolation), cmp.Compare(a.Cost, b.Cost))
}

// Best is the best candidate, of equals the first. There must be one.
func (o Objective) Best(all []Candidate) Candidate {
	return slices.MinFunc(all, func(a, b Candidate) int { return o.Compare(&a.Score, &b.Score) })
}
