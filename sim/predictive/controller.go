package predictive

import (
	"errors"
	"time"
)

// Controller decides for one object and keeps what the real one keeps in its ConfigMap and status: the models' histories, and
// what stabilisation and policies look back on. Once its histories are full a sync allocates nothing. It belongs to one
// goroutine.
type Controller struct {
	spec        Spec // defaulted
	models      []modelState
	predictions []Prediction
	counts      []int32 // buffer
	scaling     scaling
}

// New returns a controller for an object. It reports every mistake in it.
func New(spec Spec) (*Controller, error) {
	if err := spec.Validate(); err != nil {
		return nil, err
	}
	spec = spec.WithDefaults()
	c := &Controller{
		spec: spec, models: make([]modelState, len(spec.Models)), predictions: make([]Prediction, len(spec.Models)),
		scaling: newScaling(&spec),
	}
	for i := range c.models {
		c.models[i] = modelState{spec: &spec.Models[i], model: NewModel(spec.Models[i])}
	}
	c.Reset()
	return c, nil
}

// Spec returns the object as defaulted.
func (c *Controller) Spec() Spec { return c.spec }

// Reset forgets everything, as if the object were made anew. A restart of the real controller forgets nothing.
func (c *Controller) Reset() {
	for i := range c.models {
		m := &c.models[i]
		m.history, m.passed, m.scheduled, m.start = m.history[:0], 1, false, 0
	}
	c.scaling.reset()
}

// History appends what a model has stored to dst, in the order of time.
func (c *Controller) History(model int, dst []Point) []Point {
	return append(dst, c.models[model].history...)
}

// Sync records the calculated count at time at, which must not go back, lets the models predict, and combines all counts
// (upstream processModels and DecideTargetReplicasByScalingStrategy).
func (c *Controller) Sync(at time.Duration, calculated int32) Decision {
	for i := range c.models {
		c.predictions[i] = c.models[i].sync(at, calculated)
	}
	d := Decision{At: at, Type: c.spec.DecisionType, Calculated: calculated, Predictions: c.predictions}
	c.counts = d.combine(c.counts)
	return d
}

// Settle turns the replicas that a sync decided on into those to be written, for a workload that has current ones: stabilised,
// limited by the policies, and within minReplicas and maxReplicas (upstream DecideTargetReplicasByBehavior). It takes them as
// written.
func (c *Controller) Settle(at time.Duration, current, replicas int32) Settled {
	return c.scaling.settle(at, current, replicas)
}

// modelState is a model with its history (upstream ModelHistory).
type modelState struct {
	spec      *ModelSpec
	model     Model
	history   []Point // in the order of time
	passed    int     // syncs since the model last predicted, that one included
	scheduled bool    // start is set
	start     time.Duration
}

// sync is one round of upstream's loop over the models.
func (m *modelState) sync(at time.Duration, calculated int32) Prediction {
	p := Prediction{Model: m.spec.Name, Outcome: Waiting}
	if m.spec.StartInterval > 0 {
		if !m.scheduled {
			m.schedule(at)
			return p // also if the start is now
		}
		if at < m.start {
			return p
		}
	}
	if n := len(m.history); m.spec.ResetDuration > 0 && n > 0 && at-m.history[n-1].At > m.spec.ResetDuration {
		m.history = m.history[:0]
		if m.spec.StartInterval > 0 {
			m.schedule(at)
			return p
		}
	}
	m.history = append(m.history, Point{wholeSeconds(at), calculated})
	p.Points = len(m.history)
	if m.passed < m.spec.PerSyncPeriod {
		p.Outcome = NotDue
		m.passed++
	} else {
		m.predict(at, &p)
		if p.Outcome == Failed {
			m.history = m.history[:p.Points-1] // upstream leaves before it stores
			return p
		}
		m.passed = 1
	}
	if drop := p.Points - m.model.Keep(p.Points); drop > 0 {
		m.history = m.history[:copy(m.history, m.history[drop:])]
	}
	return p
}

func (m *modelState) predict(at time.Duration, p *Prediction) {
	value, err := m.model.Predict(at, m.history)
	if err == nil {
		p.Replicas, err = ceilReplicas(value)
	}
	switch {
	case err == nil:
		p.Outcome, p.Value = Predicted, value
	case errors.Is(err, ErrTooFew):
		p.Outcome, p.Err = TooFew, err
	default:
		p.Outcome, p.Err = Failed, err
	}
}

// schedule sets the start to the next multiple of the start interval, which may be now (upstream nextInterval), in whole seconds.
func (m *modelState) schedule(at time.Duration) {
	interval := m.spec.StartInterval
	next := at.Truncate(interval)
	if next < at {
		next += interval
	}
	m.scheduled, m.start = true, wholeSeconds(next)
}
