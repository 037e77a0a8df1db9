package rl

import (
	"math"

	"github.com/grlscaler/grlscaler/sim"
)

// obsPage holds consecutive observations in about a byte for each number. It is packed once and then only read.
//
// Of each column (one feature of one service, say) it knows the smallest number and a step, and of each observation how
// many steps lie between: x = low + code·step, code from 0 to 255. Columns that do not vary within the page, as the
// price of a node, have the step 0 and no codes. Whole numbers that span at most 255, as the pods of a service on a
// node, have the step 1 and come back exactly; the others within half a step, that is 1/510 of the column's span in
// the page.
type obsPage struct {
	rows      int
	low, step []float32 // [columns]
	vary      []int32   // columns with codes
	codes     []uint8   // [rows, vary]
	masks     []uint8   // [rows, maskBytes] one bit for each action
}

// observationColumns is how many numbers one observation has, the mask left out.
func observationColumns(w obsWidths) int {
	return w.services + w.nodes + w.edges + w.scalars + w.runsOn
}

// maskBytes is how many bytes the mask of one observation takes.
func maskBytes(w obsWidths) int { return (w.mask + 7) / 8 }

// pack replaces the page's contents by the first rows of one batch and the first of another. Memory is used again.
func (p *obsPage) pack(w obsWidths, a *sim.Obs, rowsA int, b *sim.Obs, rowsB int) {
	p.rows = rowsA + rowsB
	p.low, p.step, p.vary = p.low[:0], p.step[:0], p.vary[:0]
	column := func(o *sim.Obs, part int) ([]float32, int) {
		switch part {
		case 0:
			return o.Services, w.services
		case 1:
			return o.Nodes, w.nodes
		case 2:
			return o.Edges, w.edges
		case 3:
			return o.Scalars, w.scalars
		default:
			return o.RunsOn, w.runsOn
		}
	}
	for part := range 5 {
		va, n := column(a, part)
		vb, _ := column(b, part)
		for c := range n {
			p.addColumn(va[:rowsA*n], vb[:rowsB*n], c, n)
		}
	}
	p.codes, p.masks = p.codes[:0], p.masks[:0]
	for i := range p.rows {
		o, row := a, i
		if i >= rowsA {
			o, row = b, i-rowsA
		}
		p.packRow(w, o, row)
	}
}

// addColumn finds the range of a column of rows of n numbers in two batches.
func (p *obsPage) addColumn(a, b []float32, c, n int) {
	first := a
	if len(a) == 0 {
		first = b
	}
	low, high, whole := first[c], first[c], true
	for _, v := range [2][]float32{a, b} {
		for i := c; i < len(v); i += n {
			x := v[i]
			low, high = min(low, x), max(high, x)
			whole = whole && float64(x) == math.Trunc(float64(x))
		}
	}
	step := (high - low) / 255
	if whole && high-low <= 255 && high > low {
		step = 1
	}
	if step > 0 {
		p.vary = append(p.vary, int32(len(p.low)))
	}
	p.low, p.step = append(p.low, low), append(p.step, step)
}

// packRow appends the codes and the mask of one observation.
func (p *obsPage) packRow(w obsWidths, o *sim.Obs, row int) {
	vary, base := p.vary, int32(0)
	for _, part := range [5]struct {
		v []float32
		n int
	}{{o.Services, w.services}, {o.Nodes, w.nodes}, {o.Edges, w.edges}, {o.Scalars, w.scalars}, {o.RunsOn, w.runsOn}} {
		v := part.v[row*part.n : (row+1)*part.n]
		for len(vary) > 0 && int(vary[0]-base) < part.n {
			c := vary[0]
			code := math.Round(float64(v[c-base]-p.low[c]) / float64(p.step[c]))
			p.codes = append(p.codes, uint8(min(255, code)))
			vary = vary[1:]
		}
		base += int32(part.n)
	}
	mask := o.Mask[row*w.mask : (row+1)*w.mask]
	for len(mask) > 0 {
		bits := uint8(0)
		for i, m := range mask[:min(8, len(mask))] {
			if m {
				bits |= 1 << i
			}
		}
		p.masks, mask = append(p.masks, bits), mask[min(8, len(mask)):]
	}
}

// unpack writes observation row into number to of a batch. work has room for all columns.
func (p *obsPage) unpack(w obsWidths, row int, dst *sim.Obs, to int, work []float32) {
	copy(work, p.low)
	codes := p.codes[row*len(p.vary) : (row+1)*len(p.vary)]
	for i, c := range p.vary {
		work[c] += float32(codes[i]) * p.step[c]
	}
	for _, part := range [5]struct {
		v []float32
		n int
	}{{dst.Services, w.services}, {dst.Nodes, w.nodes}, {dst.Edges, w.edges}, {dst.Scalars, w.scalars}, {dst.RunsOn, w.runsOn}} {
		copy(part.v[to*part.n:(to+1)*part.n], work)
		work = work[part.n:]
	}
	bits := p.masks[row*maskBytes(w):]
	for i := range w.mask {
		dst.Mask[to*w.mask+i] = bits[i/8]>>(i%8)&1 == 1
	}
}

// bytes is the memory that the page's contents take.
func (p *obsPage) bytes() int {
	return 4*(len(p.low)+len(p.step)+len(p.vary)) + len(p.codes) + len(p.masks)
}
