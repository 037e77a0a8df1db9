package sim

import (
	"errors"
	"fmt"
	"time"
)

// Session is one run in progress: it joins an engine, the load of an episode, the metrics pipeline and the reward,
// and moves them on by control intervals.
//
// Call order: Start, then for each interval View, any number of Apply, Advance, until Done. A session belongs to one
// goroutine and allocates nothing after NewSession, unless pods are watched.
type Session struct {
	app      *App
	engine   Engine
	metrics  *Metrics
	meter    *RewardMeter
	reward   RewardConfig
	arrivals *arrivals
	drawn    []uint16 // those of the whole episode, where somebody has drawn them before

	ep         *Episode
	tick       int // of the episode, the next one to run
	end        int // tick at which the session ends
	event      int // of ep.Events, the next one to happen
	load       TickLoad
	view       *View
	results    []ScaleResult
	lastAction time.Duration
	terms      RewardTerms
	latencyMs  float64
	bad        float64

	recorder Recorder
	record   TickRecord
}

// NewSession makes a session around an engine of application app. The engine belongs to the session from now on.
func NewSession(app *App, engine Engine, metrics MetricsConfig, reward RewardConfig) (*Session, error) {
	if app == nil || engine == nil {
		return nil, errors.New("session: an application and an engine are needed")
	}
	if err := errors.Join(metrics.Validate(), reward.Validate()); err != nil {
		return nil, fmt.Errorf("session: %w", err)
	}
	return &Session{
		app: app, engine: engine, metrics: NewMetrics(app, metrics), meter: NewRewardMeter(app, reward), reward: reward,
		arrivals: newArrivals(len(app.Endpoints)), load: TickLoad{Arrivals: make([]float64, len(app.Endpoints))}, view: NewView(app),
	}, nil
}

// WatchPods makes views show single pods; an error if the engine cannot list them.
func (s *Session) WatchPods() error {
	lister, ok := s.engine.(PodLister)
	if !ok {
		return fmt.Errorf("session: the engine %T cannot list pods, which the controller needs", s.engine)
	}
	s.metrics.WatchPods(lister)
	return nil
}

// SetRecorder sets who is told of every tick; nil for nobody.
func (s *Session) SetRecorder(r Recorder) { s.recorder = r }

// Start begins a run of ep at its tick from (a multiple of TicksPerInterval; 0 = the whole episode), with the given
// replicas (nil = ep.Initial, else the application's). ep belongs to the session until the next Start.
//
// seed names the streams. Arrivals are drawn from a stream of their own, tick by tick: they are the same whatever
// the controller does.
func (s *Session) Start(seed uint64, ep *Episode, from int, replicas []int) error {
	nE, nS := len(s.app.Endpoints), len(s.app.Services)
	windows := (ep.Ticks + WindowTicks - 1) / WindowTicks
	for i := range ep.Faults {
		if err := ep.Faults[i].Validate(s.app); err != nil {
			return fmt.Errorf("episode %q: %w", ep.Name, err)
		}
	}
	switch {
	case ep.Ticks < 1:
		return fmt.Errorf("episode %q is empty", ep.Name)
	case len(ep.RPS) != ep.Ticks*nE:
		return fmt.Errorf("episode %q: %d intensities for %d ticks and the %d endpoints of %s", ep.Name, len(ep.RPS), ep.Ticks, nE, s.app.Name)
	case len(ep.Needed) != windows*nS:
		return fmt.Errorf("episode %q: demand curve of %d numbers for %d windows and the %d services of %s", ep.Name, len(ep.Needed), windows, nS, s.app.Name)
	case ep.WarmupTicks < 0 || ep.WarmupTicks >= ep.Ticks || ep.WarmupTicks%TicksPerInterval != 0:
		return fmt.Errorf("episode %q: warm-up of %d ticks; it must be a multiple of %d and shorter than the episode's %d", ep.Name, ep.WarmupTicks, TicksPerInterval, ep.Ticks)
	case from < 0 || from >= ep.Ticks || from%TicksPerInterval != 0:
		return fmt.Errorf("episode %q: cannot start at tick %d; it must be a multiple of %d below %d", ep.Name, from, TicksPerInterval, ep.Ticks)
	}
	for i := range ep.Events {
		if err := ep.Events[i].check(s.app); err != nil {
			return fmt.Errorf("episode %q: %w", ep.Name, err)
		}
		if i > 0 && ep.Events[i].Tick < ep.Events[i-1].Tick {
			return fmt.Errorf("episode %q: event at tick %d after that at %d; they must be in order", ep.Name, ep.Events[i].Tick, ep.Events[i-1].Tick)
		}
	}
	if replicas == nil {
		replicas = ep.Initial
	}
	if err := s.engine.Reset(seed, replicas); err != nil {
		return fmt.Errorf("episode %q: %w", ep.Name, err)
	}
	s.arrivals.reset(seed)
	if s.drawn = nil; from == 0 {
		s.drawn = ep.Arrivals.of(ep, seed)
	}
	s.metrics.Reset(seed)
	s.metrics.SetFaults(ep.Faults, time.Duration(from)*Tick)
	s.meter.Reset(s.engine.State())
	s.ep, s.tick, s.end = ep, from, ep.Ticks
	s.lastAction, s.terms, s.latencyMs, s.bad = 0, RewardTerms{}, 0, 0
	s.record = TickRecord{Episode: ep, Engine: s.engine}
	for s.event = 0; s.event < len(ep.Events) && ep.Events[s.event].Tick < from; s.event++ {
		if e := &ep.Events[s.event]; e.Kind != RolloutEvent { // an update of before is over
			s.engine.Happen(e)
		}
	}
	return nil
}

