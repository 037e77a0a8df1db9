package predictive

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// Outcome says what became of a model in a sync.
type Outcome uint8

// The outcomes.
const (
	Predicted Outcome = iota // its prediction counts
	TooFew                   // its history is too short: counts as a prediction of 0
	NotDue                   // perSyncPeriod: recorded the count, did not predict
	Waiting                  // startInterval: neither recorded nor predicted
	Failed                   // could not predict; the sync left no trace in it
)

// Prediction is what became of one model in a sync.
type Prediction struct {
	Model    string
	Outcome  Outcome
	Replicas int32   // if it counts
	Value    float64 // if Predicted: before it was rounded up
	Points   int     // in the history that it predicted from, or has recorded, the present one included
	Err      error   // if Failed or TooFew
}

// Counts reports whether Replicas takes part in the decision.
func (p *Prediction) Counts() bool { return p.Outcome == Predicted || p.Outcome == TooFew }

// Reason says whose count Decision.Replicas is.
type Reason string

// The reasons.
const (
	ByCalculation Reason = "Calculated" // the calculated count; also if no model's count took part
	ByModel       Reason = "Predicted"  // that of Decision.Winner
	ByMean        Reason = "Mean"
	ByMedian      Reason = "Median"
)

// NoModel is Decision.Winner where no model won.
const NoModel = -1

// Decision is what a sync decided, and why.
type Decision struct {
	At         time.Duration
	Type       DecisionType
	Calculated int32
	Replicas   int32 // may be below 0 or above maxReplicas: Settle, or the caller, sees to that
	Reason     Reason
	Winner     int // index of the model that won, or NoModel
	// Predictions has one element per model. It belongs to the controller and is valid until its next sync.
	Predictions []Prediction
}

// combine decides between the calculated count and the predictions that count (upstream DecideTargetReplicasByScalingStrategy).
// At equal counts the calculated one wins, then the model that comes first. The buffer is returned for the next time.
func (d *Decision) combine(buffer []int32) []int32 {
	counts := append(buffer[:0], d.Calculated)
	d.Replicas, d.Reason, d.Winner = d.Calculated, ByCalculation, NoModel
	for i := range d.Predictions {
		p := &d.Predictions[i]
		if !p.Counts() {
			continue
		}
		counts = append(counts, p.Replicas)
		if (d.Type == DecideMaximum && p.Replicas > d.Replicas) || (d.Type == DecideMinimum && p.Replicas < d.Replicas) {
			d.Replicas, d.Reason, d.Winner = p.Replicas, ByModel, i
		}
	}
	if len(counts) == 1 {
		return counts
	}
	switch d.Type {
	case DecideMean:
		d.Replicas, d.Reason = meanOf(counts), ByMean
	case DecideMedian:
		d.Replicas, d.Reason = medianOf(counts), ByMedian
	}
	return counts
}

// meanOf rounds to the nearest. Upstream says 0 for any sum below 0.
func meanOf(counts []int32) int32 {
	sum := int64(0)
	for _, c := range counts {
		sum += int64(c)
	}
	if sum <= 0 {
		return 0
	}
	return int32(math.Round(float64(sum) / float64(len(counts))))
}

// medianOf sorts the counts.
func medianOf(counts []int32) int32 {
	slices.Sort(counts)
	half := len(counts) / 2
	if len(counts)%2 == 1 {
		return counts[half]
	}
	return int32((int64(counts[half-1]) + int64(counts[half])) / 2)
}

// Explain says in one line what was decided and why.
func (d *Decision) Explain() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v: %d replicas, ", d.At, d.Replicas)
	switch d.Reason {
	case ByModel:
		fmt.Fprintf(&b, "the %s, from %s", d.Type, d.Predictions[d.Winner].Model)
	case ByCalculation:
		b.WriteString("as calculated")
	default:
		fmt.Fprintf(&b, "the %s", d.Type)
	}
	fmt.Fprintf(&b, ": calculated %d", d.Calculated)
	for i := range d.Predictions {
		b.WriteString(", ")
		b.WriteString(d.Predictions[i].String())
	}
	return b.String()
}

// String says what became of the model.
func (p *Prediction) String() string {
	switch p.Outcome {
	case Predicted:
		return fmt.Sprintf("%s predicts %d (%.4g)", p.Model, p.Replicas, p.Value)
	case TooFew:
		return fmt.Sprintf("%s has too few counts, %d, and stands for 0", p.Model, p.Points)
	case NotDue:
		return p.Model + " is not due"
	case Waiting:
		return p.Model + " waits for its start"
	}
	return fmt.Sprintf("%s failed (%v)", p.Model, p.Err)
}
