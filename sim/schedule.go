package sim

import (
	"fmt"
	"time"

	"github.com/grlscaler/grlscaler/sim/keda"
)

// Schedule sets replicas by the calendar alone: each service follows the cron rule that fired last.
type Schedule struct {
	name     string
	start    time.Time
	services map[string]*keda.Schedule // by name

	by      []*keda.Schedule
	reasons []Reason
}

var (
	_ Controller = (*Schedule)(nil)
	_ Explainer  = (*Schedule)(nil)
)

// NewSchedule makes a controller of schedules by service; start is the calendar's time at which a run begins, the zero value
// [DefaultStart].
func NewSchedule(name string, start time.Time, services map[string]*keda.Schedule) *Schedule {
	if start.IsZero() {
		start = DefaultStart
	}
	return &Schedule{name: name, start: start, services: services}
}

// Name returns the name under which results are listed.
func (c *Schedule) Name() string { return c.name }

// Reset finds the services.
func (c *Schedule) Reset(app *App, _ uint64) error {
	c.by = make([]*keda.Schedule, len(app.Services))
	for name, s := range c.services {
		i := app.ServiceIndex(name)
		if i < 0 {
			return fmt.Errorf("schedule: application %s has no service %q", app.Name, name)
		}
		c.by[i] = s
	}
	return nil
}

// Decide asks for what the rules say.
func (c *Schedule) Decide(v *View, dst []ScaleRequest) ([]ScaleRequest, error) {
	c.reasons = c.reasons[:0]
	for s, schedule := range c.by {
		if schedule == nil {
			continue
		}
		n, ok := schedule.ReplicasAt(c.start.Add(v.At))
		if !ok {
			continue
		}
		spec := v.Services[s].Spec
		c.reasons = append(c.reasons, Reason{Service: s, From: spec, To: n, Rule: "schedule"})
		if n != spec {
			dst = append(dst, ScaleRequest{Service: s, Replicas: n, Pool: AnyPool})
		}
	}
	return dst, nil
}

// Reasons are those of the last Decide.
func (c *Schedule) Reasons(dst []Reason) []Reason { return append(dst, c.reasons...) }
