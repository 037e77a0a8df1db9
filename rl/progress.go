package rl

import "time"

// Progress is told how a training run gets on. Both methods run on the training goroutine and should be quick.
type Progress interface {
	// Update is called after every rollout (PPO) or logging period (SAC).
	Update(Status)
	// Done is called once, when the run ends: whole, interrupted or failed.
	Done(Status, error)
}

// Status is how far a run is. The times need a clock (Options.Clock); without one they are 0.
type Status struct {
	Name           string  // of the configuration
	Step, Total    int     // environment steps
	Reward, Length float64 // means of the last 100 episodes; NaN before the first one ends
	StepsPerSecond float64 // since this start of the run
	Elapsed        time.Duration
	ETA            time.Duration // until the last step, at the same speed
}

// stopwatch turns a clock into speeds. A nil clock gives zeros.
type stopwatch struct {
	clock func() time.Time
	start time.Time
	from  int // steps done before
}

func newStopwatch(clock func() time.Time, steps int) stopwatch {
	w := stopwatch{clock: clock, from: steps}
	if clock != nil {
		w.start = clock()
	}
	return w
}

// fill sets the times of a status.
func (w stopwatch) fill(st *Status) {
	if w.clock == nil {
		return
	}
	st.Elapsed = w.clock().Sub(w.start)
	if st.Elapsed <= 0 || st.Step <= w.from {
		return
	}
	st.StepsPerSecond = float64(st.Step-w.from) / st.Elapsed.Seconds()
	st.ETA = time.Duration(float64(max(0, st.Total-st.Step)) / st.StepsPerSecond * float64(time.Second))
}
