package sim

import (
	"errors"
	"fmt"
	"io"
)

// Group is several controllers at once, as clusters have them: HPAs beside ScaledObjects, each for services of its own.
// They decide one after another on the same view.
type Group struct {
	name    string
	members []Controller
}

var (
	_ Controller   = (*Group)(nil)
	_ PodWatcher   = (*Group)(nil)
	_ EpisodeAware = (*Group)(nil)
	_ Explainer    = (*Group)(nil)
)

// NewGroup joins controllers.
func NewGroup(name string, members ...Controller) *Group { return &Group{name, members} }

// Name returns the name under which results are listed.
func (g *Group) Name() string { return g.name }

// Reset prepares all members.
func (g *Group) Reset(app *App, seed uint64) error {
	var errs []error
	for _, c := range g.members {
		errs = append(errs, c.Reset(app, seed))
	}
	return errors.Join(errs...)
}

// Decide asks all members.
func (g *Group) Decide(v *View, dst []ScaleRequest) ([]ScaleRequest, error) {
	var err error
	for _, c := range g.members {
		if dst, err = c.Decide(v, dst); err != nil {
			return dst, fmt.Errorf("%s: %w", c.Name(), err)
		}
	}
	return dst, nil
}

// WatchesPods is true if a member does.
func (g *Group) WatchesPods() bool {
	for _, c := range g.members {
		if w, ok := c.(PodWatcher); ok && w.WatchesPods() {
			return true
		}
	}
	return false
}

// Close frees the members that need it.
func (g *Group) Close() error {
	var errs []error
	for _, c := range g.members {
		if closer, ok := c.(io.Closer); ok {
			errs = append(errs, closer.Close())
		}
	}
	return errors.Join(errs...)
}

// SetEpisode tells the members that want to know.
func (g *Group) SetEpisode(ep *Episode) {
	for _, c := range g.members {
		if e, ok := c.(EpisodeAware); ok {
			e.SetEpisode(ep)
		}
	}
}

// Reasons are those of all members that say why.
func (g *Group) Reasons(dst []Reason) []Reason {
	for _, c := range g.members {
		if e, ok := c.(Explainer); ok {
			dst = e.Reasons(dst)
		}
	}
	return dst
}
