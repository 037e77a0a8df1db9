package rl

import (
	"errors"
	"sync"

	"github.com/grlscaler/grlscaler/gnn"
)

// stripeCount is into how many stripes every batch of tensors is cut. Gradients are summed stripe by stripe, so that it is part of what
// a seed means and must not depend on the machine: on one core the stripes take turns. Two fill the smallest machine that this is
// meant for.
const stripeCount = 2

// stripe computes the same rows of every batch: a network on a torch thread of its own, with gradients of its own for weights
// that all stripes share.
type stripe struct {
	thread *gnn.Torch // nil: the learner's own
	params *gnn.Params
	net    *network
	scope  *gnn.Scope

	// Of the rows that are being learnt from.
	loss           ppoLoss // the learner's, with room of its own for one row
	logits, values gnn.Tensor
	sums           ppoStats // over the stripe's rows
}

// stripes are all of them; the first works on the learner's thread.
type stripes []*stripe

// newStripes makes a stripe around a network and as many replicas as there are further ones. declare declares the network in a set of
// weights; threads is what libtorch may use on each.
func newStripes(params *gnn.Params, net *network, threads int, declare func(*gnn.Params) (*network, error)) (stripes, error) {
	all := stripes{{params: params, net: net, scope: gnn.NewScope()}}
	for len(all) < stripeCount {
		st, err := newReplica(params, threads, declare)
		if err != nil {
			all.close()
			return nil, err
		}
		all = append(all, st)
	}
	return all, nil
}

func newReplica(params *gnn.Params, threads int, declare func(*gnn.Params) (*network, error)) (*stripe, error) {
	torch, err := gnn.StartTorch(threads)
	if err != nil {
		return nil, err
	}
	st := &stripe{thread: torch, params: params.Replica(), scope: gnn.NewScope()}
	err = torch.Do(func() (err error) {
		if st.net, err = declare(st.params); err != nil {
			return err
		}
		return st.params.Build()
	})
	if err != nil {
		torch.Close()
		return nil, err
	}
	return st, nil
}

// on is the same stripes with networks for observations of another environment; threads and weights stay those of s.
func (s stripes) on(net func(*network) (*network, error)) (stripes, error) {
	var all stripes
	for _, st := range s {
		other := &stripe{thread: st.thread, params: st.params, scope: gnn.NewScope()}
		var err error
		if other.net, err = net(st.net); err != nil {
			return nil, err
		}
		all = append(all, other)
	}
	return all, nil
}

// each cuts n rows into a span for each stripe and runs f for all spans that are not empty at once, each on its stripe's thread. It
// returns all errors.
func (s stripes) each(n int, f func(st *stripe, from, to int) error) error {
	errs := make([]error, len(s))
	var others sync.WaitGroup
	for i, st := range s[1:] {
		if from, to := s.span(i+1, n); from < to {
			others.Go(func() { errs[i+1] = st.thread.Do(func() error { return f(st, from, to) }) })
		}
	}
	if from, to := s.span(0, n); from < to {
		errs[0] = f(s[0], from, to)
	}
	others.Wait()
	return errors.Join(errs...)
}

// span is the rows of stripe i. The last stripe has one more where they do not divide evenly.
func (s stripes) span(i, n int) (from, to int) { return i * n / len(s), (i + 1) * n / len(s) }

// zeroGrad clears the gradients of all stripes.
func (s stripes) zeroGrad() {
	for _, st := range s {
		st.params.ZeroGrad()
	}
}

// sumGrads adds all gradients up in the first stripe, in order.
func (s stripes) sumGrads() {
	for _, st := range s[1:] {
		s[0].params.AddGrads(st.params)
	}
}

// reset frees the tensors of a batch and clears its errors.
func (s stripes) reset() {
	for _, st := range s {
		st.scope.Reset()
	}
}

// close frees the replicas and their threads. The first stripe's weights are the learner's.
func (s stripes) close() {
	s.reset()
	for _, st := range s[1:] {
		st.params.Close()
		st.thread.Close()
	}
}
