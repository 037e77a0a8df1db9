//go:build !race

package sim

// defaultFitVisits takes about a second.
const defaultFitVisits = 2e6
