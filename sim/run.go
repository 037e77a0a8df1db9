package sim

import (
	"fmt"
)

// EpisodeAware is a controller that knows the future: the oracle.
type EpisodeAware interface {
	// SetEpisode is called before Reset. The episode belongs to the run and is valid to its end.
	SetEpisode(ep *Episode)
}

// RunController runs a whole episode, warm-up included, under a controller, which decides at its start and then once
// every control interval. It tells recorder (nil for nobody) everything.
//
// seed names all streams of the run: with the same seed every controller meets the same arrivals, start-up delays
// by order of creation, and measurement noise. The zero metrics configuration is the default one. The reward in
// the records is slo_cost with default weights.
func RunController(app *App, engine Engine, ep *Episode, c Controller, seed uint64, metrics MetricsConfig, recorder Recorder) error {
	s, err := NewSession(app, engine, metrics, DefaultRewardConfig())
	if err != nil {
		return err
	}
	if w, ok := c.(PodWatcher); ok && w.WatchesPods() {
		if err := s.WatchPods(); err != nil {
			return fmt.Errorf("controller %s: %w", c.Name(), err)
		}
	}
	if err := s.Start(seed, ep, 0, nil); err != nil {
		return err
	}
	if e, ok := c.(EpisodeAware); ok {
		e.SetEpisode(ep)
	}
	if err := c.Reset(app, seed); err != nil {
		return fmt.Errorf("controller %s: %w", c.Name(), err)
	}
	s.SetRecorder(recorder)
	var requests []ScaleRequest
	var reasons []Reason
	reasonless, ok := recorder.(Reasonless)
	explain := recorder != nil && !(ok && reasonless.WithoutReasons())
	for !s.Done() {
		v := s.View()
		requests, err = c.Decide(v, requests[:0])
		if err != nil {
			return fmt.Errorf("controller %s at %v: %w", c.Name(), v.At, err)
		}
		if explain { // before anything changes
			reasons = reasonsOf(c, v, requests, reasons[:0])
		}
		results, err := s.Apply(requests)
		if err != nil {
			return fmt.Errorf("controller %s at %v: %w", c.Name(), v.At, err)
		}
		if recorder != nil {
			recorder.RecordDecision(&DecisionRecord{At: v.At, Counted: s.Counted(), View: v, Requests: requests, Results: results, Reasons: reasons})
		}
		s.Advance()
	}
	return nil
}
