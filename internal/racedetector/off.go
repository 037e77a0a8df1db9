//go:build !race

package racedetector

// Enabled is whether this build has the race detector.
const Enabled = false
