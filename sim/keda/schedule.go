package keda

import (
	"errors"
	"fmt"
	"time"
)

// Schedule is replicas by the calendar: the rule that fired last holds until another fires. It has no state and may be used
// by many goroutines.
type Schedule struct {
	timezone string
	rules    []ScheduleRule
	cron     []expression
}

// ScheduleRule sets replicas whenever its expression fires.
type ScheduleRule struct {
	Cron     string // five fields
	Replicas int    // at least 0
}

// NewSchedule makes a schedule of rules in a time zone of the time zone database. It reports every mistake.
func NewSchedule(timezone string, rules []ScheduleRule) (*Schedule, error) {
	s := &Schedule{timezone: timezone, rules: append([]ScheduleRule{}, rules...)}
	var errs []error
	zone, err := loadZone(timezone)
	if err != nil {
		errs = append(errs, fmt.Errorf("schedule: timezone: %w", err))
		zone = time.UTC
	}
	if len(rules) == 0 {
		errs = append(errs, errors.New("schedule: rules: there must be at least one"))
	}
	for i, r := range rules {
		e, err := parseCron(r.Cron, zone)
		if err != nil {
			errs = append(errs, fmt.Errorf("schedule: rules[%d].cron: %w", i, err))
		}
		if r.Replicas < 0 {
			errs = append(errs, fmt.Errorf("schedule: rules[%d].replicas: %d: must not be negative", i, r.Replicas))
		}
		s.cron = append(s.cron, e)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return s, nil
}

// Timezone returns the name of the time zone.
func (s *Schedule) Timezone() string { return s.timezone }

// Rules returns a copy of the rules.
func (s *Schedule) Rules() []ScheduleRule { return append([]ScheduleRule{}, s.rules...) }

// ReplicasAt returns the replicas that the rule wants which fired last, at t itself or before; of several that fired at once
// the last one listed counts. It is false if there is none, as in a Schedule that NewSchedule did not make.
func (s *Schedule) ReplicasAt(t time.Time) (int, bool) {
	var at time.Time
	replicas, ok := 0, false
	for i, e := range s.cron {
		if fired, found := e.last(t); found && (!ok || !fired.Before(at)) {
			at, replicas, ok = fired, s.rules[i].Replicas, true
		}
	}
	return replicas, ok
}
