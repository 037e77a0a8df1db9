package sim

import (
	"errors"
	"fmt"
)

// StaticLoad keeps the replicas that the demand curve needs for the mean, or for the most, of an episode's counted load: what somebody who knows
// the load but does not scale would order.
type StaticLoad struct {
	Peak  bool // for every service the most it needs at any time; else what the mean load needs
	Label string

	app     *App
	ep      *Episode
	planner *Planner
	keep    Static
}

var (
	_ Controller   = (*StaticLoad)(nil)
	_ EpisodeAware = (*StaticLoad)(nil)
)

// Name returns the label under which results are listed.
func (c *StaticLoad) Name() string { return c.Label }

// SetEpisode tells it the load.
func (c *StaticLoad) SetEpisode(ep *Episode) { c.ep = ep }

// Reset works the replicas out. SetEpisode comes first.
func (c *StaticLoad) Reset(app *App, seed uint64) error {
	if c.ep == nil {
		return errors.New("it was told of no episode")
	}
	ep, nS, nE := c.ep, len(app.Services), len(app.Endpoints)
	if len(ep.RPS) < ep.Ticks*nE || len(ep.Needed)*WindowTicks < ep.Ticks*nS || ep.Ticks <= ep.WarmupTicks {
		return fmt.Errorf("episode %q of %d ticks, %d of them warm-up, with %d intensities and %d numbers of its demand curve", ep.Name, ep.Ticks, ep.WarmupTicks, len(ep.RPS), len(ep.Needed))
	}
	if c.app != app {
		c.app, c.planner = app, NewPlanner(app)
	}
	c.keep.Replicas = resize(c.keep.Replicas, nS)
	if c.Peak {
		clear(c.keep.Replicas)
		for w := ep.WarmupTicks / WindowTicks; w*WindowTicks < ep.Ticks; w++ {
			for s := range nS {
				c.keep.Replicas[s] = max(c.keep.Replicas[s], ep.Needed[w*nS+s])
			}
		}
	} else {
		mean := make([]float64, nE)
		for t := ep.WarmupTicks; t < ep.Ticks; t++ {
			for e := range mean {
				mean[e] += ep.RPS[t*nE+e] / float64(ep.Ticks-ep.WarmupTicks)
			}
		}
		c.planner.Needed(mean, c.keep.Replicas)
	}
	return c.keep.Reset(app, seed)
}

// Decide asks for these replicas where they are not there.
func (c *StaticLoad) Decide(v *View, dst []ScaleRequest) ([]ScaleRequest, error) {
	return c.keep.Decide(v, dst)
}
