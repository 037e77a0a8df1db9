package gnn

import (
	"errors"
	"fmt"
)

// Graph is the layout of observations: services that call each other and run on cluster nodes. All
// graphs of a batch have the same layout.
type Graph struct {
	Services, Nodes int      // S, at least 1, and N; without nodes only the mlp encoder can read it
	Calls           [][2]int // E call edges, caller to callee, without repetition; empty is allowed
	ServiceFeatures int      // Fs, at least 1
	NodeFeatures    int      // Fn, at least 1 where there are nodes
	EdgeFeatures    int      // Fe of a call edge, 0 or more
	Scalars         int      // K, 0 or more
}

// Validate reports every mistake of the layout.
func (g *Graph) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("gnn: graph: "+format, args...)) }
	if g.Services < 1 || g.Nodes < 0 {
		bad("%d services and %d nodes; at least one service is needed", g.Services, g.Nodes)
	}
	if g.ServiceFeatures < 1 || g.Nodes > 0 && g.NodeFeatures < 1 || min(g.NodeFeatures, g.EdgeFeatures, g.Scalars) < 0 {
		bad("feature widths: services %d and nodes %d must be positive, call edges %d and scalars %d must not be negative",
			g.ServiceFeatures, g.NodeFeatures, g.EdgeFeatures, g.Scalars)
	}
	seen := map[[2]int]bool{}
	for i, e := range g.Calls {
		if min(e[0], e[1]) < 0 || max(e[0], e[1]) >= g.Services {
			bad("call edge %d goes from service %d to %d of %d", i, e[0], e[1], g.Services)
		}
		if seen[e] {
			bad("call edge %d repeats %d to %d: merge calls between the same two services", i, e[0], e[1])
		}
		seen[e] = true
	}
	return errors.Join(errs...)
}

// Width returns the numbers of one observation, all parts together.
func (g *Graph) Width() int {
	return g.Services*g.ServiceFeatures + g.Nodes*g.NodeFeatures + len(g.Calls)*g.EdgeFeatures +
		g.Services*g.Nodes + g.Scalars
}

// sameFeatures reports whether weights for one layout fit the other.
func (g *Graph) sameFeatures(o *Graph) bool {
	return g.ServiceFeatures == o.ServiceFeatures && g.NodeFeatures == o.NodeFeatures &&
		g.EdgeFeatures == o.EdgeFeatures && g.Scalars == o.Scalars
}

// Input is a batch of observations in slices that the caller owns: row-major, one graph after the
// other. They are copied before the call they are given to returns.
type Input struct {
	Batch     int       // B, at least 1
	Services  []float32 // [B, S, Fs]
	Nodes     []float32 // [B, N, Fn]
	CallEdges []float32 // [B, E, Fe], in the order of Graph.Calls
	RunsOn    []float32 // [B, S, N] pods of a service on a node; above 0 there is an edge, both ways
	Scalars   []float32 // [B, K]
}

// check reports slices whose lengths do not fit the layout.
func (in *Input) check(g *Graph) error {
	if in.Batch < 1 {
		return fmt.Errorf("gnn: input: a batch of %d graphs", in.Batch)
	}
	for _, p := range []struct {
		name     string
		got, one int
	}{
		{"services", len(in.Services), g.Services * g.ServiceFeatures},
		{"nodes", len(in.Nodes), g.Nodes * g.NodeFeatures},
		{"call edges", len(in.CallEdges), len(g.Calls) * g.EdgeFeatures},
		{"runs-on counts", len(in.RunsOn), g.Services * g.Nodes},
		{"scalars", len(in.Scalars), g.Scalars},
	} {
		if p.got != in.Batch*p.one {
			return fmt.Errorf("gnn: input: %d numbers for %s; %d graphs of %d need %d", p.got, p.name, in.Batch, p.one, in.Batch*p.one)
		}
	}
	return nil
}
