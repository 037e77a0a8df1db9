package sim

import (
	"fmt"
	"math"

	"github.com/grlscaler/grlscaler/sim/rng"
)

// Env is one environment: episodes of a load source on one engine, seen and acted on the way a network does.
//
// Reset, then Step as long as wanted: when an episode ends (always by a time limit: truncated, never terminated) the
// next one starts at once. Episode n of an environment has the seed Derive(seed, "episode", index, n).
// An Env belongs to one goroutine. A step allocates nothing; the start of an episode may.
type Env struct {
	app     *App
	cfg     EnvConfig
	source  LoadSource
	session *Session
	task    task
	sampled *gymSampled // in place of source and session: gym_hpa on recorded rows
	initial *rng.Stream
	oracle  Oracle // the expert

	perInterval float64 // requests that the episode's load offers in a control interval, on average
	violation   float64 // of the last step

	index    int
	seed     uint64
	number   int // of the running episode, from 0; -1 before Reset
	ep       Episode
	replicas []int

	requests []ScaleRequest
	log      []int32 // actions of the running episode
}

// task is what differs between the kinds of environment.
type task interface {
	spec() *EnvSpec
	// initialRange is how many replicas a service may start with.
	initialRange(s int) (lo, hi int)
	// begin starts an episode; the view is that of its start.
	begin(v *View)
	// act takes one action in the present view and appends its requests. advance tells that time moves on now.
	act(action []int32, dst []ScaleRequest) (requests []ScaleRequest, advance bool, err error)
	// reward judges the interval that has just been run; v is the view after it.
	reward(v *View, terms RewardTerms, latencyMs float64) float64
	// observe writes the observation of the present view.
	observe(row *Obs)
}

// newTask makes the task of the configured kind.
func newTask(app *App, cfg *EnvConfig) task {
	if cfg.Kind == KindGymHPA {
		return newGymHPA(app, cfg.Reward)
	}
	return newClusterTask(app, cfg)
}

// NewEnv makes environment number index of those that share a seed.
func NewEnv(app *App, cfg EnvConfig, source LoadSource, engine Engine, index int) (*Env, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("environment: %w", err)
	}
	if source == nil {
		return nil, fmt.Errorf("environment: a load source is needed")
	}
	session, err := NewSession(app, engine, cfg.Metrics, cfg.Reward)
	if err != nil {
		return nil, err
	}
	cfg.endGym()
	return &Env{
		app: app, cfg: cfg, source: source, session: session, task: newTask(app, &cfg),
		initial: rng.New(0, "initial"), index: index, number: -1, replicas: make([]int, len(app.Services)),
	}, nil
}

// newGymRowsEnv makes environment number index of kind gym_hpa on recorded rows.
func newGymRowsEnv(app *App, cfg EnvConfig, rows *GymRows, index int) (*Env, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("environment: %w", err)
	}
	if cfg.Kind != KindGymHPA || rows == nil {
		return nil, fmt.Errorf("environment: recorded rows are for kind %s, and this is %s", KindGymHPA, cfg.Kind)
	}
	cfg.endGym()
	g := newGymSampled(app, &cfg, rows)
	return &Env{app: app, cfg: cfg, task: g, sampled: g, index: index, number: -1}, nil
}

// endGym gives episodes of gym_hpa their length.
func (c *EnvConfig) endGym() {
	if c.Kind == KindGymHPA && c.MaxIntervals == 0 {
		c.MaxIntervals = gymSteps
	}
}

// Spec describes observations and actions.
func (e *Env) Spec() *EnvSpec { return e.task.spec() }

// Reset starts the first episode and writes its first observation into row, a batch of one.
func (e *Env) Reset(seed uint64, row *Obs) error {
	e.seed = seed
	if err := e.begin(0); err != nil {
		return err
	}
	e.task.observe(row)
	return nil
}

// begin starts episode n.
func (e *Env) begin(n int) error {
	e.number = -1 // until it has begun
	e.log = e.log[:0]
	e.requests = e.requests[:0]
	seed := rng.Derive(e.seed, "episode", e.index, n)
	if e.sampled != nil {
		e.sampled.start(seed)
		e.number = n
		return nil
	}
	if err := e.source.Episode(seed, &e.ep); err != nil {
		return fmt.Errorf("load of episode %d of environment %d: %w", n, e.index, err)
	}
	from := e.ep.WarmupTicks
	if w := e.cfg.WarmupIntervals; w < 0 {
		from = 0
	} else {
		from = max(0, from-w*TicksPerInterval)
	}
	if err := e.session.Start(seed, &e.ep, from, e.startReplicas(seed)); err != nil {
		return err
	}
	for !e.session.Counted() {
		e.session.Advance()
	}
	if e.cfg.MaxIntervals > 0 {
		e.session.StopAfter(e.cfg.MaxIntervals)
	}
	e.perInterval = e.ep.requestsPerInterval()
	e.number = n
	e.task.begin(e.session.View())
	return nil
}

