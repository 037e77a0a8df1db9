package gnn

// heteroGAT is the dense form of a layer whose three relations are all GAT of one shape. It computes
// what the three would (GATConv.Dense, then the mean), in fewer and larger operations:
//
//   - all linear maps of a type's features that the relations need (parts of scores and, with one
//     head, messages) are one product;
//   - calls and runs_on have the same sources: their scores are one tensor, with the services and then
//     the nodes as destinations, and so are their softmax and their mixing;
//   - the ½ of the mean over calls and hosts is in the weights, and both biases are one.
type heteroGAT struct {
	calls, runsOn, hosts *GATConv
	params               *Params
	heads, out           int64
}

// newHeteroGAT returns nil when the layers are not all GAT of one shape.
func newHeteroGAT(convs [3]relationConv) *heteroGAT {
	var g [3]*GATConv
	for r, c := range convs {
		conv, ok := c.(*GATConv)
		if !ok || conv.cfg.SelfLoops {
			return nil
		}
		g[r] = conv
	}
	a, b, c := g[Calls].cfg, g[RunsOn].cfg, g[Hosts].cfg
	same := func(o GATConfig) bool {
		return a.Heads == o.Heads && a.Out == o.Out && a.Concat == o.Concat && a.Slope == o.Slope
	}
	if !same(b) || !same(c) {
		return nil
	}
	return &heteroGAT{calls: g[Calls], runsOn: g[RunsOn], hosts: g[Hosts],
		params: g[Calls].params, heads: int64(a.Heads), out: int64(a.Out)}
}

// dense maps svc [B, S, ·] and node [B, N, ·] to what each type receives.
func (l *heteroGAT) dense(s *Scope, svc, node Tensor, rels [3]DenseRelation) (Tensor, Tensor) {
	svcShape, nodeShape := svc.Shape(), node.Shape()
	if !s.ready("gat layer", svc, node) {
		return Tensor{}, Tensor{}
	}
	batch, ns, nn, h := svcShape[0], svcShape[1], nodeShape[1], l.heads

	calls, runsOn, hosts := l.calls, l.runsOn, l.hosts
	fromSvc := attend(s, int(h), []*Param{calls.LinSrc, runsOn.LinSrc, calls.LinDst, hosts.LinDst},
		[]*Param{calls.AttSrc, runsOn.AttSrc, calls.AttDst, hosts.AttDst})
	fromNode := attend(s, int(h), []*Param{hosts.LinSrc, runsOn.LinDst}, []*Param{hosts.AttSrc, runsOn.AttDst})
	svcCuts, nodeCuts := []int64{2 * h, h, h}, []int64{h, h}
	if h == 1 { // messages are made first, from the same product
		fromSvc = s.Cat(0, fromSvc, calls.LinSrc.T, runsOn.LinSrc.T)
		fromNode = s.Cat(0, fromNode, hosts.LinSrc.T)
		svcCuts, nodeCuts = append(svcCuts, 2*l.out), append(nodeCuts, l.out)
	}
	svcParts := s.Split(s.Linear(svc, fromSvc, Tensor{}), 2, svcCuts...)
	nodeParts := s.Split(s.Linear(node, fromNode, Tensor{}), 2, nodeCuts...)

	// Scores of services as sources [B, S, (S+N)·Heads], and of nodes [B, N, S·Heads].
	spread := s.Mm(s.Reshape(svcParts[0], -1, 2*h), l.params.spreadTwo(h, ns, nn))
	edges := s.Cat(2, l.edges(s, calls, rels[Calls], batch, ns), l.edges(s, runsOn, rels[RunsOn], batch, nn))
	to := s.Cat(2, s.Reshape(svcParts[1], batch, 1, ns*h), s.Reshape(nodeParts[1], batch, 1, nn*h))
	alpha := l.softmax(s, spread, to, edges)

	spread = s.Mm(s.Reshape(nodeParts[0], -1, h), l.params.spread(h, ns))
	edges = l.edges(s, hosts, rels[Hosts], batch, ns)
	alphaHosts := l.softmax(s, spread, s.Reshape(svcParts[2], batch, 1, ns*h), edges)

	if h == 1 {
		return l.combineMessages(s, alpha, alphaHosts, svcParts[3], nodeParts[2], rels)
	}
	return l.combineFeatures(s, alpha, alphaHosts, svc, node, rels)
}

