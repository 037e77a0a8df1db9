package simtest

import (
	"slices"
	"testing"
	"time"

	"github.com/grlscaler/grlscaler/sim"
)

// Log is a recorder that keeps what decisions and rewards were made.
type Log struct {
	Requests  [][]sim.ScaleRequest // by decision
	Results   [][]sim.ScaleResult
	DecidedAt []time.Duration
	Rewards   []float64 // by interval
	Counted   []bool
	Arrivals  []float64 // by tick and endpoint
	Replicas  []int     // ready, by tick and service
	P95Ms     []float64 // of the first endpoint, by window
}

var _ sim.Recorder = (*Log)(nil)

// RecordDecision keeps a copy.
func (l *Log) RecordDecision(d *sim.DecisionRecord) {
	l.Requests = append(l.Requests, slices.Clone(d.Requests))
	l.Results = append(l.Results, slices.Clone(d.Results))
	l.DecidedAt = append(l.DecidedAt, d.At)
}

// RecordTick keeps arrivals and ready replicas.
func (l *Log) RecordTick(t *sim.TickRecord) {
	l.Arrivals = append(l.Arrivals, t.Load.Arrivals...)
	for s := range t.State.Services {
		l.Replicas = append(l.Replicas, t.State.Services[s].Ready)
	}
	if t.State.Window > 0 {
		l.P95Ms = append(l.P95Ms, t.State.Endpoints[0].P95Ms)
	}
}

// RecordInterval keeps the reward.
func (l *Log) RecordInterval(r *sim.IntervalRecord) {
	l.Rewards = append(l.Rewards, r.Reward)
	l.Counted = append(l.Counted, r.Counted)
}

// Run runs a controller over an episode and returns what happened.
func Run(tb testing.TB, app *sim.App, ep *sim.Episode, c sim.Controller, seed uint64) *Log {
	tb.Helper()
	var log Log
	if err := sim.RunController(app, NewFluid(tb, app), ep, c, seed, sim.MetricsConfig{}, &log); err != nil {
		tb.Fatal(err)
	}
	return &log
}

// TestController checks what every controller must do: run through a rise and a fall of load on both applications;
// give the same requests again after Reset, and from a fresh controller; ask for replicas within each service's
// bounds; leave alone the requests that are in dst already, and the view.
func TestController(t *testing.T, newController func(t *testing.T, app *sim.App) sim.Controller) {
	for _, app := range []*sim.App{One(t), Chain(t)} {
		t.Run(app.Name, func(t *testing.T) {
			source := NewSteps(t, app, 600, 60, At(0, 10), At(120, 100), At(360, 10))
			ep := Episode(t, source, 1)
			c := newController(t, app)
			if c.Name() == "" {
				t.Error("the controller has no name")
			}
			first := Run(t, app, ep, c, 7)
			again := Run(t, app, ep, c, 7)
			fresh := Run(t, app, ep, newController(t, app), 7)
			for name, other := range map[string]*Log{"after Reset": again, "of a fresh controller": fresh} {
				if !slices.EqualFunc(first.Requests, other.Requests, slices.Equal) {
					t.Errorf("the requests %s differ: it keeps state over Reset, or uses unnamed randomness", name)
				}
			}
			checkRequests(t, app, first)
			checkDecide(t, app, ep, c)
		})
	}
}

func checkRequests(t *testing.T, app *sim.App, log *Log) {
	t.Helper()
	for i, requests := range log.Requests {
		for _, r := range requests {
			if r.Service < 0 || r.Service >= len(app.Services) {
				t.Fatalf("decision %d: service %d of %d", i, r.Service, len(app.Services))
			}
			svc := &app.Services[r.Service]
			if r.Replicas != sim.KeepReplicas && (r.Replicas < svc.MinReplicas || r.Replicas > svc.MaxReplicas) {
				t.Errorf("decision %d: %d replicas of %s, which may have %d to %d", i, r.Replicas, svc.Name, svc.MinReplicas, svc.MaxReplicas)
			}
			if r.QuotaMillis < 0 {
				t.Errorf("decision %d: quota %v of %s", i, r.QuotaMillis, svc.Name)
			}
		}
	}
}

// checkDecide calls Decide directly.
func checkDecide(t *testing.T, app *sim.App, ep *sim.Episode, c sim.Controller) {
	t.Helper()
	s, err := sim.NewSession(app, NewFluid(t, app), sim.MetricsConfig{}, sim.DefaultRewardConfig())
	if err != nil {
		t.Fatal(err)
	}
	if w, ok := c.(sim.PodWatcher); ok && w.WatchesPods() {
		if err := s.WatchPods(); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Start(7, ep, 0, nil); err != nil {
		t.Fatal(err)
	}
	if e, ok := c.(sim.EpisodeAware); ok {
		e.SetEpisode(ep)
	}
	if err := c.Reset(app, 7); err != nil {
		t.Fatal(err)
	}
	mark := sim.ScaleRequest{Service: 0, Replicas: sim.KeepReplicas, Pool: sim.AnyPool}
	for !s.Done() {
		v := s.View()
		services, nodes, pods := slices.Clone(v.Services), slices.Clone(v.Nodes), slices.Clone(v.Pods)
		requests, err := c.Decide(v, []sim.ScaleRequest{mark})
		if err != nil {
			t.Fatal(err)
		}
		if len(requests) == 0 || requests[0] != mark {
			t.Fatal("Decide must append to dst and return it")
		}
		if !slices.Equal(services, v.Services) || !slices.Equal(nodes, v.Nodes) || !slices.Equal(pods, v.Pods) {
			t.Fatal("Decide changed the view")
		}
		if _, err := s.Apply(requests[1:]); err != nil {
			t.Fatal(err)
		}
		s.Advance()
	}
}
