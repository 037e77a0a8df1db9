// Package benchmark compares controllers on the same load: it runs a plan of trials, measures each, and says how
// sure the comparison is.
//
// The path through it: a [Plan] lists trials (controller, load source, seed). [Run] carries them out on all cores,
// each with an [Accumulator] that turns the run into [Metrics], and merges the rows in plan order, so that the
// result does not depend on how many workers there were. A [Store] keeps every finished trial, so that an
// interrupted run continues where it stopped and the trials of a plan can be run on several machines by index. [Summarise]
// works out means, interquartile means and their intervals over the seeds ([Studentized]), sets all controllers against
// the opponent, on other prices too ([Verdict]); [WriteTables] prints it, and [WriteResults] writes the files of results/<tag>/.
//
// Every formula stands in the comment of the field that holds it ([Metrics]) or of the function that computes it.
//
// It does not know what a controller is: policies, autoscalers and fixed sizes come as a [ControllerSpec] with a
// function that makes one.
package benchmark
