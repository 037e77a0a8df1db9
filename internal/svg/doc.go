// Package svg draws small plots as text that a page can hold inline: scales with ticks, paths, labels.
//
// A [Picture] collects elements in whole units of its view box; an [Axis] turns numbers into such units; a [Pen] writes paths with
// relative moves, a few bytes a point, so that a page with thousands of lines stays small. Colours are left to the page: elements
// carry classes. The same calls give the same bytes.
//
// It does not lay anything out: where an axis lies and what is drawn is the caller's.
package svg
