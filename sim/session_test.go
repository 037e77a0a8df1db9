package sim_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/hpa"
	"github.com/grlscaler/grlscaler/sim/simtest"
)

// riseAndFall is 10 minutes of chain, the first of them uncounted: 10 requests/s, from 120 s on 150, from 360 s on 10.
func riseAndFall(t *testing.T, app *sim.App) *simtest.Steps {
	return simtest.NewSteps(t, app, 600, 60, simtest.At(0, 10), simtest.At(120, 150), simtest.At(360, 10))
}

func newHPA(t *testing.T) sim.Controller {
	t.Helper()
	c, err := sim.NewHPASet(hpa.Set{CPUPercent: 50})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func newRandom(t *testing.T, app *sim.App) sim.Controller {
	t.Helper()
	c, err := sim.NewRandom("random", app, sim.DefaultEnvConfig())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// All controllers meet the same requests on one seed, whatever they do; another seed brings others.
func TestArrivalsAreTheSameForAllControllers(t *testing.T) {
	app := simtest.Chain(t)
	ep := simtest.Episode(t, riseAndFall(t, app), 1)
	want := simtest.Run(t, app, ep, &sim.Static{}, 5)
	for _, c := range []sim.Controller{&sim.Oracle{}, newHPA(t), newRandom(t, app)} {
		got := simtest.Run(t, app, ep, c, 5)
		if !slices.Equal(got.Arrivals, want.Arrivals) {
			t.Errorf("%s met other arrivals than static", c.Name())
		}
		if slices.Equal(got.Replicas, want.Replicas) {
			t.Errorf("%s did the same as static; the comparison says nothing", c.Name())
		}
	}
	if other := simtest.Run(t, app, ep, &sim.Static{}, 6); slices.Equal(other.Arrivals, want.Arrivals) {
		t.Error("another seed brought the same arrivals")
	}
}

// The recorder hears decision, ticks, interval, in this order, with the times and flags of the contract.
func TestRecorderContract(t *testing.T) {
	app := simtest.Chain(t)
	ep := simtest.Episode(t, simtest.NewSteps(t, app, 100, 30, simtest.At(0, 10)), 1) // ends in the middle of an interval
	r := &contract{t: t, ep: ep, services: len(app.Services)}
	if err := sim.RunController(app, simtest.NewFluid(t, app), ep, newRandom(t, app), 1, sim.MetricsConfig{}, r); err != nil {
		t.Fatal(err)
	}
	if r.ticks != 100 || r.decisions != 7 || r.intervals != 7 || r.windows < 20 || r.to != 100*time.Second {
		t.Errorf("%d ticks, %d decisions, %d intervals to %v, %d windows", r.ticks, r.decisions, r.intervals, r.to, r.windows)
	}
}

type contract struct {
	t                                    *testing.T
	ep                                   *sim.Episode
	services                             int
	ticks, decisions, intervals, windows int
	sinceWindow                          int
	to                                   time.Duration
}

func (c *contract) RecordDecision(d *sim.DecisionRecord) {
	if d.At != time.Duration(c.ticks)*sim.Tick || c.ticks%15 != 0 || c.decisions != c.intervals {
		c.t.Errorf("decision %d at %v, after %d ticks and %d intervals", c.decisions, d.At, c.ticks, c.intervals)
	}
	if len(d.Requests) != len(d.Results) || d.View.At != d.At || d.Counted != (c.ticks >= 30) {
		c.t.Errorf("decision at %v: %+v", d.At, *d)
	}
	c.decisions++
}

func (c *contract) RecordTick(r *sim.TickRecord) {
	if r.Tick != c.ticks || r.At != time.Duration(c.ticks+1)*sim.Tick || r.State.At != r.At || r.Counted != (c.ticks >= 30) || r.Window != c.ticks/5 {
		c.t.Errorf("tick %d: %+v", c.ticks, *r)
	}
	if !slices.Equal(r.Needed, c.ep.Needed[r.Window*c.services:(r.Window+1)*c.services]) || len(r.Load.RPS) != 2 || r.Engine == nil || r.Episode != c.ep {
		c.t.Errorf("tick %d: needed %v, load %v", c.ticks, r.Needed, r.Load)
	}
	c.ticks++
	c.sinceWindow++
	if r.State.Window > 0 {
		if r.State.Window != c.sinceWindow {
			c.t.Errorf("tick %d: a window of %d ticks, %d ticks after the last", r.Tick, r.State.Window, c.sinceWindow)
		}
		c.windows++
		c.sinceWindow = 0
	}
}

func (c *contract) RecordInterval(r *sim.IntervalRecord) {
	if r.From != c.to || r.To != time.Duration(c.ticks)*sim.Tick || r.Counted != (r.From >= 30*time.Second) {
		c.t.Errorf("interval %d: %+v after %d ticks", c.intervals, *r, c.ticks)
	}
	reward := sim.DefaultRewardConfig()
	if r.Reward != reward.Of(r.Terms) {
		c.t.Errorf("interval %d: reward %v of %+v", c.intervals, r.Reward, r.Terms)
	}
	c.intervals++
	c.to = r.To
}

// The oracle has what the demand curve needs when it is needed, by its own start-up time, and sheds it afterwards;
// static is late for ever.
func TestOracleIsInTime(t *testing.T) {
	app := simtest.One(t) // ready 20 s after the request
	ep := simtest.Episode(t, simtest.NewSteps(t, app, 600, 60, simtest.At(0, 10), simtest.At(120, 60), simtest.At(360, 10)), 1)
	low, high := ep.Needed[0], ep.Needed[30]
	if low >= high {
		t.Fatalf("the step needs %d, then %d replicas", low, high)
	}
	log := simtest.Run(t, app, ep, &sim.Oracle{}, 1)
	for tick, ready := range log.Replicas {
		if need := ep.Needed[tick/sim.WindowTicks]; ready < need {
			t.Errorf("tick %d: %d ready, %d needed", tick, ready, need)
		}
		// Its first decision that reaches over 120 s (20 + 15 s ahead) is that of 90 s; ready 20 s later.
		if tick < 109 && ready != low || tick >= 380 && ready != low || tick >= 110 && tick < 360 && ready != high {
			t.Errorf("tick %d: %d ready; %d are needed before the step, %d after it", tick, ready, low, high)
		}
	}
	changes := 0
	for _, r := range log.Requests {
		changes += len(r)
	}
	if changes != 2 {
		t.Errorf("%d requests, want one up and one down", changes)
	}
	if got, static := total(log.Rewards), total(simtest.Run(t, app, ep, &sim.Static{Replicas: []int{low}}, 1).Rewards); got < static+10 {
		t.Errorf("the oracle's reward, %v in all, is hardly above that of staying small, %v", got, static)
	}
}

func total(a []float64) (sum float64) {
	for _, x := range a {
		sum += x
	}
	return sum
}

func TestOracleNeedsItsEpisode(t *testing.T) {
	var o sim.Oracle
	if err := o.Reset(simtest.One(t), 1); err == nil {
		t.Error("no episode, no error")
	}
	o.SetEpisode(&sim.Episode{Name: "x", Needed: []int{1, 2}})
	if err := o.Reset(simtest.Chain(t), 1); err == nil || !strings.Contains(err.Error(), "2 numbers for the 3 services") {
		t.Errorf("a demand curve of another application: %v", err)
	}
}

func TestSessionRefusesBadEpisodes(t *testing.T) {
	app := simtest.One(t)
	good := simtest.Episode(t, simtest.NewSteps(t, app, 60, 15, simtest.At(0, 10)), 1)
	for _, tc := range []struct {
		name, want string
		set        func(ep *sim.Episode)
		from       int
	}{
		{"empty", "is empty", func(ep *sim.Episode) { ep.Ticks = 0 }, 0},
		{"rates", "60 intensities for 61 ticks", func(ep *sim.Episode) { ep.Ticks = 61 }, 0},
		{"demand", "demand curve of 11 numbers for 12 windows", func(ep *sim.Episode) { ep.Needed = ep.Needed[1:] }, 0},
		{"warm-up", "warm-up of 16 ticks; it must be a multiple of 15", func(ep *sim.Episode) { ep.WarmupTicks = 16 }, 0},
		{"all warm-up", "shorter than the episode's 60", func(ep *sim.Episode) { ep.WarmupTicks = 60 }, 0},
		{"start", "cannot start at tick 7", func(*sim.Episode) {}, 7},
		{"replicas", "2 replica counts", func(ep *sim.Episode) { ep.Initial = []int{1, 2} }, 0},
	} {
		s, err := sim.NewSession(app, simtest.NewFluid(t, app), sim.MetricsConfig{}, sim.DefaultRewardConfig())
		if err != nil {
			t.Fatal(err)
		}
		ep := *good
		tc.set(&ep)
		if err := s.Start(1, &ep, tc.from, nil); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: error %v, want %q", tc.name, err, tc.want)
		}
	}
}

// faulty asks for what it is told to.
type faulty struct {
	requests []sim.ScaleRequest
	err      error
}

func (f *faulty) Name() string                 { return "faulty" }
func (f *faulty) Reset(*sim.App, uint64) error { return nil }
func (f *faulty) Decide(_ *sim.View, dst []sim.ScaleRequest) ([]sim.ScaleRequest, error) {
	return append(dst, f.requests...), f.err
}

func TestRunControllerReportsMistakes(t *testing.T) {
	app := simtest.One(t)
	ep := simtest.Episode(t, simtest.NewSteps(t, app, 60, 15, simtest.At(0, 10)), 1)
	broken := errors.New("broken")
	for _, tc := range []struct {
		name, want string
		c          sim.Controller
	}{
		{"error", "controller faulty at 0s: broken", &faulty{err: broken}},
		{"service", "request 0: service 1 of 1", &faulty{requests: []sim.ScaleRequest{{Service: 1}}}},
		{"replicas", "web: -2 replicas", &faulty{requests: []sim.ScaleRequest{{Replicas: -2}}}},
		{"pool", "web: pool 3 of 1", &faulty{requests: []sim.ScaleRequest{{Replicas: 1, Pool: 3}}}},
		{"quota", "web: quota of -1 millicores", &faulty{requests: []sim.ScaleRequest{{Replicas: 1, QuotaMillis: -1}}}},
		{"reset", "controller static: static controller: 2 replica counts", &sim.Static{Replicas: []int{1, 2}}},
	} {
		err := sim.RunController(app, simtest.NewFluid(t, app), ep, tc.c, 1, sim.MetricsConfig{}, nil)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: error %v, want %q", tc.name, err, tc.want)
		}
		if tc.name == "error" && !errors.Is(err, broken) {
			t.Error("the controller's error is not wrapped")
		}
	}
	if err := sim.RunController(app, simtest.NewFluid(t, app), ep, &sim.Static{}, 1, sim.MetricsConfig{Noise: -1}, nil); err == nil {
		t.Error("a bad metrics configuration was accepted")
	}
	blind := struct{ sim.Engine }{simtest.NewFluid(t, app)} // hides Pods
	if err := sim.RunController(app, blind, ep, newHPA(t), 1, sim.MetricsConfig{}, nil); err == nil || !strings.Contains(err.Error(), "cannot list pods") {
		t.Errorf("an HPA on an engine without pods: %v", err)
	}
}

// Time since the last action counts actions that changed something.
func TestSinceLastAction(t *testing.T) {
	app := simtest.One(t)
	s, err := sim.NewSession(app, simtest.NewFluid(t, app), sim.MetricsConfig{}, sim.DefaultRewardConfig())
	if err != nil {
		t.Fatal(err)
	}
	ep := simtest.Episode(t, simtest.NewSteps(t, app, 120, 0, simtest.At(0, 10)), 1)
	if err := s.Start(1, ep, 0, []int{2}); err != nil {
		t.Fatal(err)
	}
	for i, want := range []time.Duration{0, 15 * time.Second, 15 * time.Second, 30 * time.Second} {
		if got := s.View().Cluster.SinceLastAction; got != want {
			t.Errorf("interval %d: %v, want %v", i, got, want)
		}
		replicas := 2
		if i >= 1 {
			replicas = 3 // changes in interval 1 alone
		}
		if _, err := s.Apply([]sim.ScaleRequest{{Replicas: replicas, Pool: sim.AnyPool}}); err != nil {
			t.Fatal(err)
		}
		s.Advance()
	}
}
