//go:build race

package incidents

// raceEnabled tells that the race detector slows everything down about tenfold; long tests on one goroutine have nothing for it.
const raceEnabled = true
