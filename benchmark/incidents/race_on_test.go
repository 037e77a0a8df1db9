//go:build race

package incidents

// raceEnabled tells that the race detector slows everything down about tenfold; tests that show it nothing new are left out.
const raceEnabled = true
