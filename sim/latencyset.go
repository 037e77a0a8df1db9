package sim

// LatencySet gathers the latencies of a run's requests, a histogram for each endpoint, as [Engine.AddLatencies] does. Where windows
// that follow each other have one distribution, as the fluid engine's have while its solution holds, it keeps that and
// how many requests each had, and adds them up in one go. Every bucket is the sum of the same numbers in the same order
// either way.
type LatencySet struct {
	sums []Histogram
	runs []shapeRun
}

// shapeRun are windows not yet in the sum: so many requests each of one distribution.
type shapeRun struct {
	shape   *Histogram // of one request; its owner leaves it as it is until the window after the next change
	n       int
	weights [mostInRun]float64
}

// mostInRun is the number of windows of a control interval that nothing ends early.
const mostInRun = TicksPerInterval / WindowTicks

// NewLatencySet makes an empty set.
func NewLatencySet(endpoints int) LatencySet {
	return LatencySet{sums: make([]Histogram, endpoints), runs: make([]shapeRun, endpoints)}
}

// Add adds the requests that completed in the engine's last window. It must see every window of which anything is wanted, before the
// engine goes on.
func (x *LatencySet) Add(engine Engine) {
	f, ok := engine.(*Fluid)
	if !ok {
		engine.AddLatencies(x.sums)
		return
	}
	for e := range x.runs {
		weight := f.completed[e]
		if weight <= 0 {
			continue
		}
		r, shape := &x.runs[e], f.units[e].shape(&f.x.endpoints[e], &f.endpoints[e])
		if r.shape != shape || r.n == mostInRun {
			x.settle(e)
			r.shape = shape
		}
		r.weights[r.n] = weight
		r.n++
	}
}

// settle takes an endpoint's run into its sum.
func (x *LatencySet) settle(e int) {
	r := &x.runs[e]
	for _, w := range r.weights[:r.n] {
		x.sums[e].mergeScaled(r.shape, w)
	}
	r.shape, r.n = nil, 0
}

// Count is the number of requests of an endpoint.
func (x *LatencySet) Count(e int) float64 {
	r, total := &x.runs[e], x.sums[e].total
	for _, w := range r.weights[:r.n] {
		total += w * r.shape.total
	}
	return total
}

// QuantileAbove tells whether the latency below which share p of an endpoint's requests lie is above ms.
func (x *LatencySet) QuantileAbove(e int, p, ms float64) bool {
	if r := &x.runs[e]; x.sums[e].end == 0 && r.n > 0 && r.shape.endsBelow(ms) {
		return false
	}
	x.settle(e)
	return x.sums[e].QuantileAbove(p, ms)
}

// Drain adds an endpoint's requests to a histogram and leaves none.
func (x *LatencySet) Drain(e int, to *Histogram) {
	r, sum := &x.runs[e], &x.sums[e]
	if sum.end == 0 && sum.total == 0 && r.n == mostInRun {
		to.mergeThrice(r.shape, &r.weights)
		r.shape, r.n = nil, 0
		return
	}
	x.settle(e)
	to.Merge(sum)
	sum.Reset()
}

// mergeThrice adds the sum of three times o, weighted.
func (h *Histogram) mergeThrice(o *Histogram, w *[mostInRun]float64) {
	a, b, c := w[0], w[1], w[2]
	h.total += a*o.total + b*o.total + c*o.total
	h.sum += a*o.sum + b*o.sum + c*o.sum
	if o.end == 0 {
		return
	}
	h.reach(o.first, o.end-1)
	to, from := h.counts[o.first:o.end], o.counts[o.first:o.end]
	from = from[:len(to)]
	for i := range to {
		x := from[i]
		to[i] += a*x + b*x + c*x
	}
}

// endsBelow tells whether all latencies are below ms by more than rounding.
func (h *Histogram) endsBelow(ms float64) bool { return h.end < histBuckets && histEdges[h.end] <= ms }

// AddLatencies adds the completed requests of the last window.
func (f *Fluid) AddLatencies(perEndpoint []Histogram) {
	for e := range perEndpoint {
		f.units[e].addTo(&f.x.endpoints[e], &f.endpoints[e], &perEndpoint[e], f.completed[e])
	}
}

// unitLatency keeps the distribution of an endpoint's latency while it stays what it is: at a constant load, and for several
// recorders, it is spread out once. The one before it stays too, for a [LatencySet] that has not yet added it up.
type unitLatency struct {
	of    duration
	known bool
	now   int          // of both
	both  [2]Histogram // of one request
}

// shape is the distribution of one request.
func (u *unitLatency) shape(x *endpointResponse, d *duration) *Histogram {
	if !u.known || *d != u.of {
		u.now = 1 - u.now
		one := &u.both[u.now]
		one.Reset()
		l := x.latencyOf(*d)
		l.addTo(one, 1)
		u.of, u.known = *d, true
	}
	return &u.both[u.now]
}

func (u *unitLatency) addTo(x *endpointResponse, d *duration, h *Histogram, weight float64) {
	if weight > 0 {
		h.mergeScaled(u.shape(x, d), weight)
	}
}
