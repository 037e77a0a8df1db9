package keda

import (
	"fmt"
	"time"

	"github.com/grlscaler/grlscaler/sim/hpa"
)

// Inputs are what a poll, or a read for the HPA, finds.
type Inputs struct {
	At            time.Time // must not go back
	Replicas      int32     // what the workload was last told, at least 0
	ReadyReplicas int32     // pods that run and are ready; asked for by fallbacks of metric type Value alone
	// Readings has one element per trigger. Those of cpu, memory and cron triggers are ignored: the HPA reads the former from
	// the cluster, and the time decides the latter. The slice is read during the call only.
	Readings []Reading
}

// Executor decides for one ScaledObject and keeps what KEDA keeps in its status: when it was active last, and how often each
// trigger has failed in a row. Unless a trigger fails, or there is a formula, it allocates nothing. It belongs to one goroutine.
type Executor struct {
	spec       Spec // defaulted
	created    time.Time
	lastActive time.Time
	wasActive  bool
	external   bool // some trigger is neither cpu nor memory
	triggers   []trigger
	order      []int // trigger behind each metric of the HPA
	results    []TriggerResult
	values     []int64 // of external metrics, by trigger, then that of the formula
	formula    *formula
	target     hpa.Target      // of the formula
	read       []TriggerResult // of a sync, for the formula
}

// New returns an executor for a ScaledObject that is created at some time. It reports every mistake in the object.
func New(spec Spec, created time.Time) (*Executor, error) {
	if err := spec.Validate(); err != nil {
		return nil, err
	}
	n := len(spec.Triggers)
	e := &Executor{
		spec: spec.WithDefaults(), triggers: make([]trigger, n), order: spec.metricOrder(), results: make([]TriggerResult, n), values: make([]int64, n+1),
	}
	if m := e.spec.Modifiers; m != nil {
		var err error
		if e.formula, err = newFormula(&e.spec); err != nil {
			return nil, err
		}
		e.target, e.read = m.target(), make([]TriggerResult, n)
	}
	for i := range e.triggers {
		s := &e.spec.Triggers[i]
		t := &e.triggers[i]
		t.spec, t.target = s, s.target()
		if e.formula != nil && s.External() { // a fallback leads to the formula's metric
			t.target = e.target
		}
		e.external = e.external || s.External()
		if s.Type == CronTrigger {
			var err error
			if t.window, err = s.Cron.window(); err != nil {
				return nil, err
			}
		}
	}
	e.Reset(created)
	return e, nil
}

// window is the trigger's, parsed.
func (c *Cron) window() (window, error) {
	zone, err := loadZone(c.Timezone)
	if err != nil {
		return window{}, err
	}
	start, err := parseCron(c.Start, zone)
	if err != nil {
		return window{}, err
	}
	end, err := parseCron(c.End, zone)
	return window{start, end, c.DesiredReplicas}, err
}

// Reset forgets everything, as if the object had been created anew.
func (e *Executor) Reset(created time.Time) {
	e.created, e.lastActive, e.wasActive = created, time.Time{}, false
	for i := range e.triggers {
		t := &e.triggers[i]
		t.failures, t.cached, t.polled = 0, TriggerResult{}, false
	}
}

// Spec returns the object as defaulted.
func (e *Executor) Spec() Spec { return e.spec }

// LastActive returns the time of the last activity that was noted; false if there was none.
func (e *Executor) LastActive() (time.Time, bool) { return e.lastActive, e.wasActive }

// Failures returns how often in a row a trigger has failed.
func (e *Executor) Failures(trigger int) int32 { return e.triggers[trigger].failures }

// Poll asks all triggers and decides about the step from and to 0 or the idle count (upstream checkScalers and RequestScale).
// The caller writes Decision.Desired to the workload if it differs; the executor takes it as written.
func (e *Executor) Poll(in *Inputs) Decision {
	e.check(in)
	d := Decision{At: in.At, Current: in.Replicas, Desired: in.Replicas}
	if !e.spec.HasHPA() {
		d.Reason = Paused
		if p := e.spec.Annotations.PausedReplicas; p != nil && *p != in.Replicas {
			d.Reason, d.Desired = PausedAtReplicas, *p
		}
		return d
	}
	for i := range e.triggers {
		t := &e.triggers[i]
		if !t.spec.External() {
			continue
		}
		r := t.ask(e.spec.Fallback, in, in.Readings[i])
		t.cached, t.polled = r, true
		d.Active, d.Failed = d.Active || r.Active, d.Failed || r.Err != nil
		e.results[i] = r
	}
	if e.formula != nil { // activity is the formula's alone
		r := e.compose(e.results)
		d.Composite, d.Active, d.Failed = r, r.Active, r.Err != nil
	}
	d.Triggers = e.results
	// Where all triggers are cpu or memory nothing could ever bring the workload back from 0.
	d.Active = d.Active || !e.external || e.spec.Annotations.ForceActivation
	if d.Active {
		e.active(&d)
	} else {
		e.inactive(&d)
	}
	return d
}

