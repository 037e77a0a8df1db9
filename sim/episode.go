package sim

// Episode is what one run replays: the intensity of every endpoint over time, and what the demand curve needs.
// Its slices belong to whoever passes it to [LoadSource.Episode] and are reused from run to run.
type Episode struct {
	Name string
	// Ticks is the whole length; the first WarmupTicks of it are run but not counted.
	Ticks, WarmupTicks int
	// RPS[t*endpoints+e] is the intensity of endpoint e in tick t, requests/s.
	RPS []float64
	// Needed[w*services+s] is the demand curve: the cheapest number of replicas of service s with which every
	// SLO holds in steady state at the load of window w (WindowTicks ticks each). Infeasible windows hold the
	// maximum of each service.
	Needed []int
	// Events is what else happens, in order of time. The episode's reader must not change it.
	Events []Event
	// Initial holds the replicas at time 0, one per service.
	Initial []int
	// Faults are when metrics are lost or false, for every controller alike.
	Faults []MetricFault
	// Arrivals spare runs with one seed the drawing of the same requests ([DrawArrivals]); nil: each draws them. Whoever shares the
	// episode sets it once RPS is filled. A run with another seed, or from a later tick on, does not look at it.
	Arrivals *Arrivals
}

// fill draws intensities and the demand curve for the episode's length, and makes room for Initial. total is the intensity of all endpoints
// together t seconds after the warm-up, at a factor of the noise, which holds for a window.
func (ep *Episode) fill(mix []float64, demand *DemandTable, noise *loadNoise, total func(t, factor float64) float64) {
	nE, nS := len(mix), len(demand.app.Services)
	ep.RPS = resize(ep.RPS, ep.Ticks*nE)
	ep.Needed = resize(ep.Needed, (ep.Ticks+WindowTicks-1)/WindowTicks*nS)
	ep.Initial = resize(ep.Initial, nS)
	for from := 0; from < ep.Ticks; from += WindowTicks {
		factor, peak := noise.next(), 0.0
		for k := from; k < min(from+WindowTicks, ep.Ticks); k++ {
			rps := total(float64(k-ep.WarmupTicks), factor)
			peak = max(peak, rps)
			for e, w := range mix {
				ep.RPS[k*nE+e] = rps * w
			}
		}
		copy(ep.Needed[from/WindowTicks*nS:], demand.At(peak))
	}
}

// requestsPerInterval is the mean number of requests that the counted part offers in a control interval.
func (ep *Episode) requestsPerInterval() float64 {
	endpoints, sum := len(ep.RPS)/ep.Ticks, 0.0
	for _, rps := range ep.RPS[ep.WarmupTicks*endpoints:] {
		sum += rps
	}
	return sum / float64(ep.Ticks-ep.WarmupTicks) * ControlInterval.Seconds()
}

// LoadSource gives the load of episodes: a scenario, a family of scenarios, windows of a recording.
type LoadSource interface {
	// Name is what results are listed under.
	Name() string
	// Episode fills ep with the load that seed stands for, reusing its slices. The same seed gives the same
	// load. It may be called by several goroutines at once, each with an episode of its own.
	Episode(seed uint64, ep *Episode) error
}
