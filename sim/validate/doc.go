// Package validate measures how far the simulator is from recordings of real systems.
//
// [Replay] runs the load of a recording through an engine in a cluster like the one that was recorded: its CPU limits, its
// replicas at every time. [Compare] sets what comes out beside what was recorded, as [Row]s: one endpoint or service over one
// interval. [Nodes] says how much of the recorded nodes other work left. [Summarise] turns rows into median errors, apart for what was not throttled, throttled, and saturated. The path
// through the package:
//
//	recording + application -> Replay -> Compare -> Rows -> Summarise -> tables, WritePlot
//
// What a table over intervals cannot show has functions of its own: [Crossings] finds the load at which latency leaves its
// bound, [Drains] how long a backlog takes to go, [StartUps] how long replicas take to start.
//
// The package fits nothing: it changes no number of the application but those that the recording knows better.
package validate