// edges returns a relation's share of the scores [B, Ns, Nd·Heads].
func (l *heteroGAT) edges(s *Scope, g *GATConv, rel DenseRelation, batch, nd int64) Tensor {
	e := g.edgeScores(s, rel, nd)
	if shape := e.Shape(); s.err == nil && shape[0] != batch {
		return s.Expand(e, batch, -1, -1)
	}
	return e
}

// softmax returns the attention for the sum of the three shares of the scores; spread has one row for
// each source.
func (l *heteroGAT) softmax(s *Scope, spread, to, edges Tensor) Tensor {
	shape := edges.Shape()
	if s.err != nil {
		return Tensor{}
	}
	score := s.Add(s.Add(s.View(spread, shape...), to), edges)
	return s.Softmax(s.LeakyRelu(score, l.calls.cfg.Slope), 1)
}

// combineMessages mixes messages that are already mapped: of services [B, S, 2·Out], for calls and
// runs_on side by side, and of nodes [B, N, Out].
func (l *heteroGAT) combineMessages(s *Scope, alpha, alphaHosts, fromSvc, fromNode Tensor, rels [3]DenseRelation) (Tensor, Tensor) {
	shape := alphaHosts.Shape() // [B, N, S]
	if s.err != nil {
		return Tensor{}, Tensor{}
	}
	ns, nn := shape[2], shape[1]
	mixed := s.Bmm(s.Transpose(alpha, 1, 2), fromSvc) // [B, S+N, 2·Out]
	calls := rels[Calls].alive(s, s.Narrow(s.Narrow(mixed, 1, 0, ns), 2, 0, l.out))
	runsOn := rels[RunsOn].alive(s, s.Narrow(s.Narrow(mixed, 1, ns, nn), 2, l.out, l.out))
	hosts := rels[Hosts].alive(s, s.Bmm(s.Transpose(alphaHosts, 1, 2), fromNode))
	svc := s.Add(s.MulScalar(s.Add(calls, hosts), 0.5), l.meanBias(s))
	return svc, s.Add(runsOn, l.runsOn.Bias.T)
}

// combineFeatures mixes features and then maps them, head by head.
func (l *heteroGAT) combineFeatures(s *Scope, alpha, alphaHosts, svc, node Tensor, rels [3]DenseRelation) (Tensor, Tensor) {
	ns, nn := svc.Shape()[1], node.Shape()[1]
	mixed := l.calls.mix(s, alpha, svc, DenseRelation{})
	parts := s.Split(mixed, 1, ns, nn)
	calls := rels[Calls].alive(s, parts[0])
	runsOn := rels[RunsOn].alive(s, parts[1])
	hosts := l.hosts.mix(s, alphaHosts, node, rels[Hosts])
	toNode := s.Add(l.runsOn.project(s, runsOn), l.runsOn.Bias.T)
	if !l.calls.cfg.Concat {
		both := s.Add(l.calls.project(s, calls), l.hosts.project(s, hosts))
		return s.Add(s.MulScalar(both, 0.5), l.meanBias(s)), toNode
	}
	calls, wCalls := l.byHead(s, l.calls, calls)
	hosts, wHosts := l.byHead(s, l.hosts, hosts)
	sum := s.Baddbmm(s.Bmm(calls, s.MulScalar(wCalls, 0.5)), hosts, s.MulScalar(wHosts, 0.5))
	toSvc := s.Reshape(s.Transpose(sum, 0, 1), -1, ns, l.heads*l.out)
	return s.Add(toSvc, l.meanBias(s)), toNode
}

// byHead returns mixed features [B, Nd, Heads·F] as [Heads, B·Nd, F] and the weights that they meet,
// [Heads, F, Out].
func (l *heteroGAT) byHead(s *Scope, g *GATConv, mixed Tensor) (x, w Tensor) {
	f := g.LinSrc.Shape[1]
	x = s.Transpose(s.Reshape(mixed, -1, l.heads, f), 0, 1)
	return x, s.Transpose(s.View(g.LinSrc.T, l.heads, l.out, f), 1, 2)
}

// meanBias is the mean of the biases of calls and hosts.
func (l *heteroGAT) meanBias(s *Scope) Tensor {
	return s.MulScalar(s.Add(l.calls.Bias.T, l.hosts.Bias.T), 0.5)
}

// alive clears the rows [B, Nd, ·] of destinations without an edge.
func (r DenseRelation) alive(s *Scope, x Tensor) Tensor {
	if r.Alive.IsNone() {
		return x
	}
	return s.Mul(x, r.Alive)
}
