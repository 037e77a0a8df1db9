package predictive

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// Point is a calculated count and when it was recorded, in whole seconds.
type Point struct {
	At       time.Duration
	Replicas int32
}

// Model predicts a workload's replicas. It may keep buffers and belongs to one controller.
type Model interface {
	// Predict returns what the history leads to, not yet a whole number. The history is in the order of time, is not empty, and
	// its last point is the present one; it is only read, and during the call only.
	Predict(at time.Duration, history []Point) (float64, error)
	// Keep returns how many of the newest of n points are stored for the next sync.
	Keep(n int) int
}

// Why a model cannot predict. ErrTooFew counts as a prediction of 0, the others as none.
var (
	ErrTooFew      = errors.New("too few counts in the history")
	ErrNoHistory   = errors.New("no counts in the history")
	ErrSameTime    = errors.New("all counts in the history have the same time, in whole seconds")
	ErrNotPositive = errors.New("a count of 0 or less in the history, which a multiplicative trend or season cannot be taken from")
	ErrNotFinite   = errors.New("the prediction is not a finite number")
	ErrOutOfRange  = errors.New("the prediction is too large for a number of replicas")
)

// NewModel returns a model by its settings, which it takes to be valid. It panics on a type that Validate would refuse.
func NewModel(spec ModelSpec) Model {
	switch {
	case spec.Type == LinearModel && spec.Linear != nil:
		return ptr(*spec.Linear)
	case spec.Type == HoltWintersModel && spec.HoltWinters != nil:
		return newHoltWinters(spec.HoltWinters)
	}
	panic(fmt.Sprintf("predictive: model %q of type %q: no such type, or its settings are missing", spec.Name, spec.Type))
}

// noise is how far a prediction may lie above a whole number and still be that number: absolute up to 1, then relative, up to 0.001.
// Statsmodels' own prediction from a constant history, which should be exact, is off by some 1e-13.
const noise = 1e-9

// ceilReplicas rounds a prediction up, as both of upstream's scripts do, but for noise.
func ceilReplicas(v float64) (int32, error) {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return 0, ErrNotFinite // math.ceil raises an error there
	}
	c := math.Ceil(v - noise*min(max(1, math.Abs(v)), 1e6))
	if c < math.MinInt32 || c > math.MaxInt32 {
		return 0, ErrOutOfRange
	}
	return int32(c), nil
}

// wholeSeconds is a time as it is recorded: RFC 3339 without fractions (metav1.Time).
func wholeSeconds(at time.Duration) time.Duration {
	whole := at.Truncate(time.Second)
	if whole > at {
		whole -= time.Second
	}
	return whole
}
