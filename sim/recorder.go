package sim

import "time"

// Recorder is told what happens during a run ([RunController]). It is called from the run's goroutine, in the
// order of time: for each control interval RecordDecision once (before the interval's first tick), RecordTick
// once a tick, RecordInterval once after the last tick.
//
// Everything that a record points to belongs to the run, is rewritten by what follows, and must not be changed:
// copy numbers, keep no slices. The warm-up is recorded as well, with Counted false: results are made from
// counted records alone.
type Recorder interface {
	RecordDecision(d *DecisionRecord)
	RecordTick(t *TickRecord)
	RecordInterval(r *IntervalRecord)
}

// Reasonless is a recorder that may do without DecisionRecord.Reasons, so that nobody works them out.
type Reasonless interface {
	// WithoutReasons tells whether it does; it is asked once, at the beginning.
	WithoutReasons() bool
}

// TickRecord is one tick, after the engine has stepped over it.
type TickRecord struct {
	Tick    int           // of the episode, from 0
	At      time.Duration // the tick's end, as State.At
	Counted bool          // false in the warm-up. A window never reaches over the end of the warm-up
	Window  int           // index of the demand curve's window, Tick / WindowTicks
	Needed  []int         // demand curve in this tick, one per service: Episode.Needed of that window
	Load    TickLoad      // what was offered
	State   *State        // flows and latencies are those of a window that has just ended, only if State.Window > 0
	Episode *Episode
	// Engine is there for AddLatencies alone, to be called where State.Window > 0. It must not be stepped.
	Engine Engine
}

// DecisionRecord is one decision of a controller and what became of it.
type DecisionRecord struct {
	At       time.Duration
	Counted  bool // false for decisions at the start of an interval of the warm-up
	View     *View
	Requests []ScaleRequest // in the controller's order; may be empty
	Results  []ScaleResult  // one per request
	Reasons  []Reason       // why, of each service that was decided about; none for a Reasonless recorder
}

// IntervalRecord is one control interval with its reward. The last one of an episode may be short.
type IntervalRecord struct {
	From, To time.Duration
	Counted  bool
	Terms    RewardTerms // in [0, 1]
	Reward   float64     // with the default weights
}
