package sim

import (
	"fmt"
	"math"
	"strings"
	"testing"
)

// testService is a service of an application file, in flow style; more holds further keys. Without cpu_limit_m it has one
// core and no quota.
func testService(name, more string, operations ...string) string {
	if !strings.Contains(more, "cpu_limit_m") {
		more = strings.Trim("cpu_limit_m: 1000, "+more, ", ")
	}
	if !strings.Contains(more, "replicas") {
		more += ", replicas: {min: 1, max: 50}"
	}
	return fmt.Sprintf("  - {name: %s, cpu_request_m: 10, mem_request_mib: 1, mem_limit_mib: 1, %s, operations: [%s]}\n", name, more, strings.Join(operations, ", "))
}

// testApp reads an application of services, whose endpoint is get of the first.
func testApp(tb testing.TB, endpoint string, services ...string) *App {
	tb.Helper()
	return testAppOn(tb, endpoint, "{name: p, nodes: 4, cpu_m: 64000, mem_mib: 64000, price_per_core_hour: 1}", services...)
}

func testAppOn(tb testing.TB, endpoint, pools string, services ...string) *App {
	tb.Helper()
	first := services[0][strings.Index(services[0], "name: ")+6:]
	first = first[:strings.Index(first, ",")]
	text := "format: 1\nname: test\nservices:\n" + strings.Join(services, "") +
		fmt.Sprintf("endpoints:\n  - {name: get, op: %s.get, weight: 1, slo_ms: 100%s}\npools:\n  - %s\n", first, endpoint, pools)
	app, err := DecodeApp(strings.NewReader(text), "test.yaml")
	if err != nil {
		tb.Fatalf("%v in\n%s", err, text)
	}
	return app
}

// play runs ticks with requests of endpoint 0 at exact times (ms since Reset), in order.
func play(d *DES, ticks int, at ...float64) {
	for range ticks {
		end := d.now + 1000
		d.arrivals = d.arrivals[:0]
		for len(at) > 0 && at[0] < end {
			d.arrivals = append(d.arrivals, arrival{at: at[0]})
			d.endpoints[0].offered++
			at = at[1:]
		}
		d.tick()
	}
}

// steadily runs ticks with n requests of endpoint 0 in each, and calls window after each that ends one.
func steadily(d *DES, ticks int, n float64, window func(st *State)) {
	load := TickLoad{make([]float64, len(d.endpoints)), make([]float64, len(d.endpoints))}
	load.RPS[0], load.Arrivals[0] = n, n
	for range ticks {
		d.Step(load)
		if d.st.Window > 0 && window != nil {
			window(&d.st)
		}
	}
}

// tally is what windows of a run come to.
type tally struct {
	seconds, offered, failed, late          float64
	arrived, served, visitsFailed, overflow []float64 // by service
	cpuMs                                   []float64
	latency                                 Histogram
	d                                       *DES
}

func newTally(d *DES) *tally {
	n := len(d.stats)
	return &tally{d: d, arrived: make([]float64, n), served: make([]float64, n), visitsFailed: make([]float64, n), overflow: make([]float64, n), cpuMs: make([]float64, n)}
}

func (c *tally) add(st *State) {
	w := float64(st.Window)
	c.seconds += w
	for s := range st.Services {
		v := &st.Services[s]
		c.arrived[s] += v.ArrivalRPS * w
		c.served[s] += v.ServedRPS * w
		c.visitsFailed[s] += v.FailedRPS * w
		c.overflow[s] += v.Overflow
		c.cpuMs[s] += v.CPUUsedMillis * w
	}
	c.offered += st.Endpoints[0].Offered
	c.failed += st.Endpoints[0].Failed
	c.late += st.Endpoints[0].Late
	h := make([]Histogram, len(st.Endpoints))
	c.d.AddLatencies(h)
	c.latency.Merge(&h[0])
}

// phaseOf is when the CFS periods of a replica begin, in [0, 100).
func phaseOf(d *DES, replica int) float64 {
	return math.Mod(d.replicas[replica].periodEnd+10*cfsPeriodMs, cfsPeriodMs)
}

func within(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance) {
		t.Errorf("%s is %v, want %v within %v", what, got, want, tolerance)
	}
}