// startReplicas chooses the replicas that an episode starts with; nil leaves it to the episode.
func (e *Env) startReplicas(seed uint64) []int {
	nS := len(e.app.Services)
	switch e.cfg.Initial {
	case InitialRandom:
		e.initial.Reseed(seed, "initial")
		for s := range e.replicas {
			lo, hi := e.task.initialRange(s)
			e.replicas[s] = lo + e.initial.IntN(hi-lo+1)
		}
		return e.replicas
	case InitialNeeded:
		if w := e.ep.WarmupTicks / WindowTicks; (w+1)*nS <= len(e.ep.Needed) {
			return e.ep.Needed[w*nS : (w+1)*nS]
		}
	}
	return nil
}

// Step takes one action (one choice per part of Spec().Action.NVec), and writes what is seen then into row. When
// the episode ends, final gets its last observation and row the first one of the next; otherwise final is left
// as it is. After an error the environment must be reset.
func (e *Env) Step(action []int32, row, final *Obs) (reward float64, truncated bool, err error) {
	reward, truncated, err = e.step(action)
	if err != nil {
		return 0, false, err
	}
	if truncated {
		e.task.observe(final)
		if err := e.begin(e.number + 1); err != nil {
			return 0, false, err
		}
	}
	e.task.observe(row)
	return reward, truncated, nil
}

func (e *Env) step(action []int32) (reward float64, truncated bool, err error) {
	if e.number < 0 {
		return 0, false, fmt.Errorf("environment %d: Step before Reset", e.index)
	}
	e.violation = 0
	if e.sampled != nil {
		if reward, err = e.sampled.step(action); err != nil {
			return 0, false, fmt.Errorf("environment %d: %w", e.index, err)
		}
		e.log = append(e.log, action...)
		return reward, e.sampled.done(), nil
	}
	var advance bool
	e.requests, advance, err = e.task.act(action, e.requests)
	if err != nil {
		return 0, false, fmt.Errorf("environment %d: %w", e.index, err)
	}
	e.log = append(e.log, action...)
	if !advance {
		return 0, false, nil
	}
	if _, err := e.session.Apply(e.requests); err != nil {
		return 0, false, fmt.Errorf("environment %d: %w", e.index, err)
	}
	e.requests = e.requests[:0]
	terms := e.session.Advance()
	e.violation = ratio(e.session.Bad(), e.perInterval)
	v := e.session.View()
	reward = e.task.reward(v, terms, e.session.MeanLatencyMs())
	if math.IsNaN(reward) || math.IsInf(reward, 0) {
		return 0, false, fmt.Errorf("environment %d: reward %v at %v; the engine's state is not finite", e.index, reward, v.At)
	}
	return reward, e.session.Done(), nil
}

// clusterTask is the kind "cluster": graph observations, joint or select actions.
type clusterTask struct {
	cfg      *EnvConfig
	actions  *Actions
	observer *Observer
	view     *View
	taken    int // decisions of this interval
}

func newClusterTask(app *App, cfg *EnvConfig) *clusterTask {
	a := NewActions(app, cfg.Action)
	return &clusterTask{cfg: cfg, actions: a, observer: NewObserver(app, a).hiding(cfg.Hide)}
}

func (t *clusterTask) spec() *EnvSpec { return t.observer.Spec() }

func (t *clusterTask) initialRange(s int) (lo, hi int) {
	svc := &t.observer.app.Services[s]
	return svc.MinReplicas, svc.MaxReplicas
}

func (t *clusterTask) begin(v *View) { t.view, t.taken = v, 0 }

// act in select mode makes each decision on a view that shows what the earlier ones of the interval asked for.
func (t *clusterTask) act(action []int32, dst []ScaleRequest) ([]ScaleRequest, bool, error) {
	before := len(dst)
	dst, done, err := t.actions.Requests(t.view, action, dst)
	if err != nil {
		return dst, false, err
	}
	t.taken++
	if done || t.taken >= t.cfg.Action.DecisionsPerInterval {
		t.taken = 0
		return dst, true, nil
	}
	t.actions.overlay(t.view, dst[before:])
	return dst, false, nil
}

func (t *clusterTask) reward(v *View, terms RewardTerms, latencyMs float64) float64 {
	t.view = v
	switch t.cfg.Reward.Name {
	case RewardLatency:
		return latencyReward(latencyMs, t.cfg.Reward.LatencyCapMs)
	case RewardCost:
		return costReward(t.observer.app, v)
	}
	return t.cfg.Reward.Of(terms)
}

func (t *clusterTask) observe(row *Obs) {
	t.observer.Observe(t.view, t.actions.left(t.taken), row)
}

// left is the share of an interval's decisions that are left after so many.
func (a *Actions) left(taken int) float64 {
	if a.cfg.Mode != ActionSelect {
		return 1
	}
	return float64(a.cfg.DecisionsPerInterval-taken) / float64(a.cfg.DecisionsPerInterval)
}