func (e *Executor) check(in *Inputs) {
	if len(in.Readings) != len(e.triggers) {
		panic(fmt.Sprintf("keda: %d readings, but %q has %d triggers", len(in.Readings), e.spec.Name, len(e.triggers)))
	}
}

// active decides where something is active.
func (e *Executor) active(d *Decision) {
	minR := *e.spec.MinReplicaCount
	switch {
	case d.Current == 0 || (e.spec.IdleReplicaCount != nil && d.Current < minR):
		if e.spec.Annotations.PausedScaleOut {
			d.Reason = ScaleOutPaused
			return
		}
		d.Reason, d.Desired = Activated, max(1, minR)
	case d.Failed:
		d.Reason = PartialTriggerError
		return
	default:
		d.Reason = Active
	}
	d.Noted, e.lastActive, e.wasActive = true, d.At, true
}

// inactive decides where nothing is active.
func (e *Executor) inactive(d *Decision) {
	minR, idle, fallback := *e.spec.MinReplicaCount, e.spec.IdleReplicaCount, e.spec.Fallback
	switch {
	case d.Failed && fallback == nil:
		d.Reason = TriggerError
	case d.Failed && fallback.Replicas != 0:
		// A step to 0 now would turn the HPA off, and the fallback with it.
		d.Reason = AwaitingFallback
	case idle != nil && d.Current > *idle:
		e.deactivate(d, *idle)
	case minR == 0 && d.Current > 0:
		e.deactivate(d, 0)
	case idle == nil && d.Current < minR:
		d.Reason, d.Desired = BelowMinimum, minR
	default:
		d.Reason = Inactive
	}
}

// deactivate steps down once the cooldown is over (upstream scaleToZeroOrIdle): more than cooldownPeriod since the last
// activity, or, if there never was any, more than initialCooldownPeriod since creation.
func (e *Executor) deactivate(d *Decision, replicas int32) {
	since, period, waiting := e.lastActive, *e.spec.CooldownPeriodSeconds, CoolingDown
	if !e.wasActive {
		since, period, waiting = e.created, *e.spec.InitialCooldownPeriodSeconds, InitialCoolingDown
	}
	switch {
	case e.spec.Annotations.PausedScaleIn:
		d.Reason = ScaleInPaused
	case since.Add(time.Duration(period) * time.Second).Before(d.At):
		d.Reason, d.Desired = Deactivated, replicas
	default:
		d.Reason = waiting
	}
}

// Metrics reads the metrics of one sync of the HPA and appends them to dst: one per metric of Spec.HPA, in its order. Those of
// cpu and memory triggers are empty, for the caller to fill in. The values belong to the executor and are valid until its next
// call.
//
// A read asks the source anew and counts its failures like a poll, except that a trigger with useCachedMetrics reports what
// the last poll came to. At counts for which the HPA reads no metrics (0, below its minimum, above its maximum), and while
// autoscaling is paused, nothing is read or counted, and all are empty.
func (e *Executor) Metrics(in *Inputs, dst []hpa.MetricData) []hpa.MetricData {
	e.check(in)
	reads := e.spec.HasHPA() && in.Replicas >= max(1, *e.spec.MinReplicaCount) && in.Replicas <= *e.spec.MaxReplicaCount
	for _, i := range e.order {
		var data hpa.MetricData
		if i == composite {
			if reads {
				data = e.compositeData(in)
			}
		} else if t := &e.triggers[i]; reads && t.spec.External() {
			r := e.readTrigger(i, in)
			if r.Err != nil {
				data.Err = fmt.Errorf("metric %s: %w", t.spec.MetricName(i), r.Err)
			} else {
				e.values[i] = r.Millis
				data.ValuesMillis = e.values[i : i+1 : i+1]
			}
		}
		dst = append(dst, data)
	}
	return dst
}

// readTrigger gives a sync an external trigger's value.
func (e *Executor) readTrigger(i int, in *Inputs) TriggerResult {
	t := &e.triggers[i]
	if t.spec.UseCachedMetrics && t.polled {
		return t.cached
	}
	return t.ask(e.spec.Fallback, in, in.Readings[i])
}

// compositeData gives a sync the formula's value.
func (e *Executor) compositeData(in *Inputs) (data hpa.MetricData) {
	for i := range e.triggers {
		if e.triggers[i].spec.External() {
			e.read[i] = e.readTrigger(i, in)
		}
	}
	r := e.compose(e.read)
	if r.Err != nil {
		data.Err = fmt.Errorf("metric %s: %w", CompositeMetric, r.Err)
		return data
	}
	last := len(e.values) - 1
	e.values[last] = r.Millis
	data.ValuesMillis = e.values[last:]
	return data
}
