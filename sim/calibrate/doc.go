// Package calibrate fits the numbers of an application file to recordings: CPU per visit, CPU of idle replicas, waits and
// their spread, start-up, warm-up, or one speed factor for all of it. docs/calibration.md derives the method.
//
// [Fit] is the way in. The path through the package:
//
//	recordings + application -> observe (blocks of intervals in the application's terms)
//	  -> simulate (the engine's CPU and latency of each block, and how they answer to dearer visits)
//	  -> fitCPU, fitWait, fitSpread (regressions), again from simulate until nothing changes
//	  -> fitStartup, fitWarmup -> Result: numbers with standard errors, what was not identified and why, the file
//
// A number is fitted only if the recordings identify it: the regression's columns must not depend on each other, and its
// standard error must be small enough. Otherwise the application's value stays, and [Result].Kept says why and what to
// record. [CrossValidate] fits to a part of the recordings and predicts the rest.
//
// The package reads and writes no files: it takes the text of an application file and returns another, in which
// numbers were changed where they stand. It starts goroutines for runs of the engine; its results do not depend on how many.
package calibrate
