package gnn

import "math"

// Batch is a batch of observations as tensors: what an encoder's Load makes of an Input. Which are
// present depends on the encoder.
type Batch struct {
	Size          int    // B
	Services      Tensor // [B, S, Fs]
	Nodes         Tensor // [B, N, Fn]
	Scalars       Tensor // [B, K]
	Flat          Tensor // [B, Width], all parts side by side in the order of Input
	Calls         DenseRelation
	RunsOn, Hosts DenseRelation
}

// loadFlat makes rows of all numbers.
func (g *Graph) loadFlat(s *Scope, in Input) *Batch {
	b := &Batch{Size: in.Batch}
	if err := in.check(g); err != nil {
		s.Fail(err)
		return b
	}
	flat := s.uninitialised(int64(in.Batch), int64(g.Width()))
	parts := [][]float32{in.Services, in.Nodes, in.CallEdges, in.RunsOn, in.Scalars}
	row := flat.Data
	for i := range in.Batch {
		for _, p := range parts {
			n := len(p) / in.Batch
			row = row[copy(row, p[i*n:(i+1)*n]):]
		}
	}
	b.Flat = flat.T
	return b
}

// loadFeatures makes the tensors that all graph encoders read.
func (g *Graph) loadFeatures(s *Scope, in Input) *Batch {
	b := &Batch{Size: in.Batch}
	if err := in.check(g); err != nil {
		s.Fail(err)
		return b
	}
	n := int64(in.Batch)
	b.Services = s.Float32s(in.Services, n, int64(g.Services), int64(g.ServiceFeatures))
	b.Nodes = s.Float32s(in.Nodes, n, int64(g.Nodes), int64(g.NodeFeatures))
	b.Scalars = s.Float32s(in.Scalars, n, int64(g.Scalars))
	return b
}

// loadPairs makes the edges of all relations in the layout of GAT.
func (g *Graph) loadPairs(s *Scope, in Input) *Batch {
	b := g.loadFeatures(s, in)
	if s.Err() == nil {
		b.Calls = g.callPairs(s, in)
		b.RunsOn, b.Hosts = g.placementPairs(s, in)
	}
	return b
}

// callPairs makes the call edges [B, S, S, Fe+1]; one for all graphs when they have no features.
func (g *Graph) callPairs(s *Scope, in Input) DenseRelation {
	n, f := g.Services, g.EdgeFeatures
	w := f + 1
	template, alive := make([]float32, n*n*w), make([]float32, n)
	for i := f; i < len(template); i += w {
		template[i] = 1
	}
	for _, e := range g.Calls {
		template[(e[0]*n+e[1])*w+f] = 0
		alive[e[1]] = 1
	}
	rel := DenseRelation{Alive: s.aliveUnlessAll(alive, 1, n)}
	if f == 0 {
		rel.Edges = s.Float32s(template, 1, int64(n), int64(n), 1)
		return rel
	}
	edges := s.uninitialised(int64(in.Batch), int64(n), int64(n), int64(w))
	rel.Edges = edges.T
	out, attr := edges.Data, in.CallEdges
	for ; len(out) > 0; out = out[n*n*w:] {
		copy(out, template)
		for _, e := range g.Calls {
			at := (e[0]*n + e[1]) * w
			copy(out[at:at+f], attr)
			attr = attr[f:]
		}
	}
	return rel
}

