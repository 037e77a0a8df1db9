// Package racedetector tells tests whether they run under the race detector, which slows everything down about tenfold: what has nothing
// for it to find, or takes minutes there, may then be left out.
package racedetector
