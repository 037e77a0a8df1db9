//go:build race

package benchmark

// raceEnabled tells that the race detector slows everything down about tenfold; long tests on one goroutine have nothing for it.
const raceEnabled = true
