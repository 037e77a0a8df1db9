//go:build race

package sim

// defaultFitVisits is smaller under the race detector, which slows the request-level engine down about tenfold: such builds are for
// tests, and their fluid engine is rougher.
const defaultFitVisits = 2e5
