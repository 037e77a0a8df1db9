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

// threaded is work that belongs to one torch thread.
type threaded struct {
	thread *gnn.Torch // nil: the learner's own
}

func (t *threaded) do(f func() error) error {
	if t.thread == nil {
		return f()
	}
	return t.thread.Do(f)
}

// startThread starts a torch thread on which libtorch may use so many, and builds there what belongs to it.
func startThread(threads int, build func() error) (threaded, error) {
	torch, err := gnn.StartTorch(threads)
	if err != nil {
		return threaded{}, err
	}
	if err := torch.Do(build); err != nil {
		torch.Close()
		return threaded{}, err
	}
	return threaded{torch}, nil
}

// eachStripe cuts n rows into a span for each stripe and runs f for all spans that are not empty at once, each on its stripe's thread,
// where the first has the caller's. It returns all errors.
func eachStripe[S interface{ do(func() error) error }](stripes []S, n int, f func(st S, from, to int) error) error {
	errs := make([]error, len(stripes))
	run := func(i int) {
		// The last has one more where they do not divide evenly.
		if from, to := i*n/len(stripes), (i+1)*n/len(stripes); from < to {
			errs[i] = stripes[i].do(func() error { return f(stripes[i], from, to) })
		}
	}
	var others sync.WaitGroup
	for i := range stripes[1:] {
		others.Go(func() { run(i + 1) })
	}
	run(0)
	others.Wait()
	return errors.Join(errs...)
}

// stripe is PPO's part in it: a network on a torch thread of its own, with gradients of its own for weights
// that all stripes share.
type stripe struct {
	threaded
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

func newReplica(params *gnn.Params, threads int, declare func(*gnn.Params) (*network, error)) (st *stripe, err error) {
	st = &stripe{params: params.Replica(), scope: gnn.NewScope()}
	st.threaded, err = startThread(threads, func() (err error) {
		if st.net, err = declare(st.params); err != nil {
			return err
		}
		return st.params.Build()
	})
	return st, err
}

// on is the same stripes with networks for observations of another environment; threads and weights stay those of s.
func (s stripes) on(net func(*network) (*network, error)) (stripes, error) {
	var all stripes
	for _, st := range s {
		other := &stripe{threaded: st.threaded, params: st.params, scope: gnn.NewScope()}
		var err error
		if other.net, err = net(st.net); err != nil {
			return nil, err
		}
		all = append(all, other)
	}
	return all, nil
}

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
