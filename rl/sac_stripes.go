package rl

import (
	"github.com/grlscaler/grlscaler/gnn"
	"github.com/grlscaler/grlscaler/sim"
)

// sacStripe is Discrete SAC's part in computing a batch by several threads: its networks, with gradients of their own.
type sacStripe struct {
	threaded
	actor, critics, targets *gnn.Params
	nets                    sacNetworks
	scope                   *gnn.Scope

	// Of the rows that are being learnt from.
	batch   *sacMinibatch
	forward sacForward
	share   float64  // of the batch's rows
	sums    sacStats // the stripe's share of the means over the batch
}

// sacNetworks are the networks of one stripe.
type sacNetworks struct {
	actor *network
	// Both critics and both targets, in one set of weights each; with shared_critics a pair has one encoder.
	critics, targets [2]*network
	advice           *advice // nil unless the critics hear the expert
}

// newSACStripes declares all networks and makes the stripes.
func newSACStripes(cfg *Config, spec *sim.EnvSpec, sets [3]*gnn.Params) ([]*sacStripe, error) {
	first := &sacStripe{actor: sets[0], critics: sets[1], targets: sets[2], scope: gnn.NewScope()}
	if err := first.build(cfg, spec); err != nil {
		return nil, err
	}
	all := []*sacStripe{first}
	for len(all) < stripeCount {
		st := &sacStripe{actor: first.actor.Replica(), critics: first.critics.Replica(), targets: first.targets.Replica(), scope: gnn.NewScope()}
		var err error
		if st.threaded, err = startThread(cfg.TorchThreads, func() error { return st.build(cfg, spec) }); err != nil {
			return nil, err
		}
		all = append(all, st)
	}
	return all, nil
}

// build declares the stripe's networks and builds their weights.
func (st *sacStripe) build(cfg *Config, spec *sim.EnvSpec) error {
	n := &st.nets
	criticSpec := spec
	if cfg.SAC.AdvisedCritics {
		n.advice = newAdvice(spec)
		criticSpec = n.advice.widened()
	}
	var err error
	if n.actor, err = newScorer(st.actor, "actor", cfg.Encoder, spec, 0.01); err != nil {
		return err
	}
	if err := st.actor.Build(); err != nil {
		return err
	}
	if n.critics, err = newCritics(st.critics, cfg, criticSpec); err != nil {
		return err
	}
	n.targets, err = newCritics(st.targets, cfg, criticSpec)
	return err
}

// newCritics declares and builds two networks that start differently.
func newCritics(params *gnn.Params, cfg *Config, spec *sim.EnvSpec) ([2]*network, error) {
	var nets [2]*network
	for i, name := range []string{"q1", "q2"} {
		var err error
		if nets[i], err = newScorer(params, name, cfg.Encoder, spec, 1); err != nil {
			return nets, err
		}
		if cfg.SAC.SharedCritics && i == 0 {
			nets[1] = nets[0].secondHead(params, "q2", cfg.Encoder, spec, 1)
			break
		}
	}
	return nets, params.Build()
}

// load puts rows of a sample into tensors. All networks of the stripe read the same two batches of them.
func (st *sacStripe) load(a *sac, from, to int) {
	s, b, n, parts := st.scope, a.batch, &st.nets, len(a.update.parts.NVec)
	rows, width := int64(to-from), int64(a.update.parts.Width)
	obs, next := rowsOf(a.world.spec, b.obs, from, to-from), rowsOf(a.world.spec, b.next, from, to-from)
	ints := func(v []int64) gnn.Tensor { return s.Int64s(v[from*parts:to*parts], rows, int64(parts)) }
	st.batch = &sacMinibatch{
		mask: s.Bools(obs.Mask, rows, width), nextMask: s.Bools(next.Mask, rows, width), actions: ints(b.actions),
		returns: s.Float32s(a.returns[from:to], rows), discounts: s.Float32s(a.discounts[from:to], rows),
		targetEntropy: s.Float32s(a.targetEntropy[from:to], rows), pull: a.pull,
	}
	if a.pull > 0 {
		st.batch.experts = ints(b.experts)
	}
	now, then := n.actor.load(s, &obs, to-from), n.actor.load(s, &next, to-from)
	heard, heardThen := now, then
	if n.advice != nil {
		heard, heardThen = n.advice.extend(s, now, b.experts[from*parts:to*parts]), n.advice.extend(s, then, b.advice[from*parts:to*parts])
	}
	both := func(nets [2]*network, x *gnn.Batch) func(*gnn.Scope) (gnn.Tensor, gnn.Tensor) {
		return func(s *gnn.Scope) (gnn.Tensor, gnn.Tensor) { return twoLogits(s, nets, x) }
	}
	st.forward = sacForward{
		actor:     func(s *gnn.Scope) gnn.Tensor { return n.actor.logits(s, now) },
		nextActor: func(s *gnn.Scope) gnn.Tensor { return n.actor.logits(s, then) },
		critics:   both(n.critics, heard), nextTargets: both(n.targets, heardThen),
	}
}

// close frees a replica and its thread.
func (st *sacStripe) close() {
	st.scope.Close()
	for _, p := range []*gnn.Params{st.actor, st.critics, st.targets} {
		p.Close()
	}
	st.thread.Close()
}
