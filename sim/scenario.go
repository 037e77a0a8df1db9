package sim

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/grlscaler/grlscaler/internal/strictyaml"
	"github.com/grlscaler/grlscaler/sim/rng"
	"github.com/grlscaler/grlscaler/sim/trace"
)

// scenarioFormat is the newest format of scenario files that this version reads.
const scenarioFormat = 1

// Scenario is a load profile: phases of constant or linearly changing level, an endpoint mix, bounded noise.
type Scenario struct {
	Name     string
	Unit     string // "capacity": levels are shares of what the largest replicas can serve; "rps": requests/s
	LengthS  int
	WarmupS  int // run before the counted part at the first level, uncounted
	Phases   []Phase
	Mix      map[string]float64 // endpoint -> weight; empty = the application's default mix
	NoiseMax float64            // bound of the relative noise on the level
	NoiseTau float64            // correlation time of the noise, s
	Events   []ScenarioEvent
}

// Phase is a piece of a scenario. It lasts until the next phase starts.
type Phase struct {
	StartS float64
	Level  float64
	End    float64 // level at the end of the phase, reached linearly; equal to Level for a constant one
}

type yamlScenario struct {
	Format  int                `yaml:"format"`
	Name    string             `yaml:"name"`
	Unit    string             `yaml:"unit"`
	LengthS int                `yaml:"length_s"`
	WarmupS int                `yaml:"warmup_s"`
	Mix     map[string]float64 `yaml:"mix"`
	Noise   struct {
		Max  float64 `yaml:"max"`
		TauS float64 `yaml:"tau_s"`
	} `yaml:"noise"`
	Phases []struct {
		StartS   float64  `yaml:"start_s"`
		Level    float64  `yaml:"level"`
		EndLevel *float64 `yaml:"end_level"`
	} `yaml:"phases"`
	Events []yamlEvent `yaml:"events"`
}

// maxLevel bounds levels that are shares of the capacity: a thousand times too much is overload enough.
const maxLevel = 1000.0

// maxScenarioS bounds a scenario's length: 31 days.
const maxScenarioS = 31 * 24 * 3600

