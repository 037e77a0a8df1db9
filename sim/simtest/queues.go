package simtest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/grlscaler/grlscaler/sim"
)

// Queue is one service of a [QueueApp]: what makes it this or that queue. Everything else is ample.
type Queue struct {
	Name      string
	Cores     int     // 0 = 1
	Workers   int     // 0 = no limit: the visits share the cores
	MaxVisits int     // 0 = no limit
	Replicas  int     // 0 = 1
	Balancing string  // "" = round robin
	LimitM    float64 // CPU limit; 0 = all cores, so that there is no quota
	// Ops are its operations, as in an application file: "{name: get, cpu_ms: 5, dist: exponential}".
	Ops []string
}

// QueueTimeoutMs is how long the clients of a [QueueApp] wait: no closed form knows of timeouts.
const QueueTimeoutMs = 3_600_000

// QueueApp is an application of these services, the first one the entry; it has one endpoint for each of the
// operations listed, named after its operation. Its nodes never get full and run at the given speed; no pod ever
// changes.
func QueueApp(tb testing.TB, speed float64, queues []Queue, endpoints ...string) *sim.App {
	tb.Helper()
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	p("format: 1\nname: queues\nservices:")
	for _, q := range queues {
		cores, replicas := max(q.Cores, 1), max(q.Replicas, 1)
		limit := q.LimitM
		if limit == 0 {
			limit = 1000 * float64(cores)
		}
		balancing := q.Balancing
		if balancing == "" {
			balancing = sim.Balancings[0]
		}
		p("  - name: %s\n    cpu_request_m: 1\n    cpu_limit_m: %v\n    mem_request_mib: 1\n    mem_limit_mib: 1", q.Name, limit)
		p("    replicas: {min: 1, max: %d, initial: %d}", replicas+1, replicas)
		p("    cores: %d\n    workers: %d\n    max_visits: %d\n    balancing: %s", cores, q.Workers, q.MaxVisits, balancing)
		p("    operations:\n      - %s", strings.Join(q.Ops, "\n      - "))
	}
	p("endpoints:")
	for _, op := range endpoints {
		p("  - {name: %s, op: %s, weight: 1, slo_ms: 1000, timeout_ms: %d}", op, op, QueueTimeoutMs)
	}
	p("pools:\n  - {name: ample, nodes: 1, cpu_m: 1e7, mem_mib: 1e7, speed_factor: %v, price_per_core_hour: 0.04}", speed)
	app, err := sim.DecodeApp(strings.NewReader(b.String()), "queues.yaml")
	if err != nil {
		tb.Fatalf("%v\n%s", err, b.String())
	}
	return app
}

// Gate is a service without work of its own whose operation "get" makes these calls, one after another or all at
// once: it passes requests on at no cost, so that the services behind it are the stations of a network.
func Gate(name string, parallel bool, calls ...string) Queue {
	return Queue{Name: name, Ops: []string{fmt.Sprintf("{name: get, parallel: %v, calls: [%s]}", parallel, strings.Join(calls, ", "))}}
}

// NewDES makes a request-level engine for app.
func NewDES(tb testing.TB, app *sim.App) *sim.DES {
	tb.Helper()
	e, err := sim.NewDES(app, sim.DESOptions{})
	if err != nil {
		tb.Fatal(err)
	}
	return e
}
