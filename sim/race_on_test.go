//go:build race

package sim

// RaceEnabled tells that the race detector slows everything down about tenfold; long statistical tests then do less.
const RaceEnabled = true
