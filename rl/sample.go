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
	return &Sampler{parts: parts, probs: make([]float64, parts.widest())}
}

// Sample draws an action for each part from one row of logits and returns its log-probability, the sum over
// the parts. mask may be nil: everything is allowed. Each part takes exactly one number from the stream.
func (sm *Sampler) Sample(stream *rng.Stream, logits []float32, mask []bool, actions []int32) (float64, error) {
	total, sums := 0.0, logProduct{1, 0}
	for i, n := range sm.parts.NVec {
		probs := sm.probs[:n]
		top, sum := exponentiate(logits[:n], maskOf(mask, n), probs)
		if top < 0 {
			return 0, noActionError(i, logits[:n])
		}
		// The first action whose cumulated probability exceeds u; rounding can leave u above the whole sum,
		// and then it is the last possible one.
		u, chosen := stream.Float64()*sum, top
		for a, p := range probs {
			if p > 0 {
				chosen = a
				if u -= p; u < 0 {
					break
				}
			}
		}
		actions[i] = int32(chosen)
		total += float64(logits[chosen]) - float64(logits[top])
		sums.times(sum)
		logits, mask = logits[n:], restOf(mask, n)
	}
	return total - sums.log(), nil
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

// modeWithProb is Mode with the action's log-probability, the sum over the parts.
func (sm *Sampler) modeWithProb(logits []float32, mask []bool, actions []int32) (float64, error) {
	sums := logProduct{1, 0}
	for i, n := range sm.parts.NVec {
		top, sum := exponentiate(logits[:n], maskOf(mask, n), sm.probs[:n])
		if top < 0 {
			return 0, noActionError(i, logits[:n])
		}
		actions[i] = int32(top)
		sums.times(sum)
		logits, mask = logits[n:], restOf(mask, n)
	}
	return -sums.log(), nil
}

// exponentiate fills probs with e^(logit - largest) of one part's allowed actions, 0 for the others, and returns the
// action with the largest logit and the sum; top is -1 as in [argmax].
func exponentiate(logits []float32, mask []bool, probs []float64) (top int, sum float64) {
	if top = argmax(logits, mask); top < 0 {
		return top, 0
	}
	largest := float64(logits[top])
	if mask == nil {
		for a, l := range logits {
			p := expNegative(float64(l) - largest)
			probs[a] = p
			sum += p
		}
		return top, sum
	}
	mask = mask[:len(logits)]
	for a, l := range logits {
		p := 0.0
		if mask[a] {
			p = expNegative(float64(l) - largest)
		}
		probs[a] = p
		sum += p
	}
	return top, sum
}

// expTable holds 2^(i/32), and expReciprocal and expStep turn e's powers into its grid.
var expTable = func() (t [32]float64) {
	for i := range t {
		t[i] = math.Exp2(float64(i) / 32)
	}
	return t
}()

const (
	expReciprocal = 32 / math.Ln2
	expStep       = math.Ln2 / 32
)

// expNegative is e^x for x of at most 0, to 1e-11 of its value; below e^-700 it is 0. It takes half of math.Exp's time, and probabilities of
// actions are a sixth of a training's work: x = k·ln 2/32 + r, e^x = 2^(k/32)·(1 + r + r²/2 + r³/6 + r⁴/24 + ...).
func expNegative(x float64) float64 {
	if x < -700 {
		return 0
	}
	k := int64(x*expReciprocal - 0.5) // rounds, since x is not positive
	r := x - float64(k)*expStep
	p := 1 + r*(1+r*(0.5+r*(1.0/6+r*(1.0/24))))
	return math.Float64frombits(uint64(1023+k>>5)<<52) * expTable[k&31] * p
}

// logProduct is the logarithm of a product of factors of at least 1: one logarithm instead of one for each factor.
type logProduct struct{ product, logs float64 }

func (l *logProduct) times(factor float64) {
	l.product *= factor
	if l.product > 1e200 { // before it overflows
		l.logs += math.Log(l.product)
		l.product = 1
	}
}

func (l *logProduct) log() float64 { return l.logs + math.Log(l.product) }

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
