package rl

import "github.com/grlscaler/grlscaler/sim"

// rowsOf returns a view of n consecutive observations of a batch, from the first on.
func rowsOf(spec *sim.EnvSpec, o *sim.Obs, first, n int) sim.Obs {
	w := widths(spec)
	return sim.Obs{
		Services: span(o.Services, w.services, first, n), Nodes: span(o.Nodes, w.nodes, first, n),
		Edges: span(o.Edges, w.edges, first, n), RunsOn: span(o.RunsOn, w.runsOn, first, n),
		Scalars: span(o.Scalars, w.scalars, first, n), Mask: span(o.Mask, w.mask, first, n),
	}
}

// copyRows copies n consecutive observations of src, from number from on, to those of dst from number to on.
func copyRows(spec *sim.EnvSpec, dst *sim.Obs, to int, src *sim.Obs, from, n int) {
	d, o := rowsOf(spec, dst, to, n), rowsOf(spec, src, from, n)
	copy(d.Services, o.Services)
	copy(d.Nodes, o.Nodes)
	copy(d.Edges, o.Edges)
	copy(d.RunsOn, o.RunsOn)
	copy(d.Scalars, o.Scalars)
	copy(d.Mask, o.Mask)
}

// gatherObs copies the listed rows of src into the first rows of dst.
func gatherObs(spec *sim.EnvSpec, dst, src *sim.Obs, rows []int) {
	w := widths(spec)
	gather(dst.Services, src.Services, w.services, rows)
	gather(dst.Nodes, src.Nodes, w.nodes, rows)
	gather(dst.Edges, src.Edges, w.edges, rows)
	gather(dst.RunsOn, src.RunsOn, w.runsOn, rows)
	gather(dst.Scalars, src.Scalars, w.scalars, rows)
	gather(dst.Mask, src.Mask, w.mask, rows)
}

// gather copies the listed rows, width numbers each, to the front of dst.
func gather[T any](dst, src []T, width int, rows []int) {
	for i, r := range rows {
		copy(dst[i*width:(i+1)*width], src[r*width:(r+1)*width])
	}
}

func span[T any](v []T, width, first, n int) []T {
	return v[first*width : (first+n)*width : (first+n)*width]
}

// obsWidths is how many numbers each part of one observation has.
type obsWidths struct{ services, nodes, edges, runsOn, scalars, mask int }

func widths(spec *sim.EnvSpec) obsWidths {
	return obsWidths{
		services: spec.Services * spec.ServiceFeatures, nodes: spec.Nodes * spec.NodeFeatures,
		edges: len(spec.Edges) * spec.EdgeFeatures, runsOn: spec.Services * spec.Nodes,
		scalars: spec.Scalars, mask: spec.MaskWidth(),
	}
}
