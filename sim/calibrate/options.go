package calibrate

import "slices"

// Options say what to fit and how. The zero value is not ready for use: Engine must be given.
type Options struct {
	Engine NewEngine
	// SpeedOnly keeps the application's proportions and fits one number that all CPU is divided by.
	SpeedOnly bool
	// Fit lists the groups of numbers to fit; empty = all of Groups.
	Fit []string
	// MaxSE is the largest standard error, relative to the number, with which a number counts as identified; 0 = DefaultMaxSE.
	MaxSE float64
	// Replications is how often each recording is simulated in every round; 0 = DefaultReplications.
	Replications int
	// Rounds is how often simulation and regression follow each other; 0 = DefaultRounds.
	Rounds  int
	Seed    uint64
	Workers int // recordings simulated at once; the result does not depend on it
	// Progress, if given, is called after each round.
	Progress func(round, rounds int)
}

// Defaults of Options.
const (
	DefaultMaxSE        = 0.25
	DefaultReplications = 4
	DefaultRounds       = 8
)

// Groups lists the groups of numbers that can be fitted.
var Groups = []string{"cpu", "wait", "spread", "startup-cpu", "startup-delay", "warmup"}

// fits tells whether a group of numbers is to be fitted.
func (o *Options) fits(group string) bool { return len(o.Fit) == 0 || slices.Contains(o.Fit, group) }
