package theory

import (
	"math"
	"testing"
)

func TestOverloadGrowthAgainstTransientChain(t *testing.T) {
	const room = 400
	o := Overload{Lambda: 1.6, Mu: 1}
	c := chain{room, func(s int, add func(int, float64)) {
		if s+1 < room {
			add(s+1, o.Lambda)
		}
		if s > 0 {
			add(s-1, o.Mu)
		}
	}}
	for _, at := range []float64{150, 250} {
		p := c.transient(0, at)
		near(t, "number", o.MeanNumberMM1(at), mean(p, func(s int) float64 { return float64(s) }), 1e-6)
	}
}

// Mean time to empty from n customers, by the equations h(n) = 1/(λ+μ) + (λ h(n+1) + μ h(n-1))/(λ+μ), which
// iteration solves on a large enough room.
func TestDrainTimeAgainstFirstPassage(t *testing.T) {
	const lambda, mu, room = 0.5, 1.0, 300
	h := make([]float64, room+1)
	for range 40_000 {
		for n := 1; n < room; n++ {
			h[n] = (1 + lambda*h[n+1] + mu*h[n-1]) / (lambda + mu)
		}
		h[room] = h[room-1] + 1/mu
	}
	for _, n := range []int{1, 7, 40} {
		near(t, "time to drain", Overload{lambda, mu}.DrainTime(float64(n)), h[n], 1e-6)
	}
	near(t, "growth", Overload{30, 20}.Growth(), 10, 0)
	near(t, "drain", Overload{5, 20}.Growth(), -15, 0)
}

// A visit under a quota, stepped through in hundredths of a millisecond.
func TestQuotaVisitAgainstSteps(t *testing.T) {
	const step = 0.01
	for _, v := range []QuotaVisit{{3, 20, 100}, {30, 20, 100}, {45, 20, 100}, {90, 60, 100}, {150, 70, 100}, {40, 100, 100}, {20, 20, 100}, {60, 20, 100}} {
		sum, n := 0.0, 0
		for begin := 0.113; begin < v.Period; begin += 0.25 { // off the points where Time jumps
			need, used, now := v.CPU, 0.0, begin
			period := 0.0
			for need > step/2 {
				if math.Floor(now/v.Period) > period {
					period = math.Floor(now / v.Period)
					used = 0
				}
				if used < v.Quota-step/2 {
					used += step
					need -= step
				}
				now += step
			}
			if got := v.Time(begin); math.Abs(got-(now-begin)) > 5*step {
				t.Errorf("%+v from %.3f on: %.3f, steps give %.3f", v, begin, got, now-begin)
			}
			sum += now - begin
			n++
		}
		near(t, "mean time", v.MeanTime(), sum/float64(n), 0.01)
	}
	// Less than the quota never waits; twice the quota, begun with the whole period left, ends one period later.
	near(t, "short", QuotaVisit{5, 20, 100}.MeanTime(), 5, 1e-14)
	near(t, "long", QuotaVisit{40, 20, 100}.Time(0), 120, 1e-14)
}