// DecodeScenario reads a scenario file (format: docs/scenarios.md).
func DecodeScenario(r io.Reader, name string) (*Scenario, error) {
	var y yamlScenario
	y.Unit, y.LengthS, y.WarmupS = "capacity", 900, 600
	y.Noise.TauS = 30
	doc, err := strictyaml.Decode(r, name, &y)
	if err != nil {
		return nil, err
	}
	var errs []error
	fail := func(path, format string, args ...any) { errs = append(errs, doc.Errorf(path, format, args...)) }
	if y.Format < 1 || y.Format > scenarioFormat {
		fail("format", "format %d is not one that this version reads (1 to %d)", y.Format, scenarioFormat)
	}
	if y.Name == "" {
		fail("name", "missing; name the scenario")
	}
	if y.Unit != "capacity" && y.Unit != "rps" {
		fail("unit", "unknown %q; one of capacity, rps", y.Unit)
	}
	interval := int(ControlInterval.Seconds())
	for _, n := range []struct {
		key    string
		v, min int
	}{{"length_s", y.LengthS, interval}, {"warmup_s", y.WarmupS, 0}} {
		if n.v < n.min || n.v > maxScenarioS || n.v%interval != 0 {
			fail(n.key, "must be a multiple of the control interval (%d s) from %d to %d, found %d", interval, n.min, maxScenarioS, n.v)
		}
	}
	if !(y.Noise.Max >= 0 && y.Noise.Max < 1) {
		fail("noise.max", "must be at least 0 and below 1, found %v", y.Noise.Max)
	}
	if !(y.Noise.TauS > 0) {
		fail("noise.tau_s", "must be above 0, found %v", y.Noise.TauS)
	}
	if len(y.Phases) == 0 {
		fail("phases", "at least one phase is needed")
	}
	s := &Scenario{Name: y.Name, Unit: y.Unit, LengthS: y.LengthS, WarmupS: y.WarmupS, Mix: y.Mix, NoiseMax: y.Noise.Max, NoiseTau: y.Noise.TauS}
	for i, p := range y.Phases {
		path := fmt.Sprintf("phases[%d]", i)
		end := p.Level
		if p.EndLevel != nil {
			end = *p.EndLevel
		}
		highest := maxLevel
		if y.Unit == "rps" {
			highest = trace.MaxRPS
		}
		if !(p.Level >= 0) || !(end >= 0) || p.Level > highest || end > highest {
			fail(path+".level", "levels must be at least 0 and at most %v, found %v to %v", highest, p.Level, end)
		}
		if i == 0 && p.StartS != 0 {
			fail(path+".start_s", "the first phase starts at 0, found %v", p.StartS)
		}
		if i > 0 && !(p.StartS > y.Phases[i-1].StartS) || p.StartS >= float64(y.LengthS) {
			fail(path+".start_s", "must come after the phase before and lie below length_s (%d), found %v", y.LengthS, p.StartS)
		}
		s.Phases = append(s.Phases, Phase{StartS: p.StartS, Level: p.Level, End: end})
	}
	for i := range y.Events {
		path := fmt.Sprintf("events[%d].", i)
		s.Events = append(s.Events, decodeEvent(&y.Events[i], y.LengthS, func(key, format string, args ...any) { fail(path+key, format, args...) }))
	}
	total := 0.0
	for e, w := range y.Mix {
		if !(w >= 0) || w > maxMagnitude {
			fail("mix."+e, "a weight must be at least 0 and finite, found %v", w)
		}
		total += w
	}
	if len(y.Mix) > 0 && !(total > 0) {
		fail("mix", "the weights add up to 0")
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return s, nil
}

// levelAt is the level t seconds after the counted part begins; the first level before that.
func (s *Scenario) levelAt(t float64) float64 {
	if t < 0 {
		return s.Phases[0].Level
	}
	i := len(s.Phases) - 1
	for i > 0 && t < s.Phases[i].StartS {
		i--
	}
	p := s.Phases[i]
	end := float64(s.LengthS)
	if i+1 < len(s.Phases) {
		end = s.Phases[i+1].StartS
	}
	return p.Level + (p.End-p.Level)*(t-p.StartS)/(end-p.StartS)
}

// ScenarioSource gives a scenario's episodes on one application.
type ScenarioSource struct {
	sc     *Scenario
	app    *App
	mix    []float64
	unit   float64 // requests/s of level 1
	demand *DemandTable
	events []Event
}

var _ LoadSource = (*ScenarioSource)(nil)

// NewScenarioSource fits a scenario to an application.
func NewScenarioSource(sc *Scenario, app *App) (*ScenarioSource, error) {
	return NewScenarioSourceScaled(sc, app, app)
}

// NewScenarioSourceScaled takes the unit "capacity" from another application: so a variant with more replicas or other limits gets the
// load that the original would.
func NewScenarioSourceScaled(sc *Scenario, app, original *App) (*ScenarioSource, error) {
	src := &ScenarioSource{sc: sc, app: app, mix: make([]float64, len(app.Endpoints)), unit: 1}
	total := 0.0
	names := app.EndpointNames()
	for name, w := range sc.Mix {
		e := slices.Index(names, name)
		if e < 0 {
			return nil, fmt.Errorf("scenario %s: mix.%s: application %s has no such endpoint; it has %s", sc.Name, name, app.Name, strings.Join(names, ", "))
		}
		src.mix[e] = w
	}
	for e := range src.mix {
		if len(sc.Mix) == 0 {
			src.mix[e] = app.Endpoints[e].Weight
		}
		total += src.mix[e]
	}
	for e := range src.mix {
		src.mix[e] /= total
	}
	if sc.Unit == "capacity" {
		src.unit = NewPlanner(original).Capacity(src.mix)
		if !(src.unit > 0) {
			return nil, fmt.Errorf("scenario %s: application %s meets its SLOs at no load at all, even with the most replicas; check slo_ms and the service times", sc.Name, original.Name)
		}
	}
	if peak := src.PeakRPS(); peak > trace.MaxRPS {
		return nil, fmt.Errorf("scenario %s: its highest level is %.3g requests/s for application %s; at most %.3g can be simulated: lower the levels, or check the service times", sc.Name, peak, app.Name, trace.MaxRPS)
	}
	src.demand = NewDemandTable(app, src.mix)
	var err error
	if src.events, err = sc.eventsOn(app); err != nil {
		return nil, err
	}
	return src, nil
}

// Name is the scenario's name.
func (s *ScenarioSource) Name() string { return s.sc.Name }

// PeakRPS is the highest total intensity, without noise.
func (s *ScenarioSource) PeakRPS() float64 {
	peak := 0.0
	for _, p := range s.sc.Phases {
		peak = max(peak, p.Level, p.End)
	}
	return peak * s.unit
}

// Episode draws the noise of one episode.
func (s *ScenarioSource) Episode(seed uint64, ep *Episode) error {
	sc := s.sc
	ep.Name, ep.Ticks, ep.WarmupTicks, ep.Events, ep.Faults = sc.Name, sc.WarmupS+sc.LengthS, sc.WarmupS, s.events, ep.Faults[:0]
	ep.fill(s.mix, s.demand, newLoadNoise(seed, sc.NoiseMax, sc.NoiseTau), func(t, factor float64) float64 { return sc.levelAt(t) * s.unit * factor })
	copy(ep.Initial, s.demand.At(sc.levelAt(-1)*s.unit))
	return nil
}

// loadNoise are factors on a level: an Ornstein-Uhlenbeck process in steps of one window, with a standard deviation of half its
// bound, clipped at the bound. Intensities stay within (1 +- bound) of the profile.
type loadNoise struct {
	stream         *rng.Stream
	bound, keep, x float64
}

// newLoadNoise begins a noise with the given bound and correlation time (s).
func newLoadNoise(seed uint64, bound, tau float64) *loadNoise {
	stream := rng.New(seed, "load-noise")
	return &loadNoise{stream: stream, bound: bound, keep: math.Exp(-float64(WindowTicks) / tau), x: stream.NormFloat64()}
}

// next is the factor of the next window.
func (n *loadNoise) next() float64 {
	factor := 1 + math.Max(-1, math.Min(1, n.x/2))*n.bound
	n.x = n.x*n.keep + math.Sqrt(1-n.keep*n.keep)*n.stream.NormFloat64()
	return factor
}

// resize returns a slice of length n, reusing s where it is long enough.
func resize[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}
