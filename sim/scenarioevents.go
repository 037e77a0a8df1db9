package sim

import (
	"cmp"
	"fmt"
	"slices"
)

// yamlEvent is an event of a scenario file: one of rollout and slow.
type yamlEvent struct {
	AtS         float64  `yaml:"at_s"`
	Rollout     string   `yaml:"rollout"` // service
	Surge       *float64 `yaml:"surge"`
	Unavailable *float64 `yaml:"unavailable"`
	Slow        string   `yaml:"slow"` // service.operation
	Factor      float64  `yaml:"factor"`
	ForS        float64  `yaml:"for_s"`
}

// ScenarioEvent is what happens in a scenario beside its load.
type ScenarioEvent struct {
	AtS                float64 // from the start of the counted part
	Rollout            string  // service whose pods are replaced, or
	Surge, Unavailable float64
	Slow               string // operation that waits Factor times as long
	Factor             float64
	ForS               float64 // for so long; 0 to the end
}

// defaultRollout is Kubernetes' default for maxSurge and maxUnavailable of a Deployment.
const defaultRollout = 0.25

// decodeEvent checks an event as far as that needs no application.
func decodeEvent(y *yamlEvent, lengthS int, fail func(key, format string, args ...any)) ScenarioEvent {
	e := ScenarioEvent{AtS: y.AtS, Rollout: y.Rollout, Surge: defaultRollout, Unavailable: defaultRollout, Slow: y.Slow, Factor: y.Factor, ForS: y.ForS}
	window := WindowDuration.Seconds()
	whole := func(s float64) bool { return s >= 0 && s <= float64(lengthS) && s == window*float64(int(s/window)) }
	if !whole(y.AtS) || y.AtS >= float64(lengthS) {
		fail("at_s", "must be a multiple of %v from 0 to below length_s (%d), found %v", window, lengthS, y.AtS)
	}
	if (y.Rollout == "") == (y.Slow == "") {
		fail("at_s", "an event is one of rollout: SERVICE and slow: SERVICE.OPERATION")
	}
	for _, s := range []struct {
		key string
		v   *float64
		to  *float64
	}{{"surge", y.Surge, &e.Surge}, {"unavailable", y.Unavailable, &e.Unavailable}} {
		if s.v == nil {
			continue
		}
		if *s.to = *s.v; !(*s.v >= 0 && *s.v <= 1) {
			fail(s.key, "must be a share of the replicas from 0 to 1, found %v", *s.v)
		}
		if y.Slow != "" {
			fail(s.key, "belongs to a rollout")
		}
	}
	if y.Slow != "" && !(y.Factor > 0 && y.Factor <= maxSlow) {
		fail("factor", "must be above 0 and at most %v, found %v", float64(maxSlow), y.Factor)
	}
	if y.Slow == "" && y.Factor != 0 {
		fail("factor", "belongs to slow")
	}
	if !whole(y.ForS) || y.Slow == "" && y.ForS != 0 {
		fail("for_s", "must be a multiple of %v up to length_s (%d), and belongs to slow; found %v", window, lengthS, y.ForS)
	}
	return e
}

// eventsOn names a scenario's events by an application's indices, in order of time.
func (s *Scenario) eventsOn(app *App) ([]Event, error) {
	var list []Event
	for i := range s.Events {
		x := &s.Events[i]
		at := s.WarmupS + int(x.AtS)
		if x.Rollout != "" {
			service := app.ServiceIndex(x.Rollout)
			if service < 0 {
				return nil, fmt.Errorf("scenario %s: events[%d].rollout: application %s has no service %q", s.Name, i, app.Name, x.Rollout)
			}
			list = append(list, Event{Tick: at, Kind: RolloutEvent, Service: service, Surge: x.Surge, Unavailable: x.Unavailable})
			continue
		}
		op := slices.IndexFunc(app.Ops, func(o Operation) bool { return o.Name == x.Slow })
		if op < 0 {
			return nil, fmt.Errorf("scenario %s: events[%d].slow: application %s has no operation %q; write SERVICE.OPERATION", s.Name, i, app.Name, x.Slow)
		}
		if app.Ops[op].WaitMs == 0 {
			return nil, fmt.Errorf("scenario %s: events[%d].slow: %s waits for nothing; give it wait_ms, which is what the factor multiplies", s.Name, i, x.Slow)
		}
		list = append(list, Event{Tick: at, Kind: SlowEvent, Op: op, Factor: x.Factor})
		if end := at + int(x.ForS); x.ForS > 0 && end < s.WarmupS+s.LengthS {
			list = append(list, Event{Tick: end, Kind: SlowEvent, Op: op, Factor: 1})
		}
	}
	slices.SortStableFunc(list, func(a, b Event) int { return cmp.Compare(a.Tick, b.Tick) })
	return list, nil
}