// happen lets those events happen that are due at a tick.
func (s *Session) happen(tick int) {
	for ; s.event < len(s.ep.Events) && s.ep.Events[s.event].Tick <= tick; s.event++ {
		s.engine.Happen(&s.ep.Events[s.event])
	}
}

// StopAfter ends the session after so many more intervals, if the episode does not end before.
func (s *Session) StopAfter(intervals int) {
	s.end = min(s.end, s.tick+intervals*TicksPerInterval)
}

// Done tells whether the end has been reached.
func (s *Session) Done() bool { return s.tick >= s.end }

// Counted tells whether the next interval is counted, rather than warm-up.
func (s *Session) Counted() bool { return s.tick >= s.ep.WarmupTicks }

// Tick is the episode's tick that is next.
func (s *Session) Tick() int { return s.tick }

// State is the truth at the present time.
func (s *Session) State() *State { return s.engine.State() }

// View shows what a controller may see now. It belongs to the session and is valid until the next call of any of its
// methods; a caller may change it.
func (s *Session) View() *View {
	st := s.engine.State()
	s.view.Cluster.SinceLastAction = st.At - s.lastAction
	s.metrics.View(st, s.view)
	s.view.Interval = time.Duration(min(TicksPerInterval, max(s.end-s.tick, 0))) * Tick
	if s.view.Interval == 0 {
		s.view.Interval = ControlInterval
	}
	return s.view
}

// Apply carries out requests at the present time and returns what became of each, valid until the next Apply.
func (s *Session) Apply(requests []ScaleRequest) ([]ScaleResult, error) {
	s.results = s.results[:0]
	for i, r := range requests {
		if err := s.check(r); err != nil {
			return s.results, fmt.Errorf("request %d: %w", i, err)
		}
	}
	for _, r := range requests {
		result := s.engine.Scale(r)
		if result != (ScaleResult{}) {
			s.lastAction = s.engine.State().At
		}
		s.results = append(s.results, result)
	}
	return s.results, nil
}

// check refuses what no service can be scaled to; counts beyond a service's bounds are left to the engine, which
// clamps them.
func (s *Session) check(r ScaleRequest) error {
	switch {
	case r.Service < 0 || r.Service >= len(s.app.Services):
		return fmt.Errorf("service %d of %d", r.Service, len(s.app.Services))
	case r.Replicas < 0 && r.Replicas != KeepReplicas:
		return fmt.Errorf("%s: %d replicas", s.app.Services[r.Service].Name, r.Replicas)
	case r.Pool != AnyPool && (r.Pool < 0 || r.Pool >= len(s.app.Pools)):
		return fmt.Errorf("%s: pool %d of %d", s.app.Services[r.Service].Name, r.Pool, len(s.app.Pools))
	case !(r.QuotaMillis >= 0) || r.QuotaMillis > maxMagnitude:
		return fmt.Errorf("%s: quota of %v millicores", s.app.Services[r.Service].Name, r.QuotaMillis)
	case r.Pods != nil && !r.Pods.Template.valid():
		return fmt.Errorf("%s: pods of %+v", s.app.Services[r.Service].Name, r.Pods.Template)
	}
	return nil
}

// Advance runs one control interval, or what is left of the episode, and returns its terms. It does nothing
// once the session is Done.
func (s *Session) Advance() RewardTerms {
	if s.Done() {
		return RewardTerms{}
	}
	nE, nS := len(s.app.Endpoints), len(s.app.Services)
	from, counted := s.engine.State().At, s.Counted()
	for stop := min(s.tick+TicksPerInterval, s.end); s.tick < stop; s.tick++ {
		t := s.tick
		s.happen(t)
		s.load.RPS = s.ep.RPS[t*nE : (t+1)*nE]
		if s.drawn != nil {
			for e, n := range s.drawn[t*nE : (t+1)*nE] {
				s.load.Arrivals[e] = float64(n)
			}
		} else {
			for e, rps := range s.load.RPS {
				s.load.Arrivals[e] = s.arrivals.draw(e, rps*Tick.Seconds())
			}
		}
		s.engine.Step(s.load)
		st := s.engine.State()
		needed := s.ep.Needed[t/WindowTicks*nS : (t/WindowTicks+1)*nS]
		s.metrics.Tick(st)
		s.meter.Tick(st, needed)
		if s.recorder != nil {
			r := &s.record
			r.Tick, r.At, r.Counted, r.Window, r.Needed, r.Load, r.State = t, st.At, counted, t/WindowTicks, needed, s.load, st
			s.recorder.RecordTick(r)
		}
	}
	s.latencyMs, s.bad = s.meter.MeanLatencyMs(), s.meter.Bad()
	s.terms = s.meter.Take()
	if s.recorder != nil {
		s.recorder.RecordInterval(&IntervalRecord{From: from, To: s.engine.State().At, Counted: counted, Terms: s.terms, Reward: s.reward.Of(s.terms)})
	}
	return s.terms
}

// Bad is the number of requests of the last interval that were late or failed.
func (s *Session) Bad() float64 { return s.bad }

// MeanLatencyMs is the mean latency of the requests of the last interval.
func (s *Session) MeanLatencyMs() float64 { return s.latencyMs }
