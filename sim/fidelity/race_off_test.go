//go:build !race

package fidelity

// raceEnabled tells that the race detector slows everything down about tenfold.
const raceEnabled = false
