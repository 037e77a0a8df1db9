//go:build !race

package benchmark

// raceEnabled: see race_on_test.go.
const raceEnabled = false
