package sim

import (
	"fmt"
)

// Act chooses an action for one observation (a batch of one): it fills action, one choice per part of
// Spec().Action.NVec. obs belongs to the caller and is valid during the call.
type Act func(obs *Obs, action []int32) error

// Agent is a controller that decides by observing and acting as an environment's network does: a trained policy, or a
// random one. It uses the same code for observations, masks and requests as the environment.
type Agent struct {
	name     string
	app      *App
	cfg      EnvConfig
	act      Act
	actions  *Actions
	observer *Observer
	gym      *gymHPA
	view     *View
	obs      *Obs
	action   []int32
}

var _ Controller = (*Agent)(nil)

// NewAgent makes a controller for applications of the form of app (same spec). It needs of cfg the kind and the
// action configuration.
func NewAgent(name string, app *App, cfg EnvConfig, act Act) (*Agent, error) {
	if err := cfg.Action.Validate(); err != nil {
		return nil, fmt.Errorf("agent %s: %w", name, err)
	}
	a := &Agent{name: name, cfg: cfg, act: act}
	return a, a.Reset(app, 0)
}

// Name returns the name under which results are listed.
func (a *Agent) Name() string { return a.name }

// Spec describes the observations that Act gets and the actions that it gives.
func (a *Agent) Spec() *EnvSpec {
	if a.gym != nil {
		return a.gym.spec()
	}
	return a.observer.Spec()
}

// Reset prepares for an application.
func (a *Agent) Reset(app *App, _ uint64) error {
	if a.app == app {
		return nil
	}
	if a.app != nil && (len(app.Services) != len(a.app.Services) || app.NumNodes() != a.app.NumNodes() || len(app.Edges) != len(a.app.Edges) || len(app.Pools) != len(a.app.Pools)) {
		return fmt.Errorf("agent %s was made for %s, not for %s: services, nodes, pools or calls differ in number", a.name, a.app.Name, app.Name)
	}
	a.app = app
	if a.cfg.Kind == KindGymHPA {
		a.gym = newGymHPA(app, a.cfg.Reward)
	} else {
		a.actions = NewActions(app, a.cfg.Action)
		a.observer = NewObserver(app, a.actions).hiding(a.cfg.Hide)
	}
	a.view = NewView(app)
	a.obs = NewObs(a.Spec(), 1)
	a.action = make([]int32, len(a.Spec().Action.NVec))
	return nil
}

// Decide observes and acts; in select mode until the turn ends.
func (a *Agent) Decide(v *View, dst []ScaleRequest) ([]ScaleRequest, error) {
	if a.gym != nil {
		a.gym.begin(v)
		a.gym.observe(a.obs)
		if err := a.act(a.obs, a.action); err != nil {
			return dst, err
		}
		dst, _, err := a.gym.act(a.action, dst)
		return dst, err
	}
	a.view.copyFrom(v) // the view is the caller's, and select mode draws on it
	turn := clusterTask{cfg: &a.cfg, actions: a.actions, observer: a.observer}
	turn.begin(a.view)
	for done := false; !done; {
		turn.observe(a.obs)
		err := a.act(a.obs, a.action)
		if err != nil {
			return dst, err
		}
		if dst, done, err = turn.act(a.action, dst); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

// copyFrom copies all but the pods. Both views are of the same application.
func (v *View) copyFrom(src *View) {
	v.At, v.Interval, v.Cluster, v.Scraped = src.At, src.Interval, src.Cluster, src.Scraped
	copy(v.Services, src.Services)
	copy(v.Nodes, src.Nodes)
	copy(v.Placed, src.Placed)
	copy(v.Edges, src.Edges)
	copy(v.Entry, src.Entry)
}
