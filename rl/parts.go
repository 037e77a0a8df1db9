package rl

import (
	"fmt"
	"slices"

	"github.com/grlscaler/grlscaler/gnn"
)

// maskedLogit replaces the logits of actions that are not allowed. It is finite, so that gradients are 0 there
// instead of NaN, and far enough down that e^x is 0 (sb3-contrib's maskable distributions use the same).
const maskedLogit = -1e8

// Parts is a multi-categorical distribution: one row of logits is cut into independent categorical parts.
//
// Most action spaces repeat: each service has the same parts. With NVec = period x repeats, a row is seen as
// [repeats, sum(period)], and all repeats of one part of the period are computed as one tensor.
type Parts struct {
	NVec    []int
	Width   int   // logits in a row: sum(NVec)
	period  []int // smallest sequence that NVec repeats
	repeats int
	stride  int // logits in one period
}

// NewParts returns the distribution of the parts in nvec, each at least 1 wide.
func NewParts(nvec []int) (*Parts, error) {
	if len(nvec) == 0 {
		return nil, fmt.Errorf("an action space needs at least one part")
	}
	p := &Parts{NVec: nvec}
	for _, n := range nvec {
		if n < 1 {
			return nil, fmt.Errorf("action space %v has a part of %d choices; at least 1 is needed", nvec, n)
		}
		p.Width += n
	}
	length := 1
	for !repeatsEvery(nvec, length) {
		length++
	}
	p.period, p.repeats = nvec[:length], len(nvec)/length
	p.stride = p.Width / p.repeats
	return p, nil
}

// widest is the number of choices of the widest part.
func (p *Parts) widest() int { return slices.Max(p.NVec) }

func repeatsEvery(v []int, length int) bool {
	if len(v)%length != 0 {
		return false
	}
	for i := range v {
		if v[i] != v[i%length] {
			return false
		}
	}
	return true
}

// CheckMask reports a part of some row that has no allowed action: there the distribution does not exist.
// mask is [rows, Width].
func (p *Parts) CheckMask(mask []bool) error {
	for row := 0; len(mask) > 0; row++ {
		for i, n := range p.NVec {
			allowed := false
			for _, m := range mask[:n] {
				allowed = allowed || m
			}
			if !allowed {
				return fmt.Errorf("part %d of row %d has no allowed action", i, row)
			}
			mask = mask[n:]
		}
	}
	return nil
}

// Masked returns logits with those replaced that mask (boolean, the same shape, or none) does not allow.
func (p *Parts) Masked(s *gnn.Scope, logits, mask gnn.Tensor) gnn.Tensor {
	if mask.IsNone() {
		return logits
	}
	return s.MaskedFill(logits, s.Not(mask), maskedLogit)
}

// Pick takes, from one tensor [B, choices, repeats] for each part of the period, the entries of the actions
// (int64 [B, parts]): each [B, 1, repeats].
func (p *Parts) Pick(s *gnn.Scope, split []gnn.Tensor, actions gnn.Tensor) []gnn.Tensor {
	chosen := s.View(actions, -1, int64(p.repeats), int64(len(p.period)))
	picked := make([]gnn.Tensor, len(split))
	for i, t := range split {
		picked[i] = s.Gather(t, 1, s.Transpose(s.Narrow(chosen, 2, int64(i), 1), 1, 2))
	}
	return picked
}

// sumParts adds up tensors [B, ...], one for each part of the period, to one number for each row: [B].
func (p *Parts) sumParts(s *gnn.Scope, split []gnn.Tensor) gnn.Tensor {
	sum := s.SumDim(split[0], false, 1, 2)
	for _, t := range split[1:] {
		sum = s.Add(sum, s.SumDim(t, false, 1, 2))
	}
	return sum
}

// LogSoftmax normalises masked logits [B, Width] part by part. See [Parts.Split] for the form of the result.
func (p *Parts) LogSoftmax(s *gnn.Scope, logits gnn.Tensor) []gnn.Tensor {
	if p.repeats == 1 {
		rows := make([]gnn.Tensor, len(p.period))
		for i, start := 0, 0; i < len(rows); start, i = start+p.period[i], i+1 {
			part := s.Narrow(logits, 1, int64(start), int64(p.period[i]))
			rows[i] = s.Unsqueeze(s.LogSoftmax(part, 1), 2)
		}
		return rows
	}
	split := p.Split(s, logits)
	for i, t := range split {
		split[i] = s.LogSoftmax(t, 1)
	}
	return split
}

// Split cuts rows [B, Width] into one tensor [B, choices, repeats] for each part of the period. The choices come
// first because libtorch's softmax takes 100 ns for a row of 5 in the last dimension, and a quarter of that
// where it works on many such columns side by side, the copy included.
func (p *Parts) Split(s *gnn.Scope, rows gnn.Tensor) []gnn.Tensor {
	rows = s.View(rows, -1, int64(p.repeats), int64(p.stride))
	split, start := make([]gnn.Tensor, len(p.period)), 0
	for i, n := range p.period {
		split[i] = s.Contiguous(s.Transpose(s.Narrow(rows, 2, int64(start), int64(n)), 1, 2))
		start += n
	}
	return split
}
