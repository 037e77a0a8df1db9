package validate

import (
	"maps"
	"math"
	"slices"
	"time"

	"github.com/grlscaler/grlscaler/sim"
	"github.com/grlscaler/grlscaler/sim/trace"
)

// Node is a node of a recording, as replays have it.
type Node struct {
	Name, Pool string
	CPUMillis  float64 // allocatable, less what other work used
	MemMiB     float64
}

// fairShare is the part of a node's CPU that other work cannot take from pods which want it: two groups of equal weight
// get half each. A recording shows what others used, not what they would have left.
const fairShare = 0.5

// Nodes are those that were recorded at the start, or none. Other work is what they used beyond the recorded services, in the
// mean over the intervals for which the CPU of each of them and of every service was recorded; each node has of it in
// proportion to the CPU that it used.
func Nodes(rec *trace.Recording) []Node {
	var nodes []Node
	index := map[string]int{}
	for i := range rec.Nodes {
		if r := &rec.Nodes[i]; r.At == 0 {
			index[r.Node] = len(nodes)
			nodes = append(nodes, Node{Name: r.Node, Pool: r.Pool, CPUMillis: r.CPUMillis, MemMiB: r.MemMiB})
		}
	}
	services := map[time.Duration]float64{} // CPU of all together; NaN where one is unknown
	for i := range rec.Services {
		services[rec.Services[i].At] += rec.Services[i].CPUMillis
	}
	type interval struct {
		used  []float64
		nodes int
	}
	intervals := map[time.Duration]*interval{}
	for i := range rec.Nodes {
		r := &rec.Nodes[i]
		x := intervals[r.At]
		if x == nil {
			x = &interval{used: make([]float64, len(nodes))}
			intervals[r.At] = x
		}
		x.nodes++
		if n, ok := index[r.Node]; ok {
			x.used[n] = r.CPUUsedMillis
		}
	}
	used, total, other, known := make([]float64, len(nodes)), 0.0, 0.0, 0.0
	for _, at := range slices.Sorted(maps.Keys(intervals)) {
		x, own := intervals[at], trace.NoValue()
		if v, ok := services[at]; ok && x.nodes == len(nodes) {
			own = v
		}
		sum := 0.0
		for _, v := range x.used {
			sum += v
		}
		if !trace.Has(sum - own) {
			continue
		}
		for n, v := range x.used {
			used[n] += v
		}
		total += sum
		other += sum - own
		known++
	}
	if other <= 0 {
		return nodes
	}
	for n := range nodes {
		nodes[n].CPUMillis -= math.Min(other/known*used[n]/total, (1-fairShare)*nodes[n].CPUMillis)
	}
	return nodes
}

// Pools are the nodes of a recording, one pool for each, with the price and speed of the application's pool of that name, or of
// its first.
func Pools(nodes []Node, app *sim.App) []sim.Pool {
	var pools []sim.Pool
	for i := range nodes {
		pool := app.Pools[0]
		for j := range app.Pools {
			if app.Pools[j].Name == nodes[i].Pool {
				pool = app.Pools[j]
			}
		}
		pool.Name, pool.Nodes, pool.CPUMillis, pool.MemMiB = nodes[i].Name, 1, nodes[i].CPUMillis, nodes[i].MemMiB
		pools = append(pools, pool)
	}
	return pools
}

// Negligible is a request, in millicores or MiB, of which any number fits a node: which pods a node had is not recorded.
const Negligible = 1e-6
