package tune

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/grlscaler/grlscaler/benchmark"
	"github.com/grlscaler/grlscaler/sim"
)

// ByScenario is a controller of a plan that runs on each load the candidate found for it, under the name of the load, and other on those without one. It
// knows the load's name and nothing of its future. other may be nil if every load has one.
func ByScenario(name string, found map[string]*Candidate, other *Candidate) benchmark.ControllerSpec {
	hash := ""
	for _, load := range slices.Sorted(maps.Keys(found)) {
		hash += fmt.Sprintf("%q %s\n", load, found[load].key())
	}
	if other != nil {
		hash += other.key()
	}
	return benchmark.ControllerSpec{Name: name, Kind: benchmark.KindAutoscaler, Hash: hash, New: func() (sim.Controller, error) {
		c := &byScenario{name: name, of: map[string]sim.Controller{}}
		for load, candidate := range found {
			made, err := Controller(name, candidate).New()
			if err != nil {
				return nil, err
			}
			c.of[load] = made
		}
		if other != nil {
			made, err := Controller(name, other).New()
			if err != nil {
				return nil, err
			}
			c.other = made
		}
		return c, nil
	}}
}

type byScenario struct {
	name  string
	of    map[string]sim.Controller
	other sim.Controller
	now   sim.Controller // of the episode
	load  string
}

var (
	_ sim.EpisodeAware = (*byScenario)(nil)
	_ sim.PodWatcher   = (*byScenario)(nil)
	_ sim.Explainer    = (*byScenario)(nil)
)

func (c *byScenario) Name() string { return c.name }

// WatchesPods is true, as it is for every HPA.
func (c *byScenario) WatchesPods() bool { return true }

func (c *byScenario) SetEpisode(ep *sim.Episode) {
	c.load = ep.Name
	if c.now = c.of[ep.Name]; c.now == nil {
		c.now = c.other
	}
}

func (c *byScenario) Reset(app *sim.App, seed uint64) error {
	if c.now == nil {
		if c.load == "" {
			return errors.New("it was told of no episode")
		}
		return fmt.Errorf("no settings were searched for %s", c.load)
	}
	return c.now.Reset(app, seed)
}

func (c *byScenario) Decide(v *sim.View, dst []sim.ScaleRequest) ([]sim.ScaleRequest, error) {
	return c.now.Decide(v, dst)
}

func (c *byScenario) Reasons(dst []sim.Reason) []sim.Reason {
	if e, ok := c.now.(sim.Explainer); ok {
		return e.Reasons(dst)
	}
	return dst
}
