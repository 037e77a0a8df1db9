package keda

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Reason says what a poll came to.
type Reason string

// The reasons. Those that set replicas are marked with what they set.
const (
	// Paused: autoscaling is paused by annotation.
	Paused Reason = "Paused"
	// PausedAtReplicas: so is it, after a step to the paused count (sets it).
	PausedAtReplicas Reason = "PausedAtReplicas"

	// Activated: a trigger is active, and replicas are 0 or below the minimum with an idle count (sets max(1, minimum)).
	Activated Reason = "Activated"
	// ScaleOutPaused: it would have been that, but scaling out is paused.
	ScaleOutPaused Reason = "ScaleOutPaused"
	// Active: a trigger is active; how many replicas there are is the HPA's business.
	Active Reason = "Active"
	// PartialTriggerError: so is one here, but another failed, so that the time of the last activity is not noted.
	PartialTriggerError Reason = "PartialTriggerError"

	// TriggerError: nothing is active, a trigger failed, and there is no fallback.
	TriggerError Reason = "TriggerError"
	// AwaitingFallback: nothing is active, a trigger failed, and the fallback has replicas, which it may come to.
	AwaitingFallback Reason = "AwaitingFallback"
	// Deactivated: nothing is active, and the cooldown is over (sets 0 or the idle count).
	Deactivated Reason = "Deactivated"
	// ScaleInPaused: it may have been that, but scaling in is paused.
	ScaleInPaused Reason = "ScaleInPaused"
	// CoolingDown: nothing is active, but the cooldown since the last activity is not over.
	CoolingDown Reason = "CoolingDown"
	// InitialCoolingDown: nothing ever was active, and the initial cooldown since creation is not over.
	InitialCoolingDown Reason = "InitialCoolingDown"
	// BelowMinimum: nothing is active, there is no idle count, and replicas are below the minimum (sets the minimum).
	BelowMinimum Reason = "BelowMinimum"
	// Inactive: nothing is active and nothing is to be done.
	Inactive Reason = "Inactive"
)

// sentences are the reasons for people.
var sentences = map[Reason]string{
	Paused:              "autoscaling is paused",
	PausedAtReplicas:    "autoscaling is paused at a count",
	Activated:           "a trigger is active",
	ScaleOutPaused:      "a trigger is active, but scaling out is paused",
	Active:              "a trigger is active, the HPA decides",
	PartialTriggerError: "a trigger is active, another failed; the HPA decides",
	TriggerError:        "a trigger failed, none is active",
	AwaitingFallback:    "a trigger failed, none is active; the fallback is to come",
	Deactivated:         "no trigger is active, the cooldown is over",
	ScaleInPaused:       "no trigger is active, but scaling in is paused",
	CoolingDown:         "no trigger is active, cooling down",
	InitialCoolingDown:  "no trigger was ever active, in the initial cooldown",
	BelowMinimum:        "no trigger is active, below minReplicaCount",
	Inactive:            "no trigger is active",
}

// Sentence says the reason to people.
func (r Reason) Sentence() string { return sentences[r] }

// Decision is what a poll decided, and why.
type Decision struct {
	At               time.Time
	Current, Desired int32 // spec replicas as found, and from now on; written only if they differ
	Reason           Reason
	// Active says that the object was taken as active: by a trigger, by a fallback, by force, or because all its triggers
	// are cpu or memory.
	Active bool
	// Failed says that a trigger failed and is not falling back.
	Failed bool
	// Noted says that At is from now on the time of the last activity.
	Noted bool
	// Triggers has one result per trigger, and is empty when autoscaling is paused. It belongs to the executor and is valid
	// until its next poll.
	Triggers []TriggerResult
	// Composite is the formula's result, where there is one.
	Composite TriggerResult
}

// Scaled reports whether replicas are to be written.
func (d *Decision) Scaled() bool { return d.Desired != d.Current }

// Explain says in one line what was decided and why.
func (d *Decision) Explain() string {
	var b strings.Builder
	b.WriteString(d.At.Format(time.RFC3339))
	if d.Scaled() {
		fmt.Fprintf(&b, ": %d -> %d replicas: ", d.Current, d.Desired)
	} else {
		fmt.Fprintf(&b, ": %d replicas kept: ", d.Current)
	}
	b.WriteString(sentences[d.Reason])
	for i := range d.Triggers {
		t := &d.Triggers[i]
		switch {
		case t.FallingBack:
			fmt.Fprintf(&b, "; triggers[%d] falls back after %d failures", i, t.Failures)
		case t.Err != nil:
			fmt.Fprintf(&b, "; triggers[%d] failed (%v)", i, t.Err)
		}
	}
	if errors.Is(d.Composite.Err, ErrFormula) {
		fmt.Fprintf(&b, "; %v", d.Composite.Err)
	}
	return b.String()
}
