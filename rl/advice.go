package rl

import (
	"github.com/grlscaler/grlscaler/gnn"
	"github.com/grlscaler/grlscaler/sim"
)

// advice shows critics what the expert would do, as features of the services beside those that everybody sees.
//
// The expert knows the load to come, so a critic that hears it is not surprised by a surge: what is left to explain of
// a return is what the decision did to it, and good is told from bad with far fewer transitions. The policy does not hear it,
// and follows the critics' mean over the futures that look alike to it (asymmetric actor-critic: Pinto et al., "Asymmetric
// Actor Critic for Image-Based Robot Learning", 2018). Only training needs it.
type advice struct {
	spec  *sim.EnvSpec
	hot   []float32 // of the last batch
	width int       // features of one service
}

func newAdvice(spec *sim.EnvSpec) *advice { return &advice{spec: spec, width: spec.Action.PerService} }

// widened describes observations with the advice to a network.
func (a *advice) widened() *sim.EnvSpec {
	wide := *a.spec
	wide.ServiceFeatures += a.width
	return &wide
}

// extend returns a batch with a 1 for each choice of the expert, at the place of that choice's logit, and 0 for all others.
// Choices of -1 are unknown, and those that do not belong to a service are left out.
func (a *advice) extend(s *gnn.Scope, b *gnn.Batch, experts []int64) *gnn.Batch {
	nvec, row := a.spec.Action.NVec, a.spec.Services*a.width
	if n := b.Size * row; cap(a.hot) < n {
		a.hot = make([]float32, n)
	} else {
		a.hot = a.hot[:n]
		clear(a.hot)
	}
	for i := range b.Size {
		first := 0
		for p, n := range nvec {
			if at := first + int(experts[i*len(nvec)+p]); at >= first && at < row {
				a.hot[i*row+at] = 1
			}
			first += n
		}
	}
	wide := *b
	if !b.Flat.IsNone() {
		wide.Flat = s.Cat(1, b.Flat, s.Float32s(a.hot, int64(b.Size), int64(row)))
		return &wide
	}
	wide.Services = s.Cat(2, b.Services, s.Float32s(a.hot, int64(b.Size), int64(a.spec.Services), int64(a.width)))
	return &wide
}
