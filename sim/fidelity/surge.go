package fidelity

import (
	"fmt"
	"math"
	"strings"
	"sync"

	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/rng"
	"github.com/grlscaler/grlscaler/sim/simtest"
)

// This file compares two engines on a step into overload and back: the backlog that grows and drains.

// Surge is a random application under a load that is more than it can carry for some time.
type Surge struct {
	*simtest.RandomApp
	Base, Over float64 // busiest service: offered work over what it can do, before and after, and within the surge
	From, To   int     // ticks of the surge
	Ticks      int     // of the whole run
}

const (
	surgeFrom  = 60  // ticks before the surge
	surgeMost  = 600 // ticks after it at most
	surgeSeeds = 8   // runs at most over which the reference's backlog is averaged: that of one run scatters with its arrivals
)

// NewSurge draws surge number seed of a family: 1.2 to 2 times the capacity of the busiest service for 30 to 60 s, 50 to 80 %
// of it before and after, until the backlog that the surge leaves has had twice the time that it needs to drain.
func NewSurge(family simtest.Family, seed uint64) (*Surge, error) {
	a, err := simtest.NewRandomApp(family, seed)
	if err != nil {
		return nil, err
	}
	r := rng.New(seed, "surge", int(family))
	s := &Surge{RandomApp: a, Base: 0.5 + 0.3*r.Float64(), Over: 1.2 + 0.8*r.Float64(), From: surgeFrom, To: surgeFrom + 30 + r.IntN(31)}
	drain := (s.Over - 1) * float64(s.To-s.From) / (1 - s.Base)
	s.Ticks = s.To + min(surgeMost, wholeWindows(2*drain))
	s.Ticks = wholeWindows(float64(s.Ticks))
	return s, nil
}

// visits is about how many visits one run makes.
func (s *Surge) visits() float64 {
	ticks := float64(s.Ticks-s.To+s.From)*s.Base + float64(s.To-s.From)*s.Over
	return s.VisitsPerSec / s.Utilisation * ticks
}

// Backlog runs an engine through the surge and returns the visits that wait at all services together, at the end of each
// window from the surge's beginning on. Exact arrivals are those that the intensity asks for, fractions included; otherwise
// they are drawn.
func (s *Surge) Backlog(engine sim.Engine, seed uint64, exact bool) ([]float64, error) {
	if err := engine.Reset(seed, nil); err != nil {
		return nil, err
	}
	stream := rng.New(seed, "fidelity-arrivals")
	n := len(s.RPS)
	load := sim.TickLoad{RPS: make([]float64, n), Arrivals: make([]float64, n)}
	var out []float64
	for tick := range s.Ticks {
		level := s.Base
		if tick >= s.From && tick < s.To {
			level = s.Over
		}
		for e := range load.RPS {
			load.RPS[e] = s.RPS[e] * level / s.Utilisation
			if load.Arrivals[e] = load.RPS[e]; !exact {
				load.Arrivals[e] = stream.Poisson(load.RPS[e])
			}
		}
		engine.Step(load)
		st := engine.State()
		if st.Window == 0 || tick < s.From {
			continue
		}
		sum := 0.0
		for i := range st.Services {
			sum += st.Services[i].Backlog
		}
		out = append(out, sum)
	}
	return out, nil
}

// SurgeComparison is a surge under both engines.
type SurgeComparison struct {
	Surge     *Surge
	Want, Got []float64 // visits waiting, by window
	Error     float64   // root mean square of the difference over the reference's peak
}

// CompareSurge runs a surge under both engines, the reference several times, but no oftener than makes so many visits: the more
// there are in one run, the less it scatters.
func CompareSurge(s *Surge, visits float64, reference, engine NewEngine) (*SurgeComparison, error) {
	c := &SurgeComparison{Surge: s}
	e, err := reference(s.App)
	if err != nil {
		return nil, err
	}
	runs := int(min(surgeSeeds, max(1, visits/s.visits())))
	for seed := range runs {
		one, err := s.Backlog(e, uint64(seed+1), false)
		if err != nil {
			return nil, err
		}
		if c.Want == nil {
			c.Want = make([]float64, len(one))
		}
		for i, x := range one {
			c.Want[i] += x / float64(runs)
		}
	}
	if e, err = engine(s.App); err != nil {
		return nil, err
	}
	if c.Got, err = s.Backlog(e, 1, true); err != nil {
		return nil, err
	}
	if len(c.Got) != len(c.Want) {
		return nil, fmt.Errorf("%d windows, the reference has %d", len(c.Got), len(c.Want))
	}
	c.Error = rmseOverPeak(c.Got, c.Want)
	return c, nil
}

// rmseOverPeak is the root mean square of got - want over the largest of want.
func rmseOverPeak(got, want []float64) float64 {
	sum, peak := 0.0, 0.0
	for i := range want {
		sum += (got[i] - want[i]) * (got[i] - want[i])
		peak = max(peak, want[i])
	}
	if sum == 0 {
		return 0
	}
	return math.Sqrt(sum/float64(len(want))) / peak
}

// CompareSurges compares the engines on surges 0 to n-1 of a family.
func CompareSurges(family simtest.Family, n int, visits float64, workers int, reference, engine NewEngine) ([]*SurgeComparison, error) {
	out, errs := make([]*SurgeComparison, n), make([]error, n)
	seeds := make(chan int)
	var wg sync.WaitGroup
	for range max(1, workers) {
		wg.Go(func() {
			for i := range seeds {
				s, err := NewSurge(family, uint64(i))
				if err == nil {
					out[i], err = CompareSurge(s, visits, reference, engine)
				}
				errs[i] = err
			}
		})
	}
	for i := range n {
		seeds <- i
	}
	close(seeds)
	wg.Wait()
	for i, err := range errs {
		if err != nil {
			return nil, fmt.Errorf("%s surge %d: %w", family, i, err)
		}
	}
	return out, nil
}

// SurgeBar is the largest backlog error that is tolerated, in the median; the 90th percentile may be twice as large.
const SurgeBar = 0.10

// SurgeSpread is the median and the 90th percentile of the errors.
func SurgeSpread(list []*SurgeComparison) Spread {
	var errors []float64
	for _, c := range list {
		errors = append(errors, c.Error)
	}
	return spreadOf(errors)
}

// SurgeTable is a Markdown table of the backlog errors.
func SurgeTable(lists map[simtest.Family][]*SurgeComparison) string {
	var b strings.Builder
	b.WriteString("| surges | number | error of the backlog | share within 10 % |\n| --- | --- | --- | --- |\n")
	for _, family := range simtest.Families {
		list := lists[family]
		within := 0
		for _, c := range list {
			if c.Error <= SurgeBar {
				within++
			}
		}
		fmt.Fprintf(&b, "| %s | %d | %s | %.0f |\n", family, len(list), SurgeSpread(list).against(SurgeBar), 100*float64(within)/float64(max(1, len(list))))
	}
	fmt.Fprintf(&b, "| bar | | %g (%g) | |\n", 100*SurgeBar, 200*SurgeBar)
	return b.String()
}