// placementPairs makes the edges of runs_on [B, S, N, 2] and hosts [B, N, S, 2]: the count, and
// whether there is none.
func (g *Graph) placementPairs(s *Scope, in Input) (runsOn, hosts DenseRelation) {
	b, ns, nn := in.Batch, g.Services, g.Nodes
	to := s.uninitialised(int64(b), int64(ns), int64(nn), 2)
	from := s.uninitialised(int64(b), int64(nn), int64(ns), 2)
	svcAlive, nodeAlive := make([]float32, b*ns), make([]float32, b*nn)
	if s.Err() != nil {
		return
	}
	for i := range b {
		counts := in.RunsOn[i*ns*nn : (i+1)*ns*nn]
		t, f := to.Data[2*i*ns*nn:], from.Data[2*i*ns*nn:]
		for v := range ns {
			for n := range nn {
				count, none := counts[v*nn+n], float32(1)
				if count > 0 {
					none, svcAlive[i*ns+v], nodeAlive[i*nn+n] = 0, 1, 1
				} else {
					count = 0
				}
				t[2*(v*nn+n)], t[2*(v*nn+n)+1] = count, none
				f[2*(n*ns+v)], f[2*(n*ns+v)+1] = count, none
			}
		}
	}
	runsOn = DenseRelation{Edges: to.T, Alive: s.aliveUnlessAll(nodeAlive, b, nn)}
	hosts = DenseRelation{Edges: from.T, Alive: s.aliveUnlessAll(svcAlive, b, ns)}
	return runsOn, hosts
}

// aliveUnlessAll makes the tensor of flags [batch, n, 1], none when all are 1.
func (s *Scope) aliveUnlessAll(flags []float32, batch, n int) Tensor {
	for _, v := range flags {
		if v == 0 {
			return s.Float32s(flags, int64(batch), int64(n), 1)
		}
	}
	return Tensor{}
}

// loadMatrices makes the coefficients of all relations for GCNConv on the calls and GraphConv with
// the mean, weighted by counts, on the other two.
func (g *Graph) loadMatrices(s *Scope, in Input) *Batch {
	b := g.loadFeatures(s, in)
	if s.Err() != nil {
		return b
	}
	n := int64(in.Batch)
	b.Calls.Matrix = s.Float32s(g.normalisedCalls(), 1, int64(g.Services), int64(g.Services))
	toSvc := s.uninitialised(n, int64(g.Services), int64(g.Nodes))
	toNode := s.uninitialised(n, int64(g.Nodes), int64(g.Services))
	if s.Err() != nil {
		return b
	}
	for i := range in.Batch {
		one := g.Services * g.Nodes
		g.meanWeights(in.RunsOn[i*one:(i+1)*one], toSvc.Data[i*one:(i+1)*one], toNode.Data[i*one:(i+1)*one])
	}
	b.Hosts.Matrix, b.RunsOn.Matrix = toSvc.T, toNode.T
	return b
}

// normalisedCalls returns GCNConv's coefficients [destination, source] of the call edges of weight 1
// and self loops: d_j^-½·d_i^-½ with in-degrees d, a loop in the calls not being added again.
func (g *Graph) normalisedCalls() []float32 {
	n := g.Services
	m, deg := make([]float32, n*n), make([]float32, n)
	for _, e := range g.Calls {
		m[e[1]*n+e[0]] = 1
	}
	for i := range n {
		m[i*n+i] = 1
		for j := range n {
			deg[i] += m[i*n+j]
		}
	}
	for i := range n {
		for j := range n {
			m[i*n+j] *= invSqrt(deg[i]) * invSqrt(deg[j])
		}
	}
	return m
}

// meanWeights fills, for one graph, the coefficients of hosts [S, N] and runs_on [N, S]: counts
// divided by the number of edges that end in the destination.
func (g *Graph) meanWeights(counts, toSvc, toNode []float32) {
	for v := range g.Services {
		row, degree := counts[v*g.Nodes:(v+1)*g.Nodes], float32(0)
		for _, c := range row {
			if c > 0 {
				degree++
			}
		}
		for n, c := range row {
			toSvc[v*g.Nodes+n] = max(c, 0) / max(degree, 1)
		}
	}
	for n := range g.Nodes {
		degree := float32(0)
		for v := range g.Services {
			if counts[v*g.Nodes+n] > 0 {
				degree++
			}
		}
		for v := range g.Services {
			toNode[n*g.Services+v] = max(counts[v*g.Nodes+n], 0) / max(degree, 1)
		}
	}
}

func invSqrt(v float32) float32 { return float32(1 / math.Sqrt(float64(v))) }
