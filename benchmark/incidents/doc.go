// Package incidents runs what goes wrong with autoscaling in production: situations from public reports, each a small application
// with a load and what else happens to it (configs/incidents), under autoscalers that people run.
//
// [Decode] reads an incident, [Incident.Controllers] makes what it is run with, [Run] runs all of it with common random numbers
// and returns an [Outcome] for each controller: violations, pods, churn, time to recover, the worst minute. [Anchors] sets them against
// what the reports say.
package incidents
