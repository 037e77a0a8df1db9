// Package promclient asks a server with the HTTP API of Prometheus (Thanos, Mimir and others have it, too) for the answers of which
// recordings are made.
//
// The path through it:
//
//	set of queries --Expand--> queries --Client.Fetch--> answers --Save--> directory
//
// A [Set] is a YAML file of queries with placeholders (package configs holds some). A [Client] asks each of them for a [Range] in
// parts that the server allows, tries again where that may help, and joins the parts. The answers are JSON as the server sends it, so
// that package sim/trace reads them whether they come from here or from curl. What answers mean is not known here.
//
// A client verifies certificates always, sends its token to one server only and shows it to nobody.
package promclient
