package sim

import "fmt"

// Event is something that happens to an application in the middle of an episode, whatever the controller does.
type Event struct {
	Tick int // of the episode, at whose beginning it happens; windows begin there
	Kind EventKind

	// RolloutEvent
	Service     int
	Surge       float64 // pods beyond those wanted, as a share of them, rounded up
	Unavailable float64 // pods fewer than those wanted that are ready at least, as a share of them, rounded down

	// SlowEvent
	Op     int
	Factor float64 // on the wait of each visit (Operation.WaitMs) from now on; 1 is as before
}

// EventKind is what happens.
type EventKind uint8

const (
	RolloutEvent EventKind = iota // all pods of a service are replaced, as a Deployment's rolling update does
	SlowEvent                     // an operation waits longer, without using CPU
)

// check refuses what an application has no place for.
func (e *Event) check(app *App) error {
	switch {
	case e.Tick < 0 || e.Tick%WindowTicks != 0:
		return fmt.Errorf("event at tick %d; it must be at a multiple of %d", e.Tick, WindowTicks)
	case e.Kind == RolloutEvent && (e.Service < 0 || e.Service >= len(app.Services)):
		return fmt.Errorf("rollout of service %d of %d", e.Service, len(app.Services))
	case e.Kind == RolloutEvent && !(e.Surge >= 0 && e.Surge <= 1 && e.Unavailable >= 0 && e.Unavailable <= 1):
		return fmt.Errorf("rollout of %s: surge %v, unavailable %v; both must be shares from 0 to 1", app.Services[e.Service].Name, e.Surge, e.Unavailable)
	case e.Kind == SlowEvent && (e.Op < 0 || e.Op >= len(app.Ops)):
		return fmt.Errorf("slow operation %d of %d", e.Op, len(app.Ops))
	case e.Kind == SlowEvent && !(e.Factor >= 0 && e.Factor <= maxSlow):
		return fmt.Errorf("%s: wait times %v; the factor must be from 0 to %v", app.Ops[e.Op].Name, e.Factor, float64(maxSlow))
	}
	return nil
}

// maxSlow bounds the factor on an operation's wait.
const maxSlow = 1e4
