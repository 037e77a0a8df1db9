package rl

import (
	"fmt"
	"math"

	"github.com/grlscaler/grlscaler/sim/rng"
)

// Sampler draws actions from rows of logits in Go, from a named stream: torch's own generator is never used.
// It belongs to one goroutine.
type Sampler struct {
	parts *Parts
	probs []float64 // unnormalised, of one part
}

// NewSampler returns a sampler for the parts.
func NewSampler(parts *Parts) *Sampler {
	widest := 0
	for _, n := range parts.NVec {
		widest = max(widest, n)
	}
	return &Sampler{parts: parts, probs: make([]float64, widest)}
}

// Sample draws an action for each part from one row of logits and returns its log-probability, the sum over
// the parts. mask may be nil: everything is allowed. Each part takes exactly one number from the stream.
func (sm *Sampler) Sample(stream *rng.Stream, logits []float32, mask []bool, actions []int32) (float64, error) {
	total := 0.0
	for i, n := range sm.parts.NVec {
		allowed := maskOf(mask, n)
		top := argmax(logits[:n], allowed)
		if top < 0 {
			return 0, noActionError(i, logits[:n])
		}
		sum := sm.exponentiate(logits[:n], allowed, float64(logits[top]))
		// The first action whose cumulated probability exceeds u; rounding can leave u above the whole sum,
		// and then it is the last allowed one.
		u, chosen := stream.Float64()*sum, top
		for a, p := range sm.probs[:n] {
			if p > 0 {
				chosen = a
				if u -= p; u < 0 {
					break
				}
			}
		}
		actions[i] = int32(chosen)
		total += float64(logits[chosen]) - float64(logits[top]) - math.Log(sum)
		logits, mask = logits[n:], restOf(mask, n)
	}
	return total, nil
}

// Mode chooses the most probable action of each part, the first of equal ones.
func (sm *Sampler) Mode(logits []float32, mask []bool, actions []int32) error {
	for i, n := range sm.parts.NVec {
		top := argmax(logits[:n], maskOf(mask, n))
		if top < 0 {
			return noActionError(i, logits[:n])
		}
		actions[i] = int32(top)
		logits, mask = logits[n:], restOf(mask, n)
	}
	return nil
}

// exponentiate fills probs with e^(logit - top) of the allowed actions, 0 elsewhere, and returns the sum.
func (sm *Sampler) exponentiate(logits []float32, mask []bool, top float64) float64 {
	sum := 0.0
	for a, l := range logits {
		p := 0.0
		if mask == nil || mask[a] {
			p = math.Exp(float64(l) - top)
		}
		sm.probs[a] = p
		sum += p
	}
	return sum
}

// argmax is the index of the largest allowed logit, -1 if nothing is allowed or a logit is NaN or +Inf.
func argmax(logits []float32, mask []bool) int {
	top := -1
	for a, l := range logits {
		switch {
		case mask != nil && !mask[a]:
		case l != l || l > math.MaxFloat32:
			return -1
		case top < 0 || l > logits[top]:
			top = a
		}
	}
	return top
}

func noActionError(part int, logits []float32) error {
	for _, l := range logits {
		if l != l || l > math.MaxFloat32 {
			return fmt.Errorf("the policy's logits of action part %d are not finite: training has diverged; lower the learning rate", part)
		}
	}
	return fmt.Errorf("action part %d has no allowed action", part)
}

func maskOf(mask []bool, n int) []bool {
	if mask == nil {
		return nil
	}
	return mask[:n]
}

func restOf(mask []bool, n int) []bool {
	if mask == nil {
		return nil
	}
	return mask[n:]
}
