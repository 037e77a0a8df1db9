//go:build race

package sim_test

// raceEnabled tells that the race detector slows everything down about tenfold; long statistical tests then do less.
const raceEnabled = true
