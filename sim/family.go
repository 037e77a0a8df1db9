package sim

import (
	"fmt"
	"math"

	"github.com/grlscaler/grlscaler/sim/rng"
	"github.com/grlscaler/grlscaler/sim/trace"
)

// FamilyName is what a [Family] is called among the scenarios.
const FamilyName = "family"

// Family is a wide family of load: each episode draws a shape, its levels and times, an endpoint mix and a noise of its own. Policies are
// trained on it, so that they learn what load can do rather than what one scenario does.
//
// Levels are shares of what the largest replicas can serve, drawn between familyLow and familyHigh so that every octave is as likely.
//
//	constant    one level
//	steps       one to four changes of level at any time, at least a minute apart
//	bursts      a level, and another one for 30 s to 3 min, every 2 to 8 min
//	ramps       straight lines between one to four levels
//	sine        around a level, periods of 3 to 20 min
//	walk        a level that drifts: steps of 30 s, each 10 % (standard deviation) up or down
type Family struct {
	mixes  []familyMix
	length int // ticks, warm-up included
}

var _ LoadSource = (*Family)(nil)

// What a family's episodes have in common.
const (
	familyWarmup   = 600 // s at the first level, as the scenarios have it
	familyLength   = 900 // s after it
	familyMixes    = 8   // endpoint mixes; the first is the application's
	familyMixSD    = 0.3 // of the logarithms of the weights, against the application's
	familyLow      = 0.03
	familyHigh     = 0.95
	familyNoiseMax = 0.2
)

// familyMix is one endpoint mix with what it takes to serve.
type familyMix struct {
	mix    []float64
	unit   float64 // requests/s that the largest replicas serve
	demand *DemandTable
}

// NewFamily makes the family for an application. Its mixes are drawn from seed.
func NewFamily(app *App, seed uint64) (*Family, error) {
	f := &Family{length: familyWarmup + familyLength}
	for k := range familyMixes {
		r := rng.New(seed, "family-mix", k)
		m, total := familyMix{mix: make([]float64, len(app.Endpoints))}, 0.0
		for e := range m.mix {
			m.mix[e] = app.Endpoints[e].Weight
			if k > 0 {
				m.mix[e] *= math.Exp(familyMixSD * r.NormFloat64())
			}
			total += m.mix[e]
		}
		for e := range m.mix {
			m.mix[e] /= total
		}
		m.unit = NewPlanner(app).Capacity(m.mix)
		if !(m.unit > 0) || m.unit > trace.MaxRPS {
			return nil, fmt.Errorf("scenario family: application %s can serve %.3g requests/s within its SLOs, even with the most replicas; check slo_ms and the service times", app.Name, m.unit)
		}
		m.demand = NewDemandTable(app, m.mix)
		f.mixes = append(f.mixes, m)
	}
	return f, nil
}

// Name is "family".
func (f *Family) Name() string { return FamilyName }

// Episode draws one.
func (f *Family) Episode(seed uint64, ep *Episode) error {
	r := rng.New(seed, "family")
	m := &f.mixes[0]
	if r.IntN(2) == 0 {
		m = &f.mixes[r.IntN(len(f.mixes))]
	}
	ep.Name, ep.Ticks, ep.WarmupTicks, ep.Events, ep.Faults = FamilyName, f.length, familyWarmup, nil, ep.Faults[:0]
	profile := drawProfile(r)
	noise := newLoadNoise(seed, familyNoiseMax*r.Float64(), 10+50*r.Float64())
	ep.fill(m.mix, m.demand, noise, func(t, factor float64) float64 { return min(profile(max(t, 0))*factor, 1) * m.unit })
	copy(ep.Initial, m.demand.At(profile(0)*m.unit))
	return nil
}

// drawProfile draws a level over time, in seconds from the end of the warm-up.
func drawProfile(r *rng.Stream) func(t float64) float64 {
	level := func() float64 { return familyLow * math.Pow(familyHigh/familyLow, r.Float64()) }
	between := func(lo, hi float64) float64 { return lo + (hi-lo)*r.Float64() }
	base := level()
	switch shape := r.Float64(); {
	case shape < 0.2:
		return func(float64) float64 { return base }
	case shape < 0.55:
		times, levels := drawChanges(r, base, level)
		return func(t float64) float64 {
			i := 0
			for i+1 < len(times) && t >= times[i+1] {
				i++
			}
			return levels[i]
		}
	case shape < 0.7:
		high, width, every, first := level(), between(30, 180), between(120, 480), between(0, 300)
		return func(t float64) float64 {
			if since := t - first; since >= 0 && math.Mod(since, max(every, width+30)) < width {
				return high
			}
			return base
		}
	case shape < 0.85:
		times, levels := drawChanges(r, base, level)
		return func(t float64) float64 {
			for i := 1; i < len(times); i++ {
				if t < times[i] {
					return levels[i-1] + (levels[i]-levels[i-1])*(t-times[i-1])/(times[i]-times[i-1])
				}
			}
			return levels[len(levels)-1]
		}
	case shape < 0.95:
		depth, period := between(0.2, 0.9), between(180, 1200)
		return func(t float64) float64 {
			return max(familyLow, min(familyHigh, base*(1+depth*math.Sin(2*math.Pi*t/period))))
		}
	}
	const every = 30.0 // s
	levels := []float64{base}
	for range familyLength/int(every) + 1 {
		next := levels[len(levels)-1] * math.Exp(0.1*r.NormFloat64())
		levels = append(levels, max(familyLow, min(familyHigh, next)))
	}
	return func(t float64) float64 { return levels[min(int(t/every), len(levels)-1)] }
}

// drawChanges draws one to four times at which the level becomes another one; the first is 0, with the base.
func drawChanges(r *rng.Stream, base float64, level func() float64) (times, levels []float64) {
	times, levels = []float64{0}, []float64{base}
	n := 1 + r.IntN(4)
	// Free time is shared out among the gaps between changes, each at least a minute.
	const gap = 60.0
	cuts, total := make([]float64, n+1), 0.0
	for i := range cuts {
		cuts[i] = r.ExpFloat64()
		total += cuts[i]
	}
	for i, t := 0, 0.0; i < n; i++ {
		t += gap + cuts[i]/total*(familyLength-gap*float64(n+1))
		times, levels = append(times, t), append(levels, level())
	}
	return times, levels
}
