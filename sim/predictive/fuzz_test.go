package predictive

import (
	"math"
	"testing"
	"time"

	"github.com/grlscaler/grlscaler/sim/hpa"
)

// FuzzValidate: whatever the numbers, an object is refused or its controller decides soundly: no panic, nothing that is not a
// number, and replicas within the bounds in the end.
func FuzzValidate(f *testing.F) {
	const hour = int64(time.Hour)
	f.Add(0.5, 0.5, 0.5, 0.0, 0.0, 0.0, 6, 4, 6, int64(15e9), int64(15e9), int64(0), int64(0),
		1, int32(1), int32(9), uint8(0), int32(3), int32(5))
	f.Add(1.0, 1.0, 1.0, 1e308, 1e308, 1e308, 2, 5, 1, int64(1e6), int64(1e6), int64(60e9), int64(90e9),
		2, int32(0), int32(1), uint8(0xff), int32(0), int32(0))
	f.Add(math.NaN(), math.Inf(1), math.Inf(-1), math.NaN(), math.Inf(1), 0.0, math.MaxInt, math.MinInt, math.MaxInt,
		int64(math.MaxInt64), int64(math.MinInt64), int64(math.MaxInt64), int64(math.MinInt64),
		math.MaxInt, int32(math.MinInt32), int32(math.MaxInt32), uint8(7), int32(math.MaxInt32), int32(math.MinInt32))
	f.Add(5e-324, 0.0, 1.0, 0.0, 0.0, 0.0, 140, 140, 100, int64(1e6), 87600*hour, int64(1), int64(1),
		0, int32(1), int32(2), uint8(0x2b), int32(1), int32(math.MaxInt32))
	f.Fuzz(func(t *testing.T, alpha, beta, gamma, level, trend, seasonal float64, periods, stored, history int, ahead, sync, start, reset int64, per int,
		minR, maxR int32, choice uint8, a, b int32) {
		pick := func(shift, n int) int { return int(choice>>shift) % n }
		h := &HoltWinters{
			Alpha: &alpha, Beta: &beta, Gamma: &gamma, SeasonalPeriods: periods, StoredSeasons: stored,
			Trend: []Method{Add, Multiplicative}[pick(0, 2)], Seasonal: []Method{Additive, Mul}[pick(1, 2)],
			InitializationMethod: []Initialization{"", Heuristic, LegacyHeuristic, Known}[pick(2, 4)], Chronological: pick(4, 2) == 1,
		}
		if h.InitializationMethod == Known {
			h.known(level, trend, seasonal)
		}
		s := Spec{
			MinReplicas: &minR, MaxReplicas: maxR, SyncPeriod: time.Duration(sync),
			DecisionType: []DecisionType{"", DecideMinimum, DecideMean, DecideMedian}[pick(5, 4)],
			Models: []ModelSpec{
				{Type: LinearModel, Name: "line", PerSyncPeriod: per, Linear: &Linear{LookAhead: time.Duration(ahead), HistorySize: history}},
				{Type: HoltWintersModel, Name: "season", StartInterval: time.Duration(start), ResetDuration: time.Duration(reset), HoltWinters: h},
			},
			Behavior: &hpa.Behavior{ScaleUp: &hpa.ScalingRules{Policies: []hpa.Policy{{Type: hpa.PodsPolicy, Value: max(a, 1), PeriodSeconds: 60}}}},
		}
		c, err := New(s)
		if err != nil {
			return
		}
		current, now := a, time.Duration(0)
		for i := range min(h.MinObservations()+5, 300) {
			d := c.Sync(now, []int32{a, b, b}[i%3])
			for j := range d.Predictions {
				if p := &d.Predictions[j]; math.IsNaN(p.Value) || math.IsInf(p.Value, 0) || (p.Outcome == Failed) != (p.Err != nil && p.Outcome != TooFew) {
					t.Fatalf("%s", d.Explain())
				}
			}
			got := c.Settle(now, max(current, 0), d.Replicas)
			if got.Desired < minR || got.Desired > maxR {
				t.Fatalf("%+v, outside %d..%d", got, minR, maxR)
			}
			current = got.Desired
			now += c.Spec().SyncPeriod
		}
	})
}
