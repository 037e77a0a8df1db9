//go:build !race

package sim

// RaceEnabled: see race_on_test.go.
const RaceEnabled = false
