// Package trace holds recordings of a running application: the form in which they are stored, a strict reader and
// writer, importers from other formats, and the load that the simulator replays.
//
// A [Recording] is a directory with meta.yaml and up to four tidy CSV tables (endpoints, services, edges, nodes),
// each possibly gzipped; docs/recordings.md describes the columns. The path through the package:
//
//	other formats --Import--> Recording --Write--> directory --Read--> Recording --LoadFromRecording--> Load
//
// [Read] accepts a recording only if all of it is sound; [Validate] lists what is wrong as values, and [Inspect]
// sums up what a recording holds and what it cannot be used for.
//
// A number that the source does not have is an empty cell in a file and NaN in memory ([NoValue], asked for with
// [Has]); the text "NaN" is never read or written.
//
// The package reads and writes files and nothing else: it starts no goroutine, keeps no state between calls, knows no
// clock, and does not import the simulator, which imports it.
package trace
