package theory

import (
	"math"
	"slices"
)

// QuotaVisit is one visit alone on a replica under a CFS quota: it runs on one core until the replica has used
// Quota in the present period of length Period, waits for the next one, and so on until it has had the CPU time it
// needs.
type QuotaVisit struct {
	CPU    float64
	Quota  float64 // CPU time per period, at most Period
	Period float64
}

// Time is how long the visit takes when it begins at a given time after the start of a period, whose quota is still
// whole. In the first period it gets at most what is left of it; then the whole quota of each period but the last,
// and the rest at once.
func (v QuotaVisit) Time(begin float64) float64 {
	left := v.Period - begin
	first := min(v.Quota, left)
	if v.CPU <= first {
		return v.CPU
	}
	rest := v.CPU - first
	full := math.Ceil(rest/v.Quota) - 1
	return left + full*v.Period + rest - full*v.Quota
}

// MeanTime is the mean over a begin that is uniform over the period. Time is linear between the points where it
// bends or jumps: where what is left of the period is the quota, or where the visit comes to need one period more. With x
// the time left, those are x = Quota, x = CPU, and CPU - x a multiple of Quota.
func (v QuotaVisit) MeanTime() float64 {
	bends := []float64{0, v.Period}
	add := func(x float64) {
		if x > 0 && x < v.Period {
			bends = append(bends, x)
		}
	}
	add(v.Quota)
	add(v.CPU)
	for k := 1.0; k*v.Quota < v.CPU; k++ {
		add(v.CPU - k*v.Quota)
	}
	slices.Sort(bends)
	sum := 0.0
	for i := 1; i < len(bends); i++ {
		// The midpoint rule is exact for a linear piece.
		sum += v.Time(v.Period-(bends[i-1]+bends[i])/2) * (bends[i] - bends[i-1])
	}
	return sum / v.Period
}
