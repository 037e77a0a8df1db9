package simtest

import (
	"slices"
	"testing"

	"github.com/grlscaler/grlscaler/sim"
)

// Level is a total intensity, spread over the endpoints by the application's weights, from a tick on.
type Level struct {
	FromTick int
	RPS      float64
}

// At is the level rps from tick on.
func At(tick int, rps float64) Level { return Level{FromTick: tick, RPS: rps} }

// Steps is a load source of constant levels, the same for every seed but for a factor of 1 to 1+Spread.
type Steps struct {
	app         *sim.App
	levels      []Level
	ticks       int
	warmupTicks int
	demand      *sim.DemandTable
	mix         []float64
	// Spread makes episodes differ: seed s multiplies all levels by 1 + Spread·(s mod 1024)/1024.
	Spread float64
}

var _ sim.LoadSource = (*Steps)(nil)

// NewSteps makes the source. The first level starts at tick 0.
func NewSteps(tb testing.TB, app *sim.App, ticks, warmupTicks int, levels ...Level) *Steps {
	tb.Helper()
	if len(levels) == 0 || levels[0].FromTick != 0 {
		tb.Fatal("simtest: the first level must start at tick 0")
	}
	s := &Steps{app: app, levels: levels, ticks: ticks, warmupTicks: warmupTicks, mix: make([]float64, len(app.Endpoints))}
	for e := range s.mix {
		s.mix[e] = app.Endpoints[e].Weight
	}
	s.demand = sim.NewDemandTable(app, s.mix)
	return s
}

// Name is "steps".
func (s *Steps) Name() string { return "steps" }

// Episode fills ep.
func (s *Steps) Episode(seed uint64, ep *sim.Episode) error {
	nE, nS := len(s.mix), len(s.app.Services)
	factor := 1 + s.Spread*float64(seed%1024)/1024
	ep.Name, ep.Ticks, ep.WarmupTicks, ep.Events = s.Name(), s.ticks, s.warmupTicks, nil
	ep.RPS = slices.Grow(ep.RPS[:0], s.ticks*nE)
	ep.Needed = slices.Grow(ep.Needed[:0], (s.ticks/sim.WindowTicks+1)*nS)
	for t := range s.ticks {
		rps := s.at(t) * factor
		for _, w := range s.mix {
			ep.RPS = append(ep.RPS, rps*w)
		}
		if t%sim.WindowTicks == 0 {
			ep.Needed = append(ep.Needed, s.demand.At(rps)...)
		}
	}
	ep.Initial = append(ep.Initial[:0], ep.Needed[:nS]...)
	return nil
}

func (s *Steps) at(tick int) float64 {
	i := len(s.levels) - 1
	for s.levels[i].FromTick > tick {
		i--
	}
	return s.levels[i].RPS
}

// Episode is the episode of seed.
func Episode(tb testing.TB, source sim.LoadSource, seed uint64) *sim.Episode {
	tb.Helper()
	var ep sim.Episode
	if err := source.Episode(seed, &ep); err != nil {
		tb.Fatal(err)
	}
	return &ep
}
