//go:build !race

package incidents

// raceEnabled: see race_on_test.go.
const raceEnabled = false
