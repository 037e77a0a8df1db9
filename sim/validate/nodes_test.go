package validate

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/grlscaler/grlscaler/sim/trace"
)

// TestOtherWork: what nodes used beyond the services is not there for pods, up to half of each node.
func TestOtherWork(t *testing.T) {
	const step = 15 * time.Second
	no := trace.NoValue()
	node := func(k int, name string, used float64) trace.NodeRow {
		return trace.NodeRow{At: time.Duration(k) * step, Node: name, CPUMillis: 2000, MemMiB: 100, CPUUsedMillis: used}
	}
	service := func(k int, name string, cpu float64) trace.ServiceRow {
		return trace.ServiceRow{At: time.Duration(k) * step, Service: name, CPUMillis: cpu}
	}
	for _, c := range []struct {
		name     string
		nodes    []trace.NodeRow
		services []trace.ServiceRow
		want     []float64
	}{
		{"none", nil, []trace.ServiceRow{service(0, "a", 100)}, nil},
		{"idle", []trace.NodeRow{node(0, "n", 299)}, []trace.ServiceRow{service(0, "a", 100), service(0, "b", 200)}, []float64{2000}},
		{"some", []trace.NodeRow{node(0, "n", 700)}, []trace.ServiceRow{service(0, "a", 100), service(0, "b", 200)}, []float64{1600}},
		{"mean of two intervals", []trace.NodeRow{node(0, "n", 700), node(1, "n", 500)},
			[]trace.ServiceRow{service(0, "a", 300), service(1, "a", 300)}, []float64{1700}},
		{"an interval not known", []trace.NodeRow{node(0, "n", 700), node(1, "n", no)},
			[]trace.ServiceRow{service(0, "a", 300), service(1, "a", 300)}, []float64{1600}},
		{"a service not known", []trace.NodeRow{node(0, "n", 700)}, []trace.ServiceRow{service(0, "a", 300), service(0, "b", no)}, []float64{2000}},
		{"no services", []trace.NodeRow{node(0, "n", 700)}, nil, []float64{2000}},
		{"two nodes", []trace.NodeRow{node(0, "n", 900), node(0, "m", 300)}, []trace.ServiceRow{service(0, "a", 400)}, []float64{1400, 1800}},
		{"a node that came", []trace.NodeRow{node(0, "n", 600), node(1, "n", 900), node(1, "m", 300)},
			[]trace.ServiceRow{service(0, "a", 400), service(1, "a", 800)}, []float64{1800}},
		{"full", []trace.NodeRow{node(0, "n", 1999)}, []trace.ServiceRow{service(0, "a", 400)}, []float64{1000}},
	} {
		var got []float64
		for _, n := range Nodes(&trace.Recording{Nodes: c.nodes, Services: c.services}) {
			got = append(got, n.CPUMillis)
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s: %s", c.name, d)
		}
	}
}
